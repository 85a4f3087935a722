"""From paid to received: by the customer, by staff, by time."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.ordering import background, service
from siyu.commerce.ordering.contracts import MoveRefused, OrderCompleted, OrderShipped
from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    events,
    fund,
    make_buyers,
    make_skus,
    shopper,
    tell,
    wallet,
)
from tests.commerce.ordering.kit import ship as send_all

PARCEL = {"carrier": "顺丰速运", "tracking_no": "SF1234567890"}


@pytest.fixture
async def anna(shop: ShopId) -> AsyncIterator[Shopper]:
    async with shopper(shop) as anna:
        await fund(shop, anna.member, principal_fen=20_000)
        yield anna
    assert await broken_invariants(shop) == []


async def paid(shop: ShopId, anna: Shopper, kind: ProductKind = ProductKind.PHYSICAL) -> dict:
    """An order of 20 yuan that the balance paid."""
    (tea,) = await make_skus(shop, price_fen=1000, kind=kind)
    return await anna.order({tea: 2}, 2000, use_balance=True)


async def staff(anna: Shopper, method: str, path: str, body: Any = None) -> httpx.Response:
    return await anna.http.request(method, f"/admin/v1{path}", json=body)


async def ship(anna: Shopper, order: dict) -> dict:
    await send_all(anna.member.shop_id, order)
    return dict((await staff(anna, "GET", f"/orders/{order['order_id']}")).json())


async def confirm(anna: Shopper, order: dict) -> httpx.Response:
    return await anna.send("POST", f"/orders/{order['order_id']}/confirm-receipt")


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_parcel_is_shown_and_confirmed_once(shop: ShopId, anna: Shopper):
    order = await paid(shop, anna)
    assert (order["delivery"], order["can_confirm"], order["shipment"]) == ("ship", False, None)
    assert refused(await confirm(anna, order)) == (409, "ordering.move_refused")

    shipped = await ship(anna, order)
    assert shipped["status"] == "shipped"
    seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert seen["can_confirm"] is True
    parcel = seen["shipment"]
    sent, due = (datetime.fromisoformat(parcel[k]) for k in ("shipped_at", "receipt_due_at"))
    assert due - sent == timedelta(days=10)

    done = (await confirm(anna, order)).json()
    assert (done["status"], done["can_confirm"]) == ("completed", False)
    assert done["completed_at"] is not None
    assert [(e["event"], e["label"]) for e in done["timeline"]] == [
        ("placed", "提交订单"),
        ("paid", "支付成功"),
        ("shipped", "已发货"),
        ("received", "顾客确认收货"),
    ]
    assert refused(await confirm(anna, order)) == (409, "ordering.move_refused")
    [event] = await events(shop, OrderShipped.name)
    assert (event["order_id"], event["amount_fen"]) == (order["order_id"], 2000)
    [event] = await events(shop, OrderCompleted.name)
    assert (event["amount_fen"], event["goods_fen"], event["how"]) == (2000, 2000, "received")


async def test_receipt_brings_points_once(shop: ShopId, anna: Shopper):
    order = await paid(shop, anna)
    await ship(anna, order)
    await confirm(anna, order)
    await tell(shop, OrderCompleted, background.on_order_completed, times=3)
    assert (await wallet(shop, anna.member))[2] == 20


async def test_another_members_order_is_not_there(shop: ShopId, anna: Shopper):
    order = await paid(shop, anna)
    await ship(anna, order)
    [(ben, address_id)] = await make_buyers(shop, 1)
    answer = await confirm(Shopper(anna.http, ben, address_id), order)
    assert refused(answer) == (404, "ordering.order_not_found")
    seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert seen["status"] == "shipped"


async def test_after_the_shops_days_a_parcel_counts_as_received(shop: ShopId, anna: Shopper):
    assert (await staff(anna, "GET", "/order-settings")).json() == {"receipt_days": 10}
    answer = await staff(anna, "PUT", "/order-settings", {"receipt_days": 3})
    assert answer.json() == {"receipt_days": 3}
    for days in (0, 61, 1.5, "3"):
        answer = await staff(anna, "PUT", "/order-settings", {"receipt_days": days})
        assert answer.status_code == 422
    order = await paid(shop, anna)
    await ship(anna, order)
    with clock.turned(clock.now() + timedelta(days=3, seconds=-1)):
        await background.receive_due()
        seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
        assert seen["status"] == "shipped"
    with clock.turned(clock.now() + timedelta(days=3, seconds=1)):
        await background.receive_due()
        await background.receive_due()
        seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert seen["status"] == "completed"
    assert seen["timeline"][-1]["event"] == "received_by_time"
    assert len(await events(shop, OrderCompleted.name)) == 1


async def test_receipt_can_be_put_off_but_not_brought_nearer(shop: ShopId, anna: Shopper):
    order = await paid(shop, anna)
    order_id = UUID(order["order_id"])
    async with transaction(shop) as tx:  # nothing to put off yet
        await service.postpone_receipt(tx, order_id, clock.now() + timedelta(days=20))
    await ship(anna, order)
    for days in (20, 1):
        async with transaction(shop) as tx:
            await service.postpone_receipt(tx, order_id, clock.now() + timedelta(days=days))
    with clock.turned(clock.now() + timedelta(days=19)):
        await background.receive_due()
        with pytest.raises(MoveRefused):
            await background.receive_one(shop, order_id)
        seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
        assert seen["status"] == "shipped"
    with clock.turned(clock.now() + timedelta(days=21)):
        await background.receive_due()
        seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
        assert seen["status"] == "completed"


async def test_virtual_goods_are_delivered_by_being_paid(shop: ShopId, anna: Shopper):
    order = await paid(shop, anna, ProductKind.VIRTUAL)
    assert (order["status"], order["delivery"], order["shipment"]) == ("completed", "instant", None)
    assert [e["event"] for e in order["timeline"]] == ["placed", "paid", "delivered"]
    assert [e["how"] for e in await events(shop, OrderCompleted.name)] == ["delivered"]
    assert (await anna.send("GET", f"/orders/{order['order_id']}")).json() == order


async def test_a_service_ends_by_word_and_never_by_time(shop: ShopId, anna: Shopper):
    first, second = [await paid(shop, anna, ProductKind.SERVICE) for _ in range(2)]
    assert (first["status"], first["delivery"], first["can_confirm"]) == ("paid", "serve", True)
    sent = await staff(anna, "GET", f"/orders/{first['order_id']}/parcels")
    assert sent.json()["consignments"] == []
    with clock.turned(clock.now() + timedelta(days=59)):
        await background.receive_due()
    assert (await confirm(anna, first)).json()["status"] == "completed"
    served = await staff(anna, "POST", f"/orders/{second['order_id']}/complete")
    assert (served.json()["status"], served.json()["timeline"][-1]["event"]) == (
        "completed",
        "completed",
    )
    again = await staff(anna, "POST", f"/orders/{second['order_id']}/complete")
    assert refused(again) == (409, "ordering.move_refused")


@pytest.mark.parametrize(
    "body",
    [
        {"carrier": "", "tracking_no": "SF123456"},
        {"carrier": "顺丰\x00", "tracking_no": "SF123456"},
        {"carrier": "顺丰", "tracking_no": "SF1"},
        {"carrier": "顺丰", "tracking_no": "SF 123456"},
        {"carrier": "顺丰", "tracking_no": "=cmd|x"},
        {"carrier": "顺丰"},
        PARCEL | {"price_fen": 1},
    ],
)
async def test_a_parcel_without_a_proper_number_is_refused(shop, anna: Shopper, body):
    order = await paid(shop, anna)
    async with transaction(shop) as tx:
        await fulfilment.settle_order(tx, await service.lock_order(tx, UUID(order["order_id"])))
    sent = (await staff(anna, "GET", f"/orders/{order['order_id']}/parcels")).json()
    own = [{"consignment_id": one["consignment_id"]} for one in sent["consignments"]]
    key = {"Idempotency-Key": "0" * 32}
    parcel = {"consignments": own} | body
    answer = await anna.http.post("/admin/v1/parcels", json=parcel, headers=key)
    assert (answer.status_code, len(own)) == (422, 1)
    assert await events(shop, OrderShipped.name) == []
