"""Nouns of after-sale. Amounts are fen of the shop's currency."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, NewType
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event
from siyu.kernel.money import MAX_FEN
from siyu.people.members.contracts import AddressText

CaseId = NewType("CaseId", UUID)

MAX_PICTURES = 9

Fen = Annotated[int, Meta(ge=0, le=MAX_FEN)]
Text = Annotated[str, Meta(max_length=500)]
Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Carrier = Annotated[str, Meta(min_length=1, max_length=30, pattern=r"\S")]
TrackingNo = Annotated[str, Meta(min_length=4, max_length=40, pattern=r"^[0-9A-Za-z-]+$")]
Pictures = Annotated[list[UUID], Meta(max_length=MAX_PICTURES)]
"""Ids of uploaded pictures, each used once."""


class Kind(StrEnum):
    """What the customer wants."""

    REFUND_ONLY = "refund_only"
    RETURN_REFUND = "return_refund"
    EXCHANGE = "exchange"


class State(StrEnum):
    """Where a case stands; how it moves on is `rules.STEPS`."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RETURNING = "returning"
    RECEIVED = "received"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    EXCHANGING = "exchanging"
    COMPLETED = "completed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Action(StrEnum):
    """What somebody does to a case."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SHIP_BACK = "ship_back"
    EXPIRE = "expire"
    PASS = "pass"
    FAIL = "fail"
    REFUND = "refund"
    SHIP_EXCHANGE = "ship_exchange"
    CONFIRM = "confirm"
    PAY_OUT = "pay_out"
    UNDO = "undo"


class CaseSide(StrEnum):
    """Who acts: `time` is a deadline, `money` the news of a refund."""

    CUSTOMER = "customer"
    STAFF = "staff"
    TIME = "time"
    MONEY = "money"


class Reason(StrEnum):
    """Why; words, fault and the kinds each may be given for stand in `rules.REASONS`."""

    NOT_WANTED = "not_wanted"
    ORDERED_WRONG = "ordered_wrong"
    DOES_NOT_FIT = "does_not_fit"
    NOT_SHIPPED = "not_shipped"
    NOT_RECEIVED = "not_received"
    QUALITY = "quality"
    DAMAGED = "damaged"
    WRONG_GOODS = "wrong_goods"
    NOT_AS_DESCRIBED = "not_as_described"
    AGREED = "agreed"
    BY_SHOP = "by_shop"


class Payer(StrEnum):
    """Who bears the freight of a return."""

    SHOP = "shop"
    CUSTOMER = "customer"


class Restock(StrEnum):
    """What the inspection makes of the goods: back on the shelf, or written off."""

    SELLABLE = "sellable"
    DAMAGED = "damaged"


class LineAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some pieces of an order line; an exchange may name another SKU of the same product."""

    line_no: Annotated[int, Meta(ge=1, le=100)]
    quantity: Annotated[int, Meta(ge=1, le=999)]
    exchange_sku_id: UUID | None = None


class CaseAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the customer asks for. `amount_fen` null: all that can be given back."""

    kind: Kind
    reason: Reason
    lines: Annotated[list[LineAsked], Meta(min_length=1, max_length=100)]
    amount_fen: Fen | None = None
    text: Text = ""
    picture_ids: Pictures = []


class Parcel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A parcel on its way."""

    carrier: Carrier
    tracking_no: TrackingNo


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop promises; the law's seven days are the least (消费者权益保护法 第二十五条).

    `quality_days`: how long after receipt a fault of the goods can be claimed (三包: 15 days).
    `confirm_days`: when a replacement counts as received.
    """

    answer_hours: int = 48
    ship_back_days: int = 7
    inspect_days: int = 5
    confirm_days: int = 10
    no_reason_days: int = 7
    quality_days: int = 15
    not_returnable: list[UUID] = []
    return_address: AddressText | None = None


class CaseLine(msgspec.Struct, frozen=True):
    """Pieces of an order line as they were bought; `cap_fen` is the most they can give back."""

    line_no: int
    sku_id: UUID
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    cap_fen: int
    exchange_sku_id: UUID | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case without its lines. `amount_fen`, of which shipping is a part, never exceeds `cap_fen`.

    `due_at`: when `rules.at_deadline` decides; null where nobody is waited for. `trouble`: WeChat
    could not pay the refund (abnormal, F030), or it was given up (closed); people must decide.
    `restock`: what became of the goods, once they are in the house.
    """

    case_id: UUID
    case_no: str
    order_id: UUID
    order_no: str
    member_id: UUID
    person_no: int
    kind: Kind
    state: State
    reason: Reason
    freight_by: Payer
    is_unshipped: bool
    cap_fen: int
    shipping_cap_fen: int
    asked_fen: int
    amount_fen: int
    refund_id: UUID
    restock: Restock | None
    opened_at: datetime
    due_at: datetime | None
    reminded_at: datetime | None
    closed_at: datetime | None
    return_carrier: str | None
    return_tracking_no: str | None
    exchange_carrier: str | None
    exchange_tracking_no: str | None
    return_address_sealed: bytes | None
    trouble: str | None


