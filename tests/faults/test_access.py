"""Who may see and do what: shops, members, staff, sessions (F077, F080-F082, F085-F087)."""

import asyncio
import re
import secrets
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import Access
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import rules, service
from siyu.merchant.staff.contracts import Role
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressNotFound
from tests.merchant.lanes import PASSWORD, Lanes, check_truths, connect_to, lanes, wechat

__all__ = ["lanes", "wechat"]

HOME = {
    "receiver": "王小明",
    "phone": "13812345678",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "文三路 90 号",
}
BODIES: dict[str, Any] = {
    "edit_address": HOME,
    "edit_staff": {"role": "clerk"},
    "set_level": {"level": "vip"},
    "reveal_member": {"field": "phone", "reason": "核对"},
    "edit_shop": {"notice": "x"},
    "set_wechat": {"environment": "sandbox"},
    "add_staff": {"login_name": "x.y.z", "name": "x", "role": "clerk", "password": "x1y2z3w4v5"},
    "open_shop": {"code": "x-1", "name": "x"},
    "open_store": {"name": "x", "address": "x"},
    "edit_store": {"name": "x", "address": "x"},
    "change_password": {"current": "x", "new": "x1y2z3w4v5"},
    "confirm_totp": {"code": "123456"},
    "edit_me": {"nickname": "x"},
    "give_phone": {"code": "x"},
    "add_address": HOME,
    "export_members": {"reason": "月报"},
    "find_member": {"kind": "card", "value": "nobody"},
    "register_member": {"identifiers": [{"kind": "card", "value": "A0001"}]},
    "link_identifier": {"kind": "card", "value": "A0002"},
    "unlink_identifier": {"kind": "card", "ref": "0" * 16, "reason": "录错了"},
    "relink_identifier": {"removal_id": str(UUID(int=9))},
    "link_my_card": {"number": "A0003"},
    "set_merge_lock": {"reason": None},
    "propose_merge": {"one_id": str(UUID(int=7)), "other_id": str(UUID(int=8))},
    "decide_merge": {"is_accepted": False},
    "undo_merge": {"reason": "核对错了"},
    "decide_consent": {"purpose": "privacy", "text_version": "x", "granted": False},
    "publish_text": {
        "purpose": "sharing",
        "title_zh": "x",
        "title_en": "x",
        "text_zh": "x" * 20,
        "text_en": "x" * 20,
        "asks_more": True,
    },
}
IDS = ("member_id", "staff_id", "address_id", "session_id", "store_id", "merge_id")
PERMISSIONS = {
    "GET /admin/v1/shop": "shop.read",
    "PATCH /admin/v1/shop": "shop.write",
    "GET /admin/v1/shop/wechat": "shop.read",
    "PUT /admin/v1/shop/wechat": "shop.write",
    "GET /admin/v1/stores": "orders.read",
    "POST /admin/v1/stores": "shop.write",
    "PUT /admin/v1/stores/{store_id:uuid}": "shop.write",
    "GET /admin/v1/audit": "audit.read",
    "GET /admin/v1/doctor": "shop.write",
    "GET /admin/v1/staff": "staff.manage",
    "POST /admin/v1/staff": "staff.manage",
    "PATCH /admin/v1/staff/{staff_id:uuid}": "staff.manage",
    "DELETE /admin/v1/staff/{staff_id:uuid}": "staff.manage",
    "POST /admin/v1/shops": "staff.manage",
    "GET /admin/v1/member-imports": "members.read",
    "GET /admin/v1/members": "members.read",
    "GET /admin/v1/members/{member_id:uuid}": "members.read",
    "PATCH /admin/v1/members/{member_id:uuid}": "members.write",
    "POST /admin/v1/members/{member_id:uuid}/reveal": "members.reveal",
    "POST /admin/v1/members/export": "members.export",
    "POST /admin/v1/members": "members.write",
    "POST /admin/v1/members/find": "members.read",
    "GET /admin/v1/members/{member_id:uuid}/identities": "members.read",
    "POST /admin/v1/members/{member_id:uuid}/identifiers": "members.write",
    "POST /admin/v1/members/{member_id:uuid}/identifiers/remove": "members.write",
    "POST /admin/v1/members/{member_id:uuid}/identifiers/restore": "members.write",
    "PUT /admin/v1/members/{member_id:uuid}/merge-lock": "members.write",
    "GET /admin/v1/merges": "members.read",
    "POST /admin/v1/merges": "members.write",
    "POST /admin/v1/merges/{merge_id:uuid}/decide": "members.write",
    "POST /admin/v1/merges/{merge_id:uuid}/undo": "members.write",
    "GET /admin/v1/consents": "members.read",
    "GET /admin/v1/consent-texts": "members.read",
    "POST /admin/v1/consent-texts": "shop.write",
    "GET /admin/v1/members/{member_id:uuid}/consents": "members.read",
}


