"""Promotions: what a basket costs, and why.

Owns the price function: list price, member price, reductions, shipping. It is pure: no table, no
clock, no network. Whoever sells (ordering today, group-buy and vouchers later) hands in lines,
buyer and rules and gets a `Quote`.

Always holds: no line and no total is ever negative; the lines and the shipping add up to the total
to the fen; the trace explains every fen of it; the order of the lines changes nothing.

Emits no events. Called by `commerce/ordering`.
"""
