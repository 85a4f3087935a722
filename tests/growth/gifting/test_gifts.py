"""A gift from the first look to the doorstep, or back."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from siyu.growth.gifting import background, service
from siyu.kernel import clock
from siyu.kernel.db import Tx, transaction
from siyu.kernel.errors import Busy
from siyu.money.payments.contracts import Purpose, RefundAbnormal, RefundOrigin, RefundState
from tests.commerce.ordering.kit import make_skus
from tests.growth.gifting.kit import TEA, Fair, ok, refused, why

pytestmark = pytest.mark.xdist_group("sandbox")


async def test_a_gift_is_given_paid_opened_and_accepted(shop_fair: Fair) -> None:
    fair, ben = shop_fair, await shop_fair.person()
    gift = await fair.give(1, scene="home", theme="birthday", kit="birthday")
    assert (gift["standing"], gift["waiting"], gift["total_fen"]) == ("paid", 1, TEA)
    assert gift["card_title"] == "送你一份生日礼物"
    assert gift["accept_before"] is not None and gift["can_cancel"] is True
    seen = ok(await fair.open(ben, gift, scene="friend"))
    assert (seen["outcome"], seen["blessing"], seen["taken"]) == ("free", "生日快乐", 0)
    share = ok(await fair.accept(ben, gift))
    assert share["gift_id"] == gift["gift_id"] and share["delivery"]["parcels"] == []
    after = await fair.given(gift)
    assert [one["state"] for one in after["shares"]] == ["accepted"]
    assert after["shares"][0]["receiver_name"].startswith("会员")
    assert after["can_cancel"] is False
    [opened] = await fair.told("gift_opened")
    assert (opened["amount_fen"], opened["kit"], opened["scene"]) == (TEA, "birthday", "home")
    [accepted] = await fair.told("gift_accepted")
    assert accepted["person_no"] == ben.member.person_no and accepted["scene"] == "friend"
    order = ok(await fair.anna.send("GET", f"/orders/{gift['order_id']}"))
    assert (order["delivery"], order["address"]) == ("gift", None)


async def test_lists_of_both_sides(shop_fair: Fair) -> None:
    fair, ben = shop_fair, await shop_fair.person()
    first, second = await fair.give(1), await fair.give(2)
    for gift in (first, second):
        ok(await fair.accept(ben, gift))
    page = ok(await fair.anna.send("GET", "/gifts/given?limit=1"))
    assert [row["gift_id"] for row in page["items"]] == [second["gift_id"]]
    rest = ok(await fair.anna.send("GET", f"/gifts/given?cursor={page['next_cursor']}"))
    assert [row["gift_id"] for row in rest["items"]] == [first["gift_id"]]
    assert rest["next_cursor"] is None
    page = ok(await ben.send("GET", "/gifts/received?limit=1"))
    assert [row["gift_id"] for row in page["items"]] == [second["gift_id"]]
    rest = ok(await ben.send("GET", f"/gifts/received?cursor={page['next_cursor']}"))
    assert [row["gift_id"] for row in rest["items"]] == [first["gift_id"]]
    assert ok(await fair.anna.send("GET", "/gifts/received"))["items"] == []


async def test_a_group_gift_goes_round_and_the_rest_comes_back(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(3)
    for _ in range(2):
        ok(await fair.accept(await fair.person(), gift))
    await fair.later(hours=23, minutes=59)
    assert await fair.states(gift) == ["accepted", "accepted", "waiting"]
    await fair.later(minutes=2)
    assert await fair.states(gift) == ["accepted", "accepted", "refund_pending"]
    assert refused(await fair.accept(await fair.person(), gift)) == (409, "gifting.expired")
    await fair.money()
    assert await fair.states(gift) == ["accepted", "accepted", "refunded"]
    assert await fair.stock(fair.tea) == (18, 0)
    assert await fair.value("select sum(amount_fen) from payments.refunds") == TEA
    [expired], [refunded] = await fair.told("gift_expired"), await fair.told("gift_refunded")
    assert (expired["share_count"], expired["ended_by"]) == (1, "time")
    assert (refunded["amount_fen"], refunded["share_count"]) == (TEA, 1)


async def test_a_gift_nobody_accepts_comes_back_whole(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(3)
    await fair.later(hours=25)
    await fair.money()
    assert await fair.states(gift) == ["refunded"] * 3
    order = ok(await fair.anna.send("GET", f"/orders/{gift['order_id']}"))
    assert (order["status"], order["refunded_fen"]) == ("refunded", 3 * TEA)
    assert await fair.stock(fair.tea) == (20, 0)
    seen = ok(await fair.open(await fair.person(), gift))
    assert seen["outcome"] == "expired"


async def test_a_busy_database_is_no_trouble_of_a_refund(
    shop_fair: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    fair, real = shop_fair, service.ask_refund
    gift = await fair.give(1)

    async def busy(tx: Tx, refund_id: UUID) -> None:
        raise Busy

    monkeypatch.setattr(service, "ask_refund", busy)
    await fair.later(hours=25)
    kept = "select state || coalesce(trouble, '') from gifting.refunds"
    assert await fair.value(kept) == "due", "nothing is noted, and it does not wait"
    monkeypatch.setattr(service, "ask_refund", real)
    await fair.later(seconds=1)
    assert await fair.states(gift) == ["refund_pending"]
    await fair.money()


async def test_trouble_with_other_money_is_not_the_gifts(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(1)
    await fair.later(hours=25)
    told = RefundAbnormal(
        refund_id=await fair.value("select refund_id from gifting.refunds"),
        order_id=UUID(gift["order_id"]),
        payment_id=uuid4(),
        person_no=1,
        amount_fen=TEA,
        purpose=Purpose.TOP_UP,
        origin=RefundOrigin.AFTER_SALE,
        state=RefundState.ABNORMAL,
        problem="USER_ACCOUNT_ABNORMAL",
    )
    async with transaction(fair.shop) as tx:
        await background.on_refund_abnormal(tx, told)
    assert await fair.value("select trouble from gifting.refunds") is None
    async with transaction(fair.shop) as tx:
        await background.on_refund_abnormal(tx, replace(told, purpose=Purpose.ORDER))
    assert await fair.value("select trouble from gifting.refunds") == told.problem
    await fair.money()


async def test_the_giver_takes_back_what_waits(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(2)
    ok(await fair.accept(await fair.person(), gift))
    ok(await fair.cancel(gift))
    assert refused(await fair.cancel(gift)) == (409, "gifting.cancel_refused")
    assert refused(await fair.accept(await fair.person(), gift)) == (409, "gifting.expired")
    await background.return_gifts()
    await fair.money()
    after = await fair.given(gift)
    assert [one["state"] for one in after["shares"]] == ["accepted", "refunded"]
    assert after["shares"][1]["ended_by"] == "giver"


async def test_a_shop_may_forbid_taking_back(shop_fair: Fair) -> None:
    fair = shop_fair
    body = {"is_enabled": True, "cap_fen": 1_000_000, "max_shares": 20, "allows_cancel": False}
    ok(await fair.desk("PUT", "/settings", body))
    gift = await fair.give(1)
    assert gift["can_cancel"] is False
    assert refused(await fair.cancel(gift)) == (409, "gifting.cancel_refused")
    assert await fair.states(gift) == ["waiting"]


async def test_nobody_elses_gift_can_be_seen_or_cancelled(shop_fair: Fair) -> None:
    fair, ben, eve = shop_fair, await shop_fair.person(), await shop_fair.person()
    gift = await fair.give(1)
    share = ok(await fair.accept(ben, gift))
    path = f"/gifts/given/{gift['gift_id']}"
    for one in (path, f"{path}/voice", f"/gifts/received/{share['share_id']}"):
        assert (await eve.send("GET", one)).status_code == 404
    assert (await eve.send("POST", f"{path}/cancel")).status_code == 404
    swap = {"sku_id": str(fair.tea)}
    answer = await eve.send("POST", f"/gifts/received/{share['share_id']}/swap", swap)
    assert answer.status_code == 404
    assert (await fair.anna.send("GET", f"/gifts/given/{uuid4()}")).status_code == 404
    assert (await fair.anna.send("GET", f"/gifts/received/{share['share_id']}")).status_code == 404
    assert (await eve.send("GET", f"/gifts/received/{uuid4()}")).status_code == 404


async def test_an_unpaid_gift_opens_for_nobody_and_closes(shop_fair: Fair) -> None:
    fair, ben = shop_fair, await shop_fair.person()
    gift = ok(await fair.anna.send("POST", "/gifts", fair.body(2)))
    assert (gift["standing"], gift["shares"]) == ("unpaid", [])
    assert refused(await fair.open(ben, gift)) == (404, "gifting.gift_not_found")
    assert refused(await fair.accept(ben, gift)) == (404, "gifting.gift_not_found")
    ok(await fair.anna.send("POST", f"/orders/{gift['order_id']}/cancel", {"reason": ""}))
    await fair.news()
    assert (await fair.given(gift))["standing"] == "closed"
    assert await fair.stock(fair.tea) == (20, 0)


async def test_a_link_that_nobody_made_opens_nothing(shop_fair: Fair) -> None:
    ben = await shop_fair.person()
    for key in ("A" * 22, "..", "x", "%00", "A" * 500):
        answer = await ben.send("POST", f"/gifts/links/{key}/open", {})
        assert answer.status_code == 404, key
        assert (await ben.send("GET", f"/gifts/links/{key}/voice")).status_code == 404


async def test_an_address_must_be_the_receivers_own(shop_fair: Fair) -> None:
    """F081: also not the giver's."""
    fair, ben = shop_fair, await shop_fair.person()
    gift = await fair.give(1)
    for address_id in (fair.anna.address_id, uuid4()):
        answer = await fair.accept(ben, gift, address_id)
        assert refused(answer) == (404, "members.address_not_found")
    assert await fair.states(gift) == ["waiting"]


