"""The lanes themselves, on a small app of their own: access, bodies, errors, cursors."""

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import get as plain_get
from msgspec import Meta

from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.errors import Conflict
from siyu.kernel.http import (
    MEMBER,
    PUBLIC,
    SHOP,
    STAFF,
    CursorInvalid,
    build_app,
    decode_cursor,
    encode_cursor,
    get,
    post,
    staff,
    with_patch,
)
from siyu.kernel.ids import ShopId


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    quantity: Annotated[int, Meta(ge=1, le=999)]
    note: Annotated[str, Meta(max_length=20)] = ""


class Echo(msgspec.Struct, frozen=True):
    who: str


class Refused(Conflict):
    code = "test.refused"
    zh = "不行:{reason}"
    en = "No: {reason}"


@get("/public", access=PUBLIC)
async def public() -> Echo:
    return Echo("anybody")


@get("/shop", access=SHOP)
async def of_shop(shop: ShopIdentity) -> Echo:
    return Echo(shop.code)


@post("/member", access=MEMBER)
async def of_member(data: Body, member: MemberIdentity) -> Echo:
    return Echo(f"{member.person_no}:{data.quantity}:{data.note}")


@get("/staff", access=staff("orders.read"))
async def of_staff(staff: StaffIdentity) -> Echo:
    return Echo(staff.name)


@get("/own", access=STAFF)
async def of_any_staff(staff: StaffIdentity) -> Echo:
    return Echo(staff.name)


@post("/change", access=staff("orders.write"))
async def change() -> Echo:
    return Echo("changed")


@get("/refuse", access=PUBLIC)
async def refuse() -> Echo:
    raise Refused(reason="因为")


@get("/bug", access=PUBLIC)
async def bug() -> Echo:
    raise RuntimeError("王小明 13812345678")


class Hooks:
    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return ShopIdentity(ShopId(1), code, "茶", "CNY", "UTC") if code == "tea" else None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        held = {"all": {"orders.read", "orders.write"}, "none": set[str]()}
        if token not in held:
            return None
        shop_id = ShopId(1 if shop_code == "tea" else 0)
        return StaffIdentity(uuid4(), uuid4(), shop_id, token, frozenset(held[token]))


ROUTES = [public, of_shop, of_member, of_staff, of_any_staff, change, refuse, bug]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = with_patch(build_app(list(ROUTES), Hooks(), max_body_kb=64))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.test") as made:
        yield made


def as_member() -> dict[str, str]:
    return {"Authorization": f"Bearer {member_token(MemberIdentity(ShopId(1), uuid4(), 9))}"}


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_F082_a_route_without_access_does_not_start() -> None:
    @plain_get("/open")
    async def forgotten() -> str:
        return "leak"

    with pytest.raises(TypeError, match="forgotten declares no access"):
        build_app([forgotten], Hooks())


async def test_each_access_lets_in_whom_it_names(client: httpx.AsyncClient) -> None:
    tea = {"X-Siyu-Shop": "tea"}
    assert (await client.get("/public")).json() == {"who": "anybody"}
    assert (await client.get("/shop", headers=tea)).json() == {"who": "tea"}
    answer = await client.post("/member", json={"quantity": 2}, headers=as_member())
    assert answer.json() == {"who": "9:2:"}
    client.cookies.set("__Host-siyu", "all")
    assert (await client.get("/staff", headers=tea)).json() == {"who": "all"}
    assert (await client.get("/own")).json() == {"who": "all"}


async def test_F082_who_holds_nothing_may_nothing(client: httpx.AsyncClient) -> None:
    tea = {"X-Siyu-Shop": "tea"}
    assert (await client.get("/staff", headers=tea)).status_code == 401
    client.cookies.set("__Host-siyu", "stolen")
    assert (await client.get("/staff", headers=tea)).status_code == 401
    client.cookies.set("__Host-siyu", "none")
    refused = await client.get("/staff", headers=tea)
    assert (refused.status_code, code_of(refused)) == (403, "auth.forbidden")
    client.cookies.set("__Host-siyu", "all")
    nowhere = await client.get("/staff")
    assert (nowhere.status_code, code_of(nowhere)) == (404, "shops.unknown")


