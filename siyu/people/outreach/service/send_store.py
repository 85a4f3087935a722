"""SQL of sending: claim, look again, record; what the platforms tell afterwards."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.outreach.contracts import MessageChannel as Channel
from siyu.people.outreach.contracts import Topic


class Claimed(msgspec.Struct, frozen=True):
    """A message that is ours to call; nobody else will."""

    message_id: UUID
    person_no: int
    campaign_id: UUID | None
    template_id: UUID
    version: int
    topic: Topic
    channel: Channel
    variables: dict[str, str] | None
    grant_id: UUID | None
    expires_at: datetime
    tries: int
    is_test: bool


class Result(msgspec.Struct, frozen=True):
    """What a call came to. state: sent, failed, refused, unknown or planned (called again)."""

    message_id: UUID
    state: str
    reason: str | None = None
    code: str | None = None
    outside_id: str | None = None
    wait_seconds: int = 0
    is_used_up: bool = False


_CLAIM = """claimed as (update outreach.messages m
  set state = 'calling', called_at = $2, tries = m.tries + 1
  from due where m.shop_id = $1 and m.message_id = due.message_id
  returning m.message_id, m.person_no, m.campaign_id, m.template_id, m.version, m.topic,
    m.channel, m.variables, m.grant_id, m.expires_at, m.tries, m.is_test)
  select * from claimed"""


async def claim_of_campaign(tx: Tx, campaign_id: UUID, at: datetime, limit: int) -> list[Claimed]:
    """Messages of a campaign whose time has come; what another sender holds is left to it."""
    return await tx.all(
        Claimed,
        f"""with due as (
             select message_id from outreach.messages
             where shop_id = $1 and campaign_id = $3 and state = 'planned' and due_at <= $2
             order by message_id limit $4 for no key update skip locked),
           {_CLAIM}""",
        *(tx.shop_id, at, campaign_id, limit),
    )


async def claim_singles(tx: Tx, at: datetime, limit: int) -> list[Claimed]:
    """The same for messages to one person; the most important first."""
    return await tx.all(
        Claimed,
        f"""with due as (
             select message_id from outreach.messages
             where shop_id = $1 and campaign_id is null and state = 'planned' and due_at <= $2
             order by priority desc, message_id limit $3 for no key update skip locked),
           {_CLAIM}""",
        *(tx.shop_id, at, limit),
    )


class Objection(msgspec.Struct, frozen=True):
    """Why a claimed message must not be called after all."""

    message_id: UUID
    reason: str


async def list_objections(
    tx: ReadTx, messages: Sequence[UUID], today: date, day_cap: int
) -> list[Objection]:
    """What has changed since the plan: a block, or a place reserved on a day that is over while
    today's are all taken."""
    return await tx.all(
        Objection,
        """select m.message_id, coalesce(
             (select case origin when 'person' then 'unsubscribed' else 'suppressed' end
              from outreach.blocks b where b.shop_id = $1 and b.person_no = m.person_no
                and b.topic in ('all', m.topic) and b.channel in ('all', m.channel)
              order by origin = 'person' limit 1),
             case when r.is_capped and r.on_day < $3 and $4 <= (
               select sum(case l.move when 'reserved' then 1 when 'released' then -1 else 0 end)
               from outreach.ledger l where l.shop_id = $1 and l.person_no = m.person_no
                 and l.is_capped and l.on_day = $3) then 'day_cap' end) as reason
           from outreach.messages m join outreach.ledger r on r.shop_id = $1
             and r.person_no = m.person_no and r.message_id = m.message_id
             and r.channel = m.channel and r.move = 'reserved'
           where m.shop_id = $1 and m.message_id = any($2::uuid[])
             and (exists (select from outreach.blocks b where b.shop_id = $1
                 and b.person_no = m.person_no and b.topic in ('all', m.topic)
                 and b.channel in ('all', m.channel))
               or (r.is_capped and r.on_day < $3 and $4 <= (
                 select sum(case l.move when 'reserved' then 1 when 'released' then -1 else 0 end)
                 from outreach.ledger l where l.shop_id = $1 and l.person_no = m.person_no
                   and l.is_capped and l.on_day = $3)))""",
        *(tx.shop_id, list(messages), today, day_cap),
    )


def _columns(results: Sequence[Result]) -> tuple[Any, ...]:
    return (
        [one.message_id for one in results],
        [one.state for one in results],
        [one.reason for one in results],
        [one.code for one in results],
        [one.outside_id or None for one in results],
        [timedelta(seconds=one.wait_seconds) for one in results],
        [one.is_used_up for one in results],
    )


