"""Refunds and WeChat: ask for them, ask about them, and write down what it says, once, whoever
brings the news and how often. Nothing here is called inside a transaction but `record_refund`."""

import logging
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.config import settings
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import (
    ProviderRefused,
    ProviderUnavailable,
    RefundState,
    RefundUnknown,
)
from siyu.money.payments.queries import Attempt
from siyu.money.payments.rules import RefundVerdict
from siyu.money.payments.service import refund_store, refunding
from siyu.money.payments.service.refund_store import Refund
from siyu.wechat.pay import contracts as wechat
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import PayCredentials, RefundStatus, Retry, WeChatError

log = logging.getLogger(__name__)

WECHAT = "微信支付"
"""Who acts in a timeline when WeChat has spoken."""
FORMER_ACCOUNT = "FORMER_ACCOUNT"
"""The problem of a refund whose money lies with a merchant account the shop no longer uses."""


async def pursue_refund(shop_id: ShopId, refund_id: UUID) -> None:
    """What is due for a refund: ask WeChat for it, or how it stands; the answer is written down.

    Every call has the refund's own number. What is unknown, or short of money (NOT_ENOUGH), is
    asked for again later; what WeChat refuses stops, once WeChat confirms that it has no such
    refund.
    """
    if not await _has_turn(shop_id, refund_id):
        return
    refund, credentials = await _begin(shop_id, refund_id)
    if refund.merchant != credentials.mchid:
        await _record_refused(shop_id, refund, FORMER_ACCOUNT)
        return
    try:
        report = None
        if refund.state is RefundState.PROCESSING:
            report = await pay.query_refund(credentials, refund.number)
        report = report or await pay.create_refund(credentials, _wanted(shop_id, refund))
    except wechat.NotEnough as error:
        await _record_short(shop_id, refund, error)
        return
    except WeChatError as error:
        await _note_failure(shop_id, refund, error)
        if error.retry is not Retry.NEVER:
            return
        try:
            report = await pay.query_refund(credentials, refund.number)
        except WeChatError:
            return
        if report is None:
            await _record_refused(shop_id, refund, error.code)
            return
    await _record(shop_id, refund, report)


async def ask_refund(shop_id: ShopId, refund_id: UUID) -> RefundState:
    """Ask WeChat now how a refund stands and write it down; its state afterwards.

    A refund WeChat cannot be asked about (never heard of, or of a former account) stays as it is.
    Raises RefundUnknown, ProviderUnavailable.
    """
    async with reading(shop_id) as tx:
        found = await refund_store.get_refund(tx, refund_id)
        if found is not None and not found.merchant:
            return found.state  # cash
    refund, credentials = await _begin(shop_id, refund_id)
    if refund.merchant != credentials.mchid:
        return refund.state
    try:
        report = await pay.query_refund(credentials, refund.number)
    except WeChatError as error:
        raise ProviderUnavailable(wechat_code=error.code, request_id=error.request_id) from None
    return refund.state if report is None else await _record(shop_id, refund, report)


async def record_news(shop_id: ShopId, report: wechat.Refund) -> None:
    """Apply a notification. A success is a fact; anything else may be long past by the time it
    comes, so WeChat is asked how the refund stands now. Raises ProviderUnavailable (look again)."""
    async with transaction(shop_id) as tx:
        found = await refund_store.get_refund_of_number(tx, report.out_refund_no)
        if found is not None and report.status is RefundStatus.SUCCESS:
            await record_refund(tx, report)
    if found is None:
        # Somebody refunded by hand at WeChat: the reconciliation books and tickets it (F022).
        log.error(
            "refund unknown", extra={"alarm": "refund_unknown", "number": report.out_refund_no}
        )
    elif report.status is not RefundStatus.SUCCESS:
        await ask_refund(shop_id, found.refund_id)


