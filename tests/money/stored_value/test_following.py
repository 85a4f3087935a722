"""Stored value goes with a person: one balance while merged, lot by lot home when undone."""

import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.stored_value import service
from siyu.money.stored_value.contracts import (
    AdjustmentState,
    NothingToRefund,
    Side,
    ValueShort,
)
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone
from tests.money.stored_value.test_service import finish
from tests.money.stored_value.till import Till, broken, open_gate, staff


@pytest.fixture
async def pair(shop: ShopId) -> AsyncIterator[tuple[Till, Till]]:
    """Two wallets with money; the first stands for both when they are merged."""
    await open_gate(shop)
    yield await Till.of(shop), await Till.of(shop)
    assert await broken(shop) == []


async def merge(one: Till, other: Till) -> UUID:
    async with transaction(one.shop) as tx:
        merge_id = await members.propose_merge(tx, System(), one.member_id, other.member_id)
        await members.decide_merge(tx, System(), merge_id, True, None)
    await follow(MembersMerged, one, other)
    return merge_id


async def undo(merge_id: UUID, one: Till, other: Till) -> None:
    async with transaction(one.shop) as tx:
        await members.undo_merge(tx, System(), merge_id, "wrong")
    await follow(MergeUndone, one, other)


async def follow(told: type[MembersMerged] | type[MergeUndone], *tills: Till) -> None:
    """The reaction, twice, for it bears it."""
    event = told(1, tills[0].member_id, new_id(), [till.member_id for till in tills])
    for _ in range(2):
        await tills[0].hear(event)


async def left(*tills: Till) -> list[tuple[int, int]]:
    return [await till.left() for till in tills]


async def test_merged_is_one_balance_and_undone_each_has_its_own(pair: tuple[Till, Till]) -> None:
    one, other = pair
    await one.top_up(100_000, 30_000)
    top_up_id = await other.top_up(50_000, 5_000)
    merged = await merge(one, other)
    assert await left(one, other) == [(150_000, 35_000), (0, 0)]
    async with transaction(one.shop) as tx:
        assert len(await service.list_top_ups(tx, one.member_id, None, 10)) == 2
    assert (await other.told())[-1] == ("moved", -50_000, -5_000)
    assert (await one.told())[-1] == ("moved", 50_000, 5_000)
    await undo(merged, one, other)
    assert await left(one, other) == [(100_000, 30_000), (50_000, 5_000)]
    assert (await other.find(top_up_id)).member_id == other.member_id


async def test_a_wallet_that_is_spent_follows_without_a_line(pair: tuple[Till, Till]) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    await other.top_up(5_000, 0)
    spent_id, _ = await other.spend(5_000)
    told = await other.told()
    await merge(one, other)
    assert (await left(one, other), await other.told()) == ([(10_000, 0), (0, 0)], told)
    await one.give_back(spent_id, 5_000)
    assert await left(one, other) == [(15_000, 0), (0, 0)], "its lots are the person's"


async def test_one_order_spends_both_and_its_refund_goes_where_each_part_is(
    pair: tuple[Till, Till],
) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    await other.top_up(50_000, 5_000)
    merged = await merge(one, other)
    order_id, _ = await one.spend(30_000)
    assert sum(map(sum, await left(one, other))) == 35_000
    await undo(merged, one, other)
    before = await left(one, other)
    assert before[0] == (0, 0) and sum(before[1]) == 35_000
    await one.give_back(order_id, 30_000)
    assert await left(one, other) == [(10_000, 0), (50_000, 5_000)]


async def test_what_an_order_held_before_the_merge_comes_back_to_the_person(
    pair: tuple[Till, Till],
) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    await other.top_up(50_000, 5_000)
    order_id, _ = await other.hold(11_000)
    spent_id, spent = await other.spend(22_000)
    merged = await merge(one, other)
    await other.release(order_id)
    assert sum(map(sum, await left(one, other))) == 43_000
    assert (await left(other))[0] == (0, 0)
    await one.give_back(spent_id, spent.principal_fen + spent.bonus_fen)
    assert await left(one, other) == [(60_000, 5_000), (0, 0)]
    await undo(merged, one, other)
    assert await left(one, other) == [(10_000, 0), (50_000, 5_000)]


