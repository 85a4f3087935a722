"""Nouns of the rulebook."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import Conflict, NotFound
from siyu.kernel.events import Event


class Verdict(StrEnum):
    """What follows: it cannot go out, somebody of legal must sign, or it is said and no more."""

    BLOCK = "block"
    LEGAL = "legal"
    WARN = "warn"


class Scene(StrEnum):
    """Where a text or an action meets people."""

    PRODUCT = "product"
    ARTICLE = "article"
    MESSAGE = "message"
    MOMENTS = "moments"
    GROUP = "group"
    CAMPAIGN = "campaign"
    LOTTERY = "lottery"
    DISTRIBUTION = "distribution"
    PAYMENT = "payment"
    GIFT = "gift"


class Feature(StrEnum):
    """What a shop may let pause when violation points come near the limit."""

    SHARING = "sharing"
    LOTTERY = "lottery"
    DISTRIBUTION = "distribution"
    MASS_MESSAGES = "mass_messages"


Fact = bool | int | str


class Draft(msgspec.Struct, frozen=True):
    """What is to be published or done. texts: field → words; facts: what checks ask for."""

    scene: Scene
    texts: dict[str, str] = {}
    facts: dict[str, Fact] = {}


_Name = Annotated[str, Meta(min_length=1, max_length=40)]
_Text = Annotated[str, Meta(max_length=20_000)]


class DraftBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be checked."""

    scene: Scene
    texts: Annotated[dict[_Name, _Text], Meta(max_length=20)] = {}
    facts: Annotated[dict[_Name, Fact], Meta(max_length=30)] = {}


class Bilingual(msgspec.Struct, frozen=True):
    """The same in both languages."""

    zh: str
    en: str


class Phrases(msgspec.Struct, frozen=True, tag="phrases"):
    """Words that must not stand in any text (regular expressions, on folded text)."""

    patterns: tuple[str, ...]


class Label(msgspec.Struct, frozen=True, tag="label"):
    """Words that must stand in the field, when `when` is a true fact (None: always)."""

    field: str
    pattern: str
    when: str | None = None


class Length(msgspec.Struct, frozen=True, tag="length"):
    """At most so many characters in a field."""

    field: str
    most: int


class Limit(msgspec.Struct, frozen=True, tag="limit"):
    """A number that may not be larger; a fact that is missing breaks nothing."""

    fact: str
    most: int


class Needs(msgspec.Struct, frozen=True, tag="needs"):
    """A fact that must be true, when `when` is (None: always)."""

    fact: str
    when: str | None = None


Check = Phrases | Label | Length | Limit | Needs


class Rule(msgspec.Struct, frozen=True):
    """A rule. scenes empty: every scene."""

    rule_id: str
    source: Bilingual
    verdict: Verdict
    scenes: tuple[Scene, ...]
    check: Check
    message: Bilingual
    fix: Bilingual


class Pack(msgspec.Struct, frozen=True):
    """Rules as they were on a day; a change is a new pack."""

    version: str
    rules: tuple[Rule, ...]


class Finding(msgspec.Struct, frozen=True):
    """A rule that a draft breaks; start and end: characters of texts[field].

    override_id: somebody signed that this content may go out in spite of it.
    """

    rule_id: str
    pack: str
    verdict: Verdict
    field: str | None
    start: int
    end: int
    excerpt: str
    source: Bilingual
    message: Bilingual
    fix: Bilingual
    override_id: UUID | None = None


class Override(msgspec.Struct, frozen=True):
    """A sign-off that one content may break one rule until expires_at."""

    override_id: UUID
    rule_id: str
    pack: str
    content_hash: str
    reason: str
    asked_by: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime
    used_count: int


class Violation(msgspec.Struct, frozen=True):
    """What the platform, or the shop itself, holds against the shop."""

    violation_id: UUID
    happened_at: datetime
    source: Literal["platform", "own"]
    rule_id: str | None
    points: int
    what: str
    state: Literal["open", "appealed", "upheld", "withdrawn"]
    note: str
    noted_by: str
    noted_at: datetime


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The points at which a shop is warned, and at which `features` pause; limit: the platform's.

    0 < alert_points <= pause_points <= limit_points.
    """

    limit_points: int
    alert_points: int
    pause_points: int
    features: Annotated[list[Feature], Meta(max_length=len(Feature))]


class Standing(msgspec.Struct, frozen=True):
    """Points of the last 365 days that were not withdrawn, and what follows."""

    points: int
    policy: Policy
    level: Literal["calm", "alert", "paused"]
    paused: list[Feature]


class RuleBroken(Conflict):
    """A rule blocks this; details name the rules and the words."""

    code = "rulebook.rule_broken"
    zh = "内容不合规：{zh}"
    en = "This breaks a rule: {en}"


class FeaturePaused(Conflict):
    """Violation points are near the limit; the shop's policy pauses this."""

    code = "rulebook.feature_paused"
    zh = "违规积分接近上限，该功能已按策略暂停"
    en = "Violation points are near the limit: this is paused by policy"


class ViolationNotFound(NotFound):
    """There is no such violation in this shop."""

    code = "rulebook.violation_not_found"
    zh = "没有找到该违规记录"
    en = "There is no such violation"


class BadPolicy(Conflict):
    """alert <= pause <= limit."""

    code = "rulebook.bad_policy"
    zh = "需满足：提醒分 ≤ 暂停分 ≤ 上限"
    en = "It must be: alert <= pause <= limit"


class PointsNearLimit(Event, frozen=True):
    """Violation points reached the line of the policy."""

    name: ClassVar[str] = "rulebook.points_near_limit"
    points: int
    limit_points: int
    level: str
