"""Decisions of the registry: what a value is, which event is refused, what names mean."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from siyu.warehouse.registry.contracts import CUSTOM, Kind, Reason

_PROP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLAIN = re.compile(r"[a-z0-9_.]{1,40}")


class Rules(msgspec.Struct):
    """What a shop has decided and has seen; names → (property → declared kind)."""

    blocked: set[str]
    known: dict[str, dict[str, Kind | None]]


def kind_of(value: Any) -> str:
    """What a JSON value is."""
    match value:
        case None:
            return "none"
        case bool():
            return Kind.FLAG
        case int():
            return Kind.INTEGER
        case float():
            return Kind.NUMBER
        case str():
            return Kind.TEXT
    return "nested"


def fits(value: Any, declared: Kind | None) -> bool:
    """Whether a value may stand in a property of a declared kind; null always may."""
    kind = kind_of(value)
    return (
        declared is None
        or kind in (declared, "none")
        or (declared == Kind.NUMBER and kind == Kind.INTEGER)
    )


def refuse(name: str, props: Mapping[str, Any], rules: Rules) -> Reason | None:
    """Why an event is not taken; None when it is. What is not registered by now had no room."""
    if name in rules.blocked:
        return Reason.BLOCKED
    if not all(map(_PROP_NAME.fullmatch, props)):
        return Reason.PROP_NAME
    known = rules.known.get(name)
    if known is None:
        return Reason.TOO_MANY_NAMES
    if props.keys() - known.keys():
        return Reason.TOO_MANY_PROPS
    return None if all(fits(value, known[prop]) for prop, value in props.items()) else Reason.TYPE


def news(name: str, props: Mapping[str, Any], rules: Rules) -> bool:
    """Whether an event has a name or a property that is not registered, and could be."""
    known = rules.known.get(name)
    unknown = known is None or props.keys() - known.keys()
    return bool(unknown) and name not in rules.blocked and all(map(_PROP_NAME.fullmatch, props))


def masked(value: Any, depth: int = 0) -> Any:
    """The shape of a JSON value: keys stay, values become what they are, such as "text(11)".

    Short plain words (`view`, `h5`), flags and nulls stay: they are nobody's data.
    """
    match value:
        case None | bool():
            return value
        case dict() if depth < 3:
            return {_key(key): masked(one, depth + 1) for key, one in list(value.items())[:50]}
        case list() if depth < 3:
            return [masked(one, depth + 1) for one in value[:3]]
        case str():
            return f"text({len(value)})"
        case int() | float():
            return str(kind_of(value))
    return "nested"


def _key(key: str) -> str:
    return (
        key if _PROP_NAME.fullmatch(key) and not re.search(r"\d{5}", key) else f"text({len(key)})"
    )


def sample_of(raw: Mapping[str, Any]) -> str:
    """What a refused event looked like, for the reject table: its name, and else only shapes."""
    shape = masked(raw)
    name = raw.get("name")
    if isinstance(name, str) and _PLAIN.fullmatch(name) and not re.search(r"\d{5}", name):
        shape["name"] = name
    return msgspec.json.encode(shape).decode()[:2_000]


def is_custom(name: str) -> bool:
    """Whether a name is the merchant's own."""
    return name.startswith(CUSTOM)


