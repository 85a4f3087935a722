"""Who looked at gifts, and what came of them: the console's lists and the conversion."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from siyu.growth.gifting.contracts import ShareState, Standing
from siyu.kernel.db import ReadTx, Tx

By = Literal["all", "kit", "scene", "product"]


class Conversion(msgspec.Struct, frozen=True):
    """What became of the gifts that were placed in a time, as a whole or of one kit, scene or
    product (`key`; empty: none was given).

    placed -> paid -> seen (by somebody else) -> accepted or refunded; the last two and `shares`
    count pieces. `new_customers` accepted within the shop's first sight of them: they joined after
    the gift was placed. Amounts in fen: what paid gifts cost, and what of it went back.
    """

    key: str
    placed: int
    paid: int
    seen: int
    shares: int
    accepted: int
    waiting: int
    refunded: int
    swapped: int
    new_customers: int
    paid_fen: int
    refunded_fen: int


NOTHING = Conversion("", *[0] * (len(Conversion.__struct_fields__) - 1))
"""Of a time in which no gift was placed."""


async def list_titles(tx: ReadTx, since: datetime, until: datetime) -> dict[str, str]:
    """What the products of those gifts were called last, by number."""
    rows = await tx.all(
        _Titled,
        """select distinct on (product_no) product_no::text as key, title from gifting.gifts
           where shop_id = $1 and placed_at >= $2 and placed_at < $3
           order by product_no, gift_id desc""",
        tx.shop_id,
        since,
        until,
    )
    return {row.key: row.title for row in rows}


class _Titled(msgspec.Struct, frozen=True):
    key: str
    title: str


async def list_conversion(tx: ReadTx, by: By, since: datetime, until: datetime) -> list[Conversion]:
    """Conversion of gifts placed in [since, until), the largest first."""
    return await tx.all(
        Conversion,
        """with chosen as (
             select gift_id, standing, total_fen,
               case $4 when 'kit' then coalesce(kit, '') when 'scene' then coalesce(scene, '')
                 when 'product' then product_no::text else '' end as key
             from gifting.gifts where shop_id = $1 and placed_at >= $2 and placed_at < $3),
           pieces as (
             select c.key, count(*) as shares,
               count(*) filter (where s.state = 'accepted') as accepted,
               count(*) filter (where s.state = 'waiting') as waiting,
               count(*) filter (where s.state = 'refunded') as refunded,
               count(*) filter (where s.sent_sku_id is not null) as swapped,
               count(*) filter (where s.is_new_customer) as new_customers
             from chosen c join gifting.shares s on s.shop_id = $1 and s.gift_id = c.gift_id
             group by 1),
           back as (
             select c.key, sum(r.amount_fen)::bigint as refunded_fen
             from chosen c join gifting.refunds r on r.shop_id = $1 and r.gift_id = c.gift_id
             where r.state = 'done' group by 1),
           whole as (
             select key, count(*) as placed, count(*) filter (where standing = 'paid') as paid,
               count(*) filter (where exists (
                 select from gifting.visits v
                 where v.shop_id = $1 and v.gift_id = c.gift_id)) as seen,
               coalesce(sum(total_fen) filter (where standing = 'paid'), 0)::bigint as paid_fen
             from chosen c group by 1)
           select key, placed, paid, seen, coalesce(shares, 0) as shares,
             coalesce(accepted, 0) as accepted, coalesce(waiting, 0) as waiting,
             coalesce(refunded, 0) as refunded, coalesce(swapped, 0) as swapped,
             coalesce(new_customers, 0) as new_customers, paid_fen,
             coalesce(refunded_fen, 0) as refunded_fen
           from whole left join pieces using (key) left join back using (key)
           order by paid desc, key""",
        tx.shop_id,
        since,
        until,
        by,
    )


class GiftRow(msgspec.Struct, frozen=True):
    """A gift in the console's list; the counts are pieces. No receiver's address, no parcel."""

    gift_id: UUID
    order_id: UUID
    order_no: str
    giver_id: UUID
    kind: str
    standing: Standing
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    unit_fen: int
    total_fen: int
    share_count: int
    kit: str | None
    scene: str | None
    placed_at: datetime
    paid_at: datetime | None
    accept_before: datetime | None
    visitors: int
    waiting: int
    accepted: int
    refund_pending: int
    refunded: int
    trouble: str | None


async def list_gifts(
    tx: ReadTx,
    *,
    standing: Standing | None,
    share_state: ShareState | None,
    kit: str | None,
    after: UUID | None,
    limit: int,
) -> list[GiftRow]:
    """Gifts, newest first; `share_state`: those with a share there."""
    return await tx.all(
        GiftRow,
        """select g.gift_id, g.order_id, g.order_no, g.giver_id, g.kind, g.standing, g.product_id,
             g.title, g.option_values, g.image_url, g.unit_fen, g.total_fen, g.share_count, g.kit,
             g.scene, g.placed_at, g.paid_at, g.accept_before, v.visitors, s.waiting, s.accepted,
             s.refund_pending, s.refunded, r.trouble
           from gifting.gifts g
           cross join lateral (
             select count(*) as visitors from gifting.visits
             where shop_id = g.shop_id and gift_id = g.gift_id) v
           cross join lateral (
             select count(*) filter (where state = 'waiting') as waiting,
               count(*) filter (where state = 'accepted') as accepted,
               count(*) filter (where state in ('expired', 'refund_pending')) as refund_pending,
               count(*) filter (where state = 'refunded') as refunded
             from gifting.shares where shop_id = g.shop_id and gift_id = g.gift_id) s
           cross join lateral (
             select max(trouble) as trouble from gifting.refunds
             where shop_id = g.shop_id and gift_id = g.gift_id and state <> 'done') r
           where g.shop_id = $1 and ($2::text is null or g.standing = $2)
             and ($3::text is null or exists (
               select from gifting.shares o
               where o.shop_id = $1 and o.gift_id = g.gift_id and o.state = $3))
             and ($4::text is null or g.kit = $4) and ($5::uuid is null or g.gift_id < $5)
           order by g.gift_id desc limit $6""",
        tx.shop_id,
        standing,
        share_state,
        kit,
        after,
        limit,
    )


async def insert_visit(
    tx: Tx, gift_id: UUID, member_id: UUID, scene: str | None, at: datetime
) -> None:
    """Note that a member opened a gift; only the first time counts."""
    await tx.run(
        """insert into gifting.visits (shop_id, gift_id, member_id, scene, seen_at)
           values ($1, $2, $3, $4, $5) on conflict do nothing""",
        tx.shop_id,
        gift_id,
        member_id,
        scene,
        at,
    )


async def get_scene(tx: ReadTx, gift_id: UUID, member_id: UUID) -> str | None:
    """How a member first came to a gift."""
    scene: str | None = await tx.value(
        """select scene from gifting.visits
           where shop_id = $1 and gift_id = $2 and member_id = $3""",
        tx.shop_id,
        gift_id,
        member_id,
    )
    return scene


class _Given(msgspec.Struct, frozen=True):
    product_no: int
    pieces: int


async def count_given(tx: ReadTx, since: datetime) -> dict[int, int]:
    """Pieces of each product that were accepted since a moment (product_no -> pieces)."""
    found = await tx.all(
        _Given,
        """select g.product_no, count(*) as pieces
           from gifting.shares s join gifting.gifts g using (shop_id, gift_id)
           where s.shop_id = $1 and s.accepted_at >= $2 group by 1""",
        tx.shop_id,
        since,
    )
    return {row.product_no: row.pieces for row in found}
