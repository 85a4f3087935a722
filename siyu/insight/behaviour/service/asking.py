"""Asking a question, and telling what the answer means."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from siyu.commerce.catalog import service as catalog
from siyu.insight.behaviour import rules
from siyu.insight.behaviour.contracts import (
    Answer,
    Answered,
    BadQuestion,
    Bucket,
    CohortRow,
    CurvePoint,
    FunnelAnswer,
    FunnelPart,
    FunnelQuestion,
    FunnelStage,
    HeatAnswer,
    HeatQuestion,
    PathLink,
    PathNode,
    PathsAnswer,
    PathsQuestion,
    Question,
    RetentionAnswer,
    RetentionQuestion,
    ShareAnswer,
    ShareQuestion,
    Slice,
    SpreadAnswer,
    SpreadQuestion,
    TrendAnswer,
    TrendLine,
    TrendQuestion,
    Zone,
)
from siyu.insight.behaviour.rules import Asked, Span, ratio_bps
from siyu.insight.behaviour.service.defining import define
from siyu.insight.behaviour.service.words import Kind, label, speak_of
from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.clock import business_day
from siyu.kernel.db import reading, transaction
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.segments import service as segments
from siyu.people.segments.contracts import PERSONS_MAX, Segment, StepBody
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import (
    Answers,
    Funnel,
    Heat,
    Paths,
    Questions,
    Retention,
    Series,
    Share,
    Spread,
)
from siyu.warehouse.query.contracts import PersonsOf, SegmentSpec, Walked

_PARTS = 12
_running: dict[tuple[ShopId, UUID], int] = {}


def progress_of(shop_id: ShopId, key: UUID) -> int | None:
    """How far a question is that this process is computing, in percent; None: not here."""
    return _running.get((shop_id, key))


async def ask(
    shop_id: ShopId, question: Question, language: Language, key: UUID | None = None
) -> Answered:
    """The answer to a question, and what it means.

    Opens its own transactions. key: under which `progress_of` tells how far it is. Cancelling it
    ends the computation. Raises BadQuestion, BadCondition, SegmentNotFound.
    """
    began = clock.monotonic()
    asked = await _asked(shop_id, question)
    span = rules.span_of(question.period, asked.today, asked.time_zone)
    specs = rules.specs_of(question, span, asked)
    running = (shop_id, key) if key is not None else None

    def note(percent: int) -> None:
        if running is not None:
            _running[running] = percent

    note(0)
    try:
        answers = await engines.ask(specs, progress=note)
    finally:
        if running is not None:
            _running.pop(running, None)
    await speak_of(shop_id)
    answer = await _shaped(question, span, asked, answers, shop_id, language)
    return Answered(
        since=span.since,
        until=span.until,
        took_ms=round((clock.monotonic() - began) * 1000),
        definition=define(question, language),
        answer=answer,
    )


async def _asked(shop_id: ShopId, question: Question) -> Asked:
    async with reading(shop_id) as tx:
        shop = await shops.get_shop(tx)
        people = await segments.people_of(tx, question.people) if question.people else None
    return Asked(shop_id, shop.time_zone, business_day(clock.now(), shop.time_zone), people)


async def save_drop_off(
    shop_id: ShopId, actor: Actor, question: FunnelQuestion, step: int, name: str
) -> Segment:
    """Keep those who came to a step of a funnel and no further, as a segment of fixed persons.

    step: 1 is the first; the last one gives those who went all the way. Opens its own
    transactions. Raises BadQuestion, NameTaken.
    """
    if not 1 <= step <= len(question.steps):
        raise BadQuestion(reason="step")
    asked = await _asked(shop_id, question)
    span = rules.span_of(question.period, asked.today, asked.time_zone)
    walked = Walked(rules.drop_off(question, span, asked), step, dropped=True)
    spec = SegmentSpec(shop_id=shop_id, rule=walked, as_of=max(clock.now(), span.until))
    wanted = PersonsOf(segment=spec, limit=PERSONS_MAX)
    [found] = (await engines.ask(Questions(persons=(wanted,)))).persons
    steps = " → ".join(label("event", one.event, "zh-CN") for one in question.steps)
    note = f"漏斗「{steps}」停在第 {step} 步的人，{span.first_day} 至 {span.last_day}"
    async with transaction(shop_id) as tx:
        return await segments.save_persons(tx, actor, name, found.numbers, note[:500])


# --- answers as they are shown ----------------------------------------------------------------


async def titles_of(shop_id: ShopId, numbers: Sequence[str | None]) -> dict[str, str]:
    """What products are called, by their numbers as texts."""
    wanted = [int(number) for number in numbers if number and number.isdecimal()]
    if not wanted:
        return {}
    async with reading(shop_id) as tx:
        found = await catalog.product_titles(tx, wanted)
    return {str(number): title for number, title in found.items()}


async def labels_of(
    shop_id: ShopId, prop: str, values: Sequence[str | None], language: Language
) -> list[str]:
    """What values of a property are called."""
    if prop == "item_no":
        titles = await titles_of(shop_id, values)
        # 0 stands for no item at all.
        plain = [None if value is None else "" if value == "0" else value for value in values]
        return [titles.get(v or "", label("prop", v, language)) for v in plain]
    kinds: dict[str, Kind] = {"page": "page", "zone": "zone", "channel": "channel"}
    return [label(kinds.get(prop, "event"), value, language) for value in values]


async def _shaped(
    question: Question,
    span: Span,
    asked: Asked,
    answers: Answers,
    shop_id: ShopId,
    language: Language,
) -> Answer:
    match question:
        case FunnelQuestion():
            return await _funnel(question, answers.funnels[0], shop_id, language)
        case RetentionQuestion():
            return _retention(question, answers.retentions[0], asked.today)
        case PathsQuestion():
            return _paths(question, answers.paths[0], language)
        case SpreadQuestion():
            return _spread(question, answers.spreads[0])
        case ShareQuestion():
            return await _share(question, span, answers.shares[0], shop_id, language)
        case TrendQuestion():
            return _trend(question, answers.series[0][0], language)
        case HeatQuestion():
            return _heat(question, answers.heats[0], language)


def step_label(step: StepBody, language: Language) -> str:
    """A step in a word: its event, and the values it is narrowed to."""
    values = [
        label("page" if one.prop == "page" else "zone", str(one.value), language)
        for one in step.where
        if isinstance(one.value, str)
    ]
    return " · ".join([label("event", step.event, language), *values])


async def _funnel(
    question: FunnelQuestion, found: Funnel, shop_id: ShopId, language: Language
) -> FunnelAnswer:
    stages = []
    for n, (step, persons) in enumerate(zip(question.steps, found.persons, strict=True)):
        median = found.waits[n - 1].median_us if n and found.waits else None
        stages.append(
            FunnelStage(
                label=step_label(step, language),
                persons=persons,
                rate_bps=ratio_bps(persons, found.persons[n - 1]) if n else None,
                whole_bps=ratio_bps(persons, found.persons[0]),
                median_s=None if median is None else median // 1_000_000,
            )
        )
    largest = sorted(found.by.items(), key=lambda part: (-part[1][0], part[0]))[:_PARTS]
    names = await labels_of(shop_id, question.by or "", [value for value, _ in largest], language)
    parts = [
        FunnelPart(value, name, persons)
        for (value, persons), name in zip(largest, names, strict=True)
    ]
    return FunnelAnswer(stages, parts)


def _retention(question: RetentionQuestion, found: Retention, today: date) -> RetentionAnswer:
    def over(on: date, period: int) -> bool:
        """Whether the n-th period after the cohort's own has ended."""
        return rules.first_of(on, question.unit, period + 1) <= today

    periods = range(1, question.periods + 1)
    rows = [
        CohortRow(
            on=cohort.on,
            persons=cohort.persons,
            back=[cohort.back[n - 1] if over(cohort.on, n) else None for n in periods],
        )
        for cohort in found.cohorts
    ]
    curve = []
    for n in periods:
        ended = [cohort for cohort in found.cohorts if over(cohort.on, n)]
        persons = sum(cohort.persons for cohort in ended)
        back = sum(cohort.back[n - 1] for cohort in ended)
        curve.append(CurvePoint(n, persons, back, ratio_bps(back, persons)))
    return RetentionAnswer(question.unit, rows, curve)


