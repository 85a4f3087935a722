"""Refunds against a local WeChat: intend, call, record, and what staff do when one stops."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import BalanceShort, Book, Entry, Leg
from siyu.money.payments import background
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    NothingPaid,
    ProviderRefused,
    ProviderUnavailable,
    Purpose,
    RefundMoveRefused,
    RefundOrigin,
    RefundState,
    RefundUnknown,
)
from siyu.money.payments.service import refund_calls, refund_store
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    AbnormalRefund,
    NewRefund,
    PayCredentials,
    Refund,
    RefundAmount,
    RefundStatus,
)
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import Market, market, truths, wechat_url

__all__ = ["market", "truths", "wechat_url"]
pytestmark = pytest.mark.usefixtures("truths")

CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021001112223333", "real_name": "王小明"}


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)


async def report(market: Market, refund_id: UUID, status: RefundStatus, **change: Any) -> Refund:
    """What WeChat might say of a refund."""
    async with reading(market.shop_id) as tx:
        refund = await refund_store.get_refund(tx, refund_id)
    assert refund is not None
    amount = RefundAmount(
        total=refund.total_fen,
        refund=refund.amount_fen,
        payer_total=refund.total_fen,
        payer_refund=refund.amount_fen,
    )
    fields: dict[str, Any] = {
        "refund_id": "5030" + refund.number[:20],
        "out_refund_no": refund.number,
        "transaction_id": refund.provider_payment,
        "out_trade_no": "x" * 32,
        "status": status,
        "amount": amount,
        "success_time": clock.now() if status is RefundStatus.SUCCESS else None,
    }
    return Refund(**(fields | change))


async def credentials_of(market: Market) -> PayCredentials:
    async with reading(market.shop_id) as tx:
        return await shops.pay_credentials(tx)


async def record(
    market: Market, refund_id: UUID, status: RefundStatus, calls: int | None = None, **change: Any
) -> RefundState:
    told = await report(market, refund_id, status, **change)
    async with transaction(market.shop_id) as tx:
        return await payments.record_refund(tx, told, calls)


async def stopped(market: Market, fault: str = "refund_abnormal") -> tuple[UUID, UUID]:
    """An order and its refund, which WeChat has stopped."""
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.person.order_fault(fault, mchid=market.keys["mchid"], times=None)
    for minutes in range(0, 200, 12):
        await market.work(minutes=minutes)
        if (await market.found(refund_id)).state in ("abnormal", "failed"):
            break
    await market.person.call("DELETE", "/faults")
    return attempt.order_id, refund_id


# --- from intent to money -------------------------------------------------------------------------


async def test_a_refund_from_intent_to_money(market: Market) -> None:
    attempt = await market.paid()
    assert await market.books(attempt.order_id) == {"wechat": 8800, "sales": -8800}
    refund_id = await market.refund(attempt.order_id, 3000)
    row = await market.found(refund_id)
    assert (row.state, row.number, row.amount_fen) == ("created", refund_id.hex, 3000)
    assert await market.books(attempt.order_id) == {
        "wechat": 8800, "sales": -5800, "refund_due": -3000,
    }  # fmt: skip

    await market.work()
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("processing", None) and row.provider_number
    await market.work(seconds=61)
    row = await market.found(refund_id)
    assert (row.state, row.next_call_at) == ("succeeded", None) and row.ended_at
    assert await market.books(attempt.order_id) == {"wechat": 5800, "sales": -5800}
    assert await market.told(refund_id) == ["created", "processing", "succeeded"]

    [told] = await market.events("payments.refund_succeeded")
    assert told == {
        "refund_id": str(refund_id), "order_id": str(attempt.order_id),
        "payment_id": str(attempt.payment_id), "person_no": 7, "amount_fen": 3000,
        "purpose": "order", "origin": "after_sale", "is_outside": False,
    }  # fmt: skip
    async with reading(market.shop_id) as tx:
        paid = await payments.get_paid(tx, attempt.order_id)
    assert paid is not None and (paid.amount_fen, paid.refunded_fen) == (8800, 3000)
    assert (paid.provider_number, paid.is_shared) == (attempt.provider_number, False)


async def test_a_shared_payment_is_paid_back_out_of_its_frozen_money_first(market: Market) -> None:
    attempt = await market.paid(is_shared=True)
    order_id = attempt.order_id
    assert await market.books(order_id) == {"wechat_frozen": 8800, "sales": -8800}
    await market.refund(order_id, 3000)
    await market.work()
    await market.work(seconds=61)
    assert await market.books(order_id) == {"wechat_frozen": 5800, "sales": -5800}


async def test_the_same_refund_again_changes_nothing(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    for amount_fen in (3000, 3001):
        async with transaction(market.shop_id) as tx:
            again = payments.intend_refund(
                tx, refund_id=refund_id, order_id=attempt.order_id, amount_fen=amount_fen,
                reason="再次", origin=RefundOrigin.AFTER_SALE,
            )  # fmt: skip
            if amount_fen == 3000:
                await again
            else:
                with pytest.raises(AssertionError, match="another refund"):
                    await again
    assert len(await market.refunds(attempt.order_id)) == 1


async def test_a_waiting_refund_goes_to_wechat_when_it_is_released(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000, waits=True)
    await market.work(hours=1)
    assert await market.told(refund_id) == ["waiting"]
    assert (await market.books(attempt.order_id))["refund_due"] == -3000, "it is owed all the same"
    for _ in range(2):
        async with transaction(market.shop_id) as tx:
            assert await payments.lock_paid(tx, attempt.order_id) is not None
            await payments.release_refund(tx, refund_id)
    await market.work()
    assert await market.told(refund_id) == ["waiting", "created", "processing"]
    with pytest.raises(RefundUnknown):
        async with transaction(market.shop_id) as tx:
            await payments.release_refund(tx, new_id())


async def test_what_was_not_paid_through_wechat_is_not_refunded_there(market: Market) -> None:
    unpaid = market.payable()
    await market.begin(unpaid)
    free = market.payable(amount_fen=0)
    await market.intend(free)
    for order_id in (unpaid.order_id, free.order_id, new_id()):
        with pytest.raises(NothingPaid):
            await market.refund(order_id, 1)
    assert await market.books() == {}


async def test_a_top_up_is_booked_to_its_owner_and_refunded_from_there(market: Market) -> None:
    owner = new_id()
    attempt = await market.paid(purpose=Purpose.TOP_UP, owner=owner)
    assert await market.books() == {"wechat": 8800, "principal": -8800}
    assert [event["purpose"] for event in await market.successes()] == ["top_up"]
    refund_id = await market.refund(attempt.order_id, 8800, origin=RefundOrigin.TOP_UP)
    assert await market.books() == {"wechat": 8800, "refund_due": -8800}
    await market.work()
    await market.work(seconds=61)
    assert await market.books() == {}
    [told] = await market.events("payments.refund_succeeded")
    assert (told["purpose"], told["origin"]) == ("top_up", "top_up")
    assert (await market.found(refund_id)).purpose is Purpose.TOP_UP


async def test_a_top_up_that_was_spent_is_not_refunded(market: Market) -> None:
    attempt = await market.paid(purpose=Purpose.TOP_UP, owner=new_id())
    async with transaction(market.shop_id) as tx:
        legs = [Leg(Book.PRINCIPAL, 1, attempt.owner), Leg(Book.SALES, -1)]
        await ledger.post(tx, Entry("spent", "balance_spent", legs))
    with pytest.raises(BalanceShort):
        await market.refund(attempt.order_id, 8800)
    assert await market.refunds(attempt.order_id) == []


# --- silence, refusals, weather -------------------------------------------------------------------


async def test_short_of_money_it_stays_open_with_an_alarm_until_the_balance_is_filled(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 8800)
    bank = f"/bank/{market.keys['mchid']}"
    had = (await market.person.call("GET", bank))["basic_fen"]
    await market.person.call("POST", f"{bank}/deposit", {"fen": -had})
    await market.work()
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("created", "NOT_ENOUGH") and row.next_call_at
    assert "refund_not_enough" in [getattr(one, "alarm", "") for one in caplog.records]
    assert (await market.books(attempt.order_id))["refund_due"] == -8800
    await market.person.call("POST", f"{bank}/deposit", {"fen": had})
    await market.work(minutes=2)
    await market.work(minutes=4)
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("succeeded", None)


@pytest.mark.parametrize("fault", ["system_error", "html", "frequency_limited"])
async def test_weather_is_waited_out_under_the_same_number(market: Market, fault: str) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 100)
    await market.fault(fault, "refund.create", times=None)
    await market.work()
    assert (await market.found(refund_id)).state is RefundState.CREATED
    await market.person.call("DELETE", "/faults")
    await market.work(minutes=2)
    await market.work(minutes=4)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


async def test_what_wechat_refuses_stops_and_tells_finance(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody had refunded most of the order by hand at WeChat."""
    attempt = await market.paid()
    assert attempt.provider_number is not None
    by_hand = NewRefund(
        out_refund_no="by-hand-" + attempt.number[:8],
        transaction_id=attempt.provider_number,
        refund=8000,
        total=8800,
    )
    await pay.create_refund(await credentials_of(market), by_hand)
    refund_id = await market.refund(attempt.order_id, 8800)
    await market.work(minutes=2)
    row = await market.found(refund_id)
    assert (row.state, row.problem, row.next_call_at) == ("failed", "INVALID_REQUEST", None)
    assert "refund_stopped" in [getattr(one, "alarm", "") for one in caplog.records]
    [told] = await market.events("payments.refund_abnormal")
    assert (told["state"], told["problem"]) == ("failed", "INVALID_REQUEST")
    assert (await market.books(attempt.order_id))["refund_due"] == -8800, "it is still owed"


