"""Diagnosis: from a figure that is bad, through checks, to something to try (mission 144).

Causes are looked for in the order in which they hide one another: who does not see what the shop
stands for will not stay, who does not stay will not buy, who did not buy will not come back.
"""

from typing import Literal

import msgspec

from siyu.insight.metrics.contracts import Comparison, DraftKind, State
from siyu.insight.metrics.rules.catalogue import Words
from siyu.insight.metrics.rules.periods import ratio

FOCUS_BPS = 3_000
"""Rule of thumb: where fewer than three taps in ten go to the three foremost items, visitors do
not see what the shop stands for."""
FOCUS_TOP = 3
WORSE_BPS = 9_000
"""A figure is bad against the shop's own weeks when it is more than a tenth worse."""

Draft = Literal["banner", "home_order", "title", "first_order", "basket", "members"]
DRAFTED: dict[Draft, DraftKind] = {
    "banner": "experiment",
    "home_order": "experiment",
    "title": "experiment",
    "first_order": "campaign",
    "basket": "campaign",
    "members": "campaign",
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One cause. figure: None: how taps are spread over items (positioning)."""

    key: str
    question: Words
    figure: str | None
    remedy: Words
    draft: Draft | None = None


class Playbook(msgspec.Struct, frozen=True, kw_only=True):
    """A problem: the figures that show it, and its causes in the order of looking."""

    key: str
    title: Words
    about: Words
    figures: tuple[str, ...]
    checks: tuple[Check, ...]


_POSITIONING = Check(
    key="positioning", figure=None, draft="banner",
    question=Words("客人一眼看得出店铺主打什么吗？", "Do visitors see what the shop is for?"),
    remedy=Words("首页只讲一件事：把点击最多的商品放进横幅，用一句话说清为谁、解决什么。",
                 "Say one thing on the home page: the most-tapped item on the banner, for whom and "
                 "what it solves, in one line."),
)  # fmt: skip
_NAVIGATION = Check(
    key="navigation", figure="pages_per_visitor", draft="home_order",
    question=Words("进店后找得到下一步吗？", "Do they find a next step once inside?"),
    remedy=Words("调整首页顺序：套餐在前，让第一屏就有能一起买的东西。",
                 "Reorder the home page: bundles first, so that the first screen offers a basket."),
)  # fmt: skip

PLAYBOOKS = (
    Playbook(
        key="growth", figures=("visitors", "new_visitors", "new_members", "active"),
        title=Words("增长乏力", "Growth is slow"),
        about=Words("来的人少、留下的人少：先看定位，再看落地、注册和回访。",
                    "Few come, few stay: positioning first, then landing, joining, returning."),
        checks=(
            _POSITIONING,
            Check(
                key="landing", figure="bounce", draft="home_order",
                question=Words("落地页留得住人吗？", "Does the landing page hold them?"),
                remedy=Words("让落地内容与来源一致，首屏给出入口；先试首页顺序。",
                             "Keep what the link promised, offer a way on; try the order of the "
                             "home page first."),
            ),
            Check(
                key="joining", figure="registration", draft="first_order",
                question=Words("访客愿意成为会员吗？", "Do visitors become members?"),
                remedy=Words("给出注册的理由：首单立减，只给新客。",
                             "Give a reason to join: an offer on the first order only."),
            ),
            Check(
                key="returning", figure="retention_d7", draft="members",
                question=Words("新客一周内会再来吗？", "Do newcomers return within a week?"),
                remedy=Words("设会员日：会员满额立减，首单后 3–7 天提醒。",
                             "A member day: an offer for members, with a reminder 3-7 days later."),
            ),
            Check(
                key="sharing", figure="share_rate",
                question=Words("客人愿意分享吗？", "Do customers share?"),
                remedy=Words("给值得转发的内容：礼物、晒单与新品故事；不以奖励诱导分享。",
                             "Offer what is worth sharing: gifts, reviews, stories; no rewards for "
                             "sharing."),
            ),
        ),
    ),
    Playbook(
        key="conversion", figures=("conversion", "pay_rate", "aov", "order_value"),
        title=Words("转化不足", "Too few buy"),
        about=Words("来了不买，或买得少：定位、逛、点、加购、支付逐级看。",
                    "They come and do not buy, or little: positioning, browsing, taps, cart, pay."),
        checks=(
            _POSITIONING,
            _NAVIGATION,
            Check(
                key="titles", figure="click_rate", draft="title",
                question=Words("商品卡片吸引人点开吗？", "Do item cards invite a tap?"),
                remedy=Words("给曝光最多、点击最少的商品换一个标题来测试。",
                             "Test another title on the item that is shown most and tapped least."),
            ),
            Check(
                key="carts", figure="cart_rate", draft="first_order",
                question=Words("看了详情会加购吗？", "Do they put it into the cart?"),
                remedy=Words("降低第一次尝试的门槛：首单立减；补齐评价和规格说明。",
                             "Make the first try easier: an offer on the first order; add reviews "
                             "and details."),
            ),
            Check(
                key="paying", figure="pay_rate",
                question=Words("提交订单后都付款了吗？", "Are placed orders paid?"),
                remedy=Words("检查运费、库存与支付提示；下单到付款不超过三步。",
                             "Check shipping cost, stock and payment; at most three steps."),
            ),
            Check(
                key="baskets", figure="aov", draft="basket",
                question=Words("每单买得够多吗？", "Is each basket large enough?"),
                remedy=Words("设一档略高于笔单价的满减，引导凑单。",
                             "Set a threshold a little above the order value."),
            ),
        ),
    ),
    Playbook(
        key="interaction",
        figures=("pages_per_visitor", "share_rate", "repurchase", "retention_d30"),
        title=Words("互动与复购低迷", "Little interaction, few return"),
        about=Words("看得少、不互动、不回头：定位、内容、权益逐级看。",
                    "They look little and do not return: positioning, content, rights."),
        checks=(
            _POSITIONING,
            _NAVIGATION,
            Check(
                key="coupons", figure="coupon_redemption",
                question=Words("发出去的券有人用吗？", "Are coupons used?"),
                remedy=Words("按人群发券并缩短有效期，到期前提醒；门槛贴近笔单价。",
                             "Fitting segments, shorter validity, a reminder; threshold close to "
                             "the order value."),
            ),
            Check(
                key="rights", figure="retention_d30", draft="members",
                question=Words("一个月后还会回来吗？", "Do they come back within a month?"),
                remedy=Words("建立会员日与周期购提醒，给出第二次购买的理由。",
                             "Member days and reminders: a reason for the second purchase."),
            ),
            Check(
                key="reviews", figure="review_rate",
                question=Words("买过的人愿意评价吗？", "Do buyers review?"),
                remedy=Words("收货后三天邀请评价，回复每一条差评。",
                             "Invite a review three days after delivery; answer every bad one."),
            ),
        ),
    ),
)  # fmt: skip


def against_own(value: int | None, own: int | None, better: Comparison | None) -> State:
    """A figure against the mean of its own last weeks."""
    if value is None or own is None or own <= 0 or better is None:
        return "unknown"
    share = ratio(value, own, 10_000)
    assert share is not None
    worse = share < WORSE_BPS if better == "ge" else share > 20_000 - WORSE_BPS
    return "bad" if worse else "good"
