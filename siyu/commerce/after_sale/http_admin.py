"""The after-sale desk of the console, and the shop's terms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter
from litestar.response import File
from msgspec import Meta

from siyu.commerce.after_sale import queries, rules, service
from siyu.commerce.after_sale.contracts import (
    Action,
    Case,
    CaseLine,
    CaseNotFound,
    CaseSide,
    Fen,
    Kind,
    LineAsked,
    Parcel,
    Payer,
    Picture,
    PictureNotFound,
    Reason,
    Restock,
    Said,
    State,
    Terms,
    Text,
)
from siyu.commerce.after_sale.http_shop import evidence
from siyu.commerce.after_sale.queries import DeskFilter
from siyu.commerce.after_sale.service.pictures import SIZES
from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.crypto import mask_address, mask_name, mask_phone
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import OnceKey, decode_cursor, encode_cursor, get, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.people.members.contracts import AddressText

Caller = Request[Any, Any, Any]
READ, WRITE = staff("after_sale.read"), staff("after_sale.write")


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class DecideBody(_Body, frozen=True):
    """`amount_fen` null: what was asked for. Less needs a word to the customer."""

    amount_fen: Fen | None = None
    text: Text = ""


class RejectBody(_Body, frozen=True):
    """Why; the customer reads it."""

    text: Said


class InspectBody(_Body, frozen=True):
    """What came back. `restock` null: not accepted, and `text` says why. `warehouse_id`: where
    sellable goods lie now, null: where they were sold from.
    """

    restock: Restock | None
    text: Text = ""
    warehouse_id: UUID | None = None


class StaffSayBody(_Body, frozen=True):
    """A message to the customer, or a note that only staff read."""

    text: Said
    is_note: bool = False


class RefundOrderBody(_Body, frozen=True):
    """Pieces to refund without being asked; `text` is told to the customer."""

    lines: Annotated[list[LineAsked], Meta(min_length=1, max_length=100)]
    text: Said
    amount_fen: Fen | None = None


class ReturnAddressBody(_Body, frozen=True):
    """Where goods are sent back to. The phone may be a landline."""

    receiver: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    phone: Annotated[str, Meta(min_length=5, max_length=30, pattern=r"^[0-9+() -]+$")]
    province: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    city: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    district: Annotated[str, Meta(max_length=40)]
    detail: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]


class TermsBody(_Body, frozen=True):
    """The shop's terms. Seven days without a reason are the law's least; a fault of the goods can
    be claimed at least as long.
    """

    answer_hours: Annotated[int, Meta(ge=1, le=168)]
    ship_back_days: Annotated[int, Meta(ge=1, le=60)]
    inspect_days: Annotated[int, Meta(ge=1, le=30)]
    confirm_days: Annotated[int, Meta(ge=1, le=60)]
    no_reason_days: Annotated[int, Meta(ge=7, le=365)]
    quality_days: Annotated[int, Meta(ge=7, le=1095)]
    not_returnable: Annotated[list[UUID], Meta(max_length=1000)]
    return_address: ReturnAddressBody | None


class DeskRow(msgspec.Struct, frozen=True):
    """A case on the desk; `is_overdue` when its time is over."""

    case_id: UUID
    case_no: str
    order_id: UUID
    order_no: str
    member_id: UUID
    person_no: int
    kind: Kind
    state: State
    reason: Reason
    reason_label: str
    asked_fen: int
    amount_fen: int
    opened_at: datetime
    due_at: datetime | None
    is_overdue: bool
    trouble: str | None
    lines: list[CaseLine]


class Desk(msgspec.Struct, frozen=True):
    """A page of cases, and of the open ones how many stand where, are over their time, or stuck."""

    items: list[DeskRow]
    next_cursor: str | None
    counts: dict[State, int]
    overdue: int
    troubled: int


class StaffEntryView(msgspec.Struct, frozen=True):
    """A step, message or note; `label` is in the language of the request."""

    at: datetime
    event: str
    label: str
    side: CaseSide
    actor: str
    text: str


class StaffCaseView(DeskRow, frozen=True):
    """A case with its story and what staff may do now; the return address is masked."""

    freight_by: Payer
    is_unshipped: bool
    cap_fen: int
    shipping_cap_fen: int
    refund_id: UUID
    restock: Restock | None
    closed_at: datetime | None
    return_carrier: str | None
    return_tracking_no: str | None
    exchange_carrier: str | None
    exchange_tracking_no: str | None
    return_address: AddressText | None
    actions: list[Action]
    pictures: list[Picture]
    timeline: list[StaffEntryView]


def _row(case: Case, lines: list[CaseLine], request: Caller) -> dict[str, Any]:
    fields = set(StaffCaseView.__struct_fields__) & set(Case.__struct_fields__)
    rule = rules.REASONS[case.reason]
    return {field: getattr(case, field) for field in fields} | {
        "reason_label": (rule.zh, rule.en)[_place(request)],
        "is_overdue": case.due_at is not None and case.due_at <= clock.now(),
        "lines": lines,
    }


def _place(request: Caller) -> int:
    """Which of two words the caller reads."""
    return 0 if language_of(request.headers.get("accept-language")) == "zh-CN" else 1


def _desk_row(case: Case, lines: list[CaseLine], request: Caller) -> DeskRow:
    row = _row(case, lines, request)
    return DeskRow(**{field: row[field] for field in DeskRow.__struct_fields__})


async def _view(tx: ReadTx, case: Case | None, request: Caller) -> StaffCaseView:
    if case is None:
        raise CaseNotFound
    lines = (await queries.list_lines(tx, [case.case_id]))[case.case_id]
    place = _place(request)
    return StaffCaseView(
        **_row(case, lines, request),
        return_address=_masked(service.open_address(case.return_address_sealed)),
        actions=rules.actions(case, CaseSide.STAFF),
        pictures=await service.list_pictures(tx, case.case_id),
        timeline=[
            StaffEntryView(
                one.at, one.event, rules.LABELS[one.event][place], one.side, one.actor, one.text
            )
            for one in await queries.list_timeline(tx, case.case_id, True)
        ],
    )


def _masked(address: AddressText | None) -> AddressText | None:
    return address and msgspec.structs.replace(
        address,
        receiver=mask_name(address.receiver),
        phone=mask_phone(address.phone),
        detail=mask_address(address.detail),
    )


# --- the desk ---------------------------------------------------------------------------------


@get("/after-sale", access=READ)
async def show_desk(
    *,
    staff: StaffIdentity,
    request: Caller,
    standing: Annotated[State | None, Parameter(query="state")] = None,
    kind: Kind | None = None,
    order_id: UUID | None = None,
    overdue: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Desk:
    """Cases of the shop, newest first, and what lies on the desk in all."""
    after, now = decode_cursor(cursor, tuple[UUID]), clock.now()
    wanted = DeskFilter(
        state=standing, kind=kind, order_id=order_id, overdue_at=now if overdue else None
    )
    async with reading(staff.shop_id) as tx:
        cases = await queries.list_cases(tx, wanted, after[0] if after else None, limit + 1)
        lines = await queries.list_lines(tx, [case.case_id for case in cases])
        counts = await queries.count_states(tx, now)
    shown = cases[:limit]
    return Desk(
        items=[_desk_row(case, lines[case.case_id], request) for case in shown],
        next_cursor=encode_cursor([shown[-1].case_id]) if len(cases) > limit else None,
        counts=dict.fromkeys(rules.OPEN, 0) | {one.state: one.cases for one in counts},
        overdue=sum(one.overdue for one in counts),
        troubled=sum(one.troubled for one in counts),
    )


@get("/after-sale/{case_id:uuid}", access=READ)
async def show_case(case_id: UUID, staff: StaffIdentity, request: Caller) -> StaffCaseView:
    """One case with its story, notes included."""
    async with reading(staff.shop_id) as tx:
        return await _view(tx, await queries.get_case(tx, case_id), request)


@get("/after-sale/pictures/{picture_id:uuid}", access=READ)
async def show_evidence(picture_id: UUID, staff: StaffIdentity, size: int = SIZES[0]) -> File:
    """A picture of a case as WebP; `size` 1200 or 200. One that is in no case yet is nobody's."""
    async with reading(staff.shop_id) as tx:
        picture = await service.get_picture(tx, picture_id)
    if picture.case_id is None:
        raise PictureNotFound
    return evidence(staff.shop_id, picture_id, size)