async def test_a_refusal_is_only_believed_when_wechat_does_not_know_the_refund(
    market: Market,
) -> None:
    """The first call did its work without an answer; then our address changed, and WeChat refuses
    the repeat for its other parameters."""
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 100)
    await market.fault("timeout_after_work", "refund.create", seconds=1, times=3)
    await market.work()
    assert (await market.found(refund_id)).state is RefundState.CREATED
    before = config.settings()
    config.use(msgspec.structs.replace(before, public_url="https://new.test"))
    await market.fault("html", "refund.query", times=None)
    await market.work(minutes=2)
    assert (await market.found(refund_id)).state is RefundState.CREATED, "nothing is known"
    await market.person.call("DELETE", "/faults")
    await market.work(minutes=4)
    config.use(before)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


async def test_money_with_a_former_account_stops_at_once(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 100)
    async with transaction(market.shop_id) as tx:
        sql = "update shops.wechat set mchid = '1900000009' where shop_id = $1"
        await tx.run(sql, market.shop_id)
    await market.work()
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("failed", "FORMER_ACCOUNT")
    assert await payments.ask_refund(market.shop_id, refund_id) is RefundState.FAILED
    async with transaction(market.shop_id) as tx:
        await payments.settle_outside(tx, refund_id, "现金退还", System())
    assert await market.books(attempt.order_id) == {
        "wechat": 8800, "petty": -100, "sales": -8700,
    }  # fmt: skip


