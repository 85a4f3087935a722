"""Orders in the console: list, search, detail, cancel, ship, complete, export, imports."""

import asyncio
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
    OfflineMethod,
    Order,
    OrderKind,
    OrderLine,
    OrderNotFound,
    OrderRefund,
    OrderSettings,
    OrderStatus,
    PickupStore,
    Platform,
    Refundable,
)
from siyu.commerce.ordering.queries import OrderFilter, OrderRow, Place
from siyu.commerce.ordering.service import counting, export, history_store
from siyu.commerce.ordering.service.checkout import open_address
from siyu.commerce.ordering.service.counting import CampaignResult, OrderCounts
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import TraceEntry
from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import SecondApproverNeeded
from siyu.kernel import clock
from siyu.kernel.audit import audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.crypto import mask_address, mask_name, mask_phone
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import OnceKey, Page, decode_cursor, get, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.kernel.money import MAX_FEN
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


class OfflineBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the customer paid at the counter; `amount_fen` is what was taken, and must be what is
    due.
    """

    method: OfflineMethod
    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=MAX_FEN)]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PaidOfflineView(msgspec.Struct, frozen=True):
    """An order that was paid at the counter."""

    order_id: UUID
    status: OrderStatus
    paid_fen: int
    payment_id: UUID


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For colleagues only."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class SimulationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which campaign, draft or not, over how many days back."""

    campaign_id: UUID
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 90


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
    shipped_at: datetime | None
    receipt_due_at: datetime | None
    completed_at: datetime | None
    promoter_id: UUID | None
    pickup: PickupStore | None
    coupons: dict[UUID, int]
    is_offline: bool
    tenders: StaffTendersView
    address: AddressText | None
    lines: list[OrderLine]
    adjustments: list[TraceEntry]
    refunds: list[OrderRefund]
    notes: list[service.Note]
    timeline: list[StaffTimelineView]


def _filter(
    q: str | None,
    status: OrderStatus | None,
    kind: OrderKind | None,
    placed_from: datetime | None,
    placed_to: datetime | None,
    delivery: Delivery | None = None,
    is_offline: bool | None = None,
    is_refunded: bool | None = None,
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
        delivery=delivery,
        is_offline=is_offline,
        is_refunded=is_refunded,
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
    delivery: Delivery | None = None,
    is_offline: bool | None = None,
    is_refunded: bool | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[OrderRow]:
    """Orders of the shop, newest first."""
    after = decode_cursor(cursor, Place)
    wanted = _filter(q, status, kind, placed_from, placed_to, delivery, is_offline, is_refunded)
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_orders(tx, wanted, after, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.placed_at, row.order_id])


@get("/orders/counts", access=staff("orders.read"))
async def count_orders(
    *,
    staff: StaffIdentity,
    q: Search = None,
    placed_from: datetime | None = None,
    placed_to: datetime | None = None,
    kind: OrderKind | None = None,
    delivery: Delivery | None = None,
    is_offline: bool | None = None,
    is_refunded: bool | None = None,
) -> OrderCounts:
    """How many of those orders stand where."""
    wanted = _filter(q, None, kind, placed_from, placed_to, delivery, is_offline, is_refunded)
    async with reading(staff.shop_id) as tx:
        return await counting.count_orders(tx, wanted)


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
        **{field: getattr(order, field) for field in shared - {"adjustments"}},
        adjustments=promotions.word_trace(order.adjustments, chinese=chinese),
        address=_masked(open_address(order.address_sealed)),
        tenders=StaffTendersView(
            *[getattr(order, field) for field in StaffTendersView.__struct_fields__]
        ),
        lines=lines[order_id],
        refunds=refunds,
        notes=await service.list_notes(tx, order_id),
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


@post("/orders/{order_id:uuid}/pay-offline", access=staff("orders.collect"))
async def pay_offline(
    order_id: UUID,
    data: OfflineBody,
    staff: StaffIdentity,
    once: OnceKey,
) -> PaidOfflineView:
    """The customer paid at the counter: the order is paid, and the till answers for the money."""
    async with transaction(staff.shop_id, once=once, replans=False) as tx:
        order = await service.pay_offline(
            tx, order_id, staff, data.method, data.amount_fen, data.note
        )
        assert order.payment_id is not None
        answer = PaidOfflineView(order_id, order.status, order.paid_fen, order.payment_id)
        return tx.answer(answer)


