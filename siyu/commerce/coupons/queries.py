"""All SQL of coupons."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from siyu.commerce.coupons.contracts import (
    Batch,
    BatchState,
    Claim,
    ClaimState,
    CodeTaken,
    Coupon,
    Draft,
    Figures,
    Issue,
    Move,
    Tab,
)
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx

_BATCH = """b.batch_id, b.name, b.note, b.state, b.gives, b.from_fen, b.scope, b."group",
  b.full_price_only, b.issue, b.code, b.starts_at, b.ends_at, b.valid_days, b.needs_phone,
  b.return_days, b.total_count, b.per_member, b.per_device, b.budget_fen, b.claimed_count,
  b.committed_fen, b.version, b.created_at, b.updated_at"""
_CLAIM = """c.claim_id, c.batch_id, c.member_id, c.person_no, c.state, c.valid_from, c.valid_until,
  c.order_id, c.off_fen, c.claimed_at, c.used_at"""
_COUPON = """select to_jsonb(c) as claim, to_jsonb(b) as batch
  from coupons.claims c join coupons.batches b using (shop_id, batch_id)"""


class Receiver(msgspec.Struct, frozen=True):
    """A member who gets a coupon."""

    member_id: UUID
    person_no: int


class ShopRow(msgspec.Struct, frozen=True):
    """A shop with something to do."""

    shop_id: int


class CountRow(msgspec.Struct, frozen=True):
    """How many of a batch."""

    batch_id: UUID
    had: int


class IdRow(msgspec.Struct, frozen=True):
    """A coupon."""

    claim_id: UUID


class TakerRow(msgspec.Struct, frozen=True):
    """Who takes: a member's id, or a keyed hash."""

    taker: bytes


# --- batches --------------------------------------------------------------------------------------


async def insert_batch(tx: Tx, batch_id: UUID, draft: Draft) -> Batch:
    """Keep a new batch, as a draft. Raises CodeTaken."""
    with _code_is_free():
        return await tx.one(
            Batch,
            f"""insert into coupons.batches as b (shop_id, batch_id, name, note, state, gives,
                  from_fen, scope, "group", full_price_only, issue, code, starts_at, valid_days,
                  needs_phone, return_days, total_count, per_member, per_device, budget_fen,
                  ends_at, created_at, updated_at)
                values ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                  $16, $17, $18, $19, $20, $21, $21)
                returning {_BATCH}""",
            tx.shop_id,
            batch_id,
            draft.name,
            draft.note,
            *_columns(draft),
            clock.now(),
        )


async def move_batch(tx: Tx, batch_id: UUID, draft: Draft) -> Batch:
    """Write a batch anew; it is locked. Raises CodeTaken."""
    with _code_is_free():
        return await tx.one(
            Batch,
            f"""update coupons.batches b set name = $3, note = $4, gives = $5, from_fen = $6,
                  scope = $7, "group" = $8, full_price_only = $9, issue = $10, code = $11,
                  starts_at = $12, valid_days = $13, needs_phone = $14, return_days = $15,
                  total_count = $16, per_member = $17, per_device = $18, budget_fen = $19,
                  ends_at = $20, updated_at = $21, version = b.version + 1
                where b.shop_id = $1 and b.batch_id = $2 returning {_BATCH}""",
            tx.shop_id,
            batch_id,
            draft.name,
            draft.note,
            *_columns(draft),
            clock.now(),
        )


@contextlib.contextmanager
def _code_is_free() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "batch_code"
        raise CodeTaken from error


def _columns(draft: Draft) -> list[object]:
    return [*msgspec.structs.astuple(draft.terms), *msgspec.structs.astuple(draft.limits)]


async def move_batch_state(tx: Tx, batch_id: UUID, state: BatchState) -> Batch:
    """Put a batch into another state; it is locked."""
    return await tx.one(
        Batch,
        f"""update coupons.batches b set state = $3, updated_at = $4, version = b.version + 1
            where b.shop_id = $1 and b.batch_id = $2 returning {_BATCH}""",
        tx.shop_id,
        batch_id,
        state,
        clock.now(),
    )


