"""Points over HTTP: the customer's phone and the console."""

from datetime import timedelta
from typing import Any

from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.merchant.staff.contracts import Role
from siyu.money.points import service
from tests.merchant.lanes import lanes, wechat
from tests.money.points.purse import Purse
from tests.money.stored_value.house import House, boss, code, house, phone

__all__ = ["boss", "house", "lanes", "phone", "wechat"]

SETTINGS = {
    "is_enabled": True, "earned_per_yuan": 2, "points_per_yuan": 50, "cap_bps": 2000,
    "expiry_months": None, "grace_days": 7, "negative_allowed": True,
}  # fmt: skip


async def test_own_points_and_what_explains_them(house: House, phone: Any) -> None:
    member_id = await house.member_id(phone)
    order_id = new_id()
    async with transaction(house.shop_id) as tx:
        await service.earn(tx, member_id=member_id, order_id=order_id, eligible_fen=12_345)
        await service.earn(tx, member_id=member_id, order_id=new_id(), eligible_fen=100)
    found = await house.ask(phone, "GET", "/shop/v1/points")
    assert (found["balance"], found["held"], found["owed"], found["points_per_yuan"]) == (
        124, 0, 0, 100,
    )  # fmt: skip
    page = await house.ask(phone, "GET", "/shop/v1/points/statement?limit=1")
    assert page["items"][0]["label"] == "确认收货，获得积分"
    rest = await phone.get(
        f"/shop/v1/points/statement?cursor={page['next_cursor']}",
        headers={"Accept-Language": "en"},
    )
    [line] = rest.json()["items"]
    assert (line["label"], line["points"], line["order_id"]) == (
        "Earned by a received order", 123, str(order_id),
    )  # fmt: skip


async def test_the_console_sets_the_rules_and_corrects(house: House, boss: Any, phone: Any) -> None:
    shown = await house.ask(boss, "GET", "/admin/v1/points/settings")
    assert (shown["earned_per_yuan"], shown["cap_bps"], shown["expiry_months"]) == (1, 5000, 12)
    assert await house.ask(boss, "PUT", "/admin/v1/points/settings", SETTINGS) == SETTINGS
    member_id = await house.member_id(phone)
    path = f"/admin/v1/members/{member_id}/points"
    body = {"points": 500, "reason": "补发"}
    made = await house.ask(boss, "POST", f"{path}/adjust", body, "key-1")
    assert await house.ask(boss, "POST", f"{path}/adjust", body, "key-1") == made
    found = await house.ask(boss, "GET", path)
    assert (found["balance"], [lot["points_left"] for lot in found["lots"]]) == (500, [500])
    [line] = (await house.ask(boss, "GET", f"{path}/statement"))["items"]
    assert (line["kind"], line["points"], line["note"]) == ("adjusted", 500, "补发")
    short = await house.send(boss, "POST", f"{path}/adjust", {"points": -501, "reason": "更正"})
    assert code(short) == (409, "points.short")
    zero = await house.send(boss, "POST", f"{path}/adjust", {"points": 0, "reason": "更正"})
    assert code(zero) == (422, "points.nothing_to_adjust")
    bad = await house.send(boss, "PUT", "/admin/v1/points/settings", SETTINGS | {"cap_bps": 10_001})
    assert code(bad) == (422, "request.malformed")
    unknown = f"/admin/v1/members/{new_id()}/points"
    assert code(await house.send(boss, "GET", unknown)) == (404, "members.member_not_found")
    clerk = await house.lanes.desk(Role.CLERK)
    assert (await clerk.get(path)).status_code == 403


async def test_the_console_lists_who_has_points_and_whose_end_soon(
    house: House, boss: Any, phone: Any
) -> None:
    first = await house.member_id(phone)
    others = [(await Purse.of(house.shop_id)).member_id for _ in range(2)]
    async with transaction(house.shop_id) as tx:
        await service.earn(tx, member_id=first, order_id=new_id(), eligible_fen=5_000)
        for number, member_id in enumerate(others):
            await service.earn(tx, member_id=member_id, order_id=new_id(), eligible_fen=100)
            await tx.run(
                "update points.lots set expires_on = $3 where shop_id = $1 and member_id = $2",
                house.shop_id,
                member_id,
                clock.business_day(clock.now(), "Asia/Shanghai") + timedelta(10 * number),
            )
        await service.hold(
            tx, member_id=first, order_id=new_id(), points=30, expires_at=clock.now()
        )
    path = "/admin/v1/points/accounts"
    page = await house.ask(boss, "GET", f"{path}?limit=2")
    rest = await house.ask(boss, "GET", f"{path}?limit=2&cursor={page['next_cursor']}")
    shown = page["items"] + rest["items"]
    assert [one["member_id"] for one in shown] == [str(others[1]), str(others[0]), str(first)]
    assert [(one["balance"], one["held"], one["owed"]) for one in shown] == [
        (1, 0, 0), (1, 0, 0), (20, 30, 0),
    ]  # fmt: skip
    assert rest["next_cursor"] is None
    detail = await house.ask(boss, "GET", f"/admin/v1/members/{first}/points")
    assert {name: shown[2][name] for name in shown[2]} == {name: detail[name] for name in shown[2]}

    async def ending(days: int) -> list[str]:
        found = await house.ask(boss, "GET", f"{path}?ending_within_days={days}")
        return [one["member_id"] for one in found["items"]]

    assert await ending(0) == await ending(9) == [str(others[0])]
    assert await ending(10) == [str(others[1]), str(others[0])]
