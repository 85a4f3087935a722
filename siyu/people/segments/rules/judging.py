"""One person: whether they fit a rule, and why."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from siyu.people.profiles import service as profiles
from siyu.people.segments.contracts import (
    All,
    AnyOf,
    FieldIs,
    Foremost,
    Inside,
    Largest,
    Leaf,
    Not,
    OnTier,
    Rule,
    Spent,
    StepBody,
    Tagged,
    Then,
    Times,
)
from siyu.people.segments.rules.tree import DAY_US, key_of
from siyu.warehouse.query.contracts import Deed, Where


class Someone(msgspec.Struct, frozen=True):
    """A person as rules see them. deeds: in order, of all their numbers; profile None: none yet;
    inside: the fixed segments they are in."""

    deeds: Sequence[Deed]
    profile: profiles.Known | None
    inside: frozenset[UUID] = frozenset()


class Moment(msgspec.Struct, frozen=True):
    """When, and what else is known then. bars: leaf → least figure of a top share; rules: of the
    segments that rules speak of."""

    now_us: int
    today: date
    bars: Mapping[str, int]
    rules: Mapping[UUID, Rule]


class Fact(msgspec.Struct, frozen=True):
    """What a leaf finds of a person. value: the figure it looks at, None for none."""

    fits: bool
    value: int | bool | str | list[str] | None = None


def judge(rule: Rule, one: Someone, moment: Moment) -> bool:
    """Whether somebody fits. The same as `crowds.combine` says of everybody at once."""
    match rule:
        case All():
            return all(judge(part, one, moment) for part in rule.parts)
        case AnyOf():
            return any(judge(part, one, moment) for part in rule.parts)
        case Not():
            return not judge(rule.part, one, moment)
    return fact_of(rule, one, moment).fits


def fact_of(leaf: Leaf, one: Someone, moment: Moment) -> Fact:
    """What is true of somebody at a leaf."""
    fields = one.profile.fields if one.profile else {}
    match leaf:
        case Times():
            n = len(_kept(leaf.step, leaf.days, one, moment))
            return Fact({"ge": n >= leaf.n, "le": n <= leaf.n, "eq": n == leaf.n}[leaf.op], n)
        case Spent():
            fen = sum(deed.amount_fen for deed in _kept(leaf.step, leaf.days, one, moment))
            return Fact(fen >= leaf.fen if leaf.op == "ge" else fen <= leaf.fen, fen)
        case Largest():
            fen = sum(deed.amount_fen for deed in _kept(leaf.step, leaf.days, one, moment))
            return Fact(_is_top(leaf, fen, moment), fen)
        case Then():
            return Fact(*_walk(leaf, one, moment))
        case FieldIs():
            value = fields.get(leaf.test.field)
            return Fact(profiles.holds(leaf.test, fields, moment.today), value)
        case Foremost():
            value = fields.get(leaf.field)
            return Fact(_is_top(leaf, value or 0, moment), value)
        case Tagged():
            return Fact(one.profile is not None and leaf.tag_id in one.profile.tags)
        case OnTier():
            place = getattr(one.profile, leaf.ladder, None)
            return Fact(place in leaf.keys, place)
        case Inside():
            if leaf.segment_id in moment.rules:
                return Fact(judge(moment.rules[leaf.segment_id], one, moment))
            return Fact(leaf.segment_id in one.inside)


def _is_top(leaf: Largest | Foremost, figure: int, moment: Moment) -> bool:
    bar = moment.bars.get(key_of(leaf))
    return bar is not None and figure >= bar


def _kept(step: StepBody, days: int | None, one: Someone, moment: Moment) -> list[Deed]:
    since = 0 if days is None else moment.now_us - days * DAY_US
    wanted = step.step()
    return [
        deed
        for deed in one.deeds
        if since <= deed.at_us < moment.now_us
        and deed.name in wanted.names
        and all(fulfils(deed, where) for where in wanted.where)
    ]


def _walk(leaf: Then, one: Someone, moment: Moment) -> tuple[bool, bool | None]:
    """(fits, whether it was followed; None: not even begun)."""
    first, then = leaf.first.step(), leaf.then.step()
    within = leaf.within * DAY_US
    since = moment.now_us - leaf.days * DAY_US
    until = moment.now_us if leaf.done else moment.now_us - within
    start, followed = None, False
    for deed in one.deeds:
        if (
            start is not None
            and deed.at_us - start <= within
            and deed.name in then.names
            and all(fulfils(deed, where) for where in then.where)
        ):
            followed = True
        if (
            since <= deed.at_us < until
            and deed.name in first.names
            and all(fulfils(deed, where) for where in first.where)
        ):
            start = deed.at_us
    if start is None:
        return False, None
    return followed is leaf.done, followed


def fulfils(deed: Deed, where: Where) -> bool:
    """Whether an event fulfils a condition; one without the property does not."""
    value = deed.value_of(where.prop)
    if value is None or isinstance(value, int) != isinstance(where.values[0], int):
        return False
    match where.op:
        case "eq":
            return bool(value == where.value)
        case "ne":
            return bool(value != where.value)
        case "in":
            return value in where.values
        case "ge":
            return bool(value >= where.value)
        case "le":
            return bool(value <= where.value)
    low, high = where.values
    return bool(low <= value <= high)
