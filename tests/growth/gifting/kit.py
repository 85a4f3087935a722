"""A shop that sells gifts, people with phones, and the console, all through HTTP."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import httpx
from litestar import Litestar, Router

from siyu.app.event_map import EVENT_MAP
from siyu.commerce.after_sale import http_shop as after_sale_shop
from siyu.commerce.catalog import http_shop as catalog_shop
from siyu.commerce.fulfilment import http_shop as fulfilment_shop
from siyu.commerce.ordering import http_shop as ordering_shop
from siyu.commerce.reviews import http_shop as reviews_shop
from siyu.growth.gifting import background, http_admin, http_shop, invariants, service
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.kernel.relay import Relay
from siyu.money.payments import background as payments_background
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText
from tests.commerce.ordering.kit import Shopper, broken_invariants, make_buyers, make_skus
from tests.money.payments.bench import Market

STAFF = frozenset(
    {
        "orders.read",
        "orders.write",
        "after_sale.write",
        "products.read",
        "products.write",
        "shop.read",
        "shop.write",
    }
)
TEA = 1990
CANARY = AddressText(
    receiver="金丝雀",
    phone="+8613987654321",
    province="云南省",
    city="昆明市",
    district="五华区",
    detail="翠湖北路 77 号金丝雀巷",
)
CANARIES = ("金丝雀", "13987654321", "翠湖北路", "五华区", "昆明市", "云南省", "SF9988776655")


class _Hooks:
    def __init__(self, shop_id: ShopId, permissions: frozenset[str]) -> None:
        self.shop_id = shop_id
        self.permissions = permissions

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return ShopIdentity(self.shop_id, code, "测试店", "CNY", "Asia/Shanghai")

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        who = uuid5(NAMESPACE_OID, token)
        return StaffIdentity(who, who, self.shop_id, token, self.permissions)


def app(shop: ShopId, permissions: frozenset[str] = STAFF) -> Litestar:
    """The lanes a giver or a receiver can reach, and gifting's console."""
    lanes = [
        catalog_shop, ordering_shop, after_sale_shop, fulfilment_shop, reviews_shop, http_shop,
    ]  # fmt: skip
    handlers = [handler for lane in lanes for handler in lane.routes]
    return build_app(
        [
            Router("/shop/v1", route_handlers=handlers),
            Router("/admin/v1", route_handlers=http_admin.routes),
        ],
        _Hooks(shop, permissions),
    )


