"""Files: whole, sorted, published by plain updates, replaced and never changed (W1, W3-W6, W9)."""

import asyncio
import os
import re
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import duckdb
import pytest

from siyu.kernel import db
from siyu.kernel.errors import Busy
from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.compaction.contracts import LiveFile
from siyu.warehouse.compaction.service.merge import merge_files
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions, WarehouseIncomplete
from siyu.warehouse.query import queries as snapshots
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import Count, Measure, Need, SeriesSpec, Step, Where
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch
from tests.warehouse.support import DAY_US, START_US, batch, check_invariants, event, rows, write

BEGIN = datetime(2023, 11, 1, tzinfo=UTC)
VIEWS = SeriesSpec(
    shop_id=1,
    measures=(
        Measure(Count.EVENTS, Step("behaviour.view")),
        Measure(Count.EVENTS, Step("behaviour.view", (Where("zone", "eq", 'a"b,c\n\t新品区'),))),
    ),
    spans=((BEGIN, BEGIN + timedelta(days=365)),),
    time_zone="UTC",
)


async def totals() -> list[int]:
    [[found]] = (await engines.ask(Questions(series=(VIEWS,)))).series
    return found.totals


async def live_files() -> list[LiveFile]:
    async with tail.opened() as tx:
        return await queries.list_live_files(tx)


async def test_a_slot_becomes_one_file_per_bucket_and_month(warehouse):
    await write(batch(3, step_us=20 * DAY_US), batch(2, shop=2), batch(1, shop=17))
    assert await compaction.compact() is not None
    assert [(f.level, f.bucket, f.month, f.rows) for f in await live_files()] == [
        (0, 1, date(2023, 11, 1), 2),
        (0, 1, date(2023, 12, 1), 2),
        (0, 2, date(2023, 11, 1), 2),
    ]
    assert await rows("select min_shop, max_shop from warehouse.file order by file_no limit 1") == [
        (1, 17)
    ]
    await check_invariants()


async def test_late_events_land_in_their_month(warehouse):
    await write(batch(1))
    await compaction.compact()
    await write(Batch(source=1, batch_key=uuid4(), events=[event(at_us=START_US - 300 * DAY_US)]))
    await compaction.compact()
    assert sorted(file.month for file in await live_files()) == [
        date(2023, 1, 1),
        date(2023, 11, 1),
    ]


async def test_an_empty_slot_becomes_no_file(warehouse):
    assert await compaction.compact() is not None
    assert await live_files() == []
    assert await rows("select slot, state from warehouse.slot order by 1") == [
        (1, "compacted"),
        (2, "open"),
    ]


async def test_what_the_tail_says_the_files_say(warehouse):
    """Also of texts with quotes, commas, line ends and Chinese, and of missing properties."""
    await write(batch(90))
    before = await totals()
    assert before == [90, 60]
    await compaction.compact()
    assert await totals() == before


async def test_W6_files_are_sorted_compressed_and_delta_encoded(warehouse):
    events = [
        event(person=n % 3_000 + 1, at_us=START_US + n * 7_919, name="x", item_no=n % 50)
        for n in range(6_000)
    ]
    await write(Batch(source=1, batch_key=uuid4(), events=events[::-1]))
    await compaction.compact()
    [file] = await live_files()
    path = warehouse / file.path
    codecs = duckdb.execute(
        "select path_in_schema, compression, encodings from parquet_metadata(?)", [str(path)]
    ).fetchall()
    assert {codec for _, codec, _ in codecs} == {"LZ4_RAW"}
    encodings = {name: encoding for name, _, encoding in codecs}
    for name in ("person_no", "at_us", "event_no"):
        assert "DELTA_BINARY_PACKED" in encodings[name], name
    for name in ("name_id", "channel_id", "shop_id", "item_no"):
        assert "DICTIONARY" in encodings[name], name
    kinds = dict(duckdb.execute("select name, type from parquet_schema(?)", [str(path)]).fetchall())
    assert kinds["at_us"] == kinds["event_no"] == kinds["person_no"] == "INT64"
    found = duckdb.execute(f"select person_no, at_us from '{path}'").fetchall()
    assert found == sorted(found)


