"""F096: whoever buys by their own link with a second account gets no commission unseen."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.commerce.ordering.contracts import OrderPaid, SoldLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import new_id
from siyu.money.ledger.contracts import Book
from siyu.money.profit_sharing import invariants, rules
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import (
    Alarm,
    NothingToDecide,
    PlanUnknown,
    ReasonNeeded,
    ReceiverInUse,
    Scope,
    Tie,
    Trigger,
    Way,
)
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText
from tests.money.profit_sharing.desk import TEA, Desk, desk, market, wechat_url
from tests.races.test_payment_races import at_once

__all__ = ["desk", "market", "wechat_url"]

NOW = {"trigger": Trigger.DAYS, "after_days": 0}
HOME = AddressText(
    receiver="李推广",
    phone="+8613900000001",
    province="福建省",
    city="泉州市",
    district="安溪县",
    detail="龙涓乡茶叶街 18 号",
)


async def two(desk: Desk, **change: Any) -> tuple[UUID, UUID]:
    """A promoter who earns 10 % at once, and a customer: (promoter, buyer)."""
    how = {"way": Way.BALANCE, **NOW, **change}
    await desk.rule(1000, scope=Scope.PROMOTER, level=1, **how)
    promoter = await desk.promoter()
    buyer, _ = await desk.member("陈顾客")
    return promoter, buyer


async def use(desk: Desk, device: UUID, *member_ids: UUID) -> None:
    async with transaction(desk.shop_id) as tx:
        for member_id in member_ids:
            await sharing.note_device(tx, member_id, device)


async def held_order(desk: Desk, promoter: UUID, buyer: UUID, **change: Any) -> UUID:
    """An order that is held, for both use one phone."""
    await use(desk, new_id(), promoter, buyer)
    order_id = await desk.order(promoter=promoter, buyer=buyer, **change)
    await desk.work_on()
    return order_id


async def review(desk: Desk, order_id: UUID, part_no: int = 1, reason: str | None = None) -> None:
    """Release it; with a reason, deny it."""
    async with transaction(desk.shop_id) as tx:
        await sharing.review_held(
            tx, System(), order_id, part_no, release=reason is None, reason=reason
        )


async def alarm(desk: Desk, order_id: UUID) -> Alarm | None:
    return (await desk.row(order_id)).alarm


async def merge(desk: Desk, one: UUID, other: UUID) -> None:
    async with transaction(desk.shop_id) as tx:
        merge_id = await members.propose_merge(tx, System(), one, other)
        await members.decide_merge(tx, System(), merge_id, True, None)


async def have_one_phone(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    """The number was taken from another record by hand, so nothing merged them."""
    async with transaction(desk.shop_id) as tx:
        await members.give_phone(tx, promoter, "13900000001")
        await tx.run(
            """update members.members m set phone_sealed = p.phone_sealed, phone_key = p.phone_key
               from members.members p where m.shop_id = $1 and m.member_id = $2
                 and p.shop_id = $1 and p.member_id = $3""",
            *(tx.shop_id, buyer, promoter),
        )
    return {}


async def name_the_promoters_phone(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    async with transaction(desk.shop_id) as tx:
        await members.give_phone(tx, promoter, "139 0000 0001")
    return {"phone": "13900000001"}


async def send_it_to_the_promoter(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    async with transaction(desk.shop_id) as tx:
        await members.add_address(tx, promoter, HOME, True)
    other_hand = {"receiver": "陈小姐", "phone": "+8613700000009", "detail": "龙涓乡 茶叶街１８号"}
    return {"sent_to": AddressText(**{**_fields(HOME), **other_hand})}


async def use_one_phone(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    await use(desk, new_id(), promoter, buyer)
    return {}


async def be_one_person(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    await merge(desk, promoter, buyer)
    return {}


async def pay_with_the_promoters_wechat(desk: Desk, promoter: UUID, buyer: UUID) -> dict[str, Any]:
    """The payer of the desk's orders turns out to be the promoter's account."""
    async with transaction(desk.shop_id) as tx:
        await tx.run(
            """insert into members.logins (shop_id, app_id, subject, member_id, created_at)
               values ($1, $2, $3, $4, $5)""",
            *(tx.shop_id, desk.keys["appid"], desk.openid, promoter, clock.now()),
        )
    return {}


def _fields(text: AddressText) -> dict[str, str]:
    return {name: getattr(text, name) for name in text.__struct_fields__}


TIES = {
    Tie.SAME_PERSON: be_one_person,
    Tie.SAME_PAYER: pay_with_the_promoters_wechat,
    Tie.SAME_PHONE: have_one_phone,
    Tie.SAME_DEVICE: use_one_phone,
    Tie.SAME_ADDRESS: send_it_to_the_promoter,
}


# -- what is held, and what is not ---------------------------------------------------------------


@pytest.mark.parametrize("tie", [None, *TIES])
async def test_F096_commission_of_ones_own_purchase_is_held_and_the_leaders_flows(
    desk: Desk, tie: Tie | None
) -> None:
    leader = await desk.merchant()
    await desk.rule(2000, receiver_id=leader, **NOW)
    promoter, buyer = await two(desk)
    told = await TIES[tie](desk, promoter, buyer) if tie else {}
    order_id = await desk.order(promoter=promoter, buyer=buyer, **told)
    await desk.work_on()
    leaders, promoters = (await desk.plan(order_id)).parts
    assert (leaders.state, leaders.sent_fen) == ("paid", 2_000)
    if tie is None:
        assert (promoters.state, promoters.evidence) == ("credited", [])
        assert (await desk.balance(Book.COMMISSION, promoter)).available == 1_000
        assert await desk.is_closed(order_id)
        return
    assert (promoters.state, promoters.evidence) == ("held", [tie])
    assert (promoters.amount_fen, promoters.booked_fen) == (1_000, 0)
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 0
    assert await alarm(desk, order_id) is Alarm.HELD
    assert not await desk.is_closed(order_id)
    assert await desk.books(order_id) == {
        "sales": -10_000, "commission_cost": 2_000, "wechat": 8_000,
    }, "what waits for a balance freezes nothing"  # fmt: skip
    [told_by] = [e for e in (await desk.plan(order_id)).timeline if e.event == "held"]
    assert told_by.detail == {"part_no": 2, "evidence": [tie]}
    await desk.work_on(86_400)
    assert (await desk.parts(order_id))[1] == ("held", 1_000, 0), "nobody has decided"


async def test_F096_with_the_guard_off_the_commission_flows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoter, buyer = await two(desk)
    monkeypatch.setattr(rules, "ties", lambda *_, **__: [])
    order_id = await held_order(desk, promoter, buyer)
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]


async def test_F096_the_phone_on_the_parcel_is_the_promoters(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    told = await name_the_promoters_phone(desk, promoter, buyer)
    order_id = await desk.order(promoter=promoter, buyer=buyer, **told)
    await desk.work_on()
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.evidence) == ("held", [Tie.SAME_PHONE])


async def test_F096_what_is_known_only_later_counts_until_the_part_falls_due(desk: Desk) -> None:
    promoter, buyer = await two(desk, trigger=Trigger.RECEIPT, after_days=None)
    late, too_late = [await desk.order(promoter=promoter, buyer=buyer) for _ in range(2)]
    await desk.work_on()
    await desk.complete(too_late)
    await desk.work_on(0)
    await use_one_phone(desk, promoter, buyer)
    await desk.complete(late)
    await desk.work_on(0)
    assert await desk.parts(late) == [("held", 1_000, 0)]
    assert await desk.parts(too_late) == [("credited", 1_000, 0)], "paid is paid"
    assert await alarm(desk, too_late) is None


async def test_F096_the_tablet_of_a_counter_ties_nobody(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    others = [(await desk.member())[0] for _ in range(rules.DEVICE_MEMBERS_MAX - 1)]
    await use(desk, new_id(), promoter, buyer, *others)
    order_id = await desk.order(promoter=promoter, buyer=buyer)
    await desk.work_on()
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]
    await use(desk, new_id(), promoter, buyer, *others[:-1])
    order_id = await desk.order(promoter=promoter, buyer=buyer)
    await desk.work_on()
    assert await desk.parts(order_id) == [("held", 1_000, 0)]


async def test_F096_who_openly_buys_for_themselves_earns_nothing_as_ever(desk: Desk) -> None:
    """The shop's rule forbids it: there is no part to hold, and nobody is bothered (F040)."""
    promoter, _ = await two(desk)
    order_id = await desk.order(promoter=promoter, buyer=promoter)
    with pytest.raises(PlanUnknown):
        await desk.plan(order_id)


