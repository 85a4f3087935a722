"""One hot SKU and 256 buyers, beside `pgbench -N` and beside an empty handler.

Database side: the hot lane is called directly, in as many processes as serve the web, by 256 buyers
who order again as soon as they are answered; `pgbench -N` runs its simple update on the same
cluster, in interleaved rounds: with a client for each buyer, which is the limit, and with as few as
it is best with, which is told beside it. Through HTTP: the same orders as requests to two web
processes, beside a route of the very same declaration (token, idempotency key, checked body) that
answers at once. Then a sale to the last piece, with more buyers than pieces, and the control: the
same sale as read-check-write without a guard.
"""

import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvloop

from siyu.app import bench
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
    enlist,
    ground,
    load,
    p99,
    prepare_simple_updates,
    served,
    simple_updates,
    stock,
    with_addresses,
)
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import Lane, StockShort
from siyu.commerce.ordering.contracts import LineAsked, Platform
from siyu.commerce.ordering.http_shop import PlaceOrderBody
from siyu.commerce.ordering.service import hot_lane
from siyu.kernel import config, crypto, db
from siyu.kernel.audit import System
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, PUBLIC, OnceKey, post
from siyu.kernel.idempotency import OnceKey as Key
from siyu.kernel.ids import ShopId, new_id, random_bytes

BUYERS = 256
FEW_CLIENTS = (8, 64)
"""With which `pgbench -N` does more than with one for each buyer."""
PLENTY = 1_000_000
SALE_PIECES, SALE_BUYERS = 2_000, 4_000


class Rounds(msgspec.Struct, frozen=True):
    """Medians of interleaved rounds, [rate, limit, plain] of each; `plain`: a route that does
    nothing at all.
    """

    rate: float
    limit: float
    share: float
    plain: float
    plain_share: float
    goal: float
    compared: str
    p99_ms: float
    rounds: list[list[float]]


class FlashFigures(Figures, frozen=True):
    """`rate`, `limit` and `share` are those of the database side; `limits`: what `pgbench -N` did
    with so many clients, `share_of_best`: the rate as a share of the best of them.

    A sale of `pieces` pieces to twice as many buyers sold `sold`, `oversold` too many or
    `undersold` too few; without a guard `control_oversold`. `load`: of the machine when it began.
    """

    goal_share: float
    limits: dict[int, float]
    share_of_best: float
    p99_ms: float
    goal_p99_ms: float
    http: Rounds
    pieces: int
    sold: int
    oversold: int
    undersold: int
    control_oversold: int
    batches: dict[str, float]
    load: float
    rounds: list[list[float]]


async def flash(effort: Effort = FULL) -> FlashFigures:
    """Both comparisons and the sale."""
    loaded = os.getloadavg()[0]
    _tune()
    async with ground(connections=8) as own:
        (sku_id,) = await stock(own.shop_id, 1, PLENTY)
        buyers = await with_addresses(own.shop_id, await enlist(own.shop_id, effort.of(BUYERS)))
        await switch_on(own.shop_id, sku_id)
        await prepare_simple_updates(own, effort)
        rounds, p99_ms = await _beside_pgbench(own, sku_id, buyers, effort)
        batches = await _batches(own.shop_id)
        sold, oversold, undersold = await _sell_out(own, buyers, effort)
        pieces = effort.of(SALE_PIECES)
        control = await bench.sell_without_guard(own, pieces, 2 * pieces) - pieces
    rate, *limits = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    clients = (*FEW_CLIENTS, len(buyers))
    return FlashFigures.of(
        rate,
        limits[-1],
        f"orders of one hot SKU, {len(buyers)} buyers at once, by the hot lane in {PROCESSES}"
        f" processes with `pgbench -N -M prepared`, as many clients",
        goal_share=3.0,
        limits=dict(zip(clients, (round(limit, 1) for limit in limits), strict=True)),
        share_of_best=round(rate / max(limits), 4),
        p99_ms=p99_ms,
        goal_p99_ms=300.0,
        http=await _through_http(effort),
        pieces=pieces,
        sold=sold,
        oversold=oversold,
        undersold=undersold,
        control_oversold=control,
        batches=batches,
        load=round(loaded, 1),
        rounds=_rounded(rounds),
    )


def _rounded(rounds: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(figure, 1) for figure in one] for one in rounds]


async def switch_on(shop_id: ShopId, sku_id: UUID) -> None:
    """What the merchant does on the stock page, and told to this process."""
    async with transaction(shop_id) as tx:
        item = await inventory.get_item(tx, sku_id)
        await inventory.set_item(
            tx,
            System(),
            sku_id,
            safety=item.safety,
            lane=Lane.ON,
            limit_per_buyer=item.limit_per_buyer,
            expected_version=item.version,
        )
    await _tell(shop_id, sku_id)


