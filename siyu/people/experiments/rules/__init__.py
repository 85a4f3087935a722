"""Decisions of experiments: who gets what, what the figures mean, and what may be claimed."""
