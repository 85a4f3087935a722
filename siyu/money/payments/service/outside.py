"""What we believe happened at WeChat, by our numbers there: for reconciliation."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx
from siyu.money.ledger.contracts import OutsideNumber

# Parked money lies under the ref of its parking, or (paid first, parked later) under that of the
# attempt: both are named, and the amount once.
_ROWS = """select payment_id as ref, number, merchant,
    case when state = 'paid' then amount_fen else 0 end as amount_fen, order_id
  from payments.attempts where shop_id = $1 and provider_number is not null
  union all
  select parked_id, number, merchant,
    case when resolution = 'accepted' then 0 else amount_fen end, order_id
  from payments.suspense where shop_id = $1 and is_booked
  union all
  select refund_id, number, merchant,
    case when state in ('closed', 'failed') or (state = 'settled' and not to_merchant) then 0
      else -amount_fen end, order_id
  from payments.refunds where shop_id = $1 and provider_number is not null"""


class _OfOrder(msgspec.Struct, frozen=True):
    number: str
    order_id: UUID


async def find_outside(tx: ReadTx, numbers: Sequence[str]) -> list[OutsideNumber]:
    """Payments, parked money and refunds under these numbers of ours."""
    return await tx.all(
        OutsideNumber,
        f"""select ref, number, merchant, amount_fen from ({_ROWS}) r where number = any($2)
            order by number, ref""",
        tx.shop_id,
        list(numbers),
    )


async def list_outside(tx: ReadTx, refs: Sequence[UUID]) -> list[OutsideNumber]:
    """Those of these ledger refs that are of payments, with our numbers."""
    return await tx.all(
        OutsideNumber,
        f"""select ref, number, merchant, amount_fen from ({_ROWS}) r where ref = any($2)
            order by number, ref""",
        tx.shop_id,
        list(refs),
    )


async def find_orders(tx: ReadTx, numbers: Sequence[str]) -> dict[str, UUID]:
    """The orders behind our numbers of payments and refunds."""
    rows = await tx.all(
        _OfOrder,
        f"""select distinct on (number) number, order_id from ({_ROWS}) r
            where number = any($2) and order_id is not null order by number, order_id""",
        tx.shop_id,
        list(numbers),
    )
    return {row.number: row.order_id for row in rows}
