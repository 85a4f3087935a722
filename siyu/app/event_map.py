"""What happens when something happened: every reaction of the product, on one screen.

Each reaction runs in its own transaction, once per event (`kernel/relay.py`). The warehouse reads
the same outbox with its own cursor and needs no entry here.
"""

from siyu.commerce.catalog import background as catalog
from siyu.commerce.ordering import background as ordering
from siyu.commerce.ordering.contracts import OrderPaid
from siyu.kernel.relay import EventMap
from siyu.money.payments.contracts import PaymentSucceeded

EVENT_MAP: EventMap = {
    PaymentSucceeded: [ordering.on_payment_succeeded],
    OrderPaid: [catalog.on_order_paid],
}
