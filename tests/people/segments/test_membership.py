"""Who is in a segment: live, counted anew, day by day, laid over others, taken out, forgotten."""

from datetime import timedelta
from uuid import uuid4

import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from siyu.people.privacy import queries as privacy
from siyu.people.privacy import rules as privacy_rules
from siyu.people.profiles.contracts import Condition
from siyu.people.segments import invariants, service
from siyu.people.segments.contracts import (
    All,
    BadCondition,
    FieldIs,
    Inside,
    InUse,
    Not,
    StepBody,
    Then,
    Times,
)
from siyu.people.segments.rules import numbers_of
from siyu.people.segments.service.saving import bits_of
from tests.people.segments.test_segments import DAY, NOW, PAID, URL, times, told, web
from tests.warehouse.conftest import warehouse

__all__ = ["warehouse", "web"]
BOUGHT = Times(step=StepBody(event="any.order"), op="ge", n=1, days=30)
NOT_BOUGHT = Not(part=BOUGHT)
LEFT = Then(
    first=StepBody(event="behaviour.cart"), then=StepBody(event="any.order"), within=3, done=False,
    days=30,
)  # fmt: skip


@pytest.fixture(autouse=True)
def noon():
    service.forget()
    with clock.turned(NOW):
        yield


async def kept(shop, name, rule, *, live=False):
    [audience] = await service.judge_everybody(shop, [rule])
    async with transaction(shop) as tx:
        return await service.save_rule(tx, System(), name, rule, audience, live=live)


async def inside(shop, segment) -> list[int]:
    async with reading(shop) as tx:
        found = await service.get_segment(tx, segment.segment_id)
        numbers = numbers_of(await bits_of(tx, found))
        assert found.person_count == len(numbers)
        return numbers


async def heard(shop) -> list[tuple[str, int]]:
    async with system_transaction() as tx:
        records = await tx.connection.fetch(
            """select name, payload from kernel.outbox where shop_id = $1
               and name like 'segments.segment_%' order by event_id""",
            shop,
        )
    moves = ("segments.segment_entered", "segments.segment_left")
    return [(r["name"][17:], r["payload"]["person_no"]) for r in records if r["name"] in moves]


async def profiled(shop, number: int, **fields) -> None:
    async with transaction(shop) as tx:
        await tx.run(
            """insert into profiles.people (shop_id, person_no, fields, refreshed_at)
               values ($1, $2, $3, $4) on conflict (shop_id, person_no) do update
               set fields = excluded.fields, refreshed_at = excluded.refreshed_at""",
            *(shop, number, fields, clock.now()),
        )


async def test_a_live_segment_follows_what_people_do(warehouse, shop):
    await told(shop, (1, 10, PAID, 100), (2, 1, "behaviour.view", 0))
    segment = await kept(shop, "买过", BOUGHT, live=True)
    quiet = await kept(shop, "没买", NOT_BOUGHT)
    await service.follow(shop)
    assert (await inside(shop, segment), await heard(shop)) == ([1], [])
    await told(shop, (2, 0, PAID, 100), (3, 0, PAID, 100))
    assert await service.follow(shop) == 2
    assert await service.follow(shop) == 0
    assert await inside(shop, segment) == [1, 2, 3]
    assert await inside(shop, quiet) == [2]  # not live: as it was counted
    assert await heard(shop) == [("entered", 2), ("entered", 3)]
    with clock.turned(NOW + 21 * DAY):  # nobody does anything; the window moves
        await service.recount_all(shop)
        assert await inside(shop, segment) == [2, 3]
        assert await inside(shop, quiet) == [1]
        assert await heard(shop) == [("entered", 2), ("entered", 3), ("left", 1)]
        async with reading(shop) as tx:
            assert await service.is_member(tx, segment.segment_id, 2)
            assert not await service.is_member(tx, segment.segment_id, 1)
            for sql in invariants.INVARIANTS.values():
                assert await tx.connection.fetch(sql) == []


async def test_a_profile_that_changes_is_judged(warehouse, shop):
    rule = FieldIs(test=Condition(field="orders", op="ge", value=3))
    await profiled(shop, 20_000, orders=2)
    segment = await kept(shop, "三单", rule, live=True)
    await profiled(shop, 20_000, orders=3)
    assert await service.follow(shop) == 1
    assert await inside(shop, segment) == [20_000]
    await profiled(shop, 20_000, orders=1)
    clock.advance(timedelta(seconds=1))
    await profiled(shop, 20_000, orders=1)
    assert await service.follow(shop) == 1
    assert (await inside(shop, segment), len(await heard(shop))) == ([], 2)


