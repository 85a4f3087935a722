"""Sending: claim (commit), call, record. A message is called under one number, for good."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.compliance.approvals.contracts import NotSigned
from siyu.compliance.rulebook.contracts import RuleBroken
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    OWED,
    Answer,
    BadTemplate,
    MessageSent,
    Parcel,
    Refused,
    Sent,
    Unclear,
)
from siyu.people.outreach.contracts import (
    MessageCampaignState as CampaignState,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    MessageState as State,
)
from siyu.people.outreach.contracts import (
    RefusalReason as Reason,
)
from siyu.people.outreach.queries import TemplateRow
from siyu.people.outreach.rules import attention, templates
from siyu.people.outreach.service import channels, planning, send_store
from siyu.people.outreach.service.channels import sms
from siyu.people.outreach.service.send_store import Claimed, Result
from siyu.people.outreach.service.settings import get_settings
from siyu.people.outreach.service.templates import check_limits, must_be_sendable

BATCH = 200
LOST_AFTER = timedelta(seconds=90)
"""A call is over long before: whoever claimed the message is dead."""
DEDUPED = timedelta(minutes=8)
"""WeChat drops a template message with a number it knows for ten minutes (OA §7)."""
TRIES_MOST = 8


class Batch(msgspec.Struct):
    """Messages of one channel, ready to be called."""

    channel: Channel
    parcels: list[Parcel]


async def send_batch(shop_id: ShopId, campaign_id: UUID | None, limit: int = BATCH) -> int:
    """Send up to `limit` messages whose time has come; how many were claimed.

    campaign_id None: messages to one person. Opens its own transactions.
    """
    async with transaction(shop_id) as tx:
        claimed = await _claim(tx, campaign_id, limit)
        batches = await _prepare(tx, claimed) if claimed else []
    for batch in batches:
        answers = await channels.send_all(shop_id, batch.channel, batch.parcels)
        await _record(shop_id, batch, answers, {one.message_id: one for one in claimed})
    return len(claimed)


async def _claim(tx: Tx, campaign_id: UUID | None, limit: int) -> list[Claimed]:
    now = clock.now()
    if campaign_id is None:
        return await send_store.claim_singles(tx, now, limit)
    campaign = await queries.get_campaign(tx, campaign_id)
    if campaign is None or campaign.state not in (
        CampaignState.SENDING,
        CampaignState.PLANNING,
    ):
        return []
    if campaign.topic not in OWED:
        policy = (await get_settings(tx)).policy
        if attention.is_quiet(policy, now, await shops.get_time_zone(tx)):
            return []
    return await send_store.claim_of_campaign(tx, campaign_id, now, limit)


async def _prepare(tx: Tx, claimed: Sequence[Claimed]) -> list[Batch]:
    """Look once more at each claimed message; what may not go is recorded at once."""
    now = clock.now()
    refused = await _objections(tx, claimed, now)
    stops = {one.channel: one.until for one in await send_store.list_stops(tx, now)}
    results = [Result(number, State.REFUSED, reason=reason) for number, reason in refused.items()]
    ready: list[tuple[Claimed, TemplateRow, Mapping[str, str]]] = []
    for (template_id, version, campaign_id, _), group in _grouped(claimed).items():
        row = await queries.get_version(tx, template_id, version)
        assert row is not None
        shared: Mapping[str, str] = {}
        if campaign_id is not None:
            campaign = await queries.get_campaign(tx, campaign_id)
            assert campaign is not None
            shared = campaign.variables
        left = [one for one in group if one.message_id not in refused]
        for one in left:
            if one.channel in stops:
                # Nothing was called: the place stays, the turn comes when the channel opens.
                wait = int((stops[one.channel] - now).total_seconds()) + 1
                results.append(Result(one.message_id, State.PLANNED, wait_seconds=wait))
        left = [one for one in left if one.channel not in stops]
        words = {**{one.name: one.sample for one in row.variables}, **shared}
        if left and (said := await _unsendable(tx, row, words, left[0].is_test)):
            results += [Result(one.message_id, State.REFUSED, reason=said) for one in left]
            continue
        ready += [(one, row, one.variables or shared) for one in left]
    batches, broken = await _pack(tx, ready)
    results += broken
    if results:
        await send_store.record(tx, results, now)
    return batches


_Group = tuple[UUID, int, UUID | None, bool]


def _grouped(claimed: Sequence[Claimed]) -> dict[_Group, list[Claimed]]:
    groups: dict[_Group, list[Claimed]] = {}
    for one in claimed:
        key = (one.template_id, one.version, one.campaign_id, one.is_test)
        groups.setdefault(key, []).append(one)
    return groups


async def _objections(tx: ReadTx, claimed: Sequence[Claimed], now: datetime) -> dict[UUID, Reason]:
    """What forbids a message now that did not when it was planned: withdrawn, blocked, too late."""
    zone = await shops.get_time_zone(tx)
    policy = (await get_settings(tx)).policy
    found = {
        one.message_id: Reason(one.reason)
        for one in await send_store.list_objections(
            tx,
            [one.message_id for one in claimed],
            clock.business_day(now, zone),
            policy.day,
        )
    }
    asking = {one.person_no for one in claimed if one.topic not in OWED}
    agreed = await consents.those_allowing(tx, asking, Purpose.MARKETING) if asking else set()
    for one in claimed:
        if one.topic not in OWED and one.person_no not in agreed:
            # Who unsubscribed took the consent back by it: the reason is that they left.
            if found.get(one.message_id) is not Reason.UNSUBSCRIBED:
                found[one.message_id] = Reason.NO_CONSENT
        elif one.expires_at <= now:
            found[one.message_id] = Reason.EXPIRED
        elif one.tries > TRIES_MOST:
            found[one.message_id] = Reason.QUOTA
    return found


async def _unsendable(
    tx: Tx, row: TemplateRow, words: Mapping[str, str], is_test: bool
) -> Reason | None:
    try:
        await must_be_sendable(tx, row, words, is_signed=is_test)
    except NotSigned:
        return Reason.NOT_SIGNED
    except RuleBroken:
        return Reason.RULE_BROKEN
    return None


async def _pack(
    tx: ReadTx, ready: Sequence[tuple[Claimed, TemplateRow, Mapping[str, str]]]
) -> tuple[list[Batch], list[Result]]:
    """Address and words of each message; those without are refused."""
    zone = await shops.get_time_zone(tx)
    addresses = await _addresses(tx, [one for one, _, _ in ready])
    batches: dict[Channel, Batch] = {}
    broken = []
    for one, row, values in ready:
        form = next(form for form in row.forms if form.channel is one.channel)
        address = addresses.get(one.message_id)
        if address is None:
            broken.append(Result(one.message_id, State.REFUSED, reason=Reason.NO_ADDRESS))
            continue
        rendered = templates.render(form, row.variables, values, zone)
        try:
            check_limits(rendered)
        except BadTemplate as error:
            what = str(error.details["what"])[:64]
            broken.append(
                Result(
                    one.message_id,
                    State.REFUSED,
                    reason=Reason.RULE_BROKEN,
                    code=what,
                )
            )
            continue
        batch = batches.setdefault(one.channel, Batch(one.channel, []))
        batch.parcels.append(Parcel(one.message_id, one.person_no, address, rendered))
    return list(batches.values()), broken


async def _addresses(tx: ReadTx, claimed: Sequence[Claimed]) -> dict[UUID, str]:
    """The address of each message on its channel; of several the newest."""
    found: dict[UUID, str] = {}
    by_channel: dict[Channel, list[Claimed]] = {}
    for one in claimed:
        by_channel.setdefault(one.channel, []).append(one)
    for channel, group in by_channel.items():
        ways = await planning.open_ways(tx, [planning.form_for(channel)])
        persons = sorted({one.person_no for one in group})
        apps = sorted({way.app_id for way in ways if way.app_id})
        kinds = sorted({way.kind for way in ways} - {"app"})
        scopes = await send_store.list_scopes(tx, [one.grant_id for one in group if one.grant_id])
        contacts: dict[tuple[int, str | None], str] = {}
        for contact in await members.list_contacts(tx, persons, apps, kinds):
            value = "" if contact.kind == "account" else contact.value
            contacts[contact.person_no, contact.app_id] = value
        for one in group:
            app_id = apps[0] if apps else None
            if channel is Channel.CARE:
                app_id = scopes.get(one.grant_id)
            address = contacts.get((one.person_no, app_id))
            if address is not None:
                is_care = channel is Channel.CARE
                found[one.message_id] = f"{app_id}:{address}" if is_care else address
    return found


def result_of(number: UUID, answer: Answer) -> Result:
    """A channel's answer as it is written down."""
    match answer:
        case Sent(outside_id):
            return Result(number, State.SENT, outside_id=outside_id)
        case Unclear(code):
            return Result(number, State.UNKNOWN, reason=Reason.NO_ANSWER, code=code)
        case Refused(code, None, wait):
            return Result(number, State.PLANNED, code=code, wait_seconds=wait)
        case Refused(code, reason):
            used_up = reason is Reason.GRANT_USED_UP
            return Result(number, State.FAILED, reason=reason, code=code, is_used_up=used_up)


