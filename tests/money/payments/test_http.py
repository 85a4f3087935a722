"""The console's view of payments."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import httpx
import pytest
from litestar import Router

from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payments import http_admin, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel, ParkReason
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


class Hooks:
    """One member of staff per shop code; the code is the shop's number, the token the rights."""

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        rights = frozenset(token.split("|"))
        return StaffIdentity(new_id(), new_id(), ShopId(int(shop_code or 0)), "小周", rights)


@pytest.fixture
async def console() -> AsyncIterator[httpx.AsyncClient]:
    app = build_app([Router("/admin/v1", route_handlers=http_admin.routes)], Hooks())
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test") as http:
        yield http


def staff_of(shop_id: int, rights: str = "orders.read") -> dict[str, str]:
    return {"X-Siyu-Shop": str(shop_id), "Cookie": f"__Host-siyu={rights}"}


async def test_payments_of_an_order(market: Market, console: httpx.AsyncClient) -> None:
    payable = market.payable()
    first, ticket = await market.begin(payable)
    await market.begin(payable, Channel.NATIVE)
    await market.pay(ticket)
    await payments.sync(market.shop_id, payable.order_id)
    answer = await console.get(
        f"/admin/v1/payments?order_id={payable.order_id}", headers=staff_of(market.shop_id)
    )
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next_cursor"] is None
    paid, open_ = page["items"]
    assert (paid["payment_id"], paid["state"], paid["channel"]) == (str(first), "paid", "jsapi")
    assert (paid["amount_fen"], paid["number"]) == (8800, first.hex)
    assert paid["provider_number"] and datetime.fromisoformat(paid["paid_at"]).tzinfo
    assert [entry["event"] for entry in paid["timeline"]] == ["created", "paying", "paid"]
    assert (open_["state"], open_["channel"], open_["paid_at"]) == ("paying", "native", None)
    assert market.openid not in answer.text


async def test_suspense_pages_the_newest_first(market: Market, console: httpx.AsyncClient) -> None:
    for number in range(5):
        async with transaction(market.shop_id) as tx:
            await queries.insert_parked(
                tx,
                parked_id=new_id(),
                attempt=None,
                reason=ParkReason.UNKNOWN_NUMBER,
                amount_fen=100 + number,
                currency="CNY",
                merchant="19",
                number="x",
                provider_number=f"42-{number}",
            )
    seen, cursor = [], ""
    while True:
        answer = await console.get(
            f"/admin/v1/suspense?limit=2{cursor}", headers=staff_of(market.shop_id)
        )
        page = answer.json()
        seen += [row["amount_fen"] for row in page["items"]]
        assert len(page["items"]) <= 2
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [104, 103, 102, 101, 100]


@pytest.mark.parametrize("path", [f"payments?order_id={UUID(int=1)}", "suspense"])
async def test_only_staff_with_the_right_of_this_shop_see_it(
    market: Market, console: httpx.AsyncClient, path: str
) -> None:
    assert (await console.get(f"/admin/v1/{path}")).status_code == 401
    for rights in ("", "products.read", "members.read"):
        headers = staff_of(market.shop_id, rights)
        assert (await console.get(f"/admin/v1/{path}", headers=headers)).status_code in (401, 403)


async def test_F077_another_shops_staff_see_nothing(
    market: Market, console: httpx.AsyncClient
) -> None:
    payable = market.payable()
    await market.intend(payable)
    path = f"/admin/v1/payments?order_id={payable.order_id}"
    answer = await console.get(path, headers=staff_of(market.shop_id + 100_000))
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "path",
    [
        "payments",
        "payments?order_id=1",
        "payments?order_id=' or 1=1",
        "suspense?limit=0",
        "suspense?limit=101",
        "suspense?limit=-1",
        "suspense?limit=1e9",
        "suspense?cursor=x",
        "suspense?cursor=WzFd",
    ],
)
async def test_F076_bad_parameters(market: Market, console: httpx.AsyncClient, path: str) -> None:
    answer = await console.get(f"/admin/v1/{path}", headers=staff_of(market.shop_id))
    assert answer.status_code == 422
    assert answer.json()["error"]["code"].startswith("request.")
