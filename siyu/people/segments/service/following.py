"""Membership brought up to now: of whoever has done something, and of everybody by the clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.people.profiles import service as profiles
from siyu.people.segments import queries, rules
from siyu.people.segments.contracts import (
    Audience,
    Rule,
    Segment,
    SegmentEntered,
    SegmentLeft,
    SegmentNotFound,
)
from siyu.people.segments.service.counting import judge_everybody
from siyu.people.segments.service.judging import judge_persons, spoken_of
from siyu.warehouse.query import service as query

LATE = timedelta(seconds=20)
"""A profile may become visible so much later than the moment it was computed at."""
MANY = 20_000
"""From so many persons on it is quicker to judge everybody at once."""

_seen: dict[int, Mapping[tuple[int, int], int]] = {}
_judged: dict[int, Mapping[int, datetime]] = {}
# Of this process: judging somebody twice changes nothing, so that a restart only costs time.


class News(NamedTuple):
    """Where things stand: (slot, person) → fresh events of live rules; and when."""

    fresh: Mapping[tuple[int, int], int]
    at: datetime


async def _news(shop_id: ShopId) -> News:
    async with reading(shop_id) as tx:
        live = [one.rule for one in await queries.list_segments(tx) if one.live and one.rule]
        known, _ = await spoken_of(tx, live)
    every = [*live, *known.values()]
    names = {name for rule in every for step in rules.steps_in(rule) for name in step.names}
    return News(await query.count_fresh(shop_id, names) if names else {}, clock.now())


def _grown(before: Mapping[tuple[int, int], int], now: News) -> set[int]:
    return {key[1] for key, n in now.fresh.items() if n > before.get(key, 0)}


async def _refreshed(shop_id: ShopId, since: datetime) -> dict[int, datetime]:
    """Whose profile was computed from a moment on, and when; MANY of them when there are more."""
    async with reading(shop_id) as tx:
        return dict(await profiles.list_refreshed(tx, since, MANY))


async def follow(shop_id: ShopId) -> int:
    """Judge everybody of a shop who has done something, or whose profile has changed, since the
    last time, by the live segments; how often a membership changed. Opens its own transactions."""
    news = await _news(shop_id)
    async with reading(shop_id) as tx:
        upto = await queries.get_judged_upto(tx) or news.at
    refreshed = await _refreshed(shop_id, upto - LATE)
    judged = _judged.get(shop_id, {})
    persons = {number for number, at in refreshed.items() if judged.get(number) != at}
    persons |= _grown(_seen.get(shop_id, {}), news)
    if len(persons) >= MANY:
        async with reading(shop_id) as tx:
            live = [one.segment_id for one in await queries.list_segments(tx) if one.live]
        changed = await recount_all(shop_id, live)
    else:
        changed = await judge_persons(shop_id, persons)
    async with transaction(shop_id) as tx:
        await queries.set_judged_upto(tx, news.at)
    _judged[shop_id], _seen[shop_id] = refreshed, news.fresh
    return changed


def forget() -> None:
    """Forget who was judged: another database is in use now."""
    _seen.clear()
    _judged.clear()


# --- everybody ----------------------------------------------------------------------------------


async def recount(shop_id: ShopId, segment_id: UUID) -> Segment:
    """Judge everybody anew. Opens its own transactions. Raises SegmentNotFound."""
    await recount_all(shop_id, [segment_id])
    async with reading(shop_id) as tx:
        found = await queries.get_segment(tx, segment_id)
    if found is None:
        raise SegmentNotFound
    return found


async def recount_all(shop_id: ShopId, only: Sequence[UUID] | None = None) -> int:
    """Judge everybody anew by all rules of a shop, or by some, at once; how many rules.

    Who did something meanwhile is judged once more at the end: their membership is never older
    than their last deed. Opens its own transactions.
    """
    async with reading(shop_id) as tx:
        saved = [
            one
            for one in await queries.list_segments(tx)
            if one.rule is not None and (only is None or one.segment_id in only)
        ]
    if not saved:
        return 0
    wanted = [one.rule for one in saved if one.rule is not None]
    before = await _news(shop_id) if any(one.live for one in saved) else None
    found = await judge_everybody(shop_id, wanted)
    for one, audience in zip(saved, found, strict=True):
        async with transaction(shop_id) as tx:
            await keep(tx, one.segment_id, one.rule, audience)
    if before is not None:
        refreshed = await _refreshed(shop_id, before.at - LATE)
        await judge_persons(shop_id, _grown(before.fresh, await _news(shop_id)) | set(refreshed))
    return len(saved)


async def keep(tx: Tx, segment_id: UUID, rule: Rule | None, audience: Audience) -> None:
    """Put down who fits a rule, if it is still the segment's; of a live one, who came and left."""
    current = (await queries.lock_segments(tx, [segment_id])).get(segment_id)
    if current is None or current.rule != rule:
        return
    before = {row.block: row.bits for row in await queries.list_blocks(tx, [segment_id])}
    after = dict(rules.blocks_of(audience.bits))
    nobody = bytes(2048)
    changed = [
        (block, after.get(block, nobody))
        for block in sorted(before.keys() | after.keys())
        if before.get(block, nobody) != after.get(block, nobody)
    ]
    if changed:
        await queries.upsert_blocks(tx, segment_id, changed)
    if current.live:
        was = rules.joined(before.items())
        for number in rules.numbers_of(audience.bits & ~was):
            emit(tx, SegmentEntered(segment_id, number))
        for number in rules.numbers_of(was & ~audience.bits):
            emit(tx, SegmentLeft(segment_id, number))
    await queries.set_counted(tx, segment_id, audience.size, audience.bars, audience.at)
