"""SQL of outreach: settings, templates, campaigns and their reports."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.outreach.contracts import (
    AttentionPolicy as Policy,
)
from siyu.people.outreach.contracts import (
    DayFigures,
    Form,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageAudience as Audience,
)
from siyu.people.outreach.contracts import (
    MessageCampaignState as CampaignState,
)
from siyu.people.outreach.contracts import (
    MessageCount as Count,
)
from siyu.people.outreach.contracts import (
    MessageRecipient as Recipient,
)


class SettingsRow(msgspec.Struct, frozen=True):
    """The shop's policy."""

    policy: Policy
    version: int
    changed_at: datetime
    changed_by: str


class TemplateRow(msgspec.Struct, frozen=True):
    """A template with one of its versions."""

    template_id: UUID
    key: str
    name: str
    topic: Topic
    newest: int
    in_force: int | None
    version: int
    forms: list[Form]
    variables: list[Variable]
    case_id: UUID | None
    made_by: str
    made_at: datetime


class CampaignRow(msgspec.Struct, frozen=True):
    """A campaign as stored, with the name and topic of its template."""

    campaign_id: UUID
    name: str
    template_id: UUID
    template_name: str
    topic: Topic
    version: int | None
    variables: dict[str, str]
    audience: Audience
    priority: int
    window_days: int
    state: CampaignState
    paused_from: CampaignState | None
    pause_reason: str | None
    audience_count: int | None
    planned_after: int
    made_by: str
    made_at: datetime
    started_at: datetime | None
    planned_at: datetime | None
    ended_at: datetime | None


# --- settings -----------------------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> SettingsRow | None:
    """The shop's policy; None: it never said anything."""
    return await tx.maybe(
        SettingsRow,
        """select policy, version, changed_at, changed_by from outreach.settings
           where shop_id = $1 and version > 0""",
        tx.shop_id,
    )


async def lock_settings(tx: Tx, policy: Policy, at: datetime) -> None:
    """Hold the giving out of attention in the shop until the end of this transaction."""
    await tx.run(
        """insert into outreach.settings (shop_id, policy, changed_at, changed_by)
           values ($1, $2, $3, '') on conflict (shop_id) do nothing""",
        *(tx.shop_id, msgspec.to_builtins(policy), at),
    )
    await tx.value(
        "select version from outreach.settings where shop_id = $1 for no key update", tx.shop_id
    )


async def save_settings(tx: Tx, policy: Policy, at: datetime, by: str) -> None:
    """Put another policy in force; the row is there and locked."""
    await tx.run(
        """update outreach.settings set policy = $2, version = version + 1, changed_at = $3,
             changed_by = $4 where shop_id = $1""",
        *(tx.shop_id, msgspec.to_builtins(policy), at, by),
    )


# --- templates ----------------------------------------------------------------------------------

_TEMPLATE = """select t.template_id, t.key, t.name, t.topic, t.newest, t.in_force, v.version,
  v.forms, v.variables, v.case_id, v.made_by, v.made_at
  from outreach.templates t join outreach.versions v using (shop_id, template_id)"""


async def list_templates(tx: ReadTx) -> list[TemplateRow]:
    """All templates in use with their newest version."""
    return await tx.all(
        TemplateRow,
        f"""{_TEMPLATE} where t.shop_id = $1 and v.version = t.newest and t.retired_at is null
            order by t.topic, t.key""",
        tx.shop_id,
    )


async def get_template(tx: ReadTx, template_id: UUID) -> TemplateRow | None:
    """A template with its newest version."""
    return await tx.maybe(
        TemplateRow,
        f"{_TEMPLATE} where t.shop_id = $1 and t.template_id = $2 and v.version = t.newest",
        *(tx.shop_id, template_id),
    )


async def get_version(tx: ReadTx, template_id: UUID, version: int) -> TemplateRow | None:
    """A template with a given version."""
    return await tx.maybe(
        TemplateRow,
        f"{_TEMPLATE} where t.shop_id = $1 and t.template_id = $2 and v.version = $3",
        *(tx.shop_id, template_id, version),
    )


