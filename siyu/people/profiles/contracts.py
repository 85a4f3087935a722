"""Nouns of profiles: fields, conditions over fields, tiers, tags, what one person's page shows."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

TAGS_MAX = 200
"""Tags a shop keeps in use."""


class FieldKind(StrEnum):
    """What the value of a field is: number int, fen int, date "YYYY-MM-DD", list of text."""

    NUMBER = "number"
    FEN = "fen"
    DATE = "date"
    TEXT = "text"
    CHOICE = "choice"
    LIST = "list"
    BOOL = "bool"


class FieldGroup(StrEnum):
    """Where a field stands on the page."""

    IDENTITY = "identity"
    BEHAVIOUR = "behaviour"
    TRADE = "trade"
    CONTENT = "content"
    COMMUNITY = "community"
    SERVICE = "service"
    VALUE = "value"


class FieldPurpose(StrEnum):
    """The consent that a field rests on (`people/consents`)."""

    PRIVACY = "privacy"
    ANALYTICS = "analytics"
    MARKETING = "marketing"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the catalogue.

    source: the events it is made of, the part that will bring it, or `members`. keep: how long it
    is kept: as long as the account, or as long as the consent. mask: `band`: staff who may not
    reveal see between which bounds it lies; `partly`: digits or letters are covered for everybody.
    is_counted: a figure that is 0, not unknown, for a person without such events. is_ready: it is
    computed today.
    """

    key: str
    zh: str
    en: str
    kind: FieldKind
    group: FieldGroup
    unit: str
    source: str
    purpose: FieldPurpose
    keep: Literal["account", "consent"]
    mask: Literal["none", "band", "partly"]
    is_counted: bool
    is_ready: bool


# --- conditions -------------------------------------------------------------------------------