async def test_who_turns_out_to_be_somebody_else_is_one_person(warehouse, shop):
    await told(shop, (5, 2, PAID, 100), (6, 1, "behaviour.view", 0))
    segment = await kept(shop, "买过", BOUGHT, live=True)
    async with transaction(shop) as tx:
        await tx.run(
            "insert into profiles.states values ($1, 5, 6, 6, '{}'), ($1, 6, 6, null, '{}')", shop
        )
    await profiled(shop, 6)
    await service.follow(shop)
    assert await inside(shop, segment) == [6]
    assert sorted(await heard(shop)) == [("entered", 6), ("left", 5)]


async def test_rules_speak_of_other_segments_but_never_in_a_circle(warehouse, shop):
    await told(shop, (1, 1, PAID, 100), (2, 9, "behaviour.cart", 0), (3, 9, "behaviour.cart", 0),
               (3, 8, PAID, 10))  # fmt: skip
    left = await kept(shop, "加购未买", LEFT)
    assert await inside(shop, left) == [2]
    async with transaction(shop) as tx:
        guests = await service.save_persons(tx, System(), "来宾", [1, 2])
    rule = All(parts=[Inside(segment_id=guests.segment_id),
                      Not(part=Inside(segment_id=left.segment_id))])  # fmt: skip
    both = await kept(shop, "来宾而非弃购", rule)
    assert await inside(shop, both) == [1]
    circle = Inside(segment_id=both.segment_id)
    [audience] = await service.judge_everybody(shop, [circle])
    with pytest.raises(BadCondition):
        async with transaction(shop) as tx:
            await service.change_rule(
                tx, System(), left.segment_id, "圈", circle, audience, "", live=False
            )
    with pytest.raises(InUse):
        async with transaction(shop) as tx:
            await service.remove_segment(tx, System(), left.segment_id)
    names = await service.names_of(shop, "zh-CN")
    [why] = await service.explain(shop, 2, names, reveals=True, only=both.segment_id)
    assert (why.fits, [part.fits for part in why.finding.parts]) == (False, [True, False])
    [deed] = why.finding.parts[1].parts[0].parts
    assert (deed.fits, deed.value) == (True, "之后没做")


async def test_days_and_who_came_and_left(warehouse, shop, web):
    segment = await kept(shop, "买过", BOUGHT)
    for day, person in ((0, 1), (1, 2), (2, 3)):
        with clock.turned(NOW + day * DAY):
            await told(shop, (person, 0 - day, PAID, 100))
            clock.advance(timedelta(seconds=1))
            assert await service.take_snapshots(shop) == 1
            assert await service.take_snapshots(shop) == 0
    with clock.turned(NOW + 31 * DAY):
        await service.take_snapshots(shop)
        path = f"{URL}/{segment.segment_id}"
        days = (await web.get(f"{path}/days")).json()
        assert [(d["person_count"], d["came"], d["left"]) for d in days] == [
            (1, 0, 0), (2, 1, 0), (3, 1, 0), (1, 0, 2),
        ]  # fmt: skip
        asked = {"on": days[-1]["on"], "which": "left"}
        gone = (await web.get(f"{path}/movers", params=asked)).json()["items"]
        assert [one["person_no"] for one in gone] == [1, 2]
        card = (await web.get(path, headers={"Accept-Language": "zh-CN"})).json()
        assert (card["sentence"], len(card["days"])) == ("近 30 天有「下单购买」", 3)


async def test_segments_laid_over_each_other(warehouse, shop, web):
    async with transaction(shop) as tx:
        ids = [
            str((await service.save_persons(tx, System(), f"第{n}", persons)).segment_id)
            for n, persons in enumerate(([1, 2, 3, 4], [3, 4, 5], [4, 6]))
        ]
    found = (await web.post(f"{URL}/overlap", json={"segments": ids})).json()
    assert found["sizes"] == [4, 3, 2]
    assert found["both"] == [[4, 2, 1], [2, 3, 1], [1, 1, 2]]
    regions = {int(key): n for key, n in found["regions"].items()}
    assert regions == {1: 2, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0, 7: 1}
    twice = await web.post(f"{URL}/overlap", json={"segments": [ids[0], ids[0]]})
    assert twice.json()["error"]["code"] == "segments.bad_condition"


