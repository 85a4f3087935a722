"""Nouns of segments: conditions on events as they travel, rules over persons, saved segments."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event
from siyu.warehouse.query.contracts import BadSpec, Step, Where

Prop = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,64}$")]
Text = Annotated[str, Meta(max_length=128)]
Whole = Annotated[int, Meta(ge=-(10**15), le=10**15)]
EventKey = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}\.[a-z0-9_]{1,60}$")]
"""The name of an event, or of a group of them."""
Days = Annotated[int, Meta(ge=1, le=3_650)]

SEGMENTS_MAX = 200
PERSONS_MAX = 1_000_000
"""A fixed segment keeps at most so many persons."""

SEEN = tuple(f"behaviour.{n}" for n in ("expose", "click", "view", "cart", "share", "dwell"))
ORDERS = ("ordering.order_paid", "ordering.order_imported")
GROUPS: dict[str, tuple[tuple[str, ...], tuple[Where, ...]]] = {
    "any.visit": (SEEN, ()),
    # Imported returns are negative amounts: money, and no order.
    "any.order": (ORDERS, (Where("amount_fen", "ge", 0),)),
    "any.active": ((*SEEN, *ORDERS, "members.member_joined"), ()),
}
"""What is asked for as if it were one event: its events, and what they must fulfil."""


class BadCondition(BadInput):
    """A condition that has no meaning."""

    code = "segments.bad_condition"
    zh = "条件无法计算：{reason}"
    en = "This condition cannot be asked: {reason}"


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused."""


class Filter(Body, frozen=True, kw_only=True):
    """A condition on an event. value: a list for `in` and for `between` (two, inclusive)."""

    prop: Prop
    op: Literal["eq", "ne", "in", "ge", "le", "between"]
    value: Whole | Text | Annotated[list[Whole | Text], Meta(min_length=1, max_length=50)]

    def where(self) -> Where:
        """As the warehouse asks it. Raises BadCondition."""
        value = tuple(self.value) if isinstance(self.value, list) else self.value
        try:
            return Where(self.prop, self.op, value)
        except BadSpec as reason:
            raise BadCondition(reason=str(reason)) from None


Filters = Annotated[list[Filter], Meta(max_length=5)]


class StepBody(Body, frozen=True, kw_only=True):
    """Events of one name, or of a group (any.visit, any.order, any.active), that fulfil all."""

    event: EventKey
    where: Filters = []

    def step(self) -> Step:
        """As the warehouse asks it. Raises BadCondition."""
        names, always = GROUPS.get(self.event, ((self.event,), ()))
        return Step(names, (*always, *(one.where() for one in self.where)))


class Times(Body, frozen=True, kw_only=True, tag_field="kind", tag="times"):
    """Did it at least, at most or exactly `n` times in the last `days` days (null: ever)."""

    step: StepBody
    op: Literal["ge", "le", "eq"]
    n: Annotated[int, Meta(ge=0, le=10**6)]
    days: Days | None = None


class Spent(Body, frozen=True, kw_only=True, tag_field="kind", tag="spent"):
    """The amounts of these events together, in fen, in the last `days` days (null: ever)."""

    step: StepBody
    op: Literal["ge", "le"]
    fen: Annotated[int, Meta(ge=0, le=10**12)]
    days: Days | None = None


class Largest(Body, frozen=True, kw_only=True, tag_field="kind", tag="largest"):
    """Among the largest `percent` % by these amounts, in the last `days` days (null: ever)."""

    step: StepBody
    percent: Annotated[int, Meta(ge=1, le=100)]
    days: Days | None = None


Condition = Times | Spent | Largest


class Rule(Body, frozen=True, kw_only=True):
    """Who belongs: all of the conditions hold, or any of them. Only persons with an event count."""

    match: Literal["all", "any"] = "all"
    conditions: Annotated[list[Condition], Meta(min_length=1, max_length=10)]


class Segment(msgspec.Struct, frozen=True):
    """A saved segment; rule null: fixed persons. person_count: as of counted_at."""

    segment_id: UUID
    name: str
    note: str
    rule: Rule | None
    person_count: int
    counted_at: datetime
    made_by: str
    created_at: datetime


class SegmentNotFound(NotFound):
    """There is no such segment in this shop."""

    code = "segments.segment_not_found"
    zh = "没有找到该人群"
    en = "There is no such segment"


class NameTaken(Conflict):
    """Another segment has this name."""

    code = "segments.name_taken"
    zh = "已有同名人群"
    en = "Another segment has this name"


class TooManySegments(Conflict):
    """A shop keeps at most `limit` segments."""

    code = "segments.too_many"
    zh = "最多保存 {limit} 个人群"
    en = "At most {limit} segments can be kept"


class SegmentSaved(Event, frozen=True):
    """A segment was saved under a name."""

    name: ClassVar[str] = "segments.segment_saved"
    segment_id: UUID
    person_count: int


class SegmentRemoved(Event, frozen=True):
    """A segment was removed."""

    name: ClassVar[str] = "segments.segment_removed"
    segment_id: UUID
