"""Nouns of inventory. Quantities are whole pieces."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound

WarehouseId = NewType("WarehouseId", UUID)

MAX_QUANTITY = 1_000_000
"""The most pieces of one SKU that can be on hand in one warehouse or asked for; price x quantity
stays in int64."""
MAX_WAREHOUSES = 100
MAX_PER_BUYER = 999


class Lane(StrEnum):
    """How orders for a SKU are worked off when many come at once."""

    AUTO = "auto"  # together while buyers stand in line for the SKU's stock, one by one otherwise
    ON = "on"  # always together
    OFF = "off"  # always one by one


class StockLevel(msgspec.Struct, frozen=True):
    """One SKU's numbers over its open warehouses. `version` counts the merchant's own changes;
    sales do not touch it. `safety`: pieces that are not sold.
    """

    sku_id: UUID
    on_hand: int
    reserved: int
    version: int
    safety: int = 0

    @property
    def available(self) -> int:
        """Pieces that can still be promised."""
        return max(self.on_hand - self.reserved - self.safety, 0)


class Reservation(msgspec.Struct, frozen=True):
    """Pieces kept for one source (an order) until its owner releases or consumes them."""

    source: UUID
    sku_id: UUID
    warehouse_id: UUID
    quantity: int
    until: datetime | None


class Warehouse(msgspec.Struct, frozen=True):
    """Where goods are. Orders are served from the open ones, the lowest `priority` first; what
    names no place goes to the default one, which is always open.
    """

    warehouse_id: UUID
    name: str
    priority: int
    is_default: bool
    is_open: bool


class Place(msgspec.Struct, frozen=True):
    """A SKU's numbers in one warehouse, open or not."""

    warehouse_id: UUID
    on_hand: int
    reserved: int


class Item(msgspec.Struct, frozen=True):
    """What the merchant decides about a SKU. `limit_per_buyer`: pieces in all orders of one member
    that were not cancelled; None does not restrict.
    """

    sku_id: UUID
    version: int
    safety: int
    lane: Lane
    limit_per_buyer: int | None


class Supply(msgspec.Struct, frozen=True):
    """A SKU as the hot lane sees it: free pieces of each open warehouse, in order of priority."""

    lane: Lane
    limit_per_buyer: int | None
    safety: int
    free: list[tuple[UUID, int]]

    @property
    def available(self) -> int:
        """Pieces that can still be promised."""
        return max(sum(pieces for _, pieces in self.free) - self.safety, 0)


class Heat(msgspec.Struct, frozen=True):
    """What the hot lane of one SKU has done in one process since it opened. `queue`: how many
    buyers on average stood in line then (0 when the merchant opened it).
    """

    sku_id: UUID
    opened_at: datetime
    queue: int
    orders: int
    refused: int
    batches: int
    largest: int
    worked_at: datetime


class StockShort(Conflict):
    """Not all that was asked for is there; `details.short`: [{sku_id, wanted, available}]."""

    code = "inventory.stock_short"
    zh = "库存不足"
    en = "Not enough stock"


class StockChanged(Conflict):
    """Somebody else changed this stock since it was read. `details`: version, on_hand."""

    code = "inventory.stock_changed"
    zh = "库存已被他人修改,请刷新后重试"
    en = "The stock was changed by somebody else; reload and try again"


class StockOutOfRange(Conflict):
    """Less than is promised to buyers, or above MAX_QUANTITY. `details`: the numbers."""

    code = "inventory.out_of_range"
    zh = "库存不能少于订单已占用的数量,也不能超过 100 万"
    en = "Stock cannot fall below what orders have reserved, nor exceed one million"


class SupplyMoved(Conflict):
    """What a batch had counted on is no longer free; nothing was kept, its orders are tried one by
    one.
    """

    code = "inventory.supply_moved"
    zh = "库存刚刚发生变化,请重试"
    en = "The stock has just moved; try again"


class BadQuantity(BadInput):
    """A quantity outside 1..MAX_QUANTITY, counted over all lines of a SKU."""

    code = "inventory.bad_quantity"
    zh = "数量无效"
    en = "Invalid quantity"


class StockNotFound(NotFound):
    """No stock is kept under this SKU in this shop."""

    code = "inventory.not_found"
    zh = "没有这个规格的库存"
    en = "There is no stock of this SKU"


class WarehouseNotFound(NotFound):
    """The shop has no such warehouse."""

    code = "inventory.warehouse_not_found"
    zh = "没有找到该仓库"
    en = "There is no such warehouse"


class WarehouseNameTaken(Conflict):
    """Another warehouse has this name."""

    code = "inventory.warehouse_name_taken"
    zh = "已有同名仓库"
    en = "Another warehouse has this name"


class WarehouseNeeded(Conflict):
    """The default warehouse is always open and stays; make another one the default first."""

    code = "inventory.warehouse_needed"
    zh = "默认仓库不能停用或删除，请先把其他仓库设为默认"
    en = "The default warehouse cannot be closed or removed; choose another default first"


class WarehouseInUse(Conflict):
    """Goods were kept in it, so its story stays; it can be closed."""

    code = "inventory.warehouse_in_use"
    zh = "该仓库有过库存，不能删除，可以停用"
    en = "Goods were kept in this warehouse; it can be closed but not removed"


class TooManyWarehouses(Conflict):
    """The shop has `limit` warehouses."""

    code = "inventory.too_many_warehouses"
    zh = "最多可以有 {limit} 个仓库"
    en = "A shop has at most {limit} warehouses"


class SamePlace(BadInput):
    """A transfer from a warehouse to itself."""

    code = "inventory.same_place"
    zh = "调出仓库和调入仓库不能相同"
    en = "Choose two different warehouses"
