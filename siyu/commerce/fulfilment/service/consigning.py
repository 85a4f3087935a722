"""What is to reach whom: consignments are made, give way to refunds, and are shown.

Whatever changes one holds its order's lock, as every refund does: what leaves and what is refunded
are decided one after the other.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries, rules
from siyu.commerce.fulfilment.contracts import (
    AlreadyAsked,
    Consignment,
    ConsignmentId,
    ConsignmentKind,
    ConsignmentLine,
    ConsignmentState,
    PickupReady,
    PieceAsked,
)
from siyu.commerce.fulfilment.service import pickup_store, upload_store
from siyu.commerce.fulfilment.service.swapping import list_substitutes
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import Delivery, Order, OrderLine, OrderStatus
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.crypto import mask_address, mask_name, mask_phone, vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.members.contracts import AddressText

_LIVING = (OrderStatus.PAID, OrderStatus.SHIPPED)


async def open_for(tx: Tx, order: Order) -> Consignment | None:
    """The consignment of a paid order that is locked, made when there is none yet; None when the
    order needs none: a service, virtual goods, or a gift whose receivers are not known.
    """
    known = await queries.get_by_source(tx, order.order_id)
    if known is not None or order.status not in _LIVING:
        return known
    if order.delivery not in (Delivery.SHIP, Delivery.PICKUP):
        return None
    lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
    wanted = [PieceAsked(one.line_no, one.quantity) for one in lines]
    if order.delivery is Delivery.PICKUP:
        return await _open_pickup(tx, order, wanted)
    assert order.address_sealed is not None, "an order that is sent has an address"
    return await _open(tx, order, wanted, order.address_sealed, order.member_id, order.order_id)


async def request(
    tx: Tx,
    *,
    order_id: UUID,
    lines: Sequence[PieceAsked],
    address: AddressText,
    receiver_id: UUID,
    source_id: UUID,
) -> ConsignmentId:
    """Have pieces of a paid order sent to somebody: `receiver_id` is the only member who will see
    where they are. `source_id` (a share of a gift) asks once: asked again, the same answer.

    Raises OrderNotFound, and AlreadyAsked when the pieces are refunded or promised to others.
    """
    order = await ordering.lock_order(tx, order_id)
    known = await queries.get_by_source(tx, source_id)
    if known is not None:
        return known.consignment_id
    if order.status not in _LIVING:
        raise AlreadyAsked
    free = await _may_leave(tx, order)
    for share in await _shares(tx, [order_id]):
        free[share.line_no] = free.get(share.line_no, 0) - _rest(share)
    if not lines or any(piece.quantity > free.get(piece.line_no, 0) for piece in lines):
        raise AlreadyAsked
    sealed = vault().seal(msgspec.json.encode(address).decode())
    made = await _open(tx, order, lines, sealed, receiver_id, source_id)
    return made.consignment_id


async def settle_order(tx: Tx, order: Order) -> None:
    """Let the consignments of a locked order give way to its refunds; and once nothing more is to
    leave, and something has, the order is shipped.
    """
    await open_for(tx, order)
    shares = await _shares(tx, [order.order_id])
    may_leave = await _may_leave(tx, order)
    changed = rules.settle_shares(shares, may_leave)
    if changed:
        await queries.move_shares(tx, changed)
        await queries.move_states(tx, [order.order_id], clock.now())
    await ship_if_all_left(tx, order)


async def ship_if_all_left(tx: Tx, order: Order) -> None:
    """The locked order counts as shipped when nothing of it is left to leave."""
    if order.status is not OrderStatus.PAID or order.delivery is Delivery.PICKUP:
        return
    lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
    is_left = any(one.quantity > one.sent_quantity + one.refunded_quantity for one in lines)
    is_paid_back = 0 < order.paid_fen == order.refunded_fen
    if not is_left and not is_paid_back and any(one.sent_quantity for one in lines):
        await ordering.ship_order(tx, order.order_id, System())
        await upload_store.move_wanted(tx, [order.order_id], clock.now())


async def close_with(tx: Tx, order: Order) -> None:
    """The buyer has what the order still was to send: staff gave it out at the counter."""
    if order.status is not OrderStatus.COMPLETED:
        return
    for one in await queries.list_of_orders(tx, [order.order_id]):
        if one.state is ConsignmentState.OPEN:
            shares = await queries.list_shares(tx, [one.consignment_id])
            await note_handed_over(tx, one, shares)


async def note_handed_over(tx: Tx, consignment: Consignment, shares: Sequence[rules.Share]) -> None:
    """All that is left of a consignment was taken; its order is locked."""
    pieces = {share.line_no: _rest(share) for share in shares if _rest(share)}
    if pieces:
        await ordering.note_sent(tx, consignment.order_id, pieces)
    await queries.move_handed_over(tx, consignment.consignment_id, clock.now())


def open_address(consignment: Consignment) -> AddressText | None:
    """Where a consignment goes, in clear: for a packing list, never for a list on a screen."""
    if consignment.address_sealed is None:
        return None
    return msgspec.json.decode(vault().open(consignment.address_sealed), type=AddressText)


def mask_receiver(consignment: Consignment) -> dict[str, str]:
    """Who gets it, as staff see it at a glance."""
    address = open_address(consignment)
    if address is None:
        return {"receiver": "", "phone": "", "address": ""}
    region = f"{address.province}{address.city}{address.district}"
    return {
        "receiver": mask_name(address.receiver),
        "phone": mask_phone(address.phone),
        "address": f"{region} {mask_address(address.detail)}",
    }


async def load_lines(
    tx: ReadTx, consignments: Iterable[Consignment]
) -> dict[UUID, list[ConsignmentLine]]:
    """What belongs to each of these consignments, and what it is called."""
    listed = list(consignments)
    named = await name_lines(tx, [one.order_id for one in listed])
    of = {one.consignment_id: one.order_id for one in listed}
    found: dict[UUID, list[ConsignmentLine]] = {one.consignment_id: [] for one in listed}
    instead = await list_substitutes(tx, list(found))
    for share in await queries.list_shares(tx, list(found)):
        place = (share.consignment_id, share.line_no)
        line = instead.get(place) or named[of[ConsignmentId(share.consignment_id)], share.line_no]
        found[share.consignment_id].append(
            ConsignmentLine(
                share.line_no,
                line.title,
                line.option_values,
                line.image_url,
                share.quantity,
                share.sent,
                share.cancelled,
            )
        )
    return found


async def name_lines(tx: ReadTx, order_ids: Iterable[UUID]) -> dict[tuple[UUID, int], OrderLine]:
    """The lines of orders by order and number."""
    lines = await ordering.list_lines(tx, sorted(set(order_ids)))
    return {(order_id, line.line_no): line for order_id, listed in lines.items() for line in listed}


async def _may_leave(tx: ReadTx, order: Order) -> dict[int, int]:
    """Pieces of each line that are neither sent nor refunded."""
    lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
    if order.status in (OrderStatus.REFUNDED, OrderStatus.CANCELLED):
        return {}
    if order.status is OrderStatus.PAID and 0 < order.paid_fen == order.refunded_fen:
        return {}
    return {one.line_no: one.quantity - one.sent_quantity - one.refunded_quantity for one in lines}


async def _shares(tx: ReadTx, order_ids: Sequence[UUID]) -> list[rules.Share]:
    consignments = await queries.list_of_orders(tx, order_ids)
    return await queries.list_shares(tx, [one.consignment_id for one in consignments])


def _rest(share: rules.Share) -> int:
    return share.quantity - share.sent - share.cancelled


async def _open(
    tx: Tx,
    order: Order,
    lines: Sequence[PieceAsked],
    address_sealed: bytes,
    receiver_id: UUID,
    source_id: UUID,
) -> Consignment:
    made = Consignment(
        consignment_id=ConsignmentId(new_id()),
        order_id=order.order_id,
        order_no=order.order_no,
        kind=ConsignmentKind.SHIP,
        state=ConsignmentState.OPEN,
        source_id=source_id,
        receiver_id=receiver_id,
        address_sealed=address_sealed,
        store_id=None,
        code_sealed=None,
        created_at=clock.now(),
        due_at=None,
        ended_at=None,
    )
    address_key = vault().lookup(vault().open(address_sealed))
    await queries.insert_consignment(tx, made, lines, address_key, None)
    return made


async def _open_pickup(tx: Tx, order: Order, lines: Sequence[PieceAsked]) -> Consignment:
    assert order.pickup is not None, "an order that is collected has a place"
    settings = await pickup_store.get_settings(tx)
    now = clock.now()
    code = f"{secrets.randbelow(10**rules.CODE_DIGITS):0{rules.CODE_DIGITS}d}"
    made = Consignment(
        consignment_id=ConsignmentId(new_id()),
        order_id=order.order_id,
        order_no=order.order_no,
        kind=ConsignmentKind.PICKUP,
        state=ConsignmentState.OPEN,
        source_id=order.order_id,
        receiver_id=order.member_id,
        address_sealed=None,
        store_id=order.pickup.store_id,
        code_sealed=vault().seal(code),
        created_at=now,
        due_at=now + timedelta(days=settings.pickup_days),
        ended_at=None,
    )
    # A code that another open pick-up has (1 in 10^10 each) breaks the unique index: the reaction
    # is repeated with another one.
    await queries.insert_consignment(tx, made, lines, None, vault().lookup(f"pickup:{code}"))
    assert made.due_at is not None
    ready = PickupReady(
        consignment_id=made.consignment_id,
        order_id=order.order_id,
        member_id=order.member_id,
        due_at=made.due_at,
    )
    emit(tx, ready)
    return made
