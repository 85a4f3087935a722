"""What the worker runs for points."""

from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.merchant.shops import service as shops
from siyu.money.points import queries, service
from siyu.people.members.contracts import MembersMerged, MergeUndone

_BATCH = 200


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Points follow to who stands for the person."""
    await service.follow_person(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """What is left of the points goes home."""
    await service.follow_person(tx, event.record_ids)


@every("11 * * * *")
async def expire_due() -> None:
    """End points whose last day is over. Every hour, for midnight comes at its own time to each
    shop; a member's points end together, in one entry."""
    while True:
        async with system_transaction() as tx:
            due = await queries.list_ending(tx, await shops.list_days(tx), _BATCH)
        for one in due:
            async with transaction(ShopId(one.shop_id)) as own:
                await service.expire(own, one.member_id)
        if len(due) < _BATCH:
            return
