"""What a shop decides about gifts: settings, excluded categories, marked products, kits."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import Card, CategoryNotFound, ProductNotFound
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Draft, Scene
from siyu.growth.gifting import rules
from siyu.growth.gifting.contracts import (
    MAX_MARKED,
    Exclusion,
    GiftSettings,
    Kit,
    NotGiftable,
    TooManyMarked,
)
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx

# --- settings ---------------------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> GiftSettings:
    """What the shop decided, or the standard."""
    found = await tx.maybe(
        GiftSettings,
        """select is_enabled, cap_fen, max_shares, allows_cancel from gifting.settings
           where shop_id = $1""",
        tx.shop_id,
    )
    return found or GiftSettings()


async def edit_settings(tx: Tx, actor: Actor, settings: GiftSettings) -> GiftSettings:
    """Decide anew; gifts that are paid stay as they are."""
    before = await get_settings(tx)
    await tx.run(
        """insert into gifting.settings (shop_id, is_enabled, cap_fen, max_shares, allows_cancel)
           values ($1, $2, $3, $4, $5)
           on conflict (shop_id) do update set is_enabled = $2, cap_fen = $3, max_shares = $4,
             allows_cancel = $5""",
        tx.shop_id,
        *msgspec.structs.astuple(settings),
    )
    if before != settings:
        audit(
            tx,
            actor,
            "gifting.settings_changed",
            ("shop", tx.shop_id),
            before=msgspec.structs.asdict(before),
            after=msgspec.structs.asdict(settings),
        )
    return settings


# --- excluded categories ----------------------------------------------------------------------


async def list_exclusions(tx: ReadTx) -> dict[UUID, Exclusion]:
    """Of each category whether gifts may come of it."""
    decided = await tx.all(
        Exclusion,
        """select category_id, is_excluded, true as is_decided, reason from gifting.exclusions
           where shop_id = $1""",
        tx.shop_id,
    )
    by_id = {one.category_id: one for one in decided}
    return rules.exclusions(await catalog.list_categories(tx), by_id)


async def decide_exclusion(
    tx: Tx, actor: Actor, category_id: UUID, is_excluded: bool | None, reason: str
) -> dict[UUID, Exclusion]:
    """Exclude a category from gifts or let it in, None: as its name says. Raises CategoryNotFound,
    ReasonNeeded.

    A category whose name sounds like jewellery or education can be let in with a reason, which the
    audit trail keeps: the rule forbids the goods, not the word.
    """
    before = (await list_exclusions(tx)).get(category_id)
    if before is None:
        raise CategoryNotFound
    rules.check_decision(before, is_excluded, reason)
    if is_excluded is None:
        await tx.run(
            "delete from gifting.exclusions where shop_id = $1 and category_id = $2",
            tx.shop_id,
            category_id,
        )
    else:
        await tx.run(
            """insert into gifting.exclusions (shop_id, category_id, is_excluded, reason)
               values ($1, $2, $3, $4)
               on conflict (shop_id, category_id) do update set is_excluded = $3, reason = $4""",
            tx.shop_id,
            category_id,
            is_excluded,
            reason,
        )
    after = await list_exclusions(tx)
    audit(
        tx,
        actor,
        "gifting.exclusion_decided",
        ("category", category_id),
        before={"is_excluded": before.is_excluded},
        after={"is_excluded": after[category_id].is_excluded, "reason": reason},
    )
    return after


# --- marked products --------------------------------------------------------------------------


class Marked(msgspec.Struct, frozen=True):
    """A product with the mark "supports gifting", and why it cannot be given now all the same."""

    card: Card
    why_not: str | None


async def list_marked(tx: ReadTx) -> list[Marked]:
    """All marked products (at most 500), the newest mark first."""
    product_ids = await tx.value(
        """select coalesce(array_agg(product_id order by marked_at desc, product_no desc), '{}')
           from gifting.products where shop_id = $1""",
        tx.shop_id,
    )
    if not product_ids:
        return []
    cards = {card.product_id: card for card in await catalog.load_cards(tx, product_ids)}
    excluded, settings = await list_exclusions(tx), await get_settings(tx)
    return [
        Marked(card, rules.why_not_giftable(card, excluded, settings.cap_fen))
        for card in (cards[product_id] for product_id in product_ids)
    ]


async def get_marked(tx: ReadTx, product_id: UUID) -> Card | None:
    """The card of a product that carries the mark; None without."""
    is_marked = await tx.value(
        "select true from gifting.products where shop_id = $1 and product_id = $2",
        tx.shop_id,
        product_id,
    )
    return (await catalog.load_cards(tx, [product_id]))[0] if is_marked else None


async def mark_product(tx: Tx, actor: Actor, product_id: UUID) -> None:
    """Let a product be given; from now on 礼物 finds it.

    Raises ProductNotFound, NotGiftable (over the cap, excluded, nothing to send), TooManyMarked. A
    product that is not on the shelf yet may be marked.
    """
    cards = await catalog.load_cards(tx, [product_id])
    if not cards:
        raise ProductNotFound
    settings = await get_settings(tx)
    why = rules.why_not_giftable(cards[0], await list_exclusions(tx), settings.cap_fen)
    if why not in (None, "off_shelf"):
        raise NotGiftable(why=why, cap_fen=settings.cap_fen)
    await catalog.set_found_by(tx, product_id, rules.SEARCH_WORDS)
    marked = await tx.value(
        """with kept as (
             insert into gifting.products (shop_id, product_id, product_no, marked_at)
             select $1, $2, $3, $4
             where (select count(*) from gifting.products where shop_id = $1) < $5
             on conflict (shop_id, product_id) do update set product_no = excluded.product_no
             returning 1)
           select count(*) from kept""",
        tx.shop_id,
        product_id,
        cards[0].product_no,
        clock.now(),
        MAX_MARKED,
    )
    if not marked:
        raise TooManyMarked(limit=MAX_MARKED)
    audit(tx, actor, "gifting.product_marked", ("product", product_id))


async def unmark_product(tx: Tx, actor: Actor, product_id: UUID) -> None:
    """Let a product be given no more; harmless when it carries no mark."""
    gone = await tx.run(
        "delete from gifting.products where shop_id = $1 and product_id = $2",
        tx.shop_id,
        product_id,
    )
    if gone:
        await catalog.set_found_by(tx, product_id, [])
        audit(tx, actor, "gifting.product_unmarked", ("product", product_id))


# --- kits -------------------------------------------------------------------------------------


async def list_kits(tx: ReadTx) -> list[Kit]:
    """The shop's festival kits in their order; the standard ones until it writes its own."""
    found = await tx.all(
        Kit,
        """select kit, name, theme, card_title, blessings, guide, tags, starts_on, ends_on,
             is_enabled
           from gifting.kits where shop_id = $1 order by position""",
        tx.shop_id,
    )
    return found or list(rules.STANDARD_KITS)


