"""F010, F014-F020, F024, F025: asking WeChat, and what it does to us. By the list's numbers."""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from siyu.kernel import clock, db
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments import background, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ClosingResult,
    ParkReason,
    PayerMissing,
    PaymentExpired,
    PaymentOver,
    PaymentUnknown,
    ProviderRefused,
    ProviderUnavailable,
    VirtualOnIos,
)
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.service import exchange
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import WeChatError
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import Market, configure, log_in, market, truths, wechat_url

__all__ = ["market", "truths", "wechat_url"]
pytestmark = pytest.mark.usefixtures("truths")


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)


async def calls_to_wechat(market: Market) -> int:
    return len(await market.person.call("GET", f"/orders?mchid={market.keys['mchid']}"))


async def orders_at_wechat(market: Market, order_id: UUID) -> list[dict[str, Any]]:
    numbers = {one.number for one in await market.attempts(order_id)}
    found = await market.person.call("GET", f"/orders?mchid={market.keys['mchid']}")
    return [order for order in found if order["out_trade_no"] in numbers]


# -- keys ----------------------------------------------------------------------------------------


async def certificate_merchant(market: Market, shop: ShopId) -> Market:
    """The same shop on a merchant of the older kind: platform certificates, none held."""
    keys = await market.person.call(
        "POST", "/merchants", {"name": "老商户", "signing": "certificate"}
    )
    app = await market.person.call("POST", "/apps", {"name": "老店", "mchid": keys["mchid"]})
    keys = keys | {"appid": app["appid"], "secret": app["secret"]}
    await configure(shop, keys, public_key_id=None, public_key_pem=None)
    openid = await log_in(str(market.person._http.base_url), market.person, keys)
    return Market(shop, market.person, keys, openid)


async def test_F010_certificates_are_downloaded_once_and_after_a_rotation_once_more(
    market: Market, shop: ShopId
) -> None:
    old = await certificate_merchant(market, shop)
    payables = [old.payable() for _ in range(5)]
    ids = [await old.intend(payable) for payable in payables]
    before = _downloads()
    await asyncio.gather(*(payments.call(shop, one) for one in ids))
    assert _downloads() - before == 1, "one flight for five calls"

    await market.person.call("POST", "/keys/rotate", {"kind": "certificate"})
    with pytest.raises(ProviderUnavailable) as unknown:
        await payments.call(shop, ids[0])
    assert unknown.value.details["wechat_code"] == "SERIAL_UNKNOWN"
    assert _downloads() - before == 1, "not again within a minute"

    async with reading(shop) as tx:
        credentials = await shops.pay_credentials(tx)
    exchange._of(credentials).asked_at = clock.monotonic() - 61
    await asyncio.gather(*(payments.call(shop, one) for one in ids))
    assert _downloads() - before == 2
    assert await old.states(payables[0].order_id) == ["paying"]


def _downloads() -> float:
    return calling._CALLS.labels("pay.certificates", "2xx")._value.get()


async def test_F010_both_kinds_of_keys_are_believed_while_a_merchant_migrates(
    market: Market, shop: ShopId
) -> None:
    old = await certificate_merchant(market, shop)
    await market.person.call("PATCH", f"/merchants/{old.keys['mchid']}", {"signing": "mixed"})
    await configure(shop, old.keys)
    for _ in range(6):
        payable = old.payable()
        _, ticket = await old.begin(payable)
        await old.pay(ticket)
        assert await payments.sync(shop, payable.order_id) is AttemptState.PAID


# -- lost and late news --------------------------------------------------------------------------


