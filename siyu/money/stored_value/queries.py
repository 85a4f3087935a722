"""All SQL of stored value."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.money.ledger.contracts import HoldId
from siyu.money.stored_value.contracts import (
    Held,
    Lot,
    SpendingState,
    WalletMovement,
    WalletMovementKind,
    WalletRow,
)
from siyu.money.stored_value.rules import Part, SpentPart


class Frozen(msgspec.Struct, frozen=True):
    """A wallet, locked: whether staff have frozen it."""

    frozen_at: datetime | None


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """A row of stored_value.spendings."""

    spending_id: UUID
    order_id: UUID
    member_id: UUID
    state: SpendingState
    principal_fen: int
    bonus_fen: int
    principal_hold: UUID | None
    bonus_hold: UUID | None
    back_principal_fen: int
    back_bonus_fen: int

    @property
    def holds(self) -> list[HoldId]:
        """Its holds in the ledger."""
        return [HoldId(one) for one in (self.bonus_hold, self.principal_hold) if one]

    @property
    def total_fen(self) -> int:
        """Both sides together."""
        return self.principal_fen + self.bonus_fen

    @property
    def spent(self) -> Held:
        """Both sides of it."""
        return Held(self.principal_fen, self.bonus_fen)

    @property
    def back(self) -> Held:
        """What refunds have put back."""
        return Held(self.back_principal_fen, self.back_bonus_fen)


class Ending(msgspec.Struct, frozen=True):
    """A member with bonus whose last day is over."""

    shop_id: int
    member_id: UUID


# --- wallets --------------------------------------------------------------------------------------


async def lock_wallet(tx: Tx, member_id: UUID) -> Frozen:
    """A member's wallet, made when it is missing, locked until the end of the transaction."""
    return await tx.one(
        Frozen,
        """insert into stored_value.wallets (shop_id, member_id, movements, opened_at)
           values ($1, $2, 0, $3)
           on conflict (shop_id, member_id) do update set movements = wallets.movements
           returning frozen_at""",
        tx.shop_id,
        member_id,
        clock.now(),
    )


async def move_frozen(tx: Tx, member_id: UUID, reason: str | None) -> None:
    """Freeze a wallet, or free it when there is no reason to."""
    await tx.run(
        """update stored_value.wallets set frozen_reason = $3,
             frozen_at = case when $3::text is null then null else $4::timestamptz end
           where shop_id = $1 and member_id = $2""",
        tx.shop_id,
        member_id,
        reason,
        clock.now(),
    )


_WALLET = """select w.member_id, w.frozen_at, w.frozen_reason, w.opened_at,
  coalesce(l.principal_fen, 0)::bigint as principal_fen,
  coalesce(l.bonus_fen, 0)::bigint as bonus_fen,
  coalesce(s.held_fen, 0)::bigint as held_fen, l.next_expiry_on,
  coalesce(l.next_expiry_fen, 0)::bigint as next_expiry_fen
from stored_value.wallets w
left join lateral (
  select sum(principal_left_fen) as principal_fen,
    sum(bonus_left_fen) filter (where is_good) as bonus_fen,
    min(expires_on) filter (where is_good and bonus_left_fen > 0) as next_expiry_on,
    sum(bonus_left_fen) filter (where is_good and expires_on = first_on) as next_expiry_fen
  from (
    select principal_left_fen, bonus_left_fen, expires_on,
      expires_on is null or expires_on >= $2 as is_good,
      min(expires_on) filter (where bonus_left_fen > 0 and expires_on >= $2) over () as first_on
    from stored_value.lots o
    where o.shop_id = w.shop_id and o.member_id = w.member_id
      and (principal_left_fen > 0 or bonus_left_fen > 0)) as shown) l on true
left join lateral (
  select sum(principal_fen + bonus_fen) as held_fen from stored_value.spendings p
  where p.shop_id = w.shop_id and p.member_id = w.member_id and p.state = 'held') s on true
where w.shop_id = $1"""


