"""Verbs of metrics: the dashboard."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from siyu.insight.metrics import rules
from siyu.insight.metrics.contracts import (
    CardView,
    DashboardView,
    FunnelStepView,
    FunnelView,
    PointView,
    RealtimeView,
    RetentionView,
)
from siyu.insight.metrics.rules import FIGURES, RETENTIONS, Figure, Period, RetentionFigure
from siyu.kernel import clock
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Answers, Cohort, Funnel, Questions, Series
from siyu.warehouse.query.contracts import (
    FunnelSpec,
    LastSpec,
    Measure,
    RetentionSpec,
    SeriesSpec,
)

_FRESH_S = 1.0
_STALE_S = 60.0
_FORGET_S = 600.0
_COST_SHARE = 20
_log = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_PERIODS = tuple(figure.days for figure in RETENTIONS)
_MEASURES: tuple[Measure, ...] = tuple(
    dict.fromkeys(
        measure for figure in FIGURES for measure in (figure.top, figure.bottom) if measure
    )
)


class Asked(msgspec.Struct, frozen=True):
    """What a dashboard is of."""

    shop_id: ShopId
    time_zone: str
    days: int
    until: datetime | None
    auto: bool


Found = tuple[Period, Answers]


class Kept:
    """The last answer to one question, and the computation that will replace it."""

    def __init__(self) -> None:
        self.found: Found | None = None
        self.at = self.asked_at = self.cost_s = 0.0
        self.task: asyncio.Task[Found] | None = None


_kept: dict[Asked, Kept] = {}


async def get_dashboard(
    shop_id: ShopId,
    time_zone: str,
    language: Language,
    *,
    days: int,
    until: datetime | None = None,
    auto: bool = True,
) -> DashboardView:
    """The figures of the last `days` business days before `until` (None: now).

    auto: where nothing happened in these days, the days that end with the last event there is.
    `as_of` says how fresh it is: up to a minute old where computing it is expensive.
    """
    period, answers = await _ask_once(Asked(shop_id, time_zone, days, until, auto))
    [now, before], [realtime] = answers.series
    retention = [
        _retention_card(figure, answers.retentions[0].cohorts, period, days, language)
        for figure in RETENTIONS
    ]
    return DashboardView(
        as_of=period.until,
        cards=[*(_figure_card(figure, now, before, language) for figure in FIGURES), *retention],
        funnel=_funnel_view(answers.funnels, language),
        retention=[
            RetentionView(figure.days, card.value, card.health)
            for figure, card in zip(RETENTIONS, retention, strict=True)
        ],
        realtime=RealtimeView(
            minutes=rules.REALTIME // timedelta(minutes=1),
            visitors=realtime.totals[0],
            orders=realtime.totals[1],
        ),
    )


async def _ask_once(asked: Asked) -> Found:
    """The newest answer there is; the screens that poll share one computation.

    An answer up to a minute old is given at once, while a new one is made when that costs less
    than a twentieth of the time: a small shop sees each second, a large one every ten or so.
    """
    moment = clock.monotonic()
    for other, kept in list(_kept.items()):
        if kept.asked_at < moment - _FORGET_S:
            del _kept[other]
    kept = _kept.setdefault(asked, Kept())
    kept.asked_at = moment
    age = moment - kept.at
    idle = kept.task is None or kept.task.done()
    if idle and (kept.found is None or age > max(_FRESH_S, _COST_SHARE * kept.cost_s)):
        kept.task = asyncio.create_task(_renew(asked, kept))
        kept.task.add_done_callback(_note_failure)
    if kept.found is not None and age <= _STALE_S:
        return kept.found
    assert kept.task is not None
    return await asyncio.shield(kept.task)


async def _renew(asked: Asked, kept: Kept) -> Found:
    began = clock.monotonic()
    found = await _ask(asked)
    kept.found, kept.at, kept.cost_s = found, began, clock.monotonic() - began
    return found


def _note_failure(task: "asyncio.Task[Found]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.warning("a dashboard could not be made", exc_info=task.exception())


async def _ask(asked: Asked) -> Found:
    until = asked.until or clock.now()
    period = rules.period_of(until, asked.days, asked.time_zone)
    answers = await engines.ask(_questions(asked, period))
    [last_us] = answers.lasts
    if asked.auto and last_us is not None and not any(answers.series[0][0].totals):
        # Nothing in these days: look at the days that end with the last event.
        until = engines.from_us(last_us) + timedelta(microseconds=1)
        period = rules.period_of(until, asked.days, asked.time_zone)
        answers = await engines.ask(_questions(asked, period))
    return period, answers


def _questions(asked: Asked, period: Period) -> Questions:
    now = clock.now()

    def series(measures: tuple[Measure, ...], *spans: tuple[datetime, datetime]) -> SeriesSpec:
        return SeriesSpec(
            shop_id=asked.shop_id, measures=measures, spans=spans, time_zone=asked.time_zone
        )

    def funnel(skip: int) -> FunnelSpec:
        return FunnelSpec(
            shop_id=asked.shop_id,
            steps=tuple(step for _, step, _, _ in rules.FUNNEL[skip:]),
            window=rules.FUNNEL_WINDOW,
            since=period.since,
            until=period.until,
        )

    return Questions(
        # The second is for shops whose visitors are not seen (imported history): orders only.
        funnels=(funnel(0), funnel(2)),
        retentions=(
            RetentionSpec(
                shop_id=asked.shop_id,
                birth=rules.ACTIVE,
                back=rules.ACTIVE,
                first_day=period.last_day - (max(_PERIODS) + 2 * asked.days - 1) * _DAY,
                last_day=period.last_day - min(_PERIODS) * _DAY,
                periods=_PERIODS,
                time_zone=asked.time_zone,
                within=True,
            ),
        ),
        series=(
            series(
                _MEASURES,
                (period.since, period.until),
                (period.since_before, period.until_before),
            ),
            series((rules.VISITORS, rules.ORDER_COUNT), (now - rules.REALTIME, now)),
        ),
        lasts=(
            LastSpec(shop_id=asked.shop_id, steps=(rules.SEEN, rules.MONEY), until=period.until),
        ),
    )


def _value(figure: Figure, cell: Sequence[int]) -> int | None:
    """A figure out of the measures of one day or period."""
    top = cell[_MEASURES.index(figure.top)]
    return top if figure.bottom is None else rules.ratio(top, _cases(figure, cell), figure.scale)


def _cases(figure: Figure, cell: Sequence[int]) -> int:
    return 0 if figure.bottom is None else cell[_MEASURES.index(figure.bottom)]


def _figure_card(figure: Figure, now: Series, before: Series, language: Language) -> CardView:
    value = _value(figure, now.totals)
    health = None
    if figure.threshold is not None:
        health = rules.health(figure.threshold, value, _cases(figure, now.totals), language)
    return CardView(
        key=figure.key,
        label=figure.label.of(language),
        value=value,
        unit=figure.unit,
        trend_bps=rules.trend_bps(value, _value(figure, before.totals)),
        series=[
            PointView(on, _value(figure, cell) or 0)
            for on, *cell in zip(now.days, *now.values, strict=True)
        ],
        health=health,
        definition=figure.definition.of(language),
    )


def _rate(figure: RetentionFigure, cohorts: Sequence[Cohort]) -> tuple[int | None, int]:
    """How many of the cohorts came back, and how many persons they are."""
    back = sum(cohort.back[_PERIODS.index(figure.days)] for cohort in cohorts)
    persons = sum(cohort.persons for cohort in cohorts)
    return rules.ratio(back, persons, 10_000), persons


def _retention_card(
    figure: RetentionFigure,
    cohorts: Sequence[Cohort],
    period: Period,
    days: int,
    language: Language,
) -> CardView:
    """The cohorts whose days were over within the period, against those of the period before."""
    last = period.last_day - figure.days * _DAY
    first = last - (days - 1) * _DAY
    now = {cohort.on: cohort for cohort in cohorts if first <= cohort.on <= last}
    before = [cohort for cohort in cohorts if first - days * _DAY <= cohort.on < first]
    rate, persons = _rate(figure, list(now.values()))
    shown = [first + n * _DAY for n in range(days)]
    return CardView(
        key=f"retention_d{figure.days}",
        label=figure.label.of(language),
        value=rate,
        unit="bps",
        trend_bps=rules.trend_bps(rate, _rate(figure, before)[0]),
        series=[
            PointView(on, _rate(figure, [now[on]])[0] or 0 if on in now else 0) for on in shown
        ],
        health=rules.health(figure.threshold, rate, persons, language),
        definition=figure.definition.of(language),
    )


def _funnel_view(funnels: Sequence[Funnel], language: Language) -> FunnelView:
    whole, orders_only = funnels
    persons = whole.persons if whole.persons[0] else [0, 0, *orders_only.persons]
    return FunnelView(
        [
            FunnelStepView(
                key=key,
                label=label.of(language),
                persons=count,
                rate_bps=rate,
                health=None,
                definition=definition.of(language),
            )
            for (key, _, label, definition), count, rate in zip(
                rules.FUNNEL, persons, rules.rates(persons), strict=True
            )
        ]
    )
