"""What the outside sends is stored once, worked off after the commit, and can be replayed."""

import pytest
from pgqueuer.domain.errors import RetryRequested

from siyu.kernel import inbox, jobs
from siyu.kernel.db import Database, reading, system_transaction, transaction
from siyu.kernel.errors import NotFound
from siyu.kernel.ids import ShopId
from siyu.kernel.inbox import Message, receives, replay, store

taken: list[Message] = []
failing = overtaken = False


@receives("tests")
async def take(message: Message) -> None:
    global overtaken
    taken.append(message)
    if overtaken:
        overtaken = False
        await inbox._work(message.shop_id, message.source, message.outside_id)
        raise RuntimeError
    if failing:
        raise RuntimeError


@pytest.fixture(autouse=True)
async def quiet(database: Database) -> None:
    global failing, overtaken
    failing = overtaken = False
    taken.clear()
    async with system_transaction() as tx:
        await tx.run("delete from jobs.pgqueuer")


async def send(shop: ShopId, outside_id: str = "n-1") -> bool:
    async with transaction(shop) as tx:
        return await store(
            tx, source="tests", outside_id=outside_id, raw=b"\x00\xff{}", headers={"a": "b"}
        )


async def states(shop: ShopId) -> list[tuple[str, str]]:
    async with reading(shop) as tx:
        return [(row.outside_id, row.state) for row in await inbox.list_messages(tx, None, 10)]


async def test_a_repeated_message_is_taken_once(shop: ShopId) -> None:
    assert await send(shop) is True
    assert await send(shop) is False
    await jobs.drain()
    assert [(m.shop_id, m.raw, m.headers) for m in taken] == [(shop, b"\x00\xff{}", {"a": "b"})]
    assert await states(shop) == [("n-1", "done")]


async def test_the_raw_body_is_not_readable_in_the_table(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await store(tx, source="tests", outside_id="x", raw="张三 13812345678".encode(), headers={})
    async with reading(shop) as tx:
        sealed = await tx.value("select raw_sealed from kernel.inbox where outside_id = 'x'")
    assert b"13812345678" not in sealed


async def test_the_failure_of_a_slower_run_undoes_nothing(shop: ShopId) -> None:
    """A worker that was taken for dead fails after another one has done the work."""
    global overtaken
    overtaken = True
    await send(shop)
    with pytest.raises(RetryRequested):
        await jobs.drain()
    assert (await states(shop), len(taken)) == ([("n-1", "done")], 2)


async def test_failure_is_told_and_replay_takes_it_again(shop: ShopId) -> None:
    global failing
    failing = True
    await send(shop)
    with pytest.raises(RetryRequested):
        await jobs.drain()
    assert await states(shop) == [("n-1", "new")]
    failing = False
    async with system_transaction() as tx:
        await tx.run("delete from jobs.pgqueuer")
    for times in (2, 3):
        async with transaction(shop) as tx:
            await replay(tx, "tests", "n-1")
        await jobs.drain()
        assert len(taken) == times
        assert await states(shop) == [("n-1", "done")]


async def test_another_shop_cannot_replay(shop: ShopId) -> None:
    await send(shop)
    async with transaction(ShopId(shop + 1_000_000)) as tx:
        with pytest.raises(NotFound):
            await replay(tx, "tests", "n-1")
