"""Ingest: acknowledged once, never lost, never twice (W2); domain events exactly once."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from siyu.kernel import db
from siyu.kernel.errors import TooMany
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import rules
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, Reject
from siyu.warehouse.tail.service import commit_group
from tests.warehouse.support import batch, check_invariants, event, rows, write


async def test_W2_a_batch_is_written_once_however_often_it_is_sent(warehouse):
    first = batch(1_000)
    assert await write(first) == 1_000
    assert await write(first, batch(5, shop=2)) == 5
    assert await write(first) == 0
    assert await rows("select sum(rows) from warehouse.batch") == [(1_005,)]
    await check_invariants()


async def test_W2_the_same_batch_from_many_at_once_is_written_once(warehouse):
    first, second = batch(50), batch(70)
    written = await asyncio.gather(
        *(write(first, second) for _ in range(4)), *(write(second, first) for _ in range(4))
    )
    assert sum(written) == 120
    await check_invariants()


async def test_one_key_means_different_batches_for_two_shops(warehouse):
    key = uuid4()
    assert await write(batch(3, shop=1, key=key), batch(4, shop=2, key=key)) == 7


async def test_a_rolled_back_batch_leaves_nothing_and_can_be_sent_again(warehouse):
    one = batch(10)
    prepared = await tail.prepare([one])
    with pytest.raises(ZeroDivisionError):
        async with tail.opened() as tx:
            await tail.append(tx, prepared)
            raise ZeroDivisionError
    assert await rows("select count(*) from warehouse.event_tail") == [(0,)]
    assert await write(one) == 10
    await check_invariants()


async def test_events_keep_every_field(warehouse):
    rest = {"deep": {"list": [1, "a"]}}
    props = {"zone": "新品区 🍵", "dwell_ms": 1_200} | rest
    await write(
        Batch(
            source=7,
            batch_key=uuid4(),
            events=[event(5, shop=7, item_no=8, amount_fen=-99, page="/p/12/x?a=1#b", props=props)],
        )
    )
    assert await rows(
        """select shop_id, person_no, item_no, amount_fen, n.text, c.text, p.text,
             e.zone, e.dwell_ms, e.props
           from warehouse.event_tail e join warehouse.event_name n on n.id = name_id
           join warehouse.channel c on c.id = channel_id join warehouse.page p on p.id = page_id"""
    ) == [(7, 5, 8, -99, "behaviour.view", "h5", "/p/*/x", "新品区 🍵", 1_200, rest)]


@pytest.mark.parametrize(
    "props",
    [
        {"zone": 7},
        {"zone": "x" * 65},
        {"zone": None, "dwell_ms": -1},
        {"dwell_ms": True},
        {"dwell_ms": 2**31},
        {"dwell_ms": 1.5},
        {"dwell_ms": "9"},
    ],
)
def test_odd_values_of_promoted_properties_stay_in_props(props):
    assert rules.promoted(props) == (props, "", 0)


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("pages/product/detail?id=7", "pages/product/detail"),
        (" /orders/0195e1b0-1111-7abc-8000-000000000001/pay#top", "/orders/*/pay"),
        ("/p/2024", "/p/*"),
        ("/p/2024x", "/p/2024x"),
        ("", ""),
        ("x" * 300, "x" * 128),
    ],
)
def test_pages_are_kept_without_what_differs_per_view(page, path):
    assert rules.page_path(page) == path


async def test_a_full_page_dictionary_takes_no_more_texts(warehouse):
    async with tail.opened() as tx:
        await tx.run(
            "insert into warehouse.page (text) select 'x' || n from generate_series(1, 20000) n"
        )
    await write(Batch(source=1, batch_key=uuid4(), events=[event(page="/new"), event(page="x5")]))
    assert await rows(
        """select p.text from warehouse.event_tail join warehouse.page p on p.id = page_id
           order by event_no"""
    ) == [("(other)",), ("x5",)]


async def test_requests_share_a_commit_and_a_bad_one_harms_nobody(warehouse):
    good = [batch(3) for _ in range(20)]
    bad = Batch(source=1, batch_key=uuid4(), events=[event(amount_fen=2**70)])
    outcomes = await asyncio.gather(
        *(tail.collect(one) for one in [*good[:10], bad, *good[10:]]), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(type(None)) == 20
    assert isinstance(outcomes[10], Exception)
    assert await rows("select count(*), sum(rows) from warehouse.batch") == [(20, 60)]
    await check_invariants()


async def test_a_flood_is_told_to_slow_down(warehouse, monkeypatch):
    monkeypatch.setattr(commit_group, "_QUEUE_EVENTS", 100)
    outcomes = await asyncio.gather(
        *(tail.collect(batch(60)) for _ in range(4)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooMany)]
    assert (len(refused), refused[0].retry_after) == (3, 2)
    assert await rows("select sum(rows) from warehouse.batch") == [(60,)]


async def test_a_caller_that_goes_away_does_not_stop_the_commit(warehouse):
    task = asyncio.create_task(tail.collect(batch(5)))
    await asyncio.sleep(0)
    task.cancel()
    await tail.collect(batch(6))
    assert await rows("select sum(rows) from warehouse.batch") == [(11,)]


async def test_refused_events_are_kept_thirty_days(warehouse):
    await tail.reject([Reject(shop_id=1, reason="no name", sample="{}")] * 2)
    async with tail.opened() as tx:
        await tx.run(
            "update warehouse.reject set at = now() - interval '31 days' where reject_no = 1"
        )
    assert await tail.forget_rejects() == 1
    assert await rows("select reject_no, shop_id, reason from warehouse.reject") == [
        (2, 1, "no name")
    ]


# --- the outbox -------------------------------------------------------------------------------

AT = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


async def emit(shop: ShopId, count: int, **payload) -> None:
    async with db.transaction(shop) as tx:
        for n in range(count):
            tx.add_event("ordering.order_paid", {"person_no": n + 1, **payload}, AT)


async def drain() -> int:
    taken = 0
    while count := await tail.consume_outbox(settled=False):
        taken += count
    return taken


@pytest.fixture
async def outbox(warehouse, shop):
    """A shop, with everything that stood in the outbox before already read."""
    await drain()
    async with tail.opened() as tx:
        await tx.run("delete from warehouse.event_tail")
        await tx.run("delete from warehouse.batch")
    return shop


async def test_domain_events_arrive_once_with_their_columns(outbox):
    await emit(outbox, 3, amount_fen=1_250, product_no=4, order_id="x", first_order=True)
    assert await drain() == 3
    assert await drain() == 0
    assert await rows(
        """select e.shop_id, person_no, at_us, item_no, amount_fen, n.text, c.text, props
           from warehouse.event_tail e join warehouse.event_name n on n.id = name_id
           join warehouse.channel c on c.id = channel_id order by event_no limit 1"""
    ) == [
        (
            outbox,
            1,
            1_291_191_960_000_000,
            4,
            1_250,
            "ordering.order_paid",
            "domain",
            {"order_id": "x", "first_order": True},
        )
    ]
    await check_invariants()


async def test_a_payload_that_breaks_the_convention_is_kept_in_props(outbox):
    payload = {"person_no": "seven", "amount_fen": True, "product_no": 2**64}
    async with db.transaction(outbox) as tx:
        tx.add_event("shops.odd", payload, AT)
    await drain()
    assert await rows("select person_no, amount_fen, item_no, props from warehouse.event_tail") == [
        (0, 0, 0, payload)
    ]


async def test_events_read_again_are_recognised(outbox):
    """The warehouse has committed, the outbox's own cursor has not: nothing is doubled."""
    await emit(outbox, 4)
    await drain()
    async with db.system_transaction() as tx:
        await tx.run("update kernel.outbox_cursor set xid = '0' where consumer = 'warehouse'")
    await emit(outbox, 2)
    assert await drain() >= 6
    assert await rows(
        "select count(*) from warehouse.event_tail where shop_id = " + str(outbox)
    ) == [(6,)]
    await check_invariants()


