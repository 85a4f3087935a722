"""Stored value and points from two devices at once (F059). Each race is first shown to happen with
its lock off."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from siyu.kernel.db import Tx
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId, new_id
from siyu.money.points import queries as point_queries
from siyu.money.stored_value import queries
from siyu.money.stored_value.contracts import AdjustmentState, Side
from tests.commerce.ordering.kit import broken_invariants, fund, make_skus, shopper, wallet
from tests.money.payments.bench import Market, market, wechat_url
from tests.money.points import purse as points
from tests.money.points.purse import Purse
from tests.money.stored_value import till as wallets
from tests.money.stored_value.till import Till, open_gate, staff

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def till(shop: ShopId) -> AsyncIterator[Till]:
    await open_gate(shop)
    yield await Till.of(shop)
    assert await wallets.broken(shop) == []


@pytest.fixture
async def purse(shop: ShopId) -> AsyncIterator[Purse]:
    yield await Purse.of(shop)
    assert await points.broken(shop) == []


async def at_once(works: list[Callable[[], Awaitable[Any]]]) -> Counter[str]:
    """Start all together; how each ended: "done", the code of a refusal, or the kind of error."""
    gate = asyncio.Barrier(len(works))

    async def run(work: Callable[[], Awaitable[Any]]) -> str:
        await gate.wait()
        try:
            await work()
        except SiyuError as refusal:
            return refusal.code
        except Exception as error:
            return type(error).__name__
        return "done"

    return Counter(await asyncio.gather(*(run(work) for work in works)))


def everybody_reads_first(monkeypatch: pytest.MonkeyPatch, module: Any, parties: int) -> list[int]:
    """Lots are read by all before anybody writes; what each of them saw."""
    gate, seen, real = asyncio.Barrier(parties), list[int](), module.list_lots

    async def list_lots(tx: Tx, *args: Any) -> Any:
        found = await real(tx, *args)
        seen.append(len(found))
        await gate.wait()
        return found

    monkeypatch.setattr(module, "list_lots", list_lots)
    return seen


# --- one balance, two devices (F059) --------------------------------------------------------------


async def test_F059_without_the_lock_two_devices_both_decide_to_spend(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.top_up(100_000, 30_000)

    async def no_lock(tx: Tx, member_id: UUID) -> queries.Frozen:
        return queries.Frozen(None)

    monkeypatch.setattr(queries, "lock_wallet", no_lock)
    seen = everybody_reads_first(monkeypatch, queries, 2)
    ended = await at_once([lambda: till.hold(100_000)] * 2)
    assert seen == [1, 1], "both saw the whole balance and went on"
    assert ended == {"done": 1, "ledger.balance_short": 1}, "only the ledger stopped one"


async def test_F059_one_balance_is_spent_once(till: Till) -> None:
    await till.top_up(100_000, 30_000)
    ended = await at_once([lambda: till.hold(70_000)] * 10)
    assert ended == {"done": 1, "stored_value.short": 9}
    assert (await till.wallet()).held_fen == 70_000


async def test_F059_many_small_orders_use_up_exactly_what_is_there(till: Till) -> None:
    await till.top_up(100_000, 30_000)
    ended = await at_once([lambda: till.spend(20_000)] * 10)
    assert ended == {"done": 6, "stored_value.short": 4}
    assert sum(await till.left()) == 10_000


async def test_F059_without_the_lock_the_same_points_are_spent_twice(
    purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await purse.earn(10_000)

    async def no_lock(tx: Tx, member_id: UUID) -> point_queries.Account:
        return point_queries.Account(member_id=member_id, below_zero=0, owed=0)

    monkeypatch.setattr(point_queries, "lock_account", no_lock)
    seen = everybody_reads_first(monkeypatch, point_queries, 2)
    ended = await at_once([lambda: purse.hold(80)] * 2)
    assert seen == [1, 1]
    assert ended == {"done": 1, "ledger.balance_short": 1}, "only the ledger stopped one"


async def test_F059_the_same_points_are_spent_once(purse: Purse) -> None:
    await purse.earn(10_000)
    ended = await at_once([lambda: purse.hold(60)] * 10)
    assert ended == {"done": 1, "points.short": 9}


async def test_the_same_order_holds_once_however_often_it_asks(till: Till, purse: Purse) -> None:
    await till.top_up(10_000, 0)
    await purse.earn(10_000)
    order_id = new_id()
    assert await at_once([lambda: till.hold(6_000, order_id)] * 6) == {"done": 6}
    assert await at_once([lambda: purse.hold(60, order_id)] * 6) == {"done": 6}
    assert (await till.wallet()).held_fen == 6_000
    assert (await purse.now()).held == 60


async def test_F059_two_devices_order_with_the_same_balance_and_points(market: Market) -> None:
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=50)
    async with shopper(market.shop_id) as anna:
        await fund(market.shop_id, anna.member, principal_fen=500, point_count=500)
        body = anna.order_body(
            {tea: 1}, 500, use_points=True, use_balance=True, expected_payable_fen=0
        )
        answers = await asyncio.gather(*(anna.send("POST", "/orders", body) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        codes = {a.json()["error"]["code"] for a in answers if a.status_code == 409}
        assert codes <= {"ordering.price_changed", "points.short", "stored_value.short"}
        assert await wallet(market.shop_id, anna.member) == (0, 0, 0)
    assert await broken_invariants(market.shop_id) == []


# --- paying in ------------------------------------------------------------------------------------


async def test_F002_a_top_up_told_on_many_workers_is_credited_once(till: Till) -> None:
    event = await till.pay(await till.place(100_000, 30_000))
    assert await at_once([lambda: till.hear(event)] * 8) == {"done": 8}
    assert await till.left() == (100_000, 30_000)


async def test_without_counting_what_is_begun_two_phones_pass_the_limit(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.set(limit_fen=150_000)
    await till.offer(100_000, 0)
    gate, real = asyncio.Barrier(2), queries.get_expected

    async def no_lock(tx: Tx, member_id: UUID) -> queries.Frozen:
        await tx.run(
            """insert into stored_value.wallets (shop_id, member_id, movements, opened_at)
               values ($1, $2, 0, now()) on conflict do nothing""",
            tx.shop_id,
            member_id,
        )
        return queries.Frozen(None)

    async def get_expected(tx: Tx, *args: Any) -> int:
        found = await real(tx, *args)
        await gate.wait()
        return found

    await till.adjust(Side.BONUS, 1)
    monkeypatch.setattr(queries, "lock_wallet", no_lock)
    monkeypatch.setattr(queries, "get_expected", get_expected)
    assert await at_once([lambda: till.place(100_000, 0)] * 2) == {"done": 2}


async def test_two_phones_do_not_pass_the_limit_together(till: Till) -> None:
    await till.set(limit_fen=150_000)
    await till.offer(100_000, 0)
    ended = await at_once([lambda: till.place(100_000, 0)] * 6)
    assert ended == {"done": 1, "stored_value.limit_exceeded": 5}


# --- giving back and refunding --------------------------------------------------------------------


async def test_partial_refunds_at_once_give_back_exactly_what_was_spent(till: Till) -> None:
    await till.top_up(100_000, 30_000)
    order_id, held = await till.spend(13_001)
    parts = [1_000] * 13 + [1]
    ended = await at_once([lambda fen=fen: till.give_back(order_id, fen) for fen in parts])
    assert ended == {"done": 14}
    assert await till.left() == (100_000, 30_000) and held.principal_fen + held.bonus_fen == 13_001


async def test_one_refund_told_at_once_gives_back_once(till: Till, purse: Purse) -> None:
    await till.top_up(100_000, 30_000)
    await purse.earn(50_000)
    order_id, _ = await till.spend(50_000)
    other = await purse.spend(300)
    refund_id = new_id()
    assert await at_once([lambda: till.give_back(order_id, 20_000, refund_id)] * 6) == {"done": 6}
    assert await at_once([lambda: purse.give_back(other, 100, refund_id)] * 6) == {"done": 6}
    assert sum(await till.left()) == 100_000
    assert await purse.balance() == 300


async def test_the_same_principal_is_refunded_once(till: Till) -> None:
    top_up_id = await till.top_up(100_000, 30_000)
    ended = await at_once([lambda: till.refund(top_up_id, 60_000)] * 6)
    assert ended == {"done": 1, "stored_value.nothing_to_refund": 5}
    assert await till.left() == (40_000, 12_000)


async def test_refunding_and_spending_at_once_never_use_the_same_fen(till: Till) -> None:
    top_up_id = await till.top_up(100_000, 0)
    works = [lambda: till.refund(top_up_id, 60_000), lambda: till.spend(60_000)] * 3
    ended = await at_once(works)
    assert ended["done"] == 1, ended
    assert await till.left() == (40_000, 0)


async def test_F058_one_refund_told_at_once_revokes_once(purse: Purse) -> None:
    order_id = await purse.earn(10_000)
    refund_id = new_id()
    ended = await at_once([lambda: purse.revoke(order_id, 4_000, refund_id)] * 6)
    assert ended == {"done": 6}
    assert await purse.balance() == 60


async def test_F058_receipt_and_refund_at_once_end_the_same(purse: Purse) -> None:
    for _ in range(6):
        order_id = new_id()
        works: list[Callable[[], Awaitable[Any]]] = [
            lambda order_id=order_id: purse.earn(10_000, order_id),
            lambda order_id=order_id: purse.revoke(order_id, 4_000),
        ]
        assert await at_once(works) == {"done": 2}
    assert await purse.balance() == 360


async def test_small_corrections_at_once_do_not_pass_the_limit(till: Till) -> None:
    li = staff()
    made = await asyncio.gather(*(till.adjust(Side.BONUS, 5_000, li) for _ in range(8)))
    states = Counter(one.state for one in made)
    assert states == {AdjustmentState.DONE: 4, AdjustmentState.WAITING: 4}
    assert await till.left() == (0, 20_000)
