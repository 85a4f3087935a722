"""What a figure is made of, and how its formula and source are told.

A figure is a quantity or the ratio of two. Its words and threshold stand beside the quantities it
is computed from, and formula and source are told from these: words and computation cannot part.
"""

from collections.abc import Iterator, Mapping

import msgspec

from siyu.insight.metrics.contracts import Comparison, Group, Unit
from siyu.kernel.i18n import Language
from siyu.warehouse.query.contracts import Count, Measure, Step, Where


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


class Less(msgspec.Struct, frozen=True):
    """`of` without `less`."""

    of: Measure
    less: Measure


class Earlier(msgspec.Struct, frozen=True):
    """The sum of a measure over all the time before."""

    of: Measure


Quantity = Measure | Less | Earlier


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure: `top`, or `scale` * top / bottom when there is a bottom.

    better: whether more of it is good news, less, or neither. splits: properties by whose values it
    may be broken down: those that all its events carry.
    """

    key: str
    group: Group
    label: Words
    definition: Words
    unit: Unit
    top: Quantity
    bottom: Quantity | None = None
    scale: int = 1
    threshold: Threshold | None = None
    better: Comparison | None = "ge"
    splits: tuple[str, ...] = ()
    is_on_board: bool = False

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What it is computed from."""
        return (self.top,) if self.bottom is None else (self.top, self.bottom)

    @property
    def counts(self) -> tuple[Quantity, ...]:
        """What there must be some of before there is anything to tell."""
        return tuple(part for one in self.quantities for part in measures_of(one) or (one,))


class RetentionFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Of the persons new on a day, those active again on any of the next `days` days."""

    key: str
    days: int
    label: Words
    definition: Words
    threshold: Threshold


class MissingFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that nothing in the shop can tell yet, and why."""

    key: str
    group: Group
    label: Words
    definition: Words
    unit: Unit
    why: Words
    threshold: Threshold | None = None


def measures_of(quantity: Quantity) -> tuple[Measure, ...]:
    """What must be counted in the period itself."""
    if isinstance(quantity, Less):
        return (quantity.of, quantity.less)
    return () if isinstance(quantity, Earlier) else (quantity,)


def amount(quantity: Quantity, now: Mapping[Measure, int], past: Mapping[Measure, int]) -> int:
    """A quantity out of the measures of a period, and of all time before it."""
    if isinstance(quantity, Less):
        return now[quantity.of] - now[quantity.less]
    return past[quantity.of] if isinstance(quantity, Earlier) else now[quantity]


# --- formula and source -----------------------------------------------------------------------

EXPOSE, CLICK, VIEW = Step("behaviour.expose"), Step("behaviour.click"), Step("behaviour.view")
CART, SHARE = Step("behaviour.cart"), Step("behaviour.share")
SEEN = Step(tuple(f"behaviour.{n}" for n in ("expose", "click", "view", "cart", "share", "dwell")))
ORDERS = ("ordering.order_paid", "ordering.order_imported")
MONEY = Step((*ORDERS, "ordering.order_refunded"))
"""Imported returns and refunds are negative amounts: money, and no order."""
PAID = Step(ORDERS, (Where("amount_fen", "ge", 0),))
GIVEN_BACK = Step(MONEY.names, (Where("amount_fen", "le", -1),))
PLACED, PAID_HERE = Step("ordering.order_placed"), Step("ordering.order_paid")
REFUNDED, CASES = Step("ordering.order_refunded"), Step("after_sale.case_opened")
JOINED = Step("members.member_joined")
ACTIVE = Step((*SEEN.names, *ORDERS, *JOINED.names))
CLAIMED, USED = Step("coupons.coupon_claimed"), Step("coupons.coupon_used")
REVIEWED, COMPLETED = Step("reviews.review_submitted"), Step("ordering.order_completed")
TOPPED_UP, GIFTS = Step("stored_value.topped_up"), Step("gifting.gift_opened")
ACCEPTED = Step("gifting.gift_accepted")

SMALL = Step(ORDERS, (Where("amount_fen", "between", (0, 4_999)),))
MIDDLE = Step(ORDERS, (Where("amount_fen", "between", (5_000, 19_999)),))
LARGE = Step(ORDERS, (Where("amount_fen", "ge", 20_000),))

_STEPS: dict[Step, Words] = {
    EXPOSE: Words("看到商品", "item shown"),
    CLICK: Words("点击", "tap"),
    VIEW: Words("浏览页面", "page view"),
    CART: Words("加购", "put into cart"),
    SHARE: Words("分享", "share"),
    SEEN: Words("浏览行为", "behaviour"),
    MONEY: Words("支付、退款、历史订单", "payment, refund, imported order"),
    PAID: Words("支付订单", "paid order"),
    GIVEN_BACK: Words("退款、历史退货", "refund, imported return"),
    PLACED: Words("提交订单", "order placed"),
    PAID_HERE: Words("本店支付订单", "order paid here"),
    REFUNDED: Words("退款完成", "refund done"),
    CASES: Words("售后申请", "after-sale case"),
    JOINED: Words("注册会员", "joining"),
    ACTIVE: Words("到店、下单或注册", "visit, order or joining"),
    CLAIMED: Words("领券", "coupon claimed"),
    USED: Words("用券", "coupon used"),
    REVIEWED: Words("评价", "review"),
    COMPLETED: Words("订单完成", "order completed"),
    TOPPED_UP: Words("储值", "top-up"),
    GIFTS: Words("送出礼物", "gift given"),
    ACCEPTED: Words("收下礼物", "gift accepted"),
    SMALL: Words("50 元以下的支付订单", "paid order below ¥50"),
    MIDDLE: Words("50–200 元的支付订单", "paid order of ¥50-200"),
    LARGE: Words("200 元及以上的支付订单", "paid order from ¥200"),
}
_COUNTS: dict[Count, Words] = {
    Count.EVENTS: Words("次数", "count"),
    Count.PERSONS: Words("人数", "persons"),
    Count.AMOUNT: Words("金额", "amount"),
    Count.NEWCOMERS: Words("首次人数", "first-timers"),
    Count.REPEATERS: Words("再次人数", "repeaters"),
    Count.VISITS: Words("访问数", "visits"),
    Count.SINGLES: Words("单页访问数", "single-page visits"),
}


def _told(quantity: Quantity, language: Language) -> str:
    if isinstance(quantity, Less):
        return f"({_told(quantity.of, language)} − {_told(quantity.less, language)})"
    if isinstance(quantity, Earlier):
        return f"{Words('此前累计', 'so far ').of(language)}{_told(quantity.of, language)}"
    steps = Words("且", " and ").of(language).join(_STEPS[s].of(language) for s in quantity.steps)
    return f"{_COUNTS[quantity.count].of(language)}({steps})"


def formula_of(figure: Figure, language: Language) -> str:
    """How it is computed."""
    return " ÷ ".join(_told(quantity, language) for quantity in figure.quantities)


def _steps_of(figure: Figure) -> Iterator[Step]:
    for quantity in figure.quantities:
        measures = (quantity.of,) if isinstance(quantity, Earlier) else measures_of(quantity)
        for measure in measures:
            yield from measure.steps


def source_of(figure: Figure) -> str:
    """The events it is read from."""
    names = dict.fromkeys(name for step in _steps_of(figure) for name in step.names)
    return ", ".join(names)
