"""Tables that are written: products, stock and orders, in the language of who asked, and in a form
that can be taken in again.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

from siyu.commerce.bulk import rules
from siyu.commerce.bulk.contracts import RefusedLine, TableFormat, Task, TaskKind
from siyu.commerce.bulk.queries import list_refusals
from siyu.commerce.bulk.rules import FIELDS
from siyu.commerce.bulk.service.tasks import language_of_task, place_of
from siyu.commerce.bulk.service.wording import ERROR_HEADER, word_reason
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductSheet, ProductStatus
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service as ordering
from siyu.kernel import tables
from siyu.kernel.db import reading
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId
from siyu.kernel.tables import Cell, inert, major

AT_ONCE = 100
Rows = AsyncIterator[list[list[Cell]]]


def template(kind: TaskKind, form: TableFormat, language: Language) -> AsyncIterator[bytes]:
    """An empty table with its columns and one line as an example."""
    header, sample = header_of(kind, language), [one.example(language) for one in FIELDS[kind]]

    async def batches() -> Rows:
        yield [[inert(cell) for cell in sample]]

    return write(form, header, batches())


def header_of(kind: TaskKind, language: Language) -> list[str]:
    """The columns of a table that is taken in."""
    return [field.title(language) + ("*" if field.is_needed else "") for field in FIELDS[kind]]


def write(form: TableFormat, header: list[str], batches: Rows) -> AsyncIterator[bytes]:
    """A table in either form."""
    if form is TableFormat.CSV:
        return tables.write_csv(header, batches)
    return tables.write_xlsx(header, batches, "siyu")


def errors_of(shop_id: ShopId, task: Task, language: Language) -> AsyncIterator[bytes]:
    """Every refused line of a task as CSV: why in words, and as the stable code."""

    async def batches() -> Rows:
        after = None
        while True:
            async with reading(shop_id) as tx:
                rows = await list_refusals(tx, task.task_id, after, AT_ONCE)
            yield [_error_cells(task.kind, row, language) for row in rows]
            if len(rows) < AT_ONCE:
                return
            after = (rows[-1].line_no, rows[-1].refusal_id)

    return tables.write_csv(ERROR_HEADER[language], batches())


def _error_cells(kind: TaskKind, row: RefusedLine, language: Language) -> list[Cell]:
    return [
        row.line_no,
        inert(rules.column_in(kind, row.column, language)),
        word_reason(row.reason, language),
        inert(row.content),
        row.reason,
    ]


async def write_file(
    shop_id: ShopId, task: Task, target: Path, time_zone: str, told: Callable[[int], None]
) -> int:
    """Write the table of a task to a file, beside its place until it is whole; its size.

    told: how many lines there are so far.
    """
    done = 0

    async def counted(batches: Rows) -> Rows:
        nonlocal done
        async for rows in batches:
            yield rows
            done += len(rows)
            told(done)

    language = language_of_task(task)
    if task.kind is TaskKind.PRODUCTS_OUT:
        header, batches = header_of(TaskKind.PRODUCTS_IN, language), _products(shop_id, language)
    elif task.kind is TaskKind.STOCK_OUT:
        header, batches = (
            [*header_of(TaskKind.STOCK_IN, language), *rules.STOCK_NOTES[language]],
            _stock(shop_id, place_of(task)),
        )
    else:
        header = ordering.ORDER_HEADER[language]
        batches = ordering.order_rows(shop_id, time_zone, language)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        async for piece in write(task.format, header, counted(batches)):
            file.write(piece)
        size = file.tell()
    part.replace(target)
    return size


async def _products(shop_id: ShopId, language: Language) -> Rows:
    """All products, newest first: a line per SKU, what is the product's own in the first."""
    after: int | None = None
    async with reading(shop_id) as tx:
        tree = await catalog.list_categories(tx)  # upper floor first
    names: dict[UUID, str] = {}
    for one in tree:
        above = f"{names[one.parent_id]}/" if one.parent_id else ""
        names[one.category_id] = above + one.name
    while True:
        rows: list[list[Cell]] = []
        async with reading(shop_id) as tx:
            ids = await catalog.list_products(tx, after, AT_ONCE)
            for product_id in ids:
                sheet = await catalog.load_sheet(tx, product_id)
                after = sheet.product.product_no
                own = sheet.product.category_id
                rows += _product_cells(sheet, names[own] if own else "", language)
        yield rows
        if len(ids) < AT_ONCE:
            return


def _product_cells(sheet: ProductSheet, category: str, language: Language) -> list[list[Cell]]:
    product = sheet.product
    rows: list[list[Cell]] = []
    for place, sku in enumerate(sheet.skus):
        options = [
            f"{name}:{value}"
            for name, value in zip(product.option_names, sku.option_values, strict=True)
        ]
        own: dict[str, Cell] = {
            "title": inert(product.title),
            "sku_code": inert(sku.sku_code or ""),
            "options": inert(";".join(options)),
            "price": major(sku.price_fen),
            "market_price": _maybe(sku.market_price_fen),
            "member_price": _maybe(sku.member_price_fen),
            "weight_g": sku.weight_g or "",
        }
        if not place:
            own |= {
                "subtitle": inert(product.subtitle),
                "kind": rules.KIND_WORDS[product.kind][language],
                "category": inert(category),
                "tags": inert(";".join(product.tags)),
                "pictures": ";".join(image.url for image in sheet.images),
                "description": inert(product.description_html),
                "shelf": rules.SHELF_WORDS[product.status is ProductStatus.ON_SHELF][language],
            }
        rows.append([own.get(field.name, "") for field in rules.PRODUCT_FIELDS])
    return rows


def _maybe(fen: int | None) -> Cell:
    return "" if fen is None else major(fen)


async def _stock(shop_id: ShopId, warehouse_id: UUID | None) -> Rows:
    """All SKUs with a code: what stands in the books of a warehouse (none named: the default one),
    and the version to count against.
    """
    after: tuple[int, int] | None = None
    while True:
        async with reading(shop_id) as tx:
            skus = await catalog.list_stock_skus(tx, after, AT_ONCE)
            sku_ids = [sku.sku_id for sku in skus]
            levels = await inventory.list_levels(tx, sku_ids)
            held = await inventory.list_held(tx, warehouse_id, sku_ids)
        yield [
            [
                inert(sku.sku_code or ""),
                on_hand,
                level.version,
                on_hand,
                "",
                inert(sku.title),
                inert(" / ".join(sku.option_values)),
                reserved,
            ]
            for sku in skus
            if (level := levels.get(sku.sku_id)) and sku.sku_code
            for place in [held.get(sku.sku_id)]
            for on_hand, reserved in [(place.on_hand, place.reserved) if place else (0, 0)]
        ]
        if len(skus) < AT_ONCE:
            return
        after = (skus[-1].product_no, skus[-1].place)
