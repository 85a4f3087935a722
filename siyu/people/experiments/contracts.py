"""Nouns of the experiments domain."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NewType
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

ExperimentId = NewType("ExperimentId", UUID)
ArmKey = Annotated[str, Meta(pattern="^[a-f]$")]
Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
Bps = Annotated[int, Meta(ge=0, le=10_000)]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]
WHOLE_BPS = 10_000


class Surface(StrEnum):
    """What is tried, and so what a payload may say (`rules.check_payload`)."""

    PRODUCT = "product"
    """Title and cover of one product: {title?, image_url?}."""
    BANNER = "banner"
    """The first banner of the home page: {title?, subtitle?}."""
    STRIP = "strip"
    """The shop's notice on the home page: {text}."""
    HOME_ORDER = "home_order"
    """The order of the home page: {order: [hot, bundles, activities]}."""
    FREE = "free"
    """Whatever an integrator reads."""


class Method(StrEnum):
    """How people are shared out."""

    SPLIT = "split"
    """By fixed weights, to learn which arm is better."""
    BANDIT = "bandit"
    """Thompson sampling: more and more to what sells, to lose little while learning."""


class ExperimentAudience(StrEnum):
    """Who may take part."""

    ALL = "all"
    NEW = "new"
    """First seen by the shop after the start."""


class ExperimentState(StrEnum):
    """draft → running → stopped → concluded, or running → concluded."""

    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"
    CONCLUDED = "concluded"


class Metric(StrEnum):
    """A figure per person, over the window that begins with the first exposure."""

    CONVERSION = "conversion"
    ORDERS = "orders"
    REVENUE = "revenue"
    CLICK = "click"
    CART = "cart"
    REFUND = "refund"
    UNSUBSCRIBE = "unsubscribe"
    COMPLAINT = "complaint"
    EVENT = "event"
    """Whoever does an event that the merchant names."""


class Arm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One form. The first arm, `a`, is the control: what would be there anyway."""

    key: ArmKey
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    weight_bps: Bps
    payload: dict[str, Any] = {}


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The experiment is stopped once an arm is surely worse than the control by more than this.

    worse_bps: of persons, e.g. 100: one more person of a hundred asks for a refund.
    """

    metric: Metric
    worse_bps: Annotated[int, Meta(ge=1, le=5_000)]


class ExperimentDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a merchant writes down before the start.

    window_days: how long after the first exposure a person's deeds count. baseline_micro: what the
    control is expected to have per person, in millionths of the metric's unit (share, orders, fen).
    effect_bps: the smallest relative difference worth knowing, of the baseline.
    layer: experiments of one layer never share a person; null: a layer of its own.
    """

    key: Key
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    hypothesis: Annotated[str, Meta(max_length=500)] = ""
    surface: Surface
    product_id: UUID | None = None
    product_no: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    method: Method = Method.SPLIT
    audience: ExperimentAudience = ExperimentAudience.ALL
    layer: Key | None = None
    share_bps: Annotated[int, Meta(ge=1, le=10_000)] = WHOLE_BPS
    metric: Metric = Metric.CONVERSION
    event: Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=80)] | None = None
    window_days: Annotated[int, Meta(ge=1, le=60)] = 3
    baseline_micro: Annotated[int, Meta(ge=1, le=10**15)]
    effect_bps: Annotated[int, Meta(ge=100, le=10_000)] = 1_000
    guards: Annotated[list[Guard], Meta(max_length=3)] = []
    arms: Annotated[list[Arm], Meta(min_length=2, max_length=6)]


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as it is kept.

    round: counts up when arms or weights change; only persons first exposed in it are read.
    weights_bps: of the bandit just now, as the arms; null: those of the arms count.
    slot_from: where its share of the layer begins, in 0…9999; null before the start.
    is_settled: concluded, and everybody outside the hold-out sees the winner.
    """

    experiment_id: UUID
    experiment_no: int
    key: str
    name: str
    hypothesis: str
    surface: Surface
    product_id: UUID | None
    product_no: int | None
    method: Method
    audience: ExperimentAudience
    layer: str
    share_bps: int
    metric: Metric
    event: str | None
    window_days: int
    baseline_micro: int
    effect_bps: int
    guards: list[Guard]
    arms: list[Arm]
    state: ExperimentState
    version: int
    round: int
    weights_bps: list[int] | None
    slot_from: int | None
    created_at: datetime
    started_at: datetime | None
    round_at: datetime | None
    ended_at: datetime | None
    winner_arm: str | None
    is_settled: bool
    person_count: int


class Variant(msgspec.Struct, frozen=True):
    """What a person is shown. probability_bps: with which they were given it."""

    experiment_id: UUID
    experiment_no: int
    key: str
    surface: Surface
    product_id: UUID | None
    arm: str
    payload: dict[str, Any]
    probability_bps: int
    round: int
    is_settled: bool


