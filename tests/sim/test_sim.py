"""Days of a shop under faults and abuse: 20 seeds here, more by `siyu sim --seed N`."""

import asyncio
import fcntl
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from siyu.app import sim, sim_runs
from siyu.app.event_map import EVENT_MAP
from siyu.app.sim_database import own_database
from siyu.app.sim_loop import start_of_simulation
from siyu.commerce.catalog import background as catalog
from siyu.commerce.ordering import background as ordering
from siyu.commerce.ordering.contracts import OrderPaid
from siyu.kernel import clock, config, db, postgres
from siyu.kernel.db import Tx
from siyu.kernel.relay import EventMap
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments.contracts import PaymentSucceeded
from siyu.sandbox.world import SandboxSettings, open_world

pytestmark = pytest.mark.timeout(600)  # on a busy machine a run takes minutes
SEEDS = range(1, 21)
OFTEN = 3
"""So often is each kind of deed done by all seeds together; these less:"""
SELDOM = dict.fromkeys(
    (
        "orders: refunded in parts",
        "orders: paid with balance",
        "parcels: with a part of an order",
        "parcels: with several orders",
        "parcels: collected",
        "gifts: taken back by time",
        "gifts: taken back by the giver",
        "gifts: refunded",
        "gifts: asked about",
        "gifts: confirmed",
        "gifts: given back by the shop",
        "stored value: paid back to its owner",
        "orders: paid at the counter",
        "stock: sold in the hot lane",
        "stored value: topped up",
        "stored value: spent",
        "points: spent",
        "points: taken back at a refund",
        "profit sharing: split",
        "profit sharing: unfrozen",
        "profit sharing: earned by a promoter",
        "profit sharing: held",
        "profit sharing: released",
        "profit sharing: denied",
        "reviews: written",
    ),
    1,
) | dict.fromkeys(
    (  # seldom: in some seeds half of the visits are for their sake
        "gifts: swapped",
        "stored value: given back at a refund",
        "points: given back at a refund",
        "reviews: shown",
    ),
    1,
)
EAGER = {4: "give", 6: "regret", 8: "review", 10: "give", 12: "buy_by_link"}
"""Seeds in which half of the visits are for something that people seldom do."""
REFUSED = ("coupons.limit_reached",)
Simulate = Callable[..., "asyncio.Future[sim.Report]"]


@pytest.fixture(scope="session")
def sandbox_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sandbox's first state: its keys take time to make."""
    home = tmp_path_factory.mktemp("simulated-wechat")
    with clock.turned(start_of_simulation()):
        open_world(SandboxSettings(data_dir=home)).store.close()
    return home / "sandbox.sqlite"


@pytest.fixture
async def simulate(
    cluster: postgres.Cluster, template: str, sandbox_file: Path
) -> AsyncIterator[Simulate]:
    """Run a plan on a database of its own."""

    async def run(plan: sim.Plan, event_map: EventMap = EVENT_MAP) -> sim.Report:
        async with own_database(cluster, template) as name:
            ground = sim.Ground(cluster.url(name), sandbox_file)
            return await asyncio.to_thread(sim.simulate, plan, ground, event_map)

    yield run


