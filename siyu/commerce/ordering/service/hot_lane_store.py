"""The SQL of the hot lane: many orders of one line each, all of the same SKU, in one trip."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from siyu.commerce.ordering.queries import NewOrder, first_order_once, title_key
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.pool import BETWEEN, sparse


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


class HotOrder(msgspec.Struct, frozen=True):
    """What of a new order is its buyer's own; the rest is in its mould. address: key of the phone
    number (32 bytes), then the sealed address. The remark holds no BETWEEN.
    """

    mould_no: int
    order_id: UUID
    order_no: str
    member_id: UUID
    person_no: int
    remark: str
    address: bytes | None
    promoter_id: UUID | None


_INSERT_ORDERS = """
with mould as materialized (
    select mould_no, platform, items_fen, discount_fen, shipping_fen, total_fen,
      adjustments::jsonb, placed_at, pay_before, quantity, unit_price_fen, line_discount_fen,
      is_first
    from unnest($4::int[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
      $10::text[], $11::timestamptz[], $12::timestamptz[], $13::int[], $14::bigint[],
      $15::bigint[], $16::boolean[])
      as m (mould_no, platform, items_fen, discount_fen, shipping_fen, total_fen, adjustments,
        placed_at, pay_before, quantity, unit_price_fen, line_discount_fen, is_first)),
  new as materialized (
    select mould.*, order_id, order_no, member_id, person_no, remark, promoter_id,
      substr(address, 1, 32) as phone_key, substr(address, 33) as address_sealed
    from unnest($17::int[], $18::uuid[], string_to_array($19, e'\\x1f'), $20::uuid[],
      $21::bigint[], string_to_array($22, e'\\x1f'), $23::bytea[], $24::uuid[])
      as n (mould_no, order_id, order_no, member_id, person_no, remark, address, promoter_id)
    join mould on mould.mould_no = coalesce(n.mould_no, ($4::int[])[1])),
  placed as (
    insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
      member_id, person_no, platform, has_virtual, items_fen, discount_fen, shipping_fen,
      total_fen, adjustments, remark, address_sealed, phone_key, placed_at, pay_before,
      delivery, promoter_id, is_first)
    select $1, order_id, order_no, 'sale', 'shop', 'pending_payment', member_id, person_no,
      platform, $25, items_fen, discount_fen, shipping_fen, total_fen, adjustments,
      coalesce(remark, ''), address_sealed, phone_key, placed_at, pay_before, $26, promoter_id,
      is_first from new),
  emptied as (
    delete from ordering.cart_lines
    where shop_id = $1 and member_id = any ($3::uuid[]) and sku_id = $2)
  insert into ordering.order_lines (shop_id, order_id, line_no, sku_id, product_id,
    product_no, title, title_key, option_values, image_url, quantity, list_price_fen,
    unit_price_fen, discount_fen, total_fen)
  select $1, order_id, 1, $2, $27, $28, $29, $30, $31, $32, quantity, $33, unit_price_fen,
    line_discount_fen, items_fen - line_discount_fen from new
"""


async def insert_orders(
    tx: Tx, moulds: Mapping[int, NewOrder], orders: Sequence[HotOrder], emptied: Sequence[UUID]
) -> None:
    """What `queries.insert_order` writes, for many orders, the moulds by number; raises what it
    does. emptied: members out of whose carts the goods are taken. What was kept for the end of the
    transaction is written with them.
    """
    with first_order_once():
        await _insert_orders(tx, moulds, orders, emptied)


async def _insert_orders(
    tx: Tx, moulds: Mapping[int, NewOrder], orders: Sequence[HotOrder], emptied: Sequence[UUID]
) -> None:
    # What is the same in several orders (time, price, goods) is told once.
    olds = [new.order for new in moulds.values()]
    lines = [new.lines[0] for new in moulds.values()]
    goods = lines[0]
    nos, ids, numbers, members, persons, remarks, addresses, promoters = zip(
        *map(msgspec.structs.astuple, orders), strict=True
    )
    await tx.run_and_flush(
        _INSERT_ORDERS,
        tx.shop_id,
        goods.sku_id,
        emptied,
        list(moulds),
        [order.platform for order in olds],
        [order.items_fen for order in olds],
        [order.discount_fen for order in olds],
        [order.shipping_fen for order in olds],
        [order.total_fen for order in olds],
        [msgspec.json.encode(new.adjustments).decode() for new in moulds.values()],
        [order.placed_at for order in olds],
        [order.pay_before for order in olds],
        [line.quantity for line in lines],
        [line.unit_price_fen for line in lines],
        [line.discount_fen for line in lines],
        [new.is_first for new in moulds.values()],
        nos if len(moulds) > 1 else [],
        ids,
        BETWEEN.join(numbers),
        members,
        persons,
        BETWEEN.join(remarks),
        sparse(addresses),
        sparse(promoters),
        olds[0].has_virtual,
        olds[0].delivery,
        goods.product_id,
        goods.product_no,
        goods.title,
        title_key(goods.title),
        goods.option_values,
        goods.image_url,
        goods.list_price_fen,
    )
