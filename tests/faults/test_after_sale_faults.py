"""Faults of refunds as an after-sale case lives through them, by their number."""

from collections.abc import AsyncIterator

import pytest

from tests.commerce.after_sale.kit import Sale, events, ok, refused, selling
from tests.commerce.ordering.kit import make_skus
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

REFUNDS = "select count(*) from payments.refunds"


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def at_bank(sale: Sale) -> list[int]:
    """What went back at the bank for the shop's refunds."""
    number = await sale.value("select number from payments.refunds")
    view = await sale.market.person.bank(sale.market.keys["mchid"])
    return [one["fen"] for one in view["movements"] if one["number"] == number]


@pytest.mark.parametrize("fault", ["system_error", "bad_signature"])
async def test_F027_a_refund_whose_answer_is_lost_is_one_refund(sale: Sale, fault: str):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    await sale.market.fault(fault, "refund.create")
    ok(await sale.act(case, "approve"))
    for _ in range(3):
        await sale.money()
    shown = await sale.see(case)
    assert (shown["state"], events(shown)) == ("refunded", ["open", "approve", "pay_out"])
    assert await sale.value(REFUNDS) == 1
    assert await sale.stock(tea) == (5, 0)
    taken = [fen for fen in await at_bank(sale) if fen == 1990]
    assert len(taken) <= 2, "once from the merchant, once to the payer"


async def test_F029_the_51st_refund_is_refused_before_anybody_is_asked(sale: Sale):
    (tea,) = await make_skus(sale.shop, price_fen=100, stock=60)
    order = await sale.buy({tea: 52}, 5200)
    body = {"lines": [{"line_no": 1, "quantity": 1}], "text": "逐件退"}
    for _ in range(50):
        ok(await sale.refund(order["order_id"], body))
    answer = await sale.refund(order["order_id"], body)
    assert refused(answer) == (409, "payments.refunds_used_up")
    case = await sale.open(order, lines={1: 2})
    answer = await sale.act(case, "approve")
    assert refused(answer) == (409, "payments.refunds_used_up")
    assert (await sale.see(case))["state"] == "requested"
    assert await sale.value(REFUNDS) == 50
    assert await sale.value("select count(*) from after_sale.cases") == 51
    assert await sale.stock(tea) == (58, 0)


async def test_F028_a_refund_never_exceeds_what_was_paid(sale: Sale):
    """Amounts are the customer's wish and the shop's word; the cap is the order's."""
    (tea,) = await make_skus(sale.shop, price_fen=100)
    order = await sale.buy({tea: 3}, 300)
    answer = await sale.ask(order, lines={1: 1}, amount_fen=101)
    assert refused(answer) == (422, "after_sale.amount_out_of_range")
    case = await sale.open(order, lines={1: 1}, amount_fen=40)
    answer = await sale.act(case, "approve", {"amount_fen": 101, "text": "多退"})
    assert refused(answer) == (422, "after_sale.amount_out_of_range")
    ok(await sale.act(case, "approve", {"amount_fen": 100}))
    await sale.money()
    assert (await sale.see(case))["amount_fen"] == 100
    assert await sale.value("select refunded_fen from ordering.orders") == 100
