"""WeChat Pay v3 for a direct merchant: orders, refunds, profit sharing, transfers, bills, and what
WeChat tells us of them.

Thin and stateless: credentials and plain values come in, WeChat's own words go out. What always
holds: the bytes that are signed are the bytes that are sent; an answer counts only when its
signature is right; a notification is verified, then opened, then parsed, in this order. Every
write carries the merchant's own number, so repeating one cannot do it twice.
Emits no events. Called by the domains of `money`; never inside a transaction: it speaks to WeChat.
"""
