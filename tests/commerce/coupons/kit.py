"""A shop that issues coupons, and members who take them, on real connections."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from siyu.commerce.coupons import invariants, queries, service
from siyu.commerce.coupons.contracts import (
    Batch,
    BatchState,
    Birthday,
    Claim,
    Coupon,
    Draft,
    Limits,
    Terms,
)
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    Buyer,
    CouponOff,
    FixedOff,
    PriceLine,
    Quote,
    Rule,
)
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from tests.commerce.ordering.kit import make_buyers

_LIMITS = set(Limits.__struct_fields__)


def draft(**changes: Any) -> Draft:
    """10 yuan off anything, in the centre, for thirty days; `changes` to terms and limits."""
    now = clock.now()
    limits = {"ends_at": now + timedelta(days=30), "per_member": 100}
    terms: dict[str, Any] = {
        "gives": FixedOff(1000),
        "starts_at": now - timedelta(hours=1),
    }
    name, note = changes.pop("name", "满减券"), changes.pop("note", "")
    for field, value in changes.items():
        (limits if field in _LIMITS else terms)[field] = value
    return Draft(name=name, note=note, terms=Terms(**terms), limits=Limits(**limits))


async def make_batch(
    shop: ShopId, *, state: BatchState = BatchState.RUNNING, **changes: Any
) -> Batch:
    """A batch, running unless `state` says otherwise."""
    async with transaction(shop) as tx:
        batch = await service.create_batch(tx, System(), draft(**changes))
        if state is not BatchState.DRAFT:
            batch = await service.move_batch(tx, System(), batch.batch_id, BatchState.RUNNING)
        if state not in (BatchState.DRAFT, BatchState.RUNNING):
            batch = await service.move_batch(tx, System(), batch.batch_id, state)
    return batch


async def make_members(shop: ShopId, count: int = 1) -> list[Receiver]:
    """Members of the shop."""
    made = await make_buyers(shop, count)
    return [Receiver(member.member_id, member.person_no) for member, _ in made]


async def claim(shop: ShopId, member: Receiver, batch: Batch) -> UUID:
    """Claim in the centre."""
    async with transaction(shop) as tx:
        return await service.claim(tx, member, batch.batch_id, None)


async def hold(shop: ShopId, member: Receiver, offs: dict[UUID, int]) -> UUID:
    """Hold coupons for a new order; its id."""
    order_id = new_id()
    async with transaction(shop) as tx:
        await service.hold(tx, member.member_id, order_id, offs)
    return order_id


async def use(shop: ShopId, order_id: UUID, total_fen: int | None = None) -> int:
    async with transaction(shop) as tx:
        return await service.use(tx, order_id, total_fen)


async def release(shop: ShopId, order_id: UUID) -> None:
    async with transaction(shop) as tx:
        await service.release(tx, order_id)


async def give_back(shop: ShopId, order_id: UUID) -> list[UUID]:
    async with transaction(shop) as tx:
        return await service.give_back(tx, order_id, new_id())


async def spend(shop: ShopId, member: Receiver, claim_id: UUID, off_fen: int = 1000) -> UUID:
    """A paid order with the coupon."""
    order_id = await hold(shop, member, {claim_id: off_fen})
    await use(shop, order_id, 5000)
    return order_id


async def coupon_of(shop: ShopId, member: Receiver, claim_id: UUID) -> Coupon:
    async with reading(shop) as tx:
        (found,) = await queries.list_coupons(tx, member.member_id, [claim_id])
    return found


async def claim_of(shop: ShopId, member: Receiver, claim_id: UUID) -> Claim:
    return (await coupon_of(shop, member, claim_id)).claim


async def batch_of(shop: ShopId, batch: Batch) -> Batch:
    async with reading(shop) as tx:
        return await service.get_batch(tx, batch.batch_id)


async def moves_of(shop: ShopId, claim_id: UUID) -> list[str]:
    async with reading(shop) as tx:
        return [move.kind.value for move in await queries.list_moves(tx, claim_id)]


async def broken(shop: ShopId) -> list[str]:
    """Truths of coupons that do not hold."""
    found = []
    async with reading(shop) as tx:
        for truth, sql in invariants.INVARIANTS.items():
            if await tx.value(f"select count(*) from ({sql}) as broken"):
                found.append(truth)
    return found


class Basket:
    """A basket with a price, for verbs that ask for one."""

    def __init__(self, *prices_fen: int, rules: Sequence[Rule] = ()) -> None:
        self.lines = [
            PriceLine(new_id(), 1, price_fen, product_id=new_id(), category_ids=(new_id(),))
            for price_fen in prices_fen
        ]
        self.rules = list(rules)
        self.asked = 0

    def price(self, coupons: Sequence[CouponOff]) -> Quote:
        self.asked += 1
        buyer = Buyer(pays_member_price=False)
        return promotions.price(self.lines, buyer, [*self.rules, *coupons], is_sent=False)


def later(days: float) -> datetime:
    return clock.now() + timedelta(days=days)


def today() -> Birthday:
    """Today by the calendar of the test shops."""
    on = clock.business_day(clock.now(), "Asia/Shanghai")
    return Birthday(on.month, on.day)
