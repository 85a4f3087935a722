"""Cases from asking to their end, both sides through HTTP against a local WeChat."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from siyu.commerce.after_sale import background
from siyu.commerce.after_sale import service as after_sale
from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.inventory import service as inventory
from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.money.payments import service as payments
from tests.commerce.after_sale.kit import PARCEL, Sale, events, ok, refused, selling
from tests.commerce.ordering.kit import make_skus, ship
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

OWED = "select -coalesce(sum(units), 0) from ledger.legs where book = 'refund_due'"


@pytest.fixture
async def sale(market: Market) -> AsyncIterator[Sale]:
    async with selling(market) as sale:
        yield sale
        assert await sale.broken() == []


async def returned(sale: Sale, order: dict, **more: object) -> dict:
    """A case whose goods are on their way back."""
    case = await sale.open(order, "return_refund", **more)
    ok(await sale.act(case, "approve"))
    return ok(await sale.do(case, "ship-back", PARCEL))


# --- before shipping --------------------------------------------------------------------------


async def test_what_has_left_in_a_first_parcel_is_not_cancelled_with_the_rest(sale: Sale):
    tea, cup = await make_skus(sale.shop, 2, stock=5)
    order = await sale.buy({tea: 3, cup: 1}, 1990 * 4)
    await ship(sale.shop, order, {1: 2})

    offer = ok(await sale.anna.send("GET", f"/orders/{order['order_id']}/after-sale"))
    found = [(one["line_no"], one["quantity"], one["amount_fen"]) for one in offer["lines"]]
    assert (found, offer["shipping_fen"]) == ([(1, 1, 1990), (2, 1, 1990)], 0)
    refusal = await sale.ask(order, lines={1: 2})
    assert refused(refusal) == (409, "after_sale.already_sent")
    assert refusal.json()["error"]["details"] == {"line_no": 1, "left": 1}
    by_shop = {"lines": [{"line_no": 1, "quantity": 3}], "text": "补偿"}
    assert refused(await sale.refund(order["order_id"], by_shop))[1] == "after_sale.already_sent"

    case = await sale.open(order, lines={1: 1, 2: 1})
    assert ok(await sale.act(case, "approve"))["amount_fen"] == 2 * 1990
    await sale.news()
    assert (await sale.stock(tea))[0] == 3

    # Nothing is left to leave, so the order counts as sent: the rest is an ordinary return.
    offer = ok(await sale.anna.send("GET", f"/orders/{order['order_id']}/after-sale"))
    assert "return_refund" in offer["kinds"] and offer["lines"][0]["quantity"] == 2


async def test_a_paid_order_is_cancelled_and_everything_goes_back(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 2}, 3980)
    offer = ok(await sale.anna.send("GET", f"/orders/{order['order_id']}/after-sale"))
    assert offer["kinds"] == ["refund_only"] and offer["shipping_fen"] == 0
    assert offer["lines"] == [
        {"line_no": 1, "quantity": 2, "amount_fen": 3980, "returnable": False}
    ]

    case = await sale.open(order, text="重复下单了")
    assert (case["state"], case["asked_fen"], case["case_no"]) == (
        "requested", 3980, f"{order['order_no']}-1",
    )  # fmt: skip
    assert case["actions"] == ["withdraw"] and case["freight_by"] == "customer"
    assert await sale.stock(tea) == (3, 0)

    done = ok(await sale.act(case, "approve"))
    assert (done["state"], done["actions"]) == ("refunding", [])
    assert await sale.stock(tea) == (5, 0)
    await sale.money()
    case = await sale.see(case)
    assert (case["state"], case["amount_fen"], case["due_at"]) == ("refunded", 3980, None)
    assert events(case) == ["open", "approve", "pay_out"]
    assert (await sale.order(order))["status"] == "refunded"
    assert await sale.stock(tea) == (5, 0)
    [closed] = await sale.told("case_closed")
    assert (closed["amount_fen"], closed["state"]) == (3980, "refunded")
    assert len(await sale.told("case_opened")) == len(await sale.told("case_approved")) == 1


async def test_a_line_is_cancelled_and_later_the_rest_of_another(sale: Sale):
    tea, cup = await make_skus(sale.shop, 2, price_fen=1001, stock=9)
    order = await sale.buy({tea: 1, cup: 3}, 4004)
    first = await sale.open(order, lines={1: 1})
    second = await sale.open(order, lines={2: 1})
    assert (first["asked_fen"], second["asked_fen"]) == (1001, 1001)
    assert second["case_no"] == f"{order['order_no']}-2"
    for case in (first, second):
        ok(await sale.act(case, "approve"))
    await sale.money()
    assert (await sale.order(order))["status"] == "paid"
    assert await sale.stock(tea) == (9, 0) and await sale.stock(cup) == (7, 0)
    last = await sale.open(order, lines={2: 2})
    assert last["asked_fen"] == 2002
    assert refused(await sale.ask(order, lines={2: 1})) == (409, "after_sale.already_claimed")
    ok(await sale.act(last, "approve"))
    await sale.money()
    assert (await sale.order(order))["status"] == "refunded"


async def test_silence_before_shipping_is_consent(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    await sale.later(hours=47, minutes=59)
    assert (await sale.see(case))["state"] == "requested"
    await sale.later(minutes=2)
    assert (await sale.see(case))["state"] == "refunding"
    [approved] = await sale.told("case_approved")
    assert approved["by"] == "time"
    await sale.money()
    shown = await sale.see(case)
    assert shown["state"] == "refunded"
    assert [entry["side"] for entry in shown["timeline"]] == ["customer", "time", "money"]


async def test_a_parcel_that_left_meanwhile_is_decided_by_people(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    await sale.ship(order)
    await sale.later(hours=49)
    await sale.later(hours=1)
    shown = await sale.see(case)
    assert shown["state"] == "requested" and events(shown) == ["open", "overdue"]
    assert len(await sale.told("case_overdue")) == 1
    desk = await sale.desk(overdue=True)
    assert [row["is_overdue"] for row in desk["items"]] == [True] and desk["overdue"] == 1

    done = ok(await sale.act(case, "approve", {"text": "就当送您了"}))
    assert (done["state"], done["is_unshipped"], done["restock"]) == ("refunding", False, None)
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert await sale.stock(tea) == (4, 0)


async def test_who_thinks_better_of_it_may_ask_again(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 2}, 3980)
    case = await sale.open(order)
    assert refused(await sale.ask(order)) == (409, "after_sale.already_claimed")
    assert ok(await sale.do(case, "withdraw"))["state"] == "withdrawn"
    assert refused(await sale.do(case, "withdraw")) == (409, "after_sale.move_refused")
    assert refused(await sale.act(case, "approve")) == (409, "after_sale.move_refused")

    case = await sale.open(order, amount_fen=1)
    assert refused(await sale.act(case, "reject", {"text": " "})) == (422, "request.malformed")
    done = ok(await sale.act(case, "reject", {"text": "已经打包了，请稍后退货"}))
    assert done["state"] == "rejected" and done["closed_at"]
    shown = await sale.see(case)
    assert shown["timeline"][-1]["text"] == "已经打包了，请稍后退货"
    assert ok(await sale.ask(order))["case_no"].endswith("-3")
    assert [one["state"] for one in await sale.told("case_closed")] == ["withdrawn", "rejected"]
    assert await sale.value("select count(*) from ordering.refunds") == 0


async def test_an_order_of_nothing_gives_its_goods_back(sale: Sale):
    (gift,) = await make_skus(sale.shop, price_fen=0, stock=3)
    order = await sale.buy({gift: 1}, 0)
    assert await sale.stock(gift) == (2, 0)
    case = await sale.open(order)
    assert case["asked_fen"] == 0
    ok(await sale.act(case, "approve"))
    await sale.news()
    assert (await sale.see(case))["state"] == "refunded"
    assert (await sale.order(order))["status"] == "refunded"
    assert await sale.stock(gift) == (3, 0)


async def test_services_and_downloads_give_money_only(sale: Sale):
    (course,) = await make_skus(sale.shop, kind=ProductKind.SERVICE)
    order = await sale.buy({course: 1}, 1990)
    answer = await sale.ask(order, "return_refund", "does_not_fit")
    assert refused(answer) == (409, "after_sale.not_eligible")
    ok(await sale.act(await sale.open(order), "approve"))
    await sale.money()
    assert (await sale.order(order))["status"] == "refunded"

    (book,) = await make_skus(sale.shop, kind=ProductKind.VIRTUAL)
    order = await sale.anna.order({book: 1}, 1990)
    path = f"/orders/{order['order_id']}"
    started = ok(await sale.anna.send("POST", f"{path}/pay", {"channel": "jsapi"}))
    await sale.market.pay(started["jsapi"]["package"].removeprefix("prepay_id="))
    await sale.anna.send("POST", f"{path}/pay/sync")
    await sale.news()
    assert (await sale.order(order))["status"] == "completed"
    offer = ok(await sale.anna.send("GET", f"{path}/after-sale"))
    assert offer["kinds"] == ["refund_only"] and not offer["lines"][0]["returnable"]
    assert refused(await sale.ask(order)) == (409, "after_sale.not_eligible")
    shown = await sale.evidence()
    case = await sale.open(order, "refund_only", "quality", picture_ids=[shown])
    await sale.later(days=3)
    assert (await sale.see(case))["state"] == "requested"


async def test_F129_a_double_click_of_staff_gives_back_once(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 3}, 5970)
    body = {"lines": [{"line_no": 1, "quantity": 1}], "text": "破了一件"}
    first = ok(await sale.refund(order["order_id"], body, "one click"))
    again = await sale.refund(order["order_id"], body, "one click")
    assert ok(again) == first
    assert again.headers["idempotency-replayed"] == "true"
    assert await sale.value("select count(*) from payments.refunds") == 1
    too_long = await sale.refund(order["order_id"], body, "k" * 256)
    assert refused(too_long) == (422, "idempotency.key_invalid")


async def test_the_shop_gives_back_without_being_asked(sale: Sale):
    tea, cup = await make_skus(sale.shop, 2, stock=5)
    order = await sale.buy({tea: 1, cup: 1}, 3980)
    body = {"lines": [{"line_no": 2, "quantity": 1}], "text": "缺货，非常抱歉"}
    case = ok(await sale.refund(order["order_id"], body))
    assert (case["state"], case["reason"], case["asked_fen"]) == ("refunding", "by_shop", 1990)
    answer = await sale.refund(order["order_id"], body)
    assert refused(answer) == (409, "after_sale.already_claimed")
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert await sale.stock(cup) == (5, 0)
    missing = await sale.refund(uuid4(), body)
    assert refused(missing) == (404, "ordering.order_not_found")
    assert refused(await sale.ask(order, "refund_only", "by_shop")) == (
        409, "after_sale.not_eligible",
    )  # fmt: skip


# --- goods come back --------------------------------------------------------------------------


async def test_goods_come_back_and_are_paid_for(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 3}, 5970)
    await sale.ship(order)
    await sale.receive(order)
    case = await sale.open(order, "return_refund", lines={1: 2})
    assert case["asked_fen"] == 3980 and case["return_address"] is None
    done = ok(await sale.act(case, "approve"))
    assert done["state"] == "approved"
    assert done["return_address"]["phone"] != "0595-23268888"
    assert done["return_address"]["receiver"] == "退**"
    shown = await sale.see(case)
    assert shown["actions"] == ["withdraw", "ship_back"]
    assert shown["return_address"]["detail"] == "参洋工业区 6 号仓库"

    bad = await sale.do(case, "ship-back", {"carrier": "顺丰", "tracking_no": "'; drop"})
    assert bad.status_code == 422
    shown = ok(await sale.do(case, "ship-back", PARCEL))
    assert (shown["state"], shown["actions"]) == ("returning", [])
    assert refused(await sale.act(case, "refund")) == (409, "after_sale.move_refused")

    done = ok(await sale.act(case, "receive", {"restock": "sellable"}))
    assert (done["state"], done["actions"]) == ("received", ["refund"])
    assert await sale.stock(tea) == (4, 0)
    assert refused(await sale.act(case, "receive", {"restock": "sellable"}))[0] == 409
    assert await sale.stock(tea) == (4, 0)

    less = {"amount_fen": 3000}
    assert refused(await sale.act(case, "refund", less)) == (422, "after_sale.reason_needed")
    more = {"amount_fen": 3981, "text": "多退一分"}
    assert refused(await sale.act(case, "refund", more)) == (422, "after_sale.amount_out_of_range")
    done = ok(await sale.act(case, "refund", less | {"text": "其中一罐已开封"}))
    assert (done["state"], done["amount_fen"]) == ("refunding", 3000)
    await sale.money()
    shown = await sale.see(case)
    assert (shown["state"], shown["amount_fen"]) == ("refunded", 3000)
    assert events(shown) == ["open", "approve", "ship_back", "pass", "refund", "pay_out"]
    assert await sale.stock(tea) == (4, 0)
    assert (await sale.order(order))["status"] == "completed"
    last = await sale.open(order, "return_refund", lines={1: 1})
    assert last["asked_fen"] == 1990


async def test_goods_come_back_to_the_warehouse_that_was_chosen(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    async with transaction(sale.shop) as tx:
        other = await inventory.create_warehouse(tx, System(), name="退货仓", priority=9)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await returned(sale, order)
    unknown = {"restock": "sellable", "warehouse_id": str(uuid4())}
    answer = await sale.act(case, "receive", unknown)
    assert refused(answer) == (404, "inventory.warehouse_not_found")
    here = {"restock": "sellable", "warehouse_id": str(other.warehouse_id)}
    assert ok(await sale.act(case, "receive", here))["state"] == "received"
    async with transaction(sale.shop) as tx:
        places = await inventory.list_places(tx, tea)
        held = await inventory.list_held(tx, other.warehouse_id, [tea])
    assert sorted(place.on_hand for place in places) == [1, 4]
    assert held[tea].on_hand == 1


async def test_damaged_goods_are_written_off(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await returned(sale, order, reason="damaged", picture_ids=[await sale.evidence()])
    assert case["freight_by"] == "shop"
    ok(await sale.act(case, "receive", {"restock": "damaged", "text": "罐子碎了"}))
    ok(await sale.act(case, "refund"))
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert await sale.stock(tea) == (4, 0)


async def test_goods_that_are_not_accepted_may_be_sent_again(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await returned(sale, order)
    missing = await sale.act(case, "receive", {"restock": None})
    assert refused(missing) == (422, "after_sale.reason_needed")
    done = ok(await sale.act(case, "receive", {"restock": None, "text": "寄来的是空盒"}))
    assert done["state"] == "rejected"
    assert events(await sale.see(case))[-1] == "fail"
    assert await sale.stock(tea) == (4, 0)
    assert (await returned(sale, order))["state"] == "returning"


async def test_who_does_not_send_back_in_time_has_kept_it(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await sale.open(order, "return_refund")
    ok(await sale.act(case, "approve"))
    await sale.later(days=7, minutes=1)
    assert (await sale.see(case))["state"] == "expired"
    assert refused(await sale.do(case, "ship-back", PARCEL))[0] == 409
    assert (await sale.open(order, "return_refund"))["state"] == "requested"


async def test_goods_nobody_looked_at_are_paid_for(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await returned(sale, order)
    await sale.later(days=5, minutes=1)
    assert (await sale.see(case))["state"] == "refunding"
    await sale.money()
    shown = await sale.see(case)
    assert (shown["state"], shown["amount_fen"]) == ("refunded", 1990)
    assert await sale.stock(tea) == (4, 0), "nobody said that they can be sold"


async def test_inspected_and_not_paid_in_time_is_paid_too(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await returned(sale, order)
    await sale.later(days=4)
    ok(await sale.act(case, "receive", {"restock": "sellable"}))
    await sale.later(days=1, minutes=1)
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert await sale.stock(tea) == (5, 0)


async def test_a_return_needs_somewhere_to_go(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    case = await sale.open(order, "return_refund")
    ok(await sale.terms(return_address=None))
    answer = await sale.act(case, "approve")
    assert refused(answer) == (409, "after_sale.return_address_missing")
    assert (await sale.see(case))["state"] == "requested"


async def test_an_open_case_keeps_the_order_from_being_received_by_itself(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    await sale.ship(order)
    due = "select receipt_due_at from ordering.orders where order_id = $1::uuid"
    before = await sale.value(due, order["order_id"])
    await sale.open(order, "return_refund")
    after = await sale.value(due, order["order_id"])
    assert after - before > timedelta(days=10) - timedelta(minutes=1)
    assert after - clock.now() > timedelta(days=23)


async def test_goods_the_shop_does_not_take_back_without_a_reason(sale: Sale):
    (fruit,) = await make_skus(sale.shop)
    order = await sale.buy({fruit: 1}, 1990)
    await sale.ship(order)
    ok(await sale.terms(not_returnable=[order["lines"][0]["product_id"]]))
    answer = await sale.ask(order, "return_refund")
    assert refused(answer) == (409, "after_sale.not_eligible")
    assert answer.json()["error"]["details"] == {"why": "not_returnable"}
    rotten = await sale.evidence()
    ok(await sale.ask(order, "refund_only", "quality", picture_ids=[rotten], amount_fen=500))


async def test_seven_days_end_with_the_day_in_the_shops_time_zone(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 2}, 3980)
    await sale.ship(order)
    await sale.receive(order)
    # Received 2 June 23:30 in Shanghai: the seventh day after it ends with 9 June.
    async with transaction(sale.shop) as tx:
        await tx.run(
            """update ordering.orders set placed_at = $1, paid_at = $1, shipped_at = $1,
                 receipt_due_at = $1, completed_at = $1""",
            datetime(2026, 6, 2, 15, 30, tzinfo=UTC),
        )
    with clock.turned(datetime(2026, 6, 9, 15, 59, 50, tzinfo=UTC)):
        ok(await sale.ask(order, "return_refund", lines={1: 1}))
    with clock.turned(datetime(2026, 6, 9, 16, 0, 1, tzinfo=UTC)):
        answer = await sale.ask(order, "return_refund", lines={1: 1})
        assert refused(answer) == (409, "after_sale.not_eligible")
        assert answer.json()["error"]["details"] == {"why": "time_over"}


# --- money in trouble -------------------------------------------------------------------------


async def test_F030_a_stuck_refund_is_shown_and_still_owed(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    await sale.market.fault("refund_abnormal", "refund")
    ok(await sale.act(case, "approve"))
    await sale.money()
    shown = await sale.see(case)
    assert (shown["state"], shown["trouble"]) == ("refunding", "abnormal")
    assert events(shown) == ["open", "approve", "refund_abnormal"]
    desk = await sale.desk(state="refunding")
    assert (desk["troubled"], desk["items"][0]["trouble"]) == (1, "abnormal")
    assert await sale.value(OWED) == 1990

    async with transaction(sale.shop) as tx:
        refund_id = await tx.value("select refund_id from payments.refunds")
        await payments.settle_outside(tx, refund_id, "顾客银行卡注销，已转账", System())
    await sale.news()
    shown = await sale.see(case)
    assert (shown["state"], shown["trouble"]) == ("refunded", None)
    assert await sale.value(OWED) == 0


async def test_a_refund_that_was_given_up_is_decided_anew_under_another_number(sale: Sale):
    (tea,) = await make_skus(sale.shop, stock=5)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    await sale.market.fault("refund_closed", "refund", times=None)
    ok(await sale.act(case, "approve"))
    assert await sale.stock(tea) == (5, 0)
    await sale.money()
    first = await sale.value("select refund_id from after_sale.cases")
    for _ in range(8):  # WeChat is asked again by itself, some times
        await sale.money()
    assert (await sale.see(case))["trouble"] == "abnormal"
    async with transaction(sale.shop) as tx:
        await payments.give_up_refund(tx, first, "微信多次关闭", System())
    await sale.news()
    shown = await sale.see(case)
    assert (shown["state"], shown["trouble"]) == ("requested", "closed")
    assert events(shown)[-1] == "undo" and shown["actions"] == []
    # The goods are on the shelf again: the case can only end in money.
    assert (await sale.desk(f"/{case['case_id']}"))["actions"] == ["approve"]
    assert refused(await sale.act(case, "reject", {"text": "不退"}))[0] == 409
    assert refused(await sale.do(case, "withdraw"))[0] == 409
    assert await sale.value(OWED) == 0
    assert await sale.broken() == []

    await sale.later(hours=49)
    assert (await sale.see(case))["state"] == "requested", "time does not try again"
    for fault in await sale.market.person.call("GET", "/faults"):
        await sale.market.person.call("DELETE", f"/faults/{fault['fault_id']}")
    done = ok(await sale.act(case, "approve"))
    assert done["refund_id"] != str(first) and done["trouble"] is None
    await sale.money()
    assert (await sale.see(case))["state"] == "refunded"
    assert await sale.stock(tea) == (5, 0), "the goods came back once"


async def test_news_of_refunds_are_heard_once_and_only_by_their_case(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    case = await sale.open(order)
    ok(await sale.act(case, "approve"))
    await sale.money()
    before = (await sale.see(case))["timeline"]
    refund_id = await sale.value("select refund_id from after_sale.cases")
    async with transaction(sale.shop) as tx:
        for number in (refund_id, uuid4()):
            await after_sale.accept_refund(tx, number, 1990)
            await after_sale.note_abnormal(tx, number)
            await after_sale.reopen_case(tx, number)
    assert (await sale.see(case))["timeline"] == before


async def test_money_that_cannot_go_back_by_time_waits_an_hour(sale: Sale):
    """F029: after a year WeChat takes no refund; people are left to find a way."""
    (tea,) = await make_skus(sale.shop)
    order = await sale.buy({tea: 1}, 1990)
    async with transaction(sale.shop) as tx:
        await tx.run("update payments.attempts set paid_at = paid_at - interval '400 days'")
    case = await sale.open(order)
    assert refused(await sale.act(case, "approve")) == (409, "payments.refund_too_late")
    await sale.later(hours=48, minutes=1)
    shown = await sale.see(case)
    assert shown["state"] == "requested" and events(shown) == ["open"]
    due = await sale.value("select due_at from after_sale.cases")
    assert timedelta(minutes=59) < due - clock.now() <= timedelta(hours=1)
    async with transaction(sale.shop) as tx:
        await tx.run("update payments.attempts set paid_at = paid_at + interval '400 days'")


async def test_a_case_that_is_not_due_is_left_alone(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    case = await sale.open(await sale.buy({tea: 1}, 1990))
    async with transaction(sale.shop) as tx:
        await after_sale.meet_deadline(tx, UUID(case["case_id"]))
    assert (await sale.see(case))["state"] == "requested"


async def test_a_case_somebody_works_on_waits_for_the_next_tick(sale: Sale):
    (tea,) = await make_skus(sale.shop)
    case = await sale.open(await sale.buy({tea: 1}, 1990))
    due = "select due_at from after_sale.cases"
    before = await sale.value(due)
    clock.advance(timedelta(hours=49))
    async with db.database().pool.acquire() as held:
        await held.execute(f"begin; set local siyu.shop_id = '{sale.shop}'")
        await held.execute("select from after_sale.cases for no key update")
        await background.meet_deadlines()
        await held.execute("rollback")
    assert await sale.value(due) == before
    assert (await sale.see(case))["state"] == "requested"
    await background.meet_deadlines()
    assert (await sale.see(case))["state"] == "refunding"
