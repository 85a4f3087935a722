"""A shop that shares: its merchant at the sandbox is its own, so that every fen can be counted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from siyu.commerce.ordering.contracts import OrderPaid, SoldLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import invariants as ledger_truths
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Balance, Book
from siyu.money.payments import background as payments_work
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import RefundClosed, RefundOrigin, RefundSucceeded
from siyu.money.payouts import invariants as payouts_truths
from siyu.money.profit_sharing import background, invariants, queries
from siyu.money.profit_sharing import service as sharing
from siyu.money.profit_sharing.contracts import (
    PlanState,
    ReceiverKind,
    Relation,
    Rule,
    RuleDraft,
    Scope,
    Settings,
    Trigger,
    Way,
)
from siyu.money.profit_sharing.service.reading import PlanDetail
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText, Platform
from tests.money.payments.bench import Market, configure, log_in, market, wechat_url

__all__ = ["Desk", "desk", "market", "wechat_url"]

TEA, CUP = new_id(), new_id()


@dataclass
class Desk(Market):
    """The shop, its WeChat, and what its tests do with both."""

    url: str = ""
    deposited_fen: int = 0

    # -- who -------------------------------------------------------------------------------------

    async def member(self, name: str = "李推广") -> tuple[UUID, str]:
        """A member with a phone at the sandbox: (member_id, person_id)."""
        person = await self.person.add_person(name, "13900000000")
        openid = await log_in(self.url, self.person, self.keys, person)
        async with transaction(self.shop_id) as tx:
            made = await members.record_login(
                tx, self.keys["appid"], openid, union_id=None, platform=Platform.MINI_PROGRAM
            )
        return made.member.member_id, person

    async def promoter(self, parent: UUID | None = None) -> UUID:
        member_id, _ = await self.member()
        async with transaction(self.shop_id) as tx:
            await sharing.set_promoter(tx, System(), member_id, parent)
        return member_id

    async def merchant(self, name: str = "源头茶厂") -> UUID:
        """A receiver with a merchant number, known to WeChat."""
        keys = await self.person.call("POST", "/merchants", {"name": name})
        return await self.receiver(kind=ReceiverKind.MERCHANT, account=keys["mchid"], name=name)

    async def receiver(self, *, tell: bool = True, **change: Any) -> UUID:
        fields: dict[str, Any] = {
            "kind": ReceiverKind.PERSON,
            "account": None,
            "member_id": None,
            "name": None,
            "relation": Relation.PARTNER,
            "custom_relation": None,
        }
        async with transaction(self.shop_id) as tx:
            made = await sharing.add_receiver(tx, System(), **(fields | change))
        if tell:
            await sharing.tell_wechat(self.shop_id, made.receiver_id)
        return made.receiver_id

    # -- what ------------------------------------------------------------------------------------

    async def settings(self, **change: Any) -> None:
        async with transaction(self.shop_id) as tx:
            await sharing.set_settings(tx, System(), Settings(**change))

    async def rule(self, share_bps: int, **change: Any) -> Rule:
        """A rule; by default the leader's, split on receipt."""
        fields: dict[str, Any] = {
            "title": "团长",
            "scope": Scope.LEADER,
            "share_bps": share_bps,
            "way": Way.SPLIT,
            "trigger": Trigger.RECEIPT,
        }
        async with transaction(self.shop_id) as tx:
            return await sharing.add_rule(tx, System(), RuleDraft(**(fields | change)))

    async def order(
        self,
        total_fen: int = 10_000,
        *,
        lines: dict[UUID, int] | None = None,
        promoter: UUID | None = None,
        buyer: UUID | None = None,
        paid_fen: int | None = None,
        frozen: bool | None = None,
        completed: bool = False,
        phone: str | None = None,
        sent_to: AddressText | None = None,
    ) -> UUID:
        """An order that is paid, frozen if a rule says so, and planned; phone: of the parcel."""
        sold = lines or {TEA: total_fen}
        async with reading(self.shop_id) as tx:
            shared = await sharing.is_shared(tx, list(sold), promoter)
        attempt = await self.paid(
            amount_fen=total_fen if paid_fen is None else paid_fen,
            is_shared=shared if frozen is None else frozen,
        )
        event = OrderPaid(
            order_id=attempt.order_id,
            order_no="1",
            person_no=7,
            amount_fen=total_fen,
            lines=[SoldLine(new_id(), product, 1, 1, fen) for product, fen in sold.items()],
            first_order=True,
            paid_at=attempt.paid_at or clock.now(),
            member_id=buyer or new_id(),
            promoter_id=promoter,
            is_completed=completed,
        )
        async with transaction(self.shop_id) as tx:
            if buyer is not None and promoter is not None:
                await sharing.note_buyer(
                    tx,
                    attempt.order_id,
                    promoter,
                    buyer,
                    phone_key=members.phone_key(phone) if phone else None,
                    address_key=members.address_key(sent_to) if sent_to else None,
                )
            await background.on_order_paid(tx, event)
        return attempt.order_id

    async def complete(self, order_id: UUID) -> None:
        """The receipt is confirmed."""
        async with transaction(self.shop_id) as tx:
            await sharing.complete_order(tx, order_id)

    async def work_on(self, seconds: float = 70, rounds: int = 10) -> None:
        """What the worker does about shared orders and refunds, from so much later on."""
        clock.advance(timedelta(seconds=seconds))
        for _ in range(rounds):
            await background.tell_receivers()
            await background.share_due()
            await payments_work.pursue_due_refunds()
            await self._react()
            clock.advance(timedelta(seconds=25))

    async def _react(self) -> None:
        for name, kind, reaction in (
            ("payments.refund_succeeded", RefundSucceeded, background.on_refund_succeeded),
            ("payments.refund_closed", RefundClosed, background.on_refund_closed),
        ):
            for payload in await self.events(name):
                async with transaction(self.shop_id) as tx:
                    await reaction(tx, _event(kind, payload))

    async def give_back(
        self, order_id: UUID, amount_fen: int, wechat_fen: int | None = None
    ) -> tuple[UUID, bool]:
        """Refund as ordering does: (refund_id, whether it waits)."""
        refund_id = new_id()
        async with transaction(self.shop_id) as tx:
            waits = await sharing.prepare_refund(tx, order_id, refund_id, amount_fen, wechat_fen)
            await payments.intend_refund(
                tx,
                refund_id=refund_id,
                order_id=order_id,
                amount_fen=amount_fen if wechat_fen is None else wechat_fen,
                reason="退货",
                origin=RefundOrigin.AFTER_SALE,
                waits=waits,
            )
        return refund_id, waits

    # -- seen ------------------------------------------------------------------------------------

    async def plan(self, order_id: UUID) -> PlanDetail:
        async with reading(self.shop_id) as tx:
            return await sharing.get_plan(tx, order_id)

    async def parts(self, order_id: UUID) -> list[tuple[str, int, int]]:
        """(state, amount_fen, sent_fen) of each part."""
        return [
            (str(part.state), part.amount_fen, part.sent_fen)
            for part in (await self.plan(order_id)).parts
        ]

    async def row(self, order_id: UUID) -> queries.Plan:
        async with reading(self.shop_id) as tx:
            found = await queries.get_plan(tx, order_id)
        assert found is not None
        return found

    async def is_closed(self, order_id: UUID) -> bool:
        return (await self.row(order_id)).state is PlanState.CLOSED

    async def balance(self, book: Book, owner: UUID | None = None) -> Balance:
        async with reading(self.shop_id) as tx:
            return await ledger.balance(tx, book, owner)

    async def owner(self, receiver_id: UUID) -> UUID:
        async with reading(self.shop_id) as tx:
            listed = await sharing.list_receivers(tx)
        return next(one.owner_id for one in listed if one.receiver_id == receiver_id)

    async def deposit(self, fen: int) -> None:
        """Money of other sources for payouts."""
        await self.person.deposit(self.keys["mchid"], fen)
        self.deposited_fen += fen

    async def bank_difference(self) -> int:
        """Our books at WeChat against the bank's own, fen: 0."""
        view = await self.person.bank(self.keys["mchid"])
        assert view["problems"] == [], view["problems"]
        ours = [await self.balance(book) for book in (Book.WECHAT, Book.WECHAT_FROZEN)]
        posted = sum(one.posted for one in ours) + self.deposited_fen - view["fees_fen"]
        return posted - view["books_fen"]

    async def splits_at_wechat(self) -> list[dict[str, Any]]:
        view = await self.person.bank(self.keys["mchid"])
        return [move for move in view["movements"] if move["kind"] == "split"]

    async def broken(self) -> list[str]:
        """The truths that do not hold."""
        async with reading(self.shop_id) as tx:
            truths = {
                **invariants.INVARIANTS,
                **payouts_truths.INVARIANTS,
                **ledger_truths.INVARIANTS,
            }
            return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]


def _event(kind: Any, payload: dict[str, Any]) -> Any:
    return msgspec.convert(payload, kind, strict=False)


@pytest.fixture
async def desk(market: Market, shop: ShopId, wechat_url: str) -> AsyncIterator[Desk]:
    """A shop with a merchant of its own; after each story every truth holds."""
    person = market.person
    keys = await person.call("POST", "/merchants", {"name": f"分账店{shop}"})
    app = await person.call("POST", "/apps", {"name": f"店{shop}", "mchid": keys["mchid"]})
    keys = keys | {"appid": app["appid"], "secret": app["secret"]}
    await configure(shop, keys)
    openid = await log_in(wechat_url, person, keys)
    await person.call("PATCH", "/settings", {"share_cap_bps": 3000, "fee_bps": 60})
    made = Desk(shop, person, keys, openid, wechat_url)
    yield made
    assert await made.broken() == []
    assert await made.bank_difference() == 0
