"""What a chart shows: in words, as a formula, and out of which events."""

from siyu.insight.behaviour.contracts import (
    Definition,
    FunnelQuestion,
    HeatQuestion,
    PathsQuestion,
    Question,
    RetentionQuestion,
    ShareQuestion,
    SpreadQuestion,
    TrendQuestion,
)
from siyu.insight.behaviour.service.words import label
from siyu.kernel.i18n import Language
from siyu.people.segments.contracts import StepBody

_UNITS = {
    "day": ("天", "day"),
    "week": ("周（周一起）", "week (from Monday)"),
    "month": ("月（自然月）", "calendar month"),
}
_SIDES = {"from": ("之后", "after"), "to": ("之前", "before")}
_QUANTITIES = {
    "times": ("发生次数", "count"),
    "amount": ("金额之和", "sum of amounts"),
    "dwell": ("停留时长之和", "time spent"),
    "events": ("次数", "events"),
    "persons": ("人数", "persons"),
}


_Pairs = tuple[tuple[str, str], tuple[str, str], list[StepBody]]


def _pairs(question: Question) -> _Pairs:
    """Words and formula in Chinese and English, and the steps it speaks of."""
    match question:
        case FunnelQuestion():
            hours = question.window_hours
            return (
                (
                    f"期内做了第一步、并在 {hours} 小时内按顺序走到各步的人数；每人只算一次，"
                    "取走得最远的一次。用时是到达者从上一步到这一步用时的中位数。",
                    "Persons who did the first step in the period and came to each further one, "
                    f"in order, within {hours} hours; each counts once, by the attempt that went "
                    "furthest. The time is the median from the step before, of those who came.",
                ),
                ("到达第 n 步的人数 ÷ 到达第 n−1 步的人数", "persons at step n / at step n−1"),
                question.steps,
            )
        case RetentionQuestion():
            zh, en = _UNITS[question.unit]
            how = ("之内", "up to") if question.within else ("", "in")
            return (
                (
                    f"首次发生起始行为的人（按首次那{zh}分组）中，之后第 n {zh[0]}{how[0]}发生返回"
                    "行为的比例；尚未满期的留空。",
                    "Of the persons whose first start event ever lies in the group, those with a "
                    f"return event {how[1]} the n-th {en} after it; blank while that is not over.",
                ),
                ("返回人数 ÷ 组内人数", "persons who came back / persons of the group"),
                [question.birth, question.back],
            )
        case PathsQuestion():
            zh, en = _SIDES[question.side]
            return (
                (
                    f"一次访问中（停顿超过 30 分钟算新的访问）起点行为{zh}依次经过的位置，"
                    "相邻相同的合并。",
                    f"Places of a visit {en} the chosen event, in order (a pause above 30 minutes "
                    "begins a new visit); equal neighbours are one.",
                ),
                ("连线粗细 = 经过的访问次数", "width = visits that went this way"),
                [question.anchor],
            )
        case _:
            return _pairs_of_counts(question)


def _pairs_of_counts(
    question: SpreadQuestion | ShareQuestion | TrendQuestion | HeatQuestion,
) -> _Pairs:
    match question:
        case SpreadQuestion():
            zh, en = _QUANTITIES[question.of]
            return (
                (f"期内发生该行为的人，按每人的{zh}分组。", f"Persons by their {en} each."),
                ("每组人数；中位数取中间那个人", "persons per group; the median person's value"),
                [question.step],
            )
        case ShareQuestion():
            zh, en = _QUANTITIES["amount" if question.count == "amount" else question.count]
            prop = question.by
            return (
                (
                    f"该行为的{zh}按「{label('prop', prop, 'zh-CN')}」拆开；前 {question.top} "
                    "项之外合并为其他。",
                    f"The {en} of the event by {label('prop', prop, 'en')}; beyond the first "
                    f"{question.top} together as others.",
                ),
                ("该项 ÷ 各项之和", "part / sum of the parts"),
                [question.step],
            )
        case TrendQuestion():
            zh, en = _QUANTITIES["amount" if question.count == "amount" else question.count]
            return (
                (
                    f"每个营业日的{zh}（按店铺时区）；合计中同一个人只算一次。",
                    f"The {en} of each business day in the shop's time zone; a person counts once "
                    "in the total.",
                ),
                ("按天计数", "counted per day"),
                question.steps,
            )
        case HeatQuestion():
            return (
                (
                    "各分区在屏幕上可见的时长与点击；人均停留只算看到该分区的人（仅统计已同意"
                    "分析的访客）。",
                    "How long each zone was on the screen and how often it was tapped; the mean "
                    "is over those who saw it (of visitors who agreed to analytics).",
                ),
                (
                    "人均停留 = 可见时长 ÷ 看到的人数；点击率 = 点击人数 ÷ 看到的人数",
                    "mean dwell = time in view / viewers; tap rate = tappers / viewers",
                ),
                [StepBody(event="behaviour.dwell"), StepBody(event="behaviour.click")],
            )


def define(question: Question, language: Language) -> Definition:
    """The definition of a question's figures."""
    words, formula, steps = _pairs(question)
    at = 0 if language == "zh-CN" else 1
    names = dict.fromkeys(name for step in steps for name in step.step().names)
    labels = dict.fromkeys(f"{label('event', name, language)} ({name})" for name in names)
    return Definition(words[at], formula[at], ("、" if at == 0 else ", ").join(labels))
