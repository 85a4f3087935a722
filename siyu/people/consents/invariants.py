"""Truths of consents: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "the state in force is a decision that was made": """
        select s.shop_id, s.person_no, s.purpose from consents.states s
        left join consents.decisions d using (shop_id, decision_id)
        where (s.person_no, s.purpose, s.text_version, s.granted, s.decided_at)
          is distinct from (d.person_no, d.purpose, d.text_version, d.granted, d.decided_at)""",
}
