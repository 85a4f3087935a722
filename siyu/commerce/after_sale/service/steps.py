"""The steps of a case: whoever acts, each goes through `_step` along the state table."""

from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.after_sale import queries, rules
from siyu.commerce.after_sale.contracts import (
    Action,
    Case,
    CaseApproved,
    CaseClosed,
    CaseNotFound,
    CaseOverdue,
    CaseSide,
    Kind,
    MoveRefused,
    Parcel,
    ReasonNeeded,
    Restock,
    ReturnAddressMissing,
    State,
)
from siyu.commerce.after_sale.service.terms import load_terms, seal_address
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderStatus, RefundLine
from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.auth import MemberIdentity, StaffIdentity
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id


async def lock_case(tx: Tx, case_id: UUID, member: MemberIdentity | None = None) -> Case:
    """A case, held; an own one when a member is named. Raises CaseNotFound."""
    case = await queries.lock_case(tx, case_id)
    if case is None or (member is not None and case.member_id != member.member_id):
        raise CaseNotFound
    return case


# --- the shop ---------------------------------------------------------------------------------


async def approve_case(
    tx: Tx,
    actor: Actor,
    case_id: UUID,
    *,
    amount_fen: int | None = None,
    text: str = "",
    side: CaseSide = CaseSide.STAFF,
) -> Case:
    """Agree. A refund only is paid at once; goods may now be sent back, and the replacement of an
    exchange is kept from now on.

    amount_fen: another amount than asked for, of a refund only. Raises CaseNotFound, MoveRefused,
    AmountOutOfRange, ReasonNeeded, ReturnAddressMissing, StockShort, what `ordering.refund` does.
    """
    case = await lock_case(tx, case_id)
    if case.kind is Kind.REFUND_ONLY:
        case = await _refund(tx, case, Action.APPROVE, side, actor, amount_fen, text)
        _tell_approved(tx, case, side)
        return case
    rules.next_state(case.kind, case.state, Action.APPROVE, side)
    address = seal_address((await load_terms(tx)).return_address)
    if address is None:
        raise ReturnAddressMissing
    case = await _step(tx, case, Action.APPROVE, side, actor, text, return_address_sealed=address)
    _tell_approved(tx, case, side)
    if case.kind is Kind.EXCHANGE:
        await _keep_replacement(tx, case)
    return case


async def reject_case(tx: Tx, staff: StaffIdentity, case_id: UUID, text: str) -> Case:
    """Refuse, and say why; the customer may ask again. Raises CaseNotFound, MoveRefused,
    ReasonNeeded.
    """
    case = await lock_case(tx, case_id)
    return await _end(tx, case, Action.REJECT, CaseSide.STAFF, staff, _needed(text))


async def inspect_goods(
    tx: Tx,
    staff: StaffIdentity,
    case_id: UUID,
    *,
    restock: Restock | None,
    text: str,
    warehouse_id: UUID | None = None,
) -> Case:
    """Say what came back: sellable goods are on hand again, damaged ones are written off, and
    None refuses them (a text says why; they go back to the customer).

    warehouse_id: where sellable goods lie now; none named: where they were sold from. Raises
    CaseNotFound, MoveRefused, ReasonNeeded, WarehouseNotFound.
    """
    case = await lock_case(tx, case_id)
    if restock is None:
        return await _end(tx, case, Action.FAIL, CaseSide.STAFF, staff, _needed(text))
    case = await _step(tx, case, Action.PASS, CaseSide.STAFF, staff, text, restock=restock)
    if restock is Restock.SELLABLE:
        lines = (await queries.list_lines(tx, [case_id]))[case_id]
        goods = inventory.sum_demand((line.sku_id, line.quantity) for line in lines)
        await inventory.take_back(tx, case_id, case.order_id, goods, staff, warehouse_id)
    return case


async def refund_case(
    tx: Tx, staff: StaffIdentity, case_id: UUID, *, amount_fen: int | None = None, text: str = ""
) -> Case:
    """Pay for inspected goods; of an exchange, too, when its replacement cannot be sent.

    Raises CaseNotFound, MoveRefused (the second of two operators, F028), AmountOutOfRange,
    ReasonNeeded, what `ordering.refund` does.
    """
    case = await lock_case(tx, case_id)
    return await _refund(tx, case, Action.REFUND, CaseSide.STAFF, staff, amount_fen, text)


