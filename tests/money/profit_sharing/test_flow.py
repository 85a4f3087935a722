"""Shared orders from payment to the last fen, against WeChat's own books."""

from datetime import timedelta

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger.contracts import Book
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import (
    Alarm,
    NothingToDecide,
    PlanUnknown,
    ReceiverKind,
    ReceiverState,
    Scope,
    Trigger,
    Way,
)
from tests.money.profit_sharing.desk import CUP, TEA, Desk, desk, market, wechat_url

__all__ = ["desk", "market", "wechat_url"]


async def test_an_order_without_rules_is_paid_as_ever(desk: Desk) -> None:
    order_id = await desk.order(8_800)
    with pytest.raises(PlanUnknown):
        await desk.plan(order_id)
    assert await desk.books(order_id) == {"wechat": 8_800, "sales": -8_800}


async def test_the_leader_gets_80_percent_once_the_delivery_is_confirmed(desk: Desk) -> None:
    """Mission 52: frozen at WeChat until the leader has delivered, then 80 % to them."""
    await desk.person.call("PATCH", "/settings", {"share_cap_bps": 8000})
    await desk.settings(max_ratio_bps=8000)
    leader = await desk.merchant("团长小店")
    await desk.rule(8000, receiver_id=leader)
    order_id = await desk.order(9_999)
    assert await desk.books(order_id) == {"wechat_frozen": 9_999, "sales": -9_999}
    await desk.work_on(seconds=7 * 86400)
    assert await desk.parts(order_id) == [("planned", 7_999, 0)]

    await desk.complete(order_id)
    await desk.work_on(0)
    assert await desk.parts(order_id) == [("paid", 7_999, 7_999)]
    assert await desk.is_closed(order_id)
    assert await desk.books(order_id) == {
        "sales": -9_999, "commission_cost": 7_999, "wechat": 2_000,
    }  # fmt: skip
    [move] = await desk.splits_at_wechat()
    assert move["fen"] == 7_999
    detail = await desk.plan(order_id)
    assert [entry.event for entry in detail.timeline] == [
        "planned", "completed", "split_asked", "split_finished", "unfreeze_asked", "unfrozen",
    ]  # fmt: skip
    assert {one.kind: one.state for one in detail.requests} == {
        "split": "finished", "unfreeze": "finished",
    }  # fmt: skip
    assert len({one.number for one in detail.requests}) == 2
    assert detail.frozen_fen == 0
    await desk.complete(order_id)
    await desk.work_on(0)
    assert len(await desk.splits_at_wechat()) == 1


