"""Messages, templates, attention, what channels answer, errors."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound


class MessageChannel(StrEnum):
    """How a message reaches a person."""

    SUBSCRIPTION = "subscription"
    """订阅消息: one message for each time the person agreed."""
    NOTICE = "notice"
    """公众号模板消息: to followers, about what they did."""
    CARE = "care"
    """客服消息: five messages within 48 h after the person wrote."""
    CONTACT = "contact"
    """企业微信群发: a colleague sends it; at most one a day of the month."""
    SMS = "sms"
    INBOX = "inbox"
    """站内信: "my messages" in the shop."""


class Topic(StrEnum):
    """What a message is about."""

    ORDER = "order"
    AFTER_SALE = "after_sale"
    GIFT = "gift"
    OFFERS = "offers"
    NEWS = "news"


OWED = frozenset({Topic.ORDER, Topic.AFTER_SALE, Topic.GIFT})
"""Not advertising: sent without consent to marketing, at any hour, outside all caps."""


class MessageState(StrEnum):
    """planned → calling → sent | failed | unknown; planned → refused | cancelled."""

    PLANNED = "planned"
    CALLING = "calling"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class RefusalReason(StrEnum):
    """Why a message did not go out; words in `rules.reasons`."""

    NO_CONSENT = "no_consent"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    NO_GRANT = "no_grant"
    GRANT_USED_UP = "grant_used_up"
    CHANNEL_OFF = "channel_off"
    PLATFORM_CAP = "platform_cap"
    CHANNEL_CAP = "channel_cap"
    DAY_CAP = "day_cap"
    WEEK_CAP = "week_cap"
    TIRED = "tired"
    OUTBID = "outbid"
    HELD_OUT = "held_out"
    QUOTA = "quota"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_SIGNED = "not_signed"
    RULE_BROKEN = "rule_broken"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"


Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,29}$")]
Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, Meta(max_length=1000)]
Title = Annotated[str, Meta(max_length=40)]
Why = Annotated[str, Meta(min_length=1, max_length=200)]
VALUE_MOST = 200
"""Characters of one value."""


class VariableKind(StrEnum):
    """What stands in a variable."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    """Fen, as digits."""
    TIME = "time"
    """A moment, RFC 3339; shown in the shop's time zone."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class Variable(Body, frozen=True, kw_only=True):
    """A word that is filled in per person or per campaign; sample: for previews and the rules."""

    name: Name
    kind: VariableKind = VariableKind.TEXT
    sample: Annotated[str, Meta(min_length=1, max_length=VALUE_MOST)]


class Form(Body, frozen=True, kw_only=True):
    """A message as one channel takes it; `{name}` stands for a variable.

    outside_id: the platform's template (subscription, notice). fields: its fields and their words.
    title, text: of the other channels. page: where a tap leads, in the shop.
    """

    channel: MessageChannel
    outside_id: Annotated[str, Meta(max_length=64)] = ""
    fields: Annotated[
        dict[Annotated[str, Meta(pattern="^[a-z_]{1,20}[0-9]{0,3}$")], Words], Meta(max_length=10)
    ] = {}
    title: Title = ""
    text: Words = ""
    page: Annotated[str, Meta(max_length=200, pattern="^(/?[A-Za-z0-9_/?=&{}.-]*)$")] = ""


class TemplateDraft(Body, frozen=True, kw_only=True):
    """What a merchant writes; forms in the order in which channels are tried."""

    key: Key
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    topic: Topic
    forms: Annotated[list[Form], Meta(min_length=1, max_length=6)]
    variables: Annotated[list[Variable], Meta(max_length=12)] = []


class MessageTemplate(msgspec.Struct, frozen=True):
    """A template as kept, with its newest version.

    in_force: the version that is sent; null: none was signed yet. waiting: its approval.
    """

    template_id: UUID
    key: str
    name: str
    topic: Topic
    version: int
    in_force: int | None
    waiting: UUID | None
    forms: list[Form]
    variables: list[Variable]
    made_by: str
    made_at: datetime


class Rendered(msgspec.Struct, frozen=True):
    """A message in its last form, as one channel carries it."""

    channel: MessageChannel
    outside_id: str
    fields: dict[str, str]
    title: str
    text: str
    page: str


class Caps(Body, frozen=True, kw_only=True):
    """Advertising a person may get; null: no cap of its own."""

    channel: MessageChannel
    day: Annotated[int, Meta(ge=0, le=50)]


class AttentionPolicy(Body, frozen=True, kw_only=True):
    """How much attention a shop asks for.

    day, week: messages over all channels. quiet_from, quiet_to: minutes of the day (the shop's
    time) in which no advertising goes out; equal: never quiet. tired_at: the score from which on
    a person is left alone (an unanswered message is 1, halved every half_life_days).
    """

    day: Annotated[int, Meta(ge=0, le=50)] = 1
    week: Annotated[int, Meta(ge=0, le=200)] = 3
    channels: Annotated[list[Caps], Meta(max_length=6)] = msgspec.field(
        default_factory=lambda: [Caps(channel=MessageChannel.SMS, day=1)]
    )
    quiet_from: Annotated[int, Meta(ge=0, le=1439)] = 21 * 60
    quiet_to: Annotated[int, Meta(ge=0, le=1439)] = 9 * 60
    tired_at: Annotated[int, Meta(ge=1, le=100)] = 6
    half_life_days: Annotated[int, Meta(ge=1, le=90)] = 14


