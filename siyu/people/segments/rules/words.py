"""Rules and findings in words, Chinese and English."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from siyu.kernel.i18n import Language
from siyu.people.profiles import service as profiles
from siyu.people.profiles.contracts import FieldKind
from siyu.people.segments.contracts import (
    All,
    AnyOf,
    Explanation,
    FieldIs,
    Filter,
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
from siyu.people.segments.rules.judging import Moment, Someone, fact_of, judge

_GROUPS = {
    "any.visit": ("来访", "a visit"),
    "any.order": ("下单购买", "an order"),
    "any.active": ("任何活动", "any deed"),
}
_SEVERAL = {"any.visit": "visits", "any.order": "orders", "any.active": "deeds"}
"""The same in English when their amounts are added up."""
_PROPS = {
    "page": ("页面", "page"), "zone": ("区域", "zone"), "channel": ("渠道", "channel"),
    "item_no": ("商品", "product"), "amount_fen": ("金额", "amount"),
    "dwell_ms": ("停留毫秒", "milliseconds"),
}  # fmt: skip
_LADDERS = {"tier": ("运营分层", "the tier"), "life": ("生命周期", "the life-cycle")}
_SIGNS = {"eq": "=", "ne": "≠", "ge": "≥", "le": "≤"}


class Names(msgspec.Struct, frozen=True):
    """What things are called in the asked language. places: "ladder.key" → name."""

    language: Language
    events: Mapping[str, str]
    tags: Mapping[UUID, str]
    segments: Mapping[UUID, str]
    places: Mapping[str, str]

    def say(self, zh: str, en: str) -> str:
        """One of two."""
        return zh if self.language == "zh-CN" else en

    def pick(self, pair: tuple[str, str]) -> str:
        """One of a pair."""
        return self.say(*pair)


def sentence(rule: Rule, names: Names, *, inner: bool = False) -> str:
    """A rule as people say it. inner: it stands inside another one."""
    match rule:
        case All() | AnyOf():
            glue = ("，且", ", and ") if isinstance(rule, All) else ("，或", ", or ")
            several = len(rule.parts) > 1
            text = names.pick(glue).join(
                sentence(part, names, inner=several) for part in rule.parts
            )
            return names.say(f"（{text}）", f"({text})") if inner and several else text
        case Not():
            return _denied(rule.part, names)
    return _leaf(rule, names)


def _denied(part: Rule, names: Names) -> str:
    if isinstance(part, Tagged | Inside | OnTier):
        return _leaf(part, names, yes=False)
    text = sentence(part, names)
    return names.say(f"不符合（{text}）", f"not ({text})")


def _leaf(leaf: Leaf, names: Names, *, yes: bool = True) -> str:
    say = names.say
    match leaf:
        case Times():
            return _times(leaf, names)
        case Spent():
            deed, since = _deed(leaf.step, names), _since(leaf.days, names)
            zh = "满" if leaf.op == "ge" else "不超过"
            en = "at least" if leaf.op == "ge" else "at most"
            return say(
                f"{since}{deed}累计{zh} {_money(leaf.fen, names)}",
                f"{_several(leaf.step, deed)} of {en} {_money(leaf.fen, names)} in all {since}",
            )
        case Largest():
            deed, since = _deed(leaf.step, names), _since(leaf.days, names)
            return say(
                f"{since}{deed}金额排前 {leaf.percent}%",
                f"top {leaf.percent}% by amount of {_several(leaf.step, deed)} {since}",
            )
        case Then():
            first, then = _deed(leaf.first, names), _deed(leaf.then, names)
            since = _since(leaf.days, names)
            return say(
                f"{since}有{first}，之后 {leaf.within} 天内{'有' if leaf.done else '没有'}{then}",
                f"{first} {since}, {'then' if leaf.done else 'but not'} {then} within "
                f"{leaf.within} days after",
            )
        case FieldIs():
            return profiles.words_of(leaf.test, names.language)
        case Foremost():
            field = profiles.field_of(leaf.field)
            called = leaf.field if field is None else say(field.zh, field.en)
            return say(f"{called}排前 {leaf.percent}%", f"top {leaf.percent}% by {called}")
        case Tagged():
            called = names.tags.get(leaf.tag_id, "?")
            return say(
                f"{'有' if yes else '没有'}标签「{called}」",
                f"{'has' if yes else 'without'} the tag “{called}”",
            )
        case OnTier():
            called = say("、", ", ").join(
                names.places.get(f"{leaf.ladder}.{key}", key) for key in leaf.keys
            )
            ladder = names.pick(_LADDERS[leaf.ladder])
            return say(
                f"{ladder}{'是' if yes else '不是'}{called}",
                f"{ladder} is {'' if yes else 'not '}{called}",
            )
        case Inside():
            called = names.segments.get(leaf.segment_id, "?")
            return say(
                f"{'在' if yes else '不在'}人群「{called}」中",
                f"{'in' if yes else 'not in'} the segment “{called}”",
            )


def _times(leaf: Times, names: Names) -> str:
    deed, since = _deed(leaf.step, names), _since(leaf.days, names)
    if leaf.n == 0 and leaf.op != "ge":
        bare = deed.removeprefix("a ").removeprefix("an ")
        return names.say(f"{since}没有{deed}", f"no {bare} {since}")
    if leaf.n == 1 and leaf.op == "ge":
        return names.say(f"{since}有{deed}", f"{deed} {since}")
    zh = {"ge": f"至少 {leaf.n} 次", "le": f"最多 {leaf.n} 次", "eq": f"正好 {leaf.n} 次"}[leaf.op]
    en = {"ge": "at least", "le": "at most", "eq": "exactly"}[leaf.op]
    return names.say(f"{since}{deed}{zh}", f"{deed} {en} {leaf.n} times {since}")


def _since(days: int | None, names: Names) -> str:
    if days is None:
        return names.say("有史以来", "ever")
    return names.say(f"近 {days} 天", f"in the last {days} days")


def _deed(step: StepBody, names: Names) -> str:
    called = names.events.get(step.event, step.event)
    if step.event in _GROUPS:
        called = names.pick(_GROUPS[step.event])
    text = names.say(f"「{called}」", called if step.event in _GROUPS else f"“{called}”")
    if step.where:
        inside = names.say("、", ", ").join(_filter(one, names) for one in step.where)
        text += names.say(f"（{inside}）", f" ({inside})")
    return text


def _several(step: StepBody, deed: str) -> str:
    single = _GROUPS.get(step.event, ("", ""))[1]
    return deed.replace(single, _SEVERAL[step.event], 1) if single else deed


def _filter(one: Filter, names: Names) -> str:
    called = names.pick(_PROPS.get(one.prop, (one.prop, one.prop)))
    values = one.value if isinstance(one.value, list) else [one.value]
    shown = [_filtered(one.prop, value, names) for value in values]
    if one.op == "between":
        return f"{called} {shown[0]} – {shown[-1]}"
    if one.op == "in":
        return names.say(f"{called}属于 {'、'.join(shown)}", f"{called} is {' or '.join(shown)}")
    return f"{called} {_SIGNS[one.op]} {shown[0]}"


def _filtered(prop: str, value: int | str, names: Names) -> str:
    if prop == "amount_fen" and isinstance(value, int):
        return _money(value, names)
    return profiles.page_words(str(value), names.language) if prop == "page" else str(value)


def _money(fen: int, names: Names) -> str:
    text = f"{fen // 100}" if fen % 100 == 0 else f"{fen / 100:.2f}"
    return names.say(f"{text} 元", f"¥{text}")


# --- why somebody is in, or not ---------------------------------------------------------------


def explain(
    rule: Rule, one: Someone, moment: Moment, names: Names, *, reveals: bool
) -> Explanation:
    """The tree of a rule with what is true of a person at each node.

    reveals: amounts are told; else only whether they fit.
    """
    if isinstance(rule, All | AnyOf | Not):
        below = [rule.part] if isinstance(rule, Not) else rule.parts
        kind = {All: "all", AnyOf: "any", Not: "not"}[type(rule)]
        words = {
            "all": ("全部符合", "All of these"), "any": ("符合任一", "Any of these"),
            "not": ("不符合", "Not this"),
        }  # fmt: skip
        parts = [explain(part, one, moment, names, reveals=reveals) for part in below]
        return Explanation(kind, names.pick(words[kind]), judge(rule, one, moment), "", parts)
    fact = fact_of(rule, one, moment)
    below = []
    if isinstance(rule, Inside) and rule.segment_id in moment.rules:
        below = [moment.rules[rule.segment_id]]
    return Explanation(
        "leaf",
        _leaf(rule, names),
        fact.fits,
        _value(rule, fact.value, names, reveals=reveals),
        [explain(part, one, moment, names, reveals=reveals) for part in below],
    )


def _value(
    leaf: Leaf, value: int | bool | str | list[str] | None, names: Names, *, reveals: bool
) -> str:
    say = names.say
    match leaf:
        case Times() if isinstance(value, int):
            return say(f"{value} 次", f"{value} times")
        case Spent() | Largest() if isinstance(value, int):
            return _money(value, names) if reveals else ""
        case Then():
            if value is None:
                return say("没有开始", "not begun")
            return say("之后做了", "followed") if value else say("之后没做", "not followed")
        case FieldIs() | Foremost():
            key = leaf.test.field if isinstance(leaf, FieldIs) else leaf.field
            return _shown(key, value, names, reveals=reveals)
        case OnTier():
            return names.places.get(f"{leaf.ladder}.{value}", say("不在任何一层", "on none"))
    return ""


def _shown(
    key: str, value: int | bool | str | list[str] | None, names: Names, *, reveals: bool
) -> str:
    field = profiles.field_of(key)
    if field is None or (field.mask == "band" and not reveals):
        return ""
    if value is None and field.is_counted:
        value = False if field.kind is FieldKind.BOOL else 0
    return profiles.value_words(field, value, names.language)