async def test_members_leave_the_house_masked_and_marked(warehouse, shop, web):
    async with transaction(shop) as tx:
        found = await members.import_people(
            tx, [ImportRow("c1", NOW, nickname="=1+1"), ImportRow("c2", NOW, nickname="林知夏")]
        )
        await members.give_phone(tx, found["c2"].member_id, "13812345678")
        numbers = [found[key].person_no for key in ("c1", "c2")]
        segment = await service.save_persons(tx, System(), "老客", [*numbers, 999])
    await profiled(shop, numbers[1], orders_fen=12_345)
    chunks = [chunk async for chunk in service.stream_members(shop, segment.segment_id, chunk=1)]
    assert [one.member_id for [one] in chunks] == [found["c1"].member_id, found["c2"].member_id]
    path = f"{URL}/{segment.segment_id}/export"
    assert (await web.post(path, json={"reason": "周年回访"})).status_code == 403
    web.cookies.set("siyu", "members.export")
    table = (await web.post(path, json={"reason": "周年回访"})).text
    assert "138****5678" in table
    assert "13812345678" not in table
    assert "123.45" not in table
    assert "'=1+1" in table
    assert table.rstrip().splitlines()[-1].startswith("内部资料")
    web.cookies.set("siyu", "members.export+members.reveal")
    assert "123.45" in (await web.post(path, json={"reason": "周年回访"})).text


async def test_an_erasure_clears_the_bits(warehouse, shop):
    await told(shop, (1, 1, PAID, 100), (2, 1, PAID, 100))
    segment = await kept(shop, "买过", BOUGHT)
    await service.take_snapshots(shop)
    data_map = privacy_rules.load_map({"segments": (await _map()).encode()})
    person = privacy.Person([uuid4()], [2])
    async with transaction(shop) as tx:
        counts = await privacy.count_rows(tx, data_map, person)
        assert counts["segments.members"] == counts["segments.snapshot_members"] == 1
        for name in ("segments.members", "segments.snapshot_members"):
            rows = await privacy.list_rows(tx, name, data_map[name], person)
            assert "bits" not in rows[0]
            assert await privacy.erase_rows(tx, name, data_map[name], person, b"", b"") == 1
        assert not await service.is_member(tx, segment.segment_id, 2)
        assert await service.is_member(tx, segment.segment_id, 1)
        assert (await privacy.count_rows(tx, data_map, person))["segments.snapshot_members"] == 0


async def _map() -> str:
    from siyu.kernel.migrate import PACKAGE

    return (PACKAGE / "people" / "segments" / "data_map.toml").read_text()


async def test_why_somebody_is_in_over_http(warehouse, shop, web):
    async with transaction(shop) as tx:
        found = await members.import_people(tx, [ImportRow("c1", NOW, nickname="林知夏")])
    one = found["c1"]
    await told(shop, (one.person_no, 1, PAID, 20_000))
    rule = {"kind": "all", "parts": [
        times("any.order", "ge", 1, 30),
        {"kind": "spent", "step": {"event": "any.order"}, "op": "ge", "fen": 50_000},
    ]}  # fmt: skip
    made = await web.post(URL, json={"name": "大客", "rule": rule, "live": True})
    assert (made.status_code, made.json()["live"]) == (201, True)
    path = f"/admin/v1/members/{one.member_id}/segments"
    [why] = (await web.get(path, headers={"Accept-Language": "zh-CN"})).json()["items"]
    bought, spent = why["finding"]["parts"]
    assert (why["fits"], bought["fits"], bought["value"]) == (False, True, "1 次")
    assert (spent["fits"], spent["value"]) == (False, "")  # amounts only for who may reveal
    rule["kind"] = "any"
    body = {"name": "来过", "rule": rule}
    changed = await web.put(f"{URL}/{made.json()['segment_id']}", json=body)
    assert (changed.json()["person_count"], changed.json()["live"]) == (1, False)
    [why] = (await web.get(path)).json()["items"]
    assert why["fits"]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "all", "parts": []},
        {"kind": "field", "test": {"field": "nothing", "op": "ge", "value": 1}},
        {"kind": "field", "test": {"field": "nickname", "op": "eq", "value": "x"}},
        {"kind": "foremost", "field": "rfm_class", "percent": 10},
        {"kind": "segment", "segment_id": str(uuid4())},
        {"kind": "then", "first": {"event": "any.visit"}, "then": {"event": "any.order"},
         "within": 7, "done": False, "days": 7},
        {"kind": "all", "parts": [times("any.order", "ge", 1)] * 31},
        {"kind": "nobody"},
    ],
)  # fmt: skip
async def test_a_rule_without_meaning_is_refused(warehouse, web, rule):
    got = await web.post(f"{URL}/count", json={"rule": rule})
    assert got.status_code in (404, 422)


async def test_a_tree_may_not_be_deeper_than_five(warehouse, web):
    rule = times("any.order", "ge", 1)
    for _ in range(5):
        rule = {"kind": "not", "part": rule}
    got = await web.post(f"{URL}/count", json={"rule": rule})
    assert (got.status_code, got.json()["error"]["code"]) == (422, "segments.bad_condition")
    assert (await web.post(f"{URL}/count", json={"rule": rule["part"]})).status_code == 200
