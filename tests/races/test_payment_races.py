"""Payments under real concurrency. Each race is first shown to happen with its lock off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.kernel import clock, jobs
from siyu.kernel.db import Deadlocked, Tx, transaction
from siyu.money.payments import queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel
from tests.money.payments.bench import Market, Pen, market, pen, wechat_url

__all__ = ["market", "pen", "wechat_url"]


async def at_once(works: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Start all together; results and exceptions, in order."""
    gate = asyncio.Barrier(len(works))

    async def run(work: Callable[[], Awaitable[Any]]) -> Any:
        await gate.wait()
        return await work()

    return await asyncio.gather(*(run(work) for work in works), return_exceptions=True)


def without_the_lock(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    """Everybody reads before anybody writes."""
    gate = asyncio.Barrier(parties)

    async def read_only(tx: Tx, order_id: UUID) -> list[queries.Attempt]:
        found = await queries.list_attempts(tx, order_id)
        await gate.wait()
        return found

    monkeypatch.setattr(queries, "lock_attempts", read_only)


async def test_F002_without_the_lock_two_copies_both_decide_to_book(
    market: Market, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    payable = market.payable()
    number = (await market.intend(payable)).hex
    raw = pen.body(pen.trade(number))
    without_the_lock(monkeypatch, 2)
    done = await at_once(
        [lambda: payments.record_notification(market.shop_id, raw, clock.now())] * 2
    )
    failed = [one for one in done if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [AssertionError], "only the guarded update stopped it"


async def test_F002_copies_on_many_workers_book_once(market: Market, pen: Pen) -> None:
    payable = market.payable()
    number = (await market.intend(payable)).hex
    raw = pen.body(pen.trade(number))
    done = await at_once(
        [lambda: payments.record_notification(market.shop_id, raw, clock.now())] * 24
    )
    assert done == [None] * 24
    assert len(await market.successes()) == 1
    assert await market.states(payable.order_id) == ["paid"]


async def test_F002_copies_at_the_door_are_stored_once_and_all_accepted(
    market: Market, pen: Pen
) -> None:
    payable = market.payable()
    raw = pen.body(pen.trade((await market.intend(payable)).hex))
    done = await at_once([lambda: pen.post(raw)] * 64)
    assert {answer.status_code for answer in done} == {204}
    assert await pen.stored() == 1
    await jobs.drain()
    assert len(await market.successes()) == 1


async def two_attempts(market: Market, pen: Pen) -> tuple[UUID, list[bytes]]:
    payable = market.payable()
    ids = [await market.intend(payable, channel) for channel in (Channel.JSAPI, Channel.NATIVE)]
    return payable.order_id, [pen.body(pen.trade(one.hex)) for one in ids]


async def test_F017_without_the_lock_both_payments_are_taken_for_the_first(
    market: Market, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, raws = await two_attempts(market, pen)
    without_the_lock(monkeypatch, 2)
    done = await at_once(
        [
            lambda raw=raw: payments.record_notification(market.shop_id, raw, clock.now())
            for raw in raws
        ]
    )
    failed = [type(one) for one in done if isinstance(one, BaseException)]
    assert len(failed) == 1, "both decided to book, and the database refused one"
    assert failed[0] in (asyncpg.UniqueViolationError, Deadlocked)


async def test_F017_of_two_payments_at_once_one_is_parked(market: Market, pen: Pen) -> None:
    for _ in range(10):
        order_id, raws = await two_attempts(market, pen)
        before = len(await market.parked())
        done = await at_once(
            [
                lambda raw=raw: payments.record_notification(market.shop_id, raw, clock.now())
                for raw in raws * 4
            ]
        )
        assert done == [None] * 8
        assert sorted(await market.states(order_id)) == ["paid", "parked"]
        parked = await market.parked()
        assert len(parked) == before + 1 and parked[0].reason == "paid_twice"
    assert len(await market.successes()) == 10


async def test_intents_at_once_share_one_number(market: Market) -> None:
    """The caller holds the order's row; here a lock of the test stands for it."""
    payable = market.payable()

    async def intend() -> Any:
        async with transaction(market.shop_id) as tx:
            await tx.run("select pg_advisory_xact_lock(4711)")
            return await payments.intend(tx, payable, Channel.JSAPI)

    assert len(set(await at_once([intend] * 16))) == 1
    assert len(await market.attempts(payable.order_id)) == 1


async def test_calls_at_once_make_one_order_at_wechat(market: Market) -> None:
    payable = market.payable()
    payment_id = await market.intend(payable)
    started = await at_once([lambda: payments.call(market.shop_id, payment_id)] * 8)
    assert {one.state for one in started} == {"paying"}
    await market.pay(started[0].jsapi.package.removeprefix("prepay_id="))
    states = await at_once([lambda: payments.sync(market.shop_id, payable.order_id)] * 8)
    assert set(states) == {"paid"}
    assert len(await market.successes()) == 1


async def test_money_and_close_at_once_end_in_one_truth(market: Market) -> None:
    for _ in range(5):
        payable = market.payable()
        _, ticket = await market.begin(payable)
        paid, closed = await at_once(
            [
                lambda ticket=ticket: market.pay(ticket),
                lambda payable=payable: payments.close_order(market.shop_id, payable.order_id),
            ]
        )
        if isinstance(paid, Exception):
            assert closed == "closed" and await market.states(payable.order_id) == ["closed"]
        else:
            assert closed == "paid" and await market.states(payable.order_id) == ["paid"]
