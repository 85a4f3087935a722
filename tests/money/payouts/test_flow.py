"""Payouts from the request to the member's purse, against WeChat's own books."""

from datetime import UTC, datetime, timedelta

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger.contracts import Book
from siyu.money.payouts import service as payouts
from siyu.money.payouts.contracts import (
    AgreementOpen,
    AgreementState,
    BadSettings,
    BalanceTooSmall,
    CannotCancel,
    CannotDecide,
    NameNeeded,
    NothingToConfirm,
    OverLimit,
    PayoutOpen,
    PayoutsOff,
    PayoutState,
    PayoutUnknown,
)
from siyu.people.members.contracts import NoPayer
from tests.money.payouts.till import Till, desk, market, till, wechat_url

__all__ = ["desk", "market", "till", "wechat_url"]


async def test_a_payout_confirmed_on_the_phone(till: Till) -> None:
    made = await till.ask()
    assert await till.commission() == (100_000, 95_000)
    assert await till.transfers() == []
    assert await till.follow(made) is PayoutState.WAITING
    waiting = await till.now(made)
    assert (waiting.amount_fen, waiting.tax_fen, waiting.net_fen) == (5_000, 0, 5_000)
    assert waiting.confirm_before is not None and waiting.provider_number
    assert await till.commission() == (95_000, 95_000)
    assert (await till.desk.balance(Book.PAYOUT_DUE)).posted == 5_000
    await till.confirm(made)
    await till.work(seconds=70)
    paid = await till.now(made)
    assert (paid.state, paid.confirm_before, paid.fail_reason) == (PayoutState.PAID, None, None)
    assert (await till.desk.balance(Book.PAYOUT_DUE)).posted == 0
    assert await till.transfers() == ["transfer", "transfer_paid"]
    assert await till.told(made) == ["created", "accepted", "waiting", "paid"]
    ended = await till.desk.events("payouts.payout_ended")
    assert [(one["state"], one["amount_fen"]) for one in ended] == [("paid", 5_000)]
    assert await till.follow(made) is PayoutState.PAID
    with pytest.raises(NothingToConfirm):
        await till.confirm(made)


async def test_tax_is_withheld_and_counted_over_the_year(till: Till) -> None:
    await till.settings(tax_bps=2000, yearly_fen=12_000)
    made = await till.begin(10_001)
    assert (made.amount_fen, made.tax_fen, made.net_fen) == (10_001, 2_000, 8_001)
    assert (await till.desk.balance(Book.TAX_DUE)).posted == 2_000
    await till.confirm(made)
    await till.work(seconds=70)
    async with reading(till.desk.shop_id) as tx:
        offer = await payouts.get_offer(tx, till.member_id)
    assert (offer.paid_this_year_fen, offer.tax_this_year_fen) == (10_001, 2_000)
    assert (offer.most_fen, offer.reason) == (1_999, None)
    with pytest.raises(OverLimit) as over:
        await till.ask(2_000)
    assert over.value.details == {"min_fen": 100, "most_fen": 1_999, "limit": "max_fen"}
    # A calendar year is the shop's: it ends at midnight in China.
    with clock.turned(datetime(clock.now().year, 12, 31, 16, 0, 1, tzinfo=UTC)):
        assert (await till.ask(2_000)).net_fen == 1_600


async def test_the_limits_one_by_one(till: Till) -> None:
    await till.settings(
        min_fen=1_000, max_fen=20_000, daily_count=2, daily_fen=25_000, approve_above_fen=None
    )
    for amount in (999, 20_001):
        with pytest.raises(OverLimit):
            await till.ask(amount)
    with pytest.raises(BalanceTooSmall):
        await till.ask(100_001)
    assert await till.commission() == (100_000, 100_000), "a refused one holds nothing"
    first = await till.begin(20_000)
    await till.confirm(first)
    await till.work(seconds=70)
    with pytest.raises(OverLimit):
        await till.ask(5_001)
    second = await till.begin(5_000)
    await till.confirm(second)
    await till.work(seconds=70)
    async with reading(till.desk.shop_id) as tx:
        offer = await payouts.get_offer(tx, till.member_id)
    assert (offer.most_fen, offer.reason) == (0, "daily_count")
    with pytest.raises(OverLimit):
        await till.ask(1_000)
    clock.advance(timedelta(days=1))
    assert (await till.ask(1_000)).state is PayoutState.CREATED