async def test_a_shop_without_keys_does_not_stop_the_others(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 100)
    async with transaction(market.shop_id) as tx:
        sql = "update shops.wechat set mchid = null where shop_id = $1"
        await tx.run(sql, market.shop_id)
    await market.work()
    assert (await market.found(refund_id)).state is RefundState.CREATED
    assert "work refused" in caplog.messages


async def test_a_processing_refund_wechat_has_lost_is_asked_for_again(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 100)
    assert await record(market, refund_id, RefundStatus.PROCESSING) is RefundState.PROCESSING
    await market.work(minutes=2)
    await market.work(minutes=4)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


# --- stopped --------------------------------------------------------------------------------------


async def test_a_closed_refund_is_asked_for_again_by_itself(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.person.order_fault("refund_closed", mchid=market.keys["mchid"], times=None)
    await market.work()
    await market.work(minutes=2)
    await market.person.call("DELETE", "/faults")
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("created", "CLOSED")
    await market.work(minutes=5)
    assert (await market.found(refund_id)).state is RefundState.CREATED, "ten minutes later"
    await market.work(minutes=13)
    await market.work(minutes=15)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
    assert await market.told(refund_id) == [
        "created", "processing", "closed_by_wechat", "processing", "succeeded",
    ]  # fmt: skip


async def test_a_refund_that_is_closed_again_and_again_fails_and_may_be_given_up(
    market: Market,
) -> None:
    order_id, refund_id = await stopped(market, "refund_closed")
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("failed", "CLOSED")
    assert (await market.told(refund_id)).count("closed_by_wechat") == 3
    assert await payments.ask_refund(market.shop_id, refund_id) is RefundState.FAILED
    async with transaction(market.shop_id) as tx:
        await payments.give_up_refund(tx, refund_id, "顾客改要换货", System())
    row = await market.found(refund_id)
    assert (row.state, row.ended_at is not None) == ("closed", True)
    assert await market.books(order_id) == {"wechat": 8800, "sales": -8800}
    [told] = await market.events("payments.refund_closed")
    assert (told["refund_id"], told["reason"]) == (str(refund_id), "顾客改要换货")
    again = await market.refund(order_id, 8800)
    await market.work(hours=4)
    await market.work(hours=5)
    assert (await market.found(again)).state is RefundState.SUCCEEDED


async def test_a_failed_refund_is_retried_by_its_number(market: Market) -> None:
    order_id, refund_id = await stopped(market, "refund_closed")
    with clock.turned(clock.now() + timedelta(hours=4)):
        async with transaction(market.shop_id) as tx:
            await payments.retry_refund(tx, refund_id, System())
        await market.work()
        await market.work(minutes=2)
    row = await market.found(refund_id)
    assert (row.state, row.number, row.problem) == ("succeeded", refund_id.hex, None)
    assert await market.books(order_id) == {"wechat": 5800, "sales": -5800}


async def test_an_abnormal_refund_goes_to_the_payers_other_card(market: Market) -> None:
    order_id, refund_id = await stopped(market)
    with clock.turned(clock.now() + timedelta(hours=1)):
        async with transaction(market.shop_id) as tx:
            await payments.intend_abnormal(tx, refund_id, False, System())
        how = AbnormalRefund(out_refund_no=refund_id.hex, type="USER_BANK_CARD", **CARD)
        state = await payments.apply_abnormal(market.shop_id, refund_id, how)
        assert state is RefundState.PROCESSING
        await market.work(minutes=2)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED
    assert await market.books(order_id) == {"wechat": 5800, "sales": -5800}
    async with reading(market.shop_id) as tx:
        kept = await tx.value(
            "select string_agg(detail::text, '') from payments.refund_timeline where shop_id = $1",
            market.shop_id,
        )
    assert "6222" not in kept and "王小明" not in kept


async def test_a_wrong_card_is_refused_and_the_refund_stays_abnormal(market: Market) -> None:
    order_id, refund_id = await stopped(market)
    async with transaction(market.shop_id) as tx:
        await payments.intend_abnormal(tx, refund_id, False, System())
    how = AbnormalRefund(out_refund_no=refund_id.hex, type="USER_BANK_CARD")
    with pytest.raises(ProviderRefused) as refused:
        await payments.apply_abnormal(market.shop_id, refund_id, how)
    assert refused.value.details["wechat_code"] == "PARAM_ERROR"
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("abnormal", "PARAM_ERROR")
    assert (await market.books(order_id))["refund_due"] == -3000


async def test_a_card_that_got_no_answer_is_asked_about(market: Market) -> None:
    _, refund_id = await stopped(market)
    async with transaction(market.shop_id) as tx:
        await payments.intend_abnormal(tx, refund_id, False, System())
    await market.fault("html", "refund.abnormal", times=None)
    how = AbnormalRefund(out_refund_no=refund_id.hex, type="USER_BANK_CARD", **CARD)
    with pytest.raises(ProviderUnavailable):
        await payments.apply_abnormal(market.shop_id, refund_id, how)
    assert (await market.found(refund_id)).state is RefundState.PROCESSING
    await market.work(minutes=2)
    assert (await market.found(refund_id)).state is RefundState.ABNORMAL, "the call got lost"


async def test_money_that_came_back_to_the_merchants_card_is_still_owed(market: Market) -> None:
    order_id, refund_id = await stopped(market)
    with clock.turned(clock.now() + timedelta(hours=1)):
        async with transaction(market.shop_id) as tx:
            await payments.intend_abnormal(tx, refund_id, True, System())
        how = AbnormalRefund(out_refund_no=refund_id.hex, type="MERCHANT_BANK_CARD")
        await payments.apply_abnormal(market.shop_id, refund_id, how)
        await market.work(minutes=2)
    row = await market.found(refund_id)
    assert (row.state, row.problem) == ("abnormal", "AT_MERCHANT")
    assert await market.books(order_id) == {
        "wechat": 5800, "petty": 3000, "sales": -5800, "refund_due": -3000,
    }  # fmt: skip
    assert await record(market, refund_id, RefundStatus.SUCCESS) is RefundState.ABNORMAL
    async with transaction(market.shop_id) as tx:
        with pytest.raises(RefundMoveRefused):
            await payments.retry_refund(tx, refund_id, System())
        with pytest.raises(RefundMoveRefused):
            await payments.intend_abnormal(tx, refund_id, False, System())
        await payments.settle_outside(tx, refund_id, "银行转账退还顾客", System())
    assert await market.books(order_id) == {"wechat": 5800, "sales": -5800}
    [told] = await market.events("payments.refund_succeeded")
    assert told["is_outside"] is True
    assert await record(market, refund_id, RefundStatus.SUCCESS) is RefundState.SETTLED


async def test_the_merchants_card_is_paid_after_the_refund_was_settled(market: Market) -> None:
    order_id, refund_id = await stopped(market)
    async with transaction(market.shop_id) as tx:
        await payments.intend_abnormal(tx, refund_id, True, System())
    async with reading(market.shop_id) as read:
        refund = await refund_store.get_refund(read, refund_id)
    assert refund is not None
    stop = RefundStatus.ABNORMAL
    assert await record(market, refund_id, stop, refund.calls) is RefundState.ABNORMAL
    async with transaction(market.shop_id) as tx:
        await payments.settle_outside(tx, refund_id, "现金", System())
    assert await record(market, refund_id, RefundStatus.SUCCESS) is RefundState.SETTLED
    assert await market.books(order_id) == {"wechat": 5800, "sales": -5800}


async def test_wechat_pays_what_was_settled_otherwise_and_the_loss_is_seen(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    order_id, refund_id = await stopped(market)
    async with transaction(market.shop_id) as tx:
        await payments.settle_outside(tx, refund_id, "现金", System())
    for _ in range(2):
        assert await record(market, refund_id, RefundStatus.SUCCESS) is RefundState.SETTLED
    assert await market.books(order_id) == {
        "wechat": 5800, "petty": -3000, "sales": -5800, "losses": 3000,
    }  # fmt: skip
    assert [getattr(one, "alarm", "") for one in caplog.records].count("refund_lost") == 1


async def test_stopped_refunds_are_asked_about_several_times_a_day(market: Market) -> None:
    _, refund_id = await stopped(market)
    async with reading(market.shop_id) as tx:
        refund = await refund_store.get_refund(tx, refund_id)
    assert refund is not None
    # Somebody sees to it on WeChat's own pages.
    how = AbnormalRefund(out_refund_no=refund_id.hex, type="USER_BANK_CARD", **CARD)
    with clock.turned(clock.now() + timedelta(hours=6)):
        credentials = await credentials_of(market)
        assert refund.provider_number is not None
        await pay.apply_abnormal_refund(credentials, refund.provider_number, how)
        await background.ask_stopped_refunds()
        assert (await market.found(refund_id)).state is RefundState.PROCESSING


async def test_moves_that_are_not_allowed_change_nothing(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    before = await market.told(refund_id)
    async with transaction(market.shop_id) as tx:
        for refused in (
            payments.retry_refund(tx, refund_id, System()),
            payments.settle_outside(tx, refund_id, "现金", System()),
            payments.give_up_refund(tx, refund_id, "不退了", System()),
            payments.intend_abnormal(tx, refund_id, False, System()),
        ):
            with pytest.raises(RefundMoveRefused) as error:
                await refused
            assert error.value.details["state"] == "created"
    assert await market.told(refund_id) == before
    _, abnormal = await stopped(market)
    async with transaction(market.shop_id) as tx:
        with pytest.raises(RefundMoveRefused):
            await payments.give_up_refund(tx, abnormal, "不退了", System())


# --- reports --------------------------------------------------------------------------------------


async def test_a_report_that_does_not_match_is_an_alarm_and_changes_nothing(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    other = RefundAmount(total=8800, refund=1, payer_total=8800, payer_refund=1)
    for change in ({"transaction_id": "42" * 8}, {"amount": other}):
        state = await record(market, refund_id, RefundStatus.SUCCESS, **change)
        assert state is RefundState.CREATED
    alarms = [getattr(one, "alarm", "") for one in caplog.records]
    assert alarms.count("refund_mismatch") == 2


async def test_reports_about_refunds_that_are_not_ours(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    foreign = {"out_refund_no": "by-hand-1"}
    with pytest.raises(RefundUnknown):
        await record(market, refund_id, RefundStatus.SUCCESS, **foreign)
    for status in (RefundStatus.SUCCESS, RefundStatus.CLOSED):
        told = await report(market, refund_id, status, **foreign)
        await refund_calls.record_news(market.shop_id, told)
    with pytest.raises(RefundUnknown):
        await payments.ask_refund(market.shop_id, new_id())
    alarms = [getattr(one, "alarm", "") for one in caplog.records]
    assert alarms.count("refund_unknown") == 2


async def test_an_answer_that_was_overtaken_decides_nothing(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await market.work()
    async with reading(market.shop_id) as tx:
        now = await refund_store.get_refund(tx, refund_id)
    assert now is not None
    stale = await record(market, refund_id, RefundStatus.ABNORMAL, now.calls - 1)
    assert stale is RefundState.PROCESSING
    assert await record(market, refund_id, RefundStatus.SUCCESS, 0) is RefundState.SUCCEEDED
    for late in RefundStatus:
        assert await record(market, refund_id, late) is RefundState.SUCCEEDED


async def test_a_refusal_that_was_overtaken_decides_nothing(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    async with reading(market.shop_id) as tx:
        before = await refund_store.get_refund(tx, refund_id)
    assert before is not None
    await market.work()
    await refund_calls._record_refused(market.shop_id, before, "INVALID_REQUEST")
    assert (await market.found(refund_id)).state is RefundState.PROCESSING


async def test_wechat_silent_about_a_refund_is_said_so(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    assert await payments.ask_refund(market.shop_id, refund_id) is RefundState.CREATED
    await market.fault("html", "refund.query", times=None)
    with pytest.raises(ProviderUnavailable):
        await payments.ask_refund(market.shop_id, refund_id)


async def test_an_ended_refund_is_not_pursued(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await record(market, refund_id, RefundStatus.SUCCESS)
    await payments.pursue_refund(market.shop_id, refund_id)
    assert await market.told(refund_id) == ["created", "succeeded"]


async def test_another_shop_sees_no_refund(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    async with reading(ShopId(market.shop_id + 1)) as tx:
        assert await payments.get_refund_row(tx, refund_id) is None
