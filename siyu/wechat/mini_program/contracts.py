"""Nouns of the mini-program API; field names are WeChat's own."""

from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec

from siyu.kernel.errors import BadInput, Forbidden, NotFound, SiyuError
from siyu.wechat.transport.contracts import MessageTemplate, Retry, SendProblem, WeChatError

LIVE_URL = "https://api.weixin.qq.com"


class MiniProgramCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The app id and secret of a shop's mini-program."""

    appid: str
    secret: str
    base_url: str = LIVE_URL

    def __repr__(self) -> str:
        return f"MiniProgramCredentials(appid={self.appid!r})"


class LoginSession(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in; `session_key` never leaves the server, `unionid` is "" when not bound."""

    openid: str
    session_key: str
    unionid: str = ""

    def __repr__(self) -> str:
        return "LoginSession(…)"


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number the person has released: digits without country code, and the country code."""

    number: str
    country_code: str

    def __repr__(self) -> str:
        return "PhoneNumber(…)"


class Logistics(IntEnum):
    """How goods reach their buyer (logistics_type)."""

    EXPRESS = 1
    LOCAL = 2
    VIRTUAL = 3
    PICKUP = 4


class ShippedParcel(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of shipping_list. Express needs number and company; SF a masked contact, too."""

    item_desc: str
    tracking_no: str = ""
    express_company: str = ""
    receiver_contact: str = ""


class ShippingNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What WeChat is told of an order: one entry, or (`is_split`, express only) up to 15.

    `upload_time` must rise from one notice of an order to the next.
    """

    transaction_id: str
    payer: str
    logistics: Logistics
    is_split: bool
    is_all_delivered: bool
    parcels: list[ShippedParcel]
    upload_time: datetime


class OrderState(IntEnum):
    """order_state: where an order stands at WeChat."""

    TO_SHIP = 1
    SHIPPED = 2
    RECEIVED = 3
    FINISHED = 4
    REFUNDED = 5
    SETTLING = 6


class TradeParcel(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel WeChat knows of."""

    tracking_no: str = ""
    express_company: str = ""


class TradeShipping(msgspec.Struct, frozen=True, kw_only=True):
    """What WeChat knows of the shipping of an order."""

    delivery_mode: int = 0
    logistics_type: int = 0
    finish_shipping: bool = False
    finish_shipping_count: int = 0
    shipping_list: list[TradeParcel] = []


class ManagedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """An order as WeChat manages it; `paid_amount` in fen, moments in seconds since 1970."""

    transaction_id: str
    merchant_trade_no: str = ""
    order_state: OrderState
    paid_amount: int = 0
    pay_time: int = 0
    in_complaint: bool = False
    shipping: TradeShipping | None = None


class ShippingProblem(StrEnum):
    """What a failed call about shipping means."""

    UNKNOWN_ORDER = "unknown_order"  # WeChat does not know the payment, or not yet
    SHIPPED_ALREADY = "shipped_already"  # all has been told before
    USED_UP = "used_up"  # it was changed once already
    WRONG_STATE = "wrong_state"  # refunded, received or settled meanwhile
    UNCHANGED = "unchanged"  # WeChat has exactly this
    LATER = "later"  # nothing happened: try again later
    UNCLEAR = "unclear"  # it may have happened: ask
    REFUSED = "refused"  # for good: a person must see to it


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of the settings of pushed messages: that there are some."""

    appid: str
    updated_at: datetime


class PushChange(msgspec.Struct, frozen=True, kw_only=True):
    """New settings of pushed messages; a secret that is None stays as it is."""

    appid: str
    token: str | None = None
    encoding_aes_key: str | None = None


class PushIncomplete(BadInput):
    """The first time token and key are both needed; details: missing."""

    code = "mini_program.push_incomplete"
    zh = "请填写完整：{missing}"
    en = "Please fill in: {missing}"


class PushNotSet(NotFound):
    """Nothing is pushed to this shop."""

    code = "mini_program.push_not_set"
    zh = "尚未配置消息推送"
    en = "No message push is set up"


class CodeRefused(BadInput):
    """The log-in or phone code is unknown, used, too old, or of another app."""

    code = "mini_program.code_refused"
    zh = "登录凭证已失效，请重试"
    en = "The code is no longer valid, please try again"


class UserBlocked(Forbidden):
    """WeChat's risk control blocks this person (40226)."""

    code = "mini_program.user_blocked"
    zh = "该微信账号存在风险，暂时无法登录"
    en = "WeChat blocks this account for now"


class SceneInvalid(BadInput):
    """A code's scene is 1..32 of the characters WeChat takes."""

    code = "mini_program.scene_invalid"
    zh = "小程序码参数不符合要求"
    en = "The scene of the code is not allowed"


class MiniProgramUnavailable(SiyuError):
    """WeChat gave no usable answer; `details` carry its code."""

    status = 503
    code = "mini_program.unavailable"
    zh = "微信服务暂时不可用，请稍后重试"
    en = "WeChat is not available, please try again"


__all__ = [
    "CodeRefused",
    "LoginSession",
    "Logistics",
    "ManagedTrade",
    "MessageTemplate",
    "MiniProgramCredentials",
    "MiniProgramUnavailable",
    "OrderState",
    "PhoneNumber",
    "PushChange",
    "PushIncomplete",
    "PushNotSet",
    "PushSettings",
    "Retry",
    "SceneInvalid",
    "SendProblem",
    "ShippedParcel",
    "ShippingNotice",
    "ShippingProblem",
    "TradeParcel",
    "TradeShipping",
    "UserBlocked",
    "WeChatError",
]
