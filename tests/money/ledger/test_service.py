"""Posting, holding, reversing, telling: through the verbs."""

from datetime import timedelta
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.kernel.db import Tx, recorded
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import (
    AlreadyReversed,
    Balance,
    BalanceShort,
    Book,
    Entry,
    EntryConflict,
    EntryId,
    EntryUnknown,
    HoldId,
    HoldOver,
    HoldState,
    HoldUnknown,
    Leg,
    OutsideSum,
)
from tests.money.ledger.books import broken, counts, payment, rich_member, spending, top_up

# --- entries --------------------------------------------------------------------------------------


async def test_an_entry_moves_its_accounts_to_the_fen(tx: Tx) -> None:
    member = new_id()
    await ledger.post_many(tx, [payment(1200), top_up(member, 500, 50)])
    assert await ledger.balance(tx, Book.WECHAT) == Balance(1700, 0, 1700)
    assert await ledger.balance(tx, Book.SALES) == Balance(1200, 0, 1200)
    assert await ledger.balance(tx, Book.BONUS_COST) == Balance(50, 0, 50)
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(500, 0, 500)
    assert await ledger.balance(tx, Book.BONUS, member) == Balance(50, 0, 50)
    assert await ledger.balance(tx, Book.BONUS, new_id()) == Balance(0, 0, 0)
    assert await broken(tx) == {}


async def test_many_entries_are_one_round_trip(tx: Tx) -> None:
    with recorded() as trips:
        ids = await ledger.post_many(tx, [payment(100 + n) for n in range(20)])
    assert len(trips) == 1
    assert len(set(ids)) == 20
    assert await counts(tx) == (20, 40)
    assert await ledger.post_many(tx, []) == []


async def test_a_repeat_gives_the_first_id_and_writes_nothing(tx: Tx) -> None:
    first, second = payment(), payment()
    (first_id,) = await ledger.post_many(tx, [first])
    again = await ledger.post_many(tx, [first, second, second])
    assert again[0] == first_id and again[1] == again[2] != first_id
    assert await ledger.post(tx, second) == again[1]
    assert await counts(tx) == (2, 4)
    assert await ledger.balance(tx, Book.WECHAT) == Balance(2400, 0, 2400)


@pytest.mark.parametrize("what", ["amount", "kind", "order", "legs", "reversal"])
async def test_a_key_books_one_thing(tx: Tx, what: str) -> None:
    order = new_id()
    first = await ledger.post(tx, payment(100, order, "k"))
    other = payment(100, order, "k")
    if what == "amount":
        other = payment(101, order, "k")
    elif what == "kind":
        other = Entry("k", "opening", other.legs, order, order)
    elif what == "order":
        other = payment(100, new_id(), "k")
    elif what == "legs":
        other = Entry("k", "payment", other.legs[::-1], order, order)
    before = await counts(tx)
    with pytest.raises(EntryConflict):
        if what == "reversal":
            await ledger.reverse(tx, first, "k")
        else:
            await ledger.post(tx, other)
    assert await counts(tx) == before
    assert await broken(tx) == {}


async def test_legs_of_nothing_are_left_out(tx: Tx) -> None:
    await ledger.post(tx, top_up(new_id(), 500))
    assert await counts(tx) == (1, 2)


@pytest.mark.parametrize(
    "legs",
    [
        [],
        [Leg(Book.WECHAT, 1)],
        [Leg(Book.WECHAT, 0), Leg(Book.SALES, 0)],
        [Leg(Book.WECHAT, 2), Leg(Book.SALES, -1)],
        [Leg(Book.WECHAT, 1), Leg(Book.SALES, -1, asset="USD")],
        [Leg(Book.PRINCIPAL, 1), Leg(Book.SALES, -1)],
        [Leg(Book.WECHAT, 1, new_id()), Leg(Book.SALES, -1)],
    ],
)
async def test_what_only_a_bug_could_book_is_an_assertion(tx: Tx, legs: list[Leg]) -> None:
    with pytest.raises(AssertionError):
        await ledger.post(tx, Entry("k", "payment", legs))
    assert await counts(tx) == (0, 0)


async def test_a_kind_without_words_is_an_assertion(tx: Tx) -> None:
    with pytest.raises(AssertionError, match="KINDS"):
        await ledger.post(tx, Entry("k", "nonsense", payment().legs))


async def test_f066_an_amount_beyond_the_limit_is_refused_by_the_database(tx: Tx) -> None:
    with pytest.raises(Exception, match="legs_units_check"):
        await ledger.post(tx, payment(10**12 + 1))


