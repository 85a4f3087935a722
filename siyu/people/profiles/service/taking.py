"""Events into states: as they come, and all of them anew."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from siyu.kernel import clock, relay
from siyu.kernel.db import Tx, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import Happened
from siyu.people.profiles.rules.folding import State
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import Need, Snapshot
from siyu.warehouse.tail import service as tail

CONSUMER = "profiles"
BATCH = 2_000
CHUNK = 2_000
"""Persons written in one transaction of a rebuild."""
JOINED = "members.person_joined"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_EVER = 2**62
_decode = msgspec.json.Decoder(dict[str, Any]).decode


async def take_events(*, settled: bool = True, upto: tuple[int, Any] | None = None) -> int:
    """Add the next events of the outbox to the states, of all shops; how many were read.

    One transaction with the cursor: each event is added exactly once. settled: as in
    `relay.read_outbox`. upto: leave what comes after this place in the outbox.
    """
    async with system_transaction() as tx:
        rows = await relay.read_outbox(tx, CONSUMER, BATCH, settled=settled) or []
        if upto is not None:
            rows = [row for row in rows if (int(row.xid), row.event_id) <= upto]
        if not rows:
            return 0
        await queries.ensure_passes(tx, sorted({row.shop_id for row in rows}))
        zones = {one.shop_id: ZoneInfo(one.time_zone) for one in await shops.list_shops(tx)}
        await _add(tx, rows, zones)
        for row in rows:
            if row.name == JOINED:
                joined = row.payload["joined_person_no"]
                await queries.join_state(tx, row.shop_id, row.payload["person_no"], joined)
        await relay.advance(tx, CONSUMER, rows[-1])
    return len(rows)


async def _add(tx: Tx, rows: Sequence[relay.OutboxRow], zones: dict[int, ZoneInfo]) -> None:
    news: dict[tuple[int, int], list[tuple[Any, Happened]]] = defaultdict(list)
    for row in rows:
        event = Happened(row.name, (row.happened_at - _EPOCH) // _US, row.payload)
        for person_no, measures in rules.persons_in(event).items():
            news[row.shop_id, person_no] += [(measure, event) for measure in measures]
    if not news:
        return
    known = {
        (row.shop_id, row.person_no): row.measures
        for row in await queries.list_states(tx, sorted(news))
    }
    kept = []
    for (shop_id, person_no), deeds in sorted(news.items(), key=lambda item: item[0]):
        zone = zones[shop_id]
        state = known.get((shop_id, person_no), {})
        for measure, event in deeds:
            rules.fold(state, measure, event, rules.day_of(event.at_us, zone))
        rules.trim(state, rules.day_of((clock.now() - _EPOCH) // _US, zone))
        kept.append((shop_id, person_no, state))
    await queries.upsert_states(tx, kept)


# --- all events anew --------------------------------------------------------------------------


async def ask_rebuild(tx: Tx) -> None:
    """Have the shop's states made from all events; the worker does it within seconds."""
    await queries.set_rebuilt(tx, None)


async def rebuild(shop_id: ShopId, *, settled: bool = True) -> int:
    """Make a shop's states from all events of the warehouse; how many persons have one.

    Runs where `take_events` runs, never beside it: states then stand exactly where the cursor of
    the outbox stands. Opens its own short transactions; pages show old figures until it is done.
    """
    while await tail.consume_outbox(settled=settled):
        pass
    async with contextlib.AsyncExitStack() as stack:
        # While the warehouse's reader is held, its position and its events are of one moment.
        async with system_transaction() as tx:
            await relay.hold(tx, "warehouse")
            upto = await tail.get_position()
            need = Need(frozenset(rules.DOMAIN_EVENTS) | {JOINED}, -_EVER, _EVER, True)
            snapshot = await stack.enter_async_context(query.snapshot(shop_id, [need]))
        while await take_events(settled=settled, upto=upto):
            pass
        async with reading(shop_id) as read:
            zone = ZoneInfo(await shops.get_time_zone(read))
        duck = stack.enter_context(duckdb.connect(config={"memory_limit": "512MB"}))
        await asyncio.to_thread(_load, duck, snapshot)
        count, after = 0, 0
        while chunk := await asyncio.to_thread(_next_states, duck, snapshot, zone, after):
            upper = chunk[-1][0] if len(chunk) == CHUNK else _EVER
            async with transaction(shop_id) as tx:
                await queries.replace_states(tx, after, upper, chunk)
            count, after = count + len(chunk), chunk[-1][0]
        async with transaction(shop_id) as tx:
            await queries.replace_states(tx, after, _EVER, [])
            await queries.forget_without_state(tx)
        for person_no, joined_no in await asyncio.to_thread(_joins, duck, snapshot):
            async with system_transaction() as tx:
                await queries.join_state(tx, shop_id, person_no, joined_no)
    async with transaction(shop_id) as tx:
        await queries.set_rebuilt(tx, clock.now())
    return count


