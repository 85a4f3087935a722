"""Segments: saved, changed, removed, looked up."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx, reading
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from siyu.people.profiles import service as profiles
from siyu.people.profiles.contracts import FieldKind
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    SEGMENTS_MAX,
    Audience,
    BadCondition,
    FieldIs,
    Foremost,
    InUse,
    NameTaken,
    Recipient,
    Rule,
    Segment,
    SegmentNotFound,
    SegmentRemoved,
    SegmentSaved,
    TooManySegments,
)
from siyu.people.segments.service.counting import fixed_bits
from siyu.people.segments.service.following import keep
from siyu.people.segments.service.judging import spoken_of
from siyu.warehouse.query.contracts import People


async def list_segments(tx: ReadTx) -> list[Segment]:
    """All segments of the shop, newest first."""
    return await queries.list_segments(tx)


async def get_segment(tx: ReadTx, segment_id: UUID) -> Segment:
    """One segment. Raises SegmentNotFound."""
    found = await queries.get_segment(tx, segment_id)
    if found is None:
        raise SegmentNotFound
    return found


def check(rule: Rule) -> None:
    """Raises BadCondition, BadRule (of profiles) for a rule without meaning."""
    rules.check_shape(rule)
    for leaf in rules.leaves(rule):
        if isinstance(leaf, FieldIs):
            profiles.check_condition(leaf.test)
        elif isinstance(leaf, Foremost):
            field = profiles.field_of(leaf.field)
            figures = (FieldKind.NUMBER, FieldKind.FEN)
            if field is None or not field.is_ready or field.source == "members":
                raise BadCondition(
                    zh=f"「{leaf.field}」没有这个字段", en=f"“{leaf.field}”: there is no such field"
                )
            if field.kind not in figures:
                raise BadCondition(
                    zh=f"「{field.zh}」不是数值，不能排前后",
                    en=f"“{field.en}” is no figure to rank by",
                )


async def save_persons(
    tx: Tx, actor: Actor, name: str, persons: Sequence[int], note: str = ""
) -> Segment:
    """Keep these persons under a name, as they are now. Raises NameTaken, TooManySegments."""
    numbers = sorted(set(persons))
    segment = await _save(tx, actor, name, note, None, len(numbers), live=False)
    await queries.insert_persons(tx, segment.segment_id, numbers)
    return segment


async def save_rule(
    tx: Tx,
    actor: Actor,
    name: str,
    rule: Rule,
    audience: Audience,
    note: str = "",
    *,
    live: bool = False,
) -> Segment:
    """Keep a rule under a name. audience: who fits it now (`judge_everybody`).

    Raises NameTaken, TooManySegments, BadCondition.
    """
    check(rule)
    segment = await _save(tx, actor, name, note, rule, audience.size, live=live)
    await keep(tx, segment.segment_id, rule, audience)
    if live:
        await _go_live(tx, segment)
    return await get_segment(tx, segment.segment_id)


async def _save(
    tx: Tx,
    actor: Actor,
    name: str,
    note: str,
    rule: Rule | None,
    count: int,
    *,
    live: bool,
) -> Segment:
    if await queries.count_segments(tx) >= SEGMENTS_MAX:
        raise TooManySegments(limit=SEGMENTS_MAX)
    now = clock.now()
    segment = Segment(
        new_id(), name.strip(), note, rule, False, {}, count, now, actor.actor_name, now
    )
    if not await queries.insert_segment(tx, segment):
        raise NameTaken
    audit(
        tx,
        actor,
        "segments.segment_saved",
        ("segment", segment.segment_id),
        after={"name": segment.name, "persons": count, "live": live},
    )
    emit(tx, SegmentSaved(segment.segment_id, count))
    return segment


async def _go_live(tx: Tx, segment: Segment) -> None:
    """From now on who comes and leaves is told; who is in it already did not come."""
    await queries.update_segment(tx, msgspec.structs.replace(segment, live=True))
    if await queries.get_judged_upto(tx) is None:
        await queries.set_judged_upto(tx, clock.now())


async def change_rule(
    tx: Tx,
    actor: Actor,
    segment_id: UUID,
    name: str,
    rule: Rule,
    audience: Audience,
    note: str,
    *,
    live: bool,
) -> Segment:
    """Write a segment with a rule anew. Who comes or leaves by it did nothing: no event says so.

    Raises SegmentNotFound, NameTaken, BadCondition (also for a rule that speaks of itself).
    """
    check(rule)
    before = (await queries.lock_segments(tx, [segment_id])).get(segment_id)
    if before is None or before.rule is None:
        raise SegmentNotFound
    spoken, _ = await spoken_of(tx, [rule])
    if segment_id in spoken:
        raise BadCondition(zh="人群的规则不能用到它自己", en="a segment cannot speak of itself")
    after = msgspec.structs.replace(before, name=name.strip(), note=note, rule=rule, live=False)
    if not await queries.update_segment(tx, after):
        raise NameTaken
    await keep(tx, segment_id, rule, audience)
    if live:
        await _go_live(tx, after)
    audit(
        tx,
        actor,
        "segments.segment_changed",
        ("segment", segment_id),
        before={"name": before.name, "persons": before.person_count, "live": before.live},
        after={"name": after.name, "persons": audience.size, "live": live},
    )
    return await get_segment(tx, segment_id)


async def remove_segment(tx: Tx, actor: Actor, segment_id: UUID) -> None:
    """Remove a segment; nobody in it is touched. Raises SegmentNotFound, InUse."""
    segment = await get_segment(tx, segment_id)
    for other in await queries.list_segments(tx):
        if other.rule is not None and segment_id in rules.segments_in(other.rule):
            raise InUse(name=other.name)
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


# --- who is in it -----------------------------------------------------------------------------


async def people_of(tx: ReadTx, segment_id: UUID) -> People:
    """Who is in it, as a filter for the warehouse's questions. Raises SegmentNotFound.

    A rule of deeds alone is asked anew; any other stands as it was last judged.
    """
    segment = await get_segment(tx, segment_id)
    if segment.rule is not None and rules.is_of_deeds(segment.rule):
        return rules.spec_of(tx.shop_id, segment.rule, clock.now())
    return frozenset(rules.numbers_of(await bits_of(tx, segment)))


async def bits_of(tx: ReadTx, segment: Segment) -> int:
    """The members as last judged, bit n for person n."""
    if segment.rule is None:
        return await fixed_bits(tx, segment.segment_id)
    rows = await queries.list_blocks(tx, [segment.segment_id])
    return rules.joined((row.block, row.bits) for row in rows)


async def list_persons(tx: ReadTx, segment_id: UUID, after: int, limit: int) -> list[int]:
    """Person numbers above `after`, smallest first, as last judged. Raises SegmentNotFound."""
    bits = await bits_of(tx, await get_segment(tx, segment_id))
    return rules.numbers_of(bits >> (after + 1) << (after + 1))[:limit]


async def count_members(tx: ReadTx, segment_id: UUID) -> int:
    """How many persons are in it, as last judged. Raises SegmentNotFound."""
    return (await get_segment(tx, segment_id)).person_count


async def is_member(tx: ReadTx, segment_id: UUID, person_no: int) -> bool:
    """Whether somebody is in it, as last judged; False for a segment that is not there."""
    if await queries.is_member(tx, segment_id, person_no):
        return True
    numbers = await profiles.roots_of(tx, [person_no])
    if len(numbers) == 1:
        return False
    fixed = await queries.list_fixed_of(tx, sorted(numbers))
    return any(found == segment_id for found, _ in fixed)


async def stream_members(
    shop_id: ShopId, segment_id: UUID, *, after: int = 0, chunk: int = 5_000
) -> AsyncIterator[list[Recipient]]:
    """Everybody in it who has an account, by growing number above `after`, in pieces.

    The set is read once, at the beginning; whoever is erased meanwhile is left out. Opens its own
    short transactions. Raises SegmentNotFound.
    """
    async with reading(shop_id) as tx:
        bits = await bits_of(tx, await get_segment(tx, segment_id))
    numbers = rules.numbers_of(bits >> (after + 1) << (after + 1))
    for at in range(0, len(numbers), chunk):
        async with reading(shop_id) as tx:
            found = await members.list_standing(tx, numbers[at : at + chunk])
        if found:
            yield [Recipient(one.person_no, one.member_id) for one in found]
