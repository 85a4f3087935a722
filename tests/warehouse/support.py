"""Builders that the warehouse tests share."""

from pathlib import Path
from uuid import UUID, uuid4

from siyu.warehouse.compaction import invariants as file_truths
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import invariants as tail_truths
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, TailEvent

ROOT = Path(__file__).parents[2]
START_US = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC
DAY_US = 86_400_000_000


def event(
    person: int = 1, at_us: int = START_US, name: str = "behaviour.view", shop: int = 1, **more
) -> TailEvent:
    return TailEvent(shop_id=shop, person_no=person, at_us=at_us, name=name, channel="h5", **more)


def batch(count: int, *, shop: int = 1, step_us: int = 1_000_000, key: UUID | None = None) -> Batch:
    """`count` events of seven persons; the props hold everything that CSV could trip over."""
    return Batch(
        source=shop,
        batch_key=key or uuid4(),
        events=[
            event(
                i % 7 + 1,
                START_US + i * step_us,
                shop=shop,
                page=f"/pages/product/{i}?from=home",
                props={"zone": 'a"b,c\n\t新品区', "n": i} if i % 3 else None,
            )
            for i in range(count)
        ],
    )


async def write(*batches: Batch) -> int:
    """Write batches in one transaction; how many events were new."""
    prepared = await tail.prepare(batches)
    async with tail.opened() as tx:
        return await tail.append(tx, prepared)


async def rows(sql: str) -> list[tuple]:
    """What a query in the warehouse's role finds."""
    async with tail.opened() as tx:
        return [tuple(record.values()) for record in await tx.connection.fetch(sql)]


async def check_invariants() -> None:
    """The truths of the books, and the audit of every file."""
    for name, sql in {**tail_truths.INVARIANTS, **file_truths.INVARIANTS}.items():
        assert await rows(sql) == [], name
    report = await compaction.verify()
    assert report.ok, report
