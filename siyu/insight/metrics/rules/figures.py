"""The figures of a shop: the only place where any of them is defined.

Thresholds are the trade's health lines (mission 138, 139); a figure is unknown, never wrong, where
its events do not exist.
"""

from siyu.insight.metrics.contracts import StepKey
from siyu.insight.metrics.rules.catalogue import (
    ACCEPTED,
    ACTIVE,
    CART,
    CASES,
    CLAIMED,
    CLICK,
    COMPLETED,
    EXPOSE,
    GIFTS,
    GIVEN_BACK,
    JOINED,
    LARGE,
    MIDDLE,
    MONEY,
    PAID,
    PAID_HERE,
    PLACED,
    REFUNDED,
    REVIEWED,
    SEEN,
    SHARE,
    SMALL,
    TOPPED_UP,
    USED,
    VIEW,
    Earlier,
    Figure,
    Less,
    MissingFigure,
    RetentionFigure,
    Threshold,
    Words,
)
from siyu.warehouse.query.contracts import Count, Measure, Step

VISITORS = Measure(Count.PERSONS, SEEN)
NEW_VISITORS = Measure(Count.NEWCOMERS, SEEN)
BUYERS = Measure(Count.PERSONS, PAID)
SEEN_BUYERS = Measure(Count.PERSONS, PAID, SEEN)
REPEATERS = Measure(Count.REPEATERS, PAID)
ORDER_COUNT = Measure(Count.EVENTS, PAID)
TURNOVER = Measure(Count.AMOUNT, MONEY)
GMV = Measure(Count.AMOUNT, PAID)
CLICKERS, CARTERS = Measure(Count.PERSONS, CLICK), Measure(Count.PERSONS, CART)
ACTIVES, NEWCOMERS = Measure(Count.PERSONS, ACTIVE), Measure(Count.NEWCOMERS, ACTIVE)
JOINS = Measure(Count.EVENTS, JOINED)
ORDERS_HERE = Measure(Count.EVENTS, PAID_HERE)
KNOWN, PAST_BUYERS = Earlier(NEWCOMERS), Earlier(Measure(Count.NEWCOMERS, PAID))
_BPS = 10_000
_BEHAVIOUR = ("channel", "page")


def _basket(key: str, step: Step, zh: str, en: str) -> Figure:
    return Figure(
        key=key, group="trade", unit="fen", top=Measure(Count.AMOUNT, step), bottom=ORDER_COUNT,
        label=Words(f"{zh}的贡献", f"Carried by {en}"),
        definition=Words(f"{zh}的金额 ÷ 全部支付订单数；三档之和等于笔单价。",
                         f"Amount of {en} / all paid orders; the three add up to order value."),
    )  # fmt: skip


