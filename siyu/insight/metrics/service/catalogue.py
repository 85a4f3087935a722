"""The catalogue of figures: twelve weeks of each, against the trade and against itself."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from siyu.insight.metrics.contracts import (
    BreakdownView,
    CatalogueView,
    HealthView,
    MetricPage,
    MetricView,
    PartView,
    UnknownMetric,
    WeekView,
)
from siyu.insight.metrics.rules import periods
from siyu.insight.metrics.rules.catalogue import (
    Figure,
    MissingFigure,
    RetentionFigure,
    Threshold,
    Words,
    amount,
    formula_of,
    measures_of,
    source_of,
)
from siyu.insight.metrics.rules.figures import BY_KEY, FIGURES, MISSING, RETENTIONS
from siyu.insight.metrics.rules.periods import Run, runs
from siyu.insight.metrics.rules.tree import SPLITS
from siyu.insight.metrics.service import measuring
from siyu.insight.metrics.service.keeping import Answers
from siyu.insight.metrics.service.measuring import Counted
from siyu.kernel.db import reading
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.people.segments import service as segments
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import Measure, SeriesSpec, ShareSpec, Where

WEEKS = 12
_BREAKDOWN_DAYS, _TOP = 28, 8
_NOTHING = Words(
    "还没有这类事件：发生之后自动开始统计。",
    "There are no such events yet; it is told as soon as there are.",
)
_UNRIPE = Words("还没有满期的新客。", "No newcomer's days are over yet.")
_BY = {
    "channel": Words("按渠道", "By channel"),
    "page": Words("按页面", "By page"),
    "segment": Words("按人群", "By segment"),
}


class Place(msgspec.Struct, frozen=True):
    """Whose business days."""

    shop_id: ShopId
    time_zone: str


class Weeks(msgspec.Struct, frozen=True):
    """Twelve weeks of a shop: per run what was counted, and who came back."""

    runs: list[Run]
    counted: list[Counted]
    returned: Mapping[str, list[tuple[int, int]]]

    @property
    def last(self) -> date:
        """The last day told of."""
        return self.runs[-1].last


async def _measure(place: Place) -> Weeks:
    last = await measuring.last_day(place.shop_id, place.time_zone)
    weeks = runs(last, WEEKS)
    [counted] = await measuring.count(place.shop_id, place.time_zone, weeks, FIGURES)
    returned = await measuring.count_returned(place.shop_id, place.time_zone, weeks)
    return Weeks(weeks, counted, returned)


weeks_of = Answers(_measure)


async def list_metrics(shop_id: ShopId, time_zone: str, language: Language) -> CatalogueView:
    """Every figure of the catalogue, those that cannot be told yet included."""
    weeks = await weeks_of.get(Place(shop_id, time_zone))
    return CatalogueView(weeks.last, list_views(weeks, language))


def list_views(weeks: Weeks, language: Language) -> list[MetricView]:
    """The figures of some weeks, in the order of the catalogue."""
    views = [
        *(_figure(one, weeks, language) for one in FIGURES),
        *(_retention(one, weeks, language) for one in RETENTIONS),
        *(_missing(one, language) for one in MISSING),
    ]
    return sorted(views, key=lambda view: _GROUPS.index(view.group))


_GROUPS = ("trade", "traffic", "customers", "marketing")


async def get_metric(shop_id: ShopId, time_zone: str, key: str, language: Language) -> MetricPage:
    """A figure with its break-downs over four weeks. Raises UnknownMetric."""
    weeks = await weeks_of.get(Place(shop_id, time_zone))
    view = next((one for one in list_views(weeks, language) if one.key == key), None)
    if view is None:
        raise UnknownMetric(key=key)
    figure = BY_KEY.get(key)
    breakdowns = []
    if figure is not None and view.missing is None:
        run = runs(weeks.last, 1, _BREAKDOWN_DAYS)[0]
        breakdowns = [
            await _by_prop(shop_id, time_zone, figure, prop, run, language)
            for prop in figure.splits
        ]
        breakdowns.append(await _by_segment(shop_id, time_zone, figure, run, language))
    return MetricPage(
        as_of=weeks.last,
        metric=view,
        parts=list(SPLITS[key].parts) if key in SPLITS else [],
        used_by=[other for other, split in SPLITS.items() if key in split.parts],
        breakdowns=[one for one in breakdowns if one.parts],
    )


# --- views ------------------------------------------------------------------------------------


def _figure(figure: Figure, weeks: Weeks, language: Language) -> MetricView:
    values = [counted.value(figure) for counted in weeks.counted]
    told = any(amount(one, each.now, each.past) for each in weeks.counted for one in figure.counts)
    return _view(
        figure,
        weeks,
        values if told else [None] * len(values),
        weeks.counted[-1].cases(figure) if told else 0,
        language,
        missing=None if told else _NOTHING,
        better=figure.better,
        formula=formula_of(figure, language),
        source=source_of(figure),
    )


def _retention(figure: RetentionFigure, weeks: Weeks, language: Language) -> MetricView:
    returned = weeks.returned[figure.key]
    born = Words(f"新客中 {figure.days} 天内再次活跃的人数 ÷ 新客人数",
                 f"newcomers active again within {figure.days} days ÷ newcomers")  # fmt: skip
    return _view(
        figure,
        weeks,
        [periods.ratio(back, persons, 10_000) for back, persons in returned],
        returned[-1][1],
        language,
        missing=None if any(persons for _, persons in returned) else _UNRIPE,
        better="ge",
        formula=born.of(language),
        source=source_of(BY_KEY["active"]),
    )


def _missing(figure: MissingFigure, language: Language) -> MetricView:
    return MetricView(
        key=figure.key, group=figure.group, label=figure.label.of(language), unit=figure.unit,
        value=None, own_mean=None, own_bps=None, weeks=[], better=None, state="unknown",
        health=_health(figure.threshold, None, 0, language),
        action=figure.threshold.action.of(language) if figure.threshold else None,
        missing=figure.why.of(language), definition=figure.definition.of(language),
        formula=figure.definition.of(language), source="",
    )  # fmt: skip


def _health(
    threshold: Threshold | None, value: int | None, cases: int, language: Language
) -> HealthView | None:
    return None if threshold is None else periods.health(threshold, value, cases, language)


def _view(
    figure: Figure | RetentionFigure,
    weeks: Weeks,
    values: Sequence[int | None],
    cases: int,
    language: Language,
    *,
    missing: Words | None,
    better: str | None,
    formula: str,
    source: str,
) -> MetricView:
    own = periods.mean(values[:-1])
    health = _health(figure.threshold, values[-1], cases, language)
    return MetricView(
        key=figure.key,
        group=figure.group if isinstance(figure, Figure) else "customers",
        label=figure.label.of(language),
        unit=figure.unit if isinstance(figure, Figure) else "bps",
        value=values[-1],
        own_mean=own,
        own_bps=periods.trend_bps(values[-1], own),
        weeks=[
            WeekView(run.first, run.last, value)
            for run, value in zip(weeks.runs, values, strict=True)
        ],
        better=better,  # type: ignore[arg-type]
        state=health.state if health else "unknown",
        health=health,
        action=figure.threshold.action.of(language) if figure.threshold else None,
        missing=missing.of(language) if missing else None,
        definition=figure.definition.of(language),
        formula=formula,
        source=source,
    )


# --- break-downs ------------------------------------------------------------------------------


async def _by_prop(
    shop_id: ShopId, time_zone: str, figure: Figure, prop: str, run: Run, language: Language
) -> BreakdownView:
    """By the largest values of a property that all its events carry."""
    base = next(m for q in reversed(figure.quantities) for m in measures_of(q))
    since, until = run.span(time_zone)
    listed = ShareSpec(
        shop_id=shop_id, step=base.step, prop=prop, since=since, until=until,
        time_zone=time_zone, grain="month", top=_TOP,
    )  # fmt: skip
    [share] = (await engines.ask(Questions(shares=(listed,)))).shares
    names = [part.value for part in share.parts if part.value]
    measures = tuple(dict.fromkeys(m for q in figure.quantities for m in measures_of(q)))
    specs = tuple(
        SeriesSpec(
            shop_id=shop_id, measures=measures, spans=((since, until),), time_zone=time_zone,
            where=(Where(prop, "eq", name),),
        )
        for name in names
    )  # fmt: skip
    found = (await engines.ask(Questions(series=specs))).series if specs else []
    parts = [
        _part(figure, name, name, measures, one.totals)
        for name, [one] in zip(names, found, strict=True)
    ]
    return BreakdownView(prop, _BY[prop].of(language), parts)


def _part(
    figure: Figure, key: str, label: str, measures: Sequence[Measure], totals: Sequence[int]
) -> PartView:
    counted = Counted(dict(zip(measures, totals, strict=True)), {})
    return PartView(key, label, counted.value(figure), counted.cases(figure))


async def _by_segment(
    shop_id: ShopId, time_zone: str, figure: Figure, run: Run, language: Language
) -> BreakdownView:
    """By the shop's saved segments, the newest eight."""
    async with reading(shop_id) as tx:
        saved = (await segments.list_segments(tx))[:_TOP]
        people = [await segments.people_of(tx, one.segment_id) for one in saved]
    groups = await measuring.count(shop_id, time_zone, [run], [figure], people) if people else []
    parts = [
        PartView(str(one.segment_id), one.name, group[0].value(figure), group[0].cases(figure))
        for one, group in zip(saved, groups, strict=True)
    ]
    return BreakdownView("segment", _BY["segment"].of(language), parts)