async def _tell(shop_id: ShopId, sku_id: UUID) -> None:
    """An ordinary reservation tells a process of the lane."""
    async with transaction(shop_id) as tx:
        source = new_id()
        await inventory.reserve(tx, source, {sku_id: 1})
        await inventory.release(tx, source)


# --- database side --------------------------------------------------------------------------------


def _wish(buyer: Buyer, sku_id: UUID) -> hot_lane.Wish:
    key = random_bytes(16).hex()
    return hot_lane.Wish(
        member=buyer.member,
        once=Key.of(buyer.member.actor, key, "POST", "/shop/v1/orders", b""),
        line=LineAsked(sku_id, 1),
        address_id=buyer.address_id,
        remark="",
        expected_total_fen=PRICE_FEN,
        expected_payable_fen=None,
        platform=Platform.MINI_PROGRAM,
        empties_cart=False,
        promoter_id=None,
        best_coupons=False,
        chinese=True,
    )


async def _beside_pgbench(
    own: Ground, sku_id: UUID, buyers: list[Buyer], effort: Effort
) -> tuple[list[list[float]], float]:
    """[orders per second, then of pgbench for each number of clients] of each round; p99."""
    rounds: list[list[float]] = []
    latencies: list[float] = []
    async with _shoppers(own, sku_id, buyers) as order_for:
        for number in range(effort.rounds + 1):
            took, rate = await order_for(effort.seconds)
            clients = (*FEW_CLIENTS, len(buyers))
            limits = [await simple_updates(own, effort.seconds, count) for count in clients]
            if number:
                rounds.append([rate, *limits])
                latencies += took
            else:
                await _know_the_tables(own)
    return rounds, round(p99(latencies), 1)


@contextlib.asynccontextmanager
async def _shoppers(
    own: Ground, sku_id: UUID, buyers: list[Buyer]
) -> AsyncIterator[Callable[[float], Any]]:
    """Processes among which the buyers are shared, each with its own lane, as web processes are."""
    loop, url, folder = asyncio.get_running_loop(), own.cluster.url(own.database), _folder()
    pools = [
        concurrent.futures.ProcessPoolExecutor(
            1, get_context("spawn"), _open_shop, (url, folder, own.shop_id, sku_id)
        )
        for _ in range(PROCESSES)
    ]

    async def order_for(seconds: float) -> tuple[list[float], float]:
        sent = [
            loop.run_in_executor(pool, _order_here, sku_id, buyers[no::PROCESSES], seconds)
            for no, pool in enumerate(pools)
        ]
        told = await asyncio.gather(*sent)
        return [took for latencies, _ in told for took in latencies], sum(rate for _, rate in told)

    try:
        yield order_for
    finally:
        for pool in pools:
            pool.submit(_close_shop)
            pool.shutdown()


_runner: asyncio.Runner


def _folder() -> Path:
    return config.settings().data_dir


