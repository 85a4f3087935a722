"""Mini-program server API: log-in, phone number, codes, shipping, subscription messages, push.

Owns how the messages that WeChat pushes to a shop are proven and opened. What always holds: the
access token is refreshed five minutes before its end, by one process at a time; a call refused
for its token (40001, 40014, 42001) is repeated once with a fresh one; secrets, tokens and session
keys are in no log and no error; a pushed message is believed by its signature alone and stored
once (inbox source `wechat.mini_program`, worked off by `people/outreach`). Emits no events: what
people are called outside never leaves the inbox. Called by `people/members` (log-in, phone),
growth (codes), fulfilment and outreach, never inside a transaction, for it speaks to WeChat.
"""
