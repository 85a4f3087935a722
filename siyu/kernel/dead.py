"""What was given up after its last try: jobs and deliveries, with the reason and a way back."""

import contextlib
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.errors import NotFound


class DeadItem(msgspec.Struct, frozen=True):
    """A job or delivery that nobody tries any more."""

    dead_id: str
    """`job:<number>` or `delivery:<event id>:<reaction>`."""
    kind: str
    name: str
    event: str | None
    tries: int
    reason: str
    failed_at: datetime


async def list_dead(tx: ReadTx, before: tuple[datetime, str] | None, limit: int) -> list[DeadItem]:
    """Dead items of `tx.shop_id`, the latest first; `before`: failed_at, dead_id of the last one.

    `tx` is a system transaction, for the queue is not fenced by shop.
    """
    return await tx.all(
        DeadItem,
        """select * from (
             select 'job:' || j.id as dead_id, 'job' as kind, j.entrypoint as name,
                    null as event, j.attempts + 1 as tries, j.updated as failed_at,
                    coalesce((select l.traceback ->> 'exception_message'
                                from jobs.pgqueuer_log l
                               where l.job_id = j.id and l.status = 'failed'
                               order by l.created desc limit 1), '') as reason
               from jobs.pgqueuer j
              where j.status = 'failed' and (j.headers ->> 'shop_id')::int = $1
             union all
             select 'delivery:' || d.event_id || ':' || d.reaction, 'delivery', d.reaction,
                    o.name, d.tries, d.changed_at, coalesce(d.reason, '')
               from kernel.deliveries d join kernel.outbox o using (shop_id, event_id)
              where d.shop_id = $1 and d.state = 'dead') as dead
            where $2::timestamptz is null or (failed_at, dead_id) < ($2, $3::text)
            order by failed_at desc, dead_id desc limit $4""",
        tx.shop_id,
        *(before or (None, None)),
        limit,
    )


async def retry(tx: Tx, dead_id: str) -> None:
    """Let a dead item of `tx.shop_id` be tried anew; NotFound when it is not dead (any more).

    `tx` is a system transaction.
    """
    kind, _, rest = dead_id.partition(":")
    count = 0
    if kind == "job" and rest.isdecimal() and len(rest) < 19:
        count = await tx.run(
            """update jobs.pgqueuer
                  set status = 'queued', execute_after = now(), updated = now(), attempts = 0
                where id = $1 and status = 'failed' and (headers ->> 'shop_id')::int = $2""",
            int(rest),
            tx.shop_id,
        )
    elif kind == "delivery":
        event_id, _, reaction = rest.partition(":")
        with contextlib.suppress(ValueError):
            count = await tx.run(
                """update kernel.deliveries
                      set state = 'due', tries = 0, due_at = now(), changed_at = now()
                    where shop_id = $1 and event_id = $2 and reaction = $3 and state = 'dead'""",
                tx.shop_id,
                UUID(event_id),
                reaction,
            )
    if not count:
        raise NotFound(dead_id=dead_id)