async def get_batch(tx: ReadTx, batch_id: UUID) -> Batch | None:
    """A batch of the shop."""
    return await tx.maybe(
        Batch,
        f"select {_BATCH} from coupons.batches b where b.shop_id = $1 and b.batch_id = $2",
        tx.shop_id,
        batch_id,
    )


async def lock_batch(tx: Tx, batch_id: UUID) -> Batch | None:
    """A batch of the shop, held."""
    return await tx.maybe(
        Batch,
        f"""select {_BATCH} from coupons.batches b
            where b.shop_id = $1 and b.batch_id = $2 for no key update""",
        tx.shop_id,
        batch_id,
    )


async def get_batch_by_code(tx: ReadTx, code: str) -> Batch | None:
    """The batch that goes by a code and has not ended."""
    return await tx.maybe(
        Batch,
        f"""select {_BATCH} from coupons.batches b
            where b.shop_id = $1 and b.code = $2 and b.state <> 'ended'""",
        tx.shop_id,
        code,
    )


async def list_batches(
    tx: ReadTx, state: BatchState | None, before: UUID | None, limit: int
) -> list[Batch]:
    """The newest first; `before` is the last one seen."""
    return await tx.all(
        Batch,
        f"""select {_BATCH} from coupons.batches b
            where b.shop_id = $1 and ($2::text is null or b.state = $2)
              and ($3::uuid is null or b.batch_id < $3)
            order by b.batch_id desc limit $4""",
        tx.shop_id,
        state,
        before,
        limit,
    )


