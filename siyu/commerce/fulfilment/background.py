"""What the worker runs for fulfilment."""

import logging
from datetime import timedelta
from uuid import UUID

from siyu.commerce.fulfilment import rules, service
from siyu.commerce.fulfilment.service import pickup_store, upload_store
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import (
    OrderCompleted,
    OrderPaid,
    OrderRefunded,
    OrderRefundStarted,
    OrderRefundUndone,
    OrderStatus,
)
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every, for_each
from siyu.merchant.shops import service as shops
from siyu.money.payments.contracts import PaymentSucceeded, Purpose
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone

log = logging.getLogger("siyu.fulfilment")

_BATCH = 200
_TRACKED_FOR = timedelta(days=30)
_BY_BUYER = ("received", "received_by_time")


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Consignments and parcels follow to who stands for the person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Consignments and parcels go home."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    for table in ("fulfilment.consignments", "fulfilment.parcels"):
        await members.follow(tx, table, record_ids, columns=("receiver_id", "receiver_home_id"))


async def on_order_paid(tx: Tx, event: OrderPaid) -> None:
    """Something is to be sent or collected, and WeChat to be told of it."""
    order = await ordering.lock_order(tx, event.order_id)
    await service.open_for(tx, order)
    lines = (await ordering.list_lines(tx, [order.order_id]))[order.order_id]
    at_once = order.status is OrderStatus.COMPLETED or any(one.sent_quantity for one in lines)
    if event.wechat_fen:
        await service.follow(tx, order.order_id, order.order_no, Purpose.ORDER, at_once=at_once)


async def on_payment_succeeded(tx: Tx, event: PaymentSucceeded) -> None:
    """A top-up is virtual goods in WeChat's eyes: delivered by being paid."""
    if event.purpose is Purpose.TOP_UP:
        await service.follow(tx, event.order_id, "", Purpose.TOP_UP, at_once=True)


async def on_order_refund_started(tx: Tx, event: OrderRefundStarted) -> None:
    """What is refunded is not sent any more."""
    await service.settle_order(tx, await ordering.lock_order(tx, event.order_id))


async def on_order_refund_undone(tx: Tx, event: OrderRefundUndone) -> None:
    """A refund was given up: its pieces may leave again."""
    await service.settle_order(tx, await ordering.lock_order(tx, event.order_id))


async def on_order_refunded(tx: Tx, event: OrderRefunded) -> None:
    """Nothing of the money is left for WeChat to hold."""
    await service.settle_order(tx, await ordering.lock_order(tx, event.order_id))
    if event.is_full:
        await service.note_refunded(tx, event.order_id)


async def on_order_completed(tx: Tx, event: OrderCompleted) -> None:
    """What was still to be sent was given out at the counter; and the buyer may be reminded to tell
    WeChat, too, that she has it.
    """
    await service.close_with(tx, await ordering.lock_order(tx, event.order_id))
    if event.how in _BY_BUYER:
        now = clock.now()
        await upload_store.move_receipt(tx, event.order_id, event.completed_at, now)
    await upload_store.move_waiting(tx, event.order_id, clock.now())


@every(seconds=5)
async def pursue_uploads() -> None:
    """Tell WeChat of every shipping whose turn has come."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await upload_store.lock_due(tx, now, rules.claimed_until(now), _BATCH)
    await for_each(service.pursue, [(one.shop_id, one.payment_id) for one in due])


@every("*/20 * * * *")
async def look_over_trades() -> None:
    """See whether buyers have confirmed and WeChat has settled: it tells by a message nobody may
    have set up, so it is asked.
    """
    async with system_transaction() as tx:
        watched = await upload_store.list_watched(tx)
    await for_each(service.look_over, [(one.shop_id, one) for one in watched])


@every(seconds=300)
async def meet_pickup_times() -> None:
    """Remind of pick-ups, and refund those nobody fetched where the shop has so decided."""
    async with system_transaction() as tx:
        due = await pickup_store.list_due_pickups(tx, clock.now())
    for one in due:
        try:
            async with transaction(ShopId(one.shop_id)) as write:
                await service.meet_time(write, one.consignment_id)
        except SiyuError as error:
            log.warning(
                "pick-up stays",
                extra={"consignment_id": str(one.consignment_id), "code": error.code},
            )


@every("*/10 * * * *")
async def ask_tracking() -> None:
    """Ask the source of tracking about parcels that are under way."""
    async with system_transaction() as tx:
        shop_ids = [shop.shop_id for shop in await shops.list_shops(tx)]
    since = clock.now() - _TRACKED_FOR
    for shop_id in shop_ids:
        try:
            await service.ask(ShopId(shop_id), System(), service.read_files, since)
        except SiyuError as error:
            log.warning("tracking unread", extra={"shop_id": shop_id, "code": error.code})
