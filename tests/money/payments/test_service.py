"""The verbs of payments against a local WeChat."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from siyu.kernel import clock
from siyu.kernel.db import Database, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.payments import background, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ClosingResult,
    ParkReason,
    PaymentId,
    PaymentOver,
    PaymentUnknown,
    ProviderUnavailable,
)
from siyu.wechat.pay.contracts import Trade, TradeAmount, TradeState
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.mark.parametrize("channel", [Channel.JSAPI, Channel.NATIVE])
async def test_a_payment_from_intent_to_money(market: Market, channel: Channel) -> None:
    payable = market.payable()
    payment_id, ticket = await market.begin(payable, channel)
    assert await market.states(payable.order_id) == ["paying"]
    paid = await market.pay(ticket)
    assert paid["out_trade_no"] == payment_id.hex
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.PAID
    [attempt] = await market.attempts(payable.order_id)
    assert attempt.provider_number == paid["transaction_id"]
    [event] = await market.successes()
    assert event["payment_id"] == str(payment_id)
    assert event["order_id"] == str(payable.order_id)
    assert (event["amount_fen"], event["person_no"], event["channel"]) == (8800, 7, channel)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.PAID


async def paid_trade(market: Market, payment_id: PaymentId, **change: Any) -> Trade:
    fields: dict[str, Any] = {
        "appid": market.keys["appid"],
        "mchid": market.keys["mchid"],
        "out_trade_no": payment_id.hex,
        "trade_state": TradeState.SUCCESS,
        "amount": TradeAmount(total=8800, payer_total=8800),
        "transaction_id": "42" + payment_id.hex[:26],
    }
    return Trade(**(fields | change))


async def record(market: Market, trade: Trade, at: datetime | None = None) -> AttemptState | None:
    async with transaction(market.shop_id) as tx:
        return await payments.record_trade(tx, trade, at or clock.now())


async def while_slow(market: Market, operation: str, call: Any, meanwhile: Any) -> Any:
    """Start a call that WeChat answers slowly, do something, and wait for the call."""
    await market.fault("slow", operation, seconds=0.7)
    running = asyncio.create_task(call)
    await asyncio.sleep(0.3)
    await meanwhile
    return await running


async def test_paid_while_wechat_was_being_asked(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    call = payments.call(market.shop_id, payment_id)
    news = record(market, await paid_trade(market, payment_id))
    started = await while_slow(market, "pay.create", call, news)
    assert (started.state, started.jsapi) == (AttemptState.PAID, None)
    assert await market.states(payable.order_id) == ["paid"]


async def test_ended_while_wechat_was_being_asked(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    wrong = await paid_trade(market, payment_id, amount=TradeAmount(total=1))
    with pytest.raises(PaymentOver):
        await while_slow(
            market, "pay.create", payments.call(market.shop_id, payment_id), record(market, wrong)
        )
    assert await market.states(payable.order_id) == ["parked"]


async def test_paid_while_the_close_was_under_way(market: Market) -> None:
    payable = market.payable()
    payment_id, _ = await market.begin(payable)
    closed = await while_slow(
        market,
        "pay.close",
        payments.close_order(market.shop_id, payable.order_id),
        record(market, await paid_trade(market, payment_id)),
    )
    assert closed is ClosingResult.PAID
    assert await market.states(payable.order_id) == ["paid"]


async def test_already_paid_but_wechat_does_not_say_more_yet(market: Market) -> None:
    payment_id, ticket = await market.begin(market.payable())
    await market.pay(ticket)
    await market.fault("html", "pay.query", times=None)
    with pytest.raises(ProviderUnavailable):
        await payments.call(market.shop_id, payment_id)
    await market.person.call("DELETE", "/faults")
    assert (await payments.call(market.shop_id, payment_id)).state is AttemptState.PAID


async def test_a_silent_wechat_leaves_the_state_as_it_is(market: Market) -> None:
    payable = market.payable()
    await market.begin(payable)
    await market.fault("html", "pay.query", times=None)
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.PAYING


async def test_a_number_wechat_does_not_know_stays_created(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.CREATED
    await payments.follow_up(market.shop_id, payment_id)
    assert await market.states(payable.order_id) == ["created"]


async def test_an_ended_attempt_is_not_followed(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    assert await record(market, await paid_trade(market, payment_id)) is AttemptState.PAID
    await payments.follow_up(market.shop_id, payment_id)
    await payments.follow_up(market.shop_id, PaymentId(new_id()))
    assert await market.states(payable.order_id) == ["paid"]


async def test_reports_about_numbers_that_are_not_ours(market: Market) -> None:
    foreign = await paid_trade(market, PaymentId(new_id()))
    open_ = await paid_trade(market, PaymentId(new_id()), trade_state=TradeState.NOTPAY)
    assert await record(market, open_) is None
    with pytest.raises(payments.AttemptUnknown):
        await record(market, foreign)
    assert await market.parked() == []
    for _ in range(2):
        assert await record(market, foreign, clock.now() - timedelta(minutes=10)) is None
    assert [row.reason for row in await market.parked()] == ["unknown_number"]


async def test_another_payment_under_a_paid_number_is_parked_beside_it(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    trade = await paid_trade(market, payment_id)
    other = await paid_trade(market, payment_id, transaction_id="4200000000000000000000000001")
    assert await record(market, trade) is AttemptState.PAID
    for _ in range(2):
        assert await record(market, other) is AttemptState.PAID
    [parked] = await market.parked()
    assert (parked.reason, parked.provider_number) == ("paid_twice", other.transaction_id)
    assert len(await market.successes()) == 1


async def test_only_money_that_came_can_be_parked(market: Market) -> None:
    with pytest.raises(PaymentUnknown):
        async with transaction(market.shop_id) as tx:
            await payments.park(tx, PaymentId(new_id()), ParkReason.ORDER_CLOSED)
    payment_id = await market.intend(market.payable())
    with pytest.raises(AssertionError, match="only money that came"):
        async with transaction(market.shop_id) as tx:
            await payments.park(tx, payment_id, ParkReason.ORDER_CLOSED)
    assert await market.parked() == []


@pytest.mark.parametrize("setting", ["mchid", "appid"])
async def test_a_shop_without_accounts_starts_no_payment(market: Market, setting: str) -> None:
    async with transaction(market.shop_id) as tx:
        sql = f"update shops.wechat set {setting} = null where shop_id = $1"
        await tx.run(sql, market.shop_id)
    payable = market.payable()
    with pytest.raises(WeChatNotSet) as refused:
        await market.intend(payable)
    assert refused.value.details == {"setting": setting}
    assert await market.attempts(payable.order_id) == []


async def test_F020_clocks_of_all_shops_are_compared_hourly(
    market: Market, wechat_url: str, database: Database
) -> None:
    async with system_transaction() as tx:
        # Shops of other tests may be set to the real WeChat, which no test can reach.
        await tx.run("delete from shops.wechat where environment = 'real'")
        await tx.run(
            "insert into shops.shops (code, name, created_at) values ($1, '未配置', now())",
            f"unset-{market.shop_id}",
        )
    calling._skew.clear()
    await background.check_clocks()
    assert abs(transport.skew_seconds(wechat_url) or 99) < 2


async def test_F014_a_bug_in_one_question_does_not_stop_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    payables = [market.payable() for _ in range(3)]
    for payable in payables:
        _, ticket = await market.begin(payable)
        await market.pay(ticket)
    broken = (await market.attempts(payables[0].order_id))[0].payment_id
    real = payments.follow_up

    async def follow_up(shop_id: ShopId, payment_id: PaymentId) -> None:
        assert payment_id != broken, "a bug"
        await real(shop_id, payment_id)

    monkeypatch.setattr(payments, "follow_up", follow_up)
    with clock.turned(clock.now() + timedelta(seconds=11)), pytest.raises(AssertionError):
        await background.follow_up_due()
    states = [(await market.states(payable.order_id))[0] for payable in payables]
    assert states == ["paying", "paid", "paid"]


async def test_ended_attempts_of_an_order_are_left_alone(market: Market) -> None:
    payable = market.payable()
    first, _ = await market.begin(payable)
    async with transaction(market.shop_id) as tx:
        await queries.move_attempt(
            tx, first, AttemptState.CLOSED, from_states=frozenset({AttemptState.PAYING})
        )
    second, _ = await market.begin(payable)
    assert second != first
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.PAYING
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED
    assert await market.states(payable.order_id) == ["closed", "closed"]
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.CLOSED


async def test_what_we_believe_happened_at_wechat_by_our_numbers(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.work()
    numbers = [attempt.number, refund_id.hex]
    async with reading(market.shop_id) as tx:
        found = await payments.find_outside(tx, numbers)
        refs = await payments.list_outside(tx, [attempt.payment_id, refund_id, new_id()])
        orders = await payments.find_orders(tx, [*numbers, "nobody"])
    amounts = {one.ref: one.amount_fen for one in found}
    assert amounts == {attempt.payment_id: 8800, refund_id: -3000}
    assert {one.ref for one in refs} == set(amounts)
    assert orders == dict.fromkeys(numbers, attempt.order_id)


async def test_closed_already_is_as_good_as_closed(market: Market) -> None:
    payable = market.payable()
    await market.begin(payable)
    await market.fault("system_error", "pay.close", code="ORDER_CLOSED")
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.CLOSED
    assert await market.states(payable.order_id) == ["closed"]


async def test_asked_twice_for_the_same_payment(market: Market) -> None:
    payable = market.payable()
    first, _ = await market.begin(payable)
    again, _ = await market.begin(payable)
    assert first == again
    assert await market.states(payable.order_id) == ["paying"]
