"""Nouns of inventory. Quantities are whole pieces."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound

MAX_QUANTITY = 1_000_000
"""The most pieces of one SKU that can be on hand or asked for; price x quantity stays in int64."""


class StockLevel(msgspec.Struct, frozen=True):
    """One SKU's numbers. `version` counts the merchant's own changes; sales do not touch it."""

    sku_id: UUID
    on_hand: int
    reserved: int
    version: int

    @property
    def available(self) -> int:
        """Pieces that can still be promised."""
        return self.on_hand - self.reserved


class Reservation(msgspec.Struct, frozen=True):
    """Pieces kept for one source (an order) until its owner releases or consumes them."""

    source: UUID
    sku_id: UUID
    quantity: int
    until: datetime | None


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