def handlers(app: Any) -> list[tuple[str, str, HTTPRouteHandler]]:
    """Every route of ours: method, path, handler."""
    return [
        (method, template(route), handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler.opt.get("access"), Access)
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    ]


def template(route: Any) -> str:
    return "".join(
        f"/{part}" if isinstance(part, str) else f"/{{{part.full}}}"
        for part in route.path_components
    )


async def call(
    client: httpx.AsyncClient, method: str, path: str, handler: HTTPRouteHandler, **ids: str
) -> httpx.Response:
    for name, value in ids.items():
        path = path.replace(f"{{{name}:uuid}}", value)
    assert "{" not in path, f"no id for {path}"
    body = BODIES.get(handler.fn.__name__)
    return await client.request(method, path, json=body)


async def neighbour(lanes: Lanes) -> Lanes:
    """Another shop of the same installation, with a member, an address and an owner of its own."""
    async with system_transaction() as tx:
        shop = await shops.create_shop(
            tx, System(), code=f"next-{secrets.token_hex(4)}", name="隔壁"
        )
    await connect_to(lanes.wechat, ShopId(shop.shop_id))
    other = Lanes(lanes.app, ShopId(shop.shop_id), shop.code, lanes.wechat, lanes.opened)
    await other.account(Role.OWNER)
    return other


async def propose_merge(owner: httpx.AsyncClient) -> str:
    """Two records of a shop that wait for its staff."""
    cards = [{"identifiers": [{"kind": "card", "value": card}]} for card in ("B0001", "B0002")]
    made = [(await owner.post("/admin/v1/members", json=card)).json() for card in cards]
    pair = {"one_id": made[0]["member_id"], "other_id": made[1]["member_id"]}
    return str((await owner.post("/admin/v1/merges", json=pair)).json()["merge_id"])


# --- F077: another shop -----------------------------------------------------------------------


async def test_F077_ids_of_another_shop_are_not_found_on_every_route(lanes: Lanes) -> None:
    other = await neighbour(lanes)
    their_phone, their_owner = await other.phone("p2"), await other.desk()
    address = (await their_phone.post("/shop/v1/addresses", json=HOME)).json()
    store = await their_owner.post("/admin/v1/stores", json=BODIES["open_store"])
    ids = {
        "merge_id": await propose_merge(their_owner),
        "store_id": store.json()["store_id"],
        "address_id": address["address_id"],
        "member_id": (await their_owner.get("/admin/v1/members")).json()["items"][0]["member_id"],
        "staff_id": (await their_owner.get("/admin/v1/session")).json()["staff"]["staff_id"],
        "session_id": (await their_owner.get("/admin/v1/sessions")).json()["items"][0][
            "session_id"
        ],
    }
    my_phone, my_owner = await lanes.phone("p1"), await lanes.desk()
    tried = 0
    for method, path, handler in handlers(lanes.app):
        if "{" not in path:
            continue
        client = my_owner if handler.opt["access"].kind == "staff" else my_phone
        answer = await call(client, method, path, handler, **ids)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        for secret in (*ids.values(), "王小明", "1381234"):
            assert secret not in answer.text
        tried += 1
    assert tried == 17
    assert (await their_phone.get("/shop/v1/addresses")).json() == {"items": [address]}
    assert (await their_owner.get("/admin/v1/session")).status_code == 200


async def test_F077_staff_of_one_shop_are_nobody_in_another(lanes: Lanes) -> None:
    other = await neighbour(lanes)
    owner = await lanes.desk()
    owner.headers["X-Siyu-Shop"] = other.code
    for method, path, handler in handlers(lanes.app):
        if handler.opt["access"].permission is None or "{" in path:
            continue
        answer = await call(owner, method, path, handler)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
    view = (await owner.get("/admin/v1/session")).json()
    assert [shop["code"] for shop in view["shops"]] == [lanes.code]


async def test_F077_a_member_token_is_of_one_shop(lanes: Lanes) -> None:
    other = await neighbour(lanes)
    phone = await lanes.phone()
    phone.headers["X-Siyu-Shop"] = other.code
    assert (await phone.get("/shop/v1/consents")).status_code == 401
    mine = (await phone.get("/shop/v1/me")).json()
    theirs = (await (await other.phone("p1")).get("/shop/v1/me")).json()
    assert mine["member_id"] != theirs["member_id"], "one person, two shops, two members"


