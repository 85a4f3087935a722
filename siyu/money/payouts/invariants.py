"""Truths of payouts: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a member has one payout under way": """
        select shop_id, member_id from payouts.payouts
        where state in ('requested', 'created', 'accepted', 'waiting', 'sending', 'cancelling')
        group by 1, 2 having count(*) > 1""",
    "the hold of a payout is pending until WeChat took the money, or it ended": """
        select p.shop_id, p.payout_id, p.state, h.state as hold from payouts.payouts p
        join ledger.holds h on (h.shop_id, h.hold_id) = (p.shop_id, p.hold_id)
        where h.state <> case when p.is_taken then 'posted'
                              when p.ended_at is null then 'pending' else 'voided' end
           or h.units <> p.amount_fen or h.owner <> p.member_id""",
    "what WeChat took is booked once, and ended as the payout did": """
        select p.shop_id, p.payout_id, p.state, k.kinds from payouts.payouts p
        left join (select shop_id, ref, array_agg(kind order by kind) as kinds
                   from ledger.entries where kind in ('payout', 'payout_paid', 'payout_failed')
                   group by 1, 2) k on (k.shop_id, k.ref) = (p.shop_id, p.payout_id)
        where coalesce(k.kinds, '{}') <> case
          when not p.is_taken then '{}'::text[]
          when p.state = 'paid' then '{payout,payout_paid}'
          when p.ended_at is not null then '{payout,payout_failed}'
          else '{payout}' end""",
    "what is due to payees is what is on its way": """
        select coalesce(l.shop_id, p.shop_id) as shop_id, l.fen, p.fen as on_its_way
        from (select shop_id, -sum(units) as fen from ledger.legs
              where book = 'payout_due' group by 1) l
        full join (select shop_id, sum(net_fen) as fen from payouts.payouts
                   where is_taken and ended_at is null group by 1) p using (shop_id)
        where coalesce(l.fen, 0) <> coalesce(p.fen, 0)""",
}
