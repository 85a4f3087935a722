"""`siyu bench purchase`: whole purchases of new customers, beside `pgbench -N` of the same run.

A purchase is what a shop lives of: a new customer logs in, puts five products into the cart one by
one, gives an address, sees the quote, orders, and pays at the counter, where staff write it down.
Five requests beside the cart's own; each through HTTP and into the database, for eight buyers at
once. Of WeChat only the log-in is asked, and a stand-in answers it at once.

`PEERS` are the same purchase in other shop software, in orders per 1,000 transactions of
`pgbench -N` of its own run. Three of the four sold a hot SKU beyond its stock.
"""

import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from siyu.app.bench_ground import (
    CONNECTIONS,
    FULL,
    PROCESSES,
    Bench,
    Effort,
    Figures,
    analyze,
    hire,
    p99,
    prepare_simple_updates,
    served,
    simple_updates,
    stock,
)
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange

BUYERS = 8
PRODUCTS = 5
SKUS = 100
GOAL_PER_THOUSAND = 11.0
PEERS = {"django-oscar": 1.09, "Vendure": 1.03, "Saleor": 0.22, "Medusa": 0.14}
_ADDRESS = {
    "receiver": "王小明",
    "phone": "13812345678",
    "province": "福建省",
    "city": "泉州市",
    "district": "安溪县",
    "detail": "龙涓乡茶叶街 18 号",
    "is_default": True,
}


class PurchaseFigures(Figures, frozen=True):
    """Purchases per second (`rate`), transactions of `pgbench -N` per second (`limit`), medians of
    the rounds; `per_thousand`: purchases per 1,000 such transactions.
    """

    per_thousand: float
    goal_per_thousand: float
    p99_ms: float
    peers_per_thousand: dict[str, float]
    times_best_peer: float
    rounds: list[list[float]]


async def purchase(effort: Effort = FULL) -> PurchaseFigures:
    """Interleaved rounds, after one of each to warm up."""
    async with _wechat() as wechat_url, served(SIYU_SANDBOX_URL=wechat_url) as bench:
        task = await _prepare(bench)
        await prepare_simple_updates(bench, effort)
        rounds: list[list[float]] = []
        p99s: list[float] = []
        count = 0
        for number in range(effort.rounds + 1):
            bought = await _buy(task | {"seconds": effort.seconds})
            limit = await simple_updates(bench, effort.seconds, PROCESSES * CONNECTIONS)
            count += len(bought["latencies"])
            if number == 0:
                await analyze(bench)
            else:
                rounds.append([len(bought["latencies"]) / bought["seconds"], limit])
                p99s.append(p99(bought["latencies"]))
        async with reading(bench.shop_id) as tx:
            paid = await tx.value("select count(*) from ordering.orders where paid_at is not null")
        assert paid >= count, "what was answered is not what was bought"
    rate, limit = (statistics.median(one[i] for one in rounds) for i in (0, 1))
    per_thousand = 1000 * rate / limit
    return PurchaseFigures.of(
        rate,
        limit,
        f"new customers' purchases of {PRODUCTS} products through HTTP, {BUYERS} buyers, paid at"
        " the counter, with transactions of `pgbench -N` of the same run; peers: the same purchase"
        " per 1,000 of their own run",
        per_thousand=round(per_thousand, 2),
        goal_per_thousand=GOAL_PER_THOUSAND,
        p99_ms=round(statistics.median(p99s), 1),
        peers_per_thousand=PEERS,
        times_best_peer=round(per_thousand / max(PEERS.values()), 1),
        rounds=[[round(figure, 1) for figure in one] for one in rounds],
    )


async def _prepare(bench: Bench) -> dict[str, Any]:
    """Goods, the shop's app at WeChat, and a cashier who is logged in."""
    sku_ids = await stock(bench.shop_id, SKUS, 1_000_000)
    async with transaction(bench.shop_id) as tx:
        change = WeChatChange(
            environment=Environment.SANDBOX,
            appid="wx00000000000bench",
            mchid=None,
            certificate_serial=None,
            public_key_id=None,
            public_key_pem=None,
            app_secret="c" * 32,
        )
        await shops.set_wechat(tx, System(), change)
    return {
        "port": bench.port,
        "shop": "bench",
        "cookie": (await hire(bench.shop_id, "cashier"))["Cookie"],
        "buyers": BUYERS,
        "products": PRODUCTS,
        "sku_ids": [str(sku_id) for sku_id in sku_ids],
        "address": _ADDRESS,
    }


async def _buy(task: dict[str, Any]) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-E", str(Path(__file__).with_name("bench_purchase_load.py"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate(json.dumps(task).encode())
    assert child.returncode == 0, "a purchase failed"
    return dict(json.loads(out))


# --- WeChat's stand-in --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _wechat() -> AsyncIterator[str]:
    """Who answers every code of wx.login with a person of its own."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    gone = (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError)
    with contextlib.suppress(*gone):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            code = head.partition(b"js_code=")[2][:32].decode()
            body = json.dumps({"openid": code[:28], "session_key": "c2Vzc2lvbg=="}).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
    writer.close()