async def test_F077_staff_account_of_a_stranger_cannot_be_taken_over(lanes: Lanes) -> None:
    other = await neighbour(lanes)
    stranger = await other.account(Role.CLERK)
    owner = await lanes.desk()
    body = {"login_name": stranger, "name": "x", "role": "clerk"}
    for extra in ({}, {"password": "x1y2z3w4v5"}):
        answer = await owner.post("/admin/v1/staff", json={**body, **extra})
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "staff.login_name_taken"
    async with system_transaction(lanes.shop_id) as tx:
        staff_id = await service.add_staff(
            tx, System(), login_name=stranger, name="x", password_hash=None, role=Role.CLERK
        )
    for change in ({"password": "x1y2z3w4v5"}, {"remove_totp": True}, {"name": "y"}):
        answer = await owner.patch(f"/admin/v1/staff/{staff_id}", json=change)
        assert answer.json()["error"]["code"] == "staff.not_yours_alone"
    assert (await other.desk(login_name=stranger)).cookies


# --- F080, F081: ids and ownership ------------------------------------------------------------


async def test_F080_ids_in_addresses_cannot_be_guessed(lanes: Lanes) -> None:
    for method, path, _ in handlers(lanes.app):
        for parameter in re.findall(r"{(.*?)}", path):
            assert parameter.endswith(":uuid"), f"{method} {path} takes a guessable id"
    phone = await lanes.phone()
    made = [
        UUID((await phone.post("/shop/v1/addresses", json=HOME)).json()["address_id"])
        for _ in range(20)
    ]
    tails = {made_id.int & (2**62 - 1) for made_id in made}
    assert len(tails) == 20
    assert max(tails) - min(tails) > 2**50, "the tail is random, not counted"


async def test_F081_nobody_uses_the_address_of_another_member(lanes: Lanes) -> None:
    mine, theirs = await lanes.phone("p1"), await lanes.phone("p2")
    address = (await theirs.post("/shop/v1/addresses", json=HOME)).json()
    path = f"/shop/v1/addresses/{address['address_id']}"
    assert (await mine.put(path, json=HOME)).status_code == 404
    assert (await mine.delete(path)).status_code == 404
    assert (await mine.get("/shop/v1/addresses")).json() == {"items": []}
    my_id = UUID((await mine.get("/shop/v1/me")).json()["member_id"])
    with pytest.raises(AddressNotFound):
        async with transaction(lanes.shop_id) as tx:
            await members.load_for_checkout(tx, my_id, UUID(address["address_id"]))
    assert (await theirs.get("/shop/v1/addresses")).json() == {"items": [address]}


# --- F082: permissions ------------------------------------------------------------------------


async def test_F082_every_route_declares_what_it_demands(lanes: Lanes) -> None:
    declared = {
        f"{method} {path}": handler.opt["access"].permission
        for method, path, handler in handlers(lanes.app)
        if handler.opt["access"].permission
    }
    assert declared == PERMISSIONS
    for method, path, handler in handlers(lanes.app):
        if path.startswith("/admin/v1") and path != "/admin/v1/login":
            assert handler.opt["access"].kind == "staff", f"{method} {path}"


@pytest.mark.parametrize("role", list(Role))
async def test_F082_role_by_route(lanes: Lanes, role: Role) -> None:
    desk = await lanes.desk(role)
    nobody = {name: str(UUID(int=7)) for name in IDS}
    for method, path, handler in handlers(lanes.app):
        permission = handler.opt["access"].permission
        if permission is None or handler.fn.__name__ == "open_shop":
            continue
        answer = await call(desk, method, path, handler, **nobody)
        allowed = permission in rules.PERMISSIONS[role]
        assert (answer.status_code == 403) is not allowed, f"{role} {method} {path}: {answer.text}"
        if not allowed:
            assert answer.json()["error"]["code"] == "auth.forbidden"
        else:
            assert answer.status_code in (200, 201, 204, 404), answer.text
        if handler.fn.__name__ == "set_wechat" and allowed:
            await connect_to(lanes.wechat, lanes.shop_id)


async def test_F082_without_a_role_nothing_is_allowed(lanes: Lanes) -> None:
    name = await lanes.account(Role.CLERK)
    desk = await lanes.desk(login_name=name)
    async with system_transaction() as tx:
        await tx.run(
            "delete from staff.memberships where staff_id = (select staff_id from staff.accounts"
            " where login_name = $1)",
            name,
        )
    service._forget()
    for method, path, handler in handlers(lanes.app):
        if handler.opt["access"].permission and "{" not in path:
            answer = await call(desk, method, path, handler)
            assert answer.status_code == 404, f"{method} {path}"


async def test_F082_nobody_gets_in_without_logging_in(lanes: Lanes) -> None:
    ids = {name: str(UUID(int=7)) for name in IDS}
    forged = lanes.browser()
    forged.cookies.set("__Host-siyu", secrets.token_urlsafe(32))
    forged.headers["Authorization"] = "Bearer e30=.AAAA"
    tried = 0
    for method, path, handler in handlers(lanes.app):
        if handler.opt["access"].kind in ("member", "staff"):
            for client in (lanes.browser(), forged):
                answer = await call(client, method, path, handler, **ids)
                assert answer.status_code == 401, f"{method} {path}: {answer.text}"
                tried += 1
    assert tried > 50


