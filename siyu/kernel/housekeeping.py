"""What the kernel keeps, and for how long: each night the rest goes, in small bites.

Dead work stays until somebody decides. An event goes only when every reader of the outbox has
passed it; the warehouse keeps it for good.
"""

from datetime import timedelta

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.ids import first_id_at
from siyu.kernel.jobs import every

BITE = 5_000
"""Rows per transaction: nobody waits behind a long delete, the outbox's readers least of all."""

KEPT = {
    "kernel.deliveries": (timedelta(days=30), "state = 'done' and changed_at < $1"),
    "kernel.inbox": (timedelta(days=180), "state = 'done' and changed_at < $1"),
    "kernel.idempotency": (timedelta(0), "expires_at < $1"),
    "kernel.outbox": (
        timedelta(days=30),
        # By when it was written, not when it happened: imported history happened long ago.
        """event_id < $1 and exists (select from kernel.outbox_cursor)
           and not exists (select from kernel.outbox_cursor c
             where (x.xid, x.event_id) > (c.xid, c.event_id))
           and not exists (select from kernel.deliveries d
             where d.shop_id = x.shop_id and d.event_id = x.event_id)""",
    ),
    "jobs.pgqueuer_log": (timedelta(days=7), "created < $1"),
}
"""Table -> (how long, which rows are over). Deliveries go before the events they quote."""


@every("17 19 * * *")
async def forget_old_rows() -> None:
    """Delete what is over, table by table; 03:17 in China."""
    for table, (kept_for, over) in KEPT.items():
        before = clock.now() - kept_for
        while True:
            async with system_transaction() as tx:
                gone = await tx.run(
                    f"""delete from {table} x where ctid = any (array(
                          select ctid from {table} x where {over} limit {BITE}))""",
                    first_id_at(before) if table == "kernel.outbox" else before,
                )
            if gone < BITE:
                break
