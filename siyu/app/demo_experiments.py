"""Experiments of the demo shop: one that runs, one that was decided, one that compares nothing.

`python -m siyu.app.demo_experiments SHOP_ID`: two weeks of visitors see them, by the same verbs
that serve the shop, on a clock turned back day by day; hence a process of its own.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from siyu.app.processes import program_database
from siyu.commerce.catalog import service as catalog
from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.people.experiments import service
from siyu.people.experiments.contracts import Arm, ExperimentDraft, Guard, Metric, Surface, Variant
from siyu.people.members import service as members
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, TailEvent

DAYS, VISITORS_A_DAY = 14, 110
_BY = System(actor_name="演示数据")
_GUARD = [Guard(metric=Metric.COMPLAINT, worse_bps=200)]
RATES = {
    "spring-banner": {"a": 0.10, "b": 0.19},
    "tea-title": {"a": 0.14, "b": 0.16},
    "same-same": {"a": 0.14, "b": 0.14},
}
"""How often somebody clicks on the product after seeing an arm: what the figures should find."""


def _arms(other: str, **payload: str) -> list[Arm]:
    return [
        Arm(key="a", name="原样", weight_bps=5_000),
        Arm(key="b", name=other, weight_bps=5_000, payload=dict(payload)),
    ]


def _drafts(product_id: UUID, product_no: int) -> list[ExperimentDraft]:
    return [
        ExperimentDraft(
            key="spring-banner", name="首页横幅说季节还是说工艺",
            hypothesis="先说季节，老客会点得更多", surface=Surface.BANNER,
            metric=Metric.CLICK, baseline_micro=100_000, effect_bps=4_000, guards=_GUARD,
            arms=_arms("说季节", title="这一季，喝新茶", subtitle="头采上市，数量有限"),
        ),
        ExperimentDraft(
            key="tea-title", name="商品标题加产地",
            hypothesis="写明产地的标题更可信", surface=Surface.PRODUCT,
            product_id=product_id, product_no=product_no,
            metric=Metric.CLICK, baseline_micro=140_000, effect_bps=2_000, guards=_GUARD,
            arms=_arms("加产地", title="高山产区 · 当季新茶"),
        ),
        ExperimentDraft(
            key="same-same", name="A/A：检查分流",
            hypothesis="两边一样，应当看不出差别", surface=Surface.FREE,
            metric=Metric.CLICK, baseline_micro=140_000, effect_bps=2_500,
            arms=_arms("同样"),
        ),
    ]  # fmt: skip


async def load(shop_id: ShopId) -> None:
    """Start, let people see, decide; nothing happens in a shop that has experiments already."""
    async with reading(shop_id) as tx:
        if await service.list_experiments(tx, None, 1):
            return
        product_id = (await catalog.list_products(tx, None, 1))[0]
        product_no = (await catalog.product_numbers(tx, [product_id]))[product_id]
    start = clock.now() - timedelta(days=DAYS)
    ids = {}
    with clock.turned(start):
        async with transaction(shop_id) as tx:
            for draft in _drafts(product_id, product_no):
                made = await service.make_experiment(tx, _BY, draft)
                await service.start_experiment(tx, _BY, made.experiment_id)
                ids[draft.key] = made.experiment_id
    dice = random.Random(20)
    for day in range(DAYS):
        await _one_day(shop_id, start + timedelta(days=day, hours=1), product_no, dice)
    async with transaction(shop_id) as tx:
        why = "横幅说季节，点击多了一半以上，售后没有增加"
        await service.conclude_experiment(tx, _BY, ids["spring-banner"], "b", why)


async def _one_day(shop_id: ShopId, at: datetime, product_no: int, dice: random.Random) -> None:
    """A day's visitors: each sees all that is tried, some click."""
    events: list[TailEvent] = []
    with clock.turned(at):
        async with transaction(shop_id) as tx:
            known = await members.persons_of_visitors(tx, [uuid4() for _ in range(VISITORS_A_DAY)])
            for person_no in known.values():
                shown = await service.expose(tx, person_no, RATES, agreed=True)
                events += _deeds(shop_id, person_no, product_no, shown, at, dice)
    await tail.collect(Batch(source=shop_id, batch_key=uuid4(), events=events))


def _deeds(
    shop_id: ShopId,
    person_no: int,
    product_no: int,
    shown: Sequence[Variant],
    at: datetime,
    dice: random.Random,
) -> list[TailEvent]:
    """A view, and a click with the chance that the arms seen give, each in proportion."""
    chance = 0.14
    for one in shown:
        chance *= RATES[one.key][one.arm] / RATES[one.key]["a"]
    names = ["view", *(["click"] if dice.random() < chance else [])]
    return [
        TailEvent(
            shop_id=shop_id,
            person_no=person_no,
            at_us=to_us(at + timedelta(minutes=5 + n)),
            name=f"behaviour.{name}",
            channel="h5",
            item_no=product_no,
            page="pages/home/home",
        )
        for n, name in enumerate(names)
    ]


async def main(shop_id: ShopId) -> None:
    """Fill the shop of the installation that the environment names."""
    async with program_database(config.settings(), size=4):
        await load(shop_id)


if __name__ == "__main__":
    asyncio.run(main(ShopId(int(sys.argv[1]))))
