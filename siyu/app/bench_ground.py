"""What every measurement stands on: a shop of its own, web processes, load, and pgbench beside it.

All of it is in a database of its own on the embedded cluster of this installation, which is dropped
afterwards. Whatever is measured says the same of itself: `Figures`.
"""

import asyncio
import contextlib
import io
import json
import os
import re
import secrets
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec
from PIL import Image

from siyu.app import processes
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductDraft, ProductKind, SkuDraft
from siyu.kernel import clock, config, crypto, db, migrate, postgres
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText, ImportRow

PROCESSES = 2
CONNECTIONS = 5
"""Per web process; `pgbench` gets as many in all."""
PRICE_FEN = 1990
PGBENCH_SCALE = 10


class Figures(msgspec.Struct, frozen=True):
    """What every `siyu bench NAME` prints, and what each adds to it.

    rate: what siyu does per second; limit: what it is compared with, measured in the same run;
    share: rate / limit; compared: in words, what with what.
    """

    rate: float
    limit: float
    share: float
    compared: str

    @classmethod
    def of(cls, rate: float, limit: float, compared: str, **more: Any) -> Self:
        """Figures rounded for people; more: what this measurement adds."""
        share = round(rate / limit, 4)
        rate, limit = (float(f"{figure:.5g}") for figure in (rate, limit))
        return cls(rate=rate, limit=limit, share=share, compared=compared, **more)


class Effort(msgspec.Struct, frozen=True):
    """How much is measured: rounds of so many seconds each, after one to warm up."""

    rounds: int = 5
    seconds: float = 4.0
    part: float = 1.0
    """Of everything that is counted: buyers, goods, purchases."""

    def of(self, count: int) -> int:
        """This part of a number, at least one."""
        return max(1, round(count * self.part))


FULL = Effort()
QUICK = Effort(rounds=1, seconds=1.0, part=0.02)
"""Shows that it runs; its figures say little."""


class Ground(msgspec.Struct, frozen=True):
    """A shop on a database of its own, and the cluster pgbench shares with it."""

    cluster: postgres.Cluster
    database: str
    shop_id: ShopId


class Bench(Ground, frozen=True):
    """The same, served by web processes on a port of this machine."""

    port: int


class Buyer(msgspec.Struct, frozen=True):
    """A member, and what to send in their name."""

    member: MemberIdentity
    address_id: UUID | None = None


@contextlib.asynccontextmanager
async def ground(connections: int = 4) -> AsyncIterator[Ground]:
    """A shop on a fresh database, with this process's pool opened on it."""
    installed = config.settings()
    name = f"bench_{os.getpid()}"
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="siyu-bench-")))
        cluster = await stack.enter_async_context(
            postgres.embedded(installed.data_dir / "postgres")
        )
        await cluster.create_database(name)
        stack.push_async_callback(cluster.drop_database, name)
        owner = await asyncpg.connect(cluster.owner_url(name))
        await migrate.apply_schemas(owner)
        await owner.close()
        config.use(msgspec.structs.replace(installed, data_dir=folder))
        stack.callback(config.use, installed)
        stack.callback(crypto.use, crypto.vault())
        crypto.use(crypto.load_vault(config.settings().key_file))
        database = await db.Database.connect(cluster.url(name), size=connections)
        stack.push_async_callback(database.close)
        stack.callback(db.use, db.use(database))
        async with system_transaction() as tx:
            shop = await shops.create_shop(tx, System(), code="bench", name="Bench")
        yield Ground(cluster, name, ShopId(shop.shop_id))


