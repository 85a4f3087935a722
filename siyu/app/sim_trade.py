"""What the merchant does with prices and stock while people buy: campaigns go live, are paused and
end; pieces come, are lost, and move between the warehouses; at times the last one goes.
"""

from datetime import timedelta
from typing import Any

from siyu.app.sim_staff import Clerk, Duty

TITLE = "模拟活动"
AT_ONCE = 2
WAIVER = "模拟店铺,没有历史订单可试算"


async def run_campaigns(clerk: Clerk) -> None:
    """Begin one, soon or at once, for some hours; pause, continue or end one before its time."""
    running = await clerk.items("/campaigns?phase=running&limit=20")
    for campaign in running:
        path = f"/campaigns/{campaign['campaign_id']}"
        what = clerk.dice.choice(["", "", "", "pause", "end"])
        if what:
            await clerk.do(f"{what} campaign", f"{path}/{what}")
    for campaign in await clerk.items("/campaigns?phase=paused&limit=20"):
        await _start(clerk, campaign)
    goods = await clerk.items("/stock?limit=50")
    if goods and len(running) < AT_ONCE:
        made = await clerk.do("write campaign", "/campaigns", _draft(clerk, goods))
        if made.is_good:
            await _start(clerk, made.data)


async def _start(clerk: Clerk, campaign: Any) -> None:
    body = {"version": campaign["version"], "waiver": WAIVER}
    await clerk.do("start campaign", f"/campaigns/{campaign['campaign_id']}/start", body)


def _draft(clerk: Clerk, goods: list[Any]) -> dict[str, Any]:
    """Terms that do not come out even, for some goods or all."""
    dice = clerk.dice
    begins = clerk.street.director.loop.now() + timedelta(minutes=dice.choice([0, 0, 7, 90]))
    some = [{"target": "sku", "target_id": one["sku_id"]} for one in dice.sample(goods, 4)]
    terms = dice.choice(
        [
            {"type": "timed_price", "cuts": [one | {"pay_bps": 6_667} for one in some]},
            {"type": "timed_price", "cuts": [one | {"price_fen": 77} for one in some]},
            {"type": "threshold", "tiers": [{"at": 300, "off_fen": 101}], "repeats": True},
            {"type": "threshold", "by": "pieces", "tiers": [{"at": 2, "pay_bps": 8_333}]},
            {
                "type": "threshold",
                "tiers": [{"at": 100, "gifts": [{"sku_id": some[0]["target_id"]}]}],
            },
        ]
    )
    return {
        "title": TITLE,
        "starts_at": begins.isoformat(),
        "ends_at": (begins + timedelta(hours=dice.choice([1, 4, 20]))).isoformat(),
        "priority": dice.randint(0, 9),
        "stacking": dice.choice(["best", "adds", "sim"]),
        "audience": dice.choice(["everyone", "everyone", "members", "first_order"]),
        "takes_coupons": clerk.chance(0.7),
        "terms": terms,
    }


async def keep_stock(clerk: Clerk) -> None:
    """Count, receive, lose, move: each against the version that was read."""
    goods = await clerk.items("/stock?limit=50")
    for row in clerk.dice.sample(goods, min(len(goods), 2)):
        path = f"/stock/{row['sku_id']}"
        shown = await clerk.ask("GET", path)
        if not shown.is_good:
            continue
        known = {"expected_version": shown.data["version"], "reason": "盘点"}
        here = clerk.dice.choice(shown.data["places"])
        others = [place for place in shown.data["places"] if place != here]
        free = here["on_hand"] - here["reserved"]
        if others and free > 0 and clerk.chance(0.5):
            move = {
                "from_id": here["warehouse_id"],
                "to_id": clerk.dice.choice(others)["warehouse_id"],
                "quantity": clerk.dice.randint(1, free),
            }
            await clerk.do("move stock", f"{path}/transfer", known | move)
        else:
            delta = clerk.dice.choice([clerk.dice.randint(1, 20), -1, (2 - free) or 1, -free or 5])
            change = {"delta": delta, "warehouse_id": here["warehouse_id"]}
            await clerk.do("adjust stock", f"{path}/adjust", known | change)


DUTIES: list[Duty] = [run_campaigns, keep_stock]
