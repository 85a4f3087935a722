"""Verbs of ordering, one file per use case."""

from siyu.commerce.ordering.service.cart import (
    CartView,
    add_to_cart,
    change_cart_line,
    load_cart,
    remove_from_cart,
    select_cart,
)
from siyu.commerce.ordering.service.checkout import Basket, PlacedOrder, load_basket, place_order
from siyu.commerce.ordering.service.settlement import (
    accept_payment,
    cancel_unpaid,
    start_payment,
)

__all__ = [
    "Basket",
    "CartView",
    "PlacedOrder",
    "accept_payment",
    "add_to_cart",
    "cancel_unpaid",
    "change_cart_line",
    "load_basket",
    "load_cart",
    "place_order",
    "remove_from_cart",
    "select_cart",
    "start_payment",
]
