"""Taking a snapshot."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from siyu.warehouse.query import queries
from siyu.warehouse.query.contracts import PERSON_JOINED, Need, Snapshot
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
        )