async def test_what_an_offer_says(till: Till) -> None:
    async def offer() -> tuple[int, str | None]:
        async with reading(till.desk.shop_id) as tx:
            found = await payouts.get_offer(tx, till.member_id)
        return found.most_fen, found.reason

    assert await offer() == (100_000, None)
    await till.settings(min_fen=200_000, max_fen=300_000, daily_fen=300_000)
    assert await offer() == (0, "balance")
    await till.settings(is_enabled=False)
    assert await offer() == (0, "off")
    with pytest.raises(PayoutsOff):
        await till.ask()
    for bad in (
        {"min_fen": 200, "max_fen": 100},
        {"min_fen": 200, "daily_fen": 100},
        {"min_fen": 10, "tax_bps": 500},
    ):
        with pytest.raises(BadSettings):
            await till.settings(**bad)


async def test_F037_below_zero_nothing_is_paid_out(till: Till) -> None:
    await till.earn(-130_000)
    assert await till.commission() == (-30_000, -30_000)
    with pytest.raises(BalanceTooSmall):
        await till.ask(100)
    await till.earn(30_099)
    with pytest.raises(BalanceTooSmall):
        await till.ask(100)
    await till.earn(1)
    assert (await till.ask(100)).amount_fen == 100


async def test_the_real_name_from_2000_yuan_on(till: Till) -> None:
    await till.earn(400_000)
    with pytest.raises(NameNeeded):
        await till.ask(200_000)
    made = await till.begin(200_000, "李推广")
    assert (made.state, made.name_masked) == (PayoutState.WAITING, "李**")
    row = await till.row(made)
    assert row.name_sealed is not None and "李".encode() not in row.name_sealed
    await till.confirm(made)
    await till.work(seconds=70)
    assert (await till.now(made)).state is PayoutState.PAID


async def test_a_wrong_name_fails_and_the_money_is_back(till: Till) -> None:
    await till.earn(400_000)
    made = await till.begin(200_000, "王别人")
    await till.work(seconds=10)
    failed = await till.now(made)
    assert (failed.state, failed.fail_reason) == (PayoutState.FAILED, "NAME_NOT_CORRECT")
    assert await till.commission() == (500_000, 500_000)


async def test_a_name_is_not_sent_below_30_fen(till: Till) -> None:
    await till.settings(min_fen=10)
    assert (await till.begin(29, "李推广")).state is PayoutState.WAITING


async def test_nobody_confirms_for_24_hours(till: Till) -> None:
    made = await till.begin()
    await till.work(hours=23)
    assert (await till.now(made)).state is PayoutState.WAITING
    await till.work(hours=2)
    failed = await till.now(made)
    assert (failed.state, failed.fail_reason) == (PayoutState.FAILED, "OVERDUE_CLOSE")
    assert await till.commission() == (100_000, 100_000)
    again = await till.begin()
    assert again.number != made.number, "after FAIL a new one has a new number"


async def test_the_member_does_not_want_it(till: Till) -> None:
    made = await till.begin()
    await till.confirm(made, accepts=False)
    await till.work(seconds=70)
    assert (await till.now(made)).state is PayoutState.FAILED
    assert await till.commission() == (100_000, 100_000)


async def test_cancelled_before_it_was_confirmed(till: Till) -> None:
    made = await till.begin()
    with pytest.raises(PayoutUnknown):
        await till.cancel(made, new_id())
    assert (await till.cancel(made, till.member_id)).state is PayoutState.CANCELLING
    assert (await till.cancel(made)).state is PayoutState.CANCELLING, "a repeat is harmless"
    assert await till.follow(made) is PayoutState.CANCELLING
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.CANCELLED
    assert await till.commission() == (100_000, 100_000)
    assert await till.transfers() == ["transfer", "transfer_back"]
    with pytest.raises(CannotCancel):
        await till.cancel(made)


async def test_the_member_was_faster_than_the_cancellation(till: Till) -> None:
    made = await till.begin()
    await till.confirm(made)
    await till.cancel(made)
    assert await till.follow(made) is PayoutState.SENDING
    with pytest.raises(CannotCancel):
        await till.cancel(made)
    await till.work(seconds=60)
    assert (await till.now(made)).state is PayoutState.PAID


