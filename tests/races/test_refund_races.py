"""Refunds under real concurrency (F017, F026, F028). Each race is first shown to happen with its
guard off."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Deadlocked, Tx, transaction
from siyu.kernel.ids import new_id
from siyu.money.payments import background, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    Decision,
    DecisionRefused,
    ParkReason,
    PaymentId,
    RefundMoveRefused,
    RefundOrigin,
    RefundState,
    RefundTooMuch,
)
from siyu.money.payments.service import suspense
from siyu.wechat.pay.contracts import RefundStatus
from tests.money.payments.bench import Market, market, truths, wechat_url
from tests.money.payments.test_refunds import record, stopped
from tests.money.payments.test_suspense import COUPON, parked
from tests.races.test_payment_races import at_once

__all__ = ["market", "truths", "wechat_url"]


def without_the_lock(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    """Everybody reads before anybody writes."""
    gate = asyncio.Barrier(parties)

    async def read_only(tx: Tx, order_id: UUID) -> list[queries.Attempt]:
        found = await queries.list_attempts(tx, order_id)
        await gate.wait()
        return found

    monkeypatch.setattr(queries, "lock_attempts", read_only)


async def test_F028_without_the_lock_only_the_constraint_stops_the_second_operator(
    market: Market, monkeypatch: pytest.MonkeyPatch, truths: None
) -> None:
    attempt = await market.paid()
    without_the_lock(monkeypatch, 2)
    done = await at_once([lambda: market.refund(attempt.order_id, 8800)] * 2)
    failed = [one for one in done if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [asyncpg.CheckViolationError], "both decided to refund"
    assert "refunds_stay_within_the_payment" in str(failed[0])
    assert len(await market.refunds(attempt.order_id)) == 1


async def test_F028_without_lock_and_constraint_twice_the_money_goes_out(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = await market.paid()
    without_the_lock(monkeypatch, 2)

    async def uncounted(tx: Tx, payment_id: UUID, amount_fen: int) -> None:
        return None

    monkeypatch.setattr(queries, "move_refunded", uncounted)
    await at_once([lambda: market.refund(attempt.order_id, 8800)] * 2)
    assert sum(one.amount_fen for one in await market.refunds(attempt.order_id)) == 2 * 8800


async def test_F028_of_many_operators_at_once_those_win_that_fit(
    market: Market, truths: None
) -> None:
    for _ in range(5):
        attempt = await market.paid()
        done = await at_once([lambda one=attempt: market.refund(one.order_id, 3000)] * 8)
        refused = [type(one) for one in done if isinstance(one, BaseException)]
        assert refused == [RefundTooMuch] * 6, "the others get 409"
        refunds = await market.refunds(attempt.order_id)
        assert sum(one.amount_fen for one in refunds) == 6000


async def test_F028_the_same_refund_from_two_clicks_is_one(market: Market, truths: None) -> None:
    attempt = await market.paid()
    refund_id = new_id()

    async def click() -> None:
        async with transaction(market.shop_id) as tx:
            await payments.intend_refund(
                tx,
                refund_id=refund_id,
                order_id=attempt.order_id,
                amount_fen=3000,
                reason="双击",
                origin=RefundOrigin.AFTER_SALE,
            )

    assert await at_once([click] * 8) == [None] * 8
    assert len(await market.refunds(attempt.order_id)) == 1


async def test_F026_the_same_success_from_everywhere_is_booked_once(
    market: Market, truths: None
) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    done = await at_once([lambda: record(market, refund_id, RefundStatus.SUCCESS)] * 12)
    assert set(done) == {RefundState.SUCCEEDED}
    assert len(await market.events("payments.refund_succeeded")) == 1
    assert await market.books() == {"wechat": 5800, "sales": -5800}


async def test_F027_several_workers_make_one_refund_at_wechat(market: Market, truths: None) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    await at_once([lambda: background.pursue_due_refunds()] * 4)
    await at_once([lambda: payments.pursue_refund(market.shop_id, refund_id)] * 4)
    assert (await market.found(refund_id)).state is RefundState.PROCESSING
    assert (await market.told(refund_id)).count("processing") == 1
    await market.work(minutes=2)
    assert (await market.found(refund_id)).state is RefundState.SUCCEEDED


async def test_F029_refunds_of_one_payment_wait_for_their_turn(
    market: Market, truths: None
) -> None:
    attempt = await market.paid()
    ids = [await market.refund(attempt.order_id, 100) for _ in range(6)]
    await at_once([lambda one=one: payments.pursue_refund(market.shop_id, one) for one in ids])
    states = [(await market.found(one)).state for one in ids]
    assert sorted(states) == ["created"] * 5 + ["processing"]
    later = [(await market.found(one)).next_call_at for one in ids]
    assert all(one is not None and one > clock.now() for one in later)


async def test_F017_money_parked_by_many_goes_back_once(market: Market, truths: None) -> None:
    attempt = await market.paid()

    async def park() -> None:
        async with transaction(market.shop_id) as tx:
            await payments.park(tx, attempt.payment_id, ParkReason.PAID_TWICE)

    assert await at_once([park] * 8) == [None] * 8
    assert len(await market.parked()) == len(await market.refunds(attempt.order_id)) == 1


async def test_F017_without_the_guards_the_index_still_allows_one_refund(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who both believe that the money has no refund yet."""
    row = await parked(market, **COUPON)

    async def nothing(*args: Any, **change: Any) -> bool:
        return True

    monkeypatch.setattr(suspense.queries, "move_parked", nothing)
    monkeypatch.setattr(suspense.queries, "lock_parked", queries.get_parked)
    without_the_lock(monkeypatch, 2)

    async def resolve() -> None:
        async with transaction(market.shop_id) as tx:
            await payments.resolve(tx, row.parked_id, Decision.REFUND, "退回", System())

    done = await at_once([resolve] * 2)
    failed = [type(one) for one in done if isinstance(one, BaseException)]
    assert len(failed) == 1
    assert failed[0] in (asyncpg.UniqueViolationError, Deadlocked)


async def test_people_decide_about_parked_money_once(market: Market, truths: None) -> None:
    row = await parked(market, **COUPON)

    async def resolve(decision: Decision) -> None:
        async with transaction(market.shop_id) as tx:
            await payments.resolve(tx, row.parked_id, decision, "核对过了", System())

    done = await at_once(
        [lambda one=one: resolve(one) for one in (Decision.REFUND, Decision.ACCEPT) * 4]
    )
    assert [type(one) for one in done if one is not None] == [DecisionRefused] * 7
    assert row.payment_id is not None and PaymentId(row.payment_id)


async def test_retry_and_settlement_at_once_end_in_one(market: Market, truths: None) -> None:
    for _ in range(3):
        _, refund_id = await stopped(market)

        async def act(verb: Any, *args: Any, refund_id: UUID = refund_id) -> None:
            async with transaction(market.shop_id) as tx:
                await verb(tx, refund_id, *args, System())

        done = await at_once(
            [
                lambda act=act: act(payments.retry_refund),
                lambda act=act: act(payments.settle_outside, "现金"),
                lambda act=act: act(payments.intend_abnormal, False),
            ]
        )
        assert [type(one) for one in done if one is not None] == [RefundMoveRefused] * 2
