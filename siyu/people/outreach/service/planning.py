"""Who gets a message on which channel, and who not and why: for one person and for a million."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments import service as experiments
from siyu.people.members import service as members
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    OWED,
    Form,
    PersonNotReachable,
    ReachOutcome,
    Topic,
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
from siyu.people.outreach.rules import templates
from siyu.people.outreach.service import plan_store, send_store
from siyu.people.outreach.service.plan_store import Asked, Frame, Kept, Tally, Ways
from siyu.people.outreach.service.settings import frame_of, get_settings
from siyu.people.outreach.service.templates import get_in_force
from siyu.wechat.official_account import service as official_account
from siyu.wechat.wecom import service as wecom

LASTS = timedelta(days=3)
"""How long a message may wait for its turn unless somebody says otherwise."""


class Way(msgspec.Struct, frozen=True):
    """A channel as a shop can use it. kind, app_id: the address it needs; scope: the grant."""

    form: Form
    kind: str
    app_id: str | None
    scope: str | None


async def open_ways(tx: ReadTx, forms: Sequence[Form]) -> list[Way]:
    """The forms of a template whose channels are set up in the shop, in their order.

    A customer-service message goes through whichever of the two apps the person wrote to.
    """
    wanted = {form.channel for form in forms}
    app_id = account = corp = None
    if wanted & {Channel.SUBSCRIPTION, Channel.CARE}:
        app_id = (await shops.get_wechat(tx)).appid
    if wanted & {Channel.NOTICE, Channel.CARE}:
        account = await official_account.get_credentials(tx)
    if Channel.CONTACT in wanted:
        corp = await wecom.get_credentials(tx)
    ways = []
    for form in forms:
        if form.channel is Channel.SUBSCRIPTION and app_id:
            ways.append(Way(form, "app", app_id, form.outside_id))
        elif form.channel is Channel.NOTICE and account:
            ways.append(Way(form, "app", account.appid, None))
        elif form.channel is Channel.CARE:
            apps = [one for one in (app_id, account and account.appid) if one]
            ways += [Way(form, "app", one, one) for one in apps]
        elif form.channel is Channel.CONTACT and corp:
            ways.append(Way(form, "external_userid", None, None))
        elif form.channel is Channel.SMS:
            ways.append(Way(form, "phone", None, None))
        elif form.channel is Channel.INBOX:
            ways.append(Way(form, "account", None, None))
    return ways


def form_for(channel: Channel) -> Form:
    """A form without words, to ask for a channel's way."""
    return Form(channel=channel)


async def reach_of(tx: ReadTx, persons: Sequence[int], ways: Sequence[Way]) -> dict[int, int]:
    """On which of the ways each person has an address, as bits."""
    bits = {(way.kind, way.app_id): 0 for way in ways}
    for place, way in enumerate(ways):
        bits[way.kind, way.app_id] |= 1 << place
    apps = sorted({way.app_id for way in ways if way.app_id})
    kinds = sorted({way.kind for way in ways} - {"app"})
    reach = dict.fromkeys(persons, 0)
    for one in await members.list_contacts(tx, persons, apps, kinds):
        reach[one.person_no] |= bits[one.kind, one.app_id]
    return reach


async def ask(
    tx: ReadTx, topic: Topic, persons: Sequence[int], ways: Sequence[Way], messages: list[UUID]
) -> Asked:
    """What other domains know about these persons: consent, hold-out, addresses."""
    numbers = list(persons)
    reasons: list[str | None] = [None] * len(numbers)
    held = [False] * len(numbers)
    if topic not in OWED:
        agreed = await consents.those_allowing(tx, numbers, Purpose.MARKETING)
        reasons = [None if one in agreed else Reason.NO_CONSENT for one in numbers]
        out = await experiments.held_out_of(tx, numbers)
        held = [one in out for one in numbers]
    if not ways:
        return Asked(
            numbers, messages, [Reason.CHANNEL_OFF] * len(numbers), [0] * len(numbers), held
        )
    reach = await reach_of(tx, numbers, ways)
    return Asked(numbers, messages, reasons, [reach[one] for one in numbers], held)


def ways_of(ways: Sequence[Way], caps: Mapping[Channel, int], form: Form) -> Ways:
    """The ways column by column; `form` stands in when none is open."""
    if not ways:
        return Ways([form.channel], [0], [None], [None])
    return Ways(
        [way.form.channel for way in ways],
        [1 << place for place in range(len(ways))],
        [way.scope for way in ways],
        [caps.get(way.form.channel) for way in ways],
    )


