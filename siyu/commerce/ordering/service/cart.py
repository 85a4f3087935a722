"""The cart: what a member means to buy, at today's prices."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import SkuForSale
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering.contracts import (
    MAX_LINES,
    MAX_QUANTITY,
    CartFull,
    LineAsked,
    OrderLine,
    SkuNotFound,
)
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


class LeftOut(msgspec.Struct, frozen=True):
    """What of an order could not be put into the cart: `quantity` pieces, and why: off_shelf,
    sold_out (of that many pieces), cart_full."""

    title: str
    option_values: list[str]
    quantity: int
    reason: Literal["off_shelf", "sold_out", "cart_full"]


class BoughtAgain(msgspec.Struct, frozen=True):
    """The cart after an order was put into it; `sku_ids` are those of the order that are in it."""

    cart: CartView
    sku_ids: list[UUID]
    left_out: list[LeftOut]


async def load_cart(tx: ReadTx, member_id: UUID) -> CartView:
    """A member's cart, newest line first."""
    return await _show(tx, await cart_store.list_cart(tx, member_id))


async def _show(tx: ReadTx, kept: Sequence[cart_store.CartLine]) -> CartView:
    sku_ids = [line.sku_id for line in kept]
    skus = await catalog.load_for_show(tx, sku_ids)
    available = await inventory.show_available(tx, sku_ids)
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


async def add_to_cart(tx: Tx, member_id: UUID, line: LineAsked) -> CartView:
    """Put a SKU in, or more of it (at most 999 pieces); the cart with it. One statement writes, and
    nothing has to be taken back: `tx` may commit it at once.

    Raises SkuNotFound, CartFull.
    """
    sku = (await catalog.load_for_show(tx, [line.sku_id])).get(line.sku_id)
    if sku is None or not sku.on_shelf:
        raise SkuNotFound(sku_ids=[str(line.sku_id)])
    kept = await cart_store.insert_cart_line(tx, member_id, line, clock.now())
    if not any(one.sku_id == line.sku_id for one in kept):
        raise CartFull(limit=MAX_LINES)
    return await _show(tx, kept)


async def buy_again(tx: Tx, member_id: UUID, lines: Sequence[OrderLine]) -> BoughtAgain:
    """Put what is still on sale of an order into the cart, at today's prices: as many pieces as
    were bought, or as are left. A SKU that is there already is kept at the larger number.
    """
    wanted = inventory.sum_demand(
        (line.sku_id, line.quantity) for line in lines if not line.is_gift
    )
    by_sku = {line.sku_id: line for line in lines}
    skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, list(wanted))}
    available = await inventory.get_available(tx, list(wanted))
    now = clock.now()
    await cart_store.lock_cart(tx, member_id, now)
    there = {line.sku_id for line in await cart_store.list_cart(tx, member_id)}
    room = MAX_LINES - len(there)
    put: list[LineAsked] = []
    left_out: list[LeftOut] = []
    for sku_id, quantity in wanted.items():
        line, sku = by_sku[sku_id], skus.get(sku_id)
        reason: Literal["off_shelf", "sold_out", "cart_full"] | None = None
        fitting = min(quantity, available[sku_id], MAX_QUANTITY)
        if sku is None or not sku.on_shelf:
            reason, fitting = "off_shelf", 0
        elif fitting and sku_id not in there and room == 0:
            reason, fitting = "cart_full", 0
        elif fitting < quantity:
            reason = "sold_out"
        if reason:
            left_out.append(LeftOut(line.title, line.option_values, quantity - fitting, reason))
        if fitting:
            room -= sku_id not in there
            put.append(LineAsked(sku_id, fitting))
    await cart_store.raise_cart_lines(tx, member_id, put, now)
    return BoughtAgain(await load_cart(tx, member_id), [line.sku_id for line in put], left_out)


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
