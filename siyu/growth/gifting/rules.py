"""Decisions of gifting without database, clock or network."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from siyu.commerce.catalog.contracts import Card, Category, ProductKind, ProductStatus, SkuForSale
from siyu.commerce.ordering.contracts import RefundableLine
from siyu.growth.gifting.contracts import (
    MAX_BLESSING,
    AlreadyAccepted,
    BadKit,
    Exclusion,
    Gift,
    GiftExpired24h,
    GiftKind,
    GiftNotFound,
    GiftSettings,
    GiftsOff,
    GiftTaken,
    Kit,
    NotGiftable,
    Outcome,
    OwnGift,
    ReasonNeeded,
    Share,
    ShareState,
    Standing,
    SwapRefused,
    Theme,
    TooManyShares,
)
from siyu.kernel.errors import SiyuError
from siyu.kernel.money import split_fen

ACCEPT_WITHIN = timedelta(hours=24)
"""Mission 39."""
ASK_AGAIN = timedelta(minutes=10)
"""After a refund could not be asked for."""

MOVES: dict[ShareState, frozenset[ShareState]] = {
    ShareState.WAITING: frozenset(
        {ShareState.ACCEPTED, ShareState.EXPIRED, ShareState.REFUND_PENDING}
    ),
    ShareState.ACCEPTED: frozenset(),
    ShareState.EXPIRED: frozenset({ShareState.REFUND_PENDING, ShareState.REFUNDED}),
    ShareState.REFUND_PENDING: frozenset({ShareState.REFUNDED}),
    ShareState.REFUNDED: frozenset(),
}

SEARCH_WORDS = ("礼物", "送礼", "gift")
"""What finds a marked product, whatever it is called (mission 41)."""
CARD_TITLE = "送你一份礼物，请收下"
"""Of a gift without a kit."""
_GIFT_WORDS = ("送礼", "礼物", "礼盒", "赠")
_EXCLUDED_WORDS = (
    "珠宝", "首饰", "黄金", "金饰", "铂金", "钻石", "翡翠", "玉石", "jewel",
    "教育", "培训", "课程", "网课", "education", "training", "course",
)  # fmt: skip
"""Jewellery and education or training may not be given (mission 40)."""

STANDARD_KITS = (
    Kit(
        kit="spring-festival",
        name="春节",
        theme=Theme.SPRING,
        card_title="新春送礼，给你拜年啦",
        blessings=[
            "新春快乐，阖家安康！",
            "一点心意，祝新的一年顺顺利利。",
            "过年好！愿你岁岁平安，天天开心。",
        ],
        guide=(
            "春节送礼指南：长辈选礼盒装，同辈选新口味，孩子选零食。"
            "选好礼物，写一句祝福或录一段语音，发给亲友；对方填写地址即可收到。"
            "24 小时内未领取，款项自动退回。"
        ),
        tags=["礼盒", "年货"],
        starts_on=None,
        ends_on=None,
        is_enabled=True,
    ),
    Kit(
        kit="birthday",
        name="生日",
        theme=Theme.BIRTHDAY,
        card_title="送你一份生日礼物",
        blessings=[
            "生日快乐！愿你所求皆如愿。",
            "又长大一岁，礼物请签收。",
            "今天你最大，生日快乐！",
        ],
        guide=(
            "生日送礼指南：不必打听地址，礼物发过去，由对方自己填写。"
            "提前一天送出，当天就能收到祝福。24 小时内未领取，款项自动退回。"
        ),
        tags=[],
        starts_on=None,
        ends_on=None,
        is_enabled=True,
    ),
    Kit(
        kit="new-year-box",
        name="年货礼盒",
        theme=Theme.SPRING,
        card_title="年货礼盒已备好，送礼给家人",
        blessings=["年货替你备好了，记得查收。", "把家乡的味道寄给你。"],
        guide=(
            "年货送礼指南：群里一次送多份，先到先得，每人一份。"
            "一份礼盒、一句祝福，拼单更省心。24 小时内未领取的份数自动退款。"
        ),
        tags=["礼盒", "年货"],
        starts_on=None,
        ends_on=None,
        is_enabled=True,
    ),
    Kit(
        kit="mid-autumn",
        name="中秋",
        theme=Theme.MOON,
        card_title="中秋送礼，月圆人团圆",
        blessings=["中秋快乐，月圆人圆事事圆。", "海上生明月，礼物寄相思。"],
        guide="中秋送礼指南：礼盒送长辈，小份送同事；语音祝福比文字更暖。",
        tags=["礼盒"],
        starts_on=None,
        ends_on=None,
        is_enabled=True,
    ),
    Kit(
        kit="thanks",
        name="答谢",
        theme=Theme.THANKS,
        card_title="一份谢意，请收下礼物",
        blessings=["谢谢你一直以来的照顾。", "合作愉快，小小心意请收下。"],
        guide="答谢送礼指南：不问地址、不打扰；对方愿意时自己填写，您看不到收件信息。",
        tags=[],
        starts_on=None,
        ends_on=None,
        is_enabled=True,
    ),
)
"""What a shop offers until it writes its own."""


# --- words ------------------------------------------------------------------------------------


def clean_blessing(text: str, most: int = MAX_BLESSING) -> str:
    """What is kept of a blessing: visible characters and line breaks, marks of direction and all
    other control characters dropped (F068), at most two breaks in a row, 100 characters.
    """
    normal = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    seen = "".join(
        one for one in normal if one in "\n\u200d" or unicodedata.category(one)[0] not in "C"
    )
    while "\n\n\n" in seen:
        seen = seen.replace("\n\n\n", "\n\n")
    return seen.strip()[:most]


def check_kits(kits: Sequence[Kit]) -> None:
    """Raise BadKit: two of one name, a card that does not say "gift", dates turned round, or a
    blessing nobody could read.
    """
    if len({one.kit for one in kits}) != len(kits):
        raise BadKit(why="double")
    for one in kits:
        if not any(word in one.card_title for word in _GIFT_WORDS):
            raise BadKit(why="title", kit=one.kit, words=list(_GIFT_WORDS))
        if one.starts_on and one.ends_on and one.ends_on < one.starts_on:
            raise BadKit(why="dates", kit=one.kit)
        if any(not clean_blessing(text) for text in one.blessings):
            raise BadKit(why="blessing", kit=one.kit)


def is_shown(kit: Kit, on: date) -> bool:
    """Whether customers see a kit on a day; both ends belong to it."""
    is_begun = kit.starts_on is None or kit.starts_on <= on
    return kit.is_enabled and is_begun and (kit.ends_on is None or on <= kit.ends_on)


# --- what may be given ------------------------------------------------------------------------


def excluded_by_name(name: str) -> bool:
    """Whether a category that nobody decided about is one of those which may not be given."""
    return any(word in name.lower() for word in _EXCLUDED_WORDS)


def exclusions(
    categories: Iterable[Category], decided: Mapping[UUID, Exclusion]
) -> dict[UUID, Exclusion]:
    """Of each category whether gifts may come of it. Under an excluded one all are excluded, unless
    the merchant decided about the lower one itself.
    """
    listed = sorted(categories, key=lambda one: one.parent_id is not None)
    found: dict[UUID, Exclusion] = {}
    for one in listed:
        above = found.get(one.parent_id) if one.parent_id else None
        is_excluded = excluded_by_name(one.name) or (above is not None and above.is_excluded)
        found[one.category_id] = decided.get(one.category_id) or Exclusion(
            one.category_id, is_excluded, False, ""
        )
    return found


def check_decision(before: Exclusion, is_excluded: bool | None, reason: str) -> None:
    """Raise ReasonNeeded when something excluded is let in without saying why."""
    if is_excluded is False and before.is_excluded and not reason.strip():
        raise ReasonNeeded


def why_not_giftable(card: Card, excluded: Mapping[UUID, Exclusion], cap_fen: int) -> str | None:
    """Why a product cannot be given, or None. Its price is that of its cheapest SKU."""
    if card.kind is not ProductKind.PHYSICAL:
        return "not_sent"
    flag = excluded.get(card.category_id) if card.category_id else None
    if flag is not None and flag.is_excluded:
        return "excluded"
    if card.price_fen > cap_fen:
        return "over_cap"
    return "off_shelf" if card.status is not ProductStatus.ON_SHELF else None


def check_asked(
    settings: GiftSettings,
    sku: SkuForSale,
    card: Card | None,
    excluded: Mapping[UUID, Exclusion],
    kind: GiftKind,
    count: int,
) -> None:
    """Raise GiftsOff, NotGiftable or TooManyShares.

    card: the product's, or None when it carries no mark. The list price is what the cap looks at:
    a reduction does not make a dear thing giveable.
    """
    if not settings.is_enabled:
        raise GiftsOff
    if card is None:
        raise NotGiftable(why="not_marked")
    why = why_not_giftable(card, excluded, settings.cap_fen)
    if why is None and not sku.on_shelf:
        why = "off_shelf"
    if why is None and sku.price_fen > settings.cap_fen:
        why = "over_cap"
    if why is not None:
        raise NotGiftable(why=why, cap_fen=settings.cap_fen)
    limit = 1 if kind is GiftKind.FRIEND else settings.max_shares
    if count > limit:
        raise TooManyShares(limit=limit)


Order = Literal["best", "price_asc", "price_desc"]


def recommend(
    cards: Sequence[Card],
    given: Mapping[int, int],
    *,
    tags: Sequence[str] = (),
    from_fen: int | None = None,
    to_fen: int | None = None,
    order: Order = "best",
) -> list[Card]:
    """Gifts for a purse and an occasion. Those with one of the tags come first, then what was given
    most often (product_no -> pieces accepted lately), then what is sold most. Nothing is guessed
    about the receiver: age, gender and region are not asked (mission 45).
    """
    wanted = [
        card
        for card in cards
        if (from_fen is None or card.price_fen >= from_fen)
        and (to_fen is None or card.price_fen <= to_fen)
    ]

    def best(card: Card) -> tuple[int, ...]:
        fits = not any(tag in card.tags for tag in tags)
        return (fits, -given.get(card.product_no, 0), -card.sold_count, -card.product_no)

    if order == "best":
        return sorted(wanted, key=best)
    sign = 1 if order == "price_asc" else -1
    return sorted(wanted, key=lambda card: (sign * card.price_fen, -card.product_no))


# --- accept, or back --------------------------------------------------------------------------


def read_link_key(text: str) -> str:
    """What stands in a link, if it can be the key of one. Raises GiftNotFound."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{22}", text):
        raise GiftNotFound
    return text


