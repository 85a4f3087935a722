"""Coupons: batches the shop issues, and the coupons members hold of them.

Owns the batches with their limits (how many, per member, phone and device, budget in fen), each
member's coupons ("claims") with every move they made, and the birthdays members gave for a
coupon. What always holds: a coupon is in one order at a time and used once (F047); a budget is
never exceeded by one fen (F048); a cancelled or refunded order gives a coupon back once (F049);
another member's coupon does not exist (F081). The database refuses what breaks it.

The price a coupon makes is made by promotions: a claim becomes the noun `CouponOff`. Ordering calls
`list_usable`, `best_choice`, `load_rules` to quote, and `hold`, `use`, `release`, `give_back` in
the transactions of its orders. Emits `coupons.coupon_claimed`, `coupons.coupon_used` and
`coupons.coupon_returned`; hears `members.member_joined` for the new-member pack.
"""
