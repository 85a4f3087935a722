"""Verbs of stored value. All run inside the caller's transaction."""

from siyu.money.stored_value.service.following import follow_person
from siyu.money.stored_value.service.offers import (
    accept_licence,
    add_offer,
    get_licence,
    get_settings,
    is_open,
    list_offers,
    retire_offer,
    set_settings,
    withdraw_licence,
)
from siyu.money.stored_value.service.refunds import record_refund_end, refund_top_up
from siyu.money.stored_value.service.spending import capture, give_back, hold, release, spendable
from siyu.money.stored_value.service.staff import (
    adjust,
    decide_adjustment,
    expire_bonus,
    freeze,
    list_adjustments,
    unfreeze,
)
from siyu.money.stored_value.service.top_ups import (
    accept_payment,
    close_top_up,
    get_top_up,
    list_overdue,
    list_refunds,
    list_top_ups,
    place_top_up,
    start_payment,
)
from siyu.money.stored_value.service.wallets import get_wallet, list_statement, list_wallets

__all__ = [
    "accept_licence",
    "accept_payment",
    "add_offer",
    "adjust",
    "capture",
    "close_top_up",
    "decide_adjustment",
    "expire_bonus",
    "follow_person",
    "freeze",
    "get_licence",
    "get_settings",
    "get_top_up",
    "get_wallet",
    "give_back",
    "hold",
    "is_open",
    "list_adjustments",
    "list_offers",
    "list_overdue",
    "list_refunds",
    "list_statement",
    "list_top_ups",
    "list_wallets",
    "place_top_up",
    "record_refund_end",
    "refund_top_up",
    "release",
    "retire_offer",
    "set_settings",
    "spendable",
    "start_payment",
    "unfreeze",
    "withdraw_licence",
]
