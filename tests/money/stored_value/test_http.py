"""Stored value over HTTP: the customer's phone, the console, and the local WeChat."""

from typing import Any

import pytest

from siyu.kernel.ids import new_id
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import lanes, wechat
from tests.money.stored_value.house import LICENCE, SETTINGS, House, boss, code, house, phone

__all__ = ["boss", "house", "lanes", "phone", "wechat"]

EMPTY = {
    "principal_fen": 0, "bonus_fen": 0, "held_fen": 0, "next_expiry_on": None,
    "next_expiry_fen": 0, "is_frozen": False, "can_top_up": False,
}  # fmt: skip


async def test_mission53_without_a_licence_the_feature_does_not_exist(
    house: House, boss: Any, phone: Any
) -> None:
    assert await house.ask(phone, "GET", "/shop/v1/wallet") == EMPTY
    assert await house.ask(phone, "GET", "/shop/v1/wallet/offers") == {"items": []}
    body = {"offer_id": str(new_id()), "platform": "h5"}
    refused = await house.send(phone, "POST", "/shop/v1/wallet/top-ups", body)
    assert code(refused) == (403, "stored_value.not_licensed")
    offer = {"amount_fen": 100, "bonus_fen": 0, "override_reason": None}
    refused = await house.send(boss, "POST", "/admin/v1/stored-value/offers", offer)
    assert code(refused) == (403, "stored_value.not_licensed")
    gate = await house.ask(boss, "GET", "/admin/v1/stored-value")
    assert (gate["is_open"], gate["licence"], gate["settings"]["limit_fen"]) == (
        False, None, 100_000,
    )  # fmt: skip
    refused = await house.send(
        boss, "PUT", "/admin/v1/stored-value/licence", LICENCE | {"accepted": False}
    )
    assert code(refused) == (422, "stored_value.bad_licence")
    assert gate["legal_limit_fen"] == 100_000
    gate = await house.ask(boss, "PUT", "/admin/v1/stored-value/licence", LICENCE)
    assert (gate["is_open"], gate["licence"]["accepted_by"]) == (True, "小店员")
    assert (await house.ask(phone, "GET", "/shop/v1/wallet"))["can_top_up"] is True
    await house.ask(boss, "DELETE", "/admin/v1/stored-value/licence")
    assert (await house.ask(phone, "GET", "/shop/v1/wallet"))["can_top_up"] is False


async def test_offers_over_http(house: House, boss: Any, phone: Any) -> None:
    offer_id = await house.open(boss)
    shown = await house.ask(phone, "GET", "/shop/v1/wallet/offers")
    assert shown["items"] == [
        {"offer_id": offer_id, "amount_fen": 100_000, "bonus_fen": 30_000, "bonus_months": 12}
    ]
    rich = {"amount_fen": 10_000, "bonus_fen": 9_000, "override_reason": None}
    refused = await house.send(boss, "POST", "/admin/v1/stored-value/offers", rich)
    assert code(refused) == (409, "stored_value.bonus_too_high")
    rich["override_reason"] = "周年庆"
    made = await house.ask(boss, "POST", "/admin/v1/stored-value/offers", rich)
    path = "/admin/v1/stored-value/offers"
    assert [o["amount_fen"] for o in (await house.ask(boss, "GET", path))["items"]] == [
        10_000, 100_000,
    ]  # fmt: skip
    await house.ask(boss, "DELETE", f"{path}/{made['offer_id']}")
    refused = await house.send(boss, "DELETE", f"{path}/{made['offer_id']}")
    assert code(refused) == (404, "stored_value.offer_not_found")


