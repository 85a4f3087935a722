"""What the demo shop was like before today: sixty days of its till and its visitors, and what its
staff made of them — a north star, boards, remarks, a week of digests.

`python -m siyu.app.demo_history SHOP_CODE`: the till's orders go through the import of another
system's history, visits through the tail as the shop's pages send them. The same days every time.
"""

import asyncio
import csv
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from siyu.app.processes import program_database
from siyu.commerce.catalog import service as catalog
from siyu.commerce.ordering.service.import_history import import_files
from siyu.insight.behaviour import service as behaviour
from siyu.insight.behaviour.contracts import (
    BoardBody,
    Chart,
    FunnelQuestion,
    HeatQuestion,
    Period,
    RetentionQuestion,
    ShareQuestion,
    TrendQuestion,
)
from siyu.insight.metrics import service as metrics
from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from siyu.people.segments.contracts import StepBody
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, TailEvent

DAYS, BATCH = 60, 2_000
_BY = System(actor_name="掌柜")
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_NAMES = (
    "林晓", "陈默", "周游", "许愿", "沈禾", "苏叶", "江川", "何夕",
    "方圆", "顾安", "宋词", "韩露", "唐果", "叶知秋", "梁辰", "白杨",
)  # fmt: skip
_ZONES = ("home.banner", "home.hot", "home.bundles", "home.activity")
_ZONE_SHARES = (0.9, 3.2, 1.4, 0.7)
_HOME, _PRODUCT = "pages/home/home", "commerce/catalog/product"


class Item(msgspec.Struct, frozen=True):
    """Something that is sold, and how much it is liked."""

    number: int
    code: str
    title: str
    price_fen: int
    liking: float


class Visit(msgspec.Struct, frozen=True):
    """Somebody comes; `bought`: (item, pieces), empty when nothing is."""

    who: str
    at: datetime
    channel: str
    seen: list[tuple[str, Item | None, str, int]]
    bought: list[tuple[Item, int]]


def visits(items: list[Item], first: datetime, dice: random.Random) -> Iterator[Visit]:
    """Sixty days: slowly more newcomers, fuller weekends, regulars who come back by habit."""
    regulars: list[tuple[str, float]] = []
    for day in range(DAYS):
        begin = first + day * _DAY
        busy = 1.35 if begin.weekday() in (4, 5) else 1.0
        for n in range(round(dice.gauss(13 + day / 10, 2.5) * busy)):
            who = f"till-{day:02}-{n:02}"
            regulars.append((who, dice.paretovariate(1.6) * 0.016))
            yield _visit(who, items, begin, dice, buys=0.075)
        for who, habit in regulars[:-30]:
            if dice.random() < min(habit, 0.5) * busy:
                yield _visit(who, items, begin, dice, buys=0.16)


def _visit(
    who: str, items: list[Item], begin: datetime, dice: random.Random, *, buys: float
) -> Visit:
    """From a glance to a basket. Evenings are fullest."""
    hour = dice.choices((9, 12, 15, 18, 20, 21), (1, 3, 2, 3, 5, 4))[0]
    at = begin + hour * timedelta(hours=1) + dice.randrange(3_500) * timedelta(seconds=1)
    seen: list[tuple[str, Item | None, str, int]] = [("view", None, "", 0)]
    bought: list[tuple[Item, int]] = []
    if dice.random() > 0.36:
        zone = dice.choices(_ZONES, _ZONE_SHARES)[0]
        seen.append(("dwell", None, zone, dice.randrange(900, 9_000)))
        likings = [item.liking for item in items]
        shown = dice.choices(items, likings, k=dice.randint(2, 4))
        seen += [("expose", item, zone, 0) for item in shown]
        for item in dict.fromkeys(shown):
            if dice.random() < 0.45:
                seen += [("click", item, zone, 0), ("view", item, "", 0)]
                if dice.random() < 0.3:
                    seen.append(("cart", item, "", 0))
                if dice.random() < 0.05:
                    seen.append(("share", item, "", 0))
                if not bought and dice.random() < buys * 2:
                    bought = [(item, dice.choices((1, 2, 3), (6, 3, 1))[0])]
                    if dice.random() < 0.35:
                        bought.append((dice.choices(items, likings)[0], 1))
    channel = dice.choices(("mp-weixin", "h5"), (4, 1))[0]
    return Visit(who, at, channel, seen, bought)


async def list_items(shop_id: ShopId) -> list[Item]:
    """What the shop sells, the first things most liked."""
    async with reading(shop_id) as tx:
        cards = await catalog.load_cards(tx, await catalog.list_products(tx, None, 40))
        stock = await catalog.list_stock_skus(tx, None, 300)
    codes = {row.product_id: row.sku_code for row in reversed(stock) if row.sku_code}
    sold = sorted((c for c in cards if c.product_id in codes), key=lambda card: card.product_no)
    return [
        Item(
            card.product_no, codes[card.product_id], card.title, card.price_fen, 1 / (2 + n) ** 0.8
        )
        for n, card in enumerate(sold)
    ]


