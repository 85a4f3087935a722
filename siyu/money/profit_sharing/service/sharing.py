"""The next step of an order's sharing: decided under its lock, called outside, written down.

One call about an order is under way at a time. `advance` is run by the worker whenever the plan's
moment has come, and bears being run twice or dying anywhere: the row of a call is committed before
the call, and the same number is used until its result is known.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payments import service as payments
from siyu.money.profit_sharing import queries, rules
from siyu.money.profit_sharing.contracts import (
    Alarm,
    NothingToDecide,
    PartState,
    PlanState,
    PlanUnknown,
    ReceiverState,
    Settings,
    Way,
)
from siyu.money.profit_sharing.queries import Part, Plan, Request
from siyu.money.profit_sharing.service import (
    books,
    calling,
    partner_store,
    refunding,
    reviewing,
)
from siyu.money.profit_sharing.service.planning import wake_at

_STEPS = 12
_CALL_LASTS = timedelta(seconds=40)
_RECEIVER_WAITS = timedelta(minutes=1)
_WAIT = "WAIT"


async def advance(shop_id: ShopId, order_id: UUID) -> None:
    """Take every step of an order's sharing that can be taken now."""
    for _ in range(_STEPS):
        async with transaction(shop_id) as tx:
            call = await _decide(tx, order_id)
        if call is None or not await calling.call_and_record(shop_id, call):
            return


async def _decide(tx: Tx, order_id: UUID) -> calling.Call | None:
    """What WeChat is to be asked now; None when it is not, with the moment to look again."""
    plan = await queries.lock_plan(tx, order_id)
    if plan is None or plan.state is PlanState.CLOSED:
        return None
    now = clock.now()
    request = await queries.get_open_request(tx, order_id)
    if request is not None:
        if request.next_at is not None and request.next_at > now:
            await queries.update_plan(tx, msgspec.structs.replace(plan, next_at=request.next_at))
            return None
        return await _claim(tx, plan, request)
    settings = await partner_store.get_settings(tx)
    parts = await queries.list_parts(tx, order_id)
    if plan.is_frozen and plan.frozen_until is not None and now >= plan.frozen_until:
        await queries.update_plan(tx, msgspec.structs.replace(plan, next_at=now + _CALL_LASTS))
        return calling.Call(plan, None, [])
    plan = _raise_alarm(tx, plan, settings)
    recalled = next((part for part in parts if part.recall_fen), None)
    if recalled is not None:
        return await _claim(tx, plan, await _store_return(tx, plan, recalled))
    if await _release_refunds(tx, plan, settings):
        return await _claim(tx, plan, await _store(tx, plan, "unfreeze", 0))
    plan, parts, split = await _share(tx, plan, parts, settings)
    plan = reviewing.alarm_for_held(tx, plan, parts)
    if split is not None:
        return await _claim(tx, plan, split)
    is_pending = any(part.state in rules.PENDING for part in parts)
    if plan.is_frozen and not any(rules.keeps_frozen(part) for part in parts):
        plan, is_left = await _look_at_rest(tx, plan)
        if is_left:
            return await _claim(tx, plan, await _store(tx, plan, "unfreeze", 0))
    is_over = not plan.is_frozen and not is_pending
    if is_over and plan.alarm is Alarm.FREEZE_ENDS:
        plan = msgspec.structs.replace(plan, alarm=None, alarmed_at=None)
    state = PlanState.CLOSED if is_over else PlanState.OPEN
    next_at = None if is_over else wake_at(plan, parts, settings, now)
    await queries.update_plan(tx, msgspec.structs.replace(plan, state=state, next_at=next_at))
    return None


async def _claim(tx: Tx, plan: Plan, request: Request) -> calling.Call:
    """Take a call for ourselves for as long as it can last."""
    until = clock.now() + _CALL_LASTS
    await queries.move_request(
        tx,
        request.request_id,
        request.state,
        error=request.error,
        tries=request.tries,
        next_at=until,
    )
    await queries.update_plan(tx, msgspec.structs.replace(plan, next_at=until))
    parts = [
        part
        for part in await queries.list_parts(tx, plan.order_id)
        if part.request_id == request.request_id or part.part_no == request.part_no
    ]
    named = {part.receiver_id for part in parts if part.receiver_id is not None}
    receivers = await partner_store.list_receivers_by_id(tx, sorted(named))
    return calling.Call(plan, request, parts, receivers)


