"""Writing batches: book, copy, and let the commit be the acknowledgement (W2)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import Tx
from siyu.warehouse.tail import queries, rules
from siyu.warehouse.tail.contracts import SYSTEMS, Batch, TailEvent
from siyu.warehouse.tail.service.connection import crash_point, opened

_OTHER_PAGE = 2
DAY_US = 86_400_000_000
_codes: dict[str, dict[str, int]] = {"event_name": {}, "channel": {}, "page": {}}
_numbers: Iterator[int] = iter(())
_reserved = 0


class Prepared(msgspec.Struct, frozen=True):
    """A batch in numbers: rows as in `queries.COLUMNS` without the slot."""

    source: int
    batch_key: UUID
    rows: list[tuple[Any, ...]]
    sum_no: int


def forget() -> None:
    """Forget the numbers of texts and the reserved events: another database is in use now."""
    global _numbers, _reserved
    _numbers, _reserved = iter(()), 0
    for known in _codes.values():
        known.clear()


async def number_texts(tx: Tx, dictionary: str, texts: Sequence[str]) -> dict[str, int]:
    """Numbers of texts, given to new ones while there is room; those without room are missing.

    dictionary: event_name, channel or page.
    """
    found = await queries.get_codes(tx, dictionary, texts)
    if missing := [text for text in texts if text not in found]:
        await queries.insert_codes(tx, dictionary, missing)
        found |= await queries.get_codes(tx, dictionary, missing)
    return found


async def _learn(events: Iterable[TailEvent]) -> None:
    """Give every text a number, committed ahead of the batch.

    A batch that rolls back must not leave numbers in memory that the dictionaries never kept.
    """
    wanted: dict[str, set[str]] = {"event_name": set(), "channel": set(), "page": set()}
    for event in events:
        wanted["event_name"].add(event.name)
        wanted["channel"].add(event.channel)
        wanted["page"].add(rules.page_path(event.page))
    unknown = {kind: sorted(texts - _codes[kind].keys()) for kind, texts in wanted.items()}
    if not any(unknown.values()):
        return
    learned: dict[str, dict[str, int]] = {}
    async with opened() as tx:
        for kind, texts in unknown.items():
            learned[kind] = await number_texts(tx, kind, texts)
    for kind, codes in learned.items():
        _codes[kind].update(codes)


async def _take_numbers(count: int) -> list[int]:
    global _numbers, _reserved
    while _reserved < count:
        async with opened() as tx:
            blocks = await queries.get_blocks(tx, -(-count // rules.BLOCK))
        _numbers, _reserved = rules.numbers(iter(blocks)), len(blocks) * rules.BLOCK
    _reserved -= count
    return list(islice(_numbers, count))


def _row(number: int, event: TailEvent) -> tuple[Any, ...]:
    props, zone, dwell_ms = rules.promoted(event.props)
    return (
        event.shop_id,
        event.person_no,
        event.at_us,
        number,
        _codes["event_name"][event.name],
        _codes["channel"][event.channel],
        event.item_no,
        event.amount_fen,
        # A page the full dictionary did not take (its texts come from outside).
        _codes["page"].get(rules.page_path(event.page), _OTHER_PAGE),
        props,
        zone,
        dwell_ms,
    )


async def prepare(batches: Sequence[Batch]) -> list[Prepared]:
    """Translate texts to numbers and number the events; opens its own short transactions."""
    await _learn(event for batch in batches for event in batch.events)
    numbers = iter(await _take_numbers(sum(len(batch.events) for batch in batches)))
    prepared = []
    for batch in batches:
        own = list(islice(numbers, len(batch.events)))
        rows = [_row(number, event) for number, event in zip(own, batch.events, strict=True)]
        prepared.append(Prepared(batch.source, batch.batch_key, rows, sum(own)))
    return prepared


def _without(
    batch: Prepared, erased: set[tuple[int, int]], withdrawn: dict[tuple[int, int], int]
) -> Prepared:
    if not erased and not withdrawn:
        return batch
    systems = {_codes["channel"].get(text) for text in SYSTEMS}
    rows = [
        row
        for row in batch.rows
        if (row[0], row[1]) not in erased
        and (row[5] in systems or row[2] >= withdrawn.get((row[0], row[1]), row[2]))
    ]
    return Prepared(batch.source, batch.batch_key, rows, sum(row[3] for row in rows))


async def forget_persons(tx: Tx, shop_id: int, persons: Sequence[int], asked_by: str) -> int:
    """From now on nothing of these persons is taken; how many had not been asked for before.

    What was written before stays until the compactor takes it out. Raises Busy when writers do not
    pause within the lock time-out of `tx`.
    """
    return await queries.insert_erasures(tx, shop_id, persons, asked_by)


async def forget_behaviour(
    tx: Tx, shop_id: int, persons: Sequence[int], before_us: int, said_us: int
) -> int:
    """The same for what their pages told before a moment (UTC microseconds), as they said at
    another; how many are new. What was noted since they said it is not noted again."""
    return await queries.upsert_withdrawals(tx, shop_id, persons, before_us, said_us)


async def append(tx: Tx, batches: Sequence[Prepared]) -> int:
    """Write the batches that were not written before; returns how many events were new.

    Safe to repeat: a batch whose (source, batch_key) is booked changes nothing. Events of erased
    persons are left out, and what pages told before a withdrawal.
    """
    persons = {(row[0], row[1]) for batch in batches for row in batch.rows}
    if not persons:
        return 0
    await queries.share_seal_lock(tx)
    erased = await queries.list_erased(tx, sorted(persons))
    withdrawn = await queries.list_withdrawn(tx, sorted(persons))
    by_key = {
        (batch.source, batch.batch_key): batch
        for batch in (_without(batch, erased, withdrawn) for batch in batches)
        if batch.rows
    }
    if not by_key:
        return 0
    # Sorted, so that two writers with the same batches wait for each other in one order.
    booked = await queries.insert_batches(
        tx,
        [(*key, len(by_key[key].rows), by_key[key].sum_no) for key in sorted(by_key)],
    )
    crash_point("append.booked")
    records = [(key.slot, *row) for key in booked for row in by_key[key.source, key.batch_key].rows]
    await queries.insert_events(tx, records)
    if records:
        # slot, shop_id, person_no, at_us, event_no, name_id
        days = Counter((row[0], row[1], row[5], row[3] // DAY_US) for row in records)
        await queries.insert_counts(tx, days)
    crash_point("append.copied")
    return len(records)
