"""Import the order history of another system: repeatable, complete, and by the set.

Lines go through COPY into a table of the transaction and from there, order by order, into ours.
An order is known again by source, customer, moment (or order number) and kind, so that importing
twice makes no double; an order that is known but differs is refused line by line. Imported orders
are completed and paid, and are told as `ordering.order_imported` at their own time.
"""

import contextlib
import csv
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ImportedProduct
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    OrderImported,
    OrderKind,
)
from siyu.commerce.ordering.service import history_store
from siyu.commerce.ordering.service.history_files import (
    PRESETS,
    BadImportFile,
    ImportPreset,
    Table,
    name_columns,
    open_table,
)
from siyu.commerce.ordering.service.history_rows import History, Refusal, StagedLine
from siyu.commerce.ordering.service.history_store import (
    ImportReport,
    RefusalRow,
    StagedItem,
    StagedOrder,
)
from siyu.kernel import clock, config
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.kernel.tables import inert
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.members.contracts import ImportRow

Notice = Callable[[str, int, int], None]
"""Told while working: what is done now, how far, of how much (0: unknown)."""


class _DryRun(Exception):
    """Everything was tried; now take it back."""


async def import_files(
    shop_code: str,
    files: Sequence[Path],
    *,
    preset: str | None = None,
    columns: Mapping[str, str] | None = None,
    save_preset: str | None = None,
    dry_run: bool = False,
    progress: bool = False,
) -> ImportReport:
    """Import tables of lines, items and customers into a shop, in one transaction.

    preset: the name of a column mapping, built in or saved; columns: field -> column name, on top
    of it; save_preset: keep the mapping by this name; dry_run: do everything and take it back;
    progress: show a bar.
    Raises BadImportFile; bad rows are never an error but stand in the report.
    """
    identity = await shops.resolve_shop(shop_code)
    if identity is None:
        raise BadImportFile(reason=f"no such shop: {shop_code}")
    name = preset or "standard"
    async with reading(identity.shop_id) as tx:
        mapping = name_columns(await load_preset(tx, name), columns or {})
        zone = ZoneInfo((await shops.get_shop(tx)).time_zone)
    with _bar(progress) as notice, contextlib.ExitStack() as stack:
        tables = [stack.enter_context(open_table(Path(file), mapping)) for file in files]
        report = None
        with contextlib.suppress(_DryRun):
            async with transaction(identity.shop_id) as write:
                if save_preset:
                    await history_store.save_preset(write, save_preset, mapping, clock.now())
                report = await import_history(
                    write, tables, mapping, name, zone, dry_run=dry_run, notice=notice
                )
                if dry_run:
                    raise _DryRun
    assert report is not None
    return report


async def import_table(
    tx: Tx, file: Path, columns: Mapping[str, str], zone: ZoneInfo, *, dry_run: bool, notice: Notice
) -> tuple[ImportReport, list[RefusalRow]]:
    """Import one table of lines, that was judged before; all its refused lines with the report.

    columns: field -> column name, on top of the standard ones, and `source`.
    A dry run is the caller's to take back. Raises BadImportFile.
    """
    mapping = name_columns(PRESETS["standard"], columns)
    with open_table(file, mapping) as table:
        report = await import_history(
            tx, [table], mapping, "standard", zone, dry_run=dry_run, notice=notice
        )
    refused = await history_store.list_refusals(tx, report.import_id, 0, report.refused)
    return report, refused


async def load_preset(tx: ReadTx, name: str) -> ImportPreset:
    """A built-in or saved mapping; raises BadImportFile."""
    found = await history_store.get_preset(tx, name) or PRESETS.get(name)
    if found is None:
        raise BadImportFile(reason=f"no such preset: {name}")
    return found


