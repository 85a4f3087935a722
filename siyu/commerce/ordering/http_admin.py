"""Orders in the console: list, search, detail, cancel, ship, complete, export, imports."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter
from litestar.response import Stream

from siyu.commerce.ordering import queries, rules, service
from siyu.commerce.ordering.contracts import (
    CancelReason,
    Delivery,
    Order,
    OrderKind,
    OrderLine,
    OrderNotFound,
    OrderRefund,
    OrderSettings,
    OrderStatus,
    Platform,
    Refundable,
)
from siyu.commerce.ordering.queries import OrderFilter, OrderRow, Place
from siyu.commerce.ordering.service import export, history_store
from siyu.commerce.ordering.service.checkout import open_address
from siyu.commerce.promotions.contracts import TraceEntry
from siyu.kernel import clock
from siyu.kernel.audit import audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.crypto import mask_address, mask_name, mask_phone
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import Page, decode_cursor, get, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import ClosingResult
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText

Search = Annotated[str | None, Parameter(max_length=100, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Parameter(ge=1, le=100)]


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why; kept in the trail."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ShipBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who carries the goods, and under which number."""

    carrier: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,40}$")]
    tracking_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{4,64}$")]


class StaffTimelineView(msgspec.Struct, frozen=True):
    """`label` is in the language of the request; `actor` is who did it."""

    at: datetime
    event: str
    label: str
    actor: str


class StaffTendersView(msgspec.Struct, frozen=True):
    """What an order is paid with: `wechat_fen + principal_fen + bonus_fen` is its total; `points`
    took `points_fen` off before.
    """

    wechat_fen: int
    principal_fen: int
    bonus_fen: int
    points: int
    points_fen: int


class StaffOrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order with all that staff may see at once; the address is masked."""

    order_id: UUID
    order_no: str
    kind: OrderKind
    source: str
    status: OrderStatus
    member_id: UUID
    person_no: int
    platform: Platform | None
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    paid_fen: int
    refunded_fen: int
    placed_at: datetime
    pay_before: datetime | None
    paid_at: datetime | None
    payment_id: UUID | None
    cancel_reason: CancelReason | None
    remark: str
    delivery: Delivery
    carrier: str | None
    tracking_no: str | None
    shipped_at: datetime | None
    receipt_due_at: datetime | None
    completed_at: datetime | None
    promoter_id: UUID | None
    tenders: StaffTendersView
    address: AddressText | None
    lines: list[OrderLine]
    adjustments: list[TraceEntry]
    refunds: list[OrderRefund]
    timeline: list[StaffTimelineView]


def _filter(
    q: str | None,
    status: OrderStatus | None,
    kind: OrderKind | None,
    placed_from: datetime | None,
    placed_to: datetime | None,
) -> OrderFilter:
    """`q` is an order number, else a phone number, else the beginning of a product's title."""
    if any(moment and moment.tzinfo is None for moment in (placed_from, placed_to)):
        raise BadInput(field="placed_from, placed_to", why="a time without its offset")
    text = (q or "").strip()
    order_no = rules.read_order_number(text)
    phone_key = members.phone_key(text) if text and not order_no else None
    title = text if text and not order_no and not phone_key else None
    return OrderFilter(
        status=status,
        kind=kind,
        placed_from=placed_from,
        placed_to=placed_to,
        order_no=order_no,
        phone_key=phone_key,
        title_prefix=title,
    )


@get("/orders", access=staff("orders.read"))
async def list_orders(
    *,
    staff: StaffIdentity,
    status: OrderStatus | None = None,
    q: Search = None,
    placed_from: datetime | None = None,
    placed_to: datetime | None = None,
    kind: OrderKind | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[OrderRow]:
    """Orders of the shop, newest first."""
    after = decode_cursor(cursor, Place)
    wanted = _filter(q, status, kind, placed_from, placed_to)
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_orders(tx, wanted, after, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.placed_at, row.order_id])


