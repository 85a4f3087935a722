"""The SQL of the hot lane: many orders of one line each, all of the same SKU, in one trip."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.ordering.queries import NewOrder, title_key
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


class Bought(msgspec.Struct, frozen=True):
    """Pieces of a SKU that a member has ordered."""

    member_id: UUID
    pieces: int


async def count_bought(tx: ReadTx, sku_id: UUID, member_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Pieces of a SKU in the orders of these members that were not cancelled or given back; members
    without any are missing.
    """
    rows = await tx.all(
        Bought,
        """select o.member_id, sum(l.quantity - l.refunded_quantity)::int as pieces
           from ordering.orders o join ordering.order_lines l using (shop_id, order_id)
           where o.shop_id = $1 and o.member_id = any ($3::uuid[]) and l.sku_id = $2
             and o.status <> 'cancelled' and o.kind = 'sale' and o.source = 'shop'
           group by o.member_id""",
        tx.shop_id,
        sku_id,
        list(set(member_ids)),
    )
    return {row.member_id: row.pieces for row in rows}


async def insert_orders(tx: Tx, news: Sequence[NewOrder]) -> None:
    """What `queries.insert_order` writes, for many orders. What is the same in all of them (the
    goods) is told once.
    """
    orders, lines = [new.order for new in news], [new.lines[0] for new in news]
    goods = lines[0]
    await tx.run(
        """with new as materialized (
             select * from unnest($3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::text[],
               $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
               $14::bytea[], $15::bytea[], $16::timestamptz[], $17::timestamptz[], $18::uuid[],
               $19::uuid[], $20::text[], $21::boolean[], $22::int[], $23::bigint[], $24::bigint[])
               as n (order_id, order_no, member_id, person_no, platform, items_fen, discount_fen,
                 shipping_fen, total_fen, adjustments, remark, address_sealed, phone_key, placed_at,
                 pay_before, promoter_id, entry_id, actor, empties_cart, quantity, unit_price_fen,
                 line_discount_fen)),
           placed as (
             insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
               member_id, person_no, platform, has_virtual, items_fen, discount_fen, shipping_fen,
               total_fen, adjustments, remark, address_sealed, phone_key, placed_at, pay_before,
               delivery, promoter_id)
             select $1, order_id, order_no, 'sale', 'shop', 'pending_payment', member_id, person_no,
               platform, $25, items_fen, discount_fen, shipping_fen, total_fen, adjustments::jsonb,
               remark, address_sealed, phone_key, placed_at, pay_before, $26, promoter_id from new),
           noted as (
             insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
             select $1, order_id, entry_id, placed_at, 'placed', actor from new),
           emptied as (
             delete from ordering.cart_lines c using new
             where new.empties_cart and c.shop_id = $1 and c.member_id = new.member_id
               and c.sku_id = $2)
           insert into ordering.order_lines (shop_id, order_id, line_no, sku_id, product_id,
             product_no, title, title_key, option_values, image_url, quantity, list_price_fen,
             unit_price_fen, discount_fen, total_fen)
           select $1, order_id, 1, $2, $27, $28, $29, $30, $31, $32, quantity, $33, unit_price_fen,
             line_discount_fen, items_fen - line_discount_fen from new""",
        tx.shop_id,
        goods.sku_id,
        [order.order_id for order in orders],
        [order.order_no for order in orders],
        [order.member_id for order in orders],
        [order.person_no for order in orders],
        [order.platform for order in orders],
        [order.items_fen for order in orders],
        [order.discount_fen for order in orders],
        [order.shipping_fen for order in orders],
        [order.total_fen for order in orders],
        [msgspec.json.encode(new.adjustments).decode() for new in news],
        [order.remark for order in orders],
        [order.address_sealed for order in orders],
        [new.phone_key for new in news],
        [order.placed_at for order in orders],
        [order.pay_before for order in orders],
        [order.promoter_id for order in orders],
        [new_id() for _ in orders],
        [new.actor for new in news],
        [new.empties_cart for new in news],
        [line.quantity for line in lines],
        [line.unit_price_fen for line in lines],
        [line.discount_fen for line in lines],
        orders[0].has_virtual,
        orders[0].delivery,
        goods.product_id,
        goods.product_no,
        goods.title,
        title_key(goods.title),
        goods.option_values,
        goods.image_url,
        goods.list_price_fen,
    )
