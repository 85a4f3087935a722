"""Truths of the manifest: queries that return no rows."""

INVARIANTS = {
    "rows of live files and of the tail are those of the batches less what was taken out (W1)": """
        select * from (
          select (select coalesce(sum(rows), 0) from warehouse.batch)
                   - (select coalesce(sum(rows), 0) from warehouse.correction) as promised,
                 (select coalesce(sum(rows), 0) from warehouse.file where state = 'live')
                   as in_files,
                 (select count(*) from warehouse.event_tail where slot = any(array(
                    select slot from warehouse.slot where state <> 'compacted'))) as in_tail) books
        where promised <> in_files + in_tail""",
    "a compacted slot's rows are in files, a sealed or open slot has none (W2)": """
        select slot, state from warehouse.slot s
        where state <> 'compacted' and exists (
          select 1 from warehouse.file f where f.from_slot = s.slot and f.state = 'live')""",
    "a live file lies within its month (W6)": """
        select file_no from warehouse.file
        where state = 'live' and not (
          min_us >= extract(epoch from month) * 1000000
          and max_us < extract(epoch from month + interval '1 month') * 1000000)""",
}
