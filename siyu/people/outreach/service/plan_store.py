"""SQL of planning: who gets a message, on which channel, and why not; the ledger of attention."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    MessageState as State,
)
from siyu.people.outreach.contracts import (
    RefusalReason as Reason,
)


class Asked(msgspec.Struct, frozen=True):
    """Persons and their messages, column by column: a million rows as objects would cost more.

    reasons: why they are out already; reach: the ways on which they have an address, as bits.
    """

    persons: list[int]
    messages: list[UUID]
    reasons: list[str | None]
    reach: list[int]
    held_out: list[bool]


class Ways(msgspec.Struct, frozen=True):
    """The channels of a template in order, a bit each. scopes: whose grants they need, if any."""

    channels: list[str]
    bits: list[int]
    scopes: list[str | None]
    caps: list[int | None]


class Frame(msgspec.Struct, frozen=True):
    """What is the same for all of a chunk. The caps count only where is_capped."""

    topic: str
    is_capped: bool
    day_cap: int
    week_cap: int
    tired_at: int
    half_life_seconds: int
    now: datetime
    on_day: date
    month_from: date
    month_days: int


class Kept(msgspec.Struct, frozen=True):
    """What is stored with each message of a chunk."""

    campaign_id: UUID | None
    template_id: UUID
    version: int
    priority: int
    due_at: datetime
    expires_at: datetime
    once: str | None = None
    variables: Mapping[str, str] | None = None
    is_test: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What became of a person's message."""

    message_id: UUID
    person_no: int
    state: State
    channel: Channel | None
    reason: Reason | None


class Tally(msgspec.Struct, frozen=True):
    """How many became what."""

    state: State
    channel: Channel | None
    reason: Reason | None
    messages: int


# One decision for one person and for a million: a row per person and channel, the first channel
# without objection wins; then what concerns the person as a whole. Being held out is asked last,
# so that those held out are people who would have got it: the fair comparison. Unsubscribing takes
# the consent back too, and is the reason that says more: they got our messages and had enough.
_DECIDED = """asked as (
  select * from unnest($2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::boolean[])
    as a (person_no, message_id, reason, reach, is_held_out)),
ways as (
  select * from unnest($7::text[], $8::int[], $9::text[], $10::int[])
    with ordinality as w (channel, bit, scope, cap, place)),
spent as (
  select l.person_no, l.channel,
    sum(n) filter (where l.is_capped and l.on_day = $18) as today,
    sum(n) filter (where l.is_capped and l.on_day > $18::date - 7) as week,
    sum(n) filter (where l.on_day >= $19) as month,
    sum(weight * power(0.5, extract(epoch from $17::timestamptz - l.weighs_at) / $16))
      filter (where l.is_capped) as tired
  from outreach.ledger l, lateral (select
    case l.move when 'reserved' then 1 when 'released' then -1 else 0 end as n,
    case l.move when 'spent' then 1 when 'answered' then -1 else 0 end as weight) as m
  where l.shop_id = $1 and l.person_no = any($2::bigint[])
    and l.at > $17::timestamptz - interval '90 days'
  group by l.person_no, l.channel),
load as (
  select person_no, sum(today) as today, sum(week) as week, sum(tired) as tired
  from spent group by person_no),
blocked as (
  select person_no, channel, min(case origin when 'person' then 'unsubscribed'
    else 'suppressed' end) as reason
  from outreach.blocks where shop_id = $1 and person_no = any($2::bigint[])
    and topic in ('all', $11) group by person_no, channel),
tried as (
  select a.person_no, a.message_id, a.is_held_out, w.place, w.channel, g.grant_id,
    case when a.reason = 'no_consent' and b.reason = 'unsubscribed' and b.is_everywhere
        then b.reason
      when a.reason is not null then a.reason
      when b.reason is not null then b.reason
      when a.reach & w.bit = 0 then 'no_address'
      when w.scope is not null and g.grant_id is null then 'no_grant'
      when w.channel = 'contact' and s.month >= $20 then 'platform_cap'
      when $12 and s.today >= w.cap then 'channel_cap' end as reason
  from asked a cross join ways w
  left join lateral (select reason, channel = 'all' as is_everywhere from blocked b
    where b.person_no = a.person_no and b.channel in ('all', w.channel)
    order by b.channel <> 'all' limit 1) b on true
  left join spent s on s.person_no = a.person_no and s.channel = w.channel
  left join lateral (select g.grant_id from outreach.grants g
    where g.shop_id = $1 and g.person_no = a.person_no and g.channel = w.channel
      and g.scope = w.scope and g.used < g.quota
      and (g.expires_at is null or g.expires_at > $17)
    order by g.granted_at limit 1 for no key update) g
    on w.scope is not null and a.reason is null and not a.is_held_out),
chosen as (
  select distinct on (person_no) * from tried order by person_no, (reason is not null), place),
decided as (
  select c.person_no, c.message_id, c.channel, c.grant_id,
    coalesce(c.reason, case when $12 then case
      when l.tired >= $15 - 0.01 then 'tired'
      when l.today >= $13 then 'day_cap'
      when l.week >= $14 then 'week_cap'
      when c.is_held_out then 'held_out' end end) as reason
  from chosen c left join load l using (person_no))"""

