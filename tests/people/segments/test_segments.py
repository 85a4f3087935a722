"""Segments over HTTP: rules counted against a small story, persons masked, nothing lost."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from siyu.people.segments import http_admin, invariants, service
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.conftest import warehouse
from tests.warehouse.support import write

__all__ = ["warehouse"]
NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
URL = "/admin/v1/segments"


@pytest.fixture(autouse=True)
def noon():
    with clock.turned(NOW):
        yield


@pytest.fixture
async def web(shop):
    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)

        async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity:
            return StaffIdentity(uuid4(), uuid4(), shop, "小店员", frozenset(token.split("+")))

    app = build_app([Router("/admin/v1", route_handlers=http_admin.routes)], Hooks())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="https://shop.test",
        cookies={"siyu": "insight.read+insight.write+members.read"},
    ) as client:
        yield client


async def told(shop, *events: tuple[int, int, str, int]) -> None:
    """(person, days ago, event, fen) each."""
    rows = [
        TailEvent(
            shop_id=shop, person_no=person, at_us=to_us(NOW - days * DAY), name=name,
            channel="h5", amount_fen=fen,
        )
        for person, days, name, fen in events
    ]  # fmt: skip
    await write(Batch(source=shop, batch_key=uuid4(), events=rows))


def times(event: str, op: str, n: int, days: int | None = None) -> dict:
    return {"kind": "times", "step": {"event": event}, "op": op, "n": n, "days": days}


PAID, LOGIN = "ordering.order_paid", "members.member_logged_in"


@pytest.fixture
async def story(warehouse, shop):
    """1 bought three times, 2 once and long ago, 3 only looked; 1 and 2 returned something."""
    await told(
        shop, (1, 1, PAID, 10_000), (1, 3, PAID, 5_000), (1, 60, PAID, 1_000), (2, 90, PAID, 4_000),
        (3, 2, "behaviour.view", 0), (1, 1, "ordering.order_imported", -9_000),
        (2, 2, "ordering.order_imported", -50),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "match", "persons"),
    [
        ([times("any.order", "ge", 2, 30)], "all", 1),
        ([times("any.order", "eq", 0, 30)], "all", 2),  # 2 and 3; a return is no order
        ([times("any.order", "ge", 1)], "all", 2),
        ([times("any.order", "eq", 3), times("any.visit", "ge", 1)], "all", 0),
        ([times("any.order", "eq", 3), times("any.visit", "ge", 1)], "any", 2),
        ([{"kind": "spent", "step": {"event": "any.order"}, "op": "ge", "fen": 15_000, "days": 30}],
         "all", 1),
        ([{"kind": "spent", "step": {"event": "any.order"}, "op": "ge", "fen": 16_001}], "all", 0),
        ([{"kind": "largest", "step": {"event": "any.order"}, "percent": 50}], "all", 1),
    ],
)  # fmt: skip
async def test_who_fits_a_rule(story, web, conditions, match, persons):
    rule = {"kind": match, "parts": conditions}
    got = await web.post(f"{URL}/count", json={"rule": rule})
    assert (got.status_code, got.json()["persons"]) == (200, persons)


async def test_a_rule_is_asked_anew(story, shop, web):
    rule = {"kind": "all", "parts": [times("any.order", "ge", 1)]}
    made = (await web.post(URL, json={"name": " 买过的人 ", "rule": rule})).json()
    assert (made["name"], made["person_count"], made["made_by"]) == ("买过的人", 2, "小店员")
    await told(shop, (4, 0, PAID, 1))
    path = f"{URL}/{made['segment_id']}"
    assert (await web.get(path)).json()["person_count"] == 2
    assert (await web.post(f"{path}/count")).json()["person_count"] == 3
    shown = (await web.get(f"{path}/persons", params={"limit": 2})).json()
    assert [row["person_no"] for row in shown["items"]] == [1, 2]
    last = {"limit": 2, "cursor": shown["next_cursor"]}
    rest = (await web.get(f"{path}/persons", params=last)).json()
    assert ([row["person_no"] for row in rest["items"]], rest["next_cursor"]) == ([4], None)


async def test_fixed_persons_are_masked_and_go_with_the_segment(shop, web):
    async with transaction(shop) as tx:
        found = await members.import_people(tx, [ImportRow("c1", NOW, nickname="林知夏")])
        await members.give_phone(tx, found["c1"].member_id, "13812345678")
        number = found["c1"].person_no
        kept = await service.save_persons(tx, System(), "老客", [number, 99, number])
    path = f"{URL}/{kept.segment_id}"
    assert kept.person_count == 2
    [known, stranger] = (await web.get(f"{path}/persons")).json()["items"]
    assert (known["member"]["nickname"], known["member"]["phone_masked"]) == (
        "林知夏",
        "138****5678",
    )
    assert (stranger["person_no"], stranger["member"]) == (99, None)
    async with reading(shop) as tx:
        assert await service.people_of(tx, kept.segment_id) == frozenset({number, 99})
        for sql in invariants.INVARIANTS.values():
            assert await tx.connection.fetch(sql) == []
    assert (await web.delete(path)).status_code == 204
    assert (await web.get(path)).json()["error"]["code"] == "segments.segment_not_found"
    async with reading(shop) as tx:
        assert await tx.value("select count(*) from segments.persons") == 0


async def test_a_name_is_given_once_and_writing_needs_its_permission(story, web):
    body = {"name": "同名", "rule": {"kind": "all", "parts": [times("any.visit", "ge", 1)]}}
    assert (await web.post(URL, json=body)).status_code == 201
    again = await web.post(URL, json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "segments.name_taken")
    web.cookies.set("siyu", "insight.read")
    for refused in (
        await web.post(URL, json=body | {"name": "另一个"}),
        await web.delete(f"{URL}/{uuid4()}"),
        await web.get(f"{URL}/{uuid4()}/persons"),
    ):
        assert refused.status_code == 403
    assert len((await web.get(URL)).json()["items"]) == 1


async def test_a_condition_without_meaning_is_refused(warehouse, web):
    where = [{"prop": "page", "op": "eq", "value": 3}]
    step = {"event": "behaviour.view", "where": where}
    condition = {"kind": "times", "step": step, "op": "ge", "n": 1}
    got = await web.post(f"{URL}/count", json={"rule": {"kind": "all", "parts": [condition]}})
    assert (got.status_code, got.json()["error"]["code"]) == (422, "segments.bad_condition")
