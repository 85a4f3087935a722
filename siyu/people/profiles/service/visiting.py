"""Fields of behaviour, asked of the warehouse."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from siyu.kernel import clock
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.profiles import queries, rules
from siyu.people.profiles.contracts import Values
from siyu.people.profiles.service import asking_store as store
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Features, Questions
from siyu.warehouse.query.contracts import Feature, FeatureSpec, LastSpec, Step, Where

CHUNK = 2_000
ASKED = 50_000
"""Persons asked of the warehouse at once, and written in one transaction."""
_KEYS = sorted(rules.VISITS_FIELDS)
_SEEN = Step(rules.VISITS["visits"].events)


def _feature(key: str) -> Feature:
    visit = rules.VISITS[key]
    where = []
    if visit.page:
        where.append(Where("page", "in", (visit.page, f"/{visit.page}")))
    if visit.channel:
        where.append(Where("channel", "eq", visit.channel))
    return Feature(
        name=key,
        kind=visit.kind,
        step=Step(visit.events, tuple(where)),
        days=visit.days,
        prop=visit.prop or "amount_fen",
    )


async def count_visits(shop_id: ShopId, *, anew: bool = False) -> int:
    """Bring the fields of behaviour up to now; how many persons changed.

    Does nothing when nobody came since the last time and no day has passed. anew: count anyway.
    Who withdrew the consent to statistics is left out. Opens its own transactions.
    """
    now = clock.now()
    async with reading(shop_id) as tx:
        name = await shops.get_time_zone(tx)
        done = await queries.get_pass(tx)
    today = clock.business_day(now, name)
    [last_us] = (
        await engines.ask(Questions(lasts=(LastSpec(shop_id=shop_id, steps=(_SEEN,), until=now),)))
    ).lasts
    if last_us is None or done is None:
        return 0
    if not anew and (done.visited_us, done.visits_on) == (last_us, today):
        return 0
    changed, after = 0, 0
    while True:
        spec = FeatureSpec(
            shop_id=shop_id, features=tuple(map(_feature, _KEYS)), as_of=now, time_zone=name,
            after=after, limit=ASKED,
        )  # fmt: skip
        [found] = (await engines.ask(Questions(features=(spec,)))).features
        for start in range(0, len(found.persons), CHUNK):
            changed += await _write(shop_id, dict(_rows(found, start, ZoneInfo(name))))
        if len(found.persons) < ASKED:
            break
        after = found.persons[-1]
    async with transaction(shop_id) as tx:
        await queries.set_visited(tx, last_us, today)
    return changed


async def forget_visits(tx: Tx, person_no: int) -> None:
    """Take the fields of behaviour out of whoever this number belongs to."""
    found = [one.person_no for one in await store.list_roots(tx, [person_no])]
    await store.forget_visits(tx, [person_no, *found], _KEYS)


async def _write(shop_id: ShopId, rows: dict[int, Values]) -> int:
    async with transaction(shop_id) as tx:
        refused = {
            row.person_no
            for row in await queries.list_people(tx, list(rows))
            if row.fields.get("analytics_last_granted") is False
        }
        kept = [(number, fields) for number, fields in rows.items() if number not in refused]
        return await queries.upsert_visits(tx, kept, _KEYS)


def _rows(found: Features, start: int, zone: ZoneInfo) -> Iterator[tuple[int, Values]]:
    for place in range(start, min(start + CHUNK, len(found.persons))):
        fields: dict[str, Any] = {}
        for key, values in zip(_KEYS, found.values, strict=True):
            value = values[place]
            if value and rules.VISITS[key].kind in ("first", "last"):
                fields[key] = engines.from_us(value).astimezone(zone).date().isoformat()
            elif value:
                fields[key] = value
        if found.persons[place] > 0:
            yield found.persons[place], fields
