"""Events and rules in words, Chinese and English."""

from typing import Any

from siyu.kernel.i18n import Language
from siyu.people.profiles.contracts import (
    ByRule,
    ByScore,
    Condition,
    FieldKind,
    FieldRule,
    Making,
    TimelineKind,
)
from siyu.people.profiles.rules.catalogue import FIELDS

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
}  # fmt: skip
_PAGES = {
    "pages/home/home": ("首页", "home"), "pages/cart/cart": ("购物车", "cart"),
    "pages/categories/categories": ("分类", "categories"), "pages/me/me": ("我的", "me"),
    "commerce/catalog/product": ("商品详情", "product"),
    "commerce/catalog/list": ("商品列表", "product list"),
    "commerce/ordering/confirm": ("确认订单", "checkout"),
    "commerce/ordering/orders": ("订单列表", "orders"),
    "commerce/coupons/centre": ("领券中心", "coupon centre"),
    "growth/gifting/hall": ("送礼", "gifts"),
}  # fmt: skip


def _word(table: dict[str, tuple[str, str]], key: str, language: Language) -> str:
    found = table.get(key.strip("/"), (key, key))
    return found[0 if language == "zh-CN" else 1]


def describe(name: str, language: Language) -> str:
    """What an event is called."""
    _, zh, en = EVENTS.get(name, ("visit", name, name))
    return zh if language == "zh-CN" else en


def told(page: str, item_no: int, props: dict[str, Any], language: Language) -> str:
    """The particulars of an event, in words: where, what, how many; "" when there are none."""
    chinese = language == "zh-CN"
    parts = [_word(_PAGES, page, language)] if page else []
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
        parts.append(f"{props.get('before') or '–'} → {props.get('after') or '–'}")
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
    if field.kind is FieldKind.FEN and isinstance(value, int):
        text = f"{value // 100} 元" if chinese else f"¥{value / 100:,.10g}"
    elif isinstance(value, bool):
        text = ("是" if value else "否") if chinese else ("yes" if value else "no")
    elif field.unit == "bps" and isinstance(value, int):
        text = f"{value / 100:g}%"
    elif isinstance(value, list):
        text = "、".join(value) if chinese else ", ".join(value)
    else:
        text = str(value)
    words = _OPS[condition.op][0 if chinese else 1].format(v=text)
    if isinstance(value, bool):
        words = f"：{text}" if chinese else f": {text}"
        return f"{field.zh}{words}" if chinese else field.en.removesuffix(": yes or no") + words
    return f"{field.zh}{words}" if chinese else f"{field.en} {words}"


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
