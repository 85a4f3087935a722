"""What the worker runs for the ledger."""

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.jobs import every
from siyu.money.ledger import queries

_BATCH = 10_000


@every(seconds=10)
async def roll_up() -> None:
    """Add what was posted to books without owners to their accounts, batch by batch."""
    while True:
        async with system_transaction() as tx:
            if await queries.move_deltas(tx, _BATCH) < _BATCH:
                return


@every(seconds=30)
async def expire_holds() -> None:
    """End holds whose time is over, and free what they held."""
    while True:
        async with system_transaction() as tx:
            if await queries.move_expired_holds(tx, clock.now(), _BATCH) < _BATCH:
                return