def _paths(question: PathsQuestion, found: Paths, language: Language) -> PathsAnswer:
    kind: Kind = "page" if question.by == "page" else "event"
    index: dict[tuple[int, str | None], int] = {}
    gone = [0] * sum(map(len, found.levels))
    for level, places in enumerate(found.levels):
        for place in places:
            index[level, place.text] = len(index)
    links = [
        PathLink(index[link.level, link.source], index[link.level + 1, link.target], link.visits)
        for link in found.links
    ]
    for link in links:
        gone[link.source] += link.visits
    last = len(found.levels) - 1
    nodes = [
        PathNode(
            level=level,
            key=place.text,
            label=label(kind, place.text, language),
            visits=place.visits,
            ended=0 if level == last else place.visits - gone[index[level, place.text]],
        )
        for level, places in enumerate(found.levels)
        for place in places
    ]
    starts = found.levels[0] if found.levels else []
    return PathsAnswer(sum(place.visits for place in starts), nodes, links)


def _spread(question: SpreadQuestion, found: Spread) -> SpreadAnswer:
    edges = [None, *rules.EDGES[question.of], None]
    buckets = [
        Bucket(low, high, persons)
        for low, high, persons in zip(edges[:-1], edges[1:], found.counts, strict=True)
    ]
    unit = {"times": "times", "amount": "fen", "dwell": "ms"}[question.of]
    return SpreadAnswer(unit, found.size, found.sum, found.median, buckets)  # type: ignore[arg-type]


