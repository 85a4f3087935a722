"""Profit sharing 分账: who earns a part of an order's money, and how it reaches them to the fen.

Owns receivers, promoters (at most two levels, by constraint), rules, and one plan per shared
order: its parts are frozen when the order is paid, fall due on receipt or after some days, and are
either split by WeChat out of the frozen payment or credited to a commission balance. Every request,
return and unfreezing has a number of its own, stored before the call. Always: parts and the
merchant's rest add up to the payment; nothing is split beyond the contract's ratio or the money
less fee and refunds; every result is booked per receiver; before a refund what was split comes back
or is owed; a payment is not frozen longer than its parts need; a promoter's part whose receiver is
tied to the buyer flows only once staff have released it.

Hears `ordering.order_paid`, `_completed`, the refunds of payments, and what becomes of money paid
on top: it is nobody's to split, and what stays is unfrozen. Ordering calls `is_shared` before a
payment, `note_buyer` when it is paid and `prepare_refund` before a refund.
"""
