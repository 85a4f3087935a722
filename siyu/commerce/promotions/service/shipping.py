"""Shipping templates, which products go by which, and the floor."""

from collections.abc import Sequence
from uuid import UUID

from siyu.commerce.catalog import service as catalog
from siyu.commerce.promotions import queries
from siyu.commerce.promotions.contracts import (
    BadPromotion,
    PromotionChanged,
    PromotionNotFound,
    PromotionStands,
    ShippingPlan,
    ShippingTemplate,
)
from siyu.commerce.promotions.queries import Settings
from siyu.commerce.promotions.rules import check_plan
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id


async def save_template(
    tx: Tx,
    actor: Actor,
    name: str,
    plan: ShippingPlan,
    template_id: UUID | None = None,
    expected_version: int | None = None,
) -> UUID:
    """Write a shipping template, new when no id is given; the first one is the shop's default.

    Raises PromotionNotFound, PromotionChanged, BadPromotion.
    """
    check_plan(plan)
    if template_id:
        await _lock(tx, template_id, expected_version)
    template = ShippingTemplate(template_id or new_id(), name, plan)
    now = clock.now()
    await queries.move_template(tx, template, now)
    settings = await queries.get_settings(tx)
    if settings.default_template_id is None:
        settings = Settings(settings.floor_bps, template.template_id)
    await queries.move_settings(tx, settings, now)
    audit(
        tx,
        actor,
        "promotions.template_saved",
        ("shipping_template", template.template_id),
        after={"name": name, "plan": plan},
    )
    return template.template_id


async def remove_template(tx: Tx, actor: Actor, template_id: UUID) -> None:
    """Delete a template; its products go by the default. Raises PromotionNotFound, and
    PromotionStands for the default.
    """
    await _lock(tx, template_id)
    if (await queries.get_settings(tx)).default_template_id == template_id:
        raise PromotionStands(why="the default template")
    await queries.move_template_away(tx, template_id)
    await queries.move_revision(tx, clock.now())
    audit(tx, actor, "promotions.template_removed", ("shipping_template", template_id))


async def assign_products(
    tx: Tx, actor: Actor, template_id: UUID, product_ids: Sequence[UUID]
) -> None:
    """Let exactly these products (distinct) go by a template, whatever they went by before.

    Raises PromotionNotFound, BadPromotion.
    """
    await _lock(tx, template_id)
    wanted = set(product_ids)
    if len(await catalog.load_cards(tx, list(wanted))) < len(wanted):
        raise BadPromotion(field="product_ids", why="not of this shop")
    await queries.move_template_products(tx, template_id, sorted(wanted))
    await queries.move_revision(tx, clock.now())
    audit(
        tx,
        actor,
        "promotions.template_assigned",
        ("shipping_template", template_id),
        after={"products": len(wanted)},
    )


async def save_settings(tx: Tx, actor: Actor, settings: Settings) -> None:
    """Write the floor and the default template (None: sending costs nothing). Raises
    PromotionNotFound.
    """
    if settings.default_template_id:
        await _lock(tx, settings.default_template_id)
    before = await queries.get_settings(tx)
    await queries.move_settings(tx, settings, clock.now())
    audit(
        tx,
        actor,
        "promotions.settings_changed",
        ("shop", tx.shop_id),
        before={"floor_bps": before.floor_bps, "template": before.default_template_id},
        after={"floor_bps": settings.floor_bps, "template": settings.default_template_id},
    )


async def _lock(tx: Tx, template_id: UUID, expected_version: int | None = None) -> None:
    version = await queries.lock_template(tx, template_id)
    if version is None:
        raise PromotionNotFound
    if expected_version not in (None, version):
        raise PromotionChanged(version=version)