@post("/after-sale/{case_id:uuid}/approve", access=WRITE)
async def approve_case(
    case_id: UUID, data: DecideBody, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """Agree: a refund only is paid at once, goods may be sent back."""
    async with transaction(staff.shop_id) as tx:
        case = await service.approve_case(
            tx, staff, case_id, amount_fen=data.amount_fen, text=data.text
        )
        return await _view(tx, case, request)


@post("/after-sale/{case_id:uuid}/reject", access=WRITE)
async def reject_case(
    case_id: UUID, data: RejectBody, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """Refuse, and say why."""
    async with transaction(staff.shop_id) as tx:
        return await _view(tx, await service.reject_case(tx, staff, case_id, data.text), request)


@post("/after-sale/{case_id:uuid}/receive", access=WRITE)
async def receive_goods(
    case_id: UUID, data: InspectBody, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """Say what came back: sellable, damaged, or not accepted."""
    async with transaction(staff.shop_id) as tx:
        case = await service.inspect_goods(
            tx,
            staff,
            case_id,
            restock=data.restock,
            text=data.text,
            warehouse_id=data.warehouse_id,
        )
        return await _view(tx, case, request)


@post("/after-sale/{case_id:uuid}/refund", access=WRITE)
async def refund_case(
    case_id: UUID, data: DecideBody, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """Pay for goods that came back; 409 for the second who tries (F028)."""
    async with transaction(staff.shop_id) as tx:
        case = await service.refund_case(
            tx, staff, case_id, amount_fen=data.amount_fen, text=data.text
        )
        return await _view(tx, case, request)


@post("/after-sale/{case_id:uuid}/ship-exchange", access=WRITE)
async def ship_exchange(
    case_id: UUID, data: Parcel, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """Send the replacement."""
    async with transaction(staff.shop_id) as tx:
        return await _view(tx, await service.ship_exchange(tx, staff, case_id, data), request)


@post("/after-sale/{case_id:uuid}/messages", access=WRITE)
async def say_to_customer(
    case_id: UUID, data: StaffSayBody, staff: StaffIdentity, request: Caller
) -> StaffCaseView:
    """A message to the customer, or a note among staff."""
    async with transaction(staff.shop_id) as tx:
        await service.say_as_staff(tx, staff, case_id, data.text, data.is_note)
        return await _view(tx, await queries.get_case(tx, case_id), request)


@post("/orders/{order_id:uuid}/after-sale", access=WRITE)
async def refund_order(
    order_id: UUID, data: RefundOrderBody, staff: StaffIdentity, once: OnceKey, request: Caller
) -> StaffCaseView:
    """Give money back without being asked, at once: goods that cannot be sent, goodwill."""
    async with transaction(staff.shop_id, once=once) as tx:
        case = await service.open_by_shop(
            tx, staff, order_id, data.lines, data.amount_fen, data.text
        )
        return tx.answer(await _view(tx, case, request))


# --- terms ------------------------------------------------------------------------------------


@get("/after-sale/settings", access=READ)
async def show_terms(staff: StaffIdentity) -> Terms:
    """The shop's terms, its own return address in clear."""
    async with reading(staff.shop_id) as tx:
        return await service.load_terms(tx)


@put("/after-sale/settings", access=WRITE)
async def change_terms(data: TermsBody, staff: StaffIdentity) -> Terms:
    """Replace the shop's terms; open cases keep the deadlines they were given."""
    given = msgspec.structs.asdict(data)
    address = data.return_address
    given["return_address"] = address and AddressText(**msgspec.structs.asdict(address))
    terms = rules.check_terms(Terms(**given))
    async with transaction(staff.shop_id) as tx:
        await service.save_terms(tx, staff, terms)
    return terms


routes = [
    show_desk, show_case, show_evidence, approve_case, reject_case, receive_goods, refund_case,
    ship_exchange, say_to_customer, refund_order, show_terms, change_terms,
]  # fmt: skip
