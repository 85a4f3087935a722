import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from siyu.commerce.catalog import background, queries, service
from siyu.commerce.catalog.contracts import (
    BadProduct,
    ImageSize,
    ImportedProduct,
    NotReadyForShelf,
    ProductDraft,
    ProductNotFound,
    ProductSort,
    SkuCodeTaken,
    SkuDraft,
    SkuForSale,
)
from siyu.commerce.catalog.invariants import INVARIANTS
from siyu.commerce.inventory import service as inventory
from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id

STAFF = System("staff:1", "店长")
KEY = "0123456789abcdef" * 2
URL = f"/media/{KEY}-1200.webp"


@pytest.fixture(autouse=True)
async def truths_hold(tx: Tx) -> AsyncIterator[None]:
    await queries.insert_image(tx, ImageSize(KEY, 800, 800), clock.now())
    yield
    for name, sql in INVARIANTS.items():
        assert await tx.connection.fetch(sql) == [], name


def audits(tx: Tx) -> list[tuple[str, Any]]:
    """Action and detail of what this transaction will note."""
    return [(row[4], row[7]) for row in tx._audited]


async def skus_of(tx: Tx, product_id: uuid.UUID) -> list[uuid.UUID]:
    return [sku.sku_id for sku in await queries.list_skus(tx, product_id)]


async def test_load_for_sale_is_one_round_trip(tx: Tx) -> None:
    draft = ProductDraft(
        title="云雾",
        image_urls=[URL],
        option_names=["规格"],
        skus=[
            SkuDraft(option_values=["小"], price_fen=100, member_price_fen=90),
            SkuDraft(option_values=["大"], price_fen=200, market_price_fen=250, image_url=URL),
        ],
    )
    product_id = await service.create_product(tx, STAFF, draft)
    small, big = await skus_of(tx, product_id)
    with db.recorded() as trips:
        found = await service.load_for_sale(tx, [big, small, new_id()])
    assert len(trips) == 1
    thumb = f"/media/{KEY}-200.webp"
    assert {sku.sku_id: sku for sku in found} == {
        small: SkuForSale(
            small, product_id, 1, "云雾", draft.kind, ["小"], thumb, 100, None, 90, False
        ),
        big: SkuForSale(
            big, product_id, 1, "云雾", draft.kind, ["大"], thumb, 200, 250, None, False
        ),
    }
    await service.set_shelf(tx, STAFF, product_id, True)
    edited = ProductDraft(
        title="云雾",
        image_urls=[URL],
        option_names=["规格"],
        skus=[SkuDraft(option_values=["大"], price_fen=200)],
    )
    await service.edit_product(tx, STAFF, product_id, edited, 2)
    on_shelf = {s.sku_id: s.on_shelf for s in await service.load_for_sale(tx, [small, big])}
    assert on_shelf == {small: False, big: True}


async def test_a_change_of_price_is_written_down(tx: Tx) -> None:
    draft = ProductDraft(title="茶", skus=[SkuDraft(price_fen=100)])
    product_id = await service.create_product(tx, STAFF, draft)
    (sku,) = await skus_of(tx, product_id)
    tx._audited.clear()
    same = ProductDraft(title="好茶", skus=[SkuDraft(price_fen=100)])
    await service.edit_product(tx, STAFF, product_id, same, 1)
    assert audits(tx) == []
    dearer = ProductDraft(title="好茶", skus=[SkuDraft(price_fen=120, member_price_fen=99)])
    await service.edit_product(tx, STAFF, product_id, dearer, 2)
    assert audits(tx) == [
        (
            "catalog.price_changed",
            {"before": {str(sku): [100, None, None]}, "after": {str(sku): [120, None, 99]}},
        )
    ]


async def test_refusals(tx: Tx) -> None:
    draft = ProductDraft(title="茶", skus=[SkuDraft(price_fen=1, sku_code="A-1")])
    product_id = await service.create_product(tx, STAFF, draft)
    with pytest.raises(NotReadyForShelf):
        await service.set_shelf(tx, STAFF, product_id, True)
    with pytest.raises(ProductNotFound):
        await service.set_shelf(tx, STAFF, new_id(), True)
    with pytest.raises(BadProduct):
        strange = ProductDraft(title="茶", category_id=new_id(), skus=[SkuDraft(price_fen=1)])
        await service.create_product(tx, STAFF, strange)
    await tx.run("savepoint before")
    with pytest.raises(SkuCodeTaken):
        await service.create_product(tx, STAFF, draft)
    await tx.run("rollback to before")


async def test_the_last_picture_stays_on_the_shelf(tx: Tx) -> None:
    draft = ProductDraft(title="茶", image_urls=[URL], skus=[SkuDraft(price_fen=1)])
    product_id = await service.create_product(tx, STAFF, draft)
    await service.set_shelf(tx, STAFF, product_id, True)
    bare = ProductDraft(title="茶", skus=[SkuDraft(price_fen=1)])
    with pytest.raises(NotReadyForShelf):
        await service.edit_product(tx, STAFF, product_id, bare, 2)
    await service.set_shelf(tx, STAFF, product_id, False)
    await service.edit_product(tx, STAFF, product_id, bare, 3)
    assert await queries.list_product_images(tx, product_id) == []


async def test_import_is_repeatable_and_finds_what_the_shop_has(tx: Tx) -> None:
    own = ProductDraft(title="自有", skus=[SkuDraft(price_fen=1, sku_code="OWN")])
    product_id = await service.create_product(tx, STAFF, own)
    (sku,) = await skus_of(tx, product_id)
    wanted = [
        ImportedProduct("OWN", "别的名字", 99),
        ImportedProduct("85123A", "WHITE HANGING HEART", 255),
        ImportedProduct("POST", " \u202e ", 0),
    ]
    first = await service.import_products(tx, wanted)
    assert first["OWN"].sku_id == sku
    assert [first[code].product_no for code in ("OWN", "85123A", "POST")] == [1, 2, 3]
    assert await service.import_products(tx, wanted) == first
    cards = await queries.list_cards(tx, sort=ProductSort.NEW, limit=9)
    assert [(card.title, card.price_fen, card.status) for card in cards] == [
        ("POST", 0, "off_shelf"),
        ("WHITE HANGING HEART", 255, "off_shelf"),
        ("自有", 1, "draft"),
    ]
    stock = await inventory.list_levels(tx, [row.sku_id for row in first.values()])
    assert {level.on_hand for level in stock.values()} == {0} and len(stock) == 3


async def test_paid_orders_count_as_sold(tx: Tx) -> None:
    wanted = [ImportedProduct(code, code, 1) for code in "ab"]
    numbers = {c: row.product_no for c, row in (await service.import_products(tx, wanted)).items()}
    line = SimpleNamespace
    paid = line(
        lines=[
            line(product_no=numbers["a"], quantity=2),
            line(product_no=numbers["b"], quantity=1),
            line(product_no=numbers["a"], quantity=3),
        ]
    )
    await background.on_order_paid(tx, paid)
    cards = await queries.list_cards(tx, sort=ProductSort.SALES, limit=9)
    assert [(card.title, card.sold_count) for card in cards] == [("a", 5), ("b", 1)]


async def test_numbers_of_products(tx: Tx) -> None:
    found = await service.import_products(tx, [ImportedProduct("a", "a", 1)])
    product_id = found["a"].product_id
    assert await service.product_numbers(tx, [product_id, new_id()]) == {product_id: 1}
