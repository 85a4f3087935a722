"""What we believe happened at WeChat, by our numbers there: for reconciliation."""

from collections.abc import Sequence
from uuid import UUID

from siyu.kernel.db import ReadTx
from siyu.money.ledger.contracts import OutsideNumber

# What is unfrozen stays ours: it moves nothing that a bill of the balance shows.
_ROWS = """select r.request_id as ref, r.number, plan.merchant, case r.kind
    when 'split' then -coalesce((select sum(p.sent_fen) from profit_sharing.parts p
      where p.shop_id = r.shop_id and p.order_id = r.order_id and p.request_id = r.request_id
        and p.state = 'paid'), 0)::bigint
    else case when r.state = 'finished' then r.amount_fen else 0 end end as amount_fen
  from profit_sharing.requests r join profit_sharing.plans plan using (shop_id, order_id)
  where r.shop_id = $1 and r.kind <> 'unfreeze'"""


async def find_outside(tx: ReadTx, numbers: Sequence[str]) -> list[OutsideNumber]:
    """Splits and returns under these numbers of ours."""
    return await tx.all(OutsideNumber, f"{_ROWS} and r.number = any($2)", tx.shop_id, list(numbers))


async def list_outside(tx: ReadTx, refs: Sequence[UUID]) -> list[OutsideNumber]:
    """Those of these ledger refs that are splits and returns, with our numbers."""
    return await tx.all(
        OutsideNumber, f"{_ROWS} and r.request_id = any($2)", tx.shop_id, list(refs)
    )
