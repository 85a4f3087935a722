"""What tests of stored value do with one member of a shop that has its licence."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.money.ledger import invariants as ledger
from siyu.money.payments import invariants as payment_truths
from siyu.money.payments import queries as payment_queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel, PaymentSucceeded
from siyu.money.stored_value import background, invariants, service
from siyu.money.stored_value.contracts import (
    Adjustment,
    Held,
    LicenceKind,
    OfferId,
    Side,
    StoredValueSettings,
    TopUp,
    TopUpRefund,
    WalletMovement,
    WalletRow,
)
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform
from siyu.wechat.pay.contracts import Trade, TradeAmount, TradeState

MCHID, APPID = "1900000109", "wx8888888888888888"


def staff(name: str = "小李") -> StaffIdentity:
    return StaffIdentity(new_id(), new_id(), ShopId(0), name, frozenset())


async def open_gate(shop: ShopId, **change: Any) -> None:
    """WeChat's account, the licence and the rules of a shop."""
    wechat = WeChatChange(
        environment=Environment.REAL,
        appid=APPID,
        mchid=MCHID,
        certificate_serial="5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
        public_key_id=None,
        public_key_pem=None,
    )
    async with transaction(shop) as tx:
        await shops.set_wechat(tx, System(), wechat)
        rules = {"limit_fen": 500_000, **change}
        await service.set_settings(tx, System(), StoredValueSettings(**rules))
        await service.accept_licence(
            tx,
            staff(),
            kind=LicenceKind.SINGLE_PURPOSE,
            number="350500AAC0001",
            issuer="泉州市商务局",
            valid_from_on=date(2020, 1, 1),
            valid_until_on=None,
            accepted=True,
        )


