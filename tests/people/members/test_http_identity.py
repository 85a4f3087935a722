"""Identities over HTTP: staff find, link, merge and part; the customer sees and binds."""

from uuid import UUID

from siyu.kernel.db import transaction
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import Lanes


async def test_staff_register_find_and_decide(lanes: Lanes) -> None:
    desk = await lanes.desk()
    card = {"kind": "card", "value": "tea-1"}
    body = {"nickname": "老王", "identifiers": [card, {"kind": "phone", "value": "13812345678"}]}
    made = await desk.post("/admin/v1/members", json=body)
    assert made.status_code == 201, made.text
    wang = made.json()
    assert (wang["source"], wang["phone_masked"]) == ("staff", "138****5678")
    again = (await desk.post("/admin/v1/members", json=body)).json()
    assert again["member_id"] == wang["member_id"]
    found = await desk.post("/admin/v1/members/find", json={"kind": "card", "value": "TEA-1"})
    assert found.json()["member_id"] == wang["member_id"]
    nobody = await desk.post("/admin/v1/members/find", json={"kind": "card", "value": "TEA-2"})
    assert nobody.json()["error"]["code"] == "members.member_not_found"
    body = {"nickname": "王王", "identifiers": [{"kind": "email", "value": "w@x.cn"}]}
    other = (await desk.post("/admin/v1/members", json=body)).json()
    path = f"/admin/v1/members/{other['member_id']}"
    linked = await desk.post(f"{path}/identifiers", json=card)
    [waiting] = linked.json()["merges"]
    assert (waiting["state"], waiting["reasons"]) == ("proposed", ["weak_evidence"])
    queue = (await desk.get("/admin/v1/merges", params={"status": "proposed"})).json()
    assert [row["merge_id"] for row in queue["items"]] == [waiting["merge_id"]]
    merge = f"/admin/v1/merges/{waiting['merge_id']}"
    done = await desk.post(f"{merge}/decide", json={"is_accepted": True})
    assert (done.status_code, done.json()["state"]) == (200, "merged")
    twice = await desk.post(f"{merge}/decide", json={"is_accepted": False})
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "members.merge_decided")
    person = (await desk.get(f"{path}/identities")).json()
    assert person["member_id"] == wang["member_id"]
    assert len(person["records"]) == 2
    parted = await desk.post(f"{merge}/undo", json={"reason": "两个人"})
    assert (parted.status_code, parted.json()["state"]) == (200, "undone")
    locked = await desk.put(f"{path}/merge-lock", json={"reason": "有争议"})
    assert locked.json()["records"][0]["locked_reason"] == "有争议"
    listed = await desk.get("/admin/v1/members", params={"source": "staff", "level": "normal"})
    assert [row["nickname"] for row in listed.json()["items"]] == ["王王", "老王"]


async def test_a_phone_whose_record_was_merged_logs_in_again(lanes: Lanes) -> None:
    desk, phone = await lanes.desk(), await lanes.phone()
    body = {"identifiers": [{"kind": "card", "value": "TEA-1"}]}
    mine = (await phone.get("/shop/v1/me")).json()["member_id"]
    other = (await desk.post("/admin/v1/members", json=body)).json()["member_id"]
    async with transaction(lanes.shop_id) as tx:  # the card is older, so it stands for both
        await tx.run(
            """update members.members set joined_at = joined_at - interval '1 year'
               where shop_id = $1 and member_id = $2""",
            *(lanes.shop_id, UUID(other)),
        )
    pair = {"one_id": mine, "other_id": other}
    merge = (await desk.post("/admin/v1/merges", json=pair)).json()["merge_id"]
    await desk.post(f"/admin/v1/merges/{merge}/decide", json={"is_accepted": True})
    assert (await phone.get("/shop/v1/me")).status_code == 401
    again = await lanes.phone()
    assert (await again.get("/shop/v1/me")).json()["member_id"] == other


async def test_who_may_only_look_decides_nothing(lanes: Lanes) -> None:
    clerk = await lanes.desk(Role.ANALYST)
    some = "01a00000-0000-7000-8000-00000000000"
    pair = {"one_id": f"{some}1", "other_id": f"{some}2"}
    assert (await clerk.post("/admin/v1/merges", json=pair)).status_code == 403


async def test_a_customer_sees_their_identities_and_binds_a_card(lanes: Lanes) -> None:
    phone = await lanes.phone()
    before = (await phone.get("/shop/v1/me/identities")).json()
    named = sorted((one["kind"], one["app"]) for one in before["items"])
    assert named == [("openid", "mini_program"), ("unionid", None)]
    bound = await phone.post("/shop/v1/me/cards", json={"number": "TEA 0007"})
    assert bound.status_code == 200, bound.text
    assert [one["masked"] for one in bound.json()["items"] if one["kind"] == "card"] == ["***07"]
    assert bound.json()["is_waiting"] is False
    other = await lanes.phone("p2")
    asked = (await other.post("/shop/v1/me/cards", json={"number": "tea0007"})).json()
    assert asked["is_waiting"] is True
    assert "card" not in {one["kind"] for one in asked["items"]}, "nothing of the other's is told"
    bad = await phone.post("/shop/v1/me/cards", json={"number": "----"})
    assert bad.json()["error"]["code"] == "members.bad_identifier"
