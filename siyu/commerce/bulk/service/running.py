"""A run: from the line it stands at to the end, a chunk of lines and the place in one commit."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from siyu.commerce.bulk import queries, rules
from siyu.commerce.bulk.contracts import Counts, RefusedLine, Task, TaskKind, TaskState
from siyu.commerce.bulk.rules import Line
from siyu.commerce.bulk.service import exports, files, products, stock, tasks
from siyu.commerce.bulk.service.files import PictureSource
from siyu.commerce.bulk.service.products import Prepared, ReadProduct, Refused
from siyu.commerce.ordering import service as ordering
from siyu.kernel import clock
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import TableRefused
from siyu.merchant.shops import service as shops

PRODUCTS_AT_ONCE = 25
COUNTS_AT_ONCE = 100
TELL_EVERY = timedelta(seconds=1)


class Overtaken(Exception):
    """The run was cancelled or begun anew, or another worker is further."""


class _DryRun(Exception):
    """Everything was tried; now take it back."""


class Starter(msgspec.Struct, frozen=True):
    """Who started a task: what it changes stands under their name."""

    actor: str
    actor_name: str


class Chunk(msgspec.Struct, frozen=True):
    """Lines that are dealt with together: `to_line` is the last, `lines` their number."""

    to_line: int
    lines: int
    work: list[Any]
    refused: list[RefusedLine]


async def run_task(shop_id: ShopId, task_id: UUID, run_no: int) -> None:
    """Bring a run to its end, from wherever a worker before left it; harmless when it is over."""
    async with transaction(shop_id) as tx:
        task = await queries.move_running(tx, task_id, run_no)
    if task is None:
        return
    try:
        if not task.kind.is_in:
            await _write_out(shop_id, task)
        elif task.kind is TaskKind.ORDERS_IN:
            await _take_orders(shop_id, task)
        else:
            await _take_lines(shop_id, task)
    except Overtaken:
        return
    except TableRefused as error:
        await end_run(shop_id, task_id, run_no, str(error.details["why"]))
    except ordering.BadImportFile as error:
        await end_run(shop_id, task_id, run_no, str(error.details["reason"])[:200] or error.code)
    else:
        await end_run(shop_id, task_id, run_no)


async def end_run(shop_id: ShopId, task_id: UUID, run_no: int, failure: str | None = None) -> None:
    """Note that a run is done, or why it failed."""
    state = TaskState.FAILED if failure else TaskState.DONE
    async with transaction(shop_id) as tx:
        await queries.move_over(tx, task_id, run_no, state, clock.now(), failure)


# --- products and counts ----------------------------------------------------------------------


async def _take_lines(shop_id: ShopId, task: Task) -> None:
    table = files.table_file(shop_id, task.task_id)
    total = await asyncio.to_thread(lambda: sum(1 for _ in files.lines_of(table, task)))
    async with transaction(shop_id) as tx:
        await queries.move_total(tx, task.task_id, task.run_no, total)
    source = PictureSource(task, table, files.pictures_file(shop_id, task.task_id))
    lines = files.lines_of(table, task)
    chunks = _product_chunks(lines) if task.kind is TaskKind.PRODUCTS_IN else _count_chunks(lines)
    cursor = task.cursor_line
    try:
        # Chunks are cut alike at each run, so the place of a run before is the end of one.
        while chunk := await asyncio.to_thread(next, chunks, None):
            if chunk.to_line > cursor:
                cursor = await _take_chunk(shop_id, task, source, chunk, cursor)
    finally:
        source.close()


def _product_chunks(lines: Iterator[Line]) -> Iterator[Chunk]:
    seen: set[str] = set()
    work: list[ReadProduct] = []
    refused: list[RefusedLine] = []
    count = place = groups = 0
    for group in rules.group_products(lines):
        try:
            work.append(products.read_product(group, seen))
        except Refused as error:
            refused += error.lines
        count, place, groups = count + len(group.lines), group.lines[-1].line_no, groups + 1
        if groups == PRODUCTS_AT_ONCE:
            yield Chunk(place, count, work, refused)
            work, refused, count, groups = [], [], 0, 0
    if groups:
        yield Chunk(place, count, work, refused)


def _count_chunks(lines: Iterator[Line]) -> Iterator[Chunk]:
    seen: set[str] = set()
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == COUNTS_AT_ONCE:
            yield Chunk(line.line_no, len(batch), *stock.read_counts(batch, seen))
            batch = []
    if batch:
        yield Chunk(batch[-1].line_no, len(batch), *stock.read_counts(batch, seen))


async def _take_chunk(
    shop_id: ShopId, task: Task, source: PictureSource, chunk: Chunk, cursor: int
) -> int:
    """Deal with a chunk in one commit; where one product is refused, with each in its own."""
    refused, work = list(chunk.refused), []
    if task.kind is TaskKind.STOCK_IN:
        await _commit(shop_id, task, cursor, chunk, chunk.work, [], refused)
        return chunk.to_line
    for product in chunk.work:
        try:
            work.append((product, await products.prepare(product, source, task.is_dry_run)))
        except Refused as error:
            refused += error.lines
    try:
        await _commit(shop_id, task, cursor, chunk, [], work, refused)
        return chunk.to_line
    except Refused:
        pass  # nothing of the chunk is written
    return await _take_singly(shop_id, task, cursor, chunk, work, refused)


async def _take_singly(
    shop_id: ShopId, task: Task, cursor: int, chunk: Chunk,
    work: Sequence[tuple[ReadProduct, Prepared | None]], refused: list[RefusedLine],
) -> int:  # fmt: skip
    """Find out which products of a chunk can be written, then write those in one commit."""
    good = []
    for product, pictures in work:
        try:
            with contextlib.suppress(_DryRun):
                async with transaction(shop_id) as tx:
                    await _write_products(tx, task, [(product, pictures)])
                    raise _DryRun
            good.append((product, pictures))
        except Refused as error:
            refused += error.lines
    await _commit(shop_id, task, cursor, chunk, [], good, refused)
    return chunk.to_line


async def _commit(
    shop_id: ShopId, task: Task, cursor: int, chunk: Chunk, counts: list[Any],
    work: Sequence[tuple[ReadProduct, Prepared | None]], refused: Sequence[RefusedLine],
) -> None:  # fmt: skip
    """Write a chunk and the place reached together. Raises Refused, Overtaken."""
    done = Counts()
    late: list[RefusedLine] = []
    with contextlib.suppress(_DryRun):
        async with transaction(shop_id) as tx:
            if counts:
                done, late = await stock.write_counts(
                    tx, _starter(task), counts, tasks.place_of(task)
                )
            else:
                done = await _write_products(tx, task, work)
            if task.is_dry_run:
                raise _DryRun
            await _move(tx, task, cursor, chunk, done, [*refused, *late])
    if task.is_dry_run:
        async with transaction(shop_id) as tx:
            await _move(tx, task, cursor, chunk, done, [*refused, *late])


async def _write_products(
    tx: Tx, task: Task, work: Sequence[tuple[ReadProduct, Prepared | None]]
) -> Counts:
    categories = await products.load_categories(tx)
    total = Counts()
    for product, pictures in work:
        one = await products.write_product(tx, _starter(task), product, pictures, categories)
        total = Counts(
            total.created + one.created, total.changed + one.changed, total.same + one.same
        )
    return total


async def _move(
    tx: Tx, task: Task, cursor: int, chunk: Chunk, done: Counts, refused: Sequence[RefusedLine]
) -> None:
    if not await queries.move_cursor(
        tx, task, cursor, chunk.to_line, chunk.lines, done, len({r.line_no for r in refused})
    ):
        raise Overtaken
    await queries.insert_refusals(tx, task.task_id, refused)


def _starter(task: Task) -> Starter:
    return Starter(task.actor, task.actor_name)


# --- orders, and tables that are written ------------------------------------------------------


@contextlib.asynccontextmanager
async def _telling(shop_id: ShopId, task: Task) -> Any:
    """Tell how far a run is, each second, beside its own transaction."""
    reached = [0, 0]

    async def tell() -> None:
        while True:
            await asyncio.sleep(TELL_EVERY.total_seconds())
            async with transaction(shop_id) as tx:
                await queries.move_progress(tx, task, *reached)

    teller = asyncio.create_task(tell())
    try:
        yield reached
    finally:
        teller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await teller


async def _take_orders(shop_id: ShopId, task: Task) -> None:
    """All lines in one transaction, as `siyu import` does: known orders are known again."""
    table = files.table_file(shop_id, task.task_id)
    async with transaction(shop_id) as tx:
        zone = ZoneInfo((await shops.get_shop(tx)).time_zone)
    _, header, _ = await asyncio.to_thread(files.look_at, table)
    columns = {field: header[place] for field, place in task.mapping.items()}
    columns["source"] = task.options["source"]
    async with _telling(shop_id, task) as reached:

        def notice(_: str, done: int, total: int) -> None:
            reached[:] = done, total

        with contextlib.suppress(_DryRun):
            async with transaction(shop_id) as tx:
                report, refused = await ordering.import_table(
                    tx, table, columns, zone, dry_run=task.is_dry_run, notice=notice
                )
                if task.is_dry_run:
                    raise _DryRun
                await _note_orders(tx, task, report, refused)
    if task.is_dry_run:
        async with transaction(shop_id) as tx:
            await _note_orders(tx, task, report, refused)


async def _note_orders(
    tx: Tx, task: Task, report: ordering.ImportReport, refused: Sequence[ordering.Refusal]
) -> None:
    await queries.move_progress(tx, task, 0, report.lines)
    counts = Counts(created=report.imported, same=report.known)
    if not await queries.move_cursor(
        tx, task, 0, report.lines, report.lines, counts, report.refused
    ):
        raise Overtaken
    lines = [RefusedLine(one.line_no, "", one.reason, one.content[:500]) for one in refused]
    await queries.insert_refusals(tx, task.task_id, lines)


async def _write_out(shop_id: ShopId, task: Task) -> None:
    async with transaction(shop_id) as tx:
        time_zone = (await shops.get_shop(tx)).time_zone
    async with _telling(shop_id, task) as reached:

        def told(done: int) -> None:
            reached[0] = done

        target = files.result_file(shop_id, task.task_id)
        size = await exports.write_file(shop_id, task, target, time_zone, told)
    async with transaction(shop_id) as tx:
        await queries.move_written(tx, task, reached[0], size)
