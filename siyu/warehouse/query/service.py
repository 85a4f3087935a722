"""Taking a snapshot; and the events of a few persons, at once."""

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.query import queries
from siyu.warehouse.query.contracts import PERSON_JOINED, Deed, Need, Snapshot
from siyu.warehouse.tail import service as tail


@contextlib.asynccontextmanager
async def snapshot(
    shop_id: int, needs: Sequence[Need], *, texts: bool = False
) -> AsyncIterator[Snapshot]:
    """One moment of a shop's events, as far as the needs go; valid inside the block.

    The transaction is over when the block begins (W4). A file may then be collected while it is
    read: that shows as a missing file, and the reader starts again with a new snapshot (W9).
    texts: also give the numbers of all pages and channels.
    """
    wanted = [need.names for need in needs]
    every = None in wanted
    names = frozenset({PERSON_JOINED}).union(*(some for some in wanted if some is not None))
    until_us = max(need.until_us for need in needs)
    props = any(need.props for need in needs)
    scratch = tail.root() / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        csv = Path(folder) / "tail.csv"
        async with tail.snapshotting() as tx:
            asked = None if every else sorted(names)
            codes = {"event_name": await queries.get_codes(tx, "event_name", asked)}
            for dictionary in ("channel", "page") if texts else ():
                codes[dictionary] = await queries.get_codes(tx, dictionary, None)
            paths = await queries.list_paths(tx, shop_id, until_us)
            withdrawn, systems = await queries.get_withdrawn(tx, shop_id)
            ids = list(codes["event_name"].values())
            joined = [codes["event_name"].get(PERSON_JOINED, -1)]
            await queries.copy_tail(
                tx,
                csv,
                shop_id=shop_id,
                name_ids=ids,
                until_us=until_us,
                props_of=ids if props else joined,
            )
        yield Snapshot(
            shop_id=shop_id,
            files=[tail.root() / path for path in paths],
            tail=csv,
            codes=codes,
            kept=f"not {compaction.withdrawn_sql(withdrawn, systems)}" if withdrawn else None,
        )


# --- a few persons ----------------------------------------------------------------------------

_duck: duckdb.DuckDBPyConnection | None = None
_opening = threading.Lock()


def _cursor() -> duckdb.DuckDBPyConnection:
    """A way into a small DuckDB that remembers the statistics of the files it has read."""
    global _duck
    with _opening:
        if _duck is None:
            _duck = duckdb.connect(config={"memory_limit": "128MB", "threads": 2})
            _duck.execute("set parquet_metadata_cache = true")
        return _duck.cursor()


async def events_of(
    shop_id: int, persons: Collection[int], names: Collection[str], since_us: int
) -> list[Deed]:
    """Events of these numbers and names from a moment on, in order.

    Milliseconds for few persons, whatever the warehouse holds: files are in the order of persons,
    and by their statistics all but a piece of each is passed over. Opens its own transactions.
    """
    for attempt in range(3):
        async with tail.snapshotting() as tx:
            codes = await queries.get_codes(tx, "event_name", sorted(names))
            wanted = (sorted(persons), sorted(codes.values()), since_us)
            rows = await queries.list_tail_of(tx, shop_id, *wanted) if codes else []
            paths = await queries.list_paths_of(tx, shop_id, wanted[0], since_us) if codes else []
            withdrawn, systems = await queries.get_withdrawn(tx, shop_id)
        files = [tail.root() / path for path in paths]
        try:
            rows += await asyncio.to_thread(_read, files, shop_id, *wanted) if files else []
            break
        except duckdb.IOException:
            if attempt == 2 or all(path.exists() for path in files):
                raise
    # Columns as in DEED: 0 the person, 1 the moment, 4 the channel.
    rows = [r for r in rows if r[4] in systems or r[1] >= withdrawn.get(r[0], r[1])]
    by_id = {number: name for name, number in codes.items()}
    texts: dict[str, dict[int, str]] = {}
    async with tail.opened() as tx:
        for dictionary, column in (("channel", 4), ("page", 7)):
            ids = sorted({row[column] for row in rows})
            texts[dictionary] = await queries.get_texts(tx, dictionary, ids) if ids else {}
    return sorted(_deed(row, by_id, texts) for row in rows)


def _read(
    files: Sequence[Path], shop_id: int, persons: list[int], names: list[int], since_us: int
) -> list[tuple[Any, ...]]:
    with contextlib.closing(_cursor()) as duck:
        return duck.execute(
            f"""select {queries.DEED} from {compaction.read_parquet([str(path) for path in files])}
                where shop_id = {int(shop_id)} and at_us >= {int(since_us)}
                  and person_no between {persons[0]} and {persons[-1]}
                  and person_no in ({", ".join(map(str, persons))})
                  and name_id in ({", ".join(map(str, names))})"""
        ).fetchall()


def _deed(row: tuple[Any, ...], names: dict[int, str], texts: dict[str, dict[int, str]]) -> Deed:
    (
        person_no,
        at_us,
        event_no,
        name_id,
        channel_id,
        item_no,
        fen,
        page_id,
        zone,
        dwell_ms,
        props,
    ) = row
    if isinstance(props, str):
        props = msgspec.json.decode(props)
    return Deed(
        at_us, event_no, person_no, names[name_id], texts["channel"].get(channel_id, ""),
        texts["page"].get(page_id, ""), item_no, fen, zone or None, dwell_ms or None, props or {},
    )  # fmt: skip


async def count_fresh(shop_id: int, names: Collection[str]) -> dict[tuple[int, int], int]:
    """(slot, person) → how many events of these names are in no file yet: whose number has grown
    since somebody looked has done something."""
    async with tail.snapshotting() as tx:
        codes = await queries.get_codes(tx, "event_name", sorted(names))
        return await queries.count_tail(tx, shop_id, sorted(codes.values())) if codes else {}
