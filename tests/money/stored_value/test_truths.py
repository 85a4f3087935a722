"""Each truth is shown to fail when its data are spoilt: one that cannot fail proves nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.money.points import invariants as points
from siyu.money.stored_value import invariants
from siyu.money.stored_value.contracts import Side, SpendOrder
from tests.money.points.purse import Purse
from tests.money.stored_value.till import Till, open_gate


class Undone(Exception):
    """Takes back what was spoilt."""


@dataclass
class Story:
    """A shop in which everything has happened once."""

    shop: ShopId
    truths: dict[str, str]


@pytest.fixture
async def story(shop: ShopId) -> AsyncIterator[Story]:
    await open_gate(shop)
    till = await Till.of(shop)
    top_up_id = await till.top_up(100_000, 30_000)
    order_id, _ = await till.spend(26_000)
    await till.give_back(order_id, 13_000)
    await till.refund(top_up_id, 10_000)
    await till.hold(5_000)
    await till.adjust(Side.BONUS, 100)
    await till.set(spend_order=SpendOrder.BONUS_FIRST)
    purse = await Purse.of(shop)
    earned = await purse.earn(100_000)
    spent = await purse.spend(300)
    await purse.give_back(spent, 100)
    await purse.revoke(earned, 30_000)
    await purse.hold(50)
    yield Story(shop, {**invariants.INVARIANTS, **points.INVARIANTS})


async def broken(tx: Tx, story: Story) -> set[str]:
    return {name for name, sql in story.truths.items() if await tx.connection.fetch(sql)}


async def test_all_truths_hold_after_the_story(story: Story) -> None:
    async with transaction(story.shop) as tx:
        assert await broken(tx, story) == set()


SPOILS = [
    ("update stored_value.lots set principal_left_fen = principal_left_fen - 1"
     " where principal_left_fen > 0",
     "the ledger's principal and bonus of a member are those in the lots and those held"),
    ("update stored_value.spendings set state = 'captured', ended_at = now() where state = 'held'",
     "the ledger's principal and bonus of a member are those in the lots and those held"),
    ("update stored_value.lots set bonus_left_fen = bonus_left_fen - 1 where bonus_left_fen > 99",
     "a lot is what is left, spent, taken back and unused of it"),
    ("update stored_value.wallets set movements = movements + 1",
     "the statement explains each fen"),
    ("update stored_value.parts set bonus_fen = bonus_fen + 1 where bonus_fen > 0",
     "value spent is the sum of its parts"),
    ("update stored_value.give_backs set principal_fen = principal_fen + 1",
     "value that came back is what refunds gave back"),
    ("update stored_value.top_ups set state = 'closed', paid_at = null, payment_id = null",
     "a paid top-up has its lot, and no other has"),
    ("update stored_value.refunds set state = 'undone', ended_at = now()",
     "a top-up's refunds are those that were not undone"),
    ("update points.lots set points_left = points_left - 1 where points_left > 0",
     "the ledger's points of a member are those in the lots and those held, less the debt"),
    ("update points.accounts set below_zero = below_zero + 1",
     "the ledger's points of a member are those in the lots and those held, less the debt"),
    ("update points.accounts set owed = owed + 1", "the statement explains each point"),
    ("update points.spendings set back = back + 1 where state = 'captured'",
     "points spent are the sum of their parts"),
    ("update points.give_backs set points = points + 1",
     "points that came back are what refunds gave back"),
    ("update points.earnings set revoked = revoked - 1",
     "an order has earned what its unreturned part earns"),
    ("update points.revocations set points = points + 1",
     "what was revoked is what refunds took back"),
    ("update points.accounts set owed = 5; update points.lots set expires_on = null",
     "who is below zero or owes has no points left"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "truth"), SPOILS)
async def test_a_spoilt_truth_is_seen(story: Story, spoil: str, truth: str) -> None:
    with pytest.raises(Undone):
        async with transaction(story.shop) as tx:
            await tx.connection.execute(spoil)
            assert truth in await broken(tx, story)
            raise Undone
