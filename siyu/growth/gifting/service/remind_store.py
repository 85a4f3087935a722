"""SQL of reminding givers."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx


class Ending(msgspec.Struct, frozen=True):
    """A gift of which something waits though its time is nearly over."""

    shop_id: int
    gift_id: UUID
    giver_no: int
    title: str
    accept_before: datetime


async def list_ending(tx: ReadTx, since: datetime, until: datetime, limit: int) -> list[Ending]:
    """Gifts of all shops that end in this time and that nobody, or not everybody, accepted."""
    return await tx.all(
        Ending,
        """select shop_id, gift_id, giver_no, title, accept_before from gifting.gifts g
           where accept_before > $1 and accept_before <= $2
             and exists (select from gifting.shares s where s.shop_id = g.shop_id
               and s.gift_id = g.gift_id and s.state = 'waiting')
           order by accept_before limit $3""",
        *(since, until, limit),
    )
