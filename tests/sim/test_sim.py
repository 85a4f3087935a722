"""Days of a shop under faults and abuse: 20 seeds here, more by `siyu sim --seed N`."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from siyu.app import sim
from siyu.app.event_map import EVENT_MAP
from siyu.app.sim_database import make_template, own_database
from siyu.app.sim_loop import start_of_simulation
from siyu.commerce.catalog import background as catalog
from siyu.commerce.ordering import background as ordering
from siyu.commerce.ordering.contracts import OrderPaid
from siyu.kernel import clock, db, migrate, postgres
from siyu.kernel.db import Tx
from siyu.kernel.relay import EventMap
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments.contracts import PaymentSucceeded
from siyu.sandbox.world import SandboxSettings, open_world

SEEDS = range(1, 21)
Simulate = Callable[..., "asyncio.Future[sim.Report]"]


@pytest.fixture(scope="session")
async def template(cluster: postgres.Cluster) -> str:
    """All schemas on the simulation's clock, once for all workers; those of old versions go."""
    name = f"simbase_{migrate.schema_hash()}"
    with (cluster.home / "simulation.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        owner = await asyncpg.connect(cluster.owner_url("postgres"))
        present = {row["datname"] for row in await owner.fetch("select datname from pg_database")}
        await owner.close()
        for other in present:
            kind, _, rest = other.partition("_")
            dead = kind == "sim" and not Path(f"/proc/{rest.partition('_')[0]}").exists()
            if dead or (kind == "simbase" and other != name):
                await cluster.drop_database(other)
        if name not in present:
            await cluster.drop_database(f"building_{name}")
            await make_template(cluster, f"building_{name}")
            await cluster.rename_database(f"building_{name}", name)
    return name


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


def plan(seed: int, days: float = 0.6, **change: object) -> sim.Plan:
    return sim.Plan(seed=seed, days=days, members=30, visits=20, **change)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_seed_ends_balanced(simulate, seed):
    report = await simulate(plan(seed))
    assert (report.violations, report.difference_fen) == ([], 0), report.last_steps
    assert report.verdict == "balanced, 0 violations"
    assert report.checks >= 10 and report.score["orders"] > 0


async def test_the_same_seed_is_the_same_run_and_another_is_not(simulate):
    first = await simulate(plan(7, 0.4))
    again = await simulate(plan(7, 0.4))
    other = await simulate(plan(8, 0.4))
    assert (first.digest, first.steps, first.score) == (again.digest, again.steps, again.score)
    assert other.digest != first.digest


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
    report = await simulate(plan(3, calm=True), broken)
    assert not report.is_green
    assert report.verdict.startswith("NOT balanced: difference")
    assert report.violations or report.difference_fen


async def test_stock_changed_past_its_verbs_stops_the_run(simulate):
    broken = {**EVENT_MAP, OrderPaid: [*EVENT_MAP[OrderPaid], forget_a_reservation]}
    report = await simulate(plan(3, calm=True), broken)
    assert any("on hand is the sum of the movements" in one for one in report.violations)
    assert report.last_steps, "the last steps are shown"
    assert "siyu sim --seed 3" in report.verdict


async def test_a_reaction_left_out_is_found_out(simulate):
    broken = {**EVENT_MAP, PaymentSucceeded: EVENT_MAP[PaymentSucceeded][1:]}
    assert ordering.on_payment_succeeded not in broken[PaymentSucceeded]
    report = await simulate(plan(1, calm=True), broken)
    assert not report.is_green and report.violations


async def test_the_process_is_as_before(simulate, database):
    """Clock, database and settings of the tests are theirs again."""
    await simulate(plan(2, 0.1, calm=True))
    assert clock.shift().total_seconds() == 0 and clock.now().year > 2026 - 1
    assert db.database() is database
    assert os.getpid() and catalog.on_order_paid in EVENT_MAP[OrderPaid]
