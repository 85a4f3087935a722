"""Staff: who runs a shop, what they may do, and the proof that it is them.

Owns accounts (one per person and installation), memberships (account × shop → role), sessions and
the count of failed attempts. Always holds: a permission is granted by the literal table in
`rules.py` or not at all; a password is kept as an argon2id hash, a session as the hash of its
token, a TOTP secret sealed, and a TOTP step counts once; an unknown name, a wrong password and a
closed account give the same answer in the same time; a shop always has an owner; a right taken
away is gone within `CACHE_SECONDS`. Emits no events; every change leaves a line in the trail.
"""
