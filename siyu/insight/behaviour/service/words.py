"""What events, pages, zones and properties are called, in both languages."""

from typing import Literal

from siyu.kernel.i18n import Language

Kind = Literal["event", "page", "zone", "prop", "channel"]

_GROUPS = {
    "any.visit": ("到店（任一浏览行为）", "Visit (any behaviour)"),
    "any.order": ("支付订单（含导入）", "Order paid (imports included)"),
    "any.active": ("活跃（到店、下单或注册）", "Active (visit, order or joining)"),
}
_EVENTS = {
    "behaviour.view": ("浏览页面", "Page viewed"),
    "behaviour.expose": ("看到商品", "Item shown"),
    "behaviour.click": ("点击", "Tapped"),
    "behaviour.cart": ("加入购物车", "Put into cart"),
    "behaviour.share": ("分享", "Shared"),
    "behaviour.dwell": ("停留", "Stayed"),
    "members.member_joined": ("注册会员", "Joined"),
    "members.member_logged_in": ("登录", "Logged in"),
    "members.phone_given": ("授权手机号", "Gave a phone number"),
    "members.person_joined": ("访客认出为会员", "Visitor recognised"),
    "consents.consent_decided": ("隐私授权", "Consent decided"),
    "ordering.order_placed": ("提交订单", "Order placed"),
    "ordering.order_paid": ("支付订单", "Order paid"),
    "ordering.order_imported": ("历史订单", "Imported order"),
    "ordering.order_cancelled": ("取消订单", "Order cancelled"),
    "ordering.order_shipped": ("订单发货", "Order shipped"),
    "ordering.order_completed": ("订单完成", "Order completed"),
    "ordering.order_refund_started": ("发起退款", "Refund started"),
    "ordering.order_refunded": ("退款完成", "Refunded"),
    "payments.payment_succeeded": ("微信支付成功", "WeChat payment succeeded"),
    "coupons.coupon_claimed": ("领取优惠券", "Coupon claimed"),
    "coupons.coupon_used": ("使用优惠券", "Coupon used"),
    "coupons.coupon_returned": ("优惠券退回", "Coupon returned"),
    "reviews.review_submitted": ("发表评价", "Review submitted"),
    "after_sale.case_opened": ("申请售后", "After-sale case opened"),
    "after_sale.case_closed": ("售后结束", "After-sale case closed"),
    "gifting.gift_opened": ("打开礼物", "Gift opened"),
    "gifting.gift_accepted": ("收下礼物", "Gift accepted"),
    "fulfilment.parcel_sent": ("包裹寄出", "Parcel sent"),
    "fulfilment.pickup_ready": ("可自提", "Ready for pick-up"),
    "points.points_earned": ("获得积分", "Points earned"),
    "points.points_spent": ("使用积分", "Points spent"),
    "stored_value.topped_up": ("储值充值", "Topped up"),
    "stored_value.value_spent": ("使用储值", "Stored value spent"),
}
_PAGES = {
    "pages/home/home": ("首页", "Home"),
    "pages/categories/categories": ("分类", "Categories"),
    "pages/cart/cart": ("购物车", "Cart"),
    "pages/me/me": ("我的", "Me"),
    "commerce/catalog/list": ("商品列表", "Item list"),
    "commerce/catalog/product": ("商品详情", "Item"),
    "commerce/ordering/confirm": ("确认订单", "Checkout"),
    "commerce/ordering/paid": ("支付结果", "Payment result"),
    "commerce/ordering/orders": ("订单列表", "Orders"),
    "commerce/ordering/order": ("订单详情", "Order"),
    "commerce/after_sale/apply": ("申请售后", "Ask for a refund"),
    "commerce/coupons/centre": ("领券中心", "Coupon centre"),
    "commerce/coupons/own": ("我的优惠券", "My coupons"),
    "commerce/reviews/all": ("全部评价", "All reviews"),
    "commerce/reviews/write": ("写评价", "Write a review"),
    "growth/gifting/hall": ("送礼", "Gifts"),
    "growth/gifting/compose": ("选礼物", "Make a gift"),
    "money/stored_value/wallet": ("储值", "Wallet"),
    "money/points/points": ("积分", "Points"),
    "": ("（无页面）", "(no page)"),
}
_ZONES = {
    "home.search": ("搜索框", "Search"),
    "home.banner": ("轮播图", "Banners"),
    "home.categories": ("分类入口", "Categories"),
    "home.gifts": ("送礼入口", "Gifts"),
    "home.hot": ("爆品区", "Hot items"),
    "home.bundles": ("套餐区", "Bundles"),
    "home.activity": ("活动区", "Activities"),
    "product.gallery": ("商品图", "Pictures"),
    "product.price": ("价格与促销", "Price and offers"),
    "product.reviews": ("评价", "Reviews"),
    "product.detail": ("图文详情", "Description"),
    "product.buy": ("购买栏", "Buy bar"),
    "categories": ("分类商品", "Items of a category"),
    "list": ("商品列表", "Item list"),
    "gift.hall": ("礼物列表", "Gifts"),
    "": ("（未分区）", "(no zone)"),
}
_PROPS = {
    "page": ("页面", "Page"),
    "zone": ("页面分区", "Zone"),
    "item_no": ("商品", "Item"),
    "channel": ("渠道", "Channel"),
    "amount_fen": ("金额（分）", "Amount (minor units)"),
    "dwell_ms": ("停留（毫秒）", "Dwell (ms)"),
    "platform": ("平台", "Platform"),
    "source": ("来源", "Source"),
    "category_id": ("分类", "Category"),
}
_CHANNELS = {
    "mp-weixin": ("微信小程序", "Mini-program"),
    "h5": ("H5", "H5"),
    "domain": ("业务系统", "Back end"),
}
_ALL: dict[Kind, dict[str, tuple[str, str]]] = {
    "event": _GROUPS | _EVENTS,
    "page": _PAGES,
    "zone": _ZONES,
    "prop": _PROPS,
    "channel": _CHANNELS,
}
_OTHERS = ("其他", "Others")
_NONE = ("（无）", "(none)")


def label(kind: Kind, key: str | None, language: Language) -> str:
    """What something is called; what has no name is called by its key, None is "others"."""
    found = _OTHERS if key is None else _ALL[kind].get(key) or ((key, key) if key else _NONE)
    return found[0 if language == "zh-CN" else 1]


def listed(kind: Kind, language: Language) -> list[tuple[str, str]]:
    """All (key, label) of a kind that have a name, in the order of daily use."""
    return [(key, label(kind, key, language)) for key in _ALL[kind] if key]