async def plan_chunk(
    tx: Tx, row: TemplateRow, frame: Frame, kept: Kept, asked: Asked, open_: Sequence[Way]
) -> list[Tally]:
    """Plan a chunk of a campaign; advertising takes places from less important messages.

    asked: a moment ago, of these ways. The caller holds the shop's attention (`lock_settings`)
    when the topic is capped.
    """
    policy = (await get_settings(tx)).policy
    ways = ways_of(open_, {cap.channel: cap.day for cap in policy.channels}, row.forms[0])
    tallies = await plan_store.insert_planned_many(tx, asked, ways, frame, kept)
    if frame.is_capped and await plan_store.has_lower(tx, kept.priority):
        tallies += await _bid(tx, asked, ways, frame, kept)
    return tallies


async def _bid(tx: Tx, asked: Asked, ways: Ways, frame: Frame, kept: Kept) -> list[Tally]:
    fit = zip(asked.held_out, asked.reasons, strict=True)
    may = _only(asked, [not held and reason is None for held, reason in fit])
    won = set(
        await plan_store.outbid(
            tx, may.messages, may.persons, kept.priority, frame.on_day, frame.now
        )
    )
    if not won:
        return []
    again = _only(asked, [one in won for one in asked.persons])
    return await plan_store.insert_planned_many(tx, again, ways, frame, kept)


T = TypeVar("T")


def _only(asked: Asked, keep: Sequence[bool]) -> Asked:
    def some(column: Sequence[T]) -> list[T]:
        return list(itertools.compress(column, keep))

    return Asked(
        some(asked.persons),
        some(asked.messages),
        some(asked.reasons),
        some(asked.reach),
        some(asked.held_out),
    )


async def reach(
    tx: Tx,
    person_no: int,
    key: str,
    variables: Mapping[str, str],
    *,
    once: str | None = None,
    priority: int = 5,
    lasts: timedelta = LASTS,
) -> ReachOutcome | None:
    """Say something to one person: the one way in. Sent by the worker, within seconds.

    key: of the template; once: what it is about, so that nobody is told the same twice (None is
    returned then). Refusals are kept and returned with their reason. Raises TemplateNotFound,
    BadVariables, PersonNotReachable.
    """
    row = await get_in_force(tx, key)
    templates.check_values(row.variables, variables, await shops.get_time_zone(tx))
    number = await members.number_of(tx, person_no)
    if number is None:
        raise PersonNotReachable
    policy = (await get_settings(tx)).policy
    now = clock.now()
    frame, due_at = await frame_of(tx, row.topic, policy, now)
    if frame.is_capped:
        await queries.lock_settings(tx, policy, now)
    kept = Kept(
        None, row.template_id, row.version, priority, due_at, due_at + lasts, once, variables
    )
    open_ = await open_ways(tx, row.forms)
    ways = ways_of(open_, {cap.channel: cap.day for cap in policy.channels}, row.forms[0])
    asked = await ask(tx, row.topic, [number], open_, [new_id()])
    if row.in_force is None:
        asked = msgspec.structs.replace(asked, reasons=[Reason.NOT_SIGNED])
    made = await plan_store.insert_planned(tx, asked, ways, frame, kept)
    caps = (Reason.DAY_CAP, Reason.WEEK_CAP, Reason.CHANNEL_CAP)
    bids = bool(made) and made[0].reason in caps and not asked.held_out[0]
    if bids and await plan_store.outbid(
        tx, asked.messages, asked.persons, priority, frame.on_day, now
    ):
        made = await plan_store.insert_planned(tx, asked, ways, frame, kept)
    if not made:
        return None
    return ReachOutcome(made[0].message_id, made[0].state, made[0].channel, made[0].reason)


async def move_on(
    tx: Tx, row: TemplateRow, claimed: Sequence[send_store.Claimed], tried: Channel
) -> set[UUID]:
    """Find the next channel for messages that one has certainly not sent; those that have one.

    Their places must be given back before.
    """
    channels = [form.channel for form in row.forms]
    left = row.forms[channels.index(tried) + 1 :] if tried in channels else []
    open_ = await open_ways(tx, left)
    if not open_:
        return set()
    policy = (await get_settings(tx)).policy
    frame, _ = await frame_of(tx, row.topic, policy, clock.now())
    ways = ways_of(open_, {cap.channel: cap.day for cap in policy.channels}, left[0])
    asked = await ask(
        tx,
        row.topic,
        [one.person_no for one in claimed],
        open_,
        [one.message_id for one in claimed],
    )
    moved = await plan_store.move_on(tx, asked, ways, frame)
    return {one.message_id for one in moved if one.state is State.PLANNED}
