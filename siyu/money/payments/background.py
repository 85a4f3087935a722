"""What the worker runs for payments."""

from siyu.kernel import clock
from siyu.kernel.db import reading, system_transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.inbox import Message, receives
from siyu.kernel.jobs import every, for_each
from siyu.merchant.shops import service as shops
from siyu.money.payments import queries, rules, service
from siyu.money.payments.service import refund_store
from siyu.wechat.transport import service as transport

_BATCH = 200


@receives("wechatpay")
async def take_news(message: Message) -> None:
    """Apply what WeChat Pay told us. A number that is not found yet fails, and is looked for
    again; after ten minutes its money is parked."""
    await service.record_notification(message.shop_id, message.raw, message.received_at)


@every(seconds=5)
async def follow_up_due() -> None:
    """Ask WeChat about every open attempt whose time has come: notifications can be lost (F014).

    The next question is set before this one is asked, so that a failure only waits for its turn.
    """
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.lock_due(tx, now, _BATCH)
        await queries.move_queries(
            tx, due, [rules.next_query_at(one.created_at, now) for one in due]
        )
    await for_each(service.follow_up, [(one.shop_id, one.payment_id) for one in due])


@every(seconds=5)
async def pursue_due_refunds() -> None:
    """Ask WeChat for every refund whose turn has come, or how it stands (F027)."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await refund_store.lock_due_refunds(tx, now, _BATCH)
        await refund_store.move_refund_calls(
            tx, due, [rules.next_call_at(one.moved_at, now) for one in due]
        )
    await for_each(service.pursue_refund, [(one.shop_id, one.refund_id) for one in due])


@every("37 */6 * * *")
async def ask_stopped_refunds() -> None:
    """Ask how the refunds stand that wait for finance: they may have been seen to at WeChat."""
    since = clock.now() - rules.REFUND_WITHIN
    async with system_transaction() as tx:
        stopped = await refund_store.list_stopped(tx, since, _BATCH)
    await for_each(service.ask_refund, [(one.shop_id, one.refund_id) for one in stopped])


@every("23 * * * *")
async def check_clocks() -> None:
    """Compare our clock with WeChat's: beyond five minutes it refuses every call (F020)."""
    async with system_transaction() as tx:
        shop_ids = [ShopId(shop.shop_id) for shop in await shops.list_shops(tx)]
    urls = set()
    for shop_id in shop_ids:
        async with reading(shop_id) as read:
            try:
                urls.add((await shops.pay_credentials(read)).base_url)
            except SiyuError:
                continue  # a shop that is not set up speaks to nobody
    for url in sorted(urls):
        await transport.check_clock(url)
