"""Nouns of behaviour: a batch as a client sends it, a question, and its answer."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.insight.metrics.contracts import Unit
from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.people.segments.contracts import Body, Filters, Prop, StepBody

EventName = Annotated[
    str, Meta(pattern=r"^(expose|click|view|cart|share|dwell|custom\.[a-z][a-z0-9_]{0,59})$")
]
"""What the shop's pages tell, or, as `custom.…`, what the merchant has thought of."""
MAX_EVENTS = 100
MAX_BODY_BYTES = 65_536


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a customer did. at: by the client's clock. dwell_ms: time spent, at most a day."""

    name: EventName
    at: datetime
    page: Annotated[str, Meta(min_length=1, max_length=256)]
    product_id: UUID | None = None
    zone: Annotated[str, Meta(max_length=64)] | None = None
    dwell_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    props: dict[str, Any] = {}


class CollectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 100 events, at most 64 KiB.

    batch_key: made by the client before sending and sent again unchanged when it hears no answer.
    visitor: the client's own random key. consent_version: the text a visitor without account agreed
    to. events: each checked by itself as ClientEvent.
    """

    batch_key: UUID
    visitor: UUID
    consent_version: Annotated[str, Meta(max_length=64)] | None
    events: Annotated[list[dict[str, Any]], Meta(max_length=MAX_EVENTS)]


class Collected(msgspec.Struct, frozen=True):
    """How many events were taken (also when they had been before), and how many refused."""

    accepted: int
    rejected: int


# --- questions --------------------------------------------------------------------------------
# A question is one JSON value: asked, kept on a board, carried in a link.


class Period(Body, frozen=True, kw_only=True):
    """Business days of the shop: the last so many up to today, or from `since` to `until`, both
    inclusive; at most 3,660 days."""

    last_days: Annotated[int, Meta(ge=1, le=366)] | None = None
    since: date | None = None
    until: date | None = None


class _Question(Body, frozen=True, kw_only=True, tag_field="kind"):
    """people: only persons of this saved segment. where: only events that fulfil these."""

    period: Period
    people: UUID | None = None
    where: Filters = []


class FunnelQuestion(_Question, frozen=True, kw_only=True, tag="funnel"):
    """How many persons go how far, within how many hours. by: splits at the first step."""

    steps: Annotated[list[StepBody], Meta(min_length=2, max_length=8)]
    window_hours: Annotated[int, Meta(ge=1, le=24 * 90)] = 24 * 7
    by: Prop | None = None


class RetentionQuestion(_Question, frozen=True, kw_only=True, tag="retention"):
    """Who comes back: after the first `birth` ever, `back` in each of the periods after it.

    unit: periods and cohorts are days, weeks from Monday or months of the calendar. within: in any
    period up to the n-th, otherwise in the n-th itself.
    """

    birth: StepBody
    back: StepBody
    unit: Literal["day", "week", "month"] = "day"
    periods: Annotated[int, Meta(ge=1, le=31)] = 7
    within: bool = False


class PathsQuestion(_Question, frozen=True, kw_only=True, tag="paths"):
    """What people do after an event, or before it, in one visit.

    by: whether a node is an event or a page. side: the anchor is where paths begin or end.
    """

    anchor: StepBody
    side: Literal["from", "to"] = "from"
    by: Literal["event", "page"] = "page"
    depth: Annotated[int, Meta(ge=2, le=8)] = 4
    top: Annotated[int, Meta(ge=2, le=12)] = 6


class SpreadQuestion(_Question, frozen=True, kw_only=True, tag="spread"):
    """How persons are spread over what they did: how often, for how much, how long they stayed."""

    step: StepBody
    of: Literal["times", "amount", "dwell"] = "times"


class ShareQuestion(_Question, frozen=True, kw_only=True, tag="share"):
    """What something consists of: the largest values of a property, and the rest."""

    step: StepBody
    by: Prop
    count: Literal["events", "persons", "amount"] = "events"
    top: Annotated[int, Meta(ge=2, le=20)] = 8


class TrendQuestion(_Question, frozen=True, kw_only=True, tag="trend"):
    """Figures per business day."""

    steps: Annotated[list[StepBody], Meta(min_length=1, max_length=5)]
    count: Literal["events", "persons", "amount"] = "persons"


class HeatQuestion(_Question, frozen=True, kw_only=True, tag="heat"):
    """How long the zones of a page are looked at, and how often they are tapped (mission 140)."""

    page: Annotated[str, Meta(min_length=1, max_length=128)]


Question = (
    FunnelQuestion
    | RetentionQuestion
    | PathsQuestion
    | SpreadQuestion
    | ShareQuestion
    | TrendQuestion
    | HeatQuestion
)


# --- answers ----------------------------------------------------------------------------------


class FunnelStage(msgspec.Struct, frozen=True):
    """How many persons came to a step. rate_bps: of the step before; whole_bps: of the first.

    median_s: half of those who came here took at most so many seconds from the step before.
    """

    label: str
    persons: int
    rate_bps: int | None
    whole_bps: int | None
    median_s: int | None


class FunnelPart(msgspec.Struct, frozen=True):
    """The funnel of the persons whose first step had this value."""

    value: str
    label: str
    persons: list[int]


class FunnelAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="funnel"):
    """parts: the largest twelve values of `by`, largest first; empty without it."""

    stages: list[FunnelStage]
    parts: list[FunnelPart]


class CohortRow(msgspec.Struct, frozen=True):
    """Persons born from day `on` (of a week or month: its first day), and how many came back.

    back: per period; null while the period is not over for all of them.
    """

    on: date
    persons: int
    back: list[int | None]


class CurvePoint(msgspec.Struct, frozen=True):
    """Over all cohorts whose period is over: how many came back, out of how many."""

    period: int
    persons: int
    back: int
    rate_bps: int | None


class RetentionAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="retention"):
    """The matrix and its sum, the curve."""

    unit: Literal["day", "week", "month"]
    cohorts: list[CohortRow]
    curve: list[CurvePoint]


class PathNode(msgspec.Struct, frozen=True):
    """A station. level: 0 is the anchor; key: event or page, null stands for all the others.

    ended: visits that did not go on from here (or, with side "to", had begun here).
    """

    level: int
    key: str | None
    label: str
    visits: int
    ended: int


class PathLink(msgspec.Struct, frozen=True):
    """How many visits went from one station to another; indexes into the nodes."""

    source: int
    target: int
    visits: int


class PathsAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="paths"):
    """visits: how many had the anchor. Levels run away from it, in the direction of `side`."""

    visits: int
    nodes: list[PathNode]
    links: list[PathLink]


class Bucket(msgspec.Struct, frozen=True):
    """Persons whose value lies in [low, high); null: no lower, no upper end."""

    low: int | None
    high: int | None
    persons: int


class SpreadAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="spread"):
    """unit: of the bounds. median and total over all persons."""

    unit: Literal["times", "fen", "ms"]
    persons: int
    total: int
    median: int | None
    buckets: list[Bucket]


class Slice(msgspec.Struct, frozen=True):
    """A value, its part of the whole, and its amount in each period; "" are events without the
    property, null all other values together."""

    value: str | None
    label: str
    amount: int
    share_bps: int | None
    values: list[int]


class ShareAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="share"):
    """Largest first, all others last. unit: of the amounts; periods: first days of grain.

    Persons with several values count under each: their parts add up to more than they are.
    """

    unit: Literal["count", "persons", "fen"]
    grain: Literal["day", "week", "month"]
    periods: list[date]
    slices: list[Slice]


class TrendLine(msgspec.Struct, frozen=True):
    """One figure per day of the answer, and over the whole period."""

    label: str
    values: list[int]
    total: int


class TrendAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="trend"):
    """Lines over the same days. unit: of the values."""

    unit: Literal["count", "fen"]
    days: list[date]
    lines: list[TrendLine]


class Zone(msgspec.Struct, frozen=True):
    """A zone of a page.

    dwell_ms: all time it was in view, mean_ms: per person who saw it; click_bps: who tapped, of
    those who saw it (all who did either, where somebody tapped what was not timed).
    """

    zone: str
    label: str
    viewers: int
    dwell_ms: int
    mean_ms: int | None
    clicks: int
    clickers: int
    click_bps: int | None


class HeatAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="heat"):
    """Zones of a page, the longest looked at first. viewers: persons who opened the page."""

    page: str
    viewers: int
    zones: list[Zone]


Answer = (
    FunnelAnswer
    | RetentionAnswer
    | PathsAnswer
    | SpreadAnswer
    | ShareAnswer
    | TrendAnswer
    | HeatAnswer
)


class Definition(msgspec.Struct, frozen=True):
    """What a chart shows: in words, as a formula, and out of which events."""

    words: str
    formula: str
    source: str


class Answered(msgspec.Struct, frozen=True):
    """An answer: the moments it covers, [since, until), and how long it took, in milliseconds."""

    since: datetime
    until: datetime
    took_ms: int
    definition: Definition
    answer: Answer


class BadQuestion(BadInput):
    """A question that has no meaning."""

    code = "behaviour.bad_question"
    zh = "这个问题无法计算：{reason}"
    en = "This question cannot be answered: {reason}"


# --- what is asked while one watches ----------------------------------------------------------


class Named(msgspec.Struct, frozen=True):
    """A key and what it is called."""

    key: str
    label: str


class ValueView(msgspec.Struct, frozen=True):
    """A value of a property, and on how many events."""

    value: str
    label: str
    events: int


class EventView(msgspec.Struct, frozen=True):
    """One event, and what happened in words. product: its title; member_id null: no account."""

    at: datetime
    event_no: str
    person_no: int
    member_id: UUID | None
    who: str
    name: str
    label: str
    text: str
    channel: str
    page: str
    product: str | None
    amount_fen: int | None
    props: dict[str, Any]


class LiveView(msgspec.Struct, frozen=True):
    """The last `minutes` minutes, minute by minute, the oldest first; newest events first."""

    until: datetime
    minutes: int
    persons: int
    orders: int
    turnover_fen: int
    events: list[int]
    visitors: list[int]
    pages: list[ValueView]
    names: list[ValueView]
    newest: list[EventView]


# --- boards, annotations, digests -------------------------------------------------------------


class Chart(Body, frozen=True, kw_only=True):
    """A question on a board. wide: takes a whole row."""

    title: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    question: Question
    wide: bool = False


class BoardBody(Body, frozen=True, kw_only=True):
    """A board: up to 20 charts in this order."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    charts: Annotated[list[Chart], Meta(max_length=20)] = []


