"""All SQL of inventory."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from siyu.commerce.inventory.contracts import MAX_QUANTITY, Reservation, StockLevel
from siyu.kernel.db import ReadTx, Tx


class SkuCount(msgspec.Struct, frozen=True):
    """Pieces of one SKU."""

    sku_id: UUID
    quantity: int


class ProductStock(msgspec.Struct, frozen=True):
    """Pieces available of a product."""

    product_no: int
    available: int


class Shortage(msgspec.Struct, frozen=True):
    """A SKU of which more was wanted than is available."""

    sku_id: UUID
    wanted: int
    available: int


class MovementRow(msgspec.Struct, frozen=True):
    """One change of what is on hand; `source` is the order it was sold to, or the refund."""

    movement_id: UUID
    kind: Literal["received", "adjusted", "sold", "returned"]
    delta: int
    source: UUID | None
    actor_name: str
    reason: str
    moved_at: datetime


async def lock_and_reserve(
    tx: Tx, source: UUID, demand: Mapping[UUID, int], until: datetime | None
) -> list[Shortage]:
    """Reserve all or nothing in one trip; returns what is short (empty: reserved).

    Rows are locked in the order of their ids before they are judged, so that two carts never wait
    for each other crosswise (F043), and judged in the version that the lock waited for.
    """
    skus = sorted(demand)
    return await tx.all(
        Shortage,
        """with wanted as materialized (
             select * from unnest($3::uuid[], $4::int[]) as w (sku_id, quantity)),
           locked as materialized (
             select s.sku_id, s.on_hand - s.reserved as available
             from inventory.stock s join wanted w using (sku_id)
             where s.shop_id = $1 order by s.sku_id for no key update of s),
           short as materialized (
             select w.sku_id, w.quantity as wanted, coalesce(l.available, 0) as available
             from wanted w left join locked l using (sku_id)
             where coalesce(l.available, 0) < w.quantity),
           taken as (
             update inventory.stock s set reserved = s.reserved + w.quantity from wanted w
             where s.shop_id = $1 and s.sku_id = w.sku_id and not exists (select from short)),
           kept as (
             insert into inventory.reservations (shop_id, source, sku_id, quantity, until)
             select $1, $2, w.sku_id, w.quantity, $5 from wanted w
             where not exists (select from short))
           select sku_id, wanted, available from short order by sku_id""",
        tx.shop_id,
        source,
        skus,
        [demand[sku] for sku in skus],
        until,
    )


async def lock_and_release(tx: Tx, source: UUID) -> list[SkuCount]:
    """End the reservations of a source and give their pieces back; empty when already ended."""
    return await tx.all(
        SkuCount,
        """with ended as (
             delete from inventory.reservations where shop_id = $1 and source = $2
             returning sku_id, quantity),
           locked as materialized (
             select s.sku_id, e.quantity from inventory.stock s join ended e using (sku_id)
             where s.shop_id = $1 order by s.sku_id for no key update of s)
           update inventory.stock s set reserved = s.reserved - l.quantity from locked l
           where s.shop_id = $1 and s.sku_id = l.sku_id returning s.sku_id, l.quantity""",
        tx.shop_id,
        source,
    )


async def lock_and_consume(tx: Tx, source: UUID, movement_id: UUID, at: datetime) -> list[SkuCount]:
    """End the reservations of a source and let their pieces leave; empty when already ended."""
    return await tx.all(
        SkuCount,
        """with ended as (
             delete from inventory.reservations where shop_id = $1 and source = $2
             returning sku_id, quantity),
           locked as materialized (
             select s.sku_id, e.quantity from inventory.stock s join ended e using (sku_id)
             where s.shop_id = $1 order by s.sku_id for no key update of s),
           moved as (
             insert into inventory.movements
               (shop_id, sku_id, movement_id, kind, delta, source, actor_name, reason, moved_at)
             select $1, l.sku_id, $3, 'sold', -l.quantity, $2, 'siyu', '', $4 from locked l)
           update inventory.stock s
           set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity from locked l
           where s.shop_id = $1 and s.sku_id = l.sku_id returning s.sku_id, l.quantity""",
        tx.shop_id,
        source,
        movement_id,
        at,
    )


async def insert_stock(tx: Tx, product_numbers: Mapping[UUID, int]) -> None:
    """Begin to keep stock, none on hand, of the SKUs that are new."""
    await tx.run(
        """insert into inventory.stock (shop_id, sku_id, product_no)
           select $1, * from unnest($2::uuid[], $3::int[]) on conflict do nothing""",
        tx.shop_id,
        list(product_numbers),
        list(product_numbers.values()),
    )


async def lock_and_withdraw(tx: Tx, sku_ids: list[UUID]) -> None:
    """Take SKUs out of the lists."""
    await tx.run(
        """with locked as materialized (
             select sku_id from inventory.stock where shop_id = $1 and sku_id = any($2::uuid[])
             order by sku_id for no key update)
           update inventory.stock s set withdrawn = true from locked l
           where s.shop_id = $1 and s.sku_id = l.sku_id""",
        tx.shop_id,
        sku_ids,
    )


async def lock_and_receive(
    tx: Tx,
    goods: Mapping[UUID, int],
    *,
    movement_id: UUID,
    actor_name: str,
    reason: str,
    at: datetime,
) -> int:
    """Put goods on hand; how many SKUs took them (the others have no stock row, or no room)."""
    skus = sorted(goods)
    return await tx.run(
        f"""with given as materialized (
             select * from unnest($2::uuid[], $3::int[]) as g (sku_id, quantity)),
           locked as materialized (
             select s.sku_id, g.quantity from inventory.stock s join given g using (sku_id)
             where s.shop_id = $1 and s.on_hand + g.quantity <= {MAX_QUANTITY}
             order by s.sku_id for no key update of s),
           moved as (
             insert into inventory.movements
               (shop_id, sku_id, movement_id, kind, delta, actor_name, reason, moved_at)
             select $1, l.sku_id, $4, 'received', l.quantity, $5, $6, $7 from locked l)
           update inventory.stock s set on_hand = s.on_hand + l.quantity from locked l
           where s.shop_id = $1 and s.sku_id = l.sku_id""",
        tx.shop_id,
        skus,
        [goods[sku] for sku in skus],
        movement_id,
        actor_name,
        reason,
        at,
    )


async def lock_and_return(
    tx: Tx,
    source: UUID,
    goods: Mapping[UUID, int],
    *,
    movement_id: UUID,
    actor_name: str,
    at: datetime,
) -> list[SkuCount]:
    """Put returned pieces on hand, once per source and SKU; what took them.

    Left out: a SKU that has no stock row any more, and what this source brought back before.
    """
    skus = sorted(goods)
    return await tx.all(
        SkuCount,
        """with given as materialized (
             select * from unnest($3::uuid[], $4::int[]) as g (sku_id, quantity)),
           locked as materialized (
             select s.sku_id, g.quantity from inventory.stock s join given g using (sku_id)
             where s.shop_id = $1 order by s.sku_id for no key update of s),
           moved as (
             insert into inventory.movements
               (shop_id, sku_id, movement_id, kind, delta, source, actor_name, reason, moved_at)
             select $1, l.sku_id, $5, 'returned', l.quantity, $2, $6, '', $7 from locked l
             on conflict (shop_id, source, sku_id) where kind = 'returned' do nothing
             returning sku_id, delta)
           update inventory.stock s set on_hand = s.on_hand + m.delta from moved m
           where s.shop_id = $1 and s.sku_id = m.sku_id returning s.sku_id, m.delta as quantity""",
        tx.shop_id,
        source,
        skus,
        [goods[sku] for sku in skus],
        movement_id,
        actor_name,
        at,
    )


async def move_on_hand(
    tx: Tx,
    sku_id: UUID,
    *,
    delta: int,
    expected_version: int,
    movement_id: UUID,
    actor_name: str,
    reason: str,
    at: datetime,
) -> StockLevel | None:
    """Change what is on hand; None when the version has moved on or the result is out of range."""
    return await tx.maybe(
        StockLevel,
        f"""with changed as (
             update inventory.stock set on_hand = on_hand + $3, version = version + 1
             where shop_id = $1 and sku_id = $2 and version = $4
               and on_hand + $3 between reserved and {MAX_QUANTITY}
             returning sku_id, on_hand, reserved, version),
           moved as (
             insert into inventory.movements
               (shop_id, sku_id, movement_id, kind, delta, actor_name, reason, moved_at)
             select $1, $2, $5, 'adjusted', $3, $6, $7, $8 from changed)
           select * from changed""",
        tx.shop_id,
        sku_id,
        delta,
        expected_version,
        movement_id,
        actor_name,
        reason,
        at,
    )


async def list_levels(tx: ReadTx, sku_ids: list[UUID]) -> list[StockLevel]:
    """The numbers of these SKUs, in no order; those without stock are left out."""
    return await tx.all(
        StockLevel,
        """select sku_id, on_hand, reserved, version from inventory.stock
           where shop_id = $1 and sku_id = any($2::uuid[])""",
        tx.shop_id,
        sku_ids,
    )


async def list_product_stock(tx: ReadTx, product_nos: list[int]) -> list[ProductStock]:
    """What is available of each product over all its SKUs; products without stock are left out."""
    return await tx.all(
        ProductStock,
        """select product_no, sum(on_hand - reserved)::int as available from inventory.stock
           where shop_id = $1 and product_no = any($2::int[]) and not withdrawn
           group by product_no""",
        tx.shop_id,
        product_nos,
    )


async def list_low(tx: ReadTx, at_most: int) -> list[UUID]:
    """SKUs of which at most so many are available."""
    found: list[UUID] = await tx.value(
        """select coalesce(array_agg(sku_id), '{}') from inventory.stock
           where shop_id = $1 and on_hand - reserved <= $2 and not withdrawn""",
        tx.shop_id,
        at_most,
    )
    return found


async def list_reservations(tx: ReadTx, source: UUID) -> list[Reservation]:
    """The living reservations of a source, by SKU."""
    return await tx.all(
        Reservation,
        """select source, sku_id, quantity, until from inventory.reservations
           where shop_id = $1 and source = $2 order by sku_id""",
        tx.shop_id,
        source,
    )


async def list_movements(
    tx: ReadTx, sku_id: UUID, before: UUID | None, limit: int
) -> list[MovementRow]:
    """The newest movements of a SKU before the one named."""
    return await tx.all(
        MovementRow,
        """select movement_id, kind, delta, source, actor_name, reason, moved_at
           from inventory.movements
           where shop_id = $1 and sku_id = $2 and ($3::uuid is null or movement_id < $3)
           order by movement_id desc limit $4""",
        tx.shop_id,
        sku_id,
        before,
        limit,
    )
