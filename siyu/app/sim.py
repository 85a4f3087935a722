"""`siyu sim`: days of a shop on a turned clock, against a WeChat that misbehaves.

Hundreds of members buy, return and cheat through the real API; processes are killed between any two
round trips; after each hour, each day and every few steps all truths of all domains are asked. The
same seed gives the same run, step by step (`digest`), so a red one can be looked at again.
"""

import asyncio
import contextlib
import functools
import math
import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from siyu.app import (
    schedule,
    sim_checks,
    sim_deeds,
    sim_flash,
    sim_gifts,
    sim_money,
    sim_parcels,
    sim_promoters,
    sim_shop,
    sim_staff,
)
from siyu.app.event_map import EVENT_MAP
from siyu.app.http import create_litestar
from siyu.app.sim_cast import AFTER_BUYING, DUTIES, eager_for
from siyu.app.sim_database import POOL_SIZE, Behind, Pool, bring_near, on_one_core, own_database
from siyu.app.sim_faults import Weather
from siyu.app.sim_loop import Director, SimLoop, start_of_simulation
from siyu.app.sim_members import Member, live
from siyu.app.sim_people import Problem, Street
from siyu.app.sim_process import SHOP, WECHAT, Errors, installed, program_frozen
from siyu.app.sim_staff import Clerk
from siyu.app.sim_world import (
    Courier,
    Memory,
    ToWeChat,
    Web,
    Worker,
    World,
    luck_of,
    silenced,
)
from siyu.kernel import config, db, ids, postgres
from siyu.kernel.http import with_patch
from siyu.kernel.relay import EventMap
from siyu.sandbox.app import SandboxSettings, create_sandbox
from siyu.sandbox.client import SandboxClient
from siyu.wechat.transport import service as transport

CHECK_STEPS = 250
RUSH_HOURS_UTC = (4.0, 11.5, 13.0)  # noon, evening and late evening in China
RUSH_SECONDS = 300.0
BUSY_PAUSE, IDLE_PAUSE = 600.0, 5 * 3600.0  # mean seconds between two ticks of periodic work
LONGEST_PAUSE = 18 * 3600.0
ROUSED, ROUSED_SECONDS = 0.4, 60.0  # how often somebody who comes wakes it, and how soon
CLOSING_DAYS, LAST_DAYS = 1.0, 3.2
"""For what is under way to end; then, with nobody there, for the last bills to come and agree."""
LAST_LOOKS, LAST_LOOK_SECONDS = 12, 4 * 3600.0
"""As long as something is under way: more than two of the longest pauses."""
MOST_STEPS, MOST_STEPS_A_VISIT = 100_000, 5_000  # about ten times what a run needs

FRESH = Memory()
"""What a process knows that has only just begun."""


class Plan(msgspec.Struct, frozen=True):
    """What to simulate. visits: of all members together, per day."""

    seed: int
    days: float = 3.0
    members: int = 200
    visits: float = 16.0
    calm: bool = False
    """Without faults."""
    eager: str = ""
    """A habit by name, for the sake of which half of the visits are."""


class Report(msgspec.Struct):
    """What came out. `violations` and `difference_fen` must be empty and 0."""

    seed: int
    days: float
    members: int
    visits: float
    eager: str
    steps: int
    digest: str
    seconds: float
    days_per_minute: float
    checks: int
    score: dict[str, int]
    deeds: dict[str, int]
    kills: dict[str, int]
    violations: list[str]
    difference_fen: int | None
    last_steps: list[str]

    @property
    def is_green(self) -> bool:
        """Whether everything holds."""
        return not self.violations and self.difference_fen == 0

    @property
    def verdict(self) -> str:
        """The last line."""
        if self.is_green:
            return f"balanced, {len(self.violations)} violations"
        apart = "unknown" if self.difference_fen is None else f"{self.difference_fen} fen"
        return (
            f"NOT balanced: difference {apart}, {len(self.violations)} violations;"
            f" again with: siyu sim --seed {self.seed} --days {self.days:g}"
            f" --members {self.members} --visits {self.visits:g}"
            f"{f' --eager {self.eager}' if self.eager else ''}"
        )


