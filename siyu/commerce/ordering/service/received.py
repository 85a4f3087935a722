"""What a member has received: the lines that can be spoken about."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx


class ReceivedLine(msgspec.Struct, frozen=True):
    """A line of a completed order of our own that has not been given back."""

    order_id: UUID
    line_no: int
    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    completed_at: datetime


# Imported history is another shop's sale, and a gift is received by somebody else.
_RECEIVED = """ordering.orders o join ordering.order_lines l using (shop_id, order_id)
  where o.shop_id = $1 and o.member_id = $2 and o.status = 'completed' and o.kind = 'sale'
    and o.source = 'shop' and o.delivery <> 'gift' and l.refunded_quantity < l.quantity
    and o.completed_at is not null"""
_COLUMNS = """o.order_id, l.line_no, l.sku_id, l.product_id, l.product_no, l.title,
  l.option_values, l.image_url, l.quantity, o.completed_at"""


async def get_received_line(
    tx: ReadTx, member_id: UUID, order_id: UUID, line_no: int
) -> ReceivedLine | None:
    """A line that this member bought and has; None for any other."""
    return await tx.maybe(
        ReceivedLine,
        f"select {_COLUMNS} from {_RECEIVED} and o.order_id = $3 and l.line_no = $4",
        tx.shop_id,
        member_id,
        order_id,
        line_no,
    )


async def list_received_lines(
    tx: ReadTx, member_id: UUID, since: datetime, *, but: Sequence[tuple[UUID, int]] = ()
) -> list[ReceivedLine]:
    """What a member received after a moment, newest first, at most 1,000 lines.

    but: (order, line) pairs to leave out.
    """
    return await tx.all(
        ReceivedLine,
        f"""select {_COLUMNS} from {_RECEIVED} and o.completed_at > $3
              and not exists (select from unnest($4::uuid[], $5::int[]) as b (order_id, line_no)
                where b.order_id = o.order_id and b.line_no = l.line_no)
            order by o.completed_at desc, o.order_id desc, l.line_no limit 1000""",
        tx.shop_id,
        member_id,
        since,
        [order_id for order_id, _ in but],
        [line_no for _, line_no in but],
    )
