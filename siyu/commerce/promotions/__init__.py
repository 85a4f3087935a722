"""Promotions: what a basket costs, and why.

Owns the price function (list and member price, campaigns, coupons, floor, points, shipping and
gifts) and what it goes by: campaigns, shipping templates, the shop's floor. `price` is pure: no
table, no clock, no network. Whoever sells hands in lines, buyer and rules and gets a `Quote`.

Always holds: no line and no total is ever negative; the lines and the shipping add up to the total
to the fen; the trace explains every fen of it; the order of lines and coupons changes nothing; one
more coupon never raises the price; nothing is reduced below the floor but by what says so; no
campaign runs that was not simulated, or waived with a reason.

Emits no events. Called by `commerce/ordering` and `commerce/coupons`.
"""
