"""Figures beside their limit, measured in one run on one cluster.

`checkout`: orders of five lines through HTTP, as a share of what `pgbench` does with the very same
statements: those of one recorded request, in the same order, prepared, over as many connections.
`race`: 500 pieces and 1,000 buyers. Both work in a database of their own on the embedded cluster
of this installation, which is dropped afterwards.
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
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
from PIL import Image

from siyu.app import processes
from siyu.app.bench_script import Script, parameter_types, store_arguments
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductDraft, ProductKind, SkuDraft
from siyu.kernel import clock, config, db, migrate, postgres
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity, member_token
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText, ImportRow

BUYERS = 32
LINES = 5
ROUNDS = 5
ROUND_SECONDS = 4.0
PROCESSES = 2
CONNECTIONS = 5
"""Per web process; `pgbench` gets as many in all."""
PRICE_FEN = 1990
RACE_PIECES, RACE_BUYERS, RACE_AT_ONCE = 500, 1000, 64


class CheckoutFigures(msgspec.Struct, frozen=True):
    """Orders per second through HTTP (`rate`) and by pgbench (`limit`), medians of the rounds."""

    rate: float
    limit: float
    share: float
    p99_ms: float
    goal_share: float
    rounds: list[list[float]]


class RaceFigures(msgspec.Struct, frozen=True):
    """`control_oversold`: what read-check-write without a guard sells beyond the stock."""

    sold: int
    oversold: int
    control_oversold: int
    rate: float


class Buyer(msgspec.Struct, frozen=True):
    """A member, and what to send in their name."""

    member: MemberIdentity
    address_id: UUID | None = None


class Bench(msgspec.Struct):
    """A shop on a database of its own, served by web processes."""

    cluster: postgres.Cluster
    database: str
    shop_id: ShopId
    port: int


def run(figures: Callable[[], Awaitable[Any]]) -> Any:
    """Run one of the measurements below."""
    return asyncio.run(figures())  # type: ignore[arg-type]


# --- the shop that is measured ------------------------------------------------------------------


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Bench]:
    """A shop on a fresh database of the embedded cluster, dropped at the end of the block."""
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
        database = await db.Database.connect(cluster.url(name), size=4)
        stack.push_async_callback(database.close)
        db.use(database)
        stack.callback(db.use, None)
        async with system_transaction() as tx:
            shop = await shops.create_shop(tx, System(), code="bench", name="Bench")
        port = _free_port()
        environ = {
            "SIYU_DATABASE_URL": cluster.url(name),
            "SIYU_DATA_DIR": str(folder),
            "SIYU_PORT": str(port),
            "SIYU_WEB_PROCESSES": str(PROCESSES),
            "SIYU_POOL_SIZE": str(CONNECTIONS),
            "SIYU_LOG_LEVEL": "warning",
        }
        web = processes.Processes(folder / "logs", environ)
        web.start("web", "web")
        stack.push_async_callback(web.stop)
        await processes.wait_for(f"http://127.0.0.1:{port}/health")
        yield Bench(cluster, name, ShopId(shop.shop_id), port)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def _stock(
    shop_id: ShopId, count: int, pieces: int, kind: ProductKind = ProductKind.PHYSICAL
) -> list[UUID]:
    """SKUs on the shelf, all at PRICE_FEN."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    prepared = await catalog.prepare_image(picture.getvalue())
    found: list[UUID] = []
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
        found += [row["sku_id"] for row in rows]
    return found


async def _members(shop_id: ShopId, count: int) -> list[Buyer]:
    rows = [ImportRow(str(number), clock.now()) for number in range(count)]
    async with transaction(shop_id) as tx:
        made = await members.import_people(tx, rows)
    return [
        Buyer(MemberIdentity(shop_id, known.member_id, known.person_no)) for known in made.values()
    ]


async def _with_addresses(shop_id: ShopId, buyers: list[Buyer]) -> list[Buyer]:
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


