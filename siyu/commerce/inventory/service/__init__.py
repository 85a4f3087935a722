"""Verbs of inventory. Each is one round trip unless it says otherwise."""

from siyu.commerce.inventory.rules import sum_demand
from siyu.commerce.inventory.service.hot import (
    close_lane,
    count_batch,
    is_hot,
    list_heat,
    load_supply,
    reserve_many,
)
from siyu.commerce.inventory.service.stock import (
    adjust,
    check_warehouse,
    consume,
    get_available,
    get_item,
    get_product_stock,
    list_held,
    list_levels,
    list_low,
    list_places,
    list_reservations,
    receive,
    release,
    reserve,
    set_item,
    set_up,
    show_available,
    take_back,
    transfer,
    withdraw,
)
from siyu.commerce.inventory.service.warehouses import (
    create_warehouse,
    edit_warehouse,
    list_warehouses,
    remove_warehouse,
)

__all__ = [
    "adjust", "check_warehouse", "close_lane", "consume", "count_batch", "create_warehouse",
    "edit_warehouse", "get_available", "get_item", "get_product_stock", "is_hot", "list_heat",
    "list_held", "list_levels", "list_low", "list_places", "list_reservations",
    "list_warehouses", "load_supply", "receive", "release", "remove_warehouse", "reserve",
    "reserve_many", "set_item", "set_up", "show_available", "sum_demand", "take_back",
    "transfer", "withdraw",
]  # fmt: skip
