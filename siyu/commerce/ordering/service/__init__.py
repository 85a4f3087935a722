"""Verbs of ordering, one file per use case."""

from siyu.commerce.ordering.queries import get_order, list_lines
from siyu.commerce.ordering.service.cart import (
    CartView,
    add_to_cart,
    change_cart_line,
    load_cart,
    remove_from_cart,
    select_cart,
)
from siyu.commerce.ordering.service.checkout import (
    Basket,
    Choice,
    PlacedOrder,
    load_basket,
    place_order,
)
from siyu.commerce.ordering.service.delivery import (
    complete_order,
    confirm_receipt,
    edit_settings,
    get_settings,
    lock_order,
    postpone_receipt,
    receive_by_time,
    ship_order,
)
from siyu.commerce.ordering.service.refund import (
    finish_refund,
    list_refunds,
    note_abnormal,
    refund,
    refundable,
    undo_refund,
)
from siyu.commerce.ordering.service.settlement import (
    accept_payment,
    cancel_unpaid,
    start_payment,
)

__all__ = [
    "Basket",
    "CartView",
    "Choice",
    "PlacedOrder",
    "accept_payment",
    "add_to_cart",
    "cancel_unpaid",
    "change_cart_line",
    "complete_order",
    "confirm_receipt",
    "edit_settings",
    "finish_refund",
    "get_order",
    "get_settings",
    "list_lines",
    "list_refunds",
    "load_basket",
    "load_cart",
    "lock_order",
    "note_abnormal",
    "place_order",
    "postpone_receipt",
    "receive_by_time",
    "refund",
    "refundable",
    "remove_from_cart",
    "select_cart",
    "ship_order",
    "start_payment",
    "undo_refund",
]
