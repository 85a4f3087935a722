"""Nouns of the official account API; field names are WeChat's own."""

from datetime import datetime

import msgspec

from siyu.kernel.errors import NotFound
from siyu.wechat.transport.contracts import Environment, Secrets

LIVE_URL = "https://api.weixin.qq.com"


class OfficialAccountCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The app id and secret of a shop's official account."""

    appid: str
    secret: str
    base_url: str = LIVE_URL

    def __repr__(self) -> str:
        return f"OfficialAccountCredentials(appid={self.appid!r})"


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of the settings: that there are secrets, never which."""

    environment: Environment
    appid: str
    push_set: bool
    updated_at: datetime


class AccountChange(Secrets, frozen=True, kw_only=True):
    """New settings."""

    environment: Environment
    appid: str


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody as the account knows them; `unionid` is "" when not bound to an open platform,
    `followed_at` None for who does not follow (WeChat then tells the openid alone)."""

    openid: str
    is_following: bool
    unionid: str
    followed_at: datetime | None
    scene: str

    def __repr__(self) -> str:
        return "Follower(…)"


class AccountNotSet(NotFound):
    """The shop has no official account, or nothing may be pushed to it."""

    code = "official_account.not_set"
    zh = "尚未配置公众号：{missing}"
    en = "No official account is set up: {missing}"