async def test_all_kinds_of_rules_at_once_to_the_fen(desk: Desk) -> None:
    factory, brand = await desk.merchant("茶厂"), await desk.merchant("品牌方")
    first = await desk.promoter()
    second = await desk.promoter(first)
    days = {"trigger": Trigger.DAYS, "after_days": 0}
    await desk.rule(1111, scope=Scope.PRODUCT, product_id=TEA, receiver_id=factory, **days)
    await desk.rule(333, scope=Scope.LEADER, receiver_id=brand, **days)
    await desk.rule(777, scope=Scope.PROMOTER, level=1, **days)
    await desk.rule(250, scope=Scope.PROMOTER, level=2, way=Way.BALANCE, **days)
    order_id = await desk.order(9_997, lines={TEA: 6_001, CUP: 3_996}, promoter=second)
    planned = await desk.parts(order_id)
    assert planned == [
        ("planned", 6_001 * 1111 // 10_000, 0),
        ("planned", 9_997 * 333 // 10_000, 0),
        ("planned", 9_997 * 777 // 10_000, 0),
        ("planned", 9_997 * 250 // 10_000, 0),
    ]
    await desk.work_on()
    assert [state for state, _, _ in await desk.parts(order_id)] == [
        "paid", "paid", "paid", "credited",
    ]  # fmt: skip
    [first_part, brand_part, second_part, parent_part] = (await desk.plan(order_id)).parts
    assert (second_part.owner_id, parent_part.owner_id) == (second, first)
    assert (await desk.balance(Book.COMMISSION, first)).available == parent_part.amount_fen
    assert (await desk.balance(Book.COMMISSION, second)).posted == 0
    moves = await desk.splits_at_wechat()
    sent = sorted(one.sent_fen for one in (first_part, brand_part, second_part))
    assert sorted(move["fen"] for move in moves) == sent
    detail = await desk.plan(order_id)
    assert [one.kind for one in detail.requests] == ["split", "unfreeze"], "one call for three"
    async with reading(desk.shop_id) as tx:
        seen = await sharing.get_commission(tx, first)
        entries = await sharing.list_commission_entries(tx, first, None, 10)
    assert (seen.balance_fen, seen.earned_fen, seen.expected_fen, seen.is_promoter) == (
        parent_part.amount_fen, parent_part.amount_fen, 0, True,
    )  # fmt: skip
    assert [(one.order_id, one.amount_fen) for one in entries] == [
        (order_id, parent_part.amount_fen)
    ]


async def test_frozen_money_that_nobody_earns_of_is_unfrozen(desk: Desk) -> None:
    """The rule was stopped between the payment's start and its arrival."""
    order_id = await desk.order(5_000, frozen=True)
    await desk.work_on(0, rounds=1)
    assert (await desk.row(order_id)).is_frozen, "not within the first minute (F034)"
    await desk.work_on()
    assert await desk.is_closed(order_id)
    assert await desk.books(order_id) == {"wechat": 5_000, "sales": -5_000}


async def test_a_part_that_was_not_frozen_goes_to_the_balance(desk: Desk) -> None:
    """The rule came into force while the customer was paying."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, trigger=Trigger.DAYS, after_days=0)
    order_id = await desk.order(5_000, frozen=False)
    await desk.work_on()
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason, part.booked_fen) == ("credited", "NOT_FROZEN", 500)
    assert (await desk.balance(Book.COMMISSION, part.owner_id)).available == 500
    assert await desk.is_closed(order_id)


async def test_what_a_balance_paid_is_not_split_but_counts_for_balances(desk: Desk) -> None:
    leader, promoter = await desk.merchant(), await desk.promoter()
    days = {"trigger": Trigger.DAYS, "after_days": 1}
    await desk.rule(1000, receiver_id=leader, **days)
    await desk.rule(500, scope=Scope.PROMOTER, level=1, way=Way.BALANCE, **days)
    order_id = await desk.order(10_000, paid_fen=4_000, promoter=promoter)
    assert await desk.parts(order_id) == [("planned", 400, 0), ("planned", 500, 0)]
    await desk.work_on(86400 + 60)
    assert await desk.parts(order_id) == [("paid", 400, 400), ("credited", 500, 0)]


async def test_a_second_call_names_the_receivers_that_fell_due_later(desk: Desk) -> None:
    one, other = await desk.merchant("甲"), await desk.merchant("乙")
    await desk.rule(500, receiver_id=one, trigger=Trigger.DAYS, after_days=0)
    await desk.rule(300, receiver_id=other, trigger=Trigger.DAYS, after_days=5)
    order_id = await desk.order(10_000)
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 500, 500), ("planned", 300, 0)]
    assert (await desk.row(order_id)).is_frozen
    await desk.work_on(5 * 86400)
    assert await desk.parts(order_id) == [("paid", 500, 500), ("paid", 300, 300)]
    kinds = [request.kind for request in (await desk.plan(order_id)).requests]
    assert kinds == ["split", "split", "unfreeze"]


async def test_one_receiver_of_two_rules_is_named_once(desk: Desk) -> None:
    both = await desk.merchant()
    days = {"trigger": Trigger.DAYS, "after_days": 0, "receiver_id": both}
    await desk.rule(500, **days)
    await desk.rule(700, scope=Scope.PRODUCT, product_id=TEA, **days)
    order_id = await desk.order(10_000)
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 500, 500), ("paid", 700, 700)]
    assert [move["fen"] for move in await desk.splits_at_wechat()] == [1_200]


async def test_F034_nothing_is_asked_within_the_first_minute(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, trigger=Trigger.DAYS, after_days=0)
    order_id = await desk.order()
    await desk.work_on(0, rounds=3)
    assert (await desk.plan(order_id)).requests == []
    await desk.work_on(30)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_F036_an_alarm_before_the_freeze_ends_and_the_rest_is_booked_after(
    desk: Desk,
) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    await desk.work_on(24 * 86400)
    assert (await desk.row(order_id)).alarm is None
    await desk.work_on(86400)
    assert (await desk.row(order_id)).alarm is Alarm.FREEZE_ENDS
    async with reading(desk.shop_id) as tx:
        listed = await sharing.list_plans(tx, state=None, only_alarms=True, after=None, limit=9)
    assert [one.order_id for one in listed] == [order_id]
    await desk.work_on(5 * 86400 + 60)
    plan = await desk.row(order_id)
    assert (plan.is_frozen, plan.alarm, plan.state) == (False, Alarm.FREEZE_OVER, "open")
    assert await desk.books(order_id) == {"wechat": 10_000, "sales": -10_000}
    await desk.complete(order_id)
    await desk.work_on(0)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("credited", "NOT_FROZEN")
    assert (await desk.balance(Book.COMMISSION, part.owner_id)).posted == 1_000
    async with transaction(desk.shop_id) as tx:
        await sharing.decide_refused(tx, System(), order_id, split=False)
    assert (await desk.row(order_id)).alarm is None
    with pytest.raises(NothingToDecide):
        async with transaction(desk.shop_id) as tx:
            await sharing.decide_refused(tx, System(), order_id, split=False)
    with pytest.raises(PlanUnknown):
        async with transaction(desk.shop_id) as tx:
            await sharing.decide_refused(tx, System(), new_id(), split=False)


async def test_the_alarm_goes_when_the_order_is_shared_in_time_after_all(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    await desk.work_on(26 * 86400)
    assert (await desk.row(order_id)).alarm is Alarm.FREEZE_ENDS
    await desk.complete(order_id)
    await desk.work_on(0)
    plan = await desk.row(order_id)
    assert (plan.state, plan.alarm) == ("closed", None)


async def test_a_receiver_that_comes_late_is_waited_for(desk: Desk) -> None:
    promoter = await desk.promoter()
    await desk.rule(500, scope=Scope.PROMOTER, level=1, trigger=Trigger.DAYS, after_days=0)
    await desk.fault("system_error", "sharing.receiver", times=3)
    order_id = await desk.order(promoter=promoter)
    async with reading(desk.shop_id) as tx:
        [receiver] = await sharing.list_receivers(tx)
    assert (receiver.state, receiver.owner_id) == (ReceiverState.ADDING, promoter)
    await desk.work_on(70, rounds=2)
    assert (await desk.plan(order_id)).requests == []
    await desk.work_on(300)
    assert await desk.parts(order_id) == [("paid", 500, 500)]


async def test_a_receiver_that_wechat_refuses_leaves_the_part_in_the_balance(desk: Desk) -> None:
    """Its name is not the one WeChat knows: the money is still owed."""
    wrong = await desk.person.call("POST", "/merchants", {"name": "真名"})
    receiver_id = await desk.receiver(
        kind=ReceiverKind.MERCHANT, account=wrong["mchid"], name="假名", tell=False
    )
    await desk.rule(500, receiver_id=receiver_id, trigger=Trigger.DAYS, after_days=0)
    assert await sharing.tell_wechat(desk.shop_id, receiver_id) is ReceiverState.REFUSED
    order_id = await desk.order()
    await desk.work_on()
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("credited", "RECEIVER_REFUSED")
    async with transaction(desk.shop_id) as tx:
        await sharing.try_again(tx, System(), receiver_id, "真名")
    assert await sharing.tell_wechat(desk.shop_id, receiver_id) is ReceiverState.ACTIVE


async def test_a_plan_is_made_once(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    await desk.complete(order_id)
    assert await desk.parts(order_id) == [("planned", 1_000, 0)]
    assert clock.now() - (await desk.row(order_id)).paid_at < timedelta(minutes=1)
