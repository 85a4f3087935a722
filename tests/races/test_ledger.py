"""The ledger under real connections. Each race is first shown to happen with the guard off."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import pytest

from siyu.kernel import db
from siyu.kernel.db import Database, Deadlocked, reading, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.postgres import Cluster
from siyu.money.ledger import background
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import (
    Balance,
    BalanceShort,
    Book,
    Entry,
    EntryConflict,
    HoldOver,
    Leg,
)
from tests.money.ledger.books import payment, rich_member, spending, truths_hold

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 32


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Database]:
    """The same database through 32 connections."""
    wide = await Database.connect(database.url, size=AT_ONCE)
    db.use(wide)
    yield wide
    db.use(database)
    await wide.close()


@pytest.fixture(autouse=True)
async def books_hold(crowd: Database, shop: ShopId) -> AsyncIterator[None]:
    yield
    await truths_hold(shop)


async def together(tasks: Sequence[Callable[[], Awaitable[str]]]) -> Counter[str]:
    """Run all at once; how often each outcome came."""
    return Counter(await asyncio.gather(*(task() for task in tasks)))


async def member_with(shop: ShopId, amount: int) -> UUID:
    async with transaction(shop) as tx:
        return await rich_member(tx, amount)


async def balance(shop: ShopId, member: UUID) -> Balance:
    async with reading(shop) as tx:
        return await ledger.balance(tx, Book.PRINCIPAL, member)


async def spend(shop: ShopId, member: UUID, amount: int, key: str | None = None) -> str:
    try:
        async with transaction(shop) as tx:
            await ledger.post(tx, spending(member, amount, key))
    except BalanceShort:
        return "short"
    except EntryConflict:
        return "conflict"
    except Deadlocked:
        return "deadlock"
    except Busy:  # a lock was waited for too long on a slow machine; nothing happened
        return await spend(shop, member, amount, key)
    return "spent"


async def test_f059_control_read_check_write_spends_twice(
    shop: ShopId, crowd: Database, cluster: Cluster
) -> None:
    """Without the guards of the tables and of the verb, both devices win."""
    name = await crowd.pool.fetchval("select current_database()")
    pool = await asyncpg.create_pool(cluster.owner_url(name), min_size=2, max_size=2)
    await pool.execute("create table public.naive (balance int); insert into naive values (500)")
    both_have_read = asyncio.Barrier(2)

    async def device() -> str:
        async with pool.acquire() as connection, connection.transaction():
            left = await connection.fetchval("select balance from naive")
            await both_have_read.wait()
            if left < 500:
                return "short"
            await connection.execute("update naive set balance = $1", left - 500)
        return "spent"

    try:
        assert await together([device, device]) == {"spent": 2}
    finally:
        await pool.execute("drop table public.naive")
        await pool.close()


async def test_f059_control_the_ledger_without_its_guards_spends_twice(
    shop: ShopId, crowd: Database, cluster: Cluster
) -> None:
    """The very statement of the verb, but with what it locks and judges left out, and the floor
    of the table lifted: 500 pays for 1,000."""
    member = await member_with(shop, 500)
    name = await crowd.pool.fetchval("select current_database()")
    owner = await asyncpg.connect(cluster.owner_url(name))
    guard = "alter table ledger.accounts {} trigger accounts_keep_floor"
    await owner.execute(guard.format("disable"))
    both_have_read = asyncio.Barrier(2)

    async def device() -> str:
        async with transaction(shop) as tx:
            known = await ledger.balance(tx, Book.PRINCIPAL, member)
            await both_have_read.wait()
            if known.available < 500:
                return "short"
            await ledger.queries.insert_entries(
                tx,
                [
                    ledger.NewEntry(
                        new_id(), one := spending(member, 500), one.legs, ledger.clock.now()
                    )
                ],
                {},
            )
        return "spent"

    try:
        assert await together([device, device]) == {"spent": 2}
        assert await balance(shop, member) == Balance(-500, 0, -500)
    finally:
        await owner.execute(guard.format("enable always"))
        await owner.close()
    async with transaction(shop) as tx:  # leave the truths as they should be
        legs = [Leg(Book.LOSSES, 500), Leg(Book.PRINCIPAL, -500, member)]
        await ledger.post(tx, Entry("mend", "opening", legs))


async def test_f059_a_balance_is_spent_once_from_two_devices(shop: ShopId, crowd: Database) -> None:
    for _ in range(20):
        member = await member_with(shop, 500)
        devices = [lambda member=member: spend(shop, member, 500)] * 2
        assert await together(devices) == {"spent": 1, "short": 1}
        assert await balance(shop, member) == Balance(0, 0, 0)


async def test_f059_many_devices_spend_to_the_last_fen(shop: ShopId, crowd: Database) -> None:
    member = await member_with(shop, 1_000)
    outcome = await together([lambda: spend(shop, member, 30)] * 64)
    assert outcome == {"spent": 33, "short": 31}
    assert await balance(shop, member) == Balance(10, 0, 10)


async def test_f059_holds_and_postings_share_one_balance(shop: ShopId, crowd: Database) -> None:
    member = await member_with(shop, 1_000)

    async def hold(number: int) -> str:
        try:
            async with transaction(shop) as tx:
                await ledger.hold(
                    tx, key=f"h{number}", book=Book.PRINCIPAL, owner=member, amount=100
                )
        except BalanceShort:
            return "short"
        return "held"

    tasks = [
        (lambda: spend(shop, member, 100)) if number % 2 else (lambda n=number: hold(n))
        for number in range(40)
    ]
    outcome = await together(tasks)
    assert outcome["spent"] + outcome["held"] == 10
    assert outcome["short"] == 30
    found = await balance(shop, member)
    assert found == Balance(1_000 - 100 * outcome["spent"], 100 * outcome["held"], 0)


async def test_one_key_posted_by_many_is_booked_once(shop: ShopId, crowd: Database) -> None:
    """Also when the first one spends all there is: a repeat is not refused for it."""
    member = await member_with(shop, 500)
    outcome = await together([lambda: spend(shop, member, 500, "the one")] * 24)
    assert outcome == {"spent": 24}
    assert await balance(shop, member) == Balance(0, 0, 0)


async def test_one_key_with_two_contents_books_the_first(shop: ShopId, crowd: Database) -> None:
    member = await member_with(shop, 500)
    tasks = [
        lambda amount=amount: spend(shop, member, amount, "the one") for amount in (100, 200) * 8
    ]
    outcome = await together(tasks)
    assert outcome == {"spent": 8, "conflict": 8}


async def test_a_hold_ends_once(shop: ShopId, crowd: Database) -> None:
    """Settled, voided and expired in the same instant: one of them wins."""
    for _ in range(15):
        member = await member_with(shop, 500)
        async with transaction(shop) as tx:
            held = await ledger.hold(
                tx,
                key=f"h:{member}",
                book=Book.PRINCIPAL,
                owner=member,
                amount=500,
                expires_at=ledger.clock.now(),
            )

        async def settle(member: UUID = member, held: UUID = held) -> str:
            try:
                async with transaction(shop) as tx:
                    await ledger.settle_hold(tx, held, spending(member, 500))  # type: ignore[arg-type]
            except HoldOver:
                return "too late"
            return "posted"

        async def void(held: UUID = held) -> str:
            async with transaction(shop) as tx:
                return "voided" if await ledger.void_hold(tx, held) else "too late"  # type: ignore[arg-type]

        async def expire() -> str:
            await background.expire_holds()
            return "swept"

        outcome = await together([settle, void, expire])
        found = await balance(shop, member)
        assert found == (Balance(0, 0, 0) if outcome["posted"] else Balance(500, 0, 500))


async def test_f118_control_accounts_locked_in_any_order_deadlock(
    shop: ShopId, crowd: Database
) -> None:
    rich = [await member_with(shop, 1_000_000) for _ in range(2)]

    async def one_by_one(first: UUID, second: UUID) -> str:
        try:
            async with transaction(shop) as tx:
                await ledger.post(tx, spending(first, 1))
                await asyncio.sleep(0.05)
                await ledger.post(tx, spending(second, 1))
        except Deadlocked:
            return "deadlock"
        return "spent"

    outcome = await together([lambda: one_by_one(*rich), lambda: one_by_one(*rich[::-1])])
    assert outcome == {"deadlock": 1, "spent": 1}


async def test_f118_batches_over_the_same_accounts_never_deadlock(
    shop: ShopId, crowd: Database
) -> None:
    rich = [await member_with(shop, 1_000_000) for _ in range(6)]

    async def batch(number: int) -> str:
        order = rich[number % 6 :] + rich[: number % 6]
        moves = [
            Entry(
                f"move:{number}:{giver}",
                "opening",
                [Leg(Book.PRINCIPAL, 1, giver), Leg(Book.PRINCIPAL, -1, taker)],
            )
            for giver, taker in itertools.pairwise(order)
        ]
        try:
            async with transaction(shop) as tx:
                await ledger.post_many(tx, moves[:: 1 if number % 2 else -1])
        except Deadlocked:
            return "deadlock"
        return "moved"

    outcome = await together([lambda number=number: batch(number) for number in range(200)])
    assert outcome == {"moved": 200}


async def test_f118_accounts_that_batches_open_are_locked_in_the_same_order(
    shop: ShopId, crowd: Database
) -> None:
    """Some accounts are there, some are opened by whoever comes first: half of them sort before."""
    rich = [await member_with(shop, 1_000_000) for _ in range(4)]

    async def batch(number: int, fresh: list[UUID]) -> str:
        moves = [
            Entry(
                f"open:{number}:{one}",
                "opening",
                [Leg(Book.PRINCIPAL, 1, giver), Leg(Book.PRINCIPAL, -1, one)],
            )
            for giver, one in zip(rich, fresh, strict=True)
        ]
        try:
            async with transaction(shop) as tx:
                await ledger.post_many(tx, moves)
        except Deadlocked:
            return "deadlock"
        return "moved"

    outcome: Counter[str] = Counter()
    for turn in range(12):
        ids = sorted([new_id(), *(UUID(int=16 * turn + n) for n in (1, 2)), new_id()])
        jobs = [
            lambda number=number, ids=ids: batch(number, ids)
            for number in range(16 * turn, 16 * turn + 16)
        ]
        outcome += await together(jobs)
    assert outcome == {"moved": 192}


async def test_hot_books_do_not_wait_and_are_exact_while_rolled_up(
    shop: ShopId, crowd: Database
) -> None:
    """A payment that is not committed stops no other; readers never see a sum in between."""
    async with transaction(shop) as slow:
        await ledger.post(slow, payment(1))
        async with asyncio.timeout(2):
            connection = await crowd.pool.acquire()
            await connection.execute(f"begin; set local siyu.shop_id = '{shop}'")
            await ledger.post(db.Tx(connection, shop), payment(2))
            await connection.execute("commit")
            await crowd.pool.release(connection)
    posted = 3
    seen: list[int] = []

    async def pay(number: int) -> str:
        async with transaction(shop) as tx:
            await ledger.post(tx, payment(10))
        return "paid"

    async def look() -> str:
        async with reading(shop) as tx:
            wechat = (await ledger.balance(tx, Book.WECHAT)).posted
            seen.append(wechat)
        return "looked"

    async def roll() -> str:
        await background.roll_up()
        return "rolled"

    tasks = [
        task
        for number in range(40)
        for task in ((lambda n=number: pay(n)), look, *((roll,) if number % 4 == 0 else ()))
    ]
    await together(tasks)
    await background.roll_up()
    async with reading(shop) as tx:
        assert await tx.value("select count(*) from ledger.deltas where shop_id = $1", shop) == 0
        assert await ledger.balance(tx, Book.WECHAT) == Balance(posted + 400, 0, posted + 400)
    assert all((value - posted) % 10 == 0 and posted <= value <= posted + 400 for value in seen)
