"""Mini-program server API: access token, log-in, phone number, codes.

Owns the access token of each shop's app (sealed), fetched through `stable_token` by one process
at a time: a short lease row says who asks, and nobody holds a transaction while asking. What
always holds: a token is refreshed five minutes before its end; a call refused for its token
(40001, 40014, 42001) is repeated once with a fresh one; secrets, tokens and session keys are in
no log and no error. Emits no events. Called by `people/members` (log-in, phone) and by growth
(codes), never inside a transaction, for it speaks to WeChat and opens short ones of its own.
"""
