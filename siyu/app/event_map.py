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
    OrderShipped,
)
from siyu.commerce.reviews import background as reviews
from siyu.compliance.approvals.contracts import CaseDecided
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
from siyu.people.consents import background as consents
from siyu.people.consents.contracts import ConsentWithdrawn
from siyu.people.members import background as members
from siyu.people.members.contracts import (
    MemberJoined,
    MembersMerged,
    MembersTagged,
    MergeUndone,
    PhoneGiven,
)
from siyu.people.outreach import background as outreach
from siyu.people.privacy import background as privacy
from siyu.people.privacy.contracts import BehaviourForgotten, PersonErased, VisitorForgotten
from siyu.people.profiles import background as profiles
from siyu.people.segments import background as segments

EVENT_MAP: EventMap = {
    CaseDecided: [consents.on_case_decided, outreach.on_case_decided],
    ConsentWithdrawn: [privacy.on_consent_withdrawn],
    BehaviourForgotten: [segments.on_behaviour_forgotten],
    VisitorForgotten: [privacy.on_visitor_forgotten],
    PersonErased: [
        reviews.on_person_erased,
        after_sale.on_person_erased,
        gifting.on_person_erased,
    ],
    MemberJoined: [coupons.on_member_joined],
    PhoneGiven: [coupons.on_phone_given],
    MembersTagged: [profiles.on_members_tagged],
    MembersMerged: [
        members.on_members_merged,
        ordering.on_members_merged,
        points.on_members_merged,
        stored_value.on_members_merged,
        coupons.on_members_merged,
        fulfilment.on_members_merged,
        reviews.on_members_merged,
        after_sale.on_members_merged,
        gifting.on_members_merged,
    ],
    MergeUndone: [
        members.on_merge_undone,
        ordering.on_merge_undone,
        points.on_merge_undone,
        stored_value.on_merge_undone,
        coupons.on_merge_undone,
        fulfilment.on_merge_undone,
        reviews.on_merge_undone,
        after_sale.on_merge_undone,
        gifting.on_merge_undone,
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
    OrderShipped: [ordering.on_order_shipped],
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
