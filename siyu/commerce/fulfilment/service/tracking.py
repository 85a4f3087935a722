"""Where a parcel is: told by staff, by a table, or by a source that is asked from time to time.

A source is a `contracts.Tracker`; `read_files` is the one that needs nobody outside: a carrier's
software drops `<data_dir>/tracking/<shop code>.csv` (number, moment, status, text).
"""

import asyncio
import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from siyu.commerce.fulfilment import queries
from siyu.commerce.fulfilment.contracts import (
    BadTable,
    MomentWithoutOffset,
    ParcelNotFound,
    Tracker,
    TrackingNews,
    TrackingStatus,
)
from siyu.commerce.fulfilment.service import upload_store
from siyu.kernel.audit import Actor
from siyu.kernel.config import settings
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops

MAX_BYTES = 4_000_000


async def note_news(tx: Tx, actor: Actor, parcel_id: UUID, news: TrackingNews) -> bool:
    """Something is told of a parcel; False when it was known. The last parcel of an order that
    arrives lets WeChat remind the buyer to confirm. Raises ParcelNotFound.
    """
    parcel = await queries.lock_parcel(tx, parcel_id)
    if parcel is None:
        raise ParcelNotFound
    if not await queries.insert_news(tx, parcel_id, news, actor.actor_name):
        return False
    if news.status is TrackingStatus.DELIVERED:
        for order_id in {one.order_id for one in await queries.list_pieces(tx, [parcel_id])}:
            consignments = await queries.list_of_orders(tx, [order_id])
            parcels = await queries.list_parcels_of(
                tx, [one.consignment_id for one in consignments]
            )
            if all(one.delivered_at for one in parcels):
                await upload_store.move_receipt(tx, order_id, news.at, news.at)
    return True


async def note_all(tx: Tx, actor: Actor, told: Sequence[TrackingNews]) -> int:
    """Note what is told of tracking numbers; how much of it was new. Unknown ones are nobody's."""
    parcels = await queries.list_of_tracking(tx, [one.tracking_no for one in told])
    count = 0
    for parcel in sorted(parcels, key=lambda one: one.parcel_id):
        for news in told:
            if news.tracking_no == parcel.tracking_no:
                count += await note_news(tx, actor, parcel.parcel_id, news)
    return count


def read_news(text: str) -> list[TrackingNews]:
    """Rows of tracking number, moment (RFC 3339), status and text. Raises BadTable,
    MomentWithoutOffset.
    """
    news = []
    for row_no, cells in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff"))), 1):
        cells = [cell.strip() for cell in cells]
        if not any(cells) or (row_no == 1 and cells[0].lower() in ("tracking_no", "运单号")):
            continue
        try:
            at = datetime.fromisoformat(cells[1])
            status = TrackingStatus(cells[2])
        except (IndexError, ValueError):
            raise BadTable(row_no=row_no) from None
        if at.tzinfo is None:
            raise MomentWithoutOffset(row_no=row_no)
        news.append(TrackingNews(cells[0], at, status, cells[3][:200] if len(cells) > 3 else ""))
    return news


async def read_files(shop_id: ShopId, tracking_nos: Sequence[str]) -> list[TrackingNews]:
    """What a carrier's software has dropped for this shop; nothing when there is no file."""
    async with reading(shop_id) as tx:
        code = (await shops.get_shop(tx)).code
    path = settings().data_dir / "tracking" / f"{code}.csv"
    text = await asyncio.to_thread(_read, path)
    wanted = set(tracking_nos)
    return [one for one in read_news(text) if one.tracking_no in wanted]


def _read(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return ""
    return path.read_text(encoding="utf-8-sig", errors="replace")


async def ask(
    shop_id: ShopId, actor: Actor, tracker: Tracker, since: datetime, limit: int = 1000
) -> int:
    """Ask a source about the parcels that are under way; how much it had to tell."""
    async with reading(shop_id) as tx:
        wanted = await queries.list_under_way(tx, since, limit)
    if not wanted:
        return 0
    told = await tracker(shop_id, wanted)
    if not told:
        return 0
    async with transaction(shop_id) as write:
        return await note_all(write, actor, told)
