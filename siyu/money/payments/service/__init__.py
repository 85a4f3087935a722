"""Verbs of payments.

Inside the caller's transaction: `intend`, `has_open`, `park`, `record_trade`, and the lists.
Outside any transaction, for they speak with WeChat and open short ones: `call`, `sync`,
`close_order`, `follow_up`, `record_notification`.
"""

from siyu.money.payments.queries import list_parked, list_payments, list_timeline
from siyu.money.payments.service.ending import close_order, follow_up, has_open, sync
from siyu.money.payments.service.recording import (
    PAY_SUCCEEDED,
    AttemptUnknown,
    park,
    record_notification,
    record_trade,
)
from siyu.money.payments.service.starting import call, intend

__all__ = [
    "PAY_SUCCEEDED",
    "AttemptUnknown",
    "call",
    "close_order",
    "follow_up",
    "has_open",
    "intend",
    "list_parked",
    "list_payments",
    "list_timeline",
    "park",
    "record_notification",
    "record_trade",
    "sync",
]
