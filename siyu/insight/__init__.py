"""数据决策平台: what happens in a shop, in figures that lead to an action.

`behaviour` takes in what customers look at (with their consent), `metrics` makes the dashboard.
The two do not know each other: they meet in the warehouse, by event name.
"""
