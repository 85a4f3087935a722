"""Open, order, close and remove warehouses."""

from uuid import UUID

import msgspec

from siyu.commerce.inventory.contracts import (
    MAX_WAREHOUSES,
    TooManyWarehouses,
    Warehouse,
    WarehouseInUse,
    WarehouseNameTaken,
    WarehouseNeeded,
    WarehouseNotFound,
)
from siyu.commerce.inventory.service import warehouse_store
from siyu.commerce.inventory.service.warehouse_store import list_warehouses
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id

__all__ = ["create_warehouse", "edit_warehouse", "list_warehouses", "remove_warehouse"]


async def create_warehouse(tx: Tx, actor: Actor, *, name: str, priority: int) -> Warehouse:
    """Open a warehouse; the first one is the default. Raises TooManyWarehouses,
    WarehouseNameTaken.
    """
    known = await warehouse_store.lock_warehouses(tx)
    if len(known) >= MAX_WAREHOUSES:
        raise TooManyWarehouses(limit=MAX_WAREHOUSES)
    made = Warehouse(new_id(), name.strip(), priority, is_default=not known, is_open=True)
    if not await warehouse_store.insert_warehouse(tx, made):
        raise WarehouseNameTaken
    audit(
        tx,
        actor,
        "inventory.warehouse_created",
        subject=("warehouse", made.warehouse_id),
        after={"name": made.name, "priority": made.priority},
    )
    return made


async def edit_warehouse(tx: Tx, actor: Actor, changed: Warehouse) -> None:
    """Rename, put in another place, open or close a warehouse, or make it the default one.

    What a closed one holds is promised to nobody any more; what was promised before still leaves
    from it. Raises WarehouseNotFound, WarehouseNeeded, WarehouseNameTaken.
    """
    changed = msgspec.structs.replace(changed, name=changed.name.strip())
    known = {one.warehouse_id: one for one in await warehouse_store.lock_warehouses(tx)}
    before = known.pop(changed.warehouse_id, None)
    if before is None:
        raise WarehouseNotFound
    if any(one.name == changed.name for one in known.values()):
        raise WarehouseNameTaken
    if (before.is_default and not changed.is_default) or (
        changed.is_default and not changed.is_open
    ):
        raise WarehouseNeeded
    if changed.is_default and not before.is_default:
        main = next(one for one in known.values() if one.is_default)
        await warehouse_store.move_warehouse(tx, msgspec.structs.replace(main, is_default=False))
    await warehouse_store.move_warehouse(tx, changed)
    audit(
        tx,
        actor,
        "inventory.warehouse_edited",
        subject=("warehouse", changed.warehouse_id),
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(changed),
    )


async def remove_warehouse(tx: Tx, actor: Actor, warehouse_id: UUID) -> None:
    """Take a warehouse away that never held goods. Raises WarehouseNotFound, WarehouseNeeded,
    WarehouseInUse.
    """
    known = {one.warehouse_id: one for one in await warehouse_store.lock_warehouses(tx)}
    gone = known.get(warehouse_id)
    if gone is None:
        raise WarehouseNotFound
    if gone.is_default:
        raise WarehouseNeeded
    if not await warehouse_store.delete_warehouse(tx, warehouse_id):
        raise WarehouseInUse
    audit(
        tx,
        actor,
        "inventory.warehouse_removed",
        subject=("warehouse", warehouse_id),
        before={"name": gone.name},
    )
