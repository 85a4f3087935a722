"""The words: every book, every kind, every amount, in both languages."""

import re
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.kernel.i18n import Language
from siyu.money.ledger import rules
from siyu.money.ledger.contracts import AccountRow, Book, EntryId, StoredEntry, StoredLeg

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def stored(kind: str, *legs: tuple[Book, int, str]) -> StoredEntry:
    return StoredEntry(
        entry_id=EntryId(UUID(int=1)), key="k", kind=kind, order_id=None, ref=None, reverses=None,
        note="", at=clock.now(),
        legs=[StoredLeg(book=b, owner=None, asset=asset, amount=n) for b, n, asset in legs],
    )  # fmt: skip


@pytest.mark.parametrize("kind", rules.KINDS)
def test_every_kind_tells_its_story_in_both_languages(kind: str) -> None:
    entry = stored(kind, (Book.WECHAT, 123456, "CNY"), (Book.SALES, -123456, "CNY"))
    (zh,), (en,) = rules.tell([entry], "zh-CN"), rules.tell([entry], "en")
    assert CHINESE.search(zh.title) and CHINESE.search(zh.text) and zh.text.endswith("。")
    assert not CHINESE.search(en.title + en.text + en.standing) and en.text.endswith(".")
    assert "¥1,234.56" in zh.text and "¥1,234.56" in en.text
    assert "{" not in zh.text + en.text
    assert re.fullmatch(r"[a-z_]{2,40}", kind)


def test_no_two_kinds_share_a_name() -> None:
    for names in ([one.zh for one in rules.KINDS.values()], [o.en for o in rules.KINDS.values()]):
        assert len(set(names)) == len(names)


def test_every_book_has_its_words() -> None:
    assert set(rules.BOOKS) == set(Book)
    for words in rules.BOOKS.values():
        assert CHINESE.search(words.zh) and not CHINESE.search(words.en)


@pytest.mark.parametrize(
    ("amount", "asset", "language", "text"),
    [
        (0, "CNY", "zh-CN", "¥0.00"),
        (5, "CNY", "en", "¥0.05"),
        (-123_450, "CNY", "en", "-¥1,234.50"),
        (1200, "POINT", "zh-CN", "1,200 积分"),
        (1200, "POINT", "en", "1,200 points"),
        (1200, "USD", "en", "12.00 USD"),
        (-1200, "JPY", "zh-CN", "-1,200 JPY"),
    ],
)
def test_amounts_as_people_write_them(
    amount: int, asset: str, language: Language, text: str
) -> None:
    assert rules.money_text(amount, asset, language) == text


def test_the_story_ends_where_the_money_stands() -> None:
    story = [
        stored("payment", (Book.WECHAT, 1000, "CNY"), (Book.SALES, -1000, "CNY")),
        stored("points_earned", (Book.POINTS_ISSUED, 10, "POINT"), (Book.POINTS, -10, "POINT")),
        stored("refund_due", (Book.SALES, 1000, "CNY"), (Book.REFUND_DUE, -1000, "CNY")),
        stored("refund", (Book.REFUND_DUE, 1000, "CNY"), (Book.WECHAT, -1000, "CNY")),
        stored("points_revoked", (Book.POINTS, 10, "POINT"), (Book.POINTS_ISSUED, -10, "POINT")),
    ]
    assert [one.standing for one in rules.tell(story, "en")] == [
        "So far: Balance at WeChat Pay ¥10.00, Sales ¥10.00.",
        "So far: Balance at WeChat Pay ¥10.00, Sales ¥10.00, Points of members 10 points,"
        " Points issued 10 points.",
        "So far: Balance at WeChat Pay ¥10.00, Refunds under way ¥10.00,"
        " Points of members 10 points, Points issued 10 points.",
        "So far: Points of members 10 points, Points issued 10 points.",
        "So far every account of it is settled.",
    ]
    assert rules.tell(story, "zh-CN")[-1].standing == "至此本订单各科目均已结清。"


def test_what_moves_two_assets_says_both() -> None:
    entry = stored(
        "opening",
        (Book.WECHAT, 1000, "CNY"), (Book.SALES, -1000, "CNY"),
        (Book.POINTS_ISSUED, 10, "POINT"), (Book.POINTS, -10, "POINT"),
    )  # fmt: skip
    assert rules.tell([entry], "zh-CN")[0].text == "期初余额 ¥10.00 和 10 积分。"
    assert rules.tell([entry], "en")[0].text == "An opening balance of ¥10.00 and 10 points."


def test_a_balance_stands_on_its_side_of_the_trial_balance() -> None:
    def row(book: Book, balance: int) -> AccountRow:
        return AccountRow(book=book, asset="CNY", accounts=1, balance=balance, held=0)

    trial = rules.trial_balance(
        [row(Book.SALES, 70), row(Book.COMMISSION, -20), row(Book.WECHAT, 45)], "en"
    )
    assert [(line.name, line.debit, line.credit) for line in trial.lines] == [
        ("Balance at WeChat Pay", 45, 0),
        ("Commission owed", 20, 0),
        ("Sales", 0, 70),
    ]
    (total,) = trial.totals
    assert (total.asset, total.debit, total.credit, total.is_even) == ("CNY", 65, 70, False)
