"""SQL of stored value that moves with a person."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.money.stored_value.contracts import Held
from siyu.money.stored_value.rules import Part


class Share(msgspec.Struct, frozen=True):
    """Value in lots of one wallet."""

    member_id: UUID
    principal_fen: int
    bonus_fen: int


async def list_holders(tx: ReadTx, record_id: UUID, head_id: UUID) -> list[UUID]:
    """In whose wallets lots of a record are, other than of who stands for it."""
    found: list[UUID] = await tx.value(
        """select array(select distinct member_id from stored_value.lots
             where shop_id = $1 and (home_id = $2 or (home_id is null and member_id = $2))
               and member_id <> $3 order by member_id)""",
        *(tx.shop_id, record_id, head_id),
    )
    return found


async def move_lots(tx: Tx, record_id: UUID, giver: UUID, taker: UUID) -> Held:
    """Give the lots of a record that are in one wallet to another, with the top-ups they are of;
    what is left in them. Both wallets are locked."""
    return await tx.one(
        Held,
        """with moved as (
             update stored_value.lots
             set member_id = $4, home_id = coalesce(home_id, member_id)
             where shop_id = $1 and member_id = $3 and coalesce(home_id, member_id) = $2
             returning lot_id, principal_left_fen, bonus_left_fen),
           paid as (
             update stored_value.top_ups t
             set member_id = $4, home_id = coalesce(t.home_id, t.member_id)
             from moved m where t.shop_id = $1 and t.top_up_id = m.lot_id)
           select coalesce(sum(principal_left_fen), 0)::bigint as principal_fen,
             coalesce(sum(bonus_left_fen), 0)::bigint as bonus_fen
           from moved""",
        *(tx.shop_id, record_id, giver, taker),
    )


async def list_homes(tx: ReadTx, member_id: UUID) -> list[UUID]:
    """The records whose lots are in a wallet, and its own."""
    found: list[UUID] = await tx.value(
        """select array(select coalesce(home_id, member_id) from stored_value.lots
             where shop_id = $1 and member_id = $2 union select $2 order by 1)""",
        *(tx.shop_id, member_id),
    )
    return found


async def list_owners(tx: ReadTx, order_id: UUID) -> list[UUID]:
    """Whose wallet an order's value came from, and in whose the lots of it are now."""
    found: list[UUID] = await tx.value(
        """select array(
             select s.member_id from stored_value.spendings s
             where s.shop_id = $1 and s.order_id = $2 and s.state <> 'released'
             union
             select l.member_id from stored_value.spendings s
             join stored_value.parts p using (shop_id, spending_id)
             join stored_value.lots l on l.shop_id = p.shop_id and l.lot_id = p.lot_id
             where s.shop_id = $1 and s.order_id = $2 and s.state <> 'released' order by 1)""",
        *(tx.shop_id, order_id),
    )
    return found


async def list_shares(tx: ReadTx, parts: Sequence[Part], but: UUID) -> list[Share]:
    """How much of these parts is of lots in other wallets than this one."""
    return await tx.all(
        Share,
        """select l.member_id, sum(t.principal_fen)::bigint as principal_fen,
             sum(t.bonus_fen)::bigint as bonus_fen
           from unnest($2::uuid[], $3::bigint[], $4::bigint[])
             as t (lot_id, principal_fen, bonus_fen)
           join stored_value.lots l on l.shop_id = $1 and l.lot_id = t.lot_id
           where l.member_id <> $5 group by l.member_id order by l.member_id""",
        tx.shop_id,
        [part.lot_id for part in parts],
        [part.principal_fen for part in parts],
        [part.bonus_fen for part in parts],
        but,
    )


async def get_payer(tx: ReadTx, top_up_id: UUID) -> UUID:
    """The record whose account the money of a top-up is booked to: who paid it in."""
    found: UUID = await tx.value(
        """select coalesce(home_id, member_id) from stored_value.top_ups
           where shop_id = $1 and top_up_id = $2""",
        *(tx.shop_id, top_up_id),
    )
    return found
