"""Rules over a few persons at once, as soon as they have done something."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.profiles import service as profiles
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    Rule,
    Segment,
    SegmentEntered,
    SegmentLeft,
    SegmentNotFound,
)
from siyu.people.segments.rules import Moment, Someone
from siyu.warehouse.engines.service import to_us
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import Deed

BATCH = 200
"""Persons judged in one go."""


class Ground(NamedTuple):
    """What a judgement of persons needs. roots: their numbers → whose it is."""

    roots: Mapping[int, int]
    people: Mapping[int, Someone]
    rules: Mapping[UUID, Rule]
    now_us: int
    today: date


async def someones(
    shop_id: ShopId, persons: Collection[int], wanted: Sequence[Rule], at: datetime | None = None
) -> Ground:
    """Persons as rules see them at a moment (None: now), with all their numbers. Opens its own
    transactions."""
    now = at or clock.now()
    async with reading(shop_id) as tx:
        known, fixed = await spoken_of(tx, wanted)
        roots = await profiles.roots_of(tx, sorted(persons))
        found = await profiles.known_of(tx, sorted(set(roots.values())))
        inside: dict[int, set[UUID]] = defaultdict(set)
        if fixed:
            for segment_id, number in await queries.list_fixed_of(tx, sorted(roots)):
                inside[roots[number]].add(segment_id)
        zone = await shops.get_time_zone(tx)
    every = [*wanted, *known.values()]
    names = {name for rule in every for step in rules.steps_in(rule) for name in step.names}
    since = min((rules.since_of(rule, to_us(now)) for rule in every), default=0)
    deeds: dict[int, list[Deed]] = defaultdict(list)
    if names:
        for deed in await query.events_of(shop_id, sorted(roots), names, since):
            deeds[roots[deed.person_no]].append(deed)
    people = {
        root: Someone(deeds.get(root, []), found.get(root), frozenset(inside[root]))
        for root in set(roots.values())
    }
    return Ground(roots, people, known, to_us(now), clock.business_day(now, zone))


async def spoken_of(
    tx: ReadTx, wanted: Sequence[Rule]
) -> tuple[dict[UUID, Rule], dict[UUID, Segment]]:
    """The rules of all segments that rules speak of, however far down; and the fixed ones among
    those. Raises SegmentNotFound."""
    waiting = {one for rule in wanted for one in rules.segments_in(rule)}
    found: dict[UUID, Rule] = {}
    fixed: dict[UUID, Segment] = {}
    saved = {one.segment_id: one for one in await queries.list_segments(tx)} if waiting else {}
    while waiting:
        one = waiting.pop()
        if one not in saved:
            raise SegmentNotFound
        rule = saved[one].rule
        if rule is None:
            fixed[one] = saved[one]
        elif one not in found:
            found[one] = rule
            waiting |= rules.segments_in(rule)
    return found, fixed


def moment_of(ground: Ground, bars: Mapping[str, int]) -> Moment:
    """The moment these persons are seen at."""
    return Moment(ground.now_us, ground.today, bars, ground.rules)


async def judge_persons(
    shop_id: ShopId, persons: Collection[int], *, everywhere: bool = False
) -> int:
    """Bring the membership of these persons in live segments up to now; how often it changed.

    A number that turned out to be somebody else is in no segment. everywhere: in all segments that
    have a rule. Opens its own transactions.
    """
    async with reading(shop_id) as tx:
        every = [one for one in await queries.list_segments(tx) if one.rule is not None]
    wanted = [one for one in every if one.live or everywhere]
    changed = 0
    numbers = sorted(persons) if wanted else []
    for at in range(0, len(numbers), BATCH):
        changed += await _judge(shop_id, numbers[at : at + BATCH], wanted)
    return changed


async def _judge(shop_id: ShopId, persons: Sequence[int], segments: Sequence[Segment]) -> int:
    ruled = {one.segment_id: one.rule for one in segments if one.rule is not None}
    ground = await someones(shop_id, persons, list(ruled.values()))
    verdicts: dict[UUID, dict[int, bool]] = {}
    for one in segments:
        moment = moment_of(ground, one.bars)
        rule = ruled[one.segment_id]
        verdicts[one.segment_id] = {
            number: number == root and rules.judge(rule, ground.people[root], moment)
            for number, root in ground.roots.items()
        }
    changed = 0
    async with transaction(shop_id) as tx:
        held = await queries.lock_segments(tx, sorted(ruled))
        blocks = sorted({number // 16_384 for number in ground.roots})
        rows = await queries.list_blocks(tx, sorted(ruled), blocks)
        before = {(row.segment_id, row.block): row.bits for row in rows}
        for segment_id, verdict in verdicts.items():
            if segment_id not in held or held[segment_id].rule != ruled[segment_id]:
                continue
            came, left, after = _turn(segment_id, verdict, before)
            if held[segment_id].live:
                for number in came:
                    emit(tx, SegmentEntered(segment_id, number))
                for number in left:
                    emit(tx, SegmentLeft(segment_id, number))
            if after:
                await queries.upsert_blocks(tx, segment_id, sorted(after.items()))
                await queries.add_count(tx, segment_id, len(came) - len(left))
            changed += len(came) + len(left)
    return changed


def _turn(
    segment_id: UUID, verdict: Mapping[int, bool], before: Mapping[tuple[UUID, int], bytes]
) -> tuple[list[int], list[int], dict[int, bytes]]:
    """Who comes, who leaves, and the blocks that change by it."""
    came: list[int] = []
    left: list[int] = []
    after: dict[int, bytearray] = {}
    for number, fits in sorted(verdict.items()):
        block, place = divmod(number, 16_384)
        bits = after.get(block) or before.get((segment_id, block)) or bytes(2048)
        if bool(bits[place >> 3] >> (place & 7) & 1) == fits:
            continue
        changed = after.setdefault(block, bytearray(bits))
        changed[place >> 3] ^= 1 << (place & 7)
        (came if fits else left).append(number)
    return came, left, {block: bytes(bits) for block, bits in after.items()}
