"""Parcels: split, merged, put right, by table; refunds give way, and nothing leaves twice."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.fulfilment import service
from siyu.commerce.fulfilment.contracts import AlreadyAsked, ParcelSent, PieceAsked
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import OrderShipped, RefundLine, RefundTooMuch
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from tests.commerce.fulfilment.kit import SF, YTO, ask, bought, drain, of_order, pieces, see, send
from tests.commerce.ordering.kit import (
    ADDRESS,
    Shopper,
    broken_invariants,
    events,
    fund,
    make_buyers,
    shopper,
)


@pytest.fixture
async def anna(shop: ShopId) -> AsyncIterator[Shopper]:
    async with shopper(shop) as anna:
        await fund(shop, anna.member, principal_fen=12_000)
        yield anna
    assert await broken_invariants(shop) == []


async def status(anna: Shopper, order: dict[str, Any]) -> str:
    seen = await anna.send("GET", f"/orders/{order['order_id']}")
    return str(seen.json()["status"])


async def refund(
    shop: ShopId, order: dict[str, Any], *lines: tuple[int, int, int], **options: Any
) -> UUID:
    refund_id = new_id()
    async with transaction(shop) as tx:
        await ordering.refund(
            tx,
            order_id=UUID(order["order_id"]),
            refund_id=refund_id,
            lines=[RefundLine(*line) for line in lines],
            shipping_fen=0,
            reason="缺货",
            restock=True,
            actor=System(),
            **options,
        )
    return refund_id


async def test_a_split_order_is_shipped_when_its_last_piece_has_left(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2, 1])
    [row] = (await see(anna, "/consignments"))["items"]
    assert (row["order_no"], row["receiver"], row["phone"]) == (
        order["order_no"], "王**", "138****5678",
    )  # fmt: skip
    assert "18 号" not in row["address"]
    first = await send(anna, await pieces(anna, order, (1, 1)))
    assert first.status_code == 200, first.text
    assert first.json()["carrier_code"] == "SF" and first.json()["carrier"] == "顺丰速运"
    assert await status(anna, order) == "paid"
    assert (await see(anna, "/consignments"))["items"][0]["lines"][0]["sent"] == 1

    second = await send(anna, await pieces(anna, order), parcel=YTO)
    assert [(one["line_no"], one["quantity"]) for one in second.json()["lines"]] == [(1, 1), (2, 1)]
    assert await status(anna, order) == "shipped"
    assert (await see(anna, "/consignments"))["items"] == []
    [done] = (await see(anna, "/consignments?standing=done"))["items"]
    assert done["order_no"] == order["order_no"]
    assert len(await events(shop, OrderShipped.name)) == 1
    assert [one["pieces"] for one in await events(shop, ParcelSent.name)] == [1, 2]

    again = await send(anna, await pieces(anna, order))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "fulfilment.nothing_left")
    own = (await anna.send("GET", f"/orders/{order['order_id']}/deliveries")).json()["items"]
    assert [parcel["tracking_no"] for parcel in own[0]["parcels"]] == [SF[1], YTO[1]]


async def test_more_than_is_left_is_refused_and_nothing_changes(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2, 1])
    for asked in ([(1, 3)], [(3, 1)], [(1, 1), (1, 1)], [(1, 1), (2, 2)]):
        answer = await send(anna, await pieces(anna, order, *asked))
        assert answer.status_code == 409, asked
    part = await pieces(anna, order, (1, 1))
    assert (await send(anna, part, part)).status_code == 422
    nobody = {"consignment_id": str(new_id()), "lines": None}
    assert (await send(anna, part, nobody)).status_code == 404
    found = await of_order(anna, order)
    assert found["parcels"] == [] and found["consignments"][0]["lines"][0]["sent"] == 0


async def test_orders_of_one_address_share_a_parcel_and_others_do_not(shop: ShopId, anna: Shopper):
    first, second = [await bought(shop, anna, [1]) for _ in range(2)]
    part = await pieces(anna, first)
    offered = await see(anna, f"/consignments/{part['consignment_id']}")
    assert [one["order_no"] for one in offered["together"]] == [second["order_no"]]

    [(ben, ben_address)] = await make_buyers(shop, 1)
    await fund(shop, ben, principal_fen=5000)
    other = await bought(shop, Shopper(anna.http, ben, ben_address), [1])
    refused = await send(anna, part, await pieces(anna, other))
    assert refused.json()["error"]["code"] == "fulfilment.not_together"

    merged = await send(anna, part, await pieces(anna, second))
    assert {one["order_id"] for one in merged.json()["lines"]} == {
        first["order_id"], second["order_id"],
    }  # fmt: skip
    assert [await status(anna, one) for one in (first, second)] == ["shipped", "shipped"]
    # Each order shows the parcel, and of it only what is its own.
    for order in (first, second):
        own = (await anna.send("GET", f"/orders/{order['order_id']}/deliveries")).json()["items"]
        assert [line["order_id"] for line in own[0]["parcels"][0]["lines"]] == [order["order_id"]]


async def test_a_refunded_piece_is_not_sent_and_the_rest_ships_the_order(
    shop: ShopId, anna: Shopper
):
    order = await bought(shop, anna, [2, 1])
    await refund(shop, order, (1, 1, 1000), unshipped_only=True)
    part = await pieces(anna, order, (1, 2))
    assert (await send(anna, part)).status_code == 409, "before anybody has heard of the refund"
    await drain()
    assert (await of_order(anna, order))["consignments"][0]["lines"][0]["cancelled"] == 1
    await send(anna, await pieces(anna, order, (1, 1)))
    assert await status(anna, order) == "paid"
    await refund(shop, order, (2, 1, 1000), unshipped_only=True)
    await drain()
    assert await status(anna, order) == "shipped", "the only piece left was refunded"


async def test_what_has_left_is_not_refunded_as_if_it_were_here(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2])
    await send(anna, await pieces(anna, order, (1, 1)))
    with pytest.raises(RefundTooMuch):
        await refund(shop, order, (1, 2, 2000), unshipped_only=True)
    await refund(shop, order, (1, 1, 1000), unshipped_only=True)
    await drain()
    assert await status(anna, order) == "shipped"


async def test_an_order_that_was_refunded_whole_leaves_the_board(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2])
    await refund(shop, order, (1, 2, 2000), unshipped_only=True)
    await drain()
    assert (await see(anna, "/consignments"))["items"] == []
    assert (await of_order(anna, order))["consignments"][0]["state"] == "cancelled"
    answer = await send(anna, await pieces(anna, order))
    assert answer.json()["error"]["code"] == "fulfilment.nothing_left"


async def test_a_wrong_number_is_put_right_and_the_old_one_kept(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [1])
    parcel = (await send(anna, await pieces(anna, order))).json()
    path = f"/parcels/{parcel['parcel_id']}"
    right = {"carrier": "中通快递", "tracking_no": "ZT000001"}
    fixed = (await ask(anna, "PUT", path, right)).json()
    assert (fixed["carrier_code"], fixed["tracking_no"]) == ("ZTO", "ZT000001")
    assert [(one["event"], one["text"]) for one in fixed["events"]] == [
        ("corrected", "顺丰速运 SF1234567890"), ("sent", ""),
    ]  # fmt: skip
    assert len((await ask(anna, "PUT", path, right)).json()["events"]) == 2, "nothing to put right"
    missing = await ask(anna, "PUT", f"/parcels/{new_id()}", right)
    assert missing.status_code == 404


async def test_a_table_is_sent_row_by_row_and_may_be_given_again(shop: ShopId, anna: Shopper):
    orders = [await bought(shop, anna, [1]) for _ in range(3)]
    numbers = [order["order_no"] for order in orders]
    text = (
        "订单号\t快递\t运单号\n"
        f"{numbers[0]}\t顺丰\tSF00000001\n"
        f"{numbers[1].lower().replace('-', '')}\t某地物流\tXX00000002\n"
        f"{numbers[2]}\t圆通\tno!\n"
        "7Q2M-9FKD-0XWP-3HTV\t圆通\tYT00000004\n"
    )
    for _ in range(2):
        report = (await ask(anna, "POST", "/parcels/table", {"text": text})).json()
        assert (report["sent"], report["refused"]) == (2, 2)
        assert [row["problem"] for row in report["rows"]] == [
            None, None, "fulfilment.parcel_not_found", "ordering.order_not_found",
        ]  # fmt: skip
    assert [await status(anna, one) for one in orders] == ["shipped", "shipped", "paid"]
    parcels = (await see(anna, "/parcels"))["items"]
    assert sorted((one["carrier"], one["carrier_code"]) for one in parcels) == [
        ("某地物流", None), ("顺丰速运", "SF"),
    ]  # fmt: skip
    said = {"a,b": "表格第 1 行无法读取：缺少列或格式不对", "": None, "\n": "表格里没有数据"}
    said |= {
        "a,b,c\n" * 501: "表格最多 500 行",
        "a,b,c\nx": "表格第 2 行无法读取：缺少列或格式不对",
    }
    for bad, words in said.items():
        answer = await ask(anna, "POST", "/parcels/table", {"text": bad})
        assert answer.status_code == 422
        assert words is None or answer.json()["error"]["message"] == words


async def test_a_packing_list_is_inert_and_noted(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2])
    part = await pieces(anna, order)
    path = f"/packing-list?ids={part['consignment_id']},{new_id()}"
    page = await anna.http.get(f"/admin/v1{path}")
    assert "龙涓乡茶叶街 18 号 🍵" in page.text and page.headers["content-security-policy"]
    table = await anna.http.get(f"/admin/v1{path}&format=csv")
    assert table.content.startswith(b"\xef\xbb\xbf")
    row = table.text.splitlines()[1]
    assert row.startswith(f"{order['order_no']},王小明,'+8613812345678,") and row.endswith(",2")
    english = {"Accept-Language": "en"}
    page = await anna.http.get(f"/admin/v1{path}", headers=english)
    assert '<html lang="en">' in page.text and "<th>Quantity</th>" in page.text
    assert not {"商品", "规格", "数量", "配货单"} & set(
        re.findall(r"<t[hi][^>]*>([^<]*)", page.text)
    )
    table = await anna.http.get(f"/admin/v1{path}&format=csv", headers=english)
    assert table.text.splitlines()[0].endswith(
        "Order number,Receiver,Phone,Address,Product,Options,Quantity"
    )
    async with reading(shop) as tx:
        noted = "select count(*) from kernel.audit where action = 'fulfilment.packing_printed'"
        assert await tx.value(noted) == 4
    assert (await ask(anna, "GET", "/packing-list?ids=-")).status_code == 422


async def test_tracking_is_noted_once_and_shown(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [1])
    parcel = (await send(anna, await pieces(anna, order))).json()
    news = {"at": "2026-11-22T10:00:00+08:00", "status": "in_transit", "text": "已到达杭州"}
    path = f"/parcels/{parcel['parcel_id']}/tracking"
    for _ in range(2):
        seen = (await ask(anna, "POST", path, news)).json()
        assert len(seen["events"]) == 2
    text = f"tracking_no,at,status,text\n{SF[1]},2026-11-23T10:00:00+08:00,delivered,本人签收\n"
    for noted in (1, 0):
        answer = await ask(anna, "POST", "/parcels/tracking", {"text": text})
        assert answer.json() == {"noted": noted}
    own = (await anna.send("GET", f"/orders/{order['order_id']}/deliveries")).json()["items"]
    assert own[0]["parcels"][0]["delivered_at"] == "2026-11-23T02:00:00Z"
    for bad, code in {
        "SF1,x,delivered": "bad_table",
        f"{SF[1]},2026-11-23T10:00:00,delivered": "moment_without_offset",
        f"{SF[1]},,lost": "bad_table",
    }.items():
        answer = await ask(anna, "POST", "/parcels/tracking", {"text": bad})
        assert answer.json()["error"]["code"] == f"fulfilment.{code}"


async def test_a_share_of_a_gift_is_seen_by_its_receiver_alone(shop: ShopId, anna: Shopper):
    order = await bought(shop, anna, [2])
    order_id = UUID(order["order_id"])
    [(ben, _)] = await make_buyers(shop, 1)
    async with transaction(shop) as tx:
        # As if it were a gift: nothing is consigned yet.
        await tx.run("delete from fulfilment.consignment_lines")
        await tx.run("delete from fulfilment.consignments")
        await tx.run("update ordering.orders set delivery = 'gift' where order_id = $1", order_id)
    share = new_id()
    for _ in range(2):
        async with transaction(shop) as tx:
            asked = await service.request(
                tx,
                order_id=order_id,
                lines=[PieceAsked(1, 1)],
                address=ADDRESS,
                receiver_id=ben.member_id,
                source_id=share,
            )
    async with transaction(shop) as tx:
        with pytest.raises(AlreadyAsked):
            await service.request(
                tx,
                order_id=order_id,
                lines=[PieceAsked(1, 2)],
                address=ADDRESS,
                receiver_id=anna.member.member_id,
                source_id=new_id(),
            )
    whole = {"consignment_id": str(asked), "lines": None}
    assert (await send(anna, whole)).status_code == 200
    assert await status(anna, order) == "paid", "the other share was not accepted yet"
    path = f"/orders/{order_id}/deliveries"
    assert (await anna.send("GET", path)).json() == {"items": []}
    friend = Shopper(anna.http, ben, anna.address_id)
    [own] = (await friend.send("GET", path)).json()["items"]
    assert (own["state"], len(own["parcels"])) == ("done", 1)
    await refund(shop, order, (1, 1, 1000), unshipped_only=True)
    await drain()
    assert await status(anna, order) == "shipped"
