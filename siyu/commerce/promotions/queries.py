"""All SQL of pricing."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.commerce.promotions.contracts import (
    Audience,
    CostReport,
    ShippingTemplate,
    Terms,
)
from siyu.kernel.db import ReadTx, Tx, filters
from siyu.kernel.ids import new_id

GroupName = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[a-z0-9_]+$")]
Moment = Annotated[datetime, Meta(tz=True)]


class CampaignState(StrEnum):
    """draft → running ⇄ paused → ended; only what runs, and within its window, has an effect."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Phase(StrEnum):
    """What a merchant sees of state and window."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    OVER = "over"


class CampaignDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a merchant writes; in effect in [starts_at, ends_at), an open end is null. Higher
    `priority` first; the rest as in `contracts.CampaignRule`.
    """

    title: Annotated[str, Meta(min_length=1, max_length=30)]
    starts_at: Moment
    ends_at: Moment | None = None
    priority: Annotated[int, Meta(ge=0, le=1000)] = 0
    stacking: GroupName
    audience: Audience = Audience.EVERYONE
    takes_coupons: bool = True
    ignores_floor: bool = False
    terms: Terms


class Live(msgspec.Struct, frozen=True):
    """A campaign as far as prices care."""

    campaign_id: UUID
    title: str
    starts_at: datetime
    ends_at: datetime | None
    priority: int
    stacking: str
    audience: Audience
    takes_coupons: bool
    ignores_floor: bool
    terms: Terms


class Campaign(Live, frozen=True):
    """A campaign as it is kept; `simulated_version` is the version whose cost was simulated."""

    state: CampaignState
    phase: Phase
    version: int
    simulated_version: int | None
    simulated_at: datetime | None
    simulation: CostReport | None
    waiver: str | None
    created_at: datetime
    updated_at: datetime


class Template(ShippingTemplate, frozen=True):
    """A shipping template as it is kept."""

    version: int
    is_default: bool
    product_count: int


class Settings(msgspec.Struct, frozen=True):
    """`floor_bps`: no line is reduced below this part of its list price."""

    floor_bps: int
    default_template_id: UUID | None


class Loaded(msgspec.Struct, frozen=True):
    """All that prices go by; the lists are None when the revision is the one known already."""

    revision: UUID
    floor_bps: int
    default_template_id: UUID | None
    campaigns: list[Live] | None
    templates: list[ShippingTemplate] | None
    by_product: dict[UUID, UUID] | None


# --- what prices go by ------------------------------------------------------------------------


async def get_pricing(tx: ReadTx, known: UUID | None) -> Loaded | None:
    """Settings, running campaigns and templates in one statement; None when nothing was ever set.

    With the `known` revision still standing, it reads one row and brings nothing else.
    """
    return await tx.maybe(
        Loaded,
        """select s.revision, s.floor_bps, s.default_template_id,
             case when s.revision is distinct from $2 then
               (select coalesce(jsonb_agg(to_jsonb(c) order by c.priority desc, c.campaign_id),
                                '[]')
                from promotions.campaigns c
                where c.shop_id = $1 and c.state = 'running') end as campaigns,
             case when s.revision is distinct from $2 then
               (select coalesce(jsonb_agg(to_jsonb(t)), '[]')
                from promotions.shipping_templates t where t.shop_id = $1) end as templates,
             case when s.revision is distinct from $2 then
               (select coalesce(jsonb_object_agg(p.product_id, p.template_id), '{}')
                from promotions.product_templates p where p.shop_id = $1) end as by_product
           from promotions.settings s where s.shop_id = $1""",
        tx.shop_id,
        known,
    )


async def get_settings(tx: ReadTx) -> Settings:
    """The shop's settings; no floor and no shipping fee where nothing was ever set."""
    found = await tx.maybe(
        Settings,
        "select floor_bps, default_template_id from promotions.settings where shop_id = $1",
        tx.shop_id,
    )
    return found or Settings(0, None)


