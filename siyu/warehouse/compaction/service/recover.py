"""The books are lost, the files are there: what can be had back from them."""

import asyncio
import json
from pathlib import Path

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import FILE_COLUMNS, Recovered, Removals
from siyu.warehouse.compaction.service.files import publish, workbench, write_files
from siyu.warehouse.tail import service as tail

_OTHER = 2
"""The page that stands for all that the full dictionary did not take."""
_TEXTS = {"event_name": "name_id", "channel": "channel_id", "page": "page_id"}


async def recover() -> Recovered:
    """Make an empty warehouse out of the files in its folder, whichever of them counted before.

    A file tells what its numbers mean, and an event number occurs once in the world: so rows that
    are in an old file and in the one it was merged into are taken once. What had not reached a file
    is gone with the database. A batch of the last 30 days that is sent again would count again; a
    person who was erased and whose dead files had not been unlinked must be erased again. Raises
    AssertionError when the books are not empty; files of the first layout and broken ones are only
    listed.
    """
    async with tail.opened() as tx:
        assert await queries.is_blank(tx), "the books are not empty: use rebuild"
    paths = sorted(tail.root().glob("b*/*/*.parquet"))
    readable, broken, read = await asyncio.to_thread(_look, paths)
    if not readable:
        return Recovered(files=0, read=0, rows=0, broken=broken)
    codes = await _learn(readable)
    with workbench() as (duck, _):
        await asyncio.to_thread(_load, duck, readable, codes)
        output = await write_files(
            duck, "events", Removals(), "merge", own=set(), level=1,
            max_rows=rules.MAX_FILE_ROWS,
        )  # fmt: skip
        rows, total, highest = _sums(duck)
    async with tail.opened() as tx:
        await publish(tx, output)
        await queries.insert_recovered(tx, rows, total, highest // tail.BLOCK + 1)
    for path in readable:
        path.unlink()
    return Recovered(files=len(readable), read=read, rows=rows, broken=broken)


def _look(paths: list[Path]) -> tuple[dict[Path, dict[str, dict[str, str]]], list[str], int]:
    readable, broken, read = {}, [], 0
    for path in paths:
        try:
            notes = dict(
                duckdb.execute(
                    "select decode(key), decode(value) from parquet_kv_metadata(?)", [str(path)]
                ).fetchall()
            )
            count = duckdb.execute("select count(*) from read_parquet(?)", [str(path)]).fetchone()
            assert count is not None
            readable[path] = json.loads(notes["texts"])
            read += count[0]
        except (duckdb.Error, KeyError, ValueError):
            broken.append(str(path.relative_to(tail.root())))
    return readable, broken, read


async def _learn(files: dict[Path, dict[str, dict[str, str]]]) -> dict[str, dict[str, int]]:
    """Numbers of all texts in this database."""
    found = {}
    for dictionary in _TEXTS:
        texts = sorted({text for notes in files.values() for text in notes[dictionary].values()})
        async with tail.opened() as tx:
            found[dictionary] = await tail.number_texts(tx, dictionary, texts)
    return found


def _load(
    duck: duckdb.DuckDBPyConnection,
    files: dict[Path, dict[str, dict[str, str]]],
    codes: dict[str, dict[str, int]],
) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in FILE_COLUMNS.items())
    duck.execute(f"create table events ({columns})")
    for path, notes in files.items():
        replaced = [
            f"{_case(column, notes[dictionary], codes[dictionary])} as {column}"
            for dictionary, column in _TEXTS.items()
        ]
        duck.execute(
            f"""insert into events select * replace ({", ".join(replaced)})
                from {rules.read_parquet([str(path)])}
                where event_no not in (select event_no from events)"""
        )


def _case(column: str, texts: dict[str, str], codes: dict[str, int]) -> str:
    cases = " ".join(
        f"when {int(old)} then {codes.get(text, _OTHER)}" for old, text in texts.items()
    )
    return f"case {column} {cases} end::{FILE_COLUMNS[column]}"


def _sums(duck: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    found = duck.execute("select count(*), sum(event_no), max(event_no) from events").fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), int(found[2])
