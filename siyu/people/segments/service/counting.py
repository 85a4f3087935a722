"""Rules over everybody: the deeds asked of the warehouse, all in one question, the rest of the
profiles, in as few passes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.profiles import service as profiles
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    Audience,
    FieldIs,
    Foremost,
    Inside,
    Largest,
    Leaf,
    OnTier,
    Rule,
    Spent,
    Tagged,
    Then,
    Times,
)
from siyu.people.segments.service.judging import spoken_of
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Features, Persons, Questions
from siyu.warehouse.query.contracts import (
    Absent,
    Feature,
    FeatureSpec,
    PersonsOf,
    SegmentSpec,
    Step,
)

ALL_OF_THEM = 2**40
FEATURES = 60


class _Ground(NamedTuple):
    """What one reading of the database tells. rules: of the segments that are spoken of."""

    rules: Mapping[UUID, Rule]
    bits: dict[str, int]
    bars: dict[str, int]
    time_zone: str


async def judge_everybody(
    shop_id: ShopId, wanted: Sequence[Rule], at: datetime | None = None
) -> list[Audience]:
    """Who fits each of these rules at a moment, now by default. Opens its own transactions; none
    may be open.

    Raises SegmentNotFound when a rule speaks of a segment that is not there.
    """
    now = at or clock.now()
    async with reading(shop_id) as tx:
        ground = await _ground(tx, wanted, now)
    leaves = _leaves([*wanted, *ground.rules.values()])
    needs_all = any(_is_open(rule, ground) for rule in wanted)
    await _ask_deeds(shop_id, leaves, ground, now, needs_all)
    return await asyncio.to_thread(_combine, wanted, ground, now)


def _leaves(wanted: Iterable[Rule]) -> dict[str, Leaf]:
    return {rules.key_of(leaf): leaf for rule in wanted for leaf in rules.leaves(rule)}


async def _ground(tx: ReadTx, wanted: Sequence[Rule], now: datetime) -> _Ground:
    known, fixed = await spoken_of(tx, wanted)
    zone = await shops.get_time_zone(tx)
    ground = _Ground(known, {}, {}, zone)
    leaves = _leaves([*wanted, *known.values()])
    await _ask_profiles(tx, leaves, ground, clock.business_day(now, zone))
    for key, leaf in leaves.items():
        if isinstance(leaf, Inside) and leaf.segment_id in fixed:
            ground.bits[key] = await fixed_bits(tx, leaf.segment_id)
    everybody = {"": 0}
    if any(_is_open(rule, ground) for rule in wanted):
        everybody[""] = rules.bits_of(await profiles.list_everybody(tx))
    ground.bits.update(everybody)
    return ground


async def fixed_bits(tx: ReadTx, segment_id: UUID) -> int:
    """The persons of a fixed segment, under the numbers they have today."""
    numbers = await queries.list_persons(tx, segment_id)
    roots = await profiles.roots_of(tx, numbers)
    return rules.bits_of([roots[number] for number in numbers])


async def _ask_profiles(
    tx: ReadTx, leaves: Mapping[str, Leaf], ground: _Ground, today: date
) -> None:
    tests = {key: leaf.test for key, leaf in leaves.items() if isinstance(leaf, FieldIs)}
    # What holds of somebody without any field holds of all whose profile does not say otherwise.
    free = {key: profiles.holds(test, {}, today) for key, test in tests.items()}
    asked = [(test, not free[key]) for key, test in tests.items()]
    found = await profiles.find_fitting(tx, asked, today)
    for key, numbers in zip(tests, found, strict=True):
        bits = await asyncio.to_thread(rules.bits_of, numbers)
        ground.bits[key] = ~bits if free[key] else bits
    for key, leaf in leaves.items():
        match leaf:
            case Foremost():
                numbers, bar = await profiles.list_top(tx, leaf.field, leaf.percent)
                ground.bits[key] = rules.bits_of(numbers)
                if bar is not None:
                    ground.bars[key] = bar
            case Tagged():
                ground.bits[key] = rules.bits_of(await profiles.list_tagged(tx, leaf.tag_id))
            case OnTier():
                numbers = await profiles.list_on_ladder(tx, leaf.ladder, leaf.keys)
                ground.bits[key] = rules.bits_of(numbers)


async def _ask_deeds(
    shop_id: ShopId, leaves: Mapping[str, Leaf], ground: _Ground, now: datetime, needs_all: bool
) -> None:
    """Ask all leaves that speak of deeds in one question, so that files are read once."""
    asked: dict[str, SegmentSpec] = {}
    turned: set[str] = set()
    tops: dict[str, Largest] = {}
    for key, leaf in leaves.items():
        match leaf:
            case Times() | Spent():
                least, is_turned = rules.asked_of(leaf)
                turned |= {key} if is_turned else set()
                ground.bits[key] = 0
                if least is not None:
                    asked[key] = rules.spec_of(shop_id, least, now)
            case Then():
                asked[key] = rules.spec_of(shop_id, leaf, now)
            case Largest():
                tops[key] = leaf
    if needs_all:
        nothing = Absent(Step("-"), None)
        asked[""] = SegmentSpec(shop_id=shop_id, rule=nothing, as_of=now)
    figures = [
        Feature(name=key, kind="sum", step=leaf.step.step(), days=leaf.days)
        for key, leaf in tops.items()
    ]
    questions = Questions(
        persons=tuple(PersonsOf(segment=spec, limit=ALL_OF_THEM) for spec in asked.values()),
        features=tuple(
            FeatureSpec(
                shop_id=shop_id, features=tuple(figures[at : at + FEATURES]), as_of=now,
                time_zone=ground.time_zone, limit=ALL_OF_THEM,
            )
            for at in range(0, len(figures), FEATURES)
        ),
    )  # fmt: skip
    if asked or tops:
        answers = await engines.ask(questions)
        found = zip(asked, answers.persons, strict=True)
        await asyncio.to_thread(_take, found, answers.features, tops, ground)
    for key in turned:
        ground.bits[key] = ~ground.bits[key]


def _take(
    found: Iterable[tuple[str, Persons]],
    features: Sequence[Features],
    tops: Mapping[str, Largest],
    ground: _Ground,
) -> None:
    for key, persons in found:
        ground.bits[key] = ground.bits.get(key, 0) | rules.bits_of(persons.numbers)
    sums = [(one.persons, values) for one in features for values in one.values]
    for (key, leaf), (numbers, values) in zip(tops.items(), sums, strict=True):
        figures = [(no, int(fen or 0)) for no, fen in zip(numbers, values, strict=True) if no]
        bar = rules.bar_of((fen for _, fen in figures), leaf.percent)
        ground.bits[key] = 0
        if bar is not None:
            ground.bars[key] = bar
            ground.bits[key] = rules.bits_of([no for no, fen in figures if fen >= bar])


def _is_open(rule: Rule, ground: _Ground) -> bool:
    """Whether the rule says "everybody but some", so that it matters who there is at all."""

    def sign(leaf: Leaf) -> int:
        match leaf:
            case Times() | Spent():
                return -1 if rules.asked_of(leaf)[1] else 0
            case Inside() if leaf.segment_id in ground.rules:
                return -1 if rules.combine(ground.rules[leaf.segment_id], sign) < 0 else 0
        return -1 if ground.bits.get(rules.key_of(leaf), 0) < 0 else 0

    return rules.combine(rule, sign) < 0


def _combine(wanted: Sequence[Rule], ground: _Ground, now: datetime) -> list[Audience]:
    def leaf_bits(leaf: Leaf) -> int:
        if isinstance(leaf, Inside) and leaf.segment_id in ground.rules:
            return rules.combine(ground.rules[leaf.segment_id], leaf_bits)
        return ground.bits[rules.key_of(leaf)]

    found = []
    for rule in wanted:
        bits = rules.combine(rule, leaf_bits)
        if bits < 0:
            bits &= ground.bits[""]
        spoken = _leaves([rule, *ground.rules.values()])
        bars = {key: bar for key, bar in ground.bars.items() if key in spoken}
        found.append(Audience(bits & ~1, bars, now))
    return found
