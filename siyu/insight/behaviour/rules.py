"""Which events are taken, and as what; a question as the warehouse asks it."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from siyu.insight.behaviour.contracts import (
    BadQuestion,
    ClientEvent,
    FunnelQuestion,
    HeatQuestion,
    PathsQuestion,
    Period,
    Question,
    RetentionQuestion,
    ShareQuestion,
    SpreadQuestion,
    TrendQuestion,
)
from siyu.kernel.clock import day_start
from siyu.people.segments.contracts import GROUPS, SEEN, StepBody
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import (
    BadSpec,
    Count,
    FunnelSpec,
    HeatSpec,
    Measure,
    PathSpec,
    People,
    RetentionSpec,
    SeriesSpec,
    ShareSpec,
    SpreadSpec,
    Step,
)
from siyu.warehouse.registry.contracts import CUSTOM
from siyu.warehouse.tail.contracts import TailEvent

OLDEST = timedelta(days=30)
"""A phone may have been offline; older events are refused."""
MAX_PROPS_BYTES = 2_048
_FIELD = re.compile(r"`\$\.(name|at|page|product_id|zone|dwell_ms|props)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """An event that is not taken; the text is the reason, one of a closed list:

    malformed, malformed_<field>, clock (no offset, outside the calendar), too_old, too_big.
    """


def check_event(raw: Mapping[str, Any], now: datetime) -> ClientEvent:
    """One event, its time not after `now`. Raises Refused."""
    try:
        event = msgspec.convert(raw, ClientEvent, strict=True)
    except msgspec.ValidationError as error:
        field = _FIELD.search(str(error).rpartition(" - at ")[2])
        raise Refused(f"malformed_{field[1]}" if field else "malformed") from None
    if event.at.tzinfo is None:
        raise Refused("clock")
    if len(_encoded(event.props)) > MAX_PROPS_BYTES:
        raise Refused("too_big")
    try:
        # Clocks of phones go wrong: nothing happens in the future.
        at = min(event.at.astimezone(UTC), now)
    except OverflowError:
        raise Refused("clock") from None
    if at < now - OLDEST:
        raise Refused("too_old")
    return msgspec.structs.replace(event, at=at)


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise Refused("malformed_props") from None


def as_tail_event(
    event: ClientEvent,
    *,
    shop_id: int,
    person_no: int,
    channel: str,
    product_numbers: Mapping[UUID, int],
) -> TailEvent:
    """An event as the warehouse keeps it; an unknown product keeps its id in props."""
    props = dict(event.props)
    if event.zone is not None:
        props["zone"] = event.zone
    if event.dwell_ms is not None:
        props["dwell_ms"] = event.dwell_ms
    item_no = 0
    if event.product_id is not None:
        item_no = product_numbers.get(event.product_id, 0)
        if not item_no:
            props["product_id"] = str(event.product_id)
    return TailEvent(
        shop_id=shop_id,
        person_no=person_no,
        at_us=(event.at - _EPOCH) // timedelta(microseconds=1),
        name=event.name if event.name.startswith(CUSTOM) else f"behaviour.{event.name}",
        channel=channel,
        item_no=item_no,
        page=event.page,
        props=props or None,
    )


# --- questions --------------------------------------------------------------------------------

_DAY = timedelta(days=1)
CLICK, DWELL, VIEW = Step("behaviour.click"), Step("behaviour.dwell"), Step("behaviour.view")
VISIT = Step(SEEN)
ORDER = Step(*GROUPS["any.order"])
ALONG_PAGES = ("behaviour.view",)
"""Pages in the order in which they are opened: a dwell is told when the page is left."""
ALONG_EVENTS = (
    "behaviour.view", "behaviour.click", "behaviour.cart", "behaviour.share",
    "coupons.coupon_claimed", "members.member_joined", "ordering.order_placed",
    "ordering.order_paid", "ordering.order_cancelled", "gifting.gift_opened",
)  # fmt: skip
LIVE_MINUTES = 30
EDGES: dict[str, tuple[int, ...]] = {
    "times": (2, 3, 4, 5, 6, 11, 21, 51),
    "amount": (1, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000),
    "dwell": (1_000, 3_000, 10_000, 30_000, 60_000, 180_000, 600_000),
}
"""Where the buckets of a distribution begin: times, fen, milliseconds."""
_SPREAD_PROP = {"times": None, "amount": "amount_fen", "dwell": "dwell_ms"}
_MOST_DAYS = 3_660


class Asked(msgspec.Struct, frozen=True):
    """Where and when a question is asked. today: the business day of this moment."""

    shop_id: int
    time_zone: str
    today: date
    people: People | None


class Span(msgspec.Struct, frozen=True):
    """Business days, both inclusive, and their moments, [since, until)."""

    first_day: date
    last_day: date
    since: datetime
    until: datetime


def span_of(period: Period, today: date, time_zone: str) -> Span:
    """The days of a period, whole ones: the same all day long. Raises BadQuestion."""
    given = period.since, period.until
    if period.last_days is not None:
        if given != (None, None):
            raise BadQuestion(reason="last_days, or since and until")
        first, last = today - (period.last_days - 1) * _DAY, today
    elif period.since is None or period.until is None:
        raise BadQuestion(reason="last_days, or since and until")
    else:
        first, last = period.since, period.until
    if not (first <= last and first.year >= 1990 and last.year < 2100):
        raise BadQuestion(reason="since <= until, 1990 to 2099")
    if (last - first).days >= _MOST_DAYS:
        raise BadQuestion(reason=f"<= {_MOST_DAYS} days")
    return Span(first, last, day_start(first, time_zone), day_start(last + _DAY, time_zone))


def grain_of(span: Span) -> Literal["day", "week", "month"]:
    """How finely a composition over time is drawn."""
    days = (span.last_day - span.first_day).days + 1
    return "day" if days <= 31 else "week" if days <= 183 else "month"


def ratio_bps(top: int, bottom: int) -> int | None:
    """top / bottom in basis points, rounded half up; None when there is nothing to divide."""
    return (2 * 10_000 * top + bottom) // (2 * bottom) if bottom > 0 else None


def specs_of(question: Question, span: Span, asked: Asked) -> Questions:
    """A question as specs. Raises BadQuestion, BadCondition."""
    try:
        return _specs_of(question, span, asked)
    except BadSpec as reason:
        raise BadQuestion(reason=str(reason)) from None


def _specs_of(question: Question, span: Span, asked: Asked) -> Questions:
    common: dict[str, Any] = {
        "shop_id": asked.shop_id,
        "where": tuple(one.where() for one in question.where),
        "people": asked.people,
    }
    times: dict[str, Any] = {"since": span.since, "until": span.until}
    match question:
        case FunnelQuestion():
            return Questions(funnels=(_funnel(question, common, times),))
        case RetentionQuestion():
            return Questions(retentions=(_retention(question, span, asked, common),))
        case PathsQuestion():
            return Questions(paths=(_paths(question, common, times),))
        case SpreadQuestion():
            spread = SpreadSpec(
                step=question.step.step(),
                per="person",
                prop=_SPREAD_PROP[question.of],
                edges=EDGES[question.of],
                **common,
                **times,
            )
            return Questions(spreads=(spread,))
        case ShareQuestion():
            return Questions(shares=(_share(question, span, asked, common, times),))
        case TrendQuestion():
            series = SeriesSpec(
                measures=tuple(
                    Measure(Count(question.count), one.step()) for one in question.steps
                ),
                spans=((span.since, span.until),),
                time_zone=asked.time_zone,
                **common,
            )
            return Questions(series=(series,))
        case HeatQuestion():
            heat = HeatSpec(clicks=CLICK, dwell=DWELL, pages=(question.page,), **common, **times)
            return Questions(heats=(heat,))


def _funnel(question: FunnelQuestion, common: dict[str, Any], times: dict[str, Any]) -> FunnelSpec:
    return FunnelSpec(
        steps=tuple(one.step() for one in question.steps),
        window=timedelta(hours=question.window_hours),
        by=question.by,
        times=True,
        **common,
        **times,
    )


def _share(
    question: ShareQuestion,
    span: Span,
    asked: Asked,
    common: dict[str, Any],
    times: dict[str, Any],
) -> ShareSpec:
    return ShareSpec(
        step=question.step.step(),
        prop=question.by,
        count=Count(question.count),
        grain=grain_of(span),
        top=question.top,
        time_zone=asked.time_zone,
        **common,
        **times,
    )


def first_of(on: date, unit: str, plus: int = 0) -> date:
    """The first day of the day, week or month that a day lies in, or of the one `plus` later."""
    if unit == "week":
        return on - timedelta(days=on.weekday() - 7 * plus)
    if unit == "month":
        months = on.year * 12 + on.month - 1 + plus
        return date(months // 12, months % 12 + 1, 1)
    return on + timedelta(days=plus)


def _retention(
    question: RetentionQuestion, span: Span, asked: Asked, common: dict[str, Any]
) -> RetentionSpec:
    return RetentionSpec(
        grain=question.unit,
        birth=question.birth.step(),
        back=question.back.step(),
        first_day=span.first_day,
        last_day=max(span.first_day, min(span.last_day, asked.today)),
        periods=tuple(range(1, question.periods + 1)),
        time_zone=asked.time_zone,
        within=question.within,
        **common,
    )


def _paths(question: PathsQuestion, common: dict[str, Any], times: dict[str, Any]) -> PathSpec:
    anchor = question.anchor.step()
    along = ALONG_PAGES if question.by == "page" else ALONG_EVENTS
    return PathSpec(
        start=anchor,
        along=Step(tuple(dict.fromkeys((*anchor.names, *along)))),
        of="page" if question.by == "page" else "name",
        direction="next" if question.side == "from" else "previous",
        length=question.depth,
        top=question.top,
        **common,
        **times,
    )


def drop_off(question: FunnelQuestion, span: Span, asked: Asked) -> FunnelSpec:
    """The funnel as a rule about persons asks for it: undivided and without times."""
    [spec] = specs_of(question, span, asked).funnels
    return msgspec.structs.replace(spec, by=None, times=False)


def step_of(events: list[str]) -> Step | None:
    """Events of any of these names or groups; None: of every name. Raises BadCondition."""
    if not events:
        return None
    steps = [StepBody(event=name).step() for name in events]
    if len(steps) == 1:
        return steps[0]
    return Step(tuple(dict.fromkeys(name for step in steps for name in step.names)))
