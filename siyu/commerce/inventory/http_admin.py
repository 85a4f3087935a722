"""The stock keeper's side: warehouses, corrections, transfers, the story of a SKU, the hot lane.
The list itself is catalog's.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.commerce.inventory import queries, service
from siyu.commerce.inventory.contracts import (
    MAX_PER_BUYER,
    MAX_QUANTITY,
    Heat,
    Item,
    Lane,
    Place,
    StockLevel,
    StockNotFound,
    Warehouse,
)
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import Page, StaffIdentity, decode_cursor, delete, get, post, put, staff

READ, WRITE = staff("stock.read"), staff("stock.write")
HEAT_SHOWN = timedelta(days=1)
WORKS_WITHIN = timedelta(minutes=1)

Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]
Priority = Annotated[int, Meta(ge=1, le=1000)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class AdjustBody(_Body, frozen=True):
    """A difference in pieces (not 0) against the version that was read, where, and why."""

    delta: Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
    expected_version: Version
    reason: Reason
    warehouse_id: UUID | None = None


class TransferBody(_Body, frozen=True):
    """Pieces from one warehouse to another, against the version that was read."""

    from_id: UUID
    to_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    expected_version: Version
    reason: Reason


class ItemBody(_Body, frozen=True):
    """How a SKU is sold: pieces kept back, the hot lane, and how many one buyer may have."""

    safety: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
    lane: Lane
    limit_per_buyer: Annotated[int, Meta(ge=1, le=MAX_PER_BUYER)] | None
    expected_version: Version


class NewWarehouseBody(_Body, frozen=True):
    """A warehouse to open."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    priority: Priority


class WarehouseBody(NewWarehouseBody, frozen=True):
    """A warehouse as it shall be."""

    is_default: bool
    is_open: bool


class WarehouseList(msgspec.Struct, frozen=True):
    """All of them, in the order in which they serve."""

    items: list[Warehouse]


class StockView(msgspec.Struct, frozen=True):
    """The numbers of one SKU over its open warehouses."""

    sku_id: UUID
    on_hand: int
    reserved: int
    available: int
    version: int
    safety: int


class StockDetail(StockView, frozen=True):
    """A SKU in all warehouses, and how it is sold. `is_hot`: its hot lane worked in the last
    minute.
    """

    lane: Lane
    limit_per_buyer: int | None
    is_hot: bool
    places: list[Place]


class HeatView(Heat, frozen=True):
    """`works`: within the last minute."""

    works: bool


class HeatList(msgspec.Struct, frozen=True):
    """What hot lanes did within a day, the latest first."""

    as_of: datetime
    items: list[HeatView]


def _view(level: StockLevel) -> StockView:
    return StockView(
        level.sku_id, level.on_hand, level.reserved, level.available, level.version, level.safety
    )


# --- one SKU ----------------------------------------------------------------------------------


async def _detail(tx: ReadTx, sku_id: UUID) -> StockDetail:
    level = (await service.list_levels(tx, [sku_id])).get(sku_id)
    if level is None:
        raise StockNotFound
    item = await service.get_item(tx, sku_id)
    hot = await service.list_heat(tx, clock.now() - WORKS_WITHIN)
    return StockDetail(
        **msgspec.structs.asdict(_view(level)),
        lane=item.lane,
        limit_per_buyer=item.limit_per_buyer,
        is_hot=any(heat.sku_id == sku_id for heat in hot),
        places=await service.list_places(tx, sku_id),
    )


@get("/stock/{sku_id:uuid}", access=READ)
async def show_stock(staff: StaffIdentity, sku_id: UUID) -> StockDetail:
    """One SKU, place by place."""
    async with reading(staff.shop_id) as tx:
        return await _detail(tx, sku_id)


@put("/stock/{sku_id:uuid}", access=WRITE)
async def set_stock_item(staff: StaffIdentity, sku_id: UUID, data: ItemBody) -> Item:
    """Decide about safety stock, hot lane and limit; 409 when somebody else was first."""
    async with transaction(staff.shop_id) as tx:
        return await service.set_item(
            tx,
            staff,
            sku_id,
            safety=data.safety,
            lane=data.lane,
            limit_per_buyer=data.limit_per_buyer,
            expected_version=data.expected_version,
        )


