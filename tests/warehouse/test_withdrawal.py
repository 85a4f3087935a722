"""F090: consent to statistics taken back: what pages told goes, the rest stays (W1, W10)."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.kernel.audit import System
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.engines.service import from_us, kernels
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import (
    Count,
    Feature,
    FeatureSpec,
    FunnelSpec,
    Measure,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    SeriesSpec,
    Step,
    Times,
)
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import PERSON_JOINED, Batch, TailEvent
from tests.warehouse.histories import BEGIN, BEGIN_US, DAY, SHOP, histories, relaxed, snapshot_of
from tests.warehouse.support import DAY_US, START_US, check_invariants, rows, write
from tests.warehouse.test_purge import in_tail, on_disk

TEA = ShopId(1)
MIDDLE = from_us(START_US + 5 * DAY_US)
VIEWS = Times(Step("behaviour.view"), None, "ge", 1)
NAMES = ["behaviour.view", "custom.signed", "ordering.order_paid"]


def told(person: int, day: int, name: str = "behaviour.view", channel: str = "h5") -> TailEvent:
    return TailEvent(
        shop_id=1, person_no=person, at_us=START_US + day * DAY_US, name=name, channel=channel
    )


async def send(*events: TailEvent) -> int:
    return await write(Batch(source=1, batch_key=uuid4(), events=list(events)))


async def viewers() -> list[int]:
    """Who has looked at something, asked of the kernels and of SQL."""
    asked = Questions(
        persons=(PersonsOf(segment=SegmentSpec(shop_id=1, rule=VIEWS, as_of=MIDDLE + 99 * DAY)),)
    )
    [found] = (await engines.ask(asked)).persons
    with kernels.put_aside():
        assert (await engines.ask(asked)).persons == [found]
    return list(found.numbers)


async def deeds(person: int) -> list[tuple[int, str]]:
    found = await query.events_of(1, [person], NAMES, 0)
    return [((one.at_us - START_US) // DAY_US, one.name) for one in found]


async def open_ones() -> list[int]:
    found = await compaction.list_withdrawals(TEA)
    return sorted(one.person_no for one in found if one.done_at is None)


async def test_F090_what_pages_told_is_forgotten_and_what_systems_told_stays(warehouse, shop):
    trade = told(3, 1, "ordering.order_paid", "domain")
    own = told(3, 2, "custom.signed", "own")
    await send(told(2, 1), told(3, 1), told(3, 3, "custom.signed", "mp-weixin"), trade, own)
    await compaction.compact()
    await send(told(2, 2), told(3, 4), told(3, 6))
    assert await viewers() == [2, 3]
    assert await compaction.ask_withdrawal(TEA, 3, MIDDLE, System()) == [3]
    left = [(1, "ordering.order_paid"), (2, "custom.signed"), (6, "behaviour.view")]
    assert (await deeds(3), await deeds(2)) == (
        left,
        [(1, "behaviour.view"), (2, "behaviour.view")],
    )
    assert (await open_ones(), await viewers()) == ([3], [2, 3])  # day 6 is after
    await check_invariants()
    await compaction.run_round()
    assert (await open_ones(), await deeds(3)) == ([], left)
    assert on_disk(warehouse) + await in_tail() == [(1, 2, 2), (1, 3, 3)]
    assert await rows("select reason, sum(rows)::int from warehouse.correction group by 1") == [
        ("withdrawn", 3)
    ]
    assert await send(told(3, 4), told(3, 7)) == 1  # a phone that was offline; and a new yes
    assert await deeds(3) == [*left, (7, "behaviour.view")]
    await check_invariants()


async def test_F090_each_withdrawal_takes_what_came_since_and_an_old_one_nothing(warehouse, shop):
    for day in (1, 6, 9):
        await send(told(3, day), told(2, day))
        await compaction.compact()
        before = from_us(START_US + day * DAY_US + 1)
        await compaction.ask_withdrawal(TEA, 3, before, System())
        assert await viewers() == [2]
        await compaction.run_round()
        await compaction.ask_withdrawal(TEA, 3, before - timedelta(days=1), System())
        assert await open_ones() == []
    assert on_disk(warehouse) == [(1, 2, 3)]
    await check_invariants()


async def test_F090_of_the_visitors_who_turned_out_to_be_the_person(warehouse, shop):
    joined = TailEvent(
        shop_id=1, person_no=3, at_us=START_US, name=PERSON_JOINED, channel="domain",
        props={"joined_person_no": 4},
    )  # fmt: skip
    await send(told(4, 1), told(5, 1), joined)
    await compaction.compact()
    assert await viewers() == [3, 5]
    assert await compaction.ask_withdrawal(TEA, 3, MIDDLE, System()) == [3, 4]
    assert await viewers() == [5]
    await compaction.run_round()
    assert on_disk(warehouse) == [(1, 3, 1), (1, 5, 1)]


def written(root) -> dict[str, tuple[int, int]]:
    """Every file there is, and when it was last written."""
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in root.glob("b*/*/*")
    }


async def test_F090_a_withdrawal_writes_its_files_once_and_a_repeated_one_none(warehouse, shop):
    """Two of three files hold the person; each is written anew once, the third never."""
    for person, day in ((3, 1), (2, 1), (3, 40)):
        await send(told(person, day), told(5, day))
        await compaction.compact()
    before = written(warehouse)
    assert len(before) == 3
    said = from_us(START_US + 50 * DAY_US)

    async def ask(after: timedelta, moment: datetime = said) -> None:
        await compaction.ask_withdrawal(TEA, 3, moment + after, System(), said=moment)

    await ask(timedelta(seconds=2))
    first = await compaction.run_round()
    assert first is not None and first.purged == 2
    after = written(warehouse)
    assert len(after.items() & before.items()) == 1, "who is not in a file has it left alone"
    [noted] = await compaction.list_withdrawals(TEA)
    assert noted.done_at is not None
    for seconds in (2, 60, 3_600):  # the job again, later each time: it asks up to its own moment
        await ask(timedelta(seconds=seconds))
        again = await compaction.run_round()
        assert again is not None and (again.purged, again.merges) == (0, 0)
        assert written(warehouse) == after
        assert await compaction.list_withdrawals(TEA) == [noted], "it stays done"
    await send(told(3, 51))  # agreed anew, and then took it back once more
    await compaction.compact()
    await ask(timedelta(seconds=2), said + timedelta(days=2))
    assert await open_ones() == [3]
    last = await compaction.run_round()
    assert last is not None and last.purged == 1
    assert [row for row in on_disk(warehouse) if row[1] == 3] == []
    await check_invariants()


class Died(Exception):
    """What stands for a killed process."""


POINTS = [
    "purge.asked", "purge.intent_written", "purge.file_written", "purge.inside_publish",
    "purge.published", "purge.clean",
]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_F090_who_compacts_next_goes_on_after_a_crash(warehouse, shop, monkeypatch, point):
    def die(name: str, *_) -> None:
        if name == point:
            raise Died

    await send(told(2, 1), told(3, 1), told(3, 2, "ordering.order_paid", "domain"))
    await compaction.compact()
    with monkeypatch.context() as dying:
        dying.setattr(tail, "crash_point", die)
        with pytest.raises(Died):
            await compaction.ask_withdrawal(TEA, 3, MIDDLE, System())
            await compaction.run_round()
    assert await viewers() == [2]  # at no moment is it counted again
    await compaction.ask_withdrawal(TEA, 3, MIDDLE, System())  # the job that died runs again
    await rows("update warehouse.file set lease_until = now() where state = 'writing' returning 1")
    for _ in range(2):
        await compaction.run_round()
    assert (await open_ones(), await viewers()) == ([], [2])
    assert on_disk(warehouse) == [(1, 2, 1), (1, 3, 1)]
    await check_invariants()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("withdrawal")


SEE = Step(("see", "tap"))
SPAN = {"shop_id": SHOP, "since": BEGIN, "until": BEGIN + 40 * DAY}
ASKED = {
    "funnels": FunnelSpec(steps=(Step("see"), Step("tap")), window=3 * DAY, by="channel", **SPAN),
    "paths": PathSpec(start=SEE, along=SEE, pause=DAY, length=3, of="page", top=5, **SPAN),
    "persons": PersonsOf(
        segment=SegmentSpec(shop_id=SHOP, rule=Times(SEE, None, "ge", 2), as_of=BEGIN + 30 * DAY)
    ),
    "features": FeatureSpec(
        shop_id=SHOP, features=(Feature(name="n", kind="count", step=SEE),),
        as_of=BEGIN + 30 * DAY, time_zone="UTC",
    ),
    "retentions": RetentionSpec(
        shop_id=SHOP, birth=SEE, back=SEE, first_day=BEGIN.date(),
        last_day=(BEGIN + 20 * DAY).date(), periods=(1, 7), time_zone="UTC",
    ),
    "series": SeriesSpec(
        shop_id=SHOP, measures=(Measure(step=SEE, count=Count.PERSONS),),
        spans=((BEGIN, BEGIN + 40 * DAY),), time_zone="UTC",
    ),
}  # fmt: skip


@relaxed
@given(
    histories,
    st.dictionaries(st.integers(1, 4), st.integers(0, 40), min_size=1, max_size=2),
    st.sampled_from([1, 3]),
    st.sampled_from(sorted(ASKED)),
)
def test_W10_every_question_leaves_out_what_was_withdrawn(folder, events, withdrawn, parts, kind):
    """As if the events had never been; "mp" stands for the channel of a system."""
    before = {no: BEGIN_US + day * DAY_US for no, day in withdrawn.items()}
    stay = [one for one in events if one.channel == "mp" or one.at_us >= before.get(one.person, -1)]
    sql = f"not {compaction.withdrawn_sql(before, [2])}"
    found = []
    for kept, seen in ((sql, events), (None, stay)):
        place = folder / str(uuid4())
        place.mkdir()
        snapshot = snapshot_of(seen, place, 0, parts)
        if kept:
            snapshot = type(snapshot)(
                shop_id=SHOP, files=snapshot.files, tail=snapshot.tail, codes=snapshot.codes,
                kept=kept,
            )  # fmt: skip
        answers = engines.answer(Questions(**{kind: (ASKED[kind],)}), snapshot)
        found.append(getattr(answers, kind))
    assert found[0] == found[1]
