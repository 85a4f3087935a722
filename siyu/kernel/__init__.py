"""The ground floor: what every domain stands on and what knows no domain.

Owns the database way (`db`), events and their delivery (`events`, `relay`), jobs, inbox,
idempotency, audit trail, secrets (`crypto`), HTTP lanes (`http`), time, ids and money.
Always holds: one transaction per entry point, opened here and committed only here; every row of a
shop is fenced by row-level security; time is read only in `clock`; a secret never reaches a log.
"""
