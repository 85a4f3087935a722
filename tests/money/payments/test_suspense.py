"""Money in suspense: what goes back by itself, what waits, and what a person decides."""

from datetime import timedelta
from typing import Any

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    Decision,
    DecisionRefused,
    ParkedRow,
    ParkedUnknown,
    ParkReason,
    PaymentId,
    Purpose,
)
from siyu.wechat.pay.contracts import RefundStatus, Trade, TradeAmount, TradeState
from tests.money.payments.bench import Market, market, truths, wechat_url
from tests.money.payments.test_refunds import record as record_refund

__all__ = ["market", "truths", "wechat_url"]
pytestmark = pytest.mark.usefixtures("truths")

WRONG = {"amount": TradeAmount(total=1, payer_total=1)}
COUPON = {"amount": TradeAmount(total=8800, payer_total=8000)}
DOLLARS = {"amount": TradeAmount(total=8800, payer_total=8800, currency="USD")}
STRANGER = {"mchid": "1900000009"}


async def arrive(market: Market, payment_id: PaymentId, **change: Any) -> None:
    """WeChat reports money for a number."""
    fields: dict[str, Any] = {
        "appid": market.keys["appid"],
        "mchid": market.keys["mchid"],
        "out_trade_no": payment_id.hex,
        "trade_state": TradeState.SUCCESS,
        "amount": TradeAmount(total=8800, payer_total=8800),
        "transaction_id": "42" + payment_id.hex[:26],
        "success_time": clock.now(),
    }
    async with transaction(market.shop_id) as tx:
        at = clock.now() - timedelta(hours=1)
        await payments.record_trade(tx, Trade(**(fields | change)), at)


async def parked(market: Market, **change: Any) -> ParkedRow:
    """The one row of a shop to which such money came for a new order."""
    await arrive(market, await market.intend(market.payable()), **change)
    [row] = await market.parked()
    return row


async def resolve(market: Market, row: ParkedRow, decision: Decision) -> ParkedRow:
    async with transaction(market.shop_id) as tx:
        await payments.resolve(tx, row.parked_id, decision, "核对过了", System())
    async with reading(market.shop_id) as read:
        found = await payments.get_parked_row(read, row.parked_id)
    assert found is not None
    return found


# --- by itself ------------------------------------------------------------------------------------


async def test_what_is_surely_the_payers_goes_back_by_itself(market: Market) -> None:
    row = await parked(market, **WRONG)
    assert (row.state, row.reason, row.ticket) == ("refunding", "wrong_amount", None)
    assert row.refund_id is not None
    refund = await market.found(row.refund_id)
    assert (refund.origin, refund.amount_fen, refund.state) == ("suspense", 1, "created")
    assert refund.reason == "支付金额与订单不符，原路退回"
    assert await market.books() == {"wechat": 1, "refund_due": -1}
    [told] = await market.events("payments.money_parked")
    assert (told["reason"], told["ticket"]) == ("wrong_amount", None)

    await record_refund(market, row.refund_id, RefundStatus.SUCCESS)
    [row] = await market.parked()
    assert (row.state, row.resolution) == ("resolved", "refunded") and row.resolved_at
    assert await market.books() == {}
    [told] = await market.events("payments.parked_resolved")
    assert (told["resolution"], told["amount_fen"]) == ("refunded", 1)
    assert await market.events("payments.refund_succeeded") == [], "its order never had the money"


@pytest.mark.parametrize(
    ("change", "ticket", "books"),
    [
        (COUPON, "coupon_used", {"wechat": 8800, "suspense": -8800}),
        (DOLLARS, "foreign_currency", {"wechat": 8800, "suspense": -8800}),
        (STRANGER, "foreign_account", {}),
        (
            WRONG | {"success_time": clock.now() - timedelta(days=366)},
            "too_old",
            {"wechat": 1, "suspense": -1},
        ),
    ],
)
async def test_the_rest_waits_with_a_ticket_that_says_why(
    market: Market, change: dict[str, Any], ticket: str, books: dict[str, int]
) -> None:
    row = await parked(market, **change)
    assert (row.state, row.ticket, row.refund_id) == ("parked", ticket, None)
    assert await market.books() == books
    async with reading(market.shop_id) as tx:
        listed = await payments.list_parked(tx, None, 10, row.state)
    assert [one.parked_id for one in listed] == [row.parked_id]


