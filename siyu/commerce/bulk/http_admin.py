"""Bulk tasks in the console: upload, map, try, start, watch, fetch."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import File, Stream
from msgspec import Meta

from siyu.commerce.bulk import background, queries, rules, service
from siyu.commerce.bulk.contracts import (
    MAX_PICTURE_ZIP,
    MAX_TABLE,
    RefusedLine,
    TableFormat,
    Task,
    TaskKind,
    TaskNotFound,
    TaskState,
)
from siyu.commerce.ordering import service as ordering
from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import SecondApproverNeeded
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import BadInput, NotFound
from siyu.kernel.http import Page, decode_cursor, encode_cursor, get, post, staff
from siyu.kernel.i18n import Language, language_of
from siyu.kernel.jobs import enqueue
from siyu.kernel.tables import MEDIA_TYPES

ANY = staff("shop.read")
Asked = Request[Any, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=100)]
NEEDS = {
    TaskKind.PRODUCTS_IN: "products.write",
    TaskKind.STOCK_IN: "stock.write",
    TaskKind.ORDERS_IN: "shop.write",
    TaskKind.PRODUCTS_OUT: "products.read",
    TaskKind.STOCK_OUT: "stock.read",
    TaskKind.ORDERS_OUT: "orders.export",
}
"""The permission that a kind of task needs, to start it as to see its lines."""


class StartTaskBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which column, from 0, holds what; `source`: of orders, the system they come from;
    `warehouse_id`: where stock was counted, null: in the default warehouse.
    """

    mapping: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=99)]], Meta(min_length=1, max_length=40)
    ]
    is_dry_run: bool
    source: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")] = "import"
    warehouse_id: UUID | None = None


class ExportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to write, and in which form; `warehouse_id`: of stock, where it lies, null: in the
    default warehouse. `reason`: why, for orders (F084).
    """

    kind: TaskKind
    format: TableFormat
    warehouse_id: UUID | None = None
    reason: Annotated[str, Meta(min_length=2, max_length=200, pattern=r"\S")] | None = None


class TaskView(msgspec.Struct, frozen=True):
    """A task; `total_lines` 0: not known yet. `has_file`: something can be fetched. `can_start`:
    with a mapping; `can_repeat`: with the one it was started with before.
    """

    task_id: UUID
    kind: TaskKind
    state: TaskState
    file_name: str
    file_bytes: int
    format: TableFormat
    has_pictures: bool
    is_dry_run: bool
    mapping: dict[str, int]
    source: str
    warehouse_id: UUID | None
    total_lines: int
    done_lines: int
    created_count: int
    changed_count: int
    same_count: int
    refused_count: int
    failure: str | None
    actor_name: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    has_file: bool
    can_start: bool
    can_repeat: bool


class BulkField(msgspec.Struct, frozen=True):
    """A field that a column can be mapped to."""

    name: str
    title: str
    is_needed: bool


class UploadView(msgspec.Struct, frozen=True):
    """An uploaded table: its columns, some rows, and the mapping we recognised."""

    task: TaskView
    header: list[str]
    sample: list[list[str]]
    fields: list[BulkField]
    mapping: dict[str, int]


def _view(task: Task) -> TaskView:
    shared = [name for name in TaskView.__struct_fields__ if name in Task.__struct_fields__]
    over = task.state in (TaskState.DRAFT, TaskState.FAILED, TaskState.CANCELLED)
    tried = task.state is TaskState.DONE and task.is_dry_run
    can_start = task.kind.is_in and task.file_bytes > 0 and (over or tried)
    return TaskView(
        **{name: getattr(task, name) for name in shared},
        source=task.options.get("source", "import"),
        warehouse_id=service.place_of(task),
        has_file=not task.kind.is_in and task.state is TaskState.DONE and task.file_bytes > 0,
        can_start=can_start,
        can_repeat=can_start and task.run_no > 0,
    )


@get("/bulk", access=ANY)
async def list_bulk_tasks(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 20
) -> Page[TaskView]:
    """Tasks of the kinds that this person may see, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        found = await queries.list_tasks(tx, after[0] if after else None, limit + 1)
    seen = [_view(task) for task in found[:limit] if NEEDS[task.kind] in staff.permissions]
    more = len(found) > limit
    return Page(seen, encode_cursor([found[limit - 1].task_id]) if more else None)


async def _load(staff: StaffIdentity, task_id: UUID) -> Task:
    async with reading(staff.shop_id) as tx:
        task = await service.get_task(tx, task_id)
    staff.must_have(NEEDS[task.kind])
    return task


@get("/bulk/{task_id:uuid}", access=ANY)
async def show_bulk_task(task_id: UUID, staff: StaffIdentity) -> TaskView:
    """One task and how far it is."""
    return _view(await _load(staff, task_id))


