"""The SQL of stock; that of warehouses and of the hot lane is in `service/*_store.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from siyu.commerce.inventory.contracts import MAX_QUANTITY, Lane, Reservation, StockLevel
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


class Judged(Shortage, frozen=True):
    """A SKU that is short, or about which the merchant has decided something."""

    lane: Lane
    limit_per_buyer: int | None


class MovementRow(msgspec.Struct, frozen=True):
    """One change of what is on hand; `source` is the order it was sold to, or the refund."""

    movement_id: UUID
    warehouse_id: UUID
    kind: Literal["received", "adjusted", "sold", "returned", "transferred"]
    delta: int
    source: UUID | None
    actor_name: str
    reason: str
    moved_at: datetime


class Mark(msgspec.Struct, frozen=True):
    """What every movement says."""

    movement_id: UUID
    actor_name: str
    reason: str
    at: datetime


# --- reserving --------------------------------------------------------------------------------


async def lock_and_reserve(
    tx: Tx, source: UUID, demand: Mapping[UUID, int], until: datetime | None
) -> list[Judged]:
    """Reserve all or nothing in one trip; returns the SKUs that are short (none: reserved) and
    those with a limit or a lane.

    Rows are locked in the order of SKU and warehouse before they are judged, so that two carts
    never wait for each other crosswise (F043), and judged in the version that the lock waited for.
    Each SKU is taken from its warehouses in the order of their priority.
    """
    skus = sorted(demand)
    return await tx.all(
        Judged,
        """with wanted as materialized (
             select * from unnest($3::uuid[], $4::int[]) as w (sku_id, quantity)),
           locked as materialized (
             select s.sku_id, s.warehouse_id, h.priority, s.on_hand - s.reserved as free
             from wanted w
             join inventory.stock s on s.shop_id = $1 and s.sku_id = w.sku_id
             join inventory.warehouses h
               on h.shop_id = $1 and h.warehouse_id = s.warehouse_id and h.is_open
             order by s.sku_id, s.warehouse_id for no key update of s),
           judged as materialized (
             select w.sku_id, w.quantity as wanted,
               greatest(coalesce((select sum(l.free) from locked l where l.sku_id = w.sku_id), 0)
                 - coalesce(i.safety, 0), 0)::int as available,
               coalesce(i.lane, 'auto') as lane, i.limit_per_buyer
             from wanted w
             left join inventory.items i on i.shop_id = $1 and i.sku_id = w.sku_id),
           shares as materialized (
             select l.sku_id, l.warehouse_id,
               least(l.free, w.quantity - sum(l.free) over nearer + l.free)::int as quantity
             from locked l join wanted w using (sku_id)
             where not exists (select from judged j where j.available < j.wanted)
             window nearer as (partition by l.sku_id order by l.priority, l.warehouse_id)),
           taken as (
             update inventory.stock s set reserved = s.reserved + p.quantity from shares p
             where s.shop_id = $1 and s.sku_id = p.sku_id and s.warehouse_id = p.warehouse_id
               and p.quantity > 0),
           kept as (
             insert into inventory.reservations
               (shop_id, source, sku_id, warehouse_id, quantity, until)
             select $1, $2, p.sku_id, p.warehouse_id, p.quantity, $5 from shares p
             where p.quantity > 0)
           select * from judged
           where available < wanted or lane <> 'auto' or limit_per_buyer is not null
           order by sku_id""",
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
             returning sku_id, warehouse_id, quantity),
           locked as materialized (
             select s.sku_id, s.warehouse_id, e.quantity
             from inventory.stock s join ended e using (sku_id, warehouse_id)
             where s.shop_id = $1 order by s.sku_id, s.warehouse_id for no key update of s),
           freed as (
             update inventory.stock s set reserved = s.reserved - l.quantity from locked l
             where s.shop_id = $1 and s.sku_id = l.sku_id and s.warehouse_id = l.warehouse_id)
           select sku_id, sum(quantity)::int as quantity from locked group by sku_id""",
        tx.shop_id,
        source,
    )


async def lock_and_consume(tx: Tx, source: UUID, movement_id: UUID, at: datetime) -> list[SkuCount]:
    """End the reservations of a source and let their pieces leave; empty when already ended."""
    return await tx.all(
        SkuCount,
        """with ended as (
             delete from inventory.reservations where shop_id = $1 and source = $2
             returning sku_id, warehouse_id, quantity),
           locked as materialized (
             select s.sku_id, s.warehouse_id, e.quantity
             from inventory.stock s join ended e using (sku_id, warehouse_id)
             where s.shop_id = $1 order by s.sku_id, s.warehouse_id for no key update of s),
           moved as (
             insert into inventory.movements (shop_id, sku_id, movement_id, warehouse_id, kind,
               delta, source, actor_name, reason, moved_at)
             select $1, l.sku_id, $3, l.warehouse_id, 'sold', -l.quantity, $2, 'siyu', '', $4
             from locked l),
           gone as (
             update inventory.stock s
             set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity from locked l
             where s.shop_id = $1 and s.sku_id = l.sku_id and s.warehouse_id = l.warehouse_id)
           select sku_id, sum(quantity)::int as quantity from locked group by sku_id""",
        tx.shop_id,
        source,
        movement_id,
        at,
    )