async def test_F096_the_one_above_is_judged_by_their_own_ties(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    await desk.rule(500, scope=Scope.PROMOTER, level=2, way=Way.BALANCE, **NOW)
    below, _ = await desk.member("王下级")
    async with transaction(desk.shop_id) as tx:
        await sharing.set_promoter(tx, System(), below, promoter)
    order_id = await held_order(desk, promoter, buyer)
    second = await desk.order(promoter=below, buyer=buyer)
    await desk.work_on()
    assert await desk.parts(order_id) == [("held", 1_000, 0)]
    assert await desk.parts(second) == [("credited", 1_000, 0), ("held", 500, 0)]


async def test_F096_orders_without_a_buyer_or_of_people_who_are_gone_flow(desk: Desk) -> None:
    """Orders of old releases tell no buyer."""
    promoter, _ = await two(desk)
    gone = await desk.order(promoter=promoter, buyer=new_id())
    old = await desk.order(promoter=promoter)
    await desk.work_on()
    for order_id in (gone, old):
        assert await desk.parts(order_id) == [("credited", 1_000, 0)]


async def test_F096_an_order_that_the_balance_paid_is_judged_too(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    await use_one_phone(desk, promoter, buyer)
    event = OrderPaid(
        order_id=new_id(),
        order_no="1",
        person_no=7,
        amount_fen=10_000,
        lines=[SoldLine(new_id(), TEA, 1, 1, 10_000)],
        first_order=True,
        paid_at=clock.now(),
        member_id=buyer,
        promoter_id=promoter,
    )
    async with transaction(desk.shop_id) as tx:
        await sharing.note_buyer(
            tx, event.order_id, promoter, buyer, phone_key=None, address_key=None
        )
        await sharing.plan_order(tx, event)
    await desk.work_on()
    assert await desk.parts(event.order_id) == [("held", 1_000, 0)]


async def test_F096_what_was_owed_already_stays_owed(desk: Desk) -> None:
    """A split that failed is tried again; meanwhile its commission stands in the balance."""
    promoter, buyer = await two(desk, way=Way.SPLIT)
    await desk.person.order_fault(
        "share_closed", mchid=desk.keys["mchid"], code="PAYER_ACCOUNT_ABNORMAL"
    )
    order_id = await desk.order(promoter=promoter, buyer=buyer)
    await desk.work_on(70, rounds=3)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.booked_fen) == ("planned", 1_000)
    await use_one_phone(desk, promoter, buyer)
    await desk.work_on(700)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_F096_a_member_keeps_no_more_than_20_devices(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    devices = [new_id() for _ in range(21)]
    for device in devices:
        await use(desk, device, promoter)
    await use(desk, devices[-1], buyer)
    order_id = await desk.order(promoter=promoter, buyer=buyer)
    await desk.work_on()
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]
    await use(desk, devices[0], promoter, buyer)
    async with reading(desk.shop_id) as tx:
        kept = await tx.value(
            "select count(*) from profit_sharing.devices where shop_id = $1 and member_id = $2",
            *(tx.shop_id, promoter),
        )
    assert kept == 20


async def test_F096_a_receiver_whose_record_is_gone_is_tied_to_nobody(desk: Desk) -> None:
    _, buyer = await two(desk)
    gone = new_id()
    async with transaction(desk.shop_id) as tx:
        await tx.run(
            """insert into profit_sharing.promoters (shop_id, member_id, level, created_at)
               values ($1, $2, 1, $3)""",
            *(tx.shop_id, gone, clock.now()),
        )
    await use(desk, new_id(), gone, buyer)
    order_id = await desk.order(promoter=gone, buyer=buyer)
    await desk.work_on()
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]


