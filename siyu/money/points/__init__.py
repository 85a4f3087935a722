"""Points: what a member collects by buying and may use as a part of the next price.

Owns the shop's rules of points, the lots every point belongs to (oldest spent first, each lot
with its last day), what an order holds or has spent of them, and the statement that explains
each point. What always holds: the ledger's `points` of a member = the points left in the lots
- what a permitted minus owes; points reserved for an order are out of the lots at once; what a
refund could not take back is owed and set off against the next points (F058).

Called by ordering in its own transactions: `quote`, `hold`, `capture`, `release`, `give_back`
for points as a tender, `earn` and `revoke` for points as a reward. Emits `points.points_earned`,
`points.points_spent`, `points.points_revoked` and `points.points_expired`.
"""