async def test_a_top_up_from_the_offer_to_the_refund(house: House, boss: Any, phone: Any) -> None:
    offer_id = await house.open(boss)
    body = {"offer_id": offer_id, "platform": "mp-weixin"}
    placed = await house.ask(phone, "POST", "/shop/v1/wallet/top-ups", body, "key-1")
    assert await house.ask(phone, "POST", "/shop/v1/wallet/top-ups", body, "key-1") == placed
    assert (placed["state"], placed["amount_fen"], placed["refunds"]) == ("pending", 100_000, [])
    path = f"/shop/v1/wallet/top-ups/{placed['top_up_id']}"
    started = await house.ask(phone, "POST", f"{path}/pay", {"channel": "jsapi"}, "key-2")
    again = await house.ask(phone, "POST", f"{path}/pay", {"channel": "jsapi"}, "key-2")
    assert again["payment_id"] == started["payment_id"]
    native = await house.ask(phone, "POST", f"{path}/pay", {"channel": "native"})
    assert native["code_url"].startswith("weixin://")
    ticket = started["jsapi"]["package"].removeprefix("prepay_id=")
    await house.lanes.wechat.person.pay("p1", ticket)
    synced = await house.ask(phone, "POST", f"{path}/pay/sync")
    assert synced == {"state": "pending", "payment_state": "paid"}
    await house.work()
    synced = await house.ask(phone, "POST", f"{path}/pay/sync")
    assert synced == {"state": "paid", "payment_state": "paid"}
    wallet = await house.ask(phone, "GET", "/shop/v1/wallet")
    assert (wallet["principal_fen"], wallet["bonus_fen"], wallet["next_expiry_fen"]) == (
        100_000, 30_000, 30_000,
    )  # fmt: skip

    refund_path = f"/admin/v1/top-ups/{placed['top_up_id']}/refund"
    ask = {"amount_fen": 40_000, "reason": "顾客申请"}
    refund = await house.ask(boss, "POST", refund_path, ask, "key-3")
    assert await house.ask(boss, "POST", refund_path, ask, "key-3") == refund
    assert (refund["money_fen"], refund["withdrawn_fen"], refund["state"]) == (
        40_000, 12_000, "intended",
    )  # fmt: skip
    await house.work()
    shown = await house.ask(phone, "GET", path)
    assert [one["state"] for one in shown["refunds"]] == ["succeeded"]
    assert (shown["principal_left_fen"], shown["bonus_left_fen"]) == (60_000, 18_000)
    [listed] = (await house.ask(phone, "GET", "/shop/v1/wallet/top-ups"))["items"]
    assert listed == shown

    lines = await house.ask(phone, "GET", "/shop/v1/wallet/statement?limit=1")
    assert [one["label"] for one in lines["items"]] == ["本金退款"]
    rest = await phone.get(
        f"/shop/v1/wallet/statement?cursor={lines['next_cursor']}",
        headers={"Accept-Language": "en"},
    )
    assert [one["label"] for one in rest.json()["items"]] == ["Topped up"]
    assert rest.json()["next_cursor"] is None


async def test_the_console_sees_and_corrects_wallets(house: House, boss: Any, phone: Any) -> None:
    offer_id = await house.open(boss)
    member_id = await house.member_id(phone)
    path = f"/admin/v1/wallets/{member_id}"
    empty = await house.ask(boss, "GET", path)
    assert (empty["principal_fen"], empty["frozen_at"], empty["nickname"] != "") == (0, None, True)
    await house.top_up(phone, offer_id)
    [row] = (await house.ask(boss, "GET", "/admin/v1/wallets"))["items"]
    assert (row["member_id"], row["principal_fen"]) == (str(member_id), 100_000)

    frozen = await house.ask(boss, "POST", f"{path}/freeze", {"reason": "核实身份"})
    assert frozen["frozen_reason"] == "核实身份"
    own = await house.ask(phone, "GET", "/shop/v1/wallet")
    assert (own["is_frozen"], own["can_top_up"], own["principal_fen"]) == (True, False, 100_000)
    body = {"offer_id": offer_id, "platform": "h5"}
    refused = await house.send(phone, "POST", "/shop/v1/wallet/top-ups", body)
    assert code(refused) == (409, "stored_value.frozen")
    await house.ask(boss, "POST", f"{path}/unfreeze", {"reason": "已核实"})

    small = {"side": "bonus", "delta_fen": 500, "reason": "补偿"}
    made = await house.ask(boss, "POST", f"{path}/adjust", small, "key-4")
    assert made["state"] == "done"
    assert await house.ask(boss, "POST", f"{path}/adjust", small, "key-4") == made
    large = {"side": "principal", "delta_fen": -50_000, "reason": "现金退还"}
    waiting = await house.ask(boss, "POST", f"{path}/adjust", large)
    decide = f"/admin/v1/wallet-adjustments/{waiting['adjustment_id']}/decide"
    refused = await house.send(boss, "POST", decide, {"approved": True})
    assert code(refused) == (403, "stored_value.second_person_needed")
    finance = await house.lanes.desk(Role.FINANCE)
    listed = await house.ask(finance, "GET", "/admin/v1/wallet-adjustments?waiting=true")
    assert [one["adjustment_id"] for one in listed["items"]] == [waiting["adjustment_id"]]
    done = await house.ask(finance, "POST", decide, {"approved": True})
    assert done["state"] == "done"
    page = await house.ask(boss, "GET", "/admin/v1/wallet-adjustments?limit=1")
    more = f"/admin/v1/wallet-adjustments?cursor={page['next_cursor']}"
    assert len((await house.ask(boss, "GET", more))["items"]) == 1

    lines = (await house.ask(boss, "GET", f"{path}/statement"))["items"]
    assert [(one["kind"], one["principal_after_fen"], one["note"]) for one in lines] == [
        ("adjusted", 50_000, "现金退还"), ("adjusted", 100_000, "补偿"),
        ("topped_up", 100_000, ""),
    ]  # fmt: skip
    [top_up] = (await house.ask(boss, "GET", f"{path}/top-ups"))["items"]
    assert top_up["principal_left_fen"] == 50_000