@post(
    "/bulk/uploads",
    access=ANY,
    request_max_body_size=MAX_TABLE + 65_536,
    status_code=201,
)
async def upload_table(
    kind: TaskKind,
    staff: StaffIdentity,
    request: Asked,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> UploadView:
    """Take a CSV or XLSX of products_in, stock_in or orders_in; nothing is changed yet."""
    fields = _fields(kind)
    staff.must_have(NEEDS[kind])
    upload = await service.prepare_upload(staff.shop_id, data.filename, data.file)
    async with transaction(staff.shop_id) as tx:
        task = await service.create_task(tx, staff, kind, upload)
    return UploadView(
        _view(task),
        upload.header,
        upload.sample,
        [BulkField(f.name, f.title(_language(request)), f.is_needed) for f in fields],
        task.mapping,
    )


@post(
    "/bulk/{task_id:uuid}/pictures",
    access=ANY,
    request_max_body_size=MAX_PICTURE_ZIP + 65_536,
)
async def upload_pictures(
    task_id: UUID,
    staff: StaffIdentity,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> TaskView:
    """A ZIP of the pictures that the table names."""
    staff.must_have(NEEDS[TaskKind.PRODUCTS_IN])
    async with transaction(staff.shop_id) as tx:
        await service.get_open(tx, task_id)
    await service.prepare_pictures(staff.shop_id, task_id, data.file)
    async with transaction(staff.shop_id) as tx:
        await service.add_pictures(tx, task_id)
        return _view(await service.get_task(tx, task_id))


@post("/bulk/{task_id:uuid}/start", access=ANY)
async def start_bulk_task(task_id: UUID, data: StartTaskBody, staff: StaffIdentity) -> TaskView:
    """Let the worker take it in, or only try to."""
    await _load(staff, task_id)
    async with transaction(staff.shop_id) as tx:
        task = await service.start_task(
            tx,
            staff,
            task_id,
            data.mapping,
            data.source,
            data.is_dry_run,
            data.warehouse_id,
        )
        enqueue(tx, background.run_task, task_id=task_id, run_no=task.run_no)
    return _view(task)


@post("/bulk/{task_id:uuid}/cancel", access=ANY)
async def cancel_bulk_task(task_id: UUID, staff: StaffIdentity) -> TaskView:
    """Stop it; what was taken in stays."""
    await _load(staff, task_id)
    async with transaction(staff.shop_id) as tx:
        return _view(await service.cancel_task(tx, staff, task_id))


@post("/bulk/exports", access=ANY, status_code=201)
async def start_export(data: ExportBody, staff: StaffIdentity, request: Asked) -> TaskView:
    """Have a table written in the asker's language. Above the shop's limit of orders a second
    person signs first: 409 with the approval's `case_id` (F084)."""
    if data.kind.is_in:
        raise NotFound
    staff.must_have(NEEDS[data.kind])
    if data.kind is TaskKind.ORDERS_OUT and data.reason is None:
        raise BadInput(field="reason")
    waiting, rows = None, 0
    async with transaction(staff.shop_id) as tx:
        if data.reason is not None and data.kind is TaskKind.ORDERS_OUT:
            rows = await ordering.count_matching(tx)
            waiting = await approvals.ask_export(
                tx, staff, what="orders", asked={}, rows=rows, reason=data.reason.strip()
            )
        if waiting is None:
            task = await service.want_export(
                tx, staff, data.kind, data.format, _language(request), data.warehouse_id
            )
            enqueue(tx, background.run_task, task_id=task.task_id, run_no=task.run_no)
    if waiting is not None:
        raise SecondApproverNeeded(case_id=str(waiting.case_id), rows=rows)
    return _view(task)


@get("/bulk/{task_id:uuid}/refusals", access=ANY)
async def list_refused_lines(
    task_id: UUID,
    staff: StaffIdentity,
    request: Asked,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[RefusedLine]:
    """Every line that was not taken, in the order of the file."""
    kind, language = (await _load(staff, task_id)).kind, _language(request)
    after = decode_cursor(cursor, tuple[Annotated[int, Meta(ge=0, le=2**31 - 1)], UUID])
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_refusals(tx, task_id, after, limit + 1)
    page = Page.of(rows, limit, key=lambda row: [row.line_no, row.refusal_id])
    lines = [
        RefusedLine(r.line_no, rules.column_in(kind, r.column, language), r.reason, r.content)
        for r in page.items
    ]
    return Page(lines, page.next_cursor)


def _stream(body: AsyncIterator[bytes], name: str, form: TableFormat) -> Stream:
    return Stream(body, media_type=MEDIA_TYPES[form.value], headers=_attached(name))


def _attached(name: str) -> dict[str, Any]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


@get("/bulk/{task_id:uuid}/errors", access=ANY)
async def fetch_errors(task_id: UUID, staff: StaffIdentity, request: Asked) -> Stream:
    """All refused lines as CSV: why in words, and as the stable code."""
    task = await _load(staff, task_id)
    body = service.errors_of(staff.shop_id, task, _language(request))
    return _stream(body, f"refused-{task_id}.csv", TableFormat.CSV)


@get("/bulk/{task_id:uuid}/file", access=ANY)
async def fetch_result(task_id: UUID, staff: StaffIdentity) -> File:
    """The table that was written."""
    task = await _load(staff, task_id)
    path = service.result_file(staff.shop_id, task_id)
    if not _view(task).has_file or not path.is_file():
        raise TaskNotFound
    return File(
        path,
        filename=task.file_name,
        media_type=MEDIA_TYPES[task.format.value],
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


@get("/bulk/template", access=ANY)
async def fetch_template(
    kind: TaskKind,
    staff: StaffIdentity,
    request: Asked,
    format: TableFormat = TableFormat.XLSX,
) -> Stream:
    """A table with the columns of products_in, stock_in or orders_in, and a line as an example."""
    _fields(kind)
    name = f"{kind.value.removesuffix('_in')}-template.{format.value}"
    return _stream(service.template(kind, format, _language(request)), name, format)


def _language(request: Asked) -> Language:
    return language_of(request.headers.get("accept-language"))


def _fields(kind: TaskKind) -> tuple[rules.Field, ...]:
    """The columns of what is taken in; a table that is written has none to choose."""
    if not kind.is_in:
        raise NotFound
    return rules.FIELDS[kind]


routes = [
    list_bulk_tasks, show_bulk_task, upload_table, upload_pictures, start_bulk_task,
    cancel_bulk_task, start_export, list_refused_lines, fetch_errors, fetch_result,
    fetch_template,
]  # fmt: skip