FIGURES: tuple[Figure, ...] = (
    # --- 交易 ---------------------------------------------------------------------------------
    Figure(
        key="turnover", group="trade", unit="fen", top=TURNOVER, is_on_board=True,
        label=Words("营业额", "Turnover"),
        definition=Words(
            "期内已支付订单的金额之和，减去期内完成的退款；导入的历史退货为负数。",
            "Sum of orders paid in the period, less refunds finished in it; imported returns "
            "count negative."),
    ),
    Figure(
        key="gmv", group="trade", unit="fen", top=GMV,
        label=Words("成交总额（GMV）", "GMV"),
        definition=Words("期内已支付订单的金额之和，不减退款。",
                         "Sum of orders paid in the period, before refunds."),
    ),
    Figure(
        key="refunds", group="trade", unit="fen", top=Measure(Count.AMOUNT, GIVEN_BACK),
        better=None,
        label=Words("退款金额（负数）", "Refunds (negative)"),
        definition=Words("期内完成的退款与导入的退货之和，以负数记。",
                         "Refunds finished and returns imported in the period, as a negative."),
    ),
    Figure(
        key="paid_orders", group="trade", unit="count", top=ORDER_COUNT, is_on_board=True,
        label=Words("支付订单数", "Paid orders"),
        definition=Words("期内完成支付的订单数，含导入的历史订单。",
                         "Orders paid in the period, imported history included."),
    ),
    Figure(
        key="buyers", group="trade", unit="count", top=BUYERS,
        label=Words("支付人数", "Buyers"),
        definition=Words("期内完成支付的人数，每人计一次。",
                         "Persons who paid an order in the period, each once."),
    ),
    Figure(
        key="orders_per_buyer", group="trade", unit="hundredths", top=ORDER_COUNT, bottom=BUYERS,
        scale=100,
        label=Words("人均订单数", "Orders per buyer"),
        definition=Words("支付订单数 ÷ 支付人数。", "Paid orders / buyers."),
    ),
    Figure(
        key="order_value", group="trade", unit="fen", top=GMV, bottom=ORDER_COUNT,
        label=Words("笔单价", "Order value"),
        definition=Words("成交总额 ÷ 支付订单数，不减退款。", "GMV / paid orders, before refunds."),
    ),
    _basket("small_baskets", SMALL, "50 元以下订单", "orders below ¥50"),
    _basket("middle_baskets", MIDDLE, "50–200 元订单", "orders of ¥50-200"),
    _basket("large_baskets", LARGE, "200 元及以上订单", "orders from ¥200"),
    Figure(
        key="aov", group="trade", unit="fen", top=TURNOVER, bottom=ORDER_COUNT, is_on_board=True,
        label=Words("客单价", "Average order value"),
        definition=Words("营业额 ÷ 支付订单数。", "Turnover / paid orders."),
        threshold=Threshold(5_000, "ge", Words(
            "设置套餐和会员权益，引导凑单：例如满额包邮、第二件优惠。",
            "Offer bundles and member rights that make baskets larger."), "mission 139"),
    ),
    Figure(
        key="arpu", group="trade", unit="fen", top=TURNOVER, bottom=BUYERS, is_on_board=True,
        label=Words("客均消费", "Revenue per buyer"),
        definition=Words("营业额 ÷ 支付人数。", "Turnover / persons who paid."),
        threshold=Threshold(18_000, "ge", Words(
            "用会员权益和关联推荐带动加购，行业参考为 180–260 元。",
            "Use member rights and related items; the trade sees ¥180-260."), "mission 138"),
    ),
    Figure(
        key="pay_rate", group="trade", unit="bps", scale=_BPS,
        top=ORDERS_HERE, bottom=Measure(Count.EVENTS, PLACED),
        label=Words("支付率", "Pay rate"),
        definition=Words("支付订单数 ÷ 提交订单数（不含导入）。",
                         "Orders paid / orders placed (imports left out)."),
    ),
    Figure(
        key="refund_rate", group="trade", unit="bps", scale=_BPS, better="le",
        top=Measure(Count.EVENTS, REFUNDED), bottom=ORDERS_HERE,
        label=Words("退款率", "Refund rate"),
        definition=Words("期内完成的退款笔数 ÷ 期内支付订单数（不含导入）。",
                         "Refunds finished / orders paid in the period (imports left out)."),
    ),
    Figure(
        key="case_rate", group="trade", unit="bps", scale=_BPS, better="le",
        top=Measure(Count.EVENTS, CASES), bottom=ORDERS_HERE,
        label=Words("售后申请率", "After-sale rate"),
        definition=Words("期内售后申请数 ÷ 期内支付订单数（不含导入）。",
                         "After-sale cases opened / orders paid in the period (no imports)."),
    ),
    # --- 流量与转化 ---------------------------------------------------------------------------
    Figure(
        key="visitors", group="traffic", unit="count", top=VISITORS, splits=_BEHAVIOUR,
        label=Words("访客数", "Visitors"),
        definition=Words("期内有浏览行为的人数（仅统计已同意分析的访客）。",
                         "Persons with behaviour in the period (who agreed to analytics)."),
    ),
    Figure(
        key="new_visitors", group="traffic", unit="count", top=NEW_VISITORS,
        label=Words("新访客", "New visitors"),
        definition=Words("期内第一次有浏览行为的人数。", "Persons first seen in the period."),
    ),
    Figure(
        key="returning_visitors", group="traffic", unit="count", top=Less(VISITORS, NEW_VISITORS),
        label=Words("回访访客", "Returning visitors"),
        definition=Words("期内有浏览行为、此前已来过的人数。",
                         "Visitors of the period who had been seen before."),
    ),
    Figure(
        key="conversion", group="traffic", unit="bps", scale=_BPS, is_on_board=True,
        top=SEEN_BUYERS, bottom=VISITORS,
        label=Words("下单转化率", "Order conversion"),
        definition=Words(
            "期内有浏览行为且完成支付的人数 ÷ 有浏览行为的人数（仅统计已同意分析的访客）。",
            "Visitors who paid in the period / visitors (those who agreed to analytics)."),
        threshold=Threshold(800, "ge", Words(
            "调整商品排序，把高转化商品放到首屏；检查下单是否不超过 3 步。",
            "Reorder items so that what sells stands first; keep checkout within 3 steps."),
            "mission 139"),
    ),
    Figure(
        key="click_rate", group="traffic", unit="bps", scale=_BPS, top=CLICKERS, bottom=VISITORS,
        splits=_BEHAVIOUR,
        label=Words("点击率", "Tap rate"),
        definition=Words("期内点击过的人数 ÷ 访客数。", "Visitors who tapped / visitors."),
    ),
    Figure(
        key="carters", group="traffic", unit="count", top=CARTERS, splits=_BEHAVIOUR[:1],
        label=Words("加购人数", "Persons with a cart"),
        definition=Words("期内加入购物车的人数。",
                         "Persons who put something into the cart in the period."),
    ),
    Figure(
        key="cart_rate", group="traffic", unit="bps", scale=_BPS, top=CARTERS, bottom=CLICKERS,
        label=Words("加购率", "Cart rate"),
        definition=Words("期内加购的人数 ÷ 点击过的人数。",
                         "Persons who put something into the cart / persons who tapped."),
    ),
    Figure(
        key="checkout_rate", group="traffic", unit="bps", scale=_BPS,
        top=SEEN_BUYERS, bottom=CARTERS,
        label=Words("加购支付率", "Cart-to-paid rate"),
        definition=Words("期内支付的访客数 ÷ 加购的人数（直接购买也算支付，可超过 100 %）。",
                         "Visitors who paid / persons with a cart (buying at once counts as paid, "
                         "so it may exceed 100 %)."),
    ),
    Figure(
        key="seen_buyers", group="traffic", unit="count", top=SEEN_BUYERS,
        label=Words("访客中的支付人数", "Buyers among visitors"),
        definition=Words("期内有浏览行为且完成支付的人数。",
                         "Persons with behaviour and a paid order in the period."),
    ),
    Figure(
        key="unseen_buyers", group="traffic", unit="count", top=Less(BUYERS, SEEN_BUYERS),
        label=Words("未留下浏览的支付人数", "Buyers not seen"),
        definition=Words("期内支付、但没有浏览记录的人数：未同意分析，或来自历史导入。",
                         "Buyers without behaviour: they did not agree, or were imported."),
    ),
    Figure(
        key="pages_per_visitor", group="traffic", unit="hundredths", scale=100, is_on_board=True,
        top=Measure(Count.EVENTS, VIEW), bottom=Measure(Count.PERSONS, VIEW), splits=_BEHAVIOUR[:1],
        label=Words("人均浏览页数", "Pages per visitor"),
        definition=Words("浏览页数 ÷ 浏览人数。", "Page views / persons who viewed a page."),
        threshold=Threshold(250, "ge", Words(
            "优化首页导航：突出爆品、套餐和活动三个入口。",
            "Improve the home navigation: hot items, bundles, activities up front."),
            "mission 139"),
    ),
    Figure(
        key="bounce", group="traffic", unit="bps", scale=_BPS, better="le", is_on_board=True,
        top=Measure(Count.SINGLES, VIEW), bottom=Measure(Count.VISITS, VIEW),
        splits=_BEHAVIOUR[:1],
        label=Words("跳出率", "Bounce rate"),
        definition=Words("只看了一页的访问 ÷ 全部访问（间隔超过 30 分钟算新的访问）。",
                         "Visits of one page / visits (after a pause of 30 minutes a new one)."),
        threshold=Threshold(4_000, "le", Words(
            "加快首屏打开速度，让落地页与来源内容一致，并给出下一步入口。",
            "Open faster, keep what the link promised, show a next step."), "mission 139"),
    ),
    # --- 用户 ---------------------------------------------------------------------------------
    Figure(
        key="active", group="customers", unit="count", top=ACTIVES,
        label=Words("活跃人数", "Active persons"),
        definition=Words("期内到店、下单或注册的人数；28 天的期间即月活（MAU）。",
                         "Persons with a visit, an order or joining; over 28 days this is MAU."),
    ),
    Figure(
        key="newcomers", group="customers", unit="count", top=NEWCOMERS,
        label=Words("新客", "Newcomers"),
        definition=Words("期内第一次活跃的人数。", "Persons first active in the period."),
    ),
    Figure(
        key="returning", group="customers", unit="count", top=Less(ACTIVES, NEWCOMERS),
        label=Words("老客活跃", "Returning persons"),
        definition=Words("期内活跃、此前已活跃过的人数。", "Active persons known from before."),
    ),
    Figure(
        key="known", group="customers", unit="count", top=KNOWN,
        label=Words("累计用户", "Persons known"),
        definition=Words("期初之前活跃过的人数。", "Persons active at any time before the period."),
    ),
    Figure(
        key="activity", group="customers", unit="bps", scale=_BPS,
        top=Less(ACTIVES, NEWCOMERS), bottom=KNOWN,
        label=Words("老客活跃率", "Activity rate"),
        definition=Words("老客活跃人数 ÷ 期初之前的累计用户。",
                         "Returning persons / persons known before the period."),
    ),
    Figure(
        key="new_members", group="customers", unit="count", top=JOINS, is_on_board=True,
        label=Words("新增会员", "New members"),
        definition=Words("期内注册的会员数。", "Members who joined in the period."),
    ),
    Figure(
        key="registration", group="customers", unit="bps", scale=_BPS, top=JOINS, bottom=VISITORS,
        label=Words("注册率", "Registration rate"),
        definition=Words("新增会员 ÷ 访客数。", "New members / visitors."),
    ),
    Figure(
        key="repurchase", group="customers", unit="bps", scale=_BPS, is_on_board=True,
        top=REPEATERS, bottom=BUYERS,
        label=Words("复购率", "Repurchase rate"),
        definition=Words(
            "期内支付的人中，本次之前已支付过订单的人数占比。",
            "Of the persons who paid in the period, those for whom it was not the first time."),
    ),
    Figure(
        key="repeat_buyers", group="customers", unit="count", top=REPEATERS,
        label=Words("复购人数", "Repeat buyers"),
        definition=Words("期内支付、且不是第一次支付的人数。",
                         "Persons who paid in the period, not for the first time."),
    ),
    Figure(
        key="new_buyers", group="customers", unit="count", top=Less(BUYERS, REPEATERS),
        label=Words("首购人数", "First-time buyers"),
        definition=Words("期内第一次支付、且只支付一次的人数。",
                         "Persons who paid in the period for the first time, and once."),
    ),
    Figure(
        key="past_buyers", group="customers", unit="count", top=PAST_BUYERS,
        label=Words("累计买家", "Past buyers"),
        definition=Words("期初之前支付过的人数。", "Persons who paid before the period."),
    ),
    Figure(
        key="return_rate", group="customers", unit="bps", scale=_BPS,
        top=REPEATERS, bottom=PAST_BUYERS,
        label=Words("买家回购率", "Buyer return rate"),
        definition=Words("复购人数 ÷ 期初之前的累计买家（期内首购又复购的人计入复购）。",
                         "Repeat buyers / past buyers (first and second purchase inside the "
                         "period count as repeat)."),
    ),
    # --- 营销与口碑 ---------------------------------------------------------------------------
    Figure(
        key="coupon_redemption", group="marketing", unit="bps", scale=_BPS,
        top=Measure(Count.EVENTS, USED), bottom=Measure(Count.EVENTS, CLAIMED),
        label=Words("优惠券核销率", "Coupon redemption"),
        definition=Words("期内使用的优惠券张数 ÷ 期内领取的张数。",
                         "Coupons used / coupons claimed in the period."),
        threshold=Threshold(6_000, "ge", Words(
            "按人群发券并缩短有效期，到期前提醒；门槛贴近笔单价。",
            "Give coupons to fitting segments, valid for less long, with a reminder; set the "
            "threshold close to the order value."), "mission 139"),
    ),
    Figure(
        key="share_rate", group="marketing", unit="bps", scale=_BPS,
        top=Measure(Count.PERSONS, SHARE), bottom=VISITORS,
        label=Words("分享率", "Share rate"),
        definition=Words("期内分享过的人数 ÷ 访客数。", "Persons who shared / visitors."),
    ),
    Figure(
        key="review_rate", group="marketing", unit="bps", scale=_BPS,
        top=Measure(Count.EVENTS, REVIEWED), bottom=Measure(Count.EVENTS, COMPLETED),
        label=Words("评价率", "Review rate"),
        definition=Words("期内评价数 ÷ 期内完成的订单数。",
                         "Reviews submitted / orders completed in the period."),
    ),
    Figure(
        key="gifts", group="marketing", unit="count", top=Measure(Count.EVENTS, GIFTS),
        label=Words("送出礼物", "Gifts given"),
        definition=Words("期内支付并送出的礼物数。", "Gifts paid and given in the period."),
    ),
    Figure(
        key="gift_receivers", group="marketing", unit="count", top=Measure(Count.PERSONS, ACCEPTED),
        label=Words("收礼人数", "Gift receivers"),
        definition=Words("期内收下礼物的人数。", "Persons who accepted a gift in the period."),
    ),
    Figure(
        key="top_ups", group="marketing", unit="fen", top=Measure(Count.AMOUNT, TOPPED_UP),
        label=Words("储值金额", "Top-ups"),
        definition=Words("期内储值的本金之和，不含赠金。",
                         "Principal topped up in the period, without bonus."),
    ),
)  # fmt: skip


