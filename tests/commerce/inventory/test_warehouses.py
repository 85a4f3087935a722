"""Two warehouses and more: who serves, what is moved, what is kept back, what is decided."""

import uuid
from collections.abc import AsyncIterator

import pytest

from siyu.commerce.inventory import service
from siyu.commerce.inventory.contracts import (
    MAX_WAREHOUSES,
    BadQuantity,
    Lane,
    Place,
    SamePlace,
    StockChanged,
    StockNotFound,
    StockOutOfRange,
    StockShort,
    SupplyMoved,
    TooManyWarehouses,
    Warehouse,
    WarehouseInUse,
    WarehouseNameTaken,
    WarehouseNeeded,
    WarehouseNotFound,
)
from siyu.commerce.inventory.invariants import INVARIANTS
from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from tests.commerce.inventory.test_service import undone

STAFF = System("staff:1", "店长")


@pytest.fixture(autouse=True)
async def truths_hold(tx: Tx) -> AsyncIterator[None]:
    yield
    for name, sql in INVARIANTS.items():
        assert await tx.connection.fetch(sql) == [], name


class House:
    """A SKU in the first warehouse (10 pieces) and in 泉州仓 (5), which serves first or second."""

    def __init__(self, tx: Tx, sku: uuid.UUID, main: uuid.UUID, other: uuid.UUID) -> None:
        self.tx, self.sku, self.main, self.other = tx, sku, main, other

    async def numbers(self) -> dict[str, tuple[int, int]]:
        places = await service.list_places(self.tx, self.sku)
        names = {self.main: "main", self.other: "other"}
        return {names[one.warehouse_id]: (one.on_hand, one.reserved) for one in places}

    async def version(self) -> int:
        return (await service.list_levels(self.tx, [self.sku]))[self.sku].version

    async def warehouse(self, warehouse_id: uuid.UUID) -> Warehouse:
        found = await service.list_warehouses(self.tx)
        return next(one for one in found if one.warehouse_id == warehouse_id)

    async def close(self, warehouse_id: uuid.UUID) -> None:
        one = await self.warehouse(warehouse_id)
        changed = Warehouse(one.warehouse_id, one.name, one.priority, one.is_default, False)
        await service.edit_warehouse(self.tx, STAFF, changed)


async def house(tx: Tx, other_priority: int = 2) -> House:
    sku = new_id()
    await service.set_up(tx, {sku: 7})
    (main,) = await service.list_warehouses(tx)
    other = await service.create_warehouse(tx, STAFF, name=" 泉州仓 ", priority=other_priority)
    assert (main.name, main.is_default, other.name, other.is_default) == (
        "主仓",
        True,
        "泉州仓",
        False,
    )
    await service.receive(tx, {sku: 10}, STAFF)
    await service.receive(tx, {sku: 5}, STAFF, "到货", other.warehouse_id)
    return House(tx, sku, main.warehouse_id, other.warehouse_id)


async def test_the_first_in_priority_serves_first(tx: Tx) -> None:
    at = await house(tx)
    order = new_id()
    with db.recorded() as trips:
        await service.reserve(tx, order, {at.sku: 12})
    assert len(trips) == 1
    assert await at.numbers() == {"main": (10, 10), "other": (5, 2)}
    kept = await service.list_reservations(tx, order)
    assert {one.warehouse_id: one.quantity for one in kept} == {at.main: 10, at.other: 2}
    assert await service.consume(tx, order) == {at.sku: 12}
    assert await at.numbers() == {"main": (0, 0), "other": (3, 0)}
    with pytest.raises(StockShort):
        await service.reserve(tx, new_id(), {at.sku: 4})
    await service.reserve(tx, order, {at.sku: 3})
    assert await service.release(tx, order) == {at.sku: 3}
    assert await at.numbers() == {"main": (0, 0), "other": (3, 0)}


async def test_priority_is_the_merchants(tx: Tx) -> None:
    at = await house(tx, other_priority=1)
    main = await at.warehouse(at.main)
    await service.edit_warehouse(tx, STAFF, Warehouse(at.main, main.name, 5, True, True))
    await service.reserve(tx, new_id(), {at.sku: 6})
    assert await at.numbers() == {"main": (10, 1), "other": (5, 5)}
    assert [one.warehouse_id for one in await service.list_warehouses(tx)] == [at.other, at.main]


