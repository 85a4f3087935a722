"""The first two steps: store the attempt with its number, then ask WeChat under that number."""

from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.config import settings
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.money import MAX_FEN
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import (
    AlreadyPaid,
    AttemptState,
    Channel,
    Payable,
    PayerMissing,
    PaymentExpired,
    PaymentId,
    PaymentOver,
    PaymentUnknown,
    ProviderRefused,
    ProviderUnavailable,
    Purpose,
    StartedPayment,
    VirtualOnIos,
)
from siyu.money.payments.queries import Attempt
from siyu.money.payments.service import recording
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    JsapiPayment,
    NewTrade,
    PayCredentials,
    Retry,
    TradeAlreadyPaid,
    TradeClosed,
    WeChatError,
)


async def intend(tx: Tx, payable: Payable, channel: Channel) -> PaymentId:
    """Store an attempt to collect an order's money; `call` asks WeChat after the commit.

    The caller holds the order's row lock and knows that it still waits for money. An open attempt
    of the same order and channel is taken up again, so that a repeat keeps its number (F018). An
    order of 0 fen is paid here and now, without WeChat (F025).
    Raises VirtualOnIos, PayerMissing, PaymentExpired, WeChatNotSet.
    """
    assert 0 <= payable.amount_fen <= MAX_FEN
    if rules.is_refused_on_ios(payable):
        raise VirtualOnIos
    now = clock.now()
    attempts = await queries.lock_attempts(tx, payable.order_id)
    for attempt in attempts:
        if attempt.state is AttemptState.PAID:
            return attempt.payment_id
    if payable.amount_fen == 0:
        return await _settle(tx, payable)
    if channel is Channel.JSAPI and not payable.payer:
        raise PayerMissing
    if payable.expires_at <= now:
        raise PaymentExpired
    merchant, app = await _accounts(tx)
    wanted = _new_attempt(payable, channel, merchant, app)
    for attempt in attempts:
        if attempt.state in rules.OPEN and _is_same(attempt, wanted):
            return attempt.payment_id
    await queries.insert_attempt(tx, wanted, rules.next_query_at(now, now))
    return wanted.payment_id


async def call(shop_id: ShopId, payment_id: PaymentId) -> StartedPayment:
    """Ask WeChat for the payment, outside of any transaction; safe to repeat.

    Raises PaymentUnknown, PaymentExpired, PaymentOver (begin again), ProviderRefused (a repeat
    does not help), ProviderUnavailable (repeat; the attempt is watched meanwhile).
    """
    async with reading(shop_id) as tx:
        attempt = await queries.get_attempt(tx, payment_id)
        if attempt is None:
            raise PaymentUnknown
        if attempt.state not in rules.OPEN:
            return _started(attempt, attempt.state)
        credentials = await shops.pay_credentials(tx)
    if attempt.expires_at <= clock.now():
        raise PaymentExpired
    if attempt.merchant != credentials.mchid:
        raise PaymentOver
    try:
        jsapi, code_url = await _ask(credentials, attempt)
    except TradeAlreadyPaid:
        state = await recording.ask_and_record(shop_id, credentials, attempt)
        return _started(attempt, state)
    except TradeClosed:
        async with transaction(shop_id) as write:
            await recording.record_closed(write, attempt, "found_closed")
        raise PaymentOver from None
    except WeChatError as error:
        await _note_failure(shop_id, attempt, error)
        kind = ProviderRefused if error.retry is Retry.NEVER else ProviderUnavailable
        raise kind(wechat_code=error.code, request_id=error.request_id) from None
    async with transaction(shop_id) as write:
        first = frozenset({AttemptState.CREATED})
        state = AttemptState.PAYING
        moved = await queries.move_attempt(write, payment_id, state, from_states=first)
        # Asked before, or it ended while we were asking: what stands there now counts.
        found = None if moved else await queries.get_attempt(write, payment_id)
    return _started(attempt, found.state if found else state, jsapi, code_url)


async def _ask(
    credentials: PayCredentials, attempt: Attempt
) -> tuple[JsapiPayment | None, str | None]:
    trade = NewTrade(
        appid=attempt.app,
        out_trade_no=attempt.number,
        description=attempt.description,
        total=attempt.amount_fen,
        time_expire=attempt.expires_at,
        notify_url=f"{settings().public_url}/callback/wechat/pay/{attempt.shop_id}",
        openid=attempt.payer or "" if attempt.channel is Channel.JSAPI else "",
        is_shared=attempt.is_shared,
    )
    if attempt.channel is Channel.JSAPI:
        return await pay.create_jsapi(credentials, trade), None
    return None, await pay.create_native(credentials, trade)


