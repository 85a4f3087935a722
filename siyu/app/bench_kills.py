"""`kill -9` of web, worker and postmaster while customers buy: nothing acknowledged is lost.

Everything is real: processes as `siyu serve` keeps them, a cluster of its own, a sandbox through
which the money moves, customers whose phones repeat what was not answered under the same key. The
same load without kills, in the same run, is the limit.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import asyncpg
import httpx
import msgspec

from siyu.app import demo, prove, sim_checks, sim_shop
from siyu.app.bench_ground import Figures
from siyu.app.bench_kills_customers import PATIENCE_SECONDS, Customer, Kept, buy_all
from siyu.app.processes import Processes, program_database, ready_database, wait_for
from siyu.commerce.catalog.contracts import ProductKind
from siyu.kernel import clock, config, crypto, db
from siyu.kernel.db import reading, system_transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, first_id_at
from siyu.kernel.postgres import HUNG_UP, Cluster
from siyu.kernel.postgres_server import Server
from siyu.sandbox.client import SandboxClient

CUSTOMERS = 16
PORTS_FROM = 15_000
"""Far from the ports that others look for: who is killed leaves its own free for a moment."""
PIECES = 1_000_000  # of each product, at most: nothing sells out
PAUSE_SECONDS = (0.3, 4.0)  # from one burst of kills to the next, once all is back
GOAL_SECONDS = 5.0
Victim = Literal["web", "worker", "postmaster"]
VICTIMS: tuple[Victim, ...] = ("web", "worker", "postmaster")
SIGNS = ("answer", "order", "message", "event")
"""Of life, after the processes themselves: the web answers, acknowledges a step of an order, and
the worker has applied a notification and an event that came after the kill."""


class KillFigures(Figures, frozen=True):
    """`rate`: checkouts per second with kills; `limit`: without.

    lost: acknowledged orders that do not exist; doubled: orders beyond one per key; unbooked:
    acknowledged payments that are not in the books; stock_off: pieces that are not initial - sold;
    difference_fen: the sandbox's bank (before its fees) minus our books; violations: `siyu prove`;
    bugs: answers 500. recovery: seconds from the last kill of a burst until all that were killed
    are new and show every one of `SIGNS`; recovery_parts: the median of each by itself.
    """

    checkouts: int
    acknowledged: int
    lost: int
    doubled: int
    unbooked: int
    stock_off: int
    difference_fen: int
    violations: int
    proof: str
    bugs: int
    kills: dict[str, int]
    bursts: int
    recovery_max_s: float
    recovery_median_s: float
    recovery_parts_s: dict[str, float]
    goal_recovery_s: float


async def kills(checkouts: int = 10_000, seed: int = 1) -> KillFigures:
    """`storm` on an installation of its own."""
    async with installation(seed) as place:
        return await storm(place, checkouts, seed)


def part_of(checkouts: int, seed: int, part: str) -> tuple[int, int]:
    """How many checkouts, and the dice, of part "3/5"; all parts together make all of them."""
    number, _, parts = part.partition("/")
    k, n = int(number), int(parts)
    assert 1 <= k <= n, f"there is no part {part}"
    return checkouts * k // n - checkouts * (k - 1) // n, seed if n == 1 else seed * 1000 + k


async def storm(place: "Place", checkouts: int, seed: int, bursts: int = 0) -> KillFigures:
    """Run a tenth of the checkouts in peace, then all of them under fire, and count; more of them
    until there were so many bursts.
    """
    pieces = await _pieces(place)
    customers = await place.hire_customers()
    quiet, kept, killer = Kept(), Kept(), Killer(place, seed)
    limit = await buy_all(customers, quiet, max(checkouts // 10, 2 * CUSTOMERS))
    async with killer.at_work(kept):
        rate = await buy_all(customers, kept, checkouts, lambda: len(killer.recoveries) >= bursts)
    await _settle(place)
    return await _count(place, [quiet, kept], killer, pieces, rate, limit)


# -- the installation ----------------------------------------------------------------------------


_SESSIONS = """
select pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), now() - xact_start,
       left(query, 100)
  from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