# --- goods that come, go and move -------------------------------------------------------------


async def insert_stock(tx: Tx, product_numbers: Mapping[UUID, int], warehouse_id: UUID) -> bool:
    """Begin to keep stock, none on hand, of the SKUs that are new, in the default warehouse, which
    is made under this id when the shop has none.

    False when another just made it and it cannot be seen yet: nothing was done, do it again.
    """
    found: bool = await tx.value(
        """with made as (
             insert into inventory.warehouses
               (shop_id, warehouse_id, name, priority, is_default, is_open)
             select $1, $4, '主仓', 1, true, true
             where not exists (select from inventory.warehouses where shop_id = $1)
             on conflict do nothing returning warehouse_id),
           main as materialized (
             select warehouse_id from made union all
             select warehouse_id from inventory.warehouses where shop_id = $1 and is_default),
           item as (
             insert into inventory.items (shop_id, sku_id, product_no)
             select $1, n.sku_id, n.product_no
             from unnest($2::uuid[], $3::int[]) as n (sku_id, product_no), main
             on conflict do nothing returning sku_id),
           placed as (
             insert into inventory.stock (shop_id, sku_id, warehouse_id)
             select $1, item.sku_id, main.warehouse_id from item, main)
           select exists (select from main)""",
        tx.shop_id,
        list(product_numbers),
        list(product_numbers.values()),
        warehouse_id,
    )
    return found


async def lock_and_withdraw(tx: Tx, sku_ids: list[UUID]) -> None:
    """Take SKUs out of the lists."""
    await tx.run(
        """with locked as materialized (
             select sku_id from inventory.items where shop_id = $1 and sku_id = any($2::uuid[])
             order by sku_id for no key update)
           update inventory.items i set withdrawn = true from locked l
           where i.shop_id = $1 and i.sku_id = l.sku_id""",
        tx.shop_id,
        sku_ids,
    )


async def lock_and_receive(
    tx: Tx, goods: Mapping[UUID, int], warehouse_id: UUID | None, mark: Mark
) -> int:
    """Put goods on hand in a warehouse (None: the default one); how many SKUs took them (the others
    are not known, or have no room there).
    """
    skus = sorted(goods)
    return await tx.run(
        f"""with given as materialized (
             select g.sku_id, g.quantity, h.warehouse_id
             from unnest($2::uuid[], $3::int[]) as g (sku_id, quantity)
             join inventory.items i on i.shop_id = $1 and i.sku_id = g.sku_id
             join inventory.warehouses h on h.shop_id = $1
               and case when $4::uuid is null then h.is_default else h.warehouse_id = $4 end),
           put as (
             insert into inventory.stock as s (shop_id, sku_id, warehouse_id, on_hand)
             select $1, sku_id, warehouse_id, quantity from given order by sku_id
             on conflict (shop_id, sku_id, warehouse_id) do update
               set on_hand = s.on_hand + excluded.on_hand
               where s.on_hand + excluded.on_hand <= {MAX_QUANTITY}
             returning sku_id)
           insert into inventory.movements (shop_id, sku_id, movement_id, warehouse_id, kind,
             delta, actor_name, reason, moved_at)
           select $1, g.sku_id, $5, g.warehouse_id, 'received', g.quantity, $6, $7, $8
           from given g join put using (sku_id)""",
        tx.shop_id,
        skus,
        [goods[sku] for sku in skus],
        warehouse_id,
        mark.movement_id,
        mark.actor_name,
        mark.reason,
        mark.at,
    )


