"""F031-F038, F040: sharing the money of an order when things go wrong. By the list's numbers."""

from datetime import timedelta

import asyncpg
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger.contracts import Book
from siyu.money.payments.contracts import RefundState
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import (
    Alarm,
    PromoterRefused,
    RatioTooHigh,
    Scope,
    Trigger,
    Way,
)
from siyu.money.profit_sharing.service import refunding
from siyu.wechat.transport.service import calling
from tests.money.profit_sharing.desk import TEA, Desk, desk, market, wechat_url

__all__ = ["desk", "market", "wechat_url"]

NOW = {"trigger": Trigger.DAYS, "after_days": 0}


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)


# -- F031: refunds before the split --------------------------------------------------------------


async def test_F031_a_refund_comes_out_of_frozen_money_and_shrinks_the_parts(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(2000, receiver_id=leader)
    order_id = await desk.order(9_999)
    refund_id, waits = await desk.give_back(order_id, 3_333)
    assert not waits
    assert await desk.parts(order_id) == [("planned", 6_666 * 2000 // 10_000, 0)]
    async with transaction(desk.shop_id) as tx:
        assert not await sharing.prepare_refund(tx, order_id, new_id(), 0), "only points go back"
    await desk.work_on()
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    assert await desk.books(order_id) == {"wechat_frozen": 6_666, "sales": -6_666}
    await desk.complete(order_id)
    await desk.work_on(0)
    assert await desk.parts(order_id) == [("paid", 1_333, 1_333)]
    assert await desk.books(order_id) == {
        "sales": -6_666, "commission_cost": 1_333, "wechat": 5_333,
    }  # fmt: skip


async def test_F031_a_full_refund_leaves_nothing_to_share(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(2000, receiver_id=leader)
    order_id = await desk.order()
    _, waits = await desk.give_back(order_id, 10_000)
    assert not waits
    assert await desk.parts(order_id) == [("dropped", 0, 0)]
    await desk.work_on()
    assert await desk.is_closed(order_id)
    assert await desk.books(order_id) == {}
    assert (await desk.plan(order_id)).requests == []
    await desk.complete(order_id)
    await desk.work_on(0)
    assert await desk.splits_at_wechat() == []


async def test_F031_a_refund_given_up_gives_the_parts_back(desk: Desk) -> None:
    leader, promoter = await desk.merchant(), await desk.promoter()
    await desk.rule(2000, receiver_id=leader)
    await desk.rule(500, scope=Scope.PROMOTER, level=1, way=Way.BALANCE, **NOW)
    order_id = await desk.order(promoter=promoter)
    await desk.work_on()
    refund_id = new_id()
    async with transaction(desk.shop_id) as tx:
        assert not await sharing.prepare_refund(tx, order_id, refund_id, 10_000)
        assert not await sharing.prepare_refund(tx, order_id, refund_id, 10_000), "a repeat"
    assert await desk.parts(order_id) == [("dropped", 0, 0), ("credited", 0, 0)]
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 0
    for _ in range(2):
        async with transaction(desk.shop_id) as tx:
            await sharing.give_up_refund(tx, order_id, refund_id)
    assert await desk.parts(order_id) == [("planned", 2_000, 0), ("credited", 500, 0)]
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 500
    async with transaction(desk.shop_id) as tx:
        await sharing.finish_refund(tx, order_id, new_id())
        await sharing.finish_refund(tx, new_id(), refund_id)
        await sharing.give_up_refund(tx, order_id, new_id())
    await desk.complete(order_id)
    await desk.work_on(0)
    assert await desk.parts(order_id) == [("paid", 2_000, 2_000), ("credited", 500, 0)]


async def test_F031_a_refund_bigger_than_the_frozen_rest_waits_for_the_unfreezing(
    desk: Desk,
) -> None:
    """One part is split, another not due: 7000 are frozen, and 8000 go back."""
    one, other = await desk.merchant("甲"), await desk.merchant("乙")
    await desk.rule(2900, receiver_id=one, **NOW)
    await desk.rule(100, receiver_id=other, trigger=Trigger.DAYS, after_days=9)
    order_id = await desk.order()
    await desk.work_on()
    await desk.deposit(5_000)
    refund_id, waits = await desk.give_back(order_id, 8_000)
    assert waits
    assert (await desk.found(refund_id)).state is RefundState.WAITING
    await desk.work_on()
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    assert [one.kind for one in (await desk.plan(order_id)).requests] == [
        "split", "return", "unfreeze",
    ]  # fmt: skip
    await desk.work_on(9 * 86400)
    assert await desk.parts(order_id) == [("paid", 580, 2_900), ("credited", 20, 0)]
    assert await desk.is_closed(order_id)


# -- F032: refunds after the split ---------------------------------------------------------------


async def test_F032_a_merchant_gives_back_before_the_refund_goes_out(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    assert await desk.is_closed(order_id)
    refund_id, waits = await desk.give_back(order_id, 4_000)
    assert waits
    owner = await desk.owner(leader)
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 1_200
    await desk.work_on(0)
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 0
    [part] = (await desk.plan(order_id)).parts
    assert (part.amount_fen, part.sent_fen, part.returned_fen) == (1_800, 3_000, 1_200)
    assert await desk.books(order_id) == {
        "sales": -6_000, "commission_cost": 1_800, "wechat": 4_200,
    }  # fmt: skip
    assert await desk.is_closed(order_id)


async def test_F032_a_merchant_who_does_not_give_back_owes_it(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    await desk.person.order_fault(
        "return_failed", mchid=desk.keys["mchid"], code="BALANCE_NOT_ENOUGH"
    )
    refund_id, waits = await desk.give_back(order_id, 10_000)
    assert waits
    await desk.deposit(9_000)
    await desk.work_on(0)
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED, "the shop covers it"
    owner = await desk.owner(leader)
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 3_000
    [part] = (await desk.plan(order_id)).parts
    assert (part.amount_fen, part.returned_fen, part.fail_reason) == (0, 0, "BALANCE_NOT_ENOUGH")
    # What it owes is set off against what it earns next, before anything is split (F037).
    next_id = await desk.order()
    await desk.work_on()
    assert await desk.parts(next_id) == [("credited", 3_000, 0)]
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 0
    assert (await desk.balance(Book.COMMISSION, owner)).posted == 0


async def test_F032_wechat_refusing_a_return_is_the_same(desk: Desk) -> None:
    """More than 180 days later WeChat does not even try."""
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    await desk.deposit(9_000)
    clock.advance(timedelta(days=200))
    refund_id, waits = await desk.give_back(order_id, 1_000)
    assert waits
    await desk.work_on(0)
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    owner = await desk.owner(leader)
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 300


async def test_F032_a_person_is_not_charged_back_the_balance_goes_below_zero(desk: Desk) -> None:
    promoter = await desk.promoter()
    await desk.rule(2000, scope=Scope.PROMOTER, level=1, **NOW)
    order_id = await desk.order(promoter=promoter)
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 2_000, 2_000)]
    refund_id, waits = await desk.give_back(order_id, 5_000)
    assert not waits
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == -1_000
    await desk.work_on(0)
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    # Set off against the next one: of 2000 earned, 1000 are split.
    next_id = await desk.order(promoter=promoter)
    await desk.work_on()
    assert await desk.parts(next_id) == [("paid", 2_000, 1_000)]
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 0
    assert [move["fen"] for move in await desk.splits_at_wechat()] == [2_000, 1_000]


async def test_F037_never_below_the_floor_the_rest_is_a_receivable(desk: Desk) -> None:
    await desk.settings(floor_fen=300)
    promoter = await desk.promoter()
    await desk.rule(2000, scope=Scope.PROMOTER, level=1, **NOW)
    order_id = await desk.order(promoter=promoter)
    await desk.work_on()
    await desk.give_back(order_id, 10_000)
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == -300
    assert (await desk.balance(Book.RECEIVABLE, promoter)).posted == 1_700
    await desk.deposit(9_000)
    await desk.work_on(0)
    next_id = await desk.order(12_345, promoter=promoter)
    await desk.work_on()
    assert await desk.parts(next_id) == [("paid", 2_469, 469)]
    assert (await desk.balance(Book.RECEIVABLE, promoter)).posted == 0
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 0


async def test_F032_a_refund_during_the_split_waits_for_its_result(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on(70, rounds=1)
    assert await desk.parts(order_id) == [("sent", 3_000, 3_000)]
    refund_id, waits = await desk.give_back(order_id, 5_000)
    assert waits
    assert await desk.parts(order_id) == [("sent", 3_000, 3_000)], "nothing is cut meanwhile"
    async with transaction(desk.shop_id) as tx:
        assert await sharing.prepare_refund(tx, order_id, refund_id, 5_000), "a repeat waits too"
    await desk.work_on()
    assert (await desk.found(refund_id)).state is RefundState.SUCCEEDED
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.amount_fen, part.returned_fen) == ("paid", 1_500, 1_500)


# -- F033: per receiver --------------------------------------------------------------------------


async def test_F033_one_of_three_fails_and_only_its_part_stays_owed(desk: Desk) -> None:
    receivers = [await desk.merchant(name) for name in ("甲", "乙", "丙")]
    for receiver_id in receivers:
        await desk.rule(900, receiver_id=receiver_id, **NOW)
    await desk.person.order_fault("share_closed", mchid=desk.keys["mchid"], code="ACCOUNT_ABNORMAL")
    order_id = await desk.order(10_001)
    await desk.work_on()
    parts = (await desk.plan(order_id)).parts
    assert [part.state for part in parts] == ["credited", "paid", "paid"]
    assert [part.fail_reason for part in parts] == ["ACCOUNT_ABNORMAL", None, None]
    owed = [(await desk.balance(Book.COMMISSION, part.owner_id)).available for part in parts]
    assert owed == [parts[0].amount_fen, 0, 0]
    assert sum(part.planned_fen for part in parts) == 10_001 * 2700 // 10_000
    assert len(await desk.splits_at_wechat()) == 2
    assert await desk.is_closed(order_id)


async def test_F033_what_passes_is_tried_again_under_a_new_number(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(900, receiver_id=leader, **NOW)
    for code in ("PAYER_ACCOUNT_ABNORMAL", "NO_RELATION"):
        await desk.person.order_fault("share_closed", mchid=desk.keys["mchid"], code=code)
    order_id = await desk.order()
    await desk.work_on(70, rounds=3)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.booked_fen, part.fail_reason) == (
        "planned", 900, "PAYER_ACCOUNT_ABNORMAL",
    )  # fmt: skip
    await desk.work_on(600)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("planned", "NO_RELATION")
    await desk.work_on(3_700)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.sent_fen, part.fail_reason) == ("paid", 900, None)
    numbers = [one.number for one in (await desk.plan(order_id)).requests if one.kind == "split"]
    assert len(set(numbers)) == 3
    assert len(await desk.splits_at_wechat()) == 1


async def test_F033_after_three_tries_it_stays_owed(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(900, receiver_id=leader, **NOW)
    await desk.person.order_fault(
        "share_closed", mchid=desk.keys["mchid"], code="PAYER_ACCOUNT_ABNORMAL", times=4
    )
    order_id = await desk.order()
    for wait in (70, 600, 3_700, 90_000):
        await desk.work_on(wait)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.booked_fen) == ("credited", 900)
    assert (await desk.balance(Book.COMMISSION, part.owner_id)).available == 900
    assert await desk.splits_at_wechat() == []


async def test_F033_a_part_tried_again_is_cut_by_a_refund_meanwhile(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    await desk.person.order_fault(
        "share_closed", mchid=desk.keys["mchid"], code="PAYER_ACCOUNT_ABNORMAL"
    )
    order_id = await desk.order()
    await desk.work_on(70, rounds=3)
    _, waits = await desk.give_back(order_id, 5_000)
    assert not waits
    assert await desk.parts(order_id) == [("planned", 500, 0)]
    await desk.work_on(700)
    assert await desk.parts(order_id) == [("paid", 500, 500)]


# -- F034: lost answers, early calls -------------------------------------------------------------


async def test_F034_an_answer_that_never_came_is_asked_for_under_the_same_number(
    desk: Desk,
) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    await desk.fault("timeout_after_work", "sharing.split", seconds=2, times=3)
    await desk.fault("timeout_after_work", "sharing.unfreeze", seconds=2, times=3)
    order_id = await desk.order()
    for _ in range(6):
        await desk.work_on(60)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]
    assert len(await desk.splits_at_wechat()) == 1
    numbers = [one.number for one in (await desk.plan(order_id)).requests]
    assert len(numbers) == 2
    assert await desk.is_closed(order_id)


async def test_F034_wechat_still_settling_is_asked_again_under_the_same_number(
    desk: Desk,
) -> None:
    """Our clock runs ahead of WeChat's: the minute has not passed there."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.person.call("PATCH", "/settings", {"clock_skew_seconds": -60})
    await desk.work_on(70, rounds=1)
    [request] = (await desk.plan(order_id)).requests
    assert (request.state, request.error) == ("created", "INVALID_REQUEST")
    await desk.person.call("PATCH", "/settings", {"clock_skew_seconds": 0})
    await desk.work_on(60)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]
    assert len([one for one in (await desk.plan(order_id)).requests if one.kind == "split"]) == 1


# -- F035: limits --------------------------------------------------------------------------------


async def test_F035_rules_beyond_the_ratio_are_not_taken(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(2000, receiver_id=leader)
    await desk.rule(900, scope=Scope.PROMOTER, level=1)
    with pytest.raises(RatioTooHigh) as high:
        await desk.rule(101, scope=Scope.PRODUCT, product_id=TEA, receiver_id=leader)
    assert high.value.details == {"sum_bps": 3_001, "max_bps": 3_000}
    await desk.rule(100, scope=Scope.PRODUCT, product_id=TEA, receiver_id=leader)
    await desk.rule(100, scope=Scope.PRODUCT, product_id=new_id(), receiver_id=leader)
    with pytest.raises(RatioTooHigh):
        await desk.settings(max_ratio_bps=2999)
    await desk.rule(6_940, scope=Scope.PROMOTER, level=2, way=Way.BALANCE)
    other = await desk.merchant("乙")
    with pytest.raises(RatioTooHigh):
        await desk.rule(1, receiver_id=other, way=Way.BALANCE)


async def test_F035_the_contract_was_lowered_after_the_order(desk: Desk) -> None:
    """The plan is as it was; at run time it is refused, a person decides, nothing is lost."""
    leader = await desk.merchant()
    rule = await desk.rule(3000, receiver_id=leader, **NOW)
    order_ids = [await desk.order(), await desk.order()]
    async with transaction(desk.shop_id) as tx:
        await sharing.stop_rule(tx, System(), rule.rule_id)
    await desk.settings(max_ratio_bps=2000)
    await desk.work_on()
    for order_id in order_ids:
        assert await desk.parts(order_id) == [("refused", 3_000, 0)]
        assert (await desk.row(order_id)).alarm is Alarm.OVER_RATIO
        assert (await desk.plan(order_id)).requests == []
    assert await desk.splits_at_wechat() == []
    await desk.settings(max_ratio_bps=3000)
    for order_id, split in zip(order_ids, (True, False), strict=True):
        async with transaction(desk.shop_id) as tx:
            await sharing.decide_refused(tx, System(), order_id, split=split)
    await desk.work_on()
    assert await desk.parts(order_ids[0]) == [("paid", 3_000, 3_000)]
    assert await desk.parts(order_ids[1]) == [("credited", 3_000, 0)]


async def test_F035_wechats_own_limit_is_lower_than_ours(desk: Desk) -> None:
    await desk.settings(max_ratio_bps=5000)
    leader = await desk.merchant()
    await desk.rule(4000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("refused", "RULE_LIMIT")
    assert (await desk.row(order_id)).alarm is Alarm.OVER_RATIO
    [request] = (await desk.plan(order_id)).requests
    assert request.state == "refused"
    held = await desk.balance(Book.COMMISSION, part.owner_id)
    assert (held.posted, held.held) == (4_000, 0)
    # A refund cuts a refused part in the books as well, and drops it when nothing is left.
    await desk.give_back(order_id, 5_000)
    assert (await desk.balance(Book.COMMISSION, part.owner_id)).posted == 2_000
    await desk.give_back(order_id, 5_000)
    assert await desk.parts(order_id) == [("dropped", 0, 0)]
    await desk.work_on()
    assert await desk.books(order_id) == {}


async def test_F035_more_than_is_left_after_the_fee_is_refused(desk: Desk) -> None:
    await desk.person.call("PATCH", "/settings", {"share_cap_bps": 10000})
    await desk.settings(max_ratio_bps=9940)
    leader = await desk.merchant()
    await desk.rule(9940, receiver_id=leader, **NOW)
    order_id = await desk.order(690)
    assert await desk.parts(order_id) == [("planned", 685, 0)]
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 685, 685)], "6.90 leaves 6.86"
    assert await desk.is_closed(order_id)


async def test_F035_frozen_money_promised_to_a_refund_is_not_split(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the books ever hold less than a part needs, it is owed instead."""
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()

    async def little(*_: object) -> int:
        return 2_999

    with monkeypatch.context() as patch:
        patch.setattr(refunding, "unpromised_fen", little)
        await desk.work_on(70, rounds=1)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("credited", "NOT_ENOUGH")


# -- F036 ------------------------------------------------------------------------------------------


async def test_F036_wechat_unreachable_at_the_end_of_the_freeze_is_asked_again(
    desk: Desk,
) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    await desk.fault("system_error", "sharing.query", times=3)
    await desk.work_on(30 * 86400 + 1, rounds=1)
    assert (await desk.row(order_id)).is_frozen
    await desk.work_on(3_700)
    assert not (await desk.row(order_id)).is_frozen
    assert await desk.books(order_id) == {"wechat": 10_000, "sales": -10_000}


async def test_F036_refused_parts_are_owed_when_the_freeze_is_over(desk: Desk) -> None:
    leader = await desk.merchant()
    rule = await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    async with transaction(desk.shop_id) as tx:
        await sharing.stop_rule(tx, System(), rule.rule_id)
    await desk.settings(max_ratio_bps=2000)
    await desk.work_on()
    await desk.work_on(31 * 86400)
    assert await desk.parts(order_id) == [("credited", 3_000, 0)]
    assert await desk.is_closed(order_id)


async def test_F036_wechat_freezes_longer_than_we_thought(desk: Desk) -> None:
    """收付通 keeps money 180 days; here our setting is the short one."""
    await desk.settings(freeze_days=2, alarm_days=1)
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    await desk.work_on(2 * 86400 + 1)
    assert (await desk.row(order_id)).is_frozen, "WeChat says that it still is"
    await desk.work_on(29 * 86400)
    assert not (await desk.row(order_id)).is_frozen


# -- F040 ------------------------------------------------------------------------------------------


async def test_F040_no_third_level_no_circle_nobody_above_themselves(desk: Desk) -> None:
    first = await desk.promoter()
    second = await desk.promoter(first)
    third, _ = await desk.member()
    for member_id, parent in ((third, second), (first, second), (first, first), (third, third)):
        with pytest.raises(PromoterRefused):
            async with transaction(desk.shop_id) as tx:
                await sharing.set_promoter(tx, System(), member_id, parent)


@pytest.mark.parametrize("case", ["deep", "circle", "self"])
async def test_F040_the_database_itself_refuses(desk: Desk, case: str) -> None:
    """Whoever writes, and however: a parent is of level 1, and level 1 has no parent."""
    first = await desk.promoter()
    second = await desk.promoter(first)
    third = new_id()
    statements = {
        "deep": ("insert", third, second),
        "circle": ("update", first, second),
        "self": ("update", first, first),
    }
    kind, member_id, parent = statements[case]
    sql = {
        "insert": """insert into profit_sharing.promoters
                       (shop_id, member_id, level, parent_id, created_at)
                     values ($1, $2, 2, $3, now())""",
        "update": """update profit_sharing.promoters set level = 2, parent_id = $3
                     where shop_id = $1 and member_id = $2""",
    }[kind]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with transaction(desk.shop_id) as tx:
            await tx.run(sql, desk.shop_id, member_id, parent)


async def test_F040_commission_goes_up_two_levels_and_stays_with_whom_it_was(desk: Desk) -> None:
    first = await desk.promoter()
    second = await desk.promoter(first)
    rival = await desk.promoter()
    for level in (1, 2):
        await desk.rule(1000, scope=Scope.PROMOTER, level=level, way=Way.BALANCE, **NOW)
    order_id = await desk.order(promoter=second)
    async with transaction(desk.shop_id) as tx:
        await sharing.set_promoter(tx, System(), second, rival)
    await desk.work_on()
    owners = [part.owner_id for part in (await desk.plan(order_id)).parts]
    assert sorted(owners) == sorted([first, second]), "the relation of the order's time"
    assert (await desk.balance(Book.COMMISSION, rival)).posted == 0
    # Nobody earns of their own orders, and who is no promoter earns nothing.
    own = await desk.order(promoter=second, buyer=second)
    assert [part.owner_id for part in (await desk.plan(own)).parts] == [rival]
    stranger, _ = await desk.member()
    nobody = await desk.order(promoter=stranger)
    async with transaction(desk.shop_id) as tx:
        assert not await sharing.prepare_refund(tx, nobody, new_id(), 1)
