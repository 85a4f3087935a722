"""Payouts over HTTP: the member's phone and the console."""

from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.money.payouts import queries
from siyu.money.payouts import service as payouts
from siyu.money.payouts.contracts import AgreementState
from tests.money.payouts.till import Till, desk, market, till, wechat_url
from tests.money.profit_sharing.lanes import lanes

__all__ = ["desk", "market", "till", "wechat_url"]


async def test_a_member_asks_confirms_and_is_paid(till: Till) -> None:
    async with lanes(till.desk.shop_id, till.member_id) as [_, reader, phone]:
        offer = await phone.get("/payouts/offer")
        assert (offer["most_fen"], offer["reason"], offer["agreement"]) == (100_000, None, None)
        made = await phone.write("POST", "/payouts", {"amount_fen": 5_000})
        assert (made["state"], made["net_fen"]) == ("waiting", 5_000)
        path = f"/payouts/{made['payout_id']}"
        asked = await phone.get(f"{path}/confirmation")
        assert (asked["mchId"], asked["appId"]) == (
            till.desk.keys["mchid"], till.desk.keys["appid"],
        )  # fmt: skip
        await till.desk.person.confirm_transfer(till.person_id, asked["package"])
        assert (await phone.write("POST", f"{path}/sync"))["state"] == "sending"
        await till.work(seconds=10)
        assert (await phone.get(path))["state"] == "paid"
        done = await phone.get(f"{path}/confirmation", 409)
        assert done["error"]["code"] == "payouts.nothing_to_confirm"
        late = await phone.write("POST", f"{path}/cancel", status=409)
        assert late["error"]["code"] == "payouts.cannot_cancel"

        second = await phone.write("POST", "/payouts", {"amount_fen": 100})
        taken_back = await phone.write("POST", f"/payouts/{second['payout_id']}/cancel")
        assert taken_back["state"] == "cancelling"
        await till.work(seconds=60)
        page = await phone.get("/payouts?limit=1")
        rest = await phone.get(f"/payouts?limit=1&cursor={page['next_cursor']}")
        states = [page["items"][0]["state"], rest["items"][0]["state"]]
        assert (states, rest["next_cursor"]) == (["cancelled", "paid"], None)
        detail = await reader.get(path)
        assert [one["event"] for one in detail["timeline"]] == [
            "created", "accepted", "waiting", "sending", "paid",
        ]  # fmt: skip
    async with lanes(till.desk.shop_id) as [_, _, stranger]:
        for what in ("", "/confirmation"):
            hidden = await stranger.get(path + what, 404)
            assert hidden["error"]["code"] == "payouts.payout_unknown"
        for what in ("/sync", "/cancel"):
            await stranger.write("POST", path + what, status=404)
        assert (await stranger.get("/payouts"))["items"] == []


async def test_amounts_are_whole_and_bodies_strict(till: Till) -> None:
    async with lanes(till.desk.shop_id, till.member_id) as [_, _, phone]:
        for bad in (0, -1, 1.5, "100", True, 10**11, None):
            await phone.write("POST", "/payouts", {"amount_fen": bad}, 422)
        await phone.write("POST", "/payouts", {"amount_fen": 100, "account": "x"}, 422)
        small = await phone.write("POST", "/payouts", {"amount_fen": 99}, 409)
        assert small["error"]["code"] == "payouts.over_limit"
        much = await phone.write("POST", "/payouts", {"amount_fen": 100_001}, 409)
        assert much["error"]["code"] == "payouts.balance_too_small"
    assert await till.commission() == (100_000, 100_000)


