"""Asking WeChat how attempts stand, and closing them: nothing is released on a guess."""

import logging
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import AttemptState, ClosingResult, PaymentId
from siyu.money.payments.queries import Attempt
from siyu.money.payments.service import recording
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import PayCredentials, TradeAlreadyPaid, TradeClosed, WeChatError

log = logging.getLogger(__name__)

_BY_WEIGHT = (
    AttemptState.PAID,
    AttemptState.PAYING,
    AttemptState.CREATED,
    AttemptState.PARKED,
    AttemptState.CLOSED,
)


async def has_open(tx: ReadTx, order_id: UUID) -> bool:
    """Whether money for the order may still come, or has come: then its goods stay reserved.
    Asked under the order's row lock, just before they are released."""
    attempts = await queries.list_attempts(tx, order_id)
    return any(one.state in rules.OPEN or one.state is AttemptState.PAID for one in attempts)


async def sync(shop_id: ShopId, order_id: UUID) -> AttemptState | None:
    """Ask WeChat now about the open attempts of an order and write down the answers.

    The state that matters: paid before paying before created before the ended ones; None when
    nobody tried to pay. What WeChat does not answer stays as it was.
    """
    attempts, credentials = await _load(shop_id, order_id)
    states = {one.state for one in attempts}
    if AttemptState.PAID not in states and credentials is not None:
        states = {await _ask(shop_id, credentials, one) for one in attempts}
    return next((state for state in _BY_WEIGHT if state in states), None)


async def close_order(shop_id: ShopId, order_id: UUID) -> ClosingResult:
    """Close every open attempt of an order at WeChat. Only CLOSED allows to release its goods:
    each attempt is then confirmed to be closed, or never was known there (F016)."""
    attempts, credentials = await _load(shop_id, order_id)
    states = {one.state for one in attempts}
    if AttemptState.PAID not in states and credentials is not None:
        states = {await _close(shop_id, credentials, one) for one in attempts}
    if AttemptState.PAID in states:
        return ClosingResult.PAID
    return ClosingResult.UNKNOWN if states & rules.OPEN else ClosingResult.CLOSED


async def follow_up(shop_id: ShopId, payment_id: PaymentId) -> None:
    """What is due for an open attempt: ask WeChat about it, or close it when its order is paid by
    another attempt or its time is long over. Nothing when it has ended."""
    async with reading(shop_id) as tx:
        attempt = await queries.get_attempt(tx, payment_id)
        if attempt is None or attempt.state not in rules.OPEN:
            return
        others = await queries.list_attempts(tx, attempt.order_id)
        credentials = await shops.pay_credentials(tx)
    is_paid = any(one.state is AttemptState.PAID for one in others)
    if is_paid or rules.is_overdue(attempt.expires_at, clock.now()):
        await _close(shop_id, credentials, attempt)
    else:
        await _ask(shop_id, credentials, attempt)


async def _load(shop_id: ShopId, order_id: UUID) -> tuple[list[Attempt], PayCredentials | None]:
    async with reading(shop_id) as tx:
        attempts = await queries.list_attempts(tx, order_id)
        is_open = any(one.state in rules.OPEN for one in attempts)
        return attempts, await shops.pay_credentials(tx) if is_open else None


async def _ask(shop_id: ShopId, credentials: PayCredentials, attempt: Attempt) -> AttemptState:
    """Ask about one attempt, if it is open and ours to ask about; its state afterwards."""
    if attempt.state not in rules.OPEN or attempt.merchant != credentials.mchid:
        return attempt.state
    return await recording.ask_and_record(shop_id, credentials, attempt)


async def _close(shop_id: ShopId, credentials: PayCredentials, attempt: Attempt) -> AttemptState:
    """Close one attempt; its state afterwards, unchanged when nothing is confirmed."""
    if attempt.state not in rules.OPEN:
        return attempt.state
    is_confirmed = False
    # Another merchant's account cannot speak for this attempt: only time closes it.
    if attempt.merchant == credentials.mchid:
        try:
            is_confirmed = await pay.close(credentials, attempt.number)
        except TradeClosed:
            is_confirmed = True
        except TradeAlreadyPaid:
            return await _ask(shop_id, credentials, attempt)
        except WeChatError as error:
            log.warning(
                "payment close failed",
                extra={"payment_id": str(attempt.payment_id), "wechat_code": error.code},
            )
            return await _ask(shop_id, credentials, attempt)
    if not is_confirmed and not rules.missing_means_closed(
        attempt.state, attempt.created_at, attempt.expires_at, clock.now()
    ):
        return attempt.state
    how = "confirmed" if is_confirmed else "never_known"
    async with transaction(shop_id) as tx:
        if await recording.record_closed(tx, attempt, how):
            return AttemptState.CLOSED
        found = await queries.get_attempt(tx, attempt.payment_id)
    assert found is not None
    return found.state
