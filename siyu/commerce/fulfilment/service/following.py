"""One consignment, for whoever asked for it: has it left, has it arrived, and let it not leave."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment import queries
from siyu.commerce.fulfilment.contracts import ConsignmentNotFound
from siyu.commerce.ordering import service as ordering
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


async def has_left(tx: ReadTx, consignment_id: UUID) -> bool:
    """Whether all that is not cancelled of a consignment has left, and something has."""
    shares = await queries.list_shares(tx, [consignment_id])
    return any(one.sent for one in shares) and all(
        one.sent + one.cancelled == one.quantity for one in shares
    )


async def withdraw(tx: Tx, consignment_id: UUID) -> bool:
    """Let what has not left of a consignment stay here; whether anything did. The order is told by
    the refund that is asked for it. Raises ConsignmentNotFound.
    """
    found = await queries.get_consignment(tx, consignment_id)
    if found is None:
        raise ConsignmentNotFound
    await ordering.lock_order(tx, found.order_id)
    shares = await queries.list_shares(tx, [consignment_id])
    staying = [
        msgspec.structs.replace(one, cancelled=one.quantity - one.sent)
        for one in shares
        if one.sent + one.cancelled < one.quantity
    ]
    if staying:
        await queries.move_shares(tx, staying)
        await queries.move_states(tx, [found.order_id], clock.now())
    return all(one.sent == 0 for one in shares)


class _Arrived(msgspec.Struct, frozen=True):
    consignment_id: UUID


async def list_arrived(
    tx: ReadTx, consignment_ids: Sequence[UUID], sent_before: datetime
) -> list[UUID]:
    """Those of which a parcel was delivered, or left before a moment; the longest ago first."""
    found = await tx.all(
        _Arrived,
        """select l.consignment_id
           from fulfilment.parcel_lines l join fulfilment.parcels p using (shop_id, parcel_id)
           where l.shop_id = $1 and l.consignment_id = any ($2::uuid[])
             and (p.delivered_at is not null or p.sent_at < $3)
           group by 1 order by min(p.sent_at)""",
        tx.shop_id,
        list(consignment_ids),
        sent_before,
    )
    return [one.consignment_id for one in found]
