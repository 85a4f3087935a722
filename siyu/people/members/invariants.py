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
    "who stands for a person is the first of the records that merges tie together": """
        with recursive walk (shop_id, seed, member_id) as (
          select shop_id, one_id, one_id from members.merges where state = 'merged'
          union
          select shop_id, other_id, other_id from members.merges where state = 'merged'
          union
          select w.shop_id, w.seed,
            case when e.one_id = w.member_id then e.other_id else e.one_id end
          from walk w join members.merges e on e.shop_id = w.shop_id and e.state = 'merged'
            and w.member_id in (e.one_id, e.other_id)),
        heads as (
          select w.shop_id, w.seed,
            (array_agg(m.member_id
              order by m.has_balance desc, m.joined_at, m.member_id))[1] as head_id
          from walk w join members.members m using (shop_id, member_id) group by 1, 2)
        select m.shop_id, m.member_id from members.members m
        left join heads h on h.shop_id = m.shop_id and h.seed = m.member_id
        where coalesce(m.merged_into, m.member_id) <> coalesce(h.head_id, m.member_id)""",
    "merges are a forest: undoing one always parts two persons": """
        select m.shop_id, m.person_no from members.merges e
        join members.members o on (o.shop_id, o.member_id) = (e.shop_id, e.one_id)
        join members.members m on m.shop_id = o.shop_id
          and m.member_id = coalesce(o.merged_into, o.member_id)
        where e.state = 'merged'
        group by m.shop_id, m.member_id, m.person_no
        having count(*) <> (select count(*) from members.members r
          where r.shop_id = m.shop_id and r.merged_into = m.member_id)""",
    "what waits for staff is about two persons": """
        select e.shop_id, e.merge_id from members.merges e
        join members.members o on (o.shop_id, o.member_id) = (e.shop_id, e.one_id)
        join members.members t on (t.shop_id, t.member_id) = (e.shop_id, e.other_id)
        where e.state = 'proposed'
          and coalesce(o.merged_into, o.member_id) = coalesce(t.merged_into, t.member_id)""",
    "a shared id that a log-in told is an identifier": """
        select m.shop_id, m.member_id from members.members m
        left join members.identifiers i on i.shop_id = m.shop_id and i.kind = 'unionid'
          and i.value_key = m.union_key
        where m.union_key is not null and i.member_id is null""",
}
