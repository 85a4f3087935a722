"""Giving back: money over its tenders, points, goods; once, and never too much."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from siyu.commerce.fulfilment.contracts import NothingLeft
from siyu.commerce.ordering import background, service
from siyu.commerce.ordering.contracts import (
    MoveRefused,
    NothingToRefund,
    OrderCompleted,
    OrderNotFound,
    OrderRefunded,
    OrderRefundStarted,
    OrderRefundUndone,
    OrderStatus,
    Refundable,
    RefundableLine,
    RefundLine,
    RefundSplit,
    RefundTooMuch,
)
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    Purpose,
    RefundAbnormal,
    RefundClosed,
    RefundRow,
    RefundState,
)
from siyu.money.points import service as points
from siyu.money.points.contracts import PointsSettings
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    deliver,
    events,
    fund,
    make_skus,
    refund_done,
    ship,
    shopper,
    stock_of,
    tell,
    wallet,
)
from tests.commerce.ordering.test_payment import begin, show
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    async with shopper(market.shop_id, account=(market.keys["appid"], market.openid)) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def buy(market: Market, anna: Shopper, lines: dict, total_fen: int, **choice: Any) -> dict:
    """A paid order."""
    order = await anna.order(lines, total_fen, **choice)
    if order["status"] == "pending_payment":
        await market.pay(await begin(anna, order))
        await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
        await deliver(market.shop_id)
    return await show(anna, order)


async def refund(
    shop: ShopId,
    order: dict,
    lines: Sequence[tuple[int, int, int]],
    *,
    refund_id: UUID | None = None,
    restock: bool = False,
    unshipped_only: bool = False,
    shipping_fen: int = 0,
) -> RefundSplit:
    async with transaction(shop) as tx:
        return await service.refund(
            tx,
            order_id=UUID(order["order_id"]),
            refund_id=refund_id or new_id(),
            lines=[RefundLine(*line) for line in lines],
            shipping_fen=shipping_fen,
            reason="不合适",
            restock=restock,
            actor=System(),
            unshipped_only=unshipped_only,
        )


async def left(shop: ShopId, order: dict) -> Refundable:
    async with reading(shop) as tx:
        return await service.refundable(tx, UUID(order["order_id"]))


def of_payments(kind: type, order: dict, refund_id: UUID, **more: Any) -> Any:
    done = refund_done(order, refund_id, 1)
    shared = {name: getattr(done, name) for name in done.__struct_fields__ if name != "is_outside"}
    return kind(**shared, **more)


async def test_a_refund_through_wechat_ends_when_the_payer_has_it(market: Market, anna: Shopper):
    tea, cup = await make_skus(market.shop_id, 2, price_fen=1000, stock=5)
    order = await buy(market, anna, {tea: 2, cup: 1}, 3000)
    refund_id = new_id()
    split = await refund(market.shop_id, order, [(1, 1, 1000)], refund_id=refund_id, restock=True)
    assert split == RefundSplit(wechat_fen=1000, balance_fen=0, points=0)
    seen = await show(anna, order)
    assert (seen["status"], seen["refunded_fen"]) == ("paid", 1000)
    assert [(r["status"], r["amount_fen"]) for r in seen["refunds"]] == [("started", 1000)]
    assert [(x["refunded_quantity"], x["refunded_fen"]) for x in seen["lines"]] == [
        (1, 1000),
        (0, 0),
    ]
    assert await stock_of(market.shop_id, tea) == (4, 0)
    assert await events(market.shop_id, OrderRefunded.name) == []
    [intended] = await intents(market.shop_id, order)
    assert (intended.refund_id, intended.amount_fen) == (refund_id, 1000)

    for _ in range(2):
        async with transaction(market.shop_id) as tx:
            await background.on_refund_succeeded(tx, refund_done(order, refund_id, 1000))
    seen = await show(anna, order)
    assert (seen["status"], seen["refunds"][0]["status"]) == ("paid", "refunded")
    assert [e["label"] for e in seen["timeline"]][-2:] == ["退款处理中", "部分退款成功"]
    [told] = await events(market.shop_id, OrderRefunded.name)
    assert (told["amount_fen"], told["refunded_fen"], told["goods_fen"]) == (-1000, 1000, 1000)
    assert told["is_full"] is False
    assert [(x["line_no"], x["quantity"], x["amount_fen"]) for x in told["lines"]] == [(1, 1, 1000)]
    assert await left(market.shop_id, order) == Refundable(
        UUID(order["order_id"]),
        OrderStatus.PAID,
        [RefundableLine(1, 1, 1000), RefundableLine(2, 1, 1000)],
        0,
        2000,
    )


async def intents(shop: ShopId, order: dict) -> list[RefundRow]:
    async with reading(shop) as tx:
        return await payments.list_refunds(tx, UUID(order["order_id"]))


async def test_the_whole_of_three_tenders_goes_back_exactly(market: Market, anna: Shopper):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=1000, stock=5)
    await fund(shop, anna.member, principal_fen=301, bonus_fen=102, point_count=777)
    chosen = {"use_points": True, "use_balance": True}
    order = await buy(market, anna, {tea: 2, cup: 1}, 2223, **chosen)
    assert order["tenders"] == {
        "wechat_fen": 1820,
        "balance_fen": 403,
        "points": 777,
        "points_fen": 777,
    }
    totals = [line["total_fen"] for line in order["lines"]]
    sums = RefundSplit(0, 0, 0)
    for lines in ([(1, 1, 700)], [(1, 0, 1)], [(1, 1, totals[0] - 701), (2, 1, totals[1])]):
        refund_id = new_id()
        split = await refund(shop, order, lines, refund_id=refund_id)
        assert split.wechat_fen + split.balance_fen == sum(line[2] for line in lines)
        sums = RefundSplit(*[getattr(sums, f) + getattr(split, f) for f in split.__struct_fields__])
        if split.wechat_fen:
            done = refund_done(order, refund_id, split.wechat_fen)
            async with transaction(shop) as tx:
                await background.on_refund_succeeded(tx, done)
    assert sums == RefundSplit(1820, 403, 777)
    assert await wallet(shop, anna.member) == (301, 102, 777)
    seen = await show(anna, order)
    assert (seen["status"], seen["refunded_fen"]) == ("refunded", 2223)
    assert seen["timeline"][-1]["event"] == "refunded"
    assert [e["is_full"] for e in await events(shop, OrderRefunded.name)] == [False, False, True]
    assert (await left(shop, order)).amount_fen == 0
    with pytest.raises(MoveRefused):
        await refund(shop, order, [(1, 0, 1)])


async def test_points_and_balance_wait_for_wechats_part(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    await fund(shop, anna.member, principal_fen=200, point_count=500)
    order = await buy(market, anna, {tea: 1}, 500, use_points=True, use_balance=True)
    refund_id = new_id()
    assert await refund(shop, order, [(1, 1, 500)], refund_id=refund_id) == RefundSplit(
        300, 200, 500
    )
    assert await wallet(shop, anna.member) == (0, 0, 0)
    async with transaction(shop) as tx:
        await background.on_refund_succeeded(tx, refund_done(order, refund_id, 300))
    assert await wallet(shop, anna.member) == (200, 0, 500)


async def test_a_refund_without_wechat_is_done_at_once(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=3)
    await fund(shop, anna.member, principal_fen=700, bonus_fen=300)
    order = await buy(market, anna, {tea: 1}, 1000, use_balance=True)
    refund_id = new_id()
    for _ in range(3):
        split = await refund(shop, order, [(1, 1, 1000)], refund_id=refund_id, restock=True)
        assert split == RefundSplit(0, 1000, 0)
    assert await wallet(shop, anna.member) == (700, 300, 0)
    assert await stock_of(shop, tea) == (3, 0), "put back once"
    seen = await show(anna, order)
    assert (seen["status"], len(seen["refunds"])) == ("refunded", 1)
    assert len(await events(shop, OrderRefundStarted.name)) == 1
    assert len(await events(shop, OrderRefunded.name)) == 1
    assert await intents(shop, order) == []


async def test_an_order_of_points_alone_gives_them_back_by_piece(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=100)
    async with transaction(shop) as tx:
        await points.set_settings(tx, System(), PointsSettings(cap_bps=10_000))
    await fund(shop, anna.member, point_count=300)
    order = await buy(market, anna, {tea: 3}, 0, use_points=True)
    assert (order["status"], order["tenders"]["points"]) == ("paid", 300)
    assert await refund(shop, order, [(1, 1, 0)]) == RefundSplit(0, 0, 100)
    assert (await show(anna, order))["status"] == "paid"
    assert await refund(shop, order, [(1, 2, 0)]) == RefundSplit(0, 0, 200)
    assert (await show(anna, order))["status"] == "refunded"
    assert await wallet(shop, anna.member) == (0, 0, 300)


async def test_the_last_of_several_refunds_under_way_ends_the_order(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    order = await buy(market, anna, {tea: 2}, 2000)
    numbers = [new_id(), new_id()]
    for number in numbers:
        await refund(market.shop_id, order, [(1, 1, 1000)], refund_id=number)
    for number, status in zip(numbers, ("paid", "refunded"), strict=True):
        async with transaction(market.shop_id) as tx:
            await background.on_refund_succeeded(tx, refund_done(order, number, 1000))
        assert (await show(anna, order))["status"] == status
    assert [e["is_full"] for e in await events(market.shop_id, OrderRefunded.name)] == [False, True]


async def test_a_gift_can_be_taken_back(market: Market, anna: Shopper):
    (gift,) = await make_skus(market.shop_id, price_fen=0, stock=1)
    order = await buy(market, anna, {gift: 1}, 0)
    assert await refund(market.shop_id, order, [(1, 1, 0)], restock=True) == RefundSplit(0, 0, 0)
    assert (await show(anna, order))["status"] == "refunded"
    assert await stock_of(market.shop_id, gift) == (1, 0)


@pytest.mark.parametrize(
    ("lines", "shipping_fen", "error", "details"),
    [
        ([], 0, NothingToRefund, {}),
        ([(1, 0, 0)], 0, NothingToRefund, {}),
        ([(3, 1, 1)], 0, NothingToRefund, {}),
        ([(1, 1, 1), (1, 1, 1)], 0, NothingToRefund, {}),
        ([(1, 3, 1)], 0, RefundTooMuch, {"line_no": 1, "quantity": 2, "amount_fen": 2000}),
        ([(1, 1, 2001)], 0, RefundTooMuch, {"line_no": 1, "quantity": 2, "amount_fen": 2000}),
        ([(1, 1, 1)], 1, RefundTooMuch, {"shipping_fen": 0}),
    ],
)
async def test_F028_more_than_is_left_is_refused_and_changes_nothing(
    market: Market, anna: Shopper, lines, shipping_fen, error, details
):
    tea, cup = await make_skus(market.shop_id, 2, price_fen=1000)
    order = await buy(market, anna, {tea: 2, cup: 1}, 3000)
    with pytest.raises(error) as refused:
        await refund(market.shop_id, order, lines, shipping_fen=shipping_fen)
    assert refused.value.details == details
    assert await show(anna, order) == order
    assert await intents(market.shop_id, order) == []


async def test_F028_the_tables_themselves_refuse_too_much(market: Market, anna: Shopper):
    """The last guard, should a rule ever be wrong."""
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    await fund(shop, anna.member, principal_fen=200, point_count=500)
    order = await buy(market, anna, {tea: 1}, 500, use_points=True, use_balance=True)
    for table, column, most in (
        ("orders", "refunded_fen", 500),
        ("order_lines", "refunded_fen", 500),
        ("order_lines", "refunded_quantity", 1),
        ("tenders", "refunded_wechat_fen", 300),
        ("tenders", "refunded_balance_fen", 200),
        ("tenders", "refunded_points", 500),
    ):
        for value in (most + 1, -1):
            with pytest.raises(asyncpg.CheckViolationError):
                async with transaction(shop) as tx:
                    await tx.run(
                        f"update ordering.{table} set {column} = $2 where order_id = $1",
                        UUID(order["order_id"]),
                        value,
                    )


async def test_what_was_not_paid_cannot_be_refunded(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    order = await anna.order({tea: 1}, 1000)
    assert (await left(shop, order)).lines == []
    with pytest.raises(MoveRefused):
        await refund(shop, order, [(1, 1, 1000)])
    await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
    with pytest.raises(MoveRefused):
        await refund(shop, order, [(1, 1, 1000)])
    nobody = order | {"order_id": str(new_id())}
    with pytest.raises(OrderNotFound):
        await refund(shop, nobody, [(1, 1, 1000)])
    with pytest.raises(OrderNotFound):
        await left(shop, nobody)


async def test_what_has_left_cannot_be_cancelled_and_what_is_refunded_cannot_leave(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=5)
    first, second = [await buy(market, anna, {tea: 1}, 1000) for _ in range(2)]
    await ship(shop, first)
    with pytest.raises(MoveRefused):
        await refund(shop, first, [(1, 1, 1000)], unshipped_only=True, restock=True)
    await refund(shop, second, [(1, 1, 1000)], unshipped_only=True, restock=True)
    with pytest.raises(NothingLeft):
        await ship(shop, second)
    assert await stock_of(shop, tea) == (4, 0)
    assert [row.origin for row in await intents(shop, second)] == ["cancel"]


async def test_the_rest_of_a_partly_refunded_order_is_sent(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    order = await buy(market, anna, {tea: 2}, 2000)
    await refund(market.shop_id, order, [(1, 1, 1000)])
    await ship(market.shop_id, order)
    assert (await show(anna, order))["status"] == "shipped"


async def test_F030_an_abnormal_refund_stays_owed_until_it_is_done(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    order = await buy(market, anna, {tea: 1}, 1000)
    refund_id = new_id()
    await refund(shop, order, [(1, 1, 1000)], refund_id=refund_id)
    stopped = of_payments(
        RefundAbnormal, order, refund_id, state=RefundState.ABNORMAL, problem="USER_CARD"
    )
    for _ in range(2):
        async with transaction(shop) as tx:
            await background.on_refund_abnormal(tx, stopped)
    seen = await show(anna, order)
    assert (seen["status"], seen["refunds"][0]["status"]) == ("paid", "abnormal")
    assert [e["event"] for e in seen["timeline"]][-2:] == ["refund_started", "refund_abnormal"]
    assert (await left(shop, order)).amount_fen == 0
    async with transaction(shop) as tx:
        await background.on_refund_succeeded(tx, refund_done(order, refund_id, 1000))
    assert (await show(anna, order))["status"] == "refunded"
    async with transaction(shop) as tx:  # an old word comes late
        await background.on_refund_abnormal(tx, stopped)
    assert (await show(anna, order))["refunds"][0]["status"] == "refunded"


@pytest.mark.parametrize("restock", [True, False])
async def test_a_refund_given_up_may_be_asked_for_anew(
    market: Market, anna: Shopper, restock: bool
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=5)
    await fund(shop, anna.member, principal_fen=200, point_count=500)
    order = await buy(market, anna, {tea: 1}, 500, use_points=True, use_balance=True)
    refund_id = new_id()
    await refund(shop, order, [(1, 1, 500)], refund_id=refund_id, restock=restock)
    async with transaction(shop) as tx:
        # As if WeChat had refused it: only then may finance give it up.
        await tx.run(
            "update payments.refunds set state = 'failed', problem = 'NO', next_call_at = null"
        )
        await payments.give_up_refund(tx, refund_id, "the payer has no account", System())
    await tell(shop, RefundClosed, background.on_refund_closed, times=2)
    seen = await show(anna, order)
    assert (seen["status"], seen["refunded_fen"]) == ("paid", 0)
    assert (seen["refunds"][0]["status"], seen["timeline"][-1]["event"]) == (
        "closed",
        "refund_closed",
    )
    assert await wallet(shop, anna.member) == (0, 0, 0)
    assert len(await events(shop, OrderRefundUndone.name)) == 1
    pieces = 0 if restock else 1
    assert (await left(shop, order)).lines == [RefundableLine(1, pieces, 500)]

    again = new_id()
    split = await refund(shop, order, [(1, pieces, 500)], refund_id=again, restock=True)
    assert split == RefundSplit(300, 200, 500)
    async with transaction(shop) as tx:
        await background.on_refund_succeeded(tx, refund_done(order, again, 300))
    assert (await show(anna, order))["status"] == "refunded"
    assert await stock_of(shop, tea) == (5, 0), "the piece came back once"
    assert await wallet(shop, anna.member) == (200, 0, 500)


async def test_refunds_of_others_are_none_of_ours(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    order = await buy(market, anna, {tea: 1}, 1000)
    unknown, top_up = new_id(), {"purpose": Purpose.TOP_UP}
    said = [
        (background.on_refund_succeeded, refund_done(order, unknown, 1)),
        (background.on_refund_closed, of_payments(RefundClosed, order, unknown, reason="x")),
    ]
    stopped = {"state": RefundState.FAILED, "problem": "NOT_ENOUGH"}
    abnormal = of_payments(RefundAbnormal, order, unknown, **stopped)
    for reaction, event in [*said, (background.on_refund_abnormal, abnormal)]:
        for one in (event, msgspec.structs.replace(event, **top_up)):
            async with transaction(shop) as tx:
                await reaction(tx, one)
    assert await show(anna, order) == order


async def test_F058_a_refund_takes_the_points_of_its_goods(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    await fund(shop, anna.member, principal_fen=2000)
    order = await buy(market, anna, {tea: 2}, 2000, use_balance=True)
    await ship(shop, order)
    await anna.send("POST", f"/orders/{order['order_id']}/confirm-receipt")
    await tell(shop, OrderCompleted, background.on_order_completed)
    assert await wallet(shop, anna.member) == (0, 0, 20)
    await refund(shop, order, [(1, 1, 1000)])
    await tell(shop, OrderRefunded, background.on_order_refunded, times=2)
    assert await wallet(shop, anna.member) == (1000, 0, 10)
    assert (await show(anna, order))["status"] == "completed"
    await refund(shop, order, [(1, 1, 1000)])
    await tell(shop, OrderRefunded, background.on_order_refunded)
    assert await wallet(shop, anna.member) == (2000, 0, 0)
    assert (await show(anna, order))["status"] == "refunded"


async def test_staff_see_tenders_refunds_and_what_is_left(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    await fund(shop, anna.member, principal_fen=200, bonus_fen=50)
    order = await buy(market, anna, {tea: 2}, 2000, use_balance=True)
    await refund(shop, order, [(1, 1, 999)])
    path = f"/admin/v1/orders/{order['order_id']}"
    seen = (await anna.http.get(path)).json()
    assert seen["tenders"] == {
        "wechat_fen": 1750,
        "principal_fen": 200,
        "bonus_fen": 50,
        "points": 0,
        "points_fen": 0,
    }
    [one] = seen["refunds"]
    assert (one["amount_fen"], one["wechat_fen"], one["balance_fen"]) == (999, 874, 125)
    assert one["lines"] == [{"line_no": 1, "quantity": 1, "amount_fen": 999}]
    assert (await anna.http.get(f"{path}/refundable")).json() == {
        "order_id": order["order_id"],
        "status": "paid",
        "lines": [{"line_no": 1, "quantity": 1, "amount_fen": 1001}],
        "shipping_fen": 0,
        "amount_fen": 1001,
    }
    listed = (await anna.http.get("/admin/v1/orders")).json()["items"][0]
    assert (listed["refunded_fen"], listed["delivery"]) == (999, "ship")
    answer = await anna.http.get(f"/admin/v1/orders/{new_id()}/refundable")
    assert answer.status_code == 404
