"""Stored value through its verbs, with the truths checked after each story."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import service as ledger
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    Channel,
    ClosingResult,
    Decision,
    PaymentExpired,
    PaymentSucceeded,
    Purpose,
    RefundClosed,
    RefundOrigin,
    RefundSucceeded,
)
from siyu.money.stored_value import background, service
from siyu.money.stored_value.contracts import (
    AdjustmentDecided,
    AdjustmentNotFound,
    AdjustmentState,
    BadLicence,
    BadStoredValueSetting,
    BonusTooHigh,
    Held,
    LicenceKind,
    LimitExceeded,
    NothingToAdjust,
    NothingToRefund,
    NotLicensed,
    OfferNotFound,
    OfferTaken,
    SecondPersonNeeded,
    Side,
    SpendOrder,
    TopUp,
    TopUpNotFound,
    TopUpOver,
    TopUpState,
    ValueShort,
    Wallet,
    WalletFrozen,
)
from tests.money.stored_value.till import Till, broken, open_gate, staff


@pytest.fixture
async def till(shop: ShopId) -> AsyncIterator[Till]:
    await open_gate(shop)
    yield await Till.of(shop)
    assert await broken(shop) == []


async def audited(till: Till) -> list[str]:
    async with reading(till.shop) as tx:
        rows = await tx.connection.fetch("select action from kernel.audit order by audit_id")
    return [row["action"].removeprefix("stored_value.") for row in rows]


# --- the gate (mission 53) ------------------------------------------------------------------------


async def test_mission53_without_a_licence_nothing_can_be_paid_in(till: Till) -> None:
    offer_id = await till.offer(100_000, 0)
    async with transaction(till.shop) as tx:
        await service.withdraw_licence(tx, staff())
    async with reading(till.shop) as tx:
        assert not await service.is_open(tx)
        assert await service.get_licence(tx) is None
    async with transaction(till.shop) as tx:
        with pytest.raises(NotLicensed):
            await service.place_top_up(tx, till.member, offer_id, "h5")
        with pytest.raises(NotLicensed):
            await service.add_offer(tx, staff(), amount_fen=1, bonus_fen=0)
        with pytest.raises(NotLicensed):
            await service.withdraw_licence(tx, staff())
    with pytest.raises(NotLicensed):
        await till.adjust(Side.PRINCIPAL, 100)


async def test_mission53_what_is_in_the_wallet_stays_the_members(till: Till) -> None:
    top_up_id = await till.top_up()
    async with transaction(till.shop) as tx:
        await service.withdraw_licence(tx, staff())
    await till.spend(13_000)
    assert (await till.refund(top_up_id)).money_fen == 90_000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": " "}, "number"),
        ({"number": "x" * 65}, "number"),
        ({"issuer": ""}, "issuer"),
        ({"valid_until_on": date(2019, 12, 31)}, "valid_until_on"),
        ({"valid_until_on": date(2021, 1, 1)}, "valid_until_on"),
        ({"accepted": False}, "accepted"),
    ],
)
async def test_a_licence_is_recorded_whole(till: Till, change: dict, field: str) -> None:
    asked = {
        "kind": LicenceKind.LOCAL_FILING,
        "number": "B-1",
        "issuer": "上海市商务委",
        "valid_from_on": date(2020, 1, 1),
        "valid_until_on": None,
        "accepted": True,
    } | change
    async with transaction(till.shop) as tx:
        with pytest.raises(BadLicence) as refused:
            await service.accept_licence(tx, staff(), **asked)
    assert refused.value.details == {"field": field}


async def test_a_licence_opens_and_closes_by_its_days(till: Till) -> None:
    day = clock.business_day(clock.now(), "Asia/Shanghai")
    async with transaction(till.shop) as tx:
        licence = await service.accept_licence(
            tx,
            staff("老板"),
            kind=LicenceKind.PAYMENT_LICENCE,
            number=" Z2000000 ",
            issuer="中国人民银行",
            valid_from_on=day + timedelta(days=1),
            valid_until_on=day + timedelta(days=2),
            accepted=True,
        )
    assert (licence.number, licence.accepted_by) == ("Z2000000", "老板")
    opened = []
    for days in range(4):
        noon = clock.day_start(day + timedelta(days=days), "Asia/Shanghai") + timedelta(hours=12)
        with clock.turned(noon):
            async with reading(till.shop) as tx:
                opened.append(await service.is_open(tx))
    assert opened == [False, True, True, False]
    assert (await audited(till))[-1] == "licence_accepted"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit_fen", -1), ("bonus_limit_bps", 10_001), ("bonus_months", 0), ("grace_days", 367),
        ("adjust_limit_fen", 10_000_000_001),
    ],
)  # fmt: skip
async def test_settings_outside_their_range(till: Till, name: str, value: int) -> None:
    with pytest.raises(BadStoredValueSetting) as refused:
        await till.set(**{name: value})
    assert refused.value.details["setting"] == name


# --- offers ---------------------------------------------------------------------------------------


async def test_mission53_a_bonus_above_the_guard_needs_a_reason(till: Till) -> None:
    assert await till.offer(100_000, 30_000)
    with pytest.raises(BonusTooHigh) as refused:
        await till.offer(50_000, 15_001)
    assert refused.value.details == {"bonus_bps": 3000, "limit_bps": 3000}
    offer_id = await till.offer(50_000, 15_001, "开业三天")
    async with reading(till.shop) as tx:
        offers = await service.list_offers(tx)
        [line] = await tx.connection.fetch(
            "select detail from kernel.audit where subject_id = $1", str(offer_id)
        )
    assert [(o.amount_fen, o.bonus_fen, o.override_reason) for o in offers] == [
        (50_000, 15_001, "开业三天"), (100_000, 30_000, None),
    ]  # fmt: skip
    assert line["detail"]["after"] == {
        "amount_fen": 50_000, "bonus_fen": 15_001, "override_reason": "开业三天", "limit_bps": 3000,
    }  # fmt: skip


async def test_a_reason_for_a_harmless_bonus_is_not_kept(till: Till) -> None:
    await till.offer(100, 10, "没有必要")
    async with reading(till.shop) as tx:
        [offer] = await service.list_offers(tx)
    assert offer.override_reason is None


async def test_one_active_offer_per_amount(till: Till) -> None:
    offer_id = await till.offer(10_000, 0)
    async with transaction(till.shop) as tx:
        with pytest.raises(OfferTaken):
            await service.add_offer(tx, staff(), amount_fen=10_000, bonus_fen=5)
        await service.retire_offer(tx, staff(), offer_id)
        with pytest.raises(OfferNotFound):
            await service.retire_offer(tx, staff(), offer_id)
        with pytest.raises(OfferNotFound):
            await service.place_top_up(tx, till.member, offer_id, "h5")
        await service.add_offer(tx, staff(), amount_fen=10_000, bonus_fen=5)


# --- paying in ------------------------------------------------------------------------------------


async def test_a_paid_top_up_is_credited_once(till: Till) -> None:
    top_up = await till.place()
    event = await till.pay(top_up)
    assert (event.purpose, event.order_id) == (Purpose.TOP_UP, top_up.top_up_id)
    assert await till.left() == (0, 0), "the money is booked, and not yet to be spent"
    assert await broken(till.shop) == []
    for _ in range(2):
        await till.hear(event)
    assert await till.left() == (100_000, 30_000)
    assert await till.told() == [("topped_up", 100_000, 30_000)]
    [told] = await till.events("topped_up")
    assert (told["amount_fen"], told["bonus_fen"], told["person_no"]) == (
        100_000, 30_000, till.member.person_no,
    )  # fmt: skip
    booked = [await till.booked(book) for book in ("wechat", "principal", "bonus", "bonus_cost")]
    assert booked == [100_000, -100_000, -30_000, 30_000]
    found = await till.find(top_up.top_up_id)
    assert (found.state, found.principal_left_fen, found.bonus_expires_on) == (
        TopUpState.PAID, 100_000, None,
    )  # fmt: skip


async def test_a_top_up_without_bonus(till: Till) -> None:
    await till.top_up(5_000, 0)
    assert await till.left() == (5_000, 0)
    _, held = await till.spend(5_000)
    assert held == Held(5_000, 0) and await till.left() == (0, 0)


async def test_the_limit_counts_what_is_there_held_and_about_to_be_paid(till: Till) -> None:
    await till.set(limit_fen=300_000)
    await till.top_up(100_000, 30_000)
    await till.hold(50_000)
    waiting = await till.place(100_000, 30_000)
    with pytest.raises(LimitExceeded) as refused:
        await till.place(40_001, 0)
    assert refused.value.details == {"limit_fen": 300_000, "expected_fen": 260_000}
    await till.place(40_000, 0)
    await till.hear(await till.pay(waiting))


async def test_single_purpose_card_limits_are_the_defaults(shop: ShopId) -> None:
    async with reading(shop) as tx:
        settings = await service.get_settings(tx)
    assert (settings.card_kind, settings.limit_fen) == ("unnamed", 100_000)


async def test_F015_money_after_the_close_is_welcome(till: Till) -> None:
    top_up = await till.place()
    event = await till.pay(top_up)
    async with transaction(till.shop) as tx:
        await tx.run("update stored_value.top_ups set state = 'closed'")
    await till.hear(event)
    assert await till.left() == (100_000, 30_000)


async def test_F015_money_that_would_break_the_limit_goes_back(till: Till) -> None:
    top_up = await till.place()
    event = await till.pay(top_up)
    await till.set(limit_fen=100_000)
    for _ in range(2):
        await till.hear(event)
    assert await till.left() == (0, 0) and await till.statement() == []
    assert (await till.find(top_up.top_up_id)).state is TopUpState.PARKED
    async with reading(till.shop) as tx:
        [refund] = await payments.list_refunds(tx, top_up.top_up_id)
    assert (refund.origin, refund.amount_fen) == (RefundOrigin.SUSPENSE, 100_000)
    assert [await till.booked(book) for book in ("principal", "suspense")] == [0, 0]


async def test_staff_may_accept_parked_money_after_all(till: Till) -> None:
    """Money too old for WeChat to give back stays in suspense; once it fits, it is credited."""
    top_up = await till.place()
    event = await till.pay(top_up)
    await till.set(limit_fen=100_000)
    clock.advance(timedelta(days=400))
    await till.hear(event)
    assert (await till.find(top_up.top_up_id)).state is TopUpState.PARKED
    await till.set(limit_fen=500_000)
    async with transaction(till.shop) as tx:
        [parked] = await payments.list_parked(tx, None, 10)
        await payments.resolve(tx, parked.parked_id, Decision.ACCEPT, "顾客要求入账", System())
    await till.hear(event)
    assert await till.left() == (100_000, 30_000)
    assert (await till.find(top_up.top_up_id)).state is TopUpState.PAID


async def test_orders_are_none_of_ours(till: Till) -> None:
    now = clock.now()
    paid = PaymentSucceeded(
        payment_id=new_id(), order_id=new_id(), person_no=1, amount_fen=1, channel="jsapi",
        paid_at=now,
    )  # fmt: skip
    await till.hear(paid)
    common = {
        "refund_id": new_id(), "order_id": new_id(), "payment_id": new_id(), "person_no": 1,
        "amount_fen": 1, "purpose": Purpose.ORDER, "origin": RefundOrigin.CANCEL,
    }  # fmt: skip
    await till.hear(RefundSucceeded(is_outside=False, **common))
    await till.hear(RefundClosed(reason="x", **common))
    # A refund of a top-up's parked money is payments' own affair.
    own = common | {"purpose": Purpose.TOP_UP}
    await till.hear(RefundSucceeded(is_outside=False, **own))


async def test_who_may_pay_and_until_when(till: Till) -> None:
    top_up = await till.place()

    async def start(member_id: UUID, top_up_id: UUID) -> None:
        async with transaction(till.shop) as tx:
            await service.start_payment(tx, member_id, top_up_id, Channel.NATIVE, None)

    with pytest.raises(TopUpNotFound):
        await start(new_id(), top_up.top_up_id)
    with pytest.raises(TopUpNotFound):
        await start(till.member_id, new_id())
    with clock.turned(top_up.pay_before), pytest.raises(PaymentExpired):
        await start(till.member_id, top_up.top_up_id)
    await till.hear(await till.pay(top_up))
    with pytest.raises(TopUpOver) as refused:
        await start(till.member_id, top_up.top_up_id)
    assert refused.value.details == {"state": "paid"}


async def test_F016_only_what_wechat_confirmed_is_closed(till: Till) -> None:
    top_up = await till.place()

    async def close(closing: ClosingResult) -> bool:
        async with transaction(till.shop) as tx:
            return await service.close_top_up(tx, top_up.top_up_id, closing)

    assert not await close(ClosingResult.UNKNOWN)
    assert not await close(ClosingResult.PAID)
    async with transaction(till.shop) as tx:
        await service.start_payment(tx, till.member_id, top_up.top_up_id, Channel.NATIVE, None)
    assert not await close(ClosingResult.CLOSED), "a payment was begun meanwhile"
    other = await till.place(1_000, 0)
    async with transaction(till.shop) as tx:
        assert await service.close_top_up(tx, other.top_up_id, ClosingResult.CLOSED)
        assert not await service.close_top_up(tx, other.top_up_id, ClosingResult.CLOSED)


async def test_what_was_not_paid_in_time_is_closed(till: Till) -> None:
    top_up = await till.place()
    await background.close_overdue()
    assert (await till.find(top_up.top_up_id)).state is TopUpState.PENDING
    clock.advance(timedelta(minutes=16))
    await background.close_overdue()
    assert (await till.find(top_up.top_up_id)).state is TopUpState.CLOSED


async def test_one_shop_without_keys_does_not_hold_up_the_others(till: Till) -> None:
    stuck, free = await till.place(1_000, 0), await till.place(2_000, 0)
    async with transaction(till.shop) as tx:
        await service.start_payment(tx, till.member_id, stuck.top_up_id, Channel.NATIVE, None)
    clock.advance(timedelta(minutes=16))
    await background.close_overdue()
    assert (await till.find(stuck.top_up_id)).state is TopUpState.PENDING
    assert (await till.find(free.top_up_id)).state is TopUpState.CLOSED


async def test_a_busy_database_leaves_a_top_up_for_the_next_tick(till: Till) -> None:
    busy, free = await till.place(1_000, 0), await till.place(2_000, 0)
    clock.advance(timedelta(minutes=16))
    async with transaction(till.shop) as tx:
        await tx.run(
            "select from stored_value.top_ups where top_up_id = $1 for update", busy.top_up_id
        )
        # Another connection of the worker waits for this one, gives up, and goes on.
        await asyncio.get_running_loop().create_task(
            background.close_overdue(), context=contextvars.Context()
        )
    assert (await till.find(busy.top_up_id)).state is TopUpState.PENDING
    assert (await till.find(free.top_up_id)).state is TopUpState.CLOSED


# --- as a tender ----------------------------------------------------------------------------------


async def test_spent_in_proportion_and_given_back_exactly(till: Till) -> None:
    await till.top_up(100_000, 30_000)
    order_id, held = await till.hold(13_000)
    assert (await till.hold(13_000, order_id))[1] == held == Held(10_000, 3_000)
    wallet = await till.wallet()
    assert (wallet.principal_fen, wallet.bonus_fen, wallet.held_fen) == (90_000, 27_000, 13_000)
    assert await till.capture(order_id) == await till.capture(order_id) == held
    refund_id = new_id()
    first = await till.give_back(order_id, 4_999, refund_id)
    assert await till.give_back(order_id, 4_999, refund_id) == first == Held(3_846, 1_153)
    assert await till.give_back(order_id, 0) == Held(0, 0)
    second = await till.give_back(order_id, 8_001)
    assert second == Held(6_154, 1_847)
    assert await till.left() == (100_000, 30_000)
    with pytest.raises(AssertionError, match="more value comes back"):
        await till.give_back(order_id, 1)
    assert await till.told() == [
        ("topped_up", 100_000, 30_000), ("spent", -10_000, -3_000),
        ("given_back", 3_846, 1_153), ("given_back", 6_154, 1_847),
    ]  # fmt: skip
    [last] = (await till.statement())[-1:]
    assert (last.principal_after_fen, last.bonus_after_fen) == (100_000, 30_000)
    assert await till.booked("sales") == 0
    [spent] = await till.events("value_spent")
    assert (spent["amount_fen"], spent["principal_fen"], spent["bonus_fen"]) == (
        13_000, 10_000, 3_000,
    )  # fmt: skip
    async with reading(till.shop) as tx:
        story = await ledger.list_story(tx, order_id)
    assert [entry.kind for entry in story] == ["balance_spent"] + ["balance_given_back"] * 2


@pytest.mark.parametrize(
    ("order", "held"),
    [
        (SpendOrder.PRINCIPAL_FIRST, Held(60_000, 0)),
        (SpendOrder.BONUS_FIRST, Held(15_000, 45_000)),
        (SpendOrder.PROPORTIONAL, Held(46_154, 13_846)),
    ],
)
async def test_the_shop_chooses_what_goes_first(till: Till, order: SpendOrder, held: Held) -> None:
    await till.set(spend_order=order)
    await till.top_up(50_000, 15_000)
    await till.top_up(100_000, 30_000)
    order_id, found = await till.spend(60_000)
    assert found == held
    await till.give_back(order_id, 60_000)
    assert await till.left() == (150_000, 45_000)


async def test_bonus_alone_can_pay(till: Till) -> None:
    await till.set(spend_order=SpendOrder.BONUS_FIRST)
    await till.top_up(50_000, 15_000)
    order_id, held = await till.spend(15_000)
    assert held == Held(0, 15_000)
    assert await till.give_back(order_id, 15_000) == held


async def test_release_puts_everything_back_and_the_order_may_hold_again(till: Till) -> None:
    await till.top_up()
    order_id, _ = await till.hold(50_000)
    await till.release(order_id)
    await till.release(order_id)
    assert await till.left() == (100_000, 30_000)
    assert await till.capture(order_id) == Held(0, 0)
    await till.hold(130_000, order_id)
    assert (await till.wallet()).held_fen == 130_000
    await till.release(order_id)


async def test_more_than_there_is_is_refused_and_changes_nothing(till: Till) -> None:
    with pytest.raises(ValueShort):
        await till.hold(1)
    await till.top_up(10_000, 0)
    await till.hold(6_000)
    with pytest.raises(ValueShort) as refused:
        await till.hold(4_001)
    assert refused.value.details == {"available_fen": 4_000, "wanted_fen": 4_001}
    assert (await till.wallet()).held_fen == 6_000


async def test_nobody_has_a_wallet_before_the_first_top_up(till: Till) -> None:
    async with reading(till.shop) as tx:
        assert await service.spendable(tx, till.member_id) == Wallet(0, 0)
        assert await service.get_wallet(tx, till.member_id) is None


async def test_a_frozen_wallet_is_not_spent_and_still_takes_money_back(till: Till) -> None:
    await till.top_up()
    order_id, _ = await till.spend(13_000)
    late = await till.pay(await till.place(1_000, 0))
    async with transaction(till.shop) as tx:
        await service.freeze(tx, staff(), till.member_id, "疑似盗用")
    assert (await till.wallet()).frozen_reason == "疑似盗用"
    assert await till.left() == (0, 0)
    with pytest.raises(WalletFrozen):
        await till.hold(1)
    with pytest.raises(WalletFrozen):
        await till.place(2_000, 0)
    await till.give_back(order_id, 13_000)
    await till.hear(late)
    async with transaction(till.shop) as tx:
        await service.unfreeze(tx, staff(), till.member_id, "已核实")
    assert await till.left() == (101_000, 30_000)
    assert {"wallet_frozen", "wallet_unfrozen"} <= set(await audited(till))


# --- refunds of top-ups ---------------------------------------------------------------------------


async def finish(till: Till, refund_id: UUID, *, paid: bool) -> None:
    """What payments tells when WeChat is done with a refund, or when staff give it up."""
    async with transaction(till.shop) as tx:
        if paid:
            await tx.run(
                """update payments.refunds set state = 'abnormal', problem = 'x',
                     next_call_at = null where refund_id = $1""",
                refund_id,
            )
            await payments.settle_outside(tx, refund_id, "转账给顾客", System())
        else:
            await tx.run(
                """update payments.refunds set state = 'failed', problem = 'x',
                     next_call_at = null where refund_id = $1""",
                refund_id,
            )
            await payments.give_up_refund(tx, refund_id, "顾客改变主意", System())
    name, kind = (
        ("payments.refund_succeeded", RefundSucceeded)
        if paid
        else ("payments.refund_closed", RefundClosed)
    )
    async with reading(till.shop) as tx:
        raw = await tx.value(
            """select payload from kernel.outbox where name = $1
                 and payload ->> 'refund_id' = $2""",
            name,
            str(refund_id),
        )
    for _ in range(2):
        await till.hear(msgspec.convert(raw, kind, strict=False))


async def test_the_rest_of_a_top_up_goes_back_with_its_share_of_the_bonus(till: Till) -> None:
    top_up_id = await till.top_up(100_000, 30_000)
    await till.spend(26_000)
    refund_id = new_id()
    refund = await till.refund(top_up_id, refund_id=refund_id)
    assert await till.refund(top_up_id, refund_id=refund_id) == refund
    assert (refund.principal_fen, refund.money_fen) == (80_000, 80_000)
    assert (refund.withdrawn_fen, refund.kept_back_fen) == (24_000, 0)
    assert await till.left() == (0, 0)
    async with reading(till.shop) as tx:
        [asked] = await payments.list_refunds(tx, top_up_id)
    assert (asked.amount_fen, asked.origin) == (80_000, RefundOrigin.TOP_UP)
    await finish(till, refund_id, paid=True)
    async with reading(till.shop) as tx:
        [done] = await service.list_refunds(tx, [top_up_id])
    assert done.state == "succeeded"
    assert (await till.told())[-1] == ("refunded", -80_000, -24_000)
    assert await till.booked("bonus_cost") == 6_000
    assert "top_up_refunded" in await audited(till)
    with pytest.raises(NothingToRefund):
        await till.refund(top_up_id)


async def test_a_part_of_a_top_up_goes_back(till: Till) -> None:
    top_up_id = await till.top_up(100_000, 30_000)
    refund = await till.refund(top_up_id, 33_333)
    assert (refund.money_fen, refund.withdrawn_fen) == (33_333, 9_999)
    with pytest.raises(NothingToRefund) as refused:
        await till.refund(top_up_id, 66_668)
    assert refused.value.details == {"left_fen": 66_667}
    refund = await till.refund(top_up_id, 66_667)
    assert refund.withdrawn_fen == 20_001
    assert await till.left() == (0, 0)


async def test_spent_bonus_beyond_its_share_is_kept_back_once(till: Till) -> None:
    await till.set(spend_order=SpendOrder.BONUS_FIRST)
    top_up_id = await till.top_up(100_000, 30_000)
    await till.spend(30_000)
    refund = await till.refund(top_up_id, 50_000)
    assert (refund.money_fen, refund.kept_back_fen, refund.withdrawn_fen) == (35_000, 15_000, 0)
    refund = await till.refund(top_up_id)
    assert (refund.money_fen, refund.kept_back_fen) == (35_000, 15_000)
    assert [line.kept_back_fen for line in await till.statement()] == [0, 0, 15_000, 15_000]
    assert await till.booked("bonus_cost") == 0, "the member has paid for the bonus"


async def test_a_refund_that_would_be_kept_back_whole_is_refused(till: Till) -> None:
    await till.set(spend_order=SpendOrder.BONUS_FIRST)
    await till.offer(10_000, 20_000, "周年庆")
    top_up_id = await till.top_up(10_000, 20_000)
    await till.spend(20_000)
    with pytest.raises(NothingToRefund) as refused:
        await till.refund(top_up_id, 5_000)
    assert refused.value.details == {"left_fen": 10_000, "kept_back_fen": 10_000}
    assert await till.left() == (10_000, 0)


async def test_principal_first_keeps_the_bonus_that_was_earned(till: Till) -> None:
    await till.set(spend_order=SpendOrder.PRINCIPAL_FIRST)
    top_up_id = await till.top_up(100_000, 30_000)
    await till.spend(60_000)
    refund = await till.refund(top_up_id)
    assert (refund.money_fen, refund.withdrawn_fen) == (40_000, 12_000)
    assert await till.left() == (0, 18_000)


async def test_a_refund_that_was_given_up_puts_everything_back(till: Till) -> None:
    top_up_id = await till.top_up(100_000, 30_000)
    refund = await till.refund(top_up_id, 50_000)
    await finish(till, refund.refund_id, paid=False)
    assert await till.left() == (100_000, 30_000)
    assert (await till.told())[-1] == ("refund_undone", 50_000, 15_000)
    plain = await till.top_up(1_000, 0)
    refund = await till.refund(plain)
    await finish(till, refund.refund_id, paid=False)
    assert (await till.find(plain)).principal_left_fen == 1_000


async def test_only_a_paid_top_up_can_be_refunded(till: Till) -> None:
    waiting = await till.place()
    with pytest.raises(NothingToRefund):
        await till.refund(waiting.top_up_id)
    with pytest.raises(TopUpNotFound):
        await till.refund(new_id())


async def test_bonus_that_ended_unspent_is_not_kept_back(till: Till) -> None:
    await till.set(bonus_months=1)
    top_up_id = await till.top_up(100_000, 30_000)
    clock.advance(timedelta(days=70))
    await till.expire()
    refund = await till.refund(top_up_id)
    assert (refund.money_fen, refund.withdrawn_fen, refund.kept_back_fen) == (100_000, 0, 0)


# --- time -----------------------------------------------------------------------------------------


async def test_bonus_ends_and_principal_never(till: Till) -> None:
    await till.set(bonus_months=2)
    await till.top_up(100_000, 30_000)
    wallet = await till.wallet()
    assert (wallet.next_expiry_on, wallet.next_expiry_fen) == (
        clock.month_end(clock.business_day(clock.now(), "Asia/Shanghai"), 2), 30_000,
    )  # fmt: skip
    clock.advance(timedelta(days=100))
    assert await till.left() == (100_000, 0), "over, though nobody has swept it yet"
    with pytest.raises(ValueShort):
        await till.hold(100_001)
    await background.expire_due()
    assert await till.told() == [("topped_up", 100_000, 30_000), ("expired", 0, -30_000)]
    assert await till.expire() == 0
    assert (await till.events("bonus_expired"))[0]["amount_fen"] == 30_000
    assert await till.booked("breakage") == -30_000
    clock.advance(timedelta(days=3_650))
    assert await till.left() == (100_000, 0)


async def test_all_members_bonus_ends_however_many(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_BATCH", 2)
    await till.set(bonus_months=1)
    tills = [till, *[await Till.of(till.shop) for _ in range(3)]]
    for one in tills:
        await one.top_up(1_000, 100)
    clock.advance(timedelta(days=70))
    await background.expire_due()
    assert [await one.left() for one in tills] == [(1_000, 0)] * 4


async def test_bonus_given_back_after_its_day_gets_days_of_grace(till: Till) -> None:
    await till.set(bonus_months=1)
    await till.top_up(100_000, 30_000)
    order_id, _ = await till.spend(130_000)
    clock.advance(timedelta(days=100))
    await till.give_back(order_id, 130_000)
    day = clock.business_day(clock.now(), "Asia/Shanghai")
    assert (await till.wallet()).next_expiry_on == day + timedelta(days=30)
    assert await till.left() == (100_000, 30_000)


async def test_bonus_released_after_its_day_is_over(till: Till) -> None:
    await till.set(bonus_months=1)
    await till.top_up(100_000, 30_000)
    order_id, _ = await till.hold(130_000)
    clock.advance(timedelta(days=100))
    await till.release(order_id)
    assert await till.left() == (100_000, 0)
    assert await till.expire() == 30_000


# --- staff ----------------------------------------------------------------------------------------


async def test_small_corrections_are_done_at_once(till: Till) -> None:
    li = staff()
    made = await till.adjust(Side.BONUS, 5_000, li)
    assert (made.state, made.decided_by) == (AdjustmentState.DONE, None)
    await till.adjust(Side.PRINCIPAL, 5_000, li)
    await till.adjust(Side.BONUS, -2_000, li)
    await till.adjust(Side.PRINCIPAL, -1_000, li)
    assert await till.left() == (4_000, 3_000)
    assert [await till.booked(book) for book in ("petty", "bonus_cost")] == [4_000, 3_000]
    assert [line.note for line in await till.statement()] == ["更正"] * 4
    for side, fen in ((Side.PRINCIPAL, 4_001), (Side.BONUS, 3_001)):
        with pytest.raises(ValueShort):
            await till.adjust(side, -fen)
    with pytest.raises(NothingToAdjust):
        await till.adjust(Side.BONUS, 0)
    assert (await audited(till))[-4:] == ["adjusted"] * 4


async def test_above_the_limit_a_second_person_decides(till: Till) -> None:
    li, wang = staff("小李"), staff("小王")
    await till.adjust(Side.BONUS, 12_000, li)
    made = await till.adjust(Side.BONUS, 8_001, li)
    assert made.state is AdjustmentState.WAITING, "small ones add up for a day"
    assert await till.left() == (0, 12_000)
    with pytest.raises(SecondPersonNeeded):
        await till.decide(made, li, True)
    done = await till.decide(made, wang, True)
    assert (done.state, done.decided_by_name) == (AdjustmentState.DONE, "小王")
    assert await till.left() == (0, 20_001)
    with pytest.raises(AdjustmentDecided):
        await till.decide(made, wang, True)
    other = await till.adjust(Side.PRINCIPAL, 30_000, wang)
    async with reading(till.shop) as tx:
        [waiting] = await service.list_adjustments(tx, None, waiting=True, before_id=None, limit=10)
        every = await service.list_adjustments(
            tx, till.member_id, waiting=False, before_id=other.adjustment_id, limit=10
        )
    assert waiting == other and len(every) == 2
    assert (await till.decide(other, wang, False)).state is AdjustmentState.REFUSED
    assert await till.left() == (0, 20_001)
    clock.advance(timedelta(hours=25))
    assert (await till.adjust(Side.BONUS, 20_000, li)).state is AdjustmentState.DONE
    assert (await audited(till))[-4:] == [
        "adjustment_approved", "adjustment_asked", "adjustment_refused", "adjusted",
    ]  # fmt: skip
    unknown = msgspec.structs.replace(made, adjustment_id=new_id())
    with pytest.raises(AdjustmentNotFound):
        await till.decide(unknown, wang, True)


async def test_corrections_keep_the_limit_of_the_wallet(till: Till) -> None:
    await till.set(limit_fen=10_000, adjust_limit_fen=1_000_000)
    with pytest.raises(LimitExceeded):
        await till.adjust(Side.BONUS, 10_001)


async def test_bonus_taken_away_by_staff_is_not_kept_back_from_a_refund(till: Till) -> None:
    top_up_id = await till.top_up(50_000, 15_000)
    await till.adjust(Side.BONUS, -15_000)
    refund = await till.refund(top_up_id)
    assert (refund.money_fen, refund.kept_back_fen) == (50_000, 0)


async def test_adjusted_bonus_has_a_day_too(till: Till) -> None:
    await till.set(bonus_months=1)
    await till.adjust(Side.BONUS, 100)
    await till.adjust(Side.PRINCIPAL, 100)
    assert (await till.wallet()).next_expiry_fen == 100
    clock.advance(timedelta(days=70))
    assert await till.left() == (100, 0)
    assert await till.expire() == 100


# --- looking --------------------------------------------------------------------------------------


async def test_lists_have_pages(till: Till) -> None:
    tills = [till, await Till.of(till.shop), await Till.of(till.shop)]
    placed: list[TopUp] = []
    for one in tills:
        placed.append(await one.place(1_000, 0))
        await one.place(2_000, 0)
    async with reading(till.shop) as tx:
        first = await service.list_wallets(tx, None, 2)
        rest = await service.list_wallets(tx, (first[-1].opened_at, first[-1].member_id), 2)
        mine = await service.list_top_ups(tx, till.member_id, None, 1)
        older = await service.list_top_ups(tx, till.member_id, mine[0].top_up_id, 5)
    shown = [row.member_id for row in [*first, *rest]]
    assert shown == [one.member_id for one in reversed(tills)]
    assert [one.top_up_id for one in older] == [placed[0].top_up_id]
    with pytest.raises(TopUpNotFound):
        await till.find(new_id())


async def test_the_statement_has_pages_and_cannot_be_rewritten(till: Till) -> None:
    for _ in range(3):
        await till.adjust(Side.BONUS, 100)
    async with transaction(till.shop) as tx:
        first = await service.list_statement(tx, till.member_id, None, 2)
        rest = await service.list_statement(tx, till.member_id, first[-1].movement_no, 2)
        assert [one.movement_no for one in [*first, *rest]] == [3, 2, 1]
        can = "select has_table_privilege('siyu_app', 'stored_value.movements', $1)"
        assert [await tx.value(can, what) for what in ("insert", "update", "delete")] == [
            True, False, False,
        ]  # fmt: skip
