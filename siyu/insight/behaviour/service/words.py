"""What events, pages, zones and properties are called, in both languages."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Literal

from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.warehouse.registry import service as registry
from siyu.warehouse.registry.service import CATALOGUE, title_of

Kind = Literal["event", "page", "zone", "prop", "channel"]

_GROUPS = {
    "any.visit": ("到店（任一浏览行为）", "Visit (any behaviour)"),
    "any.order": ("支付订单（含导入）", "Order paid (imports included)"),
    "any.active": ("活跃（到店、下单或注册）", "Active (visit, order or joining)"),
}
_DAILY = (
    "behaviour.view",
    "behaviour.expose",
    "behaviour.click",
    "behaviour.cart",
    "behaviour.share",
    "behaviour.dwell",
    "members.member_joined",
    "members.member_logged_in",
    "members.phone_given",
    "members.person_joined",
    "consents.consent_decided",
    "ordering.order_placed",
    "ordering.order_paid",
    "ordering.order_imported",
    "ordering.order_cancelled",
    "ordering.order_shipped",
    "ordering.order_completed",
    "ordering.order_refund_started",
    "ordering.order_refunded",
    "payments.payment_succeeded",
    "coupons.coupon_claimed",
    "coupons.coupon_used",
    "coupons.coupon_returned",
    "reviews.review_submitted",
    "after_sale.case_opened",
    "after_sale.case_closed",
    "gifting.gift_opened",
    "gifting.gift_accepted",
    "fulfilment.parcel_sent",
    "fulfilment.pickup_ready",
    "points.points_earned",
    "points.points_spent",
    "stored_value.topped_up",
    "stored_value.value_spent",
)
"""Events in the order of daily use; all others follow. Their words are the registry's."""
_EVENTS = {name: CATALOGUE[name] for name in (*_DAILY, *CATALOGUE)}
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


_own: ContextVar[Mapping[str, tuple[str, str]] | None] = ContextVar("own", default=None)
"""What the shop that this task answers calls its events, beside or instead of the program."""


async def speak_of(shop_id: ShopId) -> frozenset[str]:
    """From now on this task tells events in the words of a shop; which of them it hides."""
    titles = await registry.list_titles(shop_id)
    _own.set({one.name: (one.title_zh, one.title_en) for one in titles})
    return frozenset(one.name for one in titles if one.is_hidden)


def label(kind: Kind, key: str | None, language: Language) -> str:
    """What something is called; what has no name is called by its key, None is "others"."""
    own = (_own.get() or {}).get(key or "") if kind == "event" else None
    if own is not None and key is not None:
        found = title_of(_EVENTS, key, own)
    else:
        found = _OTHERS if key is None else _ALL[kind].get(key) or ((key, key) if key else _NONE)
    return found[0 if language == "zh-CN" else 1]


def listed(kind: Kind, language: Language) -> list[tuple[str, str]]:
    """All (key, label) of a kind that have a name, in the order of daily use; the shop's last."""
    own = (_own.get() or {}) if kind == "event" else {}
    return [(key, label(kind, key, language)) for key in {**_ALL[kind], **own} if key]
