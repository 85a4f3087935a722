"""The SQL of bulk tasks."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.bulk.contracts import Counts, RefusedLine, Task, TaskState
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

_TASK = """task_id, kind, state, file_name, file_bytes, format, has_pictures, is_dry_run, mapping,
  options, run_no, cursor_line, total_lines, done_lines, created_count, changed_count, same_count,
  refused_count, failure, actor, actor_name, created_at, started_at, finished_at"""


async def insert_task(tx: Tx, task: Task) -> None:
    """A new task."""
    await tx.run(
        """insert into bulk.tasks (shop_id, task_id, kind, state, file_name, file_bytes, format,
             mapping, options, actor, actor_name, created_at, run_no, started_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)""",
        tx.shop_id,
        task.task_id,
        task.kind.value,
        task.state.value,
        task.file_name,
        task.file_bytes,
        task.format.value,
        task.mapping,
        task.options,
        task.actor,
        task.actor_name,
        task.created_at,
        task.run_no,
        task.started_at,
    )


async def get_task(tx: ReadTx, task_id: UUID) -> Task | None:
    """One task."""
    return await tx.maybe(
        Task,
        f"select {_TASK} from bulk.tasks where shop_id = $1 and task_id = $2",
        tx.shop_id,
        task_id,
    )


async def lock_task(tx: Tx, task_id: UUID) -> Task | None:
    """One task, locked until the end of the transaction."""
    return await tx.maybe(
        Task,
        f"""select {_TASK} from bulk.tasks where shop_id = $1 and task_id = $2
            for no key update""",
        tx.shop_id,
        task_id,
    )


async def list_tasks(tx: ReadTx, after: UUID | None, limit: int) -> list[Task]:
    """Tasks, newest first."""
    return await tx.all(
        Task,
        f"""select {_TASK} from bulk.tasks
            where shop_id = $1 and ($2::uuid is null or task_id < $2)
            order by task_id desc limit $3""",
        tx.shop_id,
        after,
        limit,
    )


async def move_pictures(tx: Tx, task_id: UUID) -> None:
    """A ZIP of pictures has come."""
    await tx.run(
        "update bulk.tasks set has_pictures = true where shop_id = $1 and task_id = $2",
        tx.shop_id,
        task_id,
    )


async def move_started(
    tx: Tx, task: Task, mapping: dict[str, int], options: dict[str, str], is_dry_run: bool,
    at: datetime,
) -> None:  # fmt: skip
    """A run begins from the first line; what the one before refused is forgotten."""
    await tx.run(
        "delete from bulk.refusals where shop_id = $1 and task_id = $2", tx.shop_id, task.task_id
    )
    await tx.run(
        """update bulk.tasks set state = 'queued', mapping = $3, options = $4, is_dry_run = $5,
             run_no = run_no + 1, cursor_line = 0, total_lines = 0, done_lines = 0,
             created_count = 0, changed_count = 0, same_count = 0, refused_count = 0,
             failure = null, started_at = $6, finished_at = null
           where shop_id = $1 and task_id = $2""",
        tx.shop_id,
        task.task_id,
        mapping,
        options,
        is_dry_run,
        at,
    )


async def move_running(tx: Tx, task_id: UUID, run_no: int) -> Task | None:
    """Take a run up, or up again after its worker died; None when there is nothing to do."""
    return await tx.maybe(
        Task,
        f"""update bulk.tasks set state = 'running'
            where shop_id = $1 and task_id = $2 and run_no = $3 and state in ('queued', 'running')
            returning {_TASK}""",
        tx.shop_id,
        task_id,
        run_no,
    )


async def move_total(tx: Tx, task_id: UUID, run_no: int, total: int) -> None:
    """How many lines there are."""
    await tx.run(
        """update bulk.tasks set total_lines = $4
           where shop_id = $1 and task_id = $2 and run_no = $3""",
        tx.shop_id,
        task_id,
        run_no,
        total,
    )


async def move_cursor(
    tx: Tx, task: Task, cursor: int, to_line: int, lines: int, counts: Counts, refused: int
) -> bool:
    """Lines up to `to_line` are dealt with; False when another worker, or nobody, goes on.

    The line it stood at before is part of the condition: of two workers one moves it.
    """
    return bool(
        await tx.run(
            """update bulk.tasks set cursor_line = $5, done_lines = done_lines + $6,
                 created_count = created_count + $7, changed_count = changed_count + $8,
                 same_count = same_count + $9, refused_count = refused_count + $10
               where shop_id = $1 and task_id = $2 and run_no = $3 and cursor_line = $4
                 and state = 'running'""",
            tx.shop_id,
            task.task_id,
            task.run_no,
            cursor,
            to_line,
            lines,
            counts.created,
            counts.changed,
            counts.same,
            refused,
        )
    )


async def move_progress(tx: Tx, task: Task, done: int, total: int) -> bool:
    """How far a run is that is not cut into chunks; False when it was cancelled."""
    return bool(
        await tx.run(
            """update bulk.tasks set done_lines = $4, total_lines = $5
               where shop_id = $1 and task_id = $2 and run_no = $3 and state = 'running'""",
            tx.shop_id,
            task.task_id,
            task.run_no,
            done,
            total,
        )
    )


async def move_written(tx: Tx, task: Task, lines: int, size: int) -> None:
    """The wanted table is whole."""
    await tx.run(
        """update bulk.tasks set done_lines = $4, total_lines = $4, file_bytes = $5
           where shop_id = $1 and task_id = $2 and run_no = $3 and state = 'running'""",
        tx.shop_id,
        task.task_id,
        task.run_no,
        lines,
        size,
    )


async def move_over(
    tx: Tx, task_id: UUID, run_no: int, state: TaskState, at: datetime, failure: str | None = None
) -> bool:
    """The run is over; False when it was so before."""
    return bool(
        await tx.run(
            """update bulk.tasks set state = $4, finished_at = $5, failure = $6
               where shop_id = $1 and task_id = $2 and run_no = $3
                 and state in ('draft', 'queued', 'running')""",
            tx.shop_id,
            task_id,
            run_no,
            state.value,
            at,
            failure,
        )
    )


async def insert_refusals(tx: Tx, task_id: UUID, refused: Sequence[RefusedLine]) -> None:
    """Note lines that were not taken."""
    if refused:
        await tx.run(
            """insert into bulk.refusals
                 (shop_id, task_id, line_no, refusal_id, "column", reason, content)
               select $1, $2, r.* from unnest($3::int[], $4::uuid[], $5::text[], $6::text[],
                 $7::text[]) as r""",
            tx.shop_id,
            task_id,
            [one.line_no for one in refused],
            [new_id() for _ in refused],
            [one.column for one in refused],
            [one.reason for one in refused],
            [one.content for one in refused],
        )


class RefusalRow(RefusedLine, frozen=True):
    """A refused line with its id, for paging."""

    refusal_id: UUID


async def list_refusals(
    tx: ReadTx, task_id: UUID, after: tuple[int, UUID] | None, limit: int
) -> list[RefusalRow]:
    """Lines that were not taken, in the order of the file."""
    line_no, refusal_id = after or (0, UUID(int=0))
    return await tx.all(
        RefusalRow,
        """select line_no, "column", reason, content, refusal_id from bulk.refusals
           where shop_id = $1 and task_id = $2 and (line_no, refusal_id) > ($3, $4)
           order by line_no, refusal_id limit $5""",
        tx.shop_id,
        task_id,
        line_no,
        refusal_id,
        limit,
    )


class StuckTask(msgspec.Struct, frozen=True):
    """A task whose file is no longer needed."""

    shop_id: int
    task_id: UUID


async def list_old(tx: ReadTx, before: datetime) -> list[StuckTask]:
    """Tasks, of all shops, made before a moment whose files were not thrown away yet."""
    return await tx.all(
        StuckTask,
        """select shop_id, task_id from bulk.tasks where created_at < $1 and file_bytes > 0
           order by created_at limit 1000""",
        before,
    )


async def move_files_gone(tx: Tx, shop_id: int, task_id: UUID, at: datetime) -> None:
    """The files of a task are thrown away; one that was never finished is cancelled by it."""
    await tx.run(
        """update bulk.tasks set file_bytes = 0, has_pictures = false,
             state = case when finished_at is null then 'cancelled' else state end,
             finished_at = coalesce(finished_at, $3)
           where shop_id = $1 and task_id = $2""",
        shop_id,
        task_id,
        at,
    )
