"""Nouns of payments: channels, attempt states, refunds, parked money, errors, events."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import Conflict, NotFound, SiyuError
from siyu.kernel.events import Event
from siyu.wechat.pay.contracts import JsapiPayment

PaymentId = NewType("PaymentId", UUID)


class Channel(StrEnum):
    """The way the money comes."""

    JSAPI = "jsapi"  # inside WeChat: mini-program or official account page
    NATIVE = "native"  # a QR code shown by us, scanned by the payer
    INTERNAL = "internal"  # nothing to pay: settled without WeChat
    OFFLINE = "offline"  # collected at the counter: staff wrote it down


class Purpose(StrEnum):
    """What the money is for; a reaction acts on its own purpose only."""

    ORDER = "order"
    TOP_UP = "top_up"  # of a member's stored value


class AttemptState(StrEnum):
    """Life of one attempt; the allowed moves are `rules.MOVES`."""

    CREATED = "created"  # number stored; WeChat not asked yet, or its answer unknown
    PAYING = "paying"  # WeChat waits for the payer
    PAID = "paid"  # the money belongs to the order
    CLOSED = "closed"  # WeChat confirmed that nobody can pay it any more
    PARKED = "parked"  # paid, but the money stands in suspense


class ParkReason(StrEnum):
    """Why money stands in suspense."""

    WRONG_AMOUNT = "wrong_amount"
    COUPON_USED = "coupon_used"  # WeChat paid a part; the payer gave less than the order asks
    WRONG_CURRENCY = "wrong_currency"
    WRONG_ACCOUNT = "wrong_account"  # merchant or app is not the one the attempt was made with
    UNKNOWN_NUMBER = "unknown_number"  # a success for a number we never gave out
    PAID_TWICE = "paid_twice"  # the order has another paid attempt
    ORDER_CLOSED = "order_closed"  # paid too late and the goods are gone


class ParkedState(StrEnum):
    """Where money in suspense stands."""

    PARKED = "parked"  # waits for a person: `ticket` says why
    REFUNDING = "refunding"  # on its way back to the payer: the refund tells the rest
    RESOLVED = "resolved"  # `resolution` says how


class Ticket(StrEnum):
    """Why parked money is not sent back by itself."""

    UNKNOWN_NUMBER = "unknown_number"  # whose it is, nobody here knows
    FOREIGN_ACCOUNT = "foreign_account"  # it lies with a merchant we hold no keys of
    FOREIGN_CURRENCY = "foreign_currency"  # WeChat's domestic refunds are in CNY
    COUPON_USED = "coupon_used"  # WeChat pays the merchant in full: better sold than sent back
    TOO_OLD = "too_old"  # WeChat refunds within a year
    REFUND_FAILED = "refund_failed"  # it was tried, and given up


class Resolution(StrEnum):
    """What became of parked money."""

    REFUNDED = "refunded"
    ACCEPTED = "accepted"  # the order took it after all
    KEPT = "kept"  # booked as a sale of its own
    DISMISSED = "dismissed"  # never was ours


class Decision(StrEnum):
    """What a person may decide about parked money."""

    REFUND = "refund"
    ACCEPT = "accept"  # for its order if it fits there, else as a sale of its own
    DISMISS = "dismiss"  # only for money that lies with another merchant


class RefundOrigin(StrEnum):
    """Who asked for a refund."""

    AFTER_SALE = "after_sale"
    CANCEL = "cancel"
    SUSPENSE = "suspense"  # parked money goes back
    TOP_UP = "top_up"


class RefundState(StrEnum):
    """Life of a refund; the allowed moves are `rules.REFUND_MOVES`. Until it has ended, the books
    show it as owed (`refund_due`)."""

    WAITING = "waiting"  # for parts given to others to come back; WeChat was not asked
    COUNTER = "counter"  # paid at the counter: staff hand the money out and write it down
    CREATED = "created"  # number stored; WeChat is to be asked, or its answer is unknown
    PROCESSING = "processing"  # WeChat has accepted it
    SUCCEEDED = "succeeded"  # the payer has the money
    ABNORMAL = "abnormal"  # the payer's card takes no money: finance must act (F030)
    FAILED = "failed"  # WeChat refuses or closed it: finance may repeat it under its number
    SETTLED = "settled"  # the payer was given the money outside of WeChat
    CLOSED = "closed"  # given up for good: nothing was paid, nothing is owed


class ClosingResult(StrEnum):
    """What is known of an order's attempts after `close_order`."""

    CLOSED = "closed"  # nothing can be paid any more: goods may be released
    PAID = "paid"  # one was paid: `payments.payment_succeeded` is on its way
    UNKNOWN = "unknown"  # WeChat did not confirm: keep the goods, ask again later


