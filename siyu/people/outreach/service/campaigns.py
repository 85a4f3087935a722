"""Campaigns: written, started, planned in chunks, sent, paused, cancelled."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec

from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Feature
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    BadStart,
    BadTemplate,
    CampaignNotFound,
    Forecast,
    MessageState,
    NotInState,
    ReachOutcome,
    Rendered,
    TemplateNotFound,
)
from siyu.people.outreach.contracts import (
    MessageAudience as Audience,
)
from siyu.people.outreach.contracts import (
    MessageCampaign as Campaign,
)
from siyu.people.outreach.contracts import (
    MessageCampaignDraft as CampaignDraft,
)
from siyu.people.outreach.contracts import (
    MessageCampaignState as CampaignState,
)
from siyu.people.outreach.contracts import (
    MessageCount as Count,
)
from siyu.people.outreach.queries import CampaignRow, TemplateRow
from siyu.people.outreach.rules import templates
from siyu.people.outreach.service import plan_store, planning, send_store, sending
from siyu.people.outreach.service.plan_store import Asked, Kept
from siyu.people.outreach.service.settings import frame_of, get_settings
from siyu.people.outreach.service.templates import must_be_sendable
from siyu.people.segments import service as segments

T = TypeVar("T")
CHUNK = 5_000
SAMPLE = 2_000
"""People a forecast looks at; the rest is taken to be like them."""
SENDERS = 2
"""One batch is looked at and written down while the other is on its way."""
AHEAD = timedelta(days=60)
"""A campaign may wait so long for its hour."""
_RUNNING = (CampaignState.PLANNING, CampaignState.SENDING)


def _shown(row: CampaignRow) -> Campaign:
    known = msgspec.structs.asdict(row)
    del known["paused_from"]
    return Campaign(**known)


async def list_campaigns(tx: ReadTx, before: UUID | None, limit: int) -> list[Campaign]:
    """Campaigns, the newest first."""
    return [_shown(row) for row in await queries.list_campaigns(tx, before, limit)]


async def get_campaign(tx: ReadTx, campaign_id: UUID) -> Campaign:
    """One campaign. Raises CampaignNotFound."""
    row = await queries.get_campaign(tx, campaign_id)
    if row is None:
        raise CampaignNotFound
    return _shown(row)


async def _template(tx: ReadTx, template_id: UUID) -> TemplateRow:
    """The version in force, the newest while there is none. Raises TemplateNotFound."""
    row = await queries.get_template(tx, template_id)
    if row is not None and row.in_force not in (None, row.version):
        row = await queries.get_version(tx, template_id, row.in_force or 0)
    if row is None:
        raise TemplateNotFound
    return row


async def save_campaign(
    tx: Tx, actor: Actor, draft: CampaignDraft, campaign_id: UUID | None = None
) -> Campaign:
    """Write a campaign down, or anew while it is a draft.

    Raises TemplateNotFound, BadVariables, SegmentNotFound, CampaignNotFound, NotInState.
    """
    template = await _template(tx, draft.template_id)
    templates.check_values(template.variables, draft.variables, await shops.get_time_zone(tx))
    await _check_audience(tx, draft.audience)
    if campaign_id is not None and (await _lock(tx, campaign_id)).state is not CampaignState.DRAFT:
        raise NotInState
    row = CampaignRow(
        campaign_id or new_id(), draft.name, draft.template_id, template.name, template.topic,
        None, draft.variables, draft.audience, draft.priority, draft.window_days,
        CampaignState.DRAFT, None, None, None, 0, actor.actor_name, clock.now(), None, None, None,
    )  # fmt: skip
    await queries.upsert_campaign(tx, row)
    audit(
        tx,
        actor,
        "outreach.campaign_saved",
        ("campaign", row.campaign_id),
        after={"name": draft.name, "priority": draft.priority},
    )
    return await get_campaign(tx, row.campaign_id)


async def _check_audience(tx: ReadTx, audience: Audience) -> None:
    if (audience.segment_id is not None) != (audience.kind == "segment"):
        raise BadTemplate(what="audience", reason="segment_id")
    if bool(audience.persons) != (audience.kind == "persons"):
        raise BadTemplate(what="audience", reason="persons")
    if audience.segment_id is not None:
        await segments.get_segment(tx, audience.segment_id)


async def _lock(tx: Tx, campaign_id: UUID) -> CampaignRow:
    row = await queries.lock_campaign(tx, campaign_id)
    if row is None:
        raise CampaignNotFound
    return row


async def start_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, at: datetime | None = None
) -> Campaign:
    """Have it planned and sent from then on (null: now).

    Raises CampaignNotFound, NotInState, BadStart, NotSigned, RuleBroken, FeaturePaused.
    """
    row, now = await _lock(tx, campaign_id), clock.now()
    if at is not None and not now < at <= now + AHEAD:
        raise BadStart(days=AHEAD.days)
    if row.state is not CampaignState.DRAFT:
        raise NotInState
    await rulebook.must_be_open(tx, Feature.MASS_MESSAGES)
    template = await _template(tx, row.template_id)
    await must_be_sendable(tx, template, row.variables)
    await queries.start_campaign(tx, campaign_id, template.version, at or now)
    _note(tx, actor, "started", row)
    return await get_campaign(tx, campaign_id)


async def pause_campaign(tx: Tx, actor: Actor, campaign_id: UUID, reason: str) -> Campaign:
    """Stop after the calls under way; planned messages keep their places."""
    row = await _lock(tx, campaign_id)
    if row.state not in _RUNNING:
        raise NotInState
    await queries.move_state(tx, campaign_id, CampaignState.PAUSED, clock.now(), row.state, reason)
    _note(tx, actor, "paused", row)
    return await get_campaign(tx, campaign_id)


async def resume_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> Campaign:
    """Go on where it was paused."""
    row = await _lock(tx, campaign_id)
    if row.state is not CampaignState.PAUSED or row.paused_from is None:
        raise NotInState
    await rulebook.must_be_open(tx, Feature.MASS_MESSAGES)
    await queries.move_state(tx, campaign_id, row.paused_from, clock.now())
    _note(tx, actor, "resumed", row)
    return await get_campaign(tx, campaign_id)


async def cancel_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> Campaign:
    """End it for good; the worker gives the places of planned messages back."""
    row = await _lock(tx, campaign_id)
    if row.state in (
        CampaignState.DONE,
        CampaignState.CANCELLED,
        CampaignState.DRAFT,
    ):
        raise NotInState
    await queries.move_state(tx, campaign_id, CampaignState.CANCELLED, clock.now())
    _note(tx, actor, "cancelled", row)
    return await get_campaign(tx, campaign_id)


def _note(tx: Tx, actor: Actor, what: str, row: CampaignRow) -> None:
    audit(tx, actor, f"outreach.campaign_{what}", ("campaign", row.campaign_id),
          after={"name": row.name})  # fmt: skip


# --- planning and sending -------------------------------------------------------------------------


async def audience_of(
    shop_id: ShopId, audience: Audience, after: int = 0, chunk: int = CHUNK
) -> AsyncIterator[list[int]]:
    """Person numbers, growing, in chunks, above `after`. No transaction may be open."""
    if audience.kind == "segment":
        assert audience.segment_id is not None
        async for found in segments.stream_members(
            shop_id, audience.segment_id, after=after, chunk=chunk
        ):
            yield [one.person_no for one in found]
    elif audience.kind == "persons":
        left = sorted(one for one in set(audience.persons) if one > after)
        for start in range(0, len(left), chunk):
            yield left[start : start + chunk]
    else:
        while True:
            async with reading(shop_id) as tx:
                numbers = await members.list_account_numbers(tx, after, chunk)
            if not numbers:
                return
            yield numbers
            after = numbers[-1]


async def plan_campaign(shop_id: ShopId, campaign_id: UUID) -> int:
    """Plan who gets it, from where an earlier run was left; how many people were planned.

    The place is kept with each chunk, in its transaction: of two planners one goes on, the other
    finds the place moved and stops.
    """
    async with reading(shop_id) as tx:
        campaign = await queries.get_campaign(tx, campaign_id)
    if campaign is None or campaign.state is not CampaignState.PLANNING:
        return 0
    if campaign.started_at is None or campaign.started_at > clock.now():
        return 0
    after, planned = campaign.planned_after, 0
    async with contextlib.aclosing(_ahead(_asked(shop_id, campaign, after))) as chunks:
        async for asked, open_ in chunks:
            if not await _plan_chunk(shop_id, campaign_id, after, asked, open_):
                return planned
            after, planned = asked.persons[-1], planned + len(asked.persons)
    async with transaction(shop_id) as tx:
        row = await _lock(tx, campaign_id)
        if row.state is CampaignState.PLANNING and row.planned_after == after:
            await queries.move_planned(tx, campaign_id, after, 0)
            await queries.move_state(tx, campaign_id, CampaignState.SENDING, clock.now())
    return planned


async def _asked(
    shop_id: ShopId, campaign: CampaignRow, after: int
) -> AsyncGenerator[tuple[Asked, list[planning.Way]], None]:
    """The audience chunk by chunk, and what the other domains know about it.

    A transaction before that of the plan: who withdraws in between is left out at the call.
    """
    async for persons in audience_of(shop_id, campaign.audience, after):
        async with reading(shop_id) as tx:
            assert campaign.version is not None
            template = await queries.get_version(tx, campaign.template_id, campaign.version)
            assert template is not None
            open_ = await planning.open_ways(tx, template.forms)
            ids = [new_id() for _ in persons]
            asked = await planning.ask(tx, campaign.topic, persons, open_, ids)
        yield asked, open_


async def _ahead(found: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same, the next one looked for while the one before is worked on."""
    following = asyncio.ensure_future(anext(found, None))
    try:
        while (one := await following) is not None:
            following = asyncio.ensure_future(anext(found, None))
            yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _plan_chunk(
    shop_id: ShopId, campaign_id: UUID, after: int, asked: Asked, open_: Sequence[planning.Way]
) -> bool:
    async with transaction(shop_id) as tx:
        row = await _lock(tx, campaign_id)
        if row.state is not CampaignState.PLANNING or row.planned_after != after:
            return False
        assert row.version is not None
        template = await queries.get_version(tx, row.template_id, row.version)
        assert template is not None
        now = clock.now()
        policy = (await get_settings(tx)).policy
        frame, due_at = await frame_of(tx, row.topic, policy, now)
        if frame.is_capped:
            await queries.lock_settings(tx, policy, now)
        kept = Kept(
            campaign_id, row.template_id, row.version, row.priority, due_at,
            due_at + planning.LASTS,
        )  # fmt: skip
        await planning.plan_chunk(tx, template, frame, kept, asked, open_)
        await queries.move_planned(tx, campaign_id, asked.persons[-1], len(asked.persons))
    return True


