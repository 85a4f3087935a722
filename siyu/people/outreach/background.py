"""What the worker does for outreach: plan, send, hear."""

from datetime import timedelta
from uuid import UUID

from siyu.compliance.approvals.contracts import CaseDecided
from siyu.kernel import clock
from siyu.kernel.db import Tx, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.inbox import Message, receives
from siyu.kernel.jobs import enqueue, every, job
from siyu.merchant.shops import service as shops
from siyu.people.outreach import queries, service
from siyu.people.outreach.service.sending import LOST_AFTER
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.official_account import service as official_account
from siyu.wechat.wecom import service as wecom

LOOK_SECONDS = 5


@job("outreach.run_campaign")
async def run_campaign(shop_id: int, campaign_id: UUID) -> None:
    """Bring a campaign as far as it can get now."""
    await service.run_campaign(ShopId(shop_id), campaign_id)


@job("outreach.send_singles")
async def send_singles(shop_id: int) -> None:
    """Send what waits for single persons, after deciding about what a dead sender left."""
    await service.settle_lost(ShopId(shop_id))
    while await service.send_batch(ShopId(shop_id), None):
        pass


@every(seconds=LOOK_SECONDS)
async def look_for_work() -> None:
    """Find shops with something due; one job per shop and campaign at a time."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.list_due(tx, now, now - LOST_AFTER)
    for one in due:
        async with transaction(ShopId(one.shop_id)) as shop:
            if one.campaign_id is None:
                enqueue(shop, send_singles, key="singles")
            else:
                enqueue(shop, run_campaign, key=str(one.campaign_id), campaign_id=one.campaign_id)


async def on_case_decided(tx: Tx, event: CaseDecided) -> None:
    """A template that was signed is sent from now on."""
    await service.take_decision(tx, event)


@receives("wechat.mini_program")
async def take_mini_program(message: Message) -> None:
    """What the mini-program's people did."""
    async with reading(message.shop_id) as tx:
        app_id = (await shops.get_wechat(tx)).appid
    for news in mini_program.read_news(message.raw) if app_id else []:
        async with transaction(message.shop_id) as tx:
            await service.take_news(tx, app_id or "", message.outside_id, news)


@receives("wechat.official_account")
async def take_official_account(message: Message) -> None:
    """What the official account's people did."""
    async with reading(message.shop_id) as tx:
        account = await official_account.get_credentials(tx)
    if account is None:
        return
    for news in official_account.read_news(message.raw):
        await service.meet_follower(message.shop_id, account, news)
        async with transaction(message.shop_id) as tx:
            await service.take_news(tx, account.appid, message.outside_id, news)


@receives("wechat.wecom")
async def take_wecom(message: Message) -> None:
    """Who was added at WeCom, and who left."""
    for news in wecom.read_news(message.raw):
        await service.meet_contact(message.shop_id, news)
        async with transaction(message.shop_id) as tx:
            await service.take_contact_news(tx, news)


@every("*/10 * * * *")
async def ask_wecom() -> None:
    """Ask WeCom what became of the tasks of the last days: staff press send when they like."""
    since = clock.now() - timedelta(days=3)
    async with system_transaction() as tx:
        tasks = await queries.list_tasks(tx, since)
    for task in tasks:
        await service.take_results(ShopId(task.shop_id), task.outside_id)
