"""The call to WeChat, outside of any transaction, and what its answer makes true."""

import logging
from typing import Any

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.profit_sharing import queries, rules
from siyu.money.profit_sharing.contracts import (
    Alarm,
    PartState,
    PlanState,
    ReceiverKind,
    ReceiverState,
    Settings,
)
from siyu.money.profit_sharing.queries import Part, Plan, Request
from siyu.money.profit_sharing.service import books, partner_store, refunding
from siyu.money.profit_sharing.service.partner_store import ReceiverRow
from siyu.money.profit_sharing.service.receivers import TYPES
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    NewShare,
    NewSplit,
    NewSplitReturn,
    PayCredentials,
    Retry,
    ReturnResult,
    RuleLimit,
    Share,
    ShareResult,
    Split,
    SplitReturn,
    SplitState,
    WeChatError,
)

log = logging.getLogger(__name__)

_OPEN = ("created", "processing")
_MALFORMED = "MALFORMED"


class Call(msgspec.Struct, frozen=True):
    """A call to make: its plan and request (None: ask what is still frozen), the parts it is about
    and their receivers."""

    plan: Plan
    request: Request | None
    parts: list[Part]
    receivers: list[ReceiverRow] = []


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What WeChat answered: a split, unfreeze or return as it stands there; left_fen: what is still
    frozen of the order, where that was asked; refusal: it will not do it."""

    split: Split | None = None
    returned: SplitReturn | None = None
    left_fen: int | None = None
    refusal: WeChatError | None = None


async def call_and_record(shop_id: ShopId, call: Call) -> bool:
    """Ask WeChat and write down what it says; False: no answer, it is asked again later."""
    try:
        async with reading(shop_id) as tx:
            credentials = await shops.pay_credentials(tx)
        if credentials.mchid != call.plan.merchant:
            raise WeChatError(0, "OTHER_MERCHANT", "paid to another merchant", retry=Retry.UNKNOWN)
        told = await _ask(credentials, call)
    except (WeChatError, SiyuError) as error:
        await _postpone(shop_id, call, str(error.code))
        return False
    async with transaction(shop_id) as write:
        plan = await queries.lock_plan(write, call.plan.order_id)
        assert plan is not None
        # What is left frozen is read and booked under the one lock that refunds take too.
        await payments.lock_paid(write, plan.order_id)
        if call.request is None:
            await _record_freeze_over(write, plan, told.left_fen)
        else:
            await _record(write, plan, call, told)
    return True


async def _ask(credentials: PayCredentials, call: Call) -> Told:
    """Make the call, or ask what became of it; raises WeChatError when nothing is known."""
    plan, request = call.plan, call.request
    assert plan.provider_number is not None
    if request is None:
        left_fen = await pay.query_unsplit(credentials, plan.provider_number)
        return Told(left_fen=left_fen)
    try:
        if request.kind == "return":
            return Told(returned=await _return(credentials, call, request))
        split = await _split(credentials, call, request)
    except WeChatError as error:
        if error.retry is not Retry.NEVER:
            raise
        left_fen = await pay.query_unsplit(credentials, plan.provider_number)
        return Told(refusal=error, left_fen=left_fen)
    left_fen = None
    if request.kind == "unfreeze" or _has_failed(split):
        # Only WeChat knows what is still frozen, and where the money of a failed part went.
        left_fen = await pay.query_unsplit(credentials, plan.provider_number)
    return Told(split=split, left_fen=left_fen)


async def _split(credentials: PayCredentials, call: Call, request: Request) -> Split:
    """Ask for a split or an unfreeze; once it was accepted, ask about it."""
    transaction = call.plan.provider_number or ""
    if request.state == "processing":
        found = await pay.query_split(credentials, request.number, transaction)
        if found is None:
            raise WeChatError(404, "FORGOTTEN", "accepted, and then unknown", retry=Retry.UNKNOWN)
        return found
    if request.kind == "unfreeze":
        return await pay.unfreeze(
            credentials, transaction, request.number, "分账完成，解冻剩余资金"
        )
    return await pay.split(credentials, _new_split(call, request))


def _has_failed(split: Split) -> bool:
    return any(share.result is ShareResult.CLOSED for share in split.receivers)


def _new_split(call: Call, request: Request) -> NewSplit:
    """What to say to WeChat: each receiver once, however many parts they have."""
    amounts: dict[Any, int] = {}
    for part in call.parts:
        amounts[part.receiver_id] = amounts.get(part.receiver_id, 0) + part.sent_fen
    receivers = {row.receiver_id: row for row in call.receivers}
    titles = {part.receiver_id: part.title for part in call.parts}
    return NewSplit(
        appid=call.plan.app,
        transaction_id=call.plan.provider_number or "",
        out_order_no=request.number,
        receivers=[
            NewShare(
                type=TYPES[receivers[receiver_id].kind],
                account=receivers[receiver_id].account,
                amount=amount_fen,
                description=titles[receiver_id],
                name=_name(receivers[receiver_id]),
            )
            for receiver_id, amount_fen in amounts.items()
        ],
        unfreeze_unsplit=False,
    )


def _name(receiver: ReceiverRow) -> str:
    # Merchants are checked by their full name; people were checked when they were added.
    if receiver.kind is ReceiverKind.PERSON or receiver.name_sealed is None:
        return ""
    return vault().open(receiver.name_sealed)


async def _return(credentials: PayCredentials, call: Call, request: Request) -> SplitReturn:
    [receiver] = call.receivers
    split_number = request.split_number or ""
    if request.state == "processing":
        found = await pay.query_return(credentials, request.number, split_number)
        if found is None:
            raise WeChatError(404, "FORGOTTEN", "accepted, and then unknown", retry=Retry.UNKNOWN)
        return found
    wanted = NewSplitReturn(
        out_order_no=split_number,
        out_return_no=request.number,
        return_mchid=receiver.account,
        amount=request.amount_fen,
        description="订单退款，分账回退",
    )
    return await pay.return_split(credentials, wanted)


# --- writing it down ------------------------------------------------------------------------------


async def _record(tx: Tx, plan: Plan, call: Call, told: Told) -> None:
    """Once per call: a repeat finds it ended. The plan is locked."""
    assert call.request is not None
    request = await queries.get_request(tx, call.request.request_id)
    if request.state not in _OPEN:
        return
    everything = await queries.list_parts(tx, plan.order_id)
    asked = {part.part_no for part in call.parts}
    parts = [part for part in everything if part.part_no in asked]
    await books.lock_owners(tx, everything)
    if request.kind == "return":
        is_known = await _record_return(tx, plan, request, parts[0], told)
    elif request.kind == "unfreeze":
        is_known = await _record_unfrozen(tx, plan, request, told)
    elif told.refusal is not None:
        is_known = await _record_refused(tx, plan, request, parts, told.refusal)
    else:
        is_known = await _record_split(tx, plan, call, request, parts, told)
    if not is_known:
        await _ask_later(tx, plan, request, None)


async def _record_split(
    tx: Tx, plan: Plan, call: Call, request: Request, parts: list[Part], told: Told
) -> bool:
    """Each receiver's own result; False while WeChat still works on one (F033)."""
    split, receivers = told.split, {row.receiver_id: row for row in call.receivers}
    assert split is not None
    wanted: dict[str, int] = {}
    for part in parts:
        account = receivers[part.receiver_id].account  # type: ignore[index]
        wanted[account] = wanted.get(account, 0) + part.sent_fen
    found = rules.results(split.receivers, wanted)
    if split.state is not SplitState.FINISHED or found is None:
        return False
    settings = await partner_store.get_settings(tx)
    for part in parts:
        receiver = receivers[part.receiver_id]  # type: ignore[index]
        share = found[receiver.account]
        if share.result is ShareResult.SUCCESS:
            await books.split_paid(tx, plan, part)
            part = rules.moved(part, PartState.PAID, hold_id=None, fail_reason=None)
        else:
            part = await _take_back(tx, part, receiver, share)
        await queries.update_part(tx, plan.order_id, part)
    await queries.move_request(tx, request.request_id, "finished")
    if told.left_fen is not None:
        await _book_failed(tx, plan, request, found, told.left_fen, settings)
    results = {share.account: str(share.fail_reason or share.result) for share in found.values()}
    await _note(tx, plan, request, "split_finished", results=sorted(results.values()))
    everything = await queries.list_parts(tx, plan.order_id)
    await refunding.shrink(tx, plan, everything, settings)
    await refunding.wake(tx, plan)
    return True