async def _note_failure(shop_id: ShopId, attempt: Attempt, error: WeChatError) -> None:
    detail = {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "request_id": error.request_id,
    }
    async with transaction(shop_id) as tx:
        await queries.insert_timeline(tx, attempt.payment_id, f"call_{error.retry}", detail)


async def _settle(tx: Tx, payable: Payable) -> PaymentId:
    """Nothing to pay: the attempt is made and paid in one step, once by its unique index."""
    now = clock.now()
    made = _new_attempt(payable, Channel.INTERNAL, "", "", state=AttemptState.PAID)
    await queries.insert_attempt(tx, made, None)
    emit(tx, made.succeeded(now))
    return made.payment_id


async def _accounts(tx: Tx) -> tuple[str, str]:
    """The merchant account and the app of the shop; raises WeChatNotSet."""
    stored = await shops.get_wechat(tx)
    if not stored.mchid:
        raise WeChatNotSet(setting="mchid")
    if not stored.appid:
        raise WeChatNotSet(setting="appid")
    return stored.mchid, stored.appid


def _new_attempt(
    payable: Payable,
    channel: Channel,
    merchant: str,
    app: str,
    state: AttemptState = AttemptState.CREATED,
) -> Attempt:
    payment_id, now = PaymentId(new_id()), clock.now()
    return Attempt(
        shop_id=0,
        payment_id=payment_id,
        order_id=payable.order_id,
        person_no=payable.person_no,
        channel=channel,
        state=state,
        amount_fen=payable.amount_fen,
        number=payment_id.hex,
        merchant=merchant,
        app=app,
        payer=payable.payer if channel is Channel.JSAPI else None,
        description=payable.description,
        provider_number=None,
        created_at=now,
        # WeChat knows whole seconds only, and a repeat must say the very same.
        expires_at=payable.expires_at.replace(microsecond=0),
        paid_at=now if state is AttemptState.PAID else None,
        purpose=payable.purpose,
        owner=payable.owner,
        is_shared=payable.is_shared and channel in (Channel.JSAPI, Channel.NATIVE),
        refunded_fen=0,
        refund_count=0,
    )


def _is_same(attempt: Attempt, wanted: Attempt) -> bool:
    """Whether a repeat under the old number would say the very same to WeChat."""
    names = (
        "channel", "amount_fen", "merchant", "app", "payer", "description", "expires_at",
        "is_shared", "purpose", "owner",
    )  # fmt: skip
    return all(getattr(attempt, name) == getattr(wanted, name) for name in names)


async def collect_offline(tx: Tx, payable: Payable, actor: Actor, note: str) -> PaymentId:
    """Write down that staff collected an order's money at the counter (amount_fen ≥ 1), in cash or
    by a till of their own; the payment counts from now on, and `petty` holds the money.

    The caller holds the order's row lock and knows that it still waits for money. What the payer
    may have begun at WeChat is closed by the worker; should it be paid all the same, that money
    goes back as paid twice (F017). Raises AlreadyPaid.
    """
    assert 0 < payable.amount_fen <= MAX_FEN and payable.purpose is Purpose.ORDER
    attempts = await queries.lock_attempts(tx, payable.order_id)
    if any(attempt.state is AttemptState.PAID for attempt in attempts):
        raise AlreadyPaid
    made = _new_attempt(payable, Channel.OFFLINE, "", "", state=AttemptState.PAID)
    assert made.paid_at is not None
    await queries.insert_attempt(tx, made, None, {"by": actor.actor_name, "note": note})
    await ledger.post(
        tx,
        Entry(
            key=f"payment:{made.payment_id}",
            kind="payment_offline",
            legs=[Leg(Book.PETTY, made.amount_fen), Leg(Book.SALES, -made.amount_fen)],
            order_id=made.order_id,
            ref=made.payment_id,
            at=made.paid_at,
            note=note,
        ),
    )
    if any(attempt.state in rules.OPEN for attempt in attempts):
        await queries.move_query_to_now(tx, made.order_id)
    emit(tx, made.succeeded(made.paid_at))
    return made.payment_id


def _started(
    attempt: Attempt,
    state: AttemptState,
    jsapi: JsapiPayment | None = None,
    code_url: str | None = None,
) -> StartedPayment:
    """The answer for an attempt in this state; raises PaymentOver or ProviderUnavailable."""
    payment_id = attempt.payment_id
    if state is AttemptState.PAID:
        return StartedPayment(payment_id=payment_id, state=state, jsapi=None, code_url=None)
    if state not in rules.OPEN:
        raise PaymentOver
    if jsapi is None and code_url is None:
        # WeChat calls it paid and does not tell more yet: the next question will.
        raise ProviderUnavailable
    return StartedPayment(
        payment_id=payment_id, state=AttemptState.PAYING, jsapi=jsapi, code_url=code_url
    )