async def test_the_console_sets_limits_approves_rejects_and_cancels(till: Till) -> None:
    async with lanes(till.desk.shop_id, till.member_id) as [staff, reader, phone]:
        settings = await reader.get("/payout-settings")
        assert settings["tax_bps"] == 0
        changed = settings | {"approve_above_fen": 0, "role": "团长", "yearly_fen": 10**6}
        assert await staff.write("PUT", "/payout-settings", changed) == changed
        assert await staff.write("PUT", "/payout-settings", changed) == changed
        await reader.write("PUT", "/payout-settings", changed, 403)
        bad = await staff.write("PUT", "/payout-settings", changed | {"max_fen": 50}, 422)
        assert bad["error"]["code"] == "payouts.bad_settings"
        await staff.write("PUT", "/payout-settings", changed | {"tax_bps": 10_001}, 422)

        made = await phone.write("POST", "/payouts", {"amount_fen": 5_000})
        assert made["state"] == "requested"
        path = f"/payouts/{made['payout_id']}"
        await reader.write("POST", f"{path}/approve", status=403)
        rejected = await staff.write("POST", f"{path}/reject", {"reason": "资料不全"})
        assert rejected["state"] == "rejected"
        made = await phone.write("POST", "/payouts", {"amount_fen": 5_000})
        path = f"/payouts/{made['payout_id']}"
        assert (await staff.write("POST", f"{path}/approve"))["state"] == "created"
        refused = await staff.write("POST", f"{path}/approve", status=409)
        assert refused["error"]["code"] == "payouts.cannot_decide"
        assert (await staff.write("POST", f"{path}/cancel"))["state"] == "cancelled"
        listed = await reader.get(f"/payouts?member_id={till.member_id}&status=cancelled")
        assert [one["payout_id"] for one in listed["items"]] == [made["payout_id"]]
        page = await reader.get("/payouts?limit=1")
        assert page["next_cursor"]
        rest = await reader.get(f"/payouts?limit=1&cursor={page['next_cursor']}")
        assert [one["state"] for one in rest["items"]] == ["rejected"]
        await reader.get(f"/payouts/{new_id()}", 404)


async def test_an_agreement_over_the_phone(till: Till) -> None:
    async with lanes(till.desk.shop_id, till.member_id) as [_, _, phone]:
        assert await phone.get("/payouts/agreement") == {"agreement": None}
        assert await phone.write("POST", "/payouts/agreement/sync") == {"agreement": None}
        asked = (await phone.write("POST", "/payouts/agreement"))["agreement"]
        assert (asked["state"], bool(asked["confirmation"]["package"])) == ("waiting", True)
        twice = await phone.write("POST", "/payouts/agreement", status=409)
        assert twice["error"]["code"] == "payouts.agreement_open"
        await till.desk.person.confirm_transfer(till.person_id, asked["confirmation"]["package"])
        await till.work(seconds=60, rounds=2)
        found = (await phone.get("/payouts/agreement"))["agreement"]
        assert (found["state"], found["confirmation"]) == ("active", None)
        assert (await phone.get("/payouts/offer"))["agreement"] == "active"


async def test_wechat_is_asked_at_once_whether_the_phone_agreed(till: Till) -> None:
    async with lanes(till.desk.shop_id, till.member_id) as [_, _, phone]:
        asked = (await phone.write("POST", "/payouts/agreement"))["agreement"]
        still = (await phone.write("POST", "/payouts/agreement/sync"))["agreement"]
        assert (still["state"], still["confirmation"]) == ("waiting", asked["confirmation"])
        await till.desk.person.confirm_transfer(till.person_id, asked["confirmation"]["package"])
        found = (await phone.write("POST", "/payouts/agreement/sync"))["agreement"]
        assert (found["state"], found["confirmation"]) == ("active", None)


async def test_the_shop_sees_who_agreed_the_newest_first(till: Till) -> None:
    desk = till.desk
    async with transaction(desk.shop_id) as tx:
        ended = await payouts.request_agreement(tx, till.member_id)
        await queries.move_agreement(tx, ended, AgreementState.CLOSED)
        made = await payouts.request_agreement(tx, till.member_id)
    async with lanes(desk.shop_id, till.member_id) as [_, reader, phone]:
        page = await reader.get("/payout-agreements?limit=1")
        [first] = page["items"]
        assert (first["agreement_id"], first["state"]) == (str(made), "created")
        assert (first["member_id"], first["number"]) == (str(till.member_id), made.hex)
        rest = await reader.get(f"/payout-agreements?limit=1&cursor={page['next_cursor']}")
        assert [one["agreement_id"] for one in rest["items"]] == [str(ended)]
        closed = await reader.get("/payout-agreements?status=closed")
        assert [one["agreement_id"] for one in closed["items"]] == [str(ended)]
        await phone.get("/payout-agreements", 404)
