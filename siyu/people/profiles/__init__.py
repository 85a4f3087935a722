"""Profiles: what a shop knows of each person, in figures, tiers and tags.

Owns the catalogue of profile fields (`rules/catalogue.py`), the figures of every person, the rules
of tiers with their history, and tags. Reads the event stream by name and payload and imports nobody
for it: domain events from the outbox, within seconds; visits asked of the warehouse.
Always holds: a figure comes from events, and a rebuild from all events gives the same; what has no
data is not known, never invented; without consent to statistics no field of behaviour is kept.
Emits TierChanged. Owns `profiles.*`; read by segments and by whatever addresses a person.
"""