@pytest.mark.parametrize("parted", [False, True])
async def test_a_top_up_of_a_merged_record_is_refunded_to_who_paid(
    pair: tuple[Till, Till], parted: bool
) -> None:
    one, other = pair
    await one.set(spend_order="bonus_first")
    await one.top_up(100_000, 0)
    top_up_id = await other.top_up(50_000, 5_000)
    await other.spend(1_000)
    merged = await merge(one, other)
    done = await one.refund(top_up_id, 20_000)
    failed = await one.refund(top_up_id, 10_000)
    whole = sum(map(sum, await left(one, other)))
    if parted:
        await undo(merged, one, other)
    await finish(one, done.refund_id, paid=True)
    await finish(one, failed.refund_id, paid=False)
    back = failed.principal_fen + failed.withdrawn_fen
    assert sum(map(sum, await left(one, other))) == whole + back
    if parted:
        assert (await left(one))[0] == (100_000, 0)


async def test_money_that_arrives_after_the_merge_is_the_person_s(pair: tuple[Till, Till]) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    paid = await other.pay(await other.place(20_000, 2_000))
    await merge(one, other)
    await other.hear(paid)
    assert await left(one, other) == [(30_000, 2_000), (0, 0)]


async def test_what_staff_do_to_a_merged_record_they_do_to_the_person(
    pair: tuple[Till, Till],
) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    asked = await other.adjust(Side.BONUS, 30_000)
    await merge(one, other)
    assert (await other.adjust(Side.BONUS, 500)).state is AdjustmentState.DONE
    await other.decide(asked, staff("小王"), True)
    assert await left(one, other) == [(10_000, 30_500), (0, 0)]


async def test_nothing_leaves_a_frozen_wallet_until_it_is_freed(pair: tuple[Till, Till]) -> None:
    one, other = pair
    await one.top_up(10_000, 0)
    await other.top_up(20_000, 0)
    async with transaction(one.shop) as tx:
        await service.freeze(tx, staff(), other.member_id, "查账")
    await merge(one, other)
    assert await left(one) == [(10_000, 0)]
    async with transaction(one.shop) as tx:
        await service.unfreeze(tx, staff(), other.member_id, "查清")
    assert await left(one, other) == [(30_000, 0), (0, 0)]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_no_fen_is_lost_and_every_truth_holds(
    pair: tuple[Till, Till], seed: int
) -> None:
    """Random stories of two wallets, merged and parted in between."""
    dice, (one, other) = random.Random(seed), pair
    await one.set(limit_fen=10_000_000)
    top_ups, held, spent, merged = [], [], [], None
    whole = 0

    async def try_to(fen: int) -> tuple[Till, UUID, int] | None:
        till = dice.choice(pair)
        try:
            order_id, got = await till.hold(fen)
        except ValueShort:
            return None
        return till, order_id, got.principal_fen + got.bonus_fen

    for _ in range(24):
        deed = dice.choice(["top_up", "hold", "capture", "release", "back", "refund", "merge"])
        if deed == "top_up":
            top_ups.append(await dice.choice(pair).top_up(1_003, 101))
            whole += 1_104
        elif deed == "hold" and (made := await try_to(dice.randrange(1, 900))):
            held.append(made)
        elif deed == "capture" and held:
            till, order_id, fen = held.pop(dice.randrange(len(held)))
            await till.capture(order_id)
            spent.append((till, order_id, fen))
            whole -= fen
        elif deed == "release" and held:
            till, order_id, _ = held.pop(dice.randrange(len(held)))
            await till.release(order_id)
        elif deed == "back" and spent:
            till, order_id, fen = spent.pop(dice.randrange(len(spent)))
            await till.give_back(order_id, fen)
            whole += fen
        elif deed == "refund" and top_ups:
            try:
                made_back = await one.refund(dice.choice(top_ups))
            except NothingToRefund:
                continue
            whole -= made_back.principal_fen + made_back.withdrawn_fen
        elif deed == "merge":
            if merged is None:
                merged = await merge(one, other)
            else:
                await undo(merged, one, other)
                merged = None
        assert await broken(one.shop) == [], deed
    assert sum(map(sum, await left(*pair))) + sum(fen for *_, fen in held) == whole
