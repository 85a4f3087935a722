"""Coupons that many want at once (F047, F048, F049). Each race is first shown to happen with its
guard off. The advisories named are of other shops that had it on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.commerce.coupons import queries, service
from siyu.commerce.coupons.contracts import ClaimState, Issue
from siyu.commerce.coupons.service import order_store
from siyu.commerce.coupons.service.order_store import HeldRow
from siyu.commerce.promotions.contracts import FixedOff, PercentOff
from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.db import Database, Tx, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from tests.commerce.coupons import kit

DEVICES = 64


@pytest.fixture
async def wide(database: Database) -> AsyncIterator[None]:
    """As many real connections as devices."""
    opened = await Database.connect(database.url, size=DEVICES, lock_timeout="20s")
    before = db.use(opened)
    yield
    db.use(before)
    await opened.close()


@pytest.fixture
async def house(shop: ShopId) -> AsyncIterator[ShopId]:
    yield shop
    assert await kit.broken(shop) == []


async def at_once(works: Sequence[Callable[[], Awaitable[Any]]]) -> Counter[str]:
    """Start all together; how each ended: "done", the code of a refusal, or the kind of error."""
    gate = asyncio.Barrier(len(works))

    async def run(work: Callable[[], Awaitable[Any]]) -> str:
        await gate.wait()
        try:
            await work()
        except SiyuError as refusal:
            return f"{refusal.status} {refusal.code}"
        except asyncpg.PostgresError as error:
            return type(error).__name__
        return "done"

    return Counter(await asyncio.gather(*(run(work) for work in works)))


# --- one coupon, 64 checkouts (F047) --------------------------------------------------------------


def look_then_write(parties: int) -> Any:
    """Holding as the advised shops did it: is it free? then it is mine."""
    gate = asyncio.Barrier(parties)

    async def move_held(
        tx: Tx, member_id: UUID, order_id: UUID, claim_ids: Sequence[UUID], offs: Sequence[int]
    ) -> HeldRow:
        free = await tx.value(
            "select count(*) from coupons.claims where claim_id = any($1) and state = 'claimed'",
            list(claim_ids),
        )
        await gate.wait()
        await tx.run(
            """update coupons.claims set state = 'held', order_id = $2, off_fen = $3
               where claim_id = any($1)""",
            list(claim_ids),
            order_id,
            offs[0],
        )
        return HeldRow(free, True)

    return move_held


async def test_F047_without_the_guard_many_orders_take_one_coupon(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(shop)
    (anna,) = await kit.make_members(shop)
    claim_id = await kit.claim(shop, anna, batch)
    monkeypatch.setattr(order_store, "move_held", look_then_write(8))
    ended = await at_once([lambda: kit.hold(shop, anna, {claim_id: 1000})] * 8)
    assert ended == {"done": 8}, "eight orders, each with the price of the same coupon"


async def test_F047_64_checkouts_one_coupon_saleor_544_sylius_CVE_2026_31824_mall_CVE_2026_109407(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house)
    (anna,) = await kit.make_members(house)
    claim_id = await kit.claim(house, anna, batch)
    ended = await at_once([lambda: kit.hold(house, anna, {claim_id: 1000})] * DEVICES)
    assert ended == {"done": 1, "409 coupons.unusable": DEVICES - 1}
    assert (await kit.claim_of(house, anna, claim_id)).state is ClaimState.HELD
    assert await kit.moves_of(house, claim_id) == ["claimed", "held"]


async def test_F047_two_coupons_wanted_crosswise_end_without_a_deadlock(
    house: ShopId, wide: None
) -> None:
    one, two = await kit.make_batch(house, budget_fen=5000), await kit.make_batch(house)
    (anna,) = await kit.make_members(house)
    first, second = await kit.claim(house, anna, one), await kit.claim(house, anna, two)
    ended = await at_once(
        [
            lambda: kit.hold(house, anna, {first: 1000, second: 1000}),
            lambda: kit.hold(house, anna, {second: 1000, first: 1000}),
        ]
        * 16
    )
    assert ended == {"done": 1, "409 coupons.unusable": 31}


async def test_F047_the_usage_limit_of_a_batch_holds_shopper_GHSA_9rh9_hf3w_9fgg(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house, total_count=5)
    members = await kit.make_members(house, DEVICES)
    ended = await at_once(
        [lambda member=member: kit.claim(house, member, batch) for member in members]
    )
    assert ended == {"done": 5, "409 coupons.sold_out": DEVICES - 5}
    assert (await kit.batch_of(house, batch)).claimed_count == 5


async def test_F047_without_the_guard_the_database_still_counts(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(shop, total_count=1)
    async with transaction(shop) as tx:
        await tx.run("update coupons.batches set claimed_count = 1")
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await tx.run("update coupons.batches set claimed_count = claimed_count + 1")
        assert caught.value.constraint_name == "batch_count"
        await tx.connection.execute("rollback; begin")
    assert (await kit.batch_of(shop, batch)).claimed_count == 0


async def test_F047_one_member_claims_no_more_than_allowed(house: ShopId, wide: None) -> None:
    batch = await kit.make_batch(house, per_member=2)
    (anna,) = await kit.make_members(house)
    ended = await at_once([lambda: kit.claim(house, anna, batch)] * 16)
    assert ended == {"done": 2, "409 coupons.limit_reached": 14}


async def test_the_limit_per_member_without_its_guard_is_passed(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(shop, per_member=1)
    (anna,) = await kit.make_members(shop)
    gate = asyncio.Barrier(4)

    async def look(tx: Tx, batch_id: UUID, kind: str, takers: list[bytes], *rest: int) -> Any:
        had = await tx.value("select count(*) from coupons.claims where batch_id = $1", batch_id)
        await gate.wait()
        return set() if had else set(takers)

    monkeypatch.setattr(queries, "count_takers", look)
    assert await at_once([lambda: kit.claim(shop, anna, batch)] * 4) == {"done": 4}


async def test_F047_a_member_gets_one_birthday_coupon_however_many_workers_give(
    house: ShopId, wide: None
) -> None:
    await kit.make_batch(house, issue=Issue.BIRTHDAY, per_member=1)
    (anna,) = await kit.make_members(house)
    async with transaction(house) as tx:
        today = kit.today()
        await service.set_birthday(tx, anna, today)

    async def work() -> None:
        async with transaction(house) as tx:
            await service.give_for_birthdays(tx)

    assert await at_once([work] * 8) == {"done": 8}
    async with transaction(house) as tx:
        assert len(await queries.list_living(tx, anna.member_id, 10)) == 1


# --- the budget (F048) ----------------------------------------------------------------------------


def look_at_the_budget(parties: int) -> Any:
    gate = asyncio.Barrier(parties)

    async def move_held(
        tx: Tx, member_id: UUID, order_id: UUID, claim_ids: Sequence[UUID], offs: Sequence[int]
    ) -> HeldRow:
        left = await tx.value("select budget_fen - committed_fen from coupons.batches")
        await gate.wait()
        await tx.run(
            "update coupons.claims set state = 'held', order_id = $2, off_fen = $3"
            " where claim_id = $1",
            claim_ids[0],
            order_id,
            offs[0],
        )
        return HeldRow(1, left >= offs[0])

    return move_held


async def test_F048_without_the_guard_a_budget_is_exceeded(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(shop, budget_fen=1500)
    members = await kit.make_members(shop, 8)
    claims = [(member, await kit.claim(shop, member, batch)) for member in members]
    monkeypatch.setattr(order_store, "move_held", look_at_the_budget(8))
    ended = await at_once(
        [lambda m=member, c=claim_id: kit.hold(shop, m, {c: 1000}) for member, claim_id in claims]
    )
    assert ended == {"done": 8}, "8000 fen given out of 1500"


async def test_F048_a_budget_is_never_exceeded_by_one_fen(house: ShopId, wide: None) -> None:
    gives = PercentOff(pay_bps=5000, cap_fen=5000)
    batch = await kit.make_batch(house, gives=gives, budget_fen=10_000)
    members = await kit.make_members(house, DEVICES)
    claims = [(member, await kit.claim(house, member, batch)) for member in members]
    offs = [333 + 7 * number for number in range(DEVICES)]
    ended = await at_once(
        [
            lambda m=member, c=claim_id, off=off: kit.hold(house, m, {c: off})
            for (member, claim_id), off in zip(claims, offs, strict=True)
        ]
    )
    assert set(ended) == {"done", "409 coupons.budget_spent"}
    committed = (await kit.batch_of(house, batch)).committed_fen
    async with transaction(house) as tx:
        held = await tx.value("select sum(off_fen) from coupons.claims where state = 'held'")
    assert committed == held <= 10_000
    assert 10_000 - held < max(offs), "and what could be given was"


async def test_F048_the_last_fen_goes_to_one(house: ShopId, wide: None) -> None:
    batch = await kit.make_batch(house, gives=FixedOff(1000), budget_fen=3000)
    members = await kit.make_members(house, 16)
    claims = [(member, await kit.claim(house, member, batch)) for member in members]
    ended = await at_once(
        [lambda m=member, c=claim_id: kit.hold(house, m, {c: 1000}) for member, claim_id in claims]
    )
    assert ended == {"done": 3, "409 coupons.budget_spent": 13}
    assert (await kit.batch_of(house, batch)).committed_fen == 3000


async def test_F048_the_database_refuses_what_a_broken_guard_would_write(shop: ShopId) -> None:
    await kit.make_batch(shop, budget_fen=1500)
    async with transaction(shop) as tx:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await tx.run("update coupons.batches set committed_fen = committed_fen + 1501")
        assert caught.value.constraint_name == "batch_budget"
        await tx.connection.execute("rollback; begin")


# --- the way back (F049) --------------------------------------------------------------------------


async def test_F049_without_the_guard_a_cancel_and_a_timeout_give_a_budget_back_twice(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await kit.make_batch(shop, budget_fen=5000)
    (anna,) = await kit.make_members(shop)
    first, second = await kit.claim(shop, anna, batch), await kit.claim(shop, anna, batch)
    order_id = await kit.hold(shop, anna, {first: 1000})
    await kit.hold(shop, anna, {second: 1000})
    gate = asyncio.Barrier(2)

    async def move_back(tx: Tx, order_id: UUID, *rest: Any) -> list[Any]:
        off = await tx.value("select off_fen from coupons.claims where order_id = $1", order_id)
        await gate.wait()
        await tx.run("update coupons.batches set committed_fen = committed_fen - $1", off)
        return []

    monkeypatch.setattr(order_store, "move_back", move_back)
    assert await at_once([lambda: kit.release(shop, order_id)] * 2) == {"done": 2}
    assert (await kit.batch_of(shop, batch)).committed_fen == 0, "one order of 1000 still waits"


async def test_F049_a_cancel_and_a_timeout_at_once_return_a_coupon_once(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house, budget_fen=5000)
    (anna,) = await kit.make_members(house)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.hold(house, anna, {claim_id: 1000})
    assert await at_once([lambda: kit.release(house, order_id)] * 16) == {"done": 16}
    assert await kit.moves_of(house, claim_id) == ["claimed", "held", "released"]
    assert (await kit.batch_of(house, batch)).committed_fen == 0


async def test_F049_a_refund_told_many_times_at_once_gives_a_coupon_back_once(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house, budget_fen=5000)
    (anna,) = await kit.make_members(house)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.spend(house, anna, claim_id)
    assert await at_once([lambda: kit.give_back(house, order_id)] * 16) == {"done": 16}
    assert await kit.moves_of(house, claim_id) == ["claimed", "held", "used", "given_back"]


async def test_a_payment_and_a_cancel_at_once_use_or_return_and_never_both(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house, budget_fen=5000)
    (anna,) = await kit.make_members(house)
    claim_id = await kit.claim(house, anna, batch)
    order_id = await kit.hold(house, anna, {claim_id: 1000})
    await at_once([lambda: kit.use(house, order_id), lambda: kit.release(house, order_id)] * 8)
    moves = await kit.moves_of(house, claim_id)
    assert moves in (["claimed", "held", "used"], ["claimed", "held", "released"])


async def test_a_coupon_that_ends_while_it_is_used_does_one_of_both(
    house: ShopId, wide: None
) -> None:
    batch = await kit.make_batch(house)
    (anna,) = await kit.make_members(house)
    claim_id = await kit.claim(house, anna, batch)

    async def take_away() -> None:
        async with transaction(house) as tx:
            await service.void_claims(tx, System(), batch.batch_id, [claim_id], "撤回")

    await at_once([take_away, lambda: kit.hold(house, anna, {claim_id: 1000})] * 8)
    assert len(await kit.moves_of(house, claim_id)) == 2