async def test_a_wallet_is_its_owners(house: House, boss: Any, phone: Any) -> None:
    offer_id = await house.open(boss)
    body = {"offer_id": offer_id, "platform": "h5"}
    placed = await house.ask(phone, "POST", "/shop/v1/wallet/top-ups", body)
    other = await house.lanes.phone("p2")
    path = f"/shop/v1/wallet/top-ups/{placed['top_up_id']}"
    for method, ask, sent in (
        ("GET", path, None), ("POST", f"{path}/pay", {"channel": "native"}),
        ("POST", f"{path}/pay/sync", None),
    ):  # fmt: skip
        refused = await house.send(other, method, ask, sent)
        assert code(refused) == (404, "stored_value.top_up_not_found"), ask
    assert (await house.ask(other, "GET", "/shop/v1/wallet/top-ups"))["items"] == []
    clerk = await house.lanes.desk(Role.CLERK)
    for ask in ("/admin/v1/wallets", "/admin/v1/stored-value", "/admin/v1/wallet-adjustments"):
        assert (await clerk.get(ask)).status_code == 403
    unknown = await house.send(boss, "GET", f"/admin/v1/wallets/{new_id()}")
    assert code(unknown) == (404, "members.member_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("PUT", "/stored-value/settings", SETTINGS | {"limit_fen": -1}, "request.malformed"),
        ("PUT", "/stored-value/settings", SETTINGS | {"more": 1}, "request.malformed"),
        ("PUT", "/stored-value/licence", LICENCE | {"number": " "}, "request.malformed"),
        (
            "POST",
            "/stored-value/offers",
            {"amount_fen": 0, "bonus_fen": 0, "override_reason": None},
            "request.malformed",
        ),
        ("GET", "/wallets?cursor=x", None, "request.cursor_invalid"),
        ("GET", "/wallets?limit=101", None, "request.malformed"),
    ],
)
async def test_malformed_requests(
    house: House, boss: Any, method: str, path: str, body: Any, refusal: str
) -> None:
    refused = await house.send(boss, method, f"/admin/v1{path}", body)
    assert code(refused) == (422, refusal)


async def test_zero_and_absurd_values_are_refused(house: House, boss: Any, phone: Any) -> None:
    member_id = await house.member_id(phone)
    zero = {"side": "bonus", "delta_fen": 0, "reason": "更正"}
    refused = await house.send(boss, "POST", f"/admin/v1/wallets/{member_id}/adjust", zero)
    assert code(refused) == (422, "stored_value.nothing_to_adjust")
    refused = await house.send(phone, "GET", "/shop/v1/wallet/statement?cursor=Wzk5OTk5OTk5OTk5XQ")
    assert code(refused) == (422, "request.cursor_invalid")