async def get_wallet(tx: ReadTx, member_id: UUID, today: date) -> WalletRow | None:
    """A wallet as of that business day; None when nothing ever happened to it."""
    return await tx.maybe(
        WalletRow,
        f"{_WALLET} and w.member_id = $3",
        tx.shop_id,
        today,
        member_id,
    )


async def list_wallets(
    tx: ReadTx, today: date, before: tuple[datetime, UUID] | None, limit: int
) -> list[WalletRow]:
    """Wallets, the newest first; `before` is the last one already seen."""
    opened_at, member_id = before or (None, None)
    return await tx.all(
        WalletRow,
        f"""{_WALLET} and ($3::timestamptz is null or (w.opened_at, w.member_id) < ($3, $4::uuid))
            order by w.opened_at desc, w.member_id desc limit $5""",
        tx.shop_id,
        today,
        opened_at,
        member_id,
        limit,
    )


async def get_expected(tx: ReadTx, member_id: UUID, except_top_up: UUID | None) -> int:
    """What a wallet holds, or will when all its top-ups that wait are paid: left, reserved by
    orders, and waiting; without one top-up."""
    found: int = await tx.value(
        """select (coalesce((
             select sum(principal_left_fen + bonus_left_fen) from stored_value.lots
             where shop_id = $1 and member_id = $2), 0)
           + coalesce((
             select sum(principal_fen + bonus_fen) from stored_value.spendings
             where shop_id = $1 and member_id = $2 and state = 'held'), 0)
           + coalesce((
             select sum(amount_fen + bonus_fen) from stored_value.top_ups
             where shop_id = $1 and member_id = $2 and state = 'pending'
               and top_up_id is distinct from $3), 0))::bigint""",
        tx.shop_id,
        member_id,
        except_top_up,
    )
    return found


# --- lots -----------------------------------------------------------------------------------------


async def list_lots(tx: ReadTx, member_id: UUID, today: date) -> list[Lot]:
    """Lots with something left, the oldest first; bonus whose day is over counts as gone."""
    return await tx.all(
        Lot,
        """select lot_id, principal_left_fen, expires_on, created_at,
             case when expires_on < $3 then 0 else bonus_left_fen end as bonus_left_fen
           from stored_value.lots
           where shop_id = $1 and member_id = $2
             and (principal_left_fen > 0 or bonus_left_fen > 0)
           order by lot_id""",
        tx.shop_id,
        member_id,
        today,
    )


async def insert_lot(
    tx: Tx, lot_id: UUID, member_id: UUID, given: Held, expires_on: date | None
) -> None:
    """Make a lot; all of it is left."""
    await tx.run(
        """insert into stored_value.lots (shop_id, lot_id, member_id, principal_fen, bonus_fen,
             principal_left_fen, bonus_left_fen, expires_on, created_at)
           values ($1, $2, $3, $4, $5, $4, $5, $6, $7)""",
        tx.shop_id,
        lot_id,
        member_id,
        given.principal_fen,
        given.bonus_fen,
        expires_on,
        clock.now(),
    )


