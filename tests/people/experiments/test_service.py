"""Who sees what: sticky, shared out as promised, told once a day, and only with consent."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.people.consents import rules as consent_texts
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Channel, Purpose
from siyu.people.experiments import invariants, service
from siyu.people.experiments.contracts import (
    Arm,
    BadDraft,
    Experiment,
    ExperimentAudience,
    ExperimentDraft,
    ExperimentState,
    Exposed,
    KeyTaken,
    LayerFull,
    Method,
    Metric,
    NotInState,
    Surface,
)
from siyu.people.experiments.rules import assigning
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform

ME = System()
ARMS = [
    Arm(key="a", name="原样", weight_bps=5_000),
    Arm(key="b", name="新标题", weight_bps=5_000, payload={"title": "春茶上新"}),
]


def draft(key: str = "spring", **more) -> ExperimentDraft:
    given = {
        "key": key, "name": "春季横幅", "surface": Surface.BANNER, "arms": ARMS,
        "baseline_micro": 40_000,
    }  # fmt: skip
    return ExperimentDraft(**given | more)


async def running(tx: Tx, key: str = "spring", **more) -> Experiment:
    made = await service.make_experiment(tx, ME, draft(key, **more))
    return await service.start_experiment(tx, ME, made.experiment_id)


async def visitors(tx: Tx, count: int) -> dict[UUID, int]:
    return await members.persons_of_visitors(tx, [uuid4() for _ in range(count)])


async def someone(tx: Tx) -> int:
    return next(iter((await visitors(tx, 1)).values()))


async def agree(tx: Tx, person_no: int, granted: bool = True) -> None:
    version = consent_texts.text_in_force(Purpose.ANALYTICS).version
    await consents.decide(
        tx, person_no, Purpose.ANALYTICS, text_version=version, granted=granted,
        channel=Channel.H5, language="zh-CN",
    )  # fmt: skip


async def arm_of(tx: Tx, person_no: int, key: str = "spring") -> str | None:
    return next((v.arm for v in await service.list_variants(tx, person_no) if v.key == key), None)


def told(tx: Tx) -> list[Exposed]:
    return [event for _, _, event, _ in tx._events if isinstance(event, Exposed)]


async def check_truths(tx: Tx) -> None:
    for truth, sql in invariants.INVARIANTS.items():
        assert await tx.value(f"select count(*) from ({sql}) as broken") == 0, truth


# --- assignment -------------------------------------------------------------------------------


async def test_everybody_gets_an_arm_by_its_weight_and_keeps_it(tx: Tx) -> None:
    arms = [msgspec.structs.replace(a, weight_bps=w) for a, w in zip(ARMS, (2_000, 8_000))]  # noqa: B905
    await running(tx, arms=arms)
    people = list((await visitors(tx, 400)).values())
    first = {person: await arm_of(tx, person) for person in people}
    assert 285 <= Counter(first.values())["b"] <= 355, "80 % of 400, within four sigma"
    assert {person: await arm_of(tx, person) for person in people} == first
    assert told(tx) == [], "asking tells nothing"


def test_hashes_of_one_person_are_independent() -> None:
    """Two experiments, the layer and the hold-out cut the people across each other."""
    cells = Counter(
        tuple(assigning.bucket("5" * 32, purpose, n) < 5_000 for purpose in ("arm:1:1", "arm:2:1"))
        for n in range(4_000)
    )
    assert all(abs(count - 1_000) < 140 for count in cells.values()), cells
    assert len({assigning.bucket(f"{n:032}", "arm:1:1", 7) for n in range(50)}) > 40, "salted"


async def test_an_exposure_is_told_once_a_day_with_its_probability(tx: Tx) -> None:
    await running(tx)
    person = await someone(tx)
    start = datetime(2026, 3, 1, 8, tzinfo=UTC)
    with clock.turned(start):
        for _ in range(3):
            [shown] = await service.expose(tx, person, ["spring"], agreed=True)
    assert len(told(tx)) == 1
    with clock.turned(start + timedelta(hours=9)):  # after midnight in Shanghai
        await service.expose(tx, person, ["spring", "unknown"], agreed=True)
    one, other = told(tx)
    assert one == other
    assert (one.person_no, one.arm, one.cell, one.probability_bps) == (
        person, shown.arm, f"1{shown.arm}", 5_000,
    )  # fmt: skip


async def test_without_consent_nothing_is_shown_or_kept(tx: Tx) -> None:
    await running(tx)
    person = await someone(tx)
    assert await service.expose(tx, person, ["spring"]) == []
    assert await service.variant_of(tx, person, "spring") is None
    await agree(tx, person)
    assert await service.variant_of(tx, person, "spring") is not None
    assert len(await service.expose(tx, person, ["spring"])) == 1
    await agree(tx, person, granted=False)
    with clock.turned(clock.now() + timedelta(days=2)):
        assert await service.expose(tx, person, ["spring"]) == []
    assert len(told(tx)) == 1


async def log_in(tx: Tx, visitor: UUID | None, name: str) -> int:
    found = await members.record_login(
        tx, "wx1", name, union_id=None, platform=Platform.H5, visitor=visitor
    )
    return found.member.person_no


async def test_a_visitor_who_joins_keeps_the_arm_unseen_or_seen(tx: Tx) -> None:
    await running(tx)
    for n, (visitor, number) in enumerate((await visitors(tx, 60)).items()):
        before = await arm_of(tx, number)
        if n % 2:
            await service.expose(tx, number, ["spring"], agreed=True)
        member = await log_in(tx, visitor, f"m{n}")
        assert member != number
        assert await arm_of(tx, member) == before


async def test_of_two_visitors_of_different_arms_the_first_exposure_counts(tx: Tx) -> None:
    await running(tx)
    people = await visitors(tx, 40)
    arms = {number: await arm_of(tx, number) for number in people.values()}
    phone = max((v for v, n in people.items() if arms[n] == "a"), key=people.__getitem__)
    older = next(v for v, n in people.items() if arms[n] == "b" and n < people[phone])
    await service.expose(tx, people[phone], ["spring"], agreed=True)
    with clock.turned(clock.now() + timedelta(hours=1)):
        await service.expose(tx, people[older], ["spring"], agreed=True)
        member = await log_in(tx, phone, "both")
        await log_in(tx, older, "both")
        assert await arm_of(tx, member) == "a"
        await service.expose(tx, member, ["spring"], agreed=True)
    assert [event.arm for event in told(tx)] == ["a", "b", "a"]


async def test_new_visitors_only(tx: Tx) -> None:
    known = await someone(tx)
    with clock.turned(clock.now() + timedelta(hours=1)):
        await running(tx, audience=ExperimentAudience.NEW)
    with clock.turned(clock.now() + timedelta(hours=2)):
        fresh = await someone(tx)
        assert await arm_of(tx, known) is None
        assert await arm_of(tx, fresh) is not None


async def test_a_growing_share_takes_in_more_and_moves_nobody(tx: Tx) -> None:
    made = await running(tx, share_bps=2_000)
    people = list((await visitors(tx, 300)).values())
    before = {p: arm for p in people if (arm := await arm_of(tx, p))}
    assert 30 <= len(before) <= 95
    await service.ramp_experiment(tx, ME, made.experiment_id, 6_000, "没有异常")
    after = {p: arm for p in people if (arm := await arm_of(tx, p))}
    assert 145 <= len(after) <= 215
    assert before.items() <= after.items()
    with pytest.raises(BadDraft):
        await service.ramp_experiment(tx, ME, made.experiment_id, 3_000, "缩小")


async def test_experiments_of_a_layer_never_share_a_person(tx: Tx) -> None:
    first = await running(tx, "one", layer="home", share_bps=4_000)
    await running(tx, "two", layer="home", share_bps=5_000)
    with pytest.raises(LayerFull) as refused:
        await running(tx, "three", layer="home", share_bps=1_001)
    assert refused.value.details == {"free_bps": 1_000}
    with pytest.raises(LayerFull):
        await service.ramp_experiment(tx, ME, first.experiment_id, 4_001, "更多")
    seen = Counter()
    for person in (await visitors(tx, 200)).values():
        keys = {v.key for v in await service.list_variants(tx, person)}
        assert len(keys) <= 1
        seen.update(keys)
    assert set(seen) == {"one", "two"}
    await service.stop_experiment(tx, ME, first.experiment_id, "结束")
    three = await service.list_experiments(tx, None, 1)
    started = await service.start_experiment(tx, ME, three[0].experiment_id)
    assert started.slot_from == 0, "the gap that became free"
    await check_truths(tx)


async def test_the_hold_out_sees_nothing_and_only_grows(tx: Tx) -> None:
    await running(tx)
    assert not await service.is_held_out(tx, await someone(tx))
    await service.set_holdout(tx, ME, 1_000)
    people = list((await visitors(tx, 400)).values())
    out = {person for person in people if await service.is_held_out(tx, person)}
    assert 18 <= len(out) <= 66
    assert out == {person for person in people if await arm_of(tx, person) is None}
    for person in sorted(out)[:3]:
        assert await service.expose(tx, person, ["spring"], agreed=True) == []
    await service.set_holdout(tx, ME, 2_000)
    assert out < {person for person in people if await service.is_held_out(tx, person)}
    for size in (1_999, 2_001):
        with pytest.raises(BadDraft):
            await service.set_holdout(tx, ME, size)


# --- changing ---------------------------------------------------------------------------------


async def test_a_running_experiment_changes_by_a_new_round(tx: Tx) -> None:
    made = await running(tx)
    person = await someone(tx)
    [shown] = await service.expose(tx, person, ["spring"], agreed=True)
    arms = [*ARMS[:1], msgspec.structs.replace(ARMS[1], payload={"title": "头采龙井"})]
    changed = await service.change_arms(tx, ME, made.experiment_id, arms, "换个说法")
    assert (changed.version, changed.round) == (2, 2)
    [kept] = await service.list_variants(tx, person)
    assert (kept.arm, kept.round) == (shown.arm, 1)
    other = await someone(tx)
    [fresh] = await service.list_variants(tx, other)
    assert fresh.round == 2
    with pytest.raises(BadDraft):
        await service.change_arms(tx, ME, made.experiment_id, [ARMS[0], ARMS[0]], "两个 a")
    ramped = await service.make_experiment(tx, ME, draft("other", share_bps=100))
    ramped = await service.start_experiment(tx, ME, ramped.experiment_id)
    ramped = await service.ramp_experiment(tx, ME, ramped.experiment_id, 200, "没有异常")
    assert (ramped.version, ramped.round) == (2, 1), "more of the same needs no new round"
    events = [entry.event for entry in await service.list_story(tx, made.experiment_id, 9)]
    assert events == ["changed", "started", "created"]
    await check_truths(tx)


async def test_a_decision_shows_the_winner_to_all_but_the_hold_out(tx: Tx) -> None:
    made = await running(tx)
    await service.set_holdout(tx, ME, 2_000)
    decided = await service.conclude_experiment(tx, ME, made.experiment_id, "b", "多 12 %")
    assert (decided.state, decided.winner_arm, decided.is_settled) == (
        ExperimentState.CONCLUDED,
        "b",
        True,
    )
    people = list((await visitors(tx, 60)).values())
    shown = {p: await arm_of(tx, p) for p in people}
    assert {p for p, arm in shown.items() if arm is None} == {
        p for p in people if await service.is_held_out(tx, p)
    }
    seeing = next(p for p, arm in shown.items() if arm == "b")
    assert (await service.variant_of(tx, seeing, "spring")).payload == {"title": "春茶上新"}
    await service.expose(tx, seeing, ["spring"], agreed=True)
    assert told(tx) == [], "what is decided is no test"
    gone = await service.retire_experiment(tx, ME, made.experiment_id, "已写入横幅")
    assert not gone.is_settled
    assert await arm_of(tx, seeing) is None
    for refused in (service.stop_experiment, service.retire_experiment):
        with pytest.raises(NotInState):
            await refused(tx, ME, made.experiment_id, "再来")
    await check_truths(tx)


@pytest.mark.parametrize(
    "change",
    [
        {"arms": [ARMS[0], msgspec.structs.replace(ARMS[1], weight_bps=4_999)]},
        {"arms": [msgspec.structs.replace(a, weight_bps=w) for a, w in zip(ARMS, (10_000, 0))]},  # noqa: B905
        {"arms": [ARMS[1], ARMS[0]]},
        {"arms": [msgspec.structs.replace(ARMS[0], payload={"title": "x"}), ARMS[1]]},
        {"arms": [ARMS[0], msgspec.structs.replace(ARMS[1], payload={"price_fen": 1})]},
        {"surface": Surface.PRODUCT},
        {"surface": Surface.HOME_ORDER},
        {"metric": Metric.EVENT},
        {"event": "behaviour.share"},
        {"method": Method.BANDIT, "metric": Metric.REVENUE},
    ],
    ids=str,
)
async def test_what_does_not_fit_is_refused(tx: Tx, change: dict) -> None:
    with pytest.raises(BadDraft):
        await service.make_experiment(tx, ME, draft(**change))
    assert await service.list_experiments(tx, None, 9) == []


async def test_a_picture_from_elsewhere_is_refused(tx: Tx) -> None:
    for url in ("https://evil.example/x.png", "//evil.example/x.png", "javascript:alert(1)"):
        arms = [ARMS[0], msgspec.structs.replace(ARMS[1], payload={"image_url": url})]
        with pytest.raises(BadDraft):
            await service.make_experiment(
                tx, ME, draft(surface=Surface.PRODUCT, product_id=uuid4(), product_no=1, arms=arms)
            )


async def test_a_key_is_taken_once_and_numbers_stay_dense(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        await service.make_experiment(tx, ME, draft())
    async with transaction(shop) as tx:
        with pytest.raises(KeyTaken):
            await service.make_experiment(tx, ME, draft())
        second = await service.make_experiment(tx, ME, draft("second"))
        assert second.experiment_no == 2
        await check_truths(tx)
    async with transaction(shop) as tx:
        await service.start_experiment(tx, ME, second.experiment_id)
    async with transaction(shop) as tx:
        person = await someone(tx)
        await service.expose(tx, person, ["second"], agreed=True)
    async with transaction(shop) as tx:
        await check_truths(tx)
        assert (
            await tx.value("select count(*) from kernel.outbox where name = 'experiments.exposed'")
            == 1
        )
