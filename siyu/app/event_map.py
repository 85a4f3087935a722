"""What happens when something happened: every reaction of the product, on one screen.

Each reaction runs in its own transaction, once per event (`kernel/relay.py`). The warehouse reads
the same outbox with its own cursor and needs no entry here.
"""

from siyu.commerce.after_sale import background as after_sale
from siyu.commerce.catalog import background as catalog
from siyu.commerce.coupons import background as coupons
from siyu.commerce.fulfilment import background as fulfilment
from siyu.commerce.ordering import background as ordering
from siyu.commerce.ordering.contracts import (
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderRefunded,
    OrderRefundStarted,
    OrderRefundUndone,
)
from siyu.commerce.reviews import background as reviews
from siyu.growth.gifting import background as gifting
from siyu.kernel.relay import EventMap
from siyu.money.payments.contracts import (
    ParkedResolved,
    PaymentSucceeded,
    RefundAbnormal,
    RefundClosed,
    RefundSucceeded,
)
from siyu.money.points import background as points
from siyu.money.profit_sharing import background as profit_sharing
from siyu.money.stored_value import background as stored_value
from siyu.people.members import background as members
from siyu.people.members.contracts import MemberJoined, MembersMerged, MergeUndone, PhoneGiven
from siyu.people.privacy.contracts import PersonErased

EVENT_MAP: EventMap = {
    PersonErased: [
        reviews.on_person_erased,
        after_sale.on_person_erased,
        gifting.on_person_erased,
    ],
    MemberJoined: [coupons.on_member_joined],
    PhoneGiven: [coupons.on_phone_given],
    MembersMerged: [
        members.on_members_merged,
        ordering.on_members_merged,
        points.on_members_merged,
    ],
    MergeUndone: [
        members.on_merge_undone,
        ordering.on_merge_undone,
        points.on_merge_undone,
    ],
    PaymentSucceeded: [
        ordering.on_payment_succeeded,
        stored_value.on_payment_succeeded,
        fulfilment.on_payment_succeeded,
    ],
    ParkedResolved: [profit_sharing.on_parked_resolved],
    RefundSucceeded: [
        ordering.on_refund_succeeded,
        profit_sharing.on_refund_succeeded,
        stored_value.on_refund_succeeded,
    ],
    RefundAbnormal: [
        ordering.on_refund_abnormal,
        after_sale.on_refund_abnormal,
        gifting.on_refund_abnormal,
    ],
    RefundClosed: [
        ordering.on_refund_closed,
        profit_sharing.on_refund_closed,
        stored_value.on_refund_closed,
    ],
    OrderPaid: [
        catalog.on_order_paid,
        profit_sharing.on_order_paid,
        fulfilment.on_order_paid,
        gifting.on_order_paid,
    ],
    OrderCancelled: [gifting.on_order_cancelled],
    OrderCompleted: [
        profit_sharing.on_order_completed,
        ordering.on_order_completed,
        fulfilment.on_order_completed,
        gifting.on_order_completed,
    ],
    OrderRefundStarted: [fulfilment.on_order_refund_started, gifting.on_order_refund_started],
    OrderRefunded: [
        ordering.on_order_refunded,
        fulfilment.on_order_refunded,
        after_sale.on_order_refunded,
        gifting.on_order_refunded,
    ],
    OrderRefundUndone: [
        fulfilment.on_order_refund_undone,
        after_sale.on_order_refund_undone,
        gifting.on_order_refund_undone,
    ],
}