async def move_lots_away(tx: Tx, parts: Sequence[Part]) -> None:
    """Take value out of lots unspent; the checks of the table refuse more than there is."""
    await tx.run(
        """update stored_value.lots l
           set principal_left_fen = l.principal_left_fen - t.principal_fen,
             bonus_left_fen = l.bonus_left_fen - t.bonus_fen,
             unused_fen = l.unused_fen + t.bonus_fen
           from unnest($2::uuid[], $3::bigint[], $4::bigint[])
             as t (lot_id, principal_fen, bonus_fen)
           where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        *_columns(parts),
    )


def _columns(parts: Sequence[Part]) -> tuple[list[UUID], list[int], list[int]]:
    return (
        [part.lot_id for part in parts],
        [part.principal_fen for part in parts],
        [part.bonus_fen for part in parts],
    )


async def move_bonus_over(tx: Tx, member_id: UUID, today: date) -> int:
    """End the bonus whose last day is over; how much that was."""
    ended: int = await tx.value(
        """with over as (
             update stored_value.lots l
             set bonus_left_fen = 0, unused_fen = l.unused_fen + l.bonus_left_fen
             where shop_id = $1 and member_id = $2 and bonus_left_fen > 0 and expires_on < $3
             returning l.lot_id),
           before as (
             select lot_id, bonus_left_fen from stored_value.lots
             where shop_id = $1 and member_id = $2)
           select coalesce(sum(b.bonus_left_fen), 0)::bigint
           from over join before b using (lot_id)""",
        tx.shop_id,
        member_id,
        today,
    )
    return ended


async def list_ending(tx: Tx, days: dict[int, date], limit: int) -> list[Ending]:
    """Members with bonus whose last day is over in their shop; `tx` is a system transaction."""
    return await tx.all(
        Ending,
        """select distinct l.shop_id, l.member_id
           from unnest($1::int[], $2::date[]) as d (shop_id, today)
           join stored_value.lots l on l.shop_id = d.shop_id and l.expires_on < d.today
           where l.bonus_left_fen > 0 limit $3""",
        list(days),
        list(days.values()),
        limit,
    )


# --- spendings ------------------------------------------------------------------------------------


async def get_spending(tx: ReadTx, order_id: UUID) -> Spending | None:
    """What an order holds or has spent; None when nothing, or when it was released."""
    return await tx.maybe(
        Spending,
        """select spending_id, order_id, member_id, state, principal_fen, bonus_fen, principal_hold,
             bonus_hold, back_principal_fen, back_bonus_fen
           from stored_value.spendings
           where shop_id = $1 and order_id = $2 and state <> 'released'""",
        tx.shop_id,
        order_id,
    )


async def insert_spending(
    tx: Tx, spending: Spending, parts: Sequence[Part], expires_at: datetime | None
) -> None:
    """Store what an order holds, take it out of the lots and remember which."""
    await tx.run(
        """with taken as materialized (
             select * from unnest($9::uuid[], $10::bigint[], $11::bigint[])
               with ordinality as t (lot_id, principal_fen, bonus_fen, no)),
           made as (
             insert into stored_value.spendings (shop_id, spending_id, order_id, member_id, state,
               principal_fen, bonus_fen, principal_hold, bonus_hold, expires_at, held_at)
             select $1, $2, $3, $4, 'held', sum(principal_fen), sum(bonus_fen), $5, $6, $7, $8
             from taken),
           parts as (
             insert into stored_value.parts
               (shop_id, spending_id, part_no, lot_id, principal_fen, bonus_fen)
             select $1, $2, no, lot_id, principal_fen, bonus_fen from taken)
           update stored_value.lots l
           set principal_left_fen = l.principal_left_fen - t.principal_fen,
             bonus_left_fen = l.bonus_left_fen - t.bonus_fen
           from taken t where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        spending.spending_id,
        spending.order_id,
        spending.member_id,
        spending.principal_hold,
        spending.bonus_hold,
        expires_at,
        clock.now(),
        *_columns(parts),
    )


