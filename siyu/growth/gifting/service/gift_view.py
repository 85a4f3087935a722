"""Gifts as their two sides see them.

What the giver gets has no field for an address, a phone number or a parcel; the parcel of a share
is fulfilment's, which shows it to its receiver alone (mission 44, F057).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.fulfilment.contracts import ConsignmentState
from siyu.commerce.fulfilment.service import DeliveryView
from siyu.growth.gifting import queries, rules
from siyu.growth.gifting.contracts import (
    Author,
    EndedBy,
    Gift,
    GiftKind,
    Outcome,
    Share,
    ShareState,
    Standing,
    Theme,
)
from siyu.growth.gifting.queries import GiftCounts
from siyu.growth.gifting.service import terms
from siyu.growth.gifting.service.accepting import list_swaps
from siyu.growth.gifting.service.aftercare import list_messages
from siyu.growth.gifting.service.voices import get_voice
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx
from siyu.people.members import service as members


class GiftFace(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides see of a gift."""

    gift_id: UUID
    kind: GiftKind
    title: str
    option_values: list[str]
    image_url: str | None
    share_count: int
    blessing: str
    theme: Theme
    card_title: str
    voice_ms: int | None
    accept_before: datetime | None


class GivenShareView(msgspec.Struct, frozen=True):
    """A share as its giver sees it: who took it, or that the money returns (`is_returned`: though
    it was accepted). Nothing else.
    """

    share_no: int
    state: ShareState
    receiver_name: str | None
    accepted_at: datetime | None
    ended_by: EndedBy | None
    is_returned: bool


class GivenSummary(GiftFace, frozen=True, kw_only=True):
    """A gift in its giver's list."""

    order_id: UUID
    product_id: UUID
    standing: Standing
    link_key: str
    unit_fen: int
    total_fen: int
    placed_at: datetime
    waiting: int
    accepted: int
    back: int
    refunded: int


class GivenView(GivenSummary, frozen=True, kw_only=True):
    """A gift with its shares, as its giver sees it."""

    shares: list[GivenShareView]
    can_cancel: bool


class OpenView(GiftFace, frozen=True, kw_only=True):
    """A gift as one sees it who opens its link. `outcome`: what pressing "accept" would do."""

    giver_name: str
    product_id: UUID
    taken: int
    outcome: Outcome
    own_share_id: UUID | None


class ReceivedSummary(GiftFace, frozen=True, kw_only=True):
    """An accepted share in its receiver's list. `sent_title`: what goes instead; `is_returned`: the
    shop gave its money back to the giver.
    """

    share_id: UUID
    link_key: str
    product_id: UUID
    giver_name: str
    accepted_at: datetime | None
    sent_title: str | None
    consignment_id: UUID | None
    received_at: datetime | None
    is_returned: bool


class MessageView(msgspec.Struct, frozen=True):
    """What the receiver or the shop said; who of the staff it was is not told."""

    author: Author
    content: str
    said_at: datetime


class SwapView(msgspec.Struct, frozen=True):
    """Something of equal price that may go instead."""

    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None


class ReceivedView(ReceivedSummary, frozen=True, kw_only=True):
    """An accepted share with its parcels; `swaps` is empty unless the original is out of stock.
    `can_confirm`: it has left, and its receiver did not say yet that it is there.
    """

    delivery: DeliveryView
    swaps: list[SwapView]
    can_confirm: bool
    messages: list[MessageView]


async def show_opened(tx: ReadTx, gift: Gift, member: MemberIdentity, now: datetime) -> OpenView:
    """A gift for one who opened its link."""
    shares = await queries.list_shares(tx, gift.gift_id)
    own = next((share for share in shares if share.receiver_id == member.member_id), None)
    return OpenView(
        **(await load_faces(tx, [gift]))[gift.gift_id],
        giver_name=(await load_names(tx, [gift.giver_id])).get(gift.giver_id, ""),
        product_id=gift.product_id,
        taken=sum(share.state is ShareState.ACCEPTED for share in shares),
        outcome=rules.outcome(gift, shares, member.member_id, now),
        own_share_id=own.share_id if own else None,
    )


async def load_names(tx: ReadTx, member_ids: list[UUID]) -> dict[UUID, str]:
    """Nicknames of members, without marks of direction (F068)."""
    if not member_ids:
        return {}
    found = await members.list_members(tx, None, None, len(member_ids), member_ids)
    return {one.member_id: one.nickname for one in found}


