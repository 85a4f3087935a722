"""A shop with goods and customers, for every test that buys something."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
from litestar import Litestar, Router

from siyu.app.truths import BETWEEN_DOMAINS
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductDraft, ProductKind, SkuDraft
from siyu.commerce.coupons import invariants as coupons
from siyu.commerce.fulfilment import http_admin as fulfilment_admin
from siyu.commerce.fulfilment import http_shop as fulfilment_shop
from siyu.commerce.fulfilment import invariants as fulfilment_truths
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.fulfilment.contracts import PieceAsked
from siyu.commerce.inventory import invariants as inventory
from siyu.commerce.ordering import background, http_admin, http_shop, invariants
from siyu.commerce.ordering import service as ordering
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.events import Event
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import invariants as ledger
from siyu.money.payments import invariants as payments
from siyu.money.payments.contracts import PaymentSucceeded, Purpose, RefundOrigin, RefundSucceeded
from siyu.money.points import invariants as point_truths
from siyu.money.points import service as points
from siyu.money.stored_value import invariants as value_truths
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import LicenceKind, Side
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText, Level, Platform

ADDRESS = AddressText(
    receiver="王小明",
    phone="+8613812345678",
    province="福建省",
    city="泉州市",
    district="安溪县",
    detail="龙涓乡茶叶街 18 号 🍵",
)
ALL = frozenset({
    "orders.read", "orders.write", "orders.collect", "orders.export", "members.reveal", "shop.read",
    "shop.write", "prices.read", "prices.write", "money.write",
})  # fmt: skip


async def make_skus(
    shop: ShopId,
    count: int = 1,
    *,
    price_fen: int = 1990,
    member_price_fen: int | None = None,
    stock: int = 100,
    kind: ProductKind = ProductKind.PHYSICAL,
    title: str = "安溪铁观音",
) -> list[UUID]:
    """Products on the shelf with one SKU each."""
    made = []
    async with transaction(shop) as tx:
        key = secrets.token_hex(16)
        await tx.run(
            """insert into catalog.images (shop_id, image_key, width, height, created_at)
               values ($1, $2, 10, 10, now())""",
            shop,
            key,
        )
        for number in range(count):
            sku = SkuDraft(price_fen=price_fen, member_price_fen=member_price_fen, stock=stock)
            draft = ProductDraft(
                title=f"{title} {number + 1}",
                kind=kind,
                image_urls=[f"/media/{key}-1200.webp"],
                skus=[sku],
            )
            product_id = await catalog.create_product(tx, System(), draft)
            await catalog.set_shelf(tx, System(), product_id, True)
            made.append(
                await tx.value("select sku_id from catalog.skus where product_id = $1", product_id)
            )
    return made


async def make_buyers(
    shop: ShopId, count: int, level: Level = Level.NORMAL, account: tuple[str, str] | None = None
) -> list[tuple[MemberIdentity, UUID]]:
    """Members (one known to WeChat by `account`: app and openid), each with an address's id."""
    made = []
    async with transaction(shop) as tx:
        for _ in range(count):
            app_id, openid = account or ("wx-test", uuid4().hex)
            logged_in = await members.record_login(
                tx, app_id, openid, union_id=None, platform=Platform.H5
            )
            member = logged_in.member
            if level is not Level.NORMAL:
                await members.set_level(tx, System(), member.member_id, level)
            address = await members.add_address(tx, member.member_id, ADDRESS, True)
            identity = MemberIdentity(shop, member.member_id, member.person_no)
            made.append((identity, address.address_id))
    return made


class _Hooks:
    def __init__(self, staff_shop: ShopId, permissions: frozenset[str]) -> None:
        self._staff = StaffIdentity(new_id(), new_id(), staff_shop, "小李", permissions)

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        return self._staff


def app(shop: ShopId, permissions: frozenset[str] = ALL) -> Litestar:
    """The lanes of ordering, and of fulfilment, which ships."""
    lanes = [
        Router("/shop/v1", route_handlers=[*http_shop.routes, *fulfilment_shop.routes]),
        Router("/admin/v1", route_handlers=[*http_admin.routes, *fulfilment_admin.routes]),
    ]
    return build_app(lanes, _Hooks(shop, permissions))


