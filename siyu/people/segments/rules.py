"""A rule as the warehouse asks it."""

from datetime import datetime

from siyu.kernel.ids import ShopId
from siyu.people.segments.contracts import Condition, Largest, Rule, Spent, Times
from siyu.warehouse.query import contracts as query
from siyu.warehouse.query.contracts import SegmentSpec


def spec_of(shop_id: ShopId, rule: Rule, now: datetime) -> SegmentSpec:
    """Who fits the rule at this moment. Raises BadCondition."""
    parts = tuple(_part(condition) for condition in rule.conditions)
    joined = query.All(parts) if rule.match == "all" else query.AnyOf(parts)
    return SegmentSpec(shop_id=shop_id, rule=joined, as_of=now)


def _part(condition: Condition) -> query.Rule:
    step = condition.step.step()
    match condition:
        case Times():
            return query.Times(step, condition.days, condition.op, condition.n)
        case Spent():
            return query.Sum("amount_fen", step, condition.days, condition.op, condition.fen)
        case Largest():
            return query.Top("amount_fen", step, condition.days, condition.percent)
