"""Goods and money go back, and our books say what WeChat's bank says."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from siyu.kernel.db import reading
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from tests.commerce.after_sale.kit import PARCEL, Sale, events, ok, selling
from tests.commerce.ordering.kit import fund, make_skus, wallet
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def bank_fen(sale: Sale) -> int:
    """What the bank holds for the shop's merchant, before fees; other tests share the merchant."""
    view = await sale.market.person.bank(sale.market.keys["mchid"])
    assert view["problems"] == []
    return int(view["books_fen"] + view["fees_fen"])


async def book_fen(sale: Sale, book: Book) -> int:
    async with reading(sale.shop) as tx:
        return (await ledger.balance(tx, book)).posted


async def test_bought_shipped_received_returned_and_the_rest_cancelled(sale: Sale):
    tea, cup = await make_skus(sale.shop, 2, price_fen=3333, stock=10)
    before = await bank_fen(sale)
    kept = await sale.buy({tea: 3, cup: 1}, 13332)
    other = await sale.buy({cup: 2}, 6666)
    assert await bank_fen(sale) - before == 19998 == await book_fen(sale, Book.WECHAT)

    # The second order is cancelled before it leaves; nobody answers, so time does.
    cancelled = await sale.open(other)
    await sale.ship(kept)
    await sale.receive(kept)
    torn = await sale.evidence()
    case = await sale.open(
        kept, "return_refund", "damaged", lines={1: 2}, text="两罐破损", picture_ids=[torn]
    )
    ok(await sale.act(case, "messages", {"text": "抱歉，请寄回，运费我们承担"}))
    ok(await sale.act(case, "approve"))
    ok(await sale.do(case, "ship-back", PARCEL))
    await sale.later(hours=48, minutes=1)
    ok(await sale.act(case, "receive", {"restock": "sellable", "text": "外盒破损，茶叶完好"}))
    ok(await sale.act(case, "refund"))
    await sale.money()

    assert (await sale.see(cancelled))["state"] == "refunded"
    shown = await sale.see(case)
    assert (shown["state"], shown["amount_fen"]) == ("refunded", 6666)
    assert events(shown) == [
        "open", "message", "approve", "ship_back", "pass", "refund", "pay_out",
    ]  # fmt: skip
    assert (await sale.stock(tea), await sale.stock(cup)) == ((9, 0), (9, 0))
    assert [(await sale.order(one))["status"] for one in (kept, other)] == [
        "completed", "refunded",
    ]  # fmt: skip

    # 19998 came, 6666 + 6666 went; what is left is sold, and nothing is owed.
    assert await bank_fen(sale) - before == 6666 == await book_fen(sale, Book.WECHAT)
    assert await book_fen(sale, Book.SALES) == 6666
    assert await book_fen(sale, Book.REFUND_DUE) == 0
    async with reading(sale.shop) as tx:
        story = await ledger.list_story(tx, UUID(kept["order_id"]))
    assert sum(leg.amount for entry in story for leg in entry.legs) == 0
    closed = {(one["order_id"], one["amount_fen"]) for one in await sale.told("case_closed")}
    assert closed == {(kept["order_id"], 6666), (other["order_id"], 6666)}


async def test_a_day_at_the_desk_with_an_odd_price_gives_back_every_fen(sale: Sale):
    """Three pieces for 100 fen each way: in three cases, one of them refused and asked again."""
    (tea,) = await make_skus(sale.shop, price_fen=101, stock=10)
    before = await bank_fen(sale)
    order = await sale.buy({tea: 3}, 303)
    cases = [await sale.open(order, lines={1: 1}) for _ in range(3)]
    ok(await sale.act(cases[0], "reject", {"text": "请再等等"}))
    ok(await sale.act(cases[1], "approve"))
    again = await sale.open(order, lines={1: 1})
    for case in (cases[2], again):
        ok(await sale.act(case, "approve"))
    for _ in range(3):  # WeChat wants refunds of one payment a minute apart
        await sale.money()
    assert (await sale.order(order))["status"] == "refunded"
    assert await bank_fen(sale) == before and await book_fen(sale, Book.WECHAT) == 0
    assert await sale.stock(tea) == (10, 0)


async def test_points_and_balance_come_back_with_the_money(sale: Sale):
    (tea,) = await make_skus(sale.shop, price_fen=3333, stock=5)
    await fund(sale.shop, sale.anna.member, principal_fen=1001, bonus_fen=299, point_count=500)
    opened, before = await book_fen(sale, Book.WECHAT), await bank_fen(sale)
    order = await sale.buy(
        {tea: 3}, 9499, use_points=True, use_balance=True, expected_payable_fen=8199
    )
    assert await wallet(sale.shop, sale.anna.member) == (0, 0, 0)
    cases = [await sale.open(order, lines={1: 1}) for _ in range(3)]
    assert sorted(case["asked_fen"] for case in cases) == [3166, 3166, 3167]
    for case in cases:
        ok(await sale.act(case, "approve"))
        for _ in range(2):
            await sale.money()
    assert [(await sale.see(case))["state"] for case in cases] == ["refunded"] * 3
    assert await wallet(sale.shop, sale.anna.member) == (1001, 299, 500)
    assert await bank_fen(sale) == before and await book_fen(sale, Book.WECHAT) == opened
    assert (await sale.order(order))["status"] == "refunded"
    assert await sale.stock(tea) == (5, 0)
