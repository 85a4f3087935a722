"""What the hot lane needs of stock: see `ordering.service.hot_lane`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from siyu.commerce.inventory import rules
from siyu.commerce.inventory.contracts import Heat, Lane, Supply, SupplyMoved
from siyu.commerce.inventory.service import heat, hot_store
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import ShopId


def is_hot(shop_id: ShopId, sku_id: UUID) -> bool:
    """Whether this process works off orders for the SKU together now. No round trip."""
    return heat.get_open(shop_id, sku_id) is not None


def close_lane(shop_id: ShopId, sku_id: UUID) -> None:
    """Sell a SKU in the ordinary way again, in this process."""
    heat.close(shop_id, sku_id)


async def load_supply(tx: ReadTx, sku_id: UUID, *, locked: bool) -> Supply:
    """What there is of a SKU; locked: nobody else sells any of it until the end.

    A SKU without stock in an open warehouse has nothing available.
    """
    if locked:
        assert isinstance(tx, Tx), "who locks may write"
        found = await hot_store.lock_supply(tx, sku_id)
    else:
        found = await hot_store.list_supply(tx, sku_id)
    rows = sorted(found, key=lambda row: (row.priority, row.warehouse_id))
    if not rows:
        return Supply(Lane.AUTO, None, 0, [])
    first = rows[0]
    free = [(row.warehouse_id, row.free) for row in rows]
    return Supply(first.lane, first.limit_per_buyer, first.safety, free)


async def reserve_many(
    tx: Tx,
    sku_id: UUID,
    supply: Supply,
    wanted: Sequence[tuple[UUID, int, datetime | None]],
    *,
    refused: int = 0,
) -> None:
    """Keep pieces of one SKU for many sources: (source, pieces, until), all or nothing; and count
    them as a batch of the lane, with those that were refused.

    supply: what was read before; it decides which warehouse serves whom, in the order given. Like
    `reserve` it comes last. Raises SupplyMoved when another took of it meanwhile.
    """
    shares = [
        (source, (warehouse_id, quantity, until))
        for (source, _, until), parts in zip(
            wanted, rules.allot(supply.free, [pieces for _, pieces, _ in wanted]), strict=True
        )
        for warehouse_id, quantity in parts
    ]
    batch = _batch(tx, sku_id, len(wanted), refused)
    if not await hot_store.lock_and_reserve_many(tx, sku_id, shares, batch):
        raise SupplyMoved
    heat.note_batch(tx.shop_id, sku_id, supply.lane, len(wanted) + refused)


async def count_batch(tx: Tx, sku_id: UUID, lane: Lane, *, orders: int, refused: int) -> None:
    """Note what a batch did, and let the lane cool; `reserve_many` does it for those it serves."""
    await hot_store.count_batch(tx, sku_id, _batch(tx, sku_id, orders, refused))
    heat.note_batch(tx.shop_id, sku_id, lane, orders + refused)


def _batch(tx: Tx, sku_id: UUID, orders: int, refused: int) -> hot_store.Batch:
    opened = heat.get_open(tx.shop_id, sku_id)
    lane_id, queue = (opened.lane_id, opened.queue) if opened is not None else (None, 0)
    return hot_store.Batch(lane_id, queue, orders, refused, clock.now())


async def list_heat(tx: ReadTx, since: datetime) -> list[Heat]:
    """What lanes have done, in all processes, that worked since then."""
    return await hot_store.list_heat(tx, since)
