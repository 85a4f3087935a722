"""Payments: taking the money of an order through WeChat Pay, as intend -> call -> record.

Owns the attempts (each with its own number, stored before WeChat hears of it; an order may have
several), their timeline, and the suspense of money that fits no order. What always holds: an
order has at most one attempt in state `paid`; every success WeChat reports is either that one or
a row in suspense; an attempt counts as closed only when WeChat has confirmed it, or has answered
that it never knew the number.

Emits `payments.payment_succeeded` (the order side accepts it, or calls `park`) and
`payments.money_parked`. Called by ordering: `intend` inside its own transaction, then `call`,
`sync` and `close_order` outside any transaction, for they speak with WeChat.
"""
