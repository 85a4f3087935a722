"""The SQL of the hot lane's stock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.commerce.inventory.contracts import Heat, Lane
from siyu.kernel.db import ReadTx, Tx

KEPT_FOR = timedelta(days=30)


class SupplyRow(msgspec.Struct, frozen=True):
    """A SKU in one open warehouse."""

    lane: Lane
    limit_per_buyer: int | None
    safety: int
    warehouse_id: UUID
    priority: int
    free: int


_SUPPLY = """select i.lane, i.limit_per_buyer, i.safety, s.warehouse_id, h.priority,
  s.on_hand - s.reserved as free
from inventory.items i
join inventory.stock s on s.shop_id = $1 and s.sku_id = i.sku_id
join inventory.warehouses h on h.shop_id = $1 and h.warehouse_id = s.warehouse_id and h.is_open
where i.shop_id = $1 and i.sku_id = $2 order by s.warehouse_id"""


async def list_supply(tx: ReadTx, sku_id: UUID) -> list[SupplyRow]:
    """A SKU in its open warehouses."""
    return await tx.all(SupplyRow, _SUPPLY, tx.shop_id, sku_id)


async def lock_supply(tx: Tx, sku_id: UUID) -> list[SupplyRow]:
    """The same, and nobody else sells any until the end."""
    return await tx.all(SupplyRow, f"{_SUPPLY} for no key update of s", tx.shop_id, sku_id)


class Share(msgspec.Struct, frozen=True):
    """Pieces of the SKU for one source, out of one warehouse."""

    source: UUID
    warehouse_id: UUID
    quantity: int
    until: datetime | None


async def lock_and_reserve_many(tx: Tx, sku_id: UUID, shares: Sequence[Share]) -> bool:
    """Reserve for many sources at once, in one trip; False when not all of it is free."""
    fits: bool = await tx.value(
        """with share as materialized (
             select * from unnest($3::uuid[], $4::uuid[], $5::int[], $6::timestamptz[])
               as g (source, warehouse_id, quantity, until)),
           asked as materialized (
             select warehouse_id, sum(quantity)::int as quantity from share group by warehouse_id),
           locked as materialized (
             select s.warehouse_id, s.on_hand - s.reserved as free
             from inventory.stock s join inventory.warehouses h
               on h.shop_id = $1 and h.warehouse_id = s.warehouse_id and h.is_open
             where s.shop_id = $1 and s.sku_id = $2
             order by s.warehouse_id for no key update of s),
           fits as materialized (
             select from inventory.items i
             where i.shop_id = $1 and i.sku_id = $2
               and (select sum(quantity) from asked) <= (select sum(free) from locked) - i.safety
               and not exists (
                 select from asked a left join locked l using (warehouse_id)
                 where coalesce(l.free, 0) < a.quantity)),
           taken as (
             update inventory.stock s set reserved = s.reserved + a.quantity from asked a
             where s.shop_id = $1 and s.sku_id = $2 and s.warehouse_id = a.warehouse_id
               and exists (select from fits)),
           kept as (
             insert into inventory.reservations
               (shop_id, source, sku_id, warehouse_id, quantity, until)
             select $1, source, $2, warehouse_id, quantity, until from share
             where exists (select from fits))
           select exists (select from fits)""",
        tx.shop_id,
        sku_id,
        [share.source for share in shares],
        [share.warehouse_id for share in shares],
        [share.quantity for share in shares],
        [share.until for share in shares],
    )
    return fits


async def count_batch(
    tx: Tx, sku_id: UUID, lane_id: UUID, *, queue: int, orders: int, refused: int, at: datetime
) -> None:
    """Add a batch to what a lane has done; what lanes did long ago goes."""
    await tx.run(
        """with old as (
             delete from inventory.lanes where shop_id = $1 and worked_at < $8)
           insert into inventory.lanes as l (shop_id, sku_id, lane_id, opened_at, queue, orders,
             refused, batches, largest, worked_at)
           values ($1, $2, $3, $7, $4, $5, $6, 1, $9, $7)
           on conflict (shop_id, sku_id, lane_id) do update
             set orders = l.orders + $5, refused = l.refused + $6, batches = l.batches + 1,
               largest = greatest(l.largest, excluded.largest), worked_at = $7""",
        tx.shop_id,
        sku_id,
        lane_id,
        queue,
        orders,
        refused,
        at,
        at - KEPT_FOR,
        orders + refused,
    )


async def list_heat(tx: ReadTx, since: datetime) -> list[Heat]:
    """What lanes have done that worked since then, the latest first."""
    return await tx.all(
        Heat,
        """select sku_id, opened_at, queue, orders, refused, batches, largest, worked_at
           from inventory.lanes where shop_id = $1 and worked_at >= $2
           order by worked_at desc limit 200""",
        tx.shop_id,
        since,
    )
