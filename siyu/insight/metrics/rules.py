"""The catalogue of figures, and the arithmetic around them. All integers.

A figure is a measure or the ratio of two; its words, threshold and action stand beside its formula,
so that the console, the documents and the computation cannot drift apart.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import msgspec

from siyu.insight.metrics.contracts import Comparison, HealthView, State, StepKey, Unit
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.i18n import Language
from siyu.warehouse.query.contracts import Count, Measure, Step, Where

ENOUGH = 10
"""With fewer cases than this a ratio says nothing about health."""
REALTIME = timedelta(minutes=30)
FUNNEL_WINDOW = timedelta(days=30)

EXPOSE, CLICK, VIEW = Step("behaviour.expose"), Step("behaviour.click"), Step("behaviour.view")
SEEN = Step(tuple(f"behaviour.{n}" for n in ("expose", "click", "view", "cart", "share", "dwell")))
ORDERS = ("ordering.order_paid", "ordering.order_imported")
MONEY = Step((*ORDERS, "ordering.order_refunded"))
"""Imported returns and refunds are negative amounts: money, and no order."""
PAID = Step(ORDERS, (Where("amount_fen", "ge", 0),))
JOINED = Step("members.member_joined")
ACTIVE = Step((*SEEN.names, *ORDERS, *JOINED.names))


class Words(msgspec.Struct, frozen=True):
    """The same sentence in both languages."""

    zh: str
    en: str

    def of(self, language: Language) -> str:
        """In the language asked for."""
        return self.zh if language == "zh-CN" else self.en


class Threshold(msgspec.Struct, frozen=True):
    """When a figure is healthy, in its unit; what to do when it is not; where that is from."""

    value: int
    comparison: Comparison
    action: Words
    source: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure: `top`, or `scale` * top / bottom when there is a bottom."""

    key: str
    label: Words
    definition: Words
    unit: Unit
    top: Measure
    bottom: Measure | None = None
    scale: int = 1
    threshold: Threshold | None = None


VISITORS = Measure(Count.PERSONS, SEEN)
BUYERS = Measure(Count.PERSONS, PAID)
ORDER_COUNT = Measure(Count.EVENTS, PAID)
TURNOVER = Measure(Count.AMOUNT, MONEY)

FIGURES: tuple[Figure, ...] = (
    Figure(
        key="turnover",
        label=Words("营业额", "Turnover"),
        definition=Words(
            "期内已支付订单的金额之和，减去期内完成的退款；导入的历史退货为负数。",
            "Sum of orders paid in the period, less refunds finished in it; imported returns "
            "count negative.",
        ),
        unit="fen",
        top=TURNOVER,
    ),
    Figure(
        key="paid_orders",
        label=Words("支付订单数", "Paid orders"),
        definition=Words(
            "期内完成支付的订单数，含导入的历史订单。",
            "Orders paid in the period, imported history included.",
        ),
        unit="count",
        top=ORDER_COUNT,
    ),
    Figure(
        key="new_members",
        label=Words("新增会员", "New members"),
        definition=Words("期内注册的会员数。", "Members who joined in the period."),
        unit="count",
        top=Measure(Count.EVENTS, JOINED),
    ),
    Figure(
        key="conversion",
        label=Words("下单转化率", "Order conversion"),
        definition=Words(
            "期内有浏览行为且完成支付的人数 ÷ 有浏览行为的人数（仅统计已同意分析的访客）。",
            "Visitors who paid in the period / visitors (those who agreed to analytics).",
        ),
        unit="bps",
        top=Measure(Count.PERSONS, PAID, SEEN),
        bottom=VISITORS,
        scale=10_000,
        threshold=Threshold(
            800,
            "ge",
            Words(
                "调整商品排序，把高转化商品放到首屏；检查下单是否不超过 3 步。",
                "Reorder items so that what sells stands first; keep checkout within 3 steps.",
            ),
            "mission 139",
        ),
    ),
    Figure(
        key="aov",
        label=Words("客单价", "Average order value"),
        definition=Words("营业额 ÷ 支付订单数。", "Turnover / paid orders."),
        unit="fen",
        top=TURNOVER,
        bottom=ORDER_COUNT,
        threshold=Threshold(
            5_000,
            "ge",
            Words(
                "设置套餐和会员权益，引导凑单：例如满额包邮、第二件优惠。",
                "Offer bundles and member rights that make baskets larger.",
            ),
            "mission 139",
        ),
    ),
    Figure(
        key="arpu",
        label=Words("客均消费", "Revenue per buyer"),
        definition=Words("营业额 ÷ 支付人数。", "Turnover / persons who paid."),
        unit="fen",
        top=TURNOVER,
        bottom=BUYERS,
        threshold=Threshold(
            18_000,
            "ge",
            Words(
                "用会员权益和关联推荐带动加购，行业参考为 180–260 元。",
                "Use member rights and related items; the trade sees ¥180-260.",
            ),
            "mission 138",
        ),
    ),
    Figure(
        key="repurchase",
        label=Words("复购率", "Repurchase rate"),
        definition=Words(
            "期内支付的人中，本次之前已支付过订单的人数占比。",
            "Of the persons who paid in the period, those for whom it was not the first time.",
        ),
        unit="bps",
        top=Measure(Count.REPEATERS, PAID),
        bottom=BUYERS,
        scale=10_000,
    ),
    Figure(
        key="pages_per_visitor",
        label=Words("人均浏览页数", "Pages per visitor"),
        definition=Words("浏览页数 ÷ 浏览人数。", "Page views / persons who viewed a page."),
        unit="hundredths",
        top=Measure(Count.EVENTS, VIEW),
        bottom=Measure(Count.PERSONS, VIEW),
        scale=100,
        threshold=Threshold(
            250,
            "ge",
            Words(
                "优化首页导航：突出爆品、套餐和活动三个入口。",
                "Improve the home navigation: hot items, bundles, activities up front.",
            ),
            "mission 139",
        ),
    ),
    Figure(
        key="bounce",
        label=Words("跳出率", "Bounce rate"),
        definition=Words(
            "只看了一页的访问 ÷ 全部访问（间隔超过 30 分钟算新的访问）。",
            "Visits of one page / visits (a pause above 30 minutes begins a new one).",
        ),
        unit="bps",
        top=Measure(Count.SINGLES, VIEW),
        bottom=Measure(Count.VISITS, VIEW),
        scale=10_000,
        threshold=Threshold(
            4_000,
            "le",
            Words(
                "加快首屏打开速度，让落地页与来源内容一致，并给出下一步入口。",
                "Open faster, keep what the link promised, show a next step.",
            ),
            "mission 139",
        ),
    ),
)


class RetentionFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Of the persons new on a day, those active again on any of the next `days` days."""

    days: int
    label: Words
    definition: Words
    threshold: Threshold


def _retention(days: int, value: int, action: Words, source: str) -> RetentionFigure:
    return RetentionFigure(
        days=days,
        label=Words(f"{days} 日留存", f"D{days} retention"),
        definition=Words(
            f"首次来店的人中，之后 {days} 天内再次来店或下单的比例；"
            f"只统计已满 {days} 天的新客，按首次来店日展示。",
            f"Of the persons first seen, those active again within {days} days; only persons whose "
            f"{days} days are over, shown by the day they were first seen.",
        ),
        threshold=Threshold(value, "ge", action, source),
    )


RETENTIONS = (
    _retention(
        7,
        2_500,
        Words(
            "对新客做更精细的触达：首单后 3–7 天发送与所购商品相关的内容或权益。",
            "Reach new customers more finely: something fitting 3-7 days after the first visit.",
        ),
        "mission 139",
    ),
    _retention(
        30,
        4_500,
        Words(
            "建立会员日和周期购提醒，给出第二次购买的理由。",
            "Give a reason for the second purchase: member days, reminders by consumption cycle.",
        ),
        "mission 138",
    ),
)

FUNNEL: tuple[tuple[StepKey, Step, Words, Words], ...] = (
    (
        "expose",
        EXPOSE,
        Words("曝光", "Exposure"),
        Words("期内看到商品卡片的人数。", "Persons who were shown an item in the period."),
    ),
    (
        "click",
        CLICK,
        Words("点击", "Click"),
        Words("曝光后 30 天内点击的人数。", "Those who tapped within 30 days of the exposure."),
    ),
    (
        "convert",
        PAID,
        Words("转化", "Conversion"),
        Words("随后完成支付的人数。", "Those of them who then paid an order."),
    ),
    (
        "repurchase",
        PAID,
        Words("复购", "Repurchase"),
        Words("其中再次支付的人数。", "Those of them who paid another one."),
    ),
)


class Period(msgspec.Struct, frozen=True):
    """A run of business days that ends at `until`, and the run before it, cut at the same hour."""

    since: datetime
    until: datetime
    since_before: datetime
    until_before: datetime
    last_day: date


def period_of(until: datetime, days: int, time_zone: str) -> Period:
    """The last `days` business days up to `until` (exclusive)."""
    last = business_day(until - timedelta(microseconds=1), time_zone)
    first = last - timedelta(days=days - 1)
    return Period(
        since=day_start(first, time_zone),
        until=until,
        since_before=day_start(first - timedelta(days=days), time_zone),
        until_before=until - timedelta(days=days),
        last_day=last,
    )


def ratio(top: int, bottom: int, scale: int) -> int | None:
    """scale * top / bottom, rounded half away from zero; None when nothing can be divided."""
    if bottom <= 0:
        return None
    half = abs(top) * scale * 2 + bottom
    return half // (2 * bottom) * (1 if top >= 0 else -1)


def trend_bps(now: int | None, before: int | None) -> int | None:
    """The change from `before` to `now` in parts of `before`; None when that was not above zero."""
    if now is None or before is None or before <= 0:
        return None
    return ratio(now - before, before, 10_000)


def health(threshold: Threshold, value: int | None, cases: int, language: Language) -> HealthView:
    """A value against its threshold; `cases` is what it was divided by."""
    state: State = "unknown"
    if value is not None and cases >= ENOUGH:
        distance = value - threshold.value
        good = distance >= 0 if threshold.comparison == "ge" else distance <= 0
        state = "good" if good else "bad"
    action = threshold.action.of(language) if state == "bad" else None
    return HealthView(threshold.value, threshold.comparison, state, action)


def rates(persons: Sequence[int]) -> list[int | None]:
    """Each step's share of the one before, in bps; the first has none."""
    return [None, *(ratio(after, before, 10_000) for before, after in pairwise(persons))]
