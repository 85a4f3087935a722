"""The dashboard: figures exact against cases worked out by hand, in the shop's business days."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from siyu.insight.metrics import service
from siyu.insight.metrics.contracts import HealthView
from siyu.insight.metrics.rules import periods
from siyu.insight.metrics.rules.figures import FIGURES, RETENTIONS
from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.support import write

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)  # noon of 20 March in Shanghai
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def fresh():
    service.forget()


class Story:
    """Events of a shop, told one after the other."""

    def __init__(self, shop: int) -> None:
        self.shop = shop
        self.events: list[TailEvent] = []

    def tell(self, person: int, at: datetime, *names: str, fen: int = 0) -> None:
        """Events of a person, ten seconds apart."""
        for n, name in enumerate(names):
            name = name if "." in name else f"behaviour.{name}"
            self.events.append(
                TailEvent(
                    shop_id=self.shop,
                    person_no=person,
                    at_us=to_us(at + n * timedelta(seconds=10)),
                    name=name,
                    channel="h5",
                    amount_fen=fen,
                )
            )

    def pay(self, person: int, at: datetime, fen: int) -> None:
        self.tell(person, at, "ordering.order_paid", fen=fen)

    async def write(self) -> None:
        await write(Batch(source=self.shop, batch_key=uuid4(), events=self.events))


async def board(shop: int, days: int = 7, **more):
    asked = {"until": NOW, "time_zone": ZONE} | more
    with clock.turned(NOW):
        return await service.get_dashboard(shop, language="en", days=days, **asked)


def card(found, key: str):
    return next(card for card in found.cards if card.key == key)


def values(found) -> dict[str, int | None]:
    return {card.key: card.value for card in found.cards}


async def a_week(shop: int) -> Story:
    """Five visitors in the week before NOW, one the week before; three buy."""
    story = Story(shop)
    before = NOW - 9 * DAY
    story.tell(1, before, "view")
    story.pay(1, before + MINUTE, 4_000)
    # Person 1: two visits (one page, then two), a second order.
    story.tell(1, NOW - 2 * DAY, "expose", "view")
    story.tell(1, NOW - 2 * DAY + 31 * MINUTE, "view", "click", "view")
    story.pay(1, NOW - 2 * DAY + 40 * MINUTE, 6_000)
    # Person 2: sees, taps, pays twice.
    story.tell(2, NOW - DAY, "expose", "click", "view", "view", "view")
    story.tell(2, NOW - DAY, "members.member_joined")
    story.pay(2, NOW - DAY + MINUTE, 5_000)
    story.pay(2, NOW - DAY + 2 * MINUTE, 1)
    # Persons 3 and 4 look; 5 only sees a card.
    story.tell(3, NOW - 3 * DAY, "expose", "view")
    story.tell(4, NOW - 5 * MINUTE, "expose", "click", "view")
    story.tell(5, NOW - 4 * DAY, "expose")
    # Person 6 buys without agreeing to be seen; a history's return is money, not an order.
    story.pay(6, NOW - 6 * MINUTE, 9_999)
    story.tell(6, NOW - MINUTE, "ordering.order_imported", fen=-999)
    await story.write()
    return story


async def test_a_refund_reduces_turnover_and_no_count(warehouse):
    story = Story(1)
    story.pay(1, NOW - DAY, 5_000)
    story.pay(2, NOW - DAY, 3_000)
    story.tell(2, NOW - 2 * MINUTE, "ordering.order_refund_started")
    story.tell(2, NOW - MINUTE, "ordering.order_refunded", fen=-3_000)
    await story.write()
    found = values(await board(1))
    assert (found["turnover"], found["paid_orders"], found["aov"]) == (5_000, 2, 2_500)


async def test_a_week_worked_out_by_hand(warehouse):
    await a_week(1)
    found = await board(1)
    assert found.as_of == NOW
    assert values(found) == {
        "turnover": 6_000 + 5_000 + 1 + 9_999 - 999,
        "paid_orders": 4,
        "new_members": 1,
        "conversion": 4_000,  # 1 and 2 of 1, 2, 3, 4, 5
        "aov": 5_000,  # 20,001 / 4, rounded
        "arpu": 6_667,  # 20,001 / 3
        "repurchase": 6_667,  # 1 and 2 of 1, 2, 6
        "pages_per_visitor": 200,  # 8 pages / 4 persons
        "bounce": 6_000,  # 3 of 5 visits: 1's first, 3's, 4's
        "retention_d7": 10_000,  # 1, nine days old, was there a week later
        "retention_d30": None,
    }
    assert card(found, "turnover").trend_bps == 40_003  # 4,000 before
    assert card(found, "paid_orders").trend_bps == 30_000
    assert card(found, "new_members").trend_bps is None
    assert [(step.key, step.persons, step.rate_bps) for step in found.funnel.steps] == [
        ("expose", 5, None),
        ("click", 3, 6_000),
        ("convert", 2, 6_667),
        ("repurchase", 1, 5_000),
    ]
    assert (found.realtime.minutes, found.realtime.visitors, found.realtime.orders) == (30, 1, 1)


async def test_files_and_tail_give_the_same_dashboard(warehouse):
    story = await a_week(1)
    before = await board(1)
    await compaction.compact()
    service.forget()
    assert await board(1) == before
    story.events = [story.events[0]]
    assert story.events[0].person_no == 1


async def test_series_are_business_days_of_the_shop(warehouse):
    """23:59 and 00:00 in Shanghai are two days, though one day in London."""
    story = Story(1)
    midnight = datetime(2026, 3, 18, 16, 0, tzinfo=UTC)  # 00:00 of 19 March in Shanghai
    story.pay(1, midnight - timedelta(microseconds=1), 100)
    story.pay(2, midnight, 250)
    await story.write()
    found = card(await board(1), "turnover")
    assert [(point.on, point.value) for point in found.series] == [
        (date(2026, 3, day), value)
        for day, value in zip(range(14, 21), [0, 0, 0, 0, 100, 250, 0], strict=True)
    ]
    found = card(await board(1, time_zone="Europe/London"), "turnover")
    assert [point.value for point in found.series] == [0, 0, 0, 0, 350, 0, 0]


async def test_a_period_begins_with_its_first_business_day(warehouse):
    story = Story(1)
    begin = datetime(2026, 3, 13, 16, 0, tzinfo=UTC)  # 00:00 of 14 March in Shanghai
    story.pay(1, begin - DAY, 50)
    story.pay(1, begin - timedelta(microseconds=1), 100)  # in the night between: in neither
    story.pay(2, begin, 1_000)
    await story.write()
    found = card(await board(1), "turnover")
    assert (found.value, found.trend_bps) == (1_000, 190_000)


async def test_the_period_before_is_cut_at_the_same_hour(warehouse):
    story = Story(1)
    story.pay(1, NOW - 7 * DAY, 100)  # a week ago, at this very moment: not yet then
    story.pay(1, NOW - 7 * DAY - MINUTE, 50)
    story.pay(1, NOW - MINUTE, 75)
    await story.write()
    found = card(await board(1), "turnover")
    assert (found.value, found.trend_bps) == (75, 5_000)


async def test_retention_counts_persons_whose_days_are_over(warehouse):
    story = Story(1)
    born = NOW - 8 * DAY
    for person in range(1, 13):
        story.tell(person, born, "view")
    for person in range(1, 4):
        story.tell(person, born + person * 2 * DAY, "view")  # after 2, 4, 6 days
    story.tell(4, born + 8 * DAY - MINUTE, "view")  # too late
    story.tell(5, born + 5 * MINUTE, "view")  # the same day
    story.tell(20, NOW - 3 * DAY, "view")  # her days are not over
    story.tell(30, NOW - 14 * DAY, "view")  # of the week before, and did not come back
    await story.write()
    found = await board(1)
    week, month = found.retention
    assert (week.days, week.rate_bps, week.health.state) == (7, 2_500, "good")
    assert (month.days, month.rate_bps, month.health.state) == (30, None, "unknown")
    shown = card(found, "retention_d7")
    assert (shown.value, shown.trend_bps) == (2_500, None)
    assert [(p.on, p.value) for p in shown.series if p.value] == [(date(2026, 3, 12), 2_500)]
    assert [p.on for p in shown.series] == [date(2026, 3, day) for day in range(7, 14)]


async def test_a_shop_without_events_has_a_quiet_dashboard(warehouse):
    found = await board(1, days=90)
    assert values(found) == {
        "turnover": 0, "paid_orders": 0, "new_members": 0, "conversion": None, "aov": None,
        "arpu": None, "repurchase": None, "pages_per_visitor": None, "bounce": None,
        "retention_d7": None, "retention_d30": None,
    }  # fmt: skip
    assert all(len(card.series) == 90 for card in found.cards)
    assert {card.trend_bps for card in found.cards} == {None}
    assert {card.health.state for card in found.cards if card.health} == {"unknown"}
    assert [step.persons for step in found.funnel.steps] == [0, 0, 0, 0]
    assert [step.rate_bps for step in found.funnel.steps] == [None] * 4


async def test_other_shops_events_are_not_counted(warehouse):
    await a_week(2)
    assert card(await board(1), "turnover").value == 0
    assert card(await board(2), "turnover").value == 20_001


async def test_a_history_that_ended_is_shown_as_of_its_end(warehouse):
    end = datetime(2011, 9, 9, 9, 30, tzinfo=UTC)
    story = Story(1)
    for person, days_ago, fen in ((1, 0, 300), (1, 3, 200), (2, 20, 100)):
        at = end - days_ago * DAY
        story.tell(person, at, "ordering.order_imported", fen=fen)
    await story.write()
    found = await board(1, days=7, time_zone="Europe/London")
    assert found.as_of == end + timedelta(microseconds=1)
    assert (card(found, "turnover").value, card(found, "paid_orders").value) == (500, 2)
    assert card(found, "turnover").series[-1].on == date(2011, 9, 9)
    assert [(step.persons, step.rate_bps) for step in found.funnel.steps] == [
        (0, None),
        (0, None),
        (1, None),
        (1, 10_000),
    ]
    assert card(await board(1, auto=False), "turnover").value == 0
    asked = await board(1, days=7, until=end - 2 * DAY, auto=False)
    assert (asked.as_of, card(asked, "turnover").value) == (end - 2 * DAY, 200)


@pytest.mark.parametrize(
    ("value", "cases", "state"),
    [(800, 10, "good"), (799, 10, "bad"), (0, 9, "unknown"), (None, 10, "unknown")],
)
def test_health_against_a_floor(value, cases, state):
    threshold = next(f for f in FIGURES if f.key == "conversion").threshold
    found = periods.health(threshold, value, cases, "zh-CN")
    assert (found.threshold, found.comparison, found.state) == (800, "ge", state)
    assert (found.action is not None) == (state == "bad")


@pytest.mark.parametrize(("value", "state"), [(4_000, "good"), (4_001, "bad")])
def test_health_against_a_ceiling(value, state):
    threshold = next(f for f in FIGURES if f.key == "bounce").threshold
    found = periods.health(threshold, value, 100, "en")
    action = threshold.action.en if state == "bad" else None
    assert found == HealthView(4_000, "le", state, action)


def test_the_thresholds_of_the_mission():
    known = {f.key: (f.unit, f.threshold.value, f.threshold.comparison, f.threshold.source)
             for f in FIGURES if f.threshold}  # fmt: skip
    assert known == {
        "conversion": ("bps", 800, "ge", "mission 139"),
        "aov": ("fen", 5_000, "ge", "mission 139"),
        "arpu": ("fen", 18_000, "ge", "mission 138"),
        "pages_per_visitor": ("hundredths", 250, "ge", "mission 139"),
        "bounce": ("bps", 4_000, "le", "mission 139"),
        "coupon_redemption": ("bps", 6_000, "ge", "mission 139"),
    }
    assert [(f.days, f.threshold.value) for f in RETENTIONS] == [(7, 2_500), (30, 4_500)]


@pytest.mark.parametrize(
    ("top", "bottom", "scale", "result"),
    [(1, 3, 10_000, 3_333), (2, 3, 10_000, 6_667), (1, 2, 1, 1), (-1, 2, 1, -1), (5, 0, 1, None)],
)
def test_ratios_round_half_away_from_zero(top, bottom, scale, result):
    assert periods.ratio(top, bottom, scale) == result


# --- over HTTP --------------------------------------------------------------------------------


async def test_the_console_gets_the_agreed_shape(web, shop, warehouse):
    story = Story(shop)
    story.pay(1, clock.now() - MINUTE, 12_345)
    await story.write()
    answer = await web.get("/admin/v1/dashboard", params={"days": 7, "as_of": "auto"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"as_of", "cards", "funnel", "retention", "realtime"}
    first = found["cards"][0]
    assert {k: first[k] for k in ("key", "label", "value", "unit", "trend_bps", "health")} == {
        "key": "turnover", "label": "营业额", "value": 12_345, "unit": "fen", "trend_bps": None,
        "health": None,
    }  # fmt: skip
    assert first["series"][-1]["value"] == 12_345
    assert set(found["cards"][3]["health"]) == {"threshold", "comparison", "state", "action"}
    assert [step["key"] for step in found["funnel"]["steps"]] == [
        "expose", "click", "convert", "repurchase"
    ]  # fmt: skip
    assert found["realtime"] == {"minutes": 30, "visitors": 0, "orders": 1}
    english = await web.get("/admin/v1/dashboard", headers={"Accept-Language": "en"})
    assert english.json()["cards"][0]["label"] == "Turnover"


async def test_the_shops_own_time_zone_counts(web, shop, warehouse):
    async with system_transaction() as tx:
        await tx.run(
            "update shops.shops set time_zone = 'America/New_York' where shop_id = $1", shop
        )
    answer = await web.get(
        "/admin/v1/dashboard", params={"days": 7, "as_of": "now", "until": "2026-03-20T03:59:59Z"}
    )
    assert answer.json()["cards"][0]["series"][-1]["on"] == "2026-03-19"


@pytest.mark.parametrize(
    "params",
    [
        {"days": 8},
        {"days": "'; drop"},
        {"days": 10**9},
        {"as_of": "yesterday"},
        {"until": "2026-01-01T00:00:00"},
        {"until": "now"},
        {"until": "0001-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59Z"},
    ],
)
async def test_F076_parameters_out_of_their_limits_are_refused(web, warehouse, params):
    answer = await web.get("/admin/v1/dashboard", params=params)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"].startswith("request.")


async def test_the_dashboard_needs_its_permission(web, warehouse):
    web.cookies.clear()
    assert (await web.get("/admin/v1/dashboard")).status_code == 401
    web.cookies.set("siyu", "orders.read")
    assert (await web.get("/admin/v1/dashboard")).status_code == 403


async def test_screens_that_poll_share_one_computation(warehouse):
    await a_week(1)
    boards = await asyncio.gather(*(board(1) for _ in range(10)))
    assert all(found == boards[0] for found in boards)
    [kept] = service.boards._kept.values()
    assert kept.task is not None
    task = kept.task
    await board(1)
    assert kept.task is task
