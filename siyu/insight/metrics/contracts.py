"""Nouns of metrics: the dashboard as the console gets it."""

from datetime import date, datetime
from typing import Literal

import msgspec

Unit = Literal["fen", "count", "bps", "hundredths"]
"""hundredths: a mean such as 2.64 pages, as the integer 264."""
Comparison = Literal["ge", "le"]
State = Literal["good", "bad", "unknown"]
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
