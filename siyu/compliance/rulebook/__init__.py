"""The rulebook: what WeChat, the law and the shop's own rules say about a text or a campaign.

Rules are data (`rules/pack.py`): id, source, check, message and fix in both languages, a verdict
(block, needs legal, warn) and the version they came with. Checking is pure: a draft in, findings
with their places in the text out; the same at design and at send time.
Always holds: a finding names its rule and source; a block is passed only by an override for that
exact content, granted by a sign-off of somebody else, for a time; violations are never deleted;
when their points come near the limit, features the shop calls risky pause by themselves (F098).
Emits `rulebook.points_near_limit`. Called by whoever publishes or sends; stands below people.
"""