def _request(bench: Bench, buyer: Buyer, sku_ids: list[UUID]) -> tuple[bytes, bytes]:
    """An order as bytes, in two parts: the idempotency key goes between them."""
    body = msgspec.json.encode(
        {
            "source": "lines",
            "lines": [{"sku_id": sku_id, "quantity": 1} for sku_id in sku_ids],
            "address_id": buyer.address_id,
            "remark": "",
            "expected_total_fen": PRICE_FEN * len(sku_ids),
            "platform": "mp-weixin",
        }
    )
    head = (
        f"POST /shop/v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{bench.port}\r\n"
        f"Authorization: Bearer {member_token(buyer.member)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    )
    return head.encode(), b"\r\n\r\n" + body


# --- load: a process of its own ----------------------------------------------------------------


async def load(
    port: int,
    requests: list[tuple[bytes, bytes]],
    *,
    seconds: float | None,
    at_once: int,
    rate: float | None = None,
) -> dict[str, Any]:
    """Send each connection's request again and again for `seconds`, or each request once (None),
    at `rate` per second or as fast as answers come."""
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


# --- checkout beside pgbench --------------------------------------------------------------------


async def checkout() -> CheckoutFigures:
    """Median rates of interleaved rounds, after one round of each to warm up."""
    async with served() as bench:
        sku_ids = await _stock(bench.shop_id, BUYERS * LINES, 1_000_000)
        buyers = await _with_addresses(bench.shop_id, await _members(bench.shop_id, BUYERS))
        baskets = [sku_ids[i * LINES : (i + 1) * LINES] for i in range(BUYERS)]
        requests = [
            _request(bench, buyer, basket) for buyer, basket in zip(buyers, baskets, strict=True)
        ]
        script = await _record(bench, requests)
        rounds: list[list[float]] = []
        p99s: list[float] = []
        for number in range(ROUNDS + 1):
            sent = await load(bench.port, requests, seconds=ROUND_SECONDS, at_once=BUYERS)
            assert set(sent["statuses"]) == {"200"}, sent["statuses"]
            limit = await _pgbench(bench, script, number)
            if number:
                rounds.append([len(sent["latencies"]) / sent["seconds"], limit])
                p99s.append(statistics.quantiles(sent["latencies"], n=100)[98])
    rate, limit = (statistics.median(one[i] for one in rounds) for i in (0, 1))
    return CheckoutFigures(
        rate=round(rate, 1),
        limit=round(limit, 1),
        share=round(rate / limit, 3),
        p99_ms=round(statistics.median(p99s), 1),
        goal_share=0.40,
        rounds=[[round(figure, 1) for figure in one] for one in rounds],
    )


async def _record(bench: Bench, requests: list[tuple[bytes, bytes]]) -> str:
    """The statements of one order as a pgbench script; each buyer's arguments go into a table.

    Every buyer orders twice through the app in this process. What differs between the two (ids,
    numbers, keys) is made anew by pgbench in each transaction; all else is an argument, loaded
    once per connection.
    """
    from siyu.app.http import create_litestar

    logged: list[Any] = []
    single = await db.Database.connect(bench.cluster.url(bench.database), size=1)
    shared = db.database()
    db.use(single)
    async with single.pool.acquire() as connection:
        connection.add_query_logger(logged.append)
    runs: list[list[Any]] = []
    app: Any = create_litestar()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        # The very first order also asks about types; it is not one of the two.
        for head, tail in [requests[0], *requests]:
            lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[2:-1]]
            for _ in range(2):
                headers = {**dict(lines), "Idempotency-Key": secrets.token_hex(16)}
                answer = await client.post("/shop/v1/orders", content=tail[4:], headers=headers)
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(0)
                runs.append([(query.query, query.args or ()) for query in logged])
                logged.clear()
    del runs[:2]
    assert all([sql for sql, _ in run] == [sql for sql, _ in runs[0]] for run in runs)
    async with single.pool.acquire() as connection:
        types = [await parameter_types(connection, sql) for sql, _ in runs[0]]
    await single.close()
    db.use(shared)
    script = Script(types)
    for first, second in zip(runs[::2], runs[1::2], strict=True):
        script.add(first, second)
    await store_arguments(bench.cluster.owner_url(bench.database), script)
    return script.text()


async def _pgbench(bench: Bench, script: str, number: int) -> float:
    """Transactions per second of the script over as many connections as the app has."""
    clients = PROCESSES * CONNECTIONS
    file = config.settings().data_dir / "checkout.pgbench"
    file.write_text(script)
    child = await asyncio.create_subprocess_exec(
        str(bench.cluster.binaries / "pgbench"),
        *("-n", "-M", "prepared", "-f", str(file), "-T", str(round(ROUND_SECONDS))),
        *("-c", str(clients), "-j", "1", "-D", "seen=0", "-D", "n=0"),
        *("-D", f"base={(number + 1) << 48}", bench.cluster.url(bench.database)),
        env={**os.environ, "PGOPTIONS": "-c role=siyu_app -c timezone=UTC"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await child.communicate()
    found = re.search(rb"tps = ([0-9.]+)", out)
    assert found and child.returncode == 0, out.decode()
    return float(found[1])


# --- race ---------------------------------------------------------------------------------------


async def race() -> RaceFigures:
    """Sell 500 pieces to 1,000 buyers, 64 at once; then let an unguarded sale try the same."""
    async with served() as bench:
        (sku_id,) = await _stock(bench.shop_id, 1, RACE_PIECES, ProductKind.SERVICE)
        buyers = await _members(bench.shop_id, RACE_BUYERS)
        requests = [_request(bench, buyer, [sku_id]) for buyer in buyers]
        sent = await load(bench.port, requests, seconds=None, at_once=RACE_AT_ONCE)
        assert set(sent["statuses"]) <= {"200", "409"}, sent["statuses"]
        async with reading(bench.shop_id) as tx:
            sold = await tx.value("select coalesce(sum(quantity), 0) from ordering.order_lines")
        assert sold == sent["statuses"]["200"], "what was answered is not what was sold"
        return RaceFigures(
            sold=sold,
            oversold=max(0, sold - RACE_PIECES),
            control_oversold=await _sell_without_guard(bench) - RACE_PIECES,
            rate=round(len(requests) / sent["seconds"], 1),
        )


async def _sell_without_guard(bench: Bench) -> int:
    """Read, check, write, as it must not be done: shows that the race is real."""
    owner = await asyncpg.connect(bench.cluster.owner_url(bench.database))
    await owner.execute("create schema control; create table control.stock (available int)")
    await owner.execute("create table control.sales (buyer int)")
    await owner.execute("insert into control.stock values ($1)", RACE_PIECES)
    await owner.close()
    left = iter(range(RACE_BUYERS))

    async def shopper(pool: Any) -> None:
        for buyer in left:
            async with pool.acquire() as connection, connection.transaction():
                available = await connection.fetchval("select available from control.stock")
                if available > 0:
                    await connection.execute("insert into control.sales values ($1)", buyer)
                    await connection.execute(
                        "update control.stock set available = $1", available - 1
                    )

    async with asyncpg.create_pool(
        bench.cluster.owner_url(bench.database), min_size=0, max_size=RACE_AT_ONCE // 2
    ) as pool:
        await asyncio.gather(*(shopper(pool) for _ in range(RACE_AT_ONCE)))
        return int(await pool.fetchval("select count(*) from control.sales"))