async def move_settings(tx: Tx, settings: Settings, at: datetime) -> None:
    """Write the settings, under a new revision."""
    await tx.run(
        """insert into promotions.settings
             (shop_id, floor_bps, default_template_id, revision, updated_at)
           values ($1, $2, $3, $4, $5)
           on conflict (shop_id) do update set floor_bps = excluded.floor_bps,
             default_template_id = excluded.default_template_id, revision = excluded.revision,
             updated_at = excluded.updated_at""",
        tx.shop_id,
        settings.floor_bps,
        settings.default_template_id,
        new_id(),
        at,
    )


async def move_revision(tx: Tx, at: datetime) -> None:
    """Let every process read prices anew."""
    await tx.run(
        """insert into promotions.settings (shop_id, revision, updated_at) values ($1, $2, $3)
           on conflict (shop_id) do update
             set revision = excluded.revision, updated_at = excluded.updated_at""",
        tx.shop_id,
        new_id(),
        at,
    )


# --- campaigns --------------------------------------------------------------------------------

_CAMPAIGN = """campaign_id, title, state, starts_at, ends_at, priority, stacking, audience,
  takes_coupons, ignores_floor, terms, version, simulated_version, simulated_at, simulation, waiver,
  created_at, updated_at"""
_PHASE = """case when state = 'running' and starts_at > $2 then 'scheduled'
  when state = 'ended' or (state = 'running' and ends_at <= $2) then 'over' else state end"""


async def list_campaigns(
    tx: ReadTx, *, now: datetime, phase: Phase | None, after: UUID | None, limit: int
) -> list[Campaign]:
    """Campaigns, newest first."""
    args: list[Any] = [tx.shop_id, now]
    where = filters(args, ("phase = ?", phase), ("campaign_id < ?", after))
    args.append(limit)
    return await tx.all(
        Campaign,
        f"""select * from (
              select {_CAMPAIGN}, {_PHASE} as phase from promotions.campaigns
              where shop_id = $1) c
            where {where} order by campaign_id desc limit ${len(args)}""",
        *args,
    )


async def get_campaign(tx: ReadTx, campaign_id: UUID, now: datetime) -> Campaign | None:
    """A campaign."""
    return await tx.maybe(
        Campaign,
        f"""select {_CAMPAIGN}, {_PHASE} as phase from promotions.campaigns
            where shop_id = $1 and campaign_id = $3""",
        tx.shop_id,
        now,
        campaign_id,
    )


async def lock_campaign(tx: Tx, campaign_id: UUID, now: datetime) -> Campaign | None:
    """A campaign that is about to change."""
    return await tx.maybe(
        Campaign,
        f"""select {_CAMPAIGN}, {_PHASE} as phase from promotions.campaigns
            where shop_id = $1 and campaign_id = $3 for no key update""",
        tx.shop_id,
        now,
        campaign_id,
    )


async def count_running(tx: ReadTx, now: datetime) -> int:
    """Campaigns that run, now or later."""
    count: int = await tx.value(
        """select count(*) from promotions.campaigns
           where shop_id = $1 and state = 'running' and (ends_at is null or ends_at > $2)""",
        tx.shop_id,
        now,
    )
    return count


async def insert_campaign(tx: Tx, campaign_id: UUID, draft: CampaignDraft, at: datetime) -> None:
    """Write a new campaign as a draft."""
    await tx.run(
        """insert into promotions.campaigns (shop_id, campaign_id, title, starts_at, ends_at,
             priority, stacking, audience, takes_coupons, ignores_floor, terms, state, created_at,
             updated_at)
           values ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'draft', $3, $3)""",
        tx.shop_id,
        campaign_id,
        at,
        *msgspec.structs.astuple(draft),
    )


async def move_campaign(tx: Tx, campaign_id: UUID, draft: CampaignDraft, at: datetime) -> None:
    """Replace a campaign under its next version; what was simulated or waived was the old one."""
    await tx.run(
        """update promotions.campaigns set version = version + 1, waiver = null, updated_at = $3,
             title = $4, starts_at = $5, ends_at = $6, priority = $7, stacking = $8,
             audience = $9, takes_coupons = $10, ignores_floor = $11, terms = $12
           where shop_id = $1 and campaign_id = $2""",
        tx.shop_id,
        campaign_id,
        at,
        *msgspec.structs.astuple(draft),
    )


