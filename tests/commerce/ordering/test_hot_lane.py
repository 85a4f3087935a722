"""The hot lane beside the ordinary way: the same answers, rows and events, to the last field."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import Birthday
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import Lane
from siyu.commerce.inventory.service import heat
from siyu.commerce.ordering.contracts import CancelReason, LineAsked, Platform, PriceChanged
from siyu.commerce.ordering.service import cancel_unpaid, hot_lane
from siyu.commerce.promotions.contracts import (
    Audience,
    CampaignRule,
    Pricing,
    Threshold,
    Tier,
)
from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import Database, reading, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.idempotency import OnceKey, Recalled
from siyu.kernel.ids import ShopId
from siyu.kernel.pool import BETWEEN
from siyu.merchant.shops import service as shops
from siyu.money.payments.contracts import ClosingResult
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    count,
    make_buyers,
    make_skus,
    shopper,
    stock_of,
)

STAFF = System("staff:1", "店长")


@pytest.fixture
async def crowd(shop: ShopId) -> AsyncIterator[list[Shopper]]:
    async with shopper(shop) as first:
        others = await make_buyers(shop, 15)
        yield [first, *(Shopper(first.http, *other) for other in others)]
    assert await broken_invariants(shop) == []


async def decide(shop: ShopId, sku: UUID, lane: Lane, limit: int | None = None) -> None:
    """What the merchant does on the stock page."""
    async with transaction(shop) as tx:
        item = await inventory.get_item(tx, sku)
        await inventory.set_item(
            tx,
            STAFF,
            sku,
            safety=item.safety,
            lane=lane,
            limit_per_buyer=limit,
            expected_version=item.version,
        )


async def heat_up(shop: ShopId, sku: UUID, limit: int | None = None) -> None:
    """Switch the lane on; the next ordinary reservation tells the process."""
    await decide(shop, sku, Lane.ON, limit)
    assert not inventory.is_hot(shop, sku)
    async with transaction(shop) as tx:
        source = uuid4()
        await inventory.reserve(tx, source, {sku: 1})
        await inventory.release(tx, source)
    assert inventory.is_hot(shop, sku)


async def order(
    buyer: Shopper,
    sku: UUID,
    total_fen: int,
    *,
    quantity: int = 1,
    key: str | None = None,
    **changes: Any,
) -> httpx.Response:
    body = buyer.order_body({sku: quantity}, total_fen, coupon_ids=[], **changes)
    return await buyer.send("POST", "/orders", body, key)


def code(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["error"]["code"])


ROWS = {
    "orders": "select * from ordering.orders where order_id = $1",
    "lines": "select * from ordering.order_lines where order_id = $1",
    "timeline": "select * from ordering.timeline where order_id = $1",
    "reservations": "select * from inventory.reservations where source = $1",
    "outbox": "select name, payload from kernel.outbox where payload->>'order_id' = $1::text",
}
OWN = {
    "order_id", "order_no", "entry_id", "placed_at", "pay_before", "at", "source", "until",
    "address_sealed", "timeline",
}  # fmt: skip


async def written(shop: ShopId, order_id: str) -> dict[str, Any]:
    """Every column of every row an order left, but what differs between any two orders."""
    found: dict[str, Any] = {}
    async with reading(shop) as tx:
        for name, sql in ROWS.items():
            rows = await tx.connection.fetch(sql, order_id)
            found[name] = [
                {field: value for field, value in dict(row).items() if field not in OWN}
                for row in rows
            ]
            for row in found[name]:
                if "payload" in row:
                    row["payload"] = {k: v for k, v in row["payload"].items() if k not in OWN}
    return found


def plain(answer: httpx.Response) -> dict[str, Any]:
    body = {field: value for field, value in answer.json().items() if field not in OWN}
    entries = answer.json()["timeline"]
    return body | {"timeline": [(entry["event"], entry["label"]) for entry in entries]}


@pytest.mark.parametrize("source", ["cart", "lines"])
async def test_both_ways_answer_and_write_the_same(
    shop: ShopId, crowd: list[Shopper], source: str
) -> None:
    (tea,) = await make_skus(shop, stock=100_000)
    anna = crowd[0]
    asked = {"quantity": 3, "remark": "放门口", "source": source}
    slow = await order(anna, tea, 3 * 1990, **asked)
    await heat_up(shop, tea)
    await anna.send("POST", "/cart/lines", {"sku_id": str(tea), "quantity": 2})
    fast = await order(anna, tea, 3 * 1990, **asked)
    assert (slow.status_code, fast.status_code) == (200, 200), fast.text
    assert plain(slow) == plain(fast)
    assert slow.headers["content-type"] == fast.headers["content-type"]
    assert await written(shop, slow.json()["order_id"]) == await written(
        shop, fast.json()["order_id"]
    )
    kept = await count(shop, "select count(*) from kernel.idempotency where status = 200")
    assert kept >= 2
    left = await count(shop, "select count(*) from ordering.cart_lines")
    assert left == (0 if source == "cart" else 1)
    assert await stock_of(shop, tea) == (100_000, 6)
    assert await count(shop, "select sum(orders) from inventory.lanes") == 1


async def test_a_crowd_is_one_batch(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop, stock=10)
    await heat_up(shop, tea)
    answers = await asyncio.gather(*(order(buyer, tea, 1990) for buyer in crowd))
    assert sorted(map(code, answers)) == ["inventory.stock_short"] * 6 + ["ok"] * 10
    assert await stock_of(shop, tea) == (10, 10)
    rows = await count(shop, "select sum(batches) from inventory.lanes")
    assert rows < len(crowd)


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"expected_total_fen": 1}, 409, "ordering.price_changed"),
    ({"expected_payable_fen": 1}, 409, "ordering.price_changed"),
    ({"address_id": None}, 422, "ordering.address_needed"),
    ({"address_id": str(uuid4())}, 404, "members.address_not_found"),
    ({"quantity": 12}, 409, "inventory.stock_short"),
]


@pytest.mark.parametrize(("changes", "status", "refusal"), REFUSALS)
async def test_both_ways_refuse_the_same_and_keep_nothing(
    shop: ShopId, crowd: list[Shopper], changes: dict[str, Any], status: int, refusal: str
) -> None:
    (tea,) = await make_skus(shop, stock=11)
    anna, key = crowd[0], uuid4().hex
    asked = {"quantity": 2, **changes}
    total_fen = 1990 * asked["quantity"]
    slow = await order(anna, tea, total_fen, key=key, **asked)
    await heat_up(shop, tea)
    fast = await order(anna, tea, total_fen, key=key, **asked)
    assert slow.json() == fast.json()
    assert (fast.status_code, code(fast)) == (status, refusal)
    assert await count(shop, "select count(*) from ordering.orders") == 0
    assert await count(shop, "select count(*) from kernel.idempotency") == 0
    assert await stock_of(shop, tea) == (11, 0)
    # Nothing is kept under a refused key: the same key may carry the right order.
    assert code(await order(anna, tea, 1990, key=key)) == "ok"


async def test_f024_and_the_shelf_hold_in_the_lane(shop: ShopId, crowd: list[Shopper]) -> None:
    (card,) = await make_skus(shop, kind=ProductKind.VIRTUAL)
    await heat_up(shop, card)
    assert code(await order(crowd[0], card, 1990, platform="ios")) == "ordering.virtual_on_ios"
    bought = await order(crowd[0], card, 1990)
    assert bought.json()["address"] is None and bought.json()["delivery"] == "instant"
    async with transaction(shop) as tx:
        await tx.run("update catalog.products set status = 'off_shelf'")
    assert code(await order(crowd[0], card, 1990)) == "ordering.sku_unavailable"


async def test_a_member_who_is_gone_is_told_so(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    ghost = Shopper(crowd[0].http, MemberIdentity(shop, uuid4(), 999), crowd[0].address_id)
    assert code(await order(ghost, tea, 1990)) == "members.member_not_found"


# --- F129: the key, in the lane ----------------------------------------------------------------


async def test_f129_a_replay_gets_the_first_answer(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop, count=1)
    await heat_up(shop, tea)
    first = await order(crowd[0], tea, 1990, key="k")
    again = await order(crowd[0], tea, 1990, key="k")
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await order(crowd[0], tea, 3980, key="k", quantity=2)
    assert (other.status_code, code(other)) == (422, "idempotency.key_reused")
    stranger = await order(crowd[1], tea, 1990, key="k")
    assert code(stranger) == "ok" and stranger.json()["order_id"] != first.json()["order_id"]
    assert await count(shop, "select count(*) from ordering.orders") == 2
    # What the ordinary way kept is known to the lane, and the other way round.
    await decide(shop, tea, Lane.OFF)
    inventory.close_lane(shop, tea)
    assert (await order(crowd[0], tea, 1990, key="k")).json() == first.json()
    with clock.turned(clock.now() + timedelta(hours=25)):
        await heat_up(shop, tea)
        new = await order(crowd[0], tea, 1990, key="k")
    assert code(new) == "ok" and new.json()["order_id"] != first.json()["order_id"]


async def test_f129_of_many_at_once_one_runs(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    answers = await asyncio.gather(*(order(crowd[0], tea, 1990, key="k") for _ in range(16)))
    assert {code(answer) for answer in answers} <= {"ok", "idempotency.still_running"}
    assert len({a.json()["order_id"] for a in answers if a.status_code == 200}) == 1
    assert await count(shop, "select count(*) from ordering.orders") == 1


async def test_f129_a_key_that_another_process_works_on_is_running(
    shop: ShopId, crowd: list[Shopper]
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    path, body = "/shop/v1/orders", crowd[0].order_body({tea: 1}, 1990, coupon_ids=[])
    once = OnceKey.of(crowd[0].member.actor, "k", "POST", path, msgspec.json.encode(body))
    begun, done = asyncio.Event(), asyncio.Event()

    async def elsewhere() -> None:
        async with transaction(shop, once=once) as tx:
            begun.set()
            await done.wait()
            tx.answer({"order_id": "elsewhere"})

    other = asyncio.create_task(elsewhere())
    await begun.wait()
    answer = await order(crowd[0], tea, 1990, key="k")
    assert (answer.status_code, code(answer)) == (409, "idempotency.still_running")
    done.set()
    await other
    assert (await order(crowd[0], tea, 1990, key="k")).json() == {"order_id": "elsewhere"}


# --- who may have how many ---------------------------------------------------------------------


@pytest.mark.parametrize("lane", [Lane.ON, Lane.OFF])
async def test_a_limit_holds_on_both_ways(shop: ShopId, crowd: list[Shopper], lane: Lane) -> None:
    tea, other = await make_skus(shop, count=2)
    if lane is Lane.ON:
        await heat_up(shop, tea, limit=2)
    else:
        await decide(shop, tea, lane, limit=2)
    anna = crowd[0]
    assert code(await order(anna, tea, 3 * 1990, quantity=3)) == "ordering.limit_reached"
    bought = await asyncio.gather(*(order(anna, tea, 1990) for _ in range(6)))
    assert sorted(map(code, bought)) == ["ok"] * 2 + ["ordering.limit_reached"] * 4
    refused = next(answer for answer in bought if answer.status_code == 409)
    assert refused.json()["error"]["details"] == {"sku_id": str(tea), "limit": 2}
    # Not by a basket of two kinds either; and the others have theirs.
    body = anna.order_body({tea: 1, other: 1}, 3980, coupon_ids=[])
    assert code(await anna.send("POST", "/orders", body)) == "ordering.limit_reached"
    assert code(await order(crowd[1], tea, 3980, quantity=2)) == "ok"
    # What was cancelled counts no more.
    order_id = next(a.json()["order_id"] for a in bought if a.status_code == 200)
    async with transaction(shop) as tx:
        await cancel_unpaid(tx, UUID(order_id), ClosingResult.CLOSED, CancelReason.BY_STAFF, STAFF)
    assert code(await order(anna, tea, 1990)) == "ok"


# --- what the lane cannot do, and what goes wrong -----------------------------------------------


async def test_what_is_free_takes_the_ordinary_way(shop: ShopId, crowd: list[Shopper]) -> None:
    (gift,) = await make_skus(shop, price_fen=0, kind=ProductKind.SERVICE)
    await heat_up(shop, gift)
    answer = await order(crowd[0], gift, 0)
    assert (code(answer), answer.json()["status"]) == ("ok", "paid")


async def test_a_bad_order_does_not_take_others_with_it(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger stands for whatever makes one row impossible."""
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    answers = await asyncio.gather(
        *(order(buyer, tea, 1990, remark="x" * 200) for buyer in crowd[:4]),
        *(order(buyer, tea, 1990, promoter_id=str(buyer.member.member_id)) for buyer in crowd[4:]),
    )
    assert Counter(map(code, answers)) == {"ok": 16}
    # Two orders of one number: the database refuses the batch, and each alone is well.
    numbers = iter([bytes(10)] * 4 + [bytes([n] * 10) for n in range(1, 99)])
    monkeypatch.setattr(hot_lane, "random_bytes", lambda _: next(numbers))
    answers = await asyncio.gather(*(order(buyer, tea, 1990) for buyer in crowd[:4]))
    assert Counter(map(code, answers)) == {"ok": 4}
    assert await count(shop, "select count(*) from ordering.orders") == 20