async def set_kits(tx: Tx, actor: Actor, kits: Sequence[Kit]) -> list[Kit]:
    """Replace the kits; an empty list brings back the standard ones. Raises BadKit, RuleBroken."""
    kits = [
        msgspec.structs.replace(
            kit, blessings=[rules.clean_blessing(text) for text in kit.blessings]
        )
        for kit in kits
    ]
    rules.check_kits(kits)
    for kit in kits:
        words = {"card_title": kit.card_title, "guide": kit.guide}
        blessings = {f"blessing {no}": text for no, text in enumerate(kit.blessings, start=1)}
        await rulebook.must_pass(tx, Draft(Scene.MESSAGE, words | blessings))
    before = [kit.kit for kit in await list_kits(tx)]
    await tx.run("delete from gifting.kits where shop_id = $1", tx.shop_id)
    await tx.run_many(
        """insert into gifting.kits (shop_id, position, kit, name, theme, card_title, blessings,
             guide, tags, starts_on, ends_on, is_enabled)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
        [(tx.shop_id, place, *msgspec.structs.astuple(kit)) for place, kit in enumerate(kits)],
    )
    after = {"kits": [kit.kit for kit in kits]}
    audit(tx, actor, "gifting.kits_changed", ("shop", tx.shop_id), {"kits": before}, after)
    return await list_kits(tx)