class TimelineEntry(msgspec.Struct, frozen=True):
    """A step or a word; `event` is a key of `rules.LABELS`. Notes are for staff alone."""

    entry_id: UUID
    at: datetime
    event: str
    side: CaseSide
    actor: str
    text: str


class Picture(msgspec.Struct, frozen=True):
    """An evidence picture, with the pixels of its largest size."""

    picture_id: UUID
    width: int
    height: int


class LineOffer(msgspec.Struct, frozen=True):
    """What of an order line can still be claimed; `returnable` without a reason by the terms."""

    line_no: int
    quantity: int
    amount_fen: int
    returnable: bool


class Offer(msgspec.Struct, frozen=True):
    """What an order allows now. No kinds: nothing is left, or the time is over."""

    kinds: list[Kind]
    reasons: list[Reason]
    lines: list[LineOffer]
    shipping_fen: int


class CaseNotFound(NotFound):
    """It does not exist, or is another member's."""

    code = "after_sale.case_not_found"
    zh = "没有找到该售后单"
    en = "There is no such after-sale case"


class PictureNotFound(NotFound):
    """It does not exist, is another member's, or belongs to another case already."""

    code = "after_sale.picture_not_found"
    zh = "没有找到该图片"
    en = "There is no such picture"


class MoveRefused(Conflict):
    """The case is not in a state in which this can be done; `state` is the present one."""

    code = "after_sale.move_refused"
    zh = "售后单当前状态不支持此操作"
    en = "The case's present state does not allow this"


class NotEligible(Conflict):
    """The order, or some of its goods, cannot have this; `why` is a stable word:

    order_state, kind, reason, time_over, not_returnable, nothing_to_return, gift.
    """

    code = "after_sale.not_eligible"
    zh = "该订单或商品不支持此售后申请"
    en = "This order or item does not allow this request"


class AlreadySent(Conflict):
    """Some of the pieces left while the rest of the order still waits: before shipping only what
    has not left can be given up, `left` pieces of `line_no`; the others once they are received.
    """

    code = "after_sale.already_sent"
    zh = "这些商品已经发出，收到后再申请售后"
    en = "These have been sent already: ask once you have received them"


class AlreadyClaimed(Conflict):
    """Fewer pieces are left than asked for: others are in a case already. `line_no`, `left`."""

    code = "after_sale.already_claimed"
    zh = "部分商品已在售后中或已退款"
    en = "Some of the pieces are in a case already, or refunded"


class ExchangeRefused(Conflict):
    """A replacement is of the same product, on the shelf, at the same price."""

    code = "after_sale.exchange_refused"
    zh = "只能换同一商品、同一价格且在售的规格"
    en = "Only a SKU on sale of the same product and price can be the replacement"


class ReturnAddressMissing(Conflict):
    """The shop has not said where goods are sent back to."""

    code = "after_sale.return_address_missing"
    zh = "请先在售后设置中填写退货地址"
    en = "Enter a return address in the after-sale settings first"


class AmountOutOfRange(BadInput):
    """Nothing, or more than `most_fen`."""

    code = "after_sale.amount_out_of_range"
    zh = "退款金额超出可退范围"
    en = "The amount is outside of what can be given back"


class ReasonNeeded(BadInput):
    """The customer is told why: a text is needed here."""

    code = "after_sale.reason_needed"
    zh = "请填写原因"
    en = "Please say why"


class PicturesNeeded(BadInput):
    """A fault of the goods is shown by at least one picture."""

    code = "after_sale.pictures_needed"
    zh = "请上传凭证图片"
    en = "Please add pictures as evidence"


class TooManyPictures(Conflict):
    """`limit` pictures wait or are in the case."""

    code = "after_sale.too_many_pictures"
    zh = "图片不能超过 {limit} 张"
    en = "At most {limit} pictures"


class CaseOpened(Event, frozen=True):
    """Somebody wants something undone; the amount is what was asked for (0 in an exchange)."""

    name: ClassVar[str] = "after_sale.case_opened"
    case_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    kind: Kind
    reason: Reason


class CaseApproved(Event, frozen=True):
    """The shop agrees, or its time to answer is over (`by`)."""

    name: ClassVar[str] = "after_sale.case_approved"
    case_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    kind: Kind
    by: CaseSide


class CaseOverdue(Event, frozen=True):
    """Nobody has answered in time, and no deadline may decide it."""

    name: ClassVar[str] = "after_sale.case_overdue"
    case_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    kind: Kind


class CaseClosed(Event, frozen=True):
    """The end; `amount_fen` is what was given back (0 unless `state` is refunded)."""

    name: ClassVar[str] = "after_sale.case_closed"
    case_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    kind: Kind
    state: State
