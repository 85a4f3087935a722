"""Outreach in the console: templates, campaigns, attention, the suppression list."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.compliance.rulebook.contracts import Finding
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, put, staff
from siyu.kernel.jobs import enqueue
from siyu.people.outreach import queries, service
from siyu.people.outreach.background import run_campaign, send_singles
from siyu.people.outreach.contracts import (
    Attention,
    Block,
    DayFigures,
    Forecast,
    Name,
    ReachOutcome,
    Rendered,
    TemplateDraft,
    Why,
)
from siyu.people.outreach.contracts import (
    AttentionPolicy as Policy,
)
from siyu.people.outreach.contracts import (
    AttentionSettings as Settings,
)
from siyu.people.outreach.contracts import (
    MessageCampaign as Campaign,
)
from siyu.people.outreach.contracts import (
    MessageCampaignDraft as CampaignDraft,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    MessageCount as Count,
)
from siyu.people.outreach.contracts import (
    MessageEffect as Effect,
)
from siyu.people.outreach.contracts import (
    MessageRecipient as Recipient,
)
from siyu.people.outreach.contracts import (
    MessageState as State,
)
from siyu.people.outreach.contracts import (
    MessageTemplate as Template,
)
from siyu.people.outreach.contracts import (
    RefusalReason as Reason,
)
from siyu.people.outreach.rules import reasons

READ, WRITE = staff("outreach.read"), staff("outreach.write")
PersonNo = Annotated[int, Meta(ge=1, le=2**53)]
PathNo = Annotated[int, Parameter(ge=1, le=2**53)]
Value = Annotated[str, Meta(min_length=1, max_length=200)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class MessagePreviewBody(_Body, frozen=True, kw_only=True):
    """A draft and the values to read it with; samples stand in for what is missing."""

    draft: TemplateDraft
    variables: dict[Name, Value] = {}


class TestBody(_Body, frozen=True, kw_only=True):
    """To whom a template is sent for trial; channel null: as the template says."""

    person_no: PersonNo
    variables: dict[Name, Value] = {}
    channel: Channel | None = None


class MessageNoteBody(_Body, frozen=True, kw_only=True):
    """A word to those who sign."""

    note: Annotated[str, Meta(max_length=200)] = ""


class MessageStartBody(_Body, frozen=True, kw_only=True):
    """When it starts; null: now."""

    at: datetime | None = None


class MessageWhyBody(_Body, frozen=True, kw_only=True):
    """Why."""

    why: Why


class SuppressBody(_Body, frozen=True, kw_only=True):
    """Who is left alone, on which channel (null: all), and why."""

    person_no: PersonNo
    channel: Channel | None = None
    why: Why


class MessageTemplates(msgspec.Struct, frozen=True):
    """All templates in use."""

    items: list[Template]


class TemplateLibrary(msgspec.Struct, frozen=True):
    """Words to begin with, by moment."""

    items: list[TemplateDraft]


class Previews(msgspec.Struct, frozen=True):
    """How a draft reads on each channel, and what the rulebook says of it."""

    items: list[Rendered]
    findings: list[Finding]


class CaseOpenedView(msgspec.Struct, frozen=True):
    """The approval a version waits for."""

    case_id: UUID


class Progress(msgspec.Struct, frozen=True):
    """How far a campaign is."""

    campaign: Campaign
    counts: list[Count]


class Days(msgspec.Struct, frozen=True):
    """Figures per day and channel, oldest first."""

    items: list[DayFigures]


class ReasonWords(msgspec.Struct, frozen=True):
    """A stable code and its meaning."""

    code: Reason
    zh: str
    en: str


class ReasonList(msgspec.Struct, frozen=True):
    """All reasons why something does not go out."""

    items: list[ReasonWords]


# --- templates ------------------------------------------------------------------------------------


@get("/outreach/templates", access=READ)
async def list_message_templates(staff: StaffIdentity) -> MessageTemplates:
    """Message templates in use, each with its newest version."""
    async with transaction(staff.shop_id) as tx:
        await service.ensure_brought(tx)
        return MessageTemplates(await service.list_templates(tx))


@get("/outreach/template-library", access=READ)
async def list_message_template_library(staff: StaffIdentity) -> TemplateLibrary:
    """Words to begin with, for the usual moments on each channel."""
    async with reading(staff.shop_id) as tx:
        return TemplateLibrary(await service.list_library(tx))


@post("/outreach/templates", access=WRITE)
async def make_message_template(data: TemplateDraft, staff: StaffIdentity) -> Template:
    """Write a template; it is sent once it is signed."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_template(tx, staff, data)


