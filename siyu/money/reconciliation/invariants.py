"""Truths of reconciliation: each query returns no rows."""

INVARIANTS = {
    "a closed day has no open ticket": """
        select d."on", t.ticket_id from reconciliation.days d
        join reconciliation.tickets t using (shop_id, "on", merchant)
        where d.state = 'closed' and t.state = 'open'""",
    "a compared day counts its lines": """
        select d."on", d.lines, count(l.line_no) from reconciliation.days d
        left join reconciliation.lines l using (shop_id, "on", merchant)
        where d.state <> 'waiting' group by d.shop_id, d."on", d.merchant
        having d.lines <> count(l.line_no)""",
    "a fee of the bill is booked": """
        select l.flow_no from reconciliation.lines l
        join reconciliation.days d using (shop_id, "on", merchant)
        where l.bill = 'fund' and d.state <> 'waiting'
          and (l.kind = 'fee' and l.amount_fen <> 0 or l.fee_milli_fen <> 0)
          and not exists (
            select from ledger.entries e
            where e.shop_id = l.shop_id and e.key = 'fee:' || l.merchant || ':' || l.flow_no)""",
    "what stands as unmatched for a ticket is booked": """
        select t.ticket_id from reconciliation.tickets t
        where t.unmatched_fen <> 0 and not exists (
          select from ledger.entries e
          where e.shop_id = t.shop_id and e.entry_id = t.unmatched_entry)""",
}
