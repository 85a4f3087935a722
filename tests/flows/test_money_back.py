"""An order that is paid twice: one payment is taken, the other goes back without anybody's help."""

from datetime import timedelta

from siyu.app.event_map import EVENT_MAP
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.kernel.relay import Relay
from siyu.money.payments import background
from siyu.money.payments.contracts import RefundState
from tests.commerce.ordering.kit import make_skus
from tests.flows.test_first_sale import Day, day, wechat_url
from tests.money.payments.bench import broken_truths, market

__all__ = ["day", "market", "wechat_url"]

HOME = {
    "receiver": "韩梅梅",
    "phone": "13712345678",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "文三路 92 号",
    "is_default": True,
}


async def test_paid_twice_the_second_payment_comes_back(day: Day) -> None:
    (tea,) = await make_skus(day.market.shop_id, price_fen=8800, stock=3)
    await day.log_in()
    address = await day.ask("POST", "/addresses", HOME)
    order = await day.order(str(tea), address["address_id"])
    path = f"/orders/{order['order_id']}"
    in_app = await day.ask("POST", f"{path}/pay", {"channel": "jsapi"})
    code = await day.ask("POST", f"{path}/pay", {"channel": "native"})
    await day.market.pay(in_app["jsapi"]["package"].removeprefix("prepay_id="))
    await day.market.pay(code["code_url"])
    await day.news_arrived()
    with clock.turned(clock.now() + timedelta(seconds=11)):
        await background.follow_up_due()
    await Relay(EVENT_MAP).drain()
    assert (await day.ask("GET", path))["status"] == "paid"

    [parked] = (await day.see("/suspense"))["items"]
    assert (parked["reason"], parked["state"]) == ("paid_twice", "refunding")
    for minutes in (2, 4):
        with clock.turned(clock.now() + timedelta(minutes=minutes)):
            await background.pursue_due_refunds()
    await Relay(EVENT_MAP).drain()
    [parked] = (await day.see("/suspense?state=resolved"))["items"]
    assert (parked["resolution"], parked["amount_fen"]) == ("refunded", order["total_fen"])
    [refund] = (await day.see(f"/refunds?order_id={order['order_id']}"))["items"]
    assert (refund["origin"], refund["state"]) == ("suspense", RefundState.SUCCEEDED)
    shown = await day.see(f"/refunds/{refund['refund_id']}")
    assert [one["event"] for one in shown["timeline"]] == ["created", "processing", "succeeded"]
    assert (await day.ask("GET", path))["status"] == "paid", "the order keeps what it was paid"
    assert await day.market.books() == {"wechat": order["total_fen"], "sales": -order["total_fen"]}
    assert await broken_truths(day.market.shop_id) == []
    async with reading(day.market.shop_id) as tx:
        assert await tx.value("select count(*) from payments.refunds") == 1