async def _book_failed(
    tx: Tx,
    plan: Plan,
    request: Request,
    found: dict[str, Share],
    left_fen: int,
    settings: Settings,
) -> None:
    """Money of failed parts is either still frozen, or ours again: WeChat's rest tells."""
    failed_fen = sum(one.amount for one in found.values() if one.result is ShareResult.CLOSED)
    frozen_fen = await books.frozen_fen(tx, plan.order_id)
    fee_fen = rules.fee_fen(plan.paid_fen - plan.refunded_paid_fen, settings.fee_bps)
    if rules.has_left_the_freeze(failed_fen, frozen_fen, left_fen, fee_fen):
        key, note = f"split_failed:{request.request_id}", "未分成功的部分回到余额"
        await books.unfrozen(tx, plan, failed_fen, key, note)


async def _take_back(tx: Tx, part: Part, receiver: ReceiverRow, share: Share) -> Part:
    """A receiver did not get its part: it is owed again, and tried again where that can help."""
    now = clock.now()
    await books.free(tx, [part])
    reason = share.fail_reason or "UNKNOWN"
    again_at = rules.retry_at(reason, part.tries, now)
    if reason == rules.NO_RELATION:
        await partner_store.move_receiver(
            tx,
            receiver.receiver_id,
            ReceiverState.ADDING,
            from_states=(ReceiverState.ACTIVE,),
            next_at=now,
        )
    state = PartState.CREDITED if again_at is None else PartState.PLANNED
    return rules.moved(
        part,
        state,
        sent_fen=0,
        request_id=None,
        hold_id=None,
        fail_reason=reason,
        due_at=again_at or part.due_at,
    )


