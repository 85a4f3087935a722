"""The daily digest: yesterday in a few figures, told to staff in the morning."""

from datetime import date, datetime, timedelta
from uuid import UUID

from siyu.insight.behaviour import queries, rules
from siyu.insight.behaviour.contracts import Digest, DigestLine, DigestNotFound
from siyu.insight.behaviour.queries import DigestRow
from siyu.kernel import clock
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import Count, Measure, SeriesSpec, Step

MORNING_HOUR = 8
_DAY = timedelta(days=1)
_CART = Step("behaviour.cart")
_JOINED = Step("members.member_joined")
_MEASURES = {
    "visitors": Measure(Count.PERSONS, rules.VISIT),
    "newcomers": Measure(Count.EVENTS, _JOINED),
    "carts": Measure(Count.PERSONS, _CART),
    "orders": Measure(Count.EVENTS, rules.ORDER),
    "turnover": Measure(Count.AMOUNT, rules.ORDER),
}
_WORDS = {
    "visitors": (
        ("访客", "当天有任一浏览行为的人数。"),
        ("Visitors", "Persons with any behaviour on the day."),
    ),
    "newcomers": (
        ("新会员", "当天注册的会员数。"),
        ("New members", "Members who joined on the day."),
    ),
    "carts": (
        ("加购人数", "当天加入购物车的人数。"),
        ("Carts", "Persons who put something into the cart."),
    ),
    "orders": (
        ("支付订单", "当天支付的订单数，含导入的历史订单。"),
        ("Orders paid", "Orders paid on the day, imports included."),
    ),
    "turnover": (
        ("支付金额", "当天支付订单的金额之和，未减退款。"),
        ("Paid", "Sum of the orders paid on the day, before refunds."),
    ),
}


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
        measures=tuple(_MEASURES.values()),
        spans=((since, day_start(today, shop.time_zone)),),
        time_zone=shop.time_zone,
    )
    [[series]] = (await engines.ask(Questions(series=(spec,)))).series
    figures = {
        key: [values[-1], values[-2], (sum(values[:-1]) + 3) // 7]
        for key, values in zip(_MEASURES, series.values, strict=True)
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
    at = 0 if language == "zh-CN" else 1
    for key, (value, before, mean) in row.figures.items():
        name, definition = _WORDS[key][at]
        unit = "fen" if key == "turnover" else "count"
        lines.append(DigestLine(key, name, unit, value, before, mean, definition))  # type: ignore[arg-type]
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
