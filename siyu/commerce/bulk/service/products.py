"""A product's lines become a product: known again by SKU code, added to or changed."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from siyu.commerce.bulk import rules
from siyu.commerce.bulk.contracts import Counts, RefusedLine, TaskKind
from siyu.commerce.bulk.rules import Line, ProductLines, SkuLine, Wrong
from siyu.commerce.bulk.service.files import PictureSource, parts_of
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import (
    BadImage,
    ProductDraft,
    ProductKind,
    ProductSheet,
    ProductStatus,
    Sku,
    SkuDraft,
)
from siyu.kernel.audit import Actor
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import SiyuError


class Refused(Exception):
    """None of a product's lines is taken."""

    def __init__(self, lines: list[RefusedLine]) -> None:
        super().__init__(lines[0].reason)
        self.lines = lines


class ReadProduct(msgspec.Struct, frozen=True):
    """A product as its lines tell it; None: as it is, or the default of a new one."""

    title: str
    lines: list[Line]
    skus: list[SkuLine]
    subtitle: str | None
    kind: ProductKind | None
    category: str | None
    tags: list[str] | None
    description: str | None
    shelf: bool | None


def read_product(group: ProductLines, seen: set[str]) -> ReadProduct:
    """Read the lines of a product; codes go into `seen`. Raises Refused with all that is wrong."""
    wrong: dict[int, tuple[Line, Wrong]] = {}
    skus = []
    for line in group.lines:
        try:
            sku = rules.read_sku(line)
            if sku.sku_code in seen:
                raise Wrong("sku_code", "repeated", sku.sku_code)
            seen.add(sku.sku_code)
            skus.append(sku)
        except Wrong as error:
            wrong[line.line_no] = (line, error)
    head = group.lines[0]
    try:
        product = _read_head(group, head, skus)
    except Wrong as error:
        wrong.setdefault(head.line_no, (head, error))
    if wrong:
        raise Refused(report(group.lines, wrong))
    return product


def _read_head(group: ProductLines, head: Line, skus: list[SkuLine]) -> ReadProduct:
    cells = head.cells
    if not group.title:
        raise Wrong("title", "missing")
    if len(group.lines) > rules.MAX_SKUS:
        raise Wrong("title", "too_many_lines", group.title)
    names = {tuple(sku.options) for sku in skus if sku.options is not None}
    if len(names) > 1:
        raise Wrong("options", "options_differ")
    return ReadProduct(
        rules.read_short("title", group.title, 60),
        group.lines,
        skus,
        rules.read_short("subtitle", cells["subtitle"], 100) if "subtitle" in cells else None,
        rules.read_kind(cells["kind"]) if "kind" in cells else None,
        cells.get("category"),
        rules.read_list("tags", cells["tags"], 10, 10) if "tags" in cells else None,
        rules.read_short("description", cells["description"], 100_000)
        if "description" in cells
        else None,
        rules.read_yes("shelf", cells["shelf"]) if "shelf" in cells else None,
    )


def report(lines: Sequence[Line], wrong: Mapping[int, tuple[Line, Wrong]]) -> list[RefusedLine]:
    """What is wrong with a product's lines; the others go with them."""
    return [
        rules.refusal(TaskKind.PRODUCTS_IN, *wrong[line.line_no])
        if line.line_no in wrong
        else rules.refusal(TaskKind.PRODUCTS_IN, line, Wrong("title", "with_product"))
        for line in lines
    ]


def refuse(product: ReadProduct, field: str, reason: str, content: str = "") -> Refused:
    """All lines of a product for one reason, told at the first."""
    head = product.lines[0]
    return Refused(report(product.lines, {head.line_no: (head, Wrong(field, reason, content))}))


# --- pictures ---------------------------------------------------------------------------------

Prepared = list[catalog.EncodedPicture]


async def prepare(product: ReadProduct, source: PictureSource, is_dry_run: bool) -> Prepared | None:
    """The product's pictures, re-encoded: those its lines name, else those placed in them.

    None: nothing is said of pictures. No transaction is open; a dry run writes no files.
    Raises Refused.
    """
    found: Prepared = []
    is_said = False
    for line in product.lines:
        try:
            names = parts_of(line)
        except Wrong as error:
            raise refuse(product, "pictures", error.reason, error.content) from None
        raws = [(name, source.named(name)) for name in names if not name.startswith("/media/")]
        if not names:
            raws = [("", raw) for raw in source.beside(line.line_no)]
        is_said = is_said or bool(names or raws)
        for name, raw in raws:
            if raw is None:
                raise refuse(product, "pictures", "picture_missing", name)
            try:
                found.append(await _encode(raw, is_dry_run))
            except BadImage as error:
                why = f"{name} {error.details['why']}".strip()
                raise refuse(product, "pictures", "picture_refused", why) from None
    return found if is_said else None


async def _encode(raw: bytes, is_dry_run: bool) -> catalog.EncodedPicture:
    return await (catalog.encode_image(raw) if is_dry_run else catalog.prepare_image(raw))


# --- writing ----------------------------------------------------------------------------------


async def write_product(
    tx: Tx,
    actor: Actor,
    product: ReadProduct,
    pictures: Prepared | None,
    categories: Mapping[str, UUID],
) -> Counts:
    """Make the product, or bring it to what its lines say; what became of each line.

    SKUs that no line names stay as they are. Raises Refused; then the transaction is worth nothing.
    """
    found = await catalog.find_skus(tx, [sku.sku_code for sku in product.skus])
    owners = {sku.product_id for sku in found.values()}
    if len(owners) > 1:
        raise refuse(product, "sku_code", "another_product")
    category_id = None
    if product.category is not None:
        category_id = categories.get(product.category.replace(" ", ""))
        if category_id is None:
            raise refuse(product, "category", "unknown", product.category)
    urls = await _picture_urls(tx, product, pictures)
    sheet = await catalog.load_sheet(tx, owners.pop()) if owners else None
    draft = _draft(product, sheet, category_id, urls)
    try:
        return await _write(tx, actor, product, sheet, draft)
    except SiyuError as error:
        why = error.details.get("why") or error.details.get("field") or ""
        raise refuse(product, "title", error.code, str(why)) from None


