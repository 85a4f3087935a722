"""Experiments: which of several forms of a page a person sees, and what may be concluded from it.

Owns experiments with all their versions, who was assigned to which arm, the permanent hold-out,
and the story of every decision. Always holds: a person keeps the arm they were first shown, over
days, devices and log-in; what they were shown is told with its probability; experiments of one
layer never share a person; nobody is measured without consent to analytics; a running experiment
changes only by a new version with a reason. Figures come from the warehouse by name of event.
Emits `experiments.exposed` and `experiments.concluded`. Called by the shop front end, by domains
that have something to try, and by everything that asks who is held out.
"""
