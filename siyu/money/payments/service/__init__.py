"""Verbs of payments.

Inside the caller's transaction: `intend`, `collect_offline`, `has_open`, `park`, `resolve`,
`record_trade`; for refunds `lock_paid`, `intend_refund`, `release_refund`, `retry_refund`,
`intend_abnormal`, `settle_outside`, `hand_out_refund`, `give_up_refund`, `record_refund`; and what
begins with `get_` and `list_`.
Outside any transaction, for they speak with WeChat and open short ones: `call`, `sync`,
`close_order`, `follow_up`, `record_notification`, `pursue_refund`, `ask_refund`, `apply_abnormal`.
"""

from siyu.money.payments.queries import (
    get_kept,
    get_paid,
    get_parked_row,
    list_parked,
    list_payments,
    list_timeline,
    sum_apart,
)
from siyu.money.payments.service.ending import close_order, follow_up, has_open, sync
from siyu.money.payments.service.outside import find_orders, find_outside, list_outside
from siyu.money.payments.service.recording import (
    PAY_SUCCEEDED,
    AttemptUnknown,
    record_notification,
    record_trade,
)
from siyu.money.payments.service.refund_calls import (
    apply_abnormal,
    ask_refund,
    pursue_refund,
    record_refund,
)
from siyu.money.payments.service.refund_store import (
    get_refund_row,
    list_all_refunds,
    list_refund_entries,
    list_refunds,
)
from siyu.money.payments.service.refunding import (
    give_up_refund,
    hand_out_refund,
    intend_abnormal,
    intend_refund,
    lock_paid,
    release_refund,
    retry_refund,
    settle_outside,
)
from siyu.money.payments.service.starting import call, collect_offline, intend
from siyu.money.payments.service.suspense import park, resolve

__all__ = [
    "PAY_SUCCEEDED",
    "AttemptUnknown",
    "apply_abnormal",
    "ask_refund",
    "call",
    "close_order",
    "collect_offline",
    "find_orders",
    "find_outside",
    "follow_up",
    "get_kept",
    "get_paid",
    "get_parked_row",
    "get_refund_row",
    "give_up_refund",
    "hand_out_refund",
    "has_open",
    "intend",
    "intend_abnormal",
    "intend_refund",
    "list_all_refunds",
    "list_outside",
    "list_parked",
    "list_payments",
    "list_refund_entries",
    "list_refunds",
    "list_timeline",
    "lock_paid",
    "park",
    "pursue_refund",
    "record_notification",
    "record_refund",
    "record_trade",
    "release_refund",
    "resolve",
    "retry_refund",
    "settle_outside",
    "sum_apart",
    "sync",
]
