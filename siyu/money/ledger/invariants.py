"""Truths of the ledger: each query returns no rows. Run per shop behind its fence."""

INVARIANTS = {
    "the legs of an entry sum to zero per asset": """
        select shop_id, entry_id, asset, sum(units) from ledger.legs
        group by 1, 2, 3 having sum(units) <> 0""",
    "an entry has all its legs": """
        select shop_id, entry_id, e.leg_count, l.legs
        from ledger.entries e
        full join (select shop_id, entry_id, count(*) as legs, max(leg_no) as last
                   from ledger.legs group by 1, 2) l using (shop_id, entry_id)
        where e.leg_count is distinct from l.legs or l.last <> l.legs or l.legs < 2""",
    "an account is the sum of its legs": """
        select shop_id, book, owner, asset, a.posted, l.posted as legs
        from (
          select shop_id, book, owner, asset, sum(posted) as posted from (
            select shop_id, book, owner, asset, posted from ledger.accounts
            union all
            select shop_id, book, ledger.nobody(), asset, ledger.side(book) * units
            from ledger.deltas) known
          group by 1, 2, 3, 4) a
        full join (
          select shop_id, book, owner, asset, sum(ledger.side(book) * units) as posted
          from ledger.legs group by 1, 2, 3, 4) l using (shop_id, book, owner, asset)
        where coalesce(a.posted, 0) <> coalesce(l.posted, 0)""",
    "held is the sum of the pending holds": """
        select shop_id, book, owner, asset, a.held, h.units
        from ledger.accounts a
        left join (select shop_id, book, owner, asset, sum(units) as units from ledger.holds
                   where state = 'pending' group by 1, 2, 3, 4) h
          using (shop_id, book, owner, asset)
        where a.held <> coalesce(h.units, 0)""",
    "what is held is there": """
        select shop_id, book, owner, asset, posted, held from ledger.accounts
        where held > 0 and posted < held and floor >= 0""",
    "stored value never falls below zero": """
        select shop_id, book, owner, posted, held from ledger.accounts
        where book in ('principal', 'bonus') and posted - held < 0""",
    "no hold waits long after its time (by the ledger's own time)": """
        select shop_id, hold_id, h.expires_at
        from ledger.holds h
        where h.state = 'pending' and h.expires_at < (
          select max(held_at) from ledger.holds n where n.shop_id = h.shop_id
        ) - interval '1 hour'""",
    "a posted hold was taken by its entry, and no more than was held": """
        select shop_id, entry_id, book, owner, asset, h.units, l.taken
        from (select shop_id, entry_id, book, owner, asset, sum(units) as units
              from ledger.holds where state = 'posted' group by 1, 2, 3, 4, 5) h
        left join (select shop_id, entry_id, book, owner, asset,
                     -sum(ledger.side(book) * units) as taken
                   from ledger.legs group by 1, 2, 3, 4, 5) l
          using (shop_id, entry_id, book, owner, asset)
        where l.taken is null or l.taken not between 1 and h.units""",
    "a reversal takes back exactly one entry": """
        select r.shop_id, r.entry_id
        from ledger.entries r
        join ledger.legs a on a.shop_id = r.shop_id and a.entry_id = r.reverses
        left join ledger.legs b on b.shop_id = r.shop_id and b.entry_id = r.entry_id
          and b.leg_no = a.leg_no and b.book = a.book and b.owner = a.owner
          and b.asset = a.asset and b.units = -a.units
        where r.reverses is not null and b.entry_id is null""",
}