class Place(msgspec.Struct):
    """A running installation, and the sandbox that it knows for WeChat."""

    settings: config.Settings
    processes: Processes
    server: Server
    sandbox: SandboxClient
    shop: sim_shop.Shop
    stack: contextlib.AsyncExitStack

    async def hire_customers(self) -> "list[Customer]":
        """Customers who are logged in already."""
        async with reading(self.shop.shop_id) as tx:
            rows = await tx.connection.fetch(
                "select sku_id::text as sku_id, price_fen from catalog.skus order by sku_id"
            )
        goods = [(row["sku_id"], row["price_fen"]) for row in rows]
        customers = []
        for person_id in await sim_shop.make_people(self.sandbox, CUSTOMERS, 0):
            http = httpx.AsyncClient(
                base_url=self.settings.public_url, timeout=15, trust_env=False, verify=False
            )
            await self.stack.enter_async_context(http)
            customers.append(
                Customer(
                    http,
                    self.sandbox,
                    person_id,
                    self.shop.code,
                    self.shop.appid,
                    goods,
                    self.look_around,
                )
            )
        for customer in customers:
            await customer.log_in()
        return customers

    async def look_around(self, why: str) -> None:
        """Tell on stderr who waits for what: the tasks of all processes, and PostgreSQL's."""
        told = [why, await self._sessions()]
        for name in ("web", "worker", "sandbox"):
            log_file = self.settings.data_dir / "logs" / f"{name}.log"
            known = log_file.stat().st_size
            pid = self.processes.tell(name)
            await asyncio.sleep(0.5)
            with log_file.open("rb") as log:
                log.seek(known)
                told.append(f"{name} {pid}: {log.read().decode(errors='replace')}")
        print("\n".join(told), file=sys.stderr)

    async def _sessions(self) -> str:
        cluster = Cluster(self.server)
        try:
            connection = await asyncpg.connect(cluster.admin_url(), timeout=5)
        except HUNG_UP as error:
            return f"PostgreSQL: {error!r}"
        rows = await connection.fetch(_SESSIONS)
        await connection.close()
        return "\n".join(" | ".join(map(str, row.values())) for row in rows)


@contextlib.asynccontextmanager
async def installation(seed: int) -> AsyncIterator[Place]:
    """PostgreSQL, sandbox, web and worker of an installation that is removed afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="siyu-kills-", ignore_cleanup_errors=True)
            )
        )
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        settings = demo.demo_settings(folder, secrets.randbelow(5_000) * 3 + PORTS_FROM)
        stack.enter_context(_in_force(settings))
        await stack.enter_async_context(ready_database(settings))
        environ = demo.environment(settings) | {"SIYU_LOG_LEVEL": "warning"}
        children = Processes(folder / "logs", environ)
        stack.push_async_callback(children.stop)
        children.start("sandbox", "sandbox")
        await stack.enter_async_context(program_database(settings, size=4))
        sandbox_url = settings.sandbox_url
        assert sandbox_url is not None
        await wait_for(f"{sandbox_url}/_sandbox/health")
        sandbox = await stack.enter_async_context(SandboxClient(sandbox_url))
        shop = await sim_shop.open_shop(sandbox, seed, [ProductKind.SERVICE], PIECES)
        children.start("web", "web")
        children.start("worker", "worker")
        await wait_for(f"{settings.public_url}/health")
        yield Place(settings, children, Server(folder / "postgres"), sandbox, shop, stack)


@contextlib.contextmanager
def _in_force(settings: config.Settings) -> Iterator[None]:
    """Settings, keys and database of the installation, for this process."""
    before, vault, database = config.settings(), crypto.vault(), db.use(None)
    config.use(settings)
    crypto.use(crypto.load_vault(settings.key_file))
    try:
        yield
    finally:
        config.use(before)
        crypto.use(vault)
        db.use(database)
        db.on_commit(None)


# -- the killer ----------------------------------------------------------------------------------


class Killer:
    """Kills one to three victims within moments, waits until all is back, and again."""

    def __init__(self, place: Place, seed: int, victims: Sequence[Victim] = VICTIMS) -> None:
        self.place = place
        self.victims = victims
        self.dice = random.Random(seed)
        self.kills: dict[str, int] = dict.fromkeys(victims, 0)
        self.recoveries: list[dict[str, float]] = []

    @contextlib.asynccontextmanager
    async def at_work(self, kept: Kept) -> AsyncIterator[None]:
        """Kill until the block ends; a failure to come back is raised there."""
        work = asyncio.create_task(self._work(kept))
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _work(self, kept: Kept) -> None:
        while True:
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
            count = min(self.dice.choice((1, 1, 2, 3)), len(self.victims))
            killed: dict[Victim, int | None] = {}
            for victim in self.dice.sample(self.victims, count):
                await asyncio.sleep(self.dice.uniform(0, 0.3))
                killed[victim] = self.kill(victim)
            self.recoveries.append(await self._until_back(kept, killed))

    def pid(self, victim: Victim) -> int | None:
        """The process of this name, if it lives."""
        if victim != "postmaster":
            return self.place.processes.pid(victim)
        running = self.place.server.running()
        return running[0] if running and self.place.server.alive() else None

    def kill(self, victim: Victim) -> int | None:
        """`kill -9`; the process id that must not come back. None: it had ended already, for one
        that was killed before it; it must be back like the others."""
        pid = self.pid(victim)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.kills[victim] += 1
        return pid

    async def _until_back(self, kept: Kept, killed: dict[Victim, int | None]) -> dict[str, float]:
        """Seconds from the last kill until each part works for what came after it."""
        began, since = time.monotonic(), clock.now()
        back: dict[str, float] = {}
        async with httpx.AsyncClient(timeout=2, trust_env=False, verify=False) as http:
            while True:
                for name, works in (await self._looks(http, kept, killed, began, since)).items():
                    if works:
                        back.setdefault(name, time.monotonic() - began)
                if len(back) == len(killed) + len(SIGNS):
                    return back
                waits_for = [name for name in (*killed, *SIGNS) if name not in back]
                assert time.monotonic() < began + PATIENCE_SECONDS, f"not back: {waits_for}"
                await asyncio.sleep(0.05)

    async def _looks(
        self,
        http: httpx.AsyncClient,
        kept: Kept,
        killed: dict[Victim, int | None],
        began: float,
        since: datetime,
    ) -> dict[str, bool]:
        processes: dict[str, bool] = {
            victim: self.pid(victim) not in (None, pid) for victim, pid in killed.items()
        }
        answers, (message, event) = await asyncio.gather(
            self._web_answers(http), _worker_works(self.place.shop.shop_id, since)
        )
        return {
            **processes,
            "answer": answers,
            "order": kept.answered_at > began,
            "message": message,
            "event": event,
        }

    async def _web_answers(self, http: httpx.AsyncClient) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await http.get(f"{self.place.settings.public_url}/health")).is_success
        return False


async def _worker_works(shop_id: ShopId, since: datetime) -> tuple[bool, bool]:
    """Whether news that came, and events that were made, after a moment have been applied."""
    with contextlib.suppress(Busy):
        async with reading(shop_id) as tx:
            row = await tx.connection.fetchrow(
                """select exists (select from kernel.inbox
                                   where shop_id = $1 and state = 'done' and received_at > $2),
                          exists (select from kernel.deliveries
                                   where shop_id = $1 and state = 'done' and event_id > $3)""",
                shop_id,
                since,
                first_id_at(since),
            )
            return row[0], row[1]
    return False, False


# -- counting ------------------------------------------------------------------------------------

# WeChat's fee is booked from its bill, a day later: until then the bank is short by it.
_UNBOOKED = """
select count(*) from unnest($1::uuid[], $2::bigint[]) as told (order_id, fen)
where fen <> (
  select coalesce(sum(units), 0) from ledger.entries join ledger.legs using (shop_id, entry_id)
  where book = 'wechat' and entries.order_id = told.order_id)