async def test_a_closed_warehouse_promises_nothing_and_keeps_its_word(tx: Tx) -> None:
    at = await house(tx, other_priority=1)
    main = await at.warehouse(at.main)
    await service.edit_warehouse(tx, STAFF, Warehouse(at.main, main.name, 5, True, True))
    order = new_id()
    await service.reserve(tx, order, {at.sku: 3})
    await at.close(at.other)
    assert await service.get_available(tx, [at.sku]) == {at.sku: 10}
    assert await service.get_product_stock(tx, [7]) == {7: 10}
    with pytest.raises(StockShort) as refused:
        await service.reserve(tx, new_id(), {at.sku: 11})
    assert refused.value.details["short"][0]["available"] == 10
    assert await service.consume(tx, order) == {at.sku: 3}
    assert await at.numbers() == {"main": (10, 0), "other": (2, 0)}


async def test_safety_stock_is_not_sold(tx: Tx) -> None:
    at = await house(tx)
    item = await service.set_item(
        tx, STAFF, at.sku, safety=4, lane=Lane.AUTO, limit_per_buyer=None, expected_version=0
    )
    assert (item.safety, item.version) == (4, 1)
    level = (await service.list_levels(tx, [at.sku]))[at.sku]
    assert (level.on_hand, level.available, level.safety) == (15, 11, 4)
    assert await service.get_product_stock(tx, [7]) == {7: 11}
    assert await service.list_low(tx, 11) == [at.sku] and await service.list_low(tx, 10) == []
    with pytest.raises(StockShort):
        await service.reserve(tx, new_id(), {at.sku: 12})
    await service.reserve(tx, new_id(), {at.sku: 11})
    assert await service.get_available(tx, [at.sku]) == {at.sku: 0}
    # More kept back than there is: nothing is there to be sold, and that is all.
    await service.set_item(
        tx, STAFF, at.sku, safety=9, lane=Lane.AUTO, limit_per_buyer=None, expected_version=1
    )
    assert await service.get_available(tx, [at.sku]) == {at.sku: 0}


async def test_f045_decisions_name_the_version_they_read(tx: Tx) -> None:
    at = await house(tx)
    with pytest.raises(StockChanged):
        await service.set_item(
            tx, STAFF, at.sku, safety=4, lane=Lane.ON, limit_per_buyer=2, expected_version=3
        )
    with pytest.raises(StockNotFound):
        await service.set_item(
            tx, STAFF, new_id(), safety=4, lane=Lane.ON, limit_per_buyer=2, expected_version=0
        )
    with pytest.raises(StockNotFound):
        await service.get_item(tx, new_id())
    item = await service.get_item(tx, at.sku)
    assert (item.safety, item.lane, item.limit_per_buyer, item.version) == (0, Lane.AUTO, None, 0)


async def test_what_is_limited_is_told_by_the_reservation(tx: Tx) -> None:
    at = await house(tx)
    assert await service.reserve(tx, new_id(), {at.sku: 1}) == {}
    await service.set_item(
        tx, STAFF, at.sku, safety=0, lane=Lane.OFF, limit_per_buyer=2, expected_version=0
    )
    assert await service.reserve(tx, new_id(), {at.sku: 1}) == {at.sku: 2}


async def test_a_correction_names_its_place(tx: Tx) -> None:
    at = await house(tx)

    async def adjust(delta: int, place: uuid.UUID | None) -> None:
        await service.adjust(
            tx,
            STAFF,
            at.sku,
            delta=delta,
            expected_version=await at.version(),
            reason="盘点",
            warehouse_id=place,
        )

    await adjust(3, at.other)
    await adjust(-1, None)
    assert await at.numbers() == {"main": (9, 0), "other": (8, 0)}
    third = await service.create_warehouse(tx, STAFF, name="厦门仓", priority=9)
    with pytest.raises(StockOutOfRange) as refused:
        await adjust(-1, third.warehouse_id)
    assert refused.value.details == {"on_hand": 0, "reserved": 0, "delta": -1}
    with pytest.raises(WarehouseNotFound):
        await adjust(1, new_id())
    await adjust(2, third.warehouse_id)
    places = await service.list_places(tx, at.sku)
    assert Place(third.warehouse_id, 2, 0) in places
    assert await at.version() == 3