@post("/stock/{sku_id:uuid}/adjust", access=WRITE)
async def adjust_stock(staff: StaffIdentity, sku_id: UUID, data: AdjustBody) -> StockView:
    """Correct what is on hand; 409 when somebody else was first or too little would be left."""
    async with transaction(staff.shop_id) as tx:
        level = await service.adjust(
            tx,
            staff,
            sku_id,
            delta=data.delta,
            expected_version=data.expected_version,
            reason=data.reason,
            warehouse_id=data.warehouse_id,
        )
    return _view(level)


@post("/stock/{sku_id:uuid}/transfer", access=WRITE)
async def transfer_stock(staff: StaffIdentity, sku_id: UUID, data: TransferBody) -> StockView:
    """Move free pieces to another warehouse; what is promised from here stays here."""
    async with transaction(staff.shop_id) as tx:
        level = await service.transfer(
            tx,
            staff,
            sku_id,
            from_id=data.from_id,
            to_id=data.to_id,
            quantity=data.quantity,
            expected_version=data.expected_version,
            reason=data.reason,
        )
    return _view(level)


@get("/stock/{sku_id:uuid}/movements", access=READ)
async def list_stock_movements(
    staff: StaffIdentity,
    sku_id: UUID,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[queries.MovementRow]:
    """Every change of what is on hand, the newest first."""
    before = decode_cursor(cursor, tuple[UUID, UUID])
    async with reading(staff.shop_id) as tx:
        if sku_id not in await service.list_levels(tx, [sku_id]):
            raise StockNotFound
        rows = await queries.list_movements(tx, sku_id, before, limit + 1)
    return Page.of(rows, limit, lambda row: [row.movement_id, row.warehouse_id])


@get("/stock/lanes", access=READ)
async def list_hot_lanes(staff: StaffIdentity) -> HeatList:
    """What the hot lanes of all processes did within a day."""
    now = clock.now()
    async with reading(staff.shop_id) as tx:
        found = await service.list_heat(tx, now - HEAT_SHOWN)
    return HeatList(
        now,
        [
            HeatView(**msgspec.structs.asdict(heat), works=heat.worked_at > now - WORKS_WITHIN)
            for heat in found
        ],
    )


# --- warehouses -------------------------------------------------------------------------------


@get("/warehouses", access=READ)
async def list_warehouses(staff: StaffIdentity) -> WarehouseList:
    """Where goods are."""
    async with reading(staff.shop_id) as tx:
        return WarehouseList(await service.list_warehouses(tx))


@post("/warehouses", access=WRITE)
async def create_warehouse(staff: StaffIdentity, data: NewWarehouseBody) -> Warehouse:
    """Open a warehouse."""
    async with transaction(staff.shop_id) as tx:
        return await service.create_warehouse(tx, staff, name=data.name, priority=data.priority)


@put("/warehouses/{warehouse_id:uuid}", access=WRITE)
async def edit_warehouse(
    staff: StaffIdentity, warehouse_id: UUID, data: WarehouseBody
) -> WarehouseList:
    """Change a warehouse; the one that becomes the default relieves the other."""
    async with transaction(staff.shop_id) as tx:
        await service.edit_warehouse(
            tx,
            staff,
            Warehouse(warehouse_id, data.name, data.priority, data.is_default, data.is_open),
        )
        return WarehouseList(await service.list_warehouses(tx))


@delete("/warehouses/{warehouse_id:uuid}", access=WRITE)
async def remove_warehouse(staff: StaffIdentity, warehouse_id: UUID) -> None:
    """Take away a warehouse that never held goods."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_warehouse(tx, staff, warehouse_id)


routes = [
    show_stock, set_stock_item, adjust_stock, transfer_stock, list_stock_movements, list_hot_lanes,
    list_warehouses, create_warehouse, edit_warehouse, remove_warehouse,
]  # fmt: skip