class Shopper:
    """A customer with a phone in hand; also holds the staff's cookie for the console."""

    def __init__(self, http: httpx.AsyncClient, member: MemberIdentity, address_id: UUID) -> None:
        self.http = http
        self.member = member
        self.address_id = address_id

    async def send(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {member_token(self.member)}"}
        if method == "POST":
            headers["Idempotency-Key"] = key or uuid4().hex
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        return await self.http.request(method, f"/shop/v1{path}", headers=headers, content=content)

    def order_body(self, lines: dict[UUID, int], total_fen: int, **changes: Any) -> dict[str, Any]:
        return {
            "source": "lines",
            "lines": [{"sku_id": sku, "quantity": count} for sku, count in lines.items()],
            "address_id": self.address_id,
            "remark": "",
            "expected_total_fen": total_fen,
            "platform": "mp-weixin",
        } | changes

    async def order(self, lines: dict[UUID, int], total_fen: int, **changes: Any) -> dict[str, Any]:
        """Place an order that must succeed."""
        answer = await self.send("POST", "/orders", self.order_body(lines, total_fen, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextlib.asynccontextmanager
async def shopper(
    shop: ShopId, level: Level = Level.NORMAL, account: tuple[str, str] | None = None
) -> AsyncIterator[Shopper]:
    """A customer of the shop with an address."""
    [(member, address_id)] = await make_buyers(shop, 1, level, account)
    transport = httpx.ASGITransport(app=app(shop))
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as http:
        http.cookies.set("__Host-siyu", "staff")
        yield Shopper(http, member, address_id)


async def ship(shop: ShopId, order: dict[str, Any], pieces: dict[int, int] | None = None) -> None:
    """All that was not refunded leaves in one parcel, or so many pieces of each line. Raises
    NothingLeft.
    """
    order_id = UUID(order["order_id"])
    async with transaction(shop) as tx:
        if pieces:
            found = await tx.value(
                "select consignment_id from fulfilment.consignments where order_id = $1", order_id
            )
            asked = [PieceAsked(line_no, quantity) for line_no, quantity in pieces.items()]
            await fulfilment.send(
                tx, System(), {found: asked}, carrier="SF", tracking_no="SF1234567891"
            )
            return
        await fulfilment.settle_order(tx, await ordering.lock_order(tx, order_id))
        found = await tx.value(
            "select consignment_id from fulfilment.consignments where source_id = $1", order_id
        )
        await fulfilment.send(tx, System(), {found: None}, carrier="SF", tracking_no="SF1234567890")


async def stock_of(shop: ShopId, sku_id: UUID) -> tuple[int, int]:
    """(on hand, reserved)."""
    async with transaction(shop) as tx:
        row = await tx.connection.fetchrow(
            "select on_hand, reserved from inventory.stock where sku_id = $1", sku_id
        )
    return row["on_hand"], row["reserved"]


async def count(shop: ShopId, sql: str, *args: Any) -> Any:
    """One value, as the shop sees it."""
    async with transaction(shop) as tx:
        return await tx.value(sql, *args)


async def events(shop: ShopId, name: str) -> list[dict[str, Any]]:
    """Payloads of what was told, oldest first."""
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            "select payload from kernel.outbox where name = $1 order by event_id", name
        )
    return [row["payload"] for row in rows]


async def deliver(shop: ShopId, times: int = 1) -> None:
    """Tell ordering of every payment that succeeded, as the relay does (or does twice)."""
    for payload in await events(shop, "payments.payment_succeeded"):
        event = msgspec.convert(payload, PaymentSucceeded, strict=False)
        for _ in range(times):
            async with transaction(shop) as tx:
                await background.on_payment_succeeded(tx, event)


async def tell(
    shop: ShopId,
    kind: type[Event],
    *reactions: Callable[[Tx, Any], Awaitable[None]],
    times: int = 1,
) -> None:
    """Tell every event of a kind, as the relay does (or does twice)."""
    for payload in await events(shop, kind.name):
        event = msgspec.convert(payload, kind, strict=False)
        for _ in range(times):
            for reaction in reactions:
                async with transaction(shop) as tx:
                    await reaction(tx, event)


async def fund(
    shop: ShopId,
    member: MemberIdentity,
    *,
    principal_fen: int = 0,
    bonus_fen: int = 0,
    point_count: int = 0,
) -> None:
    """Give a member stored value (at most 200 yuan in all) and points."""
    async with transaction(shop) as tx:
        await stored_value.accept_licence(
            tx,
            System(),
            kind=LicenceKind.SINGLE_PURPOSE,
            number="350500BAA0001",
            issuer="泉州市商务局",
            valid_from_on=date(2020, 1, 1),
            valid_until_on=None,
            accepted=True,
        )
        for side, delta_fen in ((Side.PRINCIPAL, principal_fen), (Side.BONUS, bonus_fen)):
            if delta_fen:
                await stored_value.adjust(
                    tx, System(), member.member_id, side=side, delta_fen=delta_fen, reason="test"
                )
        if point_count:
            given = await points.earn(
                tx,
                member_id=member.member_id,
                order_id=new_id(),
                eligible_fen=point_count * 100,
            )
            assert given == point_count


async def wallet(shop: ShopId, member: MemberIdentity) -> tuple[int, int, int]:
    """(principal, bonus, points) that may be spent now."""
    async with reading(shop) as tx:
        value = await stored_value.spendable(tx, member.member_id)
        found = await points.get_points(tx, member.member_id)
    return value.principal_fen, value.bonus_fen, found.balance


def refund_done(order: dict[str, Any], refund_id: UUID, amount_fen: int) -> RefundSucceeded:
    """What payments tell when the payer has the money."""
    return RefundSucceeded(
        refund_id=refund_id,
        order_id=UUID(order["order_id"]),
        payment_id=new_id(),
        person_no=1,
        amount_fen=amount_fen,
        purpose=Purpose.ORDER,
        origin=RefundOrigin.AFTER_SALE,
        is_outside=False,
    )


async def broken_invariants(shop: ShopId) -> list[str]:
    """The truths of ordering and of what stands below it that do not hold."""
    async with reading(shop) as tx:
        truths = {
            **invariants.INVARIANTS,
            **coupons.INVARIANTS,
            **fulfilment_truths.INVARIANTS,
            **inventory.INVARIANTS,
            **payments.INVARIANTS,
            **ledger.INVARIANTS,
            **point_truths.INVARIANTS,
            **value_truths.INVARIANTS,
            **BETWEEN_DOMAINS,
        }
        return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]
