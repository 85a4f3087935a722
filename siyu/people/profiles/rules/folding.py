"""What a person's events add up to, and the figures made of it.

What is kept of a measure is a sum, an extreme or a count per value or day: events may come late and
in any order, and two numbers of one person are simply added. Days are business days of the shop,
numbered since 1970; they are kept for 90 days, older ones only in the totals.

A measure's state: n times, s sum, f and l first and last moment (UTC microseconds), x and y highest
and lowest amount, d {day: [times, sum]}, c {property: {value: times}}, t and h {property: [moment,
value]} of the last and first event.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from siyu.people.profiles.contracts import Happened, Values
from siyu.people.profiles.rules.catalogue import (
    DOMAIN_EVENTS,
    MADE,
    MEASURES,
    RATIOS,
    Measure,
)

State = dict[str, dict[str, Any]]
_EPOCH = date(1970, 1, 1)
_START = datetime(1970, 1, 1, tzinfo=UTC)
KEPT_DAYS = 90
LISTED = 5
"""Values that a list names, the most frequent first."""
_RECENT = (7, 30, 60, 90)
_BANDS = (5_000, 10_000, 20_000, 50_000, 100_000)


def day_of(at_us: int, zone: ZoneInfo) -> int:
    """The business day of a moment, numbered."""
    return ((_START + timedelta(microseconds=at_us)).astimezone(zone).date() - _EPOCH).days


def number_of(on: date) -> int:
    """A day, numbered."""
    return (on - _EPOCH).days


def persons_in(event: Happened) -> dict[int, list[Measure]]:
    """Whom an event is about, and what it counts for with each."""
    found: dict[int, list[Measure]] = {}
    for measure in DOMAIN_EVENTS.get(event.name, ()):
        person = event.payload.get(measure.person)
        if isinstance(person, int) and person > 0 and _counts(measure, event.payload):
            found.setdefault(person, []).append(measure)
    return found


def _counts(measure: Measure, payload: Mapping[str, Any]) -> bool:
    for prop, op, wanted in measure.where:
        value = payload.get(prop, 0 if op != "eq" else None)
        if not (
            value == wanted if op == "eq" else value >= wanted if op == "ge" else value < wanted
        ):
            return False
    return True


def fold(state: State, measure: Measure, event: Happened, day: int) -> None:
    """Add an event to what is kept of its person."""
    payload = event.payload
    for part in payload.get(measure.each, ()) if measure.each else (payload,):
        kept = state.setdefault(measure.key, {"n": 0, "s": 0})
        amount = part.get(measure.amount) or 0
        kept["n"] += 1
        kept["s"] += amount
        kept["f"] = min(kept.get("f", event.at_us), event.at_us)
        kept["l"] = max(kept.get("l", event.at_us), event.at_us)
        kept["x"] = max(kept.get("x", amount), amount)
        kept["y"] = min(kept.get("y", amount), amount)
        bucket = kept.setdefault("d", {}).setdefault(str(day), [0, 0])
        bucket[0] += 1
        bucket[1] += amount
        for stat, prop in _kept_props(measure.key):
            _note(kept, stat, prop, _value(part, prop), event.at_us)


@cache
def _kept_props(key: str) -> frozenset[tuple[str, str]]:
    """Which values are kept: of the last event, of the first, or all of them counted."""
    asked = [stat.partition(":") for stat in MEASURES[key].stats]
    return frozenset(
        (stat if stat in ("last", "first") else "count", prop) for stat, _, prop in asked if prop
    )


def _value(part: Mapping[str, Any], prop: str) -> Any:
    if prop == "band":
        return _band((part.get("total_fen") or 0) // max(part.get("quantity") or 1, 1))
    return part.get(prop)


def _band(fen: int) -> str:
    """The price of a piece, as a band in yuan: "50-100"; "1000-" is the highest."""
    low = 0
    for bound in _BANDS:
        if fen < bound:
            return f"{low // 100}-{bound // 100}"
        low = bound
    return f"{low // 100}-"


def _note(kept: dict[str, Any], stat: str, prop: str, value: Any, at_us: int) -> None:
    if value is None or value == "":
        return
    if stat == "count":
        counts = kept.setdefault("c", {}).setdefault(prop, {})
        counts[str(value)] = counts.get(str(value), 0) + 1
        return
    place = kept.setdefault("t" if stat == "last" else "h", {})
    here = [at_us, value]
    place[prop] = (max if stat == "last" else min)(place.get(prop, here), here, key=_rank)


def _rank(moment: list[Any]) -> tuple[int, str]:
    """Two values of one moment: always the same of them, whichever came first."""
    return moment[0], str(moment[1])


def combine(states: Iterable[State]) -> State:
    """What several numbers of one person add up to."""
    whole: State = {}
    for state in states:
        for key, kept in state.items():
            if key not in whole:
                whole[key] = deepcopy(kept)
                continue
            into = whole[key]
            for name, value in kept.items():
                into[name] = _JOIN[name](into[name], value) if name in into else deepcopy(value)
    return whole


def _add_days(a: dict[str, list[int]], b: dict[str, list[int]]) -> dict[str, list[int]]:
    sums = {day: list(pair) for day, pair in a.items()}
    for day, (times, total) in b.items():
        bucket = sums.setdefault(day, [0, 0])
        bucket[0] += times
        bucket[1] += total
    return sums


def _add_counts(a: dict[str, dict[str, int]], b: dict[str, dict[str, int]]) -> Any:
    sums = {prop: dict(counts) for prop, counts in a.items()}
    for prop, counts in b.items():
        into = sums.setdefault(prop, {})
        for value, times in counts.items():
            into[value] = into.get(value, 0) + times
    return sums


def _pick(better: Any, a: dict[str, list[Any]], b: dict[str, list[Any]]) -> Any:
    return {
        prop: better((side[prop] for side in (a, b) if prop in side), key=_rank)
        for prop in a.keys() | b.keys()
    }


_JOIN: dict[str, Any] = {
    "n": int.__add__, "s": int.__add__, "f": min, "l": max, "x": max, "y": min,
    "d": _add_days, "c": _add_counts, "t": partial(_pick, max), "h": partial(_pick, min),
}  # fmt: skip


def trim(state: State, today: int) -> None:
    """Forget single days that no window of today or later reaches."""
    for kept in state.values():
        kept["d"] = {day: pair for day, pair in kept["d"].items() if int(day) > today - KEPT_DAYS}


def wakes_on(state: State, today: int) -> int | None:
    """The next day on which time alone changes a figure; None: it changes nothing any more.

    Tomorrow's deeds are in no window yet, so days ahead of `today` count too.
    """
    days = {int(day) for kept in state.values() for day in kept["d"]}
    orders = {int(day) for day in state.get("orders", {}).get("d", {})}
    leaves = [day + window for day in days for window in (0, 7, 30, KEPT_DAYS)]
    leaves += [day + bound + 1 for day in orders for bound in _RECENT]
    return min((day for day in leaves if day > today), default=None)


# --- figures ----------------------------------------------------------------------------------


def figures(state: State, today: int, zone: ZoneInfo) -> Values:
    """The fields that events make; what is not known, and what is counted and 0, is missing."""
    values: Values = {}
    for key, made in MADE.items():
        kept = state.get(made.measure)
        if kept is not None:
            value = _figure(kept, made.stat, made.days, made.prop, today, zone)
            if value not in (None, 0, []) or value is False:
                values[key] = value
    for key, (part, of) in RATIOS.items():
        if values.get(of):
            values[key] = values.get(part, 0) * 10_000 // values[of]
    if "orders" in values:
        values |= _worth(values, today)
    return values


def _figure(
    kept: Mapping[str, Any], stat: str, days: int, prop: str, today: int, zone: ZoneInfo
) -> Any:
    """One statistic; days 0: ever."""
    if stat in ("n", "sum"):
        place = 0 if stat == "n" else 1
        if not days:
            return kept["n" if stat == "n" else "s"]
        return sum(
            pair[place] for day, pair in kept["d"].items() if today - days < int(day) <= today
        )
    if stat == "days":
        return sum(1 for day in kept["d"] if today - KEPT_DAYS < int(day) <= today)
    if stat in ("first", "last"):
        return _iso(day_of(kept["f" if stat == "first" else "l"], zone))
    if stat in ("firstof", "lastof"):
        return kept.get("h" if stat == "firstof" else "t", {}).get(prop, [0, None])[1]
    if stat in ("top", "list", "distinct"):
        counts = kept.get("c", {}).get(prop, {})
        if stat == "distinct":
            return len(counts)
        ranked = sorted(counts, key=lambda value: (-counts[value], value))[:LISTED]
        return ranked if stat == "list" else next(iter(ranked), None)
    if stat == "cycle":
        return (
            (kept["l"] - kept["f"]) // 86_400_000_000 // (kept["n"] - 1) if kept["n"] > 1 else None
        )
    return {"has": True, "avg": kept["s"] // kept["n"], "max": kept["x"], "min": kept["y"]}[stat]


def _iso(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def _worth(values: Values, today: int) -> Values:
    """Recency, frequency and money of the last 90 days, each 1 to 5; what a customer brings."""
    last = number_of(date.fromisoformat(values["orders_last_on"]))
    months = 1 + (last - number_of(date.fromisoformat(values["orders_first_on"]))) // 30
    recency = 5 - sum(today - last > bound for bound in _RECENT)
    frequency = 1 + sum(values.get("orders_90d", 0) >= bound for bound in (1, 2, 3, 5))
    bounds = (10_000, 50_000, 100_000, 200_000)
    money = 1 + sum(values.get("orders_fen_90d", 0) >= bound for bound in bounds)
    net = values.get("orders_fen", 0) - values.get("refunds_fen", 0)
    worth = {
        "rfm_recency": recency, "rfm_frequency": frequency, "rfm_money": money,
        "rfm_class": "".join("hl"[score < 3] for score in (recency, frequency, money)),
        "net_fen": net, "monthly_fen": net // months,
    }  # fmt: skip
    if values.get("orders_cycle_days"):
        worth["next_order_on"] = _iso(last + values["orders_cycle_days"])
    return worth
