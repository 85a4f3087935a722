"""Points go with a person, and home again when a merge is undone."""

from uuid import UUID

import pytest

from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.points import service
from siyu.people.members import service as members
from siyu.people.members.contracts import IdentifierKind
from tests.money.points.purse import broken


async def make(shop: ShopId, points: list[int]) -> list[UUID]:
    """Members with so many points each; the first stands for all that are merged with it."""
    found = []
    for no, count in enumerate(points):
        async with transaction(shop) as tx:
            card = (IdentifierKind.CARD, f"C-{no:04}")
            found.append(await members.register(tx, System(), f"会员{no}", [card]))
            if count:
                await service.adjust(tx, System(), found[-1], count, "start")
    return found


async def merge(shop: ShopId, one: UUID, other: UUID) -> UUID:
    async with transaction(shop) as tx:
        merge_id = await members.propose_merge(tx, System(), one, other)
        await members.decide_merge(tx, System(), merge_id, True, None)
    return merge_id


async def undo(shop: ShopId, merge_id: UUID) -> None:
    async with transaction(shop) as tx:
        await members.undo_merge(tx, System(), merge_id, "wrong")


async def follow(shop: ShopId, ids: list[UUID]) -> list[int]:
    """What the reactions do, twice, for they bear it; what each has then."""
    for _ in range(2):
        async with transaction(shop) as tx:
            await service.follow_person(tx, ids)
    async with transaction(shop) as tx:
        return [(await service.get_points(tx, one)).balance for one in ids]


async def test_points_go_with_the_person_and_home_again(shop: ShopId) -> None:
    ids = await make(shop, [100, 40])
    done = await merge(shop, *ids)
    assert await follow(shop, ids) == [140, 0]
    await undo(shop, done)
    assert await follow(shop, ids) == [100, 40]
    assert await broken(shop) == []


async def test_what_was_spent_since_is_not_there_to_go_home(shop: ShopId) -> None:
    ids = await make(shop, [100, 40])
    done = await merge(shop, *ids)
    await follow(shop, ids)
    async with transaction(shop) as tx:
        await service.adjust(tx, System(), ids[0], -120, "spent")
    await undo(shop, done)
    assert sum(await follow(shop, ids)) == 20
    assert await broken(shop) == []


@pytest.mark.parametrize("first", [0, 1])
async def test_three_records_parted_in_any_order(shop: ShopId, first: int) -> None:
    ids = await make(shop, [100, 40, 7])
    made = [await merge(shop, ids[1], ids[2])]
    assert await follow(shop, ids) == [100, 47, 0]
    made.append(await merge(shop, ids[0], ids[1]))
    assert await follow(shop, ids) == [147, 0, 0]
    await undo(shop, made[first])
    assert await follow(shop, ids) == ([140, 0, 7] if first == 0 else [100, 47, 0])
    await undo(shop, made[1 - first])
    assert await follow(shop, ids) == [100, 40, 7]
    assert await broken(shop) == []


async def test_a_late_reaction_finds_what_holds_now(shop: ShopId) -> None:
    ids = await make(shop, [100, 40])
    done = await merge(shop, *ids)
    await undo(shop, done)
    assert await follow(shop, ids) == [100, 40]
    await merge(shop, *ids)
    assert await follow(shop, ids) == [140, 0]
    assert await broken(shop) == []


@pytest.mark.parametrize("ending", ["paid", "unpaid", "refunded"])
@pytest.mark.parametrize("is_undone", [False, True])
async def test_points_held_by_an_open_order_while_records_are_merged(
    shop: ShopId, ending: str, is_undone: bool
) -> None:
    """What an order holds ends where it was held; what comes back of it goes to the person."""
    ids, order_id = await make(shop, [100, 40]), new_id()
    async with transaction(shop) as tx:
        await service.hold(tx, member_id=ids[1], order_id=order_id, points=30)
    done = await merge(shop, *ids)
    assert await follow(shop, ids) == [110, 0], "what is held cannot move"
    if is_undone:
        await undo(shop, done)
        assert await follow(shop, ids) == [100, 10]
    for _ in range(2):
        async with transaction(shop) as tx:
            if ending == "unpaid":
                await service.release(tx, order_id)
            else:
                assert await service.capture(tx, order_id) == 30
    back = 30 if ending == "unpaid" else 0
    if ending == "refunded":
        refund_id, back = new_id(), 20
        for _ in range(2):
            async with transaction(shop) as tx:
                await service.give_back(tx, order_id, refund_id, back)
    async with transaction(shop) as tx:
        left = [(await service.get_points(tx, one)).balance for one in ids]
    assert left == ([100, 10 + back] if is_undone else [110 + back, 0])
    assert await follow(shop, ids) == left
    assert await broken(shop) == []
