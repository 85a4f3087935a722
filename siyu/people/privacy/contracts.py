"""Nouns of the data of a person: the map, archives, erasures, retention."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from siyu.kernel.errors import Conflict, NotFound
from siyu.kernel.events import Event


class Kind(StrEnum):
    """What a column tells about a person."""

    ID = "id"
    """Our own number: says nothing outside this installation."""
    NAME = "name"
    PHONE = "phone"
    ADDRESS = "address"
    PLACE = "place"
    BIRTHDAY = "birthday"
    OUTSIDE_ID = "outside_id"
    """A number by which others (WeChat, a carrier) know the person."""
    DEVICE = "device"
    PICTURE = "picture"
    TEXT = "text"
    """Words of the person, or about them."""
    HASH = "hash"
    """A keyed hash: finds, but cannot be read."""
    SEALED = "sealed"
    """A secret, or a whole message, encrypted."""
    STAFF = "staff"
    """Who of the staff it was."""


class Use(StrEnum):
    """What a table holds personal data for."""

    ACCOUNT = "account"
    TRADE = "trade"
    DELIVERY = "delivery"
    PAYMENT = "payment"
    SERVICE = "service"
    CONTENT = "content"
    BEHAVIOUR = "behaviour"
    MARKETING = "marketing"
    PROOF = "proof"
    SECURITY = "security"


class Keep(StrEnum):
    """How long; `rules.KEEPING` says the time and the law."""

    ACCOUNT = "account"
    CONSENT = "consent"
    TRADE = "trade"
    LEDGER = "ledger"
    PROOF = "proof"
    SECURITY = "security"
    SHORT = "short"


class Expires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows older than this go, or lose the columns named in `do` (column → SQL value).

    after: SQL, the moment the days count from. when: which of them still hold something.
    """

    days: int
    after: str
    do: Literal["rows"] | dict[str, str]
    when: str = "true"


class TableMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a domain says of one of its tables.

    person: SQL condition for the rows of one person; {members}: uuids, {persons}: numbers.
    erase: "rows" go; "keep": stay, with the numbers alone; "own": the domain reacts to
    PersonErased; or what the columns become (column → SQL, with {blank_address}, {blank}).
    blocks: reason → condition on the person's rows that an erasure must wait for. file: of a row
    whose picture or voice lies in data_dir: where, with the names of columns in braces.
    """

    plain: list[str]
    personal: dict[str, Kind] = {}
    person: str | None = None
    subject: Literal["customer", "staff"] | None = None
    use: Use | None = None
    keep: Keep | None = None
    erase: Literal["rows", "keep", "own"] | dict[str, str] | None = None
    blocks: dict[str, str] = {}
    expires: Expires | None = None
    file: str | None = None


DataMap = dict[str, TableMap]
"""`schema.table` → its map, in the order of the tower."""


class Words(msgspec.Struct, frozen=True):
    """The same in both languages."""

    zh: str
    en: str


class ErasureState(StrEnum):
    """waiting: the cool-off runs; blocked: it is over, and something stands in the way."""

    WAITING = "waiting"
    BLOCKED = "blocked"
    DONE = "done"
    CANCELLED = "cancelled"


class Treated(msgspec.Struct, frozen=True):
    """What an erasure did to a table. law: why it stays, None when nothing does."""

    table: str
    rows: int
    done: Literal["erased", "scrubbed", "kept"]
    law: Keep | None


class Erasure(msgspec.Struct, frozen=True):
    """A wish to be forgotten. due_at: when the cool-off ends; latest_at: the fifteenth day;
    events_gone_at: since when no file of the warehouse has an event of theirs."""

    erasure_id: UUID
    member_id: UUID
    person_no: int
    state: ErasureState
    asked_at: datetime
    asked_by: str
    reason: str
    due_at: datetime
    latest_at: datetime
    ended_at: datetime | None
    blocks: list[str]
    report: list[Treated]
    events_gone_at: datetime | None


class Archive(msgspec.Struct, frozen=True):
    """All data of a person as a zip of JSON; can be fetched until expires_at."""

    archive_id: UUID
    member_id: UUID
    person_no: int
    state: Literal["making", "ready", "gone"]
    asked_at: datetime
    asked_by: str
    reason: str
    made_at: datetime | None
    expires_at: datetime | None
    size_bytes: int | None
    row_count: int | None


class RetentionRun(msgspec.Struct, frozen=True):
    """What a night's retention took away from a table of the shop."""

    name: str
    ran_at: datetime
    rows: int


class ErasureRefused(Conflict):
    """Something is not finished; `blocks` names what."""

    code = "privacy.erasure_refused"
    zh = "还有未完成的事项，暂时不能注销：{blocks}"
    en = "Something is not finished yet: {blocks}"


class ErasureUnderWay(Conflict):
    """The person has asked already."""

    code = "privacy.erasure_under_way"
    zh = "已提交注销申请"
    en = "An erasure has been asked for already"


class ErasureNotFound(NotFound):
    """There is no such erasure that could still be called off."""

    code = "privacy.erasure_not_found"
    zh = "没有可撤销的注销申请"
    en = "There is no erasure that could be called off"


class ArchiveNotFound(NotFound):
    """There is no such archive, or its time is over."""

    code = "privacy.archive_not_found"
    zh = "没有找到该数据包，或已过期"
    en = "There is no such archive, or its time is over"


class ErasureAsked(Event, frozen=True):
    """A person wants to be forgotten."""

    name: ClassVar[str] = "privacy.erasure_asked"
    person_no: int
    erasure_id: UUID


class ErasureEnded(Event, frozen=True):
    """It was carried out, or called off."""

    name: ClassVar[str] = "privacy.erasure_ended"
    person_no: int
    erasure_id: UUID
    state: str


class BehaviourForgotten(Event, frozen=True):
    """A person withdrew the consent to statistics, and no question counts what their pages told
    before any more."""

    name: ClassVar[str] = "privacy.behaviour_forgotten"
    person_no: int


class VisitorForgotten(Event, frozen=True):
    """A visitor without account asked to be forgotten; their number is nobody's any more."""

    name: ClassVar[str] = "privacy.visitor_forgotten"
    person_no: int


class PersonErased(Event, frozen=True):
    """A person was erased; domains with files or rules of their own do their part now."""

    name: ClassVar[str] = "privacy.person_erased"
    person_no: int
    member_id: UUID
