"""A task's life as people see it: uploaded, started, cancelled, wanted."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import IO
from uuid import UUID

import msgspec

from siyu.commerce.bulk import queries, rules
from siyu.commerce.bulk.contracts import (
    MAX_PICTURE_ZIP,
    MAX_TABLE,
    BadMapping,
    TableFormat,
    Task,
    TaskBusy,
    TaskKind,
    TaskNotFound,
    TaskState,
)
from siyu.commerce.bulk.service import files
from siyu.commerce.inventory import service as inventory
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId, new_id

KEPT_FOR = timedelta(days=30)
"""How long the files of a task can be fetched."""


class Upload(msgspec.Struct, frozen=True):
    """A table that was judged and kept, not yet a task."""

    task_id: UUID
    file_name: str
    size: int
    format: TableFormat
    header: list[str]
    sample: list[list[str]]


async def prepare_upload(shop_id: ShopId, name: str | None, file: IO[bytes]) -> Upload:
    """Keep an uploaded table and judge it; no transaction is open. Raises TableRefused.

    A file without a row (it was refused, or the request ended here) is thrown away.
    """
    task_id = new_id()
    path = files.table_file(shop_id, task_id)
    try:
        size = await asyncio.to_thread(files.keep, file, path, MAX_TABLE)
        form, header, sample = await asyncio.to_thread(files.look_at, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Upload(task_id, files.file_name(name), size, form, header, sample)


async def create_task(tx: Tx, actor: Actor, kind: TaskKind, upload: Upload) -> Task:
    """A draft with the columns we recognised."""
    task = Task(
        task_id=upload.task_id,
        kind=kind,
        state=TaskState.DRAFT,
        file_name=upload.file_name,
        file_bytes=upload.size,
        format=upload.format,
        mapping=rules.guess_mapping(kind, upload.header),
        actor=actor.actor,
        actor_name=actor.actor_name,
        created_at=clock.now(),
    )
    await queries.insert_task(tx, task)
    return task


async def prepare_pictures(shop_id: ShopId, task_id: UUID, file: IO[bytes]) -> None:
    """Keep a ZIP of pictures beside a table and judge it; no transaction is open.

    Raises NotPictures, TableRefused.
    """
    path = files.pictures_file(shop_id, task_id)
    try:
        await asyncio.to_thread(files.keep, file, path, MAX_PICTURE_ZIP)
        await asyncio.to_thread(files.check_pictures, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def add_pictures(tx: Tx, task_id: UUID) -> None:
    """The task has pictures now. Raises TaskNotFound, TaskBusy."""
    task = await get_open(tx, task_id)
    if task.kind is not TaskKind.PRODUCTS_IN:
        raise TaskBusy(state=task.state)
    await queries.move_pictures(tx, task_id)


async def get_task(tx: ReadTx, task_id: UUID) -> Task:
    """One task; raises TaskNotFound."""
    task = await queries.get_task(tx, task_id)
    if task is None:
        raise TaskNotFound
    return task


async def get_open(tx: Tx, task_id: UUID) -> Task:
    """A task that takes a file in and can be started, locked: a draft, or one whose run is over.

    Raises TaskNotFound, TaskBusy.
    """
    task = await queries.lock_task(tx, task_id)
    if task is None or not task.kind.is_in or not task.file_bytes:
        raise TaskNotFound
    is_tried = task.state is TaskState.DONE and task.is_dry_run
    if task.state not in (TaskState.DRAFT, TaskState.FAILED, TaskState.CANCELLED) and not is_tried:
        raise TaskBusy(state=task.state)
    return task


async def start_task(
    tx: Tx,
    actor: Actor,
    task_id: UUID,
    mapping: Mapping[str, int],
    source: str,
    is_dry_run: bool,
    warehouse_id: UUID | None = None,
) -> Task:
    """Let the worker take the file in, or try to. The caller enqueues the job.

    mapping: field -> column, from 0. source: of imported orders, the system they come from.
    warehouse_id: where stock was counted, none: in the default warehouse.
    A run that is over can begin again after a dry run, a failure, or a cancellation: what was
    taken in is known again. Raises TaskNotFound, TaskBusy, BadMapping, WarehouseNotFound.
    """
    task = await get_open(tx, task_id)
    known = {field.name for field in rules.FIELDS[task.kind]}
    for field, place in mapping.items():
        if field not in known or not 0 <= place < 100:
            raise BadMapping(field=field, why="no such field or column")
    missing = rules.missing_fields(task.kind, mapping)
    if missing:
        raise BadMapping(field=missing[0], why="needs a column")
    if len(set(mapping.values())) < len(mapping):
        raise BadMapping(field="", why="a column twice")
    options = {"source": source} if task.kind is TaskKind.ORDERS_IN else {}
    if task.kind is TaskKind.STOCK_IN:
        options = await _place(tx, warehouse_id)
    await queries.move_started(tx, task, dict(mapping), options, is_dry_run, clock.now())
    audit(
        tx,
        actor,
        "bulk.started",
        subject=("bulk_task", task_id),
        after={"kind": task.kind.value, "file": task.file_name, "dry_run": is_dry_run},
    )
    return await get_task(tx, task_id)


async def _place(tx: Tx, warehouse_id: UUID | None) -> dict[str, str]:
    """The option that names a warehouse. Raises WarehouseNotFound."""
    if warehouse_id is None:
        return {}
    await inventory.check_warehouse(tx, warehouse_id)
    return {"warehouse_id": str(warehouse_id)}


def place_of(task: Task) -> UUID | None:
    """The warehouse that a task is about; None: the default one."""
    named = task.options.get("warehouse_id")
    return UUID(named) if named else None


def language_of_task(task: Task) -> Language:
    """The language that a table is written in: that of who asked for it."""
    return "en" if task.options.get("language") == "en" else "zh-CN"


async def want_export(
    tx: Tx,
    actor: Actor,
    kind: TaskKind,
    form: TableFormat,
    language: Language,
    warehouse_id: UUID | None = None,
) -> Task:
    """A table to be written in a language; of stock, as it stands in a warehouse. The caller
    enqueues the job. Raises WarehouseNotFound.
    """
    now = clock.now()
    options: dict[str, str] = {"language": language}
    if kind is TaskKind.STOCK_OUT:
        options |= await _place(tx, warehouse_id)
    task = Task(
        task_id=new_id(),
        kind=kind,
        state=TaskState.QUEUED,
        file_name=f"{kind.value.removesuffix('_out')}-{now:%Y%m%d-%H%M}.{form.value}",
        file_bytes=0,
        format=form,
        mapping={},
        options=options,
        actor=actor.actor,
        actor_name=actor.actor_name,
        created_at=now,
        run_no=1,
        started_at=now,
    )
    await queries.insert_task(tx, task)
    audit(tx, actor, "bulk.exported", subject=("bulk_task", task.task_id), after={"kind": kind})
    return task


async def cancel_task(tx: Tx, actor: Actor, task_id: UUID) -> Task:
    """Stop a task; what was dealt with stays. Raises TaskNotFound, TaskBusy."""
    task = await queries.lock_task(tx, task_id)
    if task is None:
        raise TaskNotFound
    if not await queries.move_over(tx, task_id, task.run_no, TaskState.CANCELLED, clock.now()):
        raise TaskBusy(state=task.state)
    audit(tx, actor, "bulk.cancelled", subject=("bulk_task", task_id))
    return await get_task(tx, task_id)
