"""Nouns of WeChat Pay v3; field names are WeChat's own. Amounts are fen."""

from datetime import datetime
from enum import StrEnum

import msgspec

from siyu.kernel.errors import Forbidden
from siyu.wechat.transport.contracts import Retry, WeChatError

LIVE_URL = "https://api.mch.weixin.qq.com"


class PayCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's keys. Public-key mode needs `public_key_id` (`PUB_KEY_ID_…`) and its PEM;
    platform-certificate mode fills `certificates` (serial -> PEM), or leaves them to be
    downloaded. During a migration both are held. `service.check` says whether they can be used.
    """

    mchid: str
    serial_no: str
    private_key_pem: str
    api_v3_key: str
    public_key_id: str = ""
    public_key_pem: str = ""
    certificates: dict[str, str] = msgspec.field(default_factory=dict)
    base_url: str = LIVE_URL

    def __repr__(self) -> str:
        return f"PayCredentials(mchid={self.mchid!r})"


class TradeState(StrEnum):
    """Where WeChat stands with an order."""

    SUCCESS = "SUCCESS"
    REFUND = "REFUND"  # paid, and a refund was started
    NOTPAY = "NOTPAY"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"
    USERPAYING = "USERPAYING"
    PAYERROR = "PAYERROR"


class NewTrade(msgspec.Struct, frozen=True, kw_only=True):
    """An order to create. out_trade_no 6..32 of digits, letters, `_-|*`, unique per merchant;
    repeated with the same number all fields must be the same."""

    appid: str
    out_trade_no: str
    description: str
    total: int
    time_expire: datetime
    notify_url: str
    openid: str = ""


class JsapiPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What the page gives to wx.requestPayment or WeixinJSBridge."""

    appId: str  # noqa: N815
    timeStamp: str  # noqa: N815
    nonceStr: str  # noqa: N815
    package: str
    signType: str  # noqa: N815
    paySign: str  # noqa: N815


class TradeAmount(msgspec.Struct, frozen=True):
    """total is what the order asked; payer_total what the person paid after WeChat's coupons."""

    total: int
    currency: str = "CNY"
    payer_total: int | None = None
    payer_currency: str = "CNY"


class TradePayer(msgspec.Struct, frozen=True):
    """Who paid."""

    openid: str | None = None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """An order as WeChat knows it: the answer of a query and the content of a notification."""

    appid: str
    mchid: str
    out_trade_no: str
    trade_state: TradeState
    amount: TradeAmount
    transaction_id: str = ""
    trade_type: str = ""
    success_time: datetime | None = None
    payer: TradePayer | None = None

    def __post_init__(self) -> None:
        if self.trade_state in (TradeState.SUCCESS, TradeState.REFUND) and not self.transaction_id:
            raise ValueError("a paid order has WeChat's number")


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A notification that was verified and opened; `content` is the JSON that was sealed in it."""

    id: str
    event_type: str
    original_type: str
    content: bytes


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A platform certificate."""

    serial_no: str
    pem: str
    effective_time: datetime
    expire_time: datetime


class NotificationMalformed(Forbidden):
    """Signed by WeChat, and yet not a notification we can read."""

    code = "wechat_pay.notification_malformed"
    zh = "通知内容不符合约定"
    en = "The notification cannot be read"


class TradeAlreadyPaid(WeChatError):
    """WeChat says the order is paid: query it, its money is on the way to be booked."""


class TradeClosed(WeChatError):
    """The order is closed or expired at WeChat; only a new number can be paid."""


__all__ = [
    "Certificate",
    "JsapiPayment",
    "NewTrade",
    "Notification",
    "NotificationMalformed",
    "PayCredentials",
    "Retry",
    "Trade",
    "TradeAlreadyPaid",
    "TradeAmount",
    "TradeClosed",
    "TradePayer",
    "TradeState",
    "WeChatError",
]
