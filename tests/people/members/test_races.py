"""Two phones at once: each race is first shown to happen with the guard off."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import queries, service
from siyu.people.members.contracts import AddressText, LoggedIn, Platform

AT_ONCE = 10


async def log_in(
    shop: ShopId, subject: str, union: str | None = None, app: str = "wx1"
) -> LoggedIn:
    async with transaction(shop) as tx:
        return await service.record_login(
            tx, app, subject, union_id=union, platform=Platform.MINI_PROGRAM
        )


async def test_control_without_the_lock_a_second_log_in_breaks(shop: ShopId) -> None:
    barrier = asyncio.Barrier(2)

    async def naive(subject: str) -> int:
        async with transaction(shop) as tx:
            assert await queries.get_member_by_login(tx, "wx1", subject) is None
            last_no = await tx.value("select coalesce(max(person_no), 0) from members.persons")
            await barrier.wait()
            row = await queries.insert_member(
                tx,
                member_id=new_id(),
                person_no=last_no + 1,
                nickname="x",
                nickname_key="x",
                union_key=None,
                app_id="wx1",
                subject=subject,
                at=clock.now(),
            )
            return row.person_no

    outcomes = await asyncio.gather(naive("a"), naive("a"), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {int, asyncpg.UniqueViolationError}
    async with transaction(shop) as tx:  # put the counter right, for the invariants
        await tx.run(
            "insert into members.person_counters values ($1, 1) on conflict do nothing", shop
        )


async def test_a_new_person_logging_in_many_times_at_once_is_one_member(shop: ShopId) -> None:
    entered = await asyncio.gather(*(log_in(shop, "open-1") for _ in range(AT_ONCE)))
    assert len({one.member.member_id for one in entered}) == 1
    assert sum(one.is_new for one in entered) == 1
    async with transaction(shop) as tx:
        counts = await tx.connection.fetchrow(
            """select (select count(*) from members.members),
                 (select count(*) from members.persons),
                 (select last_no from members.person_counters),
                 (select count(*) from kernel.outbox where name = 'members.member_joined')"""
        )
    assert tuple(counts) == (1, 1, 1, 1)


async def test_one_owner_in_many_apps_at_once_is_one_member(shop: ShopId) -> None:
    entered = await asyncio.gather(
        *(log_in(shop, f"open-{i}", union="u-1", app=f"wx{i}") for i in range(AT_ONCE))
    )
    assert len({one.member.member_id for one in entered}) == 1
    assert sum(one.is_new for one in entered) == 1


async def test_visitors_at_once_get_dense_numbers(shop: ShopId) -> None:
    keys = [uuid4() for _ in range(30)]

    async def see(start: int) -> dict[object, int]:
        async with transaction(shop) as tx:
            return dict(await service.persons_of_visitors(tx, keys[start : start + 12]))

    seen = await asyncio.gather(*(see(start) for start in range(0, 20, 2)), log_in(shop, "open-1"))
    numbers: dict[object, int] = {}
    for batch in seen[:-1]:
        for key, number in batch.items():
            assert numbers.setdefault(key, number) == number, "one key, one number"
    assert sorted([*numbers.values(), seen[-1].member.person_no]) == list(range(1, 32))


async def test_members_learning_one_shared_id_at_once_are_one(shop: ShopId) -> None:
    for i in range(AT_ONCE):
        await log_in(shop, f"open-{i}", app=f"wx{i}")
    await asyncio.gather(
        *(log_in(shop, f"open-{i}", union="u-1", app=f"wx{i}") for i in range(AT_ONCE))
    )
    entered = [await log_in(shop, f"open-{i}", app=f"wx{i}") for i in range(AT_ONCE)]
    assert len({one.member.member_id for one in entered}) == 1
    async with transaction(shop) as tx:
        held = await tx.value("select count(*) from members.identifiers where kind = 'unionid'")
        merged = await tx.value("select count(*) from members.merges where state = 'merged'")
    assert (held, merged) == (1, AT_ONCE - 1)


async def test_visitor_made_while_its_owner_logs_in_is_merged(shop: ShopId) -> None:
    for number in range(12):
        key = uuid4()

        async def see(key: UUID) -> int:
            async with transaction(shop) as tx:
                return (await service.persons_of_visitors(tx, [key]))[key]

        async def enter(key: UUID, subject: str) -> int:
            async with transaction(shop) as tx:
                entered = await service.record_login(
                    tx, "wx1", subject, union_id=None, platform=Platform.H5, visitor=key
                )
                return entered.member.person_no

        seen, member = await asyncio.gather(see(key), enter(key, f"open-{number % 2}"))
        assert await see(key) == member
        if seen != member:
            async with transaction(shop) as tx:
                into = await tx.value(
                    "select merged_into from members.persons where person_no = $1", seen
                )
            assert into == member, "what the visitor did is the member's now"


async def test_addresses_added_at_once_have_one_default(shop: ShopId) -> None:
    member_id = (await log_in(shop, "open-1")).member.member_id
    text = AddressText(
        receiver="王", phone="13812345678", province="浙江省", city="杭州市", district="西湖区",
        detail="文三路",
    )  # fmt: skip

    async def add() -> None:
        async with transaction(shop) as tx:
            await service.add_address(tx, member_id, text, is_default=True)

    await asyncio.gather(*(add() for _ in range(AT_ONCE)))
    async with transaction(shop) as tx:
        kept = await service.list_addresses(tx, member_id)
    assert sorted(address.is_default for address in kept) == [False] * (AT_ONCE - 1) + [True]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(shop) as tx:
            await tx.run("update members.addresses set is_default = true")
