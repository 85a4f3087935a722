"""Nouns of metrics: dashboard, catalogue, north star and diagnosis as the console gets them."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound

Unit = Literal["fen", "count", "bps", "hundredths"]
"""hundredths: a mean such as 2.64 pages, as the integer 264."""
Comparison = Literal["ge", "le"]
State = Literal["good", "bad", "unknown"]
Group = Literal["trade", "traffic", "customers", "marketing"]
TreePart = Literal["acquisition", "activity", "conversion"]
DraftKind = Literal["experiment", "campaign"]
StepKey = Literal["expose", "click", "convert", "repurchase"]


class PointView(msgspec.Struct, frozen=True):
    """The figure of one business day; 0 where nothing could be measured."""

    on: date
    value: int


class HealthView(msgspec.Struct, frozen=True):
    """A figure against its threshold (mission 138, 139); unknown with fewer than ten cases.

    action: what to try when it is bad.
    """

    threshold: int
    comparison: Comparison
    state: State
    action: str | None


class CardView(msgspec.Struct, frozen=True):
    """A figure of the period, in its unit; value null when there is nothing to measure.

    trend_bps: change against the period before, in parts of it; null when that was zero.
    """

    key: str
    label: str
    value: int | None
    unit: Unit
    trend_bps: int | None
    series: list[PointView]
    health: HealthView | None
    definition: str


class FunnelStepView(msgspec.Struct, frozen=True):
    """How many persons came this far; rate_bps: of those of the step before."""

    key: StepKey
    label: str
    persons: int
    rate_bps: int | None
    health: HealthView | None
    definition: str


class FunnelView(msgspec.Struct, frozen=True):
    """The four-level funnel 曝光 → 点击 → 转化 → 复购 (mission 137)."""

    steps: list[FunnelStepView]


class RetentionView(msgspec.Struct, frozen=True):
    """How many of those who were new came back within so many days."""

    days: int
    rate_bps: int | None
    health: HealthView | None


class RealtimeView(msgspec.Struct, frozen=True):
    """The last minutes, up to now."""

    minutes: int
    visitors: int
    orders: int


class DashboardView(msgspec.Struct, frozen=True):
    """The figures of a period that ends at `as_of`, all from one snapshot."""

    as_of: datetime
    cards: list[CardView]
    funnel: FunnelView
    retention: list[RetentionView]
    realtime: RealtimeView


# --- the catalogue ----------------------------------------------------------------------------


class WeekView(msgspec.Struct, frozen=True):
    """A figure of seven business days; value null where nothing could be measured."""

    since: date
    until: date
    value: int | None


class MetricView(msgspec.Struct, frozen=True):
    """A figure of the catalogue over its last weeks, the newest last.

    value: of the last week. own_mean: of the weeks before it; own_bps: value against that.
    state: against the benchmark; without one or with fewer than ten cases unknown. missing: why
    there is nothing to show; null as soon as there is. better: whether more or less of it is good.
    """

    key: str
    group: Group
    label: str
    unit: Unit
    value: int | None
    own_mean: int | None
    own_bps: int | None
    weeks: list[WeekView]
    better: Comparison | None
    state: State
    health: HealthView | None
    action: str | None
    missing: str | None
    definition: str
    formula: str
    source: str


class CatalogueView(msgspec.Struct, frozen=True):
    """All figures of the shop, as of the end of the last whole business day that is told of."""

    as_of: date
    items: list[MetricView]


class PartView(msgspec.Struct, frozen=True):
    """The figure of those with this value: of a property, or a segment."""

    key: str
    label: str
    value: int | None
    cases: int


class BreakdownView(msgspec.Struct, frozen=True):
    """The last four weeks by the values of a property, or by segment; largest first."""

    by: str
    label: str
    parts: list[PartView]


class MetricPage(msgspec.Struct, frozen=True):
    """A figure with what it consists of (keys of the tree) and by whom it can be broken down."""

    as_of: date
    metric: MetricView
    parts: list[str]
    used_by: list[str]
    breakdowns: list[BreakdownView]


# --- the north star ---------------------------------------------------------------------------


class NodeView(msgspec.Struct, frozen=True):
    """A figure of the tree; `moved`: what its change did to the north star, in its unit.

    depth: 0 is the north star. Nodes stand in the order of the tree; parent: index, null: the root.
    op: how the parts make it; null: not divided further. Over all leaves `moved` adds up to the
    change of the root.
    """

    key: str
    label: str
    unit: Unit
    part: TreePart
    parent: int | None
    depth: int
    op: Literal["sum", "product", "share"] | None
    before: int | None
    after: int | None
    change_bps: int | None
    moved: int
    definition: str


class ChoiceView(msgspec.Struct, frozen=True):
    """A figure that may be the north star."""

    key: str
    label: str
    unit: Unit
    definition: str


class NorthStarView(msgspec.Struct, frozen=True):
    """The chosen figure of the last whole days against the days before, and what moved it.

    nodes: empty when it cannot be told yet. chosen: what the shop has chosen; goal: per period of
    `days`, null without one. choices: what may be chosen.
    """

    key: str
    chosen: str
    goal: int | None
    days: int
    since: date
    until: date
    since_before: date
    until_before: date
    nodes: list[NodeView]
    choices: list[ChoiceView]


class NorthStarBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choice, and what is wanted of it per seven days (in its unit; null: no goal)."""

    key: str
    goal: Annotated[int, Meta(ge=1, le=10**12)] | None = None


class UnknownMetric(NotFound):
    """There is no such figure in the catalogue."""

    code = "metrics.unknown_metric"
    zh = "指标目录里没有 {key}"
    en = "There is no figure {key} in the catalogue"


class NotANorthStar(BadInput):
    """This figure has no tree."""

    code = "metrics.not_a_north_star"
    zh = "{key} 不能作为北极星指标"
    en = "{key} cannot be the north star"


# --- diagnosis --------------------------------------------------------------------------------


class CheckView(msgspec.Struct, frozen=True):
    """A check of a playbook on the shop's own data.

    state: bad: this is (part of) the cause. value against `line`: the trade's benchmark, the shop's
    own last weeks or a rule of thumb. metric: the figure of the catalogue it looks at, null for
    `label` alone. remedy: what to try when it is bad; draft: what can be written down for it at
    once.
    """

    key: str
    question: str
    metric: str | None
    label: str
    unit: Unit
    value: int | None
    line: int | None
    comparison: Comparison
    against: Literal["benchmark", "own", "rule"]
    state: State
    remedy: str
    draft: DraftKind | None


class PlaybookView(msgspec.Struct, frozen=True):
    """A way from a bad figure to what to do. checks: in the order in which causes are looked for.

    state: bad when one of its figures is. cause: the first check that is bad, if any.
    """

    key: str
    title: str
    about: str
    state: State
    figures: list[MetricView]
    checks: list[CheckView]
    cause: str | None


class PlaybooksView(msgspec.Struct, frozen=True):
    """All playbooks, as of the end of a business day."""

    as_of: date
    items: list[PlaybookView]


class Drafted(msgspec.Struct, frozen=True):
    """A draft was made: where it is in the console."""

    kind: DraftKind
    draft_id: UUID
    name: str
    path: str


class NothingToDraft(Conflict):
    """The check has no draft, or what it would be about does not exist."""

    code = "metrics.nothing_to_draft"
    zh = "暂时没有可以起草的内容：{reason}"
    en = "There is nothing to draft: {reason}"
