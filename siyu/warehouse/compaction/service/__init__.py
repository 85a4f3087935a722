"""Verbs of the compactor."""

from siyu.warehouse.compaction.rules import quoted, read_csv, read_parquet
from siyu.warehouse.compaction.service.collect import collect
from siyu.warehouse.compaction.service.compact import compact_slot
from siyu.warehouse.compaction.service.merge import merge_due, rebuild
from siyu.warehouse.compaction.service.rounds import compact, run_round
from siyu.warehouse.compaction.service.verify import verify

__all__ = [
    "collect",
    "compact",
    "compact_slot",
    "merge_due",
    "quoted",
    "read_csv",
    "read_parquet",
    "rebuild",
    "run_round",
    "verify",
]
