"""Nouns of the compactor."""

from datetime import date

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
    "props": "VARCHAR",
}
"""Columns of a file and their DuckDB types; also how the tail is copied out."""


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of the compactor did."""

    sealed: int
    slots: int
    merges: int
    collected: int
    dropped: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The books against what is there, in one snapshot (W1, W6).

    sum_*: sums of event numbers. `missing`: live files not on disk; `unordered`: files whose rows
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


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that belong into one file."""

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
    """A file that counts."""

    file_no: int
    path: str
    level: int
    bucket: int
    month: date
    rows: int
