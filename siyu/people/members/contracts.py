"""Nouns of the members domain."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType
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


class Source(StrEnum):
    """How a record of a member came to be."""

    LOGIN = "login"
    IMPORT = "import"
    STAFF = "staff"


class IdentifierKind(StrEnum):
    """What a person may be known by. An openid belongs to one app; the others to the shop."""

    OPENID = "openid"
    UNIONID = "unionid"
    EXTERNAL_USERID = "external_userid"
    PHONE = "phone"
    CARD = "card"
    EMAIL = "email"


class Evidence(StrEnum):
    """Where the shop learned that an identifier is somebody's."""

    LOGIN = "login"
    PHONE_AUTHORISED = "phone_authorised"
    MEMBER = "member"
    STAFF = "staff"
    IMPORT = "import"
    WECOM = "wecom"


class MergeState(StrEnum):
    """Where a merge stands; only `merged` ties two records together."""

    PROPOSED = "proposed"
    MERGED = "merged"
    REFUSED = "refused"
    UNDONE = "undone"


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
    source: Source


class MemberDetail(MemberSummary, frozen=True):
    """A member with what they left here.

    device_count: browsers and phones they logged in on; merged_visitor_count: unnamed visitors
    that turned out to be them.
    """

    country: str | None
    address_count: int
    device_count: int
    merged_visitor_count: int


class Identity(msgspec.Struct, frozen=True):
    """A number under which the shop met a person, and when first."""

    person_no: int
    created_at: datetime


class Visitor(msgspec.Struct, frozen=True):
    """Who is behind a visitor key; is_members: an account, which only its owner speaks for."""

    person_no: int
    is_members: bool


class Identifier(msgspec.Struct, frozen=True):
    """A link from an identifier to a record, masked. confidence_bps: 10 000 is certain; ref: by
    which staff take it off; null for a log-in, which WeChat vouches for."""

    kind: IdentifierKind
    app_id: str | None
    masked: str
    member_id: UUID
    evidence: Evidence
    confidence_bps: int
    linked_at: datetime
    ref: str | None


class RemovedIdentifier(msgspec.Struct, frozen=True):
    """An identifier that staff took off a record, masked; it can be given back."""

    removal_id: UUID
    kind: IdentifierKind
    masked: str
    member_id: UUID
    removed_at: datetime
    removed_by: str
    reason: str


class MemberRecord(msgspec.Struct, frozen=True):
    """One of the records that are a person, masked; has_balance: money was in its wallet once."""

    member_id: UUID
    person_no: int
    nickname: str
    phone_masked: str | None
    level: Level
    source: Source
    joined_at: datetime
    last_login_at: datetime | None
    locked_reason: str | None
    has_balance: bool
    identifiers: list[Identifier]


class Merge(msgspec.Struct, frozen=True):
    """Two records said to be one person, side by side. evidence: the kind of identifier both
    have, or `staff`; reasons: why staff had to decide, empty when it merged by itself."""

    merge_id: UUID
    state: MergeState
    evidence: str
    confidence_bps: int
    reasons: list[str]
    note: str | None
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    undone_by: str | None
    undone_at: datetime | None
    one: MemberRecord
    other: MemberRecord


class Person(msgspec.Struct, frozen=True):
    """Everything that says who a person is. member_id: the record that stands for them, the
    earliest of `records`; merges: newest first, undone and refused ones too; removed: identifiers
    that staff took off."""

    member_id: UUID
    person_no: int
    records: list[MemberRecord]
    merges: list[Merge]
    removed: list[RemovedIdentifier]


class Ties(msgspec.Struct, frozen=True):
    """The numbers of the records that merges tie into one person, and when the last was made."""

    person_nos: tuple[int, ...]
    merged_at: datetime


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


class Refusal(msgspec.Struct, frozen=True):
    """A line of a list that was not imported; reason: a stable code."""

    line_no: int
    reason: str


