"""Truths of stored value: each query returns no rows. Run by a role that sees every shop."""

# The principal of a top-up is booked by payments in the moment its money arrives; the lot follows
# with the reaction, so money that has just come stands between the two.
_ARRIVING = """select a.shop_id, a.owner as member_id, sum(a.amount_fen) as fen
  from payments.attempts a
  join stored_value.top_ups t on t.shop_id = a.shop_id and t.top_up_id = a.order_id
  where a.purpose = 'top_up' and a.state = 'paid' and t.payment_id is distinct from a.payment_id
  group by 1, 2"""

INVARIANTS = {
    "the ledger's principal and bonus of a member are those in the lots and those held": f"""
        select w.shop_id, w.member_id from stored_value.wallets w
        left join ledger.accounts p on p.shop_id = w.shop_id and p.owner = w.member_id
          and p.book = 'principal'
        left join ledger.accounts b on b.shop_id = w.shop_id and b.owner = w.member_id
          and b.book = 'bonus'
        left join (select shop_id, member_id, sum(principal_left_fen) as principal_fen,
                     sum(bonus_left_fen) as bonus_fen
                   from stored_value.lots group by 1, 2) l
          on (l.shop_id, l.member_id) = (w.shop_id, w.member_id)
        left join (select shop_id, member_id, sum(principal_fen) as principal_fen,
                     sum(bonus_fen) as bonus_fen
                   from stored_value.spendings where state = 'held' group by 1, 2) s
          on (s.shop_id, s.member_id) = (w.shop_id, w.member_id)
        left join ({_ARRIVING}) n on (n.shop_id, n.member_id) = (w.shop_id, w.member_id)
        where coalesce(p.posted, 0) <> coalesce(l.principal_fen, 0) + coalesce(s.principal_fen, 0)
              + coalesce(n.fen, 0)
           or coalesce(b.posted, 0) <> coalesce(l.bonus_fen, 0) + coalesce(s.bonus_fen, 0)
           or coalesce(p.held, 0) <> coalesce(s.principal_fen, 0)
           or coalesce(b.held, 0) <> coalesce(s.bonus_fen, 0)""",
    "nobody has stored value in the ledger without a wallet": """
        select g.shop_id, g.owner from ledger.accounts g
        left join stored_value.wallets w on w.shop_id = g.shop_id and w.member_id = g.owner
        where g.book in ('principal', 'bonus') and w.member_id is null and g.posted <> 0""",
    "the statement explains each fen": f"""
        select w.shop_id, w.member_id from stored_value.wallets w
        left join stored_value.movements m on (m.shop_id, m.member_id) = (w.shop_id, w.member_id)
        left join ledger.accounts p on p.shop_id = w.shop_id and p.owner = w.member_id
          and p.book = 'principal'
        left join ledger.accounts b on b.shop_id = w.shop_id and b.owner = w.member_id
          and b.book = 'bonus'
        left join ({_ARRIVING}) n on (n.shop_id, n.member_id) = (w.shop_id, w.member_id)
        group by w.shop_id, w.member_id, w.movements, p.posted, b.posted, n.fen
        having coalesce(sum(m.principal_fen), 0) <> coalesce(p.posted, 0) - coalesce(n.fen, 0)
            or coalesce(sum(m.bonus_fen), 0) <> coalesce(b.posted, 0)
            or count(m.movement_no) <> w.movements
            or coalesce(max(m.principal_after_fen) filter (where m.movement_no = w.movements), 0)
              <> coalesce(sum(m.principal_fen), 0)
            or coalesce(max(m.bonus_after_fen) filter (where m.movement_no = w.movements), 0)
              <> coalesce(sum(m.bonus_fen), 0)""",
    "value spent is the sum of its parts": """
        select s.shop_id, s.spending_id from stored_value.spendings s
        left join stored_value.parts p using (shop_id, spending_id)
        group by s.shop_id, s.spending_id
        having min(s.principal_fen) is distinct from sum(p.principal_fen)::bigint
            or min(s.bonus_fen) is distinct from sum(p.bonus_fen)::bigint
            or min(s.back_principal_fen) is distinct from sum(p.back_principal_fen)::bigint
            or min(s.back_bonus_fen) is distinct from sum(p.back_bonus_fen)::bigint""",
    "value that came back is what refunds gave back": """
        select s.shop_id, s.spending_id from stored_value.spendings s
        left join stored_value.give_backs g using (shop_id, spending_id)
        group by s.shop_id, s.spending_id
        having min(s.back_principal_fen) <> coalesce(sum(g.principal_fen), 0)
            or min(s.back_bonus_fen) <> coalesce(sum(g.bonus_fen), 0)""",
    "a lot is what is left, spent, taken back and unused of it": """
        select l.shop_id, l.lot_id from stored_value.lots l
        left join stored_value.top_ups t on t.shop_id = l.shop_id and t.top_up_id = l.lot_id
        left join (select p.shop_id, p.lot_id, sum(p.bonus_fen - p.back_bonus_fen) as bonus_fen
                   from stored_value.parts p join stored_value.spendings s
                     using (shop_id, spending_id)
                   where s.state <> 'released' group by 1, 2) p
          on p.shop_id = l.shop_id and p.lot_id = l.lot_id
        where l.bonus_fen <> l.bonus_left_fen + l.unused_fen + coalesce(t.withdrawn_fen, 0)
          + coalesce(p.bonus_fen, 0)""",
    "a paid top-up has its lot, and no other has": """
        select t.shop_id, t.top_up_id from stored_value.top_ups t
        left join stored_value.lots l on l.shop_id = t.shop_id and l.lot_id = t.top_up_id
        where (t.state = 'paid') <> (l.lot_id is not null)
           or l.principal_fen <> t.amount_fen or l.bonus_fen <> t.bonus_fen""",
    "a top-up's refunds are those that were not undone": """
        select t.shop_id, t.top_up_id from stored_value.top_ups t
        left join stored_value.refunds r on r.shop_id = t.shop_id and r.top_up_id = t.top_up_id
          and r.state <> 'undone'
        group by t.shop_id, t.top_up_id
        having min(t.refunded_fen) <> coalesce(sum(r.principal_fen), 0)
            or min(t.withdrawn_fen) <> coalesce(sum(r.withdrawn_fen), 0)
            or min(t.kept_back_fen) <> coalesce(sum(r.kept_back_fen), 0)""",
    "nobody approved what they asked for": """
        select shop_id, adjustment_id from stored_value.adjustments
        where state = 'done' and decided_by = asked_by""",
}