async def _record_refused(
    tx: Tx, plan: Plan, request: Request, parts: list[Part], refusal: WeChatError
) -> bool:
    """WeChat will not split: nothing happened, and somebody must decide."""
    await books.free(tx, parts)
    for part in parts:
        part = rules.moved(
            part,
            PartState.REFUSED,
            sent_fen=0,
            request_id=None,
            hold_id=None,
            fail_reason=refusal.code[:100],
        )
        await queries.update_part(tx, plan.order_id, part)
    error = f"{refusal.code}: {refusal.message}"[:300]
    await queries.move_request(tx, request.request_id, "refused", error=error)
    await _note(tx, plan, request, "split_refused", code=refusal.code)
    kind = Alarm.OVER_RATIO if isinstance(refusal, RuleLimit) else Alarm.REFUSED
    settings = await partner_store.get_settings(tx)
    await refunding.shrink(tx, plan, await queries.list_parts(tx, plan.order_id), settings)
    await refunding.wake(tx, alarmed(tx, plan, kind))
    return True


async def _record_unfrozen(tx: Tx, plan: Plan, request: Request, told: Told) -> bool:
    """The rest is ours when WeChat keeps nothing frozen any more, whatever it called our call."""
    is_done = told.refusal is not None or (
        told.split is not None and told.split.state is SplitState.FINISHED
    )
    if is_done and told.left_fen == 0:
        frozen_fen = await books.frozen_fen(tx, plan.order_id)
        await books.unfrozen(tx, plan, frozen_fen, f"unfreeze:{request.request_id}")
        await queries.move_request(tx, request.request_id, "finished")
        await _note(tx, plan, request, "unfrozen", amount_fen=frozen_fen)
        await refunding.wake(tx, msgspec.structs.replace(plan, is_frozen=False))
        return True
    if told.refusal is not None:
        await _ask_later(tx, alarmed(tx, plan, Alarm.REFUSED), request, told.refusal.code)
        return True
    return False


