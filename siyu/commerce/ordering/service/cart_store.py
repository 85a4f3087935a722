"""The cart's SQL."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.ordering.contracts import LineAsked
from siyu.kernel.db import ReadTx, Tx


class CartLine(msgspec.Struct, frozen=True):
    """A line of a cart, without anything that may change by itself (price, title)."""

    sku_id: UUID
    quantity: int
    selected: bool


async def list_cart(tx: ReadTx, member_id: UUID) -> list[CartLine]:
    """The lines of a cart, newest first."""
    return await tx.all(
        CartLine,
        """select sku_id, quantity, selected from ordering.cart_lines
           where shop_id = $1 and member_id = $2 order by added_at desc, sku_id""",
        tx.shop_id,
        member_id,
    )


async def lock_cart(tx: Tx, member_id: UUID, at: datetime) -> None:
    """Let one change of a cart wait for the other; makes the cart's row at first use."""
    await tx.run(
        """insert into ordering.carts (shop_id, member_id, changed_at) values ($1, $2, $3)
           on conflict (shop_id, member_id) do update set changed_at = excluded.changed_at""",
        tx.shop_id,
        member_id,
        at,
    )


async def insert_cart_line(tx: Tx, member_id: UUID, line: LineAsked, at: datetime) -> int | None:
    """Put a line in or add to it (at most 999 pieces); None when 100 other lines are there."""
    quantity: int | None = await tx.value(
        """insert into ordering.cart_lines as l (shop_id, member_id, sku_id, quantity, added_at)
           select $1, $2, $3, $4, $5
           where (select count(*) from ordering.cart_lines
                  where shop_id = $1 and member_id = $2 and sku_id <> $3) < 100
           on conflict (shop_id, member_id, sku_id)
           do update set quantity = least(l.quantity + excluded.quantity, 999), selected = true
           returning quantity""",
        tx.shop_id,
        member_id,
        line.sku_id,
        line.quantity,
        at,
    )
    return quantity


async def set_cart_line(
    tx: Tx, member_id: UUID, sku_id: UUID, quantity: int | None, selected: bool | None
) -> int:
    """Change a line; None leaves a value as it is. Returns how many lines there were (0 or 1)."""
    return await tx.run(
        """update ordering.cart_lines
           set quantity = coalesce($4, quantity), selected = coalesce($5, selected)
           where shop_id = $1 and member_id = $2 and sku_id = $3""",
        tx.shop_id,
        member_id,
        sku_id,
        quantity,
        selected,
    )


async def set_cart_selected(tx: Tx, member_id: UUID, selected: bool) -> None:
    """Select all lines, or none."""
    await tx.run(
        """update ordering.cart_lines set selected = $3
           where shop_id = $1 and member_id = $2 and selected <> $3""",
        tx.shop_id,
        member_id,
        selected,
    )


async def delete_cart_line(tx: Tx, member_id: UUID, sku_id: UUID) -> None:
    """Take a line out; nothing happens when it is not there."""
    await tx.run(
        "delete from ordering.cart_lines where shop_id = $1 and member_id = $2 and sku_id = $3",
        tx.shop_id,
        member_id,
        sku_id,
    )