def write_till(file: Path, told: list[Visit], zone: ZoneInfo, prefix: str = "T") -> None:
    """The till's list of what these visits bought; its numbers begin with `prefix`."""
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(
            ["客户编号", "昵称", "下单时间", "订单号", "商品编码", "商品名称", "数量", "单价"]
        )
        for number, visit in enumerate(told):
            at = (visit.at + 4 * _MINUTE).astimezone(zone).strftime("%Y/%m/%d %H:%M:%S")
            name = _NAMES[_number_of(visit.who) % len(_NAMES)]
            for item, pieces in {one.code: (one, n) for one, n in visit.bought}.values():
                price = f"{item.price_fen / 100:.2f}"
                order_no = f"{prefix}{number:05}"
                rows.writerow([visit.who, name, at, order_no, item.code, item.title, pieces, price])


def _number_of(text: str) -> int:
    """The same in every process."""
    return sum(ord(char) * (7 + n) for n, char in enumerate(text))


def _sixty_days(items: list[Item], zone_name: str) -> list[Visit]:
    today = business_day(clock.now(), zone_name)
    return list(visits(items, day_start(today - DAYS * _DAY, zone_name), random.Random(60)))


async def list_customers(shop_id: ShopId) -> dict[int, str]:
    """Who has bought at the till: person number → the till's number of theirs."""
    items = await list_items(shop_id)
    async with transaction(shop_id) as tx:
        told = _sixty_days(items, (await shops.get_shop(tx)).time_zone)
        rows = [ImportRow(visit.who, visit.at, None, None) for visit in told if visit.bought]
        known = await members.import_people(tx, rows)
    return {row.person_no: who for who, row in known.items()}


async def load(code: str) -> None:
    """Fill the shop once; nothing happens where there is a board already."""
    identity = await shops.resolve_shop(code)
    assert identity is not None
    shop_id = identity.shop_id
    async with reading(shop_id) as tx:
        if await behaviour.list_boards(tx):
            return
        zone_name = (await shops.get_shop(tx)).time_zone
    items = await list_items(shop_id)
    told = _sixty_days(items, zone_name)
    buying = [visit for visit in told if visit.bought]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "till.csv"
        write_till(file, buying, ZoneInfo(zone_name))
        await import_files(code, [file])
    async with transaction(shop_id) as tx:
        first_at: dict[str, datetime] = {}
        for visit in buying:
            first_at.setdefault(visit.who, visit.at)
        known = await members.import_people(
            tx, [ImportRow(who, at, None, None) for who, at in first_at.items()]
        )
        keys = {visit.who: uuid4() for visit in told if visit.who not in known}
        numbers = await members.persons_of_visitors(tx, list(keys.values()))
    persons = {who: row.person_no for who, row in known.items()}
    persons |= {who: numbers[key] for who, key in keys.items()}
    await _send(shop_id, told, persons)
    await _settle(shop_id, zone_name)


async def _send(shop_id: ShopId, told: list[Visit], persons: dict[str, int]) -> None:
    """What the shop's pages would have sent."""
    events = [
        TailEvent(
            shop_id=shop_id,
            person_no=persons[visit.who],
            at_us=to_us(visit.at + n * timedelta(seconds=9)),
            name=f"behaviour.{name}",
            channel=visit.channel,
            item_no=item.number if item else 0,
            page=_PRODUCT if item and name in ("view", "cart", "share") else _HOME,
            props={k: v for k, v in (("zone", zone), ("dwell_ms", dwell)) if v} or None,
        )
        for visit in told
        for n, (name, item, zone, dwell) in enumerate(visit.seen)
    ]
    for at in range(0, len(events), BATCH):
        batch = Batch(source=shop_id, batch_key=uuid4(), events=events[at : at + BATCH])
        await tail.collect(batch)


async def _settle(shop_id: ShopId, time_zone: str) -> None:
    """What the staff made of it."""

    def step(event: str) -> StepBody:
        return StepBody(event=event)

    month = Period(last_days=30)
    growth = BoardBody(name="每周看增长", charts=[
        Chart(title="访客与支付人数", wide=True, question=TrendQuestion(
            period=Period(last_days=60), steps=[step("any.visit"), step("any.order")])),
        Chart(title="新客一个月后还来吗", question=RetentionQuestion(
            period=Period(last_days=56), birth=step("any.active"), back=step("any.active"),
            unit="week", periods=4, within=True)),
        Chart(title="首页哪里被点", question=ShareQuestion(
            period=month, step=step("behaviour.click"), by="zone")),
    ])  # fmt: skip
    buying = BoardBody(name="从看到买", charts=[
        Chart(title="浏览到支付", question=FunnelQuestion(
            period=month,
            steps=[step("behaviour.view"), step("behaviour.click"), step("any.order")])),
        Chart(title="首页哪里有人看", question=HeatQuestion(period=month, page=_HOME)),
        Chart(title="商品被点多少次", question=ShareQuestion(
            period=month, step=step("behaviour.click"), by="item_no")),
    ])  # fmt: skip
    today = business_day(clock.now(), time_zone)
    async with transaction(shop_id) as tx:
        for body in (growth, buying):
            await behaviour.save_board(tx, _BY, body)
        await behaviour.annotate(tx, _BY, today - 18 * _DAY, "首页换新横幅")
        await behaviour.annotate(tx, _BY, today - 9 * _DAY, "春茶上架")
        await metrics.choose(tx, _BY, "gmv", 1_500_000)
    for days in range(6, -1, -1):
        morning = day_start(today - days * _DAY, time_zone) + timedelta(hours=9)
        await behaviour.make_digest(shop_id, min(morning, clock.now()))


async def main(code: str) -> None:
    """Fill the shop of the installation that the environment names."""
    async with program_database(config.settings(), size=4):
        await load(code)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