def plan(seed: int, days: float = 0.7, visits: float = 60, **change: object) -> sim.Plan:
    return sim.Plan(seed=seed, days=days, members=30, visits=visits, **change)


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session, the same for all workers, where each seed leaves its deeds."""
    home = tmp_path_factory.getbasetemp()
    folder = (home.parent if os.environ.get("PYTEST_XDIST_WORKER") else home) / "deeds"
    folder.mkdir(exist_ok=True)
    return folder


def undone(told: Path) -> list[str]:
    """What no seed did, once all seeds have told what they did; before that nothing."""
    with (told / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        reports = [json.loads(one.read_text()) for one in told.glob("*.json")]
    if len(reports) < len(SEEDS):
        return []
    deeds = sum(map(Counter, reports), Counter())
    return [what for what in reports[0] if deeds[what] < SELDOM.get(what, OFTEN)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_seed_ends_balanced_and_together_they_do_everything(simulate, told, seed):
    """An actor that silently does nothing shows in the seed that ends last."""
    report = await simulate(plan(seed, eager=EAGER.get(seed, "")))
    refused = {one: report.score.get(f"refused {one}", 0) for one in REFUSED}
    (told / f"{seed}.json").write_text(json.dumps(report.deeds | refused))
    assert (report.violations, report.difference_fen) == ([], 0), report.last_steps
    assert report.verdict == "balanced, 0 violations"
    assert report.checks >= 10 and report.score["orders"] > 0
    assert undone(told) == []


async def test_the_same_seed_is_the_same_run_and_another_is_not(simulate):
    first = await simulate(plan(7, 0.4, 30))
    again = await simulate(plan(7, 0.4, 30))
    other = await simulate(plan(8, 0.4, 30))
    assert (first.digest, first.steps, first.score) == (again.digest, again.steps, again.score)
    assert other.digest != first.digest


def where(one: sim.Plan) -> tuple[int, str, frozenset[int]]:
    """What a run would find, in a process of its own."""
    cores = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    return one.seed, config.settings().data_dir.name, frozenset(cores)


def test_seeds_side_by_side_have_a_server_and_a_core_of_their_own():
    found = list(sim_runs.side_by_side(plan(5), 3, where))
    assert [seed for seed, _, _ in found] == [5, 6, 7]
    assert all(home.startswith("simulation-") for _, home, _ in found)
    if sys.platform == "linux":
        assert all(home == f"simulation-{core}" for _, home, (core,) in found)


# --- it can fail --------------------------------------------------------------------------------


async def book_again(tx: Tx, event: PaymentSucceeded) -> None:
    """A payment that stands in the books twice."""
    legs = [Leg(book=Book.WECHAT, amount=1), Leg(book=Book.SALES, amount=-1)]
    key = f"again:{event.payment_id}"
    await ledger.post(tx, Entry(key=key, kind="payment", legs=legs, ref=event.payment_id))


async def forget_a_reservation(tx: Tx, event: OrderPaid) -> None:
    """Stock that is changed past its own verbs."""
    await tx.run(
        "update inventory.stock set on_hand = on_hand - 1 where shop_id = $1 and sku_id = $2",
        tx.shop_id,
        event.lines[0].sku_id,
    )


async def test_a_payment_booked_twice_is_found_out(simulate):
    broken = {**EVENT_MAP, PaymentSucceeded: [*EVENT_MAP[PaymentSucceeded], book_again]}
    report = await simulate(plan(3, visits=20, calm=True), broken)
    assert not report.is_green
    assert report.verdict.startswith("NOT balanced: difference")
    assert report.violations or report.difference_fen


async def test_stock_changed_past_its_verbs_stops_the_run(simulate):
    broken = {**EVENT_MAP, OrderPaid: [*EVENT_MAP[OrderPaid], forget_a_reservation]}
    report = await simulate(plan(3, visits=20, calm=True), broken)
    assert any("on hand is the sum of the movements" in one for one in report.violations)
    assert report.last_steps, "the last steps are shown"
    assert "siyu sim --seed 3" in report.verdict


async def test_a_reaction_left_out_is_found_out(simulate):
    broken = {**EVENT_MAP, PaymentSucceeded: EVENT_MAP[PaymentSucceeded][1:]}
    assert ordering.on_payment_succeeded not in broken[PaymentSucceeded]
    report = await simulate(plan(1, visits=20, calm=True), broken)
    assert not report.is_green and report.violations


async def test_the_process_is_as_before(simulate, database):
    """Clock, database and settings of the tests are theirs again."""
    await simulate(plan(2, 0.1, 20, calm=True))
    assert clock.shift().total_seconds() == 0 and clock.now().year > 2026 - 1
    assert db.database() is database
    assert os.getpid() and catalog.on_order_paid in EVENT_MAP[OrderPaid]
