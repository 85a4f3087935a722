"""One order, three tenders: bought, received, earned for, and given back to the last fen."""

from uuid import UUID

from siyu.app.event_map import EVENT_MAP
from siyu.commerce.ordering import service
from siyu.commerce.ordering.contracts import RefundLine, RefundSplit
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.kernel.relay import Relay
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from tests.commerce.ordering.kit import (
    broken_invariants,
    fund,
    make_skus,
    ship,
    shopper,
    stock_of,
    wallet,
)
from tests.commerce.ordering.test_payment import begin, show
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


async def books(market: Market) -> dict[str, int]:
    async with reading(market.shop_id) as tx:
        found = [
            (book, (await ledger.balance(tx, book)).posted)
            for book in (Book.WECHAT, Book.SALES, Book.REFUND_DUE)
        ]
    return {str(book): fen for book, fen in found if fen}


async def test_bought_with_points_balance_and_wechat_and_refunded_in_two_parts(market: Market):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=3333, stock=5)
    account = (market.keys["appid"], market.openid)
    async with shopper(shop, account=account) as anna:
        await fund(shop, anna.member, principal_fen=1001, bonus_fen=299, point_count=500)
        opened = await books(market)
        order = await anna.order(
            {tea: 2, cup: 1},
            9499,
            use_points=True,
            use_balance=True,
            expected_payable_fen=8199,
        )
        await market.pay(await begin(anna, order))
        await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
        await Relay(EVENT_MAP).drain()
        assert await books(market) == opened | {"wechat": 8199, "sales": 9499}
        await ship(shop, order)
        await anna.send("POST", f"/orders/{order['order_id']}/confirm-receipt")
        await Relay(EVENT_MAP).drain()
        assert await wallet(shop, anna.member) == (0, 0, 94)

        splits = []
        bought = (await show(anna, order))["lines"]
        for line in bought:
            async with transaction(shop) as tx:
                split = await service.refund(
                    tx,
                    order_id=UUID(order["order_id"]),
                    refund_id=new_id(),
                    lines=[RefundLine(line["line_no"], line["quantity"], line["total_fen"])],
                    shipping_fen=0,
                    reason="七天无理由",
                    restock=True,
                    actor=System(),
                )
            splits.append(split)
            for seconds in (0, 61, 122):
                await market.work(seconds=seconds)
            await Relay(EVENT_MAP).drain()

        assert sum(split.wechat_fen for split in splits) == 8199
        assert sum(split.balance_fen for split in splits) == 1300
        assert splits[1] == RefundSplit(
            8199 - splits[0].wechat_fen, 1300 - splits[0].balance_fen, 167
        )
        seen = await show(anna, order)
        assert (seen["status"], seen["refunded_fen"]) == ("refunded", 9499)
        assert await wallet(shop, anna.member) == (1001, 299, 500), "and no point for nothing"
        assert await books(market) == opened
        assert (await stock_of(shop, tea), await stock_of(shop, cup)) == ((5, 0), (5, 0))
    assert await broken_invariants(shop) == []
