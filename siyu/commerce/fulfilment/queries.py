"""The SQL of consignments, parcels, settings; that of uploads is in `service/upload_store.py`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment.contracts import (
    Consignment,
    ConsignmentId,
    ConsignmentKind,
    ConsignmentState,
    Parcel,
    ParcelEvent,
    ParcelId,
    PieceAsked,
    TrackingNews,
)
from siyu.commerce.fulfilment.rules import Share
from siyu.kernel.db import ReadTx, Tx, filters

_CONSIGNMENT = """c.consignment_id, c.order_id, c.order_no, c.kind, c.state, c.source_id,
  c.receiver_id, c.address_sealed, c.store_id, c.code_sealed, c.created_at, c.due_at, c.ended_at"""


# --- consignments -------------------------------------------------------------------------------


async def insert_consignment(
    tx: Tx,
    new: Consignment,
    lines: Sequence[PieceAsked],
    address_key: bytes | None,
    code_key: bytes | None,
) -> bool:
    """Make a consignment with its lines; False when its source has one already."""
    return bool(
        await tx.value(
            """with made as (
                 insert into fulfilment.consignments (shop_id, consignment_id, order_id, order_no,
                   kind, source_id, receiver_id, address_sealed, address_key, store_id,
                   code_sealed, code_key, created_at, due_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                 on conflict (shop_id, source_id) do nothing
                 returning shop_id, consignment_id),
               filled as (
                 insert into fulfilment.consignment_lines
                   (shop_id, consignment_id, line_no, quantity)
                 select shop_id, consignment_id, l.no, l.quantity
                 from made, unnest($15::int[], $16::int[]) as l (no, quantity))
               select exists (select from made)""",
            tx.shop_id,
            new.consignment_id,
            new.order_id,
            new.order_no,
            new.kind,
            new.source_id,
            new.receiver_id,
            new.address_sealed,
            address_key,
            new.store_id,
            new.code_sealed,
            code_key,
            new.created_at,
            new.due_at,
            [line.line_no for line in lines],
            [line.quantity for line in lines],
        )
    )


async def get_consignment(tx: ReadTx, consignment_id: UUID) -> Consignment | None:
    """A consignment."""
    return await tx.maybe(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.consignment_id = $2""",
        tx.shop_id,
        consignment_id,
    )


async def get_by_source(tx: ReadTx, source_id: UUID) -> Consignment | None:
    """The consignment that was made for a source."""
    return await tx.maybe(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.source_id = $2""",
        tx.shop_id,
        source_id,
    )


async def get_by_code(tx: ReadTx, code_key: bytes) -> Consignment | None:
    """The open pick-up of a code."""
    return await tx.maybe(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.code_key = $2 and c.state = 'open'""",
        tx.shop_id,
        code_key,
    )


async def list_of_orders(tx: ReadTx, order_ids: Sequence[UUID]) -> list[Consignment]:
    """The consignments of orders, oldest first."""
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.order_id = any ($2::uuid[]) order by c.consignment_id""",
        tx.shop_id,
        list(order_ids),
    )


async def get_consignments(tx: ReadTx, consignment_ids: Sequence[UUID]) -> list[Consignment]:
    """Those of these consignments that are to be shipped, oldest first."""
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.consignment_id = any ($2::uuid[]) and c.kind = 'ship'
            order by c.consignment_id""",
        tx.shop_id,
        list(consignment_ids),
    )


async def lock_consignments(tx: Tx, consignment_ids: Sequence[UUID]) -> list[Consignment]:
    """Consignments, locked in the order of their ids."""
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.consignment_id = any ($2::uuid[])
            order by c.consignment_id for no key update""",
        tx.shop_id,
        list(consignment_ids),
    )


async def list_shares(tx: ReadTx, consignment_ids: Sequence[UUID]) -> list[Share]:
    """What consignments hold of their orders' lines, oldest consignment first."""
    return await tx.all(
        Share,
        """select l.consignment_id, l.line_no, l.quantity, l.sent, l.cancelled,
             c.source_id = c.order_id as owned
           from fulfilment.consignment_lines l
           join fulfilment.consignments c using (shop_id, consignment_id)
           where l.shop_id = $1 and l.consignment_id = any ($2::uuid[])
           order by l.consignment_id, l.line_no""",
        tx.shop_id,
        list(consignment_ids),
    )