async def _store(
    tx: Tx,
    plan: Plan,
    kind: str,
    amount_fen: int,
    *,
    request_id: UUID | None = None,
    split_number: str | None = None,
    part_no: int | None = None,
) -> Request:
    """Store a call with its number; it is made after the commit."""
    request_id = request_id or new_id()
    request = Request(
        request_id=request_id,
        order_id=plan.order_id,
        kind=kind,
        number=request_id.hex,
        split_number=split_number,
        part_no=part_no,
        state="created",
        amount_fen=amount_fen,
        error=None,
        tries=0,
        next_at=None,
    )
    await queries.insert_request(tx, request)
    detail = {"number": request.number, "amount_fen": amount_fen}
    await queries.insert_timeline(tx, plan.order_id, f"{kind}_asked", detail)
    return request


async def _store_return(tx: Tx, plan: Plan, part: Part) -> Request:
    """Have a merchant asked to give back what a refund takes from its part (F032)."""
    assert part.request_id is not None
    split = await queries.get_request(tx, part.request_id)
    return await _store(
        tx, plan, "return", part.recall_fen, split_number=split.number, part_no=part.part_no
    )


def _raise_alarm(tx: Tx, plan: Plan, settings: Settings) -> Plan:
    """Tell somebody while there is still time (F036)."""
    ends = plan.paid_at + timedelta(days=settings.alarm_days)
    is_told = plan.alarm not in (None, Alarm.HELD)
    if not plan.is_frozen or is_told or clock.now() < ends:
        return plan
    return calling.alarmed(tx, plan, Alarm.FREEZE_ENDS)


async def _release_refunds(tx: Tx, plan: Plan, settings: Settings) -> bool:
    """Let refunds out that waited for us, nothing being on its way any more; True when the rest
    must be unfrozen before the next one can go."""
    refunds = await queries.list_refunds(tx, plan.order_id)
    for refund in refunds:
        if refund.state != "preparing":
            continue
        free_fen = await refunding.unpromised_fen(tx, plan, refunds)
        if refunding.needs_unfreezing(plan, refund.paid_part_fen, free_fen, settings):
            return True
        await queries.move_refund(tx, plan.order_id, refund.refund_id, "released")
        await payments.release_refund(tx, refund.refund_id)
        refunds = await queries.list_refunds(tx, plan.order_id)
    return False


async def _share(
    tx: Tx, plan: Plan, parts: list[Part], settings: Settings
) -> tuple[Plan, list[Part], Request | None]:
    """Give the parts that are due: hold what may be the buyer's own, credit those of balances, have
    WeChat split the others."""
    now = clock.now()
    ready: list[Part] = []
    planned = [part for part in parts if part.state is PartState.PLANNED]
    due = [part for part in planned if part.due_at is not None and part.due_at <= now]
    changed = await reviewing.hold_tied(tx, plan, due)
    due = [part for part in due if part.part_no not in changed]
    if due:
        await books.lock_owners(tx, parts)
    for part in due:
        hindrance = await _hindrance(tx, plan, part)
        if hindrance == _WAIT:
            changed[part.part_no] = msgspec.structs.replace(part, due_at=now + _RECEIVER_WAITS)
        elif part.way is Way.BALANCE or hindrance is not None:
            changed[part.part_no] = await credit(tx, plan, part, settings, hindrance)
        else:
            ready.append(part)
    # One call names 50 receivers at most; what is left over comes with the next one.
    named = set(list(dict.fromkeys(part.receiver_id for part in ready))[: rules.RECEIVERS_MAX])
    ready = [part for part in ready if part.receiver_id in named]
    refusal = await _refusal(tx, plan, parts, ready, settings)
    request_id, request = new_id(), None
    for part in ready:
        if refusal is Alarm.OVER_RATIO:
            part = rules.moved(part, PartState.REFUSED, fail_reason="RULE_LIMIT")
        elif refusal is not None:
            part = await credit(tx, plan, part, settings, "NOT_ENOUGH")
        else:
            part = await _send(tx, plan, part, request_id, settings)
        changed[part.part_no] = part
    if refusal is Alarm.OVER_RATIO:
        plan = calling.alarmed(tx, plan, refusal)
    sent_fen = sum(part.sent_fen for part in changed.values())
    if sent_fen:
        request = await _store(tx, plan, "split", sent_fen, request_id=request_id)
    for part in changed.values():
        await queries.update_part(tx, plan.order_id, part)
    return plan, [changed.get(part.part_no, part) for part in parts], request


