"""Keep, take, correct and move pieces."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.inventory import queries, rules
from siyu.commerce.inventory.contracts import (
    Item,
    Lane,
    Place,
    Reservation,
    SamePlace,
    StockChanged,
    StockLevel,
    StockNotFound,
    StockOutOfRange,
    StockShort,
    WarehouseNotFound,
)
from siyu.commerce.inventory.service import heat, warehouse_store
from siyu.kernel import clock, moment
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import new_id

SHOWN_SECONDS = 1.0
_SHOWN = "available"
_SHORT = queries.Shortage.__struct_fields__


async def reserve(
    tx: Tx, source: UUID, demand: Mapping[UUID, int], until: datetime | None = None
) -> dict[UUID, int]:
    """Keep pieces of each SKU for a source (an order), all or nothing; returns how many one buyer
    may have of those SKUs that are limited.

    demand: SKU -> pieces over all lines (`sum_demand`). until: when the owner ought to decide.
    Call it last in the transaction, for it locks the rows everybody wants. After `release` the
    same source may reserve again (a payment that came late). A source that still has its
    reservations must not: that is a bug and fails on the primary key.
    Raises StockShort naming each SKU of which there is too little, BadQuantity.
    """
    rules.check_demand(demand)
    began = clock.monotonic()
    judged = await queries.lock_and_reserve(tx, source, demand, until)
    if len(demand) == 1:
        lane = judged[0].lane if judged else Lane.AUTO
        heat.note_wait(tx.shop_id, next(iter(demand)), lane, clock.monotonic() - began)
    short = [
        {field: getattr(one, field) for field in _SHORT}
        for one in judged
        if one.available < one.wanted
    ]
    if short:
        moment.forget(tx.shop_id, _SHOWN)
        raise StockShort(short=msgspec.to_builtins(short))
    return {one.sku_id: one.limit_per_buyer for one in judged if one.limit_per_buyer is not None}


async def release(tx: Tx, source: UUID) -> dict[UUID, int]:
    """Give back what is kept for a source; returns it, and nothing the second time."""
    return {row.sku_id: row.quantity for row in await queries.lock_and_release(tx, source)}


async def consume(tx: Tx, source: UUID) -> dict[UUID, int]:
    """Let what is kept for a source leave the house (it is paid); returns it.

    Nothing is returned, and nothing done, the second time or when it was released before: then the
    owner reserves again, or refunds.
    """
    gone = await queries.lock_and_consume(tx, source, new_id(), clock.now())
    return {row.sku_id: row.quantity for row in gone}


async def set_up(tx: Tx, product_numbers: Mapping[UUID, int]) -> None:
    """Begin to keep stock of new SKUs (SKU -> number of its product); known ones are left alone.

    The first one of a shop opens its first warehouse.
    """
    made = new_id()
    # Opened by another between our snapshot and its commit: visible to a second look.
    _ = await queries.insert_stock(tx, product_numbers, made) or await queries.insert_stock(
        tx, product_numbers, made
    )


async def withdraw(tx: Tx, sku_ids: list[UUID]) -> None:
    """Take SKUs that are no longer offered out of the lists; what is there and kept stays."""
    await queries.lock_and_withdraw(tx, sku_ids)


async def receive(
    tx: Tx,
    goods: Mapping[UUID, int],
    actor: Actor,
    reason: str = "",
    warehouse_id: UUID | None = None,
) -> None:
    """Put goods on hand (SKU -> pieces) in a warehouse, the default one when none is named.

    Raises BadQuantity, StockOutOfRange; then none is put.
    """
    rules.check_demand(goods)
    taken = await queries.lock_and_receive(tx, goods, warehouse_id, _mark(actor, reason))
    if taken != len(goods):
        raise StockOutOfRange(delta=max(goods.values()))


async def take_back(
    tx: Tx,
    source: UUID,
    sold_to: UUID,
    goods: Mapping[UUID, int],
    actor: Actor,
    warehouse_id: UUID | None = None,
) -> dict[UUID, int]:
    """Put returned goods (SKU -> pieces) on hand, once per source (a refund); what was put.

    Each goes to the named warehouse, else back to the open one which most of those that were sold
    to the order left from, else to the default one.

    Nothing is put the second time, nor of a SKU that keeps no stock any more. Like `reserve` it
    comes last. Raises BadQuantity, WarehouseNotFound.
    """
    rules.check_demand(goods)
    if warehouse_id is not None:
        await check_warehouse(tx, warehouse_id)
    mark = _mark(actor, "")
    returned = await queries.lock_and_return(tx, source, sold_to, goods, mark, warehouse_id)
    return {row.sku_id: row.quantity for row in returned}


def _mark(actor: Actor, reason: str) -> queries.Mark:
    return queries.Mark(new_id(), actor.actor_name, reason, clock.now())


async def adjust(
    tx: Tx,
    actor: Actor,
    sku_id: UUID,
    *,
    delta: int,
    expected_version: int,
    reason: str,
    warehouse_id: UUID | None = None,
) -> StockLevel:
    """Correct what is on hand in a warehouse (none named: the default one) by a difference, against
    the version that was read (F045); returns the SKU's numbers after it. Two round trips.

    A difference is right beside sales that go on; the version keeps two people from entering the
    same delivery twice. Raises StockNotFound, WarehouseNotFound, StockChanged, StockOutOfRange,
    BadQuantity.
    """
    rules.check_delta(delta)
    on_hand = await queries.move_on_hand(
        tx,
        sku_id,
        warehouse_id,
        delta=delta,
        expected_version=expected_version,
        mark=_mark(actor, reason),
    )
    if on_hand is None:
        raise await _refusal(tx, sku_id, {warehouse_id: delta}, expected_version)
    audit(
        tx,
        actor,
        "inventory.adjusted",
        subject=("sku", sku_id),
        before={"on_hand": on_hand - delta},
        after={"on_hand": on_hand, "reason": reason},
    )
    moment.forget(tx.shop_id, _SHOWN)
    return (await list_levels(tx, [sku_id]))[sku_id]


async def transfer(
    tx: Tx,
    actor: Actor,
    sku_id: UUID,
    *,
    from_id: UUID,
    to_id: UUID,
    quantity: int,
    expected_version: int,
    reason: str,
) -> StockLevel:
    """Move free pieces from one warehouse to another against the version that was read; returns the
    SKU's numbers after it. Two round trips.

    Raises what `adjust` does, and SamePlace.
    """
    rules.check_demand({sku_id: quantity})
    if from_id == to_id:
        raise SamePlace
    moved = await queries.move_between(
        tx,
        sku_id,
        from_id,
        to_id,
        quantity=quantity,
        expected_version=expected_version,
        mark=_mark(actor, reason),
    )
    if not moved:
        raise await _refusal(tx, sku_id, {from_id: -quantity, to_id: quantity}, expected_version)
    audit(
        tx,
        actor,
        "inventory.transferred",
        subject=("sku", sku_id),
        before={"warehouse": str(from_id)},
        after={"warehouse": str(to_id), "pieces": quantity, "reason": reason},
    )
    return (await list_levels(tx, [sku_id]))[sku_id]


async def _refusal(
    tx: ReadTx, sku_id: UUID, deltas: Mapping[UUID | None, int], expected_version: int
) -> SiyuError:
    """Why a change of these places was not made."""
    level = (await list_levels(tx, [sku_id])).get(sku_id)
    if level is None:
        return StockNotFound()
    known = {one.warehouse_id: one for one in await warehouse_store.list_warehouses(tx)}
    main = next(one.warehouse_id for one in known.values() if one.is_default)
    if not known.keys() >= {place or main for place in deltas}:
        return WarehouseNotFound()
    if level.version != expected_version:
        return StockChanged(version=level.version, on_hand=level.on_hand)
    held = {one.warehouse_id: one for one in await warehouse_store.list_places(tx, sku_id)}
    place, delta = min(deltas.items(), key=lambda item: item[1])
    at = held.get(place or main, Place(main, 0, 0))
    return StockOutOfRange(on_hand=at.on_hand, reserved=at.reserved, delta=delta)


async def set_item(
    tx: Tx,
    actor: Actor,
    sku_id: UUID,
    *,
    safety: int,
    lane: Lane,
    limit_per_buyer: int | None,
    expected_version: int,
) -> Item:
    """Decide how a SKU is sold, against the version that was read (F045).

    Raises StockNotFound, StockChanged.
    """
    before = await warehouse_store.lock_item(tx, sku_id)
    if before is None:
        raise StockNotFound
    if before.version != expected_version:
        level = (await list_levels(tx, [sku_id]))[sku_id]
        raise StockChanged(version=level.version, on_hand=level.on_hand)
    after = Item(sku_id, before.version + 1, safety, lane, limit_per_buyer)
    await warehouse_store.move_item(tx, after)
    audit(
        tx,
        actor,
        "inventory.item_set",
        subject=("sku", sku_id),
        before={field: getattr(before, field) for field in _DECIDED},
        after={field: getattr(after, field) for field in _DECIDED},
    )
    moment.forget(tx.shop_id, _SHOWN)
    return after


_DECIDED = ("safety", "lane", "limit_per_buyer")


# --- reading ----------------------------------------------------------------------------------


async def list_levels(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, StockLevel]:
    """On hand and reserved over the open warehouses, version and safety of many SKUs; those without
    stock are missing.
    """
    return {level.sku_id: level for level in await queries.list_levels(tx, sku_ids)}


async def get_available(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, int]:
    """Pieces that can still be promised, for every SKU asked; 0 where no stock is kept."""
    levels = await list_levels(tx, sku_ids)
    return {sku: levels[sku].available if sku in levels else 0 for sku in sku_ids}


async def show_available(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, int]:
    """The same for a page that shows it and decides nothing: at most SHOWN_SECONDS old."""

    async def make(missing: list[UUID]) -> dict[UUID, int]:
        return await get_available(tx, missing)

    return await moment.keep_each(tx.shop_id, _SHOWN, sku_ids, SHOWN_SECONDS, make)


async def get_product_stock(tx: ReadTx, product_nos: list[int]) -> dict[int, int]:
    """Pieces available of each product, over all its SKUs; 0 where no stock is kept."""
    found = await queries.list_product_stock(tx, product_nos)
    return dict.fromkeys(product_nos, 0) | {row.product_no: row.available for row in found}


async def list_low(tx: ReadTx, at_most: int) -> list[UUID]:
    """SKUs of which at most so many pieces are available."""
    return await queries.list_low(tx, at_most)


async def check_warehouse(tx: ReadTx, warehouse_id: UUID) -> None:
    """Raise WarehouseNotFound unless it is an open warehouse of the shop."""
    known = await warehouse_store.list_warehouses(tx)
    if not any(one.warehouse_id == warehouse_id and one.is_open for one in known):
        raise WarehouseNotFound


async def list_held(
    tx: ReadTx, warehouse_id: UUID | None, sku_ids: list[UUID]
) -> dict[UUID, Place]:
    """Many SKUs in one warehouse (none named: the default one); those it never held are missing."""
    return await warehouse_store.list_held(tx, warehouse_id, sku_ids)


async def list_places(tx: ReadTx, sku_id: UUID) -> list[Place]:
    """A SKU in every warehouse that holds it or held it, closed ones too."""
    return await warehouse_store.list_places(tx, sku_id)


async def get_item(tx: ReadTx, sku_id: UUID) -> Item:
    """What the merchant decided about a SKU. Raises StockNotFound."""
    found = await warehouse_store.get_item(tx, sku_id)
    if found is None:
        raise StockNotFound
    return found


async def list_reservations(tx: ReadTx, source: UUID) -> list[Reservation]:
    """What is kept for a source now, by SKU."""
    return await queries.list_reservations(tx, source)