async def _write(
    tx: Tx, actor: Actor, product: ReadProduct, sheet: ProductSheet | None, draft: ProductDraft
) -> Counts:
    lines = len(product.lines)
    if sheet is None:
        product_id = await catalog.create_product(tx, actor, draft)
        if product.shelf:
            await catalog.set_shelf(tx, actor, product_id, True)
        return Counts(created=lines)
    before = _as_draft(sheet)
    moved = (sheet.product.status is ProductStatus.ON_SHELF) is not product.shelf
    if draft != before:
        await catalog.edit_product(
            tx, actor, sheet.product.product_id, draft, sheet.product.version
        )
    if product.shelf is not None and moved:
        await catalog.set_shelf(tx, actor, sheet.product.product_id, product.shelf)
    elif draft == before:
        return Counts(same=lines)
    return Counts(changed=lines)


async def _picture_urls(
    tx: Tx, product: ReadProduct, pictures: Prepared | None
) -> list[str] | None:
    """Addresses of the pictures in their order: those the shop has already come first."""
    if pictures is None:
        return None
    kept = [name for line in product.lines for name in parts_of(line) if name.startswith("/media/")]
    for picture in pictures:
        kept.append((await catalog.keep_image(tx, picture)).url)
    return list(dict.fromkeys(kept))


def _as_draft(sheet: ProductSheet) -> ProductDraft:
    """A product as it stands, as a draft of itself."""
    product = sheet.product
    return ProductDraft(
        title=product.title,
        subtitle=product.subtitle,
        kind=product.kind,
        category_id=product.category_id,
        description_html=product.description_html,
        tags=product.tags,
        position=product.position,
        image_urls=[image.url for image in sheet.images],
        option_names=product.option_names,
        skus=[_sku_draft(sku) for sku in sheet.skus],
    )


def _sku_draft(sku: Sku) -> SkuDraft:
    return SkuDraft(
        sku_id=sku.sku_id,
        option_values=sku.option_values,
        sku_code=sku.sku_code,
        price_fen=sku.price_fen,
        market_price_fen=sku.market_price_fen,
        member_price_fen=sku.member_price_fen,
        weight_g=sku.weight_g,
        floor_fen=sku.floor_fen,
        image_url=sku.image_key and catalog.image_url(sku.image_key),
    )


def _draft(
    product: ReadProduct,
    sheet: ProductSheet | None,
    category_id: UUID | None,
    urls: list[str] | None,
) -> ProductDraft:
    """What the product is to be."""
    said = [sku for sku in product.skus if sku.options is not None]
    names = list(said[0].options or {}) if said else []
    if sheet is None:
        return ProductDraft(
            title=product.title,
            subtitle=product.subtitle or "",
            kind=product.kind or ProductKind.PHYSICAL,
            category_id=category_id,
            description_html=product.description or "",
            tags=product.tags or [],
            image_urls=urls or [],
            option_names=names,
            skus=[_merge(sku, None, names) for sku in product.skus],
        )
    before = _as_draft(sheet)
    if said and names != before.option_names:
        raise refuse(product, "options", "options_differ", "/".join(before.option_names))
    known = {sku.sku_code: sku for sku in before.skus}
    told = {sku.sku_code: sku for sku in product.skus}
    return msgspec.structs.replace(
        before,
        title=product.title,
        subtitle=before.subtitle if product.subtitle is None else product.subtitle,
        kind=product.kind or before.kind,
        category_id=category_id or before.category_id,
        description_html=before.description_html
        if product.description is None
        else product.description,
        tags=before.tags if product.tags is None else product.tags,
        image_urls=before.image_urls if urls is None else urls,
        skus=[
            _merge(told[sku.sku_code], sku, before.option_names) if sku.sku_code in told else sku
            for sku in before.skus
        ]
        + [
            _merge(sku, None, before.option_names)
            for sku in product.skus
            if sku.sku_code not in known
        ],
    )


def _merge(line: SkuLine, before: SkuDraft | None, names: Sequence[str]) -> SkuDraft:
    options = line.options
    fresh = SkuDraft(
        sku_code=line.sku_code,
        option_values=[options[name] for name in names] if options else [],
        price_fen=line.price_fen,
        market_price_fen=line.market_price_fen,
        member_price_fen=line.member_price_fen,
        weight_g=line.weight_g or 0,
        stock=line.stock,
    )
    if before is None:
        return fresh
    changes: dict[str, object] = {"price_fen": line.price_fen}
    if options:
        changes["option_values"] = fresh.option_values
    for field in ("market_price_fen", "member_price_fen", "weight_g"):
        if getattr(line, field) is not None:
            changes[field] = getattr(line, field)
    return msgspec.structs.replace(before, **changes)


async def load_categories(tx: ReadTx) -> dict[str, UUID]:
    """Categories by name, and by `parent/name`."""
    tree = await catalog.list_categories(tx)
    names = {one.category_id: one.name.replace(" ", "") for one in tree}
    found: dict[str, UUID] = {}
    for one in tree:
        found.setdefault(names[one.category_id], one.category_id)
        if one.parent_id:
            found[f"{names[one.parent_id]}/{names[one.category_id]}"] = one.category_id
    return found