async def ship_exchange(tx: Tx, staff: StaffIdentity, case_id: UUID, parcel: Parcel) -> Case:
    """Send the replacement that was kept. Raises CaseNotFound, MoveRefused, and
    StockShort when it is no longer kept.
    """
    case = await lock_case(tx, case_id)
    case = await _step(
        tx,
        case,
        Action.SHIP_EXCHANGE,
        CaseSide.STAFF,
        staff,
        exchange_carrier=parcel.carrier,
        exchange_tracking_no=parcel.tracking_no,
    )
    if not await inventory.consume(tx, case_id):
        # A refund instead was begun, and given up: what was kept has gone back.
        await _keep_replacement(tx, case)
        await inventory.consume(tx, case_id)
    return case


async def _keep_replacement(tx: Tx, case: Case) -> None:
    lines = (await queries.list_lines(tx, [case.case_id]))[case.case_id]
    demand = [(line.exchange_sku_id or line.sku_id, line.quantity) for line in lines]
    await inventory.reserve(tx, case.case_id, inventory.sum_demand(demand))


# --- the customer -----------------------------------------------------------------------------


async def withdraw_case(tx: Tx, member: MemberIdentity, case_id: UUID) -> Case:
    """Think better of it, while nothing is on its way. Raises CaseNotFound, MoveRefused."""
    case = await lock_case(tx, case_id, member)
    return await _end(tx, case, Action.WITHDRAW, CaseSide.CUSTOMER, member)


async def ship_back(tx: Tx, member: MemberIdentity, case_id: UUID, parcel: Parcel) -> Case:
    """Say how the goods come back. Raises CaseNotFound, MoveRefused."""
    case = await lock_case(tx, case_id, member)
    return await _step(
        tx,
        case,
        Action.SHIP_BACK,
        CaseSide.CUSTOMER,
        member,
        return_carrier=parcel.carrier,
        return_tracking_no=parcel.tracking_no,
    )


async def confirm_exchange(tx: Tx, member: MemberIdentity, case_id: UUID) -> Case:
    """The replacement is here. Raises CaseNotFound, MoveRefused."""
    case = await lock_case(tx, case_id, member)
    return await _step(tx, case, Action.CONFIRM, CaseSide.CUSTOMER, member)


# --- time and money ---------------------------------------------------------------------------


async def meet_deadline(tx: Tx, case_id: UUID) -> None:
    """Let time decide about a case that is due; nothing happens when it is not, or no longer."""
    case, now = await lock_case(tx, case_id), clock.now()
    if case.due_at is None or case.due_at > now or case.reminded_at is not None:
        return
    order = await ordering.get_order(tx, case.order_id)
    assert order is not None, "orders are never deleted"
    action = rules.at_deadline(
        case.kind,
        case.state,
        is_unshipped=order.status is OrderStatus.PAID,
        is_troubled=case.trouble is not None,
    )
    if action is None:
        await _remind(tx, case)
    elif action is Action.APPROVE:
        await approve_case(tx, System(), case_id, side=CaseSide.TIME)
    elif action is Action.REFUND:
        await _refund(tx, case, action, CaseSide.TIME, System(), None, "")
    else:
        await _end(tx, case, action, CaseSide.TIME, System())


async def _remind(tx: Tx, case: Case) -> None:
    now = clock.now()
    said = queries.entry("overdue", CaseSide.TIME, System().actor_name, now)
    await queries.move_case(tx, msgspec.structs.replace(case, reminded_at=now), said)
    late = CaseOverdue(
        case_id=case.case_id,
        order_id=case.order_id,
        person_no=case.person_no,
        amount_fen=case.asked_fen,
        kind=case.kind,
    )
    emit(tx, late)


async def accept_refund(tx: Tx, refund_id: UUID, refunded_fen: int) -> None:
    """Every part of a refund has reached the customer; harmless when told twice, and for refunds
    that no case asked for.
    """
    case = await queries.lock_case_of_refund(tx, refund_id)
    if case is None or case.state is State.REFUNDED:
        return
    assert refunded_fen == case.amount_fen, "another amount went back than the case says"
    await _step(tx, case, Action.PAY_OUT, CaseSide.MONEY, System(), trouble=None)


async def note_abnormal(tx: Tx, refund_id: UUID) -> None:
    """A refund is stuck and still owed: the customer is told that it is looked into, and finance
    that it must (F030). Harmless when told twice.
    """
    case = await queries.lock_case_of_refund(tx, refund_id)
    if case is None or case.state is not State.REFUNDING or case.trouble:
        return
    said = queries.entry("refund_abnormal", CaseSide.MONEY, System().actor_name, clock.now())
    await queries.move_case(tx, msgspec.structs.replace(case, trouble="abnormal"), said)


