"""The verbs of payments against a local WeChat."""

import pytest

from siyu.money.payments import service as payments
from siyu.money.payments.contracts import AttemptState, Channel, ClosingResult
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.mark.parametrize("channel", [Channel.JSAPI, Channel.NATIVE])
async def test_a_payment_from_intent_to_money(market: Market, channel: Channel) -> None:
    payable = market.payable()
    payment_id, ticket = await market.begin(payable, channel)
    assert await market.states(payable.order_id) == ["paying"]
    paid = await market.pay(ticket)
    assert paid["out_trade_no"] == payment_id.hex
    assert await payments.sync(market.shop_id, payable.order_id) is AttemptState.PAID
    [attempt] = await market.attempts(payable.order_id)
    assert attempt.provider_number == paid["transaction_id"]
    [event] = await market.successes()
    assert event["payment_id"] == str(payment_id)
    assert event["order_id"] == str(payable.order_id)
    assert (event["amount_fen"], event["person_no"], event["channel"]) == (8800, 7, channel)
    assert await payments.close_order(market.shop_id, payable.order_id) is ClosingResult.PAID
