"""All SQL of points."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.money.points.contracts import (
    Lot,
    PointsMovement,
    PointsMovementKind,
    PointsSettings,
    SpendingState,
)
from siyu.money.points.rules import Part, Taken


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A row of points.accounts."""

    member_id: UUID
    below_zero: int
    owed: int


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """A row of points.spendings."""

    spending_id: UUID
    order_id: UUID
    member_id: UUID
    state: SpendingState
    points: int
    hold_id: UUID
    back: int


class Earning(msgspec.Struct, frozen=True, kw_only=True):
    """A row of points.earnings."""

    order_id: UUID
    member_id: UUID
    eligible_fen: int | None
    refunded_fen: int
    per_yuan: int | None
    earned: int
    revoked: int
    forgone: int
    earned_at: datetime | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A member's points as the wallet shows them."""

    member_id: UUID
    points_left: int
    held: int
    below_zero: int
    owed: int
    next_expiry_on: date | None
    next_expiry_points: int


class Ending(msgspec.Struct, frozen=True):
    """A member with points whose last day is over."""

    shop_id: int
    member_id: UUID


# --- settings and accounts ------------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> PointsSettings:
    """The shop's rules."""
    found = await tx.maybe(
        PointsSettings,
        """select is_enabled, earned_per_yuan, points_per_yuan, cap_bps, expiry_months, grace_days,
             negative_allowed
           from points.settings where shop_id = $1""",
        tx.shop_id,
    )
    return found or PointsSettings()


async def upsert_settings(tx: Tx, settings: PointsSettings) -> None:
    """Write the shop's rules."""
    await tx.run(
        """insert into points.settings (shop_id, is_enabled, earned_per_yuan, points_per_yuan,
             cap_bps, expiry_months, grace_days, negative_allowed, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id) do update set is_enabled = excluded.is_enabled,
             earned_per_yuan = excluded.earned_per_yuan,
             points_per_yuan = excluded.points_per_yuan, cap_bps = excluded.cap_bps,
             expiry_months = excluded.expiry_months, grace_days = excluded.grace_days,
             negative_allowed = excluded.negative_allowed, updated_at = excluded.updated_at""",
        tx.shop_id,
        *msgspec.structs.astuple(settings),
        clock.now(),
    )


async def lock_account(tx: Tx, member_id: UUID) -> Account:
    """A member's account, made when it is missing, locked until the end of the transaction."""
    return await tx.one(
        Account,
        """insert into points.accounts (shop_id, member_id, movements) values ($1, $2, 0)
           on conflict (shop_id, member_id) do update set movements = accounts.movements
           returning member_id, below_zero, owed""",
        tx.shop_id,
        member_id,
    )


async def move_debts(tx: Tx, member_id: UUID, below_zero: int, owed: int) -> None:
    """Change what a member's account is below zero, and what it owes, by so much."""
    await tx.run(
        """update points.accounts set below_zero = below_zero + $3, owed = owed + $4
           where shop_id = $1 and member_id = $2""",
        *(tx.shop_id, member_id, below_zero, owed),
    )


async def list_standings(tx: ReadTx, members: Sequence[UUID], today: date) -> list[Standing]:
    """What each of these members has on that business day, in their order; points whose day is
    over count as gone."""
    return await tx.all(
        Standing,
        """select who.member_id, coalesce(good.points, 0)::bigint as points_left,
             coalesce((select sum(points) from points.spendings s
               where s.shop_id = $1 and s.member_id = who.member_id and state = 'held'),
               0)::bigint as held,
             coalesce(a.below_zero, 0) as below_zero, coalesce(a.owed, 0) as owed,
             next.expires_on as next_expiry_on,
             coalesce(next.points, 0)::bigint as next_expiry_points
           from unnest($2::uuid[]) with ordinality as who (member_id, place)
           left join points.accounts a on a.shop_id = $1 and a.member_id = who.member_id
           left join lateral (
             select sum(points_left) as points from points.lots l
             where l.shop_id = $1 and l.member_id = who.member_id and points_left > 0
               and (expires_on is null or expires_on >= $3)) good on true
           left join lateral (
             select expires_on, sum(points_left) as points from points.lots l
             where l.shop_id = $1 and l.member_id = who.member_id and points_left > 0
               and expires_on >= $3
             group by 1 order by 1 limit 1) next on true
           order by place""",
        tx.shop_id,
        list(members),
        today,
    )


