"""Nouns of the consents domain."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

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


class Channel(StrEnum):
    """Where a decision was made."""

    MINI_PROGRAM = "mp-weixin"
    H5 = "h5"
    STAFF = "staff"


class Consent(msgspec.Struct, frozen=True):
    """A purpose, the words in force, and what the person said; granted None: never asked."""

    purpose: Purpose
    text_version: str
    title: str
    text: str
    granted: bool | None
    decided_at: datetime | None


class Decision(msgspec.Struct, frozen=True):
    """One decision of the past."""

    decision_id: UUID
    purpose: Purpose
    text_version: str
    granted: bool
    decided_at: datetime
    channel: Channel
    language: Language


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
