"""Nouns of payments: channels, attempt states, parked money, errors, events."""

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


class ClosingResult(StrEnum):
    """What is known of an order's attempts after `close_order`."""

    CLOSED = "closed"  # nothing can be paid any more: goods may be released
    PAID = "paid"  # one was paid: `payments.payment_succeeded` is on its way
    UNKNOWN = "unknown"  # WeChat did not confirm: keep the goods, ask again later


class Payable(msgspec.Struct, frozen=True, kw_only=True):
    """What an order asks payments to collect.

    `amount_fen` 0..MAX_FEN; `description` is shown in the payer's bill (cut to 127 characters);
    `payer` is the person's id in the shop's app, needed for `Channel.JSAPI`; `expires_at` is the
    last moment to pay; `has_virtual` and `platform` decide whether iOS may pay at all.
    """

    order_id: UUID
    amount_fen: int
    description: str
    expires_at: datetime
    person_no: int
    payer: str | None
    platform: str
    has_virtual: bool


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


class ParkedRow(msgspec.Struct, frozen=True, kw_only=True):
    """Money in suspense, waiting for a person to decide."""

    parked_id: UUID
    payment_id: PaymentId | None
    order_id: UUID | None
    reason: ParkReason
    amount_fen: int
    currency: str
    number: str
    provider_number: str
    parked_at: datetime


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


class PaymentSucceeded(Event, frozen=True):
    """The money of an order has arrived, perhaps after the order was closed."""

    name: ClassVar[str] = "payments.payment_succeeded"
    payment_id: UUID
    order_id: UUID
    person_no: int
    amount_fen: int
    channel: str
    paid_at: datetime


class MoneyParked(Event, frozen=True):
    """Money was put into suspense; somebody must look at it."""

    name: ClassVar[str] = "payments.money_parked"
    parked_id: UUID
    payment_id: UUID | None
    order_id: UUID | None
    amount_fen: int
    reason: str
