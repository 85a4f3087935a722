"""The demo's assortment: 山房茶咖, a tea-and-coffee shop with 60 products and pictures of its own.

`load` puts it into a shop through the catalogue's verbs. Words and prices stand in the TOML files
beside; pictures are drawn here (`scenes`), so the project carries no photographs.
"""

import asyncio
import html
import io
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL.Image import Image

from siyu.app.demo_goods import scenes
from siyu.commerce.catalog import service
from siyu.commerce.catalog.contracts import (
    ActivityDraft,
    BannerDraft,
    CategoryDraft,
    ProductDraft,
    ProductKind,
    ShowcaseDraft,
    SkuDraft,
)
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId

_FOLDER = Path(__file__).parent
_BY = System(actor_name="演示数据")
_two_pictures = asyncio.Semaphore(2)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))


def assortment() -> list[dict[str, Any]]:
    """The products as they stand in the files."""
    return [p for name in ("tea", "coffee", "ware_and_sets") for p in _read(name)["product"]]


async def is_loaded(shop_id: ShopId) -> bool:
    """Whether a shop has the whole assortment and its window."""
    async with transaction(shop_id) as tx:
        known = await service.find_skus(tx, _codes(assortment()))
        return len(known) == len(assortment()) and bool(await service.list_banners(tx))


def _codes(goods: list[dict[str, Any]]) -> list[str]:
    return [f"{product['code']}-1" for product in goods]


async def load(shop_id: ShopId) -> None:
    """Fill a shop with the assortment; what is there already is left as the merchant made it.

    The shop window comes last, so a load that was cut off goes on where it ended.
    """
    if await is_loaded(shop_id):
        return
    goods = assortment()
    window = _read("shop")
    async with transaction(shop_id) as tx:
        known = await service.find_skus(tx, _codes(goods))
    ids = {code.removesuffix("-1"): sku.product_id for code, sku in known.items()}
    drawn = await asyncio.gather(
        *(_picture(shop_id, scenes.draw, *row["picture"], seed) for seed, row in enumerate(goods))
    )
    covers = {row["category"]: url for row, url in reversed(list(zip(goods, drawn, strict=True)))}
    categories = await _load_categories(shop_id, window["categories"], covers)
    places = {code: len(window["order"]) - i for i, code in enumerate(window["order"])}
    for row, url in zip(goods, drawn, strict=True):
        if row["code"] not in ids:
            draft = _draft(row, categories, places.get(row["code"], 0), url)
            async with transaction(shop_id) as tx:
                ids[row["code"]] = await service.create_product(tx, _BY, draft)
                await service.set_shelf(tx, _BY, ids[row["code"]], True)
    await _load_window(shop_id, window, ids)


async def _picture(shop_id: ShopId, draw: Callable[..., Image], *what: Any) -> str:
    """Draw a picture (two at a time) and keep it; its address."""
    async with _two_pictures:
        raw = await asyncio.to_thread(_png, draw, *what)
        picture = await service.prepare_image(raw)
    async with transaction(shop_id) as tx:
        return (await service.keep_image(tx, picture)).url


def _png(draw: Callable[..., Image], *what: Any) -> bytes:
    raw = io.BytesIO()
    draw(*what).save(raw, "PNG", compress_level=1)
    return raw.getvalue()


async def _load_categories(
    shop_id: ShopId, wanted: list[list[str]], covers: dict[str, str]
) -> dict[str, UUID]:
    """Make the categories that are missing; each shows its first product."""
    first_child = {parent: name for name, parent in reversed(wanted) if parent}
    async with transaction(shop_id) as tx:
        found = {row.name: row.category_id for row in await service.list_categories(tx)}
        for place, (name, parent) in enumerate(wanted):
            if name not in found:
                draft = CategoryDraft(
                    name=name,
                    parent_id=found.get(parent),
                    image_url=covers[first_child.get(name, name)],
                    position=len(wanted) - place,
                )
                found[name] = await service.save_category(tx, _BY, draft)
    return found


def _draft(
    product: dict[str, Any], categories: dict[str, UUID], position: int, image_url: str
) -> ProductDraft:
    return ProductDraft(
        title=product["title"],
        subtitle=product["subtitle"],
        kind=ProductKind(product.get("kind", "physical")),
        category_id=categories[product["category"]],
        description_html=_description(product),
        tags=product.get("tags", []),
        position=position,
        image_urls=[image_url],
        option_names=product["options"],
        skus=[
            SkuDraft(
                option_values=values.split("/"),
                sku_code=f"{product['code']}-{i + 1}",
                price_fen=price,
                market_price_fen=market or None,
                member_price_fen=member or None,
                weight_g=0 if product.get("kind") else _weight_g(values),
                stock=pieces,
            )
            for i, (values, price, market, member, pieces) in enumerate(product["skus"])
        ],
    )


def _weight_g(values: str) -> int:
    """What the options say a piece weighs, and its packing; 800 g where they say nothing."""
    said = re.search(r"(\d+)(kg|g|ml)(?: × (\d+))?", values)
    if said is None:
        return 800
    return 120 + int(said[1]) * (1000 if said[2] == "kg" else 1) * int(said[3] or 1)


def _description(product: dict[str, Any]) -> str:
    facts = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
        for name, text in product["facts"]
    )
    heading = "使用" if product.get("kind") or product["code"][0] == "W" else "冲泡"
    return (
        f"<p>{html.escape(product['story'])}</p>"
        f"<h3>资料</h3><table><tbody>{facts}</tbody></table>"
        f"<h3>{heading}</h3><p>{html.escape(product['use'])}</p>"
    )


async def _load_window(shop_id: ShopId, window: dict[str, Any], ids: dict[str, UUID]) -> None:
    activities = [
        ActivityDraft(
            title=activity["title"],
            subtitle=activity["subtitle"],
            image_url=await _picture(shop_id, scenes.banner, *activity["picture"], seed),
            product_ids=[ids[code] for code in activity["products"]],
        )
        for seed, activity in enumerate(window["activity"])
    ]
    banners = [
        BannerDraft(
            title=banner["title"],
            subtitle=banner["subtitle"],
            image_url=await _picture(shop_id, scenes.banner, *banner["picture"], seed + 5),
            product_id=ids[banner["product"]],
        )
        for seed, banner in enumerate(window["banner"])
    ]
    showcase = ShowcaseDraft(
        hot=[ids[code] for code in window["hot"]],
        bundles=[ids[code] for code in window["bundles"]],
        activities=activities,
    )
    async with transaction(shop_id) as tx:
        await service.set_showcase(tx, _BY, showcase)
        await service.set_banners(tx, _BY, banners)