async def reopen_case(tx: Tx, refund_id: UUID) -> None:
    """A refund was given up for good and its money is the order's again: staff decide anew, and
    what they ask for has a number of its own. Harmless when told twice.
    """
    case = await queries.lock_case_of_refund(tx, refund_id)
    if case is not None and case.state is State.REFUNDING:
        await _step(
            tx, case, Action.UNDO, CaseSide.MONEY, System(), trouble="closed", refund_id=new_id()
        )


# --- what all steps share ---------------------------------------------------------------------


def _needed(text: str) -> str:
    if not text.strip():
        raise ReasonNeeded
    return text


async def _step(
    tx: Tx, case: Case, action: Action, side: CaseSide, actor: Actor, text: str = "", **change: Any
) -> Case:
    """Move a locked case along the state table, note it, and tell of its end."""
    state, now = rules.next_state(case.kind, case.state, action, side), clock.now()
    due_at = rules.due_at(state, await load_terms(tx), now)
    moved = msgspec.structs.replace(
        case,
        state=state,
        # Inspecting and paying are one wait of the customer's.
        due_at=case.due_at if state is State.RECEIVED else due_at,
        reminded_at=None,
        closed_at=now if state in rules.ENDS else None,
        **change,
    )
    await queries.move_case(tx, moved, queries.entry(action, side, actor.actor_name, now, text))
    if state in rules.UNCLAIMED:
        await queries.lock_order(tx, case.order_id)
        lines = (await queries.list_lines(tx, [case.case_id]))[case.case_id]
        await queries.move_claims(tx, moved, lines, -1)
    if side is CaseSide.STAFF:
        audit(
            tx,
            actor,
            f"after_sale.case_{state}",
            subject=("after_sale", case.case_id),
            before={"state": case.state, "amount_fen": case.amount_fen},
            after={"state": state, "amount_fen": moved.amount_fen, "order_id": str(case.order_id)},
        )
    if state in rules.ENDS:
        closed = CaseClosed(
            case_id=case.case_id,
            order_id=case.order_id,
            person_no=case.person_no,
            amount_fen=moved.amount_fen if state is State.REFUNDED else 0,
            kind=case.kind,
            state=state,
        )
        emit(tx, closed)
    return moved


async def _end(
    tx: Tx, case: Case, action: Action, side: CaseSide, actor: Actor, text: str = ""
) -> Case:
    """A step that ends a case without money: the replacement kept for it is free again."""
    if rules.is_owed(case):
        raise MoveRefused(state=case.state)
    moved = await _step(tx, case, action, side, actor, text)
    if case.kind is Kind.EXCHANGE:
        await inventory.release(tx, case.case_id)
    return moved


async def _refund(
    tx: Tx,
    case: Case,
    action: Action,
    side: CaseSide,
    actor: Actor,
    amount_fen: int | None,
    text: str,
) -> Case:
    """Ask for the money under the number that stands in the case.

    Goods that have not left go back on hand with the money, once; those that came back did so when
    they were inspected.
    """
    rules.next_state(case.kind, case.state, action, side)
    order = await ordering.get_order(tx, case.order_id)
    assert order is not None, "orders are never deleted"
    unshipped = case.kind is Kind.REFUND_ONLY and order.status is OrderStatus.PAID
    is_back = rules.is_owed(case)
    restock = unshipped and not is_back
    chosen_fen = rules.settle_amount(case.kind, case.cap_fen, case.asked_fen, amount_fen, text)
    case = await _step(
        tx,
        case,
        action,
        side,
        actor,
        text,
        amount_fen=chosen_fen,
        is_unshipped=unshipped,
        restock=Restock.SELLABLE if restock else case.restock,
        trouble=None,
    )
    lines = (await queries.list_lines(tx, [case.case_id]))[case.case_id]
    parts, shipping_fen = rules.share_amount(
        chosen_fen, [line.cap_fen for line in lines], case.shipping_cap_fen
    )
    await ordering.refund(
        tx,
        order_id=case.order_id,
        refund_id=case.refund_id,
        lines=[
            RefundLine(line.line_no, 0 if is_back else line.quantity, part)
            for line, part in zip(lines, parts, strict=True)
            if part or not is_back
        ],
        shipping_fen=shipping_fen,
        reason=f"{rules.REASONS[case.reason].zh} {case.case_no}",
        restock=restock,
        actor=actor,
        unshipped_only=unshipped,
    )
    if case.kind is Kind.EXCHANGE:
        await inventory.release(tx, case.case_id)
    return case


def _tell_approved(tx: Tx, case: Case, side: CaseSide) -> None:
    approved = CaseApproved(
        case_id=case.case_id,
        order_id=case.order_id,
        person_no=case.person_no,
        amount_fen=case.amount_fen,
        kind=case.kind,
        by=side,
    )
    emit(tx, approved)
