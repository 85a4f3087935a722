"""The third step: what WeChat reports becomes a fact, once, whoever reports it and how often."""

import logging
from datetime import datetime, timedelta

from siyu.kernel import clock
from siyu.kernel.db import Tx, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Entry, Leg
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import AttemptState, ParkReason, Purpose
from siyu.money.payments.queries import Attempt
from siyu.money.payments.rules import Verdict
from siyu.money.payments.service import refund_calls, suspense
from siyu.money.payments.service.suspense import Arrived
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import PayCredentials, Trade, TradeState, WeChatError

log = logging.getLogger(__name__)

PAY_SUCCEEDED = "TRANSACTION.SUCCESS"
REFUND_NEWS = "REFUND."
_MONEY_CAME = frozenset({AttemptState.PAID, AttemptState.PARKED})
_UNKNOWN_FOR = timedelta(minutes=10)


class AttemptUnknown(Exception):
    """A report for a number we do not find (yet): the worker looks again later."""


async def record_trade(tx: Tx, trade: Trade, reported_at: datetime) -> AttemptState | None:
    """Write down what WeChat said of one of our numbers; the attempt's state afterwards.

    Any number of reports, in any order, have the effect of one: all attempts of the order are
    locked before anything is decided. Money that does not fit goes to suspense. A success for a
    number that nobody gave out raises AttemptUnknown for ten minutes after `reported_at`, and is
    parked after that; None is returned for any other report about it.
    """
    order_id = await queries.get_order_of_number(tx, trade.out_trade_no)
    if order_id is None:
        if trade.trade_state not in (TradeState.SUCCESS, TradeState.REFUND):
            return None
        if clock.now() - reported_at < _UNKNOWN_FOR:
            raise AttemptUnknown(trade.out_trade_no)
        await _park_trade(tx, None, trade, ParkReason.UNKNOWN_NUMBER)
        return None
    attempts = await queries.lock_attempts(tx, order_id)
    attempt = next(one for one in attempts if one.number == trade.out_trade_no)
    verdict = rules.judge(
        trade,
        attempt.state,
        attempt.amount_fen,
        (attempt.merchant, attempt.app),
        attempt.provider_number,
        any(one.state is AttemptState.PAID for one in attempts if one is not attempt),
    )
    match verdict:
        case Verdict.NOTHING:
            return attempt.state
        case Verdict.CLOSE:
            await record_closed(tx, attempt, "reported")
            return AttemptState.CLOSED
        case Verdict.PAY:
            await _record_paid(tx, attempt, trade)
            return AttemptState.PAID
        case _:
            await _park_trade(tx, attempt, trade, verdict)
            return attempt.state if attempt.state in _MONEY_CAME else AttemptState.PARKED


async def record_closed(tx: Tx, attempt: Attempt, how: str) -> bool:
    """Write down that nobody can pay an attempt any more; False when it was paid meanwhile."""
    return await queries.move_attempt(
        tx,
        attempt.payment_id,
        AttemptState.CLOSED,
        from_states=rules.OPEN,
        detail={"how": how},
    )


async def ask_and_record(
    shop_id: ShopId, credentials: PayCredentials, attempt: Attempt
) -> AttemptState:
    """Ask WeChat about an attempt, outside of any transaction, and write down the answer; the
    attempt's state afterwards, unchanged when WeChat gives no answer."""
    try:
        trade = await pay.query(credentials, attempt.number)
    except WeChatError as error:
        log.warning(
            "payment query failed",
            extra={"payment_id": str(attempt.payment_id), "wechat_code": error.code},
        )
        return attempt.state
    if trade is None:
        return attempt.state
    async with transaction(shop_id) as tx:
        return await record_trade(tx, trade, attempt.created_at) or attempt.state


async def record_notification(shop_id: ShopId, raw: bytes, received_at: datetime) -> None:
    """Apply a stored notification; it was verified when it came in. Safe to repeat.

    Raises AttemptUnknown (look again later), SealBroken and NotificationMalformed (never right).
    """
    async with transaction(shop_id) as tx:
        credentials = await shops.pay_credentials(tx)
        notification = pay.open_notification(credentials, raw)
        if notification.event_type == PAY_SUCCEEDED:
            await record_trade(tx, pay.read_trade(notification), received_at)
            return
    if notification.event_type.startswith(REFUND_NEWS):
        await refund_calls.record_news(shop_id, pay.read_refund(notification))


async def _record_paid(tx: Tx, attempt: Attempt, trade: Trade) -> None:
    paid_at = trade.success_time or clock.now()
    moved = await queries.move_attempt(
        tx,
        attempt.payment_id,
        AttemptState.PAID,
        from_states=frozenset({attempt.state}),
        paid_at=paid_at,
        provider_number=trade.transaction_id,
    )
    assert moved, "the attempt was locked"
    amount = attempt.amount_fen
    legs = [
        Leg(rules.where_it_lies(attempt.is_shared), amount),
        rules.earned(attempt.purpose, attempt.owner, -amount),
    ]
    await ledger.post(
        tx,
        Entry(
            key=f"payment:{attempt.payment_id}",
            kind="top_up" if attempt.purpose is Purpose.TOP_UP else "payment",
            legs=legs,
            order_id=attempt.order_id,
            ref=attempt.payment_id,
            at=paid_at,
        ),
    )
    # What else is open for this order would be paid for nothing: it is closed soon.
    await queries.move_query_to_now(tx, attempt.order_id)
    emit(tx, attempt.succeeded(paid_at))


async def _park_trade(tx: Tx, attempt: Attempt | None, trade: Trade, reason: ParkReason) -> None:
    paid_at = trade.success_time or clock.now()
    if attempt is not None and attempt.state not in _MONEY_CAME:
        await queries.move_attempt(
            tx,
            attempt.payment_id,
            AttemptState.PARKED,
            from_states=frozenset({attempt.state}),
            paid_at=paid_at,
            provider_number=trade.transaction_id,
            detail={"reason": reason},
        )
    ours = attempt.merchant if attempt else (await shops.get_wechat(tx)).mchid
    await suspense.park_money(
        tx,
        attempt,
        reason,
        Arrived(
            amount_fen=trade.amount.total,
            currency=trade.amount.currency,
            merchant=trade.mchid,
            number=trade.out_trade_no,
            provider_number=trade.transaction_id,
            paid_at=paid_at,
            is_booked=trade.mchid == ours,
        ),
    )
