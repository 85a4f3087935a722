"""经营指标: the figures of a shop, what they mean, when they are healthy, and what to do if not.

The catalogue in `rules/figures.py` is the one place where a figure is defined: words, formula,
source, unit, threshold, action. Dashboard, north-star tree and diagnosis read events by name from
the warehouse through it. Owns the choice of a north star, emits nothing.
"""
