"""Truths of profit sharing: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a closed plan has no part on its way and nothing to call back": """
        select p.shop_id, p.order_id, a.part_no, a.state
        from profit_sharing.plans p join profit_sharing.parts a using (shop_id, order_id)
        where p.state = 'closed'
          and (a.state in ('planned', 'held', 'refused', 'sent') or a.recall_fen > 0)""",
    "a part that was held has nothing in the books before somebody has decided": """
        select shop_id, order_id, part_no, state from profit_sharing.parts
        where (state in ('held', 'denied') and (booked_fen > 0 or sent_fen > 0))
           or (evidence <> '{}' and reviewed_at is null and state not in ('held', 'dropped'))
           or (state = 'denied' and amount_fen > 0)
        union all
        select a.shop_id, a.order_id, a.part_no, 'booked' from profit_sharing.parts a
        join ledger.entries e on (e.shop_id, e.order_id) = (a.shop_id, a.order_id)
          and e.kind = 'commission_accrued'
          and e.key like 'commission:' || a.order_id || ':' || a.part_no || ':%'
        where a.state in ('held', 'denied')""",
    "what is split and kept, and what is refunded, is never more than was paid": """
        select p.shop_id, p.order_id from profit_sharing.plans p
        join profit_sharing.parts a using (shop_id, order_id)
        group by p.shop_id, p.order_id, p.paid_fen
        having sum(a.sent_fen) > p.paid_fen""",
    "parts of an order are never more than the order": """
        select p.shop_id, p.order_id from profit_sharing.plans p
        join profit_sharing.parts a using (shop_id, order_id)
        group by p.shop_id, p.order_id, p.total_fen, p.refunded_fen
        having sum(a.planned_fen) > p.total_fen
            or sum(a.amount_fen) filter (where a.state <> 'sent') > p.total_fen - p.refunded_fen""",
    "the refunds of a plan are those it counts": """
        select p.shop_id, p.order_id from profit_sharing.plans p
        left join profit_sharing.refunds r
          on (r.shop_id, r.order_id) = (p.shop_id, p.order_id) and r.state <> 'closed'
        group by p.shop_id, p.order_id, p.refunded_fen, p.refunded_paid_fen
        having coalesce(sum(r.amount_fen), 0) <> p.refunded_fen
            or coalesce(sum(r.paid_part_fen), 0) <> p.refunded_paid_fen""",
    "the ledger's commission of an order is what its parts say": """
        select shop_id, order_id, a.booked_fen, l.booked_fen as in_ledger
        from (select shop_id, order_id, sum(booked_fen) as booked_fen
              from profit_sharing.parts group by 1, 2) a
        join (select p.shop_id, p.order_id, coalesce(sum(g.units), 0) as booked_fen
              from profit_sharing.plans p
              left join ledger.entries e
                on (e.shop_id, e.order_id) = (p.shop_id, p.order_id)
                and e.kind in ('commission_accrued', 'commission_revoked')
              left join ledger.legs g
                on (g.shop_id, g.entry_id) = (e.shop_id, e.entry_id)
                and g.book = 'commission_cost'
              group by 1, 2) l using (shop_id, order_id)
        where a.booked_fen <> l.booked_fen""",
    "what WeChat split is what the ledger paid out of frozen money": """
        select shop_id, order_id, a.sent_fen, l.sent_fen as in_ledger
        from (select shop_id, order_id, sum(sent_fen) filter (where state = 'paid') as sent_fen
              from profit_sharing.parts group by 1, 2) a
        join (select p.shop_id, p.order_id, -coalesce(sum(g.units), 0) as sent_fen
              from profit_sharing.plans p
              left join ledger.entries e
                on (e.shop_id, e.order_id) = (p.shop_id, p.order_id) and e.kind = 'split'
              left join ledger.legs g
                on (g.shop_id, g.entry_id) = (e.shop_id, e.entry_id) and g.book = 'wechat_frozen'
              group by 1, 2) l using (shop_id, order_id)
        where coalesce(a.sent_fen, 0) <> l.sent_fen""",
    "an order is unfrozen in the books when, and only when, its plan says so": """
        select p.shop_id, p.order_id, sum(g.units) - a.apart_fen as frozen
        from profit_sharing.plans p cross join lateral (  -- paid on top: it lies beside the order's
          select coalesce(sum(s.amount_fen), 0) as apart_fen from payments.suspense s
          where s.shop_id = p.shop_id and s.order_id = p.order_id and s.is_shared
            and s.state <> 'resolved' and not exists (select from payments.refunds r
              where r.shop_id = s.shop_id and r.parked_id = s.parked_id and r.state <> 'closed'
                and r.problem = 'AT_MERCHANT')) a
        join ledger.entries e on (e.shop_id, e.order_id) = (p.shop_id, p.order_id)
        join ledger.legs g
          on (g.shop_id, g.entry_id) = (e.shop_id, e.entry_id) and g.book = 'wechat_frozen'
        group by p.shop_id, p.order_id, p.is_frozen, a.apart_fen
        having sum(g.units) < a.apart_fen or (sum(g.units) > a.apart_fen and not p.is_frozen)""",
    "nobody is above themselves, and no tree is deeper than two": """
        select c.shop_id, c.member_id from profit_sharing.promoters c
        join profit_sharing.promoters p
          on (p.shop_id, p.member_id) = (c.shop_id, c.parent_id)
        where p.parent_id is not null or p.member_id = c.member_id""",
}
