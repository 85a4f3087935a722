"""Pure decisions of the wire: strings to sign, classes of failure, pauses, what to blank, when a
token is fresh, and what stands in a pushed message."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.etree import ElementTree

from siyu.wechat.transport.contracts import (
    Followed,
    MassSent,
    MessageReceived,
    News,
    NoticeSent,
    Retry,
    SealBroken,
    SendProblem,
    SubscriptionAnswered,
    SubscriptionSent,
    Unfollowed,
    WeChatError,
)

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


# -- access tokens -------------------------------------------------------------------------------

EARLY: Final = timedelta(minutes=5) - timedelta(seconds=5)
"""WeChat hands out the next token in the last five minutes, and both are good meanwhile; asked a
moment too early it would give the old one again."""

_STALE_TOKEN: Final = frozenset({"40001", "40014", "42001"})


def is_fresh(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a token can be used without thinking of the next one."""
    return expires_at is not None and now < expires_at - EARLY


def is_alive(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a token can still be used while another process fetches the next one."""
    return expires_at is not None and now < expires_at - timedelta(seconds=30)


def is_stale_token(error: WeChatError) -> bool:
    """Whether WeChat refused the token and not the call (miniprogram §1.3)."""
    return error.code in _STALE_TOKEN


def request_number(errmsg: str) -> str:
    """WeChat's number of a call in the text of its error: `rid: …`, WeCom `hint: […]`; or ""."""
    found = re.search(r"rid: ([0-9a-f\-]{8,40})|hint: \[(\d{6,40})\]", errmsg)
    return (found[1] or found[2]) if found else ""


# -- sending -------------------------------------------------------------------------------------

_SEND_PROBLEMS: Final = {
    "43101": SendProblem.NO_CONSENT,
    "43004": SendProblem.NOT_FOLLOWING,
    "50005": SendProblem.NOT_FOLLOWING,
    "48002": SendProblem.BLOCKED,
    "45015": SendProblem.WINDOW_CLOSED,
    "45047": SendProblem.WINDOW_USED,
    "45009": SendProblem.QUOTA,
    "40003": SendProblem.BAD_PERSON,
    "40096": SendProblem.BAD_PERSON,
    "84061": SendProblem.BAD_PERSON,
    "40037": SendProblem.BAD_TEMPLATE,
    "47003": SendProblem.BAD_VALUE,
    "45168": SendProblem.SENSITIVE,
    "43108": SendProblem.LATER,  # another send to the same person at the same moment
    "45033": SendProblem.LATER,
}


def send_problem(error: WeChatError) -> SendProblem:
    """What a failed send means; a token that stays refused may be mended."""
    if error.code in _SEND_PROBLEMS:
        return _SEND_PROBLEMS[error.code]
    if error.retry is Retry.RETRY or is_stale_token(error):
        return SendProblem.LATER
    return SendProblem.UNCLEAR if error.retry is Retry.UNKNOWN else SendProblem.REFUSED


# What a value may be by the kind of its field: longest, and which characters. Source: 订阅消息,
# "参数值内容限制". Chinese counts as one; `name`: 10 of them or 20 letters.
_VALUES: Final[dict[str, tuple[int, str]]] = {
    "thing": (20, r".*"),
    "number": (32, r"-?[0-9]+(\.[0-9]+)?"),
    "letter": (32, r"[A-Za-z]+"),
    "symbol": (5, r"[^\w\s]+"),
    "character_string": (32, r"[\x21-\x7e]+"),
    "phone_number": (17, r"[0-9+\-]+"),
    "car_number": (8, r"[\w\u4e00-\u9fff]+"),
    "phrase": (5, r"[\u4e00-\u9fff]+"),
    "amount": (13, r"[^\w\s]?[0-9]+(\.[0-9]+)?元?"),
}


def check_values(data: dict[str, str]) -> dict[str, str]:
    """Fields whose values WeChat would refuse, and why: `empty`, `lines`, `long`, `form`."""
    found = {key: _value_problem(key, value) for key, value in data.items()}
    return {key: problem for key, problem in found.items() if problem}


def _value_problem(key: str, value: str) -> str:
    if not value.strip():
        return "empty"
    if any(char in value for char in "\r\n\t"):
        return "lines"
    kind = key.rstrip("0123456789")
    if kind == "name":
        is_wide = any(ord(char) > 127 for char in value)
        return "long" if len(value) > (10 if is_wide else 20) else ""
    longest, form = _VALUES.get(kind, (32, r".*"))
    if len(value) > longest:
        return "long"
    return "" if re.fullmatch(form, value) else "form"


# -- pushed messages -----------------------------------------------------------------------------


def push_fields(raw: bytes) -> dict[str, Any]:
    """The fields of a pushed message, XML or JSON; repeated elements are a list. SealBroken."""
    try:
        if raw.lstrip().startswith(b"{"):
            fields = json.loads(raw)
        else:
            text = raw.decode()  # a text's encoding is what we say, not what it declares
            if "<!DOCTYPE" in text or "<!ENTITY" in text:
                raise SealBroken(reason="doctype")
            fields = _branch(ElementTree.fromstring(text))
    except (ValueError, RecursionError, ElementTree.ParseError):
        raise SealBroken(reason="message") from None
    if not isinstance(fields, dict):
        raise SealBroken(reason="message")
    return fields


def _branch(element: ElementTree.Element) -> Any:
    if not len(element):
        return (element.text or "").strip() if element.tag != "Content" else element.text or ""
    found: dict[str, Any] = {}
    for child in element:
        value = _branch(child)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found


def push_moment(fields: dict[str, Any]) -> datetime:
    """CreateTime. Raises SealBroken."""
    try:
        return datetime.fromtimestamp(int(fields["CreateTime"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SealBroken(reason="CreateTime") from None


_NOTICE_STATUS: Final = {"success": "success", "failed:user block": "blocked"}


def read_news(raw: bytes) -> list[News]:
    """What a message pushed to a mini-program or official account tells; nothing for kinds that
    nobody here needs. Raises SealBroken."""
    fields = push_fields(raw)
    at, openid = push_moment(fields), str(fields.get("FromUserName", ""))
    if fields.get("MsgType") != "event":
        return [MessageReceived(openid=openid, text=str(fields.get("Content") or ""), at=at)]
    event = str(fields.get("Event", ""))
    msgid = str(fields.get("MsgID") or fields.get("MsgId") or "")
    if event == "subscribe":
        scene = str(fields.get("EventKey") or "").removeprefix("qrscene_")
        return [Followed(openid=openid, scene=scene, at=at)]
    if event == "unsubscribe":
        return [Unfollowed(openid=openid, at=at)]
    if event == "TEMPLATESENDJOBFINISH":
        status = _NOTICE_STATUS.get(str(fields.get("Status")), "failed")
        return [NoticeSent(openid=openid, msgid=msgid, status=status, at=at)]
    if event == "MASSSENDJOBFINISH":
        return [
            MassSent(
                msgid=msgid,
                status=str(fields.get("Status") or ""),
                total=_count(fields, "TotalCount"),
                filtered=_count(fields, "FilterCount"),
                sent=_count(fields, "SentCount"),
                failed=_count(fields, "ErrorCount"),
                at=at,
            )
        ]
    if event in ("subscribe_msg_popup_event", "subscribe_msg_change_event"):
        return [
            SubscriptionAnswered(
                openid=openid,
                template_id=str(entry["TemplateId"]),
                is_accepted=entry.get("SubscribeStatusString") == "accept",
                by_popup=event == "subscribe_msg_popup_event",
                at=at,
            )
            for entry in _entries(fields)
        ]
    if event == "subscribe_msg_sent_event":
        return [
            SubscriptionSent(
                openid=openid,
                template_id=str(entry["TemplateId"]),
                msgid=str(entry.get("MsgID") or ""),
                error_code=_count(entry, "ErrorCode"),
                status=str(entry.get("ErrorStatus") or ""),
                at=at,
            )
            for entry in _entries(fields)
        ]
    return []


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """Entries of a `List`, which is one or many, at the top (JSON) or below a name (XML)."""
    if isinstance(value, list):
        for inner in value:
            yield from _entries(inner)
    elif isinstance(value, dict):
        if "TemplateId" in value:
            yield value
        else:
            for inner in value.values():
                yield from _entries(inner)


def _count(fields: dict[str, Any], name: str) -> int:
    try:
        return int(fields.get(name) or 0)
    except (TypeError, ValueError):
        raise SealBroken(reason=name) from None
