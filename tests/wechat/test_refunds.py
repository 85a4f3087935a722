"""Refunds: the client against the sandbox, real signatures, the bank's books behind it."""

import secrets
from typing import Any

import pytest

from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import (
    AbnormalRefund,
    NewRefund,
    NotEnough,
    Refund,
    RefundStatus,
    Retry,
    Trade,
    TradeState,
    WeChatError,
)

from .conftest import Till, pass_time


def new_refund(trade: Trade, refund: int, **change: Any) -> NewRefund:
    fields: dict[str, Any] = {
        "out_refund_no": "R" + secrets.token_hex(12),
        "transaction_id": trade.transaction_id,
        "refund": refund,
        "total": trade.amount.total,
        "reason": "不想要了",
        "notify_url": "http://shop.test/refund",
    }
    return NewRefund(**(fields | change))


async def finished(till: Till, number: str) -> Refund:
    pass_time(seconds=6)
    found = await pay.query_refund(till.credentials, number)
    assert found is not None
    return found


async def test_the_life_of_a_refund(till: Till) -> None:
    trade = await till.buy(10_000, method="balance")
    before = await till.purse("p4")
    wanted = new_refund(trade, 3_000)
    assert await pay.query_refund(till.credentials, wanted.out_refund_no) is None
    started = await pay.create_refund(till.credentials, wanted)
    assert (started.status, started.success_time) == (RefundStatus.PROCESSING, None)
    assert started.amount.payer_refund == 3_000 and started.create_time is not None
    assert await pay.create_refund(till.credentials, wanted) == started, "found again"
    away = await till.bank()
    assert (away["refunds_fen"], away["basic_fen"]) == (3_000, 9_940 - 2_982)
    # The books wait until it has arrived; its share of the fee came back when it left.
    assert (away["books_fen"], away["fees_fen"]) == (9_940 + 18, 42)
    done = await finished(till, wanted.out_refund_no)
    assert done.status is RefundStatus.SUCCESS and done.success_time is not None
    assert await till.purse("p4") == before + 3_000
    after = await till.bank()
    assert (after["refunds_fen"], after["fees_fen"]) == (0, 42)
    assert after["books_fen"] == after["basic_fen"] == 10_000 - 60 - 3_000 + 18
    [told] = await till.told("REFUND")
    assert (told.event_type, told.original_type) == ("REFUND.SUCCESS", "refund")
    read = pay.read_refund(told)
    assert (read.status, read.amount, read.refund_id) == (
        RefundStatus.SUCCESS, done.amount, done.refund_id,
    )  # fmt: skip
    order = await pay.query(till.credentials, trade.out_trade_no)
    assert order is not None and order.trade_state is TradeState.REFUND
    messages = await till.person.call("GET", "/people/p4/messages")
    assert [message["kind"] for message in messages] == ["receipt", "refund"]


async def test_a_payment_is_given_back_to_the_last_fen_with_its_fee(till: Till) -> None:
    trade = await till.buy(9_999)
    for part in (1, 3_333, 3_333, 3_332):
        wanted = new_refund(trade, part)
        await pay.create_refund(till.credentials, wanted)
        assert (await finished(till, wanted.out_refund_no)).status is RefundStatus.SUCCESS
    bank = await till.bank()
    assert (bank["basic_fen"], bank["fees_fen"], bank["refunds_fen"]) == (0, 0, 0)
    with pytest.raises(WeChatError, match="全额退款"):
        await pay.create_refund(till.credentials, new_refund(trade, 1))


async def test_what_the_order_does_not_allow_is_refused(till: Till) -> None:
    trade = await till.buy(10_000)
    paid = new_refund(trade, 6_000)
    await pay.create_refund(till.credentials, paid)
    for wanted, code in (
        (new_refund(trade, 1, out_refund_no=paid.out_refund_no), "INVALID_REQUEST"),
        (new_refund(trade, 4_001), "INVALID_REQUEST"),
        (new_refund(trade, 1, total=9_999), "INVALID_REQUEST"),
        (new_refund(trade, 0), "PARAM_ERROR"),
        (new_refund(trade, 1, currency="USD"), "PARAM_ERROR"),
        (new_refund(trade, 1, out_refund_no="空"), "PARAM_ERROR"),
        (new_refund(trade, 1, transaction_id="4200"), "RESOURCE_NOT_EXISTS"),
        (new_refund(trade, 1, transaction_id="", out_trade_no="UNKNOWN1"), "RESOURCE_NOT_EXISTS"),
    ):
        with pytest.raises(WeChatError) as refused:
            await pay.create_refund(till.credentials, wanted)
        assert (refused.value.code, refused.value.retry) == (code, Retry.NEVER), wanted
    with pytest.raises(ValueError, match="exactly one"):
        await pay.create_refund(till.credentials, new_refund(trade, 1, transaction_id=""))
    assert (await till.bank())["refunds_fen"] == 6_000


