"""经营指标: the figures of a shop, what they mean, when they are healthy, and what to do if not.

The catalogue in `rules.py` is the one place where a figure is defined: words, formula, source,
unit, threshold, action. The dashboard reads events by name from the warehouse and imports no domain
for it. Owns no tables, emits nothing.
"""