async def test_another_app_of_our_own_account_is_ours_and_goes_back(market: Market) -> None:
    row = await parked(market, appid="wx-former")
    assert (row.reason, row.state) == ("wrong_account", "refunding")


async def test_a_foreign_card_pays_in_yuan_and_gets_it_back(market: Market) -> None:
    amount = TradeAmount(total=8800, payer_total=1240, payer_currency="USD")
    row = await parked(market, amount=amount)
    assert (row.reason, row.state, row.amount_fen) == ("wrong_currency", "refunding", 8800)


async def test_frozen_money_goes_back_out_of_the_frozen_money(market: Market) -> None:
    payable = market.payable(is_shared=True)
    await arrive(market, await market.intend(payable), **WRONG)
    assert await market.books(payable.order_id) == {"wechat_frozen": 1, "refund_due": -1}
    [row] = await market.parked()
    assert row.refund_id is not None
    await record_refund(market, row.refund_id, RefundStatus.SUCCESS)
    assert await market.books() == {}


async def test_a_top_up_that_cannot_be_taken_goes_back(market: Market) -> None:
    attempt = await market.paid(purpose=Purpose.TOP_UP, owner=new_id())
    async with transaction(market.shop_id) as tx:
        await payments.park(tx, attempt.payment_id, ParkReason.ORDER_CLOSED)
    assert await market.books() == {"wechat": 8800, "refund_due": -8800}
    await market.work()
    await market.work(seconds=61)
    [row] = await market.parked()
    assert (row.state, row.resolution) == ("resolved", "refunded")
    assert await market.books() == {}


# --- by a person ----------------------------------------------------------------------------------


async def test_a_coupon_of_wechats_is_accepted_by_its_order(market: Market) -> None:
    row = await parked(market, **COUPON)
    found = await resolve(market, row, Decision.ACCEPT)
    assert (found.state, found.resolution, found.note) == ("resolved", "accepted", "核对过了")
    assert found.resolved_by == "siyu" and row.order_id is not None
    assert await market.states(row.order_id) == ["paid"]
    assert await market.books(row.order_id) == {"wechat": 8800, "sales": -8800}
    [told] = await market.successes()
    assert (told["order_id"], told["amount_fen"]) == (str(row.order_id), 8800)
    assert [one["resolution"] for one in await market.events("payments.parked_resolved")] == [
        "accepted"
    ]
    refund_id = await market.refund(row.order_id, 8800)
    await record_refund(market, refund_id, RefundStatus.SUCCESS)
    assert await market.books() == {}


async def test_an_order_that_refuses_what_was_accepted_for_it_sends_it_back(
    market: Market,
) -> None:
    row = await parked(market, **COUPON)
    await resolve(market, row, Decision.ACCEPT)
    assert row.payment_id is not None
    async with transaction(market.shop_id) as tx:
        await payments.park(tx, row.payment_id, ParkReason.ORDER_CLOSED)
    again, first = await market.parked()
    assert (first.resolution, again.state, again.reason) == (
        "accepted", "refunding", "order_closed",
    )  # fmt: skip
    assert again.refund_id is not None
    await record_refund(market, again.refund_id, RefundStatus.SUCCESS)
    assert await market.books() == {}


async def test_what_fits_no_order_may_be_kept_as_a_sale(market: Market) -> None:
    await arrive(market, PaymentId(new_id()))
    [row] = await market.parked()
    assert (row.reason, row.ticket, row.order_id) == ("unknown_number", "unknown_number", None)
    found = await resolve(market, row, Decision.ACCEPT)
    assert (found.state, found.resolution) == ("resolved", "kept")
    assert await market.books() == {"wechat": 8800, "sales": -8800}
    assert await market.successes() == []


