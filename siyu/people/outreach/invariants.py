"""Truths of outreach: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a place that was reserved is open, or was spent or released, once": """
        select shop_id, person_no, message_id, channel from outreach.ledger
        group by shop_id, person_no, message_id, channel
        having count(*) filter (where move = 'reserved') <> 1
          or count(*) filter (where move in ('spent', 'released')) > 1
          or count(*) filter (where move = 'answered') > count(*) filter (where move = 'spent')
          or count(distinct (on_day, is_capped)) > 1""",
    "every message that is on its way or went out holds exactly one place": """
        select m.shop_id, m.message_id, m.state from outreach.messages m
        left join outreach.ledger l on l.shop_id = m.shop_id and l.person_no = m.person_no
          and l.message_id = m.message_id
        group by m.shop_id, m.message_id, m.state
        having count(*) filter (where l.move = 'reserved')
            - count(*) filter (where l.move = 'released')
            <> (m.state in ('planned', 'calling', 'sent', 'unknown'))::int
          or count(*) filter (where l.move = 'spent') <> (m.state in ('sent', 'unknown'))::int""",
    "every row of the ledger belongs to a message of that person": """
        select l.shop_id, l.person_no, l.message_id from outreach.ledger l
        left join outreach.messages m on m.shop_id = l.shop_id and m.message_id = l.message_id
          and m.person_no = l.person_no
        where m.message_id is null""",
    "what a platform let us send was used by as many messages": """
        select g.shop_id, g.grant_id from outreach.grants g
        where g.used < (select count(*) from outreach.messages m where m.shop_id = g.shop_id
          and m.grant_id = g.grant_id and m.state in ('planned', 'calling', 'sent', 'unknown'))""",
    "what was sent has the words of a version": """
        select m.shop_id, m.message_id from outreach.messages m
        left join outreach.versions v using (shop_id, template_id, version)
        where v.version is null""",
    "nothing was sent of a campaign that never started": """
        select m.shop_id, m.campaign_id from outreach.messages m
        join outreach.campaigns c using (shop_id, campaign_id)
        where c.state = 'draft'""",
}
