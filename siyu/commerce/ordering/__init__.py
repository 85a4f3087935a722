"""Ordering: from cart to order, and what became of it.

Owns carts, orders with their lines, tenders, refunds and timeline, and the import of history. A
checkout has three steps: cart, confirm (a quote), pay. Prices, coupons, stock, points, balance and
addresses are asked of the domains below; clients never send a price, only what they want to use.

Always: an order's parts, and what it is paid with, add up to its total; it moves only along
`rules.MOVES`, each move with a line in the timeline; while it waits for payment its goods, coupons,
points and balance are kept, and given back only after WeChat has confirmed that nobody can pay any
more; money that comes later still finds the order (or goes back). Never is more given back than was
paid.

Emits `ordering.order_placed`, `_paid`, `_cancelled`, `_shipped`, `_completed`, `_refund_started`,
`_refunded`, `_refund_undone`, `_imported`. Hears `payments.payment_succeeded`, `refund_*`.
"""
