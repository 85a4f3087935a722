"""F077: every route of the product, asked by the wrong person; the list of routes is generated.

Shop B has goods, an order, a member and staff. Whoever belongs to shop A, or to nobody, must not
get B's rows from any route, whichever ids of B stand in the path.
"""

import itertools
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from siyu.app.http import create_litestar
from siyu.kernel.audit import System
from siyu.kernel.auth import Access, MemberIdentity, member_token
from siyu.kernel.db import Database, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from tests.commerce.ordering.kit import make_buyers, make_skus
from tests.faults import foreign
from tests.merchant.lanes import HASH, PASSWORD

_numbers = itertools.count(1)
_NOBODY = "01a00000-0000-7000-8000-000000000000"


_Route = tuple[str, str, Access]


class World:
    """Two shops, their staff and customers, and every id that shop B knows."""

    app: Litestar
    a: ShopId
    b: ShopId
    code_a: str
    code_b: str
    cookie_a: str
    member_a: MemberIdentity
    member_b: MemberIdentity
    ids_b: dict[str, str]
    paid_id: str
    marks_b: list[str]


async def _open(code: str) -> ShopId:
    async with system_transaction() as tx:
        made = await shops.create_shop(tx, System(), code=code, name=f"店 {code}")
    return ShopId(made.shop_id)


