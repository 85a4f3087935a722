"""Shipping in the console: work board, parcels, tables of numbers, pick-ups, money waiting."""

import csv
import io
from datetime import datetime
from html import escape
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import Parameter

from siyu.commerce.fulfilment import queries, rules, service
from siyu.commerce.fulfilment.contracts import (
    MAX_BATCH,
    Carrier,
    CarrierName,
    ConsignmentKind,
    ConsignmentNotFound,
    ConsignmentState,
    HeldFigures,
    HeldMoney,
    ParcelNotFound,
    PickupSettings,
    PieceAsked,
    TrackingNews,
    TrackingNo,
    TrackingStatus,
    UploadState,
)
from siyu.commerce.fulfilment.queries import BoardCounts, Place
from siyu.commerce.fulfilment.service import ParcelView, RowReport, StaffConsignment, upload_store
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderNotFound
from siyu.kernel import clock
from siyu.kernel.audit import audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import OnceKey, Page, decode_cursor, get, post, put, staff
from siyu.kernel.i18n import Language, language_of

READ, WRITE = staff("orders.read"), staff("orders.write")
Limit = Annotated[int, Parameter(ge=1, le=100)]
Search = Annotated[str | None, Parameter(max_length=64, pattern=r"^[^\x00]*$")]
Table = Annotated[str, msgspec.Meta(min_length=1, max_length=200_000, pattern=r"^[^\x00]*$")]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class ShipBody(_Body, frozen=True):
    """Who carries the goods, and under which number."""

    carrier: CarrierName
    tracking_no: TrackingNo


class ChosenBody(_Body, frozen=True):
    """Pieces of one consignment; null: all that is left of it."""

    consignment_id: UUID
    lines: Annotated[list[PieceAsked], msgspec.Meta(min_length=1, max_length=100)] | None = None


class ParcelBody(ShipBody, frozen=True):
    """A parcel with pieces of one consignment, or of several for the same person and address."""

    consignments: Annotated[list[ChosenBody], msgspec.Meta(min_length=1, max_length=50)]


class TableBody(_Body, frozen=True):
    """Rows of order number, carrier and tracking number: pasted, or the text of a CSV file."""

    text: Table


class TrackingNewsBody(_Body, frozen=True):
    """Something that staff know of a parcel."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    status: TrackingStatus
    text: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class PickupCodeBody(_Body, frozen=True):
    """A pick-up code as typed, or as a scanner read it."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class PickupView(msgspec.Struct, frozen=True):
    """The pick-up of a code."""

    consignment: StaffConsignment


class ConsignmentView(msgspec.Struct, frozen=True):
    """A consignment with its parcels, and the others that may share one with it."""

    consignment: StaffConsignment
    parcels: list[ParcelView]
    together: list[StaffConsignment]


class OrderParcels(msgspec.Struct, frozen=True):
    """All that is sent of an order; `money`: how its money stands at WeChat, null when WeChat has
    nothing to do with it.
    """

    consignments: list[StaffConsignment]
    parcels: list[ParcelView]
    money: UploadState | None
    problem: str | None


class CarrierList(msgspec.Struct, frozen=True):
    """Carriers to choose from; others may be written."""

    items: list[Carrier]


class TableReport(msgspec.Struct, frozen=True):
    """What became of each row."""

    sent: int
    refused: int
    rows: list[RowReport]


class NewsReport(msgspec.Struct, frozen=True):
    """How much of a table of tracking was new."""

    noted: int


# --- the work board -----------------------------------------------------------------------------


@get("/consignments", access=READ)
async def list_consignments(
    *,
    staff: StaffIdentity,
    kind: ConsignmentKind = ConsignmentKind.SHIP,
    standing: ConsignmentState = ConsignmentState.OPEN,
    q: Search = None,
    cursor: str | None = None,
    limit: Limit = 30,
) -> Page[StaffConsignment]:
    """What is to be sent or collected, the oldest first; what has ended, the newest first. `q` is
    an order number."""
    after = decode_cursor(cursor, Place)
    order_no = (ordering.read_order_number(q) or q) if q else None
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_consignments(tx, kind, standing, order_no, after, limit + 1)
        shown = await service.show_consignments(tx, rows)
    return Page.of(shown, limit, key=lambda row: [row.ended_at or row.created_at,
                                                  row.consignment_id])  # fmt: skip