@contextlib.asynccontextmanager
async def served(app: str = "siyu.app.http:create_app", **more: str) -> AsyncIterator[Bench]:
    """The same with web processes, as in production: one per core behind one port.

    app: what they run; more: of their environment.
    """
    async with contextlib.AsyncExitStack() as stack:
        own = await stack.enter_async_context(ground())
        port = _free_port()
        folder = config.settings().data_dir
        environ = {
            "SIYU_DATABASE_URL": own.cluster.url(own.database),
            "SIYU_DATA_DIR": str(folder),
            "SIYU_PORT": str(port),
            "SIYU_WEB_PROCESSES": str(PROCESSES),
            "SIYU_POOL_SIZE": str(CONNECTIONS),
            "SIYU_LOG_LEVEL": "warning",
            **more,
        }
        web = processes.Processes(folder / "logs", environ)
        web.start("web", "web", "--app", app)
        stack.push_async_callback(web.stop)
        await processes.wait_for(f"http://127.0.0.1:{port}/health")
        yield Bench(own.cluster, own.database, own.shop_id, port)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def stock(
    shop_id: ShopId, count: int, pieces: int, kind: ProductKind = ProductKind.PHYSICAL
) -> list[UUID]:
    """SKUs on the shelf, each of a product of its own, all at PRICE_FEN."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    prepared = await catalog.prepare_image(picture.getvalue())
    async with transaction(shop_id) as tx:
        image = await catalog.keep_image(tx, prepared)
        for number in range(count):
            draft = ProductDraft(
                title=f"云雾绿茶 {number}",
                kind=kind,
                image_urls=[image.url],
                skus=[SkuDraft(price_fen=PRICE_FEN, stock=pieces)],
            )
            product_id = await catalog.create_product(tx, System(), draft)
            await catalog.set_shelf(tx, System(), product_id, True)
        rows = await tx.connection.fetch("select sku_id from catalog.skus order by sku_id")
        return [row["sku_id"] for row in rows]


async def enlist(shop_id: ShopId, count: int) -> list[Buyer]:
    """New members of the shop."""
    rows = [ImportRow(str(number), clock.now()) for number in range(count)]
    async with transaction(shop_id) as tx:
        made = await members.import_people(tx, rows)
    return [
        Buyer(MemberIdentity(shop_id, known.member_id, known.person_no)) for known in made.values()
    ]


async def with_addresses(shop_id: ShopId, buyers: list[Buyer]) -> list[Buyer]:
    """The same members, each with an address."""
    address = AddressText(
        receiver="王小明",
        phone="13812345678",
        province="福建省",
        city="泉州市",
        district="安溪县",
        detail="龙涓乡茶叶街 18 号 🍵",
    )
    found = []
    async with transaction(shop_id) as tx:
        for buyer in buyers:
            kept = await members.add_address(tx, buyer.member.member_id, address, True)
            found.append(Buyer(buyer.member, kept.address_id))
    return found


# --- load: a process of its own ------------------------------------------------------------------


async def load(
    port: int,
    requests: list[tuple[bytes, bytes]],
    *,
    seconds: float | None,
    at_once: int,
    rate: float | None = None,
) -> dict[str, Any]:
    """Send each connection's request again and again for `seconds`, or each request once (None),
    at `rate` per second or as fast as answers come; {statuses, latencies in ms, seconds}.

    A request is given in two parts: a new random key of 32 digits goes between them.
    """
    task = {
        "port": port,
        "requests": [[head.hex(), tail.hex()] for head, tail in requests],
        "seconds": seconds,
        "at_once": at_once,
        "rate": rate,
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-E", str(Path(__file__).with_name("bench_load.py"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate(json.dumps(task).encode())
    assert child.returncode == 0, "the load generator failed"
    return dict(json.loads(out))


def p99(latencies: Sequence[float]) -> float:
    """What 99 of 100 are not slower than."""
    return statistics.quantiles(latencies, n=100)[98] if len(latencies) > 1 else latencies[0]


async def hire(shop_id: ShopId, name: str = "bench-desk") -> dict[str, str]:
    """Somebody at the console of the shop `bench`, who may do everything: the headers to send."""
    password = secrets.token_urlsafe(16)
    hashed = await staff.hash_password(password, name)
    async with system_transaction(shop_id) as tx:
        await staff.add_staff(
            tx, System(), login_name=name, name=name, password_hash=hashed, role=Role.OWNER
        )
    session = await staff.log_in(name, password, None, "127.0.0.1", "bench")
    return {"Cookie": f"siyu={session.token}", "X-Siyu-Shop": "bench"}


# --- pgbench -------------------------------------------------------------------------------------


async def analyze(own: Ground) -> None:
    """What autovacuum does in the first minute of a shop: let the planner know the tables."""
    owner = await asyncpg.connect(own.cluster.owner_url(own.database))
    await owner.execute("vacuum analyze")
    await owner.close()


async def prepare_simple_updates(own: Ground, effort: Effort = FULL) -> None:
    """The tables of `pgbench -N`."""
    scale = effort.of(PGBENCH_SCALE)
    await pgbench(own.cluster.owner_url(own.database), own, "-i", "-q", "-s", str(scale))


async def simple_updates(own: Ground, seconds: float, clients: int) -> float:
    """Transactions per second of `pgbench -N -M prepared`; prepared by the function above."""
    whole, out = max(1, round(seconds)), ""
    for lasts in (whole, 5 * whole):  # a second may pass before the last client has come in
        out = await pgbench(
            own.cluster.owner_url(own.database), own, "-N", "-n", "-M", "prepared",
            "-c", str(clients), "-j", str(min(2, clients)), "-T", str(lasts),
        )  # fmt: skip
        if "actually processed: 0\n" not in out:
            break
    return transactions_per_second(out)


async def pgbench(url: str, own: Ground, *arguments: str, **environ: str) -> str:
    """Run pgbench; what it says."""
    child = await asyncio.create_subprocess_exec(
        str(own.cluster.binaries / "pgbench"),
        *arguments,
        url,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await child.communicate()
    assert child.returncode == 0, out.decode()
    return out.decode()


def transactions_per_second(out: str) -> float:
    """The figure in what pgbench says."""
    found = re.search(r"tps = ([0-9.]+)", out)
    assert found, out
    return float(found[1])
