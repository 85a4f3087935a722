"""The SQL of the hot lane's stock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
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


Part = tuple[UUID, int, datetime | None]
"""So many pieces out of a warehouse, and until when they are kept."""


class Batch(msgspec.Struct, frozen=True):
    """What a batch did; lane_id: None where the lane was closed meanwhile."""

    lane_id: UUID | None
    queue: int
    orders: int
    refused: int
    at: datetime


# What lanes did long ago goes.
_COUNTED = """gone as (
  delete from inventory.lanes where shop_id = $1 and worked_at < $8),
counted as (
  insert into inventory.lanes as l (shop_id, sku_id, lane_id, opened_at, queue, orders, refused,
    batches, largest, worked_at)
  select $1, $2, $3, $7, $4, $5::bigint, $6::bigint, 1, ($5 + $6)::int, $7
  where $3::uuid is not null
  on conflict (shop_id, sku_id, lane_id) do update
    set orders = l.orders + excluded.orders, refused = l.refused + excluded.refused,
      batches = l.batches + 1, largest = greatest(l.largest, excluded.largest),
      worked_at = excluded.worked_at)"""

_COUNT = f"with {_COUNTED} select true"

# One trip: reserved is all of it or, when not all of it is free, nothing.
_RESERVE = f"""
with {_COUNTED},
share as materialized (
  select source, warehouse_id, quantity, until
  from unnest($9::uuid[], $10::int[]) as g (source, part_no)
  join unnest($11::uuid[], $12::int[], $13::timestamptz[])
    with ordinality as p (warehouse_id, quantity, until, no) on p.no = coalesce(part_no, 1)),
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
  insert into inventory.reservations (shop_id, source, sku_id, warehouse_id, quantity, until)
  select $1, source, $2, warehouse_id, quantity, until from share
  where exists (select from fits))
select exists (select from fits)"""


def _arguments(tx: Tx, sku_id: UUID, batch: Batch) -> tuple[Any, ...]:
    told = msgspec.structs.astuple(batch)
    return (tx.shop_id, sku_id, *told, batch.at - KEPT_FOR)


async def lock_and_reserve_many(
    tx: Tx, sku_id: UUID, shares: Sequence[tuple[UUID, Part]], batch: Batch
) -> bool:
    """Reserve for many sources at once, and count them; False when not all of it is free."""
    # What many have in common travels once.
    numbers: dict[Part, int] = {}
    part_nos = [numbers.setdefault(part, len(numbers) + 1) for _, part in shares]
    fits: bool = await tx.value(
        _RESERVE,
        *_arguments(tx, sku_id, batch),
        [source for source, _ in shares],
        part_nos if len(numbers) > 1 else [],
        *zip(*numbers, strict=True),
    )
    return fits


async def count_batch(tx: Tx, sku_id: UUID, batch: Batch) -> None:
    """Add a batch to what a lane has done."""
    await tx.value(_COUNT, *_arguments(tx, sku_id, batch))


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
