"""Mission 52 and 55 through the whole product: the leader's 80 percent, and a promoter's payout."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from siyu.app.event_map import EVENT_MAP
from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.kernel.relay import Relay
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payouts import background as payouts
from siyu.money.profit_sharing import background as sharing
from siyu.money.profit_sharing import invariants
from tests.commerce.ordering.kit import make_skus
from tests.flows.test_first_sale import Day, day, wechat_url
from tests.flows.test_money_back import HOME
from tests.money.payments.bench import broken_truths, log_in, market

__all__ = ["day", "market", "wechat_url"]


async def tell(day: Day, method: str, path: str, body: Any) -> Any:
    headers = {"Idempotency-Key": uuid4().hex}
    answer = await day.desk.request(method, f"/admin/v1{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def work(seconds: float) -> None:
    clock.advance(timedelta(seconds=seconds))
    for _ in range(4):
        await Relay(EVENT_MAP).drain()
        await sharing.share_due()
        await payouts.follow_up_due()
        clock.advance(timedelta(seconds=25))


async def test_the_leader_gets_80_percent_after_the_customer_has_the_goods(day: Day) -> None:
    market = day.market
    await market.person.call("PATCH", "/settings", {"share_cap_bps": 8000})
    leader = await market.person.add_person("陈团长", "13600000000")
    account = await log_in(str(market.person._http.base_url), market.person, market.keys, leader)
    settings = await day.see("/split-settings")
    await tell(day, "PUT", "/split-settings", settings | {"max_ratio_bps": 8000})
    added = await tell(
        day, "POST", "/split-receivers",
        {"kind": "person", "account": account, "name": "陈团长", "relation": "PARTNER"},
    )  # fmt: skip
    assert added["state"] == "active"
    await tell(
        day, "POST", "/split-rules",
        {
            "title": "团长 80%", "scope": "leader", "share_bps": 8000, "way": "split",
            "trigger": "receipt", "receiver_id": added["receiver_id"],
        },
    )  # fmt: skip

    (tea,) = await make_skus(market.shop_id, price_fen=8800, stock=3)
    await day.log_in()
    address = await day.ask("POST", "/addresses", HOME)
    order = await day.order(str(tea), address["address_id"])
    path = f"/orders/{order['order_id']}"
    started = await day.ask("POST", f"{path}/pay", {"channel": "jsapi"})
    await market.pay(started["jsapi"]["package"].removeprefix("prepay_id="))
    assert (await day.ask("POST", f"{path}/pay/sync"))["payment_state"] == "paid"
    await work(70)
    frozen = await day.see(f"/splits/{order['order_id']}")
    assert (frozen["frozen_fen"], frozen["parts"][0]["state"]) == (17_600, "planned")

    [waits] = (await day.see(f"{path}/parcels"))["consignments"]
    parcel = {
        "carrier": "顺丰速运",
        "tracking_no": "SF1234567890",
        "consignments": [{"consignment_id": waits["consignment_id"]}],
    }
    await tell(day, "POST", "/parcels", parcel)
    await day.ask("POST", f"{path}/confirm-receipt")
    await work(0)
    shared = await day.see(f"/splits/{order['order_id']}")
    assert (shared["plan"]["state"], shared["frozen_fen"]) == ("closed", 0)
    assert [(one["state"], one["sent_fen"]) for one in shared["parts"]] == [("paid", 14_080)]
    books = await market.books()
    money = {book: units for book, units in books.items() if not book.startswith("points")}
    assert money == {"wechat": 3_520, "sales": -17_600, "commission_cost": 14_080}
    async with transaction(market.shop_id) as tx:
        for name, sql in invariants.INVARIANTS.items():
            assert await tx.connection.fetch(sql) == [], name
    assert await broken_truths(market.shop_id) == []
    await market.person.call("PATCH", "/settings", {"share_cap_bps": 3000})


async def test_a_promoter_is_paid_to_the_phone(day: Day) -> None:
    market = day.market
    await day.log_in()
    me = await day.ask("GET", "/me")
    await tell(day, "PUT", f"/promoters/{me['member_id']}", {"parent_id": None})
    async with transaction(market.shop_id) as tx:
        legs = [
            Leg(Book.COMMISSION_COST, 5_000),
            Leg(Book.COMMISSION, -5_000, UUID(me["member_id"])),
        ]
        await ledger.post(tx, Entry(f"earned:{new_id()}", "commission_accrued", legs))
    await market.person.deposit(market.keys["mchid"], 5_000)
    seen = await day.ask("GET", "/commission")
    assert (seen["available_fen"], seen["is_promoter"]) == (5_000, True)
    made = await day.ask("POST", "/payouts", {"amount_fen": 5_000})
    asked = await day.ask("GET", f"/payouts/{made['payout_id']}/confirmation")
    await market.person.confirm_transfer("p1", asked["package"])
    await work(70)
    assert (await day.ask("GET", f"/payouts/{made['payout_id']}"))["state"] == "paid"
    assert (await day.see("/payouts?status=paid"))["items"][0]["net_fen"] == 5_000
    assert (await day.ask("GET", "/commission"))["balance_fen"] == 0
