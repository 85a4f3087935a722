"""Money that staff take at the counter, and hand out there again: `petty` holds it, not WeChat."""

import httpx
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.money.payments import queries
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    AlreadyPaid,
    AttemptState,
    Channel,
    Payable,
    PaymentId,
    RefundMoveRefused,
    RefundState,
)
from tests.money.payments.bench import Market, market, truths, wechat_url
from tests.money.payments.test_http import audited, console, send

__all__ = ["console", "market", "truths", "wechat_url"]
pytestmark = pytest.mark.usefixtures("truths")


async def collect(market: Market, payable: Payable) -> PaymentId:
    async with transaction(market.shop_id) as tx:
        return await payments.collect_offline(tx, payable, System(), "收现金")


async def collected(market: Market) -> queries.Attempt:
    payable = market.payable()
    await collect(market, payable)
    return (await market.attempts(payable.order_id))[0]


async def test_money_taken_at_the_counter_is_a_payment(market: Market) -> None:
    attempt = await collected(market)
    assert (attempt.state, attempt.channel) == (AttemptState.PAID, Channel.OFFLINE)
    assert (attempt.provider_number, attempt.merchant) == (None, "")
    assert await market.books() == {"petty": 8800, "sales": -8800}
    [told] = await market.successes()
    assert (told["order_id"], told["amount_fen"]) == (str(attempt.order_id), 8800)
    with pytest.raises(AlreadyPaid):
        await collect(market, market.payable(order_id=attempt.order_id))
    assert await market.books() == {"petty": 8800, "sales": -8800}


async def test_F017_who_pays_at_wechat_after_the_counter_gets_it_back(market: Market) -> None:
    payable = market.payable()
    _, ticket = await market.begin(payable)
    await collect(market, payable)
    [open_, _] = sorted(
        await market.attempts(payable.order_id), key=lambda one: one.channel is Channel.OFFLINE
    )
    async with reading(market.shop_id) as tx:
        due_at = await tx.value(
            "select next_query_at from payments.attempts where payment_id = $1", open_.payment_id
        )
    assert due_at <= clock.now(), "the worker closes it now"
    await market.pay(ticket)
    await payments.follow_up(market.shop_id, open_.payment_id)
    [parked] = await market.parked()
    assert (parked.reason, parked.refund_id is not None) == ("paid_twice", True)
    await market.work()
    await market.work(minutes=2)
    assert await market.books() == {"petty": 8800, "sales": -8800}


async def test_what_was_paid_at_the_counter_is_handed_out_there_once(
    market: Market, console: httpx.AsyncClient
) -> None:
    attempt = await collected(market)
    refund_id = await market.refund(attempt.order_id, 3000)
    assert (await market.found(refund_id)).state is RefundState.COUNTER
    await market.work(minutes=10)
    assert await payments.ask_refund(market.shop_id, refund_id) is RefundState.COUNTER
    assert await market.books() == {"petty": 8800, "sales": -5800, "refund_due": -3000}

    path, body = f"refunds/{refund_id}/hand-out", {"reason": "柜台退现金"}
    refused = await send(console, market, path, body)
    assert refused.status_code == 403, "whoever may only read and write money does not stand there"
    key = new_id().hex
    for _ in range(2):
        done = await send(console, market, path, body, key=key, rights="orders.collect")
        assert (done.status_code, done.json()["state"]) == (200, "settled"), done.text
    again = await send(console, market, path, body, rights="orders.collect")
    assert again.json()["error"]["code"] == "payments.refund_move_refused"
    assert await market.books() == {"petty": 5800, "sales": -5800}
    [told] = await market.events("payments.refund_succeeded")
    assert (told["amount_fen"], told["is_outside"]) == (3000, True)
    assert await audited(market) == ["payments.refund_settled_outside"]


async def test_a_refund_at_wechat_is_not_handed_out(market: Market) -> None:
    attempt = await market.paid()
    refund_id = await market.refund(attempt.order_id, 3000)
    with pytest.raises(RefundMoveRefused):
        async with transaction(market.shop_id) as tx:
            await payments.hand_out_refund(tx, refund_id, "柜台退现金", System())
    assert (await market.found(refund_id)).state is RefundState.CREATED
