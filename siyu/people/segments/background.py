"""What the worker runs for segments."""

from siyu.kernel.db import Tx, system_transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import enqueue, every, for_each, job
from siyu.people.privacy.contracts import BehaviourForgotten
from siyu.people.profiles import service as profiles
from siyu.people.segments import queries, service


async def on_behaviour_forgotten(tx: Tx, event: BehaviourForgotten) -> None:
    """No profile and no segment knows any more what somebody who withdrew has looked at."""
    await profiles.forget_visits(tx, event.person_no)
    enqueue(tx, judge_again, person_no=event.person_no)


@job("segments.judge_again")
async def judge_again(shop_id: int, person_no: int) -> None:
    """Judge somebody by all rules, also those that are only counted hourly."""
    await service.judge_persons(ShopId(shop_id), [person_no], everywhere=True)


@every(seconds=5)
async def follow_live() -> None:
    """Judge whoever has done something by the live segments."""
    async with system_transaction() as tx:
        found = await queries.list_live_shops(tx)
    await for_each(_follow, [(shop_id, None) for shop_id in found])


async def _follow(shop_id: ShopId, _: None) -> None:
    await service.follow(shop_id)


@every("17 * * * *")
async def recount_segments() -> None:
    """Windows move and dates pass: judge everybody anew, once an hour."""
    async with system_transaction() as tx:
        found = await queries.list_ruled_shops(tx)
    await for_each(_recount, [(shop_id, None) for shop_id in found])


async def _recount(shop_id: ShopId, _: None) -> None:
    await service.recount_all(shop_id)


@every("*/10 * * * *")
async def take_snapshots() -> None:
    """Keep each business day, soon after it has begun."""
    async with system_transaction() as tx:
        found = await queries.list_ruled_shops(tx)
    await for_each(_snapshot, [(shop_id, None) for shop_id in found])


async def _snapshot(shop_id: ShopId, _: None) -> None:
    await service.take_snapshots(shop_id)
