"""The console's view of payments."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Router

from siyu.kernel import clock
from siyu.kernel.audit import list_audit
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payments import http_admin, queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel, ParkedState, ParkReason, Ticket
from tests.money.payments.bench import Market, market, truths, wechat_url
from tests.money.payments.test_refunds import stopped
from tests.money.payments.test_suspense import COUPON, parked

__all__ = ["market", "truths", "wechat_url"]
pytestmark = pytest.mark.usefixtures("truths")


class Hooks:
    """One member of staff per shop code; the code is the shop's number, the token the rights."""

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        rights = frozenset(token.split("|"))
        staff_id = UUID(int=int(shop_code or 0))
        return StaffIdentity(staff_id, new_id(), ShopId(int(shop_code or 0)), "小周", rights)


@pytest.fixture
async def console() -> AsyncIterator[httpx.AsyncClient]:
    app = build_app([Router("/admin/v1", route_handlers=http_admin.routes)], Hooks())
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test") as http:
        yield http


def staff_of(shop_id: int, rights: str = "orders.read|money.read|money.write") -> dict[str, str]:
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


def parked_row(amount_fen: int, provider_number: str) -> queries.Parked:
    return queries.Parked(
        parked_id=new_id(),
        payment_id=None,
        order_id=None,
        reason=ParkReason.UNKNOWN_NUMBER,
        amount_fen=amount_fen,
        currency="CNY",
        merchant="19",
        number="x",
        provider_number=provider_number,
        parked_at=clock.now(),
        paid_at=clock.now(),
        state=ParkedState.PARKED,
        ticket=Ticket.FOREIGN_ACCOUNT,
        is_booked=False,
        is_shared=False,
    )


async def test_suspense_pages_the_newest_first(market: Market, console: httpx.AsyncClient) -> None:
    for number in range(5):
        async with transaction(market.shop_id) as tx:
            await queries.insert_parked(tx, parked_row(100 + number, f"42-{number}"))
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


@pytest.mark.parametrize(
    "path", [f"payments?order_id={UUID(int=1)}", "suspense", "refunds", f"refunds/{UUID(int=1)}"]
)
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
        "suspense?state=gone",
        "refunds?state=gone",
        "refunds?cursor=x",
        "refunds?limit=0",
        "refunds?order_id=1",
    ],
)
async def test_F076_bad_parameters(market: Market, console: httpx.AsyncClient, path: str) -> None:
    answer = await console.get(f"/admin/v1/{path}", headers=staff_of(market.shop_id))
    assert answer.status_code == 422
    assert answer.json()["error"]["code"].startswith("request.")


# --- refunds --------------------------------------------------------------------------------------

CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021001112223333", "real_name": "王小明"}


async def send(
    console: httpx.AsyncClient,
    market: Market,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    rights: str = "money.read|money.write",
) -> httpx.Response:
    headers = staff_of(market.shop_id, rights) | {"Idempotency-Key": key or new_id().hex}
    return await console.post(f"/admin/v1/{path}", json=body, headers=headers)


