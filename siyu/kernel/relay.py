"""Brings events from the outbox to the reactions of the event map: at least once, applied once.

Two steps. *Fan out*: read the outbox behind a cursor and write one delivery per event and reaction.
*Deliver*: run each due reaction in its own transaction of the shop, together with the row that says
so. The row's lock is the lease: a killed worker lets go of it at once.

Other readers of the outbox (the warehouse) use `read_outbox` and `advance` with a cursor of theirs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock, db, jobs, metrics
from siyu.kernel.db import Tx
from siyu.kernel.errors import Busy
from siyu.kernel.events import Event
from siyu.kernel.ids import ShopId
from siyu.kernel.logs import describe

Reaction = Callable[[Tx, Any], Awaitable[None]]
EventMap = Mapping[type[Event], Sequence[Reaction]]

CONSUMER = "relay"
TRIES = 12
BATCH = 500
AT_ONCE = 8

_log = logging.getLogger(__name__)


class OutboxRow(msgspec.Struct, frozen=True):
    """An event as written; `xid` is the 64-bit transaction id in text."""

    shop_id: int
    event_id: UUID
    xid: str
    name: str
    payload: Any
    happened_at: datetime


class Delivery(msgspec.Struct, frozen=True):
    """A reaction that is due."""

    shop_id: int
    event_id: UUID
    reaction: str


async def read_outbox(
    tx: Tx, consumer: str, limit: int = BATCH, *, settled: bool = True
) -> list[OutboxRow] | None:
    """The next events for a consumer, in commit-safe order; None when another process reads now.

    `tx` is a system transaction; it keeps the consumer's cursor locked until its end, so that what
    is made of the events and `advance` commit together. settled: leave out events that a still
    running transaction could come before; only a test, alone with its database, may read them.
    """
    # Locking writes; an idle poll should not.
    begun = await tx.value("select true from kernel.outbox_cursor where consumer = $1", consumer)
    if begun is None:
        await tx.run(
            "insert into kernel.outbox_cursor (consumer) values ($1) on conflict do nothing",
            consumer,
        )
    unread = await tx.value(
        """select exists (
             select from kernel.outbox o where (o.xid, o.event_id) > (c.xid, c.event_id))
             from kernel.outbox_cursor c where consumer = $1""",
        consumer,
    )
    if not unread:
        return []
    locked = await tx.value(
        "select true from kernel.outbox_cursor where consumer = $1 for no key update skip locked",
        consumer,
    )
    if locked is None:
        return None
    return await tx.all(
        OutboxRow,
        """select o.shop_id, o.event_id, o.xid::text as xid, o.name, o.payload, o.happened_at
             from kernel.outbox_cursor c
             join kernel.outbox o on (o.xid, o.event_id) > (c.xid, c.event_id)
            where c.consumer = $1
              and ($3 or o.xid < pg_snapshot_xmin(pg_current_snapshot()))
            order by o.xid, o.event_id limit $2""",
        consumer,
        limit,
        not settled,
    )


async def advance(tx: Tx, consumer: str, last: OutboxRow) -> None:
    """Move a consumer's cursor behind `last`, in the transaction that read it."""
    await tx.run(
        """update kernel.outbox_cursor
              set xid = $2::text::xid8, event_id = $3, moved_at = clock_timestamp()
            where consumer = $1""",
        consumer,
        last.xid,
        last.event_id,
    )


async def hold(tx: Tx, consumer: str) -> None:
    """Keep a consumer's cursor where it is until the end of this system transaction."""
    await tx.run("select from kernel.outbox_cursor where consumer = $1 for no key update", consumer)


