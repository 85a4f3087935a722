"""Collected at the shop's own places: codes, reminders, and goods that nobody fetches."""

from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries, rules
from siyu.commerce.fulfilment.contracts import (
    CodeUnknown,
    Consignment,
    ConsignmentKind,
    ConsignmentNotFound,
    ConsignmentState,
    PickupDue,
    PickupExpiry,
    PickupSettings,
    TooManyCodes,
)
from siyu.commerce.fulfilment.service import consigning, pickup_store, upload_store
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderStatus, RefundLine
from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id


async def find_pickup(staff: StaffIdentity, text: str) -> Consignment:
    """The open pick-up of a code that was typed or scanned. Opens transactions of its own, so that
    a wrong code is counted: after ten within ten minutes no more are taken of this person.

    Raises CodeUnknown, TooManyCodes.
    """
    now = clock.now()
    since = now - rules.CODES_WITHIN
    async with transaction(staff.shop_id) as tx:
        if await pickup_store.count_misses(tx, staff.staff_id, since) >= rules.CODES_TRIED:
            raise TooManyCodes(int(rules.CODES_WITHIN.total_seconds()))
        code = rules.read_code(text)
        key = vault().lookup(f"pickup:{code}") if code else None
        found = await queries.get_by_code(tx, key) if key else None
        if found is None:
            await pickup_store.count_miss(tx, staff.staff_id, now, since)
    if found is None:
        raise CodeUnknown
    return found


async def hand_over(tx: Tx, actor: Actor, consignment_id: UUID) -> None:
    """The buyer has shown the code and takes the goods: the order is completed.

    Raises ConsignmentNotFound, and MoveRefused when it was handed over or refunded meanwhile.
    """
    found = await queries.get_consignment(tx, consignment_id)
    if found is None or found.kind is not ConsignmentKind.PICKUP:
        raise ConsignmentNotFound
    order = await ordering.lock_order(tx, found.order_id)
    await consigning.settle_order(tx, order)
    held = await queries.lock_consignments(tx, [consignment_id])
    if held[0].state is not ConsignmentState.OPEN:
        raise ConsignmentNotFound
    await consigning.note_handed_over(tx, held[0], await queries.list_shares(tx, [consignment_id]))
    await ordering.hand_over(tx, order.order_id, actor)
    await upload_store.move_wanted(tx, [order.order_id], clock.now())


def open_code(consignment: Consignment) -> str | None:
    """The code of a pick-up that is open, for its own buyer only."""
    if consignment.code_sealed is None or consignment.state is not ConsignmentState.OPEN:
        return None
    return vault().open(consignment.code_sealed)


async def meet_time(tx: Tx, consignment_id: UUID) -> None:
    """What time asks for: a reminder, and once it is overdue what the shop decided. Harmless when
    nothing is due. Raises what `ordering.refund` does.
    """
    found = await queries.get_consignment(tx, consignment_id)
    if found is None or found.due_at is None:
        return
    order = await ordering.lock_order(tx, found.order_id)
    await consigning.settle_order(tx, order)
    held = (await queries.lock_consignments(tx, [consignment_id]))[0]
    if held.state is not ConsignmentState.OPEN:
        return
    settings, now = await pickup_store.get_settings(tx), clock.now()
    reminds_at = found.due_at - timedelta(days=settings.remind_days)
    if reminds_at < now and await pickup_store.move_reminded(tx, consignment_id, now):
        due = PickupDue(
            consignment_id=consignment_id,
            order_id=order.order_id,
            member_id=order.member_id,
            due_at=found.due_at,
        )
        emit(tx, due)
    is_over = found.due_at < now and settings.on_expiry is PickupExpiry.REFUND
    if is_over and order.status is OrderStatus.PAID:
        await _refund_all(tx, order.order_id)


async def _refund_all(tx: Tx, order_id: UUID) -> None:
    left = await ordering.refundable(tx, order_id)
    lines = [
        RefundLine(one.line_no, one.quantity, one.amount_fen)
        for one in left.lines
        if one.quantity or one.amount_fen
    ]
    if not lines:
        return
    await ordering.refund(
        tx,
        order_id=order_id,
        refund_id=new_id(),
        lines=lines,
        shipping_fen=left.shipping_fen,
        reason="超时未提货",
        restock=True,
        actor=System(),
        unshipped_only=True,
    )


async def get_settings(tx: ReadTx) -> PickupSettings:
    """What the shop decided about its pick-ups."""
    return await pickup_store.get_settings(tx)


async def edit_settings(tx: Tx, actor: Actor, settings: PickupSettings) -> PickupSettings:
    """Decide anew; what waits already keeps its day."""
    before = await pickup_store.get_settings(tx)
    await pickup_store.set_settings(tx, settings)
    if before != settings:
        audit(
            tx,
            actor,
            "fulfilment.settings_changed",
            ("shop", tx.shop_id),
            before=msgspec.structs.asdict(before),
            after=msgspec.structs.asdict(settings),
        )
    return settings
