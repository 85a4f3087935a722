"""Payments: taking money through WeChat Pay and giving it back, as intend -> call -> record.

Owns the attempts (each with its own number, stored before WeChat hears of it), the refunds (the
same), their timelines, and the suspense of money that fits nothing. What always holds: an order
has at most one attempt in state `paid`; every success WeChat reports is either that one or a row
in suspense; all refunds of a payment together stay within it; each money fact stands in the
ledger, written in the transaction that recorded it; an attempt counts as closed only when WeChat
has confirmed it, or has answered that it never knew the number.

Emits `payments.payment_succeeded` (the order side accepts it, or calls `park`), `refund_succeeded`,
`refund_abnormal`, `refund_closed`, `money_parked`, `parked_resolved`. Called by ordering and
stored value: `intend`, `intend_refund` inside their transaction, then `call`, `sync` and
`close_order` outside any, for they speak with WeChat. History that is imported never comes here.
"""
