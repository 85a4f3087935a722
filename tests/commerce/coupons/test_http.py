"""Coupons over HTTP: the customer's phone and the console."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.commerce.coupons import http_admin, http_shop, rules, service
from siyu.commerce.coupons.contracts import Issue
from siyu.commerce.promotions.contracts import Scope
from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from tests.commerce.coupons import kit
from tests.commerce.coupons.kit import Basket
from tests.commerce.ordering.kit import make_skus


class House:
    """A shop over HTTP, its staff and a customer."""

    def __init__(self, shop: ShopId, http: httpx.AsyncClient, member: kit.Receiver) -> None:
        self.shop, self.http, self.member = shop, http, member

    async def phone(
        self, method: str, path: str, body: Any = None, key: str = "", named: bool = True
    ) -> httpx.Response:
        identity = MemberIdentity(self.shop, self.member.member_id, self.member.person_no)
        headers = {"X-Siyu-Shop": "test", "Idempotency-Key": key or uuid4().hex}
        if named:
            headers["Authorization"] = f"Bearer {member_token(identity)}"
        return await self.http.request(method, f"/shop/v1{path}", json=body, headers=headers)

    async def desk(self, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await self.http.request(method, f"/admin/v1{path}", json=body, headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


def client(shop: ShopId, *permissions: str) -> httpx.AsyncClient:
    staff = StaffIdentity(new_id(), new_id(), shop, "小李", frozenset(permissions))

    class Hooks:
        async def resolve_shop(self, code: str) -> ShopIdentity | None:
            return ShopIdentity(shop, code, "测试店", "CNY", "Asia/Shanghai")

        async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
            return staff

    lanes = [
        Router("/shop/v1", route_handlers=http_shop.routes),
        Router("/admin/v1", route_handlers=http_admin.routes),
    ]
    transport = httpx.ASGITransport(app=build_app(lanes, Hooks()), client=("10.0.0.9", 1))
    http = httpx.AsyncClient(transport=transport, base_url="https://test")
    http.cookies.set("__Host-siyu", "staff")
    return http


@pytest.fixture
async def house(shop: ShopId) -> AsyncIterator[House]:
    [member] = await kit.make_members(shop)
    async with client(shop, "coupons.read", "coupons.write") as http:
        yield House(shop, http, member)
    assert await kit.broken(shop) == []


async def test_a_coupon_is_found_in_the_centre_and_claimed_once_per_key(house: House) -> None:
    batch = await kit.make_batch(house.shop, per_member=1, total_count=10, name="茶券")
    before = (await house.phone("GET", "/coupons", named=False)).json()["items"]
    assert [(one["name"], one["state"], one["left"], one["gives"]) for one in before] == [
        ("茶券", "open", 10, {"type": "fixed", "off_fen": 1000}),
    ]  # fmt: skip
    path = f"/coupons/{batch.batch_id}/claim"
    first = await house.phone("POST", path, {}, "key-1")
    assert (await house.phone("POST", path, {}, "key-1")).json() == first.json()
    assert code(await house.phone("POST", path, {}, "key-2")) == (409, "coupons.limit_reached")
    [shown] = (await house.phone("GET", "/coupons")).json()["items"]
    assert (shown["state"], shown["had"], shown["left"]) == ("had", 1, 9)
    own = (await house.phone("GET", "/coupons/own")).json()["items"]
    assert [(one["claim_id"], one["state"]) for one in own] == [
        (first.json()["claim_id"], "claimed")
    ]


async def test_the_last_one_is_shown_as_gone(house: House) -> None:
    batch = await kit.make_batch(house.shop, total_count=1)
    [bert] = await kit.make_members(house.shop)
    await kit.claim(house.shop, bert, batch)
    [shown] = (await house.phone("GET", "/coupons")).json()["items"]
    assert shown["state"] == "gone"


async def test_a_product_shows_its_coupons(house: House) -> None:
    tea, cup = await make_skus(house.shop, 2)
    await kit.make_batch(house.shop, name="茶", scope=Scope(sku_ids=frozenset({tea})))
    await kit.make_batch(house.shop, name="都", ends_at=kit.later(40))

    async def names(*skus: Any) -> list[str]:
        query = "&".join(f"sku_id={sku}" for sku in skus)
        return [
            one["name"] for one in (await house.phone("GET", f"/coupons?{query}")).json()["items"]
        ]

    assert await names(tea) == ["茶", "都"]
    assert await names(cup) == ["都"]
    assert await names(cup, tea) == ["茶", "都"]
    assert await names(new_id()) == []


async def test_codes_are_tried_a_few_times(house: House) -> None:
    await kit.make_batch(house.shop, issue=Issue.CODE, code="好茶")
    body = {"code": " 好茶 "}
    first = await house.phone("POST", "/coupons/code", body, "key-1")
    assert first.status_code == 200
    assert (await house.phone("POST", "/coupons/code", body, "key-1")).json() == first.json()
    wrong = await house.phone("POST", "/coupons/code", {"code": "猜"}, "key-2")
    again = await house.phone("POST", "/coupons/code", {"code": "猜"}, "key-2")
    assert (again.status_code, again.json()) == (404, wrong.json()), "one guess, one count"
    codes = []
    for guess in range(rules.CODES_PER_MEMBER):
        codes.append(code(await house.phone("POST", "/coupons/code", {"code": f"猜{guess}"})))
    assert codes[0] == (404, "coupons.code_unknown")
    assert codes[-1] == (429, "coupons.too_many_codes")
    assert code(await house.phone("POST", "/coupons/code", body)) == (429, "coupons.too_many_codes")


async def test_own_coupons_by_tab_and_page(house: House) -> None:
    batch = await kit.make_batch(house.shop)
    claims = [await kit.claim(house.shop, house.member, batch) for _ in range(3)]
    for claim_id in claims[:2]:
        await kit.spend(house.shop, house.member, claim_id)
    first = (await house.phone("GET", "/coupons/own?tab=used&limit=1")).json()
    assert [one["claim_id"] for one in first["items"]] == [str(claims[1])]
    rest = await house.phone("GET", f"/coupons/own?tab=used&cursor={first['next_cursor']}")
    assert [(one["claim_id"], one["off_fen"]) for one in rest.json()["items"]] == [
        (str(claims[0]), 1000)
    ]
    assert rest.json()["next_cursor"] is None
    assert (await house.phone("GET", "/coupons/own?tab=expired")).json()["items"] == []


async def test_an_offer_is_shown_with_what_it_saves(house: House) -> None:
    batch = await kit.make_batch(house.shop)
    await kit.claim(house.shop, house.member, batch)
    basket = Basket(3000)
    async with reading(house.shop) as tx:
        [offer] = await service.list_usable(
            tx, house.member.member_id, basket.lines, basket.price, is_first_order=False
        )
    view = service.show_offer(offer)
    assert (view.saving_fen, view.reason, view.short_fen, view.name) == (1000, None, 0, "满减券")


async def test_a_birthday_is_given_and_taken_back(house: House) -> None:
    assert (await house.phone("GET", "/birthday")).json() == {"birthday": None}
    body = {"month": 2, "day": 29}
    assert (await house.phone("PUT", "/birthday", body)).json() == {"birthday": body}
    assert (await house.phone("GET", "/birthday")).json() == {"birthday": body}
    assert code(await house.phone("PUT", "/birthday", body)) == (409, "coupons.birthday_fixed")
    wrong = await house.phone("PUT", "/birthday", {"month": 2, "day": 30})
    assert code(wrong) == (422, "coupons.bad_terms")
    assert (await house.phone("DELETE", "/birthday")).status_code == 204
    assert (await house.phone("GET", "/birthday")).json() == {"birthday": None}


BODY = {
    "name": "新人券", "gives": {"type": "percent", "pay_bps": 8000, "cap_fen": 2000},
    "issue": "staff", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    "per_member": 2,
}  # fmt: skip


async def test_the_console_makes_changes_starts_and_ends_a_batch(house: House) -> None:
    made = await house.desk("POST", "/coupons", BODY, "key-1")
    assert made.status_code == 201
    again = await house.desk("POST", "/coupons", BODY, "key-1")
    assert again.json() == made.json()
    batch_id = made.json()["batch_id"]
    changed = await house.desk(
        "PUT", f"/coupons/{batch_id}", BODY | {"note": "欢迎", "expected_version": 1}
    )
    assert (changed.json()["note"], changed.json()["version"]) == ("欢迎", 2)
    stale = await house.desk("PUT", f"/coupons/{batch_id}", BODY | {"expected_version": 1})
    assert code(stale) == (409, "coupons.changed")
    for to in ("running", "paused", "ended"):
        moved = await house.desk("POST", f"/coupons/{batch_id}/state", {"to": to})
        assert moved.json()["state"] == to
    shown = (await house.desk("GET", f"/coupons/{batch_id}")).json()
    assert (shown["state"], shown["figures"]["claimed"]) == ("ended", 0)
    await kit.make_batch(house.shop)
    first = (await house.desk("GET", "/coupons?limit=1")).json()
    assert [one["name"] for one in first["items"]] == ["满减券"]
    assert [one["used_count"] for one in first["items"]] == [0]
    rest = (await house.desk("GET", f"/coupons?cursor={first['next_cursor']}")).json()
    assert [one["name"] for one in rest["items"]] == ["新人券"]
    ended = (await house.desk("GET", "/coupons?state=ended")).json()
    assert [one["batch_id"] for one in ended["items"]] == [batch_id]
    assert code(await house.desk("GET", f"/coupons/{new_id()}")) == (404, "coupons.batch_not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"gives": {"type": "fixed", "off_fen": 0}},
        {"gives": {"type": "gift"}},
        {"per_member": 101},
        {"budget_fen": -1},
        {"group": "A B"},
        {"starts_at": "2026-01-01T00:00:00"},
        {"price_fen": 1},
        {"name": " "},
    ],
)
async def test_the_console_refuses_what_cannot_be(house: House, wrong: dict[str, Any]) -> None:
    assert (await house.desk("POST", "/coupons", BODY | wrong)).status_code == 422


async def test_the_console_hands_out_shows_and_takes_away(house: House) -> None:
    batch_id = (await house.desk("POST", "/coupons", BODY)).json()["batch_id"]
    await house.desk("POST", f"/coupons/{batch_id}/state", {"to": "running"})
    async with transaction(house.shop) as tx:
        await members.give_phone(tx, house.member.member_id, "+8613812345678")
    who = {"member_ids": [str(house.member.member_id)], "note": "道歉"}
    given = await house.desk("POST", f"/coupons/{batch_id}/hand-out", who, "key-1")
    assert given.json() == {"given": who["member_ids"], "had": []}
    again = await house.desk("POST", f"/coupons/{batch_id}/hand-out", who, "key-1")
    assert again.json() == given.json()
    await house.desk("POST", f"/coupons/{batch_id}/hand-out", who)
    first = (await house.desk("GET", f"/coupons/{batch_id}/claims?limit=1")).json()
    rest = (
        await house.desk("GET", f"/coupons/{batch_id}/claims?cursor={first['next_cursor']}")
    ).json()
    [row], [old] = first["items"], rest["items"]
    assert (row["state"], row["phone_masked"][-4:], row["member_id"]) == (
        "claimed", "5678", str(house.member.member_id),
    )  # fmt: skip
    gone = await house.desk(
        "POST", f"/coupons/{batch_id}/void", {"claim_ids": [row["claim_id"]], "reason": "误发"}
    )
    assert gone.json() == {"claim_ids": [row["claim_id"]]}
    moves = (await house.desk("GET", f"/coupon-claims/{row['claim_id']}/moves")).json()["items"]
    assert [(move["kind"], move["note"]) for move in moves] == [
        ("claimed", "道歉"), ("voided", "误发"),
    ]  # fmt: skip
    nobody = await house.desk("GET", f"/coupon-claims/{new_id()}/moves")
    assert code(nobody) == (404, "coupons.claim_not_found")
    left = (await house.desk("GET", f"/coupons/{batch_id}/claims?state=claimed")).json()["items"]
    assert [one["claim_id"] for one in left] == [old["claim_id"]]


async def test_permissions(shop: ShopId) -> None:
    async with client(shop, "coupons.read") as http:
        house = House(shop, http, kit.Receiver(new_id(), 1))
        assert (await house.desk("GET", "/coupons")).status_code == 200
        assert (await house.desk("POST", "/coupons", BODY)).status_code == 403
    async with client(shop, "orders.read") as http:
        assert (await House(shop, http, house.member).desk("GET", "/coupons")).status_code == 403
