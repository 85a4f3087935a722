"""What the worker runs for profiles."""

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every, for_each
from siyu.people.members.contracts import MembersTagged
from siyu.people.profiles import queries, service
from siyu.people.profiles.service.tagging import make_default_tags

ROUNDS = 40
"""Batches per shop and tick: the others wait for the next one."""


async def on_members_tagged(tx: Tx, event: MembersTagged) -> None:
    """Tags that an imported list gives."""
    await service.give_listed(tx, event.tags)


@every(seconds=5)
async def keep_profiles() -> None:
    """Take the news over; compute whoever is due; make what was asked for from all events.

    A shop whose states are still to be made is judged only then: what is known by halves would look
    like moves between tiers.
    """
    while await service.take_events():
        pass
    async with system_transaction() as tx:
        work = await queries.list_work(tx, clock.now())
    for one in work:
        shop_id = ShopId(one.shop_id)
        if one.rebuilt_at is None:
            await service.rebuild(shop_id)
            async with transaction(shop_id) as tx:
                await make_default_tags(tx, System())
        for _ in range(ROUNDS):
            if not await service.refresh(shop_id):
                break


@every("*/15 * * * *")
async def count_visits() -> None:
    """Bring the fields of behaviour up to now, where somebody came or a day has passed."""
    async with system_transaction() as tx:
        known = await queries.list_passes(tx)
    await for_each(_count, [(shop_id, None) for shop_id in known])


async def _count(shop_id: ShopId, _: None) -> None:
    await service.count_visits(shop_id)
