"""What tests of points do with one member of a shop."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import invariants as ledger
from siyu.money.points import invariants, service
from siyu.money.points.contracts import Points, PointsMovement, PointsSettings
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform


@dataclass
class Purse:
    """A member's points; every call is a transaction of its own."""

    shop: ShopId
    member_id: UUID

    @classmethod
    async def of(cls, shop: ShopId) -> "Purse":
        """The purse of a new member."""
        async with transaction(shop) as tx:
            made = await members.record_login(
                tx, "wx-test", new_id().hex, union_id=None, platform=Platform.H5
            )
        return cls(shop, made.member.member_id)

    async def set(self, **change: Any) -> None:
        async with transaction(self.shop) as tx:
            await service.set_settings(tx, System(), PointsSettings(**change))

    async def earn(self, fen: int, order_id: UUID | None = None) -> UUID:
        order_id = order_id or new_id()
        async with transaction(self.shop) as tx:
            await service.earn(tx, member_id=self.member_id, order_id=order_id, eligible_fen=fen)
        return order_id

    async def revoke(self, order_id: UUID, fen: int, refund_id: UUID | None = None) -> int:
        async with transaction(self.shop) as tx:
            return await service.revoke(
                tx,
                member_id=self.member_id,
                order_id=order_id,
                refund_id=refund_id or new_id(),
                refunded_fen=fen,
            )

    async def hold(self, points: int, order_id: UUID | None = None) -> UUID:
        order_id = order_id or new_id()
        async with transaction(self.shop) as tx:
            await service.hold(tx, member_id=self.member_id, order_id=order_id, points=points)
        return order_id

    async def capture(self, order_id: UUID) -> int:
        async with transaction(self.shop) as tx:
            return await service.capture(tx, order_id)

    async def release(self, order_id: UUID) -> None:
        async with transaction(self.shop) as tx:
            await service.release(tx, order_id)

    async def spend(self, points: int) -> UUID:
        order_id = await self.hold(points)
        await self.capture(order_id)
        return order_id

    async def give_back(self, order_id: UUID, points: int, refund_id: UUID | None = None) -> None:
        async with transaction(self.shop) as tx:
            await service.give_back(tx, order_id, refund_id or new_id(), points)

    async def adjust(self, delta: int, reason: str = "补发活动积分") -> Points:
        async with transaction(self.shop) as tx:
            return await service.adjust(tx, System(), self.member_id, delta, reason)

    async def expire(self) -> int:
        async with transaction(self.shop) as tx:
            return await service.expire(tx, self.member_id)

    async def now(self) -> Points:
        async with reading(self.shop) as tx:
            return await service.get_points(tx, self.member_id)

    async def balance(self) -> int:
        return (await self.now()).balance

    async def lots(self) -> list[int]:
        async with reading(self.shop) as tx:
            return [lot.points_left for lot in await service.list_lots(tx, self.member_id)]

    async def statement(self) -> list[PointsMovement]:
        """Oldest first."""
        async with reading(self.shop) as tx:
            return (await service.list_statement(tx, self.member_id, None, 100))[::-1]

    async def told(self) -> list[tuple[str, int, int]]:
        """Kind, points and balance of each line."""
        return [(str(one.kind), one.points, one.balance) for one in await self.statement()]


async def broken(shop: ShopId) -> list[str]:
    """The truths of points and of the ledger that do not hold."""
    async with reading(shop) as tx:
        truths = {**invariants.INVARIANTS, **ledger.INVARIANTS}
        return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]