async def list_members(
    tx: ReadTx, today: date, ending_by: date | None, before: UUID | None, limit: int
) -> list[UUID]:
    """Who ever had points, those who joined last first; ending_by: only who has points whose last
    day is one of those until then; before: the last one already seen."""
    found: list[UUID] = await tx.value(
        """select array(select member_id from points.accounts a
           where shop_id = $1 and ($4::uuid is null or member_id < $4)
             and ($3::date is null or exists (
               select from points.lots l
               where l.shop_id = $1 and l.member_id = a.member_id and points_left > 0
                 and expires_on between $2 and $3))
           order by member_id desc limit $5)""",
        *(tx.shop_id, today, ending_by, before, limit),
    )
    return found


# --- lots -----------------------------------------------------------------------------------------


async def list_lots(tx: ReadTx, member_id: UUID, today: date) -> list[Lot]:
    """Lots with something left that is good on that day."""
    return await tx.all(
        Lot,
        """select lot_id, order_id, points, points_left, expires_on, created_at from points.lots
           where shop_id = $1 and member_id = $2 and points_left > 0
             and (expires_on is null or expires_on >= $3)
           order by expires_on nulls last, lot_id""",
        tx.shop_id,
        member_id,
        today,
    )


async def insert_lot(
    tx: Tx, lot_id: UUID, member_id: UUID, order_id: UUID | None, points: int, ends: date | None
) -> None:
    """Make a lot; all of it is left."""
    await tx.run(
        """insert into points.lots
             (shop_id, lot_id, member_id, order_id, points, points_left, expires_on, created_at)
           values ($1, $2, $3, $4, $5, $5, $6, $7)""",
        tx.shop_id,
        lot_id,
        member_id,
        order_id,
        points,
        ends,
        clock.now(),
    )


async def move_lots(tx: Tx, taken: Sequence[Taken]) -> None:
    """Take points out of lots; the check of the table refuses more than there is."""
    await tx.run(
        """update points.lots l set points_left = l.points_left - t.points
           from unnest($2::uuid[], $3::bigint[]) as t (lot_id, points)
           where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        *_columns(taken),
    )


def _columns(taken: Sequence[Taken]) -> tuple[list[UUID], list[int]]:
    return [one.lot_id for one in taken], [one.points for one in taken]


async def move_lots_over(tx: Tx, member_id: UUID, today: date) -> int:
    """Empty the lots whose last day is over; how many points that were."""
    ended: int = await tx.value(
        """with over as (
             update points.lots l set points_left = 0, expired = l.expired + l.points_left
             where shop_id = $1 and member_id = $2 and points_left > 0 and expires_on < $3
             returning l.lot_id, l.expired)
           , before as (
             select lot_id, points_left from points.lots
             where shop_id = $1 and member_id = $2 and points_left > 0 and expires_on < $3)
           select coalesce(sum(b.points_left), 0)::bigint from over join before b using (lot_id)""",
        tx.shop_id,
        member_id,
        today,
    )
    return ended


async def get_expired_of_order(tx: ReadTx, order_id: UUID) -> int:
    """Points of the lot an order earned that ended unspent."""
    found: int | None = await tx.value(
        "select expired from points.lots where shop_id = $1 and order_id = $2",
        tx.shop_id,
        order_id,
    )
    return found or 0


async def list_ending(tx: Tx, days: dict[int, date], limit: int) -> list[Ending]:
    """Members with points whose last day is over in their shop; `tx` is a system transaction."""
    return await tx.all(
        Ending,
        """select distinct l.shop_id, l.member_id
           from unnest($1::int[], $2::date[]) as d (shop_id, today)
           join points.lots l on l.shop_id = d.shop_id and l.expires_on < d.today
           where l.points_left > 0 limit $3""",
        list(days),
        list(days.values()),
        limit,
    )


# --- spendings ------------------------------------------------------------------------------------


async def get_spending(tx: ReadTx, order_id: UUID) -> Spending | None:
    """What an order holds or has spent; None when nothing, or when it was released."""
    return await tx.maybe(
        Spending,
        """select spending_id, order_id, member_id, state, points, hold_id, back
           from points.spendings where shop_id = $1 and order_id = $2 and state <> 'released'""",
        tx.shop_id,
        order_id,
    )


async def insert_spending(
    tx: Tx, spending: Spending, taken: Sequence[Taken], expires_at: datetime | None
) -> None:
    """Store what an order holds, take it out of the lots and remember which."""
    await tx.run(
        """with made as (
             insert into points.spendings (shop_id, spending_id, order_id, member_id, state, points,
               hold_id, expires_at, held_at)
             values ($1, $2, $3, $4, 'held', $5, $6, $7, $8)),
           parts as (
             insert into points.parts (shop_id, spending_id, part_no, lot_id, points)
             select $1, $2, t.no, t.lot_id, t.points
             from unnest($9::uuid[], $10::bigint[]) with ordinality as t (lot_id, points, no))
           update points.lots l set points_left = l.points_left - t.points
           from unnest($9::uuid[], $10::bigint[]) as t (lot_id, points)
           where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        spending.spending_id,
        spending.order_id,
        spending.member_id,
        spending.points,
        spending.hold_id,
        expires_at,
        clock.now(),
        *_columns(taken),
    )


