"""Sharing and payouts under real concurrency. Each race is first shown with its lock off."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.kernel.audit import System
from siyu.kernel.db import Busy, Deadlocked, Tx, transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger.contracts import Book
from siyu.money.payouts import queries as payout_queries
from siyu.money.payouts import service as payouts
from siyu.money.payouts.contracts import BalanceTooSmall, PayoutOpen
from siyu.money.profit_sharing import queries
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import Scope, Trigger, Way
from siyu.money.profit_sharing.service import books
from tests.money.payouts.till import Till, till
from tests.money.profit_sharing.desk import Desk, desk, market, wechat_url
from tests.races.test_payment_races import at_once

__all__ = ["desk", "market", "till", "wechat_url"]

NOW = {"trigger": Trigger.DAYS, "after_days": 0}
CONFLICTS = (asyncpg.UniqueViolationError, Deadlocked, Busy)


async def due_order(desk: Desk) -> UUID:
    leader = await desk.merchant()
    await desk.rule(3000, receiver_id=leader, **NOW)
    order_id = await desk.order()
    await desk.work_on(70, rounds=0)
    return order_id


async def test_without_the_plans_lock_two_workers_both_decide_to_split(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await due_order(desk)
    gate, first = asyncio.Barrier(2), [True, True]

    async def unlocked(tx: Tx, wanted: UUID) -> queries.Plan | None:
        found = await queries.get_plan(tx, wanted)
        if first:
            first.pop()
            await gate.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(queries, "lock_plan", unlocked)
        done = await at_once([lambda: sharing.advance(desk.shop_id, order_id)] * 2)
    failed = [one for one in done if isinstance(one, BaseException)]
    assert failed and isinstance(failed[0], CONFLICTS), "only the database stopped the second"
    await desk.work_on(60)
    assert await desk.parts(order_id) == [("paid", 3_000, 3_000)]


async def test_many_workers_split_once(desk: Desk) -> None:
    order_id = await due_order(desk)
    done = await at_once([lambda: sharing.advance(desk.shop_id, order_id)] * 8)
    assert [one for one in done if one is not None] == []
    await desk.work_on(60)
    assert await desk.parts(order_id) == [("paid", 3_000, 3_000)]
    assert len(await desk.splits_at_wechat()) == 1
    kinds = [one.kind for one in (await desk.plan(order_id)).requests]
    assert kinds == ["split", "unfreeze"]


async def test_a_refund_and_the_split_at_once_end_in_one_truth(desk: Desk) -> None:
    for _ in range(4):
        order_id = await due_order(desk) if _ == 0 else await desk.order()
        await desk.work_on(70, rounds=0)
        done = await at_once(
            [
                lambda order_id=order_id: sharing.advance(desk.shop_id, order_id),
                lambda order_id=order_id: desk.give_back(order_id, 5_000),
            ]
        )
        assert [one for one in done if isinstance(one, BaseException)] == []
        await desk.work_on()
        [part] = (await desk.plan(order_id)).parts
        assert (part.state, part.amount_fen, part.sent_fen - part.returned_fen) == (
            "paid", 1_500, 1_500,
        )  # fmt: skip
        assert await desk.is_closed(order_id)


async def paid_promoter(desk: Desk, orders: int) -> tuple[UUID, list[UUID]]:
    """A promoter who was paid 1000 fen for each of some orders, with a floor of 500."""
    await desk.settings(floor_fen=500)
    promoter = await desk.promoter()
    await desk.rule(1000, scope=Scope.PROMOTER, level=1, way=Way.BALANCE, **NOW)
    order_ids = [await desk.order(promoter=promoter) for _ in range(orders)]
    await desk.work_on(70, rounds=1)
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == 1_000 * orders
    return promoter, order_ids


async def refund_all(desk: Desk, order_ids: list[UUID]) -> list[Any]:
    async def one(order_id: UUID) -> None:
        async with transaction(desk.shop_id) as tx:
            await sharing.prepare_refund(tx, order_id, new_id(), 10_000)

    return await at_once([lambda order_id=order_id: one(order_id) for order_id in order_ids])


async def test_F037_without_the_accounts_lock_the_floor_is_broken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoter, order_ids = await paid_promoter(desk, 4)
    async with transaction(desk.shop_id) as tx:
        await books.ledger.set_floor(tx, Book.COMMISSION, promoter, None)
    real, gate = books.ledger.balance, asyncio.Barrier(4)

    async def nothing(*_: object) -> None:
        return None

    async def read(tx: Tx, wanted: Book, owner: UUID) -> Any:
        found = await real(tx, wanted, owner)
        await gate.wait()
        return found

    async with transaction(desk.shop_id) as tx:
        await books.ledger.post(
            tx,
            books.Entry(
                "paid out", "opening",
                [books.Leg(Book.COMMISSION, 4_000, promoter), books.Leg(Book.PETTY, -4_000)],
            ),
        )  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(books.ledger, "set_floor", nothing)
        patch.setattr(books.ledger, "balance", read)
        await refund_all(desk, order_ids)
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == -2_000, "each took 500"


async def test_F037_refunds_at_once_keep_to_the_floor(desk: Desk) -> None:
    promoter, order_ids = await paid_promoter(desk, 6)
    async with transaction(desk.shop_id) as tx:
        await books.ledger.post(
            tx,
            books.Entry(
                "paid out", "opening",
                [books.Leg(Book.COMMISSION, 6_000, promoter), books.Leg(Book.PETTY, -6_000)],
            ),
        )  # fmt: skip
    done = await refund_all(desk, order_ids)
    assert done == [None] * 6
    assert (await desk.balance(Book.COMMISSION, promoter)).posted == -500
    assert (await desk.balance(Book.RECEIVABLE, promoter)).posted == 5_500


async def test_F039_without_the_index_clause_both_clicks_decide_to_pay(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits alone would let both through: only one payout at a time stops the second."""
    made = await till.ask(100)
    row = await till.row(made)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(till.desk.shop_id) as tx:
            number = new_id()
            values = [
                number.hex if name == "number" else number if name == "payout_id" else value
                for name, value in zip(row.__struct_fields__, _values(row), strict=True)
            ]
            marks = ", ".join(f"${place}" for place in range(1, len(values) + 1))
            await tx.connection.execute(
                f"insert into payouts.payouts ({payout_queries._COLUMNS}) values ({marks})", *values
            )