class Fair:
    """A shop whose tea may be given, a giver known to WeChat, and whoever else comes."""

    def __init__(self, market: Market, http: httpx.AsyncClient, anna: Shopper) -> None:
        self.market = market
        self.shop = market.shop_id
        self.http = http
        self.anna = anna
        self.tea = self.product = UUID(int=0)

    # --- people

    async def person(self, address: AddressText | None = None) -> Shopper:
        """Somebody else with an address."""
        [(member, address_id)] = await make_buyers(self.shop, 1)
        if address is not None:
            async with transaction(self.shop) as tx:
                made = await members.add_address(tx, member.member_id, address, True)
                address_id = made.address_id
        return Shopper(self.http, member, address_id)

    # --- the giver

    def body(self, count: int = 1, **change: Any) -> dict[str, Any]:
        """A gift as it would be confirmed."""
        return {
            "sku_id": str(self.tea),
            "count": count,
            "kind": "friend" if count == 1 else "group",
            "expected_total_fen": TEA * count,
            "platform": "mp-weixin",
            "blessing": "生日快乐",
        } | change

    async def give(self, count: int = 1, **change: Any) -> dict[str, Any]:
        """Give and pay; the gift is open."""
        gift = ok(await self.anna.send("POST", "/gifts", self.body(count, **change)))
        await self.pay(gift)
        return await self.given(gift)

    async def pay(self, gift: dict[str, Any]) -> None:
        """Pay at WeChat, and let everybody hear of it."""
        path = f"/orders/{gift['order_id']}"
        started = await self.anna.send("POST", f"{path}/pay", {"channel": "jsapi"})
        assert started.status_code == 200, started.text
        await self.market.pay(started.json()["jsapi"]["package"].removeprefix("prepay_id="))
        await self.anna.send("POST", f"{path}/pay/sync")
        await self.news()

    async def given(self, gift: dict[str, Any]) -> dict[str, Any]:
        return ok(await self.anna.send("GET", f"/gifts/given/{gift['gift_id']}"))

    async def states(self, gift: dict[str, Any]) -> list[str]:
        return [share["state"] for share in (await self.given(gift))["shares"]]

    async def cancel(self, gift: dict[str, Any]) -> httpx.Response:
        return await self.anna.send("POST", f"/gifts/given/{gift['gift_id']}/cancel")

    # --- the receiver

    async def open(self, who: Shopper, gift: dict[str, Any], **body: Any) -> httpx.Response:
        return await who.send("POST", f"/gifts/links/{gift['link_key']}/open", body)

    async def accept(
        self, who: Shopper, gift: dict[str, Any], address_id: UUID | None = None
    ) -> httpx.Response:
        body = {"address_id": str(address_id or who.address_id)}
        return await who.send("POST", f"/gifts/links/{gift['link_key']}/accept", body)

    # --- the shop

    async def desk(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return await self.http.request(
            method, f"/admin/v1/gifts{path}", json=body, params=query or None
        )

    async def mark(self, sku_id: UUID) -> UUID:
        """Let the product of a SKU be given; its id."""
        product_id: UUID = await self.value(
            "select product_id from catalog.skus where sku_id = $1", sku_id
        )
        async with transaction(self.shop) as tx:
            await service.mark_product(tx, System(), product_id)
        return product_id

    # --- the world

    async def news(self) -> None:
        """Everybody hears what has happened."""
        await Relay(EVENT_MAP).drain()

    async def later(self, **delta: float) -> None:
        """Time passes, and the worker returns what is due."""
        clock.advance(timedelta(**delta))
        await background.return_gifts()
        await self.news()

    async def money(self) -> None:
        """WeChat is asked for refunds until it has no more to do."""
        for _ in range(4):
            await payments_background.pursue_due_refunds()
            await self.news()
            clock.advance(timedelta(minutes=2))

    async def value(self, sql: str, *args: Any) -> Any:
        async with reading(self.shop) as tx:
            return await tx.value(sql, *args)

    async def stock(self, sku_id: UUID) -> tuple[int, int]:
        """(on hand, reserved), over all warehouses."""
        async with reading(self.shop) as tx:
            row = await tx.connection.fetchrow(
                """select sum(on_hand)::int as on_hand, sum(reserved)::int as reserved
                   from inventory.stock where sku_id = $1""",
                sku_id,
            )
        return row["on_hand"], row["reserved"]

    async def told(self, name: str) -> list[dict[str, Any]]:
        return await self.market.events(f"gifting.{name}")

    async def broken(self) -> list[str]:
        """The truths that do not hold."""
        async with reading(self.shop) as tx:
            ours = [
                name
                for name, sql in invariants.INVARIANTS.items()
                if await tx.connection.fetch(sql)
            ]
        return ours + await broken_invariants(self.shop)


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


def why(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["details"]["why"])


def token(member: MemberIdentity) -> dict[str, str]:
    return {"Authorization": f"Bearer {member_token(member)}"}


@contextlib.asynccontextmanager
async def fair(market: Market, permissions: frozenset[str] = STAFF) -> AsyncIterator[Fair]:
    """Tea on the shelf that may be given."""
    account = (market.keys["appid"], market.openid)
    [(member, address_id)] = await make_buyers(market.shop_id, 1, account=account)
    transport = httpx.ASGITransport(app=app(market.shop_id, permissions))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://test", headers={"X-Siyu-Shop": "test"}
    ) as http:
        http.cookies.set("__Host-siyu", "boss")
        opened = Fair(market, http, Shopper(http, member, address_id))
        (opened.tea,) = await make_skus(market.shop_id, price_fen=TEA, stock=20)
        opened.product = await opened.mark(opened.tea)
        yield opened
