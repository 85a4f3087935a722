"""From events to what may be said; what the hourly review does; the way over HTTP."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Router

from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.consents import rules as consent_texts
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments import background, http_admin, http_shop, service
from siyu.people.experiments.contracts import (
    Experiment,
    ExperimentState,
    Finding,
    Guard,
    Method,
    Metric,
)
from siyu.warehouse.tail.contracts import Batch, TailEvent
from tests.people.experiments.test_service import ME, draft
from tests.warehouse.conftest import warehouse
from tests.warehouse.support import write

__all__ = ["warehouse"]

START = datetime(2026, 3, 1, 4, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION = consent_texts.text_in_force(Purpose.ANALYTICS).version


async def begun(shop: ShopId, **more) -> Experiment:
    with clock.turned(START):
        async with transaction(shop) as tx:
            made = await service.make_experiment(tx, ME, draft(window_days=1, **more))
        async with transaction(shop) as tx:
            return await service.start_experiment(tx, ME, made.experiment_id)


async def tell(shop: ShopId, persons: dict[str, int], deeds: dict[str, dict[str, float]]) -> None:
    """Ten days of persons per cell; who does what within a day, each with its own rate."""
    dice, events, person = random.Random(4), [], 0

    def event(at: datetime, name: str, **more) -> TailEvent:
        at_us = (at - EPOCH) // timedelta(microseconds=1)
        return TailEvent(
            shop_id=shop, person_no=person, at_us=at_us, name=name, channel="h5", **more
        )

    for cell, count in persons.items():
        for n in range(count):
            person += 1
            at = START + timedelta(days=10 * n / count, minutes=1)
            props = {"experiment_no": 1, "cell": cell, "probability_bps": 5_000}
            events.append(event(at, "experiments.exposed", props=props))
            events += [
                event(at + timedelta(hours=1), name, amount_fen=100)
                for name, rates in deeds.items()
                if dice.random() < rates[cell]
            ]
    await write(Batch(source=shop, batch_key=uuid4(), events=events))


async def read(shop: ShopId, made: Experiment):
    with clock.turned(START + timedelta(days=12)):
        return await service.read_results(shop, made.experiment_id)


PAID = "ordering.order_paid"


async def test_a_better_arm_is_called_better(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop, effect_bps=3_000)
    await tell(shop, {"1a": 2_000, "1b": 2_000}, {PAID: {"1a": 0.10, "1b": 0.16}})
    found = await read(shop, made)
    assert (found.verdict.finding, found.verdict.arm) == (Finding.BETTER, "b")
    control, better = found.arms
    assert (control.persons, better.done, found.waiting, found.crossed) == (2_000, 2_000, 0, 0)
    assert better.low is not None
    assert 0 < better.low < better.difference < better.high
    assert better.p_value < 0.05
    assert len(found.points) >= 8
    assert found.points[-1].high - found.points[-1].low < found.points[0].high - found.points[0].low


async def test_the_same_is_not_called_better(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop)
    await tell(shop, {"1a": 1_000, "1b": 1_000}, {PAID: {"1a": 0.10, "1b": 0.10}})
    found = await read(shop, made)
    assert found.verdict.finding is Finding.WAIT
    assert found.verdict.days_left is not None
    assert found.verdict.days_left > 10, "a tenth of 4 % needs many more"


async def test_uneven_shares_come_first(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop)
    await tell(shop, {"1a": 1_000, "1b": 800}, {PAID: {"1a": 0.10, "1b": 0.30}})
    assert (await read(shop, made)).verdict.finding is Finding.UNEVEN


async def test_a_new_round_is_read_by_itself(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop)
    with clock.turned(START + timedelta(seconds=10)):
        async with transaction(shop) as tx:
            await service.change_arms(tx, ME, made.experiment_id, draft().arms, "重新开始")
    await tell(shop, {"1a": 300, "1b": 100, "2a": 50, "2b": 50}, {PAID: dict.fromkeys(
        ("1a", "1b", "2a", "2b"), 0.5)})  # fmt: skip
    found = await read(shop, made)
    assert [arm.persons for arm in found.arms] == [50, 50]


async def test_a_broken_guard_stops_it(warehouse: Path, shop: ShopId) -> None:
    guard = Guard(metric=Metric.COMPLAINT, worse_bps=200)
    made = await begun(shop, guards=[guard])
    rates = {PAID: {"1a": 0.1, "1b": 0.1}, "after_sale.case_opened": {"1a": 0.02, "1b": 0.12}}
    await tell(shop, {"1a": 1_000, "1b": 1_000}, rates)
    with clock.turned(START + timedelta(days=12)):
        for _ in range(2):
            await background.review_experiments()
    async with reading(shop) as tx:
        stopped = await service.get_experiment(tx, made.experiment_id)
        story = await service.list_story(tx, made.experiment_id, 9)
    assert stopped.state is ExperimentState.STOPPED
    assert [entry.event for entry in story] == ["guard_stopped", "started", "created"]
    assert (await read(shop, made)).verdict.finding is Finding.HARMFUL


async def test_a_guard_that_holds_stops_nothing(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop, guards=[Guard(metric=Metric.COMPLAINT, worse_bps=200)])
    rates = {"after_sale.case_opened": {"1a": 0.04, "1b": 0.05}}
    await tell(shop, {"1a": 1_000, "1b": 1_000}, rates)
    with clock.turned(START + timedelta(days=12)):
        await background.review_experiments()
    async with reading(shop) as tx:
        found = await service.get_experiment(tx, made.experiment_id)
    assert found.state is ExperimentState.RUNNING


async def test_a_bandit_leans_to_what_does_well(warehouse: Path, shop: ShopId) -> None:
    made = await begun(shop, method=Method.BANDIT)
    await tell(shop, {"1a": 600, "1b": 600}, {PAID: {"1a": 0.05, "1b": 0.12}})
    with clock.turned(START + timedelta(days=12)):
        await background.review_experiments()
        await background.review_experiments()
    async with reading(shop) as tx:
        found = await service.get_experiment(tx, made.experiment_id)
        story = await service.list_story(tx, made.experiment_id, 9)
    assert found.weights_bps is not None
    assert sum(found.weights_bps) == 10_000
    assert found.weights_bps[1] > 9_800
    assert [entry.event for entry in story] == ["weighed", "started", "created"], "told once"
    verdict = (await read(shop, made)).verdict
    assert (verdict.finding, verdict.arm) == (Finding.LEADER, "b")


async def test_a_plan_from_the_last_weeks(warehouse: Path, shop: ShopId) -> None:
    with clock.turned(START):
        empty = await service.make_plan(
            shop, metric=Metric.CONVERSION, event=None, product_no=None, effect_bps=1_000,
            share_bps=10_000, arms=2, window_days=1,
        )  # fmt: skip
    assert (empty.days, empty.persons_a_day) == (None, 0)
    rates = {"behaviour.view": {"1a": 1.0}, PAID: {"1a": 0.1}}
    await tell(shop, {"1a": 2_800}, rates)
    with clock.turned(START + timedelta(days=12)):
        asked = {"metric": Metric.CONVERSION, "event": None, "product_no": None, "arms": 2,
                 "window_days": 1}  # fmt: skip
        small = await service.make_plan(shop, effect_bps=1_000, share_bps=10_000, **asked)
        large = await service.make_plan(shop, effect_bps=3_000, share_bps=5_000, **asked)
    assert small.persons_a_day == 100
    assert 80_000 < small.baseline_micro < 120_000
    assert small.days is not None
    assert large.days is not None
    assert large.persons < small.persons / 7
    assert large.days == -(-large.persons // 50) + 1


# --- over HTTP --------------------------------------------------------------------------------


@pytest.fixture
async def web(shop: ShopId) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in `shop`. The session cookie "siyu" names the permission somebody holds."""

    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)

        async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity:
            return StaffIdentity(uuid4(), uuid4(), shop, "小店员", frozenset(token.split("+")))

    app = build_app(
        [
            Router("/shop/v1", route_handlers=http_shop.routes),
            Router("/admin/v1", route_handlers=http_admin.routes),
        ],
        Hooks(),
    )
    async with reading(shop) as tx:
        code = (await shops.get_shop(tx)).code
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="https://shop.test",
        headers={"X-Siyu-Shop": code},
        cookies={"siyu": "insight.read+experiments.write"},
    ) as client:
        yield client


