"""Segments of the demo shop: ten groups a shop lives with, two of them live, and their days."""

import asyncio
from datetime import timedelta

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.people.profiles import service as profiles
from siyu.people.profiles.contracts import Condition
from siyu.people.segments import service
from siyu.people.segments.contracts import (
    All,
    AnyOf,
    FieldIs,
    Foremost,
    Inside,
    Largest,
    Not,
    OnTier,
    Rule,
    StepBody,
    Tagged,
    Then,
    Times,
)

_BY = System(actor_name="演示数据")
_ORDER, _CART = StepBody(event="any.order"), StepBody(event="behaviour.cart")
_VISIT = StepBody(event="any.visit")
DAYS = 10


def _if(field: str, op: str, value: int | bool | str | list[str] | None = None) -> FieldIs:
    return FieldIs(test=Condition(field=field, op=op, value=value))  # type: ignore[arg-type]


def _bought(least: int, days: int | None) -> Times:
    return Times(step=_ORDER, op="ge", n=least, days=days)


RULES: tuple[tuple[str, str, Rule, bool], ...] = (
    ("近 30 天买过两次", "复购的主力", All(parts=[_bought(2, 30)]), False),
    ("消费最多的两成", "近一年", Largest(step=_ORDER, percent=20, days=365), False),
    ("加购三天未买", "适合一次轻提醒（弃购挽回）", All(parts=[
        Then(first=_CART, then=_ORDER, within=3, done=False, days=30),
    ]), True),
    ("新客待复购", "首单 7-60 天、只买过一次", All(parts=[
        _if("orders", "eq", 1), _if("orders_first_on", "days_ge", 7),
        _if("orders_first_on", "days_le", 60),
    ]), True),
    ("沉睡高价值", "花得多，30 天没来买", All(parts=[
        Foremost(field="net_fen", percent=30), Times(step=_ORDER, op="eq", n=0, days=30),
    ]), False),
    ("常来不买", "近 30 天来过三次以上，没有下单", All(parts=[
        Times(step=_VISIT, op="ge", n=3, days=30), Times(step=_ORDER, op="eq", n=0, days=30),
    ]), False),
    ("价格敏感", "多数订单用券，或领过券还没有买", AnyOf(parts=[
        All(parts=[_if("orders", "ge", 3), _if("coupon_share_bps", "ge", 6_000)]),
        All(parts=[_if("coupons_claimed", "ge", 1), _if("orders", "eq", 0)]),
    ]), False),
    ("忠诚和活跃", "运营分层里的两层", OnTier(ladder="tier", keys=["loyal", "active"]), False),
    ("送礼的人", "送出过礼物，带来新客的排在前面", AnyOf(parts=[
        _if("gifts_sent", "ge", 1), _if("brought", "ge", 1),
    ]), False),
)  # fmt: skip
"""Name, note, rule, live."""


async def load(shop_id: ShopId) -> None:
    """Save them once, judge everybody, and keep the days of the last ten."""
    async with transaction(shop_id) as tx:
        if await service.list_segments(tx):
            return
        tags = {tag.name: tag.tag_id for tag in await profiles.list_tags(tx)}
    await _profiled(shop_id)
    found = await service.judge_everybody(shop_id, [rule for _, _, rule, _ in RULES])
    saved = {}
    async with transaction(shop_id) as tx:
        for (name, note, rule, live), audience in zip(RULES, found, strict=True):
            saved[name] = await service.save_rule(tx, _BY, name, rule, audience, note, live=live)
    guests = [Tagged(tag_id=tags["品鉴会来宾"])] if "品鉴会来宾" in tags else []
    care = All(parts=[
        AnyOf(parts=[Inside(segment_id=saved["消费最多的两成"].segment_id), *guests]),
        Not(part=Inside(segment_id=saved["近 30 天买过两次"].segment_id)),
    ])  # fmt: skip
    [audience] = await service.judge_everybody(shop_id, [care])
    async with transaction(shop_id) as tx:
        await service.save_rule(
            tx, _BY, "值得回访", care, audience, "高消费或品鉴会来宾，近 30 天没有复购"
        )
    await _days(shop_id)


async def _days(shop_id: ShopId) -> None:
    """The days as the scheduled work would have kept them, had it run then."""
    now = clock.now()
    for ago in range(DAYS, 0, -1):
        with clock.turned(now - timedelta(days=ago)):
            await service.take_snapshots(shop_id)
    await service.take_snapshots(shop_id)


async def _profiled(shop_id: ShopId) -> None:
    """Wait until the worker has made the profiles: there are some, and no more come."""
    before, patience = 0, 60
    for _ in range(patience):
        async with reading(shop_id) as tx:
            count = len(await profiles.list_everybody(tx, judged=True))
        if count and count == before:
            return
        before = count
        await asyncio.sleep(0.5)