async def test_a_transfer_moves_free_pieces(tx: Tx) -> None:
    at = await house(tx)
    await service.reserve(tx, new_id(), {at.sku: 8})

    async def move(quantity: int, from_id: uuid.UUID, to_id: uuid.UUID, version: int) -> None:
        await service.transfer(
            tx,
            STAFF,
            at.sku,
            from_id=from_id,
            to_id=to_id,
            quantity=quantity,
            expected_version=version,
            reason="调拨",
        )

    for quantity, from_id, to_id, version, refusal in (
        (3, at.main, at.other, 0, StockOutOfRange),
        (1, at.main, at.other, 5, StockChanged),
        (1, at.main, new_id(), 0, WarehouseNotFound),
        (1, new_id(), at.main, 0, WarehouseNotFound),
        (1, at.main, at.main, 0, SamePlace),
        (0, at.main, at.other, 0, BadQuantity),
    ):
        with pytest.raises(refusal):
            await move(quantity, from_id, to_id, version)
        assert await at.numbers() == {"main": (10, 8), "other": (5, 0)}
    with db.recorded() as trips:
        await move(2, at.main, at.other, 0)
    assert len(trips) == 2
    assert await at.numbers() == {"main": (8, 8), "other": (7, 0)}
    third = await service.create_warehouse(tx, STAFF, name="厦门仓", priority=9)
    await move(7, at.other, third.warehouse_id, 1)
    assert Place(third.warehouse_id, 7, 0) in await service.list_places(tx, at.sku)
    with pytest.raises(StockOutOfRange):
        await service.transfer(
            tx,
            STAFF,
            at.sku,
            from_id=at.other,
            to_id=third.warehouse_id,
            quantity=1,
            expected_version=2,
            reason="空",
        )


async def test_a_full_warehouse_takes_no_transfer(tx: Tx) -> None:
    at = await house(tx)
    await service.receive(tx, {at.sku: 999_995}, STAFF, "", at.other)
    with pytest.raises(StockOutOfRange):
        await service.transfer(
            tx,
            STAFF,
            at.sku,
            from_id=at.main,
            to_id=at.other,
            quantity=1,
            expected_version=0,
            reason="满",
        )


async def test_returned_goods_come_to_where_most_of_them_left_from(tx: Tx) -> None:
    at = await house(tx)
    order, refund = new_id(), new_id()
    await service.reserve(tx, order, {at.sku: 12})
    await service.consume(tx, order)
    await service.edit_warehouse(tx, STAFF, Warehouse(at.other, "泉州仓", 2, True, True))
    assert (await at.warehouse(at.main)).is_default is False
    goods = {at.sku: 12, new_id(): 1}
    assert await service.take_back(tx, refund, order, goods, STAFF) == {at.sku: 12}
    assert await service.take_back(tx, refund, order, {at.sku: 12}, STAFF) == {}
    assert await at.numbers() == {"main": (12, 0), "other": (3, 0)}


async def test_returned_goods_that_left_from_nowhere_open_come_to_the_default_warehouse(
    tx: Tx,
) -> None:
    at = await house(tx)
    order = new_id()
    await service.reserve(tx, order, {at.sku: 12})
    await service.consume(tx, order)
    await service.edit_warehouse(tx, STAFF, Warehouse(at.other, "泉州仓", 2, True, True))
    await service.edit_warehouse(tx, STAFF, Warehouse(at.main, "主仓", 1, False, False))
    # Two pieces of the order left from the warehouse that is still open: they lead.
    assert await service.take_back(tx, new_id(), order, {at.sku: 2}, STAFF) == {at.sku: 2}
    assert await at.numbers() == {"main": (0, 0), "other": (5, 0)}
    assert await service.take_back(tx, new_id(), new_id(), {at.sku: 1}, STAFF) == {at.sku: 1}
    assert await at.numbers() == {"main": (0, 0), "other": (6, 0)}


async def test_returned_goods_come_to_the_open_warehouse_that_is_named(tx: Tx) -> None:
    at = await house(tx)
    order, refund = new_id(), new_id()
    await service.reserve(tx, order, {at.sku: 4})
    await service.consume(tx, order)
    before = await at.numbers()
    for wrong in (new_id(), uuid.UUID(int=0)):
        with pytest.raises(WarehouseNotFound):
            await service.take_back(tx, refund, order, {at.sku: 1}, STAFF, wrong)
    await service.take_back(tx, refund, order, {at.sku: 1}, STAFF, at.other)
    after = await at.numbers()
    assert after["other"][0] == before["other"][0] + 1
    assert after["main"] == before["main"]
    held = await service.list_held(tx, at.other, [at.sku, new_id()])
    assert {sku: place.on_hand for sku, place in held.items()} == {at.sku: after["other"][0]}
    assert (await service.list_held(tx, None, [at.sku]))[at.sku].warehouse_id == at.main