async def lock_and_return(
    tx: Tx, source: UUID, sold_to: UUID, goods: Mapping[UUID, int], mark: Mark, to: UUID | None
) -> list[SkuCount]:
    """Put returned pieces on hand, once per source and SKU, in `to`, else in the open warehouse
    which most of those sold to an order left from, else in the default one; what took them.

    Left out: a SKU of which no stock is kept, and what this source brought back before.
    """
    skus = sorted(goods)
    return await tx.all(
        SkuCount,
        """with given as materialized (
             select g.sku_id, g.quantity, coalesce($10::uuid,
               (select m.warehouse_id from inventory.movements m
                join inventory.warehouses h
                  on h.shop_id = $1 and h.warehouse_id = m.warehouse_id and h.is_open
                where m.shop_id = $1 and m.source = $9 and m.sku_id = g.sku_id and m.kind = 'sold'
                order by m.delta, m.warehouse_id limit 1),
               (select warehouse_id from inventory.warehouses where shop_id = $1 and is_default))
               as warehouse_id
             from unnest($3::uuid[], $4::int[]) as g (sku_id, quantity)
             join inventory.items i on i.shop_id = $1 and i.sku_id = g.sku_id),
           locked as materialized (
             select s.sku_id from inventory.stock s join given g using (sku_id, warehouse_id)
             where s.shop_id = $1 order by s.sku_id for no key update of s),
           moved as (
             insert into inventory.movements (shop_id, sku_id, movement_id, warehouse_id, kind,
               delta, source, actor_name, reason, moved_at)
             select $1, g.sku_id, $5, g.warehouse_id, 'returned', g.quantity, $2, $6, $7, $8
             from given g left join locked using (sku_id)
             on conflict (shop_id, source, sku_id) where kind = 'returned' do nothing
             returning sku_id, warehouse_id, delta)
           insert into inventory.stock as s (shop_id, sku_id, warehouse_id, on_hand)
           select $1, sku_id, warehouse_id, delta from moved order by sku_id
           on conflict (shop_id, sku_id, warehouse_id) do update
             set on_hand = s.on_hand + excluded.on_hand
           returning s.sku_id,
             (select m.delta from moved m where m.sku_id = s.sku_id) as quantity""",
        tx.shop_id,
        source,
        skus,
        [goods[sku] for sku in skus],
        mark.movement_id,
        mark.actor_name,
        mark.reason,
        mark.at,
        sold_to,
        to,
    )


async def move_on_hand(
    tx: Tx,
    sku_id: UUID,
    warehouse_id: UUID | None,
    *,
    delta: int,
    expected_version: int,
    mark: Mark,
) -> int | None:
    """Change what is on hand in a warehouse (None: the default one); the new number there, None
    when the version has moved on, there is no such place, or the result is out of range.

    The item is locked before the stock; a place that never held the SKU begins with the pieces.
    """
    found: int | None = await tx.value(
        f"""with held as materialized (
             select i.sku_id, h.warehouse_id
             from inventory.items i join inventory.warehouses h on h.shop_id = $1
               and case when $3::uuid is null then h.is_default else h.warehouse_id = $3 end
             where i.shop_id = $1 and i.sku_id = $2 and i.version = $5 for no key update of i),
           put as (
             insert into inventory.stock as s (shop_id, sku_id, warehouse_id, on_hand)
             select $1, sku_id, warehouse_id, greatest($4, 0) from held
             where $4 > 0 or exists (
               select from inventory.stock n
               where n.shop_id = $1 and n.sku_id = $2 and n.warehouse_id = held.warehouse_id)
             on conflict (shop_id, sku_id, warehouse_id) do update set on_hand = s.on_hand + $4
               where s.on_hand + $4 between s.reserved and {MAX_QUANTITY}
             returning warehouse_id, on_hand),
           counted as (
             update inventory.items set version = version + 1
             where shop_id = $1 and sku_id = $2 and exists (select from put)),
           moved as (
             insert into inventory.movements (shop_id, sku_id, movement_id, warehouse_id, kind,
               delta, actor_name, reason, moved_at)
             select $1, $2, $6, warehouse_id, 'adjusted', $4, $7, $8, $9 from put)
           select on_hand from put""",
        tx.shop_id,
        sku_id,
        warehouse_id,
        delta,
        expected_version,
        mark.movement_id,
        mark.actor_name,
        mark.reason,
        mark.at,
    )
    return found


