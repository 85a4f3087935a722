"""Engines answer specs: compiled kernels, and DuckDB with portable SQL for everything else.

Every engine gives the same integers for the same spec and snapshot (W10); a query that meets a
collected file starts again with a new snapshot (W9). Owns no tables, emits nothing. One small
DuckDB per process, made at the first question. Called by `insight`.
"""