def _values(row: payout_queries.PayoutRow) -> list[Any]:
    return [getattr(row, name) for name in row.__struct_fields__]


async def test_F039_many_clicks_at_once_make_one_payout(till: Till) -> None:
    done = await at_once([lambda: till.ask(90_000)] * 12)
    made = [one for one in done if not isinstance(one, BaseException)]
    refused = [type(one) for one in done if isinstance(one, BaseException)]
    assert len(made) == 1 and set(refused) <= {PayoutOpen, BalanceTooSmall, Busy}
    assert await till.commission() == (100_000, 10_000)
    await at_once([lambda: payouts.follow_up(till.desk.shop_id, made[0].payout_id)] * 6)
    assert await till.transfers() == ["transfer"]


async def test_payout_against_revocation_spends_nothing_twice(till: Till) -> None:
    """What is held for a payout is not there for a refund, and what a refund took is not paid."""
    for _ in range(5):
        done = await at_once(
            [lambda: till.ask(60_000), lambda: till.earn(-70_000), lambda: till.earn(-20_000)]
        )
        posted, available = await till.commission()
        assert posted == 10_000 or isinstance(done[1], BaseException)
        made = [one for one in done if one is not None and not isinstance(one, BaseException)]
        assert posted - available == sum(one.amount_fen for one in made)
        for one in made:
            await till.cancel(one)
            await till.follow(one)
        await till.earn(100_000 - (await till.commission())[0])
        await till.work(rounds=1, days=1)


async def shared_both_ways(desk: Desk) -> tuple[list[UUID], list[UUID]]:
    """Two orders whose parts belong to the same two promoters, each to another first."""
    for level in (1, 2):
        await desk.rule(1000, scope=Scope.PROMOTER, level=level, way=Way.BALANCE, **NOW)
    above = await desk.promoter()
    below = await desk.promoter(above)
    order_ids = [await desk.order(promoter=below)]
    async with transaction(desk.shop_id) as tx:
        await sharing.set_promoter(tx, System(), below, None)
        await sharing.set_promoter(tx, System(), above, below)
    order_ids.append(await desk.order(promoter=above))
    owners = [[part.owner_id for part in (await desk.plan(one)).parts] for one in order_ids]
    assert owners == [[below, above], [above, below]]
    await desk.work_on(70, rounds=0)
    return order_ids, [above, below]


async def share_from_the_same_moment(
    desk: Desk, order_ids: list[UUID], owners: list[UUID]
) -> list[Any]:
    """Both plans begin while another holds both accounts; then it lets go."""
    held = asyncio.Event()

    async def hold() -> None:
        async with transaction(desk.shop_id) as tx:
            await books.ledger.lock_balances(tx, Book.COMMISSION, owners)
            held.set()
            for _ in range(2_000):
                if await tx.value("select count(*) from pg_locks where not granted") == 2:
                    break
                await asyncio.sleep(0.005)

    async def share(order_id: UUID) -> None:
        await held.wait()
        await sharing.advance(desk.shop_id, order_id)

    works = [lambda order_id=order_id: share(order_id) for order_id in order_ids]
    return (await at_once([hold, *works]))[1:]


async def test_owner_by_owner_two_plans_wait_for_each_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        return None

    order_ids, owners = await shared_both_ways(desk)
    with monkeypatch.context() as patch:
        patch.setattr(books, "lock_owners", nothing)
        done = await share_from_the_same_moment(desk, order_ids, owners)
    assert [type(one) for one in done if one is not None] == [Deadlocked]


async def test_plans_of_the_same_owners_take_turns(desk: Desk) -> None:
    order_ids, owners = await shared_both_ways(desk)
    assert await share_from_the_same_moment(desk, order_ids, owners) == [None, None]
    for owner in owners:
        assert (await desk.balance(Book.COMMISSION, owner)).posted == 2_000
