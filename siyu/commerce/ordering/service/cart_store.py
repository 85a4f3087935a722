"""The cart's SQL."""

from collections.abc import Sequence
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


async def ensure_carts(tx: Tx, members: Sequence[UUID], at: datetime) -> None:
    """Make the carts' rows of members that have none, for lines that come with a merge."""
    await tx.run(
        """insert into ordering.carts (shop_id, member_id, changed_at)
           select $1, one, $3 from unnest($2::uuid[]) as one on conflict do nothing""",
        *(tx.shop_id, list(members), at),
    )


async def lock_cart(tx: Tx, member_id: UUID, at: datetime) -> None:
    """Let one change of a cart wait for the other; makes the cart's row at first use.

    The commit of such a change does not wait for the disk: should the server lose its power, the
    last second of carts is gone, and nothing of any order.
    """
    await tx.run(
        """with hurried as (select set_config('synchronous_commit', 'off', true))
           insert into ordering.carts as c (shop_id, member_id, changed_at)
           select $1, $2, $3 from hurried
           on conflict (shop_id, member_id) do update
             set changed_at = greatest(excluded.changed_at, c.changed_at + interval '1 us')""",
        tx.shop_id,
        member_id,
        at,
    )


async def insert_cart_line(
    tx: Tx, member_id: UUID, line: LineAsked, at: datetime
) -> list[CartLine]:
    """Put a line in or add to it (at most 999 pieces), unless 100 other lines are there; the cart
    afterwards, newest line first. Locks the cart, and does not wait for the disk (`lock_cart`).
    """
    arguments = (tx.shop_id, member_id, line.sku_id, line.quantity, at)
    kept = await tx.all(CartLine, INSERT_CART_LINE, *arguments)
    # Nothing at all: another change came between the look and the lock. Now it is ours.
    return kept or await tx.all(CartLine, INSERT_CART_LINE, *arguments)


# The cart is locked only as it was seen: whoever had to wait for the lock sees it by another look.
# With a wait inside, the statement would count the lines that were there before it.
INSERT_CART_LINE = """
           with hurried as materialized (
             select set_config('synchronous_commit', 'off', true)),
           seen as materialized (
             select changed_at from ordering.carts where shop_id = $1 and member_id = $2),
           locked as (
             insert into ordering.carts as c (shop_id, member_id, changed_at)
             select $1, $2, $5 from hurried
             on conflict (shop_id, member_id) do update
               set changed_at = greatest(excluded.changed_at, c.changed_at + interval '1 us')
               where c.changed_at = (select changed_at from seen)
             returning true),
           others as materialized (
             select sku_id, quantity, selected, added_at from ordering.cart_lines
             where shop_id = $1 and member_id = $2 and sku_id <> $3
               and exists (select from locked)),
           put as (
             insert into ordering.cart_lines as l (shop_id, member_id, sku_id, quantity, added_at)
             select $1, $2, $3, $4, $5
             where exists (select from locked) and (select count(*) from others) < 100
             on conflict (shop_id, member_id, sku_id)
             do update set quantity = least(l.quantity + excluded.quantity, 999), selected = true
             returning sku_id, quantity, selected, added_at)
           select sku_id, quantity, selected
           from (select * from put union all select * from others) kept
           order by added_at desc, sku_id"""


async def raise_cart_lines(
    tx: Tx, member_id: UUID, lines: Sequence[LineAsked], at: datetime
) -> None:
    """Put lines in, selected; of what is there already the larger number stays. The caller has
    seen to it that there is room.
    """
    await tx.run(
        """insert into ordering.cart_lines as l (shop_id, member_id, sku_id, quantity, added_at)
           select $1, $2, a.sku_id, a.quantity, $5
           from unnest($3::uuid[], $4::int[]) as a (sku_id, quantity)
           on conflict (shop_id, member_id, sku_id)
           do update set quantity = greatest(l.quantity, excluded.quantity), selected = true""",
        tx.shop_id,
        member_id,
        [line.sku_id for line in lines],
        [line.quantity for line in lines],
        at,
    )


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