async def _record(
    shop_id: ShopId, batch: Batch, answers: Sequence[Answer], claimed: Mapping[UUID, Claimed]
) -> None:
    """Write down what a channel said; what another channel may do goes on there."""
    now = clock.now()
    numbers = [parcel.number for parcel in batch.parcels]
    results = [result_of(number, answer) for number, answer in zip(numbers, answers, strict=True)]
    on = [
        result
        for result, answer in zip(results, answers, strict=True)
        if result.state == State.FAILED and isinstance(answer, Refused) and answer.is_next
    ]
    moving = {one.message_id for one in on}
    async with transaction(shop_id) as tx:
        for answer in answers:
            if isinstance(answer, Refused) and answer.closes:
                until = await _opens_at(tx, answer, now)
                await send_store.upsert_stop(tx, batch.channel, answer.code, until)
        done = await send_store.record(
            tx, [one for one in results if one.message_id not in moving], now
        )
        if on:
            await _move_on(tx, batch.channel, on, claimed)
        sent = {one.message_id for one in results if one.state == State.SENT}
        keys: dict[tuple[UUID, int], str] = {}
        for one in done:
            if one.message_id in sent:
                if (one.template_id, one.version) not in keys:
                    row = await queries.get_version(tx, one.template_id, one.version)
                    assert row is not None
                    keys[one.template_id, one.version] = row.key
                emit(
                    tx,
                    MessageSent(
                        person_no=one.person_no,
                        channel=one.channel,
                        topic=one.topic,
                        template=keys[one.template_id, one.version],
                        campaign_id=one.campaign_id,
                    ),
                )