async def apply_abnormal(
    shop_id: ShopId, refund_id: UUID, how: wechat.AbnormalRefund
) -> RefundState:
    """Ask WeChat to send an abnormal refund to a bank card, as `intend_abnormal` noted; its state
    afterwards. Card number and name go to WeChat and stay nowhere.

    Raises ProviderRefused (for instance a wrong card), ProviderUnavailable (ask how it stands).
    """
    refund, credentials = await _begin(shop_id, refund_id)
    assert refund.provider_number is not None, "WeChat has called it abnormal"
    try:
        report = await pay.apply_abnormal_refund(credentials, refund.provider_number, how)
    except WeChatError as error:
        await _note_failure(shop_id, refund, error)
        kind: type[SiyuError] = ProviderUnavailable
        if error.retry is Retry.NEVER:
            kind = ProviderRefused
            await _record_refused(shop_id, refund, error.code, RefundState.ABNORMAL)
        raise kind(wechat_code=error.code, request_id=error.request_id) from None
    return await _record(shop_id, refund, report)


async def record_refund(tx: Tx, report: wechat.Refund, calls: int | None = None) -> RefundState:
    """Write down what WeChat said of one of our refunds; its state afterwards.

    Any number of reports, in any order, have the effect of one (F026). calls: which question the
    report answers; when a later one was asked meanwhile, only a success still counts. Raises
    RefundUnknown.
    """
    found = await refund_store.get_refund_of_number(tx, report.out_refund_no)
    if found is None:
        raise RefundUnknown
    refund, attempt = await refunding.lock(tx, found.refund_id)
    told = (report.transaction_id, report.amount.refund)
    if told != (refund.provider_payment, refund.amount_fen):
        log.error(
            "refund does not match",
            extra={"alarm": "refund_mismatch", "refund_id": str(refund.refund_id)},
        )
        return refund.state
    is_stale = calls not in (None, refund.calls) and report.status is not RefundStatus.SUCCESS
    verdict = rules.judge_refund(report.status, refund.state, refund.restarts, refund.to_merchant)
    if is_stale or verdict is RefundVerdict.NOTHING:
        return refund.state
    return await _apply(tx, verdict, refund, attempt, report)


async def _apply(
    tx: Tx,
    verdict: RefundVerdict,
    refund: Refund,
    attempt: Attempt | None,
    report: wechat.Refund,
) -> RefundState:
    now, number = clock.now(), report.refund_id
    match verdict:
        case RefundVerdict.PROCESS:
            state, next_call_at = RefundState.PROCESSING, rules.next_call_at(now, now)
            await refund_store.move_refund(
                tx, refund, state, WECHAT, next_call_at=next_call_at, provider_number=number
            )
        case RefundVerdict.SUCCEED:
            state = RefundState.SUCCEEDED
            at = report.success_time or now
            await refunding.pay_back(tx, refund, "refund", Book.REFUND_DUE, at)
            await refund_store.move_refund(tx, refund, state, WECHAT, provider_number=number)
            await refunding.finish(tx, refund, attempt)
        case RefundVerdict.RESTART:
            state = RefundState.CREATED
            await refund_store.move_refund(
                tx,
                refund,
                state,
                WECHAT,
                event="closed_by_wechat",
                next_call_at=now + rules.RESTART_AFTER,
                problem=report.status,
                provider_number=number,
                restarts=refund.restarts + 1,
            )
        case RefundVerdict.TWICE:
            state = refund.state
            await _record_twice(tx, refund, report)
        case RefundVerdict.HAND_OVER:
            state = await _record_hand_over(tx, refund, attempt, report)
        case _:
            stopped = verdict is RefundVerdict.STOP
            state = RefundState.ABNORMAL if stopped else RefundState.FAILED
            await refunding.stop(
                tx, refund, attempt, state, report.status, WECHAT, provider_number=number
            )
    return state


async def _record_hand_over(
    tx: Tx, refund: Refund, attempt: Attempt | None, report: wechat.Refund
) -> RefundState:
    """The money came back to the merchant's own card; who bought has to be paid from there."""
    kind = "refund_to_merchant"
    if await ledger.find_entry(tx, f"{kind}:{refund.refund_id}") is not None:
        return refund.state
    await refunding.pay_back(tx, refund, kind, Book.PETTY, report.success_time)
    if refund.state in rules.REFUND_ENDED:
        return refund.state
    state = RefundState.ABNORMAL
    await refunding.stop(tx, refund, attempt, state, refunding.AT_MERCHANT, WECHAT)
    return state


