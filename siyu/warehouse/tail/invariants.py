"""Truths of the tail: queries that return no rows."""

INVARIANTS = {
    "exactly one slot is open": """
        select count(*) from warehouse.slot where state = 'open' having count(*) <> 1""",
    "an open or sealed slot has its partition": """
        select slot from warehouse.slot
        where state <> 'compacted' and to_regclass('warehouse.event_tail_' || slot) is null""",
    "a slot of the tail holds what its batches promise (W2)": """
        select s.slot from warehouse.slot s
        left join (select slot, sum(rows) as rows, sum(sum_no) as sum_no
                   from warehouse.batch group by slot) b using (slot)
        left join (select slot, count(*) as rows, sum(event_no) as sum_no
                   from warehouse.event_tail group by slot) e using (slot)
        where s.state <> 'compacted'
          and (coalesce(b.rows, 0) <> coalesce(e.rows, 0)
            or coalesce(b.sum_no, 0) <> coalesce(e.sum_no, 0))""",
}
