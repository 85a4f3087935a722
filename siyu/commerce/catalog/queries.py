"""All SQL of the catalogue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from siyu.commerce.catalog.contracts import (
    Banner,
    Card,
    Category,
    Collection,
    ImageSize,
    ImportedProduct,
    ImportedSku,
    Product,
    ProductHead,
    ProductNumber,
    ProductSort,
    ProductStatus,
    Sku,
    SkuCodeTaken,
    SkuForSale,
    StockSku,
)
from siyu.kernel.db import ReadTx, Tx, filters

_CARD = """p.product_id, p.product_no, p.title, p.subtitle, p.kind, p.status, p.category_id, p.tags,
  p.price_fen, p.market_price_fen, p.member_price_fen, p.sold_count, p.position, p.version,
  p.updated_at, i.image_key, i.width, i.height"""
_COVER = """left join catalog.product_images c
    on c.shop_id = p.shop_id and c.product_id = p.product_id and c.position = 0
  left join catalog.images i on i.shop_id = c.shop_id and i.image_key = c.image_key"""

# Column, direction; the product number breaks ties in the same direction.
_SORTS: Final = {
    ProductSort.DEFAULT: ("p.position", "desc"),
    ProductSort.SALES: ("p.sold_count", "desc"),
    ProductSort.PRICE_ASC: ("p.price_fen", "asc"),
    ProductSort.PRICE_DESC: ("p.price_fen", "desc"),
    ProductSort.NEW: ("p.product_no", "desc"),
}


def sort_value(row: Card, sort: ProductSort) -> int:
    """The value that `list_cards` sorted this row by."""
    value: int = getattr(row, _SORTS[sort][0].removeprefix("p."))
    return value


async def list_cards(
    tx: ReadTx,
    *,
    sort: ProductSort,
    limit: int,
    after: tuple[int, int] | None = None,
    status: ProductStatus | None = None,
    category_id: UUID | None = None,
    terms: list[str] | None = None,
) -> list[Card]:
    """A page of products; `after` is (sort value, product_no) of the last one seen."""
    column, direction = _SORTS[sort]
    beyond = "<" if direction == "desc" else ">"
    args: list[Any] = [tx.shop_id]
    where = filters(
        args,
        ("p.status = ?", status),
        (
            """p.category_id in (select category_id from catalog.categories
                 where shop_id = $1 and ? in (category_id, parent_id))""",
            category_id,
        ),
        ("p.search_terms || p.found_by @> ?::text[]", terms),
    )
    if after is not None:
        args += after
        seen = f"(${len(args) - 1}::bigint, ${len(args)}::bigint)"
        where += f" and ({column}, p.product_no) {beyond} {seen}"
    args.append(limit)
    return await tx.all(
        Card,
        f"""select {_CARD} from catalog.products p {_COVER}
            where p.shop_id = $1 and {where}
            order by {column} {direction}, p.product_no {direction} limit ${len(args)}""",
        *args,
    )


async def list_cards_of(tx: ReadTx, product_ids: list[UUID]) -> list[Card]:
    """The cards of these products, in no order, whatever their status."""
    return await tx.all(
        Card,
        f"""select {_CARD} from catalog.products p {_COVER}
            where p.shop_id = $1 and p.product_id = any($2::uuid[])""",
        tx.shop_id,
        product_ids,
    )


async def list_for_sale(tx: ReadTx, ids: list[UUID], *, whole: bool = False) -> list[SkuForSale]:
    """SKUs (whole: all living ones of products) as checkout needs them; unknown are missing."""
    living = "s.product_id = any($2) and s.retired_at is null"
    which = living if whole else "s.sku_id = any($2)"
    return await tx.all(
        SkuForSale,
        f"""select s.sku_id, s.product_id, p.product_no, p.title, p.kind, s.option_values,
             '/media/' || coalesce(s.image_key, c.image_key) || '-200.webp' as image_url,
             s.price_fen, s.market_price_fen, s.member_price_fen, s.weight_g, s.floor_fen,
             p.status = 'on_shelf' and s.retired_at is null as on_shelf,
             array_remove(array[p.category_id, k.parent_id], null) as category_ids
           from catalog.skus s
           join catalog.products p on p.shop_id = s.shop_id and p.product_id = s.product_id
           left join catalog.product_images c
             on c.shop_id = s.shop_id and c.product_id = s.product_id and c.position = 0
           left join catalog.categories k
             on k.shop_id = p.shop_id and k.category_id = p.category_id
           where s.shop_id = $1 and {which}""",
        tx.shop_id,
        ids,
    )


async def get_product(tx: ReadTx, product_id: UUID) -> Product | None:
    """A product, in whatever status."""
    return await tx.maybe(
        Product,
        """select product_id, product_no, title, subtitle, kind, status, category_id,
             description_html, tags, option_names, sold_count, position, version, created_at,
             updated_at
           from catalog.products where shop_id = $1 and product_id = $2""",
        tx.shop_id,
        product_id,
    )


async def list_numbered(
    tx: ReadTx, product_ids: Sequence[UUID], numbers: Sequence[int] = ()
) -> list[ProductNumber]:
    """Products by their ids or their small numbers."""
    return await tx.all(
        ProductNumber,
        """select product_id, product_no, title from catalog.products where shop_id = $1
           and (product_id = any($2::uuid[]) or product_no = any($3::bigint[]))""",
        tx.shop_id,
        list(product_ids),
        list(numbers),
    )


async def lock_product(tx: Tx, product_id: UUID) -> ProductHead | None:
    """Version and status of a product that is about to change."""
    return await tx.maybe(
        ProductHead,
        """select product_no, version, status from catalog.products
           where shop_id = $1 and product_id = $2 for no key update""",
        tx.shop_id,
        product_id,
    )


async def list_skus(tx: ReadTx, product_id: UUID) -> list[Sku]:
    """The living SKUs of a product, in the order of the grid."""
    return await tx.all(
        Sku,
        """select sku_id, option_values, sku_code, price_fen, market_price_fen, member_price_fen,
             image_key, weight_g, floor_fen
           from catalog.skus where shop_id = $1 and product_id = $2 and retired_at is null
           order by position""",
        tx.shop_id,
        product_id,
    )


async def list_product_images(tx: ReadTx, product_id: UUID) -> list[ImageSize]:
    """A product's pictures, the cover first."""
    return await tx.all(
        ImageSize,
        """select i.image_key, i.width, i.height from catalog.product_images c
           join catalog.images i on i.shop_id = c.shop_id and i.image_key = c.image_key
           where c.shop_id = $1 and c.product_id = $2 order by c.position""",
        tx.shop_id,
        product_id,
    )


