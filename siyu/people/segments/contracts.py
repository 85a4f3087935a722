"""Nouns of segments: rules over persons as they travel, saved segments, what is told of them."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event
from siyu.people.profiles.contracts import Condition as FieldTest
from siyu.people.profiles.contracts import FieldKey, Key
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
    """A condition that has no meaning: why, in both languages."""

    code = "segments.bad_condition"
    zh = "条件无法计算：{zh}"
    en = "This condition cannot be asked: {en}"


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
            raise BadCondition(
                zh=f"筛选「{self.prop}」不能这样比较", en=f"the filter on “{self.prop}”: {reason}"
            ) from None


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


class Then(Body, frozen=True, kw_only=True, tag_field="kind", tag="then"):
    """Did `first` in the last `days` days, and `then` within `within` days after it (done), or not.

    Not done: only a `first` counts whose `within` days are over, and no such one was followed.
    """

    first: StepBody
    then: StepBody
    within: Annotated[int, Meta(ge=1, le=365)]
    done: bool
    days: Annotated[int, Meta(ge=1, le=1_000)]


class FieldIs(Body, frozen=True, kw_only=True, tag_field="kind", tag="field"):
    """A field of the profile fulfils a condition."""

    test: FieldTest


class Foremost(Body, frozen=True, kw_only=True, tag_field="kind", tag="foremost"):
    """Among the highest `percent` % by a figure of the profile, of those who have any."""

    field: FieldKey
    percent: Annotated[int, Meta(ge=1, le=100)]


class Tagged(Body, frozen=True, kw_only=True, tag_field="kind", tag="tag"):
    """Has the tag."""

    tag_id: UUID


class OnTier(Body, frozen=True, kw_only=True, tag_field="kind", tag="tier"):
    """Stands on one of these places of a ladder."""

    ladder: Literal["tier", "life"]
    keys: Annotated[list[Key], Meta(min_length=1, max_length=12)]


class Inside(Body, frozen=True, kw_only=True, tag_field="kind", tag="segment"):
    """Is in another segment, as its rule says at the same moment."""

    segment_id: UUID


Parts = Annotated[list["Rule"], Meta(min_length=1, max_length=20)]


class All(Body, frozen=True, kw_only=True, tag_field="kind", tag="all"):
    """All of the parts hold."""

    parts: Parts


class AnyOf(Body, frozen=True, kw_only=True, tag_field="kind", tag="any"):
    """At least one of the parts holds."""

    parts: Parts


class Not(Body, frozen=True, kw_only=True, tag_field="kind", tag="not"):
    """The part does not hold."""

    part: "Rule"


Deeds = Times | Spent | Largest | Then
Leaf = Deeds | FieldIs | Foremost | Tagged | OnTier | Inside
Rule = All | AnyOf | Not | Leaf
"""Who belongs, of everybody the shop has a profile or an event of."""

DEPTH_MAX, LEAVES_MAX = 5, 30


class Segment(msgspec.Struct, frozen=True):
    """A saved segment; rule null: fixed persons. person_count: as of counted_at.

    live: membership follows each event, and coming and going are events themselves. bars: of the
    leaves that ask for a top share the least figure among the top, when it was last counted.
    """

    segment_id: UUID
    name: str
    note: str
    rule: Rule | None
    live: bool
    bars: dict[str, int]
    person_count: int
    counted_at: datetime
    made_by: str
    created_at: datetime


class Audience(msgspec.Struct, frozen=True):
    """Who fits a rule at a moment. bits: bit n stands for person n. bars: as of a segment."""

    bits: int
    bars: dict[str, int]
    at: datetime

    @property
    def size(self) -> int:
        """How many persons."""
        return self.bits.bit_count()


class Explanation(msgspec.Struct, frozen=True):
    """Why somebody is in, or not: a node of the rule in words, and what is true of the person.

    value: the person's own figure in words, "" where there is none to show.
    """

    kind: str
    text: str
    fits: bool
    value: str
    parts: list["Explanation"]


class Snapshot(msgspec.Struct, frozen=True):
    """A day of a segment: how many were in it, came and left since the snapshot before."""

    on: date
    person_count: int
    came: int
    left: int


class Overlap(msgspec.Struct, frozen=True):
    """Segments in pairs: both[i][j] persons are in i and in j. regions: of the first three, how
    many are exactly in those whose bit is set (1 the first, 2 the second, 4 the third)."""

    sizes: list[int]
    both: list[list[int]]
    regions: dict[int, int]


class Recipient(msgspec.Struct, frozen=True):
    """Somebody in a segment who has an account; the record that stands for them."""

    person_no: int
    member_id: UUID


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


class InUse(Conflict):
    """Another segment's rule speaks of this one."""

    code = "segments.in_use"
    zh = "人群「{name}」的规则用到了它"
    en = "The rule of “{name}” speaks of it"


class SegmentSaved(Event, frozen=True):
    """A segment was saved under a name."""

    name: ClassVar[str] = "segments.segment_saved"
    segment_id: UUID
    person_count: int


class SegmentRemoved(Event, frozen=True):
    """A segment was removed."""

    name: ClassVar[str] = "segments.segment_removed"
    segment_id: UUID


class SegmentEntered(Event, frozen=True):
    """Somebody came into a live segment."""

    name: ClassVar[str] = "segments.segment_entered"
    segment_id: UUID
    person_no: int


class SegmentLeft(Event, frozen=True):
    """Somebody left a live segment."""

    name: ClassVar[str] = "segments.segment_left"
    segment_id: UUID
    person_no: int