async def _hindrance(tx: Tx, plan: Plan, part: Part) -> str | None:
    """Why WeChat cannot split a part (now: `_WAIT`); None when it can."""
    if part.receiver_id is None:
        return None
    if not plan.is_frozen:
        return "NOT_FROZEN"
    [receiver] = await partner_store.list_receivers_by_id(tx, [part.receiver_id])
    if receiver.merchant != plan.merchant:
        return "OTHER_MERCHANT"
    if receiver.state is ReceiverState.ADDING:
        return _WAIT
    return None if receiver.state is ReceiverState.ACTIVE else f"RECEIVER_{receiver.state.upper()}"


async def _refusal(
    tx: Tx, plan: Plan, parts: Sequence[Part], ready: Sequence[Part], settings: Settings
) -> Alarm | None:
    """Whether these parts together are more than may be split (F035); REFUSED: more than is
    there."""
    if not ready:
        return None
    wanted_fen = sum(part.amount_fen for part in ready)
    refunds = await queries.list_refunds(tx, plan.order_id)
    if wanted_fen > await refunding.unpromised_fen(tx, plan, refunds):
        return Alarm.REFUSED
    sent_fen = sum(part.sent_fen for part in parts)
    returned_fen = sum(part.returned_fen for part in parts)
    may = rules.may_be_split(
        wanted_fen, sent_fen, returned_fen, plan.paid_fen, plan.refunded_paid_fen, settings
    )
    return None if may else Alarm.OVER_RATIO


async def _send(tx: Tx, plan: Plan, part: Part, request_id: UUID, settings: Settings) -> Part:
    """Owe a part, less what its receiver owes us, and set it aside for WeChat to split."""
    part = await books.book(tx, plan, part, part.amount_fen, settings)
    sent_fen = min(part.amount_fen, await books.available_fen(tx, part.owner_id))
    if not sent_fen:
        return rules.moved(part, PartState.CREDITED, fail_reason=None)
    hold_id = await books.hold(tx, plan, part, request_id, sent_fen)
    return rules.moved(
        part,
        PartState.SENT,
        fail_reason=None,
        sent_fen=sent_fen,
        request_id=request_id,
        hold_id=hold_id,
        tries=part.tries + 1,
    )


async def credit(tx: Tx, plan: Plan, part: Part, settings: Settings, reason: str | None) -> Part:
    """Leave a part in its receiver's commission balance, to be paid out."""
    part = await books.book(tx, plan, part, part.amount_fen, settings)
    return rules.moved(part, PartState.CREDITED, fail_reason=reason)


async def _look_at_rest(tx: Tx, plan: Plan) -> tuple[Plan, bool]:
    """Nothing is to be split any more: whether there is a rest to unfreeze. What refunds on their
    way will take is left to them."""
    refunds = await queries.list_refunds(tx, plan.order_id)
    if not await books.frozen_fen(tx, plan.order_id):
        return msgspec.structs.replace(plan, is_frozen=False), False
    if clock.now() < plan.paid_at + rules.SPLIT_AFTER:
        return plan, False
    return plan, await refunding.unpromised_fen(tx, plan, refunds) > 0


async def decide_refused(tx: Tx, actor: Actor, order_id: UUID, *, split: bool) -> None:
    """What staff decided about the parts that may not be split: try them again (split), or leave
    them in the commission balances. Raises PlanUnknown, NothingToDecide."""
    plan = await queries.lock_plan(tx, order_id)
    if plan is None:
        raise PlanUnknown
    settings = await partner_store.get_settings(tx)
    parts = await queries.list_parts(tx, order_id)
    refused = [part for part in parts if part.state is PartState.REFUSED]
    if not refused and plan.alarm in (None, Alarm.HELD):
        raise NothingToDecide
    await books.lock_owners(tx, parts)
    for part in refused:
        if split:
            part = rules.moved(part, PartState.PLANNED, fail_reason=None, due_at=clock.now())
        else:
            part = await credit(tx, plan, part, settings, part.fail_reason)
        await queries.update_part(tx, order_id, part)
    plan = msgspec.structs.replace(plan, alarm=None, alarmed_at=None)
    plan = reviewing.alarm_for_held(tx, plan, parts)
    await queries.insert_timeline(tx, order_id, "decided", {"split": split})
    audit(tx, actor, "profit_sharing.decided", ("order", order_id), after={"split": split})
    await refunding.wake(tx, plan)
