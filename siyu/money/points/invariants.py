"""Truths of points: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "the ledger's points of a member are those in the lots and those held, less the debt": """
        select a.shop_id, a.member_id from points.accounts a
        left join ledger.accounts g on g.shop_id = a.shop_id and g.owner = a.member_id
          and g.book = 'points' and g.asset = 'POINT'
        left join (select shop_id, member_id, sum(points_left) as points from points.lots
                   group by 1, 2) l on (l.shop_id, l.member_id) = (a.shop_id, a.member_id)
        left join (select shop_id, member_id, sum(points) as points from points.spendings
                   where state = 'held' group by 1, 2) s
          on (s.shop_id, s.member_id) = (a.shop_id, a.member_id)
        where coalesce(g.posted, 0)
            <> coalesce(l.points, 0) + coalesce(s.points, 0) - a.below_zero
           or coalesce(g.held, 0) <> coalesce(s.points, 0)""",
    "nobody has points in the ledger without an account": """
        select g.shop_id, g.owner from ledger.accounts g
        left join points.accounts a on a.shop_id = g.shop_id and a.member_id = g.owner
        where g.book = 'points' and a.member_id is null and g.posted <> 0""",
    "the statement explains each point": """
        select a.shop_id, a.member_id from points.accounts a
        left join points.movements m on (m.shop_id, m.member_id) = (a.shop_id, a.member_id)
        left join ledger.accounts g on g.shop_id = a.shop_id and g.owner = a.member_id
          and g.book = 'points'
        group by a.shop_id, a.member_id, a.movements, a.owed, g.posted
        having coalesce(sum(m.points), 0) <> coalesce(g.posted, 0)
            or coalesce(sum(m.owed), 0) <> a.owed
            or count(m.movement_no) <> a.movements
            or coalesce(max(m.balance) filter (where m.movement_no = a.movements), 0)
              <> coalesce(g.posted, 0)""",
    "points spent are the sum of their parts": """
        select s.shop_id, s.spending_id from points.spendings s
        left join points.parts p using (shop_id, spending_id)
        group by s.shop_id, s.spending_id, s.points, s.back
        having s.points is distinct from sum(p.points)::bigint
            or s.back is distinct from sum(p.back)::bigint""",
    "points that came back are what refunds gave back": """
        select s.shop_id, s.spending_id from points.spendings s
        left join points.give_backs g using (shop_id, spending_id)
        group by s.shop_id, s.spending_id, s.back
        having s.back <> coalesce(sum(g.points), 0)""",
    "an order has earned what its unreturned part earns": """
        select shop_id, order_id from points.earnings
        where earned_at is not null
          and earned - revoked <> least(earned,
            greatest(eligible_fen - refunded_fen, 0) * per_yuan / 100)""",
    "what was revoked is what refunds took back": """
        select e.shop_id, e.order_id from points.earnings e
        left join points.revocations r using (shop_id, order_id)
        group by e.shop_id, e.order_id, e.revoked, e.refunded_fen
        having e.revoked <> coalesce(sum(r.points), 0)
            or e.refunded_fen <> coalesce(sum(r.refunded_fen), 0)""",
    "who is below zero or owes has no points left": """
        select a.shop_id, a.member_id from points.accounts a
        where a.below_zero + a.owed > 0 and exists (
          select from points.lots l
          where l.shop_id = a.shop_id and l.member_id = a.member_id and l.points_left > 0
            and l.expires_on is null)""",
}
