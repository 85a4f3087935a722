"""Erasure, retention, old layouts, big shops: rows go or move, and the books still agree (W1)."""

import asyncio
from datetime import UTC, date, datetime
from uuid import uuid4

import duckdb
import pytest

from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.compaction.service.merge import merge_files
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import PERSON_JOINED, Batch
from tests.warehouse.conftest import make_warehouse
from tests.warehouse.support import DAY_US, START_US, batch, check_invariants, event, rows, write

TEA = ShopId(1)


def on_disk(root) -> list[tuple]:
    """(shop, person, rows) of every file there is, whether it counts or not."""
    paths = [str(path) for path in root.glob("b*/*/*")]
    if not paths:
        return []
    return duckdb.execute(
        f"""select shop_id, person_no, count(*) from {rules.read_parquet(paths)}
            group by all order by all"""
    ).fetchall()


async def in_tail() -> list[tuple]:
    return await rows(
        "select shop_id, person_no, count(*) from warehouse.event_tail group by 1, 2 order by 1, 2"
    )


async def test_W1_an_erased_person_is_in_no_file_and_no_partition(warehouse, shop):
    await write(batch(14), batch(14, shop=2), batch(14, step_us=20 * DAY_US))
    await compaction.compact()
    await write(batch(7))
    assert await compaction.ask_erasure(TEA, 3, System()) == [3]
    assert [e.done_at for e in await compaction.list_erasures(TEA)] == [None]
    await write(batch(7))  # comes too late: the person is left out
    await compaction.run_round()
    [erasure] = await compaction.list_erasures(TEA)
    assert erasure.done_at is not None
    found = {(s, p): n for s, p, n in on_disk(warehouse) + await in_tail()}
    assert (1, 3) not in found
    assert found[(2, 3)] == 2
    assert sum(found.values()) == 14 * 3 + 7 + 7 - (2 + 2 + 1 + 1)
    assert await rows("select reason, sum(rows) from warehouse.correction group by 1") == [
        ("erased", 5)
    ]
    await check_invariants()


async def test_erasure_is_safe_to_repeat_and_audited(warehouse, shop):
    await write(batch(7, shop=shop))
    for _ in range(2):
        await compaction.ask_erasure(shop, 3, System())
        await compaction.run_round()
    async with db.reading(shop) as tx:
        trail = await tx.all(
            dict, "select action, subject_id from kernel.audit where action like 'warehouse.%'"
        )
    assert sorted((line["action"], line["subject_id"]) for line in trail) == [
        ("warehouse.erasure_asked", "3"),
        ("warehouse.person_erased", "3"),
    ]
    assert sum(n for *_, n in on_disk(warehouse)) == 6
    await check_invariants()


async def test_visitors_who_turned_out_to_be_the_person_go_too(warehouse, shop):
    def joined(member: int, visitor: int):
        return event(member, name=PERSON_JOINED, props={"joined_person_no": visitor})

    await write(Batch(source=1, batch_key=uuid4(), events=[joined(1, 4), event(4), event(2)]))
    await compaction.compact()
    await write(Batch(source=1, batch_key=uuid4(), events=[joined(4, 6), joined(2, 5), event(6)]))
    assert await compaction.ask_erasure(TEA, 1, System()) == [1, 4, 6]
    await compaction.run_round()
    assert {person for _, person, _ in on_disk(warehouse) + await in_tail()} == {2}


async def test_who_was_parted_again_is_not_erased_with_the_other(warehouse, shop):
    def joined(member: int, at_us: int):
        return event(member, at_us, PERSON_JOINED, props={"joined_person_no": 4})

    await write(Batch(source=1, batch_key=uuid4(), events=[joined(1, START_US), event(4)]))
    await compaction.compact()
    await write(Batch(source=1, batch_key=uuid4(), events=[joined(4, START_US + 1)]))
    assert await compaction.ask_erasure(TEA, 1, System()) == [1]


async def test_an_erasure_is_not_done_while_a_reader_keeps_a_partition(warehouse, shop):
    await write(batch(7))
    await compaction.ask_erasure(TEA, 3, System())
    async with tail.snapshotting() as reader:
        assert await reader.value("select count(*) from warehouse.event_tail") == 7
        await compaction.run_round()
        assert [e.done_at for e in await compaction.list_erasures(TEA)] == [None]
    await compaction.run_round()
    assert [e.done_at is None for e in await compaction.list_erasures(TEA)] == [False]


