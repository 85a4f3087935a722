"""The SQL of a customer's own list of orders, and of staff's notes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.ordering import queries
from siyu.commerce.ordering.contracts import Order, OrderStatus
from siyu.kernel.db import ReadTx, Tx, filters


class OwnFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer looks for among their orders: one number; or a part of a line's title, or
    one of `order_ids`.
    """

    order_no: str | None = None
    title_part: str | None = None
    order_ids: list[UUID] = []


async def list_sealed(tx: ReadTx, member_id: UUID, limit: int) -> list[tuple[UUID, bytes]]:
    """The sealed addresses of a member's newest orders."""
    rows = await tx.all(
        SealedAddress,
        """select order_id, address_sealed from ordering.orders
           where shop_id = $1 and member_id = $2 and address_sealed is not null
           order by placed_at desc, order_id desc limit $3""",
        tx.shop_id,
        member_id,
        limit,
    )
    return [(row.order_id, row.address_sealed) for row in rows]


class SealedAddress(msgspec.Struct, frozen=True):
    """Where an order went, sealed."""

    order_id: UUID
    address_sealed: bytes


async def list_member_orders(
    tx: ReadTx,
    member_id: UUID,
    status: OrderStatus | None,
    after: queries.Place | None,
    limit: int,
    wanted: OwnFilter | None = None,
) -> list[Order]:
    """A member's orders, newest first."""
    args: list[Any] = [tx.shop_id, member_id, limit]
    wanted = wanted or OwnFilter()
    where = filters(args, ("o.status = ?", status), ("o.order_no = ?", wanted.order_no))
    if wanted.title_part is not None:
        args += [queries.title_key(wanted.title_part), wanted.order_ids]
        where += f""" and (o.order_id = any (${len(args)}::uuid[]) or exists (
            select from ordering.order_lines l where l.shop_id = o.shop_id
              and l.order_id = o.order_id and position(${len(args) - 1} in l.title_key) > 0))"""
    where += " and " + queries.below(args, after)
    return await tx.all(
        Order,
        f"""select {queries.ORDER} from {queries.FROM}
            where o.shop_id = $1 and o.member_id = $2 and {where}
            order by o.placed_at desc, o.order_id desc limit $3""",
        *args,
    )


class Note(msgspec.Struct, frozen=True):
    """What a colleague wrote about an order."""

    note_id: UUID
    at: datetime
    actor: str
    content: str


async def list_notes(tx: ReadTx, order_id: UUID) -> list[Note]:
    """Notes of an order, oldest first."""
    return await tx.all(
        Note,
        """select note_id, at, actor, content from ordering.notes
           where shop_id = $1 and order_id = $2 order by note_id""",
        tx.shop_id,
        order_id,
    )


async def insert_note(tx: Tx, order_id: UUID, note: Note) -> None:
    """Keep a note."""
    await tx.run(
        """insert into ordering.notes (shop_id, order_id, note_id, at, actor, content)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        order_id,
        note.note_id,
        note.at,
        note.actor,
        note.content,
    )
