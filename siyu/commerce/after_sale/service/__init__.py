"""Verbs of after-sale, one file per part of a case's life."""

from siyu.commerce.after_sale.service.opening import load_offer, open_by_shop, open_case
from siyu.commerce.after_sale.service.pictures import (
    attach_pictures,
    drop_files,
    forget_member_pictures,
    forget_pictures,
    get_picture,
    keep_picture,
    list_pictures,
    picture_file,
    prepare_picture,
)
from siyu.commerce.after_sale.service.steps import (
    accept_refund,
    approve_case,
    confirm_exchange,
    inspect_goods,
    meet_deadline,
    note_abnormal,
    refund_case,
    reject_case,
    reopen_case,
    ship_back,
    ship_exchange,
    withdraw_case,
)
from siyu.commerce.after_sale.service.talk import say_as_member, say_as_staff
from siyu.commerce.after_sale.service.terms import load_terms, open_address, save_terms

__all__ = [
    "accept_refund",
    "approve_case",
    "attach_pictures",
    "confirm_exchange",
    "drop_files",
    "forget_member_pictures",
    "forget_pictures",
    "get_picture",
    "inspect_goods",
    "keep_picture",
    "list_pictures",
    "load_offer",
    "load_terms",
    "meet_deadline",
    "note_abnormal",
    "open_address",
    "open_by_shop",
    "open_case",
    "picture_file",
    "prepare_picture",
    "refund_case",
    "reject_case",
    "reopen_case",
    "save_terms",
    "say_as_member",
    "say_as_staff",
    "ship_back",
    "ship_exchange",
    "withdraw_case",
]