async def test_W5_four_files_of_a_month_become_one_and_no_file_is_ever_changed(warehouse):
    seen: dict[str, bytes] = {}
    for n in range(1, 8):
        await write(batch(10))
        await compaction.compact()
        for path in warehouse.glob("b*/*/*"):
            assert seen.setdefault(str(path), path.read_bytes()) == path.read_bytes()
        assert len(await live_files()) == (n - 1) % 3 + 1
    assert [(file.level, file.rows) for file in await live_files()] == [(2, 70)]
    assert (await compaction.collect(grace_s=0))[0] == 8
    assert len(list(warehouse.glob("b*/*/*"))) == 1
    assert await totals() == [70, 42]
    await check_invariants()


def a_file(number: int, count: int, persons: tuple[int, int] = (1, 9), shop: int = 1) -> LiveFile:
    return LiveFile(
        file_no=number,
        path=f"{number}",
        level=0,
        bucket=0,
        month=date(2024, 1, 1),
        rows=count,
        min_us=1,
        max_us=2,
        min_shop=shop,
        max_shop=shop,
        min_person=persons[0],
        max_person=persons[1],
    )


@pytest.mark.parametrize(
    ("counts", "quiet", "chosen"),
    [
        ([5, 5, 5], False, []),
        ([5, 5, 5, 5], False, [1, 2, 3, 4]),
        ([5, 5], True, [1, 2]),
        ([5], True, []),
        ([20_000_000, 1, 1, 1], False, []),
        ([19_999_997, 1, 1, 1], False, [2, 3, 4, 1]),
        ([20_000_000, 1, 1], True, [1, 2, 3]),
    ],
)
def test_which_files_are_merged(counts, quiet, chosen):
    files = [a_file(number, count) for number, count in enumerate(counts, 1)]
    assert [file.file_no for file in rules.choose_merge(files, quiet=quiet)] == chosen


BIG = 12_000_000


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ([a_file(1, BIG, (1, 4)), a_file(2, BIG, (5, 9))], []),
        ([a_file(1, BIG, (1, 5)), a_file(2, BIG, (5, 9))], [1, 2]),
        ([a_file(1, BIG, (1, 4)), a_file(2, BIG, (5, 9)), a_file(3, 1, (7, 7))], [2, 3]),
        ([a_file(1, BIG, (1, 9)), a_file(2, BIG, (10, 20)), a_file(3, 1, (3, 3))], [1, 3]),
        ([a_file(1, BIG, shop=1), a_file(2, BIG, shop=17)], []),
    ],
)
def test_of_a_month_above_the_limit_only_files_that_overlap_are_written_again(files, chosen):
    assert sorted(file.file_no for file in rules.choose_merge(files, quiet=True)) == chosen
    assert rules.choose_merge(files, quiet=False) == []


async def test_a_closed_month_ends_as_one_file_after_a_quiet_day(warehouse):
    for _ in range(2):
        await write(batch(5))
        await compaction.compact()
    assert len(await live_files()) == 2
    async with tail.opened() as tx:
        await tx.run(
            "update warehouse.slot set compacted_at = now() - interval '25 h' where slot < 3"
        )
    assert (await compaction.run_round()).merges == 1
    assert [(file.level, file.rows) for file in await live_files()] == [(1, 10)]


async def test_rebuild_writes_every_file_anew(warehouse):
    await write(batch(10), batch(10, shop=2))
    await compaction.compact()
    old = {file.path for file in await live_files()}
    assert await compaction.rebuild() == 2
    assert not old & {file.path for file in await live_files()}
    await check_invariants()


