"""After a share was accepted: it arrives, its receiver asks, the shop gives its money back."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.fulfilment.contracts import PieceAsked
from siyu.commerce.ordering import background as ordering_background
from siyu.commerce.ordering import service as ordering
from siyu.growth.gifting import background
from siyu.growth.gifting.service import aftercare
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from tests.commerce.ordering.kit import Shopper, make_skus
from tests.growth.gifting.kit import TEA, Fair, ok, refused
from tests.growth.gifting.test_desk import staff_refund
from tests.growth.gifting.test_swap import sell_out

pytestmark = pytest.mark.xdist_group("sandbox")


async def taken(fair: Fair, count: int) -> tuple[dict[str, Any], list[tuple[Shopper, str]]]:
    """A gift of so many pieces, all accepted: it, and who has which share."""
    gift = await fair.give(count)
    people = [await fair.person() for _ in range(count)]
    shares = [ok(await fair.accept(who, gift))["share_id"] for who in people]
    await fair.news()
    return gift, list(zip(people, shares, strict=True))


async def send_share(fair: Fair, share_id: str) -> None:
    """The parcel of a share leaves."""
    consignment = await fair.value(
        "select consignment_id from gifting.shares where share_id = $1", share_id
    )
    async with transaction(fair.shop) as tx:
        await fulfilment.send(
            tx,
            System(),
            {consignment: [PieceAsked(1, 1)]},
            carrier="SF",
            tracking_no=f"SF{str(share_id)[-8:]}",
        )
    await fair.news()


async def status_of(fair: Fair, gift: dict[str, Any]) -> str:
    order = ok(await fair.anna.send("GET", f"/orders/{gift['order_id']}"))
    return str(order["status"])


def confirm(who: Shopper, share_id: str) -> Any:
    return who.send("POST", f"/gifts/received/{share_id}/confirm")


def give_back(fair: Fair, gift: dict[str, Any], share_no: int, **body: Any) -> Any:
    path = f"/{gift['gift_id']}/shares/{share_no}/return"
    return fair.desk("POST", path, {"reason": "运输破损"} | body)


async def test_the_last_receiver_completes_the_order(shop_fair: Fair) -> None:
    fair = shop_fair
    gift, [(ben, bens), (cleo, cleos)] = await taken(fair, 2)
    assert refused(await confirm(ben, bens)) == (409, "gifting.not_arrived")
    await send_share(fair, bens)
    assert not ok(await cleo.send("GET", f"/gifts/received/{cleos}"))["can_confirm"]
    assert refused(await confirm(cleo, bens)) == (404, "gifting.gift_not_found")
    seen = ok(await ben.send("GET", f"/gifts/received/{bens}"))
    assert seen["can_confirm"] and seen["received_at"] is None
    first = ok(await confirm(ben, bens))
    assert first["received_at"] and not first["can_confirm"]
    assert ok(await confirm(ben, bens))["received_at"] == first["received_at"]
    assert await status_of(fair, gift) == "paid"
    await send_share(fair, cleos)
    assert await status_of(fair, gift) == "shipped"
    answer = await fair.anna.send("POST", f"/orders/{gift['order_id']}/confirm-receipt")
    assert refused(answer) == (409, "ordering.move_refused")
    ok(await confirm(cleo, cleos))
    await fair.news()
    assert await status_of(fair, gift) == "completed"
    assert [one["share_no"] for one in await fair.told("gift_received")] == [1, 2]
    assert "received_at" not in str(await fair.given(gift))
    assert await fair.broken() == []


async def test_what_has_left_counts_as_received_when_its_days_are_over(shop_fair: Fair) -> None:
    fair = shop_fair
    gift, [(ben, bens)] = await taken(fair, 1)
    await send_share(fair, bens)
    clock.advance(timedelta(days=30))
    await ordering_background.receive_due()
    await fair.news()
    assert await status_of(fair, gift) == "completed"
    assert ok(await ben.send("GET", f"/gifts/received/{bens}"))["received_at"]
    async with transaction(fair.shop) as tx:
        await aftercare.receive_by_order(tx, UUID(gift["order_id"]), clock.now())
        await aftercare.receive_by_order(tx, uuid4(), clock.now())  # an order that is no gift
    assert len(await fair.told("gift_received")) == 1


async def test_a_piece_that_stays_is_paid_back_and_another_still_leaves(shop_fair: Fair) -> None:
    fair = shop_fair
    gift, [(ben, bens), (cleo, cleos)] = await taken(fair, 2)
    before = await fair.stock(fair.tea)
    detail = ok(await give_back(fair, gift, 1))
    [refund] = detail["refunds"]
    assert (refund["state"], refund["amount_fen"], refund["reason"]) == ("asked", TEA, "运输破损")
    assert refused(await give_back(fair, gift, 1)) == (409, "gifting.return_refused")
    assert refused(await give_back(fair, gift, 3)) == (409, "gifting.return_refused")
    unknown = {"gift_id": str(uuid4())}
    assert refused(await give_back(fair, unknown, 1)) == (404, "gifting.gift_not_found")
    await fair.news()
    await fair.money()
    assert await fair.stock(fair.tea) == (before[0] + 1, before[1])
    seen = ok(await ben.send("GET", f"/gifts/received/{bens}"))
    assert seen["is_returned"] and seen["delivery"]["state"] == "cancelled"
    assert [one["is_returned"] for one in (await fair.given(gift))["shares"]] == [True, False]
    [done] = ok(await fair.desk("GET", f"/{gift['gift_id']}"))["refunds"]
    assert done["state"] == "done"
    await send_share(fair, cleos)
    ok(await confirm(cleo, cleos))
    await fair.news()
    assert await status_of(fair, gift) == "completed"
    assert await fair.broken() == []


async def test_of_a_piece_that_left_the_money_goes_back_alone(shop_fair: Fair) -> None:
    fair = shop_fair
    gift, [(_, bens), (_, cleos)] = await taken(fair, 2)
    await send_share(fair, bens)
    before = await fair.stock(fair.tea)
    ok(await give_back(fair, gift, 1))
    await fair.news()
    assert await fair.stock(fair.tea) == before
    await send_share(fair, cleos)
    ok(await give_back(fair, gift, 2, restock=True))
    await fair.news()
    await fair.money()
    assert await fair.stock(fair.tea) == (before[0] + 1, before[1])
    shown = ok(await fair.anna.send("GET", f"/orders/{gift['order_id']}"))
    assert shown["status"] == "refunded"
    assert await fair.broken() == []


async def test_a_whole_gift_that_stays_brings_the_shipping_back(shop_fair: Fair) -> None:
    fair = shop_fair
    gift, _ = await taken(fair, 1)
    async with transaction(fair.shop) as tx:
        left = await ordering.refundable(tx, UUID(gift["order_id"]))
    [refund] = ok(await give_back(fair, gift, 1))["refunds"]
    assert refund["amount_fen"] == left.amount_fen
    await fair.news()
    await fair.money()
    assert await fair.broken() == []


async def test_of_a_swapped_piece_the_other_goes_back_on_hand(shop_fair: Fair) -> None:
    fair = shop_fair
    [other] = await make_skus(fair.shop, price_fen=TEA, title="白茶", stock=5)
    await fair.mark(other)
    gift, [(ben, bens)] = await taken(fair, 1)
    await sell_out(fair, fair.tea)
    ok(await ben.send("POST", f"/gifts/received/{bens}/swap", {"sku_id": str(other)}))
    before = await fair.stock(fair.tea)
    ok(await give_back(fair, gift, 1))
    await fair.news()
    assert (await fair.stock(other), await fair.stock(fair.tea)) == ((5, 0), before)
    assert ok(await ben.send("GET", f"/gifts/received/{bens}"))["swaps"] == []
    assert await fair.broken() == []


async def test_the_receiver_asks_and_the_giver_hears_nothing(
    shop_fair: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    fair = shop_fair
    gift, [(ben, bens)] = await taken(fair, 1)
    path, desk = f"/gifts/received/{bens}/messages", f"/{gift['gift_id']}/shares/1/messages"
    ok(await ben.send("POST", path, {"text": "茶罐碎了"}))
    detail = ok(await fair.desk("POST", desk, {"text": "马上给您处理"}))
    assert [(one["author"], one["content"]) for one in detail["messages"]] == [
        ("receiver", "茶罐碎了"),
        ("shop", "马上给您处理"),
    ]
    seen = ok(await ben.send("GET", f"/gifts/received/{bens}"))
    assert [one["author"] for one in seen["messages"]] == ["receiver", "shop"]
    assert "said_by" not in seen["messages"][1]
    assert "茶罐碎了" not in str(await fair.given(gift))
    dana = await fair.person()
    assert refused(await dana.send("POST", path, {"text": "？"})) == (404, "gifting.gift_not_found")
    assert (await ben.send("POST", path, {"text": "\u202e\u202d"})).status_code == 422
    nobody = f"/{gift['gift_id']}/shares/2/messages"
    answer = await fair.desk("POST", nobody, {"text": "？"})
    assert refused(answer) == (404, "gifting.gift_not_found")
    monkeypatch.setattr(aftercare, "MAX_MESSAGES", 1)
    answer = await ben.send("POST", path, {"text": "还在吗"})
    assert refused(answer) == (409, "gifting.too_many_messages")


async def test_what_waits_for_a_member(shop_fair: Fair) -> None:
    fair = shop_fair
    gift = await fair.give(2)
    ben = await fair.person()
    ok(await fair.open(ben, gift))

    async def notices(who: Shopper) -> dict[str, Any]:
        return ok(await who.send("GET", "/gifts/notices"))

    nothing: dict[str, Any] = {"ending": [], "unaccepted": [], "arrived": [], "refunded": []}
    assert await notices(fair.anna) == nothing
    assert await notices(ben) == nothing | {"unaccepted": [gift["link_key"]]}
    clock.advance(timedelta(hours=19))
    assert await notices(fair.anna) == nothing | {"ending": [gift["gift_id"]]}
    share = ok(await fair.accept(ben, gift))["share_id"]
    assert await notices(ben) == nothing
    await fair.later(hours=6)
    await fair.money()
    assert await notices(fair.anna) == nothing | {"refunded": [gift["gift_id"]]}
    await send_share(fair, share)
    assert await notices(ben) == nothing
    clock.advance(timedelta(hours=49))
    assert await notices(ben) == nothing | {"arrived": [share]}
    ok(await confirm(ben, share))
    assert await notices(ben) == nothing
    assert await notices(fair.anna) == nothing


async def waiting(who: Shopper) -> list[dict[str, Any]]:
    return list(ok(await who.send("GET", "/reviews/waiting"))["items"])


async def test_each_receiver_reviews_the_piece_that_came(shop_fair: Fair) -> None:
    fair = shop_fair
    [other] = await make_skus(fair.shop, price_fen=TEA, title="白茶", stock=5)
    await fair.mark(other)
    gift, [(ben, bens), (cleo, cleos), (dora, doras)] = await taken(fair, 3)
    await sell_out(fair, fair.tea)
    ok(await cleo.send("POST", f"/gifts/received/{cleos}/swap", {"sku_id": str(other)}))
    assert await waiting(ben) == []
    for who, share in ((ben, bens), (cleo, cleos), (dora, doras)):
        await send_share(fair, share)
        ok(await confirm(who, share))
    [bens_line], [cleos_line], [_] = [await waiting(who) for who in (ben, cleo, dora)]
    assert (bens_line["piece_no"], cleos_line["title"]) == (1, "白茶 1")
    assert bens_line["product_id"] == str(fair.product) != cleos_line["product_id"]
    assert await waiting(fair.anna) == []

    said = {field: bens_line[field] for field in ("order_id", "line_no", "piece_no")}
    said |= {"stars": 5, "text": "收到的礼物，很香。"}
    review = ok(await ben.send("POST", "/reviews", said))
    assert review["product_id"] == str(fair.product) and await waiting(ben) == []
    answer = await ben.send("POST", "/reviews", said)
    assert refused(answer) == (409, "reviews.already_reviewed")
    for other_one, change in ((cleo, {}), (fair.anna, {"piece_no": 0}), (fair.anna, {})):
        answer = await other_one.send("POST", "/reviews", said | change)
        assert refused(answer)[1] == "reviews.not_received"
    ok(await cleo.send("POST", "/reviews", said | {"piece_no": cleos_line["piece_no"]}))
    ok(await give_back(fair, gift, 3))  # dora's money went back: she does not review it any more
    assert await waiting(dora) == []


async def test_what_staff_give_back_of_accepted_pieces_is_marked(shop_fair: Fair) -> None:
    """The order desk refunds pieces; of a gift nobody waits for, the latest that stays gives way,
    then what left.
    """
    fair = shop_fair
    gift, [(ben, bens), (cleo, cleos), _] = await taken(fair, 3)
    order_id = UUID(gift["order_id"])
    await send_share(fair, bens)
    before = await fair.stock(fair.tea)
    await staff_refund(fair, order_id, 1, TEA)
    await fair.news()

    async def returned() -> list[bool]:
        return [one["is_returned"] for one in (await fair.given(gift))["shares"]]

    assert await returned() == [False, False, True]
    assert await fair.stock(fair.tea) == (before[0] + 1, before[1])
    await fair.money()
    await staff_refund(fair, order_id, 2, 2 * TEA)
    await fair.news()
    await fair.money()
    assert await returned() == [True] * 3
    assert await fair.states(gift) == ["accepted"] * 3
    assert (
        ok(await cleo.send("GET", f"/gifts/received/{cleos}"))["delivery"]["state"] == "cancelled"
    )
    refunds = ok(await fair.desk("GET", f"/{gift['gift_id']}"))["refunds"]
    assert sorted((one["state"], one["quantity"]) for one in refunds) == [("done", 1), ("done", 2)]
    assert refused(await give_back(fair, gift, 2)) == (409, "gifting.return_refused")
    assert len(await fair.told("gift_returned")) == 3


@pytest.mark.parametrize("sold_again", [False, True])
async def test_staff_give_back_a_swapped_piece(shop_fair: Fair, sold_again: bool) -> None:
    """Ordering puts its own line's SKU on hand; what is here is the other."""
    fair = shop_fair
    [other] = await make_skus(fair.shop, price_fen=TEA, title="白茶", stock=5)
    await fair.mark(other)
    gift, [(ben, bens)] = await taken(fair, 1)
    await sell_out(fair, fair.tea)
    ok(await ben.send("POST", f"/gifts/received/{bens}/swap", {"sku_id": str(other)}))
    before = await fair.stock(fair.tea)
    await staff_refund(fair, UUID(gift["order_id"]), 1, TEA)
    if sold_again:
        await sell_out(fair, fair.tea)
    await fair.news()
    left = 0 if sold_again else before[0]
    assert (await fair.stock(other), await fair.stock(fair.tea)) == ((5, 0), (left, 0))


async def test_givers_are_reminded_of_what_waits_and_ends_soon(
    shop_fair: Fair, monkeypatch: pytest.MonkeyPatch
) -> None:
    fair = shop_fair
    told: list[tuple[int, str, dict[str, str], str]] = []

    async def reach(tx: Any, person_no: int, moment: str, words: dict[str, str], once: str) -> None:
        told.append((person_no, moment, words, once))

    monkeypatch.setattr("siyu.people.outreach.service.reach", reach)
    await taken(fair, 1)
    gift = await fair.give(2)
    ok(await fair.accept(await fair.person(), gift))  # one of two waits
    await background.remind_givers()
    clock.advance(timedelta(hours=19))
    await background.remind_givers()
    [(person_no, moment, words, once)] = told
    assert (person_no, moment) == (fair.anna.member.person_no, "gift_reminder")
    assert words["gift_id"] in once and words["gift_id"] == gift["gift_id"]
    clock.advance(timedelta(hours=6))
    await background.remind_givers()
    assert len(told) == 1
