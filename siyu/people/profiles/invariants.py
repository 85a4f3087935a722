"""Truths of profiles: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a number belongs to itself or to whom it was joined": """
        select shop_id, person_no from profiles.states
        where (parent_no is null) <> (root_no = person_no)""",
    "a person stands where the last move led": """
        select p.shop_id, p.person_no, l.ladder
        from profiles.people p
        cross join lateral (values ('tier', p.tier), ('life', p.life)) l(ladder, place)
        left join lateral (
          select after from profiles.tier_moves m
          where m.shop_id = p.shop_id and m.person_no = p.person_no and m.ladder = l.ladder
          order by move_id desc limit 1) m on true
        where p.refreshed_at is not null and l.place is distinct from m.after""",
    "nobody has a tag that is out of use": """
        select g.shop_id, g.person_no, g.tag_id from profiles.tagged g
        join profiles.tags t using (shop_id, tag_id) where t.retired_at is not null""",
}
