"""F090: who never logged in has what they looked at forgotten, on the server, within a minute."""

from uuid import UUID, uuid4

import pytest

from siyu.app.event_map import EVENT_MAP
from siyu.insight.behaviour import service
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.people.experiments import service as experiments
from siyu.people.members import service as members
from siyu.people.privacy import background
from siyu.people.privacy import service as privacy
from siyu.people.privacy.contracts import VisitorForgotten
from siyu.people.privacy.queries import Person, count_rows
from siyu.people.profiles import queries as profiles_store
from siyu.people.profiles import service as profiles
from siyu.people.segments import service as segments
from siyu.people.segments.contracts import StepBody, Times
from siyu.people.segments.rules import numbers_of
from siyu.warehouse.compaction import service as compaction
from tests.insight.behaviour.test_collect import body, event, log_in, send
from tests.insight.conftest import warehouse, web
from tests.people.outreach.kit import ME, any_experiment
from tests.warehouse.support import check_invariants
from tests.warehouse.test_purge import in_tail, on_disk

__all__ = ["warehouse", "web"]
LOOKED = Times(step=StepBody(event="behaviour.view"), op="ge", n=1, days=30)


@pytest.fixture(autouse=True)
def unhurried():
    service.forgetting.forget()


async def ask(web, visitor: str, **headers) -> tuple[int, dict]:
    answer = await web.post("/collect/v1/forget", json={"visitor": visitor}, headers=headers)
    return answer.status_code, answer.json()


async def number_of(shop: ShopId, visitor: str) -> int:
    async with transaction(shop) as tx:
        return (await members.persons_of_visitors(tx, [UUID(visitor)]))[UUID(visitor)]


async def work(shop: ShopId) -> int:
    """What relay and worker do with what was told; how many were forgotten."""
    async with system_transaction() as tx:
        told = await tx.connection.fetch(
            "select payload from kernel.outbox where name = $1 and shop_id = $2",
            *(VisitorForgotten.name, shop),
        )
    [reaction] = EVENT_MAP[VisitorForgotten]
    for row in told:
        one = VisitorForgotten(person_no=row["payload"]["person_no"])
        async with transaction(shop) as tx:
            await reaction(tx, one)
        await background.forget_visits(shop, one.person_no)
    return len(told)


async def held(shop: ShopId, person_no: int) -> dict[str, int]:
    """Table -> rows of this number, over every table that may hold somebody."""
    async with reading(shop) as tx:
        rows = await count_rows(tx, privacy.tables_of_persons(), Person([], [person_no]))
    return {name: count for name, count in rows.items() if count}


async def seen(shop: ShopId) -> set[int]:
    segments.forget()
    [audience] = await segments.judge_everybody(shop, [LOOKED])
    return set(numbers_of(audience.bits))


async def test_F090_a_visitor_is_forgotten_on_the_server_within_a_round(web, shop, warehouse):
    gone, stays = str(uuid4()), str(uuid4())
    async with transaction(shop) as tx:
        await profiles_store.set_rebuilt(tx, await tx.value("select now()"))
        made = await experiments.make_experiment(tx, ME, any_experiment())
        await experiments.start_experiment(tx, ME, made.experiment_id)
    for visitor in (gone, stays):
        assert (await send(web, body(event(), event(), visitor=visitor)))[1]["accepted"] == 2
    await compaction.compact()  # some in files, some in the tail
    for visitor in (gone, stays):
        assert (await send(web, body(event(), visitor=visitor)))[1]["accepted"] == 1
    one, other = await number_of(shop, gone), await number_of(shop, stays)
    await profiles.count_visits(shop)
    [audience] = await segments.judge_everybody(shop, [LOOKED])
    async with transaction(shop) as tx:
        await segments.save_rule(tx, System(), "看过", LOOKED, audience, live=True)
    before = await held(shop, one)
    assert {"members.visitors", "profiles.people", "segments.members"} <= before.keys()
    assert await seen(shop) == {one, other}

    assert await ask(web, gone) == (200, {"is_forgotten": True})
    assert set(await held(shop, one)) <= {"members.persons", "kernel.audit"}, "at once"
    assert await work(shop) == 1
    assert await seen(shop) == {other}, "no question counts them before any file is written"
    await compaction.run_round()  # the worker's, once a minute
    assert {person for _, person, _ in on_disk(warehouse) + await in_tail()} == {other}
    [erasure] = await compaction.list_erasures(shop)
    assert (erasure.person_no, erasure.done_at is not None) == (one, True)
    assert await held(shop, other) == before | {}, "the other one keeps everything"
    await check_invariants()

    assert await ask(web, gone) == (200, {"is_forgotten": True}), "again, and nothing to do"
    assert (await send(web, body(event(), visitor=gone)))[1]["accepted"] == 1
    assert await number_of(shop, gone) not in (one, other), "whoever comes back is somebody new"


async def test_F090_a_batch_that_was_under_way_comes_too_late(web, shop, warehouse):
    visitor = str(uuid4())
    late = body(event(), visitor=visitor)
    await send(web, body(event(), visitor=visitor))
    one = await number_of(shop, visitor)
    await ask(web, visitor)
    await work(shop)
    async with transaction(shop) as tx:  # the batch had looked up who it was before
        await tx.run(
            """insert into members.visitors (shop_id, visitor, person_no, seen_at)
               values ($1, $2, $3, now())""",
            *(shop, UUID(visitor), one),
        )
    await send(web, late)
    await compaction.run_round()
    assert on_disk(warehouse) + await in_tail() == []


async def test_F090_a_members_behaviour_takes_the_members_own_word(web, shop, warehouse):
    """A key that has logged in: whoever holds it alone forgets nothing of the account."""
    member, token = await log_in(shop, consent=True)
    visitor = str(uuid4())
    await send(web, body(event(), visitor=visitor))
    assert (await send(web, body(event(), visitor=visitor), Authorization=token))[0] == 202
    held_before, seen_before = await held(shop, member.person_no), await seen(shop)
    assert member.person_no in seen_before
    assert await ask(web, visitor) == (200, {"is_forgotten": False})
    assert await work(shop) == 0
    assert await compaction.list_erasures(shop) == []
    assert await held(shop, member.person_no) == held_before
    assert await seen(shop) == seen_before


async def test_an_unknown_key_a_foreign_shop_and_a_hurry(web, shop, warehouse, monkeypatch):
    visitor = str(uuid4())
    assert await ask(web, visitor) == (200, {"is_forgotten": True})
    async with transaction(shop) as tx:
        assert await tx.value("select count(*) from members.persons where shop_id = $1", shop) == 0
    status, answer = await ask(web, "no-key")
    assert (status, answer["error"]["code"]) == (422, "request.malformed")
    monkeypatch.setattr(service.forgetting, "limit", 2)
    statuses = [(await ask(web, visitor))[0] for _ in range(3)]
    assert 429 in statuses and statuses[0] == 200
