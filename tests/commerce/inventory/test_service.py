import contextlib
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from siyu.commerce.inventory import service
from siyu.commerce.inventory.contracts import (
    BadQuantity,
    StockChanged,
    StockLevel,
    StockNotFound,
    StockOutOfRange,
    StockShort,
)
from siyu.commerce.inventory.invariants import INVARIANTS
from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id

STAFF = System("staff:1", "店长")


async def stocked(tx: Tx, *quantities: int) -> list[uuid.UUID]:
    """SKUs with so many pieces each, of one product."""
    skus = [new_id() for _ in quantities]
    await service.set_up(tx, dict.fromkeys(skus, 7))
    goods = {sku: n for sku, n in zip(skus, quantities, strict=True) if n}
    if goods:
        await service.receive(tx, goods, STAFF, "到货")
    return skus


async def levels(tx: Tx, skus: list[uuid.UUID]) -> list[tuple[int, int]]:
    found = await service.list_levels(tx, skus)
    return [(found[sku].on_hand, found[sku].reserved) for sku in skus]


@contextlib.asynccontextmanager
async def undone(tx: Tx) -> AsyncIterator[None]:
    """What happens inside is rolled back, as the end of a refused transaction would do."""
    await tx.run("savepoint before")
    yield
    await tx.run("rollback to before")


@pytest.fixture(autouse=True)
async def truths_hold(tx: Tx) -> AsyncIterator[None]:
    yield
    for name, sql in INVARIANTS.items():
        assert await tx.connection.fetch(sql) == [], name


async def test_reserve_is_one_round_trip_and_all_or_nothing(tx: Tx) -> None:
    a, b, c = await stocked(tx, 5, 2, 0)
    order = new_id()
    with db.recorded() as trips:
        await service.reserve(tx, order, {a: 5, b: 1})
    assert len(trips) == 1
    assert await levels(tx, [a, b, c]) == [(5, 5), (2, 1), (0, 0)]
    with pytest.raises(StockShort) as refused:
        await service.reserve(tx, new_id(), {a: 1, b: 1, c: 2})
    assert refused.value.details["short"] == [
        {"sku_id": str(a), "wanted": 1, "available": 0},
        {"sku_id": str(c), "wanted": 2, "available": 0},
    ]
    assert await levels(tx, [a, b, c]) == [(5, 5), (2, 1), (0, 0)]
    assert [r.quantity for r in await service.list_reservations(tx, order)] == [5, 1]


async def test_an_unknown_sku_is_short(tx: Tx) -> None:
    (a,) = await stocked(tx, 5)
    stranger = new_id()
    with pytest.raises(StockShort) as refused:
        await service.reserve(tx, new_id(), {stranger: 1, a: 1})
    assert refused.value.details["short"] == [
        {"sku_id": str(stranger), "wanted": 1, "available": 0}
    ]
    assert await levels(tx, [a]) == [(5, 0)]


async def test_release_gives_back_once(tx: Tx) -> None:
    a, b = await stocked(tx, 5, 5)
    order, other = new_id(), new_id()
    await service.reserve(tx, order, {a: 2, b: 3})
    await service.reserve(tx, other, {a: 1})
    assert await service.release(tx, order) == {a: 2, b: 3}
    assert await service.release(tx, order) == {}
    assert await service.consume(tx, order) == {}
    assert await levels(tx, [a, b]) == [(5, 1), (5, 0)]


async def test_consume_lets_go_once(tx: Tx) -> None:
    a, b = await stocked(tx, 5, 5)
    order = new_id()
    await service.reserve(tx, order, {a: 2, b: 5})
    assert await service.consume(tx, order) == {a: 2, b: 5}
    assert await service.consume(tx, order) == {}
    assert await service.release(tx, order) == {}
    assert await levels(tx, [a, b]) == [(3, 0), (0, 0)]


async def test_a_late_payment_reserves_again_if_it_can(tx: Tx) -> None:
    (a,) = await stocked(tx, 2)
    late, quick = new_id(), new_id()
    await service.reserve(tx, late, {a: 2})
    await service.release(tx, late)
    await service.reserve(tx, quick, {a: 1})
    with pytest.raises(StockShort):
        await service.reserve(tx, late, {a: 2})
    await service.release(tx, quick)
    await service.reserve(tx, late, {a: 2})
    assert await service.consume(tx, late) == {a: 2}
    assert await levels(tx, [a]) == [(0, 0)]


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, 2**31])
async def test_senseless_quantities_are_refused(tx: Tx, quantity: int) -> None:
    (a,) = await stocked(tx, 5)
    for verb in (
        service.reserve(tx, new_id(), {a: quantity}),
        service.receive(tx, {a: quantity}, STAFF),
    ):
        with pytest.raises(BadQuantity):
            await verb
    assert await levels(tx, [a]) == [(5, 0)]


async def test_correction_names_the_version_it_read(tx: Tx) -> None:
    (a,) = await stocked(tx, 5)
    await service.reserve(tx, new_id(), {a: 3})

    async def adjust(delta: int, version: int) -> StockLevel:
        return await service.adjust(
            tx, STAFF, a, delta=delta, expected_version=version, reason="盘点"
        )

    assert await adjust(-2, 0) == StockLevel(a, 3, 3, 1)
    with pytest.raises(StockChanged) as changed:
        await adjust(-2, 0)
    assert changed.value.details == {"version": 1, "on_hand": 3}
    with pytest.raises(StockOutOfRange) as below:
        await adjust(-1, 1)
    assert below.value.details == {"on_hand": 3, "reserved": 3, "delta": -1}
    with pytest.raises(StockOutOfRange):
        await adjust(1_000_000, 1)
    with pytest.raises(BadQuantity):
        await adjust(0, 1)
    with pytest.raises(StockNotFound):
        await service.adjust(tx, STAFF, new_id(), delta=1, expected_version=0, reason="?")
    assert await levels(tx, [a]) == [(3, 3)]


async def test_goods_are_received_together_or_not_at_all(tx: Tx) -> None:
    a, b = await stocked(tx, 5, 999_999)
    for goods in ({a: 1, b: 2}, {a: 1, new_id(): 1}):
        async with undone(tx):
            with pytest.raises(StockOutOfRange):
                await service.receive(tx, goods, STAFF)
    assert await levels(tx, [a, b]) == [(5, 0), (999_999, 0)]


async def test_lists_for_screens(tx: Tx) -> None:
    a, b = await stocked(tx, 5, 50)
    stranger = new_id()
    await service.reserve(tx, new_id(), {a: 2})
    with db.recorded() as trips:
        assert await service.get_available(tx, [a, b, stranger]) == {a: 3, b: 50, stranger: 0}
    assert len(trips) == 1
    assert await service.get_product_stock(tx, [7, 8]) == {7: 53, 8: 0}
    assert await service.list_low(tx, 10) == [a]


async def test_movements_cannot_be_rewritten(tx: Tx) -> None:
    await stocked(tx, 5)
    for sql in ("update inventory.movements set delta = 1", "delete from inventory.movements"):
        async with undone(tx):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.run(sql)
