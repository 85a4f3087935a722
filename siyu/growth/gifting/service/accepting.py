"""The receiver: look, accept with an address, and swap what is out of stock."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.fulfilment.contracts import PieceAsked
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import SkuNotFound
from siyu.growth.gifting import queries, rules
from siyu.growth.gifting.contracts import (
    Gift,
    GiftAccepted,
    GiftNotFound,
    GiftSwapped,
    Share,
    Standing,
)
from siyu.growth.gifting.service import figures, terms
from siyu.growth.gifting.service.returning import GIFT_LINE, take_foreign_refunds
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText

_TEXT = AddressText.__struct_fields__


async def look_at(tx: Tx, member: MemberIdentity, link_key: str, scene: str | None) -> Gift:
    """The gift of a link; that the member saw it, and how they came, is noted once. The giver may
    look, too. Raises GiftNotFound, also before it is paid.
    """
    gift = await get_opened(tx, link_key)
    if gift.giver_id != member.member_id:
        await figures.insert_visit(tx, gift.gift_id, member.member_id, scene, clock.now())
    return gift


async def get_opened(tx: ReadTx, link_key: str) -> Gift:
    """The paid gift of a link. Raises GiftNotFound."""
    gift = await queries.get_gift_by_key(tx, rules.read_link_key(link_key))
    if gift is None or gift.standing is not Standing.PAID:
        raise GiftNotFound
    return gift


async def accept(tx: Tx, member: MemberIdentity, link_key: str, address_id: UUID) -> Share:
    """Take a share, to be sent to an own address. Only fulfilment keeps the address.

    First come, first served: one guarded update on the database's clock decides. Raises
    GiftNotFound, OwnGift, AddressNotFound (also for another's, F081), GiftTaken, AlreadyAccepted,
    GiftExpired24h (F054, F055).
    """
    found = await queries.lock_gift_by_key(tx, rules.read_link_key(link_key))
    gift = rules.check_receiver(found, member.member_id)
    address = await members.get_address(tx, member.member_id, address_id)
    # Staff may be giving money of this order back at this moment: one after the other.
    await ordering.lock_order(tx, gift.order_id)
    await take_foreign_refunds(tx, gift)
    who = await members.get_member(tx, member.member_id)
    is_new = who.joined_at >= gift.placed_at
    share = await queries.move_accepted(
        tx, gift.gift_id, member.member_id, member.person_no, is_new_customer=is_new
    )
    if share is None:
        shares = await queries.list_shares(tx, gift.gift_id)
        raise rules.why_refused(shares, member.member_id)
    consignment_id = await fulfilment.request(
        tx,
        order_id=gift.order_id,
        lines=[PieceAsked(GIFT_LINE, 1)],
        address=AddressText(**{field: getattr(address, field) for field in _TEXT}),
        receiver_id=member.member_id,
        source_id=share.share_id,
    )
    await queries.set_consignment(tx, share, consignment_id)
    accepted = GiftAccepted(
        gift_id=gift.gift_id,
        share_no=share.share_no,
        person_no=member.person_no,
        giver_no=gift.giver_no,
        amount_fen=gift.unit_fen,
        product_no=gift.product_no,
        is_new_customer=is_new,
        kit=gift.kit,
        scene=await figures.get_scene(tx, gift.gift_id, member.member_id),
    )
    emit(tx, accepted)
    return msgspec.structs.replace(share, consignment_id=consignment_id)


async def get_received(tx: ReadTx, member: MemberIdentity, share_id: UUID) -> Share:
    """An own accepted share. Raises GiftNotFound, also for another's."""
    share = await queries.get_share(tx, share_id)
    if share is None or share.receiver_id != member.member_id:
        raise GiftNotFound
    return share


async def list_swaps(tx: ReadTx, gift: Gift, share: Share) -> list[SkuForSale]:
    """What may go instead: gifts of equal price that are there; nothing while the original is
    (mission 43).
    """
    available = await inventory.get_available(tx, [gift.sku_id])
    if share.sent_sku_id is not None or available[gift.sku_id] > 0:
        return []
    marked = await terms.list_marked(tx)
    product_ids = [one.card.product_id for one in marked if one.why_not is None]
    skus = [
        sku
        for sku in await catalog.find_for_sale(tx, product_ids)
        if sku.price_fen == gift.unit_fen and sku.sku_id != gift.sku_id
    ]
    stock = await inventory.get_available(tx, [sku.sku_id for sku in skus])
    return [sku for sku in skus if stock[sku.sku_id] > 0]


async def swap(tx: Tx, member: MemberIdentity, share_id: UUID, sku_id: UUID) -> Share:
    """Let another item of equal price go instead of one that is out of stock.

    The original's piece goes back on hand and the other's leaves; the order keeps its line and its
    money, for the price is the same. Raises GiftNotFound, SkuNotFound, SwapRefused, StockShort, and
    NothingLeft once it was sent.
    """
    gift = await queries.lock_gift(tx, (await get_received(tx, member, share_id)).gift_id)
    share = await get_received(tx, member, share_id)
    assert gift is not None and share.consignment_id is not None, "it was accepted"
    wanted = await _wanted(tx, sku_id)
    available = await inventory.get_available(tx, [gift.sku_id])
    marked = {one.card.product_id: one.why_not for one in await terms.list_marked(tx)}
    why_not = marked.get(wanted.product_id, "not_marked")
    rules.check_swap(gift, share, available[gift.sku_id], wanted, why_not)
    await fulfilment.swap(tx, share.consignment_id, GIFT_LINE, wanted)
    sent_title = " ".join((wanted.title, *wanted.option_values))
    await queries.set_sent(tx, share, sku_id, sent_title)
    swapped = GiftSwapped(
        gift_id=gift.gift_id,
        share_no=share.share_no,
        person_no=member.person_no,
        amount_fen=gift.unit_fen,
        product_no=gift.product_no,
        sent_product_no=wanted.product_no,
    )
    emit(tx, swapped)
    # Last, for it locks the rows that everybody wants.
    await inventory.take_back(tx, share_id, gift.order_id, {gift.sku_id: 1}, System())
    await inventory.reserve(tx, share_id, {sku_id: 1})
    await inventory.consume(tx, share_id)
    return msgspec.structs.replace(share, sent_sku_id=sku_id, sent_title=sent_title)


async def _wanted(tx: ReadTx, sku_id: UUID) -> SkuForSale:
    found: Sequence[SkuForSale] = await catalog.load_for_sale(tx, [sku_id])
    if not found:
        raise SkuNotFound(sku_ids=[str(sku_id)])
    return found[0]