async def import_history(
    tx: Tx,
    tables: Sequence[Table],
    preset: ImportPreset,
    preset_name: str,
    zone: ZoneInfo,
    *,
    dry_run: bool,
    notice: Notice,
) -> ImportReport:
    """Import open tables; see `import_files`."""
    import_id, started_at, began = new_id(), clock.now(), clock.monotonic()
    if not any(table.is_lines for table in tables):
        raise BadImportFile(reason="no file holds order lines")
    # An import of years may run for minutes; it holds no row that a customer waits for.
    await tx.run("set local statement_timeout = '30min'")
    history = History(preset, zone, started_at)
    for table in tables:
        if not table.is_lines:
            history.name(table.rows, table.columns)
    await history_store.make_tables(tx)
    await history_store.copy_lines(tx, _read_lines(history, tables, notice))
    notice("writing orders", 0, 0)
    orders, items = await _place(tx, history, preset.source)
    await history_store.copy_orders(tx, orders, items)
    known = await history_store.take_known(tx)
    changed = await _refuse_changed(tx, tables, [it.order_seq for it in known if not it.is_same])
    first = await history_store.write_staged(tx, preset.source)
    same = {order.order_seq for order in known if order.is_same}
    taken = {order.order_seq for order in known}
    new = [order for order in orders if order.order_seq not in taken]
    _tell(tx, new, preset.source, first)
    refusals = sorted(history.refusals + changed, key=lambda it: (it.file, it.line_no))
    report_file = _write_file(import_id, refusals) if refusals else None
    took_ms = max(1, round((clock.monotonic() - began) * 1000))
    report = ImportReport(
        import_id=import_id,
        dry_run=dry_run,
        source=preset.source,
        lines=history.lines,
        imported=sum(order.lines for order in new),
        known=sum(order.lines for order in orders if order.order_seq in same),
        refused=len(refusals),
        orders=sum(order.kind is OrderKind.SALE for order in new),
        returns=sum(order.kind is OrderKind.RETURN for order in new),
        known_orders=len(known),
        customers=len(history.customers),
        products=len(items),
        sold_fen=sum(order.items_fen for order in new if order.kind is OrderKind.SALE),
        returned_fen=sum(order.items_fen for order in new if order.kind is OrderKind.RETURN),
        refusals=dict(Counter(refusal.reason for refusal in refusals)),
        notes=dict(history.notes),
        report_file=report_file,
        took_ms=took_ms,
        lines_per_second=history.lines * 1000 // took_ms,
    )
    assert report.lines == report.imported + report.known + report.refused, "a line was lost"
    await history_store.insert_import(
        tx, report, [t.path.name for t in tables], preset_name, started_at
    )
    await history_store.insert_refusals(tx, import_id, refusals)
    return report


def _tell(tx: Tx, orders: Sequence[StagedOrder], source: str, first: set[UUID]) -> None:
    """An event per order, at its own time."""
    for order in orders:
        told = OrderImported(
            order_id=order.order_id,
            person_no=order.person_no,
            amount_fen=-order.items_fen if order.kind is OrderKind.RETURN else order.items_fen,
            kind=order.kind,
            source=source,
            first_order=order.order_id in first,
        )
        emit(tx, told, at=order.placed_at)


def _read_lines(history: History, tables: Sequence[Table], notice: Notice) -> Iterator[StagedLine]:
    for file_no, table in enumerate(tables):
        if table.is_lines:
            size = table.path.stat().st_size
            staged = history.stage(table.path.name, file_no, table.rows, table.columns)
            for count, line in enumerate(staged):
                if count % 5000 == 0:
                    notice(table.path.name, table.position(), size)
                yield line
            notice(table.path.name, size, size)


async def _place(
    tx: Tx, history: History, source: str
) -> tuple[list[StagedOrder], list[StagedItem]]:
    """Find or make customers and products; the orders and items, ready to be staged."""
    people = await members.import_people(
        tx,
        [
            ImportRow(ref, at, _short(history.countries.get(ref)), history.name_of(ref))
            for ref, at in history.customers.items()
        ],
    )
    titles = [(code, _short(history.item_names.get(code)) or code) for code in history.items]
    products = await catalog.import_products(
        tx,
        [
            ImportedProduct(sku_code=code, title=title, price_fen=price_fen)
            for (code, title), price_fen in zip(titles, history.prices, strict=True)
        ],
    )
    items = [
        StagedItem(
            item_seq,
            products[code].sku_id,
            products[code].product_id,
            products[code].product_no,
            title,
            queries.title_key(title),
        )
        for item_seq, (code, title) in enumerate(titles)
    ]
    orders = [
        StagedOrder(
            order_seq,
            new_id(),
            rules.order_number(secrets.token_bytes(10)),
            f"{source}|{order.customer}|{order.ref}|{order.kind}",
            order.kind,
            people[order.customer].member_id,
            people[order.customer].person_no,
            order.at,
            order.items_fen,
            order.lines,
        )
        for order_seq, order in enumerate(history.orders)
        if order.lines
    ]
    return orders, items


def _short(name: str | None) -> str | None:
    """A name as it can be shown, of at most 60 characters."""
    shown = "".join(char for char in name or "" if char.isprintable())
    return shown.strip()[:60] or None


async def _refuse_changed(tx: Tx, tables: Sequence[Table], order_seqs: list[int]) -> list[Refusal]:
    """Lines of orders that an earlier import brought with other lines: nothing is overwritten."""
    if not order_seqs:
        return []
    return [
        Refusal(tables[place.file_no].path.name, place.row_no, "order_differs", "")
        for place in await history_store.list_places(tx, order_seqs)
    ]


def _write_file(import_id: UUID, refusals: Sequence[Refusal]) -> str:
    """All refused lines as a CSV for people; returns its path."""
    folder = config.settings().data_dir / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{import_id}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason", "content"])
        writer.writerows((it.file, it.line_no, it.reason, inert(it.content)) for it in refusals)
    return str(path)


@contextlib.contextmanager
def _bar(shown: bool) -> Iterator[Notice]:
    """A progress bar on the terminal, or silence."""
    if not shown:
        yield lambda what, done, total: None
        return
    from rich.progress import Progress

    with Progress() as progress:
        tasks: dict[str, Any] = {}

        def notice(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total or None)
            progress.update(tasks[what], completed=done)

        yield notice
