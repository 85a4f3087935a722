"""Verbs of the compactor."""

from siyu.warehouse.compaction.rules import (
    is_present,
    quoted,
    read_csv,
    read_parquet,
    withdrawn_sql,
)
from siyu.warehouse.compaction.service.collect import collect
from siyu.warehouse.compaction.service.compact import compact_slot
from siyu.warehouse.compaction.service.merge import merge_due, rebuild
from siyu.warehouse.compaction.service.purge import (
    ask_erasure,
    ask_withdrawal,
    get_retention,
    list_erasures,
    list_withdrawals,
    purge,
    set_retention,
)
from siyu.warehouse.compaction.service.recover import recover
from siyu.warehouse.compaction.service.rounds import compact, run_round
from siyu.warehouse.compaction.service.verify import verify

__all__ = [
    "ask_erasure",
    "ask_withdrawal",
    "collect",
    "compact",
    "compact_slot",
    "get_retention",
    "is_present",
    "list_erasures",
    "list_withdrawals",
    "merge_due",
    "purge",
    "quoted",
    "read_csv",
    "read_parquet",
    "rebuild",
    "recover",
    "run_round",
    "set_retention",
    "verify",
    "withdrawn_sql",
]
