"""The import's SQL: staging tables that live as long as its transaction, and what comes of them.

Row-level security forbids COPY into our own tables; a table of the transaction has none.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.ordering.contracts import OrderKind
from siyu.commerce.ordering.service.history_files import ImportPreset
from siyu.commerce.ordering.service.history_rows import StagedLine
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


class StagedOrder(NamedTuple):
    """An order ready to be written."""

    order_seq: int
    order_id: UUID
    order_no: str
    external_key: str
    kind: OrderKind
    member_id: UUID
    person_no: int
    placed_at: datetime
    items_fen: int
    lines: int


class StagedItem(NamedTuple):
    """Where the import's n-th item is found in the catalogue."""

    item_seq: int
    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    title_key: str


class KnownOrder(msgspec.Struct, frozen=True):
    """A staged order that an earlier import has written; `is_same`: as many lines, same amount."""

    order_seq: int
    is_same: bool


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines read: `lines == imported + known + refused`, none is lost.

    `known`: lines of orders that an earlier import brought. `refusals`: reason code -> lines;
    `notes`: what was imported and yet deserves a look. Amounts are fen. `report_file` lists each
    refused line; null when there is none.
    """

    import_id: UUID
    dry_run: bool
    source: str
    lines: int
    imported: int
    known: int
    refused: int
    orders: int
    returns: int
    known_orders: int
    customers: int
    products: int
    sold_fen: int
    returned_fen: int
    refusals: dict[str, int]
    notes: dict[str, int]
    report_file: str | None
    took_ms: int
    lines_per_second: int


async def make_tables(tx: Tx) -> None:
    """The staging tables; they are gone with the transaction."""
    await tx.run(
        """create temporary table history_lines (order_seq int, line_no smallint, item_seq int,
             quantity int, price_fen bigint, file_no smallint, row_no int) on commit drop;
           create temporary table history_orders (order_seq int, order_id uuid, order_no text,
             external_key text, kind text, member_id uuid, person_no bigint,
             placed_at timestamptz, items_fen bigint, lines int) on commit drop;
           create temporary table history_items (item_seq int, sku_id uuid, product_id uuid,
             product_no int, title text, title_key text) on commit drop"""
    )


async def copy_lines(tx: Tx, lines: Iterable[StagedLine]) -> None:
    """Stage lines as fast as they come."""
    await tx.copy("history_lines", list(StagedLine._fields), lines)


async def copy_orders(tx: Tx, orders: Iterable[StagedOrder], items: Iterable[StagedItem]) -> None:
    """Stage the orders and items that the lines speak of."""
    await tx.copy("history_orders", list(StagedOrder._fields), orders)
    await tx.copy("history_items", list(StagedItem._fields), items)
    await tx.run("analyze history_lines; analyze history_orders; analyze history_items")


async def take_known(tx: Tx) -> list[KnownOrder]:
    """Take those out of the staged orders that are here already."""
    return await tx.all(
        KnownOrder,
        """delete from history_orders h using ordering.orders o
           where o.shop_id = $1 and o.external_key = h.external_key
           returning h.order_seq, o.items_fen = h.items_fen and h.lines = (
             select count(*) from ordering.order_lines l
             where l.shop_id = o.shop_id and l.order_id = o.order_id) as is_same""",
        tx.shop_id,
    )


class RowPlace(msgspec.Struct, frozen=True):
    """Where a staged line stood."""

    file_no: int
    row_no: int


async def list_places(tx: Tx, order_seqs: Sequence[int]) -> list[RowPlace]:
    """Where the lines of some orders stood."""
    return await tx.all(
        RowPlace,
        "select file_no, row_no from history_lines where order_seq = any ($1::int[])",
        list(order_seqs),
    )


async def write_staged(tx: Tx, source: str) -> set[UUID]:
    """Write all staged orders; returns those that are the first paid one of their member."""
    await tx.run(
        """insert into ordering.orders (shop_id, order_id, order_no, kind, source, external_key,
             status, member_id, person_no, has_virtual, items_fen, discount_fen, shipping_fen,
             total_fen, paid_fen, adjustments, remark, placed_at, paid_at)
           select $1, order_id, order_no, kind, $2, external_key, 'completed', member_id,
             person_no, false, items_fen, 0, 0, items_fen, items_fen, '[]', '', placed_at,
             placed_at
           from history_orders order by order_seq""",
        tx.shop_id,
        source,
    )
    await tx.run(
        """insert into ordering.order_lines (shop_id, order_id, line_no, sku_id, product_id,
             product_no, title, title_key, option_values, quantity, list_price_fen,
             unit_price_fen, discount_fen, total_fen)
           select $1, o.order_id, l.line_no, i.sku_id, i.product_id, i.product_no, i.title,
             i.title_key, '{}', l.quantity, l.price_fen, l.price_fen, 0,
             l.price_fen * l.quantity
           from history_lines l join history_orders o using (order_seq)
           join history_items i using (item_seq)""",
        tx.shop_id,
    )
    first = await tx.value(
        """with first as (
             insert into ordering.buyers (shop_id, member_id, first_order_id)
             select distinct on (member_id) $1::int, member_id, order_id from history_orders
             where kind = 'sale' order by member_id, placed_at, order_id
             on conflict do nothing returning first_order_id)
           select array_agg(first_order_id) from first""",
        tx.shop_id,
    )
    await tx.value("select ordering.refresh_statistics()")
    return set(first or ())


# --- what is kept of an import ----------------------------------------------------------------


class ImportRow(msgspec.Struct, frozen=True):
    """One import and its counts."""

    import_id: UUID
    files: list[str]
    preset: str
    started_at: datetime
    finished_at: datetime
    report: dict[str, Any]


async def list_imports(tx: ReadTx, before: UUID | None, limit: int) -> list[ImportRow]:
    """Imports, newest first."""
    return await tx.all(
        ImportRow,
        """select import_id, files, preset, started_at, finished_at, report
           from ordering.imports
           where shop_id = $1 and ($2::uuid is null or import_id < $2)
           order by import_id desc limit $3""",
        tx.shop_id,
        before,
        limit,
    )


class RefusalRow(msgspec.Struct, frozen=True):
    """A line that was not imported; `reason` is a stable code."""

    refusal_no: int
    file: str
    line_no: int
    reason: str
    content: str


async def list_refusals(tx: ReadTx, import_id: UUID, after: int, limit: int) -> list[RefusalRow]:
    """What an import refused, in the order of the files."""
    return await tx.all(
        RefusalRow,
        """select refusal_no, file, line_no, reason, content from ordering.import_refusals
           where shop_id = $1 and import_id = $2 and refusal_no > $3
           order by refusal_no limit $4""",
        tx.shop_id,
        import_id,
        after,
        limit,
    )


async def get_preset(tx: ReadTx, name: str) -> ImportPreset | None:
    """A saved mapping."""
    found = await tx.value(
        "select preset from ordering.import_presets where shop_id = $1 and name = $2",
        tx.shop_id,
        name,
    )
    return None if found is None else msgspec.convert(found, ImportPreset)


async def save_preset(tx: Tx, name: str, preset: ImportPreset, at: datetime) -> None:
    """Keep a mapping by name, in the place of an older one."""
    await tx.run(
        """insert into ordering.import_presets (shop_id, name, preset, saved_at)
           values ($1, $2, $3, $4)
           on conflict (shop_id, name) do update
             set preset = excluded.preset, saved_at = excluded.saved_at""",
        tx.shop_id,
        name,
        preset,
        at,
    )


async def insert_import(
    tx: Tx, report: ImportReport, files: list[str], preset: str, started_at: datetime
) -> None:
    """Note that an import was made."""
    await tx.run(
        """insert into ordering.imports
             (shop_id, import_id, files, preset, started_at, finished_at, report)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        tx.shop_id,
        report.import_id,
        files,
        preset,
        started_at,
        clock.now(),
        report,
    )


async def insert_refusals(
    tx: Tx, import_id: UUID, refusals: Sequence[tuple[str, int, str, str]]
) -> None:
    """Keep what was refused: (file, line, reason, content), numbered from 1."""
    await tx.run(
        """insert into ordering.import_refusals
             (shop_id, import_id, refusal_no, file, line_no, reason, content)
           select $1, $2, no, file, line_no, reason, content
           from unnest($3::text[], $4::int[], $5::text[], $6::text[]) with ordinality
             as r (file, line_no, reason, content, no)""",
        tx.shop_id,
        import_id,
        *([refusal[at] for refusal in refusals] for at in range(4)),
    )
