"""发货信息管理: the client against a local WeChat, and that WeChat against what is documented."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.merchant.shops import service as shops
from siyu.wechat.mini_program import rules
from siyu.wechat.mini_program import service as mini
from siyu.wechat.mini_program.contracts import (
    Logistics,
    MiniProgramCredentials,
    OrderState,
    ShippedParcel,
    ShippingNotice,
    ShippingProblem,
    WeChatError,
)
from siyu.wechat.transport.contracts import Retry
from siyu.wechat.transport.service import calling
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Trade:
    """A paid order, its buyer and the raw API."""

    def __init__(self, market: Market, credentials: MiniProgramCredentials, number: str) -> None:
        self.market = market
        self.credentials = credentials
        self.number = number

    def notice(self, **change: Any) -> ShippingNotice:
        fields: dict[str, Any] = {
            "transaction_id": self.number,
            "payer": self.market.openid,
            "logistics": Logistics.EXPRESS,
            "is_split": False,
            "is_all_delivered": True,
            "parcels": [parcel("YT1", "YTO")],
            "upload_time": clock.now(),
        }
        return ShippingNotice(**fields | change)

    async def upload(self, **change: Any) -> None:
        notice = self.notice(**change)
        await mini.upload_shipping(self.market.shop_id, self.credentials, notice)

    async def refused(self, **change: Any) -> str:
        with pytest.raises(WeChatError) as caught:
            await self.upload(**change)
        return caught.value.code

    async def raw(self, path: str, body: Any) -> dict[str, Any]:
        token = await mini.access_token(self.market.shop_id, self.credentials)
        async with httpx.AsyncClient() as http:
            url = f"{self.credentials.base_url}/wxa/sec/order/{path}?access_token={token}"
            return dict((await http.post(url, json=body)).json())

    async def state(self) -> OrderState:
        found = await mini.get_trade(self.market.shop_id, self.credentials, self.number)
        return found.order_state


def parcel(number: str, company: str, **change: Any) -> ShippedParcel:
    return ShippedParcel(
        item_desc="明前龙井*1", tracking_no=number, express_company=company, **change
    )


@pytest.fixture
async def trade(market: Market) -> AsyncIterator[Trade]:
    await market.person.call("DELETE", "/faults")
    calling._lanes.clear()
    attempt = await market.paid()
    async with reading(market.shop_id) as tx:
        credentials = await shops.mini_program_credentials(tx)
    assert attempt.provider_number is not None
    yield Trade(market, credentials, attempt.provider_number)


async def test_an_order_is_told_received_and_finished(trade: Trade):
    assert await mini.is_trade_managed(trade.market.shop_id, trade.credentials)
    await mini.set_message_path(trade.market.shop_id, trade.credentials, "commerce/orders")
    assert await trade.state() is OrderState.TO_SHIP
    await trade.upload()
    assert await trade.state() is OrderState.SHIPPED
    await trade.market.person.confirm_receipt("p1", trade.number)
    assert await trade.state() is OrderState.RECEIVED
    clock.advance(timedelta(seconds=61))
    assert await trade.state() is OrderState.FINISHED
    assert await trade.refused() == "10060004"


async def test_the_page_of_trades_ends(trade: Trade):
    now = clock.now()
    found, rest = await mini.list_trades(
        trade.market.shop_id,
        trade.credentials,
        paid_from=now - timedelta(minutes=5),
        paid_to=now + timedelta(minutes=5),
    )
    assert trade.number in [one.transaction_id for one in found] and rest is None
    first = await trade.raw("get_order_list", {"page_size": 1})
    assert len(first["order_list"]) == 1


async def test_nobody_confirms_and_the_days_pass(trade: Trade):
    await trade.upload()
    await trade.market.person.call("PATCH", "/settings", {"confirm_seconds": 600})
    other = trade.notice(parcels=[parcel("YT2", "YTO")], upload_time=clock.now() + timedelta(1))
    await mini.upload_shipping(trade.market.shop_id, trade.credentials, other)
    clock.advance(timedelta(seconds=601))
    assert await trade.state() is OrderState.RECEIVED


async def test_one_reshipping_unchanged_and_rising_times(trade: Trade):
    at = clock.now()
    await trade.upload(upload_time=at)
    assert await trade.refused(upload_time=at + timedelta(seconds=1)) == "10060023"
    other = {"parcels": [parcel("YT2", "YTO")]}
    await trade.upload(upload_time=at + timedelta(seconds=2), **other)
    third = {"parcels": [parcel("YT3", "YTO")]}
    assert await trade.refused(upload_time=at + timedelta(seconds=3), **third) == "10060003"
    assert await trade.state() is OrderState.SHIPPED


async def test_split_parcels_end_with_the_last(trade: Trade):
    at = clock.now()
    split = {"is_split": True}
    one, two = parcel("YT1", "YTO"), parcel("ZT2", "ZTO")
    await trade.upload(upload_time=at, is_all_delivered=False, parcels=[one], **split)
    assert await trade.state() is OrderState.TO_SHIP
    later = at + timedelta(seconds=1)
    await trade.upload(upload_time=later, is_all_delivered=True, parcels=[one, two], **split)
    assert await trade.state() is OrderState.SHIPPED
    body = await trade.raw("get_order", {"transaction_id": trade.number})
    shipping = body["order"]["shipping"]
    assert [one["tracking_no"] for one in shipping["shipping_list"]] == ["YT1", "ZT2"]
    assert (shipping["delivery_mode"], shipping["finish_shipping_count"]) == (2, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"order_key": {"order_number_type": 3}}, 268485194),
        ({"order_key": {"order_number_type": 2}}, 268485195),
        ({"order_key": {"order_number_type": 1}}, 268485196),
        ({"order_key": {"order_number_type": 1, "mchid": "1900006891"}}, 268485197),
        ({"order_key": {"order_number_type": 2, "transaction_id": "4200000"}}, 10060001),
        ({"payer": {"openid": "somebody"}}, 10060031),
        ({"logistics_type": 5}, 10060005),
        ({"delivery_mode": 3}, 268485224),
        ({"delivery_mode": 2, "logistics_type": 4, "is_all_delivered": True}, 10060006),
        ({"delivery_mode": 2}, 10060007),
        ({"shipping_list": []}, 268485228),
        ({"shipping_list": [{"item_desc": "a"}] * 2}, 268485228),
        ({"upload_time": "yesterday"}, 268485216),
        ({"shipping_list": [{"tracking_no": "1", "express_company": "YTO"}]}, 10060008),
        ({"shipping_list": [{"item_desc": "茶" * 121}]}, 10060009),
        ({"shipping_list": [{"item_desc": "a", "express_company": "YTO"}]}, 268485226),
        ({"shipping_list": [{"item_desc": "a", "tracking_no": "1"}]}, 268485227),
        (
            {"shipping_list": [
                {"item_desc": "a", "tracking_no": "1" * 129, "express_company": "Y"}
            ]},
            10060026,
        ),
        (
            {"shipping_list": [
                {"item_desc": "a", "tracking_no": "1", "express_company": "Y" * 129}
            ]},
            10060025,
        ),
        (
            {
                "delivery_mode": 2,
                "is_all_delivered": True,
                "shipping_list": [
                    {"item_desc": "a", "tracking_no": str(n), "express_company": "YTO"}
                    for n in range(16)
                ],
            },
            10060024,
        ),
    ],
)  # fmt: skip
async def test_each_field_has_its_own_refusal(trade: Trade, change: Any, code: int):
    body = rules.notice_body(trade.notice()) | change
    answer = await trade.raw("upload_shipping_info", body)
    assert answer["errcode"] == code, answer
    assert await trade.state() is OrderState.TO_SHIP, "a refusal changes nothing"


async def test_a_reminder_is_given_once_and_to_express_only(trade: Trade):
    shop, credentials = trade.market.shop_id, trade.credentials

    async def remind() -> str:
        try:
            await mini.notify_receipt(shop, credentials, trade.number, clock.now())
        except WeChatError as error:
            return error.code
        return "ok"

    assert await remind() == "10060028"
    await trade.upload()
    assert [await remind() for _ in range(2)] == ["ok", "10060030"]
    answer = await trade.raw("notify_confirm_receive", {"transaction_id": trade.number})
    assert answer["errcode"] == 10060029


async def test_virtual_goods_are_told_without_a_parcel(trade: Trade):
    await trade.upload(logistics=Logistics.VIRTUAL, parcels=[ShippedParcel(item_desc="储值卡")])
    assert await trade.state() is OrderState.SHIPPED
    with pytest.raises(WeChatError, match="10060032"):
        await mini.notify_receipt(
            trade.market.shop_id, trade.credentials, trade.number, clock.now()
        )


@pytest.mark.parametrize(
    ("code", "retry", "problem"),
    [
        ("10060001", Retry.NEVER, ShippingProblem.UNKNOWN_ORDER),
        ("10060002", Retry.NEVER, ShippingProblem.SHIPPED_ALREADY),
        ("10060003", Retry.NEVER, ShippingProblem.USED_UP),
        ("10060004", Retry.NEVER, ShippingProblem.WRONG_STATE),
        ("10060023", Retry.NEVER, ShippingProblem.UNCHANGED),
        ("10060012", Retry.NEVER, ShippingProblem.LATER),
        ("10060019", Retry.NEVER, ShippingProblem.LATER),
        ("45009", Retry.NEVER, ShippingProblem.LATER),
        ("-1", Retry.RETRY, ShippingProblem.LATER),
        ("42001", Retry.NEVER, ShippingProblem.LATER),
        ("NO_ANSWER", Retry.UNKNOWN, ShippingProblem.UNCLEAR),
        ("NOT_SENT", Retry.RETRY, ShippingProblem.LATER),
        ("10060031", Retry.NEVER, ShippingProblem.REFUSED),
        ("268485228", Retry.NEVER, ShippingProblem.REFUSED),
    ],
)
def test_what_a_failure_means(code: str, retry: Retry, problem: ShippingProblem):
    assert rules.shipping_problem(WeChatError(200, code, "", retry=retry)) is problem


def test_a_long_description_is_cut_and_the_last_parcels_are_told():
    notice = ShippingNotice(
        transaction_id="42",
        payer="o",
        logistics=Logistics.EXPRESS,
        is_split=True,
        is_all_delivered=True,
        parcels=[
            ShippedParcel(item_desc="茶" * 200, tracking_no=f"SF{n:04d}", express_company="SF",
                          receiver_contact="138****5678")
            for n in range(20)
        ],
        upload_time=NOON,
    )  # fmt: skip
    body = rules.notice_body(notice)
    assert body["upload_time"] == "2026-11-22T12:00:00.000+00:00"
    assert [one["tracking_no"] for one in body["shipping_list"]][:2] == ["SF0005", "SF0006"]
    assert len(body["shipping_list"]) == 15
    first = body["shipping_list"][0]
    assert len(first["item_desc"]) == 120 and first["item_desc"].endswith("…")
    assert first["contact"] == {"receiver_contact": "138****5678"}