async def test_W2_writers_at_work_while_persons_are_forgotten(warehouse, shop):
    """Whoever writes at that moment, nothing of the person is left in the end."""

    async def write_many() -> None:
        for _ in range(15):
            await write(batch(14))

    async def forget() -> None:
        for person in (2, 5):
            await compaction.ask_erasure(TEA, person, System())
            await compaction.run_round()

    await asyncio.gather(write_many(), write_many(), forget())
    await compaction.compact()
    await compaction.run_round()
    left = {person: n for _, person, n in on_disk(warehouse)}
    assert left == dict.fromkeys((1, 3, 4, 6, 7), 60)
    await check_invariants()


async def test_W1_months_that_a_shop_no_longer_keeps_go_and_those_of_others_stay(warehouse, shop):
    now_us = int(datetime.now(UTC).timestamp()) * 1_000_000
    months = [0, 40, 100, 400]
    for number in (1, 17, 2):
        events = [event(shop=number, at_us=now_us - days * DAY_US) for days in months]
        await write(Batch(source=number, batch_key=uuid4(), events=events))
    await compaction.compact()
    await compaction.set_retention(TEA, 2, System())
    await compaction.set_retention(ShopId(2), 240, System())
    assert (await compaction.run_round()).purged == 2
    assert (await compaction.run_round()).purged == 0
    await compaction.collect(grace_s=0)
    assert on_disk(warehouse) == [(1, 1, 2), (2, 1, 4), (17, 1, 4)]
    assert await rows("select shop_id, reason, rows from warehouse.correction order by 1") == [
        (1, "expired", 1), (1, "expired", 1)
    ]  # fmt: skip
    await write(Batch(source=1, batch_key=uuid4(), events=[event()]))  # late: 2023
    await compaction.compact()
    assert on_disk(warehouse)[0] == (1, 1, 2)
    await check_invariants()
    await compaction.set_retention(TEA, None, System())
    assert await compaction.get_retention(TEA) is None


async def test_a_file_of_the_first_layout_is_read_and_comes_up_to_date(warehouse, shop):
    """Layout 1 kept zone and dwell_ms in props."""
    await write(batch(4))
    await compaction.compact()
    async with tail.opened() as tx:
        [file] = await queries.list_live_files(tx)
    old = warehouse / file.path.replace(".2.parquet", ".parquet")
    columns = ", ".join(name for name in FILE_COLUMNS if name not in ("zone", "dwell_ms", "props"))
    duckdb.execute(
        f"""copy (select {columns}, case event_no % 4
              when 0 then '{{"zone":"新","dwell_ms":900,"n":1}}' when 1 then '{{"zone":7}}'
              when 2 then '{{"dwell_ms":"x"}}' end as props from '{warehouse / file.path}')
            to '{old}' (format parquet)"""
    )
    async with tail.opened() as tx:
        await tx.run("update warehouse.file set path = replace(path, '.2.parquet', '.parquet')")
    seen = [("新", 900), ("", 0), ("", 0), ("", 0)]
    listed = "select zone, dwell_ms from {} order by event_no"
    assert duckdb.execute(listed.format(rules.read_parquet([str(old)]))).fetchall() == seen
    await write(batch(1))
    await compaction.compact()
    async with tail.opened() as tx:
        paths = [str(warehouse / f.path) for f in await queries.list_live_files(tx)]
    assert len(duckdb.execute(f"from {rules.read_parquet(paths)}").fetchall()) == 5
    await check_invariants()
    assert await compaction.rebuild() == 1
    async with tail.opened() as tx:
        [file] = await queries.list_live_files(tx)
    assert compaction.is_present(file.path)
    source = rules.read_parquet([str(warehouse / file.path)])
    assert duckdb.execute(listed.format(source)).fetchall()[:4] == seen
    await check_invariants()