async def record(tx: Tx, results: Sequence[Result], at: datetime) -> list[Claimed]:
    """Write down what calls came to, the place with it; those really moved, as they were claimed.

    Sent and unknown spend the place (they may have it), failed and refused release it, planned
    keeps it. What somebody else has recorded meanwhile stays as it is.
    """
    return await tx.all(
        Claimed,
        """with told as (
             select * from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
               $8::interval[], $9::boolean[])
               as t (message_id, state, reason, code, outside_id, wait, is_used_up)),
           moved as (
             update outreach.messages m set state = t.state, reason = t.reason, code = t.code,
               outside_id = t.outside_id,
               due_at = case t.state when 'planned' then $2::timestamptz + t.wait
                 else m.due_at end,
               called_at = case t.state when 'planned' then null else m.called_at end,
               sent_at = case t.state when 'sent' then $2::timestamptz end
             from told t where m.shop_id = $1 and m.message_id = t.message_id
               and m.state = 'calling'
             returning m.*, t.is_used_up),
           booked as (
             insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day,
               is_capped, at, weighs_at, reason)
             select $1, l.person_no, l.message_id,
               case when m.state in ('sent', 'unknown') then 'spent' else 'released' end,
               l.channel, l.on_day, l.is_capped, $2, $2,
               case when m.state not in ('sent', 'unknown') then m.reason end
             from moved m join outreach.ledger l on l.shop_id = $1 and l.person_no = m.person_no
               and l.message_id = m.message_id and l.channel = m.channel and l.move = 'reserved'
             where m.state <> 'planned'),
           grants as (
             update outreach.grants g set
               used = g.used - case when m.is_used_up then 0 else 1 end,
               quota = case when m.is_used_up then g.used else g.quota end
             from moved m where g.shop_id = $1 and g.grant_id = m.grant_id
               and m.state in ('refused', 'failed'))
           select message_id, person_no, campaign_id, template_id, version, topic, channel,
             variables, grant_id, expires_at, tries, is_test from moved""",
        *(tx.shop_id, at, *_columns(results)),
    )


async def release_channel(tx: Tx, results: Sequence[Result], at: datetime) -> None:
    """Give back the place of messages that a channel has certainly not sent, before they move on.

    The messages stay claimed. A grant the platform calls used up is taken down to what was used,
    with all others of the same person and scope.
    """
    await tx.run(
        """with told as (
             select * from unnest($3::uuid[], $4::text[], $5::boolean[])
               as t (message_id, reason, is_used_up)),
           held as (
             select m.message_id, m.person_no, m.channel, m.grant_id, t.reason, t.is_used_up
             from told t join outreach.messages m on m.shop_id = $1
               and m.message_id = t.message_id and m.state = 'calling'),
           grants as (
             update outreach.grants g set
               used = g.used - case when g.grant_id = h.grant_id and not h.is_used_up
                 then 1 else 0 end,
               quota = case when h.is_used_up then g.used else g.quota end
             from held h join outreach.grants own on own.shop_id = $1
               and own.grant_id = h.grant_id
             where g.shop_id = $1 and g.person_no = h.person_no and g.channel = own.channel
               and g.scope = own.scope and (h.is_used_up or g.grant_id = h.grant_id))
           insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day,
             is_capped, at, weighs_at, reason)
           select $1, l.person_no, l.message_id, 'released', l.channel, l.on_day, l.is_capped,
             $2, $2, h.reason
           from held h join outreach.ledger l on l.shop_id = $1 and l.person_no = h.person_no
             and l.message_id = h.message_id and l.channel = h.channel and l.move = 'reserved'""",
        *(tx.shop_id, at),
        [one.message_id for one in results],
        [one.reason for one in results],
        [one.is_used_up for one in results],
    )


async def close_refused(tx: Tx, results: Sequence[Result]) -> int:
    """End messages whose channels have all said no; their places were given back before."""
    return await tx.run(
        """update outreach.messages m set state = 'failed', reason = t.reason, code = t.code,
             grant_id = null
           from unnest($2::uuid[], $3::text[], $4::text[]) as t (message_id, reason, code)
           where m.shop_id = $1 and m.message_id = t.message_id and m.state = 'calling'""",
        tx.shop_id,
        [one.message_id for one in results],
        [one.reason for one in results],
        [one.code for one in results],
    )