async def get_by_key(tx: ReadTx, key: str) -> TemplateRow | None:
    """A template in use with the version in force (the newest while there is none)."""
    return await tx.maybe(
        TemplateRow,
        f"""{_TEMPLATE} where t.shop_id = $1 and t.key = $2 and t.retired_at is null
            and v.version = coalesce(t.in_force, t.newest)""",
        *(tx.shop_id, key),
    )


async def list_in_force(tx: ReadTx, topic: Topic) -> list[TemplateRow]:
    """Templates in use about a topic, each with the version that is sent."""
    return await tx.all(
        TemplateRow,
        f"""{_TEMPLATE} where t.shop_id = $1 and t.topic = $2 and t.retired_at is null
            and v.version = t.in_force order by t.key""",
        *(tx.shop_id, topic),
    )


async def insert_template(
    tx: Tx, template_id: UUID, key: str, name: str, topic: Topic, in_force: int | None, at: datetime
) -> bool:
    """Make a template with version 1 to come; False: the key is taken."""
    return bool(
        await tx.run(
            """insert into outreach.templates (shop_id, template_id, key, name, topic, newest,
                 in_force, created_at)
               values ($1, $2, $3, $4, $5, 1, $6, $7) on conflict (shop_id, key) do nothing""",
            *(tx.shop_id, template_id, key, name, topic, in_force, at),
        )
    )


