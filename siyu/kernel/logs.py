"""Logs: one JSON object per line, with the request's id, and without people's data.

Two fences keep data out (F092). Fields whose name says person or secret are masked, and an
exception is told by its kind and place; its text stays out, since drivers and parsers quote values
in it. What is left is passed over once more for phone numbers, tokens and query strings.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from siyu.kernel.errors import SiyuError

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by the HTTP lane for the time of a request."""

MASK = "***"
_PRIVATE = re.compile(
    r"phone|mobile|receiver|address|detail|nickname|real_?name|full_?name|person_name|email|id_card"
    r"|birth|openid|unionid|session_?key|secret|password|token|authorization|cookie|signature"
    r"|private_key|api_?v3_?key|totp|remark|message_text|raw|body|query|^name$|_name$",
    re.IGNORECASE,
)
_IN_TEXT = (
    (re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"), MASK),
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), MASK),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), MASK),
    (re.compile(r"\b(Bearer|Basic|WECHATPAY2-SHA256-RSA2048)\s+\S+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(?<=[\w/])\?[^\s\"']+"), "?…"),
    (re.compile(r"postgres(?:ql)?://\S+"), "postgresql://…"),
)
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_ROOT = Path(__file__).parents[2]


def redact(value: Any) -> Any:
    """The value as it may be logged."""
    if isinstance(value, str):
        for pattern, mask in _IN_TEXT:
            value = pattern.sub(mask, value)
        return value
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _PRIVATE.search(str(key)) else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple, set)):
        return [redact(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


def describe(error: BaseException) -> str:
    """Kind and place of a failure: `StockShort inventory.stock_short at siyu/…/service.py:71`."""
    kind = type(error).__name__
    if isinstance(error, SiyuError):
        kind = f"{kind} {error.code}"
    constraint = getattr(error, "constraint_name", None)
    if constraint:
        kind = f"{kind} ({constraint})"
    places = _places(error)
    return f"{kind} at {places[-1]}" if places else kind


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(_ROOT / "siyu"))] or frames
    return [f"{frame.filename.removeprefix(str(_ROOT) + '/')}:{frame.lineno}" for frame in own[-8:]]


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; never raises for what a caller passed."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(message),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        extra = {key: value for key, value in vars(record).items() if key not in _PLAIN}
        line.update(redact(extra))
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = describe(error)
            line["trace"] = _places(error)
            cause = error.__cause__ or error.__context__
            if cause is not None:
                line["cause"] = describe(cause)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logging of the process through this format, to standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "pgqueuer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Our own executor has reported a failed job already, by kind and place.
    logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
