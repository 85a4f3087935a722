"""The giver: what it costs, give, and take back what nobody has accepted."""

import secrets
from datetime import datetime
from uuid import UUID

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import (
    Delivery,
    LineAsked,
    Platform,
    SkuNotFound,
)
from siyu.compliance.rulebook import service as rulebook
from siyu.compliance.rulebook.contracts import Draft, Feature, Scene
from siyu.growth.gifting import queries, rules
from siyu.growth.gifting.contracts import (
    CancelRefused,
    EndedBy,
    Gift,
    GiftAsked,
    GiftKind,
    GiftNotFound,
    GiftOpened,
    Standing,
)
from siyu.growth.gifting.service import terms
from siyu.growth.gifting.service.returning import take_back, take_foreign_refunds
from siyu.growth.gifting.service.voices import attach_voice
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id


async def check_asked(tx: ReadTx, asked: GiftAsked) -> SkuForSale:
    """The SKU, if it may be given so. Raises SkuNotFound, GiftsOff, NotGiftable, TooManyShares."""
    found = await catalog.load_for_sale(tx, [asked.sku_id])
    if not found:
        raise SkuNotFound(sku_ids=[str(asked.sku_id)])
    card = await terms.get_marked(tx, found[0].product_id)
    settings, excluded = await terms.get_settings(tx), await terms.list_exclusions(tx)
    rules.check_asked(settings, found[0], card, excluded, asked.kind, asked.count)
    return found[0]


async def quote(
    tx: ReadTx, member: MemberIdentity, asked: GiftAsked, choice: ordering.Choice
) -> ordering.Basket:
    """What a gift costs now. Raises what `check_asked` and `ordering.load_basket` do."""
    await check_asked(tx, asked)
    lines = [LineAsked(asked.sku_id, asked.count)]
    return await ordering.load_basket(
        tx, member.member_id, lines, None, choice, delivery=Delivery.GIFT, shows_offers=True
    )


async def give(
    tx: Tx,
    member: MemberIdentity,
    asked: GiftAsked,
    *,
    expected_total_fen: int,
    expected_payable_fen: int | None,
    platform: Platform,
    choice: ordering.Choice,
    promoter_id: UUID | None,
) -> Gift:
    """Order a gift; it opens when the order is paid, as any order is (mission 47).

    The blessing is cleaned, a kit the shop does not know forgotten. promoter_id: who brought the
    giver, for the commission. Raises what `check_asked`, `ordering.place_order` and VoiceNotFound
    say, RuleBroken for a banned blessing, FeaturePaused when gifts for groups pause (F098).
    """
    sku = await check_asked(tx, asked)
    if asked.kind is GiftKind.GROUP:
        await rulebook.must_be_open(tx, Feature.SHARING)
    # What check_asked has found.
    facts: dict[str, bool | int | str] = {"is_giftable": True, "unit_fen": sku.price_fen}
    await rulebook.must_pass(tx, Draft(Scene.GIFT, {"blessing": asked.blessing}, facts))
    kits = {kit.kit for kit in await terms.list_kits(tx)}
    gift_id = new_id()
    if asked.voice_id is not None:
        await attach_voice(tx, member.member_id, asked.voice_id, gift_id)
    placed = await ordering.place_order(
        tx,
        member,
        [LineAsked(asked.sku_id, asked.count)],
        address_id=None,
        remark="",
        expected_total_fen=expected_total_fen,
        expected_payable_fen=expected_payable_fen,
        platform=platform,
        empties_cart=False,
        choice=choice,
        promoter_id=promoter_id,
        delivery=Delivery.GIFT,
    )
    gift = Gift(
        gift_id=gift_id,
        link_key=secrets.token_urlsafe(16),
        order_id=placed.order.order_id,
        order_no=placed.order.order_no,
        giver_id=member.member_id,
        giver_no=member.person_no,
        kind=asked.kind,
        standing=Standing.UNPAID,
        product_id=sku.product_id,
        product_no=sku.product_no,
        sku_id=sku.sku_id,
        title=sku.title,
        option_values=sku.option_values,
        image_url=sku.image_url,
        unit_fen=sku.price_fen,
        total_fen=placed.order.total_fen,
        share_count=asked.count,
        blessing=rules.clean_blessing(asked.blessing),
        theme=asked.theme,
        kit=asked.kit if asked.kit in kits else None,
        voice_id=asked.voice_id,
        scene=asked.scene,
        placed_at=placed.order.placed_at,
        paid_at=None,
        accept_before=None,
    )
    await queries.insert_gift(tx, gift)
    return gift


async def open_gift(tx: Tx, order_id: UUID, paid_at: datetime) -> None:
    """An order is paid: if it is a gift, it may be accepted from now on. Harmless when told twice,
    and right for money that came after the order was closed (F015).
    """
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is None or gift.standing is Standing.PAID:
        return
    within_seconds = int(rules.ACCEPT_WITHIN.total_seconds())
    gift = await queries.move_paid(tx, gift, paid_at, within_seconds)
    opened = GiftOpened(
        gift_id=gift.gift_id,
        order_id=order_id,
        person_no=gift.giver_no,
        amount_fen=gift.total_fen,
        product_no=gift.product_no,
        share_count=gift.share_count,
        kind=gift.kind,
        kit=gift.kit,
        scene=gift.scene,
    )
    emit(tx, opened)
    await take_foreign_refunds(tx, gift)


async def close_gift(tx: Tx, order_id: UUID) -> None:
    """An order ended unpaid: if it was to be a gift, nobody gets it."""
    gift = await queries.lock_gift_of_order(tx, order_id)
    if gift is not None:
        await queries.move_closed(tx, gift.gift_id)


async def cancel_gift(tx: Tx, member: MemberIdentity, gift_id: UUID) -> Gift:
    """The giver takes back what nobody has accepted; the money follows.

    Raises GiftNotFound (also for another's), CancelRefused.
    """
    gift = await queries.lock_gift(tx, gift_id)
    if gift is None or gift.giver_id != member.member_id:
        raise GiftNotFound
    settings = await terms.get_settings(tx)
    if not settings.allows_cancel or not await take_back(tx, gift, EndedBy.GIVER):
        raise CancelRefused
    return gift


async def get_given(tx: ReadTx, member: MemberIdentity, gift_id: UUID) -> Gift:
    """An own gift. Raises GiftNotFound, also for another's."""
    gift = await queries.get_gift(tx, gift_id)
    if gift is None or gift.giver_id != member.member_id:
        raise GiftNotFound
    return gift