async def _sign_in(client: httpx.AsyncClient, shop: ShopId, name: str) -> str:
    async with system_transaction(shop) as tx:
        await staff.add_staff(
            tx, System(), login_name=name, name=name, password_hash=HASH, role=Role.OWNER
        )
    body = {"login_name": name, "password": PASSWORD, "totp": None}
    answer = await client.post("/admin/v1/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.headers["set-cookie"].partition(";")[0]


def _client(app: Litestar) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.test")


async def _buy(client: httpx.AsyncClient, member: MemberIdentity, address: UUID, sku: UUID) -> Any:
    headers = {"Authorization": f"Bearer {member_token(member)}", "Idempotency-Key": str(sku)}
    await client.post(
        "/shop/v1/cart/lines", json={"sku_id": str(sku), "quantity": 1}, headers=headers
    )
    body = {
        "source": "lines",
        "lines": [{"sku_id": str(sku), "quantity": 1}],
        "address_id": str(address),
        "remark": "乙店的留言",
        "expected_total_fen": 1990,
        "platform": "mp-weixin",
    }
    headers["Idempotency-Key"] = f"order {sku}"
    answer = await client.post("/shop/v1/orders", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Both shops, made through the product's own verbs."""
    made = World()
    made.app = create_litestar()
    number = next(_numbers)
    made.code_a, made.code_b = f"matrix-a{number}", f"matrix-b{number}"
    made.a, made.b = await _open(made.code_a), await _open(made.code_b)
    async with _client(made.app) as client:
        made.cookie_a = await _sign_in(client, made.a, f"anna{number}")
        await _sign_in(client, made.b, f"bert{number}")
        [(made.member_a, _)] = await make_buyers(made.a, 1)
        account = (foreign.APP, f"o-{number}")
        [(made.member_b, address)] = await make_buyers(made.b, 1, account=account)
        sku, other_sku = await make_skus(made.b, 2, title="乙店的茶")
        order = await _buy(client, made.member_b, address, sku)
        paid = await _buy(client, made.member_b, address, other_sku)
    async with reading(made.b) as tx:
        of_sku = "select product_id from catalog.skus where sku_id = $1"
        product, other_product = await tx.value(of_sku, sku), await tx.value(of_sku, other_sku)
    async with transaction(made.b) as tx:
        category = await tx.value(
            """insert into catalog.categories (shop_id, category_id, name, position)
               values ($1, gen_random_uuid(), '乙店分类', 0) returning category_id""",
            made.b,
        )
    async with system_transaction(made.b) as tx:
        staff_b = await tx.value(
            "select staff_id from staff.memberships where shop_id = $1", made.b
        )
        session_b = await tx.value(
            "select session_id from staff.sessions where staff_id = $1", staff_b
        )
    made.ids_b = {
        "product_id": str(product),
        "sku_id": str(sku),
        "order_id": order["order_id"],
        "member_id": str(made.member_b.member_id),
        "address_id": str(address),
        "category_id": str(category),
        "staff_id": str(staff_b),
        "session_id": str(session_b),
        "import_id": _NOBODY,
        "dead_id": f"job:{_NOBODY}",
        "message_id": "wechatpay:none",
    }
    paid_id = UUID(paid["order_id"])
    made.ids_b |= {"event_name": "custom.tasting", "prop_name": "guests"}
    made.ids_b |= await foreign.set_up_sharing(made.member_b, other_product)
    made.ids_b |= await foreign.pay_twice(made.member_b, paid_id)
    made.ids_b |= await foreign.pack(made.member_b, paid_id)
    made.ids_b |= await foreign.open_case(made.member_b, paid_id)
    made.ids_b |= await foreign.say_something(made.member_b, paid_id)
    made.ids_b |= await foreign.claim_coupon(made.member_b)
    made.ids_b |= await foreign.propose_merge(made.member_b)
    made.ids_b |= await foreign.make_prices(made.member_b)
    made.ids_b |= await foreign.give(made.member_b, product, sku)
    made.ids_b |= await foreign.keep_stock(made.member_b)
    made.ids_b |= await foreign.try_something(made.member_b)
    made.ids_b |= await foreign.look_into(made.member_b)
    made.ids_b |= await foreign.fill_wallet(made.member_b)
    made.ids_b |= await foreign.ask_payout(made.member_b)
    made.paid_id = str(paid_id)
    known = [mark for mark in made.ids_b.values() if _NOBODY not in mark and ":" not in mark]
    made.marks_b = ["乙店", order["order_no"], paid["order_no"], made.paid_id, *known]
    made.ids_b |= await foreign.differ(made.member_b)
    made.ids_b |= await foreign.leave_papers(made.member_b)
    made.ids_b |= await foreign.write_to(made.member_b)
    made.marks_b.append(made.ids_b["ticket_id"])
    yield made


def _routes(app: Litestar) -> list[tuple[str, str, Access]]:
    found = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            access = handler.opt.get("access")
            if isinstance(handler, HTTPRouteHandler) and isinstance(access, Access):
                found += [
                    (method, route.path, access)
                    for method in sorted(handler.http_methods)
                    if method not in ("HEAD", "OPTIONS")
                ]
    return found


def _fill(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: ids[match.group(1)], path)


def _asked(world: World, paths: Iterable[_Route]) -> Iterator[tuple[str, str, Access, str]]:
    """Each route with ids of shop B in its path; about an order, both of one that waits and of one
    that was paid."""
    for method, path, access in paths:
        yield method, path, access, _fill(path, world.ids_b)
        if "{order_id" in path:
            yield method, path, access, _fill(path, world.ids_b | {"order_id": world.paid_id})


def _is_empty(answer: httpx.Response) -> bool:
    """A list, or the story of an order's money, with nothing in it."""
    if answer.status_code != 200 or not answer.headers["content-type"].endswith("json"):
        return False
    told = answer.json()
    return any(isinstance(told, dict) and told.get(one) == [] for one in ("items", "sentences"))


def _leaks(answer: httpx.Response, marks: list[str], asked: str) -> list[str]:
    return [mark for mark in marks if mark in answer.text and mark not in asked]


async def test_F077_staff_of_one_shop_reach_nothing_of_another(world: World) -> None:
    routes = [r for r in _routes(world.app) if r[2].kind == "staff"]
    assert len(routes) > 40
    wrong = []
    async with _client(world.app) as client:
        for method, path, access, asked in _asked(world, routes):
            if path.endswith(("/logout", "/password")):
                continue  # they end or change the caller's own session
            for code in (world.code_a, world.code_b):
                headers = {"Cookie": world.cookie_a, "X-Siyu-Shop": code}
                query = "" if "{" in path else f"?order_id={world.paid_id}"
                answer = await client.request(method, asked + query, headers=headers, json={})
                leaked = _leaks(answer, world.marks_b, asked + query)
                own = access.permission is None  # the caller's own session, whichever the shop
                anothers = code == world.code_b or "{" in path
                if leaked or answer.status_code >= 500:
                    wrong.append((method, path, code, answer.status_code, leaked))
                elif _is_empty(answer):
                    continue  # a list of things that do not exist is empty
                elif anothers and not own and answer.status_code < 300:
                    wrong.append((method, path, code, answer.status_code, "answered"))
    assert wrong == []


async def test_F077_nobody_reaches_nothing(world: World) -> None:
    wrong = []
    async with _client(world.app) as client:
        routes = [r for r in _routes(world.app) if r[2].kind not in ("public", "callback")]
        for method, path, access, asked in _asked(world, routes):
            answer = await client.request(method, asked, json={})
            expected = {"shop": 404}.get(access.kind, 401)
            if answer.status_code != expected or _leaks(answer, world.marks_b, asked):
                wrong.append((method, path, answer.status_code))
    assert wrong == []


async def test_F077_a_member_of_one_shop_reaches_nothing_of_another(world: World) -> None:
    routes = [r for r in _routes(world.app) if r[2].kind in ("member", "shop")]
    assert len(routes) > 20
    wrong = []
    token = member_token(world.member_a)
    async with _client(world.app) as client:
        for number, (method, path, access, asked) in enumerate(_asked(world, routes)):
            for code in (world.code_a, world.code_b):
                headers = {
                    "Authorization": f"Bearer {token}",
                    "X-Siyu-Shop": code,
                    "Idempotency-Key": f"{number} {code}",
                }
                answer = await client.request(method, asked, headers=headers, json={})
                leaked = _leaks(answer, world.marks_b, asked)
                answered = answer.status_code < 300 and "{" in path and method == "GET"
                foreign_shop = access.kind == "shop" and code == world.code_b
                if leaked or answered or answer.status_code >= 500:
                    wrong.append((method, path, code, answer.status_code, leaked))
                if foreign_shop and answer.status_code != 401:
                    wrong.append((method, path, code, answer.status_code, "other shop"))
    assert wrong == []


async def test_F081_a_member_reaches_nothing_of_another_member(world: World) -> None:
    [(stranger, _)] = await make_buyers(world.b, 1)
    wrong = []
    async with _client(world.app) as client:
        routes = [r for r in _routes(world.app) if r[2].kind == "member" and "{" in r[1]]
        for number, (method, path, _, asked) in enumerate(_asked(world, routes)):
            headers = {
                "Authorization": f"Bearer {member_token(stranger)}",
                "Idempotency-Key": f"stranger {number}",
            }
            bodies: list[Any] = [{}, {"reason": "x"}, {"channel": "jsapi"}, {"quantity": 2}]
            bodies += [{"text": "x"}, {"carrier": "顺丰", "tracking_no": "SF123456"}]
            lines = [{"line_no": 1, "quantity": 1}]
            bodies.append({"kind": "refund_only", "reason": "not_wanted", "lines": lines})
            for body in bodies:
                answer = await client.request(method, asked, headers=headers, json=body)
                # The goods and coupons are the shop's, and who has a gift's link may look.
                for_all = any(one in path for one in ("/cart", "/claim", "/gifts/links/"))
                leaks = _leaks(answer, world.marks_b, asked) and not for_all
                if answer.status_code >= 500 or leaks:
                    wrong.append((method, path, answer.status_code, answer.text[:80]))
                elif answer.status_code < 300 and not for_all:
                    wrong.append((method, path, answer.status_code, "answered"))
    assert wrong == []