@put("/outreach/templates/{message_template_id:uuid}", access=WRITE)
async def edit_message_template(
    message_template_id: UUID, data: TemplateDraft, staff: StaffIdentity
) -> Template:
    """Write another version; the one in force stays until this is signed."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_template(tx, staff, data, message_template_id)


@delete("/outreach/templates/{message_template_id:uuid}", access=WRITE, status_code=204)
async def retire_message_template(message_template_id: UUID, staff: StaffIdentity) -> None:
    """Take a template out of use."""
    async with transaction(staff.shop_id) as tx:
        await service.retire_template(tx, staff, message_template_id)


@post("/outreach/templates/preview", access=READ, status_code=200)
async def preview_message_template(data: MessagePreviewBody, staff: StaffIdentity) -> Previews:
    """How a draft reads, whether channels take it, and what the rulebook says."""
    async with reading(staff.shop_id) as tx:
        findings = await service.check_draft(tx, data.draft)
        return Previews(await service.preview(tx, data.draft, data.variables), findings)


@post("/outreach/templates/{message_template_id:uuid}/approval", access=WRITE)
async def ask_template_approval(
    message_template_id: UUID, data: MessageNoteBody, staff: StaffIdentity
) -> CaseOpenedView:
    """Ask for signatures under the newest version."""
    async with transaction(staff.shop_id) as tx:
        case = await service.ask_approval(tx, staff, message_template_id, data.note)
    return CaseOpenedView(case.case_id)


@post("/outreach/templates/{message_template_id:uuid}/test", access=WRITE)
async def test_message_template(
    message_template_id: UUID, data: TestBody, staff: StaffIdentity
) -> ReachOutcome:
    """Send the newest version to one person now."""
    async with transaction(staff.shop_id) as tx:
        outcome = await service.send_test(
            tx, staff, message_template_id, data.person_no, data.variables, data.channel
        )
        enqueue(tx, send_singles, key="singles")
        return outcome


# --- campaigns ------------------------------------------------------------------------------------


@get("/outreach/campaigns", access=READ)
async def list_message_campaigns(
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Campaign]:
    """Campaigns, the newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_campaigns(tx, after[0] if after else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.campaign_id])


@post("/outreach/campaigns", access=WRITE)
async def make_message_campaign(data: CampaignDraft, staff: StaffIdentity) -> Campaign:
    """Write a campaign down; nobody gets anything before the start."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_campaign(tx, staff, data)


@get("/outreach/campaigns/{message_campaign_id:uuid}", access=READ)
async def show_message_campaign(message_campaign_id: UUID, staff: StaffIdentity) -> Progress:
    """A campaign and how far it is: messages by state, channel and reason."""
    async with reading(staff.shop_id) as tx:
        return Progress(
            await service.get_campaign(tx, message_campaign_id),
            await service.count_messages(tx, message_campaign_id),
        )


@put("/outreach/campaigns/{message_campaign_id:uuid}", access=WRITE)
async def edit_message_campaign(
    message_campaign_id: UUID, data: CampaignDraft, staff: StaffIdentity
) -> Campaign:
    """Write a draft anew; 409 once it was started."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_campaign(tx, staff, data, message_campaign_id)


@post("/outreach/campaigns/{message_campaign_id:uuid}/forecast", access=READ, status_code=200)
async def forecast_message_campaign(message_campaign_id: UUID, staff: StaffIdentity) -> Forecast:
    """Who would get it now, and who not and why; of the first two thousand of the audience."""
    return await service.forecast(staff.shop_id, message_campaign_id)


@get("/outreach/campaigns/{message_campaign_id:uuid}/people/{person_no:int}", access=READ)
async def preview_message_campaign(
    message_campaign_id: UUID, person_no: PathNo, staff: StaffIdentity
) -> service.PersonPreview:
    """What one person would get now, or why not, and how it reads."""
    return await service.preview_person(staff.shop_id, message_campaign_id, person_no)


@get("/outreach/campaigns/{message_campaign_id:uuid}/people", access=READ)
async def list_message_recipients(
    message_campaign_id: UUID,
    staff: StaffIdentity,
    why: Reason | None = None,
    is_in: State | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[Recipient]:
    """People of a campaign and what became of each message, by number."""
    after = decode_cursor(cursor, tuple[PersonNo])
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_recipients(
            tx, message_campaign_id, why, is_in, after[0] if after else 0, limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.person_no])


@post("/outreach/campaigns/{message_campaign_id:uuid}/start", access=WRITE, status_code=200)
async def start_message_campaign(
    message_campaign_id: UUID, data: MessageStartBody, staff: StaffIdentity
) -> Campaign:
    """Plan and send from then on (null: now). 409: not signed, or against a rule."""
    async with transaction(staff.shop_id) as tx:
        started = await service.start_campaign(tx, staff, message_campaign_id, data.at)
        enqueue(tx, run_campaign, key=str(message_campaign_id), campaign_id=message_campaign_id)
        return started