async def test_a_double_click_is_one_share(shop_fair: Fair) -> None:
    fair, ben = shop_fair, await shop_fair.person()
    gift = await fair.give(3)
    path, key = f"/gifts/links/{gift['link_key']}/accept", uuid4().hex
    body = {"address_id": str(ben.address_id)}
    first = await ben.send("POST", path, body, key=key)
    again = await ben.send("POST", path, body, key=key)
    assert ok(first) == ok(again)
    assert refused(await fair.accept(ben, gift)) == (409, "gifting.already_accepted")
    assert await fair.states(gift) == ["accepted", "waiting", "waiting"]
    assert ok(await fair.open(ben, gift))["own_share_id"] == ok(first)["share_id"]


async def test_what_may_not_be_given(shop_fair: Fair) -> None:
    fair = shop_fair
    send = fair.anna.send
    [plain] = await make_skus(fair.shop, price_fen=TEA)
    answer = await send("POST", "/gifts", fair.body(sku_id=str(plain)))
    assert (refused(answer), why(answer)) == ((409, "gifting.not_giftable"), "not_marked")
    answer = await send("POST", "/gifts", fair.body(sku_id=str(uuid4())))
    assert refused(answer) == (404, "ordering.sku_not_found")
    answer = await send("POST", "/gifts", fair.body(2, kind="friend"))
    assert refused(answer) == (422, "gifting.too_many_shares")
    assert (await send("POST", "/gifts", fair.body(51))).status_code == 422
    assert refused(await send("POST", "/gifts", fair.body(21))) == (422, "gifting.too_many_shares")
    assert (await send("POST", "/gifts", fair.body(price_fen=1))).status_code == 422
    answer = await send("POST", "/gifts", fair.body(expected_total_fen=TEA - 1))
    assert refused(answer) == (409, "ordering.price_changed")
    async with transaction(fair.shop) as tx:
        await tx.run("update catalog.skus set retired_at = now() where sku_id = $1", fair.tea)
    assert why(await send("POST", "/gifts", fair.body())) == "off_shelf"
    async with transaction(fair.shop) as tx:
        await tx.run("update catalog.products set status = 'off_shelf'")
    answer = await send("POST", "/gifts", fair.body())
    assert why(answer) == "off_shelf"
    off = {"is_enabled": False, "cap_fen": 1_000_000, "max_shares": 20, "allows_cancel": True}
    ok(await fair.desk("PUT", "/settings", off))
    assert refused(await send("POST", "/gifts", fair.body())) == (409, "gifting.off")
    assert ok(await send("GET", "/gifts/goods"))["items"] == []
    assert await fair.value("select count(*) from gifting.gifts") == 0


