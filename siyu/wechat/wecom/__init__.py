"""WeCom (企业微信) API: customers of the staff, welcome words, mass messages.

Owns how a shop's corporation is reached: corp id, the self-built app (agent id, secret sealed),
and what proves and opens the messages pushed to it. What always holds: a secret is written and
never shown; a pushed message is believed by its signature alone and stored once (inbox source
`wechat.wecom`, worked off by `people/outreach`); a mass message is only a task until its member of
staff presses send. Emits no events: what people are called outside never leaves the inbox.
Called by `people/outreach`, outside any transaction.
"""