@pytest.mark.parametrize(("big", "buckets"), [(50, [1]), (20, [1, 17])])
async def test_a_shop_that_has_grown_big_moves_to_its_own_bucket(
    warehouse, shop, monkeypatch, big, buckets
):
    monkeypatch.setattr(rules, "BIG_SHOP_ROWS", big)
    for _ in range(4):
        await write(batch(10), batch(2, shop=17))
        await compaction.compact()
    async with tail.opened() as tx:
        files = await queries.list_live_files(tx)
    assert [file.bucket for file in files] == buckets
    assert sum(file.rows for file in files) == 48
    await write(batch(10))
    await compaction.compact()
    async with tail.opened() as tx:
        assert {f.bucket for f in await queries.list_live_files(tx) if f.level == 0} == {
            buckets[-1]
        }
    await check_invariants()


async def test_a_month_above_the_limit_is_divided_between_persons(warehouse, shop, monkeypatch):
    monkeypatch.setattr(rules, "BIG_SHOP_ROWS", 10)
    monkeypatch.setattr(rules, "MAX_FILE_ROWS", 30)
    for _ in range(3):
        await write(batch(28))
        await compaction.compact()
    async with tail.opened() as tx:
        assert await merge_files(await queries.list_live_files(tx))
        await tx.run(
            "update warehouse.slot set compacted_at = now() - interval '25 h' where slot < 4"
        )
    async with tail.opened() as tx:
        files = await queries.list_live_files(tx)
    assert [(f.bucket, f.rows, f.min_person, f.max_person) for f in files] == [
        (17, 36, 1, 3), (17, 24, 4, 5), (17, 24, 6, 7)
    ]  # fmt: skip
    assert [file.month for file in files] == [date(2023, 11, 1)] * 3
    assert (await compaction.run_round()).merges == 0
    await write(Batch(source=1, batch_key=uuid4(), events=[event(5, START_US)]))
    await compaction.compact()
    async with tail.opened() as tx:
        await tx.run(
            "update warehouse.slot set compacted_at = now() - interval '25 h' where slot < 5"
        )
    assert (await compaction.run_round()).merges == 1
    async with tail.opened() as tx:
        files = await queries.list_live_files(tx)
    assert sorted((f.rows, f.min_person, f.max_person) for f in files) == [
        (24, 6, 7), (25, 4, 5), (36, 1, 3)
    ]  # fmt: skip
    await check_invariants()


async def test_lost_books_are_recovered_from_the_files(warehouse, shop, cluster, database):
    """Dead files and half a file are on disk too; nothing is lost, nothing doubled."""
    for n in range(5):
        await write(batch(20, step_us=n * DAY_US), batch(3, shop=17))
        await compaction.compact()
    before = on_disk_once(warehouse)
    texts = "select {} from warehouse.event_name union select text from warehouse.page order by 1"
    known = await rows(texts.format("text"))
    (warehouse / "b1/2023-11/half.2.parquet").write_bytes(b"PAR1 half a file")
    await tail.close()
    await make_warehouse(cluster, database)
    await write_names("z.first", "behaviour.view")  # other numbers than before
    found = await compaction.recover()
    assert (found.rows, found.broken) == (115, ["b1/2023-11/half.2.parquet"])
    assert found.read > found.rows
    (warehouse / "b1/2023-11/half.2.parquet").unlink()
    assert on_disk_once(warehouse) == before == on_disk(warehouse)
    assert set(known) <= set(await rows(texts.format("text")))
    source = rules.read_parquet([str(path) for path in warehouse.glob("b*/*/*")])
    [(name, pages)] = duckdb.execute(
        f"select any_value(name_id), count(distinct page_id) from {source}"
    ).fetchall()
    assert await rows(f"select text from warehouse.event_name where id = {name}") == [
        ("behaviour.view",)
    ]
    assert pages == 1
    await check_invariants()
    await write(batch(4))
    await compaction.compact()
    report = await compaction.verify()
    assert (report.ok, report.file_rows) == (True, 119)
    with pytest.raises(AssertionError, match="not empty"):
        await compaction.recover()


def on_disk_once(root) -> list[tuple]:
    """As on_disk, each event once."""
    paths = [str(path) for path in root.glob("b*/*/*") if path.name != "half.2.parquet"]
    return duckdb.execute(
        f"""select shop_id, person_no, count(distinct event_no) from {rules.read_parquet(paths)}
            group by all order by all"""
    ).fetchall()


async def write_names(*names: str) -> None:
    async with tail.opened() as tx:
        await tail.number_texts(tx, "event_name", names)
