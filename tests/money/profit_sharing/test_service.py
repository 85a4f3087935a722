"""Odd moments of sharing: answers that do not come, come twice, or make no sense."""

from typing import Any

import msgspec
import pytest

from siyu.commerce.ordering.contracts import OrderPaid, SoldLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.payments.contracts import Purpose, RefundClosed, RefundOrigin
from siyu.money.payouts import service as payouts
from siyu.money.profit_sharing import background
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import Alarm, ReceiverState, Scope, Trigger
from siyu.money.profit_sharing.service import calling
from siyu.money.profit_sharing.service import sharing as driving
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import Retry, ReturnResult, Split, WeChatError
from tests.money.payments.bench import configure
from tests.money.profit_sharing.desk import TEA, Desk, desk, market, wechat_url

__all__ = ["desk", "market", "wechat_url"]

NOW = {"trigger": Trigger.DAYS, "after_days": 0}


async def forgets(*_: object) -> None:
    return None


async def test_a_promoter_without_the_mini_program_is_credited(desk: Desk) -> None:
    """Known by another app only: WeChat Pay cannot name them."""
    async with transaction(desk.shop_id) as tx:
        made = await members.record_login(
            tx, "wxffffffffffffffff", "o-elsewhere", union_id=None, platform=Platform.H5
        )
        await sharing.set_promoter(tx, System(), made.member.member_id, None)
    await desk.rule(1000, scope=Scope.PROMOTER, level=1, **NOW)
    order_id = await desk.order(promoter=made.member.member_id)
    await desk.work_on()
    assert await desk.parts(order_id) == [("credited", 1_000, 0)]
    assert await desk.is_closed(order_id)


