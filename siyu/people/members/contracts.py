"""Nouns of the members domain."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

MemberId = NewType("MemberId", UUID)
AddressId = NewType("AddressId", UUID)
PersonNo = NewType("PersonNo", int)
"""Dense within a shop: 1, 2, 3 …"""


class Level(StrEnum):
    """What prices a member sees."""

    NORMAL = "normal"
    VIP = "vip"


class Platform(StrEnum):
    """Where a member logged in."""

    MINI_PROGRAM = "mp-weixin"
    H5 = "h5"


class Member(msgspec.Struct, frozen=True):
    """A member as other domains may know them; the phone number is masked."""

    member_id: UUID
    person_no: int
    nickname: str
    avatar_url: str | None
    phone_masked: str | None
    level: Level
    joined_at: datetime


class MemberSummary(msgspec.Struct, frozen=True):
    """A member in a list of staff; the nickname without marks of direction (F068)."""

    member_id: UUID
    person_no: int
    nickname: str
    avatar_url: str | None
    phone_masked: str | None
    level: Level
    joined_at: datetime
    last_login_at: datetime | None


class MemberDetail(MemberSummary, frozen=True):
    """A member with what they left here.

    device_count: browsers and phones they logged in on; merged_visitor_count: unnamed visitors
    that turned out to be them.
    """

    source: Literal["login", "import"]
    country: str | None
    address_count: int
    device_count: int
    merged_visitor_count: int


class Identity(msgspec.Struct, frozen=True):
    """A number under which the shop met a person, and when first."""

    person_no: int
    created_at: datetime


class LoggedIn(msgspec.Struct, frozen=True):
    """The outcome of a log-in."""

    member: Member
    is_new: bool


class AddressText(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery address in clear: only for the member, the parcel, and an audited reveal."""

    receiver: str
    phone: str
    province: str
    city: str
    district: str
    detail: str


class Address(AddressText, frozen=True, kw_only=True):
    """A stored address."""

    address_id: UUID
    is_default: bool


class CheckoutMember(msgspec.Struct, frozen=True):
    """What a checkout needs to know of a member."""

    member_id: UUID
    person_no: int
    level: Level
    address: Address | None


class PayerAccount(msgspec.Struct, frozen=True):
    """The id under which an outside app knows a member (for WeChat Pay: the payer)."""

    app_id: str
    subject: str


class ImportRow(msgspec.Struct, frozen=True):
    """A customer of an imported history.

    external_ref: the customer number there; first_seen_at: their first purchase.
    """

    external_ref: str
    first_seen_at: datetime
    country: str | None = None
    nickname: str | None = None


class ImportedMember(msgspec.Struct, frozen=True):
    """Where an imported customer is found here."""

    external_ref: str
    member_id: UUID
    person_no: int


class MemberNotFound(NotFound):
    """There is no such member in this shop."""

    code = "members.member_not_found"
    zh = "没有找到该会员"
    en = "There is no such member"


class AddressNotFound(NotFound):
    """There is no such address of this member."""

    code = "members.address_not_found"
    zh = "没有找到该地址"
    en = "There is no such address"


class TooManyAddresses(Conflict):
    """A member keeps at most `limit` addresses."""

    code = "members.too_many_addresses"
    zh = "最多保存 {limit} 个地址"
    en = "At most {limit} addresses can be kept"


class BadNickname(BadInput):
    """A nickname has 1 to 64 characters and no control characters."""

    code = "members.bad_nickname"
    zh = "昵称需为 1 到 64 个字符，且不含控制字符"
    en = "A nickname has 1 to 64 characters and no control characters"


class BadText(BadInput):
    """An address field is empty, too long, or has control characters."""

    code = "members.bad_text"
    zh = "{field} 需为 1 到 {limit} 个字符，且不含控制字符"
    en = "{field} has 1 to {limit} characters and no control characters"


class BadPhone(BadInput):
    """Not a phone number that can exist."""

    code = "members.bad_phone"
    zh = "手机号码不正确"
    en = "This is not a phone number"


class NoPayer(Conflict):
    """The member has no account in the shop's mini-program, so WeChat Pay cannot ask them."""

    code = "members.no_payer"
    zh = "该会员尚未通过小程序登录"
    en = "The member has not logged in through the mini-program"


class MemberJoined(Event, frozen=True):
    """A member account was made."""

    name: ClassVar[str] = "members.member_joined"
    person_no: int
    member_id: UUID
    source: str


class MemberLoggedIn(Event, frozen=True):
    """A member logged in."""

    name: ClassVar[str] = "members.member_logged_in"
    person_no: int
    member_id: UUID
    platform: str


class PersonJoined(Event, frozen=True):
    """A visitor turned out to be `person_no`; what `joined_person_no` did belongs to them now."""

    name: ClassVar[str] = "members.person_joined"
    person_no: int
    joined_person_no: int


class PhoneGiven(Event, frozen=True):
    """A member gave their phone number."""

    name: ClassVar[str] = "members.phone_given"
    person_no: int
    member_id: UUID