async def move_shares(tx: Tx, shares: Sequence[Share]) -> None:
    """Write what was sent and cancelled of shares; a constraint keeps both within the quantity."""
    await tx.run(
        """update fulfilment.consignment_lines l set sent = s.sent, cancelled = s.cancelled
           from unnest($2::uuid[], $3::int[], $4::int[], $5::int[])
             as s (consignment_id, line_no, sent, cancelled)
           where l.shop_id = $1 and l.consignment_id = s.consignment_id
             and l.line_no = s.line_no""",
        tx.shop_id,
        [one.consignment_id for one in shares],
        [one.line_no for one in shares],
        [one.sent for one in shares],
        [one.cancelled for one in shares],
    )


async def move_states(tx: Tx, order_ids: Sequence[UUID], now: datetime) -> None:
    """Set the consignments of orders to what their lines say."""
    await tx.run(
        """update fulfilment.consignments c
           set state = s.state, ended_at = case when s.state <> 'open' then $3::timestamptz end
           from (select shop_id, consignment_id,
                   case when sum(quantity - sent - cancelled) > 0 then 'open'
                        when sum(sent) = 0 then 'cancelled' else 'done' end as state
                 from fulfilment.consignment_lines
                 join fulfilment.consignments using (shop_id, consignment_id)
                 where shop_id = $1 and order_id = any ($2::uuid[])
                 group by shop_id, consignment_id) s
           where c.shop_id = s.shop_id and c.consignment_id = s.consignment_id
             and c.state <> s.state""",
        tx.shop_id,
        list(order_ids),
        now,
    )


async def move_handed_over(tx: Tx, consignment_id: UUID, now: datetime) -> None:
    """All that is left of a consignment was taken at the counter."""
    await tx.run(
        """with taken as (
             update fulfilment.consignment_lines set sent = quantity - cancelled
             where shop_id = $1 and consignment_id = $2)
           update fulfilment.consignments set state = 'done', ended_at = $3, handed_over_at = $3
           where shop_id = $1 and consignment_id = $2""",
        tx.shop_id,
        consignment_id,
        now,
    )


class Place(NamedTuple):
    """Where a page ended: the moment and id of its last row."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    id: UUID


async def list_consignments(
    tx: ReadTx,
    kind: ConsignmentKind,
    state: ConsignmentState,
    order_no: str | None,
    after: Place | None,
    limit: int,
) -> list[Consignment]:
    """The work board: what is open the oldest first, what has ended the newest first."""
    args: list[Any] = [tx.shop_id, limit]
    where = filters(
        args, ("c.kind = ?", kind), ("c.state = ?", state), ("c.order_no = ?", order_no)
    )
    at, down = ("created_at", "") if state is ConsignmentState.OPEN else ("ended_at", " desc")
    if after is not None:
        args += after
        sign = "<" if down else ">"
        where += f" and (c.{at}, c.consignment_id) {sign} (${len(args) - 1}, ${len(args)})"
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c where c.shop_id = $1 and {where}
            order by c.{at}{down}, c.consignment_id{down} limit $2""",
        *args,
    )


class BoardCounts(msgspec.Struct, frozen=True):
    """How much is to be done."""

    to_ship: int
    pickups: int
    overdue_pickups: int


async def count_open(tx: ReadTx, now: datetime) -> BoardCounts:
    """Open consignments of the shop."""
    return await tx.one(
        BoardCounts,
        """select count(*) filter (where kind = 'ship') as to_ship,
             count(*) filter (where kind = 'pickup') as pickups,
             count(*) filter (where kind = 'pickup' and due_at < $2) as overdue_pickups
           from fulfilment.consignments where shop_id = $1 and state = 'open'""",
        tx.shop_id,
        now,
    )


