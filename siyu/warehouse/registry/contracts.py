"""Nouns of the registry."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from siyu.kernel.errors import Conflict, NotFound

CUSTOM = "custom."
"""Names of a merchant's own events begin so."""
MAX_NAMES = 200
"""Custom names of a shop."""
MAX_PROPS = 50
"""Properties of one event."""


class EventUnknown(NotFound):
    """A name that the shop has not seen, or a property that the event has not had."""

    code = "registry.event_unknown"
    zh = "没有这个事件或属性"
    en = "No such event or property"


class EventNeeded(Conflict):
    """An event of the program itself: figures stand on it."""

    code = "registry.event_needed"
    zh = "这是系统事件，看板依赖它，只能隐藏，不能拦截"
    en = "Figures stand on this event of the program: hide it, it cannot be blocked"


class Reason(StrEnum):
    """Why an event is refused, beyond what its shape is (`malformed_*`, by the field)."""

    BLOCKED = "blocked"
    TYPE = "type"
    TOO_MANY_NAMES = "too_many_names"
    TOO_MANY_PROPS = "too_many_props"
    PROP_NAME = "prop_name"


class Kind(StrEnum):
    """What a property's values are. NUMBER takes integers too."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a shop. title_*: the merchant's own words, "" for none.

    events: taken, per UTC day of the event, for `days` days up to today (oldest first).
    """

    name: str
    first_at: datetime
    last_at: datetime | None
    title_zh: str
    title_en: str
    is_hidden: bool
    is_blocked: bool
    properties: int
    events: list[int]


class Title(msgspec.Struct, frozen=True):
    """What a shop calls an event, "" for none, and whether it leaves it out of lists."""

    name: str
    title_zh: str
    title_en: str
    is_hidden: bool


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """A property of an event. kinds: what its values were (`text integer number flag nested none`).

    declared: other values are refused. samples: values that three persons or more had in common.
    distinct_values: the most that one slot had, roughly.
    """

    prop: str
    first_at: datetime
    kinds: list[str]
    declared: Kind | None
    title_zh: str
    title_en: str
    is_hidden: bool
    samples: list[str]
    distinct_values: int


class RejectCount(msgspec.Struct, frozen=True):
    """Events refused on a UTC day for a reason; name "" when it is not a known one."""

    on_day: date
    reason: str
    name: str
    events: int


class RejectSample(msgspec.Struct, frozen=True):
    """What a refused event looked like; values are replaced by what they are."""

    at: datetime
    reason: str
    name: str
    sample: str


class Seen(msgspec.Struct, frozen=True):
    """What the compactor saw of a property in one slot."""

    shop_id: int
    name_id: int
    prop: str
    kinds: list[str]
    samples: list[str]
    distinct_values: int


class Health(msgspec.Struct, frozen=True):
    """For the doctor. sealed_s: age of the oldest sealed slot in seconds, 0 without one.

    open_s: age of the open slot if it has rows. rejects, events: of the last two UTC days, all
    shops. erasing_s: age of the oldest erasure that is not done.
    """

    sealed_s: float
    open_s: float
    rejects: int
    events: int
    erasing_s: float
