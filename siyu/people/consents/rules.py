"""The texts people agree to, as data, and whether an old agreement still counts. Pure."""

import hashlib
import itertools
from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

import msgspec

from siyu.kernel.i18n import Language
from siyu.people.consents.contracts import Purpose


class Word(Protocol):
    """What a record's person last said about a purpose."""

    @property
    def granted(self) -> bool:
        """Yes or no."""

    @property
    def decided_at(self) -> datetime:
        """When."""


W = TypeVar("W", bound=Word)


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
    Text(
        Purpose.PERSONALISATION,
        "2026-11-01",
        asks_more=True,
        title={"zh-CN": "个性化推荐", "en": "Personal recommendations"},
        text={
            "zh-CN": (
                "我们希望按您的浏览和购买记录为您挑选展示的商品和优惠。不同意时您看到与所有人相"
                "同的内容，价格不受影响，您可以随时关闭。"
            ),
            "en": (
                "We would like to choose the goods and offers you see by what you looked at and "
                "bought. If you refuse you see what everybody sees; prices are the same, and you "
                "can switch this off at any time."
            ),
        },
    ),
    Text(
        Purpose.SHARING,
        "2026-11-01",
        asks_more=True,
        title={"zh-CN": "向合作方提供信息", "en": "Sharing with partners"},
        text={
            "zh-CN": (
                "本店目前不向支付和配送以外的合作方提供您的个人信息。今后如需提供，会先写明接收"
                "方名称、联系方式、目的、方式和信息种类，并重新征得您的单独同意。"
            ),
            "en": (
                "This shop passes none of your data to anybody but payment and delivery. Should "
                "that change, we name the receiver, how to reach them, the purpose, the manner "
                "and the kinds of data first, and ask you again."
            ),
        },
    ),
)
"""Oldest first in a purpose. A text once in force is never changed, only followed by another."""


def with_own(own: Sequence[Text]) -> tuple[Text, ...]:
    """All words of a shop: those the program brings, then its own in the order of publication."""
    return (*TEXTS, *own)


def text_in_force(purpose: Purpose, texts: Sequence[Text] = TEXTS) -> Text:
    """The newest words for a purpose."""
    return next(text for text in reversed(texts) if text.purpose is purpose)


def still_counts(purpose: Purpose, version: str, texts: Sequence[Text] = TEXTS) -> bool:
    """Whether an agreement to this version covers what the words in force ask for."""
    for text in reversed(texts):
        if text.purpose is purpose:
            if text.version == version:
                return True
            if text.asks_more:
                return False
    return False


def hash_of(text: Text, language: Language) -> bytes:
    """SHA-256 of title and text as a person reads them: what proves which words were shown."""
    return hashlib.sha256(f"{text.title[language]}\n{text.text[language]}".encode()).digest()


def next_version(purpose: Purpose, today: date, texts: Sequence[Text]) -> str:
    """The name of a version published today: the day, and .2, .3 … when there is one already."""
    taken = {text.version for text in texts if text.purpose is purpose}
    names = (f"{today}" if n == 1 else f"{today}.{n}" for n in itertools.count(1))
    return next(name for name in names if name not in taken)


def word_of(words: Sequence[W], merged_at: datetime | None) -> W | None:
    """What counts of what the records of one person last said; None: nothing was said.

    The stricter holds: a no of any record, until the person says yes anew after the last merge.
    merged_at: None for a person of one record.
    """
    ordered = sorted(words, key=lambda one: one.decided_at)
    yes, no = (
        next((one for one in reversed(ordered) if one.granted is side), None)
        for side in (True, False)
    )
    if yes is None or no is None:
        return yes or no
    is_anew = yes.decided_at > no.decided_at and (merged_at is None or yes.decided_at > merged_at)
    return yes if is_anew else no
