"""Verbs of profit sharing.

Inside the caller's transaction: `is_shared`, `note_buyer`, `prepare_refund` (ordering),
`plan_order`, `complete_order`, `finish_refund`, `give_up_refund`, `unfreeze_apart` (reactions), and
the writing of settings, rules, promoters and receivers. Outside any transaction, for they speak
with WeChat: `advance`, `tell_wechat`.
"""

from siyu.money.profit_sharing.service.outside import find_outside, list_outside
from siyu.money.profit_sharing.service.partner_store import (
    get_settings,
    list_promoters,
    list_rules,
)
from siyu.money.profit_sharing.service.planning import (
    complete_order,
    is_shared,
    plan_order,
    unfreeze_apart,
)
from siyu.money.profit_sharing.service.reading import (
    get_commission,
    get_plan,
    list_commission_entries,
    list_plans,
    list_receivers,
)
from siyu.money.profit_sharing.service.receivers import (
    add_receiver,
    remove_receiver,
    tell_wechat,
    try_again,
)
from siyu.money.profit_sharing.service.refunding import (
    finish_refund,
    give_up_refund,
    prepare_refund,
)
from siyu.money.profit_sharing.service.reviewing import note_buyer, note_device, review_held
from siyu.money.profit_sharing.service.setting_up import (
    add_rule,
    remove_promoter,
    set_promoter,
    set_settings,
    stop_rule,
)
from siyu.money.profit_sharing.service.sharing import advance, decide_refused

__all__ = [
    "add_receiver",
    "add_rule",
    "advance",
    "complete_order",
    "decide_refused",
    "find_outside",
    "finish_refund",
    "get_commission",
    "get_plan",
    "get_settings",
    "give_up_refund",
    "is_shared",
    "list_commission_entries",
    "list_outside",
    "list_plans",
    "list_promoters",
    "list_receivers",
    "list_rules",
    "note_buyer",
    "note_device",
    "plan_order",
    "prepare_refund",
    "remove_promoter",
    "remove_receiver",
    "review_held",
    "set_promoter",
    "set_settings",
    "stop_rule",
    "tell_wechat",
    "try_again",
    "unfreeze_apart",
]