class Payable(msgspec.Struct, frozen=True, kw_only=True):
    """What payments is asked to collect.

    `amount_fen` 0..MAX_FEN, the part WeChat collects; `description` is shown in the payer's bill
    (cut to 127 characters); `payer` is the person's id in the shop's app, needed for
    `Channel.JSAPI`; `expires_at` is the last moment to pay; `has_virtual` and `platform` decide
    whether iOS may pay at all; `is_shared` freezes the money at WeChat until it is split.

    `order_id` is the id of what is paid for: an order, or with purpose `top_up` a top-up. The
    money of a top-up is booked to the `principal` of its `owner` (a member_id) the moment it
    arrives, in the same transaction; so whoever hears `PaymentSucceeded` books no principal.
    """

    order_id: UUID
    amount_fen: int
    description: str
    expires_at: datetime
    person_no: int
    payer: str | None
    platform: str
    has_virtual: bool
    is_shared: bool = False
    purpose: Purpose = Purpose.ORDER
    owner: UUID | None = None

    def __post_init__(self) -> None:
        assert (self.owner is not None) == (self.purpose is Purpose.TOP_UP)


class StartedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for the payer's screen; `state` is `paying` or `paid`. `jsapi` is what the page
    hands to WeChat, `code_url` the text of the code to scan."""

    payment_id: PaymentId
    state: AttemptState
    jsapi: JsapiPayment | None
    code_url: str | None


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the console shows it."""

    payment_id: PaymentId
    order_id: UUID
    channel: Channel
    state: AttemptState
    amount_fen: int
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    number: str
    provider_number: str | None


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an attempt; detail holds WeChat's own codes."""

    payment_id: PaymentId
    at: datetime
    event: str
    detail: dict[str, Any]


class PaidAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """The one attempt that paid an order: what may be refunded or split.

    `refunded_fen` counts refunds that are intended as well as done; `provider_number` is WeChat's
    transaction_id, None for an order of 0 fen and for one paid at the counter. `payer` is the
    payer's id in `app`, known when the money came inside WeChat.
    """

    payment_id: PaymentId
    order_id: UUID
    amount_fen: int
    refunded_fen: int
    is_shared: bool
    merchant: str
    app: str
    provider_number: str | None
    paid_at: datetime
    channel: Channel
    payer: str | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Money paid on top of an order that stays with us: a story of its own. `provider_number` is
    WeChat's transaction_id."""

    person_no: int
    amount_fen: int
    merchant: str
    app: str
    provider_number: str
    paid_at: datetime


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the console shows it.

    `number` is ours at WeChat, `provider_number` WeChat's own; `problem` is what WeChat (or a
    rule) said last against it: WeChat's code, null while nothing is wrong; `next_call_at` is when
    WeChat is asked next.
    """

    refund_id: UUID
    order_id: UUID | None
    payment_id: PaymentId | None
    parked_id: UUID | None
    purpose: Purpose
    origin: RefundOrigin
    state: RefundState
    amount_fen: int
    reason: str
    number: str
    provider_number: str | None
    problem: str | None
    created_at: datetime
    next_call_at: datetime | None
    ended_at: datetime | None


class RefundEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a refund; detail holds WeChat's own codes."""

    refund_id: UUID
    at: datetime
    event: str
    actor_name: str
    detail: dict[str, Any]


class ParkedRow(msgspec.Struct, frozen=True, kw_only=True):
    """Money in suspense and its story: parked, refunding, resolved.

    `ticket` says why a person must decide; `refund_id` is the refund that sends it back.
    """

    parked_id: UUID
    payment_id: PaymentId | None
    order_id: UUID | None
    state: ParkedState
    reason: ParkReason
    ticket: Ticket | None
    amount_fen: int
    currency: str
    merchant: str
    number: str
    provider_number: str
    refund_id: UUID | None
    resolution: Resolution | None
    note: str | None
    resolved_by: str | None
    parked_at: datetime
    resolved_at: datetime | None


class PaymentUnknown(NotFound):
    """No attempt with this id in this shop."""

    code = "payments.payment_unknown"
    zh = "没有这笔支付"
    en = "No such payment"


class PayerMissing(Conflict):
    """Paying inside WeChat needs to know who pays."""

    code = "payments.payer_missing"
    zh = "请在微信中打开后支付"
    en = "Open the shop in WeChat to pay"


class PaymentExpired(Conflict):
    """The last moment to pay is over."""

    code = "payments.expired"
    zh = "已超过支付时间"
    en = "The time to pay is over"


class VirtualOnIos(Conflict):
    """The rules of WeChat: no virtual goods on iOS (F024)."""

    code = "payments.virtual_on_ios"
    zh = "由于相关规范，iOS 暂不支持购买虚拟商品"
    en = "Virtual goods cannot be bought on iOS"