async def move_spending(tx: Tx, spending_id: UUID, state: SpendingState) -> bool:
    """End a hold; False when it has ended already."""
    moved = await tx.run(
        """update points.spendings set state = $3, ended_at = $4
           where shop_id = $1 and spending_id = $2 and state = 'held'""",
        tx.shop_id,
        spending_id,
        state,
        clock.now(),
    )
    return bool(moved)


async def move_lots_back(tx: Tx, spending_id: UUID) -> None:
    """Put everything a released spending took back into its lots, with the days they had."""
    await tx.run(
        """update points.lots l set points_left = l.points_left + p.points
           from points.parts p
           where p.shop_id = $1 and p.spending_id = $2
             and l.shop_id = $1 and l.lot_id = p.lot_id""",
        tx.shop_id,
        spending_id,
    )


async def list_parts(tx: ReadTx, spending_id: UUID) -> list[Part]:
    """What a spending took, in that order."""
    return await tx.all(
        Part,
        """select lot_id, points, back from points.parts
           where shop_id = $1 and spending_id = $2 order by part_no""",
        tx.shop_id,
        spending_id,
    )


async def has_given_back(tx: ReadTx, refund_id: UUID) -> bool:
    """Whether this refund has put points back already."""
    found: bool = await tx.value(
        "select exists (select from points.give_backs where shop_id = $1 and refund_id = $2)",
        tx.shop_id,
        refund_id,
    )
    return found


async def insert_give_back(
    tx: Tx,
    refund_id: UUID,
    spending_id: UUID,
    returned: Sequence[Taken],
    today: date,
    good_until: date,
) -> None:
    """Put points of a captured spending back, once per refund; those whose day is over get a new
    one."""
    await tx.run(
        """with given as (
             insert into points.give_backs (shop_id, refund_id, spending_id, points, given_at)
             select $1, $2, $3, sum(t.points), $6
             from unnest($4::uuid[], $5::bigint[]) as t (lot_id, points)),
           counted as (
             update points.spendings s set back = s.back
               + (select sum(t.points) from unnest($5::bigint[]) as t (points))
             where s.shop_id = $1 and s.spending_id = $3),
           parts as (
             update points.parts p set back = p.back + t.points
             from unnest($4::uuid[], $5::bigint[]) as t (lot_id, points)
             where p.shop_id = $1 and p.spending_id = $3 and p.lot_id = t.lot_id)
           update points.lots l set points_left = l.points_left + t.points,
             expires_on = case when l.expires_on < $7 then $8 else l.expires_on end
           from unnest($4::uuid[], $5::bigint[]) as t (lot_id, points)
           where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        refund_id,
        spending_id,
        *_columns(returned),
        clock.now(),
        today,
        good_until,
    )


# --- earnings -------------------------------------------------------------------------------------


async def move_earned(
    tx: Tx, order_id: UUID, eligible_fen: int, per_yuan: int, earned: int
) -> None:
    """Write down what an order earns."""
    await tx.run(
        """update points.earnings
           set eligible_fen = $3, per_yuan = $4, earned = $5, earned_at = $6
           where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order_id,
        eligible_fen,
        per_yuan,
        earned,
        clock.now(),
    )