class AttentionSettings(msgspec.Struct, frozen=True):
    """The policy in force and who made it."""

    policy: AttentionPolicy
    version: int
    changed_at: datetime | None
    changed_by: str | None


class LedgerEntry(msgspec.Struct, frozen=True):
    """A row of a person's ledger of attention; reason: of a release."""

    at: datetime
    move: Literal["reserved", "spent", "released", "answered"]
    channel: MessageChannel
    on_day: date
    is_capped: bool
    reason: str | None
    message_id: UUID
    template_key: str
    template_name: str
    campaign_name: str | None


class Refusal(msgspec.Struct, frozen=True):
    """A message that did not go out, and why."""

    at: datetime
    message_id: UUID
    reason: RefusalReason
    code: str | None
    channel: MessageChannel | None
    template_key: str
    template_name: str
    campaign_name: str | None


class Block(msgspec.Struct, frozen=True):
    """Somebody is left alone. topic, channel: "all" or one."""

    person_no: int
    topic: str
    channel: str
    origin: Literal["person", "staff", "platform"]
    reason: str
    at: datetime


class Attention(msgspec.Struct, frozen=True):
    """What is left of a person's attention today. tired_milli: the score in thousandths."""

    today: int
    week: int
    policy: AttentionPolicy
    tired_milli: int
    grants: dict[str, int]
    entries: list[LedgerEntry]
    refusals: list[Refusal]
    blocks: list[Block]


class InboxItem(msgspec.Struct, frozen=True):
    """A message in "my messages"."""

    message_id: UUID
    topic: Topic
    title: str
    text: str
    page: str
    sent_at: datetime
    is_read: bool


class ReachOutcome(msgspec.Struct, frozen=True):
    """What reaching a person came to: planned with a channel, or refused with a reason."""

    message_id: UUID
    state: MessageState
    channel: MessageChannel | None
    reason: RefusalReason | None


# --- what a channel answers --------------------------------------------------------------------


class Sent(msgspec.Struct, frozen=True):
    """The platform took it; outside_id: its number for the message, "" when it gives none."""

    outside_id: str = ""


class Refused(msgspec.Struct, frozen=True):
    """It was certainly not sent. reason null: try again after `wait_seconds`.

    is_next: another channel may be tried; closes: the channel is closed for all for wait_seconds.
    """

    code: str
    reason: RefusalReason | None = None
    wait_seconds: int = 0
    is_next: bool = True
    closes: bool = False


class Unclear(msgspec.Struct, frozen=True):
    """It may have been sent: never called again under another number."""

    code: str


Answer = Sent | Refused | Unclear


class Parcel(msgspec.Struct, frozen=True):
    """A message about to be called. number: our own, the same in every repeat."""

    number: UUID
    person_no: int
    address: str
    rendered: Rendered


# --- errors --------------------------------------------------------------------------------------


class TemplateNotFound(NotFound):
    """There is no such template in this shop."""

    code = "outreach.template_not_found"
    zh = "没有找到该消息模板"
    en = "There is no such message template"


class CampaignNotFound(NotFound):
    """There is no such campaign in this shop."""

    code = "outreach.campaign_not_found"
    zh = "没有找到该群发任务"
    en = "There is no such campaign"


class MessageNotFound(NotFound):
    """There is no such message."""

    code = "outreach.message_not_found"
    zh = "没有找到该消息"
    en = "There is no such message"


class PersonNotReachable(NotFound):
    """Nobody with this number has an account."""

    code = "outreach.person_not_found"
    zh = "没有找到该用户"
    en = "There is no such person"


class KeyTaken(Conflict):
    """Two templates cannot have one key."""

    code = "outreach.key_taken"
    zh = "模板标识 {key} 已被使用"
    en = "The key {key} is taken"


class BadTemplate(BadInput):
    """The parts of a template do not fit together; details say what."""

    code = "outreach.bad_template"
    zh = "模板有误：{what}（{reason}）"
    en = "The template is wrong: {what} ({reason})"


class BadVariables(BadInput):
    """A variable is missing, unknown or too long."""

    code = "outreach.bad_variables"
    zh = "变量 {name} 有误：{reason}"
    en = "The variable {name} is wrong: {reason}"


class BadStart(BadInput):
    """A start that is over, or too far ahead."""

    code = "outreach.bad_start"
    zh = "开始时间须在现在之后、{days} 天之内"
    en = "The start must lie ahead of now, by {days} days at most"


class NotInState(Conflict):
    """The campaign is not in a state that allows this."""

    code = "outreach.not_in_state"
    zh = "任务当前状态不允许此操作"
    en = "The campaign is not in a state that allows this"


class LinkInvalid(BadInput):
    """The link to unsubscribe is not one of ours."""

    code = "outreach.link_invalid"
    zh = "退订链接无效或已过期"
    en = "This link is not valid any more"