async def list_stock_skus(
    tx: ReadTx,
    *,
    terms: list[str] | None,
    sku_ids: list[UUID] | None,
    after: tuple[int, int] | None,
    limit: int,
) -> list[StockSku]:
    """Living SKUs, newest product first; `after` is (product_no, place) of the last one seen."""
    args: list[Any] = [tx.shop_id]
    where = filters(
        args,
        ("p.search_terms @> ?::text[]", terms),
        ("s.sku_id = any(?::uuid[])", sku_ids),
    )
    if after is not None:
        args += (after[0], -after[1])
        where += (
            f" and (p.product_no, -s.position) < (${len(args) - 1}::bigint, ${len(args)}::bigint)"
        )
    args.append(limit)
    return await tx.all(
        StockSku,
        f"""select s.sku_id, s.product_id, p.product_no, s.position as place, p.title,
              s.option_values, s.sku_code, coalesce(s.image_key, c.image_key) as image_key
            from catalog.products p
            join catalog.skus s on s.shop_id = p.shop_id and s.product_id = p.product_id
            left join catalog.product_images c
              on c.shop_id = p.shop_id and c.product_id = p.product_id and c.position = 0
            where p.shop_id = $1 and s.retired_at is null and {where}
            order by p.product_no desc, -s.position desc limit ${len(args)}""",
        *args,
    )


async def move_numbers(tx: Tx, count: int) -> int:
    """Take the next `count` product numbers; returns the last. Others wait until the commit."""
    last: int = await tx.value(
        """insert into catalog.product_numbers as n (shop_id, last_no) values ($1, $2)
           on conflict (shop_id) do update set last_no = n.last_no + $2 returning last_no""",
        tx.shop_id,
        count,
    )
    return last


async def insert_product(tx: Tx, product: dict[str, Any]) -> None:
    """Write a new product; keys are columns of `catalog.products`."""
    columns = ", ".join(product)
    values = ", ".join(f"${i + 2}" for i in range(len(product)))
    await tx.run(
        f"insert into catalog.products (shop_id, {columns}) values ($1, {values})",
        tx.shop_id,
        *product.values(),
    )


async def move_product(tx: Tx, product_id: UUID, columns: dict[str, Any]) -> None:
    """Write columns of a product and count its version up."""
    changes = ", ".join(f"{name} = ${i + 3}" for i, name in enumerate(columns))
    await tx.run(
        f"""update catalog.products set version = version + 1, {changes}
            where shop_id = $1 and product_id = $2""",
        tx.shop_id,
        product_id,
        *columns.values(),
    )


