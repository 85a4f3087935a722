"""Parcels leave: split, merged, by table; and their numbers are put right."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries, rules
from siyu.commerce.fulfilment.contracts import (
    Consignment,
    ConsignmentKind,
    ConsignmentNotFound,
    ConsignmentState,
    NothingLeft,
    NotTogether,
    Parcel,
    ParcelId,
    ParcelNotFound,
    ParcelSent,
    PieceAsked,
    TrackingNo,
)
from siyu.commerce.fulfilment.queries import PieceIn
from siyu.commerce.fulfilment.service import consigning, upload_store
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import Order, OrderNotFound
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id


async def send(
    tx: Tx,
    actor: Actor,
    wanted: Mapping[UUID, Sequence[PieceAsked] | None],
    *,
    carrier: str,
    tracking_no: str,
) -> Parcel:
    """A parcel leaves with pieces of consignments (None: all that is left of one). Several must be
    for the same member at the same address; an order of which nothing is left is shipped.

    Raises ConsignmentNotFound, NotTogether, NothingLeft (refunded meanwhile, or sent by another).
    """
    orders = await _lock_orders(tx, list(wanted))
    consignments = await queries.lock_consignments(tx, list(wanted))
    if len(consignments) != len(wanted) or any(
        one.kind is not ConsignmentKind.SHIP for one in consignments
    ):
        raise ConsignmentNotFound
    if await queries.count_addresses(tx, list(wanted)) > 1:
        raise NotTogether
    pieces = await _choose(tx, consignments, wanted)
    parcel = _make(carrier, tracking_no)
    receiver_id = consignments[0].receiver_id
    await queries.insert_parcel(tx, parcel, receiver_id, pieces, actor.actor_name)
    await _count_sent(tx, consignments, pieces)
    await queries.move_states(tx, list(orders), parcel.sent_at)
    for order in orders.values():
        await consigning.ship_if_all_left(tx, order)
    await upload_store.move_wanted(tx, list(orders), parcel.sent_at)
    after = {"carrier": parcel.carrier, "tracking_no": tracking_no, "orders": len(orders)}
    for order_id in orders:
        audit(tx, actor, "fulfilment.parcel_sent", ("order", order_id), after=after)
    sent = ParcelSent(
        parcel_id=parcel.parcel_id,
        receiver_id=receiver_id,
        orders=sorted(orders),
        pieces=sum(one.quantity for one in pieces),
        sent_at=parcel.sent_at,
    )
    emit(tx, sent)
    return parcel


async def correct_parcel(
    tx: Tx, actor: Actor, parcel_id: UUID, *, carrier: str, tracking_no: str
) -> Parcel:
    """A parcel's number was wrong: WeChat is told, too, which takes one correction of an order.
    Raises ParcelNotFound.
    """
    pieces = await queries.list_pieces(tx, [parcel_id])
    await _lock_in_order(tx, {piece.order_id for piece in pieces})
    before = await queries.lock_parcel(tx, parcel_id)
    if before is None:
        raise ParcelNotFound
    known = rules.find_carrier(carrier)
    after = msgspec.structs.replace(
        before,
        carrier=known.zh if known else carrier.strip(),
        carrier_code=known.code if known else None,
        tracking_no=tracking_no,
    )
    if after == before:
        return before
    now = clock.now()
    was = f"{before.carrier} {before.tracking_no}"
    await queries.move_parcel_number(tx, after, was, now, actor.actor_name)
    await upload_store.move_wanted(tx, sorted({piece.order_id for piece in pieces}), now)
    audit(
        tx,
        actor,
        "fulfilment.parcel_corrected",
        ("parcel", parcel_id),
        before={"carrier": before.carrier, "tracking_no": before.tracking_no},
        after={"carrier": after.carrier, "tracking_no": after.tracking_no},
    )
    return after


class RowReport(msgspec.Struct, frozen=True):
    """What became of a row of a table; `problem` is an error's code and `text` its words."""

    row_no: int
    order_no: str
    tracking_no: str
    is_sent: bool
    problem: str | None
    text: str


