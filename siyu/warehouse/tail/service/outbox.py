"""The outbox consumer: domain events into the tail, exactly once."""

from uuid import UUID

from siyu.kernel import db, relay
from siyu.warehouse.tail import queries, rules
from siyu.warehouse.tail.contracts import OUTBOX_SOURCE, Batch
from siyu.warehouse.tail.queries import Position
from siyu.warehouse.tail.service.append import append, prepare
from siyu.warehouse.tail.service.connection import crash_point, opened

CONSUMER = "warehouse"
_PAGE = 5_000


async def get_position() -> tuple[int, UUID]:
    """How far the outbox has been read: transaction and event id of the last event taken."""
    async with opened() as tx:
        found = await queries.get_position(tx)
    return found.xid, found.event_id


async def consume_outbox(*, settled: bool = True) -> int:
    """Take the next domain events over; returns how many were read, 0 at the end of the outbox.

    The position stands in the warehouse and moves in the transaction that writes the events, so
    that no crash loses or doubles one, also when the warehouse is another server. The outbox's own
    cursor follows; where it lags behind, the events are recognised and left out.
    settled: as in `relay.read_outbox`.
    """
    async with db.system_transaction() as outbox:
        rows = await relay.read_outbox(outbox, CONSUMER, _PAGE, settled=settled)
        if not rows:
            return 0
        async with opened() as tx:
            before = await queries.get_position(tx)
        new = [row for row in rows if (int(row.xid), row.event_id) > (before.xid, before.event_id)]
        if new:
            batch = Batch(
                source=OUTBOX_SOURCE,
                batch_key=new[0].event_id,
                events=[rules.as_tail_event(row) for row in new],
            )
            prepared = await prepare([batch])
            async with opened() as tx:
                after = Position(int(new[-1].xid), new[-1].event_id)
                assert await queries.move_position(tx, before, after), "two readers at once"
                await append(tx, prepared)
            crash_point("outbox.committed")
        await relay.advance(outbox, CONSUMER, rows[-1])
    return len(rows)