@get("/consignments/counts", access=READ)
async def count_consignments(staff: StaffIdentity) -> BoardCounts:
    """How much is to be done."""
    async with reading(staff.shop_id) as tx:
        return await queries.count_open(tx, clock.now())


@get("/consignments/{consignment_id:uuid}", access=READ)
async def show_consignment(consignment_id: UUID, staff: StaffIdentity) -> ConsignmentView:
    """One consignment, its parcels, and what may be sent together with it."""
    async with reading(staff.shop_id) as tx:
        found = await queries.get_consignment(tx, consignment_id)
        if found is None:
            raise ConsignmentNotFound
        parcels = await queries.list_parcels_of(tx, [consignment_id])
        others = await queries.list_together(tx, consignment_id)
        shown = await service.show_consignments(tx, [found, *others])
        return ConsignmentView(shown[0], await service.show_parcels(tx, parcels), shown[1:])


@get("/orders/{order_id:uuid}/parcels", access=READ)
async def show_order_parcels(order_id: UUID, staff: StaffIdentity) -> OrderParcels:
    """All that is sent of an order."""
    async with reading(staff.shop_id) as tx:
        if await ordering.get_order(tx, order_id) is None:
            raise OrderNotFound
        consignments = await queries.list_of_orders(tx, [order_id])
        parcels = await queries.list_parcels_of(tx, [one.consignment_id for one in consignments])
        upload = await upload_store.get_of_order(tx, order_id)
        return OrderParcels(
            await service.show_consignments(tx, consignments),
            await service.show_parcels(tx, parcels),
            upload.state if upload else None,
            upload.problem if upload else None,
        )


# --- sending ------------------------------------------------------------------------------------


@post("/parcels", access=WRITE)
async def send_parcel(data: ParcelBody, staff: StaffIdentity, once: OnceKey) -> ParcelView:
    """A parcel leaves: a part of an order, or of several for the same person and address."""
    wanted = {one.consignment_id: one.lines for one in data.consignments}
    if len(wanted) != len(data.consignments):
        raise BadInput(field="consignments", why="one named twice")
    async with transaction(staff.shop_id, once=once) as tx:
        parcel = await service.send(
            tx, staff, wanted, carrier=data.carrier, tracking_no=data.tracking_no
        )
        return tx.answer((await service.show_parcels(tx, [parcel]))[0])


@get("/parcels", access=READ)
async def list_parcels(
    *,
    staff: StaffIdentity,
    q: Search = None,
    cursor: str | None = None,
    limit: Limit = 30,
) -> Page[ParcelView]:
    """Parcels that have left, newest first; `q` is a tracking number."""
    after = decode_cursor(cursor, Place)
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_parcels(tx, (q or "").strip() or None, after, limit + 1)
        shown = await service.show_parcels(tx, rows)
    return Page.of(shown, limit, key=lambda row: [row.sent_at, row.parcel_id])


@put("/parcels/{parcel_id:uuid}", access=WRITE)
async def correct_parcel(parcel_id: UUID, data: ShipBody, staff: StaffIdentity) -> ParcelView:
    """The number was wrong; WeChat takes one correction of an order."""
    async with transaction(staff.shop_id) as tx:
        parcel = await service.correct_parcel(
            tx, staff, parcel_id, carrier=data.carrier, tracking_no=data.tracking_no
        )
        return (await service.show_parcels(tx, [parcel]))[0]


@post("/parcels/{parcel_id:uuid}/tracking", access=WRITE)
async def note_tracking(
    parcel_id: UUID, data: TrackingNewsBody, staff: StaffIdentity
) -> ParcelView:
    """Note where a parcel is."""
    async with transaction(staff.shop_id) as tx:
        news = TrackingNews("", data.at, data.status, data.text)
        await service.note_news(tx, staff, parcel_id, news)
        parcel = await queries.lock_parcel(tx, parcel_id)
        if parcel is None:
            raise ParcelNotFound
        return (await service.show_parcels(tx, [parcel]))[0]


