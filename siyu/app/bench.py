"""Figures beside their limit, measured in one run on one cluster.

`checkout`: orders of five lines through HTTP, as a share of what `pgbench` does with the very same
statements: those of one recorded request, in the same order, prepared, over as many connections.
`race`: 500 pieces and 1,000 buyers, as a share of `pgbench -N`.
"""

import asyncio
import secrets
import statistics
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from siyu.app.bench_ground import (
    CONNECTIONS,
    FULL,
    PRICE_FEN,
    PROCESSES,
    Bench,
    Buyer,
    Effort,
    Figures,
    Ground,
    analyze,
    enlist,
    load,
    p99,
    pgbench,
    prepare_simple_updates,
    served,
    simple_updates,
    stock,
    transactions_per_second,
    with_addresses,
)
from siyu.app.bench_script import Script, parameter_types, store_arguments
from siyu.commerce.catalog.contracts import ProductKind
from siyu.kernel import config, db
from siyu.kernel.auth import member_token
from siyu.kernel.db import reading

BUYERS = 32
LINES = 5
RACE_PIECES, RACE_BUYERS, RACE_AT_ONCE = 500, 1000, 64


class CheckoutFigures(Figures, frozen=True):
    """Medians of the rounds."""

    p99_ms: float
    goal_share: float
    rounds: list[list[float]]


class RaceFigures(Figures, frozen=True):
    """`control_oversold`: what read-check-write without a guard sells beyond the stock."""

    sold: int
    oversold: int
    control_oversold: int


def request(bench: Bench, buyer: Buyer, sku_ids: list[UUID], **more: Any) -> tuple[bytes, bytes]:
    """An order as bytes, in two parts: the idempotency key goes between them; more: of its body."""
    body = msgspec.json.encode(
        {
            "source": "lines",
            "lines": [{"sku_id": sku_id, "quantity": 1} for sku_id in sku_ids],
            "address_id": buyer.address_id,
            "remark": "",
            "expected_total_fen": PRICE_FEN * len(sku_ids),
            "platform": "mp-weixin",
            **more,
        }
    )
    head = (
        f"POST /shop/v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{bench.port}\r\n"
        f"Authorization: Bearer {member_token(buyer.member)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    )
    return head.encode(), b"\r\n\r\n" + body


# --- checkout beside pgbench --------------------------------------------------------------------


async def checkout(effort: Effort = FULL) -> CheckoutFigures:
    """Median rates of interleaved rounds, after one round of each to warm up."""
    async with served() as bench:
        sku_ids = await stock(bench.shop_id, BUYERS * LINES, 1_000_000)
        buyers = await with_addresses(bench.shop_id, await enlist(bench.shop_id, BUYERS))
        baskets = [sku_ids[i * LINES : (i + 1) * LINES] for i in range(BUYERS)]
        requests = [
            request(bench, buyer, basket) for buyer, basket in zip(buyers, baskets, strict=True)
        ]
        script = await _record(bench, requests)
        rounds: list[list[float]] = []
        p99s: list[float] = []
        for number in range(effort.rounds + 1):
            sent = await load(bench.port, requests, seconds=effort.seconds, at_once=BUYERS)
            assert set(sent["statuses"]) == {"200"}, sent["statuses"]
            limit = await _pgbench(bench, script, number, effort.seconds)
            if number == 0:
                await analyze(bench)
            else:
                rounds.append([len(sent["latencies"]) / sent["seconds"], limit])
                p99s.append(p99(sent["latencies"]))
    rate, limit = (statistics.median(one[i] for one in rounds) for i in (0, 1))
    return CheckoutFigures.of(
        rate,
        limit,
        f"orders of {LINES} lines through HTTP with `pgbench -M prepared` running the statements"
        f" of one such order, {PROCESSES * CONNECTIONS} connections each",
        p99_ms=round(statistics.median(p99s), 1),
        goal_share=0.45,
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


async def _pgbench(bench: Bench, script: str, number: int, seconds: float) -> float:
    """Transactions per second of the script over as many connections as the app has."""
    file = config.settings().data_dir / "checkout.pgbench"
    file.write_text(script)
    out = await pgbench(
        bench.cluster.url(bench.database), bench, "-n", "-M", "prepared", "-f", str(file),
        "-T", str(max(1, round(seconds))), "-c", str(PROCESSES * CONNECTIONS), "-j", "1",
        "-D", "seen=0", "-D", "n=0", "-D", f"base={(number + 1) << 48}",
        PGOPTIONS="-c role=siyu_app -c timezone=UTC",
    )  # fmt: skip
    return transactions_per_second(out)


# --- race ---------------------------------------------------------------------------------------


async def race(effort: Effort = FULL) -> RaceFigures:
    """Sell 500 pieces to 1,000 buyers, 64 at once; then let an unguarded sale try the same."""
    pieces, count = effort.of(RACE_PIECES), effort.of(RACE_BUYERS)
    at_once = min(RACE_AT_ONCE, count)
    async with served() as bench:
        (sku_id,) = await stock(bench.shop_id, 1, pieces, ProductKind.SERVICE)
        buyers = await enlist(bench.shop_id, count)
        requests = [request(bench, buyer, [sku_id]) for buyer in buyers]
        await prepare_simple_updates(bench, effort)
        sent = await load(bench.port, requests, seconds=None, at_once=at_once)
        assert set(sent["statuses"]) <= {"200", "409"}, sent["statuses"]
        async with reading(bench.shop_id) as tx:
            sold = await tx.value("select coalesce(sum(quantity), 0) from ordering.order_lines")
        assert sold == sent["statuses"]["200"], "what was answered is not what was sold"
        return RaceFigures.of(
            len(requests) / sent["seconds"],
            await simple_updates(bench, effort.seconds, PROCESSES * CONNECTIONS),
            f"requests of {count} buyers for {pieces} pieces of one SKU, {at_once} at once, with"
            f" `pgbench -N -M prepared`, {PROCESSES * CONNECTIONS} connections each",
            sold=sold,
            oversold=max(0, sold - pieces),
            control_oversold=await sell_without_guard(bench, pieces, count) - pieces,
        )


async def sell_without_guard(own: Ground, pieces: int, buyers: int) -> int:
    """Read, check, write, as it must not be done: shows that the race is real."""
    owner = await asyncpg.connect(own.cluster.owner_url(own.database))
    await owner.execute("create schema control; create table control.stock (available int)")
    await owner.execute("create table control.sales (buyer int)")
    await owner.execute("insert into control.stock values ($1)", pieces)
    await owner.close()
    left = iter(range(buyers))

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
        own.cluster.owner_url(own.database), min_size=0, max_size=RACE_AT_ONCE // 2
    ) as pool:
        await asyncio.gather(*(shopper(pool) for _ in range(RACE_AT_ONCE)))
        return int(await pool.fetchval("select count(*) from control.sales"))
