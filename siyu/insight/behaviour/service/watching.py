"""What is seen while one watches: the last minutes, single events, what there is to ask about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from siyu.insight.behaviour import rules
from siyu.insight.behaviour.contracts import BadQuestion, EventView, LiveView, ValueView
from siyu.insight.behaviour.service.asking import labels_of, titles_of
from siyu.insight.behaviour.service.words import label, speak_of
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.people.members import service as members
from siyu.people.segments import service as segments
from siyu.people.segments.contracts import GROUPS, Filter, StepBody
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import EventRow, Questions
from siyu.warehouse.query.contracts import (
    Count,
    LastSpec,
    ListSpec,
    LiveSpec,
    Measure,
    People,
    SeriesSpec,
    Step,
    ValuesSpec,
)

_MINUTE = timedelta(minutes=1)
_NEWEST = 12
LISTED = timedelta(days=90)
"""How far back the list of single events looks, unless told."""


async def watch(
    shop_id: ShopId, language: Language, time_zone: str, people: UUID | None = None
) -> LiveView:
    """The last half hour, minute by minute, up to the end of this minute."""
    now = clock.now()
    until = now.replace(second=0, microsecond=0) + _MINUTE
    since = until - rules.LIVE_MINUTES * _MINUTE
    active = Step(GROUPS["any.active"][0] + ("ordering.order_placed",))
    chosen = await _people(shop_id, people)
    answers = await engines.ask(
        Questions(
            lives=(LiveSpec(shop_id=shop_id, step=active, until=until, people=chosen),),
            series=(
                SeriesSpec(
                    shop_id=shop_id,
                    measures=(
                        Measure(Count.EVENTS, rules.ORDER),
                        Measure(Count.AMOUNT, rules.ORDER),
                    ),
                    spans=((since, until),),
                    time_zone=time_zone,
                    people=chosen,
                ),
            ),
            lists=(
                ListSpec(
                    shop_id=shop_id,
                    step=active,
                    since=since,
                    until=until,
                    limit=_NEWEST,
                    people=chosen,
                ),
            ),
        )
    )
    [live], [[orders]], [newest] = answers.lives, answers.series, answers.lists
    await speak_of(shop_id)
    return LiveView(
        until=until,
        minutes=rules.LIVE_MINUTES,
        persons=live.persons,
        orders=orders.totals[0],
        turnover_fen=orders.totals[1],
        events=live.events,
        visitors=live.visitors,
        pages=[ValueView(k, label("page", k, language), n) for k, n in live.pages if k],
        names=[ValueView(k, label("event", k, language), n) for k, n in live.names],
        newest=await _views(shop_id, newest, language),
    )


async def list_events(
    shop_id: ShopId,
    language: Language,
    *,
    names: list[str],
    where: list[Filter],
    person_no: int | None,
    people: UUID | None,
    since: datetime | None,
    until: datetime | None,
    before: tuple[int, int] | None,
    limit: int,
) -> tuple[list[EventView], list[tuple[int, int]]]:
    """Single events, newest first, and their places in the order, for the next page.

    since, until: None is the last 90 days, up to now. Raises BadCondition, BadQuestion.
    """
    until = until or clock.now() + _MINUTE
    since = since or until - LISTED
    if not since < until:
        raise BadQuestion(reason="since < until")
    chosen: People | None
    chosen = frozenset([person_no]) if person_no is not None else await _people(shop_id, people)
    spec = ListSpec(
        shop_id=shop_id,
        step=rules.step_of(names),
        since=since,
        until=until,
        before=before,
        limit=limit,
        where=tuple(one.where() for one in where),
        people=chosen,
    )
    [rows] = (await engines.ask(Questions(lists=(spec,)))).lists
    return await _views(shop_id, rows, language), [(row.at_us, row.event_no) for row in rows]


async def list_values(
    shop_id: ShopId, language: Language, *, event: str | None, prop: str, contains: str, limit: int
) -> list[ValueView]:
    """The values a property has had in the last 90 days, the most frequent first."""
    until = clock.now() + _MINUTE
    spec = ValuesSpec(
        shop_id=shop_id,
        prop=prop,
        step=None if event is None else StepBody(event=event).step(),
        since=until - LISTED,
        until=until,
        contains=contains,
        limit=limit,
    )
    [found] = (await engines.ask(Questions(values=(spec,)))).values
    names = await labels_of(shop_id, prop, [value for value, _ in found], language)
    return [
        ValueView(value, name, events) for (value, events), name in zip(found, names, strict=True)
    ]


async def last_event(shop_id: ShopId) -> datetime | None:
    """When anything was last seen in the shop: a visit or an order."""
    steps = (Step(GROUPS["any.active"][0]),)
    asked = LastSpec(shop_id=shop_id, steps=steps, until=clock.now() + _MINUTE)
    [last_us] = (await engines.ask(Questions(lasts=(asked,)))).lasts
    return None if last_us is None else engines.from_us(last_us)


async def _people(shop_id: ShopId, segment_id: UUID | None) -> People | None:
    if segment_id is None:
        return None
    async with reading(shop_id) as tx:
        return await segments.people_of(tx, segment_id)


async def _views(shop_id: ShopId, rows: Sequence[EventRow], language: Language) -> list[EventView]:
    """Events with the names of persons, items and pages."""
    if not rows:
        return []
    await speak_of(shop_id)
    numbers = sorted({row.person_no for row in rows if row.person_no})
    titles = await titles_of(shop_id, sorted({str(row.item_no) for row in rows if row.item_no}))
    async with reading(shop_id) as tx:
        found = await members.list_members(tx, None, None, len(numbers) or 1, persons=numbers)
    known = {member.person_no: member for member in found}
    views = []
    for row in rows:
        member = known.get(row.person_no)
        product = titles.get(str(row.item_no)) if row.item_no else None
        views.append(
            EventView(
                at=engines.from_us(row.at_us),
                event_no=str(row.event_no),
                person_no=row.person_no,
                member_id=member.member_id if member else None,
                who=member.nickname if member else _stranger(row.person_no, language),
                name=row.name,
                label=label("event", row.name, language),
                text=_told(row, product, language),
                channel=label("channel", row.channel, language),
                page=row.page,
                product=product,
                amount_fen=row.amount_fen or None,
                props=row.props,
            )
        )
    return views


def _stranger(person_no: int, language: Language) -> str:
    """Somebody without an account; 0: nobody, the shop's own systems."""
    if not person_no:
        return "店铺系统" if language == "zh-CN" else "The shop's systems"
    return f"访客 #{person_no}" if language == "zh-CN" else f"Visitor #{person_no}"


def _told(row: EventRow, product: str | None, language: Language) -> str:
    """What happened, in words: where, in which zone, with what, how long."""
    parts = [label("page", row.page, language)] if row.page else []
    zone = row.props.get("zone")
    if isinstance(zone, str) and zone:
        parts.append(label("zone", zone, language))
    if product is not None:
        parts.append(f"「{product}」" if language == "zh-CN" else f"“{product}”")
    dwell = row.props.get("dwell_ms")
    if isinstance(dwell, int) and dwell:
        seconds = f"{dwell / 1000:.1f}"
        parts.append(f"{seconds} 秒" if language == "zh-CN" else f"{seconds} s")
    return " · ".join(parts)
