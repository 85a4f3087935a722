"""Verbs of ordering, one file per use case."""

from siyu.commerce.ordering.queries import get_order, list_lines
from siyu.commerce.ordering.rules import read_order_number
from siyu.commerce.ordering.service.basket import Basket, Choice, Gift, load_basket
from siyu.commerce.ordering.service.cart import (
    BoughtAgain,
    CartView,
    add_to_cart,
    buy_again,
    change_cart_line,
    load_cart,
    remove_from_cart,
    select_cart,
)
from siyu.commerce.ordering.service.checkout import PlacedOrder, explain, place_order
from siyu.commerce.ordering.service.counting import count_matching
from siyu.commerce.ordering.service.delivery import (
    complete_order,
    confirm_receipt,
    edit_settings,
    get_settings,
    hand_over,
    lock_order,
    note_sent,
    postpone_receipt,
    receive_at_wechat,
    receive_by_time,
    ship_order,
)
from siyu.commerce.ordering.service.desk import add_note, own_filter
from siyu.commerce.ordering.service.desk_store import Note, list_member_orders, list_notes
from siyu.commerce.ordering.service.export import HEADER as ORDER_HEADER
from siyu.commerce.ordering.service.export import order_rows
from siyu.commerce.ordering.service.history_files import BadImportFile
from siyu.commerce.ordering.service.history_store import ImportReport
from siyu.commerce.ordering.service.history_store import RefusalRow as Refusal
from siyu.commerce.ordering.service.import_history import import_table
from siyu.commerce.ordering.service.received import (
    ReceivedLine,
    get_received_line,
    list_received_lines,
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
    pay_offline,
    start_payment,
)
from siyu.commerce.ordering.service.simulation import (
    CampaignSimulation,
    Simulation,
    load_coupon_past,
    load_past,
    simulate_past,
)

__all__ = [
    "ORDER_HEADER",
    "BadImportFile",
    "Basket",
    "BoughtAgain",
    "CampaignSimulation",
    "CartView",
    "Choice",
    "Gift",
    "ImportReport",
    "Note",
    "PlacedOrder",
    "ReceivedLine",
    "Refusal",
    "Simulation",
    "accept_payment",
    "add_note",
    "add_to_cart",
    "buy_again",
    "cancel_unpaid",
    "change_cart_line",
    "complete_order",
    "confirm_receipt",
    "count_matching",
    "edit_settings",
    "explain",
    "finish_refund",
    "get_order",
    "get_received_line",
    "get_settings",
    "hand_over",
    "import_table",
    "list_lines",
    "list_member_orders",
    "list_notes",
    "list_received_lines",
    "list_refunds",
    "load_basket",
    "load_cart",
    "load_coupon_past",
    "load_past",
    "lock_order",
    "note_abnormal",
    "note_sent",
    "order_rows",
    "own_filter",
    "pay_offline",
    "place_order",
    "postpone_receipt",
    "read_order_number",
    "receive_at_wechat",
    "receive_by_time",
    "refund",
    "refundable",
    "remove_from_cart",
    "select_cart",
    "ship_order",
    "simulate_past",
    "start_payment",
    "undo_refund",
]