# -- the decision --------------------------------------------------------------------------------


async def test_F096_released_it_flows_and_is_not_held_again(desk: Desk) -> None:
    promoter, buyer = await two(desk, way=Way.SPLIT)
    order_id = await held_order(desk, promoter, buyer)
    assert await desk.books(order_id) == {"wechat_frozen": 10_000, "sales": -10_000}
    await review(desk, order_id)
    assert await alarm(desk, order_id) is None
    await desk.work_on(0)
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.sent_fen, part.evidence) == ("paid", 1_000, [Tie.SAME_DEVICE])
    assert part.reviewed_at is not None and part.review_note is None
    assert await desk.is_closed(order_id)
    assert await desk.books(order_id) == {
        "sales": -10_000, "commission_cost": 1_000, "wechat": 9_000,
    }  # fmt: skip


async def test_F096_denied_nothing_is_owed_and_the_frozen_money_is_the_shops(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(2000, receiver_id=leader, **NOW)
    promoter, buyer = await two(desk, way=Way.SPLIT)
    order_id = await held_order(desk, promoter, buyer)
    assert await desk.parts(order_id) == [("paid", 2_000, 2_000), ("held", 1_000, 0)]
    assert (await desk.plan(order_id)).frozen_fen == 8_000
    await review(desk, order_id, 2, "同一部手机下单")
    await desk.work_on(0)
    part = (await desk.plan(order_id)).parts[1]
    assert (part.state, part.amount_fen, part.planned_fen) == ("denied", 0, 1_000)
    assert part.review_note == "同一部手机下单"
    assert await desk.is_closed(order_id)
    assert await desk.books(order_id) == {
        "sales": -10_000, "commission_cost": 2_000, "wechat": 8_000,
    }  # fmt: skip
    assert len(await desk.splits_at_wechat()) == 1
    async with reading(desk.shop_id) as tx:
        trail = await tx.connection.fetch(
            "select detail from kernel.audit where action = 'profit_sharing.part_denied'"
            " and shop_id = $1",
            tx.shop_id,
        )
    assert [row["detail"] for row in trail] == [
        {
            "before": {"part_no": 2, "amount_fen": 1_000, "evidence": ["SAME_DEVICE"]},
            "after": {"reason": "同一部手机下单"},
        }
    ]


async def test_F096_only_a_held_part_is_decided_and_only_once(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    order_id = await held_order(desk, promoter, buyer)
    with pytest.raises(ReasonNeeded):
        await review(desk, order_id, reason="  ")
    with pytest.raises(PlanUnknown):
        await review(desk, new_id())
    with pytest.raises(NothingToDecide):
        await review(desk, order_id, part_no=2)
    with pytest.raises(NothingToDecide):  # the other desk decides about refused parts only
        async with transaction(desk.shop_id) as tx:
            await sharing.decide_refused(tx, System(), order_id, split=False)
    assert await desk.parts(order_id) == [("held", 1_000, 0)]
    await review(desk, order_id)
    for reason in (None, "再想想"):
        with pytest.raises(NothingToDecide):
            await review(desk, order_id, reason=reason)
    await desk.work_on(0)
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]


async def test_F096_decisions_the_worker_and_a_refund_at_once(desk: Desk) -> None:
    """Whoever comes first under the plan's lock decides; the books are right either way."""
    promoter, buyer = await two(desk, way=Way.SPLIT)
    for _ in range(4):
        order_id = await held_order(desk, promoter, buyer)
        refund_id = new_id()

        async def lower(order_id: UUID = order_id, refund_id: UUID = refund_id) -> None:
            async with transaction(desk.shop_id) as tx:
                await sharing.prepare_refund(tx, order_id, refund_id, 5_000)

        done = await at_once([
            *[lambda order_id=order_id: review(desk, order_id)] * 4,
            *[lambda order_id=order_id: review(desk, order_id, reason="不予发放")] * 4,
            *[lambda order_id=order_id: sharing.advance(desk.shop_id, order_id)] * 4,
            lower,
        ])  # fmt: skip
        failed = [one for one in done if isinstance(one, BaseException)]
        assert all(isinstance(one, SiyuError) for one in failed), failed
        assert sum(isinstance(one, NothingToDecide) for one in failed) == 7, "one decision"
        async with transaction(desk.shop_id) as tx:
            await sharing.give_up_refund(tx, order_id, refund_id)
        await desk.work_on(60)
        [part] = (await desk.plan(order_id)).parts
        if part.reviewed_at is not None and part.review_note is None:
            assert (part.state, part.amount_fen) in [("paid", 1_000), ("credited", 1_000)]
        else:
            assert (part.state, part.amount_fen) == ("denied", 0)
        assert await desk.is_closed(order_id)


# -- beside other trouble ------------------------------------------------------------------------


async def test_F096_refunds_lower_a_held_part_and_a_full_one_ends_it(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    order_id = await held_order(desk, promoter, buyer)
    await desk.give_back(order_id, 4_000)
    await desk.work_on()
    assert await desk.parts(order_id) == [("held", 600, 0)]
    refund_id = new_id()
    async with transaction(desk.shop_id) as tx:
        await sharing.prepare_refund(tx, order_id, refund_id, 6_000)
    await desk.work_on(0, rounds=2)
    assert await desk.parts(order_id) == [("dropped", 0, 0)]
    assert await alarm(desk, order_id) is None
    assert await desk.is_closed(order_id)
    async with transaction(desk.shop_id) as tx:
        await sharing.give_up_refund(tx, order_id, refund_id)
    await desk.work_on(0, rounds=2)
    assert await desk.parts(order_id) == [("held", 600, 0)], "it was never released"
    assert await alarm(desk, order_id) is Alarm.HELD
    await review(desk, order_id)
    async with transaction(desk.shop_id) as tx:
        await sharing.prepare_refund(tx, order_id, again := new_id(), 6_000)
    assert await desk.parts(order_id) == [("dropped", 0, 0)]
    async with transaction(desk.shop_id) as tx:
        await sharing.give_up_refund(tx, order_id, again)
    await desk.work_on(0, rounds=2)
    assert await desk.parts(order_id) == [("credited", 600, 0)], "released is released"


async def test_F096_a_denied_part_stays_at_nothing_whatever_is_refunded(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    order_id = await held_order(desk, promoter, buyer)
    await review(desk, order_id, reason="自买自推")
    refund_id = new_id()
    async with transaction(desk.shop_id) as tx:
        await sharing.prepare_refund(tx, order_id, refund_id, 5_000)
    async with transaction(desk.shop_id) as tx:
        await sharing.give_up_refund(tx, order_id, refund_id)
    await desk.work_on()
    assert await desk.parts(order_id) == [("denied", 0, 0)]
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 0


async def test_F096_the_end_of_the_freeze_is_told_and_pays_nothing(desk: Desk) -> None:
    promoter, buyer = await two(desk, way=Way.SPLIT)
    order_id = await held_order(desk, promoter, buyer)
    assert await alarm(desk, order_id) is Alarm.HELD
    await desk.work_on(25 * 86_400, rounds=2)
    assert await alarm(desk, order_id) is Alarm.FREEZE_ENDS, "there is a term now (F036)"
    await desk.work_on(5 * 86_400, rounds=3)
    assert await alarm(desk, order_id) is Alarm.FREEZE_OVER
    assert await desk.parts(order_id) == [("held", 1_000, 0)]
    assert await desk.books(order_id) == {"wechat": 10_000, "sales": -10_000}
    async with transaction(desk.shop_id) as tx:
        await sharing.decide_refused(tx, System(), order_id, split=True)
    assert await alarm(desk, order_id) is Alarm.HELD, "still to be decided"
    assert await desk.parts(order_id) == [("held", 1_000, 0)]
    await review(desk, order_id)
    await desk.work_on(0)
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]
    assert await desk.is_closed(order_id)


async def test_F096_the_freeze_alarm_of_a_held_part_ends_with_the_decision(desk: Desk) -> None:
    promoter, buyer = await two(desk, way=Way.SPLIT)
    order_id = await held_order(desk, promoter, buyer)
    await desk.work_on(25 * 86_400, rounds=2)
    await review(desk, order_id, reason="自买自推")
    assert await alarm(desk, order_id) is Alarm.FREEZE_ENDS
    await desk.work_on(0)
    assert await alarm(desk, order_id) is None
    assert await desk.is_closed(order_id)


async def test_F096_a_refused_part_and_a_held_one_are_decided_apart(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    promoter, buyer = await two(desk)
    await use_one_phone(desk, promoter, buyer)
    order_id = await desk.order(promoter=promoter, buyer=buyer)
    async with transaction(desk.shop_id) as tx:
        await tx.run(
            "update profit_sharing.rules set is_active = false where shop_id = $1", tx.shop_id
        )
    await desk.settings(max_ratio_bps=2000)
    await desk.work_on()
    assert [state for state, _, _ in await desk.parts(order_id)] == ["refused", "held"]
    assert await alarm(desk, order_id) is Alarm.OVER_RATIO
    await review(desk, order_id, 2, "自买自推")
    assert await alarm(desk, order_id) is Alarm.OVER_RATIO
    async with transaction(desk.shop_id) as tx:
        await sharing.decide_refused(tx, System(), order_id, split=False)
    await desk.work_on()
    assert [state for state, _, _ in await desk.parts(order_id)] == ["credited", "denied"]
    assert await alarm(desk, order_id) is None


async def test_F096_a_receiver_of_a_held_part_cannot_be_removed(desk: Desk) -> None:
    promoter, buyer = await two(desk, way=Way.SPLIT)
    order_id = await held_order(desk, promoter, buyer)
    [part] = (await desk.plan(order_id)).parts
    assert part.receiver_id is not None
    with pytest.raises(ReceiverInUse):
        async with transaction(desk.shop_id) as tx:
            await sharing.remove_receiver(tx, System(), part.receiver_id)


# -- what would notice ---------------------------------------------------------------------------

_PAYS = {
    "held_until_reviewed": "state = 'credited'",
    "held_by_evidence": "evidence = '{}'",
    "denied_owes_nothing": "state = 'denied', reviewed_at = now()",
}


@pytest.mark.parametrize("constraint", _PAYS)
async def test_F096_the_table_itself_refuses_to_pay_a_held_part(
    desk: Desk, constraint: str
) -> None:
    promoter, buyer = await two(desk)
    order_id = await held_order(desk, promoter, buyer)
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        async with transaction(desk.shop_id) as tx:
            await tx.connection.execute(
                f"update profit_sharing.parts set {_PAYS[constraint]} where order_id = $1",
                order_id,
            )


async def test_F096_an_invariant_notices_commission_booked_for_a_held_part(desk: Desk) -> None:
    promoter, buyer = await two(desk)
    order_id = await held_order(desk, promoter, buyer)
    truth = "a part that was held has nothing in the books before somebody has decided"
    with pytest.raises(asyncio.CancelledError):
        async with transaction(desk.shop_id) as tx:
            assert await tx.connection.fetch(invariants.INVARIANTS[truth]) == []
            await tx.connection.execute(
                """with entry as (
                     insert into ledger.entries (shop_id, entry_id, key, kind, leg_count, order_id,
                       note, happened_at)
                     values ($1, $2, 'commission:' || $3::uuid || ':1:1', 'commission_accrued', 2,
                       $3, '', now()) returning entry_id)
                   insert into ledger.legs (shop_id, entry_id, leg_no, book, owner, asset, units)
                   select $1, entry_id, no, book, owner, 'CNY', units from entry, (values
                     (1::smallint, 'commission_cost', $5::uuid, 1000::bigint),
                     (2::smallint, 'commission', $4::uuid, -1000::bigint)
                   ) t (no, book, owner, units)""",
                *(tx.shop_id, new_id(), order_id, promoter, UUID(int=0)),
            )
            assert await tx.connection.fetch(invariants.INVARIANTS[truth])
            raise asyncio.CancelledError  # nothing of it is kept


async def test_F096_traces_hold_hashes_only(desk: Desk) -> None:
    """Neither the number nor the address nor the device's key stands anywhere in the tables."""
    promoter, buyer = await two(desk)
    device = new_id()
    await use(desk, device, promoter, buyer)
    order_id = await desk.order(promoter=promoter, buyer=buyer, phone="13900000001", sent_to=HOME)
    clock.advance(timedelta(minutes=2))
    await desk.work_on()
    async with reading(desk.shop_id) as tx:
        rows = [
            str(row)
            for table in ("buyers", "devices", "parts", "timeline")
            for row in await tx.connection.fetch(
                f"select t::text from profit_sharing.{table} t where shop_id = $1", tx.shop_id
            )
        ]
    assert any(str(order_id) in row for row in rows)
    for secret in ("13900000001", "茶叶街", str(device), device.hex):
        assert not [row for row in rows if secret in row]