async def test_what_the_lane_cannot_do_takes_the_ordinary_way(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    with monkeypatch.context() as broken:

        async def fail(*_: Any) -> None:
            raise RuntimeError("broken")

        broken.setattr(hot_lane, "_place_together", fail)
        assert code(await order(crowd[0], tea, 1990)) == "ok"
        assert code(await order(crowd[0], tea, 1)) == "ordering.price_changed"


async def test_a_remark_that_holds_the_mark_between_remarks_stays_whole(
    shop: ShopId, crowd: list[Shopper]
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    remarks = ["放门口", f"放门口{BETWEEN}谢谢", "打电话"]
    answers = await asyncio.gather(
        *(order(who, tea, 1990, remark=said) for who, said in zip(crowd, remarks, strict=False))
    )
    assert [answer.json()["remark"] for answer in answers] == remarks
    kept = "select count(*) from ordering.orders where remark = $1"
    assert [await count(shop, kept, said) for said in remarks] == [1, 1, 1]


def personal(audience: Audience) -> CampaignRule:
    return CampaignRule(
        campaign_id=uuid4(),
        label="专享",
        terms=Threshold(tiers=[Tier(at=1, off_fen=90)]),
        group="personal",
        audience=audience,
    )


async def campaign(monkeypatch: pytest.MonkeyPatch, rule: CampaignRule) -> None:
    """The shop runs a campaign, on both ways."""
    load = hot_lane.promotions.load_pricing

    async def with_rule(*args: Any, **names: Any) -> Pricing:
        pricing = await load(*args, **names)
        return msgspec.structs.replace(pricing, rules=(*pricing.rules, rule))

    monkeypatch.setattr(hot_lane.promotions, "load_pricing", with_rule)


async def test_a_first_order_has_its_price_once_in_the_lane(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    await campaign(monkeypatch, personal(Audience.FIRST_ORDER))
    anna, bella = crowd[:2]
    # Of several at once, in one batch or in two, one is the first.
    answers = await asyncio.gather(*(order(anna, tea, 1900) for _ in range(6)))
    assert Counter(map(code, answers)) == {"ok": 1, "ordering.price_changed": 5}
    assert await count(shop, "select count(*) from ordering.orders where is_first") == 1
    assert code(await order(anna, tea, 1900)) == "ordering.price_changed"
    assert code(await order(anna, tea, 1990)) == "ok"
    assert code(await order(bella, tea, 1900)) == "ok"
    assert await count(shop, "select sum(orders) from inventory.lanes") == 3
    assert inventory.is_hot(shop, tea)


async def test_a_first_order_placed_elsewhere_meanwhile_is_told_apart(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    await campaign(monkeypatch, personal(Audience.FIRST_ORDER))
    assert code(await order(crowd[0], tea, 1900)) == "ok"

    async def everybody(_: Any, member_ids: list[UUID]) -> set[UUID]:
        return set(member_ids)

    monkeypatch.setattr(hot_lane.checkout_store, "find_first", everybody)
    answers = await asyncio.gather(*(order(buyer, tea, 1900) for buyer in crowd[:4]))
    assert [code(answer) for answer in answers] == ["ordering.price_changed", "ok", "ok", "ok"]


async def test_a_birthday_has_its_price_in_the_lane(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    await campaign(monkeypatch, personal(Audience.BIRTHDAY))
    anna, bella = crowd[:2]
    async with transaction(shop) as tx:
        today = clock.business_day(clock.now(), (await shops.get_shop(tx)).time_zone)
        receiver = Receiver(anna.member.member_id, anna.member.person_no)
        await coupons.set_birthday(tx, receiver, Birthday(today.month, today.day))
    assert code(await order(anna, tea, 1900)) == "ok"
    assert code(await order(bella, tea, 1900)) == "ordering.price_changed"
    assert code(await order(bella, tea, 1990)) == "ok"
    assert await count(shop, "select sum(orders) from inventory.lanes") == 2


async def test_who_names_no_coupon_is_served_by_the_lane_unless_there_is_one(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    anna, bella = crowd[:2]

    async def best(buyer: Shopper) -> httpx.Response:
        body = buyer.order_body({tea: 1}, 1990, coupon_ids=None)
        return await buyer.send("POST", "/orders", body)

    assert code(await best(anna)) == "ok"
    assert await count(shop, "select sum(orders) from inventory.lanes") == 1

    async def one_has(_: Any, member_ids: list[UUID]) -> set[UUID]:
        return {bella.member.member_id} & set(member_ids)

    monkeypatch.setattr(hot_lane.coupons, "find_holders", one_has)
    assert [code(a) for a in await asyncio.gather(best(anna), best(bella))] == ["ok", "ok"]
    assert await count(shop, "select sum(orders) from inventory.lanes") == 2
    assert inventory.is_hot(shop, tea), "one buyer's coupon is no reason for all"


async def test_waits_open_a_lane_and_calm_closes_it(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop, stock=1_000)
    seconds = 0.0
    monkeypatch.setattr(heat.clock, "monotonic", lambda: seconds)
    for _ in range(12):
        heat.note_wait(shop, tea, Lane.AUTO, 0.3)
        seconds += 0.1
    assert not inventory.is_hot(shop, tea), "three in line are no crowd"
    for _ in range(24):
        heat.note_wait(shop, tea, Lane.AUTO, 0.5)
        seconds += 0.1
    assert inventory.is_hot(shop, tea)
    assert code(await order(crowd[0], tea, 1990)) == "ok"
    assert await count(shop, "select max(queue) from inventory.lanes") == 5
    heat.note_batch(shop, tea, Lane.AUTO, 16)
    seconds += heat.COOL_SECONDS
    heat.note_batch(shop, tea, Lane.AUTO, 1)
    assert inventory.is_hot(shop, tea), "it had work for many until now"
    heat.note_batch(shop, tea, Lane.AUTO, 1)
    seconds += heat.COOL_SECONDS
    heat.note_batch(shop, tea, Lane.AUTO, 1)
    assert not inventory.is_hot(shop, tea)
    heat.note_batch(shop, tea, Lane.AUTO, 1)
    # A line that was long ago is none; and what is watched has an end.
    monkeypatch.setattr(heat, "MOST_WATCHED", 1)
    heat.note_wait(shop, tea, Lane.AUTO, 0.9)
    heat.note_wait(shop, uuid4(), Lane.AUTO, 0.9)
    seconds += 10
    heat.note_wait(shop, tea, Lane.AUTO, 9.0)
    assert len(heat._lines) == 1 and not inventory.is_hot(shop, tea)


async def test_the_merchant_switches_a_lane_off(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop, stock=1_000)
    await heat_up(shop, tea)
    await decide(shop, tea, Lane.OFF)
    assert code(await order(crowd[0], tea, 1990)) == "ok"
    assert not inventory.is_hot(shop, tea)
    heat.note_wait(shop, tea, Lane.OFF, 1_000.0)
    assert not inventory.is_hot(shop, tea)


async def test_a_server_that_is_away_is_said_to_be_busy(
    shop: ShopId, crowd: list[Shopper], database: Database
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    away = await Database.connect(database.url.replace("siyu_app", "nobody"), size=1)
    db.use(Database(away.url, Away()))  # type: ignore[arg-type]
    try:
        answers = await asyncio.gather(*(order(buyer, tea, 1990, key="k") for buyer in crowd))
    finally:
        db.use(database)
        await away.close()
    assert {answer.status_code for answer in answers} == {503}
    answers = await asyncio.gather(*(order(buyer, tea, 1990, key="k") for buyer in crowd))
    assert Counter(map(code, answers)) == {"ok": 16}


class Away:
    """A pool whose server does not answer."""

    async def take(self, timeout: float) -> Any:
        raise OSError("away")


async def test_who_waits_in_a_lane_that_ends_is_told(
    shop: ShopId, crowd: list[Shopper], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    monkeypatch.setattr(hot_lane, "MOST", 2)
    waiting = [asyncio.create_task(hot_lane.place(wish(buyer, tea))) for buyer in crowd]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lane = hot_lane._lanes[shop, tea]
    waiting[-1].cancel()
    assert lane.worker is not None
    lane.worker.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[-1], asyncio.CancelledError)
    assert {type(answer) for answer in answers[:-1]} == {Busy} and hot_lane._lanes == {}
    # The key finds out what became of each.
    answers = await asyncio.gather(*(hot_lane.place(wish(buyer, tea)) for buyer in crowd))
    assert all(isinstance(answer, bytes) for answer in answers)
    assert await count(shop, "select count(*) from ordering.orders") == 16


async def test_each_of_a_batch_has_its_own_answer_and_rows(
    shop: ShopId, crowd: list[Shopper]
) -> None:
    """A used key between fresh ones, other quantities, a price that nobody asks."""
    (tea,) = await make_skus(shop, stock=100)
    await heat_up(shop, tea)
    first = msgspec.json.decode(await hot_lane.place(wish(crowd[1], tea)))
    wishes = [wish(buyer, tea) for buyer in crowd[:5]]
    wishes[2] = replace(wishes[2], line=LineAsked(tea, 3), expected_total_fen=3 * 1990)
    wishes[3] = replace(wishes[3], expected_total_fen=1)
    answers: list[Any] = await asyncio.gather(*map(hot_lane.place, wishes), return_exceptions=True)
    assert await count(shop, "select max(largest) from inventory.lanes") == 5
    assert isinstance(answers[1], Recalled) and str(answers[1].made) == first["order_id"]
    assert isinstance(answers[3], PriceChanged)
    mine = {no: msgspec.json.decode(answers[no])["order_id"] for no in (0, 2, 4)}
    async with reading(shop) as tx:
        rows = await tx.connection.fetch(
            """select order_id::text, member_id, quantity, total_fen, until = pay_before as is_kept
               from ordering.orders join inventory.reservations r on r.source = order_id"""
        )
    assert {row["order_id"]: tuple(row)[1:] for row in rows} == {
        first["order_id"]: (crowd[1].member.member_id, 1, 1990, True),
        mine[0]: (crowd[0].member.member_id, 1, 1990, True),
        mine[2]: (crowd[2].member.member_id, 3, 3 * 1990, True),
        mine[4]: (crowd[4].member.member_id, 1, 1990, True),
    }


async def test_who_has_gone_away_is_not_waited_for(shop: ShopId, crowd: list[Shopper]) -> None:
    (tea,) = await make_skus(shop)
    await heat_up(shop, tea)
    gone = asyncio.create_task(hot_lane.place(wish(crowd[0], tea)))
    await asyncio.sleep(0)
    gone.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert isinstance(await hot_lane.place(wish(crowd[1], tea)), bytes)
    assert await count(shop, "select count(*) from ordering.orders") == 1


def wish(buyer: Shopper, sku: UUID) -> hot_lane.Wish:
    return hot_lane.Wish(
        member=buyer.member,
        once=OnceKey.of(buyer.member.actor, "k", "POST", "/shop/v1/orders", b""),
        line=LineAsked(sku, 1),
        address_id=buyer.address_id,
        remark="",
        expected_total_fen=1990,
        expected_payable_fen=None,
        platform=Platform.H5,
        empties_cart=False,
        promoter_id=None,
        best_coupons=False,
        chinese=True,
    )
