"""Words to begin with, for the usual moments on each channel; a merchant makes them their own.

Nothing here is sent by itself: a subscription message or a template of an official account first
needs the number that WeChat gave the merchant's own template (`outside_id`), and a version a
signature. Fields are named as in WeChat's public template library (订阅消息, 参数值内容限制).
Variables are the same on all channels of a moment, and those of a moment that the program tells
by itself (`brought`) are the ones it fills in.
"""

from msgspec.structs import replace

from siyu.people.outreach.contracts import (
    Form,
    TemplateDraft,
    Topic,
    Variable,
)
from siyu.people.outreach.contracts import (
    MessageChannel as Channel,
)
from siyu.people.outreach.contracts import (
    VariableKind as Kind,
)
from siyu.people.outreach.rules.brought import BROUGHT
from siyu.people.outreach.rules.templates import ADVERTISING, SMS_END

SHOP = "店铺名"
"""Stands for the name of the shop; an SMS begins with it (工信部令第31号)."""
_HOME = "/pages/home/home"
_COUPONS = "/commerce/coupons/own"
_GIVEN = "/growth/gifting/given?id={gift_id}"
_ORDER = "/commerce/ordering/order?id={order_id}"
Words = str | dict[str, str]


def _moment(
    key: str, name: str, topic: Topic, page: str, words: dict[Channel, Words], *more: Variable
) -> TemplateDraft:
    """A template with these words; those of the program's own template of this key come last."""
    forms = []
    for channel, said in words.items():
        form = Form(channel=channel, page="" if channel is Channel.SMS else page)
        if isinstance(said, dict):
            form = replace(form, fields=said)
        else:
            form = replace(form, text=said, title=name if channel is Channel.INBOX else "")
        if channel is Channel.SMS:
            end = SMS_END if topic in ADVERTISING else ""
            form = replace(form, text=f"【{SHOP}】{form.text}{end}")
        forms.append(form)
    own = BROUGHT.get(key)
    return TemplateDraft(
        key=key,
        name=name,
        topic=topic,
        forms=forms + (own.forms if own else []),
        variables=own.variables if own else list(more),
    )


def _text(name: str, sample: str) -> Variable:
    return Variable(name=name, sample=sample)


_ORDER_NO = _text("order_no", "202611230001")
_ORDER_ID = _text("order_id", "019ab000-0000-7000-8000-000000000001")
_AMOUNT = Variable(name="amount", kind=Kind.MONEY, sample="12900")
_COUPON = _text("coupon", "满百减十五券")
_GOODS = _text("goods", "明前龙井")
_UNTIL = Variable(name="until", kind=Kind.TIME, sample="2026-11-30T20:00:00+08:00")

