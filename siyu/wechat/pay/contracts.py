"""Nouns of WeChat Pay v3; field names are WeChat's own. Amounts are fen."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from siyu.kernel.errors import Forbidden
from siyu.wechat.transport import contracts as wire

LIVE_URL = "https://api.mch.weixin.qq.com"
Retry = wire.Retry
WeChatError = wire.WeChatError


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
    is_shared: bool = False  # the money stays frozen until it is split (settle_info)


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


# --- refunds ------------------------------------------------------------------------------------


class RefundStatus(StrEnum):
    """Where a refund stands. ABNORMAL: the money left us and found no way to the payer."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


class NewRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund to start; exactly one of transaction_id and out_trade_no names the order.

    out_refund_no: 1..64 of digits, letters, `_-|*@`, and for ever the same for one refund: a new
    number is a second refund. total: what the order asked; reason is shown to the payer.
    """

    out_refund_no: str
    refund: int
    total: int
    transaction_id: str = ""
    out_trade_no: str = ""
    reason: str = ""
    notify_url: str = ""
    currency: str = "CNY"


class RefundAmount(msgspec.Struct, frozen=True, kw_only=True):
    """`payer_*` are what the person paid and gets back, without WeChat's coupons."""

    total: int
    refund: int
    payer_total: int
    payer_refund: int
    currency: str = "CNY"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as WeChat knows it: the answer of a call and the content of a notification."""

    refund_id: str
    out_refund_no: str
    transaction_id: str
    out_trade_no: str
    status: RefundStatus
    amount: RefundAmount
    channel: str = ""
    user_received_account: str = ""
    success_time: datetime | None = None
    create_time: datetime | None = None


class AbnormalRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Where an abnormal refund is to go instead.

    type: USER_BANK_CARD (bank_type, bank_account and real_name needed; the last two are encrypted
    on the way) or MERCHANT_BANK_CARD (to our own account, to be handed over by other means).
    """

    out_refund_no: str
    type: Literal["USER_BANK_CARD", "MERCHANT_BANK_CARD"]
    bank_type: str = ""
    bank_account: str = ""
    real_name: str = ""


# --- profit sharing -----------------------------------------------------------------------------


class ReceiverType(StrEnum):
    """Who may receive a share: a merchant (its number), a person (openid of our app)."""

    MERCHANT_ID = "MERCHANT_ID"
    PERSONAL_OPENID = "PERSONAL_OPENID"
    PERSONAL_SUB_OPENID = "PERSONAL_SUB_OPENID"


class RelationType(StrEnum):
    """What a receiver is to us; CUSTOM needs `custom_relation` (≤ 10 characters)."""

    STORE = "STORE"
    STAFF = "STAFF"
    STORE_OWNER = "STORE_OWNER"
    PARTNER = "PARTNER"
    HEADQUARTER = "HEADQUARTER"
    BRAND = "BRAND"
    DISTRIBUTOR = "DISTRIBUTOR"
    USER = "USER"
    SUPPLIER = "SUPPLIER"
    SERVICE_PROVIDER = "SERVICE_PROVIDER"
    CUSTOM = "CUSTOM"


class NewReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver to add. name (encrypted on the way): a merchant's full name, needed; a person's
    real name, optional, checked against the one WeChat knows."""

    appid: str
    type: ReceiverType
    account: str
    relation_type: RelationType
    name: str = ""
    custom_relation: str = ""


class NewShare(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver's part of a split; description ≤ 80 characters."""

    type: ReceiverType
    account: str
    amount: int
    description: str
    name: str = ""


class NewSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A split to start, at least a minute after the payment. out_order_no ≤ 64, unique, for ever
    the same for one split; 1..50 shares, each receiver once; unfreeze_unsplit gives the rest to
    us and ends the sharing of this order."""

    appid: str
    transaction_id: str
    out_order_no: str
    receivers: list[NewShare]
    unfreeze_unsplit: bool


class SplitState(StrEnum):
    """FINISHED means executed; whether a receiver has the money says its own result."""

    PROCESSING = "PROCESSING"
    FINISHED = "FINISHED"


class ShareResult(StrEnum):
    """CLOSED: this receiver did not get it, `fail_reason` says why; the money is ours."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one receiver's part; what was unfrozen comes as a share of our own mchid."""

    type: ReceiverType
    account: str
    amount: int
    result: ShareResult
    description: str = ""
    fail_reason: str = ""
    detail_id: str = ""
    create_time: datetime | None = None
    finish_time: datetime | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A split (or an unfreeze) as WeChat knows it."""

    transaction_id: str
    out_order_no: str
    order_id: str
    state: SplitState
    receivers: list[Share] = msgspec.field(default_factory=list)


class NewSplitReturn(msgspec.Struct, frozen=True, kw_only=True):
    """Take a part back from a receiving merchant, within 180 days; people cannot be charged back.

    out_order_no: the split's; out_return_no ≤ 64, for ever the same for one return."""

    out_order_no: str
    out_return_no: str
    return_mchid: str
    amount: int
    description: str


