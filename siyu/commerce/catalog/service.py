"""Verbs of the catalogue."""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from siyu.commerce.catalog import queries, rules
from siyu.commerce.catalog.contracts import (
    BadProduct,
    Banner,
    BannerDraft,
    Card,
    Category,
    CategoryDraft,
    CategoryInUse,
    CategoryNotFound,
    CategoryTreeTooDeep,
    Collection,
    CollectionKind,
    ImageSize,
    ImportedProduct,
    ImportedSku,
    NotReadyForShelf,
    ProductChanged,
    ProductDraft,
    ProductHead,
    ProductNotFound,
    ProductSheet,
    ProductSort,
    ProductStatus,
    ShowcaseDraft,
    Sku,
    SkuForSale,
    SoldLine,
    StockSku,
    StoredImage,
)
from siyu.commerce.inventory import service as inventory
from siyu.compliance.rulebook import service as rulebook
from siyu.kernel import clock, config, moment
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

SHOWN_SECONDS = 1.0
MAX_UPLOAD, image_url, fitted = rules.MAX_UPLOAD, rules.image_url, rules.fitted
EncodedPicture = rules.Picture
_one_picture = asyncio.Semaphore(1)


async def load_for_sale(tx: ReadTx, sku_ids: list[UUID]) -> list[SkuForSale]:
    """What cart and checkout must know of these SKUs now, in one statement and no order.

    Unknown SKUs are missing; those off the shelf or retired come with `on_shelf` false.
    """
    return await queries.list_for_sale(tx, sku_ids)


async def load_for_show(tx: ReadTx, sku_ids: list[UUID]) -> dict[UUID, SkuForSale]:
    """The same for a page that shows them and decides nothing: at most SHOWN_SECONDS old."""

    async def make(missing: list[UUID]) -> dict[UUID, SkuForSale]:
        return {sku.sku_id: sku for sku in await queries.list_for_sale(tx, missing)}

    return await moment.keep_each(tx.shop_id, "sku", sku_ids, SHOWN_SECONDS, make)


async def find_for_sale(tx: ReadTx, product_ids: list[UUID]) -> list[SkuForSale]:
    """The same of all living SKUs of these products."""
    return await queries.list_for_sale(tx, product_ids, whole=True)


async def load_cards(tx: ReadTx, product_ids: list[UUID]) -> list[Card]:
    """Products as lists show them, in no order, whatever their status; unknown ones are missing."""
    return await queries.list_cards_of(tx, product_ids)


async def set_found_by(tx: Tx, product_id: UUID, words: Sequence[str]) -> None:
    """Let customers find a product by these words, too, whatever it is called. Raises
    ProductNotFound.
    """
    await _lock(tx, product_id)
    await queries.move_product(tx, product_id, {"found_by": rules.search_terms(words)})


async def create_product(tx: Tx, actor: Actor, draft: ProductDraft) -> UUID:
    """Write a new product as a draft that customers do not see; returns its id.

    Raises BadProduct, SkuCodeTaken.
    """
    draft = rules.clean_draft(draft)
    await _check_named(tx, draft)
    product_id, now = new_id(), clock.now()
    product_no = await queries.move_numbers(tx, 1)
    await queries.insert_product(
        tx,
        {
            "product_id": product_id,
            "product_no": product_no,
            "status": ProductStatus.DRAFT,
            "created_at": now,
            **_columns(draft),
        },
    )
    await _write_parts(
        tx, actor, product_id=product_id, product_no=product_no, draft=draft, living={}
    )
    audit(
        tx,
        actor,
        "catalog.product_created",
        subject=("product", product_id),
        after={"title": draft.title, "prices_fen": [sku.price_fen for sku in draft.skus]},
    )
    return product_id


async def edit_product(
    tx: Tx, actor: Actor, product_id: UUID, draft: ProductDraft, expected_version: int
) -> None:
    """Replace a product by the draft, against the version that was read.

    SKUs are known again by their option values, or by their id when the values were renamed; those
    the draft leaves out are retired. Raises ProductNotFound, ProductChanged, BadProduct,
    SkuCodeTaken, NotReadyForShelf (the last picture of a product on the shelf).
    """
    draft = rules.clean_draft(draft)
    head = await _lock(tx, product_id)
    if head.version != expected_version:
        raise ProductChanged(version=head.version)
    if head.status is ProductStatus.ON_SHELF and not draft.image_urls:
        raise NotReadyForShelf
    await _check_named(tx, draft)
    living = {sku.sku_id: sku for sku in await queries.list_skus(tx, product_id)}
    await queries.move_product(tx, product_id, _columns(draft))
    after = await _write_parts(
        tx, actor, product_id=product_id, product_no=head.product_no, draft=draft, living=living
    )
    old, new = _prices(living.values()), _prices(after)
    changed = [key for key in old | new if old.get(key) != new.get(key)]
    if changed:
        audit(
            tx,
            actor,
            "catalog.price_changed",
            subject=("product", product_id),
            before={key: old.get(key) for key in changed},
            after={key: new.get(key) for key in changed},
        )