async def _record_twice(tx: Tx, refund: Refund, report: wechat.Refund) -> None:
    """WeChat paid what had been settled or given up: the money is gone, and somebody must know."""
    kind = "refund_lost"
    if await ledger.find_entry(tx, f"{kind}:{refund.refund_id}") is not None:
        return
    await refunding.pay_back(tx, refund, kind, Book.LOSSES, report.success_time)
    await refund_store.insert_refund_entry(tx, refund.refund_id, "paid_all_the_same", WECHAT, {})
    log.error(
        "refund paid twice",
        extra={"alarm": "refund_lost", "refund_id": str(refund.refund_id)},
    )


async def _has_turn(shop_id: ShopId, refund_id: UUID) -> bool:
    """Whether a refund may be worked on now: WeChat takes those of one payment a minute apart, so
    that one that is too early gets its moment (F029)."""
    async with transaction(shop_id) as tx:
        refund = await refund_store.get_refund(tx, refund_id)
        if refund is None or refund.next_call_at is None:
            return False
        if refund.state is not RefundState.CREATED or refund.payment_id is None:
            return True
        now = clock.now()
        until = now + rules.REFUNDS_APART
        turn = await queries.take_refund_turn(tx, refund.payment_id, now, until)
        if turn is not None:
            await refund_store.move_refund_calls(tx, [refund.due(tx.shop_id)], [turn])
        return turn is None


async def _begin(shop_id: ShopId, refund_id: UUID) -> tuple[Refund, PayCredentials]:
    """Count a call and load what it needs; answers to earlier calls decide nothing from now on."""
    async with transaction(shop_id) as tx:
        await refund_store.move_refund_call(tx, refund_id)
        refund = await refund_store.get_refund(tx, refund_id)
        if refund is None:
            raise RefundUnknown
        return refund, await shops.pay_credentials(tx)


def _wanted(shop_id: ShopId, refund: Refund) -> wechat.NewRefund:
    return wechat.NewRefund(
        out_refund_no=refund.number,
        transaction_id=refund.provider_payment,
        refund=refund.amount_fen,
        total=refund.total_fen,
        reason=refund.reason,
        notify_url=f"{settings().public_url}/callback/wechat/pay/{shop_id}",
    )


async def _record(shop_id: ShopId, refund: Refund, report: wechat.Refund) -> RefundState:
    async with transaction(shop_id) as tx:
        return await record_refund(tx, report, refund.calls)


async def _record_refused(
    shop_id: ShopId, refund: Refund, code: str, state: RefundState = RefundState.FAILED
) -> None:
    async with transaction(shop_id) as tx:
        now, attempt = await refunding.lock(tx, refund.refund_id)
        if now.calls == refund.calls:
            await refund_store.move_refund_target(tx, refund.refund_id, False)
            await refunding.stop(tx, now, attempt, state, code[:64], WECHAT)


async def _record_short(shop_id: ShopId, refund: Refund, error: WeChatError) -> None:
    """Our balance at WeChat is too small: the refund stays open until it is filled."""
    async with transaction(shop_id) as tx:
        await refund_store.move_refund_problem(tx, refund.refund_id, error.code[:64])
    log.error(
        "refund lacks balance",
        extra={"alarm": "refund_not_enough", "refund_id": str(refund.refund_id)},
    )
    await _note_failure(shop_id, refund, error)


async def _note_failure(shop_id: ShopId, refund: Refund, error: WeChatError) -> None:
    detail = {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "request_id": error.request_id,
    }
    async with transaction(shop_id) as tx:
        await refund_store.insert_refund_entry(
            tx, refund.refund_id, f"call_{error.retry}", WECHAT, detail
        )
