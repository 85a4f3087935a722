"""All SQL of the segments domain."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.segments import rules
from siyu.people.segments.contracts import Rule, Segment, Snapshot

_SEGMENT = """segment_id, name, note, rule, live, bars, person_count, counted_at, made_by,
  created_at"""


class SegmentRow(msgspec.Struct, frozen=True):
    """A segment as it is stored."""

    segment_id: UUID
    name: str
    note: str
    rule: Any
    live: bool
    bars: dict[str, int]
    person_count: int
    counted_at: datetime
    made_by: str
    created_at: datetime

    def read(self) -> Segment:
        """With its rule."""
        fields = msgspec.structs.asdict(self)
        fields["rule"] = None if self.rule is None else rules.read(self.rule)
        return Segment(**fields)


class BlockRow(msgspec.Struct, frozen=True):
    """A piece of a set of persons."""

    segment_id: UUID
    block: int
    bits: bytes


async def count_segments(tx: ReadTx) -> int:
    """How many segments the shop keeps."""
    return int(
        await tx.value("select count(*) from segments.segments where shop_id = $1", tx.shop_id)
    )


async def list_segments(tx: ReadTx) -> list[Segment]:
    """All of them, newest first."""
    rows = await tx.all(
        SegmentRow,
        f"""select {_SEGMENT} from segments.segments where shop_id = $1
            order by created_at desc, segment_id desc""",
        tx.shop_id,
    )
    return [row.read() for row in rows]


async def get_segment(tx: ReadTx, segment_id: UUID) -> Segment | None:
    """One of them."""
    row = await tx.maybe(
        SegmentRow,
        f"select {_SEGMENT} from segments.segments where shop_id = $1 and segment_id = $2",
        tx.shop_id,
        segment_id,
    )
    return None if row is None else row.read()


async def lock_segments(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Segment]:
    """Segments, held in one order for everybody."""
    rows = await tx.all(
        SegmentRow,
        f"""select {_SEGMENT} from segments.segments
            where shop_id = $1 and segment_id = any($2::uuid[])
            order by segment_id for no key update""",
        *(tx.shop_id, list(ids)),
    )
    return {row.segment_id: row.read() for row in rows}


async def list_live_shops(tx: ReadTx) -> list[int]:
    """Shops with a live segment. Runs as the system."""
    records = await tx.connection.fetch(
        "select distinct shop_id from segments.segments where live order by shop_id"
    )
    return [record["shop_id"] for record in records]


async def list_ruled_shops(tx: ReadTx) -> list[int]:
    """Shops with a rule to be counted. Runs as the system."""
    records = await tx.connection.fetch(
        "select distinct shop_id from segments.segments where rule is not null order by shop_id"
    )
    return [record["shop_id"] for record in records]


async def insert_segment(tx: Tx, segment: Segment) -> bool:
    """Keep a segment; False when its name is taken."""
    kept = await tx.run(
        """insert into segments.segments (shop_id, segment_id, name, note, rule, live, bars,
             person_count, counted_at, made_by, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict (shop_id, name) do nothing""",
        *(tx.shop_id, segment.segment_id, segment.name, segment.note, _stored(segment.rule)),
        *(segment.live, segment.bars, segment.person_count, segment.counted_at),
        *(segment.made_by, segment.created_at),
    )
    return kept == 1


def _stored(rule: Rule | None) -> Any:
    return None if rule is None else msgspec.to_builtins(rule)


async def update_segment(tx: Tx, segment: Segment) -> bool:
    """Write name, note, rule and whether it is live anew; False when the name is taken."""
    kept = await tx.run(
        """update segments.segments s set name = $3, note = $4, rule = $5, live = $6
           where shop_id = $1 and segment_id = $2 and not exists (
             select from segments.segments o
             where o.shop_id = $1 and o.name = $3 and o.segment_id <> $2)""",
        *(tx.shop_id, segment.segment_id, segment.name, segment.note, _stored(segment.rule)),
        segment.live,
    )
    return kept == 1


async def set_counted(
    tx: Tx, segment_id: UUID, count: int, bars: dict[str, int], at: datetime
) -> None:
    """How many fit, and from which figure on one is among the top."""
    await tx.run(
        """update segments.segments set person_count = $3, bars = $4, counted_at = $5
           where shop_id = $1 and segment_id = $2""",
        *(tx.shop_id, segment_id, count, bars, at),
    )


async def add_count(tx: Tx, segment_id: UUID, change: int) -> None:
    """So many more, or fewer, fit."""
    await tx.run(
        """update segments.segments set person_count = person_count + $3
           where shop_id = $1 and segment_id = $2""",
        *(tx.shop_id, segment_id, change),
    )


async def delete_segment(tx: Tx, segment_id: UUID) -> bool:
    """Remove a segment and its persons."""
    gone = await tx.run(
        "delete from segments.segments where shop_id = $1 and segment_id = $2",
        tx.shop_id,
        segment_id,
    )
    return gone == 1


# --- fixed persons ----------------------------------------------------------------------------


async def insert_persons(tx: Tx, segment_id: UUID, numbers: Sequence[int]) -> None:
    """The persons of a fixed segment."""
    await tx.run(
        """insert into segments.persons (shop_id, segment_id, person_no)
           select $1, $2, unnest($3::bigint[])""",
        tx.shop_id,
        segment_id,
        list(numbers),
    )


async def list_persons(tx: ReadTx, segment_id: UUID) -> list[int]:
    """Person numbers of a fixed segment, smallest first."""
    found = await tx.value(
        """select array_agg(person_no order by person_no) from segments.persons
           where shop_id = $1 and segment_id = $2""",
        *(tx.shop_id, segment_id),
    )
    return found or []


async def list_fixed_of(tx: ReadTx, numbers: Sequence[int]) -> list[tuple[UUID, int]]:
    """(segment, person) of fixed segments with any of these persons."""
    records = await tx.connection.fetch(
        """select segment_id, person_no from segments.persons
           where shop_id = $1 and person_no = any($2::bigint[])""",
        *(tx.shop_id, list(numbers)),
    )
    return [(record["segment_id"], record["person_no"]) for record in records]


# --- members by bits --------------------------------------------------------------------------


async def list_blocks(
    tx: ReadTx, ids: Sequence[UUID], blocks: Sequence[int] | None = None
) -> list[BlockRow]:
    """Members of segments; blocks: only these."""
    return await tx.all(
        BlockRow,
        """select segment_id, block, bits from segments.members
           where shop_id = $1 and segment_id = any($2::uuid[])
             and ($3::int[] is null or block = any($3))""",
        *(tx.shop_id, list(ids), None if blocks is None else list(blocks)),
    )


async def upsert_blocks(tx: Tx, segment_id: UUID, blocks: Sequence[tuple[int, bytes]]) -> None:
    """Write pieces; those without anybody go."""
    numbers, bits = zip(*blocks, strict=True)
    await tx.run(
        """insert into segments.members (shop_id, segment_id, block, bits)
           select $1, $2, block, bits from unnest($3::int[], $4::bytea[]) t(block, bits)
           on conflict (shop_id, segment_id, block) do update set bits = excluded.bits""",
        *(tx.shop_id, segment_id, list(numbers), list(bits)),
    )
    await tx.run(
        """delete from segments.members where shop_id = $1 and segment_id = $2
           and block = any($3::int[]) and bit_count(bits) = 0""",
        *(tx.shop_id, segment_id, list(numbers)),
    )


async def is_member(tx: ReadTx, segment_id: UUID, person_no: int) -> bool:
    """Whether a person's bit is set, or they are in the fixed set."""
    return bool(
        await tx.value(
            """select exists(select from segments.members
                 where shop_id = $1 and segment_id = $2 and block = ($3::bigint / 16384)::int
                   and get_bit(bits, $3::bigint % 16384) = 1)
               or exists(select from segments.persons
                 where shop_id = $1 and segment_id = $2 and person_no = $3)""",
            *(tx.shop_id, segment_id, person_no),
        )
    )


# --- snapshots --------------------------------------------------------------------------------


async def list_without_snapshot(tx: ReadTx, on: date) -> list[UUID]:
    """Segments with a rule that have no snapshot of a day."""
    records = await tx.connection.fetch(
        """select segment_id from segments.segments s where shop_id = $1 and rule is not null
           and not exists (select from segments.snapshots n where n.shop_id = $1
                           and n.segment_id = s.segment_id and n.on_day = $2)""",
        *(tx.shop_id, on),
    )
    return [record["segment_id"] for record in records]


async def get_day_before(tx: ReadTx, segment_id: UUID, on: date) -> date | None:
    """The day of the last snapshot before a day whose members are kept."""
    found: date | None = await tx.value(
        """select max(on_day) from segments.snapshots n where shop_id = $1 and segment_id = $2
           and on_day < $3 and (person_count = 0 or exists (
             select from segments.snapshot_members m where m.shop_id = $1
               and m.segment_id = $2 and m.on_day = n.on_day))""",
        *(tx.shop_id, segment_id, on),
    )
    return found


async def list_snapshot_blocks(tx: ReadTx, segment_id: UUID, on: date) -> list[BlockRow]:
    """Who was in it on a day."""
    return await tx.all(
        BlockRow,
        """select segment_id, block, bits from segments.snapshot_members
           where shop_id = $1 and segment_id = $2 and on_day = $3""",
        *(tx.shop_id, segment_id, on),
    )


async def insert_snapshot(tx: Tx, segment_id: UUID, one: Snapshot, at: datetime) -> bool:
    """Keep a day of a segment with its members as they are now; False when it is there."""
    kept = await tx.run(
        """insert into segments.snapshots (shop_id, segment_id, on_day, person_count, came, went,
             taken_at)
           values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing""",
        *(tx.shop_id, segment_id, one.on, one.person_count, one.came, one.left, at),
    )
    if kept:
        await tx.run(
            """insert into segments.snapshot_members (shop_id, segment_id, on_day, block, bits)
               select shop_id, segment_id, $3, block, bits from segments.members
               where shop_id = $1 and segment_id = $2""",
            *(tx.shop_id, segment_id, one.on),
        )
    return kept == 1


async def list_snapshots(
    tx: ReadTx, ids: Sequence[UUID], since: date
) -> dict[UUID, list[Snapshot]]:
    """Days of segments, oldest first."""
    records = await tx.connection.fetch(
        """select segment_id, on_day, person_count, came, went from segments.snapshots
           where shop_id = $1 and segment_id = any($2::uuid[]) and on_day >= $3
           order by segment_id, on_day""",
        *(tx.shop_id, list(ids), since),
    )
    found: dict[UUID, list[Snapshot]] = {one: [] for one in ids}
    for one in records:
        found[one["segment_id"]].append(
            Snapshot(one["on_day"], one["person_count"], one["came"], one["went"])
        )
    return found


async def delete_old_members(tx: Tx, before: date) -> int:
    """Who was in it is forgotten; how many there were stays."""
    return await tx.run(
        "delete from segments.snapshot_members where shop_id = $1 and on_day < $2",
        *(tx.shop_id, before),
    )


# --- passes -----------------------------------------------------------------------------------


async def get_judged_upto(tx: ReadTx) -> datetime | None:
    """Profiles computed before this moment have been judged."""
    found: datetime | None = await tx.value(
        "select judged_upto from segments.passes where shop_id = $1", tx.shop_id
    )
    return found


async def set_judged_upto(tx: Tx, upto: datetime) -> None:
    """Note how far the shop is."""
    await tx.run(
        """insert into segments.passes (shop_id, judged_upto) values ($1, $2)
           on conflict (shop_id) do update set judged_upto = excluded.judged_upto""",
        *(tx.shop_id, upto),
    )
