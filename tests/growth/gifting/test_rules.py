"""Decisions of gifting."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.catalog.contracts import Card, Category, ProductKind, ProductStatus
from siyu.commerce.ordering.contracts import RefundableLine
from siyu.growth.gifting import rules
from siyu.growth.gifting.contracts import (
    BadKit,
    Exclusion,
    GiftNotFound,
    Kit,
    ReasonNeeded,
    ShareState,
    Theme,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KIT = rules.STANDARD_KITS[0]


def card(number: int = 1, **change: object) -> Card:
    plain = Card(
        uuid4(), number, f"茶 {number}", "", ProductKind.PHYSICAL, ProductStatus.ON_SHELF, None, [],
        1000 * number, None, None, 0, 0, 1, NOW, "0" * 32, 10, 10,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **change)


@dataclass
class Tree:
    """Jewellery with a child, and tea."""

    jewels: UUID
    rings: UUID
    tea: UUID

    def all(self) -> list[Category]:
        return [
            Category(self.rings, self.jewels, "戒指", None, 0, 0),
            Category(self.jewels, None, "珠宝首饰", None, 0, 0),
            Category(self.tea, None, "茶", None, 0, 0),
        ]


TREE = Tree(uuid4(), uuid4(), uuid4())


def test_every_share_state_can_be_reached_and_ends_are_ends() -> None:
    reached = {to for moves in rules.MOVES.values() for to in moves} | {ShareState.WAITING}
    assert reached == set(ShareState) == set(rules.MOVES)
    ends = {state for state, moves in rules.MOVES.items() if not moves}
    assert ends == {ShareState.ACCEPTED, ShareState.REFUNDED}


@given(st.text(max_size=300))
def test_a_blessing_is_clean_and_stays_so(text: str) -> None:
    clean = rules.clean_blessing(text)
    assert len(clean) <= 100 and rules.clean_blessing(clean) == clean
    assert "\n\n\n" not in clean and "\u202e" not in clean and "\x00" not in clean


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  生日快乐！ ", "生日快乐！"),
        ("a\u202eb\u200bc\x07", "abc"),
        ("一\r\n二\n\n\n\n三", "一\n二\n\n三"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("字" * 120, "字" * 100),
    ],
)
def test_blessings(text: str, kept: str) -> None:
    assert rules.clean_blessing(text) == kept


def kit(**change: object) -> Kit:
    return msgspec.structs.replace(KIT, **change)


@pytest.mark.parametrize(
    ("kits", "why"),
    [
        ([KIT, KIT], "double"),
        ([kit(card_title="新年好")], "title"),
        ([kit(starts_on=date(2026, 2, 2), ends_on=date(2026, 2, 1))], "dates"),
        ([kit(blessings=["\u200b"])], "blessing"),
    ],
)
def test_bad_kits(kits: list[Kit], why: str) -> None:
    with pytest.raises(BadKit) as refusal:
        rules.check_kits(kits)
    assert refusal.value.details["why"] == why


def test_standard_kits_are_good_and_say_gift() -> None:
    rules.check_kits(rules.STANDARD_KITS)
    assert {one.name for one in rules.STANDARD_KITS} >= {"春节", "生日", "年货礼盒"}
    rules.check_kits([kit(starts_on=date(2026, 2, 1), ends_on=date(2026, 2, 1))])


def test_a_kit_is_shown_on_both_its_ends() -> None:
    one = kit(starts_on=date(2026, 2, 1), ends_on=date(2026, 2, 3), theme=Theme.MOON)
    days = [date(2026, 1, 31) + timedelta(days=n) for n in range(5)]
    assert [rules.is_shown(one, on) for on in days] == [False, True, True, True, False]
    assert rules.is_shown(KIT, days[0]) and not rules.is_shown(kit(is_enabled=False), days[0])


def test_exclusions_follow_names_parents_and_the_merchant() -> None:
    found = rules.exclusions(TREE.all(), {})
    assert found[TREE.jewels].is_excluded and found[TREE.rings].is_excluded
    assert not found[TREE.tea].is_excluded and not found[TREE.rings].is_decided
    decided = {TREE.rings: Exclusion(TREE.rings, False, True, "银杏叶书签")}
    assert not rules.exclusions(TREE.all(), decided)[TREE.rings].is_excluded
    rules.check_decision(found[TREE.jewels], True, "")
    rules.check_decision(found[TREE.jewels], None, "")
    rules.check_decision(found[TREE.tea], False, "")
    with pytest.raises(ReasonNeeded):
        rules.check_decision(found[TREE.jewels], False, "  ")
    assert rules.excluded_by_name("Online COURSE")


def test_why_not_giftable() -> None:
    excluded = rules.exclusions(TREE.all(), {})
    for one, why in (
        (card(), None),
        (card(category_id=TREE.tea), None),
        (card(category_id=TREE.rings), "excluded"),
        (card(category_id=uuid4()), None),
        (card(kind=ProductKind.SERVICE), "not_sent"),
        (card(price_fen=1_000_001), "over_cap"),
        (card(status=ProductStatus.DRAFT), "off_shelf"),
    ):
        assert rules.why_not_giftable(one, excluded, 1_000_000) == why


def test_recommendations_are_rules_one_can_tell() -> None:
    cards = [card(1), card(2, tags=["礼盒"]), card(3, sold_count=9), card(4, sold_count=1)]
    order = rules.recommend(cards, {1: 5}, tags=["礼盒"])
    assert [one.product_no for one in order] == [2, 1, 3, 4]
    order = rules.recommend(cards, {}, from_fen=2000, to_fen=3000)
    assert [one.product_no for one in order] == [3, 2]
    rising = [one.product_no for one in rules.recommend(cards, {}, order="price_asc")]
    falling = [one.product_no for one in rules.recommend(cards, {}, order="price_desc")]
    assert rising == [1, 2, 3, 4] == falling[::-1]


@given(st.integers(0, 10**7), st.integers(1, 50))
def test_parts_of_shares_add_up(total_fen: int, count: int) -> None:
    parts = rules.share_parts(total_fen, count)
    assert sum(parts) == total_fen and len(parts) == count
    left = RefundableLine(1, count, total_fen)
    assert rules.refund_of(parts, range(1, count + 1), left) == (count, total_fen)


def test_a_refund_is_never_more_than_what_is_left() -> None:
    parts = [334, 333, 333]
    assert rules.refund_of(parts, [1, 3], RefundableLine(1, 3, 1000)) == (2, 667)
    assert rules.refund_of(parts, [1, 3], RefundableLine(1, 1, 400)) == (1, 400)
    assert rules.refund_of(parts, [1], None) == (0, 0)


def test_link_keys() -> None:
    assert rules.read_link_key("A" * 22) == "A" * 22
    for text in ("", "A" * 21, "A" * 21 + "\x00", "A" * 22 + "\n"):
        with pytest.raises(GiftNotFound):
            rules.read_link_key(text)
