"""Truths of members: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "person numbers are 1, 2, 3 … without gaps": """
        select shop_id, c.last_no, count(p.person_no) as persons, max(p.person_no) as highest
        from members.person_counters c full join members.persons p using (shop_id)
        group by shop_id, c.last_no
        having coalesce(c.last_no, 0) <> count(p.person_no)
          or coalesce(c.last_no, 0) <> coalesce(max(p.person_no), 0)""",
    "only visitors are merged, and into somebody who was not": """
        select p.shop_id, p.person_no from members.persons p
        join members.persons t on t.shop_id = p.shop_id and t.person_no = p.merged_into
        where p.origin <> 'visitor' or t.merged_into is not null""",
    "a visitor key points at somebody who was not merged": """
        select v.shop_id, v.visitor from members.visitors v
        join members.persons p using (shop_id, person_no)
        where p.merged_into is not null""",
}
