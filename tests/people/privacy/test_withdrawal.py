"""F090: the consent to statistics is withdrawn, and nobody counts any more what it had let in."""

from datetime import timedelta
from uuid import uuid4

import pytest

from siyu.app.event_map import EVENT_MAP
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.people.consents.contracts import ConsentWithdrawn
from siyu.people.privacy import background
from siyu.people.privacy.contracts import BehaviourForgotten
from siyu.people.profiles import queries as profiles_store
from siyu.people.profiles import service as profiles
from siyu.people.profiles.rules import VISITS_FIELDS
from siyu.people.segments import background as segments_work
from siyu.people.segments import service as segments
from siyu.people.segments.contracts import StepBody, Times
from siyu.people.segments.rules import numbers_of
from siyu.people.segments.service.saving import bits_of
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.insight.behaviour.test_collect import body, decide, event, log_in, send
from tests.insight.conftest import warehouse, web
from tests.warehouse.support import check_invariants, write

__all__ = ["warehouse", "web"]
LOOKED = Times(step=StepBody(event="behaviour.view"), op="ge", n=1, days=30)
PAID = Times(step=StepBody(event="ordering.order_paid"), op="ge", n=1, days=30)


async def look(web, token: str) -> int:
    at = clock.now() - timedelta(milliseconds=1)
    sent = body(event(at=at.isoformat()))
    return (await send(web, sent, Authorization=token))[1]["accepted"]


async def work(shop, member, purpose: str = "analytics") -> None:
    """What relay and worker do after a withdrawal, one after the other."""
    [reaction] = EVENT_MAP[ConsentWithdrawn]
    async with transaction(shop) as tx:
        await reaction(tx, ConsentWithdrawn(person_no=member.person_no, purpose=purpose))
    await background.forget_behaviour(shop, member.person_no)
    [reaction] = EVENT_MAP[BehaviourForgotten]
    async with transaction(shop) as tx:
        await reaction(tx, BehaviourForgotten(person_no=member.person_no))
    await segments_work.judge_again(shop, member.person_no)


async def inside(shop, segment) -> list[int]:
    async with reading(shop) as tx:
        found = await segments.get_segment(tx, segment.segment_id)
        return numbers_of(await bits_of(tx, found))


async def fields(shop, member) -> set[str]:
    async with reading(shop) as tx:
        found = await profiles.known_of(tx, [member.person_no])
    return set(found[member.person_no].fields) & VISITS_FIELDS


async def jobs(shop) -> int:
    async with system_transaction() as tx:
        return await tx.value(
            """select count(*) from jobs.pgqueuer where entrypoint = 'privacy.forget_behaviour'
               and convert_from(payload, 'utf8') like $1""",
            f"%{shop}%",
        )


@pytest.fixture
async def made(shop, web, warehouse):
    """Two who looked and bought: one will withdraw, the other is there for comparison."""
    segments.forget()
    async with transaction(shop) as tx:
        await profiles_store.set_rebuilt(tx, clock.now())
    pair = [await log_in(shop, consent=True) for _ in range(2)]
    for member, token in pair:
        assert await look(web, token) == 1
        paid = TailEvent(
            shop_id=shop, person_no=member.person_no, name="ordering.order_paid", amount_fen=100,
            at_us=int(clock.now().timestamp() * 1e6), channel="domain",
        )  # fmt: skip
        await write(Batch(source=0, batch_key=uuid4(), events=[paid]))
    await compaction.compact()
    await profiles.count_visits(shop)
    kept = []
    for name, rule, live in (
        ("看过", LOOKED, True),
        ("看过的", LOOKED, False),
        ("买过", PAID, False),
    ):
        [audience] = await segments.judge_everybody(shop, [rule])
        async with transaction(shop) as tx:
            kept.append(await segments.save_rule(tx, System(), name, rule, audience, live=live))
    return pair, kept


async def test_F090_behaviour_before_a_withdrawal_counts_nowhere_and_what_follows_a_new_yes_does(
    shop, web, made
):
    [(one, token), (other, _)], (live, counted, bought) = made
    both = sorted([one.person_no, other.person_no])
    assert [await inside(shop, segment) for segment in (live, counted, bought)] == [both] * 3
    assert "views" in await fields(shop, one)
    await decide(one, granted=False)
    await work(shop, one)
    rest = [other.person_no]
    assert [await inside(shop, s) for s in (live, counted, bought)] == [rest, rest, both]
    assert (await fields(shop, one), "views" in await fields(shop, other)) == (set(), True)
    assert await look(web, token) == 0
    await decide(one, granted=True)  # before the files are clean
    assert await look(web, token) == 1
    await segments.follow(shop)
    assert await inside(shop, live) == both
    await work(shop, one)  # heard again, late: the new yes stands
    assert await inside(shop, live) == both
    await compaction.run_round()
    [audience] = await segments.judge_everybody(
        shop, [Times(step=StepBody(event="behaviour.view"), op="eq", n=1, days=30)]
    )
    assert numbers_of(audience.bits) == both  # the first view of one is gone, the second is there
    [withdrawal] = await compaction.list_withdrawals(shop)
    assert withdrawal.done_at is not None
    await decide(one, granted=False)
    await work(shop, one)
    assert await inside(shop, live) == rest
    await compaction.run_round()
    await check_invariants()


async def test_F090_only_the_consent_to_statistics_takes_behaviour_along(shop, web, made):
    """The control: withdrawn offers leave everything as it was."""
    [(one, _), _], (live, *_) = made
    [reaction] = EVENT_MAP[ConsentWithdrawn]
    async with transaction(shop) as tx:
        await reaction(tx, ConsentWithdrawn(person_no=one.person_no, purpose="marketing"))
    assert await jobs(shop) == 0
    async with transaction(shop) as tx:
        await reaction(tx, ConsentWithdrawn(person_no=one.person_no, purpose="analytics"))
    assert await jobs(shop) == 1
    assert one.person_no in await inside(shop, live)
    assert await compaction.list_withdrawals(shop) == []
