"""行为采集: what customers see, tap and share becomes events of the warehouse.

Nothing is kept without consent: a member's own decision counts, or, for a visitor without account,
the version of the text they agreed to. A batch is taken once under its key; a bad event is set
aside with its reason and never harms its neighbours. Emits nothing; owns no tables (the events are
`behaviour.expose|click|view|cart|share|dwell` in the warehouse). Called by the shop front end.
"""