async def move_spending(tx: Tx, spending_id: UUID, state: SpendingState) -> bool:
    """End a hold; False when it has ended already."""
    moved = await tx.run(
        """update stored_value.spendings set state = $3, ended_at = $4
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
        """update stored_value.lots l
           set principal_left_fen = l.principal_left_fen + p.principal_fen,
             bonus_left_fen = l.bonus_left_fen + p.bonus_fen
           from stored_value.parts p
           where p.shop_id = $1 and p.spending_id = $2
             and l.shop_id = $1 and l.lot_id = p.lot_id""",
        tx.shop_id,
        spending_id,
    )


async def list_parts(tx: ReadTx, spending_id: UUID) -> list[SpentPart]:
    """What a spending took, in that order."""
    return await tx.all(
        SpentPart,
        """select lot_id, principal_fen, bonus_fen, back_principal_fen, back_bonus_fen
           from stored_value.parts
           where shop_id = $1 and spending_id = $2 order by part_no""",
        tx.shop_id,
        spending_id,
    )


async def get_give_back(tx: ReadTx, refund_id: UUID) -> Held | None:
    """What this refund has put back already."""
    return await tx.maybe(
        Held,
        """select principal_fen, bonus_fen from stored_value.give_backs
           where shop_id = $1 and refund_id = $2""",
        tx.shop_id,
        refund_id,
    )


async def insert_give_back(
    tx: Tx,
    refund_id: UUID,
    spending_id: UUID,
    returned: Sequence[Part],
    today: date,
    good_until: date,
) -> None:
    """Put value of a captured spending back, once per refund; bonus whose day is over gets a new
    one."""
    await tx.run(
        """with given as materialized (
             select * from unnest($3::uuid[], $4::bigint[], $5::bigint[])
               as t (lot_id, principal_fen, bonus_fen)),
           whole as materialized (
             select sum(principal_fen) as principal_fen, sum(bonus_fen) as bonus_fen from given),
           noted as (
             insert into stored_value.give_backs
               (shop_id, refund_id, spending_id, principal_fen, bonus_fen, given_at)
             select $1, $2, $6, principal_fen, bonus_fen, $7 from whole),
           counted as (
             update stored_value.spendings s
             set back_principal_fen = s.back_principal_fen + w.principal_fen,
               back_bonus_fen = s.back_bonus_fen + w.bonus_fen
             from whole w where s.shop_id = $1 and s.spending_id = $6),
           parts as (
             update stored_value.parts p
             set back_principal_fen = p.back_principal_fen + t.principal_fen,
               back_bonus_fen = p.back_bonus_fen + t.bonus_fen
             from given t
             where p.shop_id = $1 and p.spending_id = $6 and p.lot_id = t.lot_id)
           update stored_value.lots l
           set principal_left_fen = l.principal_left_fen + t.principal_fen,
             bonus_left_fen = l.bonus_left_fen + t.bonus_fen,
             expires_on = case when t.bonus_fen > 0 and l.expires_on < $8 then $9
               else l.expires_on end
           from given t where l.shop_id = $1 and l.lot_id = t.lot_id""",
        tx.shop_id,
        refund_id,
        *_columns(returned),
        spending_id,
        clock.now(),
        today,
        good_until,
    )


# --- the statement --------------------------------------------------------------------------------


async def insert_movement(
    tx: Tx,
    member_id: UUID,
    kind: WalletMovementKind,
    change: Held,
    *,
    order_id: UUID | None = None,
    top_up_id: UUID | None = None,
    kept_back_fen: int = 0,
    note: str = "",
) -> int:
    """Write the next line of a member's statement; its number. The wallet is locked."""
    number: int = await tx.value(
        """with counted as (
             update stored_value.wallets set movements = movements + 1
             where shop_id = $1 and member_id = $2 returning movements as no)
           insert into stored_value.movements (shop_id, member_id, movement_no, kind, principal_fen,
             bonus_fen, principal_after_fen, bonus_after_fen, kept_back_fen,
             order_id, top_up_id, note, at)
           select $1, $2, c.no, $3, $4, $5, $4 + coalesce(m.principal_after_fen, 0),
             $5 + coalesce(m.bonus_after_fen, 0), $6, $7, $8, $9, $10
           from counted c left join stored_value.movements m
             on m.shop_id = $1 and m.member_id = $2 and m.movement_no = c.no - 1
           returning movement_no""",
        tx.shop_id,
        member_id,
        kind,
        change.principal_fen,
        change.bonus_fen,
        kept_back_fen,
        order_id,
        top_up_id,
        note,
        clock.now(),
    )
    return number


async def list_movements(
    tx: ReadTx, member_id: UUID, before_no: int | None, limit: int
) -> list[WalletMovement]:
    """The statement of a member, newest first; `before_no` is the last line already seen."""
    return await tx.all(
        WalletMovement,
        """select movement_no, kind, principal_fen, bonus_fen, principal_after_fen, bonus_after_fen,
             kept_back_fen, order_id, top_up_id, note, at
           from stored_value.movements
           where shop_id = $1 and member_id = $2 and ($3::int is null or movement_no < $3)
           order by movement_no desc limit $4""",
        tx.shop_id,
        member_id,
        before_no,
        limit,
    )