async def _opens_at(tx: ReadTx, answer: Refused, now: datetime) -> datetime:
    """A quota of the day is full again at midnight in Beijing; others after their seconds."""
    if answer.wait_seconds < 86_400:
        return now + timedelta(seconds=answer.wait_seconds)
    zone = "Asia/Shanghai"
    return clock.day_start(clock.business_day(now, zone) + timedelta(days=1), zone)


async def _move_on(
    tx: Tx, tried: Channel, results: Sequence[Result], claimed: Mapping[UUID, Claimed]
) -> None:
    await send_store.release_channel(tx, results, clock.now())
    moved: set[UUID] = set()
    for (template_id, version, _, _), group in _grouped(
        [claimed[one.message_id] for one in results]
    ).items():
        row = await queries.get_version(tx, template_id, version)
        assert row is not None
        moved |= await planning.move_on(tx, row, group, tried)
    await send_store.close_refused(tx, [one for one in results if one.message_id not in moved])


async def settle_lost(shop_id: ShopId) -> int:
    """Decide about messages whose sender died between call and record; how many.

    Never under a new number: what the channel drops as known is called again under the same, what
    the provider can be asked about is asked, all else is unknown and stays so until the platform
    tells.
    """
    async with transaction(shop_id) as tx:
        now = clock.now()
        lost = await send_store.lock_lost(tx, now - LOST_AFTER, BATCH)
        asked = [one for one in lost if one.channel is Channel.SMS]
        results = [_settled(one) for one in lost if one.channel is not Channel.SMS]
        await send_store.record(tx, results, now)
    for one in asked:
        answer = await sms.find(one.message_id)
        result = (
            Result(one.message_id, State.PLANNED)
            if answer is None
            else result_of(one.message_id, answer)
        )
        async with transaction(shop_id) as tx:
            await send_store.record(tx, [result], clock.now())
    return len(lost)


def _settled(one: Claimed) -> Result:
    is_harmless = one.channel is Channel.INBOX or (
        one.channel is Channel.NOTICE and one.tries * LOST_AFTER < DEDUPED
    )
    if is_harmless:
        return Result(one.message_id, State.PLANNED)
    return Result(one.message_id, State.UNKNOWN, reason=Reason.NO_ANSWER, code="sender_died")