async def cancel_planned(tx: Tx, campaign_id: UUID, at: datetime, limit: int) -> int:
    """Cancel planned messages of a campaign and give their places back; how many."""
    return await tx.run(
        """with gone as (
             update outreach.messages m set state = 'cancelled', reason = 'cancelled'
             where m.shop_id = $1 and m.message_id in (
               select message_id from outreach.messages where shop_id = $1 and campaign_id = $2
                 and state = 'planned' order by message_id limit $4 for no key update)
             returning m.message_id, m.person_no, m.channel, m.grant_id),
           freed as (
             update outreach.grants g set used = g.used - 1 from gone
             where g.shop_id = $1 and g.grant_id = gone.grant_id)
           insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day,
             is_capped, at, weighs_at, reason)
           select $1, l.person_no, l.message_id, 'released', l.channel, l.on_day, l.is_capped,
             $3, $3, 'cancelled'
           from gone join outreach.ledger l on l.shop_id = $1 and l.person_no = gone.person_no
             and l.message_id = gone.message_id and l.channel = gone.channel
             and l.move = 'reserved'""",
        *(tx.shop_id, campaign_id, at, limit),
    )


class _Scope(msgspec.Struct, frozen=True):
    grant_id: UUID
    scope: str


async def list_scopes(tx: ReadTx, grants: Sequence[UUID]) -> dict[UUID | None, str]:
    """What each grant is for: a template, or the app whose window is open."""
    rows = await tx.all(
        _Scope,
        """select grant_id, scope from outreach.grants
           where shop_id = $1 and grant_id = any($2::uuid[])""",
        *(tx.shop_id, list(grants)),
    )
    return {row.grant_id: row.scope for row in rows}


async def count_open(tx: ReadTx, campaign_id: UUID) -> int:
    """Messages of a campaign that are not through: planned or being called."""
    count: int = await tx.value(
        """select count(*) from (select from outreach.messages where shop_id = $1
             and campaign_id = $2 and state in ('planned', 'calling') limit 1) as o""",
        *(tx.shop_id, campaign_id),
    )
    return count


async def lock_lost(tx: Tx, before: datetime, limit: int) -> list[Claimed]:
    """Messages that somebody began to call and never recorded: their sender is dead."""
    return await tx.all(
        Claimed,
        """select message_id, person_no, campaign_id, template_id, version, topic, channel,
             variables, grant_id, expires_at, tries, is_test
           from outreach.messages where shop_id = $1 and state = 'calling' and called_at < $2
           order by message_id limit $3 for no key update skip locked""",
        *(tx.shop_id, before, limit),
    )


# --- channels that are closed -------------------------------------------------------------------


class Stop(msgspec.Struct, frozen=True):
    """A channel that the platform has closed, why and until when."""

    channel: Channel
    code: str
    until: datetime


async def list_stops(tx: ReadTx, at: datetime) -> list[Stop]:
    """Channels that are closed at this moment."""
    return await tx.all(
        Stop,
        "select channel, code, until from outreach.stops where shop_id = $1 and until > $2",
        *(tx.shop_id, at),
    )


async def upsert_stop(tx: Tx, channel: Channel, code: str, until: datetime) -> None:
    """Keep a channel closed until then."""
    await tx.run(
        """insert into outreach.stops as s (shop_id, channel, code, until)
           values ($1, $2, $3, $4) on conflict (shop_id, channel) do update
             set code = excluded.code, until = greatest(s.until, excluded.until)""",
        *(tx.shop_id, channel, code, until),
    )


# --- what the platforms and the people say afterwards -------------------------------------------


async def insert_grant(
    tx: Tx,
    *,
    grant_id: UUID,
    person_no: int,
    channel: Channel,
    scope: str,
    quota: int,
    at: datetime,
    expires_at: datetime | None,
    outside_id: str | None,
) -> bool:
    """Keep what the platform lets us send; False: this event was counted before."""
    return bool(
        await tx.run(
            """insert into outreach.grants (shop_id, grant_id, person_no, channel, scope, quota,
                 granted_at, expires_at, outside_id)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               on conflict (shop_id, outside_id) do nothing""",
            *(tx.shop_id, grant_id, person_no, channel, scope, quota, at, expires_at, outside_id),
        )
    )


