"""The compactor: sealed slots become sorted Parquet files, many small files become few.

Owns `warehouse.file`, the manifest. Always true: rows of live files + rows of open and sealed
slots = rows of `batch` (W1); publishing is DML only (W3); a file exists only after its intent row
(W5) and is never changed. Any number of compactors may run: an advisory lock saves work, the row
updates decide. Emits nothing; called by the worker and the command line.
"""
