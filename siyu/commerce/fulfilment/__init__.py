"""Fulfilment: from a paid order to the doorstep, and WeChat's leave to have the money.

Owns consignments (what is to reach whom), parcels (several per order, one for several consignments
of the same person and address), pick-up codes, tracking, and the uploads to WeChat's 发货信息管理,
which holds the money of every order paid in a mini-program until it was told of the shipping.

Always: what has left is never more than was bought, and while an order is not wholly sent never
more than is neither refunded nor being refunded; both sides decide under the order's lock. An
upload is intended, called and recorded in three steps; an outcome that is not known is asked for
before anything is sent again, for WeChat takes a second upload only once. Nobody reads a
consignment whose receiver is another member.

Emits `fulfilment.parcel_sent`, `_pickup_ready`, `_pickup_due`, `_money_released`. Hears
`ordering.order_paid`, `_completed`, `_refund_started`, `_refund_undone`, `_refunded`,
`payments.payment_succeeded` (top-ups). Called by `growth/gifting` (`request`).
"""