LIBRARY: tuple[TemplateDraft, ...] = (
    _moment(
        "payment_reminder", "待付款提醒", Topic.ORDER, _ORDER,
        {
            Channel.SUBSCRIPTION: {
                "character_string1": "{order_no}", "amount2": "{amount}", "time3": "{until}",
                "thing4": "逾期未付款，订单将自动取消",
            },
            Channel.NOTICE: {
                "character_string1": "{order_no}", "amount2": "{amount}", "time3": "{until}",
            },
            Channel.CARE: "您的订单 {order_no} 待付款 {amount}，请在 {until} 前付款，逾期取消。",
            Channel.SMS: "您的订单 {order_no} 待付款 {amount}，请在 {until} 前完成，逾期自动取消。",
            Channel.INBOX: "订单 {order_no} 待付款 {amount}，请在 {until} 前完成，逾期自动取消。",
        },
        _ORDER_NO, _ORDER_ID, _AMOUNT, _UNTIL,
    ),
    _moment(
        "order_shipped", "订单发货提醒", Topic.ORDER, _ORDER,
        {
            Channel.SUBSCRIPTION: {
                "character_string1": "{order_no}", "time2": "{shipped_at}",
                "thing3": "可在订单页查看物流",
            },
            Channel.NOTICE: {"character_string1": "{order_no}", "time2": "{shipped_at}"},
            Channel.SMS: "您的订单 {order_no} 已于 {shipped_at} 发货，可在订单页查看物流。",
        },
    ),
    _moment(
        "pickup_ready", "自提备好提醒", Topic.ORDER, _ORDER,
        {
            Channel.SUBSCRIPTION: {
                "character_string1": "{order_no}", "thing2": "{store}",
                "thing3": "到店出示订单里的提货码",
            },
            Channel.NOTICE: {"character_string1": "{order_no}", "thing2": "{store}"},
            Channel.SMS: "订单 {order_no} 已在{store}备好，到店出示订单里的提货码即可领取。",
            Channel.INBOX: "订单 {order_no} 已在{store}备好，到店出示订单里的提货码即可领取。",
        },
        _ORDER_NO, _ORDER_ID, _text("store", "湖滨茶室"),
    ),
    _moment(
        "review_invite", "评价邀请", Topic.ORDER, "/commerce/reviews/mine",
        {
            Channel.SUBSCRIPTION: {
                "thing1": "{goods}", "thing2": "已收货，说说真实感受吧",
            },
            Channel.CARE: "您买的{goods}已收货，欢迎在「我的评价」里说说真实感受，好坏都可以写。",
            Channel.INBOX: "您买的{goods}已收货，欢迎说说真实感受，好坏都可以写。",
        },
        _GOODS,
    ),
    _moment(
        "refund_arrived", "退款到账通知", Topic.AFTER_SALE, _ORDER,
        {
            Channel.SUBSCRIPTION: {
                "character_string1": "{order_no}", "amount2": "{amount}",
                "thing3": "已按原支付方式退回",
            },
            Channel.NOTICE: {"character_string1": "{order_no}", "amount2": "{amount}"},
            Channel.SMS: "订单 {order_no} 的退款 {amount} 已按原支付方式退回。",
        },
    ),
    _moment(
        "gift_reminder", "礼物待领取提醒", Topic.GIFT, _GIVEN,
        {
            Channel.SUBSCRIPTION: {
                "thing1": "{gift}", "time2": "{expires_at}", "thing3": "到期未领取会自动退款",
            },
            Channel.NOTICE: {"thing1": "{gift}", "time2": "{expires_at}"},
            Channel.SMS: "您送出的「{gift}」还没有被领取，{expires_at} 到期后自动退款。",
        },
    ),
    _moment(
        "group_gift", "群礼物领取进度", Topic.GIFT, _GIVEN,
        {
            Channel.SUBSCRIPTION: {
                "thing1": "{gift}", "number2": "{left}", "time3": "{until}",
                "thing4": "剩余份数到期自动退款",
            },
            Channel.NOTICE: {"thing1": "{gift}", "number2": "{left}", "time3": "{until}"},
            Channel.INBOX: "您发到群里的「{gift}」还剩 {left} 份，{until} 到期后自动退款。",
        },
        _text("gift", "四季茶礼盒"), _text("gift_id", "019ab000-0000-7000-8000-000000000002"),
        Variable(name="left", kind=Kind.NUMBER, sample="3"), _UNTIL,
    ),
    _moment(
        "coupon_expiring", "优惠券到期提醒", Topic.OFFERS, _COUPONS,
        {
            Channel.SUBSCRIPTION: {
                "thing1": "{coupon}", "time2": "{until}", "thing3": "在「我的优惠券」里查看",
            },
            Channel.CARE: "您的{coupon}将在 {until} 到期，可在「我的优惠券」里查看。",
            Channel.CONTACT: "您好，您的{coupon}将在 {until} 到期，需要的话记得用上。",
            Channel.SMS: "您的{coupon}将在 {until} 到期，可在小程序「我的优惠券」里查看。",
            Channel.INBOX: "您的{coupon}将在 {until} 到期，记得使用。",
        },
        _COUPON, _UNTIL,
    ),
    _moment(
        "birthday", "生日祝福", Topic.OFFERS, _COUPONS,
        {
            Channel.CARE: "祝您生日快乐！送您一张{coupon}，已放进「我的优惠券」。",
            Channel.CONTACT: "祝您生日快乐！送您一张{coupon}，已放进小程序「我的优惠券」。",
            Channel.SMS: "祝您生日快乐！送您一张{coupon}，已放进小程序「我的优惠券」。",
            Channel.INBOX: "祝您生日快乐！送您一张{coupon}，已放进「我的优惠券」。",
        },
        _text("coupon", "生日券"),
    ),
    _moment(
        "win_back", "好久不见", Topic.OFFERS, _COUPONS,
        {
            Channel.CONTACT: "好久不见，店里新到了{goods}。送您一张{coupon}，有空来看看。",
            Channel.SMS: "好久不见，店里新到了{goods}，送您的{coupon}已放进小程序「我的优惠券」。",
            Channel.INBOX: "好久不见，店里新到了{goods}，送您的{coupon}已放进「我的优惠券」。",
        },
        _GOODS, _COUPON,
    ),
    _moment(
        "points_expiring", "积分到期提醒", Topic.OFFERS, "/money/points/points",
        {
            Channel.SUBSCRIPTION: {
                "number1": "{points}", "time2": "{until}", "thing3": "下单时可抵现",
            },
            Channel.SMS: "您有 {points} 积分将在 {until} 到期，下单时可抵现。",
            Channel.INBOX: "您有 {points} 积分将在 {until} 到期，下单时可抵现。",
        },
        Variable(name="points", kind=Kind.NUMBER, sample="860"), _UNTIL,
    ),
    _moment(
        "new_arrival", "新品上市", Topic.NEWS, _HOME,
        {
            Channel.CARE: "{goods}到店了，{note}。",
            Channel.CONTACT: "您好，{goods}到店了，{note}。",
            Channel.SMS: "{goods}到店了，{note}。",
            Channel.INBOX: "{goods}到店了，{note}。",
        },
        _GOODS, _text("note", "欢迎到店品鉴"),
    ),
)  # fmt: skip
"""In the order of a customer's way; forms in the order in which channels are tried."""


def named(drafts: tuple[TemplateDraft, ...], shop: str) -> list[TemplateDraft]:
    """The same words under the name of a shop."""
    return [
        replace(
            draft,
            forms=[replace(form, text=form.text.replace(SHOP, shop)) for form in draft.forms],
        )
        for draft in drafts
    ]
