"""Money paid on top of an order, frozen by its sheet: it is nobody's to split, and never lost."""

from uuid import UUID

from siyu.commerce.ordering.contracts import OrderPaid, SoldLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import Channel, Decision, ParkedResolved, ParkedRow
from siyu.money.profit_sharing import background, queries
from siyu.money.profit_sharing.contracts import Trigger
from tests.money.profit_sharing.desk import TEA, Desk, desk, market, wechat_url

__all__ = ["desk", "market", "wechat_url"]


async def taken_in_cash(desk: Desk, *, completed: bool = True) -> UUID:
    """An order that was paid at the counter, and then at WeChat, too."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader, trigger=Trigger.RECEIPT)
    payable = desk.payable(is_shared=True)
    payment_id, ticket = await desk.begin(payable)
    async with transaction(desk.shop_id) as tx:
        await payments.collect_offline(tx, payable, System(), "收现金")
        await background.on_order_paid(tx, order_paid(payable.order_id, completed=completed))
    await desk.pay(ticket)
    await payments.follow_up(desk.shop_id, payment_id)
    return payable.order_id


def order_paid(order_id: UUID, total_fen: int = 8_800, *, completed: bool = True) -> OrderPaid:
    return OrderPaid(
        order_id=order_id,
        order_no="1",
        person_no=7,
        amount_fen=total_fen,
        lines=[SoldLine(new_id(), TEA, 1, 1, total_fen)],
        first_order=True,
        paid_at=clock.now(),
        member_id=new_id(),
        promoter_id=None,
        is_completed=completed,
    )


async def failed_refund(desk: Desk) -> ParkedRow:
    """The money that came on top, whose way back WeChat has closed for good."""
    await desk.fault("refund_closed", "*", times=None)
    for _ in range(12):
        await desk.work_on(700, rounds=1)
    await desk.person.call("DELETE", "/faults")
    [row] = await desk.parked()
    assert row.refund_id and (await desk.found(row.refund_id)).state == "failed"
    return row


async def keep(desk: Desk, row: ParkedRow) -> None:
    """Staff give the refund up and keep the money."""
    assert row.refund_id is not None
    async with transaction(desk.shop_id) as tx:
        await payments.give_up_refund(tx, row.refund_id, "顾客不要了", System())
        await payments.resolve(tx, row.parked_id, Decision.ACCEPT, "顾客不要了", System())
    await tell(desk)


async def tell(desk: Desk) -> None:
    """The worker hears of what was decided, twice."""
    for _ in range(2):
        for told in await desk.events("payments.parked_resolved"):
            async with transaction(desk.shop_id) as tx:
                event = ParkedResolved(**{**told, "parked_id": UUID(told["parked_id"])})
                await background.on_parked_resolved(tx, event)


async def at_wechat(desk: Desk) -> tuple[int, int]:
    """(free, frozen) fen of the merchant, fees put back."""
    bank = await desk.person.bank(desk.keys["mchid"])
    return bank["basic_fen"] + bank["fees_fen"], bank["frozen_fen"]


async def in_books(desk: Desk) -> tuple[int, int]:
    books = await desk.books()
    return books.get("wechat", 0), books.get("wechat_frozen", 0)


async def test_what_was_paid_on_top_and_kept_is_unfrozen(desk: Desk) -> None:
    order_id = await taken_in_cash(desk)
    assert await in_books(desk) == (0, 8_800)
    assert (await desk.row(order_id)).is_frozen is False, "the order's own money is cash"
    row = await failed_refund(desk)
    assert await desk.broken() == [], "it lies frozen beside its order"
    await keep(desk, row)
    assert (await desk.row(row.parked_id)).is_frozen
    await desk.work_on()
    assert await desk.is_closed(row.parked_id) and await desk.is_closed(order_id)
    assert await in_books(desk) == await at_wechat(desk) == (8_800, 0)
    assert await desk.bank_difference() == 0


async def test_what_was_paid_on_top_and_given_back_in_cash_is_unfrozen(desk: Desk) -> None:
    await taken_in_cash(desk)
    row = await failed_refund(desk)
    assert row.refund_id is not None
    async with transaction(desk.shop_id) as tx:
        await payments.settle_outside(tx, row.refund_id, "现金退还", System())
    await tell(desk)
    await desk.work_on()
    assert await desk.is_closed(row.parked_id)
    assert await in_books(desk) == await at_wechat(desk) == (8_800, 0)


async def test_what_is_no_longer_frozen_needs_no_unfreezing(desk: Desk) -> None:
    order_id = await taken_in_cash(desk)
    row = await failed_refund(desk)
    legs = [Leg(Book.WECHAT, 8_800), Leg(Book.WECHAT_FROZEN, -8_800)]
    async with transaction(desk.shop_id) as tx:
        await ledger.post(tx, Entry("unfrozen:by-hand", "split_unfrozen", legs, order_id=order_id))
    await keep(desk, row)
    async with reading(desk.shop_id) as tx:
        assert await queries.get_plan(tx, row.parked_id) is None
    assert await in_books(desk) == (8_800, 0)


async def test_an_order_is_unfrozen_without_what_was_paid_on_top(desk: Desk) -> None:
    """Two sheets were paid: the order's own parts are given, and the second sheet goes back."""
    leader = await desk.merchant()
    await desk.rule(1000, receiver_id=leader)
    payable = desk.payable(is_shared=True, amount_fen=10_000)
    first, ticket = await desk.begin(payable)
    other, code = await desk.begin(payable, Channel.NATIVE)
    await desk.pay(ticket)
    await desk.pay(code)
    await payments.follow_up(desk.shop_id, first)
    await payments.follow_up(desk.shop_id, other)
    await desk.fault("refund_closed", "*", times=2)
    async with transaction(desk.shop_id) as tx:
        await background.on_order_paid(tx, order_paid(payable.order_id, 10_000))
    await desk.work_on()
    assert await desk.parts(payable.order_id) == [("paid", 1_000, 1_000)]
    assert await desk.is_closed(payable.order_id)
    assert await in_books(desk) == (9_000, 10_000), "what came on top is frozen still"
    for _ in range(6):
        await desk.work_on(700, rounds=1)
    assert await in_books(desk) == (9_000, 0)
    assert await desk.bank_difference() == 0
