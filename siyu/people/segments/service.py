"""Verbs of segments."""

from collections.abc import Sequence
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    PERSONS_MAX,
    SEGMENTS_MAX,
    NameTaken,
    Rule,
    Segment,
    SegmentNotFound,
    SegmentRemoved,
    SegmentSaved,
    TooManySegments,
)
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import People, PersonsOf


async def list_segments(tx: ReadTx) -> list[Segment]:
    """All segments of the shop, newest first."""
    return await queries.list_segments(tx)


async def get_segment(tx: ReadTx, segment_id: UUID) -> Segment:
    """One segment. Raises SegmentNotFound."""
    found = await queries.get_segment(tx, segment_id)
    if found is None:
        raise SegmentNotFound
    return found


async def save_persons(
    tx: Tx, actor: Actor, name: str, persons: Sequence[int], note: str = ""
) -> Segment:
    """Keep these persons under a name, as they are now. Raises NameTaken, TooManySegments."""
    numbers = sorted(set(persons))
    segment = await _save(tx, actor, name, note, None, len(numbers))
    await queries.insert_persons(tx, segment.segment_id, numbers)
    return segment


async def save_rule(
    tx: Tx, actor: Actor, name: str, rule: Rule, count: int, note: str = ""
) -> Segment:
    """Keep a rule under a name. count: how many fit it now. Raises NameTaken, TooManySegments."""
    return await _save(tx, actor, name, note, rule, count)


async def _save(
    tx: Tx, actor: Actor, name: str, note: str, rule: Rule | None, count: int
) -> Segment:
    if await queries.count_segments(tx) >= SEGMENTS_MAX:
        raise TooManySegments(limit=SEGMENTS_MAX)
    now = clock.now()
    segment = Segment(new_id(), name.strip(), note, rule, count, now, actor.actor_name, now)
    if not await queries.insert_segment(tx, segment):
        raise NameTaken
    audit(
        tx,
        actor,
        "segments.segment_saved",
        ("segment", segment.segment_id),
        after={"name": segment.name, "persons": count},
    )
    emit(tx, SegmentSaved(segment.segment_id, count))
    return segment


async def remove_segment(tx: Tx, actor: Actor, segment_id: UUID) -> None:
    """Remove a segment; nobody in it is touched. Raises SegmentNotFound."""
    segment = await get_segment(tx, segment_id)
    if not await queries.delete_segment(tx, segment_id):
        raise SegmentNotFound
    audit(
        tx,
        actor,
        "segments.segment_removed",
        ("segment", segment_id),
        before={"name": segment.name},
    )
    emit(tx, SegmentRemoved(segment_id))


async def people_of(tx: ReadTx, segment_id: UUID) -> People:
    """Who is in it, as a filter for the warehouse's questions. Raises SegmentNotFound."""
    segment = await get_segment(tx, segment_id)
    if segment.rule is not None:
        return rules.spec_of(tx.shop_id, segment.rule, clock.now())
    return frozenset(await queries.list_persons(tx, segment_id, 0, PERSONS_MAX))


async def count_rule(shop_id: ShopId, rule: Rule) -> int:
    """How many persons fit a rule now. Asks the warehouse: no transaction may be open."""
    return (await ask_rule(shop_id, rule, 0, 1))[0]


async def ask_rule(shop_id: ShopId, rule: Rule, after: int, limit: int) -> tuple[int, list[int]]:
    """How many persons fit a rule now, and the first `limit` numbers of them above `after`."""
    asked = PersonsOf(segment=rules.spec_of(shop_id, rule, clock.now()), after=after, limit=limit)
    [found] = (await engines.ask(Questions(persons=(asked,)))).persons
    return found.size, found.numbers


async def recount(shop_id: ShopId, segment_id: UUID) -> Segment:
    """Count anew who fits. Opens its own transactions. Raises SegmentNotFound."""
    async with reading(shop_id) as tx:
        segment = await get_segment(tx, segment_id)
    if segment.rule is None:
        return segment
    count = await count_rule(shop_id, segment.rule)
    async with transaction(shop_id) as tx:
        await queries.set_count(tx, segment_id, segment.rule, count, clock.now())
        return await get_segment(tx, segment_id)


async def list_persons(shop_id: ShopId, segment_id: UUID, after: int, limit: int) -> list[int]:
    """Person numbers above `after`, smallest first. Opens its own transaction."""
    async with reading(shop_id) as tx:
        segment = await get_segment(tx, segment_id)
        if segment.rule is None:
            return await queries.list_persons(tx, segment_id, after, limit)
    return (await ask_rule(shop_id, segment.rule, after, limit))[1]
