"""SQL of points that move with a person."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


class Stray(msgspec.Struct, frozen=True):
    """What is left of a lot that was taken from another one."""

    lot_id: UUID
    home_lot: UUID
    member_id: UUID
    points_left: int


async def list_strays(tx: ReadTx, member_id: UUID, person: Sequence[UUID]) -> list[Stray]:
    """Points that came from lots of this record and are at somebody outside their person."""
    return await tx.all(
        Stray,
        """select l.lot_id, l.home_lot, l.member_id, l.points_left
           from points.lots h join points.lots l on l.shop_id = h.shop_id and l.home_lot = h.lot_id
           where h.shop_id = $1 and h.member_id = $2 and l.points_left > 0
             and l.member_id <> all($3::uuid[])
           order by l.member_id, l.lot_id""",
        *(tx.shop_id, member_id, list(person)),
    )


async def move_lots_home(tx: Tx, strays: Sequence[Stray]) -> None:
    """Put all that is left of these lots back where it came from."""
    await tx.run(
        """with gone as (
             update points.lots l set points_left = l.points_left - t.points
             from unnest($2::uuid[], $3::bigint[]) as t (lot_id, points)
             where l.shop_id = $1 and l.lot_id = t.lot_id)
           update points.lots l set points_left = l.points_left + t.points
           from (select home_lot, sum(points) as points
                 from unnest($4::uuid[], $3::bigint[]) as t (home_lot, points) group by 1) t
           where l.shop_id = $1 and l.lot_id = t.home_lot""",
        tx.shop_id,
        [one.lot_id for one in strays],
        [one.points_left for one in strays],
        [one.home_lot for one in strays],
    )


async def move_lots_to(tx: Tx, lots: Sequence[UUID], ids: Sequence[UUID], head_id: UUID) -> None:
    """Take all that is left of these lots into new ones of another member, with their days."""
    await tx.run(
        """with made as (
             insert into points.lots (shop_id, lot_id, member_id, points, points_left, expires_on,
               created_at, home_lot)
             select $1, t.made_id, $4, l.points_left, l.points_left, l.expires_on, $5,
               coalesce(l.home_lot, l.lot_id)
             from unnest($2::uuid[], $3::uuid[]) as t (lot_id, made_id)
             join points.lots l on l.shop_id = $1 and l.lot_id = t.lot_id)
           update points.lots set points_left = 0
           where shop_id = $1 and lot_id = any($2::uuid[])""",
        *(tx.shop_id, list(lots), list(ids), head_id, clock.now()),
    )