async def move_product_images(tx: Tx, product_id: UUID, keys: list[str]) -> None:
    """Replace a product's pictures by these, in this order."""
    await tx.run(
        """with old as (
             delete from catalog.product_images
             where shop_id = $1 and product_id = $2 and position >= cardinality($3::text[]))
           insert into catalog.product_images (shop_id, product_id, position, image_key)
           select $1, $2, place - 1, key from unnest($3::text[]) with ordinality as g (key, place)
           on conflict (shop_id, product_id, position) do update
             set image_key = excluded.image_key""",
        tx.shop_id,
        product_id,
        keys,
    )


async def move_skus(tx: Tx, product_id: UUID, kept: list[UUID], at: datetime) -> None:
    """Retire the living SKUs of a product that are not kept.

    The kept ones lose their code until `insert_skus` gives it anew, so that codes may change hands.
    """
    await tx.run(
        """update catalog.skus
           set retired_at = case when sku_id <> all($3::uuid[]) then $4::timestamptz end,
             sku_code = case when sku_id <> all($3::uuid[]) then sku_code end
           where shop_id = $1 and product_id = $2 and retired_at is null""",
        tx.shop_id,
        product_id,
        kept,
        at,
    )


async def insert_skus(tx: Tx, product_id: UUID, skus: list[Sku]) -> None:
    """Write SKUs in the order of the grid, new or known. Raises SkuCodeTaken."""
    try:
        await tx.run_many(
            """insert into catalog.skus (shop_id, sku_id, product_id, position, option_values,
                 sku_code, price_fen, market_price_fen, member_price_fen, image_key, weight_g,
                 floor_fen)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
               on conflict (shop_id, sku_id) do update
                 set position = excluded.position, option_values = excluded.option_values,
                   sku_code = excluded.sku_code, price_fen = excluded.price_fen,
                   market_price_fen = excluded.market_price_fen,
                   member_price_fen = excluded.member_price_fen, image_key = excluded.image_key,
                   weight_g = excluded.weight_g, floor_fen = excluded.floor_fen""",
            [
                (tx.shop_id, row.sku_id, product_id, place, *msgspec.structs.astuple(row)[1:])
                for place, row in enumerate(skus)
            ],
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "skus_code":
            raise SkuCodeTaken from None
        raise


async def list_known_codes(tx: ReadTx, codes: list[str]) -> list[ImportedSku]:
    """The living SKUs that carry these codes."""
    return await tx.all(
        ImportedSku,
        """select s.sku_code, s.sku_id, s.product_id, p.product_no from catalog.skus s
           join catalog.products p on p.shop_id = s.shop_id and p.product_id = s.product_id
           where s.shop_id = $1 and s.sku_code = any($2::text[]) and s.retired_at is null""",
        tx.shop_id,
        codes,
    )


async def insert_imported(
    tx: Tx,
    places: list[ImportedSku],
    products: list[ImportedProduct],
    terms: list[list[str]],
    at: datetime,
) -> None:
    """Write imported products, each with its one SKU, off the shelf."""
    await tx.run(
        """with given as (
             select * from unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::text[],
               $7::bigint[], $8::text[])
               as g (product_id, product_no, sku_id, sku_code, title, price_fen, terms)),
           products as (
             insert into catalog.products (shop_id, product_id, product_no, title, subtitle, kind,
               status, description_html, tags, option_names, search_terms, price_fen, created_at,
               updated_at)
             select $1, product_id, product_no, title, '', 'physical', 'off_shelf', '', '{}', '{}',
               string_to_array(terms, ' '), price_fen, $9, $9 from given)
           insert into catalog.skus
             (shop_id, sku_id, product_id, position, option_values, sku_code, price_fen)
           select $1, sku_id, product_id, 0, '{}', sku_code, price_fen from given""",
        tx.shop_id,
        [place.product_id for place in places],
        [place.product_no for place in places],
        [place.sku_id for place in places],
        [place.sku_code for place in places],
        [product.title for product in products],
        [product.price_fen for product in products],
        [" ".join(words) for words in terms],
        at,
    )


async def move_sold(tx: Tx, sold: dict[int, int]) -> None:
    """Count pieces sold (product number -> pieces)."""
    await tx.run(
        """with sold as materialized (
             select * from unnest($2::int[], $3::int[]) as s (product_no, quantity)),
           locked as materialized (
             select p.product_id, s.quantity from catalog.products p join sold s using (product_no)
             where p.shop_id = $1 order by p.product_id for no key update of p)
           update catalog.products p set sold_count = p.sold_count + l.quantity from locked l
           where p.shop_id = $1 and p.product_id = l.product_id""",
        tx.shop_id,
        list(sold),
        list(sold.values()),
    )


async def insert_image(tx: Tx, image: ImageSize, at: datetime) -> None:
    """Let the shop use a picture; the same picture twice is one."""
    await tx.run(
        """insert into catalog.images (shop_id, image_key, width, height, created_at)
           values ($1, $2, $3, $4, $5) on conflict do nothing""",
        tx.shop_id,
        image.image_key,
        image.width,
        image.height,
        at,
    )


async def count_images(tx: ReadTx, keys: list[str]) -> int:
    """How many of these (distinct) pictures the shop may use."""
    sql = "select count(*) from catalog.images where shop_id = $1 and image_key = any($2::text[])"
    count: int = await tx.value(sql, tx.shop_id, keys)
    return count


async def list_categories(tx: ReadTx) -> list[Category]:
    """The whole tree, upper floor first, with products on the shelf counted over both floors."""
    return await tx.all(
        Category,
        """select c.category_id, c.parent_id, c.name, c.image_key, c.position,
             (select count(*) from catalog.products p
              join catalog.categories o on o.shop_id = p.shop_id and o.category_id = p.category_id
              where p.shop_id = $1 and p.status = 'on_shelf'
                and c.category_id in (o.category_id, o.parent_id)) as product_count
           from catalog.categories c where c.shop_id = $1
           order by c.depth, c.position desc, c.category_id""",
        tx.shop_id,
    )


async def get_category_exists(tx: ReadTx, category_id: UUID) -> bool:
    """Whether the shop has this category."""
    sql = "select true from catalog.categories where shop_id = $1 and category_id = $2"
    return bool(await tx.value(sql, tx.shop_id, category_id))


async def move_category(tx: Tx, category: Category) -> None:
    """Write a category, new or known."""
    await tx.run(
        """insert into catalog.categories
             (shop_id, category_id, parent_id, name, image_key, position)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (shop_id, category_id) do update
             set parent_id = excluded.parent_id, name = excluded.name,
               image_key = excluded.image_key, position = excluded.position""",
        tx.shop_id,
        *msgspec.structs.astuple(category)[:5],
    )


async def move_category_away(tx: Tx, category_id: UUID) -> bool:
    """Delete a category that nothing stands in; false when something does or it is not there."""
    deleted = await tx.run(
        """delete from catalog.categories c where shop_id = $1 and category_id = $2
             and not exists (select from catalog.products p
                             where p.shop_id = $1 and p.category_id = $2)
             and not exists (select from catalog.categories o
                             where o.shop_id = $1 and o.parent_id = $2)""",
        tx.shop_id,
        category_id,
    )
    return deleted == 1


async def list_collections(tx: ReadTx) -> list[Collection]:
    """All collections with their products, as they are ordered on the page."""
    return await tx.all(
        Collection,
        """select c.collection_id, c.kind, c.title, c.subtitle, c.image_key, c.starts_at, c.ends_at,
             array(select p.product_id from catalog.collection_products p
                   where p.shop_id = $1 and p.collection_id = c.collection_id
                   order by p.position) as product_ids
           from catalog.collections c where c.shop_id = $1 order by c.position""",
        tx.shop_id,
    )


async def move_collections(tx: Tx, collections: list[Collection]) -> None:
    """Replace all collections by these."""
    await tx.run("delete from catalog.collections where shop_id = $1", tx.shop_id)
    await tx.run_many(
        """insert into catalog.collections (shop_id, position, collection_id, kind, title, subtitle,
             image_key, starts_at, ends_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        [
            (tx.shop_id, place, *msgspec.structs.astuple(row)[:-1])
            for place, row in enumerate(collections)
        ],
    )
    await tx.run(
        """insert into catalog.collection_products (shop_id, collection_id, position, product_id)
           select $1, * from unnest($2::uuid[], $3::int[], $4::uuid[])""",
        tx.shop_id,
        [row.collection_id for row in collections for _ in row.product_ids],
        [place for row in collections for place in range(len(row.product_ids))],
        [product_id for row in collections for product_id in row.product_ids],
    )


async def list_banners(tx: ReadTx) -> list[Banner]:
    """The banners of the home page, in order."""
    return await tx.all(
        Banner,
        """select banner_id, title, subtitle, image_key, product_id
           from catalog.banners where shop_id = $1 order by position""",
        tx.shop_id,
    )


async def move_banners(tx: Tx, banners: list[Banner]) -> None:
    """Replace all banners by these."""
    await tx.run("delete from catalog.banners where shop_id = $1", tx.shop_id)
    await tx.run_many(
        """insert into catalog.banners
             (shop_id, position, banner_id, title, subtitle, image_key, product_id)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        [(tx.shop_id, place, *msgspec.structs.astuple(row)) for place, row in enumerate(banners)],
    )
