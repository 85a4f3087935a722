"""All SQL of the tail. Rows of the books are typed; events travel by COPY."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.warehouse.tail.contracts import OUTBOX_SOURCE, Reject

SEAL_LOCK = 7_316_001
PARTITION_LOCK = 7_316_003
"""Advisory lock: shared by writers, exclusive for the moment in which the open slot changes."""

COLUMNS = [
    "slot",
    "shop_id",
    "person_no",
    "at_us",
    "event_no",
    "name_id",
    "channel_id",
    "item_no",
    "amount_fen",
    "page_id",
    "props",
    "zone",
    "dwell_ms",
]


class BatchKey(msgspec.Struct, frozen=True):
    """A batch that was new, and the slot that took it."""

    source: int
    batch_key: UUID
    slot: int


class OpenSlot(msgspec.Struct, frozen=True):
    """The open slot, how many rows its batches have, and its age in seconds."""

    slot: int
    rows: int
    age_s: float


class Position(msgspec.Struct, frozen=True):
    """How far the outbox has been read."""

    xid: int
    event_id: UUID


async def share_seal_lock(tx: Tx) -> None:
    """Keep the open slot open until this transaction ends."""
    await tx.run(f"select pg_advisory_xact_lock_shared({SEAL_LOCK})")


async def insert_batches(tx: Tx, rows: Sequence[tuple[int, UUID, int, int]]) -> list[BatchKey]:
    """Book (source, batch_key, rows, sum_no) in the open slot; returns those that were new."""
    sources, keys, counts, sums = zip(*rows, strict=True)
    return await tx.all(
        BatchKey,
        """insert into warehouse.batch (source, batch_key, slot, rows, sum_no)
           select b.source, b.batch_key, s.slot, b.rows, b.sum_no::numeric
           from unnest($1::int[], $2::uuid[], $3::int[], $4::text[])
                  b(source, batch_key, rows, sum_no),
                (select slot from warehouse.slot where state = 'open') s
           on conflict do nothing
           returning source, batch_key, slot""",
        list(sources),
        list(keys),
        list(counts),
        [str(total) for total in sums],
    )


async def list_erased(tx: ReadTx, persons: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of (shop_id, person_no) have asked to be forgotten."""
    shops, numbers = zip(*persons, strict=True)
    records = await tx.connection.fetch(
        """select shop_id, person_no from warehouse.erasure
           join unnest($1::int[], $2::bigint[]) p(shop_id, person_no) using (shop_id, person_no)""",
        list(shops),
        list(numbers),
    )
    return {(record["shop_id"], record["person_no"]) for record in records}