class Board(msgspec.Struct, frozen=True):
    """A saved board."""

    board_id: UUID
    name: str
    charts: list[Chart]
    made_by: str
    version: int
    updated_at: datetime


class DigestLine(msgspec.Struct, frozen=True):
    """A figure of the catalogue, on the day, the day before, and the mean of the seven before."""

    key: str
    label: str
    unit: Unit
    value: int
    before: int
    mean: int
    definition: str


class Digest(msgspec.Struct, frozen=True):
    """What happened on a day, made the next morning. read: by the asking member of staff."""

    on: date
    headline: str
    lines: list[DigestLine]
    read: bool


class BoardNotFound(NotFound):
    """There is no such board in this shop."""

    code = "behaviour.board_not_found"
    zh = "没有找到该看板"
    en = "There is no such board"


class BoardChanged(Conflict):
    """Somebody else changed the board meanwhile."""

    code = "behaviour.board_changed"
    zh = "看板已被其他人修改，请刷新后重试"
    en = "The board was changed by somebody else; load it again"


class AnnotationNotFound(NotFound):
    """There is no such annotation in this shop."""

    code = "behaviour.annotation_not_found"
    zh = "没有找到该批注"
    en = "There is no such annotation"


class DigestNotFound(NotFound):
    """There is no digest of this day."""

    code = "behaviour.digest_not_found"
    zh = "没有这一天的日报"
    en = "There is no digest of this day"


class TooMany(Conflict):
    """A shop keeps at most `limit` of these."""

    code = "behaviour.too_many"
    zh = "最多保存 {limit} 个"
    en = "At most {limit} can be kept"
