"""Decisions of outreach: words and their limits, attention, why something is not sent, effect."""