@dataclass
class Till:
    """A member's wallet; every call is a transaction of its own."""

    shop: ShopId
    member: MemberIdentity

    @classmethod
    async def of(cls, shop: ShopId) -> "Till":
        """The wallet of a new member."""
        async with transaction(shop) as tx:
            made = await members.record_login(
                tx, "wx-test", new_id().hex, union_id=None, platform=Platform.H5
            )
        return cls(shop, MemberIdentity(shop, made.member.member_id, made.member.person_no))

    @property
    def member_id(self) -> UUID:
        return self.member.member_id

    async def set(self, **change: Any) -> None:
        async with transaction(self.shop) as tx:
            rules = msgspec.structs.replace(await service.get_settings(tx), **change)
            await service.set_settings(tx, System(), rules)

    async def offer(self, amount_fen: int, bonus_fen: int, reason: str | None = None) -> OfferId:
        async with transaction(self.shop) as tx:
            for known in await service.list_offers(tx):
                if (known.amount_fen, known.bonus_fen) == (amount_fen, bonus_fen):
                    return known.offer_id
                if known.amount_fen == amount_fen:
                    await service.retire_offer(tx, staff(), known.offer_id)
            made = await service.add_offer(
                tx,
                staff(),
                amount_fen=amount_fen,
                bonus_fen=bonus_fen,
                override_reason=reason,
            )
            return made.offer_id

    async def place(self, amount_fen: int = 100_000, bonus_fen: int = 30_000) -> TopUp:
        offer_id = await self.offer(amount_fen, bonus_fen)
        async with transaction(self.shop) as tx:
            return await service.place_top_up(tx, self.member, offer_id, "h5")

    async def pay(self, top_up: TopUp) -> PaymentSucceeded:
        """WeChat has the money; the event is not yet heard."""
        async with transaction(self.shop) as tx:
            payment_id = await service.start_payment(
                tx, self.member_id, top_up.top_up_id, Channel.NATIVE, None
            )
        return await self.report(payment_id, top_up.amount_fen)

    async def report(self, payment_id: UUID, amount_fen: int) -> PaymentSucceeded:
        async with reading(self.shop) as tx:
            attempt = await payment_queries.get_attempt(tx, payment_id)
        assert attempt is not None
        trade = Trade(
            appid=APPID,
            mchid=MCHID,
            out_trade_no=attempt.number,
            trade_state=TradeState.SUCCESS,
            amount=TradeAmount(amount_fen, payer_total=amount_fen),
            transaction_id=f"42{attempt.number[-26:]}",
            success_time=clock.now(),
        )
        async with transaction(self.shop) as tx:
            await payments.record_trade(tx, trade, clock.now())
        async with reading(self.shop) as tx:
            raw = await tx.value(
                """select payload from kernel.outbox where name = 'payments.payment_succeeded'
                     and payload ->> 'payment_id' = $1""",
                str(payment_id),
            )
        return msgspec.convert(raw, PaymentSucceeded, strict=False)

    async def hear(self, event: Any) -> None:
        reaction = getattr(background, f"on_{event.name.rpartition('.')[2]}")
        async with transaction(self.shop) as tx:
            await reaction(tx, event)

    async def top_up(self, amount_fen: int = 100_000, bonus_fen: int = 30_000) -> UUID:
        placed = await self.place(amount_fen, bonus_fen)
        await self.hear(await self.pay(placed))
        return placed.top_up_id

    async def hold(self, fen: int, order_id: UUID | None = None) -> tuple[UUID, Held]:
        order_id = order_id or new_id()
        async with transaction(self.shop) as tx:
            held = await service.hold(
                tx, member_id=self.member_id, order_id=order_id, amount_fen=fen
            )
        return order_id, held

    async def capture(self, order_id: UUID) -> Held:
        async with transaction(self.shop) as tx:
            return await service.capture(tx, order_id)

    async def release(self, order_id: UUID) -> None:
        async with transaction(self.shop) as tx:
            await service.release(tx, order_id)

    async def spend(self, fen: int) -> tuple[UUID, Held]:
        order_id, held = await self.hold(fen)
        assert await self.capture(order_id) == held
        return order_id, held

    async def give_back(self, order_id: UUID, fen: int, refund_id: UUID | None = None) -> Held:
        async with transaction(self.shop) as tx:
            return await service.give_back(tx, order_id, refund_id or new_id(), fen)

    async def refund(
        self, top_up_id: UUID, fen: int | None = None, refund_id: UUID | None = None
    ) -> TopUpRefund:
        async with transaction(self.shop) as tx:
            return await service.refund_top_up(
                tx,
                staff(),
                top_up_id,
                refund_id=refund_id or new_id(),
                amount_fen=fen,
                reason="顾客申请退余额",
            )

    async def adjust(
        self, side: Side, delta_fen: int, by: StaffIdentity | None = None
    ) -> Adjustment:
        async with transaction(self.shop) as tx:
            return await service.adjust(
                tx, by or staff(), self.member_id, side=side, delta_fen=delta_fen, reason="更正"
            )

    async def decide(self, made: Adjustment, by: StaffIdentity, approved: bool) -> Adjustment:
        async with transaction(self.shop) as tx:
            return await service.decide_adjustment(tx, by, made.adjustment_id, approved=approved)

    async def expire(self) -> int:
        async with transaction(self.shop) as tx:
            return await service.expire_bonus(tx, self.member_id)

    async def wallet(self) -> WalletRow:
        async with reading(self.shop) as tx:
            found = await service.get_wallet(tx, self.member_id)
        assert found is not None
        return found

    async def left(self) -> tuple[int, int]:
        async with reading(self.shop) as tx:
            found = await service.spendable(tx, self.member_id)
        return found.principal_fen, found.bonus_fen

    async def find(self, top_up_id: UUID) -> TopUp:
        async with reading(self.shop) as tx:
            return await service.get_top_up(tx, top_up_id)

    async def statement(self) -> list[WalletMovement]:
        """Oldest first."""
        async with reading(self.shop) as tx:
            return (await service.list_statement(tx, self.member_id, None, 100))[::-1]

    async def told(self) -> list[tuple[str, int, int]]:
        """Kind, principal and bonus of each line."""
        return [(str(m.kind), m.principal_fen, m.bonus_fen) for m in await self.statement()]

    async def booked(self, book: str) -> int:
        """What the shop's ledger holds in a book, debit > 0."""
        async with reading(self.shop) as tx:
            return int(
                await tx.value(
                    "select coalesce(sum(units), 0) from ledger.legs where book = $1", book
                )
            )

    async def events(self, name: str) -> list[dict[str, Any]]:
        async with reading(self.shop) as tx:
            rows = await tx.connection.fetch(
                "select payload from kernel.outbox where name = $1 order by event_id",
                f"stored_value.{name}",
            )
        return [row["payload"] for row in rows]


async def broken(shop: ShopId) -> list[str]:
    """The truths of stored value, payments and the ledger that do not hold."""
    truths = {**invariants.INVARIANTS, **payment_truths.INVARIANTS, **ledger.INVARIANTS}
    async with reading(shop) as tx:
        return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]
