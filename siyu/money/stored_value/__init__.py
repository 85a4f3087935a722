"""Stored value 储值: money a member pays in beforehand, and the bonus the shop adds to it.

Owns the licence without which nobody can pay in (mission 53), the offers, the top-ups and the
lots of value they made, what orders hold or have spent, refunds of what is left, staff's
adjustments, and the statement. What always holds: principal and bonus are never mixed; the
ledger's available balance of a member = what is left in the lots; principal never expires;
giving back restores principal and bonus exactly as they were spent.

Called by ordering: `spendable`, `hold`, `capture`, `release`, `give_back`. Hears
`payments.payment_succeeded` and the ends of refunds with purpose `top_up`. Emits
`stored_value.topped_up`, `stored_value.value_spent`, `stored_value.top_up_refunded`,
`stored_value.bonus_expired`.
"""
