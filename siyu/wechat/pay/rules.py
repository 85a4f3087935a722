"""Pure decisions of pay v3: bodies to send, what an error means, which settings are missing."""

from datetime import timedelta, timezone
from typing import Any, Final

import msgspec

from siyu.wechat.pay.contracts import (
    BillNotReady,
    NewRefund,
    NewSplit,
    NewTrade,
    NewTransfer,
    NoPermission,
    NotEnough,
    NotYet,
    PayCredentials,
    RuleLimit,
    TradeAlreadyPaid,
    TradeClosed,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    PUBLIC_KEY_PREFIX,
    REQUEST_ID,
    Answer,
    ChannelUnusable,
    Retry,
    WeChatError,
)

_CHINA: Final = timezone(timedelta(hours=8))
_DESCRIPTION_CHARACTERS: Final = 127
_REASON_CHARACTERS: Final = 80
_PAID_CODES: Final = frozenset({"ORDER_PAID", "ORDERPAID"})
_CLOSED_CODES: Final = frozenset({"ORDER_CLOSED", "ORDERCLOSED"})
_MISSING_CODES: Final = frozenset(
    {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND"}
)
_KINDS: Final[dict[str, type[WeChatError]]] = {
    "NOT_ENOUGH": NotEnough,
    "NOTENOUGH": NotEnough,
    "RULE_LIMIT": RuleLimit,
    "RULELIMIT": RuleLimit,
    "NO_AUTH": NoPermission,
    "STATEMENT_CREATING": BillNotReady,
}
# What the literal scenes have to report; those that are not listed report something, see WeChat's
# page of the scene. Source: pay-v3, 商家转账, 转账场景报备信息.
SCENE_REPORTS: Final[dict[str, tuple[str, ...]]] = {
    "1000": ("活动名称", "奖励说明"),
    "1005": ("岗位类型", "报酬说明"),
}
# The number at the end of Request-ID tells apart what the one code INVALID_REQUEST covers.
_PAID_NUMBERS: Final = ("-268449538", "-268498689")
_CLOSED_NUMBERS: Final = ("-268447914",)


def create_body(credentials: PayCredentials, trade: NewTrade) -> bytes:
    """The body of an order; the same trade always gives the same bytes.

    Source: pay.weixin.qq.com/doc/v3/merchant/4012525167 (JSAPI), 4012525182 (Native).
    """
    body: dict[str, Any] = {
        "appid": trade.appid,
        "mchid": credentials.mchid,
        "description": trade.description[:_DESCRIPTION_CHARACTERS],
        "out_trade_no": trade.out_trade_no,
        "time_expire": trade.time_expire.astimezone(_CHINA).isoformat(timespec="seconds"),
        "notify_url": trade.notify_url,
        "amount": {"total": trade.total, "currency": "CNY"},
    }
    if trade.openid:
        body["payer"] = {"openid": trade.openid}
    if trade.is_shared:
        body["settle_info"] = {"profit_sharing": True}
    return msgspec.json.encode(body)


def without_empty(body: dict[str, Any]) -> dict[str, Any]:
    """A body without the fields that were left empty."""
    return {name: value for name, value in body.items() if value not in ("", None)}


def refund_body(refund: NewRefund) -> dict[str, Any]:
    """The body of a refund."""
    if bool(refund.transaction_id) == bool(refund.out_trade_no):
        raise ValueError("a refund names its order by exactly one number")
    return without_empty(
        {
            "transaction_id": refund.transaction_id,
            "out_trade_no": refund.out_trade_no,
            "out_refund_no": refund.out_refund_no,
            "reason": refund.reason[:_REASON_CHARACTERS],
            "notify_url": refund.notify_url,
            "amount": {
                "refund": refund.refund,
                "total": refund.total,
                "currency": refund.currency,
            },
        }
    )


def split_body(wanted: NewSplit, names: list[str]) -> dict[str, Any]:
    """The body of a split; names: of the receivers, encrypted."""
    receivers = [
        without_empty(
            {
                "type": share.type,
                "account": share.account,
                "name": name,
                "amount": share.amount,
                "description": share.description[:_REASON_CHARACTERS],
            }
        )
        for share, name in zip(wanted.receivers, names, strict=True)
    ]
    return {
        "appid": wanted.appid,
        "transaction_id": wanted.transaction_id,
        "out_order_no": wanted.out_order_no,
        "receivers": receivers,
        "unfreeze_unsplit": wanted.unfreeze_unsplit,
    }


def transfer_body(wanted: NewTransfer, name: str) -> dict[str, Any]:
    """The body of a transfer; name: of the person, encrypted."""
    body = without_empty(msgspec.to_builtins(wanted) | {"user_name": name})
    if wanted.authorization_id:
        del body["openid"]
    return body


def error_of(answer: Answer) -> WeChatError:
    """The error an answer above 2xx stands for; those that callers tell apart have own classes."""
    try:
        envelope = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        envelope = {}
    code = str(envelope.get("code") or f"HTTP_{answer.status}")
    message = str(envelope.get("message") or "")[:200]
    request_id = answer.headers.get(REQUEST_ID, "")
    retry = transport.classify_pay(answer.status, code)
    kind = _KINDS.get(code, WeChatError)
    if (
        code in _PAID_CODES
        or (code == "INVALID_REQUEST" and request_id.endswith(_PAID_NUMBERS))
        or (code == "INVALID_REQUEST" and "已支付" in message)
    ):
        kind = TradeAlreadyPaid
    elif code in _CLOSED_CODES or request_id.endswith(_CLOSED_NUMBERS):
        kind = TradeClosed
    elif code == "INVALID_REQUEST" and "处理中" in message and "重试" in message:
        kind, retry = NotYet, Retry.RETRY
    return kind(
        answer.status,
        code,
        message,
        retry=retry,
        body=transport.without_secrets(answer.body),
        request_id=request_id,
    )


def is_missing(error: WeChatError) -> bool:
    """Whether WeChat says that it never heard of the number."""
    return error.status == 404 and error.code in _MISSING_CODES


def malformed(answer: Answer, reason: str) -> WeChatError:
    """A good status with content we cannot use: what happened is unknown."""
    return WeChatError(
        answer.status,
        "MALFORMED",
        reason,
        retry=Retry.UNKNOWN,
        body=transport.without_secrets(answer.body),
        request_id=answer.headers.get(REQUEST_ID, ""),
    )


def missing(credentials: PayCredentials) -> list[str]:
    """The settings that are empty or malformed; an empty list means the channel may start."""
    found = []
    if not credentials.mchid.isdigit():
        found.append("mchid")
    if not credentials.serial_no:
        found.append("serial_no")
    if len(credentials.api_v3_key.encode()) != 32:
        found.append("api_v3_key")
    if not _loads(transport.private_key, credentials.private_key_pem):
        found.append("private_key")
    named, given = credentials.public_key_id, credentials.public_key_pem
    if named or given:
        if not named.startswith(PUBLIC_KEY_PREFIX):
            found.append("public_key_id")
        if not _loads(transport.public_key, given):
            found.append("public_key")
    if not all(
        serial and _loads(transport.public_key, pem)
        for serial, pem in credentials.certificates.items()
    ):
        found.append("certificates")
    return found


def _loads(load: Any, pem: str) -> bool:
    try:
        load(pem)
    except ChannelUnusable:
        return False
    return True
