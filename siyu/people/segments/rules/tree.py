"""The tree of a rule: its leaves, what they read, and how the warehouse asks it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.ids import ShopId
from siyu.people.segments.contracts import (
    DEPTH_MAX,
    LEAVES_MAX,
    All,
    AnyOf,
    BadCondition,
    FieldIs,
    Inside,
    Largest,
    Leaf,
    Not,
    OnTier,
    Rule,
    Spent,
    StepBody,
    Then,
    Times,
)
from siyu.warehouse.query import contracts as query
from siyu.warehouse.query.contracts import FunnelSpec, SegmentSpec, Step

DAY_US = 86_400_000_000


def read(stored: Any) -> Rule:
    """A rule as it is stored; what was saved when a rule was a flat list of conditions, too."""
    if isinstance(stored, dict) and "kind" not in stored:
        stored = {"kind": stored.get("match", "all"), "parts": stored["conditions"]}
    found: Rule = msgspec.convert(stored, Rule)
    return found


def parts_of(rule: Rule) -> list[Rule]:
    """The nodes below a node."""
    match rule:
        case All() | AnyOf():
            return rule.parts
        case Not():
            return [rule.part]
    return []


def leaves(rule: Rule) -> list[Leaf]:
    """Its leaves from left to right, equal ones once."""
    found: dict[str, Leaf] = {}

    def walk(node: Rule) -> None:
        if isinstance(node, All | AnyOf | Not):
            for part in parts_of(node):
                walk(part)
        else:
            found.setdefault(key_of(node), node)

    walk(rule)
    return list(found.values())


def key_of(leaf: Leaf) -> str:
    """A short name of a leaf: the same for the same words."""
    return blake2b(msgspec.json.encode(leaf), digest_size=9).hexdigest()


def check_shape(rule: Rule) -> None:
    """Raises BadCondition for a tree that is too deep or has too many leaves, or a sequence that
    could never be judged."""

    def depth(node: Rule) -> int:
        return 1 + max((depth(part) for part in parts_of(node)), default=0)

    def count(node: Rule) -> int:
        return sum(map(count, parts_of(node))) if parts_of(node) else 1

    if depth(rule) > DEPTH_MAX:
        raise BadCondition(zh=f"最多嵌套 {DEPTH_MAX} 层", en=f"at most {DEPTH_MAX} levels")
    if count(rule) > LEAVES_MAX:
        raise BadCondition(zh=f"最多 {LEAVES_MAX} 个条件", en=f"at most {LEAVES_MAX} conditions")
    for leaf in leaves(rule):
        for step in steps_of(leaf):
            step.step()
        if isinstance(leaf, Then) and not leaf.done and leaf.days <= leaf.within:
            raise BadCondition(
                zh="统计天数须大于等待天数", en="look back over more days than you wait"
            )


def steps_of(leaf: Leaf) -> list[StepBody]:
    """The kinds of events a leaf speaks of."""
    match leaf:
        case Times() | Spent() | Largest():
            return [leaf.step]
        case Then():
            return [leaf.first, leaf.then]
    return []


def steps_in(rule: Rule) -> Iterator[Step]:
    """The same of a rule, as the warehouse asks them."""
    for leaf in leaves(rule):
        for body in steps_of(leaf):
            yield body.step()


def since_of(rule: Rule, now_us: int) -> int:
    """From when on events matter to it, UTC microseconds; 0: from the beginning."""
    days = [leaf.days for leaf in leaves(rule) if isinstance(leaf, Times | Spent | Largest | Then)]
    known = [n for n in days if n is not None]
    return now_us - max(known, default=0) * DAY_US if len(known) == len(days) else 0


def segments_in(rule: Rule) -> set[UUID]:
    """The segments that a rule speaks of itself."""
    return {leaf.segment_id for leaf in leaves(rule) if isinstance(leaf, Inside)}


def is_of_deeds(rule: Rule) -> bool:
    """Whether the warehouse alone can answer it."""
    return all(isinstance(leaf, Times | Spent | Largest | Then) for leaf in leaves(rule))


def moves_by_itself(rule: Rule) -> bool:
    """Whether the answer can change though nobody did anything: windows, dates, top shares, tags
    that are retired, other segments."""
    for leaf in leaves(rule):
        match leaf:
            case Times() | Spent() if leaf.days is None:
                continue
            case FieldIs() if leaf.test.op not in ("days_ge", "days_le"):
                continue
            case OnTier():
                continue
        return True
    return False


def spec_of(shop_id: ShopId, rule: Rule, now: datetime) -> SegmentSpec:
    """Who fits a rule of deeds at this moment. Raises BadCondition."""
    return SegmentSpec(shop_id=shop_id, rule=query_of(shop_id, rule, now), as_of=now)


def query_of(shop_id: ShopId, rule: Rule, now: datetime) -> query.Rule:
    """A rule of deeds as the warehouse asks it."""
    match rule:
        case All():
            return query.All(tuple(query_of(shop_id, part, now) for part in rule.parts))
        case AnyOf():
            return query.AnyOf(tuple(query_of(shop_id, part, now) for part in rule.parts))
        case Not():
            return query.Not(query_of(shop_id, rule.part, now))
        case Times():
            return query.Times(rule.step.step(), rule.days, rule.op, rule.n)
        case Spent():
            return query.Sum("amount_fen", rule.step.step(), rule.days, rule.op, rule.fen)
        case Largest():
            return query.Top("amount_fen", rule.step.step(), rule.days, rule.percent)
        case Then():
            return _walked(shop_id, rule, now)
    raise AssertionError(rule)


def _walked(shop_id: ShopId, rule: Then, now: datetime) -> query.Walked:
    within = timedelta(days=rule.within)
    funnel = FunnelSpec(
        shop_id=shop_id,
        steps=(rule.first.step(), rule.then.step()),
        window=within,
        since=now - timedelta(days=rule.days),
        until=now if rule.done else now - within,
    )
    return query.Walked(funnel, 2) if rule.done else query.Walked(funnel, 1, dropped=True)
