"""Reconciliation: WeChat's books of a day against ours, line by line, until nothing is unexplained.

Owns the days, the lines of the two bills (trades, flow of funds) and the tickets. What always
holds: each line of a bill is kept once; a line without its match, and a movement of ours that no
bill shows, has a ticket that says why; what differs stands apart as unmatched, so that the ledger's
balance at WeChat is what WeChat says; a day is closed only when every ticket of it is resolved.

WeChat's fees are known from the bill alone and booked from it. Emits `reconciliation.day_closed`
and `reconciliation.difference_found`. Reads payments, splits and payouts by their services.
"""
