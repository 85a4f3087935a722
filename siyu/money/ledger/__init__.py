"""Ledger: every fen and every point booked twice, never edited, always explained.

Owns entries with their legs (double entry, append-only), accounts per shop, book, owner and asset,
and holds (pending, then posted, voided or expired). What always holds, by the database itself: the
legs of an entry come in one statement with it and sum to zero per asset; nothing is changed or
removed; an account is the sum of its legs; money that is held or lies under the floor cannot leave.
A mistake is corrected by another entry (`reverse`).

Emits nothing: whoever books an event of the trade tells it. Called down by all of money and by
ordering; the words for its kinds stand in `rules.KINDS`, the story of an order in `rules.tell`.
"""