BODY = {
    "key": "spring", "name": "春季横幅", "surface": "banner", "baseline_micro": 40_000,
    "arms": [
        {"key": "a", "name": "原样", "weight_bps": 5_000},
        {"key": "b", "name": "新", "weight_bps": 5_000, "payload": {"title": "春茶上新"}},
    ],
}  # fmt: skip


async def told(shop: ShopId) -> int:
    async with reading(shop) as tx:
        return await tx.value(
            "select count(*) from kernel.outbox where name = 'experiments.exposed'"
        )


async def test_from_the_desk_to_the_shop(
    warehouse: Path, shop: ShopId, web: httpx.AsyncClient
) -> None:
    made = (await web.post("/admin/v1/experiments", json=BODY)).json()
    path = f"/admin/v1/experiments/{made['experiment_id']}"
    assert (await web.get("/shop/v1/experiments")).json() == {"items": []}
    assert (await web.post(f"{path}/start")).json()["state"] == "running"
    visitor = str(uuid4())
    agreed = {"visitor": visitor, "consent_version": VERSION}
    assert (await web.get("/shop/v1/experiments", params={"visitor": visitor})).json() == {
        "items": []
    }, "no consent, no test"
    [shown] = (await web.get("/shop/v1/experiments", params=agreed)).json()["items"]
    assert (shown["key"], shown["surface"], shown["is_settled"]) == ("spring", "banner", False)
    assert await told(shop) == 0
    nothing = {"visitor": visitor, "consent_version": None, "keys": ["spring"]}
    assert (await web.post("/shop/v1/experiments/exposures", json=nothing)).json()["items"] == []
    assert await told(shop) == 0
    for _ in range(2):
        answer = await web.post(
            "/shop/v1/experiments/exposures", json={**agreed, "keys": ["spring", "other"]}
        )
        assert [one["arm"] for one in answer.json()["items"]] == [shown["arm"]]
    assert await told(shop) == 1
    assert (await web.get(f"{path}/results")).json()["verdict"]["finding"] == "empty"
    decided = await web.post(f"{path}/conclude", json={"winner_arm": "b", "why": "更好"})
    assert decided.json()["is_settled"]
    [settled] = (await web.get("/shop/v1/experiments")).json()["items"]
    assert settled["payload"] == {"title": "春茶上新"}, "for everybody, asked or not"
    story = (await web.get(f"{path}/story")).json()["items"]
    assert [entry["event"] for entry in story] == ["concluded", "started", "created"]