async def send_table(
    shop_id: ShopId, actor: Actor, rows: Sequence[rules.TableRow], *, chinese: bool
) -> list[RowReport]:
    """Send what a table says, each row in a transaction of its own: a bad row spoils no other. A
    row that was sent before (same number) is told as sent, so that a table may be given again.
    """
    reports = []
    for row in rows:
        problem, text = None, ""
        try:
            async with transaction(shop_id) as tx:
                await _send_row(tx, actor, row)
        except SiyuError as error:
            problem, text = error.code, error.message("zh-CN" if chinese else "en")
        reports.append(
            RowReport(row.row_no, row.order_no, row.tracking_no, problem is None, problem, text)
        )
    return reports


async def _send_row(tx: Tx, actor: Actor, row: rules.TableRow) -> None:
    order_no = ordering.read_order_number(row.order_no)
    found = await queries.list_of_number(tx, [order_no]) if order_no else []
    if not found:
        raise OrderNotFound
    try:
        msgspec.convert(row.tracking_no, TrackingNo)
    except msgspec.ValidationError:
        raise ParcelNotFound from None
    parcels = await queries.list_parcels_of(tx, [one.consignment_id for one in found])
    if any(parcel.tracking_no == row.tracking_no for parcel in parcels):
        return
    wanted = {
        UUID(str(one.consignment_id)): None
        for one in found
        if one.state is ConsignmentState.OPEN and one.source_id == one.order_id
    }
    if not wanted:
        raise NothingLeft(left=0)
    await send(tx, actor, wanted, carrier=row.carrier[:40] or "-", tracking_no=row.tracking_no)


async def _lock_orders(tx: Tx, consignment_ids: Sequence[UUID]) -> dict[UUID, Order]:
    """The orders of consignments, locked, their refunds heard however late the news of them."""
    order_ids = set()
    for consignment_id in consignment_ids:
        found = await queries.get_consignment(tx, consignment_id)
        if found is None:
            raise ConsignmentNotFound
        order_ids.add(found.order_id)
    orders = await _lock_in_order(tx, order_ids)
    for order in orders.values():
        await consigning.settle_order(tx, order)
    return orders


async def _lock_in_order(tx: Tx, order_ids: set[UUID]) -> dict[UUID, Order]:
    return {order_id: await ordering.lock_order(tx, order_id) for order_id in sorted(order_ids)}


async def _choose(
    tx: Tx,
    consignments: Sequence[Consignment],
    wanted: Mapping[UUID, Sequence[PieceAsked] | None],
) -> list[PieceIn]:
    lines = await consigning.load_lines(tx, consignments)
    chosen = []
    for one in consignments:
        asked = wanted[one.consignment_id]
        if asked is None:
            asked = [
                PieceAsked(line.line_no, line.left)
                for line in lines[one.consignment_id]
                if line.left
            ]
        rules.check_pieces(lines[one.consignment_id], asked)
        chosen += [PieceIn(one.consignment_id, piece.line_no, piece.quantity) for piece in asked]
    return chosen


async def _count_sent(
    tx: Tx, consignments: Sequence[Consignment], pieces: Sequence[PieceIn]
) -> None:
    by_key: dict[tuple[UUID, int], int] = {
        (one.consignment_id, one.line_no): one.quantity for one in pieces
    }
    shares = await queries.list_shares(tx, [one.consignment_id for one in consignments])
    moved = [
        msgspec.structs.replace(share, sent=share.sent + more)
        for share in shares
        if (more := by_key.get((share.consignment_id, share.line_no)))
    ]
    await queries.move_shares(tx, moved)
    of = {one.consignment_id: one.order_id for one in consignments}
    totals: dict[UUID, dict[int, int]] = {}
    for piece in pieces:
        lines = totals.setdefault(of[piece.consignment_id], {})
        lines[piece.line_no] = lines.get(piece.line_no, 0) + piece.quantity
    for order_id in sorted(totals):
        await ordering.note_sent(tx, order_id, totals[order_id])


def _make(carrier: str, tracking_no: str) -> Parcel:
    known = rules.find_carrier(carrier)
    return Parcel(
        parcel_id=ParcelId(new_id()),
        carrier=known.zh if known else carrier.strip(),
        carrier_code=known.code if known else None,
        tracking_no=tracking_no,
        sent_at=clock.now(),
        delivered_at=None,
    )
