"""Trials of the warehouse against a plain reference on random events."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions, Trial, TrialCell, TrialSums
from siyu.warehouse.query.contracts import BadSpec, Count, Outcome, Step, TrialSpec, Where
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.warehouse.conftest import warehouse
from tests.warehouse.support import write

__all__ = ["warehouse"]

SHOP = 7
SINCE = datetime(2026, 3, 1, 16, tzinfo=UTC)
DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN, PAID, CLICK = "experiments.exposed", "ordering.order_paid", "behaviour.click"
SPEC = TrialSpec(
    shop_id=SHOP,
    exposed=Step(SHOWN, (Where("experiment_no", "eq", 3),)),
    arm="cell",
    chance="probability_bps",
    outcomes=(
        Outcome(Count.PERSONS, Step(PAID)),
        Outcome(Count.AMOUNT, Step(PAID)),
        Outcome(Count.EVENTS, Step(CLICK, (Where("item_no", "eq", 5),))),
    ),
    window=timedelta(days=2),
    before=timedelta(days=3),
    since=SINCE,
    until=SINCE + timedelta(days=8),
    time_zone="Asia/Shanghai",
)


def us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def story(seed: int) -> list[TailEvent]:
    """Sixty persons over fourteen days; exposures of two experiments, some to two arms."""
    dice = random.Random(seed)
    events = []
    for person in range(1, 61):
        own = dice.choice(("1a", "1b"))
        for _ in range(dice.randrange(12)):
            name = dice.choice((SHOWN, SHOWN, PAID, CLICK))
            props = None
            if name == SHOWN:
                cell = own if dice.random() < 0.9 else "1b"
                number, chance = dice.choice((3, 3, 4)), 2_500 if cell == "1a" else 7_500
                props = {"experiment_no": number, "cell": cell, "probability_bps": chance}
            at = us(SINCE) - 4 * DAY_US + dice.randrange(14 * DAY_US // 1_000_000) * 1_000_000
            fen = dice.randrange(100, 9_000) if name == PAID else 0
            events.append(
                TailEvent(
                    shop_id=SHOP if dice.random() < 0.95 else 8,
                    person_no=person,
                    at_us=at,
                    name=name,
                    channel="h5",
                    item_no=dice.choice((5, 6)) if name == CLICK else 0,
                    amount_fen=fen,
                    props=props,
                )
            )
    for joined, person in ((2, 1), (9, 8), (31, 30)):
        events.append(
            TailEvent(
                shop_id=SHOP,
                person_no=person,
                at_us=us(SINCE) + 7 * DAY_US,
                name="members.person_joined",
                channel="domain",
                props={"joined_person_no": joined},
            )
        )
    return events


def reference(spec: TrialSpec, events: list[TailEvent]) -> Trial:
    """The meaning of the spec, person by person."""
    became = {
        e.props["joined_person_no"]: e.person_no
        for e in events
        if e.name == "members.person_joined" and e.props
    }
    own = defaultdict(list)
    for event in events:
        if event.shop_id == spec.shop_id:
            own[became.get(event.person_no, event.person_no)].append(event)
    cells: dict[tuple[int, str], list] = defaultdict(lambda: [0, 0, 0, [[0] * 7 for _ in range(3)]])
    crossed = 0
    for told in own.values():
        shown = sorted(
            (e for e in told if e.name == SHOWN and e.props and e.props["experiment_no"] == 3
             and us(spec.since) <= e.at_us < us(spec.until)),
            key=lambda e: e.at_us,
        )  # fmt: skip
        if not shown:
            continue
        if len({e.props["cell"] for e in shown}) > 1:
            crossed += 1
            continue
        first, weight = shown[0], 10**8 // shown[0].props["probability_bps"]
        day = (first.at_us + 8 * 3_600_000_000) // DAY_US
        cell = cells[day, first.props["cell"]]
        cell[0] += 1
        if first.at_us + 2 * DAY_US > us(spec.until):
            continue
        cell[1] += 1
        cell[2] += weight

        def of(low: int, high: int, told: list[TailEvent] = told) -> list[int]:
            inside = [e for e in told if low <= e.at_us < high]
            paid = [e.amount_fen for e in inside if e.name == PAID]
            clicks = [e for e in inside if e.name == CLICK and e.item_no == 5]
            return [min(len(paid), 1), sum(paid), len(clicks)]

        ys = of(first.at_us, first.at_us + 2 * DAY_US)
        xs = of(first.at_us - 3 * DAY_US, first.at_us)
        for sums, y, x in zip(cell[3], ys, xs, strict=True):
            for n, value in enumerate((y > 0, y, y * y, x, x * x, x * y, weight * y)):
                sums[n] += value
    found = [
        TrialCell(arm, EPOCH.date() + timedelta(days=day), *counts, [TrialSums(*s) for s in sums])
        for (day, arm), (*counts, sums) in sorted(cells.items())
    ]
    return Trial(found, crossed)


@pytest.mark.parametrize("seed", range(4))
async def test_agrees_with_the_reference(warehouse: Path, seed: int) -> None:
    events = story(seed)
    half = len(events) // 2
    await write(Batch(source=SHOP, batch_key=uuid4(), events=events[:half]))
    await compaction.run_round(seal_now=True)
    await write(Batch(source=SHOP, batch_key=uuid4(), events=events[half:]))
    answers = await engines.ask(Questions(trials=(SPEC,)))
    expected = reference(SPEC, events)
    assert expected.cells, "the story has something to tell"
    assert answers.trials[0].crossed == expected.crossed
    for got, want in zip(answers.trials[0].cells, expected.cells, strict=True):
        assert got == want


async def test_nothing_was_shown(warehouse: Path) -> None:
    answers = await engines.ask(Questions(trials=(SPEC,)))
    assert answers.trials == [Trial([], 0)]


def test_only_what_can_be_summed() -> None:
    with pytest.raises(BadSpec):
        Outcome(Count.VISITS, Step(PAID))