def tell(report: Report) -> None:
    """The report for people; its last line is the verdict."""
    if not report.is_green:
        print("The last steps:")
        print("\n".join(f"  {line}" for line in report.last_steps))
    for violation in report.violations:
        print(f"VIOLATED  {violation}")
    for what, count in report.score.items():
        print(f"{count:6}  {what}")
    print("What came of it:")
    for what, count in report.deeds.items():
        print(f"{count:6}  {what}")
    print(f"kills: {', '.join(f'{count} {what}' for what, count in report.kills.items())}")
    visits = sum(count for what, count in report.score.items() if what.startswith("visit "))
    orders = report.deeds.get("orders: paid", 0) + report.deeds.get("orders: cancelled", 0)
    print(
        f"{report.days:g} days of {report.members} members, {visits} visits, {orders} orders,"
        f" {report.score.get('gifts', 0)} of them gifts, in {report.seconds} s"
        f" ({report.days_per_minute} days per minute), {report.steps} steps,"
        f" all truths asked {report.checks} times, digest {report.digest[:16]}"
    )
    print(report.verdict)


class Ground(msgspec.Struct, frozen=True):
    """Where a simulation runs: a fresh database, and the first state of a sandbox, if there is."""

    url: str
    sandbox_file: Path | None = None


def run(plan: Plan, event_map: EventMap = EVENT_MAP) -> Report:
    """Simulate on the embedded cluster of this installation, in a database of its own."""
    stack = contextlib.AsyncExitStack()
    with asyncio.Runner() as runner:

        async def prepare() -> Ground:
            cluster = await stack.enter_async_context(
                postgres.embedded(config.settings().data_dir / "postgres")
            )
            name = await stack.enter_async_context(own_database(cluster, None))
            return Ground(cluster.url(name))

        try:
            return simulate(plan, runner.run(prepare()), event_map)
        finally:
            runner.run(stack.aclose())


def simulate(plan: Plan, ground: Ground, event_map: EventMap = EVENT_MAP) -> Report:
    """Run a plan to its end, or to the first thing that is wrong."""
    assert schedule.MODULES, "importing the schedule registers the work"
    _program()
    began = time.monotonic()
    loop = SimLoop(start_of_simulation())
    director = Director(loop, plan.seed)
    before = random.getstate()
    random.seed(plan.seed)  # pauses before repeats are drawn from it
    ids.draw_from(random.Random(f"ids {plan.seed}").randbytes)
    program = installed(loop, FRESH)
    with on_one_core(), luck_of(plan.seed), program as folder, silenced(loop), program_frozen():
        if ground.sandbox_file is not None:
            shutil.copy(ground.sandbox_file, folder / "sandbox.sqlite")
        simulation = Simulation(plan, loop, director, ground.url, folder, event_map)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(simulation.run())
    random.setstate(before)
    ids.draw_from()
    return simulation.report(time.monotonic() - began)


@functools.cache
def _program() -> Any:
    """The web program: it keeps nothing but the database, and takes a second to be put together."""
    return with_patch(create_litestar())