async def list_together(tx: ReadTx, consignment_id: UUID) -> list[Consignment]:
    """Open consignments that may share a parcel with this one: same member, same address."""
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            join fulfilment.consignments t on t.shop_id = c.shop_id and t.consignment_id = $2
              and t.receiver_id = c.receiver_id and t.address_key = c.address_key
            where c.shop_id = $1 and c.state = 'open' and c.kind = 'ship'
              and c.consignment_id <> $2 order by c.consignment_id limit 50""",
        tx.shop_id,
        consignment_id,
    )


async def count_addresses(tx: ReadTx, consignment_ids: Sequence[UUID]) -> int:
    """How many different members and addresses these are for."""
    count: int = await tx.value(
        """select count(distinct (receiver_id, address_key)) from fulfilment.consignments
           where shop_id = $1 and consignment_id = any ($2::uuid[])""",
        tx.shop_id,
        list(consignment_ids),
    )
    return count


async def list_of_number(tx: ReadTx, order_nos: Sequence[str]) -> list[Consignment]:
    """The consignments of order numbers that are to be shipped, oldest first."""
    return await tx.all(
        Consignment,
        f"""select {_CONSIGNMENT} from fulfilment.consignments c
            where c.shop_id = $1 and c.order_no = any ($2::text[]) and c.kind = 'ship'
            order by c.consignment_id""",
        tx.shop_id,
        list(order_nos),
    )


# --- parcels ------------------------------------------------------------------------------------


class PieceIn(msgspec.Struct, frozen=True):
    """Pieces of a consignment's line that go into a parcel."""

    consignment_id: ConsignmentId
    line_no: int
    quantity: int


async def insert_parcel(
    tx: Tx, parcel: Parcel, receiver_id: UUID, pieces: Sequence[PieceIn], actor: str
) -> None:
    """Make a parcel with what is in it, and the first line of its story."""
    await tx.run(
        """with made as (
             insert into fulfilment.parcels (shop_id, parcel_id, receiver_id, carrier, carrier_code,
               tracking_no, sent_at)
             values ($1, $2, $3, $4, $5, $6, $7)),
           told as (
             insert into fulfilment.parcel_events (shop_id, parcel_id, at, event, text, actor)
             values ($1, $2, $7, 'sent', '', $8))
           insert into fulfilment.parcel_lines
             (shop_id, parcel_id, consignment_id, line_no, quantity)
           select $1, $2, p.consignment_id, p.line_no, p.quantity
           from unnest($9::uuid[], $10::int[], $11::int[]) as p (consignment_id, line_no, quantity)
        """,
        tx.shop_id,
        parcel.parcel_id,
        receiver_id,
        parcel.carrier,
        parcel.carrier_code,
        parcel.tracking_no,
        parcel.sent_at,
        actor,
        [one.consignment_id for one in pieces],
        [one.line_no for one in pieces],
        [one.quantity for one in pieces],
    )


_PARCEL = "p.parcel_id, p.carrier, p.carrier_code, p.tracking_no, p.sent_at, p.delivered_at"


async def lock_parcel(tx: Tx, parcel_id: UUID) -> Parcel | None:
    """A parcel, locked."""
    return await tx.maybe(
        Parcel,
        f"""select {_PARCEL} from fulfilment.parcels p
            where p.shop_id = $1 and p.parcel_id = $2 for no key update""",
        tx.shop_id,
        parcel_id,
    )


async def list_parcels(
    tx: ReadTx, tracking_no: str | None, after: Place | None, limit: int
) -> list[Parcel]:
    """Parcels of the shop, newest first."""
    args: list[Any] = [tx.shop_id, limit]
    where = filters(args, ("p.tracking_no = ?", tracking_no))
    if after is not None:
        args += after
        where += f" and (p.sent_at, p.parcel_id) < (${len(args) - 1}, ${len(args)})"
    return await tx.all(
        Parcel,
        f"""select {_PARCEL} from fulfilment.parcels p where p.shop_id = $1 and {where}
            order by p.sent_at desc, p.parcel_id desc limit $2""",
        *args,
    )


