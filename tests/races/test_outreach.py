"""Two planners at once: nobody twice, and no more places than there are. First shown without."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from siyu.kernel import clock
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.outreach import invariants, service
from siyu.people.outreach.contracts import MessageState, Topic
from siyu.people.outreach.service import plan_store, planning, settings
from tests.people.outreach import kit

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def noon() -> AsyncIterator[None]:
    with clock.turned(NOON):
        yield


async def holds(shop: ShopId) -> None:
    async with system_transaction() as tx:
        for truth, sql in invariants.INVARIANTS.items():
            assert await tx.connection.fetch(sql) == [], truth


async def ready(shop: ShopId, persons: int) -> list[int]:
    async with transaction(shop) as tx:
        numbers = await kit.people(tx, persons)
        await kit.policy(tx, day=1)
        await kit.template(tx)
    return numbers


async def test_without_the_lock_two_messages_take_one_place(shop: ShopId) -> None:
    """The guard is the row of the shop's settings; this is `reach` without it."""
    [person] = await ready(shop, 1)
    both = asyncio.Barrier(2)

    async def unguarded() -> MessageState:
        async with transaction(shop) as tx:
            row = await planning.get_in_force(tx, "spring")
            policy = (await settings.get_settings(tx)).policy
            frame, due_at = await settings.frame_of(tx, Topic.OFFERS, policy, clock.now())
            open_ = await planning.open_ways(tx, row.forms)
            asked = await planning.ask(tx, Topic.OFFERS, [person], open_, [new_id()])
            ways = planning.ways_of(open_, {}, row.forms[0])
            kept = plan_store.Kept(
                None, row.template_id, row.version, 5, due_at, due_at + planning.LASTS,
                variables={"what": "茶"},
            )  # fmt: skip
            [made] = await plan_store.insert_planned(tx, asked, ways, frame, kept)
            await both.wait()
            return made.state

    states = await asyncio.gather(unguarded(), unguarded())
    assert states == [MessageState.PLANNED, MessageState.PLANNED], "one place, taken twice"


async def test_of_many_messages_at_once_one_gets_the_last_place(shop: ShopId) -> None:
    [person] = await ready(shop, 1)

    async def reach() -> str:
        async with transaction(shop) as tx:
            made = await service.reach(tx, person, "spring", {"what": "茶"})
        assert made is not None
        return str(made.reason or made.state)

    got = await asyncio.gather(*(reach() for _ in range(6)))
    assert sorted(got) == ["day_cap"] * 5 + ["planned"]
    await holds(shop)


async def test_two_planners_of_one_campaign_plan_everybody_once(shop: ShopId) -> None:
    persons = await ready(shop, 40)
    async with transaction(shop) as tx:
        [template] = [one for one in await service.list_templates(tx) if one.key == "spring"]
    campaign_id = await kit.campaign(shop, template.template_id)
    planned = await asyncio.gather(*(service.plan_campaign(shop, campaign_id) for _ in range(3)))
    assert sum(planned) == len(persons)
    assert await kit.counts(shop, campaign_id) == {"planned": 40}
    await asyncio.gather(*(service.run_campaign(shop, campaign_id) for _ in range(3)))
    assert await kit.counts(shop, campaign_id) == {"sent": 40}
    async with transaction(shop) as tx:
        inboxes = [len(await service.list_inbox(tx, one, None, 10)) for one in persons]
    assert inboxes == [1] * 40
    await holds(shop)


async def test_two_campaigns_want_the_same_people(shop: ShopId) -> None:
    persons = await ready(shop, 30)
    async with transaction(shop) as tx:
        [template] = [one for one in await service.list_templates(tx) if one.key == "spring"]
    one, two = [await kit.campaign(shop, template.template_id, persons, priority=p) for p in (3, 7)]
    await asyncio.gather(service.run_campaign(shop, one), service.run_campaign(shop, two))
    low, high = await kit.counts(shop, one), await kit.counts(shop, two)
    assert low.get("sent", 0) + high.get("sent", 0) == 30, (low, high)
    assert sum(low.values()) == sum(high.values()) == 30
    await holds(shop)
