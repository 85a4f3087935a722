"""Profiles over HTTP: who may see what, and what is refused."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow
from siyu.people.profiles import http_admin, rules, service
from tests.people.profiles.test_service import paid, settle, tell
from tests.warehouse.conftest import warehouse

__all__ = ["warehouse"]
NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
ALL = "members.read+members.write+members.reveal"


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
        base_url="https://shop.test/admin/v1",
        cookies={"siyu": ALL},
    ) as client:
        yield client


@pytest.fixture
async def member(shop):
    async with transaction(shop) as tx:
        found = await members.import_people(tx, [ImportRow("c1", NOW, nickname="林知夏")])
    await tell(shop, ("ordering.order_paid", NOW, paid(found["c1"].person_no, 12_300)))
    await settle(shop)
    return found["c1"]


async def test_a_page_shows_amounts_or_bounds(web, member):
    path = f"/members/{member.member_id}/profile"
    for cookie, state, value, band in (
        (ALL, "known", 12_300, None),
        ("members.read", "masked", None, [10_000, 50_000]),
    ):
        web.cookies.set("siyu", cookie)
        shown = (await web.get(path)).json()
        spent = next(one for one in shown["profile"]["values"] if one["key"] == "orders_fen")
        assert spent == {"key": "orders_fen", "state": state, "value": value, "band": band}
        assert shown["member"]["nickname"] == "林知夏"
    web.cookies.set("siyu", "insight.read")
    assert (await web.get(path)).status_code == 403
    web.cookies.set("siyu", ALL)
    assert (await web.get(f"/members/{uuid4()}/profile")).status_code == 404


async def test_a_page_says_why_somebody_is_on_a_tier(web, member):
    path = f"/members/{member.member_id}/profile"
    rules_of = (await web.get("/tiers")).json()["versions"][0]["rules"]
    spent = {"conditions": [{"field": "orders_fen", "op": "ge", "value": 10_000}]}
    rules_of["tier"] = [
        rules_of["tier"][2],
        {"key": "buyer", "zh": "买家", "en": "Buyer", "rule": spent},
        rules_of["tier"][0],
    ]
    body = {"rules": rules_of, "base_version": 0}
    assert (await web.put("/tiers", json=body)).status_code == 200
    told = (await web.get(path, headers={"Accept-Language": "en"})).json()["why"]["tier"]
    assert told == [
        {"key": "loyal", "fits": False, "conditions": [
            {"text": "orders paid, times ≥ 5", "fits": False, "value": "1"}]},
        {"key": "buyer", "fits": True, "conditions": [
            {"text": "orders paid, amount ≥ ¥100", "fits": True, "value": "¥123"}]},
    ], "down to the one that fits, no further"  # fmt: skip
    web.cookies.set("siyu", "members.read")
    masked = (await web.get(path)).json()["why"]["tier"][1]["conditions"]
    assert masked == [{"text": "支付订单金额 ≥ 100 元", "fits": True, "value": ""}]


async def test_a_wrong_condition_is_refused_in_the_reader_s_language(web):
    wrong = {"field": "orders_fen", "op": "in", "value": ["x"]}
    draft = {"name": "错", "group": "basic",
             "making": {"kind": "rule", "rule": {"conditions": [wrong]}}}  # fmt: skip
    said = []
    for language in ("zh-CN", "en"):
        answer = await web.post("/tags", json=draft, headers={"Accept-Language": language})
        said.append(answer.json()["error"]["message"])
    assert said == [
        "条件无法计算：「支付订单金额」不能这样比较",
        "This condition cannot be asked: “orders paid, amount”: it cannot be compared like this",
    ]


async def test_choices_have_words(web):
    fields = {one["key"]: one for one in (await web.get("/profile-fields")).json()["items"]}
    ways = {one["value"]: one["en"] for one in fields["coupons_claimed_top_issue"]["choices"]}
    assert ways["first_order"] == "first order" and fields["orders"]["choices"] == []


async def test_a_timeline_pages_by_key(warehouse, shop, web, member):
    await service.rebuild(shop, settled=False)
    path = f"/members/{member.member_id}/timeline"
    first = (await web.get(path, params={"limit": 1})).json()
    rest = (await web.get(path, params={"limit": 9, "cursor": first["next_cursor"]})).json()
    names = [one["name"] for one in first["items"] + rest["items"]]
    assert sorted(names) == ["members.member_joined", "ordering.order_paid"]
    assert rest["next_cursor"] is None
    only = (await web.get(path, params={"kind": "trade"})).json()["items"]
    assert [(one["label"], one["amount_fen"]) for one in only] == [("支付订单", 12_300)]
    web.cookies.set("siyu", "members.read")
    masked = (await web.get(path, params={"kind": "trade"})).json()["items"]
    assert [one["amount_fen"] for one in masked] == [None]
    assert (await web.get(path, params={"kind": "gossip"})).status_code == 422


async def test_tags_and_tiers_are_written(shop, web, member):
    draft = {"name": "来宾", "group": "basic", "making": {"kind": "manual"}}
    made = (await web.post("/tags", json=draft)).json()["tag"]
    path = f"/members/{member.member_id}/tags"
    assert (await web.post(path, json={"tag_id": made["tag_id"]})).status_code == 204
    listed = (await web.get(f"/tags/{made['tag_id']}/persons")).json()["items"]
    assert [one["member"]["nickname"] for one in listed] == ["林知夏"]
    assert (await web.delete(f"{path}/{made['tag_id']}")).status_code == 204
    senseless = {"field": "nickname", "op": "eq", "value": "x"}
    wrong = draft | {"name": "错", "making": {"kind": "rule", "rule": {"conditions": [senseless]}}}
    refused = await web.post("/tags", json=wrong)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "profiles.bad_rule")
    view = (await web.get("/tiers")).json()
    assert view["sentences"][0]["tier"]["loyal"] == "支付订单次数 ≥ 5"
    body = {"rules": view["versions"][0]["rules"], "base_version": 0, "note": "照旧"}
    after = (await web.put("/tiers", json=body)).json()
    assert [one["version"] for one in after["versions"]] == [1, 0]
    assert after["sentences"] == [view["sentences"][0]] * 2, "of the rules before too"
    assert (await web.put("/tiers", json=body)).status_code == 409
    web.cookies.set("siyu", "members.read")
    assert (await web.put("/tiers", json=body)).status_code == 403
    fields = (await web.get("/profile-fields")).json()["items"]
    assert [one["key"] for one in fields] == list(rules.FIELDS)
