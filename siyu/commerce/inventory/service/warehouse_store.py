"""The SQL of warehouses and of what the merchant decides about a SKU."""

from collections.abc import Sequence
from uuid import UUID

from siyu.commerce.inventory.contracts import Item, Place, Warehouse
from siyu.kernel.db import ReadTx, Tx

_WAREHOUSE = "warehouse_id, name, priority, is_default, is_open"
_ITEM = "sku_id, version, safety, lane, limit_per_buyer"


async def list_warehouses(tx: ReadTx) -> list[Warehouse]:
    """All warehouses, in the order in which they serve."""
    return await tx.all(
        Warehouse,
        f"""select {_WAREHOUSE} from inventory.warehouses
            where shop_id = $1 order by priority, warehouse_id""",
        tx.shop_id,
    )


async def lock_warehouses(tx: Tx) -> list[Warehouse]:
    """All warehouses in that order, and nobody else changes any until the end."""
    found = await tx.all(
        Warehouse,
        f"""select {_WAREHOUSE} from inventory.warehouses
            where shop_id = $1 order by warehouse_id for no key update""",
        tx.shop_id,
    )
    return sorted(found, key=lambda one: (one.priority, one.warehouse_id))


async def insert_warehouse(tx: Tx, new: Warehouse) -> bool:
    """False when its name is taken, or another first one was just made."""
    return bool(
        await tx.run(
            """insert into inventory.warehouses
                 (shop_id, warehouse_id, name, priority, is_default, is_open)
               values ($1, $2, $3, $4, $5, $6) on conflict do nothing""",
            tx.shop_id,
            new.warehouse_id,
            new.name,
            new.priority,
            new.is_default,
            new.is_open,
        )
    )


async def move_warehouse(tx: Tx, warehouse: Warehouse) -> None:
    """Write a warehouse anew."""
    await tx.run(
        """update inventory.warehouses
           set name = $3, priority = $4, is_default = $5, is_open = $6
           where shop_id = $1 and warehouse_id = $2""",
        tx.shop_id,
        warehouse.warehouse_id,
        warehouse.name,
        warehouse.priority,
        warehouse.is_default,
        warehouse.is_open,
    )


async def delete_warehouse(tx: Tx, warehouse_id: UUID) -> bool:
    """False when goods were ever kept in it."""
    return bool(
        await tx.run(
            """delete from inventory.warehouses
               where shop_id = $1 and warehouse_id = $2 and not exists (
                 select from inventory.stock where shop_id = $1 and warehouse_id = $2)""",
            tx.shop_id,
            warehouse_id,
        )
    )


async def get_item(tx: ReadTx, sku_id: UUID) -> Item | None:
    """What was decided about a SKU."""
    return await tx.maybe(
        Item,
        f"select {_ITEM} from inventory.items where shop_id = $1 and sku_id = $2",
        tx.shop_id,
        sku_id,
    )


async def lock_item(tx: Tx, sku_id: UUID) -> Item | None:
    """What was decided about a SKU, and nobody else changes it until the end."""
    return await tx.maybe(
        Item,
        f"""select {_ITEM} from inventory.items
            where shop_id = $1 and sku_id = $2 for no key update""",
        tx.shop_id,
        sku_id,
    )


async def move_item(tx: Tx, item: Item) -> None:
    """Write what is decided about a SKU now."""
    await tx.run(
        """update inventory.items set version = $3, safety = $4, lane = $5, limit_per_buyer = $6
           where shop_id = $1 and sku_id = $2""",
        tx.shop_id,
        item.sku_id,
        item.version,
        item.safety,
        item.lane.value,
        item.limit_per_buyer,
    )


async def list_places(tx: ReadTx, sku_id: UUID) -> list[Place]:
    """A SKU in every warehouse that holds it or held it."""
    return await tx.all(
        Place,
        """select warehouse_id, on_hand, reserved from inventory.stock
           where shop_id = $1 and sku_id = $2 order by warehouse_id""",
        tx.shop_id,
        sku_id,
    )


class HeldRow(Place, frozen=True, kw_only=True):
    """A place that says of which SKU."""

    sku_id: UUID


async def list_held(
    tx: ReadTx, warehouse_id: UUID | None, sku_ids: Sequence[UUID]
) -> dict[UUID, Place]:
    """Many SKUs in one warehouse, the default one when none is named."""
    rows = await tx.all(
        HeldRow,
        """select s.sku_id, s.warehouse_id, s.on_hand, s.reserved
           from inventory.stock s join inventory.warehouses w using (shop_id, warehouse_id)
           where s.shop_id = $1 and s.sku_id = any ($2::uuid[])
             and case when $3::uuid is null then w.is_default else w.warehouse_id = $3 end""",
        tx.shop_id,
        list(sku_ids),
        warehouse_id,
    )
    return {row.sku_id: row for row in rows}
