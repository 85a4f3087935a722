"""What we believe happened at WeChat, by our numbers there: for reconciliation."""

from collections.abc import Sequence
from uuid import UUID

from siyu.kernel.db import ReadTx
from siyu.money.ledger.contracts import OutsideNumber

# WeChat takes the money when it accepts, and gives it back when nobody receives it.
_ROWS = """select payout_id as ref, number, merchant, case when is_taken
    and state not in ('failed', 'cancelled', 'rejected') then -net_fen else 0 end as amount_fen
  from payouts.payouts where shop_id = $1"""


async def find_outside(tx: ReadTx, numbers: Sequence[str]) -> list[OutsideNumber]:
    """Payouts under these numbers of ours."""
    return await tx.all(OutsideNumber, f"{_ROWS} and number = any($2)", tx.shop_id, list(numbers))


async def list_outside(tx: ReadTx, refs: Sequence[UUID]) -> list[OutsideNumber]:
    """Those of these ledger refs that are payouts, with our numbers."""
    return await tx.all(OutsideNumber, f"{_ROWS} and payout_id = any($2)", tx.shop_id, list(refs))
