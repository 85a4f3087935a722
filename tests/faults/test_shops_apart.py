"""Nothing of one shop reaches another through what requests share (F079, F083)."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec
import pytest

from siyu.app.http import create_litestar
from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.db import Database, ReadTx, reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops

REQUESTS = 2_000


async def seen(tx: ReadTx) -> set[int]:
    rows = await tx.connection.fetch(
        """select current_setting('siyu.shop_id')::int as shop_id
           union select shop_id from kernel.audit"""
    )
    return {row["shop_id"] for row in rows}


async def test_F079_a_pooled_connection_carries_no_shop_to_the_next(database: Database) -> None:
    """Thousands of requests of two shops over two connections, failing ones among them."""
    ids = []
    for no in range(2):
        async with system_transaction() as tx:
            made = await shops.create_shop(tx, System(), code=f"apart-{no}", name="店")
        ids.append(ShopId(made.shop_id))
    dice, wrong = random.Random(79), []

    async def ask(shop: ShopId, kind: str) -> None:
        try:
            if kind == "read":
                async with reading(shop) as tx:
                    found = await seen(tx)
            else:
                async with transaction(shop) as tx:
                    found = await seen(tx)
                    if kind == "fail":
                        await tx.run("select 1 / 0")
        except Exception as error:
            assert "division by zero" in str(error)
        if found != {shop}:
            wrong.append((shop, found))

    small = await Database.connect(database.url, size=2)
    db.use(small)
    try:
        wanted = [
            (dice.choice(ids), dice.choice(["read", "write", "fail"])) for _ in range(REQUESTS)
        ]
        for first in range(0, REQUESTS, 20):
            await asyncio.gather(*(ask(*one) for one in wanted[first : first + 20]))
        async with small.pool.acquire() as bare:
            assert await bare.fetchval("select current_setting('siyu.shop_id', true)") == ""
            with pytest.raises(asyncpg.InvalidTextRepresentationError):
                await bare.fetch("select 1 from kernel.audit")
    finally:
        db.use(database)
        await small.close()
    assert wrong == []


# --- what one request may ask for -----------------------------------------------------------------


def lists_in(schema: dict[str, Any], every: dict[str, Any], path: str) -> Iterator[str]:
    """Lists without an end in what a request may send."""
    waiting, known = [(schema, path)], set()
    while waiting:
        one, place = waiting.pop()
        if name := one.get("$ref", "").rpartition("/")[2]:
            if name not in known:
                known.add(name)
                waiting.append((every[name], f"{place} {name}"))
            continue
        if one.get("type") == "array" or "array" in one.get("type", ()):
            items = one.get("items", {})
            if one.get("maxItems", 10**9) > 10_000:
                yield place
            waiting.append((items, f"{place}[]"))
        waiting += [(part, f"{place}.{name}") for name, part in one.get("properties", {}).items()]
        for several in ("oneOf", "anyOf", "allOf"):
            waiting += [(part, place) for part in one.get(several, [])]


def test_F083_no_request_may_ask_for_the_same_a_thousand_times() -> None:
    """There is no batch of operations and no alias; every list in a request has an end."""
    bodies = {
        parameter.annotation
        for route in create_litestar().routes
        for handler in getattr(route, "route_handlers", ())
        if (parameter := handler.parsed_fn_signature.parameters.get("data"))
        and isinstance(parameter.annotation, type)
        and issubclass(parameter.annotation, msgspec.Struct)
    }
    assert len(bodies) > 100
    schemas, every = msgspec.json.schema_components(bodies)
    endless = [found for one in schemas for found in lists_in(one, every, "")]
    assert sorted(endless) == []
