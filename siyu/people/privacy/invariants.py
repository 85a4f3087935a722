"""Truths of the data of persons: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "an erasure that was done says what it did": """
        select shop_id, erasure_id from privacy.erasures
        where state = 'done' and jsonb_array_length(report) = 0""",
}