class PieceOf(msgspec.Struct, frozen=True):
    """Pieces in a parcel, and of which order."""

    parcel_id: ParcelId
    consignment_id: ConsignmentId
    order_id: UUID
    order_no: str
    line_no: int
    quantity: int


async def list_pieces(tx: ReadTx, parcel_ids: Sequence[UUID]) -> list[PieceOf]:
    """What is in these parcels."""
    return await tx.all(
        PieceOf,
        """select l.parcel_id, l.consignment_id, c.order_id, c.order_no, l.line_no, l.quantity
           from fulfilment.parcel_lines l
           join fulfilment.consignments c using (shop_id, consignment_id)
           where l.shop_id = $1 and l.parcel_id = any ($2::uuid[])
           order by l.parcel_id, l.consignment_id, l.line_no""",
        tx.shop_id,
        list(parcel_ids),
    )


async def list_parcels_of(tx: ReadTx, consignment_ids: Sequence[UUID]) -> list[Parcel]:
    """The parcels that hold something of these consignments, oldest first."""
    return await tx.all(
        Parcel,
        f"""select {_PARCEL} from fulfilment.parcels p where p.shop_id = $1 and p.parcel_id in (
              select parcel_id from fulfilment.parcel_lines
              where shop_id = $1 and consignment_id = any ($2::uuid[]))
            order by p.sent_at, p.parcel_id""",
        tx.shop_id,
        list(consignment_ids),
    )


async def list_events(tx: ReadTx, parcel_ids: Sequence[UUID]) -> list[ParcelEvent]:
    """What happened to these parcels, newest first."""
    return await tx.all(
        ParcelEvent,
        """select parcel_id, at, event, text from fulfilment.parcel_events
           where shop_id = $1 and parcel_id = any ($2::uuid[]) order by at desc, event""",
        tx.shop_id,
        list(parcel_ids),
    )


async def move_parcel_number(tx: Tx, parcel: Parcel, was: str, at: datetime, actor: str) -> None:
    """A parcel's carrier or number was wrong; the story keeps the old one."""
    await tx.run(
        """with noted as (
             insert into fulfilment.parcel_events (shop_id, parcel_id, at, event, text, actor)
             values ($1, $2, $6, 'corrected', $7, $8))
           update fulfilment.parcels set carrier = $3, carrier_code = $4, tracking_no = $5
           where shop_id = $1 and parcel_id = $2""",
        tx.shop_id,
        parcel.parcel_id,
        parcel.carrier,
        parcel.carrier_code,
        parcel.tracking_no,
        at,
        was,
        actor,
    )


async def insert_news(tx: Tx, parcel_id: UUID, news: TrackingNews, actor: str) -> bool:
    """Note what is told of a parcel; False when it was known."""
    return bool(
        await tx.value(
            """with noted as (
                 insert into fulfilment.parcel_events (shop_id, parcel_id, at, event, text, actor)
                 values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning at),
               arrived as (
                 update fulfilment.parcels set delivered_at = $3
                 where shop_id = $1 and parcel_id = $2 and delivered_at is null
                   and $4 = 'delivered' and exists (select from noted))
               select exists (select from noted)""",
            tx.shop_id,
            parcel_id,
            news.at,
            news.status,
            news.text,
            actor,
        )
    )


async def list_of_tracking(tx: ReadTx, tracking_nos: Sequence[str]) -> list[Parcel]:
    """The parcels of tracking numbers."""
    return await tx.all(
        Parcel,
        f"""select {_PARCEL} from fulfilment.parcels p
            where p.shop_id = $1 and p.tracking_no = any ($2::text[])""",
        tx.shop_id,
        list(tracking_nos),
    )


async def list_under_way(tx: ReadTx, since: datetime, limit: int) -> list[str]:
    """Tracking numbers of parcels that were sent since and have not arrived."""
    found: list[str] | None = await tx.value(
        """select array_agg(tracking_no) from (
             select tracking_no from fulfilment.parcels
             where shop_id = $1 and delivered_at is null and sent_at >= $2
             order by sent_at limit $3) p""",
        tx.shop_id,
        since,
        limit,
    )
    return found or []
