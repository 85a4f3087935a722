"""Nouns of the mini-program API; field names are WeChat's own."""

import msgspec

from siyu.kernel.errors import BadInput, Forbidden, SiyuError
from siyu.wechat.transport.contracts import Retry, WeChatError

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
    "MiniProgramCredentials",
    "MiniProgramUnavailable",
    "PhoneNumber",
    "Retry",
    "SceneInvalid",
    "UserBlocked",
    "WeChatError",
]
