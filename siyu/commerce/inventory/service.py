"""Verbs of inventory. Each is one round trip unless it says otherwise."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.inventory import queries, rules
from siyu.commerce.inventory.contracts import (
    Reservation,
    StockChanged,
    StockLevel,
    StockNotFound,
    StockOutOfRange,
    StockShort,
)
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

sum_demand = rules.sum_demand


async def reserve(
    tx: Tx, source: UUID, demand: Mapping[UUID, int], until: datetime | None = None
) -> None:
    """Keep pieces of each SKU for a source (an order), all or nothing.

    demand: SKU -> pieces over all lines (`sum_demand`). until: when the owner ought to decide.
    Call it last in the transaction, for it locks the rows everybody wants. After `release` the
    same source may reserve again (a payment that came late). A source that still has its
    reservations must not: that is a bug and fails on the primary key.
    Raises StockShort naming each SKU of which there is too little, BadQuantity.
    """
    rules.check_demand(demand)
    short = await queries.lock_and_reserve(tx, source, demand, until)
    if short:
        raise StockShort(short=msgspec.to_builtins(short))


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
    """Begin to keep stock of new SKUs (SKU -> number of its product); known ones are left alone."""
    await queries.insert_stock(tx, product_numbers)


async def withdraw(tx: Tx, sku_ids: list[UUID]) -> None:
    """Take SKUs that are no longer offered out of the lists; what is there and kept stays."""
    await queries.lock_and_withdraw(tx, sku_ids)


async def receive(tx: Tx, goods: Mapping[UUID, int], actor: Actor, reason: str = "") -> None:
    """Put goods on hand (SKU -> pieces). Raises BadQuantity, StockOutOfRange; then none is put."""
    rules.check_demand(goods)
    taken = await queries.lock_and_receive(
        tx,
        goods,
        movement_id=new_id(),
        actor_name=actor.actor_name,
        reason=reason,
        at=clock.now(),
    )
    if taken != len(goods):
        raise StockOutOfRange(delta=max(goods.values()))


async def take_back(
    tx: Tx, source: UUID, goods: Mapping[UUID, int], actor: Actor
) -> dict[UUID, int]:
    """Put returned goods (SKU -> pieces) on hand, once per source (a refund); what was put.

    Nothing is put the second time, nor of a SKU that keeps no stock any more. Like `reserve` it
    comes last. Raises BadQuantity.
    """
    rules.check_demand(goods)
    returned = await queries.lock_and_return(
        tx, source, goods, movement_id=new_id(), actor_name=actor.actor_name, at=clock.now()
    )
    return {row.sku_id: row.quantity for row in returned}


async def adjust(
    tx: Tx, actor: Actor, sku_id: UUID, *, delta: int, expected_version: int, reason: str
) -> StockLevel:
    """Correct what is on hand by a difference, against the version that was read (F045).

    A difference is right beside sales that go on; the version keeps two people from entering the
    same delivery twice. Raises StockNotFound, StockChanged, StockOutOfRange, BadQuantity.
    """
    rules.check_delta(delta)
    changed = await queries.move_on_hand(
        tx,
        sku_id,
        delta=delta,
        expected_version=expected_version,
        movement_id=new_id(),
        actor_name=actor.actor_name,
        reason=reason,
        at=clock.now(),
    )
    if changed:
        audit(
            tx,
            actor,
            "inventory.adjusted",
            subject=("sku", sku_id),
            before={"on_hand": changed.on_hand - delta},
            after={"on_hand": changed.on_hand, "reason": reason},
        )
        return changed
    level = (await list_levels(tx, [sku_id])).get(sku_id)
    if level is None:
        raise StockNotFound
    if level.version != expected_version:
        raise StockChanged(version=level.version, on_hand=level.on_hand)
    raise StockOutOfRange(on_hand=level.on_hand, reserved=level.reserved, delta=delta)


async def list_levels(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, StockLevel]:
    """On hand, reserved and version of many SKUs; those without stock are missing."""
    return {level.sku_id: level for level in await queries.list_levels(tx, sku_ids)}


async def get_available(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, int]:
    """Pieces that can still be promised, for every SKU asked; 0 where no stock is kept."""
    levels = await list_levels(tx, sku_ids)
    return {sku: levels[sku].available if sku in levels else 0 for sku in sku_ids}


async def get_product_stock(tx: ReadTx, product_nos: list[int]) -> dict[int, int]:
    """Pieces available of each product, over all its SKUs; 0 where no stock is kept."""
    found = await queries.list_product_stock(tx, product_nos)
    return dict.fromkeys(product_nos, 0) | {row.product_no: row.available for row in found}


async def list_low(tx: ReadTx, at_most: int) -> list[UUID]:
    """SKUs of which at most so many pieces are available."""
    return await queries.list_low(tx, at_most)


async def list_reservations(tx: ReadTx, source: UUID) -> list[Reservation]:
    """What is kept for a source now, by SKU."""
    return await queries.list_reservations(tx, source)
