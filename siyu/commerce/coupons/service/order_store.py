"""SQL of coupons in orders."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.coupons.contracts import Batch, ClaimState, MoveKind
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


class HeldRow(msgspec.Struct, frozen=True):
    """What came of holding: how many coupons were free, and whether all budgets allowed it."""

    held: int
    is_within_budget: bool


class OrderRow(msgspec.Struct, frozen=True):
    """A coupon that went into or out of an order."""

    claim_id: UUID
    batch_id: UUID
    member_id: UUID
    person_no: int
    off_fen: int


class OffRow(msgspec.Struct, frozen=True):
    """What a coupon takes off an order."""

    claim_id: UUID
    off_fen: int


class UsedRow(msgspec.Struct, frozen=True):
    """A coupon that a paid order used."""

    order_id: UUID
    claim_id: UUID
    batch: Batch


async def move_held(
    tx: Tx, member_id: UUID, order_id: UUID, claim_ids: Sequence[UUID], offs: Sequence[int]
) -> HeldRow:
    """Put a member's free coupons into an order, and what they take off into their budgets. The
    guards stand in the updates themselves: of many that try at once one finds them true (F047,
    F048). The caller rolls back unless all of it worked."""
    return await tx.one(
        HeldRow,
        """with asked as (
             select * from unnest($4::uuid[], $5::bigint[]) as a (claim_id, off_fen)),
           free as (
             select c.claim_id from coupons.claims c
             where c.shop_id = $1 and c.claim_id = any($4) and c.member_id = $2
             order by c.claim_id for no key update),
           held as (
             update coupons.claims c set state = 'held', order_id = $3, off_fen = a.off_fen,
               moves = c.moves + 1
             from asked a join free using (claim_id)
             where c.shop_id = $1 and c.claim_id = a.claim_id and c.state = 'claimed'
               and c.valid_from <= $6 and $6 < c.valid_until
             returning c.claim_id, c.batch_id, c.off_fen, c.moves),
           noted as (
             insert into coupons.moves (shop_id, claim_id, move_no, kind, order_id, off_fen, at)
             select $1, claim_id, moves, 'held', $3, off_fen, $6 from held),
           budgeted as (
             select b.batch_id, sum(h.off_fen)::bigint as off_fen
             from held h join coupons.batches b on b.shop_id = $1 and b.batch_id = h.batch_id
             where b.budget_fen is not null group by b.batch_id order by b.batch_id),
           committed as (
             update coupons.batches b set committed_fen = b.committed_fen + g.off_fen
             from budgeted g
             where b.shop_id = $1 and b.batch_id = g.batch_id
               and b.committed_fen + g.off_fen <= b.budget_fen
             returning b.batch_id)
           select (select count(*) from held) as held,
             (select count(*) from budgeted) = (select count(*) from committed)
               as is_within_budget""",
        tx.shop_id,
        member_id,
        order_id,
        list(claim_ids),
        list(offs),
        clock.now(),
    )


async def move_used(tx: Tx, order_id: UUID, order_fen: int | None) -> list[OrderRow]:
    """The coupons that an order holds are used; which these were."""
    return await tx.all(
        OrderRow,
        """with used as (
             update coupons.claims c set state = 'used', used_at = $3, order_fen = $4,
               moves = c.moves + 1
             where c.shop_id = $1 and c.order_id = $2 and c.state = 'held'
             returning c.claim_id, c.batch_id, c.member_id, c.person_no, c.off_fen, c.moves),
           noted as (
             insert into coupons.moves (shop_id, claim_id, move_no, kind, order_id, off_fen, at)
             select $1, claim_id, moves, 'used', $2, off_fen, $3 from used)
           select claim_id, batch_id, member_id, person_no, off_fen from used order by claim_id""",
        tx.shop_id,
        order_id,
        clock.now(),
        order_fen,
    )


async def move_back(tx: Tx, order_id: UUID, was: ClaimState, kind: MoveKind) -> list[OrderRow]:
    """Take coupons out of an order, and what they took off out of their budgets; which these were.
    Those that are not `was` in this order stay as they are, so that it happens once (F049). Those
    of a refunded order (given_back) come only if their batch says so, for `return_days` more."""
    return await tx.all(
        OrderRow,
        """with taken as (
             select c.claim_id, c.off_fen, b.budget_fen is not null as is_budgeted, b.return_days
             from coupons.claims c join coupons.batches b using (shop_id, batch_id)
             where c.shop_id = $1 and c.order_id = $2 and c.state = $3
               and ($4 = 'released' or b.return_days is not null)
             order by c.claim_id for no key update of c),
           back as (
             update coupons.claims c set state = 'claimed', order_id = null, off_fen = null,
               order_fen = null, used_at = null, moves = c.moves + 1,
               valid_until = case when $4 = 'released' then c.valid_until else
                 greatest(c.valid_until, $5::timestamptz + make_interval(days => t.return_days)) end
             from taken t
             where c.shop_id = $1 and c.claim_id = t.claim_id and c.order_id = $2 and c.state = $3
             returning c.claim_id, c.batch_id, c.member_id, c.person_no, t.off_fen, t.is_budgeted,
               c.moves),
           noted as (
             insert into coupons.moves (shop_id, claim_id, move_no, kind, order_id, off_fen, at)
             select $1, claim_id, moves, $4, $2, off_fen, $5 from back),
           freed as (
             update coupons.batches b set committed_fen = b.committed_fen - s.off_fen
             from (select batch_id, sum(off_fen)::bigint as off_fen from back
                   where is_budgeted group by batch_id) s
             where b.shop_id = $1 and b.batch_id = s.batch_id)
           select claim_id, batch_id, member_id, person_no, off_fen from back order by claim_id""",
        tx.shop_id,
        order_id,
        was,
        kind,
        clock.now(),
    )


async def list_held(tx: ReadTx, order_id: UUID) -> list[OffRow]:
    """What an order has held, and what each coupon took off; also after it was released."""
    return await tx.all(
        OffRow,
        """select distinct on (claim_id) claim_id, off_fen from coupons.moves
           where shop_id = $1 and order_id = $2 and kind = 'held'
           order by claim_id, move_no desc""",
        tx.shop_id,
        order_id,
    )


async def list_used(tx: ReadTx, order_ids: Sequence[UUID], but: UUID) -> list[UsedRow]:
    """The coupons that paid orders used, but those of one batch."""
    return await tx.all(
        UsedRow,
        """select m.order_id, c.claim_id, to_jsonb(b) as batch
           from coupons.moves m
           join coupons.claims c using (shop_id, claim_id)
           join coupons.batches b using (shop_id, batch_id)
           where m.shop_id = $1 and m.order_id = any($2) and m.kind = 'used' and b.batch_id <> $3
           order by m.order_id, c.claim_id""",
        tx.shop_id,
        list(order_ids),
        but,
    )