async def count_used(tx: ReadTx, batch_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many coupons of each batch are in a paid order; batches without any are missing."""
    found = await tx.all(
        CountRow,
        """select batch_id, count(*) as had from coupons.claims
           where shop_id = $1 and batch_id = any ($2::uuid[]) and state = 'used' group by 1""",
        tx.shop_id,
        list(batch_ids),
    )
    return {row.batch_id: row.had for row in found}


async def list_open(tx: ReadTx, issues: Sequence[Issue], limit: int = 100) -> list[Batch]:
    """Batches that give coupons now, in these ways; those that end first come first."""
    return await tx.all(
        Batch,
        f"""select {_BATCH} from coupons.batches b
            where b.shop_id = $1 and b.state = 'running' and b.issue = any($2)
              and b.starts_at <= $3 and $3 < b.ends_at
            order by b.ends_at, b.batch_id limit $4""",
        tx.shop_id,
        list(issues),
        clock.now(),
        limit,
    )


async def get_figures(tx: ReadTx, batch_id: UUID) -> Figures:
    """What a batch has done."""
    return await tx.one(
        Figures,
        """select count(*) as claimed, count(*) filter (where state = 'held') as held,
             count(*) filter (where state = 'used') as used,
             count(*) filter (where state = 'expired'
               or (state = 'claimed' and valid_until <= $3)) as expired,
             count(*) filter (where state = 'void') as void,
             coalesce(sum(off_fen) filter (where state = 'used'), 0)::bigint as given_fen,
             count(distinct order_id) filter (where state = 'used') as orders,
             coalesce(sum(order_fen), 0)::bigint as turnover_fen
           from coupons.claims where shop_id = $1 and batch_id = $2""",
        tx.shop_id,
        batch_id,
        clock.now(),
    )


# --- giving ---------------------------------------------------------------------------------------


async def count_takers(
    tx: Tx, batch_id: UUID, kind: str, takers: Sequence[bytes], pieces: int, most: int
) -> set[bytes]:
    """Count so many coupons for each taker, in one order; those whom the limit allows it."""
    rows = await tx.all(
        TakerRow,
        """insert into coupons.takers as t (shop_id, batch_id, kind, taker, taken, most)
           select $1, $2, $3, taker, $5::int, $6::int from unnest($4::bytea[]) as taker
           where $5::int <= $6::int order by taker
           on conflict (shop_id, batch_id, kind, taker) do update
             set taken = t.taken + excluded.taken, most = excluded.most
             where t.taken + excluded.taken <= excluded.most
           returning t.taker""",
        tx.shop_id,
        batch_id,
        kind,
        list(takers),
        pieces,
        most,
    )
    return {row.taker for row in rows}


async def insert_claims(
    tx: Tx,
    batch_id: UUID,
    receivers: Sequence[Receiver],
    claim_ids: Sequence[UUID],
    until: datetime,
    note: str,
    birthday_year: int | None,
) -> int:
    """Give coupons, one to each of `receivers` (who may stand there twice), if the batch runs and
    has so many left: all of them or none. How many were given."""
    return int(
        await tx.value(
            """with counted as (
                 update coupons.batches b
                   set claimed_count = b.claimed_count + cardinality($3::uuid[])
                 where b.shop_id = $1 and b.batch_id = $2 and b.state = 'running'
                   and b.starts_at <= $6 and $6 < b.ends_at
                   and (b.total_count is null
                     or b.claimed_count + cardinality($3::uuid[]) <= b.total_count)
                   and (b.budget_fen is null or b.committed_fen < b.budget_fen)
                 returning b.batch_id),
               made as (
                 insert into coupons.claims (shop_id, claim_id, batch_id, member_id, person_no,
                   state, valid_from, valid_until, birthday_year, claimed_at)
                 select $1, r.claim_id, c.batch_id, r.member_id, r.person_no, 'claimed', $6, $7, $9,
                   $6
                 from counted c,
                   unnest($3::uuid[], $4::uuid[], $5::bigint[])
                     as r (claim_id, member_id, person_no)
                 returning claim_id),
               noted as (
                 insert into coupons.moves (shop_id, claim_id, move_no, kind, note, at)
                 select $1, claim_id, 1, 'claimed', $8, $6 from made)
               select count(*) from made""",
            tx.shop_id,
            batch_id,
            list(claim_ids),
            [receiver.member_id for receiver in receivers],
            [receiver.person_no for receiver in receivers],
            clock.now(),
            until,
            note,
            birthday_year,
        )
    )


# --- members --------------------------------------------------------------------------------------


async def list_coupons(tx: ReadTx, member_id: UUID, claim_ids: Sequence[UUID]) -> list[Coupon]:
    """These coupons, as far as they are the member's."""
    return await tx.all(
        Coupon,
        f"{_COUPON} where c.shop_id = $1 and c.member_id = $2 and c.claim_id = any($3)",
        tx.shop_id,
        member_id,
        list(claim_ids),
    )


async def list_holders(tx: ReadTx, member_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these members who have coupons that may be used now."""
    found: list[UUID] = await tx.value(
        """select coalesce(array_agg(distinct member_id), '{}') from coupons.claims
           where shop_id = $1 and member_id = any($2) and state = 'claimed' and valid_until > $3""",
        tx.shop_id,
        list(member_ids),
        clock.now(),
    )
    return found


async def list_living(tx: ReadTx, member_id: UUID, limit: int) -> list[Coupon]:
    """The coupons a member may use or has in an unpaid order; those that end first come first."""
    return await tx.all(
        Coupon,
        f"""{_COUPON}
            where c.shop_id = $1 and c.member_id = $2
              and (c.state = 'held' or (c.state = 'claimed' and c.valid_until > $3))
            order by c.valid_until, c.claim_id limit $4""",
        tx.shop_id,
        member_id,
        clock.now(),
        limit,
    )


async def list_past(
    tx: ReadTx, member_id: UUID, tab: Tab, before: UUID | None, limit: int
) -> list[Coupon]:
    """Coupons that were used, or that ended unused; the newest first."""
    return await tx.all(
        Coupon,
        f"""{_COUPON}
            where c.shop_id = $1 and c.member_id = $2
              and case when $3 = 'used' then c.state = 'used'
                else c.state in ('expired', 'void')
                  or (c.state = 'claimed' and c.valid_until <= $4) end
              and ($5::uuid is null or c.claim_id < $5)
            order by c.claim_id desc limit $6""",
        tx.shop_id,
        member_id,
        tab,
        clock.now(),
        before,
        limit,
    )


async def count_own(tx: ReadTx, member_id: UUID, batch_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many coupons of these batches a member has had."""
    rows = await tx.all(
        CountRow,
        """select batch_id, count(*) as had from coupons.claims
           where shop_id = $1 and member_id = $2 and batch_id = any($3) group by 1""",
        tx.shop_id,
        member_id,
        list(batch_ids),
    )
    return {row.batch_id: row.had for row in rows}


async def list_claims(
    tx: ReadTx, batch_id: UUID, state: ClaimState | None, before: UUID | None, limit: int
) -> list[Claim]:
    """The coupons of a batch, the newest first."""
    return await tx.all(
        Claim,
        f"""select {_CLAIM} from coupons.claims c
            where c.shop_id = $1 and c.batch_id = $2 and ($3::text is null or c.state = $3)
              and ($4::uuid is null or c.claim_id < $4)
            order by c.claim_id desc limit $5""",
        tx.shop_id,
        batch_id,
        state,
        before,
        limit,
    )


async def list_moves(tx: ReadTx, claim_id: UUID) -> list[Move]:
    """The history of a coupon, from its beginning."""
    return await tx.all(
        Move,
        """select move_no, kind, order_id, off_fen, note, at from coupons.moves
           where shop_id = $1 and claim_id = $2 order by move_no""",
        tx.shop_id,
        claim_id,
    )


async def move_void(tx: Tx, batch_id: UUID, claim_ids: Sequence[UUID], note: str) -> list[UUID]:
    """Take coupons of a batch away that nobody uses at the moment; which these were."""
    rows = await tx.all(
        IdRow,
        """with void as (
             update coupons.claims c set state = 'void', moves = c.moves + 1
             where c.shop_id = $1 and c.batch_id = $2 and c.claim_id = any($3)
               and c.state = 'claimed'
             returning c.claim_id, c.moves),
           noted as (
             insert into coupons.moves (shop_id, claim_id, move_no, kind, note, at)
             select $1, claim_id, moves, 'voided', $4, $5 from void)
           select claim_id from void order by claim_id""",
        tx.shop_id,
        batch_id,
        list(claim_ids),
        note,
        clock.now(),
    )
    return [row.claim_id for row in rows]


async def move_expired(tx: Tx, limit: int) -> int:
    """End coupons whose time is over; how many."""
    return int(
        await tx.value(
            """with due as (
                 select claim_id from coupons.claims
                 where shop_id = $1 and state = 'claimed' and valid_until <= $2
                 order by claim_id limit $3 for no key update skip locked),
               ended as (
                 update coupons.claims c set state = 'expired', moves = c.moves + 1
                 from due where c.shop_id = $1 and c.claim_id = due.claim_id
                 returning c.claim_id, c.moves),
               noted as (
                 insert into coupons.moves (shop_id, claim_id, move_no, kind, at)
                 select $1, claim_id, moves, 'expired', $2 from ended)
               select count(*) from ended""",
            tx.shop_id,
            clock.now(),
            limit,
        )
    )


async def list_ending(tx: Tx) -> list[ShopRow]:
    """Shops with coupons whose time is over. Run by a role that sees every shop."""
    return await tx.all(
        ShopRow,
        """select distinct shop_id from coupons.claims
           where state = 'claimed' and valid_until <= $1 order by shop_id""",
        clock.now(),
    )