@get("/orders/{order_id:uuid}", access=staff("orders.read"))
async def show_order(
    order_id: UUID, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> StaffOrderView:
    """One order; its address masked."""
    async with reading(staff.shop_id) as tx:
        return await _load(tx, order_id, request)


async def _load(tx: ReadTx, order_id: UUID, request: Request[Any, Any, Any]) -> StaffOrderView:
    order = await queries.get_order_detail(tx, order_id)
    if order is None:
        raise OrderNotFound
    lines = await queries.list_lines(tx, [order_id])
    timeline = await queries.list_timeline(tx, order_id)
    refunds = await service.list_refunds(tx, order_id) if order.paid_at else []
    chinese = language_of(request.headers.get("accept-language")) == "zh-CN"
    shared = set(StaffOrderView.__struct_fields__) & set(queries.OrderDetail.__struct_fields__)
    return StaffOrderView(
        **{field: getattr(order, field) for field in shared},
        address=_masked(open_address(order.address_sealed)),
        tenders=StaffTendersView(
            *[getattr(order, field) for field in StaffTendersView.__struct_fields__]
        ),
        lines=lines[order_id],
        refunds=refunds,
        timeline=[
            StaffTimelineView(
                entry.at,
                entry.event,
                rules.LABELS[entry.event][0 if chinese else 1],
                entry.actor,
            )
            for entry in timeline
        ],
    )


def _found(order: Order | None) -> Order:
    if order is None:
        raise OrderNotFound
    return order


def _masked(address: AddressText | None) -> AddressText | None:
    return address and AddressText(
        receiver=mask_name(address.receiver),
        phone=mask_phone(address.phone),
        province=address.province,
        city=address.city,
        district=address.district,
        detail=mask_address(address.detail),
    )


@post("/orders/{order_id:uuid}/reveal", access=staff("members.reveal"))
async def reveal_address(order_id: UUID, data: ReasonBody, staff: StaffIdentity) -> AddressText:
    """The address in clear; who looked and why stands in the trail."""
    async with transaction(staff.shop_id) as tx:
        order = _found(await queries.get_order(tx, order_id))
        address = open_address(order.address_sealed)
        if address is None:
            raise OrderNotFound
        after = {"reason": data.reason}
        audit(tx, staff, "ordering.address_revealed", ("order", order_id), after=after)
        return address


@post("/orders/{order_id:uuid}/cancel", access=staff("orders.write"))
async def cancel_order(
    order_id: UUID, data: ReasonBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> StaffOrderView:
    """Cancel an unpaid order: first the payment is closed at WeChat, then the goods are freed."""
    async with reading(staff.shop_id) as tx:
        order = _found(await queries.get_order(tx, order_id))
    closing = ClosingResult.UNKNOWN
    if order.status is OrderStatus.PENDING_PAYMENT:
        closing = await payments.close_order(staff.shop_id, order_id)
    async with transaction(staff.shop_id) as write:
        await service.cancel_unpaid(write, order_id, closing, CancelReason.BY_STAFF, staff)
        after = {"reason": data.reason}
        audit(write, staff, "ordering.order_cancelled", ("order", order_id), after=after)
        return await _load(write, order_id, request)


@post("/orders/{order_id:uuid}/ship", access=staff("orders.write"))
async def ship_order(
    order_id: UUID, data: ShipBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> StaffOrderView:
    """The goods have left; the days to automatic receipt begin."""
    async with transaction(staff.shop_id) as tx:
        await service.ship_order(
            tx, order_id, staff, carrier=data.carrier, tracking_no=data.tracking_no
        )
        return await _load(tx, order_id, request)


@post("/orders/{order_id:uuid}/complete", access=staff("orders.write"))
async def complete_order(
    order_id: UUID, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> StaffOrderView:
    """The customer has it: served, collected at the counter, or delivered."""
    async with transaction(staff.shop_id) as tx:
        await service.complete_order(tx, order_id, staff)
        return await _load(tx, order_id, request)


@get("/orders/{order_id:uuid}/refundable", access=staff("orders.read"))
async def show_refundable(order_id: UUID, staff: StaffIdentity) -> Refundable:
    """What may still be given back, per line."""
    async with reading(staff.shop_id) as tx:
        return await service.refundable(tx, order_id)


@get("/order-settings", access=staff("shop.read"))
async def show_settings(staff: StaffIdentity) -> OrderSettings:
    """What the shop decided about its orders."""
    async with reading(staff.shop_id) as tx:
        return await service.get_settings(tx)


@put("/order-settings", access=staff("shop.write"))
async def edit_settings(data: OrderSettings, staff: StaffIdentity) -> OrderSettings:
    """Decide anew; orders that have left keep the day they were given."""
    async with transaction(staff.shop_id) as tx:
        return await service.edit_settings(tx, staff, data)


_MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@get("/orders/export", access=staff("orders.export"))
async def export_orders(
    *,
    staff: StaffIdentity,
    format: Literal["csv", "xlsx"] = "csv",
    status: OrderStatus | None = None,
    q: Search = None,
    placed_from: datetime | None = None,
    placed_to: datetime | None = None,
    kind: OrderKind | None = None,
) -> Stream:
    """A table of all matching lines, safe to open in a spreadsheet; noted in the trail."""
    wanted = _filter(q, status, kind, placed_from, placed_to)
    async with transaction(staff.shop_id) as tx:
        shop = await shops.get_shop(tx)
        after = {"format": format, "status": status, "kind": kind, "searched": bool(q)}
        audit(tx, staff, "ordering.orders_exported", ("shop", staff.shop_id), after=after)
    write = export.write_csv if format == "csv" else export.write_xlsx
    name = f"orders-{clock.business_day(clock.now(), shop.time_zone)}.{format}"
    return Stream(
        write(staff.shop_id, wanted, shop.time_zone),
        media_type=_MEDIA_TYPES[format],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@get("/imports", access=staff("orders.read"))
async def list_imports(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 20
) -> Page[history_store.ImportRow]:
    """Imports of history with their counts, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await history_store.list_imports(tx, after[0] if after else None, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.import_id])


@get("/imports/{import_id:uuid}/refusals", access=staff("orders.read"))
async def list_refusals(
    import_id: UUID, staff: StaffIdentity, cursor: str | None = None, limit: Limit = 50
) -> Page[history_store.RefusalRow]:
    """The lines an import refused, in the order of the files."""
    after = decode_cursor(cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]])
    async with reading(staff.shop_id) as tx:
        rows = await history_store.list_refusals(tx, import_id, after[0] if after else 0, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.refusal_no])


routes = [
    list_orders,
    show_order,
    reveal_address,
    cancel_order,
    ship_order,
    complete_order,
    show_refundable,
    show_settings,
    edit_settings,
    export_orders,
    list_imports,
    list_refusals,
]
