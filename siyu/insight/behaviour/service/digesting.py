"""The daily digest: yesterday in a few figures, told to staff in the morning."""

from datetime import date, datetime, timedelta
from uuid import UUID

from siyu.insight.behaviour import queries
from siyu.insight.behaviour.contracts import Digest, DigestLine, DigestNotFound
from siyu.insight.behaviour.queries import DigestRow
from siyu.insight.metrics import service as metrics
from siyu.kernel import clock
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import SeriesSpec

MORNING_HOUR = 8
_DAY = timedelta(days=1)
_FIGURES = {
    "visitors": metrics.figure_of("visitors"),
    "newcomers": metrics.figure_of("new_members"),
    "carts": metrics.figure_of("carters"),
    "orders": metrics.figure_of("paid_orders"),
    "turnover": metrics.figure_of("gmv"),
}
"""By the keys under which digests keep them: plain counts and sums of the catalogue."""
_MEASURES = tuple(measure for one in _FIGURES.values() for measure in metrics.measures_of(one.top))


async def make_digest(shop_id: ShopId, now: datetime) -> bool:
    """Make the digest of yesterday when it is morning in the shop and there is none yet.

    Whether one was made; a day on which nothing happened after a quiet week needs none. Opens its
    own transactions.
    """
    async with reading(shop_id) as tx:
        shop = await shops.get_shop(tx)
        today = business_day(now, shop.time_zone)
        morning = day_start(today, shop.time_zone) + timedelta(hours=MORNING_HOUR)
        if now < morning or await queries.has_digest(tx, today - _DAY):
            return False
    since = day_start(today - 8 * _DAY, shop.time_zone)
    spec = SeriesSpec(
        shop_id=shop_id,
        measures=_MEASURES,
        spans=((since, day_start(today, shop.time_zone)),),
        time_zone=shop.time_zone,
    )
    [[series]] = (await engines.ask(Questions(series=(spec,)))).series
    figures = {
        key: [values[-1], values[-2], (sum(values[:-1]) + 3) // 7]
        for key, values in zip(_FIGURES, series.values, strict=True)
    }
    if not any(any(values) for values in series.values):
        return False
    async with transaction(shop_id) as tx:
        await queries.insert_digest(tx, today - _DAY, figures, now)
    return True


async def list_digests(
    tx: ReadTx, staff_id: UUID, language: Language, before: date | None, limit: int
) -> list[Digest]:
    """Digests, the newest first."""
    return [
        _shown(row, language) for row in await queries.list_digests(tx, staff_id, before, limit)
    ]


async def mark_read(tx: Tx, staff_id: UUID, on: date) -> None:
    """Note that somebody has read the digest of a day. Raises DigestNotFound."""
    if not await queries.has_digest(tx, on):
        raise DigestNotFound
    await queries.insert_read(tx, on, staff_id, clock.now())


def _shown(row: DigestRow, language: Language) -> Digest:
    lines = []
    for key, (value, before, mean) in row.figures.items():
        figure = _FIGURES[key]
        name, words = figure.label.of(language), figure.definition.of(language)
        lines.append(DigestLine(figure.key, name, figure.unit, value, before, mean, words))
    return Digest(row.at_day, _headline(lines, language), lines, row.is_read)


def _headline(lines: list[DigestLine], language: Language) -> str:
    """The line that is furthest from its own mean, in words."""

    def distance(line: DigestLine) -> float:
        return abs(line.value - line.mean) / max(line.mean, 1)

    most = max(lines, key=distance)
    if distance(most) < 0.1:
        return "与前七天相当" if language == "zh-CN" else "Much as in the seven days before"
    percent = round(distance(most) * 100)
    more = most.value > most.mean
    if language == "zh-CN":
        return f"{most.label}比前七天日均{'多' if more else '少'} {percent}%"
    return f"{most.label}: {percent}% {'above' if more else 'below'} the mean of seven days"
