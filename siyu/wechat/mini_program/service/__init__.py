"""Verbs of the mini-program API. All speak with WeChat: call them outside any transaction."""

from siyu.wechat.mini_program.rules import shipping_problem
from siyu.wechat.mini_program.service.calling import (
    access_token,
    check,
    check_secret,
    code2session,
    phone_number,
    unlimited_code,
)
from siyu.wechat.mini_program.service.shipping import (
    get_trade,
    is_trade_managed,
    list_trades,
    notify_receipt,
    set_message_path,
    upload_shipping,
)

__all__ = [
    "access_token",
    "check",
    "check_secret",
    "code2session",
    "get_trade",
    "is_trade_managed",
    "list_trades",
    "notify_receipt",
    "phone_number",
    "set_message_path",
    "shipping_problem",
    "unlimited_code",
    "upload_shipping",
]
