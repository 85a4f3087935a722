"""Who fits a rule, which tier is theirs, how many points a scored tag has."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from siyu.people.profiles.contracts import (
    BadRule,
    ByRule,
    ByScore,
    Condition,
    Field,
    FieldRule,
    FieldValue,
    Making,
    PersonTier,
    TagDraft,
    TagGroup,
    TierRules,
    Values,
)
from siyu.people.profiles.contracts import (
    FieldKind as Kind,
)
from siyu.people.profiles.rules.catalogue import FIELDS, MEASURES, VISITS_FIELDS
from siyu.people.profiles.rules.folding import KEPT_DAYS, State

_NUMBERS = (Kind.NUMBER, Kind.FEN)
_DAYS = ("days_ge", "days_le")


def fits(rule: FieldRule, values: Values, today: date) -> bool:
    """Whether a person with these values belongs."""
    found = (_holds(condition, values, today) for condition in rule.conditions)
    return all(found) if rule.match == "all" else any(found)


def _holds(condition: Condition, values: Values, today: date) -> bool:
    field = FIELDS[condition.field]
    value = values.get(field.key)
    if value is None and field.is_counted:
        value = False if field.kind is Kind.BOOL else 0
    if condition.op in ("known", "unknown"):
        return (value is not None) == (condition.op == "known")
    if value is None:
        return False
    wanted: Any = condition.value
    match condition.op:
        case "days_ge":
            return bool((today - date.fromisoformat(value)).days >= wanted)
        case "days_le":
            return bool(0 <= (today - date.fromisoformat(value)).days <= wanted)
        case "in":
            return bool(set(value if isinstance(value, list) else [value]) & set(wanted))
        case "eq" | "ne":
            return bool((value == wanted) == (condition.op == "eq"))
        case "ge":
            return bool(value >= wanted)
        case _:
            return bool(value <= wanted)


def place(ladder: Sequence[PersonTier], values: Values, today: date) -> str | None:
    """The first tier whose rule holds."""
    return next((tier.key for tier in ladder if fits(tier.rule, values, today)), None)


def next_turn(rules: Sequence[FieldRule], values: Values, today: date) -> date | None:
    """The next day on which time alone can change the answer of a rule."""
    turns = []
    for rule in rules:
        for condition in rule.conditions:
            if condition.op in _DAYS and isinstance(value := values.get(condition.field), str):
                assert isinstance(condition.value, int)
                begins = condition.value + (condition.op == "days_le")
                turns.append(date.fromisoformat(value) + timedelta(days=begins))
    return min((turn for turn in turns if turn > today), default=None)


def score(making: ByScore, state: State, values: Values, today: int) -> int:
    """Points of a person today, rounded down."""
    total = 0.0
    for deed, points in making.deeds.items():
        if deed in MEASURES:
            days = state.get(deed, {}).get("d", {})
            ages = [(today - int(day), pair[0]) for day, pair in days.items()]
        else:
            seen = [values.get(f"{deed}_{days}d", 0) for days in (7, 30, 90)]
            ages = [(3, seen[0]), (18, seen[1] - seen[0]), (60, seen[2] - seen[1])]
        total += sum(
            points * times * 0.5 ** (age / making.half_life_days)
            for age, times in ages
            if 0 <= age < KEPT_DAYS
        )
    return int(total + 1e-9)


# --- what may be written ----------------------------------------------------------------------


def check_rule(rule: FieldRule) -> None:
    """Raises BadRule when a condition names no field, or asks it what it cannot tell."""
    for condition in rule.conditions:
        field = FIELDS.get(condition.field)
        if field is None or field.source == "members":
            raise _bad(condition.field, condition.field, "没有这个字段", "there is no such field")
        if not field.is_ready:
            raise _bad(field.zh, field.en, "暂未计算", "not yet known")
        if not _makes_sense(field, condition):
            raise _bad(field.zh, field.en, "不能这样比较", "it cannot be compared like this")


def _bad(field_zh: str, field_en: str, zh: str, en: str) -> BadRule:
    return BadRule(zh=f"「{field_zh}」{zh}", en=f"“{field_en}”: {en}")


def _makes_sense(field: Field, condition: Condition) -> bool:
    value, op = condition.value, condition.op
    if op in ("known", "unknown"):
        return value is None
    if op in _DAYS:
        return field.kind is Kind.DATE and type(value) is int and 0 <= value <= 3_650
    if op in ("ge", "le") or field.kind in _NUMBERS:
        return field.kind in _NUMBERS and op in ("ge", "le", "eq", "ne") and type(value) is int
    if field.kind is Kind.BOOL:
        return op in ("eq", "ne") and isinstance(value, bool)
    if op == "in":
        return field.kind in (Kind.CHOICE, Kind.TEXT, Kind.LIST) and isinstance(value, list)
    return field.kind in (Kind.CHOICE, Kind.TEXT) and isinstance(value, str)


def check_tiers(rules: TierRules) -> None:
    """Raises BadRule for a senseless condition or a key that stands twice on a ladder."""
    for ladder in (rules.tier, rules.life):
        if len({tier.key for tier in ladder}) < len(ladder):
            raise BadRule(zh="同一阶梯的代码重复", en="a key stands twice")
        for tier in ladder:
            check_rule(tier.rule)


def check_making(making: Making) -> None:
    """Raises BadRule for a senseless condition or a deed that is not counted per day."""
    if isinstance(making, ByRule):
        check_rule(making.rule)
    elif isinstance(making, ByScore):
        for deed in making.deeds:
            if deed not in MEASURES and f"{deed}_90d" not in VISITS_FIELDS:
                raise _bad(deed, deed, "不能计分", "it cannot be scored")


# --- what comes with every shop ---------------------------------------------------------------


def _if(field: str, op: Any, value: Any = None) -> Condition:
    return Condition(field=field, op=op, value=value)


def _tier(key: str, zh: str, en: str, *conditions: Condition) -> PersonTier:
    return PersonTier(key=key, zh=zh, en=en, rule=FieldRule(conditions=list(conditions)))


DEFAULT_TIERS = TierRules(
    tier=[
        _tier(
            "potential", "潜在用户", "Potential", _if("joined", "eq", False), _if("home", "ge", 1)
        ),
        _tier("silent", "沉默用户", "Silent", _if("logins_last_on", "days_ge", 30)),
        _tier("loyal", "忠诚用户", "Loyal", _if("orders", "ge", 5)),
        _tier("active", "活跃用户", "Active", _if("logins_7d", "ge", 3)),
    ],
    life=[
        _tier("new", "新客", "New", _if("joined_first_on", "days_le", 30), _if("orders", "le", 1)),
        _tier("active", "活跃客", "Active", _if("alive_last_on", "days_le", 30)),
        _tier("dormant", "沉睡客", "Dormant", _if("alive_last_on", "days_le", 90)),
        _tier("lost", "流失客", "Lost", _if("alive_last_on", "days_ge", 91)),
    ],
)
"""Mission 99: visited home and not registered; >= 3 log-ins in 7 days; 30 days without log-in;
>= 5 purchases. Who stays away is won back first, also when loyal. Mission 101: life-cycle."""


def _tag(name: str, group: TagGroup, note: str, *conditions: Condition) -> TagDraft:
    making = ByRule(rule=FieldRule(conditions=list(conditions)))
    return TagDraft(name=name, group=group, note=note, making=making)


DEFAULT_TAGS = (
    _tag("已授权手机号", TagGroup.BASIC, "可用短信触达", _if("phone", "eq", True)),
    _tag("高消费", TagGroup.VALUE, "近 30 天消费满 2000 元",
         _if("orders_fen_30d", "ge", 200_000)),
    _tag("低频稳定", TagGroup.VALUE, "买得少但一直在买",
         _if("orders", "ge", 3), _if("orders_cycle_days", "ge", 30),
         _if("orders_last_on", "days_le", 90)),
    _tag("价格敏感", TagGroup.VALUE, "多数订单用券",
         _if("orders", "ge", 3), _if("coupon_share_bps", "ge", 6_000)),
    _tag("品质追求", TagGroup.VALUE, "客单价高、很少用券、很少退",
         _if("orders", "ge", 2), _if("orders_avg_fen", "ge", 30_000),
         _if("coupon_share_bps", "le", 2_000), _if("refund_bps", "le", 1_000)),
    _tag("会带新客", TagGroup.BEHAVIOUR, "送出的礼物带来过新客",
         _if("brought", "ge", 1)),
    TagDraft(
        name="近期高意向", group=TagGroup.BEHAVIOUR, note="看商品、加购、领券计分，两周减半",
        making=ByScore(deeds={"products": 1, "carts": 3, "coupons_claimed": 2, "placed": 5},
                       half_life_days=14, threshold=10),
    ),
)  # fmt: skip


# --- what staff may see -----------------------------------------------------------------------


def shown(field: Field, values: Values, *, tracks: bool, reveals: bool) -> FieldValue:
    """A field as this member of staff may see it."""

    def answer(state: Any, value: Any = None, band: list[int | None] | None = None) -> FieldValue:
        return FieldValue(field.key, state, value, band)

    if not field.is_ready:
        return answer("later")
    if field.keep == "consent" and not tracks:
        return answer("no_consent")
    value = values.get(field.key)
    if value is None:
        if not field.is_counted:
            return answer("unknown")
        value = False if field.kind is Kind.BOOL else 0
    if field.mask == "band" and not reveals:
        return answer("masked", band=_bounds(value))
    return answer("known", value)


def _bounds(fen: int) -> list[int | None]:
    edges = [0, 10_000, 50_000, 100_000, 500_000, 2_000_000]
    below = next((edge for edge in edges[1:] if fen < edge), None)
    return [max((edge for edge in edges if edge <= fen), default=None), below]
