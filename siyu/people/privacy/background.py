"""What the worker runs for the data of persons."""

from uuid import UUID

from siyu.kernel import clock, crypto
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import enqueue, every, for_each, job
from siyu.merchant.shops import service as shops
from siyu.people.consents.contracts import ConsentWithdrawn, Purpose
from siyu.people.privacy import queries, rules, service
from siyu.people.privacy.contracts import VisitorForgotten


@job("privacy.make_archive")
async def make_archive(shop_id: int, archive_id: str) -> None:
    """Make the archive that somebody asked for."""
    await service.make_archive(ShopId(shop_id), UUID(archive_id))


@job("privacy.erase_events")
async def erase_events(shop_id: int, erasure_id: str) -> None:
    """Have the warehouse forget an erased person."""
    await service.erase_events(ShopId(shop_id), UUID(erasure_id))


@job("privacy.forget_behaviour")
async def forget_behaviour(shop_id: int, person_no: int) -> None:
    """Have the warehouse forget what the pages of somebody who withdrew have told."""
    await service.forget_behaviour(ShopId(shop_id), person_no)


async def on_consent_withdrawn(tx: Tx, event: ConsentWithdrawn) -> None:
    """Without the consent to statistics nothing is kept that was taken by it."""
    if event.purpose == Purpose.ANALYTICS:
        enqueue(tx, forget_behaviour, person_no=event.person_no)


@job("privacy.forget_visits")
async def forget_visits(shop_id: int, person_no: int) -> None:
    """Have the warehouse forget somebody who only looked about."""
    await service.forget_visits(ShopId(shop_id), person_no)


async def on_visitor_forgotten(tx: Tx, event: VisitorForgotten) -> None:
    """The rows are gone; their events go too."""
    enqueue(tx, forget_visits, person_no=event.person_no)


@job("privacy.erase_again")
async def erase_again(shop_id: int, erasure_id: str) -> None:
    """Erase what a token that outlived the erasure has written; later when an order is open."""
    async with transaction(ShopId(shop_id)) as tx:
        if not await service.erase_again(tx, UUID(erasure_id)):
            enqueue(tx, erase_again, delay=rules.TOKEN_LASTS, erasure_id=erasure_id)


async def _carry_out(shop_id: ShopId, erasure_id: UUID) -> None:
    async with transaction(shop_id) as tx:
        done = await service.carry_out(tx, erasure_id)
        if done is not None and done.ended_at is not None:
            enqueue(tx, erase_events, erasure_id=str(erasure_id))
            enqueue(tx, erase_again, delay=rules.TOKEN_LASTS, erasure_id=str(erasure_id))


@every("41 * * * *")
async def carry_out_erasures() -> None:
    """Erase whoever asked for it a week ago; what is blocked is looked at again each hour."""
    async with system_transaction() as tx:
        due = await queries.list_due_erasures(tx, clock.now())
    await for_each(_carry_out, [(one.shop_id, one.found_id) for one in due])


@every("47 19 * * *")
async def keep_no_longer() -> None:
    """Let go what is older than the data maps allow, and seal old text anew; 03:47 in China."""
    async with system_transaction() as tx:
        await queries.empty_archives(tx, clock.now())
        found = await shops.list_shops(tx)
    crypto.refresh()
    for shop in found:
        await service.keep_no_longer(ShopId(shop.shop_id))
        await service.reseal(ShopId(shop.shop_id))