class RefusedFor(msgspec.Struct, frozen=True):
    """How many lines were refused for one reason."""

    reason: str
    rows: int


class ListReport(msgspec.Struct, frozen=True):
    """What became of a list of members. made: new members; found: rows of somebody known, whose
    identifiers were added to them; proposed: pairs that staff must decide; ended_at: null while it
    is being read."""

    import_id: UUID
    file_name: str
    rows_done: int
    made: int
    found: int
    proposed: int
    refused: int
    started_at: datetime
    ended_at: datetime | None


class BadList(BadInput):
    """The file is no list of members; what is missing, in both languages."""

    code = "members.bad_list"
    zh = "无法导入会员名单：{zh}"
    en = "This list of members cannot be imported: {en}"


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


class BadIdentifier(BadInput):
    """A value that cannot be an identifier of its `kind`."""

    code = "members.bad_identifier"
    zh = "{kind} 格式不正确"
    en = "This is not a {kind}"


class TooManyIdentifiers(Conflict):
    """A record has at most `limit` identifiers of one kind."""

    code = "members.too_many_identifiers"
    zh = "同类标识最多绑定 {limit} 个"
    en = "At most {limit} identifiers of one kind can be linked"


class IdentifierNotFound(NotFound):
    """This record has no such identifier that could be taken off, or given back."""

    code = "members.identifier_not_found"
    zh = "没有找到该标识"
    en = "There is no such identifier"


class IdentifierTaken(Conflict):
    """The identifier has become somebody's since it was taken off."""

    code = "members.identifier_taken"
    zh = "该标识已属于其他会员，请改用“绑定标识”发起合并"
    en = "The identifier is somebody else's by now: link it instead, which proposes a merge"


class MergeNotFound(NotFound):
    """There is no such merge in this shop."""

    code = "members.merge_not_found"
    zh = "没有找到该合并"
    en = "There is no such merge"


class MergeDecided(Conflict):
    """The merge is no longer in the state the action needs; `state` is the present one."""

    code = "members.merge_decided"
    zh = "该合并已处理"
    en = "This merge has been decided"


class SamePerson(Conflict):
    """Both records are one person already."""

    code = "members.same_person"
    zh = "两个档案已是同一个人"
    en = "Both records are one person already"


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
    """From now on `joined_person_no` counts as `person_no`: a visitor who turned out to be a
    member, a record that was merged. The last word about a number counts; one that is joined to
    itself stands alone again (its merge was undone)."""

    name: ClassVar[str] = "members.person_joined"
    person_no: int
    joined_person_no: int


class PhoneGiven(Event, frozen=True):
    """A member gave their phone number."""

    name: ClassVar[str] = "members.phone_given"
    person_no: int
    member_id: UUID


class MemberImported(Event, frozen=True):
    """A member came with a list of the shop's."""

    name: ClassVar[str] = "members.member_imported"
    person_no: int
    member_id: UUID
    level: str


class MembersTagged(Event, frozen=True):
    """A list of the shop's says which tags members have; tags: name → numbers of persons."""

    name: ClassVar[str] = "members.members_tagged"
    import_id: UUID
    tags: dict[str, list[int]]


class MergeProposed(Event, frozen=True):
    """Two records have an identifier in common; `reasons` empty: they are merged at once."""

    name: ClassVar[str] = "members.merge_proposed"
    person_no: int
    merge_id: UUID
    other_person_no: int
    evidence: str
    reasons: list[str]


class MembersMerged(Event, frozen=True):
    """Two persons became one. `member_id` stands for them; `record_ids`: all of its records, whose
    rows now belong to it."""

    name: ClassVar[str] = "members.members_merged"
    person_no: int
    member_id: UUID
    merge_id: UUID
    record_ids: list[UUID]


class MergeUndone(Event, frozen=True):
    """A merge was undone; `record_ids`: the records whose rows go home again."""

    name: ClassVar[str] = "members.merge_undone"
    person_no: int
    member_id: UUID
    merge_id: UUID
    record_ids: list[UUID]