async def test_warehouses_are_opened_changed_and_removed(tx: Tx) -> None:
    first = await service.create_warehouse(tx, STAFF, name="首仓", priority=3)
    assert first.is_default
    with pytest.raises(WarehouseNameTaken):
        await service.create_warehouse(tx, STAFF, name="首仓", priority=3)
    second = await service.create_warehouse(tx, STAFF, name="次仓", priority=3)
    ids = (first.warehouse_id, second.warehouse_id)
    for changed, refusal in (
        (Warehouse(new_id(), "无", 1, False, True), WarehouseNotFound),
        (Warehouse(ids[1], "首仓", 1, False, True), WarehouseNameTaken),
        (Warehouse(ids[0], "首仓", 1, False, True), WarehouseNeeded),
        (Warehouse(ids[0], "首仓", 1, True, False), WarehouseNeeded),
        (Warehouse(ids[1], "次仓", 1, True, False), WarehouseNeeded),
    ):
        with pytest.raises(refusal):
            await service.edit_warehouse(tx, STAFF, changed)
    with pytest.raises(WarehouseNotFound):
        await service.remove_warehouse(tx, STAFF, new_id())
    with pytest.raises(WarehouseNeeded):
        await service.remove_warehouse(tx, STAFF, ids[0])
    sku = new_id()
    await service.set_up(tx, {sku: 1})
    assert len(await service.list_warehouses(tx)) == 2
    await service.receive(tx, {sku: 1}, STAFF, "", ids[1])
    with pytest.raises(WarehouseInUse):
        await service.remove_warehouse(tx, STAFF, ids[1])
    third = await service.create_warehouse(tx, STAFF, name="末仓", priority=1000)
    await service.remove_warehouse(tx, STAFF, third.warehouse_id)
    assert [one.warehouse_id for one in await service.list_warehouses(tx)] == [*ids]


async def test_there_is_an_end_of_warehouses(tx: Tx) -> None:
    for number in range(MAX_WAREHOUSES):
        await service.create_warehouse(tx, STAFF, name=f"仓 {number}", priority=1)
    with pytest.raises(TooManyWarehouses):
        await service.create_warehouse(tx, STAFF, name="又一个", priority=1)


async def test_goods_for_an_unknown_warehouse_are_refused(tx: Tx) -> None:
    at = await house(tx)
    async with undone(tx):
        with pytest.raises(StockOutOfRange):
            await service.receive(tx, {at.sku: 1}, STAFF, "", new_id())


async def test_withdrawn_goods_are_in_no_list(tx: Tx) -> None:
    at = await house(tx)
    await service.withdraw(tx, [at.sku])
    assert await service.get_product_stock(tx, [7]) == {7: 0}
    assert await service.list_low(tx, 100) == []
    await service.reserve(tx, new_id(), {at.sku: 1})


# --- many at once -----------------------------------------------------------------------------


@pytest.mark.parametrize("locked", [True, False])
async def test_many_are_served_at_once(tx: Tx, locked: bool) -> None:
    at = await house(tx)
    supply = await service.load_supply(tx, at.sku, locked=locked)
    assert (supply.available, supply.free) == (15, [(at.main, 10), (at.other, 5)])
    orders = [new_id() for _ in range(4)]
    wanted = [(order, 3, None) for order in orders]
    with db.recorded() as trips:
        await service.reserve_many(tx, at.sku, supply, wanted)
    assert len(trips) == 1
    assert await at.numbers() == {"main": (10, 10), "other": (5, 2)}
    assert [await service.release(tx, order) for order in orders] == [{at.sku: 3}] * 4


async def test_what_was_counted_on_may_be_gone(tx: Tx) -> None:
    at = await house(tx)
    await service.set_item(
        tx, STAFF, at.sku, safety=2, lane=Lane.ON, limit_per_buyer=None, expected_version=0
    )
    supply = await service.load_supply(tx, at.sku, locked=False)
    assert supply.available == 13
    await service.reserve(tx, new_id(), {at.sku: 1})
    for pieces in (13, 14):
        with pytest.raises(SupplyMoved):
            await service.reserve_many(tx, at.sku, supply, [(new_id(), pieces, clock.now())])
    assert await at.numbers() == {"main": (10, 1), "other": (5, 0)}


async def test_nothing_is_available_where_no_warehouse_is_open(tx: Tx) -> None:
    supply = await service.load_supply(tx, new_id(), locked=True)
    assert (supply.available, supply.lane, supply.free) == (0, Lane.AUTO, [])
