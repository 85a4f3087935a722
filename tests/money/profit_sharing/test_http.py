"""Sharing over HTTP: the console's pages and what a promoter sees."""

from uuid import UUID

from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.money.profit_sharing.contracts import Scope, Trigger, Way
from tests.money.profit_sharing.desk import Desk, desk, market, wechat_url
from tests.money.profit_sharing.lanes import lanes

__all__ = ["desk", "market", "wechat_url"]


def leader(receiver_id: str, share_bps: int = 1000) -> dict[str, object]:
    return {
        "title": "团长",
        "scope": "leader",
        "share_bps": share_bps,
        "way": "split",
        "trigger": "receipt",
        "receiver_id": receiver_id,
    }


async def test_settings_and_rules(desk: Desk) -> None:
    async with lanes(desk.shop_id) as [staff, reader, _]:
        usual = {
            "max_ratio_bps": 3000, "fee_bps": 60, "floor_fen": 20_000, "freeze_days": 30,
            "alarm_days": 25,
        }  # fmt: skip
        assert await reader.get("/split-settings") == usual
        refused = await reader.write("PUT", "/split-settings", usual, 403)
        assert refused["error"]["code"] == "auth.forbidden"
        await staff.write("PUT", "/split-settings", usual | {"max_ratio_bps": 10_001}, 422)
        changed = usual | {"max_ratio_bps": 8000}
        assert await staff.write("PUT", "/split-settings", changed) == changed
        assert await reader.get("/split-settings") == changed

        receiver = str(await desk.merchant())
        made = await staff.write("POST", "/split-rules", leader(receiver, 8000))
        assert made["is_active"] and made["share_bps"] == 8000
        again = await staff.write("POST", "/split-rules", leader(receiver, 1), 409)
        assert again["error"]["code"] == "profit_sharing.ratio_too_high"
        low = await staff.write("PUT", "/split-settings", changed | {"max_ratio_bps": 7_999}, 409)
        assert low["error"]["details"] == {"sum_bps": 8_000, "max_bps": 7_999}
        await staff.write("PUT", "/split-settings", changed | {"max_ratio_bps": 9_000})
        taken = await staff.write("POST", "/split-rules", leader(receiver, 1), 409)
        assert taken["error"]["code"] == "profit_sharing.rule_taken"
        unknown = await staff.write("POST", "/split-rules", leader(str(new_id()), 1), 404)
        assert unknown["error"]["code"] == "profit_sharing.receiver_unknown"
        bad = await staff.write("POST", "/split-rules", leader(receiver) | {"level": 1}, 422)
        assert bad["error"]["code"] == "profit_sharing.bad_rule"
        assert [one["rule_id"] for one in await reader.get("/split-rules")] == [made["rule_id"]]
        stopped = await staff.write("POST", f"/split-rules/{made['rule_id']}/stop")
        assert not stopped["is_active"]
        assert await reader.get("/split-rules") == []
        assert len(await reader.get("/split-rules?stopped=true")) == 1
        gone = await staff.write("POST", f"/split-rules/{new_id()}/stop", status=404)
        assert gone["error"]["code"] == "profit_sharing.rule_unknown"
        timed = leader(receiver) | {"trigger": "days", "after_days": 20}
        await staff.write("POST", "/split-rules", timed)
        late = await staff.write(
            "PUT", "/split-settings", changed | {"freeze_days": 20, "alarm_days": 10}, 422
        )
        assert late["error"]["code"] == "profit_sharing.bad_rule"


