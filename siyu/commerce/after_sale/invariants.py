"""Truths of after-sale: each query returns no rows. Run by a role that sees every shop.

The last ones look into the domains below, whose promises this one builds on.
"""

INVARIANTS = {
    "what is claimed of a line is what living cases are about": """
        select shop_id, order_id, line_no from after_sale.order_lines o
        left join (select c.shop_id, c.order_id, l.line_no, sum(l.quantity) as pieces,
                     sum(l.cap_fen) as fen
                   from after_sale.cases c join after_sale.case_lines l using (shop_id, case_id)
                   where c.state not in ('rejected', 'withdrawn', 'expired', 'completed')
                   group by 1, 2, 3) l using (shop_id, order_id, line_no)
        where o.claimed <> coalesce(l.pieces, 0) or o.claimed_fen <> coalesce(l.fen, 0)""",
    "what is claimed of the shipping is what living cases are about": """
        select shop_id, order_id from after_sale.orders o
        where o.claimed_shipping_fen <> (
          select coalesce(sum(c.shipping_cap_fen), 0) from after_sale.cases c
          where c.shop_id = o.shop_id and c.order_id = o.order_id
            and c.state not in ('rejected', 'withdrawn', 'expired', 'completed'))""",
    "a case is worth its lines and its shipping": """
        select shop_id, case_id from after_sale.cases c
        where c.cap_fen - c.shipping_cap_fen is distinct from (
          select sum(l.cap_fen) from after_sale.case_lines l
          where l.shop_id = c.shop_id and l.case_id = c.case_id)""",
    "every case has a beginning in its timeline": """
        select shop_id, case_id from after_sale.cases c where not exists (
          select from after_sale.timeline t
          where t.shop_id = c.shop_id and t.case_id = c.case_id and t.event = 'open')""",
    "who waits has a deadline": """
        select shop_id, case_id from after_sale.cases
        where (due_at is null) <> (state in ('refunding', 'refunded', 'completed', 'rejected',
          'withdrawn', 'expired'))""",
    "evidence belongs to the member of its case": """
        select p.shop_id, p.picture_id from after_sale.pictures p
        join after_sale.cases c using (shop_id, case_id) where p.member_id <> c.member_id""",
    "a refund under way or done is the order's, to the fen": """
        select c.shop_id, c.case_id from after_sale.cases c
        left join ordering.refunds r using (shop_id, refund_id)
        where c.state in ('refunding', 'refunded')
          and (r.order_id is distinct from c.order_id or r.amount_fen <> c.amount_fen
            or (c.state = 'refunded' and r.status <> 'refunded'))""",
    "no money before it was decided": """
        select c.shop_id, c.case_id from after_sale.cases c
        join ordering.refunds r using (shop_id, refund_id)
        where c.state not in ('refunding', 'refunded') and r.status <> 'closed'""",
    "sellable goods are on hand again, once": """
        select c.shop_id, c.case_id from after_sale.cases c
        where c.kind <> 'refund_only'
          and (select coalesce(sum(m.delta), 0) from inventory.movements m
               where m.shop_id = c.shop_id and m.source = c.case_id and m.kind = 'returned')
            > (select coalesce(sum(l.quantity), 0) from after_sale.case_lines l
               where l.shop_id = c.shop_id and l.case_id = c.case_id
                 and c.restock = 'sellable')""",
    "a replacement leaves once, and only for an exchange": """
        select c.shop_id, c.case_id from after_sale.cases c
        where coalesce((select -sum(m.delta) from inventory.movements m
               where m.shop_id = c.shop_id and m.source = c.case_id and m.kind = 'sold'), 0)
            <> (select sum(l.quantity) * (c.state in ('exchanging', 'completed'))::int
                from after_sale.case_lines l
                where l.shop_id = c.shop_id and l.case_id = c.case_id)""",
    "a replacement is kept only while its exchange lives": """
        select r.shop_id, r.source from inventory.reservations r
        join after_sale.cases c on c.shop_id = r.shop_id and c.case_id = r.source
        where c.kind <> 'exchange' or c.state not in ('approved', 'returning', 'received')""",
}
