"""Truths of ordering: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "an order is the sum of its lines": """
        select shop_id, order_id from ordering.orders o
        left join (select shop_id, order_id, sum(list_price_fen * quantity) as items_fen,
                     sum(discount_fen) as discount_fen
                   from ordering.order_lines group by 1, 2) l using (shop_id, order_id)
        where o.items_fen is distinct from l.items_fen::bigint
           or o.discount_fen is distinct from l.discount_fen::bigint""",
    "what was taken off or added is explained to the fen": """
        select shop_id, order_id from ordering.orders o
        where o.shipping_fen - o.discount_fen <>
          (select coalesce(sum((a ->> 'amount_fen')::bigint), 0)
           from jsonb_array_elements(o.adjustments) a)""",
    "paid means paid in full": """
        select shop_id, order_id from ordering.orders
        where (paid_at is not null and paid_fen <> total_fen)
           or (paid_at is null and paid_fen <> 0)""",
    "our own paid orders name their payment": """
        select shop_id, order_id from ordering.orders
        where source = 'shop' and (payment_id is not null) <> (paid_at is not null)""",
    "every order has a beginning in its timeline": """
        select shop_id, order_id from ordering.orders o where not exists (
          select from ordering.timeline t
          where t.shop_id = o.shop_id and t.order_id = o.order_id
            and t.event in ('placed', 'imported'))""",
    "who has paid is a buyer": """
        select distinct shop_id, member_id from ordering.orders o
        where paid_at is not null and kind = 'sale' and not exists (
          select from ordering.buyers b
          where b.shop_id = o.shop_id and b.member_id = o.member_id)""",
}
