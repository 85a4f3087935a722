"""A coupon through an order: F025, F047, F049 and F081 over HTTP, with the real price function."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.coupons.contracts import Batch
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.ordering import background
from siyu.kernel import clock, db
from siyu.kernel.db import Database
from siyu.kernel.ids import ShopId
from tests.commerce.coupons import kit
from tests.commerce.ordering.kit import Shopper, broken_invariants, make_skus, shopper
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]
DEVICES = 64


@pytest.fixture
async def shop_id(market: Market) -> AsyncIterator[ShopId]:
    yield market.shop_id
    assert await broken_invariants(market.shop_id) == []
    assert await kit.broken(market.shop_id) == []


def receiver(who: Shopper) -> Receiver:
    return Receiver(who.member.member_id, who.member.person_no)


async def quote(who: Shopper, lines: dict[UUID, int], **choices: Any) -> Any:
    body = who.order_body(lines, 0) | choices
    for field in ("remark", "expected_total_fen", "platform"):
        del body[field]
    answer = await who.send("POST", "/checkout/quote", body)
    return answer.json() if answer.status_code == 200 else answer.json()["error"]["code"]


async def claim(shop_id: ShopId, who: Shopper, batch: Batch) -> str:
    return str(await kit.claim(shop_id, receiver(who), batch))


async def state(shop_id: ShopId, who: Shopper, claim_id: str) -> str:
    return (await kit.claim_of(shop_id, receiver(who), UUID(claim_id))).state.value


async def test_the_best_coupon_is_chosen_and_others_say_why_not(shop_id: ShopId) -> None:
    (tea,) = await make_skus(shop_id, price_fen=5000)
    small = await kit.make_batch(shop_id, name="小")
    far = await kit.make_batch(shop_id, name="远", from_fen=20_000)
    async with shopper(shop_id) as anna:
        bare = await quote(anna, {tea: 1})
        assert (bare["total_fen"], bare["coupons"]) == (5000, {"chosen": {}, "offers": []})
        used, other = [await claim(shop_id, anna, batch) for batch in (small, far)]
        found = await quote(anna, {tea: 1})
        assert (found["total_fen"], found["coupons"]["chosen"]) == (4000, {used: 1000})
        offers = {one["claim_id"]: one for one in found["coupons"]["offers"]}
        assert (offers[used]["saving_fen"], offers[used]["reason"]) == (1000, None)
        assert (offers[other]["reason"], offers[other]["short_fen"]) == ("below_from", 15_000)
        assert not {"budget_fen", "code", "person_no"} & set(offers[used])
        assert (await quote(anna, {tea: 1}, coupon_ids=[]))["total_fen"] == 5000


async def test_F081_another_members_coupon_is_not_found_and_nothing_is_ordered(
    shop_id: ShopId,
) -> None:
    (tea,) = await make_skus(shop_id, price_fen=5000)
    batch = await kit.make_batch(shop_id)
    async with shopper(shop_id) as anna, shopper(shop_id) as eve:
        claim_id = await claim(shop_id, anna, batch)
        assert await quote(eve, {tea: 1}, coupon_ids=[claim_id]) == "coupons.claim_not_found"
        body = eve.order_body({tea: 1}, 4000, coupon_ids=[claim_id])
        answer = await eve.send("POST", "/orders", body)
        assert answer.status_code == 404
        assert await state(shop_id, anna, claim_id) == "claimed"
        assert (await eve.send("GET", "/orders")).json()["items"] == []


async def test_F047_64_parallel_checkouts_over_http_use_a_coupon_once(
    shop_id: ShopId, database: Database
) -> None:
    (tea,) = await make_skus(shop_id, price_fen=5000, stock=1000)
    batch = await kit.make_batch(shop_id)
    wide = await Database.connect(database.url, size=DEVICES, lock_timeout="20s")
    before = db.use(wide)
    try:
        async with shopper(shop_id) as anna:
            claim_id = await claim(shop_id, anna, batch)
            body = anna.order_body({tea: 1}, 4000, coupon_ids=[claim_id])
            answers = await asyncio.gather(
                *(anna.send("POST", "/orders", body) for _ in range(DEVICES))
            )
            assert Counter(answer.status_code for answer in answers) == {200: 1, 409: DEVICES - 1}
            codes = {one.json()["error"]["code"] for one in answers if one.status_code == 409}
            assert codes == {"coupons.unusable"}
            assert await state(shop_id, anna, claim_id) == "held"
    finally:
        db.use(before)
        await wide.close()


async def test_F049_a_cancelled_order_returns_the_coupon_once(shop_id: ShopId) -> None:
    (tea,) = await make_skus(shop_id, price_fen=5000)
    batch = await kit.make_batch(shop_id, budget_fen=1000)
    async with shopper(shop_id) as anna:
        claim_id = await claim(shop_id, anna, batch)
        order = await anna.order({tea: 1}, 4000, coupon_ids=[claim_id])
        path = f"/orders/{order['order_id']}/cancel"
        answers = [await anna.send("POST", path, {"reason": ""}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 409]
        with clock.turned(kit.later(1)):
            await background.cancel_overdue()
        assert await state(shop_id, anna, claim_id) == "claimed"
        assert await kit.moves_of(shop_id, UUID(claim_id)) == ["claimed", "held", "released"]
        assert (await kit.batch_of(shop_id, batch)).committed_fen == 0
        # And it can be used again.
        await anna.order({tea: 1}, 4000, coupon_ids=[claim_id])


async def test_F025_a_coupon_that_pays_all_makes_a_paid_order_without_wechat(
    shop_id: ShopId,
) -> None:
    (tea,) = await make_skus(shop_id, price_fen=900)
    batch = await kit.make_batch(shop_id)
    async with shopper(shop_id) as anna:
        claim_id = await claim(shop_id, anna, batch)
        order = await anna.order({tea: 1}, 0, coupon_ids=[claim_id])
        assert (order["status"], order["total_fen"], order["paid_fen"]) == ("paid", 0, 0)
        assert await state(shop_id, anna, claim_id) == "used"
        used = (await kit.claim_of(shop_id, receiver(anna), UUID(claim_id))).off_fen
        assert used == 900, "what it took off, not what stands on it"


async def test_F048_the_second_order_beyond_the_budget_is_refused_whole(shop_id: ShopId) -> None:
    (tea,) = await make_skus(shop_id, price_fen=5000)
    batch = await kit.make_batch(shop_id, budget_fen=1500)
    async with shopper(shop_id) as anna, shopper(shop_id) as bert:
        first, second = await claim(shop_id, anna, batch), await claim(shop_id, bert, batch)
        await anna.order({tea: 1}, 4000, coupon_ids=[first])
        offers = (await quote(bert, {tea: 1}))["coupons"]["offers"]
        assert [one["reason"] for one in offers] == ["budget_spent"]
        answer = await bert.send(
            "POST", "/orders", bert.order_body({tea: 1}, 4000, coupon_ids=[second])
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "coupons.budget_spent")
        assert await state(shop_id, bert, second) == "claimed"