def _tune() -> None:
    """What a web process does at its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _open_shop(url: str, folder: Path, shop_id: ShopId, sku_id: UUID) -> None:
    """Begin a process that sells."""
    global _runner
    _tune()
    config.use(msgspec.structs.replace(config.settings(), data_dir=folder))
    crypto.use(crypto.load_vault(config.settings().key_file))
    _runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    async def open_shop() -> None:
        db.use(await db.Database.connect(url, size=CONNECTIONS))
        await _tell(shop_id, sku_id)

    _runner.run(open_shop())


def _order_here(sku_id: UUID, buyers: list[Buyer], seconds: float) -> tuple[list[float], float]:
    return _runner.run(_order_for(sku_id, buyers, seconds))


def _close_shop() -> None:
    _runner.run(db.database().close())
    _runner.close()


async def _know_the_tables(own: Ground) -> None:
    """A shop that sells has statistics; without, foreign keys go on being checked as they were
    when the tables were empty, row by row.
    """
    owner = await asyncpg.connect(own.cluster.owner_url(own.database))
    await owner.execute("analyze")
    await owner.close()


async def _order_for(
    sku_id: UUID, buyers: list[Buyer], seconds: float
) -> tuple[list[float], float]:
    """All buyers order again and again; how long each waited in ms, and orders per second."""
    latencies: list[float] = []
    began = time.perf_counter()

    async def shop_on(buyer: Buyer) -> None:
        while (asked := time.perf_counter()) < began + seconds:
            await hot_lane.place(_wish(buyer, sku_id))
            latencies.append((time.perf_counter() - asked) * 1000)

    await asyncio.gather(*map(shop_on, buyers))
    return latencies, len(latencies) / (time.perf_counter() - began)


async def _batches(shop_id: ShopId) -> dict[str, float]:
    async with reading(shop_id) as tx:
        row = await tx.connection.fetchrow(
            """select coalesce(sum(orders), 0)::int as orders, coalesce(max(largest), 0) as largest,
                 coalesce(round(sum(orders + refused) / nullif(sum(batches), 0)), 0)::int as mean
               from inventory.lanes"""
        )
    return dict(row)


async def _sell_out(own: Ground, buyers: list[Buyer], effort: Effort) -> tuple[int, int, int]:
    """Sell the last pieces to twice as many buyers: sold, too many, too few."""
    pieces = effort.of(SALE_PIECES)
    skus = await stock(own.shop_id, 1, pieces)
    async with reading(own.shop_id) as tx:
        sku_id = await tx.value(
            "select sku_id from inventory.stock where on_hand = $1 and sku_id = any($2)",
            pieces,
            skus,
        )
    await switch_on(own.shop_id, sku_id)
    turns = itertools.islice(itertools.cycle(buyers), 2 * pieces)
    told = 0

    async def shop_on() -> None:
        nonlocal told
        for buyer in turns:
            try:
                await hot_lane.place(_wish(buyer, sku_id))
                told += 1
            except StockShort:
                pass

    await asyncio.gather(*(shop_on() for _ in range(effort.of(BUYERS))))
    async with reading(own.shop_id) as tx:
        sold = int(
            await tx.value(
                "select coalesce(sum(quantity), 0) from ordering.order_lines where sku_id = $1",
                sku_id,
            )
        )
    assert sold == told, "what was answered is not what was sold"
    return sold, max(0, sold - pieces), max(0, pieces - sold)


# --- through HTTP ---------------------------------------------------------------------------------


class Nothing(msgspec.Struct, frozen=True):
    """A view, so that these routes are called and told as orders are."""

    key: str


@post("/empty", access=MEMBER, include_in_schema=False)
async def empty(data: PlaceOrderBody, member: MemberIdentity, once: OnceKey) -> Nothing:
    """All that stands before an order, and no order."""
    return Nothing(str(once.key_id))


@post("/plain", access=PUBLIC, include_in_schema=False)
async def plain() -> Nothing:
    """What the stack does when nothing is to be done."""
    return Nothing("")


def create_app() -> Any:
    """The web process with the empty routes; what uvicorn runs here."""
    from siyu.app import http
    from siyu.commerce.ordering import http_shop

    http_shop.routes.extend((empty, plain))
    return http.create_app()


def _request(bench_: Bench, buyer: Buyer, sku_id: UUID, path: str) -> tuple[bytes, bytes]:
    head, tail = bench.request(bench_, buyer, [sku_id], coupon_ids=[])
    return head.replace(b"/shop/v1/orders", path.encode(), 1), tail


async def _through_http(effort: Effort) -> Rounds:
    rounds: list[list[float]] = []
    latencies: list[float] = []
    async with served(f"{__name__}:create_app") as own:
        (sku_id,) = await stock(own.shop_id, 1, PLENTY)
        buyers = await with_addresses(own.shop_id, await enlist(own.shop_id, effort.of(BUYERS)))
        await switch_on(own.shop_id, sku_id)
        for number in range(effort.rounds + 1):
            rates = []
            for path in ("/shop/v1/orders", "/shop/v1/empty", "/shop/v1/plain"):
                requests = [_request(own, buyer, sku_id, path) for buyer in buyers]
                sent = await load(own.port, requests, seconds=effort.seconds, at_once=len(buyers))
                assert set(sent["statuses"]) == {"200"}, sent["statuses"]
                rates.append(len(sent["latencies"]) / sent["seconds"])
                if number and path.endswith("orders"):
                    latencies += sent["latencies"]
            if number:
                rounds.append(rates)
            else:
                await _know_the_tables(own)
    rate, limit, nothing = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    return Rounds(
        rate=round(rate, 1),
        limit=round(limit, 1),
        share=round(rate / limit, 3),
        plain=round(nothing, 1),
        plain_share=round(rate / nothing, 3),
        goal=0.5,
        compared=f"the same orders through HTTP with a route of the same declaration that answers"
        f" at once; {PROCESSES} web processes, {len(buyers)} connections",
        p99_ms=round(p99(latencies), 1),
        rounds=_rounded(rounds),
    )
