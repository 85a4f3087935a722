"""Nouns of fulfilment."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound, TooMany
from siyu.kernel.events import Event
from siyu.kernel.ids import ShopId

ConsignmentId = NewType("ConsignmentId", UUID)
ParcelId = NewType("ParcelId", UUID)

MAX_BATCH = 500
"""Rows of a table of tracking numbers, and consignments on a packing list."""

CarrierName = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,40}$")]
TrackingNo = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{4,64}$")]
LineNo = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Pieces = Annotated[int, msgspec.Meta(ge=1, le=999)]


class ConsignmentKind(StrEnum):
    """How a consignment reaches its receiver."""

    SHIP = "ship"
    PICKUP = "pickup"


class ConsignmentState(StrEnum):
    """Where a consignment stands."""

    OPEN = "open"  # something of it is still to leave
    DONE = "done"  # all that was not refunded has left, or was handed over
    CANCELLED = "cancelled"  # refunded before anything left


class PieceAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces of one line of an order."""

    line_no: LineNo
    quantity: Pieces


class ConsignmentLine(msgspec.Struct, frozen=True):
    """What of a line belongs to a consignment: `sent + cancelled <= quantity`."""

    line_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    sent: int
    cancelled: int

    @property
    def left(self) -> int:
        """What is still to leave."""
        return self.quantity - self.sent - self.cancelled


class Consignment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to reach whom. `source_id`: the order itself, or whoever asked for it (a share of a
    gift). `address_sealed` opens to a members.AddressText; a pick-up has a `store_id` and a code.
    """

    consignment_id: ConsignmentId
    order_id: UUID
    order_no: str
    kind: ConsignmentKind
    state: ConsignmentState
    source_id: UUID
    receiver_id: UUID
    address_sealed: bytes | None
    store_id: UUID | None
    code_sealed: bytes | None
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None


class PickupExpiry(StrEnum):
    """What becomes of goods nobody collects."""

    KEEP = "keep"
    REFUND = "refund"


class PickupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a shop decides about its pick-ups: `pickup_days` until they are overdue, how many days
    before that the buyer is reminded, and what happens then.
    """

    pickup_days: Annotated[int, msgspec.Meta(ge=1, le=60)] = 7
    remind_days: Annotated[int, msgspec.Meta(ge=0, le=30)] = 1
    on_expiry: PickupExpiry = PickupExpiry.KEEP


class TrackingStatus(StrEnum):
    """What a carrier says of a parcel."""

    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"


class ParcelStep(StrEnum):
    """What can happen to a parcel: ours, then what a carrier says (TrackingStatus)."""

    SENT = "sent"
    CORRECTED = "corrected"
    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"


class ParcelEvent(msgspec.Struct, frozen=True):
    """One thing that happened to a parcel."""

    parcel_id: ParcelId
    at: datetime
    event: ParcelStep
    text: str


class Parcel(msgspec.Struct, frozen=True):
    """What has left, and under which number. `carrier_code` is a code of `rules.CARRIERS`."""

    parcel_id: ParcelId
    carrier: str
    carrier_code: str | None
    tracking_no: str
    sent_at: datetime
    delivered_at: datetime | None


class ParcelLine(msgspec.Struct, frozen=True):
    """Pieces of a consignment's line in a parcel."""

    parcel_id: ParcelId
    consignment_id: ConsignmentId
    order_id: UUID
    line_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int


class Carrier(msgspec.Struct, frozen=True):
    """A carrier; `code` is also WeChat's delivery id."""

    code: str
    zh: str
    en: str


class TrackingNews(msgspec.Struct, frozen=True):
    """What a source of tracking knows of a parcel."""

    tracking_no: str
    at: datetime
    status: TrackingStatus
    text: str


Tracker = Callable[[ShopId, Sequence[str]], Awaitable[list[TrackingNews]]]
"""A source of tracking: asked for some tracking numbers, it tells what it knows of them. Called
outside of any transaction; whatever it raises waits for the next round."""


class UploadState(StrEnum):
    """Where the money of a payment in a mini-program stands; until FREE, SETTLED or REFUNDED,
    WeChat holds it.
    """

    WAITING = "waiting"  # nothing has left yet: there is nothing to tell
    DUE = "due"  # something is to be told
    PARTLY = "partly"  # WeChat knows of some parcels; others have not left yet
    TOLD = "told"  # WeChat knows that all has left, and waits for the buyer
    RECEIVED = "received"  # the buyer, or time, has confirmed: WeChat is settling
    SETTLED = "settled"
    REFUNDED = "refunded"
    FREE = "free"  # WeChat does not manage this app, or knows of no money to hold
    TICKET = "ticket"  # WeChat refuses for good: a person must see to it


