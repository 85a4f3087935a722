"""Truths of segments: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a fixed segment has as many persons as it says, a rule keeps none": """
        select s.shop_id, s.segment_id from segments.segments s
        left join (select shop_id, segment_id, count(*) as n from segments.persons
                   group by shop_id, segment_id) p using (shop_id, segment_id)
        where coalesce(p.n, 0) <> case when s.rule is null then s.person_count else 0 end""",
}