async def _share(
    question: ShareQuestion, span: Span, found: Share, shop_id: ShopId, language: Language
) -> ShareAnswer:
    values = [part.value for part in found.parts]
    names = await labels_of(shop_id, question.by, values, language)
    whole = sum(part.total for part in found.parts)
    slices = [
        Slice(part.value, name, part.total, ratio_bps(part.total, whole), part.values)
        for part, name in zip(found.parts, names, strict=True)
    ]
    unit = {"events": "count", "persons": "persons", "amount": "fen"}[question.count]
    return ShareAnswer(unit, rules.grain_of(span), found.periods, slices)  # type: ignore[arg-type]


def _trend(question: TrendQuestion, found: Series, language: Language) -> TrendAnswer:
    lines = [
        TrendLine(step_label(step, language), values, total)
        for step, values, total in zip(question.steps, found.values, found.totals, strict=True)
    ]
    return TrendAnswer("fen" if question.count == "amount" else "count", found.days, lines)


def _heat(question: HeatQuestion, found: Heat, language: Language) -> HeatAnswer:
    cells = [cell for cell in found.cells if cell.page == question.page]
    zones = [
        Zone(
            zone=cell.zone,
            label=label("zone", cell.zone, language),
            viewers=cell.dwellers,
            dwell_ms=cell.dwell,
            mean_ms=cell.dwell // cell.dwellers if cell.dwellers else None,
            clicks=cell.clicks,
            clickers=cell.clickers,
            click_bps=ratio_bps(cell.clickers, max(cell.dwellers, cell.clickers)),
        )
        for cell in cells
        if cell.zone
    ]
    # The page's own dwell has no zone.
    viewers = max((cell.dwellers for cell in cells), default=0)
    zones.sort(key=lambda zone: (-zone.dwell_ms, -zone.clicks, zone.zone))
    return HeatAnswer(question.page, viewers, zones)
