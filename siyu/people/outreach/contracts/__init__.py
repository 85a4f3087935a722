"""Nouns of outreach, and its events."""

from typing import ClassVar
from uuid import UUID

from siyu.kernel.events import Event
from siyu.people.outreach.contracts.campaigns import (
    DayFigures,
    EffectArm,
    Forecast,
    MessageAudience,
    MessageCampaign,
    MessageCampaignDraft,
    MessageCampaignState,
    MessageCount,
    MessageEffect,
    MessageRecipient,
)
from siyu.people.outreach.contracts.messages import (
    OWED,
    VALUE_MOST,
    Answer,
    Attention,
    AttentionPolicy,
    AttentionSettings,
    BadStart,
    BadTemplate,
    BadVariables,
    Block,
    CampaignNotFound,
    Caps,
    Form,
    InboxItem,
    Key,
    KeyTaken,
    LedgerEntry,
    LinkInvalid,
    MessageChannel,
    MessageNotFound,
    MessageState,
    MessageTemplate,
    Name,
    NotInState,
    Parcel,
    PersonNotReachable,
    ReachOutcome,
    Refusal,
    RefusalReason,
    Refused,
    Rendered,
    Sent,
    TemplateDraft,
    TemplateNotFound,
    Title,
    Topic,
    Unclear,
    Variable,
    VariableKind,
    Why,
    Words,
)


class MessageSent(Event, frozen=True):
    """A message reached the platform, or the inbox."""

    name: ClassVar[str] = "outreach.sent"
    person_no: int
    channel: str
    topic: str
    template: str
    campaign_id: UUID | None


class MessageAnswered(Event, frozen=True):
    """A person read a message, or came or wrote because of it: once per message."""

    name: ClassVar[str] = "outreach.answered"
    person_no: int
    channel: str
    topic: str
    template: str
    campaign_id: UUID | None


class Unsubscribed(Event, frozen=True):
    """A person wants to be left alone. channel: how they said it."""

    name: ClassVar[str] = "outreach.unsubscribed"
    person_no: int
    topic: str
    channel: str


__all__ = [
    "OWED",
    "VALUE_MOST",
    "Answer",
    "Attention",
    "AttentionPolicy",
    "AttentionSettings",
    "BadStart",
    "BadTemplate",
    "BadVariables",
    "Block",
    "CampaignNotFound",
    "Caps",
    "DayFigures",
    "EffectArm",
    "Forecast",
    "Form",
    "InboxItem",
    "Key",
    "KeyTaken",
    "LedgerEntry",
    "LinkInvalid",
    "MessageAnswered",
    "MessageAudience",
    "MessageCampaign",
    "MessageCampaignDraft",
    "MessageCampaignState",
    "MessageChannel",
    "MessageCount",
    "MessageEffect",
    "MessageNotFound",
    "MessageRecipient",
    "MessageSent",
    "MessageState",
    "MessageTemplate",
    "Name",
    "NotInState",
    "Parcel",
    "PersonNotReachable",
    "ReachOutcome",
    "Refusal",
    "RefusalReason",
    "Refused",
    "Rendered",
    "Sent",
    "TemplateDraft",
    "TemplateNotFound",
    "Title",
    "Topic",
    "Unclear",
    "Unsubscribed",
    "Variable",
    "VariableKind",
    "Why",
    "Words",
]