async def upsert_refunded(tx: Tx, order_id: UUID, member_id: UUID, refunded_fen: int) -> Earning:
    """What an order has earned, received or not, after counting a refund of so much (or 0)."""
    return await tx.one(
        Earning,
        """insert into points.earnings as e (shop_id, order_id, member_id, refunded_fen)
           values ($1, $2, $3, $4)
           on conflict (shop_id, order_id)
             do update set refunded_fen = e.refunded_fen + excluded.refunded_fen
           returning order_id, member_id, eligible_fen, refunded_fen, per_yuan, earned, revoked,
             forgone, earned_at""",
        *(tx.shop_id, order_id, member_id, refunded_fen),
    )


async def get_revoked(tx: ReadTx, refund_id: UUID) -> int | None:
    """What a refund took back; None when it was not told yet."""
    found: int | None = await tx.value(
        "select points from points.revocations where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
    )
    return found


async def insert_revocation(
    tx: Tx, refund_id: UUID, order_id: UUID, refunded_fen: int, points: int, forgone: int
) -> None:
    """Note what a refund took back, `forgone` of it points that had ended unspent."""
    await tx.run(
        """with noted as (
             insert into points.revocations
               (shop_id, refund_id, order_id, refunded_fen, points, revoked_at)
             values ($1, $2, $3, $4, $5, $7))
           update points.earnings set revoked = revoked + $5, forgone = forgone + $6
           where shop_id = $1 and order_id = $3""",
        tx.shop_id,
        refund_id,
        order_id,
        refunded_fen,
        points,
        forgone,
        clock.now(),
    )


# --- the statement --------------------------------------------------------------------------------


async def insert_movement(
    tx: Tx,
    member_id: UUID,
    kind: PointsMovementKind,
    points: int,
    *,
    owed: int = 0,
    order_id: UUID | None = None,
    expires_on: date | None = None,
    note: str = "",
) -> int:
    """Write the next line of a member's statement; its number. The account is locked."""
    number: int = await tx.value(
        """with counted as (
             update points.accounts set movements = movements + 1
             where shop_id = $1 and member_id = $2 returning movements as no)
           insert into points.movements (shop_id, member_id, movement_no, kind, points, balance,
             owed, order_id, expires_on, note, at)
           select $1, $2, c.no, $3, $4, $4 + coalesce((
               select m.balance from points.movements m
               where m.shop_id = $1 and m.member_id = $2 and m.movement_no = c.no - 1), 0),
             $5, $6, $7, $8, $9
           from counted c returning movement_no""",
        *(tx.shop_id, member_id, kind, points, owed, order_id, expires_on, note, clock.now()),
    )
    return number


async def list_movements(
    tx: ReadTx, member_id: UUID, before_no: int | None, limit: int
) -> list[PointsMovement]:
    """The statement of a member, newest first; `before_no` is the last line already seen."""
    return await tx.all(
        PointsMovement,
        """select movement_no, kind, points, balance, owed, order_id, expires_on, note, at
           from points.movements
           where shop_id = $1 and member_id = $2 and ($3::int is null or movement_no < $3)
           order by movement_no desc limit $4""",
        *(tx.shop_id, member_id, before_no, limit),
    )
