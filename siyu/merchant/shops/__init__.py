"""Shops: the tenants of an installation, their profile, and how each of them reaches WeChat.

Owns `shops.shops` (one row per tenant, the only table that is not fenced by `shop_id` alone) and
`shops.wechat` (a shop's WeChat settings). Always holds: a shop's code never changes, for addresses
and callbacks carry it; currency never changes, for amounts were written in it; secrets are sealed
in the column, go in over HTTP and never come out again.
Emits no events. Called by everything above: shop routes resolve a code to a shop, payments and
log-in ask for credentials.
"""
