"""All SQL of the manifest."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.warehouse.compaction import rules
from siyu.warehouse.compaction.contracts import FILE_COLUMNS, Intent, LiveFile, Part

COMPACTOR_LOCK = 7_316_002
FOLDED_SOURCE = -1
"""`batch.source` of the row that stands for all old batches of a slot."""


class Books(msgspec.Struct, frozen=True):
    """What the ledger says of one slot or of everything."""

    rows: int
    sum_no: int


class Written(msgspec.Struct, frozen=True):
    """A file on disk, ready to be published."""

    file_no: int
    part: Part
    bytes: int


async def try_lock_compactor(tx: ReadTx) -> bool:
    """Become the compactor for as long as this connection lives (or until unlocked)."""
    return bool(await tx.value(f"select pg_try_advisory_lock({COMPACTOR_LOCK})"))


async def unlock_compactor(tx: ReadTx) -> None:
    """Let another one be the compactor."""
    await tx.value(f"select pg_advisory_unlock({COMPACTOR_LOCK})")


async def list_sealed_slots(tx: ReadTx) -> list[int]:
    """Slots to be compacted, oldest first."""
    records = await tx.connection.fetch(
        "select slot from warehouse.slot where state = 'sealed' order by slot"
    )
    return [record["slot"] for record in records]


async def get_books(tx: ReadTx, slot: int | None = None) -> Books:
    """Rows and the sum of event numbers that the batches of a slot (or all) promise."""
    record = await tx.connection.fetchrow(
        """select coalesce(sum(rows), 0)::bigint as rows, coalesce(sum(sum_no), 0) as sum_no
           from warehouse.batch where $1::bigint is null or slot = $1""",
        slot,
    )
    return Books(record["rows"], int(record["sum_no"]))


async def copy_slot(tx: ReadTx, slot: int, output: Path) -> bool:
    """Copy a sealed slot into a CSV file; False when the slot is no longer sealed."""
    if await tx.value("select state from warehouse.slot where slot = $1", slot) != "sealed":
        return False
    columns = ", ".join(FILE_COLUMNS)
    await tx.connection.copy_from_query(
        f"select {columns} from warehouse.event_tail_{slot:d}", output=str(output), format="csv"
    )
    return True


async def insert_intents(
    tx: Tx, files: Sequence[tuple[str, int, date]], level: int, slot: int | None
) -> list[Intent]:
    """Announce files (path, bucket, month) before they exist (W5)."""
    paths, buckets, months = zip(*files, strict=True)
    return await tx.all(
        Intent,
        """insert into warehouse.file (path, state, level, bucket, month, from_slot, lease_until)
           select f.path, 'writing', $4, f.bucket, f.month, $5, now() + make_interval(secs => $6)
           from unnest($1::text[], $2::int[], $3::date[]) f(path, bucket, month)
           returning file_no, path, bucket, month""",
        list(paths),
        list(buckets),
        list(months),
        level,
        slot,
        rules.LEASE_S,
    )


async def publish_files(tx: Tx, written: Sequence[Written]) -> int:
    """Intents → live; how many were still intents."""
    parts = [file.part for file in written]
    return await tx.run(
        """update warehouse.file f
           set state = 'live', lease_until = null, rows = w.rows, bytes = w.bytes,
               min_us = w.min_us, max_us = w.max_us, min_shop = w.min_shop, max_shop = w.max_shop,
               min_person = w.min_person, max_person = w.max_person
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                       $6::int[], $7::int[], $8::bigint[], $9::bigint[])
                w(file_no, rows, bytes, min_us, max_us, min_shop, max_shop, min_person, max_person)
           where f.file_no = w.file_no and f.state = 'writing'""",
        [file.file_no for file in written],
        [part.rows for part in parts],
        [file.bytes for file in written],
        [part.min_us for part in parts],
        [part.max_us for part in parts],
        [part.min_shop for part in parts],
        [part.max_shop for part in parts],
        [part.min_person for part in parts],
        [part.max_person for part in parts],
    )


async def close_slot(tx: Tx, slot: int) -> bool:
    """Slot sealed → compacted; False when it was not sealed any more."""
    moved = await tx.run(
        """update warehouse.slot set state = 'compacted', compacted_at = now()
           where slot = $1 and state = 'sealed'""",
        slot,
    )
    return moved == 1


async def retire_files(tx: Tx, file_nos: Sequence[int]) -> int:
    """Live → dead; how many were live."""
    return await tx.run(
        """update warehouse.file set state = 'dead', dead_at = now()
           where file_no = any($1) and state = 'live'""",
        list(file_nos),
    )


async def abandon_intents(tx: Tx, file_nos: Sequence[int]) -> None:
    """Writing → dead: this attempt lost."""
    await tx.run(
        """update warehouse.file set state = 'dead', dead_at = now(), lease_until = null
           where file_no = any($1) and state = 'writing'""",
        list(file_nos),
    )


async def expire_intents(tx: Tx) -> int:
    """Writing past its lease → dead: the writer has died."""
    return await tx.run(
        """update warehouse.file set state = 'dead', dead_at = now(), lease_until = null
           where state = 'writing' and lease_until < now()"""
    )


async def list_live_files(tx: ReadTx) -> list[LiveFile]:
    """Every file that counts, oldest months first."""
    return await tx.all(
        LiveFile,
        """select file_no, path, level, bucket, month, rows from warehouse.file
           where state = 'live' order by bucket, month, file_no""",
    )


async def list_quiet_months(tx: ReadTx) -> set[tuple[int, date]]:
    """(bucket, month) of past months that got no new file for a day."""
    records = await tx.connection.fetch(
        """select f.bucket, f.month
           from warehouse.file f left join warehouse.slot s on s.slot = f.from_slot
           where f.state = 'live' and f.month < date_trunc('month', now() at time zone 'UTC')
           group by f.bucket, f.month
           having coalesce(max(s.compacted_at), '-infinity') < now() - interval '1 day'"""
    )
    return {(record["bucket"], record["month"]) for record in records}


async def list_collectable(tx: ReadTx, grace_s: float) -> list[tuple[int, str]]:
    """Dead files whose grace is over: number and path."""
    records = await tx.connection.fetch(
        """select file_no, path from warehouse.file
           where state = 'dead' and dead_at < now() - make_interval(secs => $1) order by file_no""",
        grace_s,
    )
    return [(record["file_no"], record["path"]) for record in records]


async def delete_file(tx: Tx, file_no: int) -> None:
    """Forget a file that is gone from disk."""
    await tx.run("delete from warehouse.file where file_no = $1 and state = 'dead'", file_no)


async def list_droppable_slots(tx: ReadTx) -> list[int]:
    """Compacted slots whose partition still exists."""
    records = await tx.connection.fetch(
        """select s.slot from warehouse.slot s
           join pg_inherits i on i.inhparent = 'warehouse.event_tail'::regclass
             and i.inhrelid = to_regclass('warehouse.event_tail_' || s.slot)
           where s.state = 'compacted' order by s.slot"""
    )
    return [record["slot"] for record in records]


async def drop_partition(tx: Tx, slot: int) -> None:
    """Drop the partition of a compacted slot."""
    await tx.run(f"drop table if exists warehouse.event_tail_{slot:d}")


async def fold_batches(tx: Tx) -> None:
    """One row per slot for batches of slots compacted 40 days ago; their sums stay.

    No batch is sent again after that: events older than 30 days are refused, and the outbox has
    its cursor.
    """
    await tx.run(
        """with old as (
             delete from warehouse.batch b using warehouse.slot s
             where b.slot = s.slot and b.source <> $1 and s.state = 'compacted'
               and s.compacted_at < now() - interval '40 days'
             returning b.slot, b.rows, b.sum_no)
           insert into warehouse.batch (source, batch_key, slot, rows, sum_no)
           select $1, gen_random_uuid(), slot, sum(rows), sum(sum_no) from old group by slot""",
        FOLDED_SOURCE,
    )


async def get_tail_books(tx: ReadTx) -> Books:
    """Rows and event numbers really in the tail: open and sealed slots."""
    record = await tx.connection.fetchrow(
        """select count(*) as rows, coalesce(sum(event_no), 0) as sum_no
           from warehouse.event_tail
           where slot = any(array(select slot from warehouse.slot where state <> 'compacted'))"""
    )
    return Books(record["rows"], int(record["sum_no"]))