CATALOGUE: dict[str, tuple[str, str]] = {
    "behaviour.expose": ("看到商品", "Product seen"),
    "behaviour.click": ("点击", "Tap"),
    "behaviour.view": ("浏览页面", "Page viewed"),
    "behaviour.cart": ("点加入购物车", "Add to cart tapped"),
    "behaviour.share": ("分享", "Shared"),
    "behaviour.dwell": ("停留时长", "Time on page"),
    "after_sale.case_approved": ("售后通过", "After-sale case approved"),
    "after_sale.case_closed": ("售后结束", "After-sale case closed"),
    "after_sale.case_opened": ("申请售后", "After-sale case opened"),
    "after_sale.case_overdue": ("售后超时", "After-sale case overdue"),
    "consents.consent_decided": ("决定授权", "Consent decided"),
    "consents.withdrawn": ("撤回授权", "Consent withdrawn"),
    "consents.text_published": ("发布授权文本", "Consent text published"),
    "privacy.behaviour_forgotten": ("浏览行为已清除", "Behaviour forgotten"),
    "privacy.erasure_asked": ("申请注销", "Erasure asked for"),
    "privacy.erasure_ended": ("注销结束", "Erasure ended"),
    "privacy.person_erased": ("注销个人信息", "Person erased"),
    "privacy.visitor_forgotten": ("访客记录已清除", "Visitor forgotten"),
    "rulebook.points_near_limit": ("违规积分接近上限", "Violation points near the limit"),
    "approvals.case_opened": ("发起审批", "Approval asked for"),
    "approvals.case_decided": ("审批结束", "Approval decided"),
    "coupons.coupon_claimed": ("领取优惠券", "Coupon claimed"),
    "coupons.coupon_returned": ("优惠券退回", "Coupon returned"),
    "coupons.coupon_used": ("使用优惠券", "Coupon used"),
    "experiments.concluded": ("实验结束", "Experiment concluded"),
    "experiments.exposed": ("进入实验", "Exposed to an experiment"),
    "fulfilment.money_released": ("货款解冻", "Money released by WeChat"),
    "fulfilment.parcel_sent": ("包裹寄出", "Parcel sent"),
    "fulfilment.pickup_due": ("自提将到期", "Pick-up due"),
    "fulfilment.pickup_ready": ("可以自提", "Pick-up ready"),
    "gifting.gift_accepted": ("收下礼物", "Gift accepted"),
    "gifting.gift_expired": ("礼物过期", "Gift expired"),
    "gifting.gift_opened": ("打开礼物", "Gift opened"),
    "gifting.gift_received": ("收到礼物", "Gift received"),
    "gifting.gift_refunded": ("礼物退款", "Gift refunded"),
    "gifting.gift_returned": ("退回礼物", "Gift returned"),
    "gifting.gift_swapped": ("换礼物", "Gift swapped"),
    "members.member_imported": ("导入会员", "Member imported"),
    "members.member_joined": ("注册会员", "Member joined"),
    "members.member_logged_in": ("会员登录", "Member logged in"),
    "members.members_tagged": ("名单标签", "Tags of a list"),
    "members.members_merged": ("档案合并", "Records merged"),
    "members.merge_proposed": ("发现疑似同一人", "Merge proposed"),
    "members.merge_undone": ("撤销合并", "Merge undone"),
    "members.person_joined": ("访客认出为会员", "Visitor recognised as a member"),
    "members.phone_given": ("授权手机号", "Phone number given"),
    "ordering.order_cancelled": ("订单取消", "Order cancelled"),
    "ordering.order_completed": ("订单完成", "Order completed"),
    "ordering.order_imported": ("导入历史订单", "Past order imported"),
    "ordering.order_paid": ("订单支付", "Order paid"),
    "ordering.order_placed": ("提交订单", "Order placed"),
    "ordering.order_refund_started": ("开始退款", "Refund started"),
    "ordering.order_refund_undone": ("退款撤销", "Refund undone"),
    "ordering.order_refunded": ("订单退款", "Order refunded"),
    "ordering.order_shipped": ("订单发货", "Order shipped"),
    "outreach.answered": ("回应消息", "Message answered"),
    "outreach.sent": ("消息已发送", "Message sent"),
    "outreach.unsubscribed": ("退订", "Unsubscribed"),
    "payments.money_parked": ("收到不明款项", "Unclear money parked"),
    "payments.parked_resolved": ("不明款项已处理", "Parked money resolved"),
    "payments.payment_succeeded": ("支付成功", "Payment succeeded"),
    "payments.refund_abnormal": ("退款异常", "Refund abnormal"),
    "payments.refund_closed": ("退款关闭", "Refund closed"),
    "payments.refund_succeeded": ("退款到账", "Refund succeeded"),
    "payouts.payout_ended": ("打款结束", "Payout ended"),
    "points.points_earned": ("获得积分", "Points earned"),
    "points.points_expired": ("积分过期", "Points expired"),
    "points.points_revoked": ("积分收回", "Points revoked"),
    "points.points_spent": ("使用积分", "Points spent"),
    "profiles.tier_changed": ("分层变动", "Moved to another tier"),
    "reconciliation.day_closed": ("日对账完成", "Day reconciled"),
    "reconciliation.difference_found": ("发现对账差异", "Difference found"),
    "reviews.review_approved": ("评价展示", "Review approved"),
    "reviews.review_hidden": ("评价隐藏", "Review hidden"),
    "reviews.review_reuse_changed": ("评价素材授权变更", "Reuse of a review changed"),
    "reviews.review_submitted": ("提交评价", "Review submitted"),
    "segments.segment_entered": ("进入人群", "Entered a segment"),
    "segments.segment_left": ("离开人群", "Left a segment"),
    "segments.segment_removed": ("删除人群", "Segment removed"),
    "segments.segment_saved": ("保存人群", "Segment saved"),
    "stored_value.bonus_expired": ("赠送金过期", "Bonus expired"),
    "stored_value.top_up_refunded": ("储值退款", "Top-up refunded"),
    "stored_value.topped_up": ("储值充值", "Topped up"),
    "stored_value.value_spent": ("使用储值", "Stored value spent"),
}
"""What the program's own events mean, Chinese and English."""

PROPERTIES: dict[str, tuple[str, str]] = {
    "zone": ("页面区域", "Zone of the page"),
    "dwell_ms": ("停留毫秒", "Milliseconds spent"),
    "product_id": ("商品编号", "Product id"),
    "order_id": ("订单", "Order"),
    "joined_person_no": ("原访客编号", "Number of the visitor before"),
    "platform": ("平台", "Platform"),
    "reason": ("原因", "Reason"),
    "total_fen": ("合计（分）", "Total in fen"),
    "first_order": ("是否首单", "First order"),
    "granted": ("是否同意", "Granted"),
    "purpose": ("用途", "Purpose"),
}
"""What properties mean that several events share."""


def title_of(
    words: Mapping[str, tuple[str, str]], key: str, own: tuple[str, str]
) -> tuple[str, str]:
    """Chinese and English: the merchant's own words, else the catalogue's, else the name."""
    chinese, english = words.get(key, (key, key))
    return own[0] or chinese, own[1] or own[0] or english