async def set_shelf(tx: Tx, actor: Actor, product_id: UUID, on: bool) -> None:
    """Put a product on the shelf or take it off; nothing happens when it is so already.

    Raises ProductNotFound, NotReadyForShelf.
    """
    head = await _lock(tx, product_id)
    status = ProductStatus.ON_SHELF if on else ProductStatus.OFF_SHELF
    if head.status is status:
        return
    if on and not await queries.list_product_images(tx, product_id):
        raise NotReadyForShelf
    moment.forget(tx.shop_id)
    await queries.move_product(tx, product_id, {"status": status, "updated_at": clock.now()})
    audit(
        *(tx, actor, "catalog.shelf_changed", ("product", product_id)),
        before={"status": head.status},
        after={"status": status},
    )


async def product_numbers(tx: ReadTx, product_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The warehouse's numbers of these products, in one statement; unknown ones are missing."""
    return {row.product_id: row.product_no for row in await queries.list_numbered(tx, product_ids)}


async def product_titles(tx: ReadTx, numbers: Sequence[int]) -> dict[int, str]:
    """What products are called, by their small numbers; unknown ones are missing."""
    return {row.product_no: row.title for row in await queries.list_numbered(tx, (), numbers)}


async def list_products(tx: ReadTx, after_no: int | None, limit: int) -> list[UUID]:
    """Products in whatever status, newest first, below a number."""
    after = None if after_no is None else (after_no, after_no)
    cards = await queries.list_cards(tx, sort=ProductSort.NEW, limit=limit, after=after)
    return [card.product_id for card in cards]


async def load_sheet(tx: ReadTx, product_id: UUID) -> ProductSheet:
    """A product as a table holds it. Raises ProductNotFound."""
    product = await queries.get_product(tx, product_id)
    if product is None:
        raise ProductNotFound
    images = await queries.list_product_images(tx, product_id)
    return ProductSheet(
        product,
        await queries.list_skus(tx, product_id),
        [StoredImage(rules.image_url(one.image_key), one.width, one.height) for one in images],
    )


async def list_stock_skus(tx: ReadTx, after: tuple[int, int] | None, limit: int) -> list[StockSku]:
    """Living SKUs, newest product first; `after`: product_no and place of the last one seen."""
    return await queries.list_stock_skus(tx, terms=None, sku_ids=None, after=after, limit=limit)


async def find_skus(tx: ReadTx, codes: list[str]) -> dict[str, ImportedSku]:
    """The living SKUs that carry these of the merchant's codes."""
    return {sku.sku_code: sku for sku in await queries.list_known_codes(tx, codes)}


async def import_products(tx: Tx, products: list[ImportedProduct]) -> dict[str, ImportedSku]:
    """Find or make the SKUs with these codes (distinct), set-based and repeatable.

    A product that the shop already has is used as it is. New ones are off the shelf, with one SKU
    and none on hand. Codes of 1..40 characters; long titles are cut to 60.
    """
    found = await find_skus(tx, [product.sku_code for product in products])
    new = [
        ImportedProduct(
            product.sku_code,
            rules.clean_line(product.title)[:60] or product.sku_code,
            product.price_fen,
        )
        for product in products
        if product.sku_code not in found
    ]
    if new:
        last = await queries.move_numbers(tx, len(new))
        first = last - len(new) + 1
        places = [
            ImportedSku(product.sku_code, new_id(), new_id(), first + i)
            for i, product in enumerate(new)
        ]
        terms = [rules.search_terms([product.title, product.sku_code]) for product in new]
        await queries.insert_imported(tx, places, new, terms, clock.now())
        await inventory.set_up(tx, {place.sku_id: place.product_no for place in places})
        found |= {place.sku_code: place for place in places}
    return found


async def count_sales(tx: Tx, lines: Iterable[SoldLine]) -> None:
    """Count what was sold, for the cards and the order by sales."""
    sold = dict[int, int]()
    for line in lines:
        sold[line.product_no] = sold.get(line.product_no, 0) + line.quantity
    await queries.move_sold(tx, sold)


async def _lock(tx: Tx, product_id: UUID) -> ProductHead:
    head = await queries.lock_product(tx, product_id)
    if head is None:
        raise ProductNotFound
    return head


async def _check_named(tx: Tx, draft: ProductDraft) -> None:
    """Raise BadProduct for a picture or category not of this shop, RuleBroken for banned words."""
    await rulebook.must_pass(tx, rules.words_of(draft))
    urls = [*draft.image_urls, *(sku.image_url for sku in draft.skus if sku.image_url)]
    await _check_images(tx, urls)
    if draft.category_id and not await queries.get_category_exists(tx, draft.category_id):
        raise BadProduct(field="category_id", why="no such category")


async def _check_images(tx: ReadTx, urls: Iterable[str]) -> None:
    keys = list({rules.image_key(url) for url in urls})
    if keys and await queries.count_images(tx, keys) != len(keys):
        raise BadProduct(field="image_url", why="not a picture of this shop")


def _key(url: str | None) -> str | None:
    return rules.image_key(url) if url else None


def _columns(draft: ProductDraft) -> dict[str, object]:
    cheapest = min(draft.skus, key=lambda sku: sku.price_fen)
    words = [draft.title, draft.subtitle, *draft.tags]
    codes = [sku.sku_code for sku in draft.skus if sku.sku_code]
    return {
        "title": draft.title,
        "subtitle": draft.subtitle,
        "kind": draft.kind,
        "category_id": draft.category_id,
        "description_html": draft.description_html,
        "tags": draft.tags,
        "position": draft.position,
        "option_names": draft.option_names,
        "search_terms": rules.search_terms([*words, *codes]),
        "price_fen": cheapest.price_fen,
        "market_price_fen": cheapest.market_price_fen,
        "member_price_fen": cheapest.member_price_fen,
        "updated_at": clock.now(),
    }


async def _write_parts(
    tx: Tx,
    actor: Actor,
    *,
    product_id: UUID,
    product_no: int,
    draft: ProductDraft,
    living: dict[UUID, Sku],
) -> list[Sku]:
    """Write pictures, SKUs and the stock of new SKUs."""
    moment.forget(tx.shop_id)
    meant = rules.match_skus({key: sku.option_values for key, sku in living.items()}, draft.skus)
    skus = [
        Sku(
            sku_id or new_id(),
            sku.option_values,
            sku.sku_code,
            sku.price_fen,
            sku.market_price_fen,
            sku.member_price_fen,
            _key(sku.image_url),
            sku.weight_g,
            sku.floor_fen,
        )
        for sku_id, sku in zip(meant, draft.skus, strict=True)
    ]
    await queries.move_product_images(
        tx, product_id, [rules.image_key(url) for url in draft.image_urls]
    )
    await queries.move_skus(tx, product_id, [sku.sku_id for sku in skus], clock.now())
    await queries.insert_skus(tx, product_id, skus)
    retired = living.keys() - {sku.sku_id for sku in skus}
    if retired:
        await inventory.withdraw(tx, list(retired))
    new = {sku.sku_id: product_no for sku in skus if sku.sku_id not in living}
    if new:
        await inventory.set_up(tx, new)
    stock = {
        sku.sku_id: wanted.stock
        for sku, wanted in zip(skus, draft.skus, strict=True)
        if sku.sku_id in new and wanted.stock
    }
    if stock:
        await inventory.receive(tx, stock, actor, "上架入库")
    return skus


def _prices(skus: Iterable[Sku]) -> dict[str, list[int | None]]:
    return {
        str(sku.sku_id): [sku.price_fen, sku.market_price_fen, sku.member_price_fen] for sku in skus
    }


# --- pictures ---------------------------------------------------------------------------------


async def encode_image(raw: bytes) -> rules.Picture:
    """Decode an upload within limits and re-encode it; nothing is written.

    One at a time, for a picture of 25 megapixels takes 100 MB while it is decoded. Raises BadImage.
    """
    async with _one_picture:
        return await asyncio.to_thread(rules.encode_picture, raw)


async def prepare_image(raw: bytes) -> rules.Picture:
    """Re-encode an upload and write its public files; no transaction is open.

    Files are named by their content, so writing them twice, or without `keep_image`, harms nobody.
    Raises BadImage.
    """
    picture = await encode_image(raw)
    await asyncio.to_thread(_write_files, picture)
    return picture


def _write_files(picture: rules.Picture) -> None:
    folder = config.settings().media_dir / picture.key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    for size, data in picture.files.items():
        path = folder / f"{picture.key}-{size}.webp"
        if not path.exists():
            part = path.with_suffix(f".{new_id().hex}.part")
            part.write_bytes(data)
            part.replace(path)


async def keep_image(tx: Tx, picture: rules.Picture) -> StoredImage:
    """Let the shop use a prepared picture."""
    await queries.insert_image(
        tx, ImageSize(picture.key, picture.width, picture.height), clock.now()
    )
    return StoredImage(rules.image_url(picture.key), picture.width, picture.height)


# --- the shop window --------------------------------------------------------------------------


async def list_categories(tx: ReadTx) -> list[Category]:
    """The tree, upper floor first."""
    return await queries.list_categories(tx)


async def save_category(
    tx: Tx, actor: Actor, draft: CategoryDraft, category_id: UUID | None = None
) -> UUID:
    """Write a category, new when no id is given. Raises CategoryNotFound, CategoryTreeTooDeep."""
    tree = {row.category_id: row for row in await queries.list_categories(tx)}
    parent = tree.get(draft.parent_id) if draft.parent_id else None
    if (category_id and category_id not in tree) or (draft.parent_id and parent is None):
        raise CategoryNotFound
    has_children = any(row.parent_id == category_id for row in tree.values() if category_id)
    if parent and (parent.parent_id or has_children or parent.category_id == category_id):
        raise CategoryTreeTooDeep
    await _check_images(tx, [draft.image_url] if draft.image_url else [])
    saved = Category(
        category_id or new_id(),
        draft.parent_id,
        rules.clean_line(draft.name) or "未命名",
        _key(draft.image_url),
        draft.position,
        0,
    )
    moment.forget(tx.shop_id)
    await queries.move_category(tx, saved)
    audit(
        tx,
        actor,
        "catalog.category_saved",
        subject=("category", saved.category_id),
        after={"name": saved.name},
    )
    return saved.category_id


async def remove_category(tx: Tx, actor: Actor, category_id: UUID) -> None:
    """Delete an empty category. Raises CategoryInUse, CategoryNotFound."""
    if not await queries.get_category_exists(tx, category_id):
        raise CategoryNotFound
    if not await queries.move_category_away(tx, category_id):
        raise CategoryInUse
    audit(tx, actor, "catalog.category_removed", subject=("category", category_id))


async def set_showcase(tx: Tx, actor: Actor, draft: ShowcaseDraft) -> None:
    """Replace the golden triangle. Raises BadProduct for a strange product, picture or window."""
    shown = [
        Collection(new_id(), CollectionKind.HOT, "爆品", "", None, None, None, draft.hot),
        Collection(new_id(), CollectionKind.BUNDLE, "套餐", "", None, None, None, draft.bundles),
    ]
    for activity in draft.activities:
        if activity.starts_at and activity.ends_at and activity.ends_at <= activity.starts_at:
            raise BadProduct(field="ends_at", why="not after starts_at")
        shown.append(
            Collection(
                new_id(),
                CollectionKind.ACTIVITY,
                rules.clean_line(activity.title),
                rules.clean_line(activity.subtitle),
                _key(activity.image_url),
                activity.starts_at,
                activity.ends_at,
                activity.product_ids,
            )
        )
    for row in shown:
        if len(set(row.product_ids)) < len(row.product_ids):
            raise BadProduct(field="product_ids", why="a product twice")
    await _check_images(tx, [a.image_url for a in draft.activities if a.image_url])
    await _check_products(tx, {product for row in shown for product in row.product_ids})
    await queries.move_collections(tx, shown)
    audit(tx, actor, "catalog.showcase_changed", subject=("shop", tx.shop_id))


async def list_banners(tx: ReadTx) -> list[Banner]:
    """The banners of the home page, in order."""
    return await queries.list_banners(tx)


async def set_banners(tx: Tx, actor: Actor, drafts: list[BannerDraft]) -> None:
    """Replace the banners. Raises BadProduct for a strange product or picture."""
    await _check_images(tx, [draft.image_url for draft in drafts])
    await _check_products(tx, {draft.product_id for draft in drafts if draft.product_id})
    banners = [
        Banner(
            new_id(),
            rules.clean_line(draft.title),
            rules.clean_line(draft.subtitle),
            rules.image_key(draft.image_url),
            draft.product_id,
        )
        for draft in drafts
    ]
    await queries.move_banners(tx, banners)
    audit(tx, actor, "catalog.banners_changed", subject=("shop", tx.shop_id))


async def _check_products(tx: ReadTx, product_ids: set[UUID]) -> None:
    if len(await queries.list_cards_of(tx, list(product_ids))) != len(product_ids):
        raise BadProduct(field="product_id", why="no such product")
