"""Verbs of the official account. Those without `tx` speak with WeChat: call them outside any
transaction."""

from siyu.wechat.official_account.service.calling import (
    get_mass_status,
    get_user,
    list_templates,
    send_care,
    send_notice,
    send_subscription,
)
from siyu.wechat.official_account.service.settings import (
    check_secret,
    get_credentials,
    get_push_keys,
    get_settings,
    set_settings,
)
from siyu.wechat.transport.service import check_values, read_news, send_problem

__all__ = [
    "check_secret",
    "check_values",
    "get_credentials",
    "get_mass_status",
    "get_push_keys",
    "get_settings",
    "get_user",
    "list_templates",
    "read_news",
    "send_care",
    "send_notice",
    "send_problem",
    "send_subscription",
    "set_settings",
]
