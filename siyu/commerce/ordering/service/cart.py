"""The cart: what a member means to buy, at today's prices."""

from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering.contracts import MAX_LINES, CartFull, LineAsked, SkuNotFound
from siyu.commerce.ordering.service import cart_store
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx


class CartLineView(msgspec.Struct, frozen=True):
    """A line at list price; `state`: ok, short (not enough in stock), off_shelf."""

    sku_id: UUID
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    price_fen: int
    quantity: int
    selected: bool
    available: int
    state: str


class CartView(msgspec.Struct, frozen=True):
    """The cart; the totals count selected lines that can be bought."""

    lines: list[CartLineView]
    selected_total_fen: int
    selected_count: int


async def load_cart(tx: ReadTx, member_id: UUID) -> CartView:
    """A member's cart, newest line first."""
    kept = await cart_store.list_cart(tx, member_id)
    sku_ids = [line.sku_id for line in kept]
    skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, sku_ids)} if kept else {}
    available = await inventory.get_available(tx, sku_ids) if kept else {}
    lines = [
        _shown(line, skus[line.sku_id], available[line.sku_id])
        for line in kept
        if line.sku_id in skus
    ]
    bought = [line for line in lines if line.selected and line.state != "off_shelf"]
    return CartView(
        lines=lines,
        selected_total_fen=sum(line.price_fen * line.quantity for line in bought),
        selected_count=sum(line.quantity for line in bought),
    )


def _shown(line: cart_store.CartLine, sku: SkuForSale, available: int) -> CartLineView:
    state = "ok" if available >= line.quantity else "short"
    return CartLineView(
        sku_id=line.sku_id,
        product_id=sku.product_id,
        title=sku.title,
        option_values=sku.option_values,
        image_url=sku.image_url,
        price_fen=sku.price_fen,
        quantity=line.quantity,
        selected=line.selected,
        available=available,
        state=state if sku.on_shelf else "off_shelf",
    )


async def add_to_cart(tx: Tx, member_id: UUID, line: LineAsked) -> None:
    """Put a SKU in, or more of it (at most 999 pieces). Raises SkuNotFound, CartFull."""
    skus = await catalog.load_for_sale(tx, [line.sku_id])
    if not skus or not skus[0].on_shelf:
        raise SkuNotFound(sku_ids=[str(line.sku_id)])
    now = clock.now()
    await cart_store.lock_cart(tx, member_id, now)
    if await cart_store.insert_cart_line(tx, member_id, line, now) is None:
        raise CartFull(limit=MAX_LINES)


async def change_cart_line(
    tx: Tx, member_id: UUID, sku_id: UUID, quantity: int | None, selected: bool | None
) -> None:
    """Set how many, or whether selected; None leaves it. Raises SkuNotFound."""
    if not await cart_store.set_cart_line(tx, member_id, sku_id, quantity, selected):
        raise SkuNotFound(sku_ids=[str(sku_id)])


async def select_cart(tx: Tx, member_id: UUID, selected: bool) -> None:
    """Select all lines, or none."""
    await cart_store.set_cart_selected(tx, member_id, selected)


async def remove_from_cart(tx: Tx, member_id: UUID, sku_id: UUID) -> None:
    """Take a line out; harmless when it is not there."""
    await cart_store.delete_cart_line(tx, member_id, sku_id)
