"""Nouns of the WeCom API."""

from datetime import datetime
from enum import IntEnum

import msgspec

from siyu.kernel.errors import NotFound
from siyu.wechat.transport.contracts import Environment, Secrets

LIVE_URL = "https://qyapi.weixin.qq.com"


class WecomCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """A corporation and its self-built app, which must be listed under 客户联系."""

    corp_id: str
    agent_id: str
    secret: str
    base_url: str = LIVE_URL

    def __repr__(self) -> str:
        return f"WecomCredentials(corp_id={self.corp_id!r}, agent_id={self.agent_id!r})"


class CorpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of the settings: that there are secrets, never which."""

    environment: Environment
    corp_id: str
    agent_id: str
    push_set: bool
    updated_at: datetime


class CorpChange(Secrets, frozen=True, kw_only=True):
    """New settings."""

    environment: Environment
    corp_id: str
    agent_id: str


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff who has the customer; state: of the code they were added by."""

    userid: str
    added_at: datetime
    state: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A customer; `unionid` is "" unless WeChat's own and bound to an open platform."""

    external_userid: str
    name: str
    unionid: str
    follows: list[Follow]

    def __repr__(self) -> str:
        return "Contact(…)"


class MassTask(msgspec.Struct, frozen=True, kw_only=True):
    """A mass message that staff are asked to send; fail_list: who cannot get it."""

    msgid: str
    fail_list: list[str]


class StaffTask(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff who was asked, and when they pressed send."""

    userid: str
    is_sent: bool
    sent_at: datetime | None


class MassState(IntEnum):
    """What became of a mass message for one customer."""

    UNSENT = 0
    SENT = 1
    NOT_FRIEND = 2
    LIMIT = 3  # the customer got as many as a month allows


class MassResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mass message for one customer of one member of staff."""

    external_userid: str
    userid: str
    state: MassState
    sent_at: datetime | None


class ContactAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff has a new customer; welcome_code lives 20 seconds, "" when there is none;
    is_half: the member has not confirmed yet."""

    external_userid: str
    userid: str
    state: str
    welcome_code: str
    is_half: bool
    at: datetime


class ContactRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A customer is lost: they deleted the member of staff (by_customer), or were deleted."""

    external_userid: str
    userid: str
    by_customer: bool
    at: datetime


ContactNews = ContactAdded | ContactRemoved


class CorpNotSet(NotFound):
    """The shop has no corporation, or nothing may be pushed to it."""

    code = "wecom.not_set"
    zh = "尚未配置企业微信：{missing}"
    en = "No WeCom corporation is set up: {missing}"
