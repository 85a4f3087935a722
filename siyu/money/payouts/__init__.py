"""Payouts: paying a member's commission balance out to their WeChat change purse.

Owns the payouts (merchant transfers with the member's confirmation, or without it once they have
agreed to that), their limits, the tax withheld, and those agreements. What always holds: a member
has at most one payout under way, whatever is clicked how often; what it takes is held in the ledger
from the request on, so nothing is spent twice; its number is stored before WeChat hears of it and
is never renewed unless WeChat has called it failed (F039); a balance below zero pays nothing out
(F037); what WeChat does not take or the member does not confirm in 24 hours goes back.

Stands on the ledger's commission book, whoever fills it; `profit_sharing` stands beside it.
"""
