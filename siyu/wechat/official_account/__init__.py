"""Official account (服务号) API: template messages, subscription notices, answers, followers.

Owns how a shop's official account is reached: app id, secret (sealed), and what proves and opens
the messages pushed to it. What always holds: a secret is written and never shown; a pushed
message is believed by its signature alone and stored once (inbox source
`wechat.official_account`, worked off by `people/outreach`); a template message carries our own
number, so a repeat within ten minutes is not a second message. Emits no events: what people are
called outside never leaves the inbox. Called by `people/outreach`, outside any transaction.
"""