class Relay:
    """The relay of one process, for one event map."""

    def __init__(self, event_map: EventMap) -> None:
        self._events = {kind.name: kind for kind in event_map}
        self._reactions = {
            jobs.lasting_name(reaction): reaction
            for listed in event_map.values()
            for reaction in listed
        }
        self._names = {
            kind.name: [jobs.lasting_name(reaction) for reaction in listed]
            for kind, listed in event_map.items()
        }

    async def fan_out(self, *, settled: bool = True) -> int:
        """Write the deliveries of the next batch of events; how many events were read."""
        async with db.system_transaction() as tx:
            rows = await read_outbox(tx, CONSUMER, settled=settled)
            if not rows:
                return 0
            wanted = [
                (row.shop_id, row.event_id, reaction)
                for row in rows
                for reaction in self._names.get(row.name, ())
            ]
            if wanted:
                await tx.run(
                    """insert into kernel.deliveries (shop_id, event_id, reaction, due_at)
                       select *, now() + $4::interval
                         from unnest($1::int[], $2::uuid[], $3::text[])
                       on conflict do nothing""",
                    *map(list, zip(*wanted, strict=True)),
                    clock.shift(),
                )
            await advance(tx, CONSUMER, rows[-1])
            return len(rows)

    async def due(self) -> list[Delivery]:
        """Due deliveries, the longest waiting first; of reactions that this program knows."""
        async with db.system_transaction() as tx:
            return await tx.all(
                Delivery,
                """select shop_id, event_id, reaction from kernel.deliveries
                    where state = 'due' and due_at <= now() + $1::interval
                      and reaction = any($2::text[])
                    order by due_at, event_id, reaction limit $3""",
                clock.shift(),
                list(self._reactions),
                BATCH,
            )

    async def deliver(self, delivery: Delivery) -> bool:
        """Run one reaction; whether it was applied now. A failure passes through, unrecorded."""
        async with db.transaction(ShopId(delivery.shop_id)) as tx:
            found = await tx.maybe(
                OutboxRow,
                """select o.shop_id, o.event_id, o.xid::text as xid, o.name, o.payload,
                          o.happened_at
                     from kernel.deliveries d join kernel.outbox o using (shop_id, event_id)
                    where d.shop_id = $1 and d.event_id = $2 and d.reaction = $3
                      and d.state = 'due' for no key update of d skip locked""",
                *msgspec.structs.astuple(delivery),
            )
            if found is None:
                return False
            event = msgspec.convert(found.payload, self._events[found.name])
            await self._reactions[delivery.reaction](tx, event)
            await tx.run(
                """update kernel.deliveries set state = 'done', reason = null, changed_at = now()
                    where shop_id = $1 and event_id = $2 and reaction = $3""",
                *msgspec.structs.astuple(delivery),
            )
        metrics.deliveries.labels(delivery.reaction, "done").inc()
        return True

    async def record_failure(self, delivery: Delivery, error: BaseException) -> None:
        """Count the try; the delivery comes back after a pause, or is dead after the last one."""
        async with db.transaction(ShopId(delivery.shop_id)) as tx:
            tries = await tx.value(
                """update kernel.deliveries
                      set tries = tries + 1, reason = $4, changed_at = now(),
                          state = case when tries + 1 >= $5 then 'dead' else 'due' end,
                          due_at = now() + $6::interval
                    where shop_id = $1 and event_id = $2 and reaction = $3 and state = 'due'
                returning tries""",
                *msgspec.structs.astuple(delivery),
                describe(error),
                TRIES,
                clock.shift(),
            )
            if tries is not None:
                await tx.run(
                    """update kernel.deliveries set due_at = due_at + $4::interval
                        where shop_id = $1 and event_id = $2 and reaction = $3""",
                    *msgspec.structs.astuple(delivery),
                    jobs.pause_before(tries - 1),
                )
        dead = (tries or 0) >= TRIES
        metrics.deliveries.labels(delivery.reaction, "dead" if dead else "retried").inc()
        _log.log(
            logging.ERROR if dead else logging.WARNING,
            "reaction failed",
            extra={"reaction": delivery.reaction, "event_id": str(delivery.event_id)},
            exc_info=error,
        )

    async def step(self) -> int:
        """Fan out and deliver what is due, several at once; how much there was to do."""
        read = await self.fan_out()
        due = await self.due()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(delivery: Delivery) -> None:
            async with gate:
                try:
                    await self.deliver(delivery)
                except Exception as error:
                    await self.record_failure(delivery, error)

        await asyncio.gather(*(one(delivery) for delivery in due))
        return read + len(due)

    async def serve(self, stop: asyncio.Event, bell: asyncio.Event) -> None:
        """Work until `stop`; looks again when `bell` rings, and every second anyway."""
        while not stop.is_set():
            seconds = 1.0
            try:
                if await self.step():
                    continue
            except Busy as error:
                _log.warning("relay waits for the database", exc_info=error)
                seconds = 0.2
            bell.clear()
            waits = [asyncio.ensure_future(event.wait()) for event in (stop, bell)]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def drain(self, *, strict: bool = True) -> int:
        """Run everything due, events and jobs, until it is quiet; how much was done.

        For tests and simulation: in this task, in order, by the kernel clock. Nobody else may be
        writing. strict: the first failure passes through, after it was recorded.
        """
        count = 0
        while True:
            done = 0
            while read := await self.fan_out(settled=False):
                done += read
            for delivery in await self.due():
                try:
                    done += await self.deliver(delivery)
                except Exception as error:
                    await self.record_failure(delivery, error)
                    done += 1
                    if strict:
                        raise
            done += await jobs.drain(strict=strict)
            if not done:
                return count
            count += done