async def run_campaign(shop_id: ShopId, campaign_id: UUID) -> None:
    """Bring a campaign as far as it can get now; run it again, also elsewhere, and it goes on."""
    await plan_campaign(shop_id, campaign_id)

    async def send() -> None:
        while await sending.send_batch(shop_id, campaign_id):
            pass

    await asyncio.gather(*(send() for _ in range(SENDERS)))
    async with transaction(shop_id) as tx:
        row = await _lock(tx, campaign_id)
        if row.state is CampaignState.SENDING and not await send_store.count_open(tx, campaign_id):
            await queries.move_state(tx, campaign_id, CampaignState.DONE, clock.now())
    while await _cancel_some(shop_id, campaign_id):
        pass


async def _cancel_some(shop_id: ShopId, campaign_id: UUID) -> int:
    async with transaction(shop_id) as tx:
        row = await _lock(tx, campaign_id)
        if row.state is not CampaignState.CANCELLED:
            return 0
        return await send_store.cancel_planned(tx, campaign_id, clock.now(), CHUNK)


# --- looking ahead --------------------------------------------------------------------------------


async def count_messages(tx: ReadTx, campaign_id: UUID) -> list[Count]:
    """How far a campaign is: messages by state, channel and reason."""
    return await queries.count_messages(tx, campaign_id)


