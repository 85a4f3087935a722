"""Verbs of fulfilment.

Inside the caller's transaction: all but `find_pickup`, `send_table`, `pursue`, `look_over` and
`ask`, which open short ones of their own (the last three speak with the outside).
"""

from siyu.commerce.fulfilment.service.consigning import (
    close_with,
    open_address,
    open_for,
    request,
    settle_order,
)
from siyu.commerce.fulfilment.service.following import has_left, list_arrived, withdraw
from siyu.commerce.fulfilment.service.pickups import (
    edit_settings,
    find_pickup,
    get_settings,
    hand_over,
    meet_time,
)
from siyu.commerce.fulfilment.service.sending import (
    RowReport,
    correct_parcel,
    send,
    send_table,
)
from siyu.commerce.fulfilment.service.showing import (
    DeliveryView,
    EventView,
    ParcelView,
    StaffConsignment,
    list_deliveries,
    show_consignments,
    show_parcels,
)
from siyu.commerce.fulfilment.service.swapping import swap
from siyu.commerce.fulfilment.service.tracking import (
    ask,
    note_all,
    note_news,
    read_files,
    read_news,
)
from siyu.commerce.fulfilment.service.uploads import (
    follow,
    look_over,
    note_refunded,
    pursue,
    retry,
)

__all__ = [
    "DeliveryView",
    "EventView",
    "ParcelView",
    "RowReport",
    "StaffConsignment",
    "ask",
    "close_with",
    "correct_parcel",
    "edit_settings",
    "find_pickup",
    "follow",
    "get_settings",
    "hand_over",
    "has_left",
    "list_arrived",
    "list_deliveries",
    "look_over",
    "meet_time",
    "note_all",
    "note_news",
    "note_refunded",
    "open_address",
    "open_for",
    "pursue",
    "read_files",
    "read_news",
    "request",
    "retry",
    "send",
    "send_table",
    "settle_order",
    "show_consignments",
    "show_parcels",
    "swap",
    "withdraw",
]
