"""Truths of coupons: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a budget counts what its coupons take off orders, and is not exceeded (F048)": """
        select b.shop_id, b.batch_id from coupons.batches b
        left join (select shop_id, batch_id, sum(off_fen) as off_fen from coupons.claims
                   where state in ('held', 'used') group by 1, 2) c using (shop_id, batch_id)
        where b.budget_fen is not null
          and (b.committed_fen <> coalesce(c.off_fen, 0) or b.committed_fen > b.budget_fen)""",
    "a batch counts the coupons it gave, and gives no more than it has": """
        select b.shop_id, b.batch_id from coupons.batches b
        left join (select shop_id, batch_id, count(*) as given from coupons.claims group by 1, 2) c
          using (shop_id, batch_id)
        where b.claimed_count <> coalesce(c.given, 0) or coalesce(c.given, 0) > b.total_count""",
    "nobody has more coupons of a batch than were counted for them": """
        select c.shop_id, c.batch_id, c.taker_id
        from (select shop_id, batch_id, coalesce(home_id, member_id) as taker_id, birthday_year
              from coupons.claims) c
        left join coupons.takers t on t.shop_id = c.shop_id and t.batch_id = c.batch_id
          and t.kind = 'member' and t.taker = decode(replace(c.taker_id::text, '-', ''), 'hex')
        where c.birthday_year is null
        group by c.shop_id, c.batch_id, c.taker_id, t.taken
        having count(*) is distinct from t.taken::bigint""",
    "the history of a coupon has no gap and ends where the coupon stands": """
        select c.shop_id, c.claim_id from coupons.claims c
        left join coupons.moves m using (shop_id, claim_id)
        group by c.shop_id, c.claim_id, c.moves, c.state
        having count(m.move_no) <> c.moves
            or (array_agg(m.kind order by m.move_no desc))[1] <> all (
              case c.state when 'claimed' then array['claimed', 'released', 'given_back']
                when 'held' then array['held'] when 'used' then array['used']
                when 'expired' then array['expired'] else array['voided'] end)""",
    "a coupon is used once more than it was given back, or as often (F047, F049)": """
        select c.shop_id, c.claim_id from coupons.claims c
        left join coupons.moves m using (shop_id, claim_id)
        group by c.shop_id, c.claim_id, c.state
        having count(*) filter (where m.kind = 'used')
             - count(*) filter (where m.kind = 'given_back') <> (c.state = 'used')::int
            or count(*) filter (where m.kind = 'held')
             - count(*) filter (where m.kind in ('released', 'used')) <> (c.state = 'held')::int""",
}
