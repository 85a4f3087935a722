"""States into profiles: fields, tiers and tags of whoever is due."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from siyu.kernel import clock
from siyu.kernel.db import Tx, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import (
    ByHand,
    ByRule,
    ByScore,
    FieldRule,
    Tag,
    TierChanged,
    TierVersion,
    Values,
)
from siyu.people.profiles.rules.folding import State
from siyu.people.profiles.service.tiering import get_rules

BATCH = 500
RULED = "rule"
"""Who gives a tag that its rule gives."""


class _Ground(NamedTuple):
    """What holds for everybody of a batch."""

    zone: ZoneInfo
    today: date
    tiers: TierVersion
    tags: list[Tag]
    rules: list[FieldRule]


class _Outcome(NamedTuple):
    """A person as they are now. turns_on: the next day on which that can change by itself."""

    fields: Values
    tier: str | None
    life: str | None
    tags: dict[UUID, int | None]
    turns_on: date | None


async def refresh(shop_id: ShopId, limit: int = BATCH) -> int:
    """Compute whoever of the shop is due anew; how many there were. One transaction."""
    async with transaction(shop_id) as tx:
        now = clock.now()
        due = await queries.lock_due(tx, now, limit)
        if not due:
            return 0
        numbers = [row.person_no for row in due]
        ground = await _ground(tx, now)
        states: dict[int, list[State]] = defaultdict(list)
        for state in await queries.list_states_of(tx, numbers):
            states[state.root_no].append(state.measures)
        # Of several records' words the stricter counts, not the last one told.
        several = [number for number in numbers if len(states[number]) > 1]
        words = await consents.words_of_merged(tx, several) if several else {}
        outcomes = [
            _judge(row.fields, states[row.person_no], ground, words.get(row.person_no, {}))
            for row in due
        ]
        at = [_starts(outcome.turns_on, ground.zone) for outcome in outcomes]
        await queries.update_people(
            tx, now, numbers, [one.fields for one in outcomes], [one.tier for one in outcomes],
            [one.life for one in outcomes], at,
        )  # fmt: skip
        await _move(tx, due, outcomes, ground.tiers.version, now)
        await _tag(tx, numbers, outcomes, ground.tags, now)
    return len(due)


async def _ground(tx: Tx, now: datetime) -> _Ground:
    name = await shops.get_time_zone(tx)
    tiers = await get_rules(tx)
    tags = [
        tag
        for tag in await queries.list_tags(tx, counted=False)
        if not isinstance(tag.making, ByHand)
    ]
    ladders = [*tiers.rules.tier, *tiers.rules.life]
    ruled = [tag.making.rule for tag in tags if isinstance(tag.making, ByRule)]
    every = [tier.rule for tier in ladders] + ruled
    return _Ground(ZoneInfo(name), clock.business_day(now, name), tiers, tags, every)


def _judge(
    before: Values, states: list[State], ground: _Ground, words: Mapping[Purpose, bool]
) -> _Outcome:
    state, today = rules.combine(states), ground.today
    number = rules.number_of(today)
    fields = rules.figures(state, number, ground.zone)
    told = {f"{purpose}_last_granted": granted for purpose, granted in words.items()}
    fields |= {key: granted for key, granted in told.items() if key in rules.FIELDS}
    if fields.get("analytics_last_granted") is not False:
        fields |= {key: before[key] for key in rules.VISITS_FIELDS & before.keys()}
    tags: dict[UUID, int | None] = {}
    decays = False
    for tag in ground.tags:
        if isinstance(tag.making, ByRule) and rules.fits(tag.making.rule, fields, today):
            tags[tag.tag_id] = None
        elif isinstance(tag.making, ByScore):
            points = rules.score(tag.making, state, fields, number)
            decays |= points > 0
            if points >= tag.making.threshold:
                tags[tag.tag_id] = points
    wakes = rules.wakes_on(state, number)
    turns = [
        rules.next_turn(ground.rules, fields, today),
        None if wakes is None else today + timedelta(days=wakes - number),
        today + timedelta(days=1) if decays else None,
    ]
    ladders = ground.tiers.rules
    return _Outcome(
        fields,
        rules.place(ladders.tier, fields, today),
        rules.place(ladders.life, fields, today),
        tags,
        min((turn for turn in turns if turn is not None), default=None),
    )


def _starts(on: date | None, zone: ZoneInfo) -> datetime | None:
    return None if on is None else clock.day_start(on, zone.key)


async def _move(
    tx: Tx,
    due: Sequence[queries.PersonRow],
    outcomes: Sequence[_Outcome],
    version: int,
    now: datetime,
) -> None:
    """Note who moved; tell it, unless it is the first we know of them: nobody moved then."""
    moves: list[tuple[Any, ...]] = []
    for row, outcome in zip(due, outcomes, strict=True):
        for ladder, before, after in (
            ("tier", row.tier, outcome.tier),
            ("life", row.life, outcome.life),
        ):
            if before != after:
                moves.append((row.person_no, new_id(), ladder, before, after))
                if row.refreshed_at is not None:
                    emit(tx, TierChanged(row.person_no, ladder, before, after))
    if moves:
        await queries.insert_moves(tx, version, now, *map(list, zip(*moves, strict=True)))


async def _tag(
    tx: Tx,
    numbers: Sequence[int],
    outcomes: Sequence[_Outcome],
    tags: Sequence[Tag],
    now: datetime,
) -> None:
    if not tags:
        return
    ours = {tag.tag_id for tag in tags}
    before = {
        (row.person_no, row.tag_id): row.score
        for row in await queries.list_tagged(tx, numbers)
        if row.tag_id in ours
    }
    after = {
        (number, tag_id): points
        for number, outcome in zip(numbers, outcomes, strict=True)
        for tag_id, points in outcome.tags.items()
    }
    given = [(*key, points) for key, points in after.items() if before.get(key, -1) != points]
    if given:
        await queries.give_tags(tx, given, RULED, now)
    if taken := sorted(before.keys() - after.keys()):
        await queries.take_tags(tx, taken)
