"""Specs: the questions the warehouse answers. Meaning, fixed for every engine:

- Order is (at_us, event_no). All intervals are half-open, `[since, until)`.
- A visitor who turned out to be a member (event PERSON_JOINED) counts as that member throughout.
- A condition on a property that an event does not have is not fulfilled, `ne` included.
- Business days are days in `time_zone`.
- Person 0 is nobody: events of nobody are events, never a person.
- `where` of a spec: conditions on every event it reads, beside those of its steps.
- `people` of a spec: only events of these persons; a fixed set holds numbers, and whoever is
  known under another number by now still counts. A segment inside is not touched by `where`.
- A median of an even number of values is the lower of the two in the middle.
"""

from pathlib import Path
from typing import Any

import msgspec

from siyu.warehouse.query.contracts.conditions import (
    COLUMN_PROPS,
    BadSpec,
    Op,
    Step,
    Value,
    Where,
)
from siyu.warehouse.query.contracts.counting import (
    Count,
    LastSpec,
    Measure,
    RetentionSpec,
    SeriesSpec,
)
from siyu.warehouse.query.contracts.exploring import (
    HeatSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    ShareSpec,
    SpreadSpec,
    ValuesSpec,
)
from siyu.warehouse.query.contracts.people import (
    Absent,
    All,
    AnyOf,
    Feature,
    FeatureSpec,
    FunnelSpec,
    Not,
    People,
    PersonsOf,
    Rule,
    SegmentSpec,
    Sum,
    Times,
    Top,
    Walked,
)
from siyu.warehouse.query.contracts.trials import Outcome, TrialSpec

__all__ = [
    "COLUMN_PROPS",
    "PERSON_JOINED",
    "Absent",
    "All",
    "AnyOf",
    "BadSpec",
    "Count",
    "Deed",
    "Feature",
    "FeatureSpec",
    "FunnelSpec",
    "HeatSpec",
    "LastSpec",
    "ListSpec",
    "LiveSpec",
    "Measure",
    "Need",
    "Not",
    "Op",
    "Outcome",
    "PathSpec",
    "People",
    "PersonsOf",
    "RetentionSpec",
    "Rule",
    "SegmentSpec",
    "SeriesSpec",
    "ShareSpec",
    "Snapshot",
    "Spec",
    "SpreadSpec",
    "Step",
    "Sum",
    "Times",
    "Top",
    "TrialSpec",
    "Value",
    "ValuesSpec",
    "Walked",
    "Where",
]

PERSON_JOINED = "members.person_joined"
"""Its `person_no` is who `props.joined_person_no` turned out to be."""

Spec = (
    FunnelSpec
    | RetentionSpec
    | SeriesSpec
    | LastSpec
    | PersonsOf
    | FeatureSpec
    | PathSpec
    | SpreadSpec
    | ShareSpec
    | HeatSpec
    | LiveSpec
    | ListSpec
    | ValuesSpec
    | TrialSpec
)


class Need(msgspec.Struct, frozen=True):
    """What a spec reads of one shop: events of these names (None: of every name) in
    [since_us, until_us).

    props: whether the JSON of props is looked into.
    """

    names: frozenset[str] | None
    since_us: int
    until_us: int
    props: bool


class Snapshot(msgspec.Struct, frozen=True):
    """One moment of the warehouse, copied out: live files, the tail's rows, numbers of texts.

    tail: a CSV file in the columns of a warehouse file. codes: dictionary ("event_name", "channel",
    "page") → text → number; a text that the warehouse has never seen is missing. kept: SQL that is
    true for the rows that count, None when all do; what somebody withdrew may lie there a while.
    """

    shop_id: int
    files: list[Path]
    tail: Path
    codes: dict[str, dict[str, int]]
    kept: str | None = None


class Deed(msgspec.Struct, frozen=True, order=True):
    """An event of one person; in order of (at_us, event_no). zone, dwell_ms: None for none."""

    at_us: int
    event_no: int
    person_no: int
    name: str
    channel: str
    page: str
    item_no: int
    amount_fen: int
    zone: str | None
    dwell_ms: int | None
    props: dict[str, Any]

    def value_of(self, prop: str) -> Any:
        """The value of a property, None for none."""
        return getattr(self, prop) if prop in COLUMN_PROPS else self.props.get(prop)
