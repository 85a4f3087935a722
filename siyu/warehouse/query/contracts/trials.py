"""Whether it mattered: what persons did after they were first shown one of several things."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from siyu.warehouse.query.contracts.conditions import Step, demand, demand_prop, demand_times
from siyu.warehouse.query.contracts.counting import Count


class Outcome(msgspec.Struct, frozen=True):
    """A figure of a person: how many matching events, their amount, or whether there is any (1)."""

    count: Count
    step: Step

    def __post_init__(self) -> None:
        known = (Count.EVENTS, Count.PERSONS, Count.AMOUNT)
        demand(self.count in known, "events, persons or amount")


class TrialSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Outcomes per arm and business day of the first exposure.

    exposed: the exposures; its property `arm` says to what, `chance` with which probability in
    basis points the person was given it. A person counts from their first exposure in [since,
    until), in [first, first + window); whoever was exposed to two arms is in none.
    before: the same outcomes are also taken in [first - before, first).
    """

    shop_id: int
    exposed: Step
    arm: str
    chance: str
    outcomes: tuple[Outcome, ...]
    window: timedelta
    before: timedelta
    since: datetime
    until: datetime
    time_zone: str

    def __post_init__(self) -> None:
        demand_prop(self.arm)
        demand_prop(self.chance)
        demand(1 <= len(self.outcomes) <= 16, "1 to 16 outcomes")
        demand(min(self.window, self.before) > timedelta(0), "windows above zero")
        demand_times(self.since, self.until)
        ZoneInfo(self.time_zone)
