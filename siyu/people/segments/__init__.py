"""人群: sets of persons under a name, for filters, comparisons, and for reaching them.

A segment is either fixed (the persons of one moment, such as those who left a funnel) or a rule: a
tree of all, any and not over deeds, fields of the profile, tags, tiers and other segments. The same
rule is asked in two ways: of everybody at once, and of one person the moment they do something.
Who fits is kept as bits, bit n for person n. Persons are person numbers: visitors without account
are in it too, and are members once they turn out to be one. Members are shown masked.

Emits SegmentSaved, SegmentRemoved, and of live segments SegmentEntered and SegmentLeft. Owns
`segments.*`; called by `insight` and `outreach`. See docs/design/segments.md.
"""