HELD = frozenset(
    {
        UploadState.WAITING,
        UploadState.DUE,
        UploadState.PARTLY,
        UploadState.TOLD,
        UploadState.RECEIVED,
        UploadState.TICKET,
    }
)
"""States in which WeChat holds the money."""


class HeldMoney(msgspec.Struct, frozen=True, kw_only=True):
    """A payment whose money WeChat holds. `problem` is WeChat's last code against an upload,
    `problem_text` its words; `next_call_at` when it is asked or told next.
    """

    payment_id: UUID
    order_id: UUID
    order_no: str
    purpose: str
    state: UploadState
    amount_fen: int
    paid_at: datetime
    state_since: datetime
    tries: int
    problem: str | None
    problem_text: str
    next_call_at: datetime | None


class HeldFigures(msgspec.Struct, frozen=True):
    """All money that WeChat holds, and that part of it which waits for the shop."""

    held_fen: int
    held_count: int
    oldest_paid_at: datetime | None
    ours_fen: int
    ours_count: int
    tickets: int


class ConsignmentNotFound(NotFound):
    """It does not exist, or is another member's."""

    code = "fulfilment.consignment_not_found"
    zh = "没有找到该发货单"
    en = "There is no such consignment"


class ParcelNotFound(NotFound):
    """It does not exist here."""

    code = "fulfilment.parcel_not_found"
    zh = "没有找到该包裹"
    en = "There is no such parcel"


class NothingLeft(Conflict):
    """More than is left to send; details: `line_no`, `left`."""

    code = "fulfilment.nothing_left"
    zh = "超出可发货的数量，请刷新后重试"
    en = "That is more than is left to send, please reload"


class NotTogether(BadInput):
    """One parcel goes to one person at one address."""

    code = "fulfilment.not_together"
    zh = "收货人或地址不同，不能合并为一个包裹"
    en = "Different people or addresses: they cannot share a parcel"


class AlreadyAsked(Conflict):
    """The line's pieces are all in consignments or refunded."""

    code = "fulfilment.already_asked"
    zh = "该商品已全部安排发货或退款"
    en = "All of these goods are consigned or refunded already"


class CodeUnknown(NotFound):
    """No open pick-up has this code."""

    code = "fulfilment.code_unknown"
    zh = "没有找到该提货码，请核对"
    en = "There is no pick-up with this code"


class TooManyCodes(TooMany):
    """Too many wrong codes by one member of staff."""

    code = "fulfilment.too_many_codes"
    zh = "输错次数过多，请稍后再试"
    en = "Too many wrong codes, please try again later"


class UploadNotFound(NotFound):
    """WeChat holds no money under this payment."""

    code = "fulfilment.upload_not_found"
    zh = "没有这笔待结算的资金"
    en = "There is no such money"


class BadTable(BadInput):
    """A row of a table cannot be read; `row_no` says which, from 1."""

    code = "fulfilment.bad_table"
    zh = "表格第 {row_no} 行无法读取：缺少列或格式不对"
    en = "Row {row_no} of the table cannot be read: columns are missing or malformed"


class MomentWithoutOffset(BadInput):
    """A moment of a table has no offset from UTC; `row_no`, from 1."""

    code = "fulfilment.moment_without_offset"
    zh = "表格第 {row_no} 行的时间缺少时区，例如 2026-05-01T10:30:00+08:00"
    en = "The moment in row {row_no} has no offset, as in 2026-05-01T10:30:00+08:00"


class TableEmpty(BadInput):
    """The table has no rows."""

    code = "fulfilment.table_empty"
    zh = "表格里没有数据"
    en = "The table has no rows"


class TableTooLong(BadInput):
    """More rows than are taken at once (`limit`)."""

    code = "fulfilment.table_too_long"
    zh = "表格最多 {limit} 行"
    en = "The table may have at most {limit} rows"


class ParcelSent(Event, frozen=True):
    """A parcel has left; `orders` are those it has something of."""

    name: ClassVar[str] = "fulfilment.parcel_sent"
    parcel_id: UUID
    receiver_id: UUID
    orders: list[UUID]
    pieces: int
    sent_at: datetime


class PickupReady(Event, frozen=True):
    """Goods wait to be collected until `due_at`."""

    name: ClassVar[str] = "fulfilment.pickup_ready"
    consignment_id: UUID
    order_id: UUID
    member_id: UUID
    due_at: datetime


class PickupDue(Event, frozen=True):
    """A buyer should be reminded to collect the goods; told once per pick-up."""

    name: ClassVar[str] = "fulfilment.pickup_due"
    consignment_id: UUID
    order_id: UUID
    member_id: UUID
    due_at: datetime


class MoneyReleased(Event, frozen=True):
    """WeChat has let the money of a payment go (no `amount_fen`: it was counted when paid)."""

    name: ClassVar[str] = "fulfilment.money_released"
    payment_id: UUID
    order_id: UUID
    released_fen: int
