"""What is shown of consignments and parcels, to their receiver and to staff."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries, rules
from siyu.commerce.fulfilment.contracts import (
    Consignment,
    ConsignmentId,
    ConsignmentKind,
    ConsignmentLine,
    ConsignmentState,
    Parcel,
    ParcelId,
    ParcelLine,
    ParcelStep,
)
from siyu.commerce.fulfilment.service import consigning, pickups
from siyu.commerce.fulfilment.service.swapping import list_substitutes
from siyu.kernel.db import ReadTx
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Store


class EventView(msgspec.Struct, frozen=True):
    """One thing that happened to a parcel."""

    at: datetime
    event: ParcelStep
    text: str


class ParcelView(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel with what is in it and its story, newest first. `carrier_en`: the carrier's English
    name, where it has one we know.
    """

    parcel_id: ParcelId
    carrier: str
    carrier_en: str
    carrier_code: str | None
    tracking_no: str
    sent_at: datetime
    delivered_at: datetime | None
    lines: list[ParcelLine]
    events: list[EventView]


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A consignment as its receiver sees it. A pick-up that waits shows its `code` (and, for a
    scanner, `code_text`), the place, and when it should be fetched.
    """

    consignment_id: ConsignmentId
    order_id: UUID
    kind: ConsignmentKind
    state: ConsignmentState
    lines: list[ConsignmentLine]
    parcels: list[ParcelView]
    code: str | None
    code_text: str | None
    store: Store | None
    due_at: datetime | None
    handed_over_at: datetime | None


async def list_deliveries(tx: ReadTx, order_id: UUID, receiver_id: UUID) -> list[DeliveryView]:
    """What of an order is for this member; whoever else has a part in it is not told of."""
    consignments = [
        one
        for one in await queries.list_of_orders(tx, [order_id])
        if one.receiver_id == receiver_id
    ]
    lines = await consigning.load_lines(tx, consignments)
    views = []
    for one in consignments:
        parcels = await queries.list_parcels_of(tx, [one.consignment_id])
        shown = await show_parcels(tx, parcels, [one.consignment_id])
        code = pickups.open_code(one)
        is_pickup = one.kind is ConsignmentKind.PICKUP
        views.append(
            DeliveryView(
                consignment_id=one.consignment_id,
                order_id=one.order_id,
                kind=one.kind,
                state=one.state,
                lines=lines[one.consignment_id],
                parcels=shown,
                code=rules.group_code(code) if code else None,
                code_text=f"siyu:pickup:{code}" if code else None,
                store=await shops.load_store(tx, one.store_id) if one.store_id else None,
                due_at=one.due_at if one.state is ConsignmentState.OPEN else None,
                handed_over_at=one.ended_at
                if is_pickup and one.state is ConsignmentState.DONE
                else None,
            )
        )
    return views


async def show_parcels(
    tx: ReadTx, parcels: Sequence[Parcel], only: Sequence[UUID] | None = None
) -> list[ParcelView]:
    """Parcels with what is in them; `only`: nothing of other consignments that share them."""
    ids = [one.parcel_id for one in parcels]
    pieces = [
        piece
        for piece in await queries.list_pieces(tx, ids)
        if only is None or piece.consignment_id in only
    ]
    named = await consigning.name_lines(tx, [piece.order_id for piece in pieces])
    instead = await list_substitutes(tx, [piece.consignment_id for piece in pieces])
    of = [
        instead.get((piece.consignment_id, piece.line_no)) or named[piece.order_id, piece.line_no]
        for piece in pieces
    ]
    events = await queries.list_events(tx, ids)
    return [
        ParcelView(
            parcel_id=parcel.parcel_id,
            carrier=parcel.carrier,
            carrier_en=known.en
            if (known := rules.find_carrier(parcel.carrier))
            else parcel.carrier,
            carrier_code=parcel.carrier_code,
            tracking_no=parcel.tracking_no,
            sent_at=parcel.sent_at,
            delivered_at=parcel.delivered_at,
            lines=[
                ParcelLine(
                    parcel.parcel_id,
                    piece.consignment_id,
                    piece.order_id,
                    piece.line_no,
                    line.title,
                    line.option_values,
                    line.image_url,
                    piece.quantity,
                )
                for piece, line in zip(pieces, of, strict=True)
                if piece.parcel_id == parcel.parcel_id
            ],
            events=[
                EventView(one.at, one.event, one.text)
                for one in events
                if one.parcel_id == parcel.parcel_id
            ],
        )
        for parcel in parcels
    ]


class StaffConsignment(msgspec.Struct, frozen=True, kw_only=True):
    """A consignment on the work board; the receiver is masked."""

    consignment_id: ConsignmentId
    order_id: UUID
    order_no: str
    kind: ConsignmentKind
    state: ConsignmentState
    is_gift: bool
    receiver: str
    phone: str
    address: str
    store_name: str | None
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    lines: list[ConsignmentLine]


async def show_consignments(
    tx: ReadTx, consignments: Sequence[Consignment]
) -> list[StaffConsignment]:
    """Consignments for staff."""
    lines = await consigning.load_lines(tx, consignments)
    stores = {one.store_id: one.name for one in await shops.list_stores(tx)}
    return [
        StaffConsignment(
            consignment_id=one.consignment_id,
            order_id=one.order_id,
            order_no=one.order_no,
            kind=one.kind,
            state=one.state,
            is_gift=one.source_id != one.order_id,
            **consigning.mask_receiver(one),
            store_name=stores.get(one.store_id) if one.store_id else None,
            created_at=one.created_at,
            due_at=one.due_at,
            ended_at=one.ended_at,
            lines=lines[one.consignment_id],
        )
        for one in consignments
    ]
