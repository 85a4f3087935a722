"""Whatever is booked, held and taken back: the books sum to zero and every balance is explained."""

import itertools
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.money.ledger import rules
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import (
    AccountRow,
    Balance,
    BalanceShort,
    Book,
    Entry,
    HoldId,
    HoldOver,
    Leg,
)
from tests.money.ledger.books import broken, rich_member, spending

OWNERS = [UUID(int=number + 1) for number in range(3)]
units = st.integers(-(10**9), 10**9)
plain = st.sampled_from([book for book in Book if book not in (Book.POINTS, Book.POINTS_ISSUED)])


@st.composite
def balanced(draw: st.DrawFn) -> list[Leg]:
    """Up to 5 legs of any book and two currencies, and the ones that make them even."""
    legs = []
    for _ in range(draw(st.integers(1, 5))):
        book = draw(plain)
        owner = draw(st.sampled_from(OWNERS)) if rules.BOOKS[book].is_owned else None
        amount = draw(units.filter(bool))
        legs.append(Leg(book, amount, owner, draw(st.sampled_from(["CNY", "USD"]))))
    for asset in ("CNY", "USD"):
        rest = sum(leg.amount for leg in legs if leg.asset == asset)
        legs.append(Leg(Book.SUSPENSE, -rest, asset=asset))
    return legs


def net(legs: list[Leg]) -> Counter[tuple[Book, UUID | None, str]]:
    sums: Counter[tuple[Book, UUID | None, str]] = Counter()
    for leg in legs:
        sums[leg.book, leg.owner, leg.asset] += leg.amount
    return sums


@given(balanced())
def test_opposites_cancel_and_are_the_same_twice(legs: list[Leg]) -> None:
    entry = Entry("k", "opening", legs)
    kept = rules.check_entry(entry)
    assert not any(net(kept + rules.opposite(kept)).values())
    assert rules.opposite(rules.opposite(kept)) == kept
    assert all(leg.amount for leg in kept)


@given(balanced(), st.integers(0, 6), units.filter(bool))
def test_a_fen_too_much_anywhere_is_never_booked(legs: list[Leg], at: int, extra: int) -> None:
    one = legs[at % len(legs)]
    legs[at % len(legs)] = Leg(one.book, one.amount + extra, one.owner, one.asset)
    with pytest.raises(AssertionError):
        rules.check_entry(Entry("k", "opening", legs))


@given(st.lists(balanced(), max_size=6))
def test_a_trial_balance_of_balanced_entries_is_even(entries: list[list[Leg]]) -> None:
    sums: Counter[tuple[Book, str]] = Counter()
    for leg in (leg for legs in entries for leg in legs):
        sums[leg.book, leg.asset] += leg.amount * rules.BOOKS[leg.book].side
    rows = [
        AccountRow(book=book, asset=asset, accounts=1, balance=balance, held=0)
        for (book, asset), balance in sums.items()
    ]
    trial = rules.trial_balance(rows, "zh-CN")
    assert all(total.is_even for total in trial.totals)
    assert all(min(line.debit, line.credit) == 0 for line in trial.lines)


async def test_whatever_is_posted_the_books_are_even(tx: Tx) -> None:
    """Random batches: each booked whole or refused whole; balances are those of a plain sum."""
    model: Counter[tuple[Book, UUID | None, str]] = Counter()
    for number, (owner, asset) in enumerate(itertools.product(OWNERS, ("CNY", "USD"))):
        legs = [
            Leg(Book.PRINCIPAL, -(10**10), owner, asset),
            Leg(Book.OPENING, 10**10, None, asset),
        ]
        await ledger.post(tx, Entry(f"opening:{number}", "opening", legs))
        model.update(net(legs))
        await ledger.set_floor(tx, Book.COMMISSION, owner, -(10**10), asset)
    batches: list[list[list[Leg]]] = []

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(balanced(), min_size=1, max_size=4))
    def collect(batch: list[list[Leg]]) -> None:
        batches.append(batch)

    collect()
    refused = 0
    for batch in batches:
        entries = [
            Entry(f"k:{new_id()}", "opening", legs)
            for legs in batch
            if len([leg for leg in legs if leg.amount]) >= 2
        ]
        try:
            await ledger.post_many(tx, entries)
        except BalanceShort:
            refused += 1
        else:
            for entry in entries:
                model.update(net(entry.legs))
    assert refused < len(batches)
    for (book, owner, asset), debit in model.items():
        found = await ledger.balance(tx, book, owner, asset)
        assert found.posted == debit * rules.BOOKS[book].side, (book, owner, asset)
    trial = rules.trial_balance(await ledger.list_accounts(tx), "en")
    assert all(total.is_even for total in trial.totals)
    assert await broken(tx) == {}


steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "settle", "less", "void", "spend", "again"]),
        st.integers(1, 400),
        st.integers(0, 9),
    ),
    max_size=25,
)


async def test_holds_follow_a_plain_model(tx: Tx) -> None:
    """posted and held as a model in three lines says, through any sequence of verbs."""
    runs: list[list[tuple[str, int, int]]] = []

    @settings(max_examples=30, deadline=None, database=None)
    @given(steps)
    def collect(run: list[tuple[str, int, int]]) -> None:
        runs.append(run)

    collect()
    for run in runs:
        await _live(tx, run)
    assert await broken(tx) == {}


async def _live(tx: Tx, run: list[tuple[str, int, int]]) -> None:
    member = await rich_member(tx, 1_000)
    posted, open_holds, ended = 1_000, dict[HoldId, int](), list[HoldId]()
    for verb, amount, pick in run:
        available = posted - sum(open_holds.values())
        holds = list(open_holds)
        if verb == "hold":
            key = f"{member}:{new_id()}"
            if amount > available:
                with pytest.raises(BalanceShort):
                    await ledger.hold(tx, key=key, book=Book.PRINCIPAL, owner=member, amount=amount)
            else:
                held = await ledger.hold(
                    tx, key=key, book=Book.PRINCIPAL, owner=member, amount=amount
                )
                open_holds[held] = amount
        elif verb in ("settle", "less") and holds:
            held = holds[pick % len(holds)]
            taken = open_holds.pop(held)
            taken = max(1, taken // 2) if verb == "less" else taken
            await ledger.settle_hold(tx, held, spending(member, taken))
            posted -= taken
            ended.append(held)
        elif verb == "void" and holds:
            held = holds[pick % len(holds)]
            assert await ledger.void_hold(tx, held)
            del open_holds[held]
            ended.append(held)
        elif verb == "spend":
            if amount > available:
                with pytest.raises(BalanceShort):
                    await ledger.post(tx, spending(member, amount))
            else:
                await ledger.post(tx, spending(member, amount))
                posted -= amount
        elif verb == "again" and ended:
            held = ended[pick % len(ended)]
            assert await ledger.void_hold(tx, held) is False
            with pytest.raises(HoldOver):
                await ledger.settle_hold(tx, held, spending(member, 1))
        held_sum = sum(open_holds.values())
        assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(
            posted, held_sum, posted - held_sum
        )
