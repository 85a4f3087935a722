"""The last minutes, single events in words, boards, annotations, the digest; who may do what."""

import asyncio
from datetime import date, timedelta
from uuid import uuid4

import pytest

from siyu.insight.behaviour import service
from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from tests.insight.behaviour.test_questions import DAY, HOME, ITEM, MINUTE, NOW, Story, noon, story

__all__ = ["noon", "story"]
EN = {"Accept-Language": "en"}
BOARD = {
    "name": "每日",
    "charts": [
        {
            "title": "访客",
            "question": {
                "kind": "trend", "period": {"last_days": 7}, "steps": [{"event": "any.visit"}],
            },
        }
    ],
}  # fmt: skip


async def test_the_last_half_hour(story: Story, web):
    story.tell(1, NOW - MINUTE, "view", HOME)
    story.tell(1, NOW - MINUTE, "click", HOME, zone="home.hot")
    story.tell(2, NOW - 29 * MINUTE, "view", ITEM)
    story.tell(3, NOW - 31 * MINUTE, "view", ITEM)
    story.pay(2, NOW - 2 * MINUTE, 8_800)
    await story.write()
    live = (await web.get("/admin/v1/insight/live", headers=EN)).json()
    assert (live["persons"], live["orders"], live["turnover_fen"]) == (2, 1, 8_800)
    # The 30 minutes end with the one that is running: NOW is its first moment.
    assert [(m, n) for m, n in enumerate(live["events"]) if n] == [(0, 1), (27, 1), (28, 2)]
    assert [(m, n) for m, n in enumerate(live["visitors"]) if n] == [(0, 1), (27, 1), (28, 1)]
    assert [(p["label"], p["events"]) for p in live["pages"]] == [("Item", 1), ("Home", 1)]
    assert [event["label"] for event in live["newest"]] == [
        "Tap", "Page viewed", "Order paid", "Page viewed"
    ]  # fmt: skip


async def test_one_persons_stream_in_words_page_by_page(story: Story, shop, web):
    async with transaction(shop) as tx:
        found = await members.import_people(tx, [ImportRow("c1", NOW, nickname="林知夏")])
    number = found["c1"].person_no
    story.tell(number, NOW - 3 * MINUTE, "view", HOME)
    story.tell(number, NOW - 2 * MINUTE, "dwell", HOME, zone="home.hot", dwell_ms=1_200)
    story.pay(number, NOW - MINUTE, 500)
    story.tell(number + 7, NOW - MINUTE, "view", HOME)
    await story.write()
    asked = {"person_no": number, "limit": 2}
    first = (await web.post("/admin/v1/insight/events", json=asked)).json()
    assert [(e["who"], e["label"], e["text"], e["amount_fen"]) for e in first["items"]] == [
        ("林知夏", "订单支付", "", 500), ("林知夏", "停留时长", "首页 · 爆品区 · 1.2 秒", None)
    ]  # fmt: skip
    asked["cursor"] = first["next_cursor"]
    rest = (await web.post("/admin/v1/insight/events", json=asked)).json()
    assert ([e["text"] for e in rest["items"]], rest["next_cursor"]) == (["首页"], None)
    others = {"events": ["any.visit"], "where": [{"prop": "page", "op": "eq", "value": HOME}]}
    shown = (await web.post("/admin/v1/insight/events", json=others, headers=EN)).json()["items"]
    assert [e["who"] for e in shown] == [f"Visitor #{number + 7}", "林知夏", "林知夏"]


async def test_values_and_vocabulary(story: Story, web):
    for zone in ("home.hot", "home.hot", "own"):
        story.tell(1, NOW - 2 * DAY, "click", HOME, zone=zone)
    await story.write()
    query = {"prop": "zone", "event": "behaviour.click"}
    got = (await web.get("/admin/v1/insight/values", params=query, headers=EN)).json()["items"]
    assert [(v["value"], v["label"], v["events"]) for v in got] == [
        ("home.hot", "Hot items", 2), ("own", "own", 1)
    ]  # fmt: skip
    words = (await web.get("/admin/v1/insight/vocabulary")).json()
    assert (words["last_on"], words["events"][0]["key"]) == ("2026-03-18", "any.visit")