async def test_refunds_page_the_newest_first_and_tell_their_story(
    market: Market, console: httpx.AsyncClient
) -> None:
    attempt = await market.paid()
    made = [await market.refund(attempt.order_id, 100 + number) for number in range(3)]
    await market.work()
    headers = staff_of(market.shop_id)
    seen, cursor = [], ""
    while True:
        page = (await console.get(f"/admin/v1/refunds?limit=2{cursor}", headers=headers)).json()
        seen += [row["refund_id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [str(one) for one in reversed(made)]
    page = (await console.get("/admin/v1/refunds?state=processing", headers=headers)).json()
    assert [row["refund_id"] for row in page["items"]] == [str(made[0])], "a minute apart"
    path = f"/admin/v1/refunds?order_id={attempt.order_id}"
    page = (await console.get(path, headers=headers)).json()
    assert [row["refund_id"] for row in page["items"]] == [str(one) for one in made]

    shown = (await console.get(f"/admin/v1/refunds/{made[0]}", headers=headers)).json()
    assert (shown["state"], shown["number"]) == ("processing", made[0].hex)
    assert [(one["event"], one["actor_name"]) for one in shown["timeline"]] == [
        ("created", "siyu"), ("processing", "微信支付"),
    ]  # fmt: skip
    with clock.turned(clock.now() + timedelta(minutes=2)):
        answer = await send(console, market, f"refunds/{made[0]}/sync")
    assert answer.json()["state"] == "succeeded"


async def test_staff_see_to_an_abnormal_refund(market: Market, console: httpx.AsyncClient) -> None:
    _, refund_id = await stopped(market)
    path = f"refunds/{refund_id}"
    for wrong in (
        {"to": "payer_card", "card": None},
        {"to": "merchant_card", "card": CARD},
        {"to": "payer_card", "card": CARD | {"bank_account": "1"}},
        {"to": "elsewhere", "card": None},
        {"to": "payer_card"},
    ):
        answer = await send(console, market, f"{path}/apply-abnormal", wrong)
        assert answer.status_code == 422
    assert (await market.found(refund_id)).state == "abnormal"

    body, key = {"to": "payer_card", "card": CARD}, new_id().hex
    for _ in range(2):
        answer = await send(console, market, f"{path}/apply-abnormal", body, key=key)
        assert (answer.status_code, answer.json()["state"]) == (200, "processing"), answer.text
    assert await audited(market) == ["payments.refund_redirected"]
    assert (await market.told(refund_id)).count("abnormal_applied") == 1
    answer = await send(console, market, f"{path}/settle-outside", {"reason": "现金退还"})
    assert answer.json()["error"]["code"] == "payments.refund_move_refused"


async def test_staff_settle_a_refund_outside_once(
    market: Market, console: httpx.AsyncClient
) -> None:
    _, refund_id = await stopped(market)
    path, key = f"refunds/{refund_id}/settle-outside", new_id().hex
    assert (await send(console, market, path, {"reason": " "})).status_code == 422
    first = await send(console, market, path, {"reason": "现金退还"}, key=key)
    assert (first.status_code, first.json()["state"]) == (200, "settled")
    again = await send(console, market, path, {"reason": "现金退还"}, key=key)
    assert again.json() == first.json() and again.headers["Idempotency-Replayed"] == "true"
    other = await send(console, market, path, {"reason": "转账退还"}, key=key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency.key_reused")
    assert await audited(market) == ["payments.refund_settled_outside"]
    assert len(await market.events("payments.refund_succeeded")) == 1


async def test_staff_retry_or_give_up_a_failed_refund(
    market: Market, console: httpx.AsyncClient
) -> None:
    _, refund_id = await stopped(market, "refund_closed")
    with clock.turned(clock.now() + timedelta(hours=4)):
        answer = await send(console, market, f"refunds/{refund_id}/retry")
    assert (answer.status_code, answer.json().get("state")) == (200, "created"), answer.text
    assert [one["actor_name"] for one in answer.json()["timeline"]][-1] == "小周"
    await market.person.order_fault("refund_closed", mchid=market.keys["mchid"], times=None)
    for hours in range(5, 20):
        await market.work(hours=hours)
    assert (await market.found(refund_id)).state == "failed"
    path = f"refunds/{refund_id}/give-up"
    answer = await send(console, market, path, {"reason": "顾客改要换货"})
    assert (answer.status_code, answer.json()["state"]) == (200, "closed")
    assert sorted(await audited(market)) == [
        "payments.refund_closed", "payments.refund_retried",
    ]  # fmt: skip


async def test_staff_resolve_parked_money(market: Market, console: httpx.AsyncClient) -> None:
    row = await parked(market, **COUPON)
    path, key = f"suspense/{row.parked_id}/resolve", new_id().hex
    body = {"decision": "accept", "note": "微信立减券，商户足额到账"}
    first = await send(console, market, path, body, key=key)
    assert (first.status_code, first.json()["resolution"]) == (200, "accepted"), first.text
    assert first.json()["resolved_by"] == "小周"
    assert (await send(console, market, path, body, key=key)).json() == first.json()
    refused = await send(console, market, path, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (
        409, "payments.decision_refused",
    )  # fmt: skip
    assert await audited(market) == ["payments.parked_resolved"]
    page = await console.get("/admin/v1/suspense?state=resolved", headers=staff_of(market.shop_id))
    assert [one["note"] for one in page.json()["items"]] == ["微信立减券，商户足额到账"]


async def audited(market: Market) -> list[str]:
    async with reading(market.shop_id) as tx:
        return [row.action for row in await list_audit(tx) if row.action.startswith("payments.")]


@pytest.mark.parametrize(
    "path",
    [
        f"refunds/{UUID(int=1)}/{verb}"
        for verb in ("sync", "retry", "apply-abnormal", "settle-outside", "give-up")
    ]
    + [f"suspense/{UUID(int=1)}/resolve"],
)
async def test_what_does_not_exist_and_who_may_not(
    market: Market, console: httpx.AsyncClient, path: str
) -> None:
    body: Any = {"reason": "因为"}
    if path.endswith("abnormal"):
        body = {"to": "merchant_card", "card": None}
    elif path.endswith("resolve"):
        body = {"decision": "refund", "note": "因为"}
    elif path.endswith(("sync", "retry")):
        body = None
    answer = await send(console, market, path, body)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] in ("payments.refund_unknown", "payments.parked_unknown")
    answer = await send(console, market, path, body, rights="orders.read|orders.write")
    assert answer.status_code == 403
    answer = await send(console, market, path, {"reason": 1, "x": 2})
    assert answer.status_code == (404 if body is None else 422)


async def test_a_refund_that_does_not_exist_is_not_shown(
    market: Market, console: httpx.AsyncClient
) -> None:
    path = f"/admin/v1/refunds/{UUID(int=1)}"
    answer = await console.get(path, headers=staff_of(market.shop_id))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payments.refund_unknown")
