"""Coupons in baskets and orders: what ordering calls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from uuid import UUID

from siyu.commerce.coupons import queries, rules
from siyu.commerce.coupons.contracts import (
    BudgetSpent,
    ClaimNotFound,
    ClaimState,
    Coupon,
    CouponReturned,
    CouponUnusable,
    CouponUsed,
    MoveKind,
    Offer,
)
from siyu.commerce.coupons.service import order_store
from siyu.commerce.coupons.service.batches import get_batch
from siyu.commerce.promotions.contracts import CouponOff, PriceLine
from siyu.commerce.promotions.service import CouponTrial
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit

_MOST_JUDGED = 50
"""Of more coupons than anybody needs those that end first are looked at."""


async def list_usable(
    tx: ReadTx,
    member_id: UUID,
    lines: Sequence[PriceLine],
    price: rules.Pricer,
    *,
    is_first_order: bool,
) -> list[Offer]:
    """What each of a member's coupons does for a basket; the best first, then those that do
    nothing, with the reason. `price` is not called for a member without coupons."""
    coupons = await queries.list_living(tx, member_id, _MOST_JUDGED)
    if not coupons:
        return []
    bare, now = price([]), clock.now()
    offers = [
        rules.judge(coupon, lines, bare, price, now, is_first_order=is_first_order)
        for coupon in coupons
    ]
    return sorted(offers, key=lambda offer: (-offer.saving_fen, offer.coupon.claim.valid_until))


async def find_holders(tx: ReadTx, member_ids: Sequence[UUID]) -> set[UUID]:
    """Those of many members who have coupons, of whom some may serve."""
    return set(await queries.list_holders(tx, member_ids))


async def load_rules(
    tx: ReadTx, member_id: UUID, claim_ids: Iterable[UUID], *, is_first_order: bool
) -> list[CouponOff]:
    """These coupons of a member as prices know them, in that order.

    Raises ClaimNotFound, also for another's (F081), CouponUnusable.
    """
    wanted = list(dict.fromkeys(claim_ids))
    if not wanted:
        return []
    found = await _own(tx, member_id, wanted)
    for coupon in found:
        reason = rules.refusal(coupon, clock.now(), is_first_order=is_first_order)
        if reason is not None:
            raise CouponUnusable(claim_id=str(coupon.claim.claim_id), reason=reason)
    return [rules.as_rule(coupon) for coupon in found]


async def _own(tx: ReadTx, member_id: UUID, claim_ids: Sequence[UUID]) -> list[Coupon]:
    rows = await queries.list_coupons(tx, member_id, claim_ids)
    found = {row.claim.claim_id: row for row in rows}
    for claim_id in claim_ids:
        if claim_id not in found:
            raise ClaimNotFound(claim_id=str(claim_id))
    return [found[claim_id] for claim_id in claim_ids]


async def hold(tx: Tx, member_id: UUID, order_id: UUID, offs: Mapping[UUID, int]) -> None:
    """Keep a member's coupons for an order until `use` or `release`; of many orders that want one
    at once a single one gets it (F047), and no budget is exceeded (F048).

    offs: by claim, what the coupon takes off the order, > 0. Raises ClaimNotFound, CouponUnusable,
    BudgetSpent; the caller's transaction is then to be rolled back.
    """
    if not offs:
        return
    assert min(offs.values()) > 0, "a coupon that takes nothing off is not used"
    claim_ids = sorted(offs)
    row = await order_store.move_held(
        tx, member_id, order_id, claim_ids, [offs[claim_id] for claim_id in claim_ids]
    )
    if row.held == len(claim_ids) and row.is_within_budget:
        return
    for coupon in await _own(tx, member_id, claim_ids):
        claim = coupon.claim
        # What we hold ourselves by now is no reason.
        if claim.order_id != order_id:
            reason = rules.refusal(coupon, clock.now(), is_first_order=True)
            raise CouponUnusable(claim_id=str(claim.claim_id), reason=reason or ClaimState.HELD)
    raise BudgetSpent


async def use(tx: Tx, order_id: UUID, total_fen: int | None = None) -> int:
    """The order is paid: its coupons are used. What they took off; 0 when it holds none, or when
    repeated. total_fen: what the order came to, for the figures."""
    used = await order_store.move_used(tx, order_id, total_fen)
    for row in used:
        emit(
            tx,
            CouponUsed(
                person_no=row.person_no,
                member_id=row.member_id,
                batch_id=row.batch_id,
                claim_id=row.claim_id,
                order_id=order_id,
                amount_fen=row.off_fen,
            ),
        )
    return sum(row.off_fen for row in used)


async def release(tx: Tx, order_id: UUID) -> None:
    """The order ended unpaid: its coupons may be used again, with the days they had. Nothing
    happens when it holds none, so a second end (cancelled and timed out) returns nothing (F049)."""
    rows = await order_store.move_back(tx, order_id, ClaimState.HELD, MoveKind.RELEASED)
    _tell_returned(tx, order_id, rows, "cancelled")


async def give_back(tx: Tx, order_id: UUID, refund_id: UUID) -> list[UUID]:
    """The order is refunded in full: its coupons may be used again where their batch says so, once
    however often it is told. Which these are. `refund_id` is the refund that completed it."""
    rows = await order_store.move_back(tx, order_id, ClaimState.USED, MoveKind.GIVEN_BACK)
    _tell_returned(tx, order_id, rows, "refunded")
    return [row.claim_id for row in rows]


def _tell_returned(
    tx: Tx,
    order_id: UUID,
    rows: Iterable[order_store.OrderRow],
    reason: Literal["cancelled", "refunded"],
) -> None:
    for row in rows:
        emit(
            tx,
            CouponReturned(
                person_no=row.person_no,
                member_id=row.member_id,
                batch_id=row.batch_id,
                claim_id=row.claim_id,
                order_id=order_id,
                amount_fen=row.off_fen,
                reason=reason,
            ),
        )


async def load_trial(tx: ReadTx, batch_id: UUID) -> tuple[CouponTrial, int]:
    """A batch as a coupon that is tried on past orders, and its version. Raises BatchNotFound."""
    batch = await get_batch(tx, batch_id)
    return rules.trial_of(batch), batch.version


async def list_used(
    tx: ReadTx, order_ids: Sequence[UUID], *, but: UUID
) -> dict[UUID, list[CouponOff]]:
    """The coupons that paid orders used, as prices know them; also those given back since. Those of
    the batch `but` are left out, and orders without any."""
    used: dict[UUID, list[CouponOff]] = {}
    for row in await order_store.list_used(tx, order_ids, but):
        used.setdefault(row.order_id, []).append(rules.rule_of(row.batch, row.claim_id))
    return used


async def list_held(tx: ReadTx, order_id: UUID) -> dict[UUID, int]:
    """What an order held last, by claim; also after it ended."""
    return {row.claim_id: row.off_fen for row in await order_store.list_held(tx, order_id)}
