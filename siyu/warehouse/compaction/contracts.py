"""Nouns of the compactor."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

FILE_COLUMNS = {
    "shop_id": "INTEGER",
    "person_no": "BIGINT",
    "at_us": "BIGINT",
    "event_no": "BIGINT",
    "name_id": "INTEGER",
    "channel_id": "SMALLINT",
    "item_no": "BIGINT",
    "amount_fen": "BIGINT",
    "page_id": "INTEGER",
    "zone": "VARCHAR",
    "dwell_ms": "INTEGER",
    "props": "VARCHAR",
}
"""Columns of a file and their DuckDB types; also how the tail is copied out.

None is null but props. zone and dwell_ms are promoted from props, because questions filter by them.
"""

LAYOUT = 2
"""Which columns a file has, told by its name: `<uuid>.parquet` (1, all but zone and dwell_ms),
`<uuid>.2.parquet`. Files of every layout stay readable (`rules.read_parquet`)."""


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of the compactor did."""

    sealed: int
    slots: int
    merges: int
    collected: int
    dropped: int
    purged: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The books against what is there, in one snapshot (W1, W6).

    batch_*: what the batches promise less what was erased or has expired. sum_*: sums of event
    numbers. `missing`: live files not on disk; `unordered`: files whose rows
    are not in order or not in their month. ok: nothing is lost, doubled, missing or unordered.
    """

    batch_rows: int
    file_rows: int
    tail_rows: int
    batch_sum: int
    file_sum: int
    tail_sum: int
    files: int
    missing: list[str]
    unordered: list[str]
    ok: bool


class Reason(StrEnum):
    """Why rows are taken out of the files."""

    ERASED = "erased"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Removals(msgspec.Struct, frozen=True):
    """Which rows must go.

    erased: shop → persons. expired: shop → the moment (UTC microseconds) before which nothing is
    kept. withdrawn: shop → person → the moment before which nothing is kept that came through
    another channel than `systems`.
    """

    erased: dict[int, list[int]] = {}
    expired: dict[int, int] = {}
    withdrawn: dict[int, dict[int, int]] = {}
    systems: list[int] = []


class Removed(msgspec.Struct, frozen=True):
    """Rows of a shop that were left out of new files."""

    shop_id: int
    reason: Reason
    rows: int
    sum_no: int


class Erasure(msgspec.Struct, frozen=True):
    """A person who asked to be forgotten; done_at: when a scan found nothing left."""

    shop_id: int
    person_no: int
    asked_at: datetime
    asked_by: str
    done_at: datetime | None


class Withdrawal(msgspec.Struct, frozen=True):
    """A person who took back the consent to statistics; before_us, done_at as in the table."""

    shop_id: int
    person_no: int
    before_us: int
    asked_at: datetime
    done_at: datetime | None


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What `recover` found on disk: files read, rows in them, rows after doubles were left out."""

    files: int
    read: int
    rows: int
    broken: list[str]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that belong into one file: of a bucket and month, a range of shops and persons."""

    bucket: int
    month: date
    rows: int
    min_us: int
    max_us: int
    min_shop: int
    max_shop: int
    min_person: int
    max_person: int


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is about to be written; its row is committed."""

    file_no: int
    path: str
    bucket: int
    month: date


class LiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that counts. min_person, max_person: over all shops of the file."""

    file_no: int
    path: str
    level: int
    bucket: int
    month: date
    rows: int
    min_us: int
    max_us: int
    min_shop: int
    max_shop: int
    min_person: int
    max_person: int
