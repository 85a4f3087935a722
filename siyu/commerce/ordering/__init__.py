"""Ordering: from cart to order, and what became of it.

Owns carts, orders with their lines and timeline, and the import of history. A checkout has three
steps: cart, confirm (a quote), pay. Prices, stock and addresses are asked of the domains below;
clients never send a price.

Always: an order's parts add up to its total; it moves only along `rules.MOVES`, each move with a
line in the timeline; while it waits for payment its goods are reserved, and they are given back
only after WeChat has confirmed that nobody can pay any more; money that comes later still finds the
order (or goes to suspense).

Emits `ordering.order_placed`, `order_paid`, `order_cancelled`, `order_imported`. Hears
`payments.payment_succeeded`. Called by the shop and the console today; by fulfilment, after-sale
and growth later.
"""