async def move_between(
    tx: Tx,
    sku_id: UUID,
    from_id: UUID,
    to_id: UUID,
    *,
    quantity: int,
    expected_version: int,
    mark: Mark,
) -> bool:
    """Move free pieces from one warehouse to another; False when the version has moved on, one of
    them does not exist, too little is free there or too much would be here.
    """
    moved: int = await tx.value(
        f"""with held as materialized (
             select sku_id from inventory.items
             where shop_id = $1 and sku_id = $2 and version = $6 for no key update),
           locked as materialized (
             select s.warehouse_id, s.on_hand, s.on_hand - s.reserved as free
             from inventory.stock s join held using (sku_id)
             where s.shop_id = $1 and s.warehouse_id in ($3, $4)
             order by s.warehouse_id for no key update of s),
           legs as materialized (
             select h.warehouse_id, case when h.warehouse_id = $3 then -$5::int else $5 end as delta
             from inventory.warehouses h
             where h.shop_id = $1 and h.warehouse_id in ($3, $4)
               and exists (select from locked where warehouse_id = $3 and free >= $5)
               and not exists (
                 select from locked where warehouse_id = $4 and on_hand + $5 > {MAX_QUANTITY})),
           put as (
             insert into inventory.stock as s (shop_id, sku_id, warehouse_id, on_hand)
             select $1, $2, warehouse_id, greatest(delta, 0) from legs
             where (select count(*) from legs) = 2 order by warehouse_id
             on conflict (shop_id, sku_id, warehouse_id) do update
               set on_hand = s.on_hand + case when s.warehouse_id = $3 then -$5 else $5 end
             returning warehouse_id),
           counted as (
             update inventory.items set version = version + 1
             where shop_id = $1 and sku_id = $2 and exists (select from put)),
           moved as (
             insert into inventory.movements (shop_id, sku_id, movement_id, warehouse_id, kind,
               delta, actor_name, reason, moved_at)
             select $1, $2, $7, l.warehouse_id, 'transferred', l.delta, $8, $9, $10
             from legs l join put using (warehouse_id))
           select count(*) from put""",
        tx.shop_id,
        sku_id,
        from_id,
        to_id,
        quantity,
        expected_version,
        mark.movement_id,
        mark.actor_name,
        mark.reason,
        mark.at,
    )
    return moved == 2


# --- reading ----------------------------------------------------------------------------------


async def list_levels(tx: ReadTx, sku_ids: list[UUID]) -> list[StockLevel]:
    """The numbers of these SKUs over open warehouses, in no order; unknown ones are left out.

    (The planner does not look into the list, or it would plan anew for every length.)
    """
    return await tx.all(
        StockLevel,
        """select i.sku_id, coalesce(s.on_hand, 0) as on_hand, coalesce(s.reserved, 0) as reserved,
             i.version, i.safety
           from inventory.items i left join lateral (
             select sum(s.on_hand)::int as on_hand, sum(s.reserved)::int as reserved
             from inventory.stock s
             where s.shop_id = $1 and s.sku_id = i.sku_id and s.warehouse_id = any (array(
               select warehouse_id from inventory.warehouses where shop_id = $1 and is_open))) s
             on true
           where i.shop_id = $1 and i.sku_id = any((select $2::uuid[])::uuid[])""",
        tx.shop_id,
        sku_ids,
    )


async def list_product_stock(tx: ReadTx, product_nos: list[int]) -> list[ProductStock]:
    """What is available of each product over all its SKUs; products without stock are left out."""
    return await tx.all(
        ProductStock,
        """select i.product_no, sum(greatest(coalesce(s.free, 0) - i.safety, 0))::int as available
           from inventory.items i left join lateral (
             select sum(s.on_hand - s.reserved) as free from inventory.stock s
             where s.shop_id = $1 and s.sku_id = i.sku_id and s.warehouse_id = any (array(
               select warehouse_id from inventory.warehouses where shop_id = $1 and is_open))) s
             on true
           where i.shop_id = $1 and i.product_no = any($2::int[]) and not i.withdrawn
           group by i.product_no""",
        tx.shop_id,
        product_nos,
    )


async def list_low(tx: ReadTx, at_most: int) -> list[UUID]:
    """SKUs of which at most so many are available."""
    found: list[UUID] = await tx.value(
        """select coalesce(array_agg(i.sku_id), '{}')
           from inventory.items i left join (
             select s.sku_id, sum(s.on_hand - s.reserved) as free from inventory.stock s
             where s.shop_id = $1 and s.warehouse_id = any (array(
               select warehouse_id from inventory.warehouses where shop_id = $1 and is_open))
             group by s.sku_id) s using (sku_id)
           where i.shop_id = $1 and coalesce(s.free, 0) - i.safety <= $2 and not i.withdrawn""",
        tx.shop_id,
        at_most,
    )
    return found


async def list_reservations(tx: ReadTx, source: UUID) -> list[Reservation]:
    """The living reservations of a source, by SKU."""
    return await tx.all(
        Reservation,
        """select source, sku_id, warehouse_id, quantity, until from inventory.reservations
           where shop_id = $1 and source = $2 order by sku_id, warehouse_id""",
        tx.shop_id,
        source,
    )


async def list_movements(
    tx: ReadTx, sku_id: UUID, before: tuple[UUID, UUID] | None, limit: int
) -> list[MovementRow]:
    """The newest movements of a SKU before the one named by its and its warehouse's id."""
    return await tx.all(
        MovementRow,
        """select movement_id, warehouse_id, kind, delta, source, actor_name, reason, moved_at
           from inventory.movements
           where shop_id = $1 and sku_id = $2
             and ($3::uuid is null or (movement_id, warehouse_id) < ($3, $4::uuid))
           order by movement_id desc, warehouse_id desc limit $5""",
        tx.shop_id,
        sku_id,
        *(before or (None, None)),
        limit,
    )