async def move_state(
    tx: Tx, campaign_id: UUID, state: CampaignState, at: datetime, waiver: str | None
) -> None:
    """Write a campaign's state, and why it may run without a simulation."""
    await tx.run(
        """update promotions.campaigns
           set state = $3, updated_at = $4, waiver = coalesce($5, waiver)
           where shop_id = $1 and campaign_id = $2""",
        tx.shop_id,
        campaign_id,
        state,
        at,
        waiver,
    )


async def move_simulation(
    tx: Tx, campaign_id: UUID, version: int, report: CostReport, at: datetime
) -> None:
    """Keep what a version of a campaign would have cost."""
    await tx.run(
        """update promotions.campaigns
           set simulated_version = $3, simulation = $4, simulated_at = $5
           where shop_id = $1 and campaign_id = $2""",
        tx.shop_id,
        campaign_id,
        version,
        report,
        at,
    )


async def move_campaign_away(tx: Tx, campaign_id: UUID) -> None:
    """Delete a campaign."""
    await tx.run(
        "delete from promotions.campaigns where shop_id = $1 and campaign_id = $2",
        tx.shop_id,
        campaign_id,
    )


# --- shipping ---------------------------------------------------------------------------------


async def list_templates(tx: ReadTx) -> list[Template]:
    """The shop's templates, the default first."""
    return await tx.all(
        Template,
        """select t.template_id, t.name, t.plan, t.version,
             s.default_template_id is not null as is_default,
             (select count(*) from promotions.product_templates p
              where p.shop_id = $1 and p.template_id = t.template_id) as product_count
           from promotions.shipping_templates t
           left join promotions.settings s
             on s.shop_id = t.shop_id and s.default_template_id = t.template_id
           where t.shop_id = $1 order by is_default desc, t.template_id""",
        tx.shop_id,
    )


async def lock_template(tx: Tx, template_id: UUID) -> int | None:
    """The version of a template that is about to change."""
    version: int | None = await tx.value(
        """select version from promotions.shipping_templates
           where shop_id = $1 and template_id = $2 for no key update""",
        tx.shop_id,
        template_id,
    )
    return version


async def move_template(tx: Tx, template: ShippingTemplate, at: datetime) -> None:
    """Write a template, new or known."""
    await tx.run(
        """insert into promotions.shipping_templates as t
             (shop_id, template_id, name, plan, updated_at) values ($1, $2, $3, $4, $5)
           on conflict (shop_id, template_id) do update set name = excluded.name,
             plan = excluded.plan, updated_at = excluded.updated_at, version = t.version + 1""",
        tx.shop_id,
        template.template_id,
        template.name,
        template.plan,
        at,
    )


async def move_template_away(tx: Tx, template_id: UUID) -> None:
    """Delete a template; its products go by the default from now on."""
    await tx.run(
        "delete from promotions.shipping_templates where shop_id = $1 and template_id = $2",
        tx.shop_id,
        template_id,
    )


async def list_template_products(tx: ReadTx, template_id: UUID) -> list[UUID]:
    """The products that go by a template."""
    return [
        row["product_id"]
        for row in await tx.all(
            dict[str, UUID],
            """select product_id from promotions.product_templates
               where shop_id = $1 and template_id = $2 order by product_id""",
            tx.shop_id,
            template_id,
        )
    ]


async def move_template_products(tx: Tx, template_id: UUID, product_ids: list[UUID]) -> None:
    """Let exactly these products go by a template, whatever they went by before."""
    await tx.run(
        """with others as (
             delete from promotions.product_templates
             where shop_id = $1 and template_id = $2 and product_id <> all ($3))
           insert into promotions.product_templates (shop_id, product_id, template_id)
           select $1, product_id, $2 from unnest($3::uuid[]) as g (product_id)
           on conflict (shop_id, product_id) do update set template_id = excluded.template_id""",
        tx.shop_id,
        template_id,
        product_ids,
    )