class ReturnResult(StrEnum):
    """Where a return stands."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class SplitReturn(msgspec.Struct, frozen=True, kw_only=True):
    """A return as WeChat knows it; the money goes to our available balance."""

    order_id: str
    out_order_no: str
    out_return_no: str
    return_id: str
    return_mchid: str
    amount: int
    result: ReturnResult
    fail_reason: str = ""
    finish_time: datetime | None = None


class ShareReceived(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiving merchant is told of its share; never proof, query instead."""

    mchid: str
    transaction_id: str
    order_id: str
    out_order_no: str
    receiver: NewShare
    success_time: datetime


# --- transfers to people ------------------------------------------------------------------------


class TransferState(StrEnum):
    """Where a transfer stands; SUCCESS, FAIL and CANCELLED are final."""

    ACCEPTED = "ACCEPTED"
    PROCESSING = "PROCESSING"
    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    TRANSFERING = "TRANSFERING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    CANCELING = "CANCELING"
    CANCELLED = "CANCELLED"


class ReportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a scene must report; info_type is WeChat's literal text (`rules.SCENE_REPORTS`)."""

    info_type: str
    info_content: str


class NewTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to start. out_bill_no ≤ 32 digits and letters, for ever the same for one payout.

    transfer_amount in fen; user_name (encrypted on the way) from 2,000 yuan on, never below 0.30;
    transfer_remark ≤ 32 characters, shown to the person; authorization_id: of a person who has
    agreed once, then nobody has to confirm and `openid` is not sent.
    """

    appid: str
    out_bill_no: str
    transfer_scene_id: str
    openid: str
    transfer_amount: int
    transfer_remark: str
    transfer_scene_report_infos: list[ReportInfo]
    user_name: str = ""
    notify_url: str = ""
    user_recv_perception: str = ""
    authorization_id: str = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as WeChat knows it: answers (each with a part of the fields) and notifications.

    package_info: for wx.requestMerchantTransfer, only while WAIT_USER_CONFIRM.
    """

    out_bill_no: str
    transfer_bill_no: str
    state: TransferState
    package_info: str = ""
    mch_id: str = ""
    openid: str = ""
    transfer_amount: int | None = None
    fail_reason: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None


class NewAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a person to receive without confirming each time; within 24 hours, else a new number."""

    appid: str
    out_authorization_no: str
    openid: str
    transfer_scene_id: str
    user_display_name: str
    authorization_notify_url: str
    user_recv_perception: str = ""


class AuthorizationState(StrEnum):
    """TAKING_EFFECT: transfers to this person need no confirmation."""

    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    TAKING_EFFECT = "TAKING_EFFECT"
    CLOSED = "CLOSED"


class TransferAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """A person's standing agreement; authorization_id once it is in effect."""

    out_authorization_no: str
    state: AuthorizationState
    package_info: str = ""
    authorization_id: str = ""
    openid: str = ""
    create_time: datetime | None = None
    authorize_time: datetime | None = None


# --- bills --------------------------------------------------------------------------------------


class TradeBillType(StrEnum):
    """Which rows of the day's trades."""

    ALL = "ALL"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"


class FundAccount(StrEnum):
    """Which of our accounts at WeChat."""

    BASIC = "BASIC"
    OPERATION = "OPERATION"
    FEES = "FEES"


# --- what goes wrong ----------------------------------------------------------------------------


class NotificationMalformed(Forbidden):
    """Signed by WeChat, and yet not a notification we can read."""

    code = "wechat_pay.notification_malformed"
    zh = "通知内容不符合约定"
    en = "The notification cannot be read"


class TradeAlreadyPaid(WeChatError):
    """WeChat says the order is paid: query it, its money is on the way to be booked."""


class TradeClosed(WeChatError):
    """The order is closed or expired at WeChat; only a new number can be paid."""


class NotEnough(WeChatError):
    """Nothing was done for lack of money: our balance, or what is left to split of an order."""


class RuleLimit(WeChatError):
    """Nothing was done: a contractual limit, as the highest share of an order."""


class NoPermission(WeChatError):
    """Nothing was done: the product is not opened for this merchant, or not for this person."""


class NotYet(WeChatError):
    """Nothing was done: the order is still being settled, ask later under the same number."""


class BillNotReady(WeChatError):
    """The bill is still being made; ask again later."""


class BillBroken(WeChatError):
    """What was downloaded is not what WeChat announced (gzip, SHA-1); ask again."""