async def test_R40_the_cap_is_ten_thousand_yuan_a_piece(shop_fair: Fair) -> None:
    fair = shop_fair
    at, above = (
        await make_skus(fair.shop, price_fen=1_000_000),
        await make_skus(fair.shop, price_fen=1_000_001),
    )
    await fair.mark(at[0])
    body = fair.body(sku_id=str(at[0]), expected_total_fen=1_000_000)
    ok(await fair.anna.send("POST", "/gifts", body))
    product = await fair.value("select product_id from catalog.skus where sku_id = $1", above[0])
    answer = await fair.desk("PUT", f"/products/{product}")
    assert (refused(answer), why(answer)) == ((409, "gifting.not_giftable"), "over_cap")
    # A mark does not help what has become dearer since.
    async with transaction(fair.shop) as tx:
        await tx.run("update catalog.skus set price_fen = 1000001 where sku_id = $1", at[0])
    body["expected_total_fen"] = 1_000_001
    answer = await fair.anna.send("POST", "/gifts", body)
    assert why(answer) == "over_cap"


async def test_quote_is_what_is_placed(shop_fair: Fair) -> None:
    fair = shop_fair
    asked = {"sku_id": str(fair.tea), "count": 3, "kind": "group"}
    quote = ok(await fair.anna.send("POST", "/gifts/quote", asked))
    assert (quote["unit_fen"], quote["total_fen"], quote["payable_fen"]) == (TEA, 3 * TEA, 3 * TEA)
    ok(await fair.anna.send("POST", "/gifts", fair.body(3, expected_total_fen=quote["total_fen"])))


async def test_late_money_opens_a_closed_gift(shop_fair: Fair) -> None:
    """F015: the order was cancelled, the money came all the same and the goods are still there."""
    fair = shop_fair
    gift = ok(await fair.anna.send("POST", "/gifts", fair.body(1)))
    async with transaction(fair.shop) as tx:
        await tx.run("update gifting.gifts set standing = 'closed'")
    await fair.pay(gift)
    assert (await fair.given(gift))["standing"] == "paid"
    async with transaction(fair.shop) as tx:
        from siyu.growth.gifting import service

        await service.close_gift(tx, UUID(gift["order_id"]))
        await service.open_gift(tx, UUID(gift["order_id"]), clock.now())
    assert await fair.states(gift) == ["waiting"]


async def test_the_day_is_counted_from_the_payment(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(1)
    span = await fair.value("select accept_before - paid_at from gifting.gifts")
    assert timedelta(hours=24) - timedelta(seconds=2) < span <= timedelta(hours=24)
    assert gift["standing"] == "paid"