async def forecast(shop_id: ShopId, campaign_id: UUID) -> Forecast:
    """Who would get it now, and who not and why, asked of the first people of the audience.

    Opens its own transactions; nothing is kept. Raises CampaignNotFound.
    """
    async with reading(shop_id) as tx:
        row = await queries.get_campaign(tx, campaign_id)
        if row is None:
            raise CampaignNotFound
        size = await _size_of(tx, row.audience)
    found = audience_of(shop_id, row.audience, chunk=SAMPLE)
    persons: list[int] = await anext(found, [])
    if not persons:
        return Forecast(size, 0, [])
    tallies = await _decide(shop_id, row, persons)
    counts = [Count(one.state, one.channel, one.reason, one.messages) for one in tallies]
    return Forecast(max(size, len(persons)), len(persons), counts)


async def _size_of(tx: ReadTx, audience: Audience) -> int:
    if audience.kind == "segment":
        assert audience.segment_id is not None
        return await segments.count_members(tx, audience.segment_id)
    if audience.kind == "persons":
        return len(audience.persons)
    return await members.count_accounts(tx)


async def _decide(
    shop_id: ShopId, row: CampaignRow, persons: Sequence[int]
) -> list[plan_store.Tally]:
    async with transaction(shop_id) as tx:
        template = await _template(tx, row.template_id)
        policy = (await get_settings(tx)).policy
        frame, _ = await frame_of(tx, row.topic, policy, clock.now())
        open_ = await planning.open_ways(tx, template.forms)
        caps = {cap.channel: cap.day for cap in policy.channels}
        ways = planning.ways_of(open_, caps, template.forms[0])
        ids = [new_id() for _ in persons]
        asked = await planning.ask(tx, row.topic, persons, open_, ids)
        return await plan_store.count_decided(tx, asked, ways, frame)


class PersonPreview(msgspec.Struct, frozen=True):
    """What a person would get now, or why not, and how it reads on each channel."""

    outcome: ReachOutcome
    forms: list[Rendered]


async def preview_person(shop_id: ShopId, campaign_id: UUID, person_no: int) -> PersonPreview:
    """A campaign as one person would get it. Raises CampaignNotFound."""
    async with reading(shop_id) as tx:
        row = await queries.get_campaign(tx, campaign_id)
        if row is None:
            raise CampaignNotFound
        template = await _template(tx, row.template_id)
        zone = await shops.get_time_zone(tx)
    [found] = await _decide(shop_id, row, [person_no])
    return PersonPreview(
        ReachOutcome(new_id(), MessageState(found.state), found.channel, found.reason),
        [
            templates.render(form, template.variables, row.variables, zone)
            for form in template.forms
        ],
    )
