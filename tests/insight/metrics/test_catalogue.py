"""The catalogue: weeks worked out by hand, benchmarks, and figures that cannot be told yet."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from siyu.insight.metrics import service
from siyu.insight.metrics.rules import periods
from siyu.insight.metrics.rules.catalogue import formula_of, source_of
from siyu.insight.metrics.rules.figures import FIGURES, MISSING, RETENTIONS
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.people.segments import service as segments
from tests.insight.metrics.test_dashboard import DAY, MINUTE, NOW, ZONE, Story

WEEK = 7 * DAY


@pytest.fixture(autouse=True)
def fresh():
    service.forget()


async def metrics(shop: int, language="zh-CN"):
    with clock.turned(NOW):
        found = await service.list_metrics(shop, ZONE, language)
    return found, {one.key: one for one in found.items}


async def two_weeks(shop: int) -> Story:
    """NOW is noon of the 20th: the last whole week is the 13th to the 19th of March."""
    story = Story(shop)
    last, before = NOW - 2 * DAY, NOW - 2 * DAY - WEEK
    for person in (1, 2, 3, 4):
        story.tell(person, before, "view", "click", "cart")
    for person in (1, 2):
        story.pay(person, before + MINUTE, 10_000)
    for person in range(1, 13):
        story.tell(person, last, "view", "click")
    story.pay(1, last + MINUTE, 4_000)
    story.pay(2, last + MINUTE, 25_000)
    story.pay(9, last + MINUTE, 4_000)
    story.tell(2, last + 2 * MINUTE, "ordering.order_refunded", fen=-1_000)
    story.tell(1, last + 3 * MINUTE, "coupons.coupon_claimed", "coupons.coupon_claimed")
    story.tell(1, last + 3 * MINUTE, "coupons.coupon_used")
    story.pay(1, NOW - MINUTE, 99_999)  # today is not a whole day
    await story.write()
    return story


async def test_two_weeks_worked_out_by_hand(warehouse):
    await two_weeks(1)
    found, by = await metrics(1)
    assert found.as_of == date(2026, 3, 19)
    values = {key: one.value for key, one in by.items()}
    assert {key: values[key] for key in (
        "turnover", "gmv", "refunds", "buyers", "orders_per_buyer", "order_value", "small_baskets",
        "middle_baskets", "large_baskets", "conversion", "visitors", "new_visitors",
        "returning_visitors", "known", "activity", "repurchase", "new_buyers", "past_buyers",
        "return_rate", "coupon_redemption", "retention_d7",
    )} == {
        "turnover": 32_000, "gmv": 33_000, "refunds": -1_000, "buyers": 3, "orders_per_buyer": 100,
        "order_value": 11_000, "small_baskets": 2_667, "middle_baskets": 0,
        "large_baskets": 8_333, "conversion": 2_500, "visitors": 12, "new_visitors": 8,
        "returning_visitors": 4, "known": 4, "activity": 10_000, "repurchase": 6_667,
        "new_buyers": 1, "past_buyers": 2, "return_rate": 10_000, "coupon_redemption": 5_000,
        "retention_d7": 10_000,
    }  # fmt: skip
    shown = by["gmv"]
    assert [week.value for week in shown.weeks] == [0] * 10 + [20_000, 33_000]
    assert (shown.weeks[-1].since, shown.weeks[-1].until) == (date(2026, 3, 13), found.as_of)
    # One week before is no history yet.
    assert (shown.own_mean, shown.own_bps) == (None, None)
    assert [week.value for week in by["conversion"].weeks[-2:]] == [5_000, 2_500]
    assert by["conversion"].state == "good"
    # Two claims are too few to judge.
    assert by["coupon_redemption"].state == "unknown"


async def test_what_cannot_be_told_says_why(warehouse):
    await two_weeks(1)
    _, by = await metrics(1, "en")
    assert by["gifts"].missing == "There are no such events yet; it is told as soon as there are."
    assert by["gifts"].value is None
    assert by["fission_cost"].missing is not None
    assert by["fission_cost"].health.threshold == 800
    assert by["retention_d30"].missing == "No newcomer's days are over yet."
    assert by["refund_rate"].missing is None


async def test_an_empty_shop_knows_nothing_and_says_so(warehouse):
    found, by = await metrics(1)
    assert len(by) == len(FIGURES) + len(RETENTIONS) + len(MISSING)
    assert all(one.missing and one.value is None for one in found.items)


async def test_old_history_is_told_as_of_its_end(warehouse):
    story = Story(1)
    story.pay(1, NOW - 400 * DAY, 700)
    await story.write()
    found, by = await metrics(1)
    assert found.as_of == (NOW - 400 * DAY).date()
    assert by["gmv"].value == 700


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_each_figure_is_told_in_both_languages(figure):
    for language in ("zh-CN", "en"):
        formula = formula_of(figure, language)
        assert ("÷" in formula) == (figure.bottom is not None)
        assert figure.label.of(language) and figure.definition.of(language)
    assert all("." in name for name in source_of(figure).split(", "))


def test_runs_are_whole_weeks_that_meet():
    found = periods.runs(date(2026, 3, 19), 3)
    assert [(run.first.day, run.last.day) for run in found] == [(27, 5), (6, 12), (13, 19)]
    since, until = found[-1].span(ZONE)
    assert since == datetime(2026, 3, 12, 16, tzinfo=UTC)
    assert until == since + timedelta(days=7)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1, 2], 2), ([4, None, 8], 6), ([5], None), ([None], None), ([-1, -2], -2),
        ([0, None, 4, 0], 2),
    ],
)  # fmt: skip
def test_the_mean_of_what_is_known(values, mean):
    assert periods.mean(values) == mean


# --- over HTTP --------------------------------------------------------------------------------


async def test_a_page_has_definition_parts_and_breakdowns(web, shop, warehouse):
    with clock.turned(NOW):
        story = await two_weeks(shop)
        story.events = []
        for person in range(20, 31):
            story.tell(person, NOW - 3 * DAY, "view", "view")
        story.events = [
            msgspec.structs.replace(one, channel="mp-weixin") for one in story.events
        ]  # fmt: skip
        await story.write()
        answer = await web.get("/admin/v1/insight/metrics/pages_per_visitor")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["metric"]["formula"] == "次数(浏览页面) ÷ 人数(浏览页面)"
        assert found["metric"]["source"] == "behaviour.view"
        [by] = found["breakdowns"]
        assert by["by"] == "channel"
        assert {part["key"]: (part["value"], part["cases"]) for part in by["parts"]} == {
            "h5": (133, 12), "mp-weixin": (200, 11),
        }  # fmt: skip
        gmv = (await web.get("/admin/v1/insight/metrics/gmv")).json()
        assert gmv["parts"] == ["buyers", "orders_per_buyer", "order_value"]
        assert gmv["used_by"] == ["turnover"]
        missing = await web.get("/admin/v1/insight/metrics/nothing")
        assert (missing.status_code, missing.json()["error"]["code"]) == (
            404, "metrics.unknown_metric",
        )  # fmt: skip


async def test_a_figure_by_segment(web, shop, warehouse):
    with clock.turned(NOW):
        await two_weeks(shop)
        async with transaction(shop) as tx:
            await segments.save_persons(tx, System(actor_name="检查"), "前两位", [1, 2])
        found = (await web.get("/admin/v1/insight/metrics/gmv")).json()
    [by] = found["breakdowns"]
    assert (by["by"], by["label"]) == ("segment", "按人群")
    assert [(part["label"], part["value"]) for part in by["parts"]] == [("前两位", 49_000)]


async def test_the_north_star_is_chosen_and_told(web, shop, warehouse):
    with clock.turned(NOW):
        await two_weeks(shop)
        first = (await web.get("/admin/v1/insight/north-star")).json()
        assert (first["key"], first["chosen"], first["goal"]) == ("gmv", "gmv", None)
        root, *others = first["nodes"]
        assert (root["before"], root["after"], root["moved"]) == (20_000, 33_000, 13_000)
        parents = {node["parent"] for node in first["nodes"]}
        ends = [n for at, n in enumerate(first["nodes"]) if at not in parents]
        assert sum(node["moved"] for node in ends) == 13_000
        assert {"buyers", "order_value", "conversion", "visitors"} <= {n["key"] for n in others}
        web.cookies.set("siyu", "insight.write")
        bad = await web.put("/admin/v1/insight/north-star", json={"key": "bounce"})
        assert (bad.status_code, bad.json()["error"]["code"]) == (422, "metrics.not_a_north_star")
        body = {"key": "repurchase", "goal": 4_000}
        chosen = (await web.put("/admin/v1/insight/north-star", json=body)).json()
        assert (chosen["key"], chosen["goal"]) == ("repurchase", 4_000)
        web.cookies.set("siyu", "insight.read")
        again = (await web.get("/admin/v1/insight/north-star")).json()
        assert (again["key"], again["goal"]) == ("repurchase", 4_000)
        other = (await web.get("/admin/v1/insight/north-star", params={"key": "active"})).json()
        assert (other["key"], other["chosen"], other["goal"]) == ("active", "repurchase", None)


async def test_whoever_only_reads_chooses_nothing(web, warehouse):
    answer = await web.put("/admin/v1/insight/north-star", json={"key": "active"})
    assert answer.status_code == 403
