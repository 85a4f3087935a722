"""The catalogue of profile fields, in one place. A field is declared, never programmed.

Three families are computed: *measures* over domain events (what `folding.py` keeps of them),
*visits* over behaviour (asked of the warehouse), *ratios* of other fields. A line of `_MEASURES`
lists the statistics wanted of one kind of event; each makes a field with its name, unit and kind.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from siyu.people.profiles.contracts import Field
from siyu.people.profiles.contracts import FieldGroup as Group
from siyu.people.profiles.contracts import FieldKind as Kind
from siyu.people.profiles.contracts import FieldPurpose as Purpose


class Measure(NamedTuple):
    """What is added up of some events. stats: see `_STATS`, and `top:prop` and the like.

    where: (property, "eq" | "ge" | "lt", value). amount: the property that is summed; person: the
    property that says whose it is; each: a list in the payload whose entries count one by one.
    """

    key: str
    zh: str
    en: str
    events: tuple[str, ...]
    group: Group
    stats: tuple[str, ...]
    amount: str = "amount_fen"
    total: tuple[str, str] = ("金额", "amount")
    where: tuple[tuple[str, Literal["eq", "ge", "lt"], Any], ...] = ()
    person: str = "person_no"
    each: str = ""


_I, _T, _C, _S = Group.IDENTITY, Group.TRADE, Group.COMMUNITY, Group.SERVICE
_STARS, _PIECES, _POINTS = ("星级", "stars"), ("件数", "pieces"), ("分值", "points")
_ORDERS = ("ordering.order_paid", "ordering.order_imported")


def _m(key: str, zh: str, en: str, events: str, group: Group, stats: str, **more: Any) -> Measure:
    return Measure(key, zh, en, tuple(events.split()), group, tuple(stats.split()), **more)


_MEASURES = (
    _m("logins", "登录", "log-ins", "members.member_logged_in", _I,
       "n n7 n30 n90 days first last top:platform last:platform"),
    _m("joined", "注册", "joining", "members.member_joined", _I, "has first first:source"),
    _m("phone", "授权手机号", "phone number given", "members.phone_given", _I, "has first"),
    _m("devices", "认出的访客身份", "visitors recognised", "members.person_joined", _I, "n last"),
    _m("analytics", "行为统计授权", "consent to statistics", "consents.consent_decided", _I,
       "last:granted last", where=(("purpose", "eq", "analytics"),)),
    _m("marketing", "营销通知授权", "consent to offers", "consents.consent_decided", _I,
       "last:granted last", where=(("purpose", "eq", "marketing"),)),
    _m("privacy", "隐私政策授权", "consent to privacy policy", "consents.consent_decided", _I,
       "last:granted last", where=(("purpose", "eq", "privacy"),)),
    _m("trials", "参与实验", "experiments seen", "experiments.exposed", _I, "n n30 last"),
    _m("alive", "本人操作", "own deeds", "members.member_joined members.member_logged_in"
       " ordering.order_placed ordering.order_paid ordering.order_imported coupons.coupon_claimed"
       " reviews.review_submitted after_sale.case_opened", _I, "last days"),
    _m("orders", "支付订单", "orders paid", " ".join(_ORDERS), _T,
       "n n7 n30 n90 sum sum30 sum90 avg max min first last days cycle top:delivery",
       where=(("amount_fen", "ge", 0),)),
    _m("placed", "提交订单", "orders placed", "ordering.order_placed", _T, "n n30 n90 last"),
    _m("cancelled", "取消订单", "orders cancelled", "ordering.order_cancelled", _T,
       "n n30 n90 sum last top:reason"),
    _m("wechat_paid", "微信支付", "payments by WeChat", "payments.payment_succeeded", _T,
       "n n30 sum max last top:channel"),
    _m("shipped", "发货订单", "orders shipped", "ordering.order_shipped", _T, "n last"),
    _m("completed", "完成订单", "orders completed", "ordering.order_completed", _T,
       "n n90 sum first last top:how"),
    _m("refunds", "退款", "refunds", "ordering.order_refunded", _T,
       "n n30 n90 sum sum90 max last", amount="refunded_fen"),
    _m("full_refunds", "整单退款", "orders refunded in full", "ordering.order_refunded", _T,
       "n n90", amount="refunded_fen", where=(("is_full", "eq", True),)),
    _m("past_returns", "历史退货", "past returns", "ordering.order_imported", _T, "n sum last",
       where=(("amount_fen", "lt", 0),)),
    _m("items", "购买商品", "goods bought", "ordering.order_paid", _T,
       "sum sum30 sum90 max distinct:product_no top:product_no list:product_no top:band list:band",
       amount="quantity", total=_PIECES, each="lines"),
    _m("coupon_orders", "用券订单", "orders with a coupon", "ordering.order_paid", _T,
       "n n90 sum last", amount="coupon_fen", total=("优惠额", "saved"),
       where=(("coupon_fen", "ge", 1),)),
    _m("coupons_claimed", "领券", "coupons claimed", "coupons.coupon_claimed", _T,
       "n n7 n30 n90 last top:issue"),
    _m("coupons_used", "用券", "coupons used", "coupons.coupon_used", _T, "n n30 n90 sum max last"),
    _m("coupons_returned", "退券", "coupons returned", "coupons.coupon_returned", _T, "n last"),
    _m("points_earned", "获得积分", "points earned", "points.points_earned", _T,
       "n sum sum30 sum90 last", amount="points", total=_POINTS),
    _m("points_spent", "使用积分", "points spent", "points.points_spent", _T,
       "n sum sum90 last", amount="points", total=_POINTS),
    _m("points_expired", "过期积分", "points expired", "points.points_expired", _T, "sum last",
       amount="points", total=_POINTS),
    _m("points_revoked", "收回积分", "points revoked", "points.points_revoked", _T, "sum",
       amount="points", total=_POINTS),
    _m("top_ups", "储值充值", "top-ups", "stored_value.topped_up", _T,
       "n n90 sum sum90 max first last"),
    _m("bonus", "储值赠送", "top-up bonus", "stored_value.topped_up", _T, "sum",
       amount="bonus_fen"),
    _m("value_spent", "储值消费", "spent from balance", "stored_value.value_spent", _T,
       "n n90 sum sum90 last"),
    _m("top_up_refunds", "储值退款", "top-up refunds", "stored_value.top_up_refunded", _T, "n sum"),
    _m("gifts_sent", "送礼", "gifts sent", "gifting.gift_opened", _C,
       "n n90 sum max first last top:kind top:scene"),
    _m("gifts_received", "收礼", "gifts received", "gifting.gift_accepted", _C, "n n90 last"),
    _m("gifts_taken", "送出的礼物被收下", "own gifts accepted", "gifting.gift_accepted", _C,
       "n n90 last", person="giver_no"),
    _m("brought", "带来新客", "new customers brought", "gifting.gift_accepted", _C, "n n90 last",
       person="giver_no", where=(("is_new_customer", "eq", True),)),
    _m("gifts_expired", "礼物过期", "gifts expired", "gifting.gift_expired", _C, "n"),
    _m("gifts_swapped", "换礼物", "gifts swapped", "gifting.gift_swapped", _C, "n last"),
    _m("payouts", "推广收入", "payouts", "payouts.payout_ended", _C, "n n90 sum last"),
    _m("cases", "售后申请", "after-sale cases", "after_sale.case_opened", _S,
       "n n30 n90 sum first last top:kind top:reason"),
    _m("cases_approved", "售后通过", "cases approved", "after_sale.case_approved", _S, "n last"),
    _m("cases_overdue", "售后超时", "cases overdue", "after_sale.case_overdue", _S, "n"),
    _m("cases_closed", "售后结束", "cases closed", "after_sale.case_closed", _S,
       "n last top:state"),
    _m("reviews", "评价", "reviews", "reviews.review_submitted", _S,
       "n n90 avg min first last distinct:product_no", amount="stars", total=_STARS),
    _m("bad_reviews", "低分评价", "low reviews", "reviews.review_submitted", _S, "n n90 last",
       amount="stars", total=_STARS, where=(("stars", "lt", 3),)),
    _m("reviews_shown", "公开评价", "reviews shown", "reviews.review_approved", _S, "n"),
)  # fmt: skip

MEASURES: dict[str, Measure] = {measure.key: measure for measure in _MEASURES}
DOMAIN_EVENTS: dict[str, tuple[Measure, ...]] = {
    name: tuple(measure for measure in _MEASURES if name in measure.events)
    for name in sorted({name for measure in _MEASURES for name in measure.events})
}
"""Event → what it is added to."""


class Made(NamedTuple):
    """How a field is computed of a measure: statistic and its property or days."""

    measure: str
    stat: str
    days: int
    prop: str


class Visit(NamedTuple):
    """How a field is asked of the warehouse (`Feature`)."""

    kind: Literal["count", "sum", "days", "first", "last"]
    events: tuple[str, ...]
    days: int | None
    prop: str
    page: str
    channel: str


# --- names of what is made of measures --------------------------------------------------------

_STATS: dict[str, tuple[str, str, str, str]] = {
    "n": ("", "{zh}次数", "{en}, times", "times"),
    "has": ("", "是否{zh}", "{en}: yes or no", ""),
    "sum": ("_{sum}", "{zh}{of}", "{en}, {of_en}", "{unit}"),
    "avg": ("_avg", "{zh}平均{of}", "{en}, average {of_en}", "{unit}"),
    "max": ("_max", "{zh}最高{of}", "{en}, highest {of_en}", "{unit}"),
    "min": ("_min", "{zh}最低{of}", "{en}, lowest {of_en}", "{unit}"),
    "first": ("_first_on", "首次{zh}日", "{en}, first day", "day"),
    "last": ("_last_on", "最近{zh}日", "{en}, last day", "day"),
    "days": ("_days_90d", "近 90 天{zh}天数", "{en}, days of the last 90", "days"),
    "cycle": ("_cycle_days", "平均{zh}间隔", "{en}, average days between", "days"),
    "top": ("_top_{prop}", "{zh}最常{word}", "{en}, most frequent {word_en}", ""),
    "lastof": ("_last_{prop}", "最近{zh}{word}", "{en}, latest {word_en}", ""),
    "firstof": ("_first_{prop}", "首次{zh}{word}", "{en}, first {word_en}", ""),
    "distinct": ("_distinct_{prop}", "{zh}不同{word}数", "{en}, different {word_en}", "count"),
    "list": ("_list_{prop}", "{zh}常见{word}", "{en}, {word_en} most often", ""),
}
_WORDS = {
    "platform": ("平台", "platform"), "source": ("来源", "source"), "granted": ("结果", "answer"),
    "delivery": ("配送方式", "delivery"), "reason": ("原因", "reason"),
    "channel": ("渠道", "channel"), "how": ("方式", "way"), "product_no": ("商品", "product"),
    "band": ("价位", "price band"), "issue": ("领取方式", "way of issue"), "kind": ("类型", "kind"),
    "scene": ("场景", "scene"), "state": ("结果", "outcome"),
}  # fmt: skip


def _made(measure: Measure) -> Iterator[tuple[Field, Made]]:
    for asked in measure.stats:
        stat, _, prop = asked.partition(":")
        days = int(stat.lstrip("nsum") or 0) if stat[:1] == "n" or stat[:3] == "sum" else 0
        stat = stat.rstrip("0123456789")
        named = f"{stat}of" if prop and stat in ("first", "last") else stat
        suffix, zh, en, unit = _STATS[named]
        is_money = measure.amount.endswith("_fen")
        word = _WORDS.get(prop, ("", ""))
        parts = {
            "zh": measure.zh, "en": measure.en, "prop": prop, "word": word[0], "word_en": word[1],
            "of": measure.total[0], "of_en": measure.total[1],
            "sum": "fen" if is_money else "total", "unit": "fen" if is_money else "count",
        }  # fmt: skip
        period, period_en = (f"近 {days} 天", f", last {days} days") if days else ("", "")
        money = is_money and stat in ("sum", "avg", "max", "min")
        kinds = {
            "has": Kind.BOOL, "first": Kind.DATE, "last": Kind.DATE, "list": Kind.LIST,
            "top": Kind.CHOICE, "lastof": Kind.CHOICE, "firstof": Kind.CHOICE,
        }  # fmt: skip
        kind = Kind.FEN if money else kinds.get(named, Kind.NUMBER)
        if prop == "granted":
            kind = Kind.BOOL
        key = measure.key + suffix.format(**parts) + ("_fen" * (money and stat != "sum"))
        yield Field(
            key=key + (f"_{days}d" if days else ""), zh=period + zh.format(**parts),
            en=en.format(**parts) + period_en, kind=kind, group=measure.group,
            unit=unit.format(**parts), source=" ".join(measure.events), purpose=Purpose.PRIVACY,
            keep="account", mask="band" if money else "none",
            is_counted=stat in ("n", "sum", "days", "distinct", "has"), is_ready=True,
        ), Made(measure.key, named, days, prop)  # fmt: skip


# --- visits -----------------------------------------------------------------------------------

_SEEN = ("behaviour.expose", "behaviour.click", "behaviour.view", "behaviour.cart",
         "behaviour.share", "behaviour.dwell")  # fmt: skip
_VISITS = (
    ("visits", "到店天数", "days with a visit", "days", _SEEN, "", "", (7, 30, 90, None)),
    ("views", "浏览页面次数", "pages viewed", "count", _SEEN[2:3], "", "", (7, 30, 90, None)),
    ("clicks", "点击次数", "taps", "count", _SEEN[1:2], "", "", (7, 30, 90, None)),
    ("exposures", "看到商品次数", "products seen", "count", _SEEN[:1], "", "", (7, 30, None)),
    ("carts", "点加购次数", "add-to-cart taps", "count", _SEEN[3:4], "", "", (7, 30, 90, None)),
    ("shares", "分享次数", "shares", "count", _SEEN[4:5], "", "", (7, 30, 90, None)),
    ("dwell", "停留毫秒", "milliseconds spent", "sum", _SEEN[5:6], "", "", (7, 30, 90, None)),
    ("home", "浏览首页次数", "home page viewed", "count", _SEEN[2:3], "pages/home/home", "",
     (30, None)),
    ("catalogue", "浏览分类次数", "categories viewed", "count", _SEEN[2:3],
     "pages/categories/categories", "", (30, None)),
    ("lists", "浏览列表次数", "product lists viewed", "count", _SEEN[2:3], "commerce/catalog/list",
     "", (30, None)),
    ("products", "浏览商品次数", "product pages viewed", "count", _SEEN[2:3],
     "commerce/catalog/product", "", (7, 30, 90, None)),
    ("cart_page", "查看购物车次数", "cart viewed", "count", _SEEN[2:3], "pages/cart/cart", "",
     (7, 30, None)),
    ("checkout", "进入确认订单次数", "checkout viewed", "count", _SEEN[2:3],
     "commerce/ordering/confirm", "", (7, 30, None)),
    ("coupon_centre", "浏览领券中心次数", "coupon centre viewed", "count", _SEEN[2:3],
     "commerce/coupons/centre", "", (30, None)),
    ("gift_hall", "浏览送礼次数", "gift hall viewed", "count", _SEEN[2:3], "growth/gifting/hall",
     "", (30, None)),
    ("review_page", "浏览评价次数", "reviews viewed", "count", _SEEN[2:3], "commerce/reviews/all",
     "", (30, None)),
    ("in_wechat", "小程序内行为次数", "deeds in the mini-program", "count", _SEEN, "",
     "mp-weixin", (30, None)),
    ("in_h5", "H5 行为次数", "deeds in H5", "count", _SEEN, "", "h5", (30, None)),
    ("visits_first_on", "首次到店日", "first visit", "first", _SEEN, "", "", (None,)),
    ("visits_last_on", "最近到店日", "last visit", "last", _SEEN, "", "", (None,)),
    ("cart_last_on", "最近点加购日", "last add-to-cart tap", "last", _SEEN[3:4], "", "", (None,)),
    ("share_last_on", "最近分享日", "last share", "last", _SEEN[4:5], "", "", (None,)),
)  # fmt: skip


def _visits() -> Iterator[tuple[Field, Visit]]:
    for key, zh, en, kind, events, page, channel, windows in _VISITS:
        for days in windows:
            is_date = kind in ("first", "last")
            period = ("", "") if days is None else (f"近 {days} 天", f", last {days} days")
            units = {"sum": "ms", "days": "days", "count": "times"}
            yield Field(
                key=key if days is None else f"{key}_{days}d", zh=period[0] + zh,
                en=en + period[1], kind=Kind.DATE if is_date else Kind.NUMBER,
                group=Group.BEHAVIOUR, unit=units.get(kind, "day"), source=" ".join(events),
                purpose=Purpose.ANALYTICS, keep="consent", mask="none", is_counted=not is_date,
                is_ready=True,
            ), Visit(kind, events, days, "dwell_ms" if kind == "sum" else "", page, channel)  # type: ignore[arg-type]  # fmt: skip


# --- ratios, members, and what is to come -----------------------------------------------------

RATIOS: dict[str, tuple[str, str]] = {
    "refund_bps": ("refunds", "orders"),
    "refund_fen_bps": ("refunds_fen", "orders_fen"),
    "full_refund_bps": ("full_refunds", "orders"),
    "coupon_share_bps": ("coupon_orders", "orders"),
    "coupon_use_bps": ("coupons_used", "coupons_claimed"),
    "unpaid_bps": ("cancelled", "placed"),
    "balance_share_bps": ("value_spent_fen", "orders_fen"),
    "case_bps": ("cases", "orders"),
    "review_bps": ("reviews", "completed"),
    "gift_taken_bps": ("gifts_taken", "gifts_sent"),
}
"""Field → basis points of its first part in its second; not known while the second is 0."""

_DERIVED = (
    ("refund_bps", "退款率", "refund rate", Kind.NUMBER, _T, "bps"),
    ("refund_fen_bps", "退款金额占比", "share of money refunded", Kind.NUMBER, _T, "bps"),
    ("full_refund_bps", "整单退款率", "rate of full refunds", Kind.NUMBER, _T, "bps"),
    ("coupon_share_bps", "用券订单占比", "share of orders with a coupon", Kind.NUMBER, _T, "bps"),
    ("coupon_use_bps", "券使用率", "coupons used of those claimed", Kind.NUMBER, _T, "bps"),
    ("unpaid_bps", "下单未付率", "orders left unpaid", Kind.NUMBER, _T, "bps"),
    ("balance_share_bps", "储值支付占比", "share paid from balance", Kind.NUMBER, _T, "bps"),
    ("case_bps", "售后率", "after-sale rate", Kind.NUMBER, _S, "bps"),
    ("review_bps", "评价率", "share of orders reviewed", Kind.NUMBER, _S, "bps"),
    ("gift_taken_bps", "礼物收下率", "gifts accepted of those sent", Kind.NUMBER, _C, "bps"),
    ("net_fen", "净消费额", "spent less refunds", Kind.FEN, Group.VALUE, "fen"),
    ("monthly_fen", "月均消费额", "spent per month as a customer", Kind.FEN, Group.VALUE, "fen"),
    ("rfm_recency", "RFM 近度分", "RFM recency score", Kind.NUMBER, Group.VALUE, "score"),
    ("rfm_frequency", "RFM 频度分", "RFM frequency score", Kind.NUMBER, Group.VALUE, "score"),
    ("rfm_money", "RFM 金额分", "RFM money score", Kind.NUMBER, Group.VALUE, "score"),
    ("rfm_class", "RFM 客群", "RFM class", Kind.CHOICE, Group.VALUE, ""),
    ("next_order_on", "按周期下次购买日", "next order by own cycle", Kind.DATE, Group.VALUE, "day"),
)  # fmt: skip
_MEMBER: tuple[tuple[str, str, str, Kind, Literal["none", "partly"]], ...] = (
    ("nickname", "昵称", "nickname", Kind.TEXT, "none"),
    ("phone_masked", "手机号", "phone number", Kind.TEXT, "partly"),
    ("level", "会员价等级", "price level", Kind.CHOICE, "none"),
    ("country", "国家或地区", "country", Kind.TEXT, "none"),
    ("device_count", "登录过的设备数", "devices logged in on", Kind.NUMBER, "none"),
    ("address_count", "收货地址数", "delivery addresses", Kind.NUMBER, "none"),
)
_LATER = (
    (Group.IDENTITY, "scrm", (("gender", "性别", "gender"), ("age_band", "年龄段", "age band"),
     ("region", "常住地区", "home region"), ("wecom_friend", "企业微信好友", "WeCom friend"),
     ("wecom_guide", "专属导购", "own guide"), ("birthday", "生日", "birthday"))),
    (Group.CONTENT, "content", (
        ("articles_read", "阅读文章次数", "articles read"),
        ("articles_read_30d", "近 30 天阅读文章次数", "articles read, last 30 days"),
        ("article_last_on", "最近阅读日", "last article read"),
        ("article_topic", "偏好话题", "favourite topic"),
        ("videos_watched", "观看视频次数", "videos watched"),
        ("video_avg_ms", "平均观看时长", "average time watched"),
        ("lives_watched", "观看直播次数", "live streams watched"),
        ("live_orders", "直播间下单数", "orders in live streams"),
        ("comments_written", "评论次数", "comments written"),
        ("columns_bought", "付费专栏数", "paid columns"),
        ("account_followed", "关注公众号", "follows the official account"))),
    (Group.COMMUNITY, "scrm", (
        ("groups_joined", "加入社群数", "groups joined"),
        ("group_tier", "社群层级", "tier of group"),
        ("group_messages_30d", "近 30 天群发言数", "group messages, last 30 days"),
        ("group_rank_bps", "群活跃排名", "rank of activity in groups"),
        ("invited_by", "邀请人", "invited by"),
        ("friends_invited", "邀请好友数", "friends invited"),
        ("bargain_helps", "帮砍次数", "bargains helped"),
        ("group_buys", "拼团次数", "group buys"))),
    (Group.SERVICE, "scrm", (("chats", "咨询次数", "chats with service"),
     ("chat_wait_ms", "平均等待时长", "average wait"), ("satisfaction", "满意度", "satisfaction"),
     ("recommend_score", "推荐意愿", "would recommend"))),
    (Group.VALUE, "prediction", (("margin_fen", "贡献毛利", "margin brought"),
     ("worth_12m_fen", "未来 12 个月价值", "worth in the next 12 months"),
     ("churn_bps", "流失概率", "chance to be lost"),
     ("buy_30d_bps", "30 天内购买概率", "chance to buy within 30 days"),
     ("next_category", "下次购买品类", "next category"),
     ("coupon_effect_bps", "优惠敏感度", "effect of a coupon"),
     ("best_hour", "最佳触达时段", "best hour to reach"),
     ("best_channel", "最佳触达渠道", "best channel to reach"))),
)  # fmt: skip


def _others() -> Iterator[Field]:
    for key, zh, en, kind, group, unit in _DERIVED:
        yield Field(
            key=key, zh=zh, en=en, kind=kind, group=group, unit=unit,
            source=" / ".join(RATIOS.get(key, ("orders",))), purpose=Purpose.PRIVACY,
            keep="account", mask="band" if kind is Kind.FEN else "none", is_counted=False,
            is_ready=True,
        )  # fmt: skip
    for key, zh, en, kind, mask in _MEMBER:
        yield Field(
            key=key, zh=zh, en=en, kind=kind, group=_I, unit="", source="members",
            purpose=Purpose.PRIVACY, keep="account", mask=mask, is_counted=False, is_ready=True,
        )  # fmt: skip
    for group, part, fields in _LATER:
        for key, zh, en in fields:
            ends = {
                "_fen": Kind.FEN,
                "_on": Kind.DATE,
                "_bps": Kind.NUMBER,
                "_ms": Kind.NUMBER,
            }
            suffix = key[key.rfind("_") :]
            unit = suffix[1:] if suffix in ends and suffix != "_on" else ""
            counts = {"s", "d", "n"} if group is not Group.IDENTITY else set()
            kind = ends.get(suffix, Kind.NUMBER if key[-1] in counts else Kind.TEXT)
            yield Field(
                key=key, zh=zh, en=en, kind=kind, group=group, unit=unit, source=part,
                purpose=Purpose.MARKETING if group is Group.VALUE else Purpose.PRIVACY,
                keep="account", mask="none", is_counted=False, is_ready=False,
            )  # fmt: skip


_computed = [made for measure in _MEASURES for made in _made(measure)]
_visited = list(_visits())
MADE: dict[str, Made] = {field.key: made for field, made in _computed}
"""Fields made of measures."""
VISITS: dict[str, Visit] = {field.key: visit for field, visit in _visited}
"""Fields asked of the warehouse."""
VISITS_FIELDS = frozenset(VISITS)
_all = [*(field for field, _ in _computed), *(field for field, _ in _visited), *_others()]
_order = list(Group)
FIELDS: dict[str, Field] = {
    field.key: field for field in sorted(_all, key=lambda field: _order.index(field.group))
}
"""The catalogue, by key, in the order of its groups."""
assert len(FIELDS) == len(_all), "two fields have one key"


def field_of(key: str) -> Field | None:
    """The field of a key."""
    return FIELDS.get(key)
