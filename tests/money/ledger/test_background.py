"""What the worker does for the ledger, in all shops."""

from datetime import timedelta

import pytest

from siyu.kernel import clock
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.money.ledger import background
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Balance, Book, HoldOver, HoldState
from tests.money.ledger.books import broken, payment, rich_member, spending, truths_hold


async def test_what_was_posted_is_rolled_up_batch_by_batch(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_BATCH", 3)
    async with transaction(shop) as tx:
        for amount in range(1, 8):
            await ledger.post(tx, payment(amount))
        assert await tx.value("select count(*) from ledger.deltas") == 14
    await background.roll_up()
    async with reading(shop) as tx:
        assert await tx.value("select count(*) from ledger.deltas") == 0
        assert await ledger.balance(tx, Book.WECHAT) == Balance(28, 0, 28)
    async with transaction(shop) as tx:
        await ledger.post(tx, payment(2))
        assert await ledger.balance(tx, Book.WECHAT) == Balance(30, 0, 30)
        (row,) = [row for row in await ledger.list_accounts(tx) if row.book is Book.SALES]
        assert (row.accounts, row.balance) == (1, 30)
    await truths_hold(shop)


async def test_holds_expire_when_their_time_is_over(
    shop: ShopId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_BATCH", 2)
    async with transaction(shop) as tx:
        member = await rich_member(tx, 500)
        holds = [
            await ledger.hold(
                tx,
                key=f"h{number}",
                book=Book.PRINCIPAL,
                owner=member,
                amount=100,
                order_id=member,
                expires_at=clock.now() + timedelta(minutes=number) if number else None,
            )
            for number in range(5)
        ]
    clock.advance(timedelta(minutes=3, seconds=30))
    await background.expire_holds()
    async with transaction(shop) as tx:
        states = [one.state for one in await ledger.list_holds(tx, member)]
        assert states == [HoldState.PENDING, *[HoldState.EXPIRED] * 3, HoldState.PENDING]
        assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(500, 200, 300)
        with pytest.raises(HoldOver):
            await ledger.settle_hold(tx, holds[1], spending(member, 100))
        assert await ledger.void_hold(tx, holds[1]) is False
    await truths_hold(shop)


async def test_a_hold_forgotten_by_the_worker_is_a_broken_truth(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        member = await rich_member(tx, 500)
        for key, minutes in (("old", 1), ("new", 200)):
            await ledger.hold(
                tx,
                key=key,
                book=Book.PRINCIPAL,
                owner=member,
                amount=1,
                expires_at=clock.now() + timedelta(minutes=minutes),
            )
            clock.advance(timedelta(minutes=90))
    async with reading(shop) as read:
        (truth,) = await broken(read)
    assert truth.startswith("no hold waits long after its time")
    await background.expire_holds()
    await truths_hold(shop)