async def test_F027_an_answer_that_never_came_is_asked_again_under_the_same_number(
    till: Till,
) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 10_000)
    await till.person.order_fault("timeout_after_work", "refund.create", seconds=0.1)
    started = await pay.create_refund(till.credentials, wanted)
    assert started.status is RefundStatus.PROCESSING
    done = await finished(till, wanted.out_refund_no)
    assert done.refund_id == started.refund_id
    refunds = [m for m in (await till.bank())["movements"] if m["kind"] == "refund"]
    assert len(refunds) == 1


async def test_F029_fifty_parts_and_a_year_are_the_limits(till: Till) -> None:
    trade = await till.buy(10_000)
    for _ in range(50):
        await pay.create_refund(till.credentials, new_refund(trade, 1))
    with pytest.raises(WeChatError, match="50次"):
        await pay.create_refund(till.credentials, new_refund(trade, 1))
    old = await till.buy(10_000)
    pass_time(days=366)
    with pytest.raises(WeChatError, match="期限"):
        await pay.create_refund(till.credentials, new_refund(old, 1))


async def test_a_poor_merchant_cannot_refund_until_it_pays_in(till: Till) -> None:
    trade = await till.buy(10_000)
    await till.person.deposit(till.mchid, -9_940)
    wanted = new_refund(trade, 5_000)
    with pytest.raises(NotEnough) as short:
        await pay.create_refund(till.credentials, wanted)
    assert short.value.retry is Retry.NEVER
    assert await pay.query_refund(till.credentials, wanted.out_refund_no) is None
    await till.person.deposit(till.mchid, 5_000)
    started = await pay.create_refund(till.credentials, wanted)
    assert started.status is RefundStatus.PROCESSING


async def test_F030_an_abnormal_refund_goes_to_a_card(till: Till) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 10_000)
    await till.person.order_fault("refund_abnormal")
    await pay.create_refund(till.credentials, wanted)
    bad = await finished(till, wanted.out_refund_no)
    assert bad.status is RefundStatus.ABNORMAL
    assert (await till.bank())["refunds_fen"] == 10_000, "the money is nobody's yet"
    [told] = await till.told("REFUND")
    assert pay.read_refund(told).status is RefundStatus.ABNORMAL
    how = AbnormalRefund(
        out_refund_no=wanted.out_refund_no,
        type="USER_BANK_CARD",
        bank_type="ICBC_DEBIT",
        bank_account="6222020200112233",
        real_name="王建国",
    )
    again = await pay.apply_abnormal_refund(till.credentials, bad.refund_id, how)
    assert again.status is RefundStatus.PROCESSING
    done = await finished(till, wanted.out_refund_no)
    assert (done.status, done.channel) == (RefundStatus.SUCCESS, "OTHER_BANKCARD")
    assert (await till.bank())["refunds_fen"] == 0


async def test_what_an_abnormal_refund_needs(till: Till) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 10_000)
    started = await pay.create_refund(till.credentials, wanted)
    to_merchant = AbnormalRefund(out_refund_no=wanted.out_refund_no, type="MERCHANT_BANK_CARD")
    with pytest.raises(WeChatError, match="不是退款异常"):
        await pay.apply_abnormal_refund(till.credentials, started.refund_id, to_merchant)
    with pytest.raises(WeChatError, match="不存在"):
        await pay.apply_abnormal_refund(till.credentials, "503", to_merchant)
    incomplete = AbnormalRefund(out_refund_no=wanted.out_refund_no, type="USER_BANK_CARD")
    with pytest.raises(WeChatError, match="须传入"):
        await pay.apply_abnormal_refund(till.credentials, started.refund_id, incomplete)