@post("/parcels/tracking", access=WRITE)
async def note_tracking_table(data: TableBody, staff: StaffIdentity) -> NewsReport:
    """A table of what a carrier knows: number, moment, status, text."""
    news = service.read_news(data.text)
    async with transaction(staff.shop_id) as tx:
        return NewsReport(await service.note_all(tx, staff, news))


@post("/parcels/table", access=WRITE)
async def send_table(
    data: TableBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> TableReport:
    """Send what a table says, row by row; the same table may be given again."""
    rows = rules.read_table(data.text)
    chinese = language_of(request.headers.get("accept-language")) == "zh-CN"
    reports = await service.send_table(staff.shop_id, staff, rows, chinese=chinese)
    sent = sum(one.is_sent for one in reports)
    return TableReport(sent, len(reports) - sent, reports)


@get("/carriers", access=READ)
async def list_carriers(staff: StaffIdentity) -> CarrierList:
    """Carriers to choose from."""
    staff.must_have("orders.read")
    return CarrierList(list(rules.CARRIERS.values()))


# --- the packing list ---------------------------------------------------------------------------

_HEAD: dict[Language, tuple[str, ...]] = {
    "zh-CN": ("订单号", "收货人", "电话", "地址", "商品", "规格", "数量"),
    "en": ("Order number", "Receiver", "Phone", "Address", "Product", "Options", "Quantity"),
}
_TITLE: dict[Language, str] = {"zh-CN": "配货单", "en": "Packing list"}
_PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{title}</title><style>
body{{font:14px/1.5 system-ui,sans-serif;margin:16px;color:#111}}
section{{break-inside:avoid;border:1px solid #999;padding:10px;margin:0 0 12px}}
h2{{font-size:15px;margin:0 0 4px}}p{{margin:0 0 6px}}
table{{border-collapse:collapse;width:100%}}
td,th{{border-top:1px solid #ccc;padding:4px;text-align:left}}
td:last-child,th:last-child{{text-align:right;font-variant-numeric:tabular-nums}}
</style>{sections}</html>"""
_SECTION = """<section><h2>{order_no}</h2><p>{who}<br>{where}</p><table>
<tr>{head}</tr>{rows}</table></section>"""


@get("/packing-list", access=WRITE)
async def print_packing_list(
    staff: StaffIdentity,
    ids: Annotated[str, Parameter(max_length=37 * MAX_BATCH, pattern=r"^[0-9a-f,-]*$")],
    request: Request[Any, Any, Any],
    format: Literal["html", "csv"] = "html",
) -> Response[bytes]:
    """What is to be packed, in the asker's language, with addresses in clear: noted in the trail.
    `ids`: consignments, separated by commas."""
    try:
        wanted = [UUID(one) for one in ids.split(",") if one]
    except ValueError:
        raise BadInput(field="ids", why="no ids") from None
    async with transaction(staff.shop_id) as tx:
        packed = await queries.get_consignments(tx, wanted)
        shown = await service.show_consignments(tx, packed)
        after = {"consignments": len(packed)}
        audit(tx, staff, "fulfilment.packing_printed", ("shop", staff.shop_id), after=after)
    rows = []
    for consignment, view in zip(packed, shown, strict=True):
        address = service.open_address(consignment)
        assert address is not None, "what is shipped has an address"
        region = f"{address.province}{address.city}{address.district}"
        who, phone, where = address.receiver, address.phone, f"{region} {address.detail}"
        rows.append((view, who, phone, where))
    language = language_of(request.headers.get("accept-language"))
    body = _write_csv(rows, language) if format == "csv" else _write_html(rows, language)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if format == "csv":
        headers["Content-Disposition"] = 'attachment; filename="packing-list.csv"'
        return Response(body, media_type="text/csv; charset=utf-8", headers=headers)
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


_Row = tuple[StaffConsignment, str, str, str]


def _write_csv(rows: list[_Row], language: Language) -> bytes:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_HEAD[language])
    for view, who, phone, where in rows:
        for line in view.lines:
            if left := line.quantity - line.sent - line.cancelled:
                options = " ".join(line.option_values)
                cells = (view.order_no, who, phone, where, line.title, options)
                table.writerow([*map(_inert, cells), left])
    return text.getvalue().encode("utf-8-sig")


def _inert(cell: str) -> str:
    """A cell no spreadsheet takes for a formula (F069)."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _write_html(rows: list[_Row], language: Language) -> bytes:
    head = "".join(f"<th>{word}</th>" for word in _HEAD[language][4:])
    sections = []
    for view, who, phone, where in rows:
        lines = "".join(
            f"<tr><td>{escape(line.title)}</td><td>{escape(' '.join(line.option_values))}</td>"
            f"<td>{left}</td></tr>"
            for line in view.lines
            if (left := line.quantity - line.sent - line.cancelled)
        )
        sections.append(
            _SECTION.format(
                order_no=escape(view.order_no),
                who=escape(f"{who} {phone}"),
                where=escape(where),
                head=head,
                rows=lines,
            )
        )
    page = _PAGE.format(lang=language, title=_TITLE[language], sections="".join(sections))
    return page.encode()


# --- pick-ups -----------------------------------------------------------------------------------


@post("/pickups/find", access=WRITE)
async def find_pickup(data: PickupCodeBody, staff: StaffIdentity) -> PickupView:
    """The goods of a pick-up code; wrong codes are counted."""
    found = await service.find_pickup(staff, data.code)
    async with reading(staff.shop_id) as tx:
        return PickupView((await service.show_consignments(tx, [found]))[0])


@post("/pickups/hand-over", access=WRITE)
async def hand_over(data: PickupCodeBody, staff: StaffIdentity) -> PickupView:
    """The buyer has shown the code and takes the goods."""
    found = await service.find_pickup(staff, data.code)
    async with transaction(staff.shop_id) as tx:
        await service.hand_over(tx, staff, found.consignment_id)
        after = await queries.get_consignment(tx, found.consignment_id)
        assert after is not None
        return PickupView((await service.show_consignments(tx, [after]))[0])


@get("/fulfilment-settings", access=staff("shop.read"))
async def show_pickup_settings(staff: StaffIdentity) -> PickupSettings:
    """What the shop decided about its pick-ups."""
    async with reading(staff.shop_id) as tx:
        return await service.get_settings(tx)


@put("/fulfilment-settings", access=staff("shop.write"))
async def edit_pickup_settings(data: PickupSettings, staff: StaffIdentity) -> PickupSettings:
    """Decide anew; what waits already keeps its day."""
    async with transaction(staff.shop_id) as tx:
        return await service.edit_settings(tx, staff, data)


# --- money waiting ------------------------------------------------------------------------------


@get("/money-waiting", access=READ)
async def list_money(
    *,
    staff: StaffIdentity,
    standing: UploadState | None = None,
    cursor: str | None = None,
    limit: Limit = 30,
) -> Page[HeldMoney]:
    """Money that WeChat holds, the oldest payment first."""
    after = decode_cursor(cursor, Place)
    async with reading(staff.shop_id) as tx:
        rows = await upload_store.list_held(tx, standing, after, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.paid_at, row.payment_id])


@get("/money-waiting/figures", access=READ)
async def show_money_figures(staff: StaffIdentity) -> HeldFigures:
    """How much WeChat holds, since when, and how much of it waits for the shop."""
    async with reading(staff.shop_id) as tx:
        return await upload_store.get_figures(tx)


@post("/money-waiting/{payment_id:uuid}/retry", access=WRITE, status_code=204)
async def retry_upload(payment_id: UUID, staff: StaffIdentity) -> None:
    """Tell WeChat once more, at once."""
    async with transaction(staff.shop_id) as tx:
        await service.retry(tx, staff, payment_id)


routes = [
    list_consignments,
    count_consignments,
    show_consignment,
    show_order_parcels,
    send_parcel,
    list_parcels,
    correct_parcel,
    note_tracking,
    note_tracking_table,
    send_table,
    list_carriers,
    print_packing_list,
    find_pickup,
    hand_over,
    show_pickup_settings,
    edit_pickup_settings,
    list_money,
    show_money_figures,
    retry_upload,
]
