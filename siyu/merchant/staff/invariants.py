"""Truths of staff: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "a shop where anybody works has an owner": """
        select shop_id from staff.memberships
        group by shop_id having not bool_or(role = 'owner')""",
}
