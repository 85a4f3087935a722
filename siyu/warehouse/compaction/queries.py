"""All SQL of the manifest."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.warehouse.compaction import rules
from siyu.warehouse.compaction.contracts import (
    FILE_COLUMNS,
    Erasure,
    Intent,
    LiveFile,
    Part,
    Removals,
    Removed,
    Withdrawal,
)
from siyu.warehouse.tail.contracts import SYSTEMS

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


async def get_books(tx: ReadTx) -> Books:
    """What must be there: the batches less what was taken out on purpose."""
    record = await tx.connection.fetchrow(
        """select (b.rows - c.rows)::bigint as rows, b.sum_no - c.sum_no as sum_no
           from (select coalesce(sum(rows), 0) as rows, coalesce(sum(sum_no), 0) as sum_no
                 from warehouse.batch) b,
                (select coalesce(sum(rows), 0) as rows, coalesce(sum(sum_no), 0) as sum_no
                 from warehouse.correction) c"""
    )
    return Books(record["rows"], int(record["sum_no"]))


async def get_slot_books(tx: ReadTx, slot: int) -> Books:
    """Rows and the sum of event numbers that the batches of a slot promise."""
    record = await tx.connection.fetchrow(
        """select coalesce(sum(rows), 0)::bigint as rows, coalesce(sum(sum_no), 0) as sum_no
           from warehouse.batch where slot = $1""",
        slot,
    )
    return Books(record["rows"], int(record["sum_no"]))


async def insert_corrections(tx: Tx, removed: Sequence[Removed]) -> None:
    """Book rows that new files leave out; in the transaction that publishes these files (W1)."""
    if removed:
        await tx.run(
            """insert into warehouse.correction (shop_id, reason, rows, sum_no)
               select shop_id, reason, rows, sum_no::numeric
               from unnest($1::int[], $2::text[], $3::bigint[], $4::text[])
                    r(shop_id, reason, rows, sum_no)""",
            [one.shop_id for one in removed],
            [one.reason for one in removed],
            [one.rows for one in removed],
            [str(one.sum_no) for one in removed],
        )


async def get_removals(tx: ReadTx) -> Removals:
    """Which rows must go: of persons whose erasure or withdrawal is not done, and of months no
    longer kept."""
    erased: dict[int, list[int]] = {}
    for record in await tx.connection.fetch(
        """select shop_id, person_no from warehouse.erasure where done_at is null
           order by shop_id, person_no"""
    ):
        erased.setdefault(record["shop_id"], []).append(record["person_no"])
    kept = await tx.connection.fetch(
        """select shop_id, extract(epoch from date_trunc('month', now() at time zone 'UTC')
             - make_interval(months => keep_months))::bigint * 1000000 as before_us
           from warehouse.retention order by shop_id"""
    )
    expired = {record["shop_id"]: record["before_us"] for record in kept}
    withdrawn: dict[int, dict[int, int]] = {}
    for one in await list_withdrawals(tx, done=False):
        withdrawn.setdefault(one.shop_id, {})[one.person_no] = one.before_us
    return Removals(erased, expired, withdrawn, await list_systems(tx))


async def list_systems(tx: ReadTx) -> list[int]:
    """The numbers of the channels that are no pages."""
    records = await tx.connection.fetch(
        "select id from warehouse.channel where text = any($1) order by id", list(SYSTEMS)
    )
    return [record["id"] for record in records]


async def list_withdrawals(
    tx: ReadTx, *, done: bool | None, shop_id: int | None = None
) -> list[Withdrawal]:
    """As list_erasures, of persons who took back the consent to statistics; of all shops or one."""
    return await tx.all(
        Withdrawal,
        """select shop_id, person_no, before_us, asked_at, done_at from warehouse.withdrawal
           where ($1::boolean is null or (done_at is not null) = $1)
             and ($2::int is null or shop_id = $2)
           order by asked_at desc, shop_id, person_no""",
        done,
        shop_id,
    )


async def finish_withdrawals(tx: Tx, shop_id: int, found: Sequence[Withdrawal]) -> None:
    """Nothing is left of what these pages told; of somebody who withdrew again meanwhile there may
    be."""
    await tx.run(
        """update warehouse.withdrawal w set done_at = now()
           from unnest($2::bigint[], $3::bigint[]) f(person_no, before_us)
           where w.shop_id = $1 and w.person_no = f.person_no and w.before_us = f.before_us
             and w.done_at is null""",
        shop_id,
        [one.person_no for one in found],
        [one.before_us for one in found],
    )


async def list_erasures(tx: ReadTx, *, done: bool | None) -> list[Erasure]:
    """Persons who asked to be forgotten (done or not; None: all), newest first."""
    return await tx.all(
        Erasure,
        """select shop_id, person_no, asked_at, asked_by, done_at from warehouse.erasure
           where $1::boolean is null or (done_at is not null) = $1
           order by asked_at desc, shop_id, person_no""",
        done,
    )


async def finish_erasures(tx: Tx, shop_id: int, persons: Sequence[int]) -> None:
    """Nothing is left of these persons."""
    await tx.run(
        """update warehouse.erasure set done_at = now()
           where shop_id = $1 and person_no = any($2) and done_at is null""",
        shop_id,
        list(persons),
    )


async def is_unwanted_in_tail(tx: ReadTx) -> bool:
    """Whether an open or sealed slot holds rows of an erasure or withdrawal that is not done."""
    return bool(
        await tx.value(
            """select exists (
                 select from warehouse.event_tail t
                 where slot = any(array(select slot from warehouse.slot where state <> 'compacted'))
                   and (exists (select from warehouse.erasure e where e.done_at is null
                          and (e.shop_id, e.person_no) = (t.shop_id, t.person_no))
                     or exists (select from warehouse.withdrawal w where w.done_at is null
                          and (w.shop_id, w.person_no) = (t.shop_id, t.person_no)
                          and t.at_us < w.before_us
                          and t.channel_id not in (
                            select id from warehouse.channel where text = any($1)))))""",
            list(SYSTEMS),
        )
    )


async def is_swept(tx: ReadTx) -> bool:
    """Whether there is nothing on disk but live files, and no partition of a compacted slot."""
    return bool(
        await tx.value(
            """select not exists (select from warehouse.file where state <> 'live')
               and not exists (
                 select from warehouse.slot s
                 join pg_inherits i on i.inhparent = 'warehouse.event_tail'::regclass
                   and i.inhrelid = to_regclass('warehouse.event_tail_' || s.slot)
                 where s.state = 'compacted')"""
        )
    )


async def get_name_id(tx: ReadTx, name: str) -> int | None:
    """The number of an event name, if it was ever seen."""
    found = await tx.value("select id from warehouse.event_name where text = $1", name)
    return None if found is None else int(found)


async def list_joined_in_tail(
    tx: ReadTx, shop_id: int, name: str
) -> list[tuple[int, int, int, int | None]]:
    """(moment in microseconds, event, member, visitor) of the events of open and sealed slots that
    join them."""
    records = await tx.connection.fetch(
        """select at_us, event_no, person_no,
             case when jsonb_typeof(props->'joined_person_no') = 'number'
             then (props->>'joined_person_no')::bigint end as visitor_no
           from warehouse.event_tail
           where shop_id = $1 and slot = any(array(
             select slot from warehouse.slot where state <> 'compacted'))
             and name_id = (select id from warehouse.event_name where text = $2)""",
        shop_id,
        name,
    )
    return [tuple(record) for record in records]


async def is_blank(tx: ReadTx) -> bool:
    """Whether this warehouse has never taken or written anything."""
    return bool(
        await tx.value(
            """select not exists (select from warehouse.batch)
               and not exists (select from warehouse.file)"""
        )
    )


async def insert_recovered(tx: Tx, rows: int, sum_no: int, block: int) -> None:
    """Book what the files hold, in a slot of its own; numbers below `block` are used up."""
    await tx.run(
        """insert into warehouse.slot (slot, state, opened_at, sealed_at, compacted_at)
           values (0, 'compacted', now(), now(), now())"""
    )
    await tx.run(
        """insert into warehouse.batch (source, batch_key, slot, rows, sum_no)
           values ($1, gen_random_uuid(), 0, $2, $3::text::numeric)""",
        FOLDED_SOURCE,
        rows,
        str(sum_no),
    )
    await tx.value("select setval('warehouse.event_block', $1)", block)


async def get_retention(tx: ReadTx, shop_id: int) -> int | None:
    """Whole months that a shop keeps; None: everything."""
    found = await tx.value(
        "select keep_months from warehouse.retention where shop_id = $1", shop_id
    )
    return None if found is None else int(found)


async def set_retention(tx: Tx, shop_id: int, keep_months: int | None) -> None:
    """Keep so many whole months of a shop; None: everything."""
    if keep_months is None:
        await tx.run("delete from warehouse.retention where shop_id = $1", shop_id)
        return
    await tx.run(
        """insert into warehouse.retention (shop_id, keep_months) values ($1, $2)
           on conflict (shop_id) do update set keep_months = excluded.keep_months""",
        shop_id,
        keep_months,
    )


async def get_texts(tx: ReadTx, wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[str, str]]:
    """Texts of numbers, by dictionary; the numbers as texts, for JSON."""
    found = {}
    for dictionary, ids in wanted.items():
        records = await tx.connection.fetch(
            f"select id, text from warehouse.{dictionary} where id = any($1) order by id", list(ids)
        )
        found[dictionary] = {str(record["id"]): record["text"] for record in records}
    return found


async def list_own_buckets(tx: ReadTx) -> set[int]:
    """Shops that have a bucket of their own: those with a live file in it."""
    records = await tx.connection.fetch(
        f"""select distinct bucket - {rules.BUCKETS} as shop_id from warehouse.file
            where state = 'live' and bucket >= {rules.BUCKETS}"""
    )
    return {record["shop_id"] for record in records}


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


async def fold_counts(tx: Tx, slot: int) -> None:
    """Add the counts of a slot's events to those of the days; in the transaction that closes it."""
    await tx.run(
        """with gone as (delete from warehouse.event_count where slot = $1 returning *)
           insert into warehouse.event_day (shop_id, name_id, on_day, events, last_at)
           select shop_id, name_id, on_day, sum(events), max(at) from gone
           group by shop_id, name_id, on_day order by shop_id, name_id, on_day
           on conflict (shop_id, name_id, on_day) do update
           set events = event_day.events + excluded.events,
               last_at = greatest(event_day.last_at, excluded.last_at)""",
        slot,
    )


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
        """select file_no, path, level, bucket, month, rows, min_us, max_us, min_shop, max_shop,
             min_person, max_person
           from warehouse.file
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
