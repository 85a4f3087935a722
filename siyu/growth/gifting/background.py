"""What the worker runs for gifting."""

import asyncio
from uuid import UUID

from siyu.commerce.ordering.contracts import (
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderRefunded,
    OrderRefundStarted,
    OrderRefundUndone,
)
from siyu.growth.gifting import queries, service
from siyu.growth.gifting.service import remind_store
from siyu.growth.gifting.service.voices import KEPT_FOR
from siyu.kernel import clock
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import enqueue, every, for_each, job
from siyu.money.payments.contracts import Purpose, RefundAbnormal
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone
from siyu.people.outreach import service as outreach
from siyu.people.privacy.contracts import PersonErased

_AT_ONCE = 200


async def on_order_paid(tx: Tx, event: OrderPaid) -> None:
    """A paid gift opens."""
    await service.open_gift(tx, event.order_id, event.paid_at)


async def on_order_cancelled(tx: Tx, event: OrderCancelled) -> None:
    """An order that nobody paid is no gift."""
    await service.close_gift(tx, event.order_id)


async def on_order_completed(tx: Tx, event: OrderCompleted) -> None:
    """The days to receipt are over: what was sent has arrived."""
    await service.receive_by_order(tx, event.order_id, event.completed_at)


async def on_order_refund_started(tx: Tx, event: OrderRefundStarted) -> None:
    """What staff give back cannot be accepted any more."""
    await service.note_refund_started(tx, event.order_id)


async def on_order_refunded(tx: Tx, event: OrderRefunded) -> None:
    """The giver has the money."""
    await service.finish_refund(tx, event.order_id, event.refund_id, event.refunded_fen)


async def on_order_refund_undone(tx: Tx, event: OrderRefundUndone) -> None:
    """WeChat gave it up: it is owed under a new number."""
    await service.renew_refund(tx, event.order_id, event.refund_id)


async def on_refund_abnormal(tx: Tx, event: RefundAbnormal) -> None:
    """Show that finance must act."""
    if event.purpose is Purpose.ORDER:
        await service.note_trouble(tx, event.refund_id, event.problem)


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Gifts, given and received, follow to who stands for the person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Gifts, given and received, go home."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    await members.follow(tx, "gifting.gifts", record_ids, columns=("giver_id", "giver_home_id"))
    await members.follow(
        tx,
        "gifting.shares",
        record_ids,
        columns=("receiver_id", "receiver_home_id"),
        once_per=("gift_id",),
    )
    await members.follow(tx, "gifting.voices", record_ids)
    await members.follow(tx, "gifting.visits", record_ids, once_per=("gift_id",))


@every(seconds=15)
async def return_gifts() -> None:
    """Take back what was not accepted in time, then ask for the money that is owed."""
    async with system_transaction() as tx:
        late = await queries.list_late(tx, _AT_ONCE)
    await for_each(expire_one, ((gift.shop_id, gift.gift_id) for gift in late))
    async with system_transaction() as tx:
        due = await queries.list_due_refunds(tx, _AT_ONCE)
    await for_each(ask_one, ((refund.shop_id, refund.refund_id) for refund in due))


async def expire_one(shop_id: ShopId, gift_id: UUID) -> None:
    """Take back what of a gift waits, if its day is over."""
    async with transaction(shop_id) as tx:
        await service.expire_gift(tx, gift_id)


async def ask_one(shop_id: ShopId, refund_id: UUID) -> None:
    """Ask for a refund; what stands against it is noted, and it is asked again (F056)."""
    try:
        async with transaction(shop_id) as tx:
            await service.ask_refund(tx, refund_id)
    except Busy:
        raise
    except SiyuError as error:
        async with transaction(shop_id) as tx:
            await service.put_off_refund(tx, refund_id, error.code)
        raise


@every("*/20 * * * *")
async def remind_givers() -> None:
    """Tell givers, once per gift, that something of it waits and its day is nearly over."""
    now = clock.now()
    async with system_transaction() as tx:
        ending = await remind_store.list_ending(tx, now, now + service.ENDS_SOON, _AT_ONCE)
    await for_each(remind_one, ((gift.shop_id, gift) for gift in ending))


async def remind_one(shop_id: ShopId, gift: remind_store.Ending) -> None:
    """Tell one giver; what was told is not told again."""
    words = {
        "gift": gift.title,
        "gift_id": str(gift.gift_id),
        "expires_at": gift.accept_before.isoformat(),
    }
    async with transaction(shop_id) as tx:
        await outreach.reach(
            tx, gift.giver_no, "gift_reminder", words, once=f"gift_reminder:{gift.gift_id}"
        )


@every("23 * * * *")
async def forget_voices() -> None:
    """Throw away recordings that came into no gift for a day."""
    async with system_transaction() as tx:
        gone = await service.forget_voices(tx, clock.now() - KEPT_FOR)
    for voice in gone:
        await asyncio.to_thread(service.drop_file, voice.shop_id, voice.voice_id)


async def on_person_erased(tx: Tx, event: PersonErased) -> None:
    """Take away an erased person's voice greetings; the files go when that is committed."""
    for one in await service.forget_member_voices(tx, event.member_id):
        enqueue(tx, drop_voice, voice_id=str(one.voice_id))


@job("gifting.drop_voice")
async def drop_voice(shop_id: int, voice_id: str) -> None:
    """Remove the file of a voice whose row is gone."""
    await asyncio.to_thread(service.drop_file, shop_id, UUID(voice_id))