async def test_a_board_is_kept_and_two_editors_do_not_overwrite_each_other(web, warehouse):
    url = "/admin/v1/insight/boards"
    assert (await web.post(url, json=BOARD)).status_code == 403
    web.cookies.set("siyu", "insight.write")
    made = (await web.post(url, json=BOARD)).json()
    path = f"{url}/{made['board_id']}"
    changed = {"name": "每周", "charts": made["charts"] * 2, "expected_version": 1}
    assert (await web.put(path, json=changed)).json()["version"] == 2
    late = await web.put(path, json=changed | {"name": "晚了"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "behaviour.board_changed")
    web.cookies.set("siyu", "insight.read")
    kept = (await web.get(path)).json()
    assert (kept["name"], [chart["title"] for chart in kept["charts"]]) == ("每周", ["访客"] * 2)
    asked = await web.post(
        "/admin/v1/insight/ask", json={"question": kept["charts"][0]["question"]}
    )
    assert (asked.status_code, asked.json()["answer"]["lines"][0]["total"]) == (200, 0)
    web.cookies.set("siyu", "insight.write")
    assert (await web.delete(path)).status_code == 204
    assert (await web.delete(path)).json()["error"]["code"] == "behaviour.board_not_found"


async def test_a_remark_stands_on_its_day(web):
    web.cookies.set("siyu", "insight.write")
    url = "/admin/v1/insight/annotations"
    body = {"at_day": "2026-03-18", "text": "直播"}
    made = (await web.post(url, json=body)).json()
    web.cookies.set("siyu", "insight.read")
    days = {"since": "2026-03-18", "until": "2026-03-18"}
    assert (await web.get(url, params=days)).json() == {"items": [made]}
    days = {"since": "2026-03-19", "until": "2026-04-18"}
    assert (await web.get(url, params=days)).json() == {"items": []}
    assert (await web.delete(f"{url}/{made['annotation_id']}")).status_code == 403


async def test_the_digest_of_yesterday_comes_in_the_morning_and_once(story: Story, shop, web):
    yesterday = NOW - DAY
    for person in (1, 2, 3):
        story.tell(person, yesterday, "view", HOME)
    story.tell(1, yesterday - DAY, "view", HOME)
    story.tell(1, yesterday - 3 * DAY, "view", HOME)
    story.pay(1, yesterday, 700)
    story.tell(9, NOW, "view", HOME)  # today
    await story.write()
    night = NOW - timedelta(hours=5)  # 07:00 in Shanghai
    assert not await service.make_digest(shop, night)
    assert await service.make_digest(shop, NOW)
    assert not await service.make_digest(shop, NOW)
    found = (await web.get("/admin/v1/insight/digests", headers=EN)).json()
    [digest] = found["items"]
    assert (digest["on"], digest["read"], found["unread"]) == ("2026-03-19", False, 1)
    figures = {
        line["key"]: (line["value"], line["before"], line["mean"]) for line in digest["lines"]
    }
    assert figures == {
        "visitors": (3, 1, 0), "new_members": (0, 0, 0), "carters": (0, 0, 0),
        "paid_orders": (1, 0, 0), "gmv": (700, 0, 0),
    }  # fmt: skip
    missing = await web.post("/admin/v1/insight/digests/2026-03-01/read")
    assert missing.json()["error"]["code"] == "behaviour.digest_not_found"
    assert (await web.post("/admin/v1/insight/digests/2026-03-19/read")).status_code == 204


async def test_a_reader_is_a_member_of_staff(shop, warehouse):
    reader, other = uuid4(), uuid4()
    from siyu.insight.behaviour import queries

    async with transaction(shop) as tx:
        await queries.insert_digest(tx, date(2026, 3, 19), {"orders": [1, 0, 0]}, NOW)
        await service.mark_read(tx, reader, date(2026, 3, 19))
        assert (await queries.count_unread(tx, reader), await queries.count_unread(tx, other)) == (
            0, 1,
        )  # fmt: skip


@pytest.mark.parametrize(
    "period",
    [{}, {"last_days": 7, "since": "2026-01-01"}, {"since": "2026-02-01", "until": "2026-01-01"},
     {"since": "1900-01-01", "until": "2026-01-01"}],
)  # fmt: skip
async def test_days_without_meaning_are_refused(warehouse, web, period):
    question = {"kind": "trend", "period": period, "steps": [{"event": "any.visit"}]}
    got = await web.post("/admin/v1/insight/ask", json={"question": question})
    assert (got.status_code, got.json()["error"]["code"]) == (422, "behaviour.bad_question")


async def test_a_question_ends_when_nobody_waits_for_it(story: Story, shop, web, monkeypatch):
    """The computation is called off when the client has gone."""
    from siyu.insight.behaviour import http_admin

    ended = asyncio.Event()
    begun = asyncio.Event()

    async def long(*_args: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    class Gone:
        async def receive(self) -> dict[str, str]:
            await begun.wait()
            return {"type": "http.disconnect"}

    with pytest.raises(asyncio.CancelledError):
        await http_admin._while_awaited(Gone(), long())
    assert ended.is_set()
    assert clock.now() >= NOW