class PaymentOver(Conflict):
    """This attempt has ended at WeChat; begin to pay again."""

    code = "payments.over"
    zh = "这次支付已结束，请重新发起支付"
    en = "This payment has ended, please start again"


class AlreadyPaid(Conflict):
    """The money for this has arrived another way."""

    code = "payments.already_paid"
    zh = "这笔订单已经支付，请勿重复收款"
    en = "This has been paid already; do not collect it again"


class ProviderRefused(Conflict):
    """WeChat refused for a reason a repeat cannot mend; `details` carry its own code."""

    code = "payments.provider_refused"
    zh = "微信支付拒绝了这笔支付"
    en = "WeChat Pay refused the payment"


class ProviderUnavailable(SiyuError):
    """WeChat did not answer in time; the same request may be repeated safely."""

    status = 503
    code = "payments.provider_unavailable"
    zh = "微信支付暂时没有响应，请稍后重试"
    en = "WeChat Pay does not answer, please try again"


class NothingPaid(Conflict):
    """WeChat collected nothing for this order, so WeChat can give nothing back."""

    code = "payments.nothing_paid"
    zh = "这笔订单没有可退的微信支付"
    en = "WeChat Pay collected nothing for this order"


class RefundTooMuch(Conflict):
    """All refunds of a payment together cannot exceed it (F028)."""

    code = "payments.refund_too_much"
    zh = "退款金额超过可退金额 {refundable_fen} 分"
    en = "The refund exceeds the {refundable_fen} fen that are left"


class RefundsUsedUp(Conflict):
    """WeChat's rule: at most 50 refunds of one payment (F029)."""

    code = "payments.refunds_used_up"
    zh = "一笔支付最多退款 50 次"
    en = "A payment can be refunded 50 times at most"


class RefundTooLate(Conflict):
    """WeChat's rule: refunds within a year of the payment (F029)."""

    code = "payments.refund_too_late"
    zh = "支付已超过一年，微信支付不再受理退款"
    en = "WeChat Pay refunds only within a year of the payment"


class RefundUnknown(NotFound):
    """No refund with this id in this shop."""

    code = "payments.refund_unknown"
    zh = "没有这笔退款"
    en = "No such refund"


class RefundMoveRefused(Conflict):
    """The refund stands where this cannot be done."""

    code = "payments.refund_move_refused"
    zh = "退款当前状态（{state}）不能执行此操作"
    en = "This cannot be done to a refund that is {state}"


class ParkedUnknown(NotFound):
    """No parked money with this id in this shop."""

    code = "payments.parked_unknown"
    zh = "没有这笔挂账款项"
    en = "No such parked money"


class DecisionRefused(Conflict):
    """Parked money of this kind, or in this state, cannot be dealt with so."""

    code = "payments.decision_refused"
    zh = "这笔挂账款项不能这样处理"
    en = "This parked money cannot be dealt with so"


class PaymentSucceeded(Event, frozen=True):
    """The money has arrived, perhaps after what it is for was closed."""

    name: ClassVar[str] = "payments.payment_succeeded"
    payment_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    channel: str
    paid_at: datetime
    purpose: Purpose = Purpose.ORDER


class MoneyParked(Event, frozen=True):
    """Money was put into suspense. Without a ticket it is on its way back already."""

    name: ClassVar[str] = "payments.money_parked"
    parked_id: UUID
    payment_id: UUID | None
    order_id: UUID | None
    amount_fen: int
    reason: str
    ticket: str | None = None


class ParkedResolved(Event, frozen=True):
    """Money left suspense: `resolution` says how."""

    name: ClassVar[str] = "payments.parked_resolved"
    parked_id: UUID
    payment_id: UUID | None
    order_id: UUID | None
    amount_fen: int
    resolution: str


class _AboutRefund(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a refund that was intended for an order or a top-up. Refunds of parked money
    tell nobody but `ParkedResolved`: their order never had the money."""

    refund_id: UUID
    order_id: UUID
    payment_id: UUID
    person_no: int
    amount_fen: int
    purpose: Purpose
    origin: RefundOrigin


class RefundSucceeded(_AboutRefund, Event, frozen=True, kw_only=True):
    """The payer has the money; `is_outside`: by another way than WeChat."""

    name: ClassVar[str] = "payments.refund_succeeded"
    is_outside: bool


class RefundAbnormal(_AboutRefund, Event, frozen=True, kw_only=True):
    """A refund does not go on by itself, and is still owed: finance must act. Told again each time
    it stops. `state` is `abnormal` or `failed`, `problem` WeChat's code."""

    name: ClassVar[str] = "payments.refund_abnormal"
    state: RefundState
    problem: str


class RefundClosed(_AboutRefund, Event, frozen=True, kw_only=True):
    """A refund was given up for good: nothing was paid and nothing is owed any more."""

    name: ClassVar[str] = "payments.refund_closed"
    reason: str