def check_receiver(gift: Gift | None, member_id: UUID) -> Gift:
    """The gift, when this member may accept of it. Raises GiftNotFound, OwnGift (F055)."""
    if gift is None or gift.standing is not Standing.PAID:
        raise GiftNotFound
    if gift.giver_id == member_id:
        raise OwnGift
    return gift


def why_refused(shares: Sequence[Share], member_id: UUID) -> SiyuError:
    """What to tell one whom the guarded update did not give a share."""
    if any(share.receiver_id == member_id for share in shares):
        return AlreadyAccepted()
    is_all_taken = all(share.state is ShareState.ACCEPTED for share in shares)
    return GiftTaken() if is_all_taken else GiftExpired24h()


def is_all_received(shares: Sequence[Share]) -> bool:
    """Whether nothing of a gift is open: each share was received, or its money goes back."""
    return all(share.received_at or share.returned_id or share.refund_id for share in shares)


def check_swap(
    gift: Gift, share: Share, available: int, wanted: SkuForSale, why_not: str | None
) -> None:
    """Raise SwapRefused unless the original is out of stock and the other item is a gift of equal
    price (mission 43). That nothing has left yet is fulfilment's to say.

    available: pieces of the original that can still be promised. why_not: `why_not_giftable` of the
    other product, "not_marked" without a mark.
    """
    if share.sent_sku_id is not None:
        raise SwapRefused(why="swapped")
    if available > 0:
        raise SwapRefused(why="in_stock")
    if wanted.sku_id == gift.sku_id or why_not is not None or not wanted.on_shelf:
        raise SwapRefused(why="not_giftable")
    if wanted.price_fen != gift.unit_fen:
        raise SwapRefused(why="price", unit_fen=gift.unit_fen)


