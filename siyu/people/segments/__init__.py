"""人群: sets of persons under a name, for filters, comparisons and, from above, for reaching them.

A segment is either fixed (the persons of one moment, such as those who left a funnel) or a rule
over what they did, asked anew whenever it is used. Persons are person numbers: visitors without
account are in it too, and are members once they turn out to be one. Members are shown masked.
Emits SegmentSaved and SegmentRemoved. Owns `segments.*`; called by `insight`.
"""
