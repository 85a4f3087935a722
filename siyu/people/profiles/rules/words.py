"""Events and rules in words, Chinese and English."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from siyu.kernel.i18n import Language
from siyu.people.profiles.contracts import (
    ByRule,
    ByScore,
    Condition,
    ConditionFinding,
    Field,
    FieldKind,
    FieldRule,
    Making,
    PersonTier,
    TierFinding,
    TimelineKind,
    Values,
)
from siyu.people.profiles.rules.catalogue import FIELDS
from siyu.people.profiles.rules.choices import PAGES, called
from siyu.people.profiles.rules.judging import fits

EVENTS: dict[str, tuple[TimelineKind, str, str]] = {
    "behaviour.view": ("visit", "浏览页面", "Viewed a page"),
    "behaviour.click": ("visit", "点击", "Tapped"),
    "behaviour.cart": ("visit", "点加入购物车", "Tapped add to cart"),
    "behaviour.share": ("visit", "分享", "Shared"),
    "members.member_joined": ("identity", "注册会员", "Joined"),
    "members.member_logged_in": ("identity", "登录", "Logged in"),
    "members.phone_given": ("identity", "授权手机号", "Gave a phone number"),
    "members.person_joined": ("identity", "访客认出为会员", "Recognised as a visitor seen before"),
    "consents.consent_decided": ("identity", "决定授权", "Decided on a consent"),
    "profiles.tier_changed": ("identity", "分层变动", "Moved to another tier"),
    "ordering.order_placed": ("trade", "提交订单", "Placed an order"),
    "ordering.order_paid": ("trade", "支付订单", "Paid an order"),
    "ordering.order_imported": ("trade", "历史订单", "Past order imported"),
    "ordering.order_cancelled": ("trade", "取消订单", "Order cancelled"),
    "ordering.order_shipped": ("trade", "订单发货", "Order shipped"),
    "ordering.order_completed": ("trade", "订单完成", "Order completed"),
    "ordering.order_refunded": ("trade", "退款到账", "Money refunded"),
    "coupons.coupon_claimed": ("coupon", "领取优惠券", "Claimed a coupon"),
    "coupons.coupon_used": ("coupon", "使用优惠券", "Used a coupon"),
    "coupons.coupon_returned": ("coupon", "优惠券退回", "Coupon returned"),
    "payments.payment_succeeded": ("money", "微信支付成功", "Paid by WeChat"),
    "points.points_earned": ("money", "获得积分", "Earned points"),
    "points.points_spent": ("money", "使用积分", "Spent points"),
    "points.points_expired": ("money", "积分过期", "Points expired"),
    "stored_value.topped_up": ("money", "储值充值", "Topped up"),
    "stored_value.value_spent": ("money", "使用储值", "Spent from the balance"),
    "stored_value.top_up_refunded": ("money", "储值退款", "Top-up refunded"),
    "payouts.payout_ended": ("money", "推广收入打款", "Payout"),
    "gifting.gift_opened": ("community", "送出礼物", "Sent a gift"),
    "gifting.gift_accepted": ("community", "收下礼物", "Accepted a gift"),
    "gifting.gift_expired": ("community", "礼物过期", "Gift expired"),
    "gifting.gift_swapped": ("community", "换礼物", "Swapped a gift"),
    "after_sale.case_opened": ("service", "申请售后", "Opened an after-sale case"),
    "after_sale.case_approved": ("service", "售后通过", "After-sale case approved"),
    "after_sale.case_closed": ("service", "售后结束", "After-sale case closed"),
    "reviews.review_submitted": ("service", "发表评价", "Wrote a review"),
    "reviews.review_approved": ("service", "评价公开", "Review shown"),
}  # fmt: skip
"""What stands on a timeline: its kind, and what it is called."""

KINDS: dict[str, tuple[str, ...]] = {
    kind: tuple(name for name, (of, _, _) in EVENTS.items() if of == kind)
    for kind in ("visit", "identity", "trade", "coupon", "money", "community", "service")
}

_VALUES = {
    "mp-weixin": ("小程序", "mini-program"), "h5": ("H5", "H5"), "import": ("导入", "import"),
    "ship": ("快递", "delivery"), "pickup": ("自提", "pick-up"),
    "analytics": ("行为统计", "statistics"), "marketing": ("营销通知", "offers"),
    "personalisation": ("个性化推荐", "recommendations"),
    "sharing": ("向合作方提供信息", "sharing with partners"),
    "order": ("订单", "order"), "top_up": ("储值", "top-up"),
    "jsapi": ("微信内支付", "in WeChat"), "native": ("扫码支付", "QR code"),
    "privacy": ("隐私政策", "privacy policy"), "refund": ("仅退款", "refund only"),
    "return": ("退货", "return"), "sale": ("购买", "sale"), "exchange": ("换货", "exchange"),
    "tier": ("运营分层", "tier"), "life": ("生命周期", "life-cycle"),
    "staff": ("员工录入", "entered by staff"), "refund_only": ("仅退款", "refund only"),
    "return_refund": ("退货退款", "return"), "friend": ("送一位好友", "to one friend"),
    "group": ("送到群", "to a group"), "internal": ("无需支付", "nothing to pay"),
    "offline": ("线下收款", "at the counter"),
}  # fmt: skip


def _word(table: dict[str, tuple[str, str]], key: str, language: Language) -> str:
    found = table.get(key.strip("/"), (key, key))
    return found[0 if language == "zh-CN" else 1]


def page_words(page: str, language: Language) -> str:
    """What a page of the shop is called; its path when it has no name."""
    return _word(PAGES, page, language)


def describe(name: str, language: Language) -> str:
    """What an event is called."""
    _, zh, en = EVENTS.get(name, ("visit", name, name))
    return zh if language == "zh-CN" else en


def told(
    page: str,
    item_no: int,
    props: dict[str, Any],
    language: Language,
    places: Mapping[str, str] | None = None,
) -> str:
    """The particulars of an event, in words: where, what, how many; "" when there are none.

    places: "ladder.key" → what the shop calls the tier in that language.
    """
    chinese = language == "zh-CN"
    parts = [page_words(page, language)] if page else []
    if item_no:
        parts.append(f"商品 #{item_no}" if chinese else f"product #{item_no}")
    if order_no := props.get("order_no"):
        parts.append(f"订单 {order_no}" if chinese else f"order {order_no}")
    parts += [
        _word(_VALUES, str(props[key]), language)
        for key in ("platform", "source", "purpose", "ladder", "kind", "channel")
        if isinstance(props.get(key), str)
    ]
    if isinstance(props.get("granted"), bool):
        answers = ("同意", "agreed") if props["granted"] else ("不同意", "refused")
        parts.append(answers[0 if chinese else 1])
    if isinstance(props.get("stars"), int):
        parts.append(f"{props['stars']} 星" if chinese else f"{props['stars']} stars")
    if isinstance(props.get("points"), int):
        parts.append(f"{props['points']} 分" if chinese else f"{props['points']} points")
    if "ladder" in props:
        ends = [str(props.get(end) or "–") for end in ("before", "after")]
        parts.append(
            " → ".join((places or {}).get(f"{props['ladder']}.{key}", key) for key in ends)
        )
    return " · ".join(parts)


_OPS = {
    "ge": ("≥ {v}", "≥ {v}"), "le": ("≤ {v}", "≤ {v}"), "eq": ("是 {v}", "is {v}"),
    "ne": ("不是 {v}", "is not {v}"), "in": ("属于 {v}", "is one of {v}"),
    "known": ("已知", "is known"), "unknown": ("未知", "is not known"),
    "days_ge": ("距今至少 {v} 天", "is at least {v} days ago"),
    "days_le": ("在近 {v} 天内", "is within the last {v} days"),
}  # fmt: skip


def sentence(rule: FieldRule, language: Language) -> str:
    """A rule as people say it."""
    chinese = language == "zh-CN"
    glue = {"all": ("，且", ", and "), "any": ("，或", ", or ")}[rule.match]
    return glue[0 if chinese else 1].join(_clause(one, language) for one in rule.conditions)


def _clause(condition: Condition, language: Language) -> str:
    chinese = language == "zh-CN"
    field, value = FIELDS[condition.field], condition.value
    name = field.zh if chinese else field.en
    if isinstance(value, bool):
        if chinese:
            return f"{name}：{value_words(field, value, language)}"
        return f"{name.removesuffix(': yes or no')}: {value_words(field, value, language)}"
    # A date is compared in days from today; what it says is a number, not a date.
    text = str(value) if field.kind is FieldKind.DATE else value_words(field, value, language)
    words = _OPS[condition.op][0 if chinese else 1].format(v=text)
    # Between two Chinese words there is no space, before a sign there is one.
    return f"{name}{words}" if chinese and words[0] not in "≥≤" else f"{name} {words}"


def value_words(
    field: Field, value: int | bool | str | list[str] | None, language: Language
) -> str:
    """A value of a field as people say it; None: not known."""
    chinese = language == "zh-CN"
    if value is None:
        return "未知" if chinese else "not known"
    if isinstance(value, bool):
        return ("是" if value else "否") if chinese else ("yes" if value else "no")
    if isinstance(value, list):
        return ("、" if chinese else ", ").join(called(field.key, one, language) for one in value)
    if isinstance(value, str) and field.kind is FieldKind.DATE:
        on = date.fromisoformat(value)
        return f"{on:%Y/%m/%d}" if chinese else f"{on:%b %d, %Y}"
    if isinstance(value, str):
        return called(field.key, value, language)
    if field.kind is FieldKind.FEN:
        whole = f"{value // 100}" if value % 100 == 0 else f"{value / 100:.2f}"
        return f"{whole} 元" if chinese else f"¥{value / 100:,.10g}"
    return f"{value / 100:g}%" if field.unit == "bps" else str(value)


def why_placed(
    ladder: Sequence[PersonTier], values: Values, today: date, language: Language, *, reveals: bool
) -> list[TierFinding]:
    """The tiers of a ladder down to the first that fits, or all when none does, with what each
    asks and what is true of the person. reveals: amounts are told."""
    found = []
    for tier in ladder:
        conditions = [
            ConditionFinding(
                _clause(one, language),
                fits(FieldRule(conditions=[one]), values, today),
                _true_of(FIELDS[one.field], values, language, reveals=reveals),
            )
            for one in tier.rule.conditions
        ]
        found.append(TierFinding(tier.key, fits(tier.rule, values, today), conditions))
        if found[-1].fits:
            break
    return found


def _true_of(field: Field, values: Values, language: Language, *, reveals: bool) -> str:
    value = values.get(field.key)
    if value is None and field.is_counted:
        value = False if field.kind is FieldKind.BOOL else 0
    if field.mask == "band" and not reveals and value is not None:
        return ""
    return value_words(field, value, language)


def made_by_words(making: Making, language: Language) -> str:
    """How a tag is given, as people say it; "" by hand."""
    if isinstance(making, ByRule):
        return sentence(making.rule, language)
    if not isinstance(making, ByScore):
        return ""
    chinese = language == "zh-CN"
    deeds = []
    for key, points in making.deeds.items():
        field = FIELDS.get(key) or FIELDS[f"{key}_90d"]
        deeds.append(f"{field.zh} {points} 分" if chinese else f"{field.en}: {points}")
    if chinese:
        return f"{'、'.join(deeds)}，每 {making.half_life_days} 天减半，满 {making.threshold} 分"
    listed = ", ".join(deeds)
    return f"{listed}; halved every {making.half_life_days} days; from {making.threshold} points"
