"""Figures over runs of whole business days."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction

import msgspec

from siyu.insight.metrics.rules.catalogue import (
    ACTIVE,
    MONEY,
    SEEN,
    Earlier,
    Figure,
    amount,
    measures_of,
)
from siyu.insight.metrics.rules.figures import RETENTIONS
from siyu.insight.metrics.rules.periods import WEEK_DAYS, Run, ratio
from siyu.kernel import clock
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.ids import ShopId
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Cohort, Questions
from siyu.warehouse.query.contracts import LastSpec, Measure, People, RetentionSpec, SeriesSpec

_DAY = timedelta(days=1)
_LONG_AGO = timedelta(days=3_500)


class Counted(msgspec.Struct, frozen=True):
    """What was measured in a run, and of newcomers in all time before it."""

    now: Mapping[Measure, int]
    past: Mapping[Measure, int]

    def exact(self, figure: Figure) -> Fraction | None:
        """Top, or top / bottom, without the figure's scale; None: nothing to divide by."""
        top = amount(figure.top, self.now, self.past)
        if figure.bottom is None:
            return Fraction(top)
        bottom = self.cases(figure)
        return Fraction(top, bottom) if bottom > 0 else None

    def value(self, figure: Figure) -> int | None:
        """The figure in its unit."""
        top = amount(figure.top, self.now, self.past)
        return top if figure.bottom is None else ratio(top, self.cases(figure), figure.scale)

    def cases(self, figure: Figure) -> int:
        """What it is divided by; of a plain count: the count."""
        return amount(figure.bottom or figure.top, self.now, self.past)


async def last_day(shop_id: ShopId, time_zone: str) -> date:
    """Yesterday; where nothing happened for a week, the day of the last event there is."""
    today = business_day(clock.now(), time_zone)
    asked = LastSpec(shop_id=shop_id, steps=(SEEN, MONEY), until=day_start(today, time_zone))
    [last_us] = (await engines.ask(Questions(lasts=(asked,)))).lasts
    yesterday = today - _DAY
    if last_us is None:
        return yesterday
    told = business_day(engines.from_us(last_us), time_zone)
    return yesterday if told > yesterday - WEEK_DAYS * _DAY else told


def _spec(
    shop_id: ShopId, time_zone: str, runs: Sequence[Run], measures: Iterable[Measure]
) -> SeriesSpec:
    return SeriesSpec(
        shop_id=shop_id,
        measures=tuple(dict.fromkeys(measures)),
        spans=tuple(run.span(time_zone) for run in runs),
        time_zone=time_zone,
    )


async def count(
    shop_id: ShopId,
    time_zone: str,
    runs: Sequence[Run],
    figures: Iterable[Figure],
    people: Sequence[People | None] = (None,),
) -> list[list[Counted]]:
    """For each group of people what the figures need, run by run (the oldest run first)."""
    quantities = [quantity for figure in figures for quantity in figure.quantities]
    plain = _spec(shop_id, time_zone, runs, (m for q in quantities for m in measures_of(q)))
    earlier = tuple(dict.fromkeys(q.of for q in quantities if isinstance(q, Earlier)))
    asked = [plain]
    if earlier:
        since = day_start(runs[0].first, time_zone)
        before = msgspec.structs.replace(
            plain, measures=earlier, spans=((since - _LONG_AGO, since),)
        )
        within = msgspec.structs.replace(plain, measures=earlier)
        asked += [before, within]
    specs = tuple(msgspec.structs.replace(one, people=who) for who in people for one in asked)
    found = (await engines.ask(Questions(series=specs))).series
    groups = []
    for n in range(0, len(found), len(asked)):
        past = [0] * len(earlier) if not earlier else found[n + 1][0].totals
        group = []
        for at, series in enumerate(found[n]):
            now = dict(zip(plain.measures, series.totals, strict=True))
            group.append(Counted(now, dict(zip(earlier, past, strict=True))))
            if earlier:
                added = found[n + 2][at].totals
                past = [one + more for one, more in zip(past, added, strict=True)]
        groups.append(group)
    return groups


async def count_returned(
    shop_id: ShopId, time_zone: str, runs: Sequence[Run]
) -> dict[str, list[tuple[int, int]]]:
    """Per retention figure and run: (came back, persons) of those whose days were over in it."""
    periods = tuple(figure.days for figure in RETENTIONS)
    asked = RetentionSpec(
        shop_id=shop_id,
        birth=ACTIVE,
        back=ACTIVE,
        first_day=runs[0].first - max(periods) * _DAY,
        last_day=runs[-1].last - min(periods) * _DAY,
        periods=periods,
        time_zone=time_zone,
        within=True,
    )
    [found] = (await engines.ask(Questions(retentions=(asked,)))).retentions

    def over(run: Run, days: int) -> list[Cohort]:
        shift = days * _DAY
        return [c for c in found.cohorts if run.first - shift <= c.on <= run.last - shift]

    return {
        figure.key: [
            (sum(c.back[n] for c in born), sum(c.persons for c in born))
            for born in (over(run, figure.days) for run in runs)
        ]
        for n, figure in enumerate(RETENTIONS)
    }