async def test_a_closed_refund_is_tried_again_under_its_number(till: Till) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 4_000)
    await till.person.order_fault("refund_closed")
    started = await pay.create_refund(till.credentials, wanted)
    closed = await finished(till, wanted.out_refund_no)
    assert closed.status is RefundStatus.CLOSED
    bank = await till.bank()
    assert (bank["basic_fen"], bank["fees_fen"], bank["refunds_fen"]) == (9_940, 60, 0)
    [told] = await till.told("REFUND.CLOSED")
    assert pay.read_refund(told).status is RefundStatus.CLOSED
    again = await pay.create_refund(till.credentials, wanted)
    assert (again.status, again.refund_id) == (RefundStatus.PROCESSING, started.refund_id)
    done = await finished(till, wanted.out_refund_no)
    assert done.status is RefundStatus.SUCCESS


async def test_F026_the_callback_may_come_before_the_answer(till: Till) -> None:
    await till.person.call("PATCH", "/settings", {"refund_seconds": 0})
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 10_000)
    await till.person.order_fault("timeout_after_work", "refund.create", seconds=0.1)
    answered = await pay.create_refund(till.credentials, wanted)
    [told] = await till.told("REFUND")
    assert pay.read_refund(told).status is answered.status is RefundStatus.SUCCESS


@pytest.mark.parametrize(
    ("kind", "retry"),
    [("system_error", Retry.UNKNOWN), ("html", Retry.UNKNOWN), ("frequency_limited", Retry.RETRY)],
)
async def test_faults_of_the_call_leave_the_outcome_to_be_asked(
    till: Till, kind: str, retry: Retry
) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 10_000)
    await till.person.order_fault(kind, "refund.create", times=None)
    with pytest.raises(WeChatError) as failed:
        await pay.create_refund(till.credentials, wanted)
    assert failed.value.retry is retry
    await till.person.call("DELETE", "/faults")
    assert await pay.query_refund(till.credentials, wanted.out_refund_no) is None


async def test_a_badly_signed_or_changed_answer(till: Till) -> None:
    trade = await till.buy(10_000)
    wanted = new_refund(trade, 5_000)
    await pay.create_refund(till.credentials, wanted)
    await till.person.order_fault("bad_signature", "refund.query", times=3)
    with pytest.raises(WeChatError, match="BAD_SIGNATURE"):
        await pay.query_refund(till.credentials, wanted.out_refund_no)
    await till.person.order_fault("tamper_amount", "refund.query", fen=-1)
    changed = await pay.query_refund(till.credentials, wanted.out_refund_no)
    assert changed is not None and changed.amount.refund == 4_999


async def test_notifications_of_refunds_have_their_own_faults(till: Till) -> None:
    trade = await till.buy(10_000)
    await till.told("TRANSACTION")
    await till.person.order_fault("drop", "notify.refund")
    await till.person.order_fault("tamper_amount", "notify.refund", fen=7)
    await till.person.order_fault("repeat", "notify.refund", copies=2)
    wanted = new_refund(trade, 5_000)
    await pay.create_refund(till.credentials, wanted)
    pass_time(seconds=6)
    assert await till.told("REFUND") == [], "lost"
    pass_time(seconds=16)
    told = [pay.read_refund(one) for one in await till.told("REFUND")]
    assert [one.amount.refund for one in told] == [5_007] * 3
    assert [one.amount.payer_refund for one in told] == [5_007] * 3


async def test_F031_frozen_money_is_refunded_first_and_only_what_is_left_of_it(
    till: Till,
) -> None:
    trade = await till.buy(10_000, is_shared=True)
    part = new_refund(trade, 4_000)
    await pay.create_refund(till.credentials, part)
    assert await pay.query_unsplit(till.credentials, trade.transaction_id) == 9_940 - 3_976
    await till.person.order_fault("refund_closed")
    await finished(till, part.out_refund_no)
    assert await pay.query_unsplit(till.credentials, trade.transaction_id) == 9_940, "came back"
    await pay.create_refund(till.credentials, new_refund(trade, 10_000))
    pass_time(seconds=6)
    bank = await till.bank()
    assert (bank["frozen_fen"], bank["basic_fen"], bank["fees_fen"]) == (0, 0, 0)