async def load_faces(tx: ReadTx, gifts: Sequence[Gift]) -> dict[UUID, dict[str, Any]]:
    """The fields of GiftFace, by gift."""
    kits = {kit.kit: kit for kit in await terms.list_kits(tx)}
    voices = {
        gift.gift_id: (await get_voice(tx, gift.voice_id)).duration_ms
        for gift in gifts
        if gift.voice_id is not None
    }
    return {
        gift.gift_id: {
            "gift_id": gift.gift_id,
            "kind": gift.kind,
            "title": gift.title,
            "option_values": gift.option_values,
            "image_url": gift.image_url,
            "share_count": gift.share_count,
            "blessing": gift.blessing,
            "theme": gift.theme,
            "card_title": kits[gift.kit].card_title if gift.kit in kits else rules.CARD_TITLE,
            "voice_ms": voices.get(gift.gift_id),
            "accept_before": gift.accept_before,
        }
        for gift in gifts
    }


def _given_fields(gift: Gift, counts: GiftCounts | None) -> dict[str, Any]:
    return {
        "order_id": gift.order_id,
        "product_id": gift.product_id,
        "standing": gift.standing,
        "link_key": gift.link_key,
        "unit_fen": gift.unit_fen,
        "total_fen": gift.total_fen,
        "placed_at": gift.placed_at,
        "waiting": counts.waiting if counts else 0,
        "accepted": counts.accepted if counts else 0,
        "back": counts.back if counts else 0,
        "refunded": counts.refunded if counts else 0,
    }


async def list_given(tx: ReadTx, gifts: Sequence[Gift]) -> list[GivenSummary]:
    """What a member gave, for the list."""
    counts = await queries.count_shares(tx, [gift.gift_id for gift in gifts])
    faces = await load_faces(tx, gifts)
    return [
        GivenSummary(**faces[gift.gift_id], **_given_fields(gift, counts.get(gift.gift_id)))
        for gift in gifts
    ]


async def show_given(tx: ReadTx, gift: Gift) -> GivenView:
    """A gift for its giver's page."""
    shares = await queries.list_shares(tx, gift.gift_id)
    names = await load_names(tx, [share.receiver_id for share in shares if share.receiver_id])
    counts = (await queries.count_shares(tx, [gift.gift_id])).get(gift.gift_id)
    face = (await load_faces(tx, [gift]))[gift.gift_id]
    settings = await terms.get_settings(tx)
    return GivenView(
        **face,
        **_given_fields(gift, counts),
        shares=[
            GivenShareView(
                share.share_no,
                share.state,
                names.get(share.receiver_id) if share.receiver_id else None,
                share.accepted_at,
                share.ended_by,
                share.returned_id is not None,
            )
            for share in shares
        ],
        can_cancel=settings.allows_cancel and bool(counts and counts.waiting),
    )


def _received_fields(share: Share, gift: Gift, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        "share_id": share.share_id,
        "link_key": gift.link_key,
        "product_id": gift.product_id,
        "giver_name": names.get(gift.giver_id, ""),
        "accepted_at": share.accepted_at,
        "sent_title": share.sent_title,
        "consignment_id": share.consignment_id,
        "received_at": share.received_at,
        "is_returned": share.returned_id is not None,
    }


async def list_received(tx: ReadTx, shares: Sequence[Share]) -> list[ReceivedSummary]:
    """What a member accepted, for the list."""
    gifts = await queries.list_gifts_of(tx, [share.gift_id for share in shares])
    faces = await load_faces(tx, list(gifts.values()))
    names = await load_names(tx, [gift.giver_id for gift in gifts.values()])
    return [
        ReceivedSummary(
            **faces[share.gift_id], **_received_fields(share, gifts[share.gift_id], names)
        )
        for share in shares
    ]


async def show_received(tx: ReadTx, share: Share) -> ReceivedView:
    """An accepted share for its receiver's page."""
    assert share.receiver_id is not None, "it was accepted"
    gift = (await queries.list_gifts_of(tx, [share.gift_id]))[share.gift_id]
    face = (await load_faces(tx, [gift]))[gift.gift_id]
    names = await load_names(tx, [gift.giver_id])
    delivery = next(
        one
        for one in await fulfilment.list_deliveries(tx, gift.order_id, share.receiver_id)
        if one.consignment_id == share.consignment_id
    )
    is_open = delivery.state is ConsignmentState.OPEN and not any(
        line.sent for line in delivery.lines
    )
    has_left = delivery.state is ConsignmentState.DONE
    said = await list_messages(tx, gift.gift_id, share.share_no)
    return ReceivedView(
        **face,
        **_received_fields(share, gift, names),
        delivery=delivery,
        swaps=[_swap(sku) for sku in await list_swaps(tx, gift, share)] if is_open else [],
        can_confirm=has_left and share.received_at is None and share.returned_id is None,
        messages=[MessageView(one.author, one.content, one.said_at) for one in said],
    )


def _swap(sku: SkuForSale) -> SwapView:
    return SwapView(sku.sku_id, sku.title, sku.option_values, sku.image_url)