@post("/orders/{order_id:uuid}/notes", access=staff("orders.write"))
async def add_note(
    order_id: UUID, data: NoteBody, staff: StaffIdentity, once: OnceKey
) -> service.Note:
    """Write a note for colleagues; it is never edited, and customers never see it."""
    async with transaction(staff.shop_id, once=once) as tx:
        return tx.answer(await service.add_note(tx, order_id, data.content, staff))


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


@post("/price-simulations", access=staff("prices.write"))
async def simulate_prices(data: SimulationBody, staff: StaffIdentity) -> service.CampaignSimulation:
    """What a campaign would have cost over the shop's own past orders; kept with its version, which
    may then go live.
    """
    async with reading(staff.shop_id) as tx:
        past = await service.load_past(tx, data.campaign_id, data.days)
    simulation = await asyncio.to_thread(service.simulate_past, past)
    async with transaction(staff.shop_id) as write:
        await promotions.note_simulation(
            write, staff, data.campaign_id, simulation.version, simulation.cost
        )
    return service.CampaignSimulation(
        campaign_id=data.campaign_id, **msgspec.structs.asdict(simulation)
    )


@get("/coupons/{batch_id:uuid}/simulation", access=staff("prices.write"))
async def simulate_coupon(
    batch_id: UUID,
    staff: StaffIdentity,
    days: Annotated[int, Parameter(ge=1, le=365)] = 90,
) -> service.Simulation:
    """What a coupon would have cost over the shop's own past orders had every buyer had it and used
    it as soon as it served, once in an order, within its limits. Nothing is kept.
    """
    async with reading(staff.shop_id) as tx:
        past = await service.load_coupon_past(tx, batch_id, days)
    return await asyncio.to_thread(service.simulate_past, past)


@get("/campaigns/{campaign_id:uuid}/result", access=staff("prices.read"))
async def show_campaign_result(campaign_id: UUID, staff: StaffIdentity) -> CampaignResult:
    """What came of a campaign so far, beside what was expected of it."""
    async with reading(staff.shop_id) as tx:
        return await counting.load_result(tx, campaign_id)


_MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@get("/orders/export", access=staff("orders.export"))
async def export_orders(
    *,
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    reason: Annotated[
        str, Parameter(min_length=2, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")
    ],
    format: Literal["csv", "xlsx"] = "csv",
    status: OrderStatus | None = None,
    q: Search = None,
    placed_from: datetime | None = None,
    placed_to: datetime | None = None,
    kind: OrderKind | None = None,
    delivery: Delivery | None = None,
    is_offline: bool | None = None,
    is_refunded: bool | None = None,
) -> Stream:
    """A table of all matching lines in the asker's language, safe to open in a spreadsheet; noted
    in the trail. Above the shop's limit a second person signs first: 409 with the approval's
    `case_id` (F084)."""
    wanted = _filter(q, status, kind, placed_from, placed_to, delivery, is_offline, is_refunded)
    async with transaction(staff.shop_id) as tx:
        shop = await shops.get_shop(tx)
        rows = await counting.count_matching(tx, wanted)
        asked = {"filter": msgspec.to_builtins(wanted)}
        waiting = await approvals.ask_export(
            tx, staff, what="orders", asked=asked, rows=rows, reason=reason.strip()
        )
        if waiting is None:
            after = {"format": format, "status": status, "kind": kind, "searched": bool(q)}
            audit(tx, staff, "ordering.orders_exported", ("shop", staff.shop_id), after=after)
    if waiting is not None:
        raise SecondApproverNeeded(case_id=str(waiting.case_id), rows=rows)
    write = export.write_csv if format == "csv" else export.write_xlsx
    language = language_of(request.headers.get("accept-language"))
    name = f"orders-{clock.business_day(clock.now(), shop.time_zone)}.{format}"
    return Stream(
        write(staff.shop_id, wanted, shop.time_zone, language),
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
    list_orders, count_orders, show_order, reveal_address, cancel_order, pay_offline, add_note,
    complete_order, show_refundable, show_settings, edit_settings, simulate_prices,
    simulate_coupon, show_campaign_result, export_orders, list_imports, list_refusals,
]  # fmt: skip
