"""Pure decisions of the wire: strings to sign, classes of failure, pauses, what to blank."""

import json
import re
from typing import Any, Final

from siyu.wechat.transport.contracts import Retry

_BUSY_CODES: Final = frozenset(
    {"FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "RATELIMIT_EXCEEDED", "RATELIMIT_EXCEED"}
)
_FINAL_CODES: Final = frozenset(
    [
        "PARAM_ERROR",
        "INVALID_REQUEST",
        "ORDER_CLOSED",
        "ORDERCLOSED",
        "ORDER_PAID",
        "ORDERPAID",
        "APPID_MCHID_NOT_MATCH",
        "MCH_NOT_EXISTS",
        "SIGN_ERROR",
        "NO_AUTH",
        "RULE_LIMIT",
        "RULELIMIT",
        "OUT_TRADE_NO_USED",
        "TRADE_ERROR",
        "ACCOUNT_ERROR",
        "ACCOUNTERROR",
        "USER_ACCOUNT_ABNORMAL",
        "NOT_ENOUGH",
        "ORDER_NOT_EXIST",
        "ORDERNOTEXIST",
        "RESOURCE_NOT_EXISTS",
        "NOT_FOUND",
        "NO_STATEMENT_EXIST",
        "STATEMENT_CREATING",
        "OPENID_MISMATCH",
        "INVALID_TRANSACTIONID",
    ]
)
_BUSY_ERRCODES: Final = frozenset({-1, 44990, 44991, 45011})
_SECRET_KEYS: Final = frozenset(
    [
        "access_token",
        "refresh_token",
        "session_key",
        "secret",
        "appsecret",
        "openid",
        "unionid",
        "payer",
        "phone_info",
        "phonenumber",
        "purephonenumber",
        "prepay_id",
        "code_url",
        "sign_information",
        "ciphertext",
        "package_info",
        "user_name",
        "name",
        "account",
        "download_url",
    ]
)
_SECRET_TEXT: Final = re.compile(r"(?i)((?:access_token|secret|session_key|openid)\W{1,4})[\w\-]+")


def request_message(method: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """What a merchant signs: five lines, each ended by a line feed (pay v3, request signature)."""
    return f"{method.upper()}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What WeChat signs, answers and notifications alike: three lines over the raw body."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def pay_message(app_id: str, timestamp: str, nonce: str, package: str) -> bytes:
    """What the page's payment call signs; package is `prepay_id=…` (an app: the bare id)."""
    return f"{app_id}\n{timestamp}\n{nonce}\n{package}\n".encode()


def classify_pay(status: int, code: str) -> Retry:
    """The outcome class of a pay v3 error; an unknown code is an unknown outcome."""
    if status == 429 or code in _BUSY_CODES:
        return Retry.RETRY
    return Retry.NEVER if code in _FINAL_CODES else Retry.UNKNOWN


def classify_errcode(errcode: int) -> Retry:
    """The outcome class of an api.weixin.qq.com `errcode`."""
    return Retry.RETRY if errcode in _BUSY_ERRCODES else Retry.NEVER


def pause_seconds(attempt: int, jitter: float, base: float = 0.2, cap: float = 5.0) -> float:
    """How long to wait before try `attempt` + 1 (attempt from 1); jitter 0..1 spreads callers."""
    ceiling = min(cap, base * 2.0 ** (attempt - 1))
    return ceiling * (0.5 + jitter / 2)


def without_secrets(body: bytes, limit: int = 2048) -> str:
    """An answer that may be logged and stored: secrets and identities blanked, cut to `limit`."""
    try:
        text = json.dumps(_blank(json.loads(body)), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = _SECRET_TEXT.sub(r"\1***", body[: 4 * limit].decode("utf-8", "replace"))
    return text[:limit]


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "***" if key.lower() in _SECRET_KEYS else _blank(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_blank(inner) for inner in value]
    return _SECRET_TEXT.sub(r"\1***", value) if isinstance(value, str) else value
