"""Reconciliation in the console: days, lines, tickets; who may see and who may decide."""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from siyu.app.http import create_litestar
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.money.reconciliation import rules
from tests.merchant.lanes import HASH, PASSWORD
from tests.money.payments.bench import Market, market
from tests.money.reconciliation.test_days import (
    books,
    morning_after,
    reconcile,
    wechat_url,
    wrong_booking,
)

__all__ = ["books", "market", "wechat_url"]
_numbers = itertools.count(1)
APP = create_litestar()


async def browser(market: Market, role: Role) -> httpx.AsyncClient:
    """Somebody of the shop, logged in."""
    name = f"{role}-bill-{next(_numbers)}-{secrets.token_hex(3)}"
    async with system_transaction(market.shop_id) as tx:
        for login_name, own in ((f"{name}-owner", Role.OWNER), (name, role)):  # a shop has an owner
            await staff.add_staff(
                tx, System(), login_name=login_name, name=name, password_hash=HASH, role=own
            )
    async with reading(market.shop_id) as read:
        code = (await shops.get_shop(read)).code
    made = httpx.AsyncClient(
        transport=httpx.ASGITransport(APP), base_url="https://shop.test",
        headers={"X-Siyu-Shop": code},
    )  # fmt: skip
    body = {"login_name": name, "password": PASSWORD, "totp": None}
    answer = await made.post("/admin/v1/login", json=body)
    made.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return made


@pytest.fixture
async def finance(books: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with contextlib.aclosing(await browser(books, Role.FINANCE)) as made:
        yield made


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    answer = await client.request(method, f"/admin/v1{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


async def test_a_day_is_seen_from_three_sides(books: Market, finance: httpx.AsyncClient) -> None:
    began = clock.now()
    await books.paid(amount_fen=8800)
    day, _ = await reconcile(books, began)
    status, page = await ask(finance, "GET", "/reconciliation/days?limit=1")
    assert (status, page["items"][0]["on"], page["items"][0]["state"]) == (
        200, day.on.isoformat(), "closed",
    )  # fmt: skip
    with clock.turned(morning_after(began)):
        status, view = await ask(finance, "GET", f"/reconciliation/days/{day.on}")
        again = await ask(finance, "POST", f"/reconciliation/days/{day.on}/fetch")
    assert (status, again[0]) == (200, 200)
    assert again[1]["three_way"] == view["three_way"]
    rows = {row["kind"]: (row["theirs_fen"], row["ledger_fen"]) for row in view["three_way"]}
    assert rows == {"payment": (8800, 8800), "fee": (-53, -53)}
    path = f"/reconciliation/days/{day.on}/lines?limit=1"
    _, first = await ask(finance, "GET", path)
    _, second = await ask(finance, "GET", f"{path}&cursor={first['next_cursor']}")
    assert [one["items"][0]["kind"] for one in (first, second)] == ["payment", "fee"]
    assert second["next_cursor"] is None


async def test_a_ticket_is_resolved_once(books: Market, finance: httpx.AsyncClient) -> None:
    began = clock.now()
    await wrong_booking(books, 500)
    await reconcile(books, began)
    _, page = await ask(finance, "GET", "/reconciliation/tickets?state=open&limit=1")
    (one,) = page["items"]
    path = f"/reconciliation/tickets/{one['ticket_id']}/resolve"
    body = {"resolution": "written_off", "note": "重复入账"}
    status, refused = await ask(finance, "POST", path, {"resolution": "explained", "note": "x"})
    assert (status, refused["error"]["code"]) == (422, "reconciliation.resolution_refused")
    status, done = await ask(finance, "POST", path, body)
    assert (status // 100, done["state"], done["resolved_by"]) == (
        2,
        "resolved",
        done["resolved_by"],
    )
    status, late = await ask(finance, "POST", path, body)
    assert (status, late["error"]["code"]) == (409, "reconciliation.ticket_resolved")
    _, open_ones = await ask(finance, "GET", "/reconciliation/tickets?state=open")
    assert open_ones["items"] == []
    cursor = page["next_cursor"]
    assert cursor is None


async def test_who_may_not(books: Market) -> None:
    on = rules.last_day(clock.now())
    async with contextlib.aclosing(await browser(books, Role.ANALYST)) as analyst:
        status, refused = await ask(analyst, "GET", "/reconciliation/days")
        assert (status, refused["error"]["code"]) == (403, "auth.forbidden")
    async with contextlib.aclosing(await browser(books, Role.FINANCE)) as finance:
        status, missing = await ask(finance, "GET", f"/reconciliation/days/{on}")
        assert (status, missing["error"]["code"]) == (404, "reconciliation.day_unknown")
        today = clock.now().astimezone(rules.CHINA).date()
        status, early = await ask(finance, "GET", f"/reconciliation/days/{today}")
        assert (status, early["error"]["code"]) == (409, "reconciliation.day_not_over")