Op = Literal["ge", "le", "eq", "ne", "in", "known", "unknown", "days_ge", "days_le"]
FieldKey = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Text = Annotated[str, Meta(max_length=60)]
Whole = Annotated[int, Meta(ge=-(10**15), le=10**15)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused."""


class Condition(Body, frozen=True, kw_only=True):
    """A condition on a field. days_ge, days_le: the date lies at least, at most so many days back.

    value: null for `known` and `unknown`, a list for `in`.
    """

    field: FieldKey
    op: Op
    value: bool | Whole | Text | Annotated[list[Text], Meta(min_length=1, max_length=50)] | None = (
        None
    )


class FieldRule(Body, frozen=True, kw_only=True):
    """Who belongs: all of the conditions hold, or any of them."""

    match: Literal["all", "any"] = "all"
    conditions: Annotated[list[Condition], Meta(min_length=1, max_length=10)]


Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,19}$")]
Name = Annotated[str, Meta(min_length=1, max_length=30, pattern=r"\S")]


class PersonTier(Body, frozen=True, kw_only=True):
    """A tier: of the tiers of its ladder the first whose rule holds is a person's."""

    key: Key
    zh: Name
    en: Name
    rule: FieldRule


Ladder = Annotated[list[PersonTier], Meta(min_length=1, max_length=12)]


class TierRules(Body, frozen=True, kw_only=True):
    """Both ladders. tier: what to do about a person (mission 99); life: life-cycle (101)."""

    tier: Ladder
    life: Ladder


class TierVersion(msgspec.Struct, frozen=True):
    """Tier rules as they were put in force."""

    version: int
    rules: TierRules
    note: str
    made_by: str
    made_at: datetime


class TierCount(msgspec.Struct, frozen=True):
    """How many persons stand on a tier; key null: on none of the ladder."""

    ladder: str
    key: str | None
    persons: int


class TierMove(msgspec.Struct, frozen=True):
    """A person came from one tier of a ladder to another; null: none."""

    ladder: str
    before: str | None
    after: str | None
    at: datetime


# --- tags -------------------------------------------------------------------------------------


class TagGroup(StrEnum):
    """The three kinds of tags (mission 101)."""

    BASIC = "basic"
    BEHAVIOUR = "behaviour"
    VALUE = "value"


class ByHand(Body, frozen=True, kw_only=True, tag_field="kind", tag="manual"):
    """Given and taken by staff."""


class ByRule(Body, frozen=True, kw_only=True, tag_field="kind", tag="rule"):
    """Whoever the rule fits has it."""

    rule: FieldRule


class ByScore(Body, frozen=True, kw_only=True, tag_field="kind", tag="score"):
    """Points for each deed, halved every `half_life_days`; who has `threshold` points has the tag.

    deeds: measure of the catalogue → points for each time. Deeds of the last 90 days count; visits
    are known in three ages (0-7, 8-30, 31-90 days), each weighed at its middle.
    """

    deeds: Annotated[
        dict[FieldKey, Annotated[int, Meta(ge=1, le=1_000)]], Meta(min_length=1, max_length=10)
    ]
    half_life_days: Annotated[int, Meta(ge=1, le=90)]
    threshold: Annotated[int, Meta(ge=1, le=10**6)]


Making = ByHand | ByRule | ByScore


class TagDraft(Body, frozen=True, kw_only=True):
    """A tag as staff write it."""

    name: Name
    group: TagGroup
    note: Annotated[str, Meta(max_length=200)] = ""
    making: Making


class Tag(msgspec.Struct, frozen=True):
    """A tag. person_count: who has it now. retired_at: no longer in use."""

    tag_id: UUID
    name: str
    group: TagGroup
    note: str
    making: Making
    made_by: str
    created_at: datetime
    reviewed_at: datetime
    retired_at: datetime | None
    person_count: int
    last_given_at: datetime | None


class TagFinding(msgspec.Struct, frozen=True):
    """Why a tag stands on the review list.

    unused: nobody has it. stale: nobody was given it for 180 days. overlapping: `share_bps` of the
    persons with either tag have both. due: not looked at for a quarter (mission 104).
    """

    tag: Tag
    reason: Literal["unused", "stale", "overlapping", "due"]
    other: Tag | None
    share_bps: int | None


class PersonTag(msgspec.Struct, frozen=True):
    """A tag of one person. score: of a scored tag, else null."""

    tag_id: UUID
    name: str
    group: TagGroup
    kind: str
    score: int | None
    given_at: datetime
    given_by: str


# --- one person -------------------------------------------------------------------------------


class FieldValue(msgspec.Struct, frozen=True):
    """A field of one person.

    state: known; unknown: no data yet; later: computed by a part to come; no_consent: not kept;
    masked: `band` tells [from, below] (null: no bound), value is null.
    """

    key: str
    state: Literal["known", "unknown", "later", "no_consent", "masked"]
    value: int | bool | str | list[str] | None
    band: list[int | None] | None


class ConditionFinding(msgspec.Struct, frozen=True):
    """A condition in words, whether it holds of a person, and their value in words; "" masked."""

    text: str
    fits: bool
    value: str


class TierFinding(msgspec.Struct, frozen=True):
    """Whether a person fits the tier `key`, and each of its conditions."""

    key: str
    fits: bool
    conditions: list[ConditionFinding]


class Profile(msgspec.Struct, frozen=True):
    """What is known of a person. values: one per field of the catalogue, in its order.

    tracks: whether statistics of behaviour may be kept. refreshed_at null: no event was read yet.
    visited_at: up to which visit of anybody the figures of behaviour are counted, each quarter of
    an hour; null: none yet.
    """

    person_no: int
    tier: str | None
    life: str | None
    tracks: bool
    refreshed_at: datetime | None
    visited_at: datetime | None
    values: list[FieldValue]
    tags: list[PersonTag]
    moves: list[TierMove]


class TimelineEntry(msgspec.Struct, frozen=True):
    """One deed on the timeline. kind: see TimelineKind; text: in the asked language."""

    at: datetime
    event_no: str
    kind: str
    name: str
    label: str
    text: str
    amount_fen: int | None


TimelineKind = Literal["visit", "identity", "trade", "coupon", "money", "community", "service"]


# --- refusals and events ----------------------------------------------------------------------


class BadRule(BadInput):
    """A condition that has no meaning: why, in both languages."""

    code = "profiles.bad_rule"
    zh = "条件无法计算：{zh}"
    en = "This condition cannot be asked: {en}"


class TagNotFound(NotFound):
    """There is no such tag in this shop."""

    code = "profiles.tag_not_found"
    zh = "没有找到该标签"
    en = "There is no such tag"


class TagNameTaken(Conflict):
    """Another tag has this name."""

    code = "profiles.tag_name_taken"
    zh = "已有同名标签"
    en = "Another tag has this name"


class TooManyTags(Conflict):
    """A shop keeps at most `limit` tags."""

    code = "profiles.too_many_tags"
    zh = "最多使用 {limit} 个标签"
    en = "At most {limit} tags can be in use"


class NotByHand(Conflict):
    """The tag is given by its rule, or is retired."""

    code = "profiles.not_by_hand"
    zh = "该标签由规则决定，不能手工增减"
    en = "This tag is given by its rule, not by hand"


class VersionPassed(Conflict):
    """Somebody else has changed the tier rules meanwhile."""

    code = "profiles.version_passed"
    zh = "分层规则已被他人修改，请刷新后再试"
    en = "The tier rules were changed by somebody else; reload first"


class TierChanged(Event, frozen=True):
    """A person came to another tier. ladder: tier or life; before, after: null for none."""

    name: ClassVar[str] = "profiles.tier_changed"
    person_no: int
    ladder: str
    before: str | None
    after: str | None


class Happened(msgspec.Struct, frozen=True):
    """An event of the stream: who, what, when (UTC microseconds), and its payload."""

    name: str
    at_us: int
    payload: dict[str, Any]


Values = dict[str, Any]
"""Field key → value; what is missing is not known, or 0 for a counted field."""