class StoryEntry(msgspec.Struct, frozen=True):
    """What happened to an experiment; `text`: why, in the words of who did it."""

    at: datetime
    event: str
    actor: str
    text: str
    detail: dict[str, Any]


class HoldOut(msgspec.Struct, frozen=True):
    """The part of people who see no experiment and hear no campaign, for good."""

    holdout_bps: int


class ExperimentNotFound(NotFound):
    """There is no such experiment in this shop."""

    code = "experiments.not_found"
    zh = "没有找到该实验"
    en = "There is no such experiment"


class KeyTaken(Conflict):
    """Two experiments cannot have one key."""

    code = "experiments.key_taken"
    zh = "实验标识 {key} 已被使用"
    en = "The key {key} is taken"


class NotInState(Conflict):
    """The experiment is not in a state that allows this."""

    code = "experiments.not_in_state"
    zh = "实验当前状态不允许此操作"
    en = "The experiment is not in a state that allows this"


class LayerFull(Conflict):
    """Other experiments of the layer need the traffic; details say how much is free in a piece."""

    code = "experiments.layer_full"
    zh = "该互斥层的流量不足,最多还可分配 {free_bps} 个万分点"
    en = "The layer has not enough traffic; at most {free_bps} basis points are free"


class BadDraft(BadInput):
    """The parts of an experiment do not fit together; details say what."""

    code = "experiments.bad_draft"
    zh = "实验设置不完整:{reason}"
    en = "The experiment is incomplete: {reason}"


class Exposed(Event, frozen=True):
    """A person was shown an arm: once per person, experiment and business day at most.

    cell: round and arm, such as `1b`. probability_bps: with which the person was given the arm.
    """

    name: ClassVar[str] = "experiments.exposed"
    person_no: int
    experiment_no: int
    key: str
    arm: str
    cell: str
    probability_bps: int


class Concluded(Event, frozen=True):
    """Somebody decided; `payload` is what the winner shows, empty when the control stays."""

    name: ClassVar[str] = "experiments.concluded"
    experiment_id: UUID
    key: str
    surface: Surface
    product_id: UUID | None
    winner_arm: str
    payload: dict[str, Any]
    is_settled: bool


# --- what the figures say ---------------------------------------------------------------------


class ArmFigures(msgspec.Struct, frozen=True, kw_only=True):
    """An arm in the results.

    persons: shown it; done: of them, whose window is over, and of whom the rest speaks. mean: the
    metric per person (share, orders, fen), weighted by 1/probability for a bandit. difference, low
    and high: to the control, in the metric's unit, adjusted by what persons did before; relative:
    the same by the control's mean. p_value: always valid. All null for the control, and as long
    as there is too little to speak of. best: probability to be the best arm (bandit).
    """

    arm: str
    name: str
    weight_bps: int
    persons: int
    done: int
    hits: int
    mean: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p_value: float | None = None
    variance_cut: float | None = None
    best: float | None = None


class Point(msgspec.Struct, frozen=True):
    """The confidence sequence at the end of a day, relative to the control's mean."""

    on: date
    arm: str
    relative: float
    low: float
    high: float


class GuardFigures(msgspec.Struct, frozen=True):
    """A guard of one arm: shares of persons; `is_broken`: `low` is above what is allowed."""

    metric: Metric
    arm: str
    control: float
    mean: float
    low: float | None
    high: float | None
    worse_bps: int
    is_broken: bool


class Finding(StrEnum):
    """What may be said."""

    EMPTY = "empty"
    """Nobody was shown anything yet."""
    UNEVEN = "uneven"
    """The arms do not have the shares they should have: look for the fault first."""
    HARMFUL = "harmful"
    """A guard is broken."""
    BETTER = "better"
    WORSE = "worse"
    """Every other arm is worse than the control."""
    SAME = "same"
    """No difference that would be worth knowing."""
    WAIT = "wait"
    LEADER = "leader"
    """Bandit: this arm is the best with at least 95 %."""


class Verdict(msgspec.Struct, frozen=True):
    """What may be said, about which arm, and how many days it still takes (null: unknown)."""

    finding: Finding
    arm: str | None
    days_left: int | None


class ExperimentResults(msgspec.Struct, frozen=True):
    """All that is known of an experiment now.

    uneven_p: p-value of the sample-ratio test (null: bandit or nobody). crossed: persons who saw
    two arms before it turned out that they are one; they are in no figure. at: data up to then.
    """

    at: datetime
    verdict: Verdict
    arms: list[ArmFigures]
    points: list[Point]
    guards: list[GuardFigures]
    uneven_p: float | None
    crossed: int
    waiting: int
    needed: int | None


class ExperimentPlan(msgspec.Struct, frozen=True):
    """How long it would take. persons: in all arms. days: null when nobody comes.

    baseline_micro, persons_a_day: of the last 28 days, before the shop's share is taken.
    """

    baseline_micro: int
    persons_a_day: int
    persons: int
    days: int | None
