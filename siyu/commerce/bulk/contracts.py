"""Nouns of bulk work. Lines are counted as a spreadsheet numbers them: the header is line 1."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound

TaskId = NewType("TaskId", UUID)

MAX_TABLE = 30 * 1024 * 1024
"""Bytes of an uploaded table."""
MAX_UNPACKED = 512 * 1024 * 1024
"""Bytes of all its parts, unpacked, where it is an archive."""
MAX_PICTURE_ZIP = 500 * 1024 * 1024
MAX_LINES = 100_000


class TaskKind(StrEnum):
    """What goes in or out."""

    PRODUCTS_IN = "products_in"
    STOCK_IN = "stock_in"
    ORDERS_IN = "orders_in"
    PRODUCTS_OUT = "products_out"
    STOCK_OUT = "stock_out"
    ORDERS_OUT = "orders_out"

    @property
    def is_in(self) -> bool:
        """Whether a file is taken in."""
        return self.value.endswith("_in")


class TaskState(StrEnum):
    """Where a task stands. A draft has its file and waits to be started."""

    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TableFormat(StrEnum):
    """Forms of a table."""

    CSV = "csv"
    XLSX = "xlsx"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A file to take in or to write, and how far it is.

    `done_lines` of `total_lines` (0: not known) were dealt with; each counts once as created,
    changed, same or refused. `mapping`: field -> place of its column, from 0. `failure`: a code.
    """

    task_id: UUID
    kind: TaskKind
    state: TaskState
    file_name: str
    file_bytes: int
    format: TableFormat
    actor: str
    actor_name: str
    created_at: datetime
    mapping: dict[str, int]
    options: dict[str, str] = {}
    has_pictures: bool = False
    is_dry_run: bool = False
    run_no: int = 0
    cursor_line: int = 0
    total_lines: int = 0
    done_lines: int = 0
    created_count: int = 0
    changed_count: int = 0
    same_count: int = 0
    refused_count: int = 0
    failure: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class RefusedLine(msgspec.Struct, frozen=True):
    """A line that was not taken: under which column, why (a stable code), and what stood there."""

    line_no: int
    column: str
    reason: str
    content: str


class Counts(msgspec.Struct, frozen=True):
    """What became of some lines."""

    created: int = 0
    changed: int = 0
    same: int = 0


class TaskNotFound(NotFound):
    """No such task, or its file was thrown away."""

    code = "bulk.task_not_found"
    zh = "没有找到该批量任务或文件"
    en = "There is no such task or file"


class TaskBusy(Conflict):
    """The task is not in a state in which this can be done; `state` is the present one."""

    code = "bulk.task_busy"
    zh = "任务当前状态不支持此操作"
    en = "The task's present state does not allow this"


class BadMapping(BadInput):
    """A needed field has no column, or a column does not exist. `field`, `why`."""

    code = "bulk.bad_mapping"
    zh = "列对应关系不完整或有误"
    en = "The mapping of columns is incomplete or wrong"


class NotPictures(BadInput):
    """Not a ZIP of pictures we accept. `why`: broken, bomb, empty."""

    code = "bulk.not_pictures"
    zh = "请上传图片压缩包（ZIP，未加密）"
    en = "Upload a ZIP of pictures without a password"
