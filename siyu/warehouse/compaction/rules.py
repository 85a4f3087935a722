"""Decisions of the compactor: where rows go, which files are merged, the SQL of a file."""

from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from uuid import UUID

from siyu.warehouse.compaction.contracts import FILE_COLUMNS, LiveFile

BUCKETS = 16
MERGE_FILES = 4
MAX_FILE_ROWS = 20_000_000
LEASE_S = 3_600
GRACE_S = 3_600
"""A dead file stays this long for readers that still have it in their list (W9 covers the rest)."""

ORDER = "shop_id, person_no, at_us, event_no"
BUCKET_SQL = f"shop_id % {BUCKETS}"
MONTH_SQL = "date_trunc('month', make_timestamp(at_us))::date"
# Version 2 pages let DuckDB choose DELTA_BINARY_PACKED for integers; the dictionary limit is what
# makes it choose so for at_us, event_no and person_no, while few-valued columns keep a dictionary.
PARQUET = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1,"
    " row_group_size 100000, dictionary_size_limit 1000"
)


def file_path(bucket: int, month: date, name: UUID) -> str:
    """Where a file lies below the root."""
    return f"b{bucket}/{month:%Y-%m}/{name}.parquet"


def read_csv(path: str) -> str:
    """The DuckDB table function that reads rows copied out of the tail."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in FILE_COLUMNS.items())
    return (
        f"read_csv({quoted(path)}, auto_detect=false, header=false, delim=',', nullstr='',"
        f" quote='\"', escape='\"', columns={{{columns}}})"
    )


def read_parquet(paths: Sequence[str]) -> str:
    """The DuckDB table function over files."""
    return f"read_parquet([{', '.join(map(quoted, paths))}])"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def choose_merge(files: Sequence[LiveFile], *, quiet: bool) -> list[LiveFile]:
    """Which files of one bucket-month become one; empty when nothing is to be done.

    quiet: the month is over and nothing has come lately, so that it may end as one file.
    Smallest first, up to MAX_FILE_ROWS together.
    """
    small = sorted(files, key=lambda file: (file.rows, file.file_no))
    sums = accumulate(file.rows for file in small)
    chosen = [file for file, total in zip(small, sums, strict=True) if total <= MAX_FILE_ROWS]
    return chosen if len(chosen) >= (2 if quiet else MERGE_FILES) else []