def share_parts(line_total_fen: int, count: int) -> list[int]:
    """What the giver paid for each share, by number; reductions included, so that the parts add up
    to the order's line.
    """
    return split_fen(line_total_fen, [1] * count)


def refund_of(
    parts: Sequence[int], share_nos: Iterable[int], left: RefundableLine | None
) -> tuple[int, int]:
    """(pieces, fen) to ask back for these shares: never more than the order has left, should staff
    have given some of it back already.
    """
    numbers = list(share_nos)
    if left is None:
        return 0, 0
    amount_fen = sum(parts[number - 1] for number in numbers)
    return min(len(numbers), left.quantity), min(amount_fen, left.amount_fen)


def outcome(gift: Gift, shares: Sequence[Share], member_id: UUID, now: datetime) -> Outcome:
    """What "accept" would say now."""
    assert gift.accept_before is not None, "only paid gifts are opened"
    if gift.giver_id == member_id:
        return Outcome.OWN_GIFT
    is_free = any(share.state is ShareState.WAITING for share in shares)
    has_own = any(share.receiver_id == member_id for share in shares)
    if is_free and not has_own and now < gift.accept_before:
        return Outcome.FREE
    return Outcome(why_refused(shares, member_id).code.rpartition(".")[2])


# --- a recording, piece by piece --------------------------------------------------------------


def read_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """The [begin, end) that a Range header asks for, cut to what there is; empty when it lies
    outside. None for all: no header, several ranges, or one that is not understood (RFC 9110).
    """
    found = re.fullmatch(r"bytes=(\d{0,12})-(\d{0,12})", asked or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    end = min(int(last) + 1, size) if last else size
    return int(first), end