# --- F085: rights that were taken away --------------------------------------------------------


async def test_F085_right_taken_away_elsewhere_is_gone_in_seconds(lanes: Lanes) -> None:
    name = await lanes.account(Role.MANAGER)
    desk = await lanes.desk(login_name=name)
    assert (await desk.get("/admin/v1/shop")).status_code == 200
    async with system_transaction() as tx:  # as another process would, without our memory
        await tx.run(
            "delete from staff.sessions where staff_id = (select staff_id from staff.accounts"
            " where login_name = $1)",
            name,
        )
    began = clock.monotonic()
    while (await desk.get("/admin/v1/shop")).status_code == 200:
        assert clock.monotonic() - began < 60
        await asyncio.sleep(0.25)
    assert clock.monotonic() - began <= service.CACHE_SECONDS + 1
    await check_truths(lanes.shop_id)


# --- F086: guessing ---------------------------------------------------------------------------


async def guess(lanes: Lanes, name: str, ip: str, password: str = "guess") -> httpx.Response:
    return await lanes.browser(ip=ip).post(
        "/admin/v1/login", json={"login_name": name, "password": password}
    )


async def test_F086_guesses_at_one_account_end(lanes: Lanes) -> None:
    name = await lanes.account()
    for i in range(rules.ATTEMPTS_PER_ACCOUNT):
        assert (await guess(lanes, name, f"198.51.100.{i}")).status_code == 401
    refused = await guess(lanes, name, "198.51.100.200", PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "staff.too_many_attempts"
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert (await guess(lanes, name.upper(), "198.51.100.201", PASSWORD)).status_code == 429
    other = await lanes.account()
    assert (await guess(lanes, other, "198.51.100.202", PASSWORD)).status_code == 200
    with clock.turned(clock.now() + rules.ATTEMPT_WINDOW * 1.01):
        assert (await guess(lanes, name, "198.51.100.203", PASSWORD)).status_code == 200


async def test_F086_a_success_forgets_the_slips_before_it(lanes: Lanes) -> None:
    name = await lanes.account()
    for round_no in range(3):
        for i in range(rules.ATTEMPTS_PER_ACCOUNT - 1):
            assert (await guess(lanes, name, f"198.51.{round_no}.{i}")).status_code == 401
        assert (await guess(lanes, name, f"198.51.{round_no}.99", PASSWORD)).status_code == 200


async def test_F086_guesses_from_one_address_end(lanes: Lanes) -> None:
    ip = "2001:db8:77:1::"
    for i in range(rules.ATTEMPTS_PER_ADDRESS):
        assert (await guess(lanes, f"nobody-{i}", f"{ip}{i:x}")).status_code == 401
    name = await lanes.account()
    assert (await guess(lanes, name, f"{ip}ffff", PASSWORD)).status_code == 429
    assert (await guess(lanes, name, "2001:db8:77:2::1", PASSWORD)).status_code == 200


async def test_F086_names_and_addresses_are_not_stored_in_clear(lanes: Lanes) -> None:
    await guess(lanes, "somebody-private", "198.51.100.77")
    async with system_transaction() as tx:
        rows = await tx.value("select string_agg(a::text, ' ') from staff.attempts a")
    for text in ("somebody-private", "198.51.100.77"):
        assert text not in rows and text.encode().hex() not in rows


# --- F087: other sites ------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_F087_writes_from_other_sites_are_refused(lanes: Lanes, site: str) -> None:
    owner = await lanes.desk()
    before = (await owner.get("/admin/v1/shop")).json()
    for method, path, handler in handlers(lanes.app):
        if handler.opt["access"].kind != "staff" or "{" in path:
            continue
        answer = await owner.request(
            method,
            path,
            json=BODIES.get(handler.fn.__name__),
            headers={"Sec-Fetch-Site": site, "Origin": "https://evil.example"},
        )
        assert answer.status_code == 403, f"{method} {path}"
        assert answer.json()["error"]["code"] == "auth.cross_site"
    body = {"login_name": "x", "password": "y"}
    answer = await lanes.browser().post(
        "/admin/v1/login", json=body, headers={"Sec-Fetch-Site": site}
    )
    assert answer.json()["error"]["code"] == "auth.cross_site", "nobody is logged in by a stranger"
    assert (await owner.get("/admin/v1/shop")).json() == before
    ours = {"Sec-Fetch-Site": "same-origin"}
    assert (await owner.get("/admin/v1/shop", headers=ours)).status_code == 200