async def test_cancelled_before_wechat_heard_of_it(till: Till) -> None:
    made = await till.ask()
    assert (await till.cancel(made)).state is PayoutState.CANCELLING
    assert await till.follow(made) is PayoutState.CANCELLED
    assert await till.transfers() == []
    assert await till.commission() == (100_000, 100_000)


async def test_large_ones_wait_for_approval(till: Till) -> None:
    await till.settings(approve_above_fen=4_999)
    made = await till.ask(5_000)
    assert made.state is PayoutState.REQUESTED
    assert await till.follow(made) is PayoutState.REQUESTED
    assert await till.commission() == (100_000, 95_000)
    async with transaction(till.desk.shop_id) as tx:
        assert (await payouts.approve(tx, System(), made.payout_id)).state is PayoutState.CREATED
    for decide in ("approve", "reject"):
        with pytest.raises(CannotDecide):
            async with transaction(till.desk.shop_id) as tx:
                if decide == "approve":
                    await payouts.approve(tx, System(), made.payout_id)
                else:
                    await payouts.reject(tx, System(), made.payout_id, "x")
    await till.work(seconds=1, rounds=1)
    await till.confirm(made)
    await till.work(seconds=70)
    assert (await till.now(made)).state is PayoutState.PAID

    refused = await till.ask(5_000)
    async with transaction(till.desk.shop_id) as tx:
        rejected = await payouts.reject(tx, System(), refused.payout_id, "资料不全")
    assert (rejected.state, await till.commission()) == (PayoutState.REJECTED, (95_000, 95_000))
    taken_back = await till.ask(5_000)
    assert (await till.cancel(taken_back)).state is PayoutState.CANCELLED
    assert await till.commission() == (95_000, 95_000)
    assert (await till.ask(4_999)).state is PayoutState.CREATED
    with pytest.raises(PayoutUnknown):
        async with transaction(till.desk.shop_id) as tx:
            await payouts.approve(tx, System(), new_id())


async def test_agreed_once_then_nobody_has_to_confirm(till: Till) -> None:
    async def view() -> tuple[AgreementState, bool] | None:
        async with reading(till.desk.shop_id) as tx:
            found = await payouts.get_agreement_view(tx, till.member_id)
        return None if found is None else (found.state, found.confirmation is not None)

    assert await view() is None
    async with transaction(till.desk.shop_id) as tx:
        agreement_id = await payouts.request_agreement(tx, till.member_id)
    assert await view() == (AgreementState.CREATED, False)
    await payouts.follow_agreement(till.desk.shop_id, agreement_id)
    assert await view() == (AgreementState.WAITING, True)
    with pytest.raises(AgreementOpen):
        async with transaction(till.desk.shop_id) as tx:
            await payouts.request_agreement(tx, till.member_id)
    async with reading(till.desk.shop_id) as tx:
        asked = await payouts.get_agreement_view(tx, till.member_id)
    assert asked is not None and asked.confirmation is not None
    await till.desk.person.confirm_transfer(till.person_id, asked.confirmation.package)
    await till.work(seconds=70, rounds=1)
    assert await view() == (AgreementState.ACTIVE, False)

    made = await till.begin()
    assert (made.state, made.is_confirmed_once) == (PayoutState.ACCEPTED, True)
    await till.work(seconds=20)
    assert (await till.now(made)).state is PayoutState.PAID


async def test_an_agreement_that_nobody_gives_ends_after_24_hours(till: Till) -> None:
    async with transaction(till.desk.shop_id) as tx:
        agreement_id = await payouts.request_agreement(tx, till.member_id)
    await till.work(seconds=1, rounds=1)
    await till.work(hours=25, rounds=1)
    async with reading(till.desk.shop_id) as tx:
        assert await payouts.get_agreement_view(tx, till.member_id) is None
    await payouts.follow_agreement(till.desk.shop_id, agreement_id)
    await payouts.follow_agreement(till.desk.shop_id, new_id())
    async with transaction(till.desk.shop_id) as tx:
        assert await payouts.request_agreement(tx, till.member_id) != agreement_id


async def test_somebody_without_a_phone_here(till: Till) -> None:
    with pytest.raises(NoPayer):
        async with transaction(till.desk.shop_id) as tx:
            await payouts.request_payout(tx, new_id(), 1, 100, None)


async def test_one_at_a_time(till: Till) -> None:
    await till.ask()
    with pytest.raises(PayoutOpen):
        await till.ask()
    assert await till.commission() == (100_000, 95_000)