class Simulation:
    """One run."""

    def __init__(
        self,
        plan: Plan,
        loop: SimLoop,
        director: Director,
        url: str,
        folder: Path,
        event_map: EventMap,
    ) -> None:
        self.plan = plan
        self.loop = loop
        self.director = director
        self.url = url
        self.folder = folder
        self.event_map = event_map
        self.dice = random.Random(f"plan {plan.seed}")
        self.violations: list[str] = []
        self.difference_fen: int | None = None
        self.deeds: dict[str, int] = {}
        self.checks = 0
        self.errors = Errors()
        director.most_steps = MOST_STEPS + int(MOST_STEPS_A_VISIT * plan.visits * plan.days)
        self._checked_step = 0
        self._checked_hour = 0
        self.members: list[Member] = []
        self.clerks: list[Clerk] = []
        self.street: Street
        self.world: World
        self.shop: sim_shop.Shop
        self.auditor: sim_checks.Auditor

    async def run(self) -> None:
        """From the opening of the shop to the comparison of the books."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self.errors.listening())
            stack.callback(Memory().forget)
            await self.director.offstage(self._open(stack))
            work = asyncio.create_task(self._work())
            await asyncio.wait({work, self.director.failed}, return_when=asyncio.FIRST_COMPLETED)
            self.director.fail(asyncio.CancelledError())
            work.cancel()
            await self.director.offstage(self.world.end())
            ended = await asyncio.gather(work, self.director.failed, return_exceptions=True)
            self._explain(ended)

    async def _work(self) -> None:
        await self._days()
        await self._close()

    def _explain(self, ended: Iterable[BaseException | None]) -> None:
        """Make violations of what ended the run too early; a bug of the simulation is raised."""
        for end in ended:
            if isinstance(end, sim_checks.Violated):
                self.violations += end.found
            elif isinstance(end, Problem):
                self.violations += self.street.problems + self.errors.texts
            elif isinstance(end, Exception):
                raise end

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect everything to everything."""
        observer = await self._behind(stack, role="siyu_system")
        reaper = await self._behind(stack)
        pool: Any = await self._pool(stack, "siyu_app")
        db.use(db.Database(self.url, pool))
        web = Web(_program(), self.director)
        app: Any = create_sandbox(
            SandboxSettings(data_dir=self.folder, public_url=WECHAT, seed=self.plan.seed), web
        )
        wire = httpx.ASGITransport(app)
        transport.use_network(ToWeChat(wire, self.director))
        stack.push_async_callback(transport.close)
        sandbox = await stack.enter_async_context(SandboxClient(WECHAT, wire))
        http = await stack.enter_async_context(httpx.AsyncClient(transport=web, base_url=SHOP))
        courier = Courier(sandbox, self.folder / "sandbox.sqlite", self.director, self.loop)

        async def settled() -> None:
            await self.world.settled()

        queue = await self._pool(stack, "siyu_system")
        worker = Worker(self.event_map, queue, self.director, self.dice, self._until_tick, settled)
        self.world = World(self.loop, self.director, web, worker, observer, reaper)
        await self.world.turn_clock(0.0)
        self.shop = await sim_shop.open_shop(sandbox, self.plan.seed)
        inside = await self._behind(
            stack, role="siyu_app", **{"siyu.shop_id": str(self.shop.shop_id)}
        )
        self.auditor = sim_checks.Auditor(inside, observer)
        self.street = Street(self.shop, http, sandbox, self.director, courier, self.plan.seed)
        people = await sim_shop.make_people(sandbox, self.plan.members, self.plan.seed)
        seed = str(self.plan.seed)
        habits = eager_for(self.plan.eager)
        self.members = [
            Member(self.street, f"m{number}", seed, person_id, habits, AFTER_BUYING)
            for number, person_id in enumerate(people)
        ]
        self.street.people = self.members
        async with httpx.AsyncClient(transport=web.direct, base_url=SHOP) as desk:
            await self._prepare(desk)
        db.on_commit(worker.ring)
        worker.start()
        self.director.must_check = self._must_check
        self.director.check = self._check

    async def _prepare(self, desk: httpx.AsyncClient) -> None:
        """Two members who earn commission, and two clerks; before time begins."""
        earners = self.members[:2]
        for earner in earners:
            await earner.sign_in(desk)
            earner.own_habits = sim_money.EARNERS
        merchant = await self.street.sandbox.call("POST", "/merchants", {"name": "分账伙伴"})
        for number in range(2):
            name = f"clerk-{number}"
            await sim_shop.hire(self.shop.shop_id, name, sim_staff.PASSWORD)
            cookie = await sim_staff.sign_in(desk, name)
            self.clerks.append(Clerk(self.street, name, str(self.plan.seed), cookie, DUTIES))
        self.street.cashier = self.clerks[0]
        await sim_staff.set_up(
            desk, self.clerks[0].headers(), [earner.member_id for earner in earners], merchant
        )
        await sim_parcels.set_up(desk, self.clerks[0].headers())
        await sim_gifts.set_up(desk, self.clerks[0].headers())
        await sim_flash.set_up(desk, self.clerks[0].headers())
        await sim_promoters.set_up(desk, self.clerks[0].headers(), earners)

    async def _behind(self, stack: contextlib.AsyncExitStack, **settings: str) -> Behind:
        # All truths together are one long statement, and it must stay prepared.
        real = await asyncpg.connect(
            self.url,
            server_settings=settings,
            max_cacheable_statement_size=0,
            max_cached_statement_lifetime=0,
        )
        bring_near(real.get_server_pid())
        stack.callback(real.terminate)
        return Behind(real)

    async def _pool(self, stack: contextlib.AsyncExitStack, role: str) -> Pool:
        """Connections that wait for locks as long as the others' turns take, and know a statement
        for good: the minutes after which they would forget it pass in no time here.
        """
        limits = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        real = await db.Database.connect(
            self.url,
            POOL_SIZE,
            role,
            idle_seconds=0,
            statement_seconds=0,
            **dict.fromkeys(limits, "0"),
        )
        stack.callback(real.pool.terminate)
        return Pool(real.pool, self.director)

    async def _until_tick(self) -> None:
        """Let time pass till the next tick: seldom when idle, sooner when people come."""
        street, is_rousable = self.street, self.dice.random() < ROUSED
        if street.busy:
            return await asyncio.sleep(self.dice.expovariate(1 / BUSY_PAUSE))
        pause = min(self.dice.expovariate(1 / IDLE_PAUSE), LONGEST_PAUSE)
        if not is_rousable:
            return await asyncio.sleep(pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(street.came.wait(), pause)
        return await asyncio.sleep(self.dice.uniform(0, ROUSED_SECONDS))

    # -- the days ----------------------------------------------------------------------------

    async def _days(self) -> None:
        plan = self.plan
        lives = []
        for number, member in enumerate(self.members):
            # Few come often and most come seldom, as in life.
            share = 6.0 * math.exp(-6.0 * number / plan.members)
            rush = functools.partial(self._rush, member.dice)
            visits = plan.visits / plan.members * share
            lives.append(asyncio.create_task(live(member, plan.days, visits, rush)))
        shop_closes = (plan.days + CLOSING_DAYS) * 86_400
        clerks = [asyncio.create_task(clerk.live(shop_closes)) for clerk in self.clerks]
        others = [asyncio.create_task(self.street.courier.life())]
        if not plan.calm:
            others.append(asyncio.create_task(Weather(self.street, self.world, plan.seed).rage()))
        for task in [*lives, *clerks, *others]:
            task.add_done_callback(self._ended)
        await asyncio.wait(lives)
        for task in others[1:]:
            task.cancel()
        await self.street.sandbox.call("DELETE", "/faults")
        await asyncio.sleep(2 * 3600)
        self.street.is_closing = True
        await asyncio.wait(clerks)
        self._others = [*others, *clerks]

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.director.fail(error)

    def _rush(self, dice: random.Random) -> float:
        """A second of the day at which people come."""
        if dice.random() < 0.15:
            return dice.uniform(0, 86_400)
        return dice.choice(RUSH_HOURS_UTC) * 3600 + dice.uniform(0, RUSH_SECONDS)

    async def _close(self) -> None:
        """Let everything come to its end, without new faults, and compare the books."""
        await asyncio.sleep(LAST_DAYS * 86_400)
        for _ in range(LAST_LOOKS):  # what periodic work began a moment ago has time, too
            if not await self.director.offstage(sim_checks.unfinished(self.shop.shop_id)):
                break
            await asyncio.sleep(LAST_LOOK_SECONDS)
        await self.director.offstage(self._compare())

    async def _compare(self) -> None:
        """The last questions; nobody goes on meanwhile."""
        shop_id = self.shop.shop_id
        self.deeds = await sim_deeds.count(shop_id)
        await self._check(everything=True)
        self.difference_fen = await sim_checks.compare_with_bank(self.shop, self.street.sandbox)
        acknowledged = [one.order_id for member in self.members for one in member.bought]
        found = await sim_checks.unfinished(shop_id)
        found += await sim_checks.lost_orders(shop_id, acknowledged)
        if found or self.street.problems:
            raise sim_checks.Violated(found + self.street.problems)

    # -- checks ------------------------------------------------------------------------------

    def _must_check(self) -> bool:
        if self.director.steps == self._checked_step:
            return False
        hour = int(self.loop.at // 3600)
        return hour != self._checked_hour or self.director.steps - self._checked_step >= CHECK_STEPS

    async def _check(self, everything: bool = False) -> None:
        """Ask the truths of all that was written to since the last time; once a day, of all."""
        self.checks += 1
        self._checked_step = self.director.steps
        before, self._checked_hour = self._checked_hour, int(self.loop.at // 3600)
        is_new_day = before // 24 != self._checked_hour // 24
        found = await self.auditor.broken(everything=everything or is_new_day)
        if found:
            raise sim_checks.Violated(found)

    def report(self, seconds: float) -> Report:
        """What came out so far."""
        simulated = self.loop.at / 86_400  # the days of closing are days of the shop, too
        return Report(
            seed=self.plan.seed,
            days=self.plan.days,
            members=self.plan.members,
            visits=self.plan.visits,
            eager=self.plan.eager,
            steps=self.director.steps,
            digest=self.director.digest.hexdigest(),
            seconds=round(seconds, 1),
            days_per_minute=round(simulated / seconds * 60, 1),
            checks=self.checks,
            score=dict(sorted(self.street.score.items())),
            deeds=self.deeds,
            kills=self.world.kills,
            violations=self.violations,
            difference_fen=self.difference_fen,
            last_steps=list(self.director.last),
        )