async def test_who_may_only_read_changes_nothing(
    warehouse: Path, shop: ShopId, web: httpx.AsyncClient
) -> None:
    made = (await web.post("/admin/v1/experiments", json=BODY)).json()
    web.cookies.set("siyu", "insight.read", domain="shop.test")
    web.cookies.delete("siyu", domain="")
    path = f"/admin/v1/experiments/{made['experiment_id']}"
    assert (await web.get(path)).json()["state"] == "draft"
    assert (await web.get("/admin/v1/experiments")).json()["items"][0]["key"] == "spring"
    for answer in (
        await web.post(f"{path}/start"),
        await web.put("/admin/v1/experiments/holdout", json={"holdout_bps": 100}),
        await web.post("/admin/v1/experiments", json=BODY | {"key": "more"}),
    ):
        assert answer.status_code == 403
    assert (await web.get(path)).json()["state"] == "draft"
    assert (await web.get("/admin/v1/experiments/holdout")).json() == {"holdout_bps": 0}


@pytest.mark.parametrize(
    "change", [{"key": "Bad Key"}, {"arms": BODY["arms"][:1]}, {"effect_bps": 99}, {"more": 1}],
    ids=str,
)  # fmt: skip
async def test_a_malformed_body_is_refused(web: httpx.AsyncClient, change: dict) -> None:
    assert (await web.post("/admin/v1/experiments", json=BODY | change)).status_code == 422


async def test_an_unknown_one_is_not_found(web: httpx.AsyncClient) -> None:
    answer = await web.get(f"/admin/v1/experiments/{UUID(int=1)}/results")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "experiments.not_found")
