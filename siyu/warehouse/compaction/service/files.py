"""Writing one Parquet file so that a power cut leaves it whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import msgspec

from siyu.kernel.ids import new_id
from siyu.warehouse.compaction import rules
from siyu.warehouse.compaction.contracts import FILE_COLUMNS, Intent, Part
from siyu.warehouse.compaction.queries import Written
from siyu.warehouse.tail import service as tail


class Lost(Exception):
    """Somebody else has done this work; throw ours away."""


@contextlib.contextmanager
def workbench() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A DuckDB for one job with little memory, and a scratch folder that it may spill to."""
    scratch = tail.root() / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        duckdb.connect(
            config={"memory_limit": "256MB", "threads": 2, "temp_directory": folder}
        ) as duck,
    ):
        yield duck, Path(folder)


def new_path(bucket: int, month: date) -> str:
    """A fresh path below the root; its folder exists afterwards."""
    return rules.file_path(bucket, month, new_id())


def parts_of(duck: duckdb.DuckDBPyConnection, source: str) -> list[Part]:
    """Which files the rows of `source` (a table or table function) belong to."""
    found = duck.execute(
        f"""select {rules.BUCKET_SQL} as bucket, {rules.MONTH_SQL} as month, count(*) as rows,
                   min(at_us) as min_us, max(at_us) as max_us,
                   min(shop_id) as min_shop, max(shop_id) as max_shop,
                   min(person_no) as min_person, max(person_no) as max_person
            from {source} group by all order by all"""
    )
    names = [column[0] for column in found.description or []]
    return msgspec.convert(
        [dict(zip(names, row, strict=True)) for row in found.fetchall()], list[Part]
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(
    duck: duckdb.DuckDBPyConnection, source: str, intent: Intent, part: Part, job: str
) -> Written:
    """Write and fsync the file of an intent with the rows of `part`, in order (W6).

    job: "compact" or "merge", for the fail points.
    """
    target = tail.root() / intent.path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    duck.execute(
        f"""copy (
              select {", ".join(FILE_COLUMNS)} from {source}
              where {rules.BUCKET_SQL} = {part.bucket} and {rules.MONTH_SQL} = date '{part.month}'
              order by {rules.ORDER}
            ) to {rules.quoted(str(target))} ({rules.PARQUET})"""
    )
    size = target.stat().st_size
    tail.crash_point(f"{job}.half_written", lambda: os.truncate(target, size // 2))
    for place in (target, target.parent, target.parent.parent, tail.root()):
        _sync(place)
    return Written(intent.file_no, part, size)
