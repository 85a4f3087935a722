"""Nouns of the consents domain."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import Conflict
from siyu.kernel.events import Event
from siyu.kernel.i18n import Language


class Purpose(StrEnum):
    """What data is used for; each is agreed to by itself."""

    PRIVACY = "privacy"
    """To serve the person at all: account, orders, delivery."""
    ANALYTICS = "analytics"
    """To learn from what people look at."""
    MARKETING = "marketing"
    """To send offers."""
    PERSONALISATION = "personalisation"
    """To choose what one person is shown by what they did (PIPL 24: may be refused)."""
    SHARING = "sharing"
    """To pass data on to named others (PIPL 23: agreed to by itself)."""


class Channel(StrEnum):
    """Where a decision was made."""

    MINI_PROGRAM = "mp-weixin"
    H5 = "h5"
    STAFF = "staff"


class Origin(msgspec.Struct, frozen=True):
    """From where a decision came: the network address (kept as a keyed hash) and the program."""

    ip: str | None = None
    agent: str | None = None


class PublishedText(msgspec.Struct, frozen=True):
    """A version of a shop's words; published_by None: the words the program brings."""

    purpose: Purpose
    version: str
    asks_more: bool
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    published_at: datetime | None
    published_by: str | None


class Consent(msgspec.Struct, frozen=True):
    """A purpose, the words in force, and what the person said; granted None: never asked."""

    purpose: Purpose
    text_version: str
    title: str
    text: str
    granted: bool | None
    decided_at: datetime | None


class Decision(msgspec.Struct, frozen=True):
    """One decision of the past; text_hash: SHA-256 (hex) of the words as shown."""

    decision_id: UUID
    purpose: Purpose
    text_version: str
    granted: bool
    decided_at: datetime
    channel: Channel
    language: Language
    text_hash: str | None
    agent: str | None


class TextOutdated(Conflict):
    """The words have changed since; details give the version in force."""

    code = "consents.text_outdated"
    zh = "条款已更新，请阅读最新版本后再确认"
    en = "The text has changed; please read the new version first"


class ConsentDecided(Event, frozen=True):
    """A person agreed to a purpose, or withdrew."""

    name: ClassVar[str] = "consents.consent_decided"
    person_no: int
    purpose: str
    text_version: str
    granted: bool


class ConsentWithdrawn(Event, frozen=True):
    """A yes was taken back: from now on nothing is done for this purpose (F090)."""

    name: ClassVar[str] = "consents.withdrawn"
    person_no: int
    purpose: str


class TextDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New words for a purpose, in both languages, as they are signed."""

    purpose: Purpose
    title_zh: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    title_en: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
    text_zh: Annotated[str, Meta(min_length=20, max_length=4000)]
    text_en: Annotated[str, Meta(min_length=20, max_length=8000)]
    asks_more: bool


class TextPublished(Event, frozen=True):
    """A shop has new words for a purpose; asks_more: everybody is asked again."""

    name: ClassVar[str] = "consents.text_published"
    purpose: str
    version: str
    asks_more: bool
