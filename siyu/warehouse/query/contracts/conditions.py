"""What an event must fulfil."""

from datetime import datetime
from typing import Literal

import msgspec

COLUMN_PROPS = frozenset({"item_no", "amount_fen", "channel", "page", "zone", "dwell_ms"})
"""Properties that are columns; zone "" and dwell_ms 0 mean that there is none. Every other one is
looked up in the JSON of props: slow, allowed."""

Op = Literal["eq", "ne", "in", "ge", "le", "between"]
Value = int | str
_PROP_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class BadSpec(ValueError):
    """A question that has no meaning: a bug of the caller, never the customer's input."""


def demand(condition: bool, reason: str) -> None:
    """Raises BadSpec unless the condition holds."""
    if not condition:
        raise BadSpec(reason)


class Where(msgspec.Struct, frozen=True):
    """A condition on an event. value: a tuple for `in` and for `between` (two, inclusive)."""

    prop: str
    op: Op
    value: Value | tuple[Value, ...]

    def __post_init__(self) -> None:
        demand(0 < len(self.prop) <= 64 and set(self.prop) <= _PROP_CHARACTERS, "property name")
        demand(self.op in ("eq", "ne", "in", "ge", "le", "between"), "operator")
        values = self.values
        demand(
            isinstance(self.value, tuple) == (self.op in ("in", "between")), "tuple for in, between"
        )
        demand(self.op != "between" or len(values) == 2, "two values for between")
        kinds = {type(value) for value in values}
        demand(kinds <= {int} or kinds <= {str}, "values of one kind, int or str")
        demand(self.op in ("eq", "ne", "in") or kinds == {int}, "only integers have an order")
        if self.prop in ("channel", "page", "zone"):
            demand(kinds <= {str}, "channel, page and zone are texts")
        if self.prop in ("item_no", "amount_fen", "dwell_ms"):
            demand(kinds <= {int}, "item_no, amount_fen and dwell_ms are integers")

    @property
    def values(self) -> tuple[Value, ...]:
        """The value(s) as a tuple."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


class Step(msgspec.Struct, frozen=True):
    """Events of a name (or of any of several names) that fulfil all conditions."""

    event: str | tuple[str, ...]
    where: tuple[Where, ...] = ()

    def __post_init__(self) -> None:
        demand(bool(self.names) and all(self.names), "event name")

    @property
    def names(self) -> tuple[str, ...]:
        """The event names as a tuple."""
        return self.event if isinstance(self.event, tuple) else (self.event,)


def demand_times(since: datetime, until: datetime) -> None:
    """Moments with offset, in order."""
    demand(since.tzinfo is not None and until.tzinfo is not None, "aware times")
    demand(since < until, "since before until")


def demand_prop(prop: str | None) -> None:
    """The name of a property, or none."""
    demand(prop is None or (0 < len(prop) <= 64 and set(prop) <= _PROP_CHARACTERS), "property")


def demand_sum(prop: str | None) -> None:
    """A property that can be added up, or none."""
    demand_prop(prop)
    demand(prop not in ("channel", "page", "item_no", "zone"), "an integer property to add up")