async def test_old_batches_are_folded_and_the_books_still_agree(warehouse):
    await write(*(batch(3) for _ in range(5)))
    await compaction.compact()
    await write(batch(2))
    await compaction.compact()
    async with tail.opened() as tx:
        await tx.run(
            "update warehouse.slot set compacted_at = now() - interval '41 days' where slot = 1"
        )
    await compaction.collect()
    await compaction.collect()
    assert await rows("select slot, source, rows from warehouse.batch order by slot") == [
        (1, -1, 15),
        (2, 1, 2),
    ]
    await check_invariants()


async def test_scratch_of_the_dead_is_removed_and_that_of_the_living_kept(warehouse):
    scratch = warehouse / "scratch"
    old = {name: scratch / name for name in ("tmpdead", "spill-999999999", f"spill-{os.getpid()}")}
    for folder in old.values():
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    (scratch / "tmpnew").mkdir()
    await compaction.collect()
    assert {path.name for path in scratch.iterdir()} == {f"spill-{os.getpid()}", "tmpnew"}


# --- several at once (W2) ---------------------------------------------------------------------


async def test_W2_of_compactors_of_one_slot_exactly_one_publishes(warehouse):
    await write(batch(50))
    await tail.seal()
    assert sorted(await asyncio.gather(*(compaction.compact_slot(1) for _ in range(3)))) == [
        False,
        False,
        True,
    ]
    assert len(await live_files()) == 1
    await check_invariants()


async def test_W2_of_mergers_of_the_same_files_exactly_one_publishes(warehouse):
    for _ in range(2):
        await write(batch(5))
        await compaction.compact()
    files = await live_files()
    assert sorted(await asyncio.gather(merge_files(files), merge_files(files))) == [False, True]
    assert [file.rows for file in await live_files()] == [10]
    await check_invariants()


async def test_only_one_process_is_the_compactor(warehouse):
    async with tail.session() as other:
        assert await queries.try_lock_compactor(other)
        assert await compaction.run_round() is None
        await queries.unlock_compactor(other)
    assert await compaction.run_round() is not None


async def test_a_writer_whose_lease_is_over_cannot_publish(warehouse):
    async with tail.opened() as tx:
        [intent] = await queries.insert_intents(tx, [("b0/x", 0, date(2024, 1, 1))], 0, 1)
        await tx.run("update warehouse.file set lease_until = now() - interval '1 s'")
    await compaction.collect()
    part = compaction_part()
    async with tail.opened() as tx:
        written = [queries.Written(intent.file_no, part, 10)]
        assert await queries.publish_files(tx, written) == 0


def compaction_part() -> queries.Part:
    return queries.Part(
        bucket=0,
        month=date(2024, 1, 1),
        rows=1,
        min_us=1,
        max_us=1,
        min_shop=1,
        max_shop=1,
        min_person=1,
        max_person=1,
    )


async def test_W1_a_slot_that_does_not_hold_what_was_promised_is_not_published(warehouse):
    await write(batch(5))
    async with tail.opened() as tx:
        await tx.run("delete from warehouse.event_tail where person_no = 1")
    assert not (await compaction.verify()).ok
    await tail.seal()
    with pytest.raises(AssertionError, match="promise"):
        await compaction.compact_slot(1)
    assert await rows("select state from warehouse.slot where slot = 1") == [("sealed",)]
    assert await live_files() == []


async def test_W6_the_audit_finds_a_file_out_of_order_and_a_missing_one(warehouse):
    await write(batch(20))
    await compaction.compact()
    [file] = await live_files()
    path = warehouse / file.path
    duckdb.execute(f"create temp table t as from '{path}'")
    duckdb.execute(f"copy (from t order by at_us desc) to '{path}' (format parquet)")
    duckdb.execute("drop table t")
    report = await compaction.verify()
    assert (report.ok, report.unordered, report.file_sum) == (False, [file.path], report.batch_sum)
    path.unlink()
    report = await compaction.verify()
    assert (report.ok, report.missing) == (False, [file.path])


# --- readers meanwhile (W3, W4, W9) -----------------------------------------------------------


