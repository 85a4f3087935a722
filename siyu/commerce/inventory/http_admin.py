"""The stock keeper's side: corrections and the story of a SKU. The list itself is catalog's."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.commerce.inventory import queries, service
from siyu.commerce.inventory.contracts import MAX_QUANTITY, StockNotFound
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, StaffIdentity, decode_cursor, get, post, staff


class AdjustBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A difference in pieces (not 0) against the version that was read, and why."""

    delta: Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
    expected_version: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    reason: Annotated[str, Meta(min_length=1, max_length=100)]


class StockView(msgspec.Struct, frozen=True):
    """The numbers of one SKU."""

    sku_id: UUID
    on_hand: int
    reserved: int
    available: int
    version: int


@post("/stock/{sku_id:uuid}/adjust", access=staff("stock.write"))
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
        )
    return StockView(sku_id, level.on_hand, level.reserved, level.available, level.version)


@get("/stock/{sku_id:uuid}/movements", access=staff("stock.read"))
async def list_stock_movements(
    staff: StaffIdentity,
    sku_id: UUID,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[queries.MovementRow]:
    """Every change of what is on hand, the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        if sku_id not in await service.list_levels(tx, [sku_id]):
            raise StockNotFound
        rows = await queries.list_movements(tx, sku_id, before[0] if before else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.movement_id])


routes = [adjust_stock, list_stock_movements]
