"""Campaigns: written, simulated, let run, paused, ended."""

from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.promotions import queries
from siyu.commerce.promotions.contracts import (
    BadPromotion,
    CostReport,
    NotSimulated,
    PromotionChanged,
    PromotionNotFound,
    PromotionStands,
    Terms,
)
from siyu.commerce.promotions.queries import Campaign, CampaignDraft, CampaignState
from siyu.commerce.promotions.rules import check_terms, named_by
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

MAX_RUNNING = 100
"""So many campaigns a shop runs at a time: every basket is tried against all of them."""

MOVES: dict[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.RUNNING}),
    CampaignState.RUNNING: frozenset({CampaignState.PAUSED, CampaignState.ENDED}),
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.ENDED}),
    CampaignState.ENDED: frozenset(),
}


async def get_campaign(tx: ReadTx, campaign_id: UUID) -> Campaign:
    """A campaign, with what it would have cost if that was simulated. Raises PromotionNotFound."""
    found = await queries.get_campaign(tx, campaign_id, clock.now())
    if found is None:
        raise PromotionNotFound
    return found


async def create_campaign(tx: Tx, actor: Actor, draft: CampaignDraft) -> UUID:
    """Write a campaign as a draft, without any effect. Raises BadPromotion."""
    _check(draft)
    await _check_named(tx, draft)
    campaign_id = new_id()
    await queries.insert_campaign(tx, campaign_id, draft, clock.now())
    _note(tx, actor, "created", campaign_id, after=_plain(draft))
    return campaign_id


async def edit_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, draft: CampaignDraft, expected_version: int
) -> None:
    """Replace a campaign that does not run, against the version that was read.

    The new version is not simulated yet. Raises PromotionNotFound, PromotionChanged,
    PromotionStands, BadPromotion.
    """
    _check(draft)
    found = await _lock(tx, campaign_id, expected_version)
    if found.state not in (CampaignState.DRAFT, CampaignState.PAUSED):
        raise PromotionStands(why=found.state)
    await _check_named(tx, draft)
    await queries.move_campaign(tx, campaign_id, draft, clock.now())
    before = {name: getattr(found, name) for name in CampaignDraft.__struct_fields__}
    _note(tx, actor, "changed", campaign_id, before, _plain(draft))


async def remove_campaign(tx: Tx, actor: Actor, campaign_id: UUID, expected_version: int) -> None:
    """Delete a draft. Raises PromotionNotFound, PromotionChanged, PromotionStands."""
    found = await _lock(tx, campaign_id, expected_version)
    if found.state is not CampaignState.DRAFT:
        raise PromotionStands(why=found.state)
    await queries.move_campaign_away(tx, campaign_id)
    _note(tx, actor, "removed", campaign_id, before={"title": found.title})


async def start_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, expected_version: int, waiver: str | None = None
) -> None:
    """Let a campaign run, from starts_at on.

    waiver: why this version may go live though its cost was not simulated; it is kept and audited.
    Raises PromotionNotFound, PromotionChanged, PromotionStands, NotSimulated.
    """
    found = await _lock(tx, campaign_id, expected_version)
    if found.simulated_version == found.version:
        waiver = None
    elif not (waiver or found.waiver):
        raise NotSimulated
    now = clock.now()
    if found.ends_at is not None and found.ends_at <= now:
        raise PromotionStands(why="over")
    if await queries.count_running(tx, now) >= MAX_RUNNING:
        raise PromotionStands(why=f"{MAX_RUNNING} campaigns run already")
    await _move(tx, actor, found, CampaignState.RUNNING, waiver)


async def pause_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> None:
    """Take a campaign's effect away for a while. Raises PromotionNotFound, PromotionStands."""
    await _move(tx, actor, await _lock(tx, campaign_id), CampaignState.PAUSED)


async def end_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> None:
    """End a campaign for good. Raises PromotionNotFound, PromotionStands."""
    await _move(tx, actor, await _lock(tx, campaign_id), CampaignState.ENDED)


async def note_simulation(
    tx: Tx, actor: Actor, campaign_id: UUID, version: int, report: CostReport
) -> None:
    """Keep what a version of a campaign would have cost. Raises PromotionNotFound,
    PromotionChanged.
    """
    await _lock(tx, campaign_id, version)
    await queries.move_simulation(tx, campaign_id, version, report, clock.now())
    cost = {"orders": report.orders, "before_fen": report.before_fen, "after_fen": report.after_fen}
    _note(tx, actor, "simulated", campaign_id, after={"version": version, **cost})


async def _lock(tx: Tx, campaign_id: UUID, expected_version: int | None = None) -> Campaign:
    found = await queries.lock_campaign(tx, campaign_id, clock.now())
    if found is None:
        raise PromotionNotFound
    if expected_version not in (None, found.version):
        raise PromotionChanged(version=found.version)
    return found


async def _move(
    tx: Tx, actor: Actor, found: Campaign, state: CampaignState, waiver: str | None = None
) -> None:
    if state not in MOVES[found.state]:
        raise PromotionStands(why=found.state)
    now = clock.now()
    await queries.move_state(tx, found.campaign_id, state, now, waiver)
    await queries.move_revision(tx, now)
    after = {"state": state, "version": found.version} | ({"waiver": waiver} if waiver else {})
    _note(tx, actor, "moved", found.campaign_id, {"state": found.state}, after)


def _check(draft: CampaignDraft) -> None:
    if draft.ends_at is not None and draft.ends_at <= draft.starts_at:
        raise BadPromotion(field="ends_at", why="not after starts_at")
    check_terms(draft.terms)


async def load_names(tx: ReadTx, terms: Terms) -> dict[UUID, str]:
    """The names of all SKUs, products and categories that terms name; what is gone is missing."""
    named = named_by(terms)
    names: dict[UUID, str] = {}
    for sku in await catalog.load_for_sale(tx, list(named.sku_ids)):
        names[sku.sku_id] = " ".join([sku.title, *sku.option_values])
    for card in await catalog.load_cards(tx, list(named.product_ids)):
        names[card.product_id] = card.title
    if named.category_ids:
        for row in await catalog.list_categories(tx):
            if row.category_id in named.category_ids:
                names[row.category_id] = row.name
    return names


async def _check_named(tx: ReadTx, draft: CampaignDraft) -> None:
    """Raise BadPromotion when the draft names what is not of this shop."""
    strange = frozenset().union(*named_by(draft.terms)) - (await load_names(tx, draft.terms)).keys()
    if strange:
        raise BadPromotion(field="terms", why="not of this shop", ids=sorted(map(str, strange)))


def _plain(draft: CampaignDraft) -> dict[str, object]:
    return msgspec.structs.asdict(draft)


def _note(
    tx: Tx,
    actor: Actor,
    what: str,
    campaign_id: UUID,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit(tx, actor, f"promotions.campaign_{what}", ("campaign", campaign_id), before, after)
