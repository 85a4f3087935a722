"""A local WeChat: what development, tests and the demo speak to instead of the real one.

Owns the servers of WeChat as far as siyu uses them (mini-program API, Pay v3 with its signatures,
rules, error codes and notifications), the bank behind them, the people who hold a phone, and that
phone as a page. Always holds: no fen appears or vanishes in the bank; nothing is accepted here that
the documents say WeChat refuses; every answer and notification is signed as WeChat signs it; state
survives a restart. Faults happen only when ordered through `/_sandbox/faults`. Nobody imports it
but the command line and the simulation; it knows nothing of siyu's business. Deviations: notify
addresses may be http and local, since the shop is.
"""
