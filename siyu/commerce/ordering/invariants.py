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
    "what was taken off a line is explained on it, rule by rule": """
        with taken as (
          select shop_id, order_id, l.sku_id, sum(l.discount_fen)::bigint as fen
          from ordering.order_lines l join ordering.orders o using (shop_id, order_id)
          where o.source = 'shop' group by 1, 2, 3),
        told as (
          select shop_id, order_id, (a ->> 'sku_id')::uuid as sku_id,
            -sum((a ->> 'amount_fen')::bigint)::bigint as fen
          from ordering.orders, jsonb_array_elements(adjustments) a
          where source = 'shop' and a ->> 'sku_id' is not null group by 1, 2, 3)
        select * from taken full join told using (shop_id, order_id, sku_id)
        where coalesce(taken.fen, 0) <> coalesce(told.fen, 0)""",
    "an order names what each coupon took off": """
        select shop_id, order_id from ordering.orders o
        where (select coalesce(sum(value::bigint), 0) from jsonb_each_text(o.coupons)) <>
          (select coalesce(-sum((a ->> 'amount_fen')::bigint), 0)
           from jsonb_array_elements(o.adjustments) a where a ->> 'rule' = 'coupon')""",
    "paid means paid in full": """
        select shop_id, order_id from ordering.orders
        where (paid_at is not null and paid_fen <> total_fen)
           or (paid_at is null and paid_fen <> 0)""",
    "our own paid orders name their payment": """
        select shop_id, order_id from ordering.orders
        where source = 'shop' and (payment_id is not null) <> (paid_at is not null)""",
    "what an order is paid with adds up": """
        select shop_id, order_id from ordering.tenders t
        join ordering.orders o using (shop_id, order_id)
        where t.wechat_fen + t.principal_fen + t.bonus_fen <> o.total_fen
           or t.points_fen <> (
             select sum(l.points_fen) from ordering.order_lines l
             where l.shop_id = t.shop_id and l.order_id = t.order_id)""",
    "without tenders no point was taken off": """
        select shop_id, order_id from ordering.order_lines l
        where points_fen > 0 and not exists (
          select from ordering.tenders t
          where t.shop_id = l.shop_id and t.order_id = l.order_id)""",
    "an order counts its refunds, to the fen and to the piece": """
        with living as (
          select * from ordering.refunds where status <> 'closed'),
        of_order as (
          select shop_id, order_id, sum(amount_fen) as amount_fen,
            sum(shipping_fen) as shipping_fen, sum(wechat_fen) as wechat_fen,
            sum(balance_fen) as balance_fen, sum(points) as points
          from living group by 1, 2)
        select o.shop_id, o.order_id from ordering.orders o
        left join of_order r using (shop_id, order_id)
        left join ordering.tenders t using (shop_id, order_id)
        where o.refunded_fen <> coalesce(r.amount_fen, 0)
           or o.refunded_shipping_fen <> coalesce(r.shipping_fen, 0)
           or t.refunded_wechat_fen <> coalesce(r.wechat_fen, 0)
           or t.refunded_balance_fen <> coalesce(r.balance_fen, 0)
           or t.refunded_points <> coalesce(r.points, 0)
           or o.refunded_fen - o.refunded_shipping_fen <> (
             select sum(l.refunded_fen) from ordering.order_lines l
             where l.shop_id = o.shop_id and l.order_id = o.order_id)""",
    "a refund is its lines and the shipping": """
        select shop_id, refund_id from ordering.refunds r
        where amount_fen - shipping_fen <> (
          select coalesce(sum(l.amount_fen), 0) from ordering.refund_lines l
          where l.shop_id = r.shop_id and l.refund_id = r.refund_id)""",
    "a line counts its refunds": """
        select l.shop_id, l.order_id, l.line_no from ordering.order_lines l
        left join (
          select r.shop_id, r.order_id, g.line_no,
            sum(g.amount_fen) filter (where r.status <> 'closed') as amount_fen,
            sum(g.quantity) filter (where r.status <> 'closed' or r.is_restocked) as quantity
          from ordering.refunds r join ordering.refund_lines g using (shop_id, refund_id)
          group by 1, 2, 3) r
          on r.shop_id = l.shop_id and r.order_id = l.order_id and r.line_no = l.line_no
        where l.refunded_fen <> coalesce(r.amount_fen, 0)
           or l.refunded_quantity <> coalesce(r.quantity, 0)""",
    "a refunded order has no refund under way": """
        select shop_id, order_id from ordering.orders o
        where status = 'refunded' and exists (
          select from ordering.refunds r where r.shop_id = o.shop_id
            and r.order_id = o.order_id and r.status in ('started', 'abnormal'))""",
    "every line and every entry is of an order": """
        select shop_id, order_id
        from (select shop_id, order_id from ordering.order_lines
              union select shop_id, order_id from ordering.timeline) part
        where not exists (
          select from ordering.orders o
          where o.shop_id = part.shop_id and o.order_id = part.order_id)""",
    "an order begins once": """
        select shop_id, order_id from ordering.timeline where event in ('placed', 'imported')""",
    "who has paid is a buyer": """
        select distinct shop_id, member_id from ordering.orders o
        where paid_at is not null and kind = 'sale' and not exists (
          select from ordering.buyers b
          where b.shop_id = o.shop_id and b.member_id = o.member_id)""",
}