async def test_a_coupon_beside_a_paid_attempt_is_kept_not_paid_twice(market: Market) -> None:
    payable = market.payable()
    first = await market.intend(payable)
    second = await market.intend(payable, Channel.NATIVE)
    await arrive(market, first, **COUPON)
    await arrive(market, second)
    [row] = await market.parked()
    assert row.ticket == "coupon_used"
    found = await resolve(market, row, Decision.ACCEPT)
    assert found.resolution == "kept"
    assert await market.states(payable.order_id) == ["parked", "paid"]


async def test_an_unknown_number_may_be_sent_back(market: Market) -> None:
    await arrive(market, PaymentId(new_id()))
    [row] = await market.parked()
    found = await resolve(market, row, Decision.REFUND)
    assert (found.state, found.note) == ("refunding", "核对过了") and found.refund_id is not None
    await record_refund(market, found.refund_id, RefundStatus.SUCCESS)
    [row] = await market.parked()
    assert (row.state, row.resolution, row.note) == ("resolved", "refunded", "核对过了")
    assert await market.books() == {}


async def test_what_never_was_ours_can_only_be_dismissed(market: Market) -> None:
    row = await parked(market, **STRANGER)
    for decision in (Decision.REFUND, Decision.ACCEPT):
        with pytest.raises(DecisionRefused):
            await resolve(market, row, decision)
    found = await resolve(market, row, Decision.DISMISS)
    assert (found.state, found.resolution) == ("resolved", "dismissed")
    assert await market.books() == {}


async def test_decisions_that_cannot_be_carried_out_are_refused(market: Market) -> None:
    row = await parked(market, **DOLLARS)
    for decision in (Decision.REFUND, Decision.DISMISS):
        with pytest.raises(DecisionRefused) as refused:
            await resolve(market, row, decision)
        assert refused.value.details == {"ticket": "foreign_currency"}
    found = await resolve(market, row, Decision.ACCEPT)
    assert found.resolution == "kept"
    for decision in Decision:
        with pytest.raises(DecisionRefused) as refused:
            await resolve(market, row, decision)
        assert refused.value.details == {"state": "resolved"}
    with pytest.raises(ParkedUnknown):
        async with transaction(market.shop_id) as tx:
            await payments.resolve(tx, new_id(), Decision.REFUND, "没有", System())


async def test_a_refund_that_is_given_up_parks_the_money_again(market: Market) -> None:
    """WeChat does not know this payment, so it refuses to refund it."""
    row = await parked(market, **WRONG)
    assert row.refund_id is not None
    await market.work()
    assert (await market.found(row.refund_id)).state == "failed"
    assert await market.events("payments.refund_abnormal") == [], "no order waits for it"
    async with transaction(market.shop_id) as tx:
        await payments.give_up_refund(tx, row.refund_id, "微信查无此单", System())
    [row] = await market.parked()
    assert (row.state, row.ticket) == ("parked", "refund_failed")
    assert await market.books() == {"wechat": 1, "suspense": -1}
    found = await resolve(market, row, Decision.REFUND)
    assert found.state == "refunding" and found.refund_id != row.refund_id
    failed = await fail(market, found)
    async with transaction(market.shop_id) as tx:
        await payments.retry_refund(tx, failed, System())
    assert (await market.found(found.refund_id or new_id())).state == "created"


async def fail(market: Market, row: ParkedRow) -> Any:
    await market.work(minutes=2)
    assert row.refund_id is not None
    assert (await market.found(row.refund_id)).state == "failed"
    return row.refund_id


async def test_money_settled_outside_ends_its_story_too(market: Market) -> None:
    row = await parked(market, **WRONG)
    refund_id = await fail(market, row)
    async with transaction(market.shop_id) as tx:
        await payments.settle_outside(tx, refund_id, "现金退还", System())
    [row] = await market.parked()
    assert (row.state, row.resolution) == ("resolved", "refunded")
    assert await market.books() == {"wechat": 1, "petty": -1}
    assert row.payment_id is not None and row.order_id is not None
    assert await market.states(row.order_id) == [AttemptState.PARKED]
