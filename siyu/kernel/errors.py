"""Expected refusals. Each has a stable code, an HTTP status and a sentence in both languages.

A domain declares its own beside its nouns (`contracts.py`); `kernel.http` renders them all.
A failure that would be our bug is an `assert`, never one of these.
"""

from typing import ClassVar

from siyu.kernel.i18n import Language


class SiyuError(Exception):
    """A refusal the caller can understand: `raise StockShort(sku_id=..., wanted=3)`."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "request.refused"
    zh: ClassVar[str] = "请求未被接受"
    en: ClassVar[str] = "The request was refused"

    def __init__(self, **details: object) -> None:
        super().__init__(self.code)
        self.details = details

    def message(self, language: Language) -> str:
        """The sentence for people; its `{names}` are filled from the details."""
        sentence = self.zh if language == "zh-CN" else self.en
        try:
            return sentence.format(**self.details)
        except (KeyError, IndexError):
            return sentence


class BadInput(SiyuError):
    """The input is malformed: no later moment would make it right."""

    status = 422
    code = "request.malformed"
    zh = "请求内容不符合要求"
    en = "The input is malformed"


class Unauthorized(SiyuError):
    """Nobody is logged in, or the log-in has ended."""

    status = 401
    code = "auth.login_needed"
    zh = "请先登录"
    en = "Please log in"


class Forbidden(SiyuError):
    """Logged in, and not allowed."""

    status = 403
    code = "auth.forbidden"
    zh = "没有此操作的权限"
    en = "You are not permitted to do this"


class NotFound(SiyuError):
    """It does not exist, or is not yours; the two are never told apart."""

    status = 404
    code = "request.not_found"
    zh = "没有找到"
    en = "Not found"


class Conflict(SiyuError):
    """Well-formed, and at odds with the present state."""

    status = 409
    code = "request.conflict"
    zh = "与当前状态冲突"
    en = "This conflicts with the present state"


class TooLarge(SiyuError):
    """The body is larger than this route takes."""

    status = 413
    code = "request.too_large"
    zh = "请求内容过大"
    en = "The request is too large"


class TooMany(SiyuError):
    """Slow down; `retry_after` (seconds) goes out as a header."""

    status = 429
    code = "request.too_many"
    zh = "请求过于频繁,请稍后再试"
    en = "Too many requests, please try again later"

    def __init__(self, retry_after: int = 1, **details: object) -> None:
        super().__init__(**details)
        self.retry_after = retry_after


class Busy(SiyuError):
    """Weather: deadlock, lock time-out, lost database. Nothing happened; try again."""

    status = 503
    code = "service.busy"
    zh = "系统繁忙,请稍后重试"
    en = "The service is busy, please retry"
    retry_after = 1