async def test_reactions_and_a_plan_that_is_there_already(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    order_id = await desk.order()
    event = OrderPaid(
        order_id=order_id,
        order_no="1",
        person_no=7,
        amount_fen=10_000,
        lines=[SoldLine(new_id(), TEA, 1, 1, 10_000)],
        first_order=True,
        paid_at=clock.now(),
    )
    refund_id = new_id()
    closed = RefundClosed(
        refund_id=refund_id,
        order_id=order_id,
        payment_id=new_id(),
        person_no=7,
        amount_fen=4_000,
        purpose=Purpose.ORDER,
        origin=RefundOrigin.AFTER_SALE,
        reason="x",
    )
    async with transaction(desk.shop_id) as tx:
        await background.on_order_paid(tx, event)
        await sharing.prepare_refund(tx, order_id, refund_id, 4_000)
        await background.on_refund_closed(tx, closed)
        await background.on_order_completed(tx, event)
    assert await desk.parts(order_id) == [("planned", 1_000, 0)]
    assert (await desk.row(order_id)).completed_at is not None


async def test_the_shop_changed_its_merchant_number(desk: Desk) -> None:
    """What was paid to the old one stays with it; only the old keys can speak about it."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on(70, rounds=1)
    other = await desk.person.call("POST", "/merchants", {"name": "新商户"})
    app = await desk.person.call("POST", "/apps", {"name": "新店", "mchid": other["mchid"]})
    await configure(desk.shop_id, other | {"appid": app["appid"], "secret": app["secret"]})
    await desk.work_on(60, rounds=2)
    [request] = (await desk.plan(order_id)).requests
    assert (request.state, request.error) == ("created", "OTHER_MERCHANT")
    late = await desk.receiver(account="o-unknown", tell=False)
    await configure(desk.shop_id, desk.keys)
    assert await sharing.tell_wechat(desk.shop_id, late) is ReceiverState.REMOVED
    await desk.work_on(60)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_a_receiver_of_another_merchant_number_is_credited(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    async with transaction(desk.shop_id) as tx:
        await tx.run("update profit_sharing.receivers set merchant = '1900000000'")
    await desk.work_on()
    [part] = (await desk.plan(order_id)).parts
    assert (part.state, part.fail_reason) == ("credited", "OTHER_MERCHANT")


async def test_without_wechat_there_are_no_receivers(desk: Desk) -> None:
    for column in ("appid", "mchid"):
        with pytest.raises(WeChatNotSet) as unset:
            async with transaction(desk.shop_id) as tx:
                await tx.run(f"update shops.wechat set {column} = null")
                await sharing.add_receiver(
                    tx, System(), kind="person", account="o1", member_id=None, name=None,  # type: ignore[arg-type]
                    relation="USER", custom_relation=None,  # type: ignore[arg-type]
                )  # fmt: skip
        assert unset.value.details == {"setting": column}


async def test_telling_wechat_of_receivers(desk: Desk) -> None:
    leader = await desk.merchant()
    assert await sharing.tell_wechat(desk.shop_id, leader) is ReceiverState.ACTIVE, "nothing to do"
    async with transaction(desk.shop_id) as tx:
        await sharing.remove_receiver(tx, System(), leader)
    await desk.fault("system_error", "sharing.receiver", times=3)
    assert await sharing.tell_wechat(desk.shop_id, leader) is ReceiverState.REMOVING
    await desk.fault("system_error", "sharing.receiver", times=1, code="INVALID_REQUEST")
    assert await sharing.tell_wechat(desk.shop_id, leader) is ReceiverState.REMOVED
    async with reading(desk.shop_id) as tx:
        assert await sharing.list_receivers(tx) == []


@pytest.mark.parametrize("kind", ["split", "return"])
async def test_wechat_forgets_what_it_accepted(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, and then unknown: asked for again, under the same number."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    if kind == "return":
        await desk.work_on()
        real = pay.return_split

        async def slow(*args: Any) -> Any:
            found = await real(*args)
            return msgspec.structs.replace(found, result=ReturnResult.PROCESSING)

        monkeypatch.setattr(pay, "return_split", slow)
        monkeypatch.setattr(pay, "query_return", forgets)
        await desk.give_back(order_id, 5_000)
    else:
        monkeypatch.setattr(pay, "query_split", forgets)
    await desk.work_on(70, rounds=2)
    request = (await desk.plan(order_id)).requests[-1]
    assert (request.state, request.error) == ("created", "FORGOTTEN")
    monkeypatch.undo()
    await desk.work_on(60)
    numbers = [one.number for one in (await desk.plan(order_id)).requests if one.kind == kind]
    assert numbers == [request.number]
    assert await desk.is_closed(order_id)


async def test_an_answer_that_comes_twice_is_written_down_once(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on(70, rounds=1)
    async with transaction(desk.shop_id) as tx:
        plan = await driving.queries.lock_plan(tx, order_id)
        request = await driving.queries.get_open_request(tx, order_id)
        assert plan is not None and request is not None
        call = await driving._claim(tx, plan, request)
    clock.advance(driving._CALL_LASTS)
    assert await calling.call_and_record(desk.shop_id, call)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]
    assert await calling.call_and_record(desk.shop_id, call)
    await calling._postpone(desk.shop_id, call, "LATE")
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]
    await desk.work_on()
    assert len(await desk.splits_at_wechat()) == 1


async def test_money_of_failed_parts_that_is_ours_again_is_booked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WeChat's documents leave open where it goes; what it says is still frozen decides."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    code = {"mchid": desk.keys["mchid"], "code": "ACCOUNT_ABNORMAL"}
    await desk.person.order_fault("share_closed", **code)
    order_id = await desk.order()
    real = pay.query_unsplit

    async def less(*args: Any) -> int | None:
        found = await real(*args)
        return None if found is None else max(found - 1_000, 0)

    monkeypatch.setattr(pay, "query_unsplit", less)
    await desk.work_on()
    async with reading(desk.shop_id) as tx:
        story = await ledger.list_story(tx, order_id)
    free = [entry.legs[0].amount for entry in story if entry.kind == "split_unfrozen"]
    assert free == [1_000, 9_000]
    assert await desk.is_closed(order_id)


async def test_an_unfreezing_that_wechat_refuses_is_told_and_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await desk.order(frozen=True)
    real = pay.unfreeze

    async def refuses(*_: object) -> Split:
        raise WeChatError(400, "INVALID_REQUEST", "no", retry=Retry.NEVER)

    monkeypatch.setattr(pay, "unfreeze", refuses)
    await desk.work_on(70, rounds=1)
    plan = await desk.row(order_id)
    assert (plan.alarm, plan.is_frozen) == (Alarm.REFUSED, True)
    monkeypatch.setattr(pay, "unfreeze", real)
    await desk.work_on(60)
    assert await desk.is_closed(order_id)


async def test_an_unfreezing_that_was_done_before_counts_as_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer was lost, or the freeze just ended: WeChat refuses, and keeps nothing frozen."""
    order_id = await desk.order(frozen=True)
    real = pay.unfreeze

    async def done_before(*args: Any) -> Split:
        await real(args[0], args[1], "U" + new_id().hex, args[3])
        clock.advance(driving._CALL_LASTS / 4)
        await desk.person.bank(desk.keys["mchid"])
        return await real(*args)

    monkeypatch.setattr(pay, "unfreeze", done_before)
    await desk.work_on(70, rounds=1)
    assert not (await desk.row(order_id)).is_frozen
    assert await desk.is_closed(order_id)


async def test_an_order_whose_frozen_money_is_gone_in_the_books_is_closed(desk: Desk) -> None:
    order_id = await desk.order(frozen=True)
    refund_id, waits = await desk.give_back(order_id, 10_000)
    assert not waits and refund_id
    await desk.work_on()
    assert await desk.is_closed(order_id)
    async with transaction(desk.shop_id) as tx:
        plan = await driving.queries.lock_plan(tx, order_id)
        assert plan is not None
        await calling.books.unfrozen(tx, plan, 0, "nothing")


async def test_the_worker_goes_on_whatever_one_shop_lacks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.receiver(account="o-none", tell=False)
    keys = await desk.person.credentials()
    async with transaction(desk.shop_id) as tx:
        await tx.run("update shops.wechat set private_key_sealed = null")
    await desk.work_on(70, rounds=1)
    assert [one.error for one in (await desk.plan(order_id)).requests] == ["shops.wechat_not_set"]
    assert keys
    await configure(desk.shop_id, desk.keys)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(sharing, "advance", broken)
        clock.advance(driving._CALL_LASTS * 4)
        with pytest.raises(ZeroDivisionError):
            await background.share_due()
    await desk.work_on(300)
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_one_call_of_the_worker_takes_a_bounded_number_of_steps(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "_STEPS", 1)
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_an_order_delivered_by_being_paid_is_complete_at_once(desk: Desk) -> None:
    """Its completion may have been told before there was a plan."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    await desk.complete(new_id())
    await sharing.advance(desk.shop_id, new_id())
    order_id = await desk.order(completed=True)
    await desk.work_on()
    assert await desk.parts(order_id) == [("paid", 1_000, 1_000)]


async def test_a_return_that_comes_after_its_debt_was_set_off_is_commission_again(
    desk: Desk,
) -> None:
    """While a merchant gives back for one order, another order pays its debt already."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    await desk.give_back(order_id, 10_000)
    owner = await desk.owner(leader)
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 1_000
    await desk.fault("system_error", "sharing.return", times=3)
    next_id = await desk.order(4_000)
    await desk.work_on(61, rounds=1)
    assert await desk.parts(next_id) == [("credited", 400, 0)]
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 600
    await desk.work_on(60)
    assert (await desk.balance(Book.RECEIVABLE, owner)).posted == 0
    assert (await desk.balance(Book.COMMISSION, owner)).available == 400
    assert await desk.is_closed(order_id)


async def test_our_numbers_for_reconciliation(desk: Desk) -> None:
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on()
    numbers = [one.number for one in (await desk.plan(order_id)).requests]
    async with reading(desk.shop_id) as tx:
        found = await sharing.find_outside(tx, numbers)
        assert len(found) >= 1 and {one.number for one in found} <= set(numbers)
        assert await sharing.list_outside(tx, [one.ref for one in found])
        assert await payouts.find_outside(tx, numbers) == []
        assert await payouts.list_outside(tx, [one.ref for one in found]) == []
