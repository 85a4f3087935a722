"""Questions over HTTP against small stories whose answers are worked out by hand."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from siyu.insight.behaviour import rules
from siyu.kernel import clock
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.support import write

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)  # noon of Friday, 20 March, in Shanghai
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LAST = {"last_days": 30}
HOME, ITEM, CART = "pages/home/home", "commerce/catalog/product", "pages/cart/cart"


class Story:
    """Events of a shop, told one after the other."""

    def __init__(self, shop: int) -> None:
        self.shop = shop
        self.events: list[TailEvent] = []

    def tell(self, person: int, at: datetime, name: str, page: str = "", **more) -> None:
        name = name if "." in name else f"behaviour.{name}"
        fields = {"channel": "h5", "page": page} | {
            key: more.pop(key) for key in ("channel", "item_no", "amount_fen") if key in more
        }
        self.events.append(
            TailEvent(
                shop_id=self.shop,
                person_no=person,
                at_us=to_us(at),
                name=name,
                props=more or None,
                **fields,
            )
        )

    def pay(self, person: int, at: datetime, fen: int) -> None:
        self.tell(person, at, "ordering.order_paid", amount_fen=fen)

    async def write(self) -> None:
        await write(Batch(source=self.shop, batch_key=uuid4(), events=self.events))


@pytest.fixture(autouse=True)
def noon():
    with clock.turned(NOW):
        yield


@pytest.fixture
def story(warehouse, shop) -> Story:
    return Story(int(shop))


async def ask(web, kind: str, status: int = 200, language: str = "en", **fields):
    question = {"kind": kind, "period": LAST} | fields
    got = await web.post(
        "/admin/v1/insight/ask",
        json={"question": question},
        headers={"Accept-Language": language},
    )
    assert got.status_code == status, got.text
    return got.json() if status != 200 else got.json()["answer"]


def step(event: str, *where) -> dict:
    return {
        "event": event,
        "where": [dict(zip(("prop", "op", "value"), w, strict=True)) for w in where],
    }


STEPS = [step("behaviour.view"), step("behaviour.cart"), step("any.order")]


async def test_a_funnel_worked_out_by_hand(story, web):
    at = NOW - 2 * DAY
    for person in (1, 2, 3, 4):
        story.tell(person, at, "view", HOME, channel="mp-weixin" if person == 1 else "h5")
    for person, minutes in ((1, 1), (2, 3), (3, 10)):
        story.tell(person, at + minutes * MINUTE, "cart", ITEM)
    story.pay(1, at + 61 * MINUTE, 5_000)
    story.pay(2, at + 3 * MINUTE + 200 * HOUR, 5_000)  # after the window
    story.tell(3, at + 11 * MINUTE, "ordering.order_imported", amount_fen=-100)  # a return
    await story.write()
    found = await ask(web, "funnel", steps=STEPS, window_hours=168, by="channel")
    shown = [(s["label"], s["persons"], s["rate_bps"], s["whole_bps"], s["median_s"])
             for s in found["stages"]]  # fmt: skip
    assert shown == [
        ("Page viewed", 4, None, 10_000, None),
        ("Add to cart tapped", 3, 7_500, 7_500, 180),  # 1, 3 and 10 minutes
        ("Order paid (imports included)", 1, 3_333, 2_500, 3_600),
    ]
    assert [(p["label"], p["persons"]) for p in found["parts"]] == [
        ("H5", [3, 2, 0]), ("Mini-program", [1, 1, 1])
    ]  # fmt: skip


async def export(web, kind: str, language: str = "en", **fields) -> list[list[str]]:
    body = {"question": {"kind": kind, "period": LAST} | fields}
    got = await web.post(
        "/admin/v1/insight/export", json=body, headers={"Accept-Language": language}
    )
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(got.content.decode("utf-8-sig"))))


async def test_F069_an_answer_is_taken_along_as_a_table_without_formulas(story, web):
    at = NOW - 2 * DAY
    for person in (1, 2, 3):
        story.tell(person, at, "view", "=cmd()")
        story.tell(person, at + MINUTE, "dwell", HOME, zone="home.hot", dwell_ms=1_500)
    story.pay(1, at + HOUR, 12_345)
    await story.write()
    steps = [STEPS[0], STEPS[2]]
    assert await export(web, "funnel", "zh-CN", steps=steps) == [
        ["步骤", "人数", "上一步转化率 %", "总转化率 %", "用时中位数（秒）"],
        ["浏览页面", "3", "", "100.00", ""],
        ["支付订单（含导入）", "1", "33.33", "33.33", "3600"],
    ]
    assert await export(web, "share", step=STEPS[0], by="page") == [
        ["Value", "Amount", "Share %", *(f"{NOW.date() - n * DAY}" for n in range(29, -1, -1))],
        ["'=cmd()", "3", "100.00", *["0"] * 27, "3", "0", "0"],
    ]
    amounts = await export(web, "trend", steps=[STEPS[2]], count="amount")
    assert amounts[-3:] == [["2026-03-19", "0.00"], ["2026-03-20", "0.00"], ["Total", "123.45"]]
    spread = await export(web, "spread", step=STEPS[2], of="amount")
    assert ["100.00", "200.00", "1"] in spread and spread[1][0] == ""
    heat = await export(web, "heat", page=HOME)
    assert heat[1:] == [["Hot items", "3", "4.500", "0", "0"]]
    [_, cohort] = await export(
        web, "retention", birth=STEPS[0], back=STEPS[2], unit="day", periods=3
    )
    assert cohort == ["2026-03-18", "3", "0", "", ""]  # what is not over is not known
    paths = await export(web, "paths", anchor=STEPS[0])
    assert paths[1] == ["0", "'=cmd()", "3", "3"]


async def test_people_who_left_a_funnel_become_a_segment_that_filters(story, web):
    web.cookies.set("siyu", "insight.write")
    at = NOW - 2 * DAY
    for person in (1, 2, 3):
        story.tell(person, at, "view", HOME)
    story.tell(1, at + MINUTE, "cart", ITEM)
    story.pay(1, at + 2 * MINUTE, 100)
    story.tell(2, at + MINUTE, "cart", ITEM)
    await story.write()
    question = {"kind": "funnel", "period": LAST, "steps": STEPS}
    body = {"question": question, "step": 2, "name": "加购未付款"}
    made = await web.post("/admin/v1/insight/drop-off", json=body)
    assert made.status_code == 201, made.text
    segment = made.json()
    assert (segment["name"], segment["person_count"], segment["rule"]) == ("加购未付款", 1, None)
    again = await web.post("/admin/v1/insight/drop-off", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "segments.name_taken")
    web.cookies.set("siyu", "insight.read")
    found = await ask(web, "funnel", steps=STEPS, people=segment["segment_id"])
    assert [stage["persons"] for stage in found["stages"]] == [1, 1, 0]
    refused = await ask(web, "funnel", 404, steps=STEPS, people=str(uuid4()))
    assert refused["error"]["code"] == "segments.segment_not_found"


async def test_retention_by_day(story, web):
    born = NOW - 10 * DAY  # 10 March, a Tuesday
    for person in (1, 2, 3, 4):
        story.tell(person, born + (person == 4) * DAY, "view", HOME)
    story.tell(1, born + 1 * DAY, "view", HOME)
    story.tell(2, born + 2 * DAY, "view", HOME)
    story.tell(2, born + 7 * DAY, "view", HOME)
    story.tell(4, NOW, "view", HOME)  # nine days after
    await story.write()
    steps = {"birth": step("any.visit"), "back": step("any.visit")}
    found = await ask(web, "retention", periods=10, **steps)
    assert [(row["on"], row["persons"], row["back"]) for row in found["cohorts"]] == [
        # The tenth day of the first, the ninth of the second is today: not over.
        ("2026-03-10", 3, [1, 1, 0, 0, 0, 0, 1, 0, 0, None]),
        ("2026-03-11", 1, [0, 0, 0, 0, 0, 0, 0, 0, None, None]),
    ]
    assert [(p["persons"], p["back"], p["rate_bps"]) for p in found["curve"]][:2] == [
        (4, 1, 2_500), (4, 1, 2_500)
    ]  # fmt: skip
    assert found["curve"][9] == {"period": 10, "persons": 0, "back": 0, "rate_bps": None}


async def test_retention_by_week_and_month_of_the_calendar(story, web):
    """Two persons of the week of 23 February; one is back in the next week, one in the second."""
    born = NOW - 24 * DAY  # 24 February, a Tuesday
    for person, days in ((5, 7), (6, 13)):
        story.tell(person, born, "view", HOME)
        story.tell(person, born + 1 * DAY, "view", HOME)  # the same week says nothing
        story.tell(person, born + days * DAY, "view", HOME)
    await story.write()
    steps = {"birth": step("any.visit"), "back": step("any.visit")}
    weeks = await ask(web, "retention", unit="week", periods=4, **steps)
    # The third week after it is this one: not over.
    assert [(row["on"], row["persons"], row["back"]) for row in weeks["cohorts"]] == [
        ("2026-02-23", 2, [1, 1, None, None]),
    ]  # fmt: skip
    up_to = await ask(web, "retention", unit="week", periods=2, within=True, **steps)
    assert up_to["cohorts"][0]["back"] == [1, 2]
    months = await ask(web, "retention", unit="month", periods=1, **steps)
    assert months["cohorts"] == [{"on": "2026-02-01", "persons": 2, "back": [None]}]


@pytest.mark.parametrize(
    ("unit", "plus", "first"),
    [("day", 1, "2026-12-31"), ("week", 0, "2026-12-28"), ("week", 1, "2027-01-04"),
     ("month", 0, "2026-12-01"), ("month", 1, "2027-01-01"), ("month", 14, "2028-02-01")],
)  # fmt: skip
def test_periods_of_the_calendar(unit, plus, first):
    assert rules.first_of(date(2026, 12, 30), unit, plus) == date.fromisoformat(first)


async def test_paths_from_a_page_and_to_an_order(story, web):
    at = NOW - DAY
    for person, pages in ((1, (HOME, ITEM, CART)), (2, (HOME, ITEM)), (3, (HOME,))):
        for n, page in enumerate(pages):
            story.tell(person, at + n * MINUTE, "view", page)
    story.pay(1, at + 5 * MINUTE, 900)
    await story.write()
    home = step("behaviour.view", ("page", "eq", HOME))
    found = await ask(web, "paths", anchor=home, depth=2)
    nodes = [(n["level"], n["label"], n["visits"], n["ended"]) for n in found["nodes"]]
    assert nodes == [(0, "Home", 3, 1), (1, "Item", 2, 1), (2, "Cart", 1, 0)]
    assert found["links"] == [
        {"source": 0, "target": 1, "visits": 2}, {"source": 1, "target": 2, "visits": 1}
    ]  # fmt: skip
    back = await ask(web, "paths", anchor=step("any.order"), side="to", by="event", depth=2)
    assert (back["visits"], [n["key"] for n in back["nodes"]]) == (
        1, ["ordering.order_paid", "behaviour.view"],
    )  # fmt: skip


async def test_how_often_how_much_and_how_long(story, web):
    for person, times in ((1, 1), (2, 3), (3, 12)):
        for n in range(times):
            story.tell(person, NOW - DAY + n * MINUTE, "click", HOME)
    story.pay(1, NOW - DAY, 4_999)
    story.pay(2, NOW - DAY, 5_000)
    story.tell(1, NOW - DAY, "dwell", HOME, dwell_ms=1_200)
    await story.write()

    def counts(found):
        return {(b["low"], b["high"]): b["persons"] for b in found["buckets"] if b["persons"]}

    found = await ask(web, "spread", step=step("behaviour.click"))
    assert (found["persons"], found["total"], found["median"], found["unit"]) == (3, 16, 3, "times")
    assert counts(found) == {(None, 2): 1, (3, 4): 1, (11, 21): 1}
    found = await ask(web, "spread", step=step("any.order"), of="amount")
    assert (found["total"], found["unit"]) == (9_999, "fen")
    assert counts(found) == {(1, 5_000): 1, (5_000, 10_000): 1}
    found = await ask(web, "spread", step=step("behaviour.dwell"), of="dwell")
    assert (counts(found), found["unit"]) == ({(1_000, 3_000): 1}, "ms")


async def test_what_clicks_consist_of(story, web):
    for n, zone in enumerate(["home.hot"] * 3 + ["home.banner"] * 2 + ["x", "y"]):
        story.tell(n % 2 + 1, NOW - DAY + n * MINUTE, "click", HOME, zone=zone)
    story.tell(1, NOW - 2 * DAY, "click", HOME)
    await story.write()
    found = await ask(web, "share", step=step("behaviour.click"), by="zone", top=2)
    shown = [(s["label"], s["amount"], s["share_bps"]) for s in found["slices"]]
    assert shown == [("Hot items", 3, 3_750), ("Banners", 2, 2_500), ("Others", 3, 3_750)]
    days = dict(zip(found["periods"], found["slices"][2]["values"], strict=True))
    assert (days["2026-03-18"], days["2026-03-19"], sum(days.values())) == (1, 2, 3)


async def test_a_trend_counts_a_person_once_in_the_total(story, web):
    for days in (1, 2):
        story.tell(1, NOW - days * DAY, "view", HOME)
    story.tell(2, NOW - DAY, "view", ITEM)
    await story.write()
    found = await ask(web, "trend", steps=[step("any.visit")], period={"last_days": 3})
    assert found["days"] == ["2026-03-18", "2026-03-19", "2026-03-20"]
    assert (found["lines"][0]["values"], found["lines"][0]["total"]) == ([1, 2, 0], 2)
    where = [{"prop": "page", "op": "eq", "value": ITEM}]
    found = await ask(web, "trend", steps=[step("any.visit")], where=where)
    assert found["lines"][0]["total"] == 1


async def test_heat_of_a_page(story, web):
    at = NOW - DAY
    story.tell(1, at, "dwell", HOME, zone="home.hot", dwell_ms=1_000)
    story.tell(2, at, "dwell", HOME, zone="home.hot", dwell_ms=1_400)
    story.tell(1, at, "dwell", HOME, dwell_ms=9_000)
    story.tell(1, at, "click", HOME, zone="home.hot")
    story.tell(1, at + MINUTE, "click", HOME, zone="home.hot")
    story.tell(3, at, "dwell", ITEM, zone="product.price", dwell_ms=5_000)
    await story.write()
    found = await ask(web, "heat", page=HOME)
    assert found == {
        "kind": "heat", "page": HOME, "viewers": 2,
        "zones": [{
            "zone": "home.hot", "label": "Hot items", "viewers": 2, "dwell_ms": 2_400,
            "mean_ms": 1_200, "clicks": 2, "clickers": 1, "click_bps": 5_000,
        }],
    }  # fmt: skip
