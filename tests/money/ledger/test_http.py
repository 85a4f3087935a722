"""The console's view: trial balance, entries, stories, proof."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from litestar import Router

from siyu.app import prove
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import http_admin
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from tests.money.ledger.books import payment, spending, top_up


class Hooks:
    """The code is the shop's number, the token the rights."""

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        rights = frozenset(token.split("|"))
        return StaffIdentity(new_id(), new_id(), ShopId(int(shop_code or 0)), "小周", rights)


@pytest.fixture
async def console() -> AsyncIterator[httpx.AsyncClient]:
    routes = [*http_admin.routes, *prove.routes]
    app = build_app([Router("/admin/v1", route_handlers=routes)], Hooks())
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test/admin/v1") as http:
        yield http


def staff_of(shop_id: int, rights: str = "money.read") -> dict[str, str]:
    return {
        "X-Siyu-Shop": str(shop_id),
        "Cookie": f"__Host-siyu={rights}",
        "Accept-Language": "en",
    }


class Booked:
    """A shop with a payment, a top-up and what was spent of it."""

    def __init__(self, shop: ShopId) -> None:
        self.shop, self.member, self.order = shop, new_id(), new_id()


@pytest.fixture
async def booked(shop: ShopId) -> Booked:
    made = Booked(shop)
    async with transaction(shop) as tx:
        await ledger.post(tx, payment(1200, made.order))
        await ledger.post(tx, top_up(made.member, 500, 50))
        await ledger.post(tx, spending(made.member, 200))
        await ledger.hold(tx, key="h", book=Book.BONUS, owner=made.member, amount=20)
    return made


async def test_the_trial_balance(booked: Booked, console: httpx.AsyncClient) -> None:
    answer = await console.get("/ledger/accounts", headers=staff_of(booked.shop))
    assert answer.status_code == 200, answer.text
    trial = answer.json()
    assert [(row["book"], row["debit"], row["credit"], row["held"]) for row in trial["lines"]] == [
        ("wechat", 1700, 0, 0),
        ("principal", 0, 300, 0),
        ("bonus", 0, 50, 20),
        ("sales", 0, 1400, 0),
        ("bonus_cost", 50, 0, 0),
    ]
    assert trial["lines"][0]["name"] == "Balance at WeChat Pay"
    assert trial["totals"] == [{"asset": "CNY", "debit": 1750, "credit": 1750, "is_even": True}]


async def test_entries_page_the_newest_first(booked: Booked, console: httpx.AsyncClient) -> None:
    seen, cursor = [], ""
    while True:
        answer = await console.get(
            f"/ledger/entries?limit=2{cursor}", headers=staff_of(booked.shop)
        )
        page = answer.json()
        seen += page["items"]
        assert len(page["items"]) <= 2
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [one["kind"] for one in seen] == ["balance_spent", "top_up", "payment"]
    assert seen[0]["title"] == "Paid with stored value"
    assert seen[0]["legs"] == [
        {
            "book": "principal",
            "name": "Stored value, paid by members",
            "owner": str(booked.member),
            "asset": "CNY",
            "amount": 200,
        },
        {"book": "sales", "name": "Sales", "owner": None, "asset": "CNY", "amount": -200},
    ]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("book=wechat", ["top_up", "payment"]),
        ("owner={member}", ["balance_spent", "top_up"]),
        ("book=bonus&owner={member}", ["top_up"]),
        ("order_id={order}", ["payment"]),
        ("book=fees", []),
    ],
)
async def test_entries_of_a_book_an_owner_an_order(
    booked: Booked, console: httpx.AsyncClient, query: str, kinds: list[str]
) -> None:
    path = f"/ledger/entries?{query.format(member=booked.member, order=booked.order)}"
    answer = await console.get(path, headers=staff_of(booked.shop))
    assert [one["kind"] for one in answer.json()["items"]] == kinds


async def test_the_story_of_an_order(booked: Booked, console: httpx.AsyncClient) -> None:
    path = f"/ledger/orders/{booked.order}/story"
    story = (await console.get(path, headers=staff_of(booked.shop))).json()
    assert story["order_id"] == str(booked.order)
    (sentence,) = story["sentences"]
    assert sentence["text"] == "The customer paid ¥12.00 through WeChat Pay; it counts as sales."
    assert sentence["standing"] == "So far: Balance at WeChat Pay ¥12.00, Sales ¥12.00."


async def test_the_proof_is_made_now(shop: ShopId, console: httpx.AsyncClient) -> None:
    async with transaction(shop) as tx:
        legs = [Leg(Book.PETTY, 1750), Leg(Book.OPENING, -1750)]
        await ledger.post(tx, Entry("opening", "opening", legs))
    answer = await console.get("/proof", headers=staff_of(shop))
    assert answer.status_code == 200, answer.text
    proof = answer.json()
    assert proof["line"] == "balanced, 0 violations"
    assert (proof["violations"], proof["is_balanced"], proof["story"]) == (0, True, None)
    assert proof["trial_balance"]["totals"][0]["debit"] == 1750
    assert {check["domain"] for check in proof["checks"]} >= {"ledger", "payments", "ordering"}
    assert {check["state"] for check in proof["checks"]} == {"ok"}


PATHS = ["ledger/accounts", "ledger/entries", f"ledger/orders/{UUID(int=1)}/story", "proof"]


@pytest.mark.parametrize("path", PATHS)
async def test_only_staff_with_the_right_of_this_shop_see_it(
    booked: Booked, console: httpx.AsyncClient, path: str
) -> None:
    assert (await console.get(f"/{path}")).status_code == 401
    refused = await console.get(f"/{path}", headers=staff_of(booked.shop, "orders.read"))
    assert refused.status_code == 403


async def test_F077_another_shops_staff_see_nothing(
    booked: Booked, console: httpx.AsyncClient
) -> None:
    other = staff_of(booked.shop + 100_000)
    assert (await console.get("/ledger/accounts", headers=other)).json() == {
        "lines": [],
        "totals": [],
    }
    for query in ("", f"?owner={booked.member}", f"?order_id={booked.order}"):
        page = (await console.get(f"/ledger/entries{query}", headers=other)).json()
        assert page == {"items": [], "next_cursor": None}
    story = await console.get(f"/ledger/orders/{booked.order}/story", headers=other)
    assert story.json()["sentences"] == []


@pytest.mark.parametrize(
    "query", ["book=pocket", "owner=1", "limit=0", "limit=101", "cursor=x", "cursor=WzFd"]
)
async def test_malformed_questions_are_refused(
    booked: Booked, console: httpx.AsyncClient, query: str
) -> None:
    answer = await console.get(f"/ledger/entries?{query}", headers=staff_of(booked.shop))
    assert answer.status_code == 422, answer.text
