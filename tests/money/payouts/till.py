"""A shop that pays out: members with commission, and money at WeChat to pay it with."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payouts import background, queries
from siyu.money.payouts import service as payouts
from siyu.money.payouts.contracts import Payout, PayoutState, Settings
from tests.money.payments.bench import market, wechat_url
from tests.money.profit_sharing.desk import Desk, desk

__all__ = ["Till", "desk", "market", "till", "wechat_url"]


@dataclass
class Till:
    """A member with 1000 yuan of commission, and what their tests do."""

    desk: Desk
    member_id: UUID
    person_id: str

    async def earn(self, fen: int, member_id: UUID | None = None) -> None:
        """Commission of earlier orders (or taken back, below zero)."""
        owner = member_id or self.member_id
        kind = "commission_accrued" if fen > 0 else "commission_revoked"
        legs = [Leg(Book.COMMISSION_COST, fen), Leg(Book.COMMISSION, -fen, owner)]
        async with transaction(self.desk.shop_id) as tx:
            await ledger.post(tx, Entry(f"earned:{new_id()}", kind, legs))

    async def settings(self, **change: Any) -> None:
        async with transaction(self.desk.shop_id) as tx:
            await payouts.set_settings(tx, System(), Settings(**change))

    async def ask(self, amount_fen: int = 5_000, name: str | None = None) -> Payout:
        """Request a payout; WeChat has not heard of it yet."""
        async with transaction(self.desk.shop_id) as tx:
            return await payouts.request_payout(tx, self.member_id, 7, amount_fen, name)

    async def begin(self, amount_fen: int = 5_000, name: str | None = None) -> Payout:
        """Request a payout and ask WeChat."""
        made = await self.ask(amount_fen, name)
        await self.follow(made)
        return await self.now(made)

    async def follow(self, payout: Payout) -> PayoutState:
        return await payouts.follow_up(self.desk.shop_id, payout.payout_id)

    async def now(self, payout: Payout) -> Payout:
        async with reading(self.desk.shop_id) as tx:
            return await payouts.get_payout(tx, payout.payout_id)

    async def row(self, payout: Payout) -> queries.PayoutRow:
        async with reading(self.desk.shop_id) as tx:
            found = await queries.get_payout(tx, payout.payout_id)
        assert found is not None
        return found

    async def told(self, payout: Payout) -> list[str]:
        async with reading(self.desk.shop_id) as tx:
            return [one.event for one in await payouts.list_timeline(tx, payout.payout_id)]

    async def confirm(self, payout: Payout, *, accepts: bool = True) -> None:
        """The member answers on the phone."""
        async with reading(self.desk.shop_id) as tx:
            asked = await payouts.get_confirmation(tx, payout.payout_id, self.member_id)
        await self.desk.person.confirm_transfer(self.person_id, asked.package, accepts=accepts)

    async def cancel(self, payout: Payout, member_id: UUID | None = None) -> Payout:
        async with transaction(self.desk.shop_id) as tx:
            return await payouts.cancel(tx, System(), payout.payout_id, member_id)

    async def work(self, rounds: int = 4, **later: float) -> None:
        """What the worker does from so much later on."""
        clock.advance(timedelta(**later))
        for _ in range(rounds):
            await background.follow_up_due()
            await background.follow_agreements_due()
            clock.advance(timedelta(seconds=45))

    async def commission(self) -> tuple[int, int]:
        """(posted, available)."""
        found = await self.desk.balance(Book.COMMISSION, self.member_id)
        return found.posted, found.available

    async def transfers(self) -> list[str]:
        """What the bank did about transfers, in order."""
        view = await self.desk.person.bank(self.desk.keys["mchid"])
        kinds = [move["kind"] for move in view["movements"]]
        return [kind for kind in kinds if kind.startswith("transfer")]


@pytest.fixture
async def till(desk: Desk) -> AsyncIterator[Till]:
    member_id, person_id = await desk.member()
    await desk.deposit(500_000)
    made = Till(desk, member_id, person_id)
    await made.earn(100_000)
    yield made
