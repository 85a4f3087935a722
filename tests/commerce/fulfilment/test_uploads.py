"""WeChat is told of the shipping of what was paid in it, and lets the money go."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.fulfilment import background, service
from siyu.commerce.fulfilment.contracts import MoneyReleased
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import RefundLine
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.wechat.mini_program import service as mini
from siyu.wechat.mini_program.contracts import ManagedTrade, OrderState, WeChatError
from siyu.wechat.transport.contracts import Retry
from siyu.wechat.transport.service import calling
from tests.commerce.fulfilment.kit import (
    YTO,
    ask,
    drain,
    of_order,
    paid_at_wechat,
    pieces,
    see,
    send,
    upload_of,
    work,
)
from tests.commerce.ordering.kit import Shopper, broken_invariants, events, make_skus, shopper
from tests.commerce.ordering.test_payment import begin
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture(autouse=True)
async def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait for an answer no longer than the sandbox's slowest fault takes."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.5)
    calling._lanes.clear()


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    await market.person.call("DELETE", "/faults")
    await market.person.call("PATCH", "/settings", {"trade_unknown_seconds": 0})
    account = (market.keys["appid"], market.openid)
    async with shopper(market.shop_id, account=account) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def trade_of(market: Market, order: dict[str, Any]) -> ManagedTrade:
    """How WeChat sees an order."""
    upload = await upload_of(market.shop_id, order)
    async with reading(market.shop_id) as tx:
        credentials = await shops.mini_program_credentials(tx)
    return await mini.get_trade(market.shop_id, credentials, upload["number"])


async def fault(market: Market, kind: str, operation: str, **options: Any) -> None:
    await market.person.order_fault(kind, operation, **options)


async def later(**time: float) -> None:
    """Time goes by, and the worker works."""
    clock.advance(timedelta(**time))
    await work()


async def test_one_parcel_is_told_confirmed_and_settled(market: Market, anna: Shopper):
    order = await paid_at_wechat(market, anna, [2])
    assert (await upload_of(market.shop_id, order))["state"] == "waiting"
    [row] = (await see(anna, "/money-waiting"))["items"]
    assert (row["order_no"], row["state"], row["amount_fen"]) == (
        order["order_no"], "waiting", 2000,
    )  # fmt: skip
    await work()
    assert (await trade_of(market, order)).order_state is OrderState.TO_SHIP

    await send(anna, await pieces(anna, order))
    await work()
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["told"], upload["problem"]) == ("told", upload["wanted"], None)
    trade = await trade_of(market, order)
    assert trade.order_state is OrderState.SHIPPED and trade.shipping is not None
    assert (trade.shipping.delivery_mode, trade.shipping.logistics_type) == (1, 1)
    [parcel] = trade.shipping.shipping_list
    assert (parcel.express_company, parcel.tracking_no) == ("SF", "SF1234567890")
    figures = await see(anna, "/money-waiting/figures")
    assert (figures["held_fen"], figures["ours_fen"], figures["held_count"]) == (2000, 0, 1)

    await market.person.confirm_receipt("p1", upload["number"])
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "received"
    seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert (seen["status"], seen["timeline"][-1]["event"]) == ("completed", "received_at_wechat")
    await later(seconds=61)
    assert (await upload_of(market.shop_id, order))["state"] == "settled"
    assert [one["released_fen"] for one in await events(market.shop_id, MoneyReleased.name)] == [
        2000
    ]
    assert (await see(anna, "/money-waiting"))["items"] == []


async def test_a_split_order_is_told_parcel_by_parcel(market: Market, anna: Shopper):
    order = await paid_at_wechat(market, anna, [2])
    await send(anna, await pieces(anna, order, (1, 1)))
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "partly"
    trade = await trade_of(market, order)
    assert trade.order_state is OrderState.TO_SHIP and trade.shipping is not None
    assert (trade.shipping.delivery_mode, trade.shipping.finish_shipping) == (2, False)
    await send(anna, await pieces(anna, order), parcel=YTO)
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "told"
    trade = await trade_of(market, order)
    assert trade.order_state is OrderState.SHIPPED and trade.shipping is not None
    assert [one.express_company for one in trade.shipping.shipping_list] == ["SF", "YTO"]
    assert trade.shipping.finish_shipping_count == 1, "no re-shipping was used up"


async def test_a_correction_is_told_once_and_the_second_is_a_defined_end(
    market: Market, anna: Shopper
):
    order = await paid_at_wechat(market, anna, [1])
    parcel = (await send(anna, await pieces(anna, order))).json()
    await work()
    for number, problem in (("ZT000001", None), ("ZT000002", "10060003")):
        right = {"carrier": "中通", "tracking_no": number}
        await ask(anna, "PUT", f"/parcels/{parcel['parcel_id']}", right)
        await work()
        upload = await upload_of(market.shop_id, order)
        assert (upload["state"], upload["problem"]) == ("told", problem)
        assert upload["next_call_at"] is None, "nothing is asked for ever"
    trade = await trade_of(market, order)
    assert trade.shipping is not None
    assert [one.tracking_no for one in trade.shipping.shipping_list] == ["ZT000001"]
    assert (await of_order(anna, order))["problem"] == "10060003"


async def test_a_timeout_after_work_is_asked_about_and_not_told_twice(
    market: Market, anna: Shopper
):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    await fault(market, "timeout_after_work", "shipping.upload", seconds=2)
    await work()
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["is_unclear"], upload["tries"]) == ("due", True, 1)
    await later(seconds=31)
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["is_unclear"], upload["problem"]) == ("told", False, None)
    trade = await trade_of(market, order)
    assert trade.shipping is not None and trade.shipping.finish_shipping_count == 1


@pytest.mark.parametrize("dies", ["before the call", "after the call"])
async def test_a_kill_between_call_and_record_leaves_no_double(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch, dies: str
):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    real = mini.upload_shipping

    async def die(*args: Any) -> None:
        if dies == "after the call":
            await real(*args)
        raise SystemExit("killed")

    with monkeypatch.context() as patched:
        patched.setattr(mini, "upload_shipping", die)
        upload = await upload_of(market.shop_id, order)
        with pytest.raises(SystemExit):
            await service.pursue(market.shop_id, upload["payment_id"])
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["is_unclear"]) == ("due", True)
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "due", "its turn is put off"
    await later(minutes=3)
    assert (await upload_of(market.shop_id, order))["state"] == "told"
    trade = await trade_of(market, order)
    assert trade.shipping is not None and trade.shipping.finish_shipping_count == 1


async def test_what_wechat_does_not_know_yet_is_told_later_and_at_last_is_a_ticket(
    market: Market, anna: Shopper, caplog: pytest.LogCaptureFixture
):
    await market.person.call("PATCH", "/settings", {"trade_unknown_seconds": 86400 * 30})
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    await work()
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["problem"], upload["tries"]) == ("due", "10060001", 1)
    [row] = (await see(anna, "/money-waiting?standing=due"))["items"]
    assert row["problem"] == "10060001" and "支付单不存在" in row["problem_text"]
    for _ in range(13):
        await later(hours=5)
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["tries"], upload["next_call_at"]) == ("ticket", 14, None)
    figures = await see(anna, "/money-waiting/figures")
    assert (figures["tickets"], figures["ours_fen"]) == (1, 1000)

    await market.person.call("PATCH", "/settings", {"trade_unknown_seconds": 0})
    path = f"/money-waiting/{upload['payment_id']}/retry"
    assert (await ask(anna, "POST", path)).status_code == 204
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "told"
    assert (await ask(anna, "POST", path)).status_code == 404, "there is nothing to tell"


async def test_a_refusal_for_good_is_a_ticket(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))

    async def refuse(*_: Any) -> None:
        raise WeChatError(200, "10060031", "not this openid", retry=Retry.NEVER)

    with monkeypatch.context() as patched:
        patched.setattr(mini, "upload_shipping", refuse)
        await work()
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["problem"]) == ("ticket", "10060031")
    assert upload["is_unclear"] is False


async def test_an_expired_token_is_renewed_within_the_call(market: Market, anna: Shopper):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    async with reading(market.shop_id) as tx:
        credentials = await shops.mini_program_credentials(tx)
    await mini.access_token(market.shop_id, credentials)
    clock.advance(timedelta(seconds=7300))
    async with transaction(market.shop_id) as tx:
        # The shop believes in its token longer than WeChat does.
        await tx.run("update transport.access_tokens set expires_at = expires_at + interval '1 d'")
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "told"


async def test_what_was_refunded_at_wechat_meanwhile_is_adopted(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    upload = await upload_of(market.shop_id, order)

    async def refunded(*_: Any) -> ManagedTrade:
        return ManagedTrade(transaction_id=upload["number"], order_state=OrderState.REFUNDED)

    async def refuse(*_: Any) -> None:
        raise WeChatError(200, "10060004", "wrong state", retry=Retry.NEVER)

    with monkeypatch.context() as patched:
        patched.setattr(mini, "upload_shipping", refuse)
        patched.setattr(mini, "get_trade", refunded)
        await work()
    assert (await upload_of(market.shop_id, order))["state"] == "refunded"


async def test_an_app_that_is_not_managed_holds_nothing(market: Market, anna: Shopper):
    path = f"/apps/{market.keys['appid']}/managed"
    await market.person.call("PUT", path, {"managed": False})
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    await work()
    await market.person.call("PUT", path, {"managed": True})
    assert (await upload_of(market.shop_id, order))["state"] == "free"
    assert (await see(anna, "/money-waiting/figures"))["held_fen"] == 0


async def test_virtual_goods_and_services_are_told_as_such(market: Market, anna: Shopper):
    for kind, path in ((ProductKind.VIRTUAL, None), (ProductKind.SERVICE, "complete")):
        (sku,) = await make_skus(market.shop_id, price_fen=500, kind=kind)
        order = await anna.order({sku: 1}, 500, address_id=None)
        await market.pay(await begin(anna, order))
        await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
        await drain()
        await work()
        if path:
            assert (await upload_of(market.shop_id, order))["state"] == "waiting"
            await ask(anna, "POST", f"/orders/{order['order_id']}/{path}")
            await drain()
            await work()
        assert (await upload_of(market.shop_id, order))["state"] == "told"
        trade = await trade_of(market, order)
        assert trade.shipping is not None and trade.shipping.logistics_type == 3


async def test_the_buyer_is_reminded_once_when_she_told_only_the_shop(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    order = await paid_at_wechat(market, anna, [1])
    await send(anna, await pieces(anna, order))
    await work()
    reminded: list[str] = []
    real = mini.notify_receipt

    async def remind(shop_id: Any, credentials: Any, number: str, at: Any) -> None:
        reminded.append(number)
        await real(shop_id, credentials, number, at)

    monkeypatch.setattr(mini, "notify_receipt", remind)
    await anna.send("POST", f"/orders/{order['order_id']}/confirm-receipt")
    await drain()
    for _ in range(3):
        await later(minutes=5)
    upload = await upload_of(market.shop_id, order)
    assert reminded == [upload["number"]] and upload["state"] == "told"
    await market.person.confirm_receipt("p1", upload["number"])
    await later(minutes=2)
    assert (await upload_of(market.shop_id, order))["state"] in ("received", "settled")


async def test_money_that_went_back_is_not_waited_for(market: Market, anna: Shopper):
    order = await paid_at_wechat(market, anna, [1])
    async with transaction(market.shop_id) as tx:
        await ordering.refund(
            tx,
            order_id=UUID(order["order_id"]),
            refund_id=new_id(),
            lines=[RefundLine(1, 1, 1000)],
            shipping_fen=0,
            reason="缺货",
            restock=True,
            actor=System(),
            unshipped_only=True,
        )
    for seconds in (0, 61, 122):
        await market.work(seconds=seconds)
    await drain()
    assert (await upload_of(market.shop_id, order))["state"] == "refunded"
    assert (await see(anna, "/money-waiting"))["items"] == []


async def test_what_was_not_paid_inside_wechat_is_not_told(market: Market, anna: Shopper):
    (sku,) = await make_skus(market.shop_id, price_fen=500)
    order = await anna.order({sku: 1}, 500)
    await market.pay(await begin(anna, order, "native"))
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await drain()
    assert await upload_of(market.shop_id, order) == {}
    assert (await of_order(anna, order))["money"] is None


async def test_a_change_during_a_call_is_told_next(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    order = await paid_at_wechat(market, anna, [2])
    await send(anna, await pieces(anna, order, (1, 1)))
    real = mini.upload_shipping

    async def meanwhile(*args: Any) -> None:
        monkeypatch.setattr(mini, "upload_shipping", real)
        await send(anna, await pieces(anna, order), parcel=YTO)
        await real(*args)

    monkeypatch.setattr(mini, "upload_shipping", meanwhile)
    await background.pursue_uploads()
    upload = await upload_of(market.shop_id, order)
    assert (upload["state"], upload["wanted"] > upload["told"]) == ("due", True)
    await work()
    assert (await upload_of(market.shop_id, order))["state"] == "told"
    trade = await trade_of(market, order)
    assert trade.shipping is not None and len(trade.shipping.shipping_list) == 2
