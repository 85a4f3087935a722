"""Verbs of WeCom. Those without `tx` speak with WeCom: call them outside any transaction."""

from siyu.wechat.transport.service import send_problem
from siyu.wechat.wecom.rules import read_news
from siyu.wechat.wecom.service.calling import (
    cancel_mass,
    convert_unionid,
    get_contact,
    get_mass_result,
    get_mass_tasks,
    list_contacts,
    list_staff,
    remind_mass,
    send_mass,
    send_welcome,
)
from siyu.wechat.wecom.service.settings import (
    check_secret,
    get_credentials,
    get_push_keys,
    get_settings,
    set_settings,
)

__all__ = [
    "cancel_mass",
    "check_secret",
    "convert_unionid",
    "get_contact",
    "get_credentials",
    "get_mass_result",
    "get_mass_tasks",
    "get_push_keys",
    "get_settings",
    "list_contacts",
    "list_staff",
    "read_news",
    "remind_mass",
    "send_mass",
    "send_problem",
    "send_welcome",
    "set_settings",
]