@post("/outreach/campaigns/{message_campaign_id:uuid}/pause", access=WRITE, status_code=200)
async def pause_message_campaign(
    message_campaign_id: UUID, data: MessageWhyBody, staff: StaffIdentity
) -> Campaign:
    """Stop after the calls under way."""
    async with transaction(staff.shop_id) as tx:
        return await service.pause_campaign(tx, staff, message_campaign_id, data.why[:100])


@post("/outreach/campaigns/{message_campaign_id:uuid}/resume", access=WRITE, status_code=200)
async def resume_message_campaign(message_campaign_id: UUID, staff: StaffIdentity) -> Campaign:
    """Go on where it was paused."""
    async with transaction(staff.shop_id) as tx:
        resumed = await service.resume_campaign(tx, staff, message_campaign_id)
        enqueue(tx, run_campaign, key=str(message_campaign_id), campaign_id=message_campaign_id)
        return resumed


@post("/outreach/campaigns/{message_campaign_id:uuid}/cancel", access=WRITE, status_code=200)
async def cancel_message_campaign(message_campaign_id: UUID, staff: StaffIdentity) -> Campaign:
    """End it for good; what is planned is given back."""
    async with transaction(staff.shop_id) as tx:
        cancelled = await service.cancel_campaign(tx, staff, message_campaign_id)
        enqueue(tx, run_campaign, campaign_id=message_campaign_id)
        return cancelled


@get("/outreach/campaigns/{message_campaign_id:uuid}/effect", access=READ)
async def show_message_effect(message_campaign_id: UUID, staff: StaffIdentity) -> Effect:
    """What a campaign changed, against people held out for good, with a 95 % interval."""
    return await service.read_effect(staff.shop_id, message_campaign_id)


@get("/outreach/days", access=READ)
async def list_message_days(
    staff: StaffIdentity, days: Annotated[int, Parameter(ge=1, le=90)] = 30
) -> Days:
    """Messages per day and channel."""
    async with reading(staff.shop_id) as tx:
        return Days(await service.list_days(tx, days))


@get("/outreach/reasons", access=READ)
async def list_message_reasons(staff: StaffIdentity) -> ReasonList:
    """Why something does not go out: codes and words."""
    return ReasonList([ReasonWords(code, *words) for code, words in reasons.WORDS.items()])


# --- attention ------------------------------------------------------------------------------------


@get("/outreach/policy", access=READ)
async def show_attention_policy(staff: StaffIdentity) -> Settings:
    """How much attention the shop asks of a person."""
    async with reading(staff.shop_id) as tx:
        return await service.get_settings(tx)


@put("/outreach/policy", access=WRITE)
async def save_attention_policy(data: Policy, staff: StaffIdentity) -> Settings:
    """Put another policy in force."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_settings(tx, staff, data)


@get("/outreach/people/{person_no:int}/attention", access=READ)
async def show_attention(person_no: PathNo, staff: StaffIdentity) -> Attention:
    """A person's ledger of attention: what is left today, what took it, what was refused."""
    async with reading(staff.shop_id) as tx:
        return await service.get_attention(tx, person_no)


@get("/outreach/suppressions", access=READ)
async def list_suppressions(
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[Block]:
    """Who is left alone, the newest first."""
    before = decode_cursor(cursor, tuple[datetime])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_all_blocks(tx, before[0] if before else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.at])


@post("/outreach/suppressions", access=WRITE, status_code=204)
async def suppress_person(data: SuppressBody, staff: StaffIdentity) -> None:
    """Leave a person alone."""
    async with transaction(staff.shop_id) as tx:
        await service.suppress(tx, staff, data.person_no, data.channel or "all", data.why)


@post("/outreach/suppressions/{person_no:int}/lift", access=WRITE, status_code=204)
async def lift_suppression(
    person_no: PathNo,
    data: MessageWhyBody,
    staff: StaffIdentity,
    channel: Channel | None = None,
) -> None:
    """Take back what staff or a platform blocked; what the person chose stays theirs."""
    async with transaction(staff.shop_id) as tx:
        await service.lift(tx, staff, person_no, channel or "all", data.why)


routes = [
    list_message_templates, list_message_template_library, make_message_template,
    edit_message_template, retire_message_template,
    preview_message_template, ask_template_approval, test_message_template,
    list_message_campaigns, make_message_campaign, show_message_campaign, edit_message_campaign,
    forecast_message_campaign, preview_message_campaign, list_message_recipients,
    start_message_campaign, pause_message_campaign, resume_message_campaign,
    cancel_message_campaign, show_message_effect, list_message_days, list_message_reasons,
    show_attention_policy, save_attention_policy, show_attention, list_suppressions,
    suppress_person, lift_suppression,
]  # fmt: skip