async def _record_return(tx: Tx, plan: Plan, request: Request, part: Part, told: Told) -> bool:
    """A merchant gave back, or did not: then it owes us, and the shop covers the refund (F032)."""
    is_back, reason = False, told.refusal.code if told.refusal else ""
    if told.returned is not None:
        if told.returned.result is ReturnResult.PROCESSING:
            return False
        is_back = told.returned.result is ReturnResult.SUCCESS
        reason = told.returned.fail_reason
    if is_back:
        await books.returned(tx, plan, part, request)
    part = msgspec.structs.replace(
        part,
        recall_fen=part.recall_fen - request.amount_fen,
        returned_fen=part.returned_fen + (request.amount_fen if is_back else 0),
        fail_reason=None if is_back else (reason or "UNKNOWN")[:100],
    )
    await queries.update_part(tx, plan.order_id, part)
    state = "finished" if is_back else "refused"
    await queries.move_request(tx, request.request_id, state, error=part.fail_reason)
    event = "returned" if is_back else "return_failed"
    await _note(tx, plan, request, event, reason=reason, part_no=part.part_no)
    await refunding.wake(tx, plan)
    return True


async def _record_freeze_over(tx: Tx, plan: Plan, left_fen: int | None) -> None:
    """The freeze has ended: what WeChat unfroze by itself is booked, and parts that were not split
    by then stand in the commission balances (F036)."""
    now = clock.now()
    if left_fen != 0:
        await queries.update_plan(
            tx, msgspec.structs.replace(plan, next_at=rules.ask_again_at(12, now))
        )
        return
    free_fen = await books.frozen_fen(tx, plan.order_id)
    key, note = f"auto_unfreeze:{plan.order_id}", "冻结期满，微信自动解冻"
    await books.unfrozen(tx, plan, free_fen, key, note)
    await queries.insert_timeline(tx, plan.order_id, "freeze_over", {"amount_fen": free_fen})
    plan = msgspec.structs.replace(plan, is_frozen=False)
    for part in await queries.list_parts(tx, plan.order_id):
        if part.state is PartState.REFUSED:
            part = rules.moved(part, PartState.PLANNED, due_at=now)
            await queries.update_part(tx, plan.order_id, part)
    await refunding.wake(tx, alarmed(tx, plan, Alarm.FREEZE_OVER))


async def _postpone(shop_id: ShopId, call: Call, code: str) -> None:
    """Nothing is known: the same call again later, under the same number."""
    log.warning(
        "profit sharing call failed",
        extra={"order_id": str(call.plan.order_id), "wechat_code": code},
    )
    async with transaction(shop_id) as tx:
        plan = await queries.lock_plan(tx, call.plan.order_id)
        assert plan is not None
        if call.request is None:
            later = rules.ask_again_at(6, clock.now())
            await queries.update_plan(tx, msgspec.structs.replace(plan, next_at=later))
            return
        request = await queries.get_request(tx, call.request.request_id)
        if request.state in _OPEN:
            await _ask_later(tx, plan, request, code)


async def _ask_later(tx: Tx, plan: Plan, request: Request, error: str | None) -> None:
    next_at = rules.ask_again_at(request.tries, clock.now())
    await queries.move_request(
        tx,
        request.request_id,
        "created" if error else "processing",
        error=error,
        tries=request.tries + 1,
        next_at=next_at,
    )
    await queries.update_plan(
        tx, msgspec.structs.replace(plan, state=PlanState.OPEN, next_at=next_at)
    )


async def _note(tx: Tx, plan: Plan, request: Request, event: str, **detail: Any) -> None:
    await queries.insert_timeline(tx, plan.order_id, event, {"number": request.number, **detail})


def alarmed(tx: Tx, plan: Plan, alarm: Alarm) -> Plan:
    """A plan that somebody must look at."""
    log.error(
        "profit sharing alarm",
        extra={"alarm": str(alarm), "shop_id": tx.shop_id, "order_id": str(plan.order_id)},
    )
    return msgspec.structs.replace(plan, alarm=alarm, alarmed_at=clock.now())
