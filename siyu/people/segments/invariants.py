"""Truths of segments: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a fixed segment has as many persons as it says, a rule keeps none": """
        select s.shop_id, s.segment_id from segments.segments s
        left join (select shop_id, segment_id, count(*) as n from segments.persons
                   group by shop_id, segment_id) p using (shop_id, segment_id)
        where coalesce(p.n, 0) <> case when s.rule is null then s.person_count else 0 end""",
    "a rule keeps no more persons than it says (an erasure takes them out of the set first)": """
        select s.shop_id, s.segment_id from segments.segments s
        left join (select shop_id, segment_id, sum(bit_count(bits)) as n from segments.members
                   group by shop_id, segment_id) m using (shop_id, segment_id)
        where s.rule is not null and coalesce(m.n, 0) > s.person_count""",
}
