"""Verbs of payouts.

Inside the caller's transaction: `request_payout`, `cancel`, `approve`, `reject`, `set_settings`,
`request_agreement` and the reading ones. Outside any transaction, for they speak with WeChat:
`follow_up`, `follow_agreement`, `record_notification`.
"""

from siyu.money.payouts.queries import get_settings, list_agreements, list_timeline
from siyu.money.payouts.service.agreements import (
    follow_agreement,
    get_agreement_view,
    request_agreement,
)
from siyu.money.payouts.service.following import follow_up, record_notification
from siyu.money.payouts.service.outside import find_outside, list_outside
from siyu.money.payouts.service.requesting import (
    approve,
    cancel,
    get_confirmation,
    get_offer,
    get_payout,
    list_payouts,
    reject,
    request_payout,
    set_settings,
)

__all__ = [
    "approve",
    "cancel",
    "find_outside",
    "follow_agreement",
    "follow_up",
    "get_agreement_view",
    "get_confirmation",
    "get_offer",
    "get_payout",
    "get_settings",
    "list_agreements",
    "list_outside",
    "list_payouts",
    "list_timeline",
    "record_notification",
    "reject",
    "request_agreement",
    "request_payout",
    "set_settings",
]
