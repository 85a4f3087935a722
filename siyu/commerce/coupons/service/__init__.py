"""Verbs of coupons. All run inside the caller's transaction.

Giving locks takers, then the batch, then writes claims; ordering's verbs lock claims, then batches.
"""

from siyu.commerce.coupons.rules import Pricer, best_choice
from siyu.commerce.coupons.service.batches import (
    create_batch,
    edit_batch,
    get_batch,
    move_batch,
    void_claims,
)
from siyu.commerce.coupons.service.birthdays import (
    clear_birthday,
    find_celebrating,
    get_birthday,
    give_for_birthdays,
    is_birthday,
    set_birthday,
)
from siyu.commerce.coupons.service.giving import (
    CentreEntry,
    claim,
    claim_by_code,
    count_try,
    expire,
    hand_out,
    list_centre,
    welcome,
)
from siyu.commerce.coupons.service.orders import (
    find_holders,
    give_back,
    hold,
    list_held,
    list_usable,
    list_used,
    load_rules,
    load_trial,
    release,
    use,
)
from siyu.commerce.coupons.service.views import face, show_coupon, show_offer

__all__ = [
    "CentreEntry",
    "Pricer",
    "best_choice",
    "claim",
    "claim_by_code",
    "clear_birthday",
    "count_try",
    "create_batch",
    "edit_batch",
    "expire",
    "face",
    "find_celebrating",
    "find_holders",
    "get_batch",
    "get_birthday",
    "give_back",
    "give_for_birthdays",
    "hand_out",
    "hold",
    "is_birthday",
    "list_centre",
    "list_held",
    "list_usable",
    "list_used",
    "load_rules",
    "load_trial",
    "move_batch",
    "release",
    "set_birthday",
    "show_coupon",
    "show_offer",
    "use",
    "void_claims",
    "welcome",
]  # fmt: skip