_BOOKED = """
booked as (
  insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day, is_capped,
    at, weighs_at)
  select $1, person_no, message_id, 'reserved', channel, $18, $12, $17, $17 from made
  where state = 'planned'),
taken as (
  update outreach.grants g set used = g.used + 1 from made
  where g.shop_id = $1 and g.grant_id = made.grant_id and made.state = 'planned')"""

_MADE = f"""{_DECIDED},
made as (
  insert into outreach.messages (shop_id, message_id, person_no, campaign_id, template_id, version,
    topic, priority, channel, state, reason, variables, once, grant_id, due_at, expires_at,
    is_test)
  select $1, message_id, person_no, $21::uuid, $22::uuid, $23, $11, $24, channel,
    case when reason is null then 'planned' else 'refused' end, reason, $27::jsonb, $28,
    case when reason is null then grant_id end, $25, $26, $29
  from decided order by person_no
  on conflict do nothing
  returning message_id, person_no, channel, state, reason, grant_id),
{_BOOKED}"""


def _facts(tx: ReadTx, asked: Asked, ways: Ways, frame: Frame) -> tuple[Any, ...]:
    return (
        tx.shop_id, asked.persons, asked.messages, asked.reasons, asked.reach, asked.held_out,
        ways.channels, ways.bits, ways.scopes, ways.caps, frame.topic, frame.is_capped,
        frame.day_cap, frame.week_cap, frame.tired_at, float(frame.half_life_seconds), frame.now,
        frame.on_day, frame.month_from, frame.month_days,
    )  # fmt: skip


def _kept(kept: Kept) -> tuple[Any, ...]:
    return (
        kept.campaign_id, kept.template_id, kept.version, kept.priority, kept.due_at,
        kept.expires_at, kept.variables, kept.once, kept.is_test,
    )  # fmt: skip


async def insert_planned(
    tx: Tx, asked: Asked, ways: Ways, frame: Frame, kept: Kept
) -> list[Verdict]:
    """Decide about each person, store the messages, reserve what they take; what became of each.

    A message that is there already (the same campaign and person, the same `once`) is left out.
    """
    return await tx.all(
        Verdict,
        f"with {_MADE} select message_id, person_no, state, channel, reason from made",
        *_facts(tx, asked, ways, frame),
        *_kept(kept),
    )


async def insert_planned_many(
    tx: Tx, asked: Asked, ways: Ways, frame: Frame, kept: Kept
) -> list[Tally]:
    """The same for a chunk of a campaign, of which only the numbers are told.

    The planner takes a list of parameters for a hundred rows and would compare each with each:
    thousands against thousands.
    """
    await tx.value("select set_config('enable_nestloop', 'off', true)")
    return await tx.all(
        Tally,
        f"""with {_MADE} select state, channel, reason, count(*) as messages from made
            group by state, channel, reason""",
        *_facts(tx, asked, ways, frame),
        *_kept(kept),
    )