async def test_W3_publishing_is_dml_only(warehouse):
    await write(batch(5))
    await tail.seal()
    with db.recorded() as statements:
        assert await compaction.compact_slot(1)
    words = {word for sql, _ in statements for word in re.findall(r"[a-z_]+", sql.lower())}
    assert words & {"insert", "update"}
    assert not words & {"create", "alter", "drop", "attach", "detach", "truncate", "lock"}


async def test_W3_W4_a_reader_without_the_lock_would_miss_rows_and_ours_does_not(warehouse):
    """Why W4: a partition dropped after the file list was read is gone for its reader."""
    count = "select count(*) from warehouse.event_tail"
    files = "select count(*) from warehouse.file where state = 'live'"
    await write(batch(30))
    async with tail.opened("begin isolation level repeatable read") as naive:
        assert await naive.value(files) == 0
        assert (await compaction.compact()).dropped == 1
        assert await naive.value(count) == 0  # 30 events in neither place
    await write(batch(30))
    async with tail.snapshotting() as reader:
        assert await reader.value(files) == 1
        assert (await compaction.compact()).dropped == 0
        await asyncio.wait_for(write(batch(1)), 2)  # the waiting DROP has not stopped writers
        assert await reader.value(count) == 30
        assert await reader.value(files) == 1
    assert (await compaction.collect())[1] == 1
    assert await totals() == [61, 40]


async def test_F119_W4_no_transaction_is_open_while_a_snapshot_is_used(warehouse):
    """However long the question: nothing of it holds back a vacuum or a change of tables."""
    need = Need(names=frozenset({"behaviour.view"}), since_us=0, until_us=2**62, props=False)
    await write(batch(5))
    async with query.snapshot(1, [need]) as snapshot:
        copied = duckdb.execute(f"select count(*) from {rules.read_csv(str(snapshot.tail))}")
        assert copied.fetchone() == (5,)
        open_ones = await rows(
            """select count(*) from pg_stat_activity where pid <> pg_backend_pid()
               and datname = current_database() and xact_start is not null"""
        )
        assert open_ones == [(0,)]
    # And whoever reads the books for too long is stopped.
    limits = "current_setting('statement_timeout'), current_setting('lock_timeout')"
    assert await rows(f"select {limits}") == [("30s", "3s")]
    assert not snapshot.tail.exists()


async def test_W7_files_are_listed_oldest_month_first(warehouse):
    await write(batch(4, step_us=25 * DAY_US))
    await compaction.compact()
    async with tail.opened() as tx:
        paths = await snapshots.list_paths(tx, 1, 2**62)
        assert await snapshots.list_paths(tx, 99, 2**62) == []
    assert [path.split("/")[1] for path in paths] == ["2023-11", "2023-12", "2024-01"]


async def test_W9_answers_stay_right_while_everything_is_rewritten(warehouse):
    await write(batch(60))
    expected = await totals()
    done = asyncio.Event()

    async def rewrite() -> None:
        await compaction.compact()
        for _ in range(6):
            await compaction.rebuild()
            await compaction.collect(grace_s=0)
            await asyncio.sleep(0.2)
        done.set()

    rewriting = asyncio.create_task(rewrite())
    asked = 0
    while not done.is_set():
        assert await totals() == expected
        asked += 1
    await rewriting
    assert asked > 2


async def test_W9_a_file_that_stays_missing_fails_loudly(warehouse):
    await write(batch(5))
    await compaction.compact()
    [file] = await live_files()
    (warehouse / file.path).unlink()
    with pytest.raises(WarehouseIncomplete, match=r"\.parquet"):
        await totals()


async def test_a_drop_that_gets_no_lock_is_weather(warehouse):
    await write(batch(1))
    await compaction.compact()
    await write(batch(1))
    async with tail.snapshotting():
        with pytest.raises(Busy):
            async with tail.opened("begin; set local lock_timeout = '50ms'") as tx:
                await queries.drop_partition(tx, 2)