"""


async def _pieces(place: Place) -> int:
    """Pieces on all shelves that nobody has reserved."""
    async with reading(place.shop.shop_id) as tx:
        return int(await tx.value("select sum(on_hand - reserved) from inventory.stock"))


async def _settle(place: Place) -> None:
    """Wait until everything that was begun is at its end."""
    ends = time.monotonic() + 2 * PATIENCE_SECONDS
    while True:
        waiting = ["the database"]
        with contextlib.suppress(Busy):
            waiting = await sim_checks.unfinished(place.shop.shop_id)
            async with system_transaction() as tx:
                unread = await tx.value(
                    """select count(*) from kernel.outbox o join kernel.outbox_cursor c
                         on c.consumer = 'relay'
                        and (o.xid, o.event_id) > (c.xid, c.event_id)"""
                )
            if not waiting and not unread:
                return
        assert time.monotonic() < ends, f"still waiting: {waiting[:10]}"
        await asyncio.sleep(0.5)


async def _count(
    place: Place, told: list[Kept], killer: Killer, pieces: int, rate: float, limit: float
) -> KillFigures:
    shop = place.shop
    orders = [order_id for kept in told for order_id in kept.orders]
    paid = {order_id: fen for kept in told for order_id, fen in kept.paid_fen.items()}
    lost = await sim_checks.lost_orders(shop.shop_id, orders)
    async with reading(shop.shop_id) as tx:
        stored = await tx.value("select count(*) from ordering.orders")
        unbooked = await tx.value(_UNBOOKED, list(paid), list(paid.values()))
    proofs = await prove.prove()
    apart = await sim_checks.compare_with_bank(shop, place.sandbox)
    fees_fen = (await place.sandbox.bank(shop.mchid))["fees_fen"]
    whole = [max(back.values()) for back in killer.recoveries]
    return KillFigures.of(
        rate,
        limit,
        f"purchases of {CUSTOMERS} customers under kills with the same without kills",
        checkouts=told[-1].keys,
        acknowledged=len(told[-1].paid_fen),
        lost=len(lost),
        doubled=stored - sum(kept.keys for kept in told),
        unbooked=unbooked,
        stock_off=pieces - await _pieces(place) - stored,
        difference_fen=apart + fees_fen,
        violations=sum(one.violations for one in proofs),
        proof=prove.summary(proofs),
        bugs=sum(kept.bugs for kept in told),
        kills=killer.kills,
        bursts=len(killer.recoveries),
        recovery_max_s=round(max(whole, default=0.0), 2),
        recovery_median_s=round(statistics.median(whole or [0.0]), 2),
        recovery_parts_s={
            name: round(statistics.median(seconds), 2)
            for name in (*killer.victims, *SIGNS)
            if (seconds := [back[name] for back in killer.recoveries if name in back])
        },
        goal_recovery_s=GOAL_SECONDS,
    )
