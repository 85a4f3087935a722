"""The texts people agree to, as data, and whether an old agreement still counts. Pure."""

import msgspec

from siyu.kernel.i18n import Language
from siyu.people.consents.contracts import Purpose


class Text(msgspec.Struct, frozen=True):
    """One version of the words for a purpose.

    version: the day it came into force; asks_more: it asks for more than the version before, so
    agreements to older versions no longer count.
    """

    purpose: Purpose
    version: str
    asks_more: bool
    title: dict[Language, str]
    text: dict[Language, str]


TEXTS: tuple[Text, ...] = (
    Text(
        Purpose.PRIVACY,
        "2026-11-01",
        asks_more=True,
        title={"zh-CN": "隐私政策", "en": "Privacy policy"},
        text={
            "zh-CN": (
                "为了提供登录、下单、支付、配送和售后服务，我们处理您的微信用户标识、昵称、您"
                "主动填写的收货信息和您授权的手机号。收货信息和手机号加密保存，只用于履行您的"
                "订单。除履约所需的支付和配送服务外，我们不向他人提供您的个人信息。您可以随时"
                "查看、更正、导出或要求删除自己的信息，也可以撤回同意；撤回后将无法继续下单，"
                "但不影响浏览商品和已完成的订单。"
            ),
            "en": (
                "To let you log in, order, pay, receive parcels and get help, we process your "
                "WeChat user id, your nickname, the delivery details you enter and the phone "
                "number you release. Delivery details and phone number are stored encrypted and "
                "used only for your orders. Apart from payment and delivery, nobody else "
                "receives your data. You may see, correct, export or delete your data and "
                "withdraw this consent at any time; after that you can still browse and keep "
                "your past orders, but not place new ones."
            ),
        },
    ),
    Text(
        Purpose.ANALYTICS,
        "2026-11-01",
        asks_more=True,
        title={"zh-CN": "浏览行为分析", "en": "Browsing statistics"},
        text={
            "zh-CN": (
                "我们希望记录您在本店浏览了哪些页面和商品，用于改进商品陈列。记录使用随机编号"
                "，不含姓名和手机号。不同意不影响购物，您可以随时关闭。"
            ),
            "en": (
                "We would like to record which pages and products you look at in this shop, to "
                "arrange it better. Records carry a random number, no name and no phone number. "
                "Shopping works the same if you refuse, and you can switch this off at any "
                "time."
            ),
        },
    ),
    Text(
        Purpose.MARKETING,
        "2026-11-01",
        asks_more=True,
        title={"zh-CN": "优惠与新品通知", "en": "Offers and news"},
        text={
            "zh-CN": (
                "我们希望通过微信服务通知向您发送本店的优惠和新品消息，并按您的购买记录挑选内"
                "容。不同意不影响购物，您可以随时退订，退订后一分钟内生效。"
            ),
            "en": (
                "We would like to send you offers and news of this shop through WeChat, chosen "
                "by what you bought. Shopping works the same if you refuse; you can unsubscribe "
                "at any time, effective within a minute."
            ),
        },
    ),
)
"""Oldest first in a purpose. A text once in force is never changed, only followed by another."""


def text_in_force(purpose: Purpose) -> Text:
    """The newest words for a purpose."""
    return next(text for text in reversed(TEXTS) if text.purpose is purpose)


def still_counts(purpose: Purpose, version: str, texts: tuple[Text, ...] = TEXTS) -> bool:
    """Whether an agreement to this version covers what the words in force ask for."""
    for text in reversed(texts):
        if text.purpose is purpose:
            if text.version == version:
                return True
            if text.asks_more:
                return False
    return False
