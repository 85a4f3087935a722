"""Transport: the wire shared by all clients of WeChat, and by the local sandbox.

Owns the strings that are signed, signatures over raw bytes, the sealing of notifications and
sensitive fields, the access tokens of apps and corporations (sealed; one process at a time asks
for a new one, under a short lease row, and nobody holds a transaction meanwhile), and the one way
a call goes out: limited per account and API, repeated with backoff inside a budget, cut off by a
breaker, measured, never logged with secrets.

What always holds: nothing is decrypted or believed before its signature was checked; an empty key
is an error and never a pass; the outcome of a call is known (`Retry.NEVER`, `Retry.RETRY`) or
said to be unknown (`Retry.UNKNOWN`). Emits no events. Called by `wechat/*` and `siyu/sandbox`.
"""