async def insert_version(
    tx: Tx,
    template_id: UUID,
    version: int,
    forms: Sequence[Form],
    variables: Sequence[Variable],
    by: str,
    at: datetime,
) -> None:
    """Keep the words of a version for good."""
    await tx.run(
        """insert into outreach.versions (shop_id, template_id, version, forms, variables, made_by,
             made_at)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        *(tx.shop_id, template_id, version, msgspec.to_builtins(list(forms))),
        *(msgspec.to_builtins(list(variables)), by, at),
    )


async def lock_template(tx: Tx, template_id: UUID) -> bool:
    """Hold a template against another edit; False: there is none."""
    found = await tx.value(
        """select newest from outreach.templates
           where shop_id = $1 and template_id = $2 for no key update""",
        *(tx.shop_id, template_id),
    )
    return found is not None


async def move_newest(tx: Tx, template_id: UUID, name: str, topic: Topic, newest: int) -> None:
    """The template has another newest version."""
    await tx.run(
        """update outreach.templates set name = $3, topic = $4, newest = $5
           where shop_id = $1 and template_id = $2""",
        *(tx.shop_id, template_id, name, topic, newest),
    )


async def set_case(tx: Tx, template_id: UUID, version: int, case_id: UUID) -> None:
    """The version waits for these signatures."""
    await tx.run(
        """update outreach.versions set case_id = $4
           where shop_id = $1 and template_id = $2 and version = $3""",
        *(tx.shop_id, template_id, version, case_id),
    )


async def put_in_force(tx: Tx, case_id: UUID) -> int:
    """The version these signatures are under is what is sent from now on, unless a later one is."""
    return await tx.run(
        """update outreach.templates t set in_force = v.version from outreach.versions v
           where v.shop_id = $1 and v.case_id = $2 and t.shop_id = v.shop_id
             and t.template_id = v.template_id and v.version > coalesce(t.in_force, 0)""",
        *(tx.shop_id, case_id),
    )


async def retire_template(tx: Tx, template_id: UUID, at: datetime) -> int:
    """Take a template out of use; 0: there is none in use."""
    return await tx.run(
        """update outreach.templates set retired_at = $3, key = left(key, 30) || '_' ||
             right(replace(template_id::text, '-', ''), 8)
           where shop_id = $1 and template_id = $2 and retired_at is null""",
        *(tx.shop_id, template_id, at),
    )


# --- campaigns ----------------------------------------------------------------------------------

_CAMPAIGN = """c.campaign_id, c.name, c.template_id, t.name as template_name, t.topic, c.version,
  c.variables, c.audience, c.priority, c.window_days, c.state, c.paused_from, c.pause_reason,
  c.audience_count, c.planned_after, c.made_by, c.made_at, c.started_at, c.planned_at, c.ended_at
  from outreach.campaigns c join outreach.templates t using (shop_id, template_id)"""


async def list_campaigns(tx: ReadTx, before: UUID | None, limit: int) -> list[CampaignRow]:
    """Campaigns, the newest first."""
    return await tx.all(
        CampaignRow,
        f"""select {_CAMPAIGN} where c.shop_id = $1
            and ($2::uuid is null or c.campaign_id < $2) order by c.campaign_id desc limit $3""",
        *(tx.shop_id, before, limit),
    )


async def get_campaign(tx: ReadTx, campaign_id: UUID) -> CampaignRow | None:
    """One campaign."""
    return await tx.maybe(
        CampaignRow,
        f"select {_CAMPAIGN} where c.shop_id = $1 and c.campaign_id = $2",
        *(tx.shop_id, campaign_id),
    )


async def lock_campaign(tx: Tx, campaign_id: UUID) -> CampaignRow | None:
    """One campaign, held until the end of this transaction."""
    return await tx.maybe(
        CampaignRow,
        f"""select {_CAMPAIGN} where c.shop_id = $1 and c.campaign_id = $2
            for no key update of c""",
        *(tx.shop_id, campaign_id),
    )


async def upsert_campaign(tx: Tx, row: CampaignRow) -> None:
    """Write a draft down, or anew."""
    await tx.run(
        """insert into outreach.campaigns (shop_id, campaign_id, name, template_id, variables,
             audience, priority, window_days, state, made_by, made_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, 'draft', $9, $10)
           on conflict (shop_id, campaign_id) do update set name = excluded.name,
             template_id = excluded.template_id, variables = excluded.variables,
             audience = excluded.audience, priority = excluded.priority,
             window_days = excluded.window_days""",
        *(tx.shop_id, row.campaign_id, row.name, row.template_id, row.variables),
        *(msgspec.to_builtins(row.audience), row.priority, row.window_days, row.made_by),
        row.made_at,
    )


async def start_campaign(tx: Tx, campaign_id: UUID, version: int, at: datetime) -> None:
    """From then on it is planned."""
    await tx.run(
        """update outreach.campaigns set state = 'planning', version = $3, started_at = $4
           where shop_id = $1 and campaign_id = $2""",
        *(tx.shop_id, campaign_id, version, at),
    )


async def move_planned(tx: Tx, campaign_id: UUID, after: int, more: int) -> None:
    """Everybody up to this number is planned, `more` people more than before."""
    await tx.run(
        """update outreach.campaigns set planned_after = $3,
             audience_count = coalesce(audience_count, 0) + $4
           where shop_id = $1 and campaign_id = $2""",
        *(tx.shop_id, campaign_id, after, more),
    )


async def move_state(
    tx: Tx,
    campaign_id: UUID,
    state: CampaignState,
    at: datetime,
    paused_from: CampaignState | None = None,
    reason: str | None = None,
) -> None:
    """Another state; the end and the end of planning are noted with it."""
    await tx.run(
        """update outreach.campaigns set state = $3, paused_from = $5, pause_reason = $6,
             planned_at = case when $3 = 'sending' then coalesce(planned_at, $4)
               else planned_at end,
             ended_at = case when $3 in ('done', 'cancelled') then $4 end
           where shop_id = $1 and campaign_id = $2""",
        *(tx.shop_id, campaign_id, state, at, paused_from, reason),
    )


async def count_messages(tx: ReadTx, campaign_id: UUID) -> list[Count]:
    """Messages of a campaign by state, channel and reason."""
    return await tx.all(
        Count,
        """select state, channel, reason, count(*) as messages from outreach.messages
           where shop_id = $1 and campaign_id = $2 group by state, channel, reason
           order by messages desc, state, channel, reason""",
        *(tx.shop_id, campaign_id),
    )


async def list_recipients(
    tx: ReadTx, campaign_id: UUID, reason: str | None, state: str | None, after: int, limit: int
) -> list[Recipient]:
    """People of a campaign by number, those with a reason or in a state when one is named."""
    return await tx.all(
        Recipient,
        """select person_no, message_id, state, channel, reason, code, sent_at, delivered_at,
             answered_at
           from outreach.messages where shop_id = $1 and campaign_id = $2 and person_no > $5
             and ($3::text is null or reason = $3) and ($4::text is null or state = $4)
           order by person_no limit $6""",
        *(tx.shop_id, campaign_id, reason, state, after, limit),
    )


class ArmsRow(msgspec.Struct, frozen=True):
    """Person numbers of the two sides of a comparison."""

    planned: list[int]
    held_out: list[int]


async def get_arms(tx: ReadTx, campaign_id: UUID) -> ArmsRow:
    """The people planned, whatever became of the call, and those held out who would have been."""
    return await tx.one(
        ArmsRow,
        """select coalesce(array_agg(person_no) filter (where reason is distinct from 'held_out'),
             '{}') as planned,
             coalesce(array_agg(person_no) filter (where reason = 'held_out'), '{}') as held_out
           from outreach.messages m where shop_id = $1 and campaign_id = $2
             and (state <> 'refused' or reason in ('held_out', 'outbid') or exists (
               select from outreach.ledger l where l.shop_id = $1 and l.person_no = m.person_no
                 and l.message_id = m.message_id))""",
        *(tx.shop_id, campaign_id),
    )


async def list_days(tx: ReadTx, since: UUID, zone: str) -> list[DayFigures]:
    """Messages per business day and channel. What was refused counts on the day of that: its number
    tells when it was planned, and the hour it was meant for may be still to come."""
    return await tx.all(
        DayFigures,
        """select (coalesce(called_at, case when state = 'refused' then least(due_at, to_timestamp(
               ('x' || translate(left(message_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0
             )) else due_at end) at time zone $3)::date as on, channel,
             count(*) filter (where state = 'sent') as sent,
             count(delivered_at) as delivered, count(answered_at) as answered,
             count(*) filter (where state in ('failed', 'unknown')) as failed,
             count(*) filter (where state = 'refused') as refused
           from outreach.messages
           where shop_id = $1 and message_id >= $2 and channel is not null
           group by 1, 2 order by 1, 2""",
        *(tx.shop_id, since, zone),
    )


# --- what is due, over all shops ----------------------------------------------------------------


class Due(msgspec.Struct, frozen=True):
    """A shop that has work."""

    shop_id: int
    campaign_id: UUID | None


async def list_due(tx: ReadTx, at: datetime, lost_before: datetime) -> list[Due]:
    """Shops and campaigns with something to plan, to send, or that a dead sender left."""
    return await tx.all(
        Due,
        """select shop_id, campaign_id from outreach.campaigns
           where state in ('planning', 'sending') and started_at <= $1
           union
           select shop_id, null from outreach.messages
           where state = 'planned' and campaign_id is null and due_at <= $1
           union
           select shop_id, null from outreach.messages
           where state = 'calling' and called_at < $2""",
        *(at, lost_before),
    )


class Task(msgspec.Struct, frozen=True):
    """A WeCom task whose result is not known for everybody yet."""

    shop_id: int
    outside_id: str


async def list_tasks(tx: ReadTx, since: datetime) -> list[Task]:
    """Tasks that staff were asked to send since then."""
    return await tx.all(
        Task,
        """select distinct shop_id, outside_id from outreach.messages
           where channel = 'contact' and state = 'sent' and sent_at >= $1
             and delivered_at is null and code is null and outside_id is not null""",
        since,
    )