async def test_receivers(desk: Desk) -> None:
    member_id, _ = await desk.member()
    async with lanes(desk.shop_id) as [staff, reader, _]:
        keys = await desk.person.call("POST", "/merchants", {"name": "茶厂有限公司"})
        merchant = {
            "kind": "merchant", "account": keys["mchid"], "name": "茶厂有限公司",
            "relation": "SUPPLIER",
        }  # fmt: skip
        made = await staff.write("POST", "/split-receivers", merchant)
        assert made["state"] == "active"
        twice = await staff.write("POST", "/split-receivers", merchant, 409)
        assert twice["error"]["code"] == "profit_sharing.receiver_taken"
        person = {"kind": "person", "member_id": str(member_id), "relation": "DISTRIBUTOR"}
        assert (await staff.write("POST", "/split-receivers", person))["state"] == "active"
        for bad in (
            merchant | {"account": desk.keys["mchid"]},
            merchant | {"member_id": str(member_id)},
            person | {"account": "o1"},
            {"kind": "person", "relation": "USER"},
        ):
            refused = await staff.write("POST", "/split-receivers", bad, 422)
            assert refused["error"]["code"] == "profit_sharing.bad_receiver"
        listed = await reader.get("/split-receivers")
        assert [one["name_masked"] for one in listed] == ["茶*****", None]
        assert listed[1]["owner_id"] == str(member_id)
        wrong = await staff.write(
            "POST", "/split-receivers", merchant | {"account": "1900000001", "name": "错"}
        )
        assert wrong["state"] == "refused"
        path = f"/split-receivers/{wrong['receiver_id']}"
        assert (await staff.write("POST", f"{path}/again", {"name": "还错"}))["state"] == "refused"
        assert (await staff.write("POST", f"{path}/again", {}))["state"] == "refused"
        too_long = await staff.write("POST", f"{path}/again", {"name": " "}, 422)
        assert too_long["error"]["code"] == "profit_sharing.bad_receiver"

        rule = await staff.write("POST", "/split-rules", leader(made["receiver_id"]))
        path = f"/split-receivers/{made['receiver_id']}"
        used = await staff.write("DELETE", path, status=409)
        assert used["error"]["code"] == "profit_sharing.receiver_in_use"
        await staff.write("POST", f"/split-rules/{rule['rule_id']}/stop")
        await staff.write("DELETE", path, status=204)
        gone = await staff.write("DELETE", path, status=404)
        assert gone["error"]["code"] == "profit_sharing.receiver_unknown"
        assert len(await reader.get("/split-receivers")) == 2


async def test_promoters(desk: Desk) -> None:
    one, two = (await desk.member())[0], (await desk.member())[0]
    async with lanes(desk.shop_id) as [staff, reader, _]:
        first = await staff.write("PUT", f"/promoters/{one}", {"parent_id": None})
        assert (first["level"], first["parent_id"]) == (1, None)
        second = await staff.write("PUT", f"/promoters/{two}", {"parent_id": str(one)})
        assert (second["level"], second["parent_id"]) == (2, str(one))
        page = await reader.get("/promoters?limit=1")
        rest = await reader.get(f"/promoters?limit=1&cursor={page['next_cursor']}")
        found = [page["items"][0]["member_id"], rest["items"][0]["member_id"]]
        assert (found, rest["next_cursor"]) == ([str(two), str(one)], None)
        stays = await staff.write("DELETE", f"/promoters/{one}", status=409)
        assert stays["error"]["code"] == "profit_sharing.promoter_refused"
        await staff.write("DELETE", f"/promoters/{two}", status=204)
        await staff.write("DELETE", f"/promoters/{one}", status=204)
        gone = await staff.write("DELETE", f"/promoters/{one}", status=404)
        assert gone["error"]["code"] == "profit_sharing.promoter_unknown"
        nobody = await staff.write("PUT", f"/promoters/{new_id()}", {"parent_id": None}, 404)
        assert nobody["error"]["code"] == "members.member_not_found"


async def test_orders_alarms_and_decisions(desk: Desk) -> None:
    receiver = await desk.merchant()
    rule = await desk.rule(3000, receiver_id=receiver, trigger=Trigger.DAYS, after_days=0)
    order_ids = [await desk.order(), await desk.order()]
    async with lanes(desk.shop_id) as [staff, reader, _]:
        page = await reader.get("/splits?limit=1")
        rest = await reader.get(f"/splits?limit=1&cursor={page['next_cursor']}")
        seen = [UUID(one["order_id"]) for one in page["items"] + rest["items"]]
        assert sorted(seen) == sorted(order_ids)
        assert (page["items"][0]["shared_fen"], page["items"][0]["is_frozen"]) == (3_000, True)
        assert (await reader.get("/splits?status=closed"))["items"] == []
        await staff.write("POST", f"/split-rules/{rule.rule_id}/stop")
        settings = await reader.get("/split-settings")
        await staff.write("PUT", "/split-settings", settings | {"max_ratio_bps": 1})
        await desk.work_on()
        alarms = await reader.get("/splits?alarms=true")
        assert [one["alarm"] for one in alarms["items"]] == ["over_ratio", "over_ratio"]
        path = f"/splits/{order_ids[0]}"
        detail = await reader.get(path)
        assert (detail["frozen_fen"], detail["parts"][0]["state"]) == (10_000, "refused")
        decided = await staff.write("POST", f"{path}/decide", {"split": False})
        assert (decided["plan"]["alarm"], decided["parts"][0]["state"]) == (None, "credited")
        nothing = await staff.write("POST", f"{path}/decide", {"split": False}, 409)
        assert nothing["error"]["code"] == "profit_sharing.nothing_to_decide"
        assert (await reader.get(f"/splits/{new_id()}", 404))["error"]["code"] == (
            "profit_sharing.plan_unknown"
        )
    async with transaction(desk.shop_id) as tx:
        lines = await tx.connection.fetch(
            "select action from kernel.audit where shop_id = $1", desk.shop_id
        )
    assert {"profit_sharing.decided", "profit_sharing.rule_stopped"} <= {
        one["action"] for one in lines
    }


