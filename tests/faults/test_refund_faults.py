"""F004, F015, F017, F021, F026-F031: money on its way back. By the numbers of the fault list.

Each story has a WeChat of its own, so its bank must end with what our books say, to the fen.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any
from uuid import UUID

import pytest

from siyu.kernel import clock, jobs
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.money.payments import background, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ParkReason,
    RefundState,
    RefundsUsedUp,
    RefundTooLate,
    RefundTooMuch,
)
from siyu.money.payments.service import refund_calls
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import NewRefund, PayCredentials, Refund, RefundStatus
from siyu.wechat.transport.service import calling
from tests.faults.test_payment_schedule import Street, sandbox_file, street
from tests.money.payments.bench import Market, broken_truths
from tests.money.payments.test_refunds import record, report

__all__ = ["sandbox_file", "street"]


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)


@pytest.fixture
async def market(street: Street) -> AsyncIterator[Market]:
    """A market whose bank must agree with our books when the story is over."""
    yield street.market
    market = street.market
    assert await broken_truths(market.shop_id) == []
    bank = await market.person.call("GET", f"/bank/{market.keys['mchid']}")
    books = await market.books()
    ours = books.get("wechat", 0) + books.get("wechat_frozen", 0)
    assert ours - bank["fees_fen"] == bank["books_fen"] and bank["problems"] == []


async def let_pass(market: Market, **time: float) -> None:
    """Time goes by: WeChat delivers, the worker works."""
    clock.advance(timedelta(**time))
    await market.person.deliver()
    await jobs.drain()
    await background.pursue_due_refunds()


async def refunds_at_wechat(market: Market) -> int:
    """How many refunds WeChat has paid."""
    bank = await market.person.call("GET", f"/bank/{market.keys['mchid']}?limit=1000")
    return sum(1 for one in bank["movements"] if one["kind"] == "refund_paid")


async def credentials_of(market: Market) -> PayCredentials:
    async with reading(market.shop_id) as tx:
        return await shops.pay_credentials(tx)


# --- suspense that resolves itself ----------------------------------------------------------------


async def test_F004_money_of_a_wrong_amount_is_parked_told_and_goes_back_once(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    payable = market.payable()
    payment_id, ticket = await market.begin(payable)
    await market.pay(ticket)
    async with transaction(market.shop_id) as tx:
        # As if our order had been of another amount when WeChat was asked.
        await tx.run(
            "update payments.attempts set amount_fen = 8801 where shop_id = $1", tx.shop_id
        )
    for _ in range(3):
        await let_pass(market, seconds=70)
    [row] = await market.parked()
    assert (row.reason, row.state, row.resolution) == ("wrong_amount", "resolved", "refunded")
    assert row.payment_id == payment_id
    assert "money_parked" in [getattr(one, "alarm", "") for one in caplog.records]
    assert await market.successes() == [] and await market.states(payable.order_id) == ["parked"]
    assert await refunds_at_wechat(market) == 1 and await market.books() == {}


async def test_F015_money_after_the_close_goes_back_when_the_goods_are_gone(
    market: Market,
) -> None:
    attempt = await market.paid()
    for _ in range(2):  # the order side says it twice
        async with transaction(market.shop_id) as tx:
            await payments.park(tx, attempt.payment_id, ParkReason.ORDER_CLOSED)
    [row] = await market.parked()
    assert (row.state, row.ticket) == ("refunding", None)
    for _ in range(3):
        await let_pass(market, seconds=70)
    [row] = await market.parked()
    assert (row.state, row.resolution) == ("resolved", "refunded")
    [refund] = await market.refunds(attempt.order_id)
    assert (refund.origin, refund.state, refund.amount_fen) == ("suspense", "succeeded", 8800)
    assert await refunds_at_wechat(market) == 1 and await market.books() == {}


async def test_F017_the_second_payment_of_an_order_goes_back_once(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    _, code = await market.begin(payable, Channel.NATIVE)
    await market.fault("repeat", "notify", copies=3, times=None)
    await market.pay(ticket)
    await market.pay(code)
    for _ in range(4):
        await let_pass(market, seconds=70)
    assert sorted(await market.states(payable.order_id)) == ["paid", "parked"]
    [row] = await market.parked()
    assert (row.reason, row.resolution) == ("paid_twice", "refunded")
    assert len(await market.successes()) == 1 and await refunds_at_wechat(market) == 1
    assert await market.books() == {"wechat": 8800, "sales": -8800}


async def test_F021_money_of_nobody_waits_with_a_reason(market: Market) -> None:
    """Valid news about a number that nobody gave out, paid to our own account."""
    async with reading(market.shop_id) as tx:
        app = (await shops.get_wechat(tx)).appid
    stranger = market.payable()
    payment_id, ticket = await market.begin(stranger)
    await market.pay(ticket)
    trade = await pay.query(await credentials_of(market), payment_id.hex)
    assert trade is not None and trade.appid == app
    async with transaction(market.shop_id) as tx:
        await tx.run(
            "update payments.attempts set number = $2 where shop_id = $1", tx.shop_id, "lost" * 4
        )
    async with transaction(market.shop_id) as tx:
        await payments.record_trade(tx, trade, clock.now() - timedelta(hours=1))
    [row] = await market.parked()
    assert (row.state, row.ticket, row.order_id) == ("parked", "unknown_number", None)
    assert await market.books() == {"wechat": 8800, "suspense": -8800}
    clock.advance(timedelta(hours=24))
    await background.pursue_due_refunds()
    assert await refunds_at_wechat(market) == 0


# --- refunds --------------------------------------------------------------------------------------


async def test_F026_the_news_come_before_the_answer(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    real = pay.create_refund

    async def slow(credentials: PayCredentials, wanted: NewRefund) -> Refund:
        answer = await real(credentials, wanted)
        clock.advance(timedelta(seconds=10))
        await market.person.deliver()
        await jobs.drain()
        assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refund_calls.pay, "create_refund", slow)
        await payments.pursue_refund(market.shop_id, refund_id)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
    assert await market.told(refund_id) == ["created", "succeeded"]
    assert len(await market.events("payments.refund_succeeded")) == 1
    assert await refunds_at_wechat(market) == 1


async def test_F026_reports_in_any_order_and_number_have_the_effect_of_one(
    market: Market,
) -> None:
    attempt = await market.paid(amount_fen=100_000)
    told = [RefundStatus.PROCESSING, RefundStatus.SUCCESS, RefundStatus.SUCCESS]
    orders = set(permutations(told))
    for order in orders:
        refund_id = await market.refund(attempt.order_id, 1000)
        credentials = await credentials_of(market)
        async with reading(market.shop_id) as tx:
            refund = await refund_calls.refund_store.get_refund(tx, refund_id)
        assert refund is not None
        await pay.create_refund(credentials, refund_calls._wanted(market.shop_id, refund))
        for status in order:
            await record(market, refund_id, status)
        assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
    assert len(await market.events("payments.refund_succeeded")) == len(orders)
    assert await market.books() == {
        "wechat": 100_000 - 1000 * len(orders), "sales": -100_000 + 1000 * len(orders),
    }  # fmt: skip
    await let_pass(market, seconds=70)


async def test_F026_all_news_lost_the_refund_is_found_by_asking(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.fault("drop", "notify", times=None)
    await background.pursue_due_refunds()
    await let_pass(market, seconds=61)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


async def test_F026_news_that_are_long_past_are_checked_before_they_are_believed(
    market: Market,
) -> None:
    """WeChat repeats for a day that the refund was closed; meanwhile it was asked for again."""
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await background.pursue_due_refunds()
    for status in (RefundStatus.CLOSED, RefundStatus.ABNORMAL):
        late = await report(market, refund_id, status)
        await refund_calls.record_news(market.shop_id, late)
        assert (await market.found(refund_id)).state is RefundState.PROCESSING
    await let_pass(market, seconds=70)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


@pytest.mark.parametrize("fault", ["timeout_after_work", "bad_signature", "html"])
async def test_F027_a_refund_without_answer_is_repeated_under_its_number(
    market: Market, fault: str
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.fault(fault, "refund.create", times=6, seconds=1)
    for _ in range(5):
        await background.pursue_due_refunds()
        await let_pass(market, minutes=3)
    row = await market.found(refund_id)
    assert (row.state, row.number) == ("succeeded", refund_id.hex)
    assert await refunds_at_wechat(market) == 1
    assert await market.books() == {"wechat": 5800, "sales": -5800}


async def test_F027_the_worker_dies_between_the_call_and_the_record(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)

    async def die(*_: Any) -> None:
        raise asyncio.CancelledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refund_calls, "_record", die)
        with pytest.raises(asyncio.CancelledError):
            await payments.pursue_refund(market.shop_id, refund_id)
    assert (await market.found(refund_id)).state is RefundState.CREATED
    for _ in range(2):
        await let_pass(market, minutes=2)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
    assert await refunds_at_wechat(market) == 1


async def test_F028_more_than_was_paid_is_refused_and_nothing_changes(market: Market) -> None:
    attempt = await market.paid()
    await market.refund(attempt.order_id, 8000)
    with pytest.raises(RefundTooMuch) as refused:
        await market.refund(attempt.order_id, 801)
    assert refused.value.details == {"refundable_fen": 800}
    assert len(await market.refunds(attempt.order_id)) == 1
    await market.refund(attempt.order_id, 800)
    for _ in range(4):
        await let_pass(market, seconds=70)
    assert await market.books() == {} and await refunds_at_wechat(market) == 2


async def test_F029_refunds_are_fifty_at_most_a_minute_apart_and_within_a_year(
    market: Market,
) -> None:
    attempt = await market.paid()
    for _ in range(50):
        await market.refund(attempt.order_id, 10)
    with pytest.raises(RefundsUsedUp):
        await market.refund(attempt.order_id, 10)
    asked = []
    real = pay.create_refund

    async def watched(credentials: PayCredentials, wanted: NewRefund) -> Refund:
        asked.append(clock.now())
        return await real(credentials, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refund_calls.pay, "create_refund", watched)
        for _ in range(140):
            await let_pass(market, seconds=30)
    assert len(asked) == 50
    apart = [b - a for a, b in pairwise(asked)]
    assert min(apart) >= timedelta(seconds=60)
    assert {one.state for one in await market.refunds(attempt.order_id)} == {RefundState.SUCCEEDED}

    late = await market.paid()
    clock.advance(timedelta(days=365))
    with pytest.raises(RefundTooLate):
        await market.refund(late.order_id, 10)
    assert await market.refunds(late.order_id) == []


async def test_F030_an_abnormal_refund_is_a_task_and_stays_owed(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.person.order_fault("refund_abnormal", mchid=market.keys["mchid"])
    await background.pursue_due_refunds()
    await let_pass(market, seconds=10)
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("abnormal", "ABNORMAL")
    async with reading(market.shop_id) as tx:
        tasks = await payments.list_all_refunds(tx, RefundState.ABNORMAL, None, 10)
    assert [one.refund_id for one in tasks] == [refund_id]
    assert "refund_stopped" in [getattr(one, "alarm", "") for one in caplog.records]
    [told] = await market.events("payments.refund_abnormal")
    assert (told["order_id"], told["problem"]) == (str(attempt.order_id), "ABNORMAL")
    assert (await market.books())["refund_due"] == -3000
    await let_pass(market, days=1)
    assert (await market.books())["refund_due"] == -3000, "nobody forgets it"
    async with transaction(market.shop_id) as write:
        await payments.intend_abnormal(write, refund_id, True, System())
    how = refund_calls.wechat.AbnormalRefund(out_refund_no=refund_id.hex, type="MERCHANT_BANK_CARD")
    await payments.apply_abnormal(market.shop_id, refund_id, how)
    await let_pass(market, seconds=70)
    assert (await market.books())["refund_due"] == -3000, "the payer still waits"
    async with transaction(market.shop_id) as write:
        await payments.settle_outside(write, refund_id, "银行转账", System())
    assert await market.books() == {"wechat": 5800, "sales": -5800}


async def test_F031_a_refund_before_the_split_comes_out_of_the_frozen_money(
    market: Market,
) -> None:
    attempt = await market.paid(is_shared=True)
    await market.refund(attempt.order_id, 3000)
    await background.pursue_due_refunds()
    await let_pass(market, seconds=70)
    assert await market.books() == {"wechat_frozen": 5800, "sales": -5800}
    bank = await market.person.call("GET", f"/bank/{market.keys['mchid']}")
    assert bank["basic_fen"] == 0 and bank["frozen_fen"] > 0


async def test_F014_the_whole_story_without_any_news(market: Market) -> None:
    """Paid twice, refunded in parts, all notifications lost: asking alone settles everything."""
    await market.fault("drop", "notify", times=None)
    payable = market.payable()
    _, ticket = await market.begin(payable)
    _, code = await market.begin(payable, Channel.NATIVE)
    await market.pay(ticket)
    await market.pay(code)
    clock.advance(timedelta(seconds=11))
    await background.follow_up_due()
    made: list[UUID] = [await market.refund(payable.order_id, 4400) for _ in range(2)]
    for _ in range(6):
        await let_pass(market, seconds=61)
    assert {(await market.found(one)).state for one in made} == {RefundState.SUCCEEDED}
    assert [row.resolution for row in await market.parked()] == ["refunded"]
    assert await market.books() == {} and await refunds_at_wechat(market) == 3


async def test_an_attempt_of_another_order_is_never_touched(market: Market) -> None:
    one, other = await market.paid(), await market.paid()
    await market.refund(one.order_id, 8800)
    async with reading(market.shop_id) as tx:
        found = await queries.get_paid(tx, other.order_id)
    assert found is not None and found.refunded_fen == 0
    assert await market.states(other.order_id) == [AttemptState.PAID]
    assert await market.refunds(new_id()) == []
    for _ in range(2):
        await let_pass(market, seconds=70)