async def test_an_owned_account_keeps_its_floor(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    await ledger.post(tx, spending(member, 300))
    with pytest.raises(BalanceShort) as short:
        await ledger.post_many(tx, [payment(), spending(member, 201)])
    assert short.value.details == {"books": ["principal"]}
    assert await counts(tx) == (2, 4)
    await ledger.post(tx, spending(member, 200))
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(0, 0, 0)
    with pytest.raises(BalanceShort):
        await ledger.post(tx, spending(new_id(), 1))
    assert await broken(tx) == {}


async def test_a_batch_is_judged_by_what_it_comes_to(tx: Tx) -> None:
    member = new_id()
    await ledger.post_many(tx, [spending(member, 400), top_up(member, 500)])
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(100, 0, 100)


async def test_a_repeat_is_not_refused_for_what_it_spent_itself(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    spend = spending(member, 500)
    first = await ledger.post(tx, spend)
    assert await ledger.post(tx, spend) == first
    other = payment()
    mixed = await ledger.post_many(tx, [spend, other])
    assert mixed[0] == first
    assert mixed[1] == await ledger.post(tx, other)
    with pytest.raises(BalanceShort):
        await ledger.post_many(tx, [spend, spending(member, 1)])
    with pytest.raises(EntryConflict):
        await ledger.post(tx, spending(member, 499, spend.key))


async def test_floors_are_set_per_account(tx: Tx) -> None:
    receiver = new_id()
    revoke = [Leg(Book.COMMISSION, 70, receiver), Leg(Book.COMMISSION_COST, -70)]
    await ledger.set_floor(tx, Book.COMMISSION, receiver, -100)
    await ledger.post(tx, Entry("1", "commission_revoked", revoke))
    with pytest.raises(BalanceShort):  # F037: never below the configured floor
        await ledger.post(tx, Entry("2", "commission_revoked", revoke))
    await ledger.set_floor(tx, Book.COMMISSION, receiver, None)
    await ledger.post(tx, Entry("2", "commission_revoked", revoke))
    assert await ledger.balance(tx, Book.COMMISSION, receiver) == Balance(-140, 0, -140)
    # Below a new floor an account may only rise.
    await ledger.set_floor(tx, Book.COMMISSION, receiver, 0)
    await ledger.post(
        tx,
        Entry(
            "3",
            "commission_accrued",
            [Leg(Book.COMMISSION_COST, 10), Leg(Book.COMMISSION, -10, receiver)],
        ),
    )
    with pytest.raises(BalanceShort):
        await ledger.post(tx, Entry("4", "commission_revoked", revoke))
    assert await broken(tx) == {}


async def test_points_are_an_asset_of_their_own(tx: Tx) -> None:
    member = new_id()
    legs = [
        Leg(Book.POINTS_ISSUED, 30, asset="POINT"),
        Leg(Book.POINTS, -30, member, "POINT"),
    ]
    await ledger.post(tx, Entry("p", "points_earned", legs))
    assert await ledger.balance(tx, Book.POINTS, member, "POINT") == Balance(30, 0, 30)
    assert await ledger.balance(tx, Book.POINTS_ISSUED, asset="POINT") == Balance(30, 0, 30)


# --- reversal -------------------------------------------------------------------------------------


async def test_a_mistake_is_corrected_by_another_entry(tx: Tx) -> None:
    order = new_id()
    first = await ledger.post(tx, payment(1200, order))
    taken_back = await ledger.reverse(tx, first, "fix", "金额录错")
    assert await ledger.reverse(tx, first, "fix", "金额录错") == taken_back
    with pytest.raises(AlreadyReversed):
        await ledger.reverse(tx, first, "fix again")
    assert await ledger.balance(tx, Book.WECHAT) == Balance(0, 0, 0)
    story = await ledger.list_story(tx, order)
    assert [(one.kind, one.reverses, one.note) for one in story] == [
        ("payment", None, ""),
        ("reversal", first, "金额录错"),
    ]
    assert [leg.amount for leg in story[1].legs] == [-1200, 1200]
    assert await broken(tx) == {}


async def test_reversal_of_what_is_spent_is_refused(tx: Tx) -> None:
    member = new_id()
    entry = await ledger.post(tx, top_up(member, 100))
    await ledger.post(tx, spending(member, 1))
    with pytest.raises(BalanceShort):
        await ledger.reverse(tx, entry, "r")
    with pytest.raises(EntryUnknown):
        await ledger.reverse(tx, EntryId(new_id()), "r")


# --- holds ----------------------------------------------------------------------------------------


async def hold(tx: Tx, member: UUID, amount: int, key: str = "h") -> HoldId:
    return await ledger.hold(tx, key=key, book=Book.PRINCIPAL, owner=member, amount=amount)


async def test_a_hold_is_set_aside_then_posted(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    held = await hold(tx, member, 300)
    assert await hold(tx, member, 300) == held
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(500, 300, 200)
    with pytest.raises(BalanceShort) as short:
        await hold(tx, member, 201, "h2")
    assert short.value.details == {"books": ["principal"], "available": 200, "wanted": 201}
    with pytest.raises(BalanceShort):
        await ledger.post(tx, spending(member, 201))
    with pytest.raises(EntryConflict):
        await hold(tx, member, 100)
    spend = spending(member, 300)
    entry = await ledger.settle_hold(tx, held, spend)
    assert await ledger.settle_hold(tx, held, spend) == entry
    assert await ledger.void_hold(tx, held) is False
    assert await hold(tx, member, 300) == held
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(200, 0, 200)
    assert await broken(tx) == {}


async def test_a_voided_hold_is_free_again(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    held = await hold(tx, member, 500)
    assert await ledger.void_hold(tx, held) is True
    assert await ledger.void_hold(tx, held) is False
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(500, 0, 500)
    with pytest.raises(HoldOver) as over:
        await ledger.settle_hold(tx, held, spending(member, 500))
    assert over.value.details == {"states": ["voided"]}
    with pytest.raises(HoldUnknown):
        await ledger.settle_hold(tx, HoldId(new_id()), spending(member, 1))
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(500, 0, 500)


async def test_one_entry_settles_several_holds_and_may_take_less(tx: Tx) -> None:
    member, order = new_id(), new_id()
    await ledger.post(tx, top_up(member, 500, 100))
    holds = [
        await ledger.hold(
            tx, key=f"{book}:{order}", book=book, owner=member, amount=amount, order_id=order
        )
        for book, amount in ((Book.PRINCIPAL, 300), (Book.BONUS, 60))
    ]
    legs = [
        Leg(Book.PRINCIPAL, 250, member),
        Leg(Book.BONUS, 50, member),
        Leg(Book.SALES, -300),
    ]
    entry = Entry(f"spend:{order}", "balance_spent", legs, order)
    settled = await ledger.settle_holds(tx, holds, entry)
    assert await ledger.settle_holds(tx, holds, entry) == settled
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(250, 0, 250)
    assert await ledger.balance(tx, Book.BONUS, member) == Balance(50, 0, 50)
    assert [(one.book, one.state, one.entry_id) for one in await ledger.list_holds(tx, order)] == [
        (Book.PRINCIPAL, HoldState.POSTED, settled),
        (Book.BONUS, HoldState.POSTED, settled),
    ]
    assert await broken(tx) == {}


async def test_a_hold_is_not_settled_by_an_entry_that_takes_more_or_stands_already(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    held = await hold(tx, member, 300)
    with pytest.raises(AssertionError):
        await ledger.settle_hold(tx, held, spending(member, 301))
    with pytest.raises(AssertionError):
        await ledger.settle_hold(tx, held, payment())
    spend = spending(member, 200)
    await ledger.post(tx, spend)
    with pytest.raises(EntryConflict):
        await ledger.settle_hold(tx, held, spend)


async def test_a_hold_needs_what_is_there_however_low_the_floor(tx: Tx) -> None:
    receiver = new_id()
    await ledger.set_floor(tx, Book.COMMISSION, receiver, -1000)
    with pytest.raises(BalanceShort):
        await ledger.hold(tx, key="p", book=Book.COMMISSION, owner=receiver, amount=1)


async def test_f044_a_hold_past_its_time_settles_until_the_worker_expires_it(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    held = await ledger.hold(
        tx,
        key="h",
        book=Book.PRINCIPAL,
        owner=member,
        amount=300,
        expires_at=clock.now() + timedelta(minutes=1),
    )
    clock.advance(timedelta(minutes=2))
    await ledger.settle_hold(tx, held, spending(member, 300))
    assert await ledger.balance(tx, Book.PRINCIPAL, member) == Balance(200, 0, 200)


# --- reading --------------------------------------------------------------------------------------


async def test_an_entry_is_found_by_its_key(tx: Tx) -> None:
    at = clock.now() - timedelta(days=3)
    legs = payment().legs
    entry = Entry("opening:1", "opening", legs, at=at, note="旧系统")
    entry_id = await ledger.post(tx, entry)
    found = await ledger.find_entry(tx, "opening:1")
    assert found is not None
    assert (found.entry_id, found.at, found.note, found.ref) == (entry_id, at, "旧系统", None)
    assert await ledger.find_entry(tx, "opening:2") is None


async def test_entries_are_listed_by_book_owner_and_order(tx: Tx) -> None:
    member, order = new_id(), new_id()
    ids = await ledger.post_many(
        tx, [payment(1, order), top_up(member, 100), spending(member, 40), payment(2)]
    )

    async def listed(**where: object) -> list[int]:
        found = await ledger.list_entries(tx, limit=10, **where)  # type: ignore[arg-type]
        return [ids.index(one.entry_id) for one in found]

    assert await listed() == [3, 2, 1, 0]
    assert await listed(before=ids[2]) == [1, 0]
    assert await listed(book=Book.WECHAT) == [3, 1, 0]
    assert await listed(owner=member) == [2, 1]
    assert await listed(owner=member, book=Book.BONUS) == []
    assert await listed(order_id=order) == [0]


async def test_the_trial_balance_counts_owners_together(tx: Tx) -> None:
    for amount in (100, 200):
        await rich_member(tx, amount)
    rows = {row.book: row for row in await ledger.list_accounts(tx)}
    assert (rows[Book.PRINCIPAL].accounts, rows[Book.PRINCIPAL].balance) == (2, 300)
    assert (rows[Book.WECHAT].accounts, rows[Book.WECHAT].balance) == (1, 300)


async def test_the_story_of_an_order(tx: Tx) -> None:
    order = new_id()
    await ledger.post(tx, payment(1200, order))
    due = [Leg(Book.SALES, 300), Leg(Book.REFUND_DUE, -300)]
    await ledger.post(tx, Entry("r", "refund_due", due, order, note="少发一件"))
    zh = await ledger.tell_order(tx, order, "zh-CN")
    assert [one.text for one in zh] == [
        "顾客通过微信支付付款 ¥12.00，记为销售收入。",
        "决定退还顾客 ¥3.00，冲减销售收入，等待微信退款。",
    ]
    assert zh[1].standing == "至此：微信支付余额 ¥12.00，待退款 ¥3.00，销售收入 ¥9.00。"
    assert (zh[1].title, zh[1].note) == ("发起退款", "少发一件")
    assert [(leg.side, leg.book, leg.amount) for leg in zh[1].legs] == [
        ("借", "销售收入", "¥3.00"),
        ("贷", "待退款", "¥3.00"),
    ]
    en = await ledger.tell_order(tx, order, "en")
    assert en[0].text == "The customer paid ¥12.00 through WeChat Pay; it counts as sales."
    assert en[0].legs[0].side == "Dr"
    assert await ledger.tell_order(tx, new_id(), "en") == []


async def test_a_balance_is_read_under_lock(tx: Tx) -> None:
    member = await rich_member(tx, 500)
    await hold(tx, member, 100)
    assert await ledger.lock_balance(tx, Book.PRINCIPAL, member) == Balance(500, 100, 400)
    assert await ledger.lock_balance(tx, Book.COMMISSION, member) == Balance(0, 0, 0)
    with pytest.raises(BalanceShort):
        await ledger.post(tx, spending(member, 401))


async def test_what_entries_did_to_our_balance_at_wechat(tx: Tx) -> None:
    assert await ledger.first_outside_at(tx) is None
    start = clock.now()
    order, refund = new_id(), new_id()
    await ledger.post(tx, payment(1200, order))
    due = [Leg(Book.SALES, 300), Leg(Book.REFUND_DUE, -300)]
    await ledger.post(tx, Entry("due", "refund_due", due, order, refund))
    sums = await ledger.sum_outside(tx, [order, refund, new_id()])
    assert sorted(sums, key=lambda one: one.settled_fen) == [
        OutsideSum(ref=refund, settled_fen=0, transit_fen=-300),
        OutsideSum(ref=order, settled_fen=1200, transit_fen=1200),
    ]
    end = clock.now() + timedelta(seconds=1)
    assert await ledger.list_outside_refs(tx, start, end) == [order]
    assert await ledger.list_outside_refs(tx, start - timedelta(days=1), start) == []
    paid = [Leg(Book.REFUND_DUE, 300), Leg(Book.WECHAT, -300)]
    await ledger.post(tx, Entry("paid", "refund", paid, order, refund))
    assert set(await ledger.list_outside_refs(tx, start, end)) == {order, refund}
    assert await ledger.sum_outside(tx, [refund]) == [
        OutsideSum(ref=refund, settled_fen=-300, transit_fen=-300)
    ]
    first = await ledger.first_outside_at(tx)
    assert first is not None and start <= first <= end
