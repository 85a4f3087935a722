"""Messages to many: audience, campaign, report, effect."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.people.outreach.contracts.messages import (
    VALUE_MOST,
    Body,
    MessageChannel,
    MessageState,
    Name,
    RefusalReason,
    Topic,
)


class MessageAudience(Body, frozen=True, kw_only=True):
    """To whom: a segment, everybody with an account, or these persons."""

    kind: Literal["segment", "all", "persons"]
    segment_id: UUID | None = None
    persons: Annotated[list[Annotated[int, Meta(ge=1, le=2**53)]], Meta(max_length=1000)] = []


class MessageCampaignState(StrEnum):
    """draft → planning → sending → done; paused and back; cancelled."""

    DRAFT = "draft"
    PLANNING = "planning"
    SENDING = "sending"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class MessageCampaignDraft(Body, frozen=True, kw_only=True):
    """A message to many.

    priority: 0…9; of several that want a person's last place of the day the highest gets it.
    window_days: how long after the start what people buy is looked at.
    """

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    template_id: UUID
    variables: dict[Name, Annotated[str, Meta(max_length=VALUE_MOST)]] = {}
    audience: MessageAudience
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    window_days: Annotated[int, Meta(ge=1, le=60)] = 7


class MessageCampaign(msgspec.Struct, frozen=True):
    """A campaign as kept; audience_count: null until it was planned; started_at ahead of now: it
    waits for its hour."""

    campaign_id: UUID
    name: str
    template_id: UUID
    template_name: str
    topic: Topic
    version: int | None
    variables: dict[str, str]
    audience: MessageAudience
    priority: int
    window_days: int
    state: MessageCampaignState
    pause_reason: str | None
    audience_count: int | None
    planned_after: int
    made_by: str
    made_at: datetime
    started_at: datetime | None
    planned_at: datetime | None
    ended_at: datetime | None


class MessageCount(msgspec.Struct, frozen=True):
    """Messages of a campaign in a state, by channel and reason."""

    state: MessageState
    channel: MessageChannel | None
    reason: RefusalReason | None
    messages: int


class Forecast(msgspec.Struct, frozen=True):
    """What planning would give now, asked of a sample. share of `asked` → all of `audience`."""

    audience: int
    asked: int
    counts: list[MessageCount]


class MessageRecipient(msgspec.Struct, frozen=True):
    """A person of a campaign and what became of the message."""

    person_no: int
    message_id: UUID
    state: MessageState
    channel: MessageChannel | None
    reason: RefusalReason | None
    code: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    answered_at: datetime | None


class EffectArm(msgspec.Struct, frozen=True):
    """One side of the comparison: people, those who bought, and what they paid (fen)."""

    persons: int
    buyers: int
    paid_fen: int


class MessageEffect(msgspec.Struct, frozen=True):
    """What a campaign changed, against people held out for good who were otherwise just as fit.

    Intention to treat: everybody planned counts, whatever became of the call. The differences are
    per person and over all planned, with a 95 % interval (Welch); null: nobody is held out.
    """

    at: datetime
    until: datetime
    planned: EffectArm
    held_out: EffectArm
    buyers_bps: int | None
    buyers_low_bps: int | None
    buyers_high_bps: int | None
    extra_fen: int | None
    extra_low_fen: int | None
    extra_high_fen: int | None


class DayFigures(msgspec.Struct, frozen=True):
    """Messages of one day and channel."""

    on: date
    channel: MessageChannel
    sent: int
    delivered: int
    answered: int
    failed: int
    refused: int