async def test_F087_a_browser_of_another_site_is_refused(client: httpx.AsyncClient) -> None:
    client.cookies.set("__Host-siyu", "all")
    headers = {"X-Siyu-Shop": "tea", "Sec-Fetch-Site": "cross-site"}
    refused = await client.post("/change", headers=headers)
    assert (refused.status_code, code_of(refused)) == (403, "auth.cross_site")
    same = {**headers, "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/change", headers=same)).status_code == 200


async def test_a_member_of_one_shop_is_nobody_in_another(client: httpx.AsyncClient) -> None:
    stranger = member_token(MemberIdentity(ShopId(2), uuid4(), 1))
    headers = {"X-Siyu-Shop": "tea", "Authorization": f"Bearer {stranger}"}
    assert (await client.get("/shop", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "quantity",
    ["-1", "0", "1.5", "1e9", '"１"', '"1"', "NaN", "true", "null", "1000", "1" + "0" * 400],
)
async def test_F065_a_quantity_is_a_small_whole_number(
    client: httpx.AsyncClient, quantity: str
) -> None:
    answer = await client.post(
        "/member", content=f'{{"quantity": {quantity}}}', headers=as_member()
    )
    assert answer.status_code == 422
    assert code_of(answer) in ("request.malformed", "request.json_refused")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"quantity": 1, "quantity": 2}',
        b'{"quantity": 1, "total_fen": 1}',
        b'{"quantity": 1, "note": "a\\u0000b"}',
        b'{"quantity": 1, "note": "\\ud800"}',
        b'{"quantity": 1, "note": "\xff"}',
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
async def test_F068_F071_a_body_that_is_not_plain_json_is_refused(
    client: httpx.AsyncClient, body: bytes
) -> None:
    began = time.monotonic()
    answer = await client.post("/member", content=body, headers=as_member())
    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    assert time.monotonic() - began < 1


async def test_F071_twenty_megabytes_are_refused(client: httpx.AsyncClient) -> None:
    body = b'{"quantity": 1, "note": "' + b"a" * 20_000_000 + b'"}'
    answer = await client.post("/member", content=body, headers=as_member())
    assert (answer.status_code, code_of(answer)) == (413, "request.too_large")


async def test_emoji_and_right_to_left_text_come_back_equal(client: httpx.AsyncClient) -> None:
    note = "👨‍👩‍👧 ש‮abc"
    answer = await client.post("/member", json={"quantity": 1, "note": note}, headers=as_member())
    assert answer.json() == {"who": f"9:1:{note}"}


async def test_errors_speak_the_callers_language(client: httpx.AsyncClient) -> None:
    chinese = await client.get("/refuse")
    english = await client.get("/refuse", headers={"Accept-Language": "fr, en-GB;q=0.8"})
    assert chinese.status_code == english.status_code == 409
    assert chinese.json() == {
        "error": {"code": "test.refused", "message": "不行:因为", "details": {"reason": "因为"}}
    }
    assert english.json()["error"]["message"] == "No: 因为"


async def test_F092_a_bug_tells_nothing_outside(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/bug")
    assert (answer.status_code, code_of(answer)) == (500, "service.failed")
    assert "王小明" not in answer.text


async def test_unknown_paths_and_methods_have_codes(client: httpx.AsyncClient) -> None:
    assert code_of(await client.get("/nothing")) == "request.not_found"
    wrong = await client.delete("/public")
    assert (wrong.status_code, code_of(wrong)) == (405, "request.method_not_allowed")


async def test_only_post_may_be_overridden_and_only_to_patch(client: httpx.AsyncClient) -> None:
    override = {"X-HTTP-Method-Override": "PATCH", **as_member()}
    assert (await client.post("/member", json={"quantity": 1}, headers=override)).status_code == 405
    delete = {"X-HTTP-Method-Override": "DELETE", **as_member()}
    assert (await client.post("/member", json={"quantity": 1}, headers=delete)).status_code == 200


def test_F076_a_cursor_is_checked_by_its_types() -> None:
    cursor = encode_cursor([5, "a'; drop table x"])
    assert decode_cursor(cursor, tuple[int, str]) == (5, "a'; drop table x")
    assert decode_cursor(None, tuple[int, str]) is None
    for forged in ("x", "", encode_cursor(["5", "a"]), encode_cursor([5]), json.dumps([5, "a"])):
        with pytest.raises(CursorInvalid):
            decode_cursor(forged, tuple[int, str])