async def test_two_consumers_take_each_event_once(outbox):
    await emit(outbox, 500)
    await asyncio.gather(*(drain() for _ in range(3)))
    assert await rows("select count(*), count(distinct person_no) from warehouse.event_tail") == [
        (500, 500)
    ]


# --- sealing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "age_s", "due"),
    [(0, 10_000, False), (1, 899, False), (1, 900, True), (99_999, 1, False), (100_000, 1, True)],
)
def test_when_a_slot_is_sealed(count, age_s, due):
    assert rules.should_seal(count, age_s) is due


async def test_sealing_while_writers_write_loses_nothing(warehouse):
    async def write_many() -> int:
        return sum([await write(batch(20)) for _ in range(15)])

    async def seal_many() -> int:
        return sum([(await tail.seal()) is not None for _ in range(5)])

    written, other, sealed, also = await asyncio.gather(
        write_many(), write_many(), seal_many(), seal_many()
    )
    assert written + other == 600
    slots = await rows("select state, count(*) from warehouse.slot group by 1 order by 1")
    assert slots == [("open", 1), ("sealed", sealed + also)]
    await check_invariants()


async def test_a_partition_left_by_a_broken_seal_is_used(warehouse):
    async with tail.opened() as tx:
        await tx.run("create table warehouse.event_tail_2 (like warehouse.event_tail)")
    assert await tail.seal() == 1
    await write(batch(2))
    assert await rows("select slot, rows from warehouse.batch") == [(2, 2)]
    await check_invariants()


async def test_a_held_up_seal_gives_up_and_writers_go_on(warehouse):
    async with tail.opened() as tx:
        await tail.append(tx, await tail.prepare([batch(1)]))
        assert await tail.seal() is None
        await asyncio.wait_for(write(batch(2)), 2)
    assert await rows("select slot, state from warehouse.slot") == [(1, "open")]
    assert (await compaction.verify()).batch_rows == 3