async def test_what_a_promoter_sees(desk: Desk) -> None:
    promoter = await desk.promoter()
    await desk.rule(
        1000, scope=Scope.PROMOTER, level=1, way=Way.BALANCE, trigger=Trigger.DAYS, after_days=1
    )
    order_ids = [await desk.order(promoter=promoter), await desk.order(5_000, promoter=promoter)]
    async with lanes(desk.shop_id, promoter) as [_, _, phone]:
        assert await phone.get("/commission") == {
            "balance_fen": 0, "available_fen": 0, "expected_fen": 1_500, "held_fen": 0,
            "earned_fen": 0,
            "is_promoter": True,
        }  # fmt: skip
    await desk.work_on(86_500)
    async with lanes(desk.shop_id, promoter) as [_, _, phone]:
        assert await phone.get("/commission") == {
            "balance_fen": 1_500, "available_fen": 1_500, "expected_fen": 0, "held_fen": 0,
            "earned_fen": 1_500,
            "is_promoter": True,
        }  # fmt: skip
        page = await phone.get("/commission/entries?limit=1")
        rest = await phone.get(f"/commission/entries?limit=1&cursor={page['next_cursor']}")
        found = [page["items"][0]["order_id"], rest["items"][0]["order_id"]]
        assert found == [str(one) for one in reversed(order_ids)]
        assert rest["next_cursor"] is None
    async with lanes(desk.shop_id) as [_, _, stranger]:
        assert (await stranger.get("/commission/entries"))["items"] == []
        assert not (await stranger.get("/commission"))["is_promoter"]


async def test_F096_a_held_commission_at_the_desk_and_on_the_promoters_page(desk: Desk) -> None:
    promoter, (buyer, _) = await desk.promoter(), await desk.member("陈顾客")
    await desk.rule(
        1000, scope=Scope.PROMOTER, level=1, way=Way.BALANCE, trigger=Trigger.DAYS, after_days=0
    )
    device = str(new_id())
    for member_id in (promoter, buyer):
        async with lanes(desk.shop_id, member_id) as [_, _, phone]:
            await phone.write("PUT", "/commission/device", {"device": device}, 204)
            await phone.write("PUT", "/commission/device", {"device": "x"}, 422)
    first, second = [await desk.order(promoter=promoter, buyer=buyer) for _ in range(2)]
    await desk.work_on()
    async with lanes(desk.shop_id, promoter) as [staff, reader, phone]:
        alarms = await reader.get("/splits?alarms=true")
        assert [one["alarm"] for one in alarms["items"]] == ["held", "held"]
        [part] = (await reader.get(f"/splits/{first}"))["parts"]
        assert (part["state"], part["evidence"]) == ("held", ["SAME_DEVICE"])
        assert (await phone.get("/commission"))["held_fen"] == 2_000
        entries = (await phone.get("/commission/entries"))["items"]
        assert [one["state"] for one in entries] == ["held", "held"]
        path = f"/splits/{first}/parts/1/review"
        for lane, body, status in (
            (reader, {"release": True}, 403),
            (staff, {"release": False}, 422),
            (staff, {"release": False, "reason": "x"}, 422),
            (staff, {"release": None}, 422),
        ):
            await lane.write("POST", path, body, status)
        unknown = await staff.write(
            "POST", f"/splits/{first}/parts/2/review", {"release": True}, 409
        )
        assert unknown["error"]["code"] == "profit_sharing.nothing_to_decide"
        done = await staff.write("POST", path, {"release": False, "reason": "自买自推，陈小姐"})
        assert (done["parts"][0]["state"], done["plan"]["alarm"]) == ("denied", None)
        await staff.write("POST", f"/splits/{second}/parts/1/review", {"release": True})
        await desk.work_on()
        entries = (await phone.get("/commission/entries"))["items"]
        assert [(one["state"], one["amount_fen"]) for one in entries] == [
            ("credited", 1_000), ("denied", 0),
        ]  # fmt: skip
        assert set(entries[0]) == {
            "order_id", "part_no", "title", "level", "amount_fen", "state", "way", "paid_at",
            "due_at",
        }, "nothing of the buyer, and not why"  # fmt: skip
        seen = await phone.get("/commission")
        assert (seen["held_fen"], seen["available_fen"]) == (0, 1_000)
