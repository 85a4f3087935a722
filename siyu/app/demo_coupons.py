"""Coupons of the demo: the shop issues them through the console's API, customers claim some."""

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from siyu.kernel import clock

Ask = Callable[[str, str, Any], Awaitable[Any]]
"""One request: method, path, body."""

DAYS = 60
BATCHES: tuple[dict[str, Any], ...] = (
    {
        "name": "新人见面礼",
        "note": "新朋友的第一张券",
        "gives": {"type": "fixed", "off_fen": 1_500},
        "from_fen": 9_900,
        "issue": "newcomer",
        "valid_days": 14,
    },
    {
        "name": "首单立减",
        "note": "仅限第一笔订单",
        "gives": {"type": "fixed", "off_fen": 1_000},
        "from_fen": 3_900,
        "issue": "first_order",
        "valid_days": 7,
    },
    {
        "name": "满百减十五",
        "note": "",
        "gives": {"type": "fixed", "off_fen": 1_500},
        "from_fen": 10_000,
        "issue": "centre",
        "valid_days": 7,
        "total_count": 500,
        "per_member": 2,
    },
    {
        "name": "秋茶 88 折",
        "note": "可与满减券同时使用",
        "gives": {"type": "percent", "pay_bps": 8_800, "cap_fen": 3_000},
        "group": "extra",
        "issue": "centre",
        "budget_fen": 200_000,
    },
    {
        "name": "大额尝鲜券",
        "note": "每个手机号限领一张",
        "gives": {"type": "fixed", "off_fen": 5_000},
        "from_fen": 29_900,
        "issue": "centre",
        "needs_phone": True,
        "total_count": 20,
        "per_device": 1,
    },
    {
        "name": "龙井暗号",
        "note": "直播间口令：明前龙井",
        "gives": {"type": "fixed", "off_fen": 800},
        "from_fen": 3_900,
        "issue": "code",
        "code": "明前龙井",
        "total_count": 200,
    },
    {
        "name": "生日快乐",
        "note": "祝你今天也喝到好茶",
        "gives": {"type": "fixed", "off_fen": 2_000},
        "issue": "birthday",
        "valid_days": 7,
    },
    {
        "name": "小小歉意",
        "note": "让你久等了",
        "gives": {"type": "fixed", "off_fen": 500},
        "issue": "staff",
        "valid_days": 30,
        "return_days": 3,
    },
)
DRAFT = {
    "name": "双十二预热",
    "note": "",
    "gives": {"type": "percent", "pay_bps": 7_500, "cap_fen": 6_000},
    "from_fen": 20_000,
    "issue": "centre",
    "budget_fen": 500_000,
}
SORRY, FLASH = "小小歉意", "茶会快闪券"
FLASH_MINUTES = 10


async def issue(ask: Ask) -> None:
    """All batches of the demo, running but for one; and a free cup for whom staff choose."""
    now = clock.now()
    window = {
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(days=DAYS)).isoformat(),
    }
    goods = (await ask("GET", "/products?status=on_shelf&limit=1", None))["items"]
    exchange = [
        {
            "name": "免费兑一份",
            "note": "到店或下单时抵一件",
            "gives": {"type": "exchange", "pieces": 1},
            "scope": {"product_ids": [goods[0]["product_id"]]},
            "issue": "staff",
            "valid_days": 30,
        }
    ]
    for batch in (*BATCHES, *(exchange if goods else [])):
        made = await ask("POST", "/coupons", batch | window)
        await ask("POST", f"/coupons/{made['batch_id']}/state", {"to": "running"})
    await ask("POST", "/coupons", DRAFT | window)


async def say_sorry(ask: Ask, most: int = 6) -> None:
    """The shop gives coupons to some of its members by hand: a small one, and one that is over
    before most of them look.
    """
    now = clock.now()
    flash = {
        "name": FLASH,
        "note": "茶会现场十分钟内有效",
        "gives": {"type": "fixed", "off_fen": 1_200},
        "issue": "staff",
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(minutes=FLASH_MINUTES)).isoformat(),
    }
    made = await ask("POST", "/coupons", flash)
    await ask("POST", f"/coupons/{made['batch_id']}/state", {"to": "running"})
    batches = (await ask("GET", "/coupons?state=running&limit=50", None))["items"]
    known = (await ask("GET", f"/members?limit={most}", None))["items"]
    for batch in batches:
        if batch["name"] in (SORRY, FLASH) and known:
            body = {"member_ids": [one["member_id"] for one in known], "note": "发货晚了一天"}
            await ask("POST", f"/coupons/{batch['batch_id']}/hand-out", body)


async def claim(ask: Ask, dice: random.Random) -> None:
    """A customer looks into the coupon centre and takes one that is to be had."""
    centre = (await ask("GET", "/shop/v1/coupons", None))["items"]
    free = [one for one in centre if one["state"] == "open" and not one["needs_phone"]]
    if free:
        await ask("POST", f"/shop/v1/coupons/{dice.choice(free)['batch_id']}/claim", {})