async def test_F014_all_notifications_lost_the_money_is_found_by_asking(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await market.pay(ticket)
    await background.follow_up_due()
    assert await market.states(payable.order_id) == ["paying"], "ten seconds have not passed"
    with clock.turned(clock.now() + timedelta(seconds=11)):
        await background.follow_up_due()
    assert await market.states(payable.order_id) == ["paid"]
    assert len(await market.successes()) == 1


async def test_F014_the_questions_follow_their_schedule_until_the_attempt_ends(
    market: Market,
) -> None:
    payable = market.payable()
    await market.begin(payable)
    [attempt] = await market.attempts(payable.order_id)
    asked = []
    for second in range(0, 1000, 5):
        moment = attempt.created_at + timedelta(seconds=second)
        async with reading(market.shop_id) as tx:
            due = await tx.value(
                "select next_query_at from payments.attempts where payment_id = $1",
                attempt.payment_id,
            )
        if due <= moment:
            asked.append(second)
            with clock.turned(moment):
                await background.follow_up_due()
    assert asked == [10, 30, 60, 300, 600, 900]
    # Nobody closes it: long after its last moment it is closed all the same.
    with clock.turned(attempt.expires_at + timedelta(minutes=15)):
        await background.follow_up_due()
    assert await market.states(payable.order_id) == ["closed"]
    assert [o["state"] for o in await orders_at_wechat(market, payable.order_id)] == ["CLOSED"]
    async with reading(market.shop_id) as tx:
        assert await tx.value("select count(next_query_at) from payments.attempts") == 0


async def test_F014_one_shop_without_keys_does_not_stop_the_others(
    market: Market, database: db.Database
) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await market.pay(ticket)
    async with db.system_transaction() as tx:
        other = ShopId(
            await tx.value(
                "insert into shops.shops (code, name, created_at)"
                " values ($1, '别家', now()) returning shop_id",
                f"keyless-{market.shop_id}",
            )
        )
    await configure(other, market.keys)
    async with transaction(other) as write:
        lost = await payments.intend(write, market.payable(), Channel.JSAPI)
    async with transaction(other) as write:
        await write.run("update shops.wechat set mchid = null where shop_id = $1", other)
    with clock.turned(clock.now() + timedelta(seconds=11)):
        await background.follow_up_due()
    assert await market.states(payable.order_id) == ["paid"]
    async with reading(other) as tx:
        found = await queries.get_attempt(tx, lost)
    assert found is not None and found.state is AttemptState.CREATED


async def test_F015_money_after_the_close_is_booked_and_told(market: Market) -> None:
    """The order side decides: it takes the money, or parks it."""
    payable = market.payable()
    payment_id, ticket = await market.begin(payable)
    await market.pay(ticket)
    async with transaction(market.shop_id) as tx:
        await queries.move_attempt(
            tx, payment_id, AttemptState.CLOSED, from_states=frozenset({AttemptState.PAYING})
        )
    async with reading(market.shop_id) as tx:
        credentials = await shops.pay_credentials(tx)
    trade = await pay.query(credentials, payment_id.hex)
    assert trade is not None
    for _ in range(2):
        async with transaction(market.shop_id) as tx:
            assert await payments.record_trade(tx, trade, clock.now()) is AttemptState.PAID
    assert len(await market.successes()) == 1
    for _ in range(2):
        async with transaction(market.shop_id) as tx:
            await payments.park(tx, payment_id, ParkReason.ORDER_CLOSED)
    [parked] = await market.parked()
    assert (parked.reason, parked.amount_fen) == ("order_closed", 8800)
    assert parked.provider_number == trade.transaction_id
    assert await market.states(payable.order_id) == ["parked"]
    assert len(await market.events("payments.money_parked")) == 1


# -- closing -------------------------------------------------------------------------------------


async def test_F016_an_order_is_closed_when_wechat_says_so(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await market.begin(payable, Channel.NATIVE)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED
    assert await market.states(payable.order_id) == ["closed", "closed"]
    with pytest.raises(Exception, match="requestPayment:fail 该订单已失效"):
        await market.pay(ticket)
    async with reading(market.shop_id) as tx:
        assert not await payments.has_open(tx, payable.order_id)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED


@pytest.mark.parametrize("fault", ["system_error", "html", "frequency_limited"])
async def test_F016_while_the_close_fails_nothing_may_be_released(
    market: Market, fault: str
) -> None:
    payable = market.payable()
    await market.begin(payable)
    await market.fault(fault, "pay.close", times=None)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.UNKNOWN
    assert await market.states(payable.order_id) == ["paying"]
    async with reading(market.shop_id) as tx:
        assert await payments.has_open(tx, payable.order_id)
    await market.person.call("DELETE", "/faults")
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED


@pytest.mark.parametrize("fault", ["timeout_after_work", "bad_signature"])
async def test_F016_a_close_that_was_done_without_a_good_answer_is_found_by_the_query(
    market: Market, fault: str
) -> None:
    payable = market.payable()
    await market.begin(payable)
    await market.fault(fault, "pay.close", seconds=1, times=None)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED


async def test_F016_the_payer_was_faster_than_the_close(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await market.pay(ticket)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.PAID
    assert await market.states(payable.order_id) == ["paid"]
    async with reading(market.shop_id) as tx:
        assert await payments.has_open(tx, payable.order_id), "its goods are sold"


async def test_F016_a_number_wechat_never_heard_of_is_closed_once_no_call_can_be_on_its_way(
    market: Market,
) -> None:
    payable = market.payable()
    await market.intend(payable)
    close = payments.close_order
    assert await close(market.shop_id, payable.order_id) is ClosingResult.UNKNOWN
    with clock.turned(clock.now() + timedelta(seconds=31)):
        assert await close(market.shop_id, payable.order_id) is ClosingResult.CLOSED


async def test_F016_an_attempt_of_a_former_merchant_account_is_closed_by_time_only(
    market: Market, shop: ShopId
) -> None:
    payable = market.payable()
    payment_id, _ = await market.begin(payable)
    async with transaction(shop) as tx:
        await tx.run("update shops.wechat set mchid = '1900000009' where shop_id = $1", shop)
    close = payments.close_order
    assert await close(shop, payable.order_id) is ClosingResult.UNKNOWN
    assert await payments.sync(shop, payable.order_id) is AttemptState.PAYING
    with pytest.raises(PaymentOver):
        await payments.call(shop, payment_id)
    with clock.turned(payable.expires_at + timedelta(minutes=11)):
        assert await close(shop, payable.order_id) is ClosingResult.CLOSED


# -- twice, and not at all -----------------------------------------------------------------------


async def test_F017_the_second_payment_of_an_order_is_parked(market: Market) -> None:
    payable = market.payable()
    first, ticket = await market.begin(payable)
    second, code = await market.begin(payable, Channel.NATIVE)
    await market.pay(ticket)
    await market.pay(code)
    for _ in range(2):
        with clock.turned(clock.now() + timedelta(seconds=11)):
            await background.follow_up_due()
    assert sorted(await market.states(payable.order_id)) == ["paid", "parked"]
    assert len(await market.successes()) == 1
    [parked] = await market.parked()
    assert (parked.reason, parked.amount_fen) == ("paid_twice", 8800)
    assert parked.payment_id in (first, second)


async def test_F017_once_an_order_is_paid_its_other_attempts_are_closed(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    _, code = await market.begin(payable, Channel.NATIVE)
    await market.pay(ticket)
    await payments.sync(market.shop_id, payable.order_id)
    await background.follow_up_due()
    assert await market.states(payable.order_id) == ["paid", "closed"]
    with pytest.raises(Exception, match="requestPayment:fail 该订单已失效"):
        await market.pay(code)


async def test_F018_a_timed_out_prepay_is_repeated_under_its_number(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    await market.fault("timeout_after_work", "pay.create", seconds=1, times=3)
    with pytest.raises(ProviderUnavailable):
        await payments.call(market.shop_id, payment_id)
    assert await market.states(payable.order_id) == ["created"]
    assert await market.intend(payable) == payment_id
    started = await payments.call(market.shop_id, payment_id)
    assert started.state is AttemptState.PAYING and started.jsapi is not None
    assert len(await orders_at_wechat(market, payable.order_id)) == 1


async def test_F018_already_paid_is_a_success_to_be_looked_up(market: Market) -> None:
    payable = market.payable()
    payment_id, ticket = await market.begin(payable)
    await market.pay(ticket)
    started = await payments.call(market.shop_id, payment_id)
    assert (started.state, started.jsapi) == (AttemptState.PAID, None)
    assert len(await market.successes()) == 1
    again = await payments.call(market.shop_id, payment_id)
    assert again.state is AttemptState.PAID
    assert await market.intend(payable) == payment_id, "a paid order gets no second attempt"


async def test_F018_closed_at_wechat_means_begin_again_under_a_new_number(market: Market) -> None:
    payable = market.payable()
    payment_id, _ = await market.begin(payable)
    async with reading(market.shop_id) as tx:
        credentials = await shops.pay_credentials(tx)
    assert await pay.close(credentials, payment_id.hex)
    with pytest.raises(PaymentOver):
        await payments.call(market.shop_id, payment_id)
    assert await market.states(payable.order_id) == ["closed"]
    with pytest.raises(PaymentOver):
        await payments.call(market.shop_id, payment_id)
    second, _ = await market.begin(payable)
    assert second != payment_id


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("system_error", {}),
        ("system_error", {"code": "BANK_ERROR"}),
        ("frequency_limited", {}),
        ("html", {}),
        ("bad_signature", {}),
        ("probe", {}),
        ("skewed_time", {"seconds": 600}),
    ],
)
async def test_F019_a_bad_answer_is_repeated_and_no_secret_is_logged(
    market: Market, caplog: pytest.LogCaptureFixture, fault: str, options: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    payable = market.payable()
    payment_id = await market.intend(payable)
    await market.fault(fault, "pay.create", times=2, **options)
    started = await payments.call(market.shop_id, payment_id)
    assert started.state is AttemptState.PAYING
    assert len(await orders_at_wechat(market, payable.order_id)) == 1
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "wechat call failed" in logged
    for secret in (market.keys["api_v3_key"], market.keys["secret"], market.openid, "PRIVATE KEY"):
        assert secret not in logged
    assert "WECHATPAY2-SHA256-RSA2048 mchid" not in logged


async def test_F019_what_goes_on_failing_is_said_to_be_unavailable_and_noted(
    market: Market,
) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    await market.fault("system_error", "pay.create", times=None)
    with pytest.raises(ProviderUnavailable) as failed:
        await payments.call(market.shop_id, payment_id)
    assert failed.value.details["wechat_code"] == "SYSTEM_ERROR"
    assert failed.value.details["request_id"].endswith("-268435457")
    async with reading(market.shop_id) as tx:
        entries = await payments.list_timeline(tx, [payment_id])
    assert [entry.event for entry in entries] == ["created", "call_unknown"]
    assert entries[1].detail["code"] == "SYSTEM_ERROR"


async def test_F019_a_refusal_is_not_repeated(market: Market) -> None:
    payment_id = await market.intend(market.payable(payer="o-nobody"))
    before = calling._CALLS.labels("pay.create_jsapi", "4xx")._value.get()
    with pytest.raises(ProviderRefused) as refused:
        await payments.call(market.shop_id, payment_id)
    assert refused.value.details["wechat_code"] == "PARAM_ERROR"
    assert calling._CALLS.labels("pay.create_jsapi", "4xx")._value.get() == before + 1


async def test_F019_a_sick_wechat_is_left_alone_for_a_while(market: Market) -> None:
    payment_id = await market.intend(market.payable())
    await market.fault("html", "pay.create", times=None)
    codes = []
    for _ in range(6):
        with pytest.raises(ProviderUnavailable) as failed:
            await payments.call(market.shop_id, payment_id)
        codes.append(failed.value.details["wechat_code"])
    assert codes[0] == "HTTP_502" and codes[-1] == "CIRCUIT_OPEN"
    await market.person.call("DELETE", "/faults")
    with pytest.raises(ProviderUnavailable):
        await payments.call(market.shop_id, payment_id)
    for lane in calling._lanes.values():
        lane.closed_until = clock.monotonic()
    assert (await payments.call(market.shop_id, payment_id)).state is AttemptState.PAYING


async def test_F020_a_clock_that_is_off_raises_an_alarm(
    market: Market, wechat_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert abs(await transport.check_clock(wechat_url) or 99) < 2
    try:
        for skew in (600, -600):
            await market.person.call("PATCH", "/settings", {"clock_skew_seconds": skew})
            caplog.clear()
            seen = await transport.check_clock(wechat_url)
            assert seen is not None and abs(seen - skew) < 2
            assert transport.skew_seconds(wechat_url) == seen
            assert [getattr(r, "alarm", "") for r in caplog.records] == ["clock_skew"]
            payment_id = await market.intend(market.payable())
            with pytest.raises(ProviderRefused) as refused:
                await payments.call(market.shop_id, payment_id)
            assert refused.value.details["wechat_code"] == "SIGN_ERROR"
    finally:
        await market.person.call("PATCH", "/settings", {"clock_skew_seconds": 0})
    caplog.clear()
    await transport.check_clock(wechat_url)
    assert not caplog.records


async def test_F020_no_answer_is_no_alarm() -> None:
    assert await transport.check_clock("http://127.0.0.1:9") is None
    assert transport.skew_seconds("http://127.0.0.1:9") is None


# -- who may pay, and free orders ----------------------------------------------------------------


@pytest.mark.parametrize("platform", ["ios", "mp-weixin", "h5"])
@pytest.mark.parametrize("has_virtual", [True, False])
async def test_F024_no_virtual_goods_on_ios(
    market: Market, platform: str, has_virtual: bool
) -> None:
    payable = market.payable(platform=platform, has_virtual=has_virtual)
    if platform == "ios" and has_virtual:
        with pytest.raises(VirtualOnIos):
            await market.intend(payable)
        assert await market.attempts(payable.order_id) == []
    else:
        await market.intend(payable)


async def test_F024_not_even_for_nothing(market: Market) -> None:
    with pytest.raises(VirtualOnIos):
        await market.intend(market.payable(platform="ios", has_virtual=True, amount_fen=0))


async def test_F025_an_order_of_0_fen_is_paid_without_wechat_once(market: Market) -> None:
    payable = market.payable(amount_fen=0, payer=None)
    before = await calls_to_wechat(market)
    payment_id = await market.intend(payable, Channel.INTERNAL)
    assert await market.intend(payable) == payment_id
    started = await payments.call(market.shop_id, payment_id)
    assert (started.state, started.jsapi, started.code_url) == (AttemptState.PAID, None, None)
    assert await calls_to_wechat(market) == before
    [event] = await market.successes()
    assert (event["amount_fen"], event["channel"]) == (0, "internal")
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.PAID


async def test_F025_needs_no_keys(shop: ShopId) -> None:
    bare = Market(shop, None, {}, "")  # type: ignore[arg-type]
    payable = bare.payable(amount_fen=0, payer=None)
    payment_id = await bare.intend(payable, Channel.INTERNAL)
    assert (await payments.call(shop, payment_id)).state is AttemptState.PAID


async def test_what_cannot_be_begun_is_refused_and_leaves_nothing(market: Market) -> None:
    late = market.payable(expires_at=clock.now())
    for payable, error in ((late, PaymentExpired), (market.payable(payer=None), PayerMissing)):
        with pytest.raises(error):
            await market.intend(payable)
        assert await market.attempts(payable.order_id) == []
        assert await payments.sync(market.shop_id, payable.order_id) is None
        closed = await payments.close_order(market.shop_id, payable.order_id)
        assert closed is ClosingResult.CLOSED
    with pytest.raises(PaymentUnknown):
        await payments.call(market.shop_id, late.order_id)  # type: ignore[arg-type]
    payable = market.payable()
    payment_id = await market.intend(payable)
    with clock.turned(payable.expires_at), pytest.raises(PaymentExpired):
        await payments.call(market.shop_id, payment_id)


async def test_another_amount_gets_a_number_of_its_own(market: Market) -> None:
    """WeChat refuses a known number with other parameters, so it is never asked that."""
    payable = market.payable()
    first, _ = await market.begin(payable)
    second, _ = await market.begin(msgspec.structs.replace(payable, amount_fen=8700))
    assert first != second
    assert await market.states(payable.order_id) == ["paying", "paying"]


async def test_a_payment_of_another_shop_cannot_be_called(
    market: Market, database: db.Database
) -> None:
    payment_id = await market.intend(market.payable())
    with pytest.raises(PaymentUnknown):
        await payments.call(ShopId(market.shop_id + 100_000), payment_id)


async def test_a_tampered_query_answer_parks_the_money(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await market.pay(ticket)
    await market.fault("tamper_amount", "pay.query", fen=-1)
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.PARKED
    [parked] = await market.parked()
    assert (parked.reason, parked.amount_fen) == ("wrong_amount", 8799)
    assert await market.successes() == []


async def test_an_unreadable_private_key_starts_no_channel(market: Market, shop: ShopId) -> None:
    payment_id = await market.intend(market.payable())
    async with reading(shop) as tx:
        credentials = await shops.pay_credentials(tx)
    for change in (
        {"private_key_pem": ""},
        {"api_v3_key": ""},
        {"public_key_pem": "", "public_key_id": "PUB_KEY_ID_1"},
        {"public_key_id": "5DEA10EF"},
        {"mchid": ""},
        {"serial_no": ""},
        {"certificates": {"": ""}},
    ):
        with pytest.raises(Exception, match="channel_unusable"):
            await pay.query(msgspec.structs.replace(credentials, **change), payment_id.hex)
    with pytest.raises(WeChatError):
        await pay.query(msgspec.structs.replace(credentials, mchid="1900000001"), payment_id.hex)
