"""The dashboard."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from siyu.insight.metrics.contracts import (
    CardView,
    DashboardView,
    FunnelStepView,
    FunnelView,
    PointView,
    RealtimeView,
    RetentionView,
)
from siyu.insight.metrics.rules import periods
from siyu.insight.metrics.rules.catalogue import (
    ACTIVE,
    MONEY,
    SEEN,
    Figure,
    RetentionFigure,
    amount,
    measures_of,
)
from siyu.insight.metrics.rules.figures import BOARD, FUNNEL, ORDER_COUNT, RETENTIONS, VISITORS
from siyu.insight.metrics.rules.periods import Period
from siyu.insight.metrics.service.keeping import Answers as KeptAnswers
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

_DAY = timedelta(days=1)
_PERIODS = tuple(figure.days for figure in RETENTIONS)
_REALTIME = timedelta(minutes=30)
_FUNNEL_WINDOW = timedelta(days=30)
_MEASURES: tuple[Measure, ...] = tuple(
    dict.fromkeys(
        measure
        for figure in BOARD
        for quantity in figure.quantities
        for measure in measures_of(quantity)
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
    period, answers = await boards.get(Asked(shop_id, time_zone, days, until, auto))
    [now, before], [realtime] = answers.series
    retention = [
        _retention_card(figure, answers.retentions[0].cohorts, period, days, language)
        for figure in RETENTIONS
    ]
    return DashboardView(
        as_of=period.until,
        cards=[*(_figure_card(figure, now, before, language) for figure in BOARD), *retention],
        funnel=_funnel_view(answers.funnels, language),
        retention=[
            RetentionView(figure.days, card.value, card.health)
            for figure, card in zip(RETENTIONS, retention, strict=True)
        ],
        realtime=RealtimeView(
            minutes=_REALTIME // timedelta(minutes=1),
            visitors=realtime.totals[0],
            orders=realtime.totals[1],
        ),
    )


async def _ask(asked: Asked) -> Found:
    until = asked.until or clock.now()
    period = periods.period_of(until, asked.days, asked.time_zone)
    answers = await engines.ask(_questions(asked, period))
    [last_us] = answers.lasts
    if asked.auto and last_us is not None and not any(answers.series[0][0].totals):
        # Nothing in these days: look at the days that end with the last event.
        until = engines.from_us(last_us) + timedelta(microseconds=1)
        period = periods.period_of(until, asked.days, asked.time_zone)
        answers = await engines.ask(_questions(asked, period))
    return period, answers


boards = KeptAnswers(_ask)


def _questions(asked: Asked, period: Period) -> Questions:
    now = clock.now()

    def series(measures: tuple[Measure, ...], *spans: tuple[datetime, datetime]) -> SeriesSpec:
        return SeriesSpec(
            shop_id=asked.shop_id, measures=measures, spans=spans, time_zone=asked.time_zone
        )

    def funnel(skip: int) -> FunnelSpec:
        return FunnelSpec(
            shop_id=asked.shop_id,
            steps=tuple(step for _, step, _, _ in FUNNEL[skip:]),
            window=_FUNNEL_WINDOW,
            since=period.since,
            until=period.until,
        )

    return Questions(
        # The second is for shops whose visitors are not seen (imported history): orders only.
        funnels=(funnel(0), funnel(2)),
        retentions=(
            RetentionSpec(
                shop_id=asked.shop_id,
                birth=ACTIVE,
                back=ACTIVE,
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
            series((VISITORS, ORDER_COUNT), (now - _REALTIME, now)),
        ),
        lasts=(LastSpec(shop_id=asked.shop_id, steps=(SEEN, MONEY), until=period.until),),
    )


def _value(figure: Figure, cell: Sequence[int]) -> int | None:
    """A figure out of the measures of one day or period."""
    counted = dict(zip(_MEASURES, cell, strict=True))
    top = amount(figure.top, counted, {})
    return top if figure.bottom is None else periods.ratio(top, _cases(figure, cell), figure.scale)


def _cases(figure: Figure, cell: Sequence[int]) -> int:
    if figure.bottom is None:
        return 0
    return amount(figure.bottom, dict(zip(_MEASURES, cell, strict=True)), {})


def _figure_card(figure: Figure, now: Series, before: Series, language: Language) -> CardView:
    value = _value(figure, now.totals)
    health = None
    if figure.threshold is not None:
        health = periods.health(figure.threshold, value, _cases(figure, now.totals), language)
    return CardView(
        key=figure.key,
        label=figure.label.of(language),
        value=value,
        unit=figure.unit,
        trend_bps=periods.trend_bps(value, _value(figure, before.totals)),
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
    return periods.ratio(back, persons, 10_000), persons


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
        key=figure.key,
        label=figure.label.of(language),
        value=rate,
        unit="bps",
        trend_bps=periods.trend_bps(rate, _rate(figure, before)[0]),
        series=[
            PointView(on, _rate(figure, [now[on]])[0] or 0 if on in now else 0) for on in shown
        ],
        health=periods.health(figure.threshold, rate, persons, language),
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
                FUNNEL, persons, periods.rates(persons), strict=True
            )
        ]
    )
