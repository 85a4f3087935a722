"""What the values of choices are called: a code of the program is never shown to people."""

from siyu.kernel.i18n import Language

Words = tuple[str, str]

_HOME = {
    "mp-weixin": ("小程序", "mini-program"), "h5": ("H5", "H5"),
    "import": ("导入", "import"), "staff": ("员工录入", "entered by staff"),
}  # fmt: skip
_LEVELS = {"h": ("高", "high"), "l": ("低", "low")}
_BANDS = ("0-50", "50-100", "100-200", "200-500", "500-1000", "1000-")


def _band(band: str) -> Words:
    low, high = band.split("-")
    if not high:
        return f"{low} 元以上", f"¥{low} and more"
    return f"{low}–{high} 元", f"¥{low}–{high}"


CHOICES: dict[str, dict[str, Words]] = {
    "logins_top_platform": {key: _HOME[key] for key in ("mp-weixin", "h5")},
    "logins_last_platform": {key: _HOME[key] for key in ("mp-weixin", "h5")},
    "joined_first_source": _HOME,
    "orders_top_delivery": {
        "ship": ("快递", "delivery"), "pickup": ("自提", "pick-up"), "serve": ("服务", "service"),
        "instant": ("即时交付", "instant"), "gift": ("送礼", "gift"),
    },
    "cancelled_top_reason": {
        "timed_out": ("超时未付", "not paid in time"),
        "by_customer": ("顾客取消", "by the customer"), "by_staff": ("员工取消", "by staff"),
    },
    "wechat_paid_top_channel": {
        "jsapi": ("微信内支付", "in WeChat"), "native": ("扫码支付", "QR code"),
        "internal": ("无需支付", "nothing to pay"), "offline": ("线下收款", "at the counter"),
    },
    "completed_top_how": {
        "received": ("顾客确认收货", "receipt confirmed"),
        "received_by_time": ("到期自动确认", "confirmed by time"),
        "received_at_wechat": ("微信侧确认收货", "confirmed in WeChat"),
        "picked_up": ("到店提货", "collected"), "delivered": ("付款即交付", "delivered at once"),
        "completed": ("服务完成", "service done"),
    },
    "items_top_band": {band: _band(band) for band in _BANDS},
    "items_list_band": {band: _band(band) for band in _BANDS},
    "coupons_claimed_top_issue": {
        "centre": ("领券中心", "coupon centre"), "code": ("口令领取", "by code"),
        "newcomer": ("新人礼包", "new-member pack"), "first_order": ("首单券", "first order"),
        "birthday": ("生日券", "birthday"), "staff": ("员工发放", "handed out by staff"),
    },
    "gifts_sent_top_kind": {"friend": ("送一位好友", "one friend"), "group": ("送到群", "a group")},
    "gifts_sent_top_scene": {
        "home": ("首页", "home page"), "hall": ("送礼页", "gift page"),
        "hall_share": ("分享的送礼页", "shared gift page"), "article": ("图文", "article"),
        "group": ("群聊", "group chat"), "friend": ("好友", "friend"),
        "receiver": ("收礼后回赠", "given in return"), "product": ("商品页", "product page"),
        "search": ("搜索", "search"),
    },
    "cases_top_kind": {
        "refund_only": ("仅退款", "refund only"), "return_refund": ("退货退款", "return"),
        "exchange": ("换货", "exchange"),
    },
    "cases_top_reason": {
        "not_wanted": ("不想要了", "not wanted"), "ordered_wrong": ("拍错了", "ordered by mistake"),
        "does_not_fit": ("不合适", "does not fit"), "not_shipped": ("未按时发货", "not shipped"),
        "not_received": ("没有收到", "not received"), "quality": ("质量问题", "quality"),
        "damaged": ("破损", "damaged"), "wrong_goods": ("发错货", "wrong goods"),
        "not_as_described": ("与描述不符", "not as described"),
        "agreed": ("协商一致", "agreed"), "by_shop": ("商家原因", "by the shop"),
    },
    "cases_closed_top_state": {
        "refunded": ("已退款", "refunded"), "completed": ("已完成", "completed"),
        "rejected": ("已拒绝", "rejected"), "withdrawn": ("已撤销", "withdrawn"),
        "expired": ("已过期", "expired"),
    },
    "rfm_class": {
        r + f + m: (
            f"近度{_LEVELS[r][0]}·频度{_LEVELS[f][0]}·额度{_LEVELS[m][0]}",
            f"recency {_LEVELS[r][1]}, frequency {_LEVELS[f][1]}, money {_LEVELS[m][1]}",
        )
        for r in "hl" for f in "hl" for m in "hl"
    },
}  # fmt: skip
"""Field → its values and their words. Products are named by their number, names by themselves."""


PAGES: dict[str, Words] = {
    "pages/home/home": ("首页", "home"), "pages/cart/cart": ("购物车", "cart"),
    "pages/categories/categories": ("分类", "categories"), "pages/me/me": ("我的", "me"),
    "commerce/catalog/list": ("商品列表", "product list"),
    "commerce/catalog/product": ("商品详情", "product"),
    "commerce/ordering/confirm": ("确认订单", "checkout"),
    "commerce/ordering/paid": ("支付结果", "payment result"),
    "commerce/ordering/orders": ("订单列表", "orders"),
    "commerce/ordering/order": ("订单详情", "order"),
    "commerce/after_sale/apply": ("申请售后", "ask for a refund"),
    "commerce/after_sale/cases": ("售后列表", "after-sale cases"),
    "commerce/after_sale/case": ("售后详情", "after-sale case"),
    "commerce/coupons/centre": ("领券中心", "coupon centre"),
    "commerce/coupons/own": ("我的优惠券", "own coupons"),
    "commerce/reviews/write": ("写评价", "write a review"),
    "commerce/reviews/mine": ("我的评价", "own reviews"),
    "commerce/reviews/all": ("全部评价", "all reviews"),
    "growth/gifting/hall": ("送礼", "gifts"), "growth/gifting/compose": ("选礼物", "make a gift"),
    "growth/gifting/given": ("礼物已备好", "gift ready"),
    "growth/gifting/open": ("收礼", "open a gift"),
    "growth/gifting/gifts": ("我的礼物", "own gifts"),
    "growth/gifting/received": ("收到的礼物", "gift received"),
    "money/stored_value/wallet": ("储值", "wallet"), "money/points/points": ("积分", "points"),
    "money/profit_sharing/commission": ("推广收入", "commission"),
    "people/members/addresses": ("收货地址", "addresses"),
    "people/members/address": ("编辑地址", "edit an address"),
    "people/members/identities": ("我的身份", "own identities"),
    "people/profiles/known": ("我的资料", "what is known of me"),
    "people/consents/privacy": ("隐私设置", "privacy"),
    "people/privacy/my-data": ("我的数据", "own data"),
    "people/outreach/messages": ("消息", "messages"),
    "people/outreach/settings": ("消息设置", "message settings"),
}  # fmt: skip
"""Pages of the shop."""


def called(field: str, value: str, language: Language) -> str:
    """A value of a field in words; itself where it has none."""
    known = CHOICES.get(field, {}).get(value, (value, value))
    return known[0 if language == "zh-CN" else 1]
