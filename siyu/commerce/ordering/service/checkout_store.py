"""The SQL of first orders, and of gifts that ran out while an order was placed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


async def delete_gifts(tx: Tx, order_id: UUID, line_nos: Sequence[int], at: datetime) -> None:
    """Take gifts that have run out off an order that is being placed or revived. They cost nothing,
    so items and discount go down alike, and the trace loses what explained them.
    """
    await tx.run(
        """with gone as (
             delete from ordering.order_lines
             where shop_id = $1 and order_id = $2 and line_no = any ($3::smallint[]) and is_gift
             returning sku_id, discount_fen),
           noted as (
             insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
             values ($1, $2, $4, $5, 'gift_gone', 'siyu'))
           update ordering.orders o set
             items_fen = o.items_fen - (select sum(discount_fen) from gone),
             discount_fen = o.discount_fen - (select sum(discount_fen) from gone),
             adjustments = (
               select coalesce(jsonb_agg(a order by n), '[]')
               from jsonb_array_elements(o.adjustments) with ordinality as t (a, n)
               where a ->> 'rule' <> 'gift'
                  or (a ->> 'sku_id')::uuid not in (select sku_id from gone))
           where o.shop_id = $1 and o.order_id = $2""",
        tx.shop_id,
        order_id,
        list(line_nos),
        new_id(),
        at,
    )


async def has_other_first(tx: ReadTx, order_id: UUID, member_id: UUID) -> bool:
    """Whether this order was priced as a first one, and another living order of the member too."""
    found: bool = await tx.value(
        """select o.is_first and exists (
             select from ordering.orders x where x.shop_id = $1 and x.member_id = $3
               and x.order_id <> $2 and x.is_first and x.status <> 'cancelled')
           from ordering.orders o where o.shop_id = $1 and o.order_id = $2""",
        tx.shop_id,
        order_id,
        member_id,
    )
    return found


async def is_first_order(tx: ReadTx, member_id: UUID) -> bool:
    """Whether a member has paid for nothing yet, and has no order at a first order's price."""
    return bool(await find_first(tx, [member_id]))


async def find_first(tx: ReadTx, member_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these members of whom `is_first_order` is true."""
    found: list[UUID] = await tx.value(
        """select coalesce(array_agg(member_id), '{}') from unnest($2::uuid[]) as m (member_id)
           where not exists (
             select from ordering.buyers b where b.shop_id = $1 and b.member_id = m.member_id)
           and not exists (
             select from ordering.orders o where o.shop_id = $1 and o.member_id = m.member_id
               and o.is_first and o.status <> 'cancelled')""",
        tx.shop_id,
        list(member_ids),
    )
    return set(found)


async def ensure_buyers(tx: Tx, members: Sequence[UUID]) -> None:
    """Whoever of the members has a paid order is a buyer, also when what said so went home."""
    await tx.run(
        """insert into ordering.buyers (shop_id, member_id, first_order_id)
           select distinct on (o.member_id) o.shop_id, o.member_id, o.order_id
           from ordering.orders o
           where o.shop_id = $1 and o.member_id = any($2::uuid[]) and o.kind = 'sale'
             and o.paid_at is not null
           order by o.member_id, o.paid_at, o.order_id
           on conflict do nothing""",
        *(tx.shop_id, list(members)),
    )