def _load(duck: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    columns = "shop_id, person_no, at_us, event_no, name_id, item_no, amount_fen, props"
    sources = [f"select {columns} from {compaction.read_csv(str(snapshot.tail))}"]
    if snapshot.files:
        paths = [str(path) for path in snapshot.files]
        sources.append(f"select {columns} from {compaction.read_parquet(paths)}")
    ids = ", ".join(map(str, snapshot.codes["event_name"].values())) or "-1"
    # Sorted by whom an event counts for, so that a chunk of persons reads its own part only.
    duck.execute(
        f"""create temp table events as
            with found as (
              select *, try_cast(json_extract_string(props, '$.giver_no') as bigint) as giver_no
              from ({" union all ".join(sources)})
              where shop_id = {int(snapshot.shop_id)} and name_id in ({ids}))
            select person_no as no, * from found
            union all select giver_no, * from found where giver_no <> person_no
            order by no, at_us, event_no"""
    )


def _names(snapshot: Snapshot) -> dict[int, str]:
    return {number: name for name, number in snapshot.codes["event_name"].items()}


def _rows(
    duck: duckdb.DuckDBPyConnection, snapshot: Snapshot, where: str
) -> Iterator[tuple[int, Happened]]:
    names = _names(snapshot)
    found = duck.execute(
        f"""select no, name_id, at_us, person_no, item_no, amount_fen, props from events
            where {where} order by at_us, event_no"""
    )
    while rows := found.fetchmany(10_000):
        for no, name_id, at_us, person_no, item_no, amount_fen, props in rows:
            payload = {"person_no": person_no, "amount_fen": amount_fen}
            if item_no:
                payload["product_no"] = item_no
            yield no, Happened(names[name_id], at_us, payload | (_decode(props) if props else {}))


def _next_states(
    duck: duckdb.DuckDBPyConnection, snapshot: Snapshot, zone: ZoneInfo, after: int
) -> list[tuple[int, State]]:
    """States of the next numbers above `after`, smallest first, at most CHUNK of them."""
    numbers = duck.execute(
        f"select distinct no from events where no > {after} order by no limit {CHUNK}"
    ).fetchall()
    if not numbers:
        return []
    states: dict[int, State] = {number: {} for (number,) in numbers}
    where = f"no between {numbers[0][0]} and {numbers[-1][0]}"
    for no, event in _rows(duck, snapshot, where):
        for measure in rules.persons_in(event).get(no, ()):
            rules.fold(states[no], measure, event, rules.day_of(event.at_us, zone))
    today = rules.day_of((clock.now() - _EPOCH) // _US, zone)
    for state in states.values():
        rules.trim(state, today)
    return list(states.items())


def _joins(duck: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Iterable[tuple[int, int]]:
    """(person, joined) in the order in which they happened."""
    number = snapshot.codes["event_name"].get(JOINED, -1)
    return [
        (event.payload["person_no"], event.payload["joined_person_no"])
        for _, event in _rows(duck, snapshot, f"name_id = {number}")
    ]