def _retention(days: int, value: int, action: Words, source: str) -> RetentionFigure:
    return RetentionFigure(
        key=f"retention_d{days}",
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
    _retention(7, 2_500, Words(
        "对新客做更精细的触达：首单后 3–7 天发送与所购商品相关的内容或权益。",
        "Reach new customers more finely: something fitting 3-7 days after the first visit."),
        "mission 139"),
    _retention(30, 4_500, Words(
        "建立会员日和周期购提醒，给出第二次购买的理由。",
        "Give a reason for the second purchase: member days, reminders by consumption cycle."),
        "mission 138"),
)  # fmt: skip

MISSING = (
    MissingFigure(
        key="fission_cost", group="marketing", unit="fen",
        label=Words("裂变获客成本", "Cost per new customer by fission"),
        definition=Words("裂变活动的奖励与优惠 ÷ 由此到店的新客数。",
                         "Rewards and discounts of fission activities / newcomers they brought."),
        why=Words("店铺还没有裂变活动，奖励和新客的来源都没有记录。",
                  "There are no fission activities yet: rewards and sources are unknown."),
        threshold=Threshold(800, "le", Words(
            "收紧奖励条件：新客首单后再发奖，并按来源限额。",
            "Reward only after the newcomer's first order, with a limit per source."),
            "mission 139"),
    ),
    MissingFigure(
        key="campaign_roi", group="marketing", unit="hundredths",
        label=Words("投放回报（ROI）", "Campaign ROI"),
        definition=Words("广告带来的营业额 ÷ 广告花费。", "Turnover brought by ads / their cost."),
        why=Words("还没有连接广告账户。", "No ad account is connected."),
    ),
)  # fmt: skip

FUNNEL: tuple[tuple[StepKey, Step, Words, Words], ...] = (
    ("expose", EXPOSE, Words("曝光", "Exposure"),
     Words("期内看到商品卡片的人数。", "Persons who were shown an item in the period.")),
    ("click", CLICK, Words("点击", "Click"),
     Words("曝光后 30 天内点击的人数。", "Those who tapped within 30 days of the exposure.")),
    ("convert", PAID, Words("转化", "Conversion"),
     Words("随后完成支付的人数。", "Those of them who then paid an order.")),
    ("repurchase", PAID, Words("复购", "Repurchase"),
     Words("其中再次支付的人数。", "Those of them who paid another one.")),
)  # fmt: skip
BY_KEY: dict[str, Figure] = {figure.key: figure for figure in FIGURES}
BOARD = tuple(figure for figure in FIGURES if figure.is_on_board)
