"""Puts the product together: HTTP lanes, worker, event map, schedule, command line, demo.

The only floor that knows all others; it decides nothing itself.
"""
