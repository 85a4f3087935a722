"""Questions to the warehouse: what can be asked (specs), and the snapshot that is asked.

A spec is a frozen, validated value and the only way to ask; its meaning is fixed here for all
engines (W10). A snapshot is taken under W4 and copied out before anything is computed. Owns no
tables, emits nothing; called by `engines`, and its nouns by `insight`.
"""