async def count_decided(tx: Tx, asked: Asked, ways: Ways, frame: Frame) -> list[Tally]:
    """What planning would give; nothing is kept."""
    return await tx.all(
        Tally,
        f"""with {_DECIDED} select case when reason is null then 'planned' else 'refused' end
              as state, channel, reason, count(*) as messages from decided group by 1, 2, 3""",
        *_facts(tx, asked, ways, frame),
    )


async def move_on(tx: Tx, asked: Asked, ways: Ways, frame: Frame) -> list[Verdict]:
    """Decide anew about messages that a channel has certainly not sent, for the channels left."""
    return await tx.all(
        Verdict,
        f"""with {_DECIDED},
            made as (
              update outreach.messages m set channel = d.channel, grant_id = d.grant_id,
                state = 'planned', called_at = null, due_at = $17
              from decided d where m.shop_id = $1 and m.message_id = d.message_id
                and m.state = 'calling' and d.reason is null
              returning m.message_id, m.person_no, m.channel, m.state, m.grant_id),
            {_BOOKED}
            select message_id, person_no, state, channel, null as reason from made""",
        *_facts(tx, asked, ways, frame),
    )


# --- who wins a scarce place ----------------------------------------------------------------------


async def has_lower(tx: ReadTx, priority: int) -> bool:
    """Whether anything planned could be outbid: by its campaigns, for messages are millions."""
    found: bool = await tx.value(
        """select exists (select from outreach.campaigns where shop_id = $1
             and state in ('planning', 'sending', 'paused') and priority < $2)
           or exists (select from outreach.messages where shop_id = $1 and campaign_id is null
             and state = 'planned' and topic in ('offers', 'news') and priority < $2)""",
        *(tx.shop_id, priority),
    )
    return found


async def outbid(
    tx: Tx,
    losers: Sequence[UUID],
    persons: Sequence[int],
    priority: int,
    on_day: date,
    at: datetime,
) -> list[int]:
    """Take a planned place from a less important message for each of these refused ones.

    losers: messages just refused for a cap, of `persons`. They are deleted for those persons whose
    place came free, to be planned again in this transaction; returns these persons.
    """
    rows = await tx.all(
        _Freed,
        """with wanted as (
             select m.person_no, m.message_id, m.reason, m.channel from outreach.messages m
             where m.shop_id = $1 and m.message_id = any($2::uuid[])
               and m.reason in ('day_cap', 'week_cap', 'channel_cap')),
           victims as (
             select distinct on (m.person_no) m.person_no, m.message_id, w.message_id as winner
             from wanted w join outreach.messages m on m.shop_id = $1
               and m.person_no = w.person_no and m.state = 'planned' and m.priority < $4
             join outreach.ledger l on l.shop_id = $1 and l.person_no = m.person_no
               and l.message_id = m.message_id and l.move = 'reserved' and l.channel = m.channel
               and l.is_capped and l.on_day > $5::date - 7
             where m.person_no = any($3::bigint[])
               and (w.reason = 'week_cap' or l.on_day = $5)
               and (w.reason <> 'channel_cap' or m.channel = w.channel)
             order by m.person_no, m.priority, m.message_id desc),
           lost as (
             update outreach.messages m set state = 'refused', reason = 'outbid'
             from victims v where m.shop_id = $1 and m.message_id = v.message_id
               and m.state = 'planned'
             returning m.message_id, m.person_no, m.channel, m.grant_id, v.winner),
           released as (
             insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day,
               is_capped, at, weighs_at, reason)
             select $1, l.person_no, l.message_id, 'released', l.channel, l.on_day, l.is_capped,
               $6, $6, 'outbid'
             from lost join outreach.ledger l on l.shop_id = $1 and l.person_no = lost.person_no
               and l.message_id = lost.message_id and l.channel = lost.channel
               and l.move = 'reserved'),
           freed as (
             update outreach.grants g set used = g.used - 1 from lost
             where g.shop_id = $1 and g.grant_id = lost.grant_id),
           gone as (
             delete from outreach.messages m using lost
             where m.shop_id = $1 and m.message_id = lost.winner)
           select person_no from lost""",
        *(tx.shop_id, list(losers), list(persons), priority, on_day, at),
    )
    return [row.person_no for row in rows]


class _Freed(msgspec.Struct, frozen=True):
    person_no: int
