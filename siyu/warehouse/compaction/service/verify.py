"""The audit: does everything that was acknowledged exist, once, whole and in order?"""

import asyncio

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import LiveFile, Verification
from siyu.warehouse.compaction.service.files import workbench
from siyu.warehouse.tail import service as tail


async def verify() -> Verification:
    """Compare the batches with files and tail in one snapshot (W1), and look into every file (W6).

    Reads all files: minutes for a large warehouse. Missing files are tried again in a new snapshot,
    because a file may be collected while the audit reads (W9).
    """
    for _ in range(3):
        report = await _verify_once()
        if not report.missing:
            break
    return report


async def _verify_once() -> Verification:
    async with tail.snapshotting() as tx:
        batches = await queries.get_books(tx)
        in_tail = await queries.get_tail_books(tx)
        files = await queries.list_live_files(tx)
    rows, sum_no, missing, unordered = await asyncio.to_thread(_read_files, files)
    return Verification(
        batch_rows=batches.rows,
        file_rows=rows,
        tail_rows=in_tail.rows,
        batch_sum=batches.sum_no,
        file_sum=sum_no,
        tail_sum=in_tail.sum_no,
        files=len(files),
        missing=missing,
        unordered=unordered,
        ok=(batches.rows, batches.sum_no) == (rows + in_tail.rows, sum_no + in_tail.sum_no)
        and not missing
        and not unordered,
    )


def _read_files(files: list[LiveFile]) -> tuple[int, int, list[str], list[str]]:
    rows, sum_no = 0, 0
    missing: list[str] = []
    unordered: list[str] = []
    with workbench() as (duck, _):
        for file in files:
            try:
                count, total, in_order = _read_file(duck, file)
            except duckdb.IOException:
                missing.append(file.path)
                continue
            rows += count
            sum_no += total
            if not in_order or count != file.rows:
                unordered.append(file.path)
    return rows, sum_no, missing, unordered


def _read_file(duck: duckdb.DuckDBPyConnection, file: LiveFile) -> tuple[int, int, bool]:
    source = rules.read_parquet([str(tail.root() / file.path)])
    found = duck.execute(
        f"""with numbered as (
              select *, {rules.MONTH_SQL} as month,
                     row(shop_id, person_no, at_us, event_no) as place,
                     lag(row(shop_id, person_no, at_us, event_no)) over () as before
              from {source})
            select count(*), coalesce(sum(event_no), 0),
                   coalesce(bool_and((before is null or before < place)
                     and month = ? and ? in (shop_id % {rules.BUCKETS}, shop_id + {rules.BUCKETS})
                     and shop_id between ? and ? and person_no between ? and ?
                     and at_us between ? and ?), true)
            from numbered""",
        [
            file.month,
            file.bucket,
            *(file.min_shop, file.max_shop, file.min_person, file.max_person),
            *(file.min_us, file.max_us),
        ],
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), bool(found[2])