async def list_withdrawn(
    tx: ReadTx, persons: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    """(shop_id, person_no) → the moment before which nothing that their pages tell is taken."""
    shops, numbers = zip(*persons, strict=True)
    records = await tx.connection.fetch(
        """select shop_id, person_no, before_us from warehouse.withdrawal
           join unnest($1::int[], $2::bigint[]) p(shop_id, person_no) using (shop_id, person_no)""",
        list(shops),
        list(numbers),
    )
    return {(record["shop_id"], record["person_no"]): record["before_us"] for record in records}


async def upsert_withdrawals(
    tx: Tx, shop_id: int, persons: Sequence[int], before_us: int, said_us: int
) -> int:
    """As insert_erasures, of what pages told before a moment; an earlier one changes nothing, nor
    does the same wish again: one noted not before the person said so."""
    await tx.run(f"select pg_advisory_xact_lock({SEAL_LOCK})")
    return await tx.run(
        """insert into warehouse.withdrawal as w (shop_id, person_no, before_us)
           select $1, person_no, $3 from unnest($2::bigint[]) person_no
           on conflict (shop_id, person_no) do update
           set before_us = excluded.before_us, asked_at = now(), done_at = null
           where w.before_us < least(excluded.before_us, $4::bigint)""",
        shop_id,
        list(persons),
        before_us,
        said_us,
    )


async def insert_erasures(tx: Tx, shop_id: int, persons: Sequence[int], asked_by: str) -> int:
    """From now on nothing of these persons is taken; how many had not been asked for before.

    Waits until every writer that knew nothing of it has committed: what they wrote is found by the
    scans that follow.
    """
    await tx.run(f"select pg_advisory_xact_lock({SEAL_LOCK})")
    return await tx.run(
        """insert into warehouse.erasure (shop_id, person_no, asked_by)
           select $1, person_no, $3 from unnest($2::bigint[]) person_no
           on conflict do nothing""",
        shop_id,
        list(persons),
        asked_by,
    )


async def insert_events(tx: Tx, records: Iterable[Sequence[Any]]) -> None:
    """COPY events, columns in the order of COLUMNS."""
    await tx.copy("warehouse.event_tail", COLUMNS, records)


async def insert_counts(tx: Tx, counts: Mapping[tuple[int, int, int, int], int]) -> None:
    """Note (slot, shop_id, name_id, day since 1970) → events."""
    slots, shops, names, days = zip(*counts, strict=True)
    await tx.run(
        """insert into warehouse.event_count (slot, shop_id, name_id, on_day, events)
           select slot, shop_id, name_id, date '1970-01-01' + day, events
           from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[])
                c(slot, shop_id, name_id, day, events)""",
        list(slots),
        list(shops),
        list(names),
        list(days),
        list(counts.values()),
    )


async def insert_rejects(tx: Tx, rejects: Sequence[Reject], samples: Sequence[Reject]) -> None:
    """Count refused events; keep the samples for the merchant's developer to see."""
    counts = Counter((one.shop_id, one.reason, one.name) for one in rejects)
    shops, reasons, names = zip(*(keys := sorted(counts)), strict=True)
    await tx.run(
        """insert into warehouse.reject_day (shop_id, on_day, reason, name, events)
           select shop_id, (now() at time zone 'UTC')::date, reason, name, events
           from unnest($1::int[], $2::text[], $3::text[], $4::bigint[])
                r(shop_id, reason, name, events)
           on conflict (shop_id, on_day, reason, name) do update
           set events = reject_day.events + excluded.events""",
        list(shops),
        list(reasons),
        list(names),
        [counts[key] for key in keys],
    )
    await tx.run(
        """insert into warehouse.reject (shop_id, reason, sample, name)
           select * from unnest($1::int[], $2::text[], $3::text[], $4::text[])""",
        [reject.shop_id for reject in samples],
        [reject.reason for reject in samples],
        [reject.sample for reject in samples],
        [reject.name for reject in samples],
    )


async def delete_old_rejects(tx: Tx) -> int:
    """Forget samples of refusals after 30 days, their counts after 400."""
    await tx.run("delete from warehouse.reject_day where on_day < now() - interval '400 days'")
    return await tx.run("delete from warehouse.reject where at < now() - interval '30 days'")


async def get_blocks(tx: Tx, count: int) -> list[int]:
    """Reserve blocks of event numbers; never given out again, also after a rollback."""
    blocks = await tx.value(
        "select array_agg(nextval('warehouse.event_block')) from generate_series(1, $1)", count
    )
    return [int(block) for block in blocks]


async def get_codes(tx: ReadTx, dictionary: str, texts: Sequence[str]) -> dict[str, int]:
    """The numbers of texts; unknown texts are missing. dictionary: event_name, channel or page."""
    records = await tx.connection.fetch(
        f"select text, id from warehouse.{dictionary} where text = any($1)", list(texts)
    )
    return {record["text"]: record["id"] for record in records}


async def insert_codes(tx: Tx, dictionary: str, texts: Sequence[str]) -> None:
    """Give numbers to new texts while the dictionary has room (20,000 texts).

    Sorted, so that two writers do not meet crosswise.
    """
    await tx.run(
        f"""insert into warehouse.{dictionary} (text)
            select text from unnest($1::text[]) text
            where (select count(*) from warehouse.{dictionary}) < 20000
            order by text on conflict do nothing""",
        list(texts),
    )


async def get_position(tx: ReadTx) -> Position:
    """How far the outbox has been read."""
    return await tx.one(
        Position,
        "select xid::text::bigint as xid, event_id from warehouse.cursor where source = $1",
        OUTBOX_SOURCE,
    )


async def move_position(tx: Tx, before: Position, after: Position) -> bool:
    """Move the cursor if nobody else has; False when somebody has."""
    moved = await tx.run(
        """update warehouse.cursor set xid = $4::text::xid8, event_id = $5
           where source = $1 and xid = $2::text::xid8 and event_id = $3""",
        OUTBOX_SOURCE,
        str(before.xid),
        before.event_id,
        str(after.xid),
        after.event_id,
    )
    return moved == 1


async def get_open_slot(tx: ReadTx) -> OpenSlot:
    """The open slot; its rows as the batches say."""
    return await tx.one(
        OpenSlot,
        """select s.slot, coalesce(sum(b.rows), 0)::bigint as rows,
                  extract(epoch from clock_timestamp() - s.opened_at)::float8 as age_s
           from warehouse.slot s left join warehouse.batch b using (slot)
           where s.state = 'open' group by s.slot""",
    )


async def create_partition(tx: Tx, slot: int) -> None:
    """Make the partition of a slot, also when an earlier try stopped half-way.

    A plain table first, attached afterwards: ATTACH takes a lock that writers do not feel.
    """
    name = f"warehouse.event_tail_{slot:d}"
    await tx.run(f"create table if not exists {name} (like warehouse.event_tail)")
    if not await tx.value("select 1 from pg_inherits where inhrelid = $1::text::regclass", name):
        await tx.run(
            f"alter table warehouse.event_tail attach partition {name} for values in ({slot:d})"
        )


async def seal_slot(tx: Tx, slot: int) -> bool:
    """Open slot → sealed; False when somebody else has done it."""
    moved = await tx.run(
        """update warehouse.slot set state = 'sealed', sealed_at = now()
           where slot = $1 and state = 'open'""",
        slot,
    )
    return moved == 1


async def insert_open_slot(tx: Tx, slot: int) -> None:
    """Open a slot; its partition exists."""
    await tx.run(
        "insert into warehouse.slot (slot, state, opened_at) values ($1, 'open', now())", slot
    )