async def has_grant_since(
    tx: ReadTx, person_no: int, channel: Channel, scope: str, at: datetime
) -> bool:
    """Whether the person let us send something after that moment."""
    return bool(
        await tx.value(
            """select exists (select from outreach.grants where shop_id = $1 and person_no = $2
                 and channel = $3 and scope = $4 and granted_at > $5)""",
            *(tx.shop_id, person_no, channel, scope, at),
        )
    )


async def end_grants(tx: Tx, person_no: int, channel: Channel, scope: str) -> int:
    """The person took it all back; what was used stays used."""
    return await tx.run(
        """update outreach.grants set quota = used where shop_id = $1 and person_no = $2
             and channel = $3 and scope = $4 and used < quota""",
        *(tx.shop_id, person_no, channel, scope),
    )


class Told(msgspec.Struct, frozen=True):
    """A message that something was heard about."""

    message_id: UUID
    person_no: int
    campaign_id: UUID | None
    template_id: UUID
    channel: Channel
    topic: Topic


async def mark_delivered(tx: Tx, outside_id: str, at: datetime) -> int:
    """The platform has delivered its message."""
    return await tx.run(
        """update outreach.messages set delivered_at = coalesce(delivered_at, $3)
           where shop_id = $1 and outside_id = $2 and state = 'sent'""",
        *(tx.shop_id, outside_id, at),
    )


async def settle_unknown(
    tx: Tx, person_no: int, channel: Channel, scope: str, outside_id: str, at: datetime
) -> int:
    """A call without answer did go out: the platform tells of a message nobody else accounts for.

    Only when exactly one unknown message to the person on the channel can be meant.
    """
    return await tx.run(
        """update outreach.messages set state = 'sent', reason = null, sent_at = called_at,
             delivered_at = $6, outside_id = nullif($5, '')
           where shop_id = $1 and message_id = (
             select min(m.message_id::text)::uuid from outreach.messages m
             join outreach.versions v using (shop_id, template_id, version)
             where m.shop_id = $1 and m.person_no = $2 and m.channel = $3 and m.state = 'unknown'
               and exists (select from jsonb_array_elements(v.forms) f (one)
                 where one ->> 'channel' = $3 and one ->> 'outside_id' = $4)
             having count(*) = 1)""",
        *(tx.shop_id, person_no, channel, scope, outside_id, at),
    )


async def mark_answered(
    tx: Tx, person_no: int, messages: Sequence[UUID] | None, since: datetime, at: datetime
) -> list[Told]:
    """What was sent to a person since then is answered (None: all of it); each once."""
    return await tx.all(
        Told,
        """with answered as (
             update outreach.messages m set answered_at = $4
             where m.shop_id = $1 and m.person_no = $2 and m.state = 'sent'
               and m.sent_at >= $3 and m.answered_at is null
               and ($5::uuid[] is null or m.message_id = any($5::uuid[]))
             returning m.message_id, m.person_no, m.campaign_id, m.template_id, m.channel, m.topic),
           booked as (
             insert into outreach.ledger (shop_id, person_no, message_id, move, channel, on_day,
               is_capped, at, weighs_at)
             select $1, l.person_no, l.message_id, 'answered', l.channel, l.on_day, l.is_capped,
               $4, l.weighs_at
             from answered a join outreach.ledger l on l.shop_id = $1
               and l.person_no = a.person_no and l.message_id = a.message_id
               and l.channel = a.channel and l.move = 'spent'
             on conflict do nothing)
           select * from answered""",
        *(tx.shop_id, person_no, since, at, None if messages is None else list(messages)),
    )


class OfTask(msgspec.Struct, frozen=True):
    """A message of a task whose result is not known."""

    message_id: UUID
    person_no: int


async def list_of_task(tx: ReadTx, outside_id: str) -> list[OfTask]:
    """The messages of a task of which nothing was heard."""
    return await tx.all(
        OfTask,
        """select message_id, person_no from outreach.messages
           where shop_id = $1 and outside_id = $2 and state = 'sent' and channel = 'contact'
             and delivered_at is null and code is null""",
        *(tx.shop_id, outside_id),
    )


async def mark_results(
    tx: Tx, messages: Sequence[UUID], codes: Sequence[str | None], at: datetime
) -> int:
    """What became of messages of a task; code None: delivered."""
    return await tx.run(
        """update outreach.messages m set code = t.code,
             delivered_at = case when t.code is null then $4::timestamptz end
           from unnest($2::uuid[], $3::text[]) as t (message_id, code)
           where m.shop_id = $1 and m.message_id = t.message_id and m.delivered_at is null""",
        *(tx.shop_id, list(messages), list(codes), at),
    )
