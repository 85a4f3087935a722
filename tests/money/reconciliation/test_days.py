"""Days of a shop against the sandbox's own books: to the fen, or with a ticket that says why."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.money.ledger import invariants as ledger_truths
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import service as payments
from siyu.money.reconciliation import background, invariants, queries, rules, service
from siyu.money.reconciliation.contracts import (
    Bill,
    Day,
    DayNotOver,
    DayState,
    DayUnknown,
    Difference,
    EarlierDayWaits,
    Found,
    LineKind,
    Resolution,
    ResolutionRefused,
    Ticket,
    TicketResolved,
    TicketState,
    TicketUnknown,
)
from tests.money.payments.bench import Market, configure, log_in, market
from tests.wechat.conftest import lonely_sandbox

__all__ = ["market"]


@pytest.fixture
def wechat_url(sandbox_template: Path, tmp_path: Path) -> Iterator[str]:
    """A sandbox of its own: a bill shows all of a merchant account."""
    with lonely_sandbox(sandbox_template, tmp_path) as server:
        yield server.url


@pytest.fixture
async def books(market: Market) -> AsyncIterator[Market]:
    """A market after whose story all truths hold. Days that other tests left have no WeChat."""
    async with system_transaction() as tx:
        await tx.run(
            "update reconciliation.days set next_try_at = 'infinity' where state = 'waiting'"
        )
        await tx.run(
            """update reconciliation.days set state = 'closed', closed_at = now()
               where state = 'open'"""
        )
    yield market
    async with reading(market.shop_id) as tx:
        for truth, sql in {**invariants.INVARIANTS, **ledger_truths.INVARIANTS}.items():
            assert await tx.connection.fetch(sql) == [], truth


def morning_after(at: datetime) -> datetime:
    return rules.ready_at(at.astimezone(rules.CHINA).date()) + timedelta(minutes=5)


async def reconcile(market: Market, at: datetime, **later: float) -> tuple[Day, list[Ticket]]:
    """What the worker does on the morning after."""
    on = at.astimezone(rules.CHINA).date()
    with clock.turned(morning_after(at) + timedelta(**later)):
        await background.fetch_due_bills()
        await background.compare_open_days()
        async with reading(market.shop_id) as tx:
            days, _, tickets = await service.load_day(tx, on)
    return days[0], tickets


async def balance(market: Market, book: Book) -> int:
    async with reading(market.shop_id) as tx:
        return (await ledger.balance(tx, book)).posted


async def at_wechat(market: Market) -> int:
    return await balance(market, Book.WECHAT) + await balance(market, Book.WECHAT_FROZEN)


async def bank_fen(market: Market) -> int:
    view = await market.person.bank(market.keys["mchid"])
    assert view["problems"] == []
    return int(view["basic_fen"] + view["frozen_fen"])


async def refund_and_finish(market: Market, order_id: Any, amount_fen: int) -> None:
    refund_id = await market.refund(order_id, amount_fen)
    for minutes in (0, 2, 4):
        await market.work(minutes=minutes)
    assert (await market.found(refund_id)).state == "succeeded"


async def test_a_quiet_day_is_not_begun_before_there_is_money(books: Market) -> None:
    await background.fetch_due_bills()
    async with reading(books.shop_id) as tx:
        assert await service.list_days(tx, None, 10) == []
        with pytest.raises(DayUnknown):
            await service.load_day(tx, rules.last_day(clock.now()))
        with pytest.raises(DayNotOver):
            await service.load_day(tx, rules.last_day(clock.now()) + timedelta(days=1))
    with pytest.raises(DayUnknown):
        await service.fetch_day(books.shop_id, rules.last_day(clock.now()))


async def test_a_day_of_payments_and_refunds_closes_to_the_fen(books: Market) -> None:
    began = clock.now()
    first, second = await books.paid(amount_fen=8800), await books.paid(amount_fen=1234)
    await refund_and_finish(books, first.order_id, 3300)
    day, tickets = await reconcile(books, began)
    assert (day.state, tickets, day.open_tickets) == (DayState.CLOSED, [], 0)
    # 0.6 %: 53 of 8800 and 7 of 1234; 20 of 53 come back with 3300 of 8800.
    assert (day.payments_fen, day.refunds_fen, day.fees_fen) == (10034, -3300, -40)
    assert day.closing_fen == 10034 - 3300 - 40 == await bank_fen(books)
    assert await at_wechat(books) == await bank_fen(books)
    assert await balance(books, Book.FEES) == 40
    with clock.turned(morning_after(began)):
        async with reading(books.shop_id) as tx:
            story = await ledger.list_story(tx, second.order_id)
            _, three, _ = await service.load_day(tx, day.on)
    assert [entry.kind for entry in story] == ["payment", "fee"]
    seen = {row.kind: (row.theirs_fen, row.domain_fen, row.ledger_fen) for row in three}
    assert seen == {
        LineKind.PAYMENT: (10034, 10034, 10034),
        LineKind.REFUND: (-3300, -3300, -3300),
        LineKind.FEE: (-40, None, -40),
    }


async def test_a_second_run_changes_nothing(books: Market) -> None:
    began = clock.now()
    await books.paid()
    day, _ = await reconcile(books, began)
    before = await balance(books, Book.FEES)
    with clock.turned(morning_after(began)):
        await service.fetch_day(books.shop_id, day.on)
    again, tickets = await reconcile(books, began)
    assert (again.closed_at, tickets) == (day.closed_at, [])
    assert await balance(books, Book.FEES) == before


async def test_a_day_without_trades_closes_empty_and_the_next_one_follows(books: Market) -> None:
    began = clock.now()
    await books.paid()
    await reconcile(books, began)
    day, tickets = await reconcile(books, began + timedelta(days=1))
    assert (day.state, day.lines, tickets) == (DayState.CLOSED, 0, [])
    assert day.closing_fen == await bank_fen(books)
    async with reading(books.shop_id) as tx:
        assert len(await service.list_days(tx, None, 10)) == 2


async def test_a_day_waits_for_the_one_before(books: Market) -> None:
    began = clock.now()
    await books.paid()
    on = began.astimezone(rules.CHINA).date()
    with clock.turned(morning_after(began) + timedelta(days=1)):
        async with transaction(books.shop_id) as tx:
            await service.begin_days(tx, books.keys["mchid"])
        with pytest.raises(EarlierDayWaits):
            await service.fetch_day(books.shop_id, on + timedelta(days=1))
        for day in (on, on + timedelta(days=1)):
            await service.fetch_day(books.shop_id, day)
        async with reading(books.shop_id) as tx:
            days = await service.list_days(tx, None, 10)
    assert [day.state for day in days] == [DayState.CLOSED] * 2


async def test_what_the_merchant_does_at_wechat_is_booked_from_the_bill(books: Market) -> None:
    began = clock.now()
    await books.person.deposit(books.keys["mchid"], 50_000)
    await books.paid()
    day, tickets = await reconcile(books, began)
    assert (day.state, tickets) == (DayState.CLOSED, [])
    assert await balance(books, Book.PETTY) == -50_000
    assert await at_wechat(books) == await bank_fen(books)


async def test_a_balance_from_before_is_an_opening(books: Market) -> None:
    with clock.turned(clock.now() - timedelta(days=3)):
        await books.person.deposit(books.keys["mchid"], 70_000)
    began = clock.now()
    await books.paid()
    day, _ = await reconcile(books, began)
    assert day.state is DayState.CLOSED
    assert await balance(books, Book.OPENING) == 70_000
    assert await at_wechat(books) == await bank_fen(books)


async def test_F022_money_we_do_not_know_gets_a_ticket_and_a_place(books: Market) -> None:
    """F022: WeChat has a payment that we lack: it stands apart until somebody explains it."""
    began = clock.now()
    payable = books.payable(amount_fen=700)
    _, ticket = await books.begin(payable)
    await books.pay(ticket)  # and nobody tells us
    await books.paid()
    day, tickets = await reconcile(books, began)
    assert (day.state, day.open_tickets) == (DayState.OPEN, 1)
    (one,) = tickets
    assert one.difference is Difference.MISSING_HERE
    assert (one.theirs_fen, one.unmatched_fen) == (700, 700)
    assert await balance(books, Book.UNMATCHED) == 700
    assert await at_wechat(books) == await bank_fen(books)
    # The lost report arrives: the ticket ends by itself, nothing is counted twice.
    await payments.sync(books.shop_id, payable.order_id)
    day, (one,) = await reconcile(books, began, hours=1)
    assert (day.state, one.resolution) == (DayState.CLOSED, Resolution.MATCHED)
    assert await balance(books, Book.UNMATCHED) == 0
    assert await at_wechat(books) == await bank_fen(books)


async def wrong_booking(market: Market, amount_fen: int) -> None:
    """Our ledger says more than came: nobody but a bill would notice."""
    attempt = await market.paid(amount_fen=100)
    async with transaction(market.shop_id) as tx:
        legs = [Leg(Book.WECHAT, -amount_fen), Leg(Book.LOSSES, amount_fen)]
        await ledger.post(
            tx, Entry(f"wrong:{attempt.payment_id}", "deposit", legs, ref=attempt.payment_id)
        )


@pytest.mark.parametrize(
    ("amount_fen", "resolution", "book"),
    [
        (4321, Resolution.WRITTEN_OFF, Book.SALES),
        (-4321, Resolution.WRITTEN_OFF, Book.LOSSES),
        (4321, Resolution.OUTSIDE, Book.PETTY),
    ],
)
async def test_staff_say_where_a_difference_belongs(
    books: Market, amount_fen: int, resolution: Resolution, book: Book
) -> None:
    began = clock.now()
    await wrong_booking(books, amount_fen)
    day, (one,) = await reconcile(books, began)
    assert (one.difference, one.unmatched_fen) == (Difference.LEDGER, amount_fen)
    assert (day.state, await balance(books, Book.UNMATCHED)) == (DayState.OPEN, amount_fen)
    before = await balance(books, book)
    async with transaction(books.shop_id) as tx:
        with pytest.raises(ResolutionRefused):
            await service.resolve_ticket(tx, System(), one.ticket_id, Resolution.EXPLAINED, "看过")
        with pytest.raises(TicketUnknown):
            await service.resolve_ticket(tx, System(), new_id(), resolution, "看过")
        done = await service.resolve_ticket(tx, System(), one.ticket_id, resolution, "记错账")
        with pytest.raises(TicketResolved):
            await service.resolve_ticket(tx, System(), one.ticket_id, resolution, "再来")
    assert (done.state, done.resolution, done.note) == (TicketState.RESOLVED, resolution, "记错账")
    side = -1 if book is Book.PETTY or book is Book.LOSSES else 1
    assert await balance(books, book) - before == side * amount_fen
    assert await balance(books, Book.UNMATCHED) == 0
    assert await at_wechat(books) == await bank_fen(books)
    day, _ = await reconcile(books, began)
    assert day.state is DayState.CLOSED


async def test_F022_what_no_bill_shows_gets_a_ticket(books: Market) -> None:
    """F022: we have a payment that WeChat lacks."""
    began = clock.now()
    attempt = await books.paid(amount_fen=900)
    await books.fault("bill_row_missing", "notify")
    day, _ = await reconcile(books, began)
    assert (day.state, day.problem) == (DayState.WAITING, "line 3: sums for 1 rows, 0 found")
    async with reading(books.shop_id) as tx:
        unseen = await service._load_unseen(tx, day.on, day.merchant)
    assert [(one.number, one.settled_fen) for one in unseen] == [(attempt.number, 900)]
    found = rules.compare([], {}, unseen)
    assert [one.kind for one in found] == [Difference.MISSING_THERE]


async def test_F022_another_amount_breaks_more_than_one_line(books: Market) -> None:
    """F022: an amount differs by a fen; the running balances of the bill tell it too."""
    began = clock.now()
    await books.paid(amount_fen=900)
    await books.fault("bill_amount", "notify", times=2)
    day, tickets = await reconcile(books, began)
    assert day.state is DayState.OPEN
    assert {one.difference for one in tickets} >= {Difference.AMOUNT, Difference.BROKEN_CHAIN}
    assert await at_wechat(books) == await bank_fen(books) + 1, "as this bill says"


@pytest.mark.parametrize("fault", ["bill_late", "bill_broken"])
async def test_F023_a_bill_that_is_not_right_yet_is_asked_for_again(
    books: Market, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """F023: late, or broken on the way: every half hour, and an alarm after a day."""
    began = clock.now()
    await books.paid()
    await books.fault(fault, "notify", times=None)
    day, _ = await reconcile(books, began)
    assert (day.state, day.tries, bool(day.problem)) == (DayState.WAITING, 1, True)
    day, _ = await reconcile(books, began, minutes=10)
    assert day.tries == 1, "its next time has not come"
    day, _ = await reconcile(books, began, minutes=40)
    assert day.tries == 2
    assert not [one for one in caplog.records if getattr(one, "alarm", "") == "bill_late"]
    await reconcile(books, began, hours=24)
    assert [one for one in caplog.records if getattr(one, "alarm", "") == "bill_late"]
    for one in await books.person.call("GET", "/faults"):
        await books.person.call("DELETE", f"/faults/{one['fault_id']}")
    day, _ = await reconcile(books, began, hours=25)
    assert (day.state, day.problem) == (DayState.CLOSED, None)


async def test_F023_a_new_column_is_no_problem(books: Market) -> None:
    """F023: columns are found by their names."""
    began = clock.now()
    await books.paid()
    await books.fault("bill_column", "notify", times=2)
    day, tickets = await reconcile(books, began)
    assert (day.state, tickets) == (DayState.CLOSED, [])


async def test_a_refund_under_way_at_midnight_is_no_difference(books: Market) -> None:
    began = clock.now()
    attempt = await books.paid(amount_fen=5000)
    await books.refund(attempt.order_id, 2000)
    await books.work()  # WeChat has it, and has not finished
    day, tickets = await reconcile(books, began)
    assert (day.state, tickets) == (DayState.CLOSED, [])
    assert await balance(books, Book.REFUND_DUE) == 2000


async def test_a_refund_that_found_no_way_is_no_difference(books: Market) -> None:
    began = clock.now()
    await books.person.order_fault("refund_abnormal", mchid=books.keys["mchid"], times=None)
    attempt = await books.paid(amount_fen=5000)
    await books.refund(attempt.order_id, 2000)
    for minutes in (0, 2, 4):
        await books.work(minutes=minutes)
    day, tickets = await reconcile(books, began)
    assert (day.state, tickets) == (DayState.CLOSED, [])
    # The money is still on its way; its share of the fee came back when it left, says the bill.
    assert await balance(books, Book.REFUND_DUE) == 2000
    assert await balance(books, Book.FEES) == 30 - 12
    bank = await books.person.bank(books.keys["mchid"])
    assert bank["refunds_fen"] == 2000 and bank["books_fen"] == await at_wechat(books)


async def test_a_difference_of_two_days_has_one_ticket(books: Market) -> None:
    began = clock.now()
    await books.paid()
    await wrong_booking(books, 50)
    first, _ = await reconcile(books, began)
    second, _ = await reconcile(books, began + timedelta(days=1))
    async with reading(books.shop_id) as tx:
        tickets = await service.list_tickets(tx, None, None, 10)
    assert len(tickets) == 1 and tickets[0].on == first.on < second.on


async def test_only_one_comparison_runs_at_a_time(books: Market) -> None:
    began = clock.now()
    await wrong_booking(books, 50)
    on = began.astimezone(rules.CHINA).date()
    with clock.turned(morning_after(began)):
        async with transaction(books.shop_id) as tx:
            await service.begin_days(tx, books.keys["mchid"])
        await asyncio.gather(*(service.fetch_day(books.shop_id, on) for _ in range(4)))
    async with reading(books.shop_id) as tx:
        assert len(await service.list_tickets(tx, None, None, 10)) == 1
    with pytest.raises(DayUnknown):
        await service.compare_day(books.shop_id, on + timedelta(days=9), books.keys["mchid"])


async def test_a_fee_that_is_not_amount_times_rate_wants_a_note(books: Market) -> None:
    """A fee ticket moves no money: a note ends it, nothing else does."""
    began = clock.now()
    await books.paid()
    day, _ = await reconcile(books, began)
    async with transaction(books.shop_id) as tx:
        (line, *_) = [
            one for one in await queries.list_lines(tx, day.on, day.merchant) if one.rate_bps
        ]
        wrong = msgspec.structs.replace(line, fee_milli_fen=line.fee_milli_fen + 5000)
        (found,) = rules.compare([wrong], {}, [])[-1:]
        await service._open_ticket(tx, day.on, day.merchant, found)
        (one,) = await service.list_tickets(tx, None, None, 10)
        with pytest.raises(ResolutionRefused):
            await service.resolve_ticket(tx, System(), one.ticket_id, Resolution.WRITTEN_OFF, "x")
        await service.resolve_ticket(tx, System(), one.ticket_id, Resolution.EXPLAINED, "阶梯费率")
    assert (one.difference, one.unmatched_fen) == (Difference.FEE, 0)


async def test_a_ticket_without_money_ends_when_its_reason_is_gone(books: Market) -> None:
    began = clock.now()
    await books.paid()
    day, _ = await reconcile(books, began)
    gone = Found(
        kind=Difference.FEE, bill=Bill.TRADE, number="x", line_no=1, ref=None, theirs_fen=1,
        ours_fen=2, ledger_fen=None,
    )  # fmt: skip
    async with transaction(books.shop_id) as tx:
        await service._open_ticket(tx, day.on, day.merchant, gone)
    await service.compare_day(books.shop_id, day.on, day.merchant)
    async with reading(books.shop_id) as tx:
        (one,) = await service.list_tickets(tx, None, None, 10)
    assert (one.resolution, one.unmatched_fen) == (Resolution.MATCHED, 0)


async def test_a_busy_database_is_asked_again(
    books: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = clock.now()
    await books.paid()
    real = service.fetch_day

    async def busy(*_: object) -> None:
        raise Busy

    monkeypatch.setattr(service, "fetch_day", busy)
    with clock.turned(morning_after(began)):
        await background.fetch_due_bills()
    monkeypatch.setattr(service, "fetch_day", real)
    day, _ = await reconcile(books, began)
    assert day.state is DayState.CLOSED


async def test_a_shop_that_takes_no_money_has_no_days(books: Market) -> None:
    async with system_transaction() as tx:
        made = await shops.create_shop(tx, System(), code="no-money", name="无收款")
    await service.begin_all([ShopId(made.shop_id)])
    async with reading(ShopId(made.shop_id)) as tx:
        assert await service.list_days(tx, None, 10) == []


async def test_a_shop_that_is_not_set_up_is_left_alone(books: Market) -> None:
    began = clock.now()
    await books.paid()
    await configure(books.shop_id, books.keys, api_v3_key="f" * 32)
    async with transaction(books.shop_id) as tx:
        await queries.insert_days(tx, "1900000000", [rules.last_day(began)], [began])
    await background.fetch_due_bills()
    async with reading(books.shop_id) as tx:
        days = await service.list_days(tx, None, 10)
    assert [day.state for day in days] == [DayState.WAITING]
    await configure(books.shop_id, books.keys)
    await reconcile(books, began)


async def test_each_account_is_compared_with_its_own_bill_and_by_its_own_keys(
    books: Market,
) -> None:
    """The shop changes its merchant account in the course of a day."""
    began = clock.now()
    on = began.astimezone(rules.CHINA).date()
    await books.paid(amount_fen=8800)
    old = books.keys
    made = await books.person.call("POST", "/merchants", {"name": "新商户"})
    app = await books.person.call("POST", "/apps", {"name": "新店", "mchid": made["mchid"]})
    new = made | {"appid": app["appid"], "secret": app["secret"]}
    await configure(books.shop_id, new)
    url = str(books.person._http.base_url)
    await Market(books.shop_id, books.person, new, await log_in(url, books.person, new)).paid(
        amount_fen=1234
    )
    with clock.turned(morning_after(began)):
        for keys in (old, new):
            async with transaction(books.shop_id) as tx:
                await service.begin_days(tx, keys["mchid"])
        await background.fetch_due_bills()
        async with reading(books.shop_id) as tx:
            days, _, tickets = await service.load_day(tx, on)
    assert {day.merchant: (day.state, day.problem, day.payments_fen) for day in days} == {
        old["mchid"]: (DayState.WAITING, "FORMER_ACCOUNT", 0),
        new["mchid"]: (DayState.CLOSED, None, 1234),
    }
    assert tickets == [], "the other account's money is not missed in this bill"
    await configure(books.shop_id, old)
    with clock.turned(morning_after(began)):
        await service.fetch_day(books.shop_id, on)
        async with reading(books.shop_id) as tx:
            days, _, tickets = await service.load_day(tx, on)
    assert {day.merchant: (day.state, day.problem, day.payments_fen) for day in days} == {
        old["mchid"]: (DayState.CLOSED, None, 8800),
        new["mchid"]: (DayState.CLOSED, None, 1234),
    }
    assert tickets == []
