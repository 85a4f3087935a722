"""Verbs of the mini-program API. Those without `tx` speak with WeChat:
call them outside any transaction."""

from siyu.wechat.mini_program.rules import shipping_problem
from siyu.wechat.mini_program.service.calling import (
    access_token,
    check,
    check_secret,
    code2session,
    phone_number,
    unlimited_code,
)
from siyu.wechat.mini_program.service.messages import (
    get_push,
    get_push_keys,
    list_templates,
    send_care,
    send_subscription,
    set_push,
)
from siyu.wechat.mini_program.service.shipping import (
    get_trade,
    is_trade_managed,
    list_trades,
    notify_receipt,
    set_message_path,
    upload_shipping,
)
from siyu.wechat.transport.service import check_values, read_news, send_problem

__all__ = [
    "access_token",
    "check",
    "check_secret",
    "check_values",
    "code2session",
    "get_push",
    "get_push_keys",
    "get_trade",
    "is_trade_managed",
    "list_templates",
    "list_trades",
    "notify_receipt",
    "phone_number",
    "read_news",
    "send_care",
    "send_problem",
    "send_subscription",
    "set_message_path",
    "set_push",
    "shipping_problem",
    "unlimited_code",
    "upload_shipping",
]
