"""All SQL of the segments domain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.segments.contracts import Rule, Segment

_SEGMENT = """segment_id, name, note, rule, person_count, counted_at, made_by, created_at"""


async def count_segments(tx: ReadTx) -> int:
    """How many segments the shop keeps."""
    return int(
        await tx.value("select count(*) from segments.segments where shop_id = $1", tx.shop_id)
    )


async def list_segments(tx: ReadTx) -> list[Segment]:
    """All of them, newest first."""
    return await tx.all(
        Segment,
        f"""select {_SEGMENT} from segments.segments where shop_id = $1
            order by created_at desc, segment_id desc""",
        tx.shop_id,
    )


async def get_segment(tx: ReadTx, segment_id: UUID) -> Segment | None:
    """One of them."""
    return await tx.maybe(
        Segment,
        f"select {_SEGMENT} from segments.segments where shop_id = $1 and segment_id = $2",
        tx.shop_id,
        segment_id,
    )


async def insert_segment(tx: Tx, segment: Segment) -> bool:
    """Keep a segment; False when its name is taken."""
    rule: Any = None if segment.rule is None else msgspec.to_builtins(segment.rule)
    kept = await tx.run(
        """insert into segments.segments (shop_id, segment_id, name, note, rule, person_count,
                                          counted_at, made_by, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id, name) do nothing""",
        tx.shop_id,
        segment.segment_id,
        segment.name,
        segment.note,
        rule,
        segment.person_count,
        segment.counted_at,
        segment.made_by,
        segment.created_at,
    )
    return kept == 1


async def insert_persons(tx: Tx, segment_id: UUID, numbers: Sequence[int]) -> None:
    """The persons of a fixed segment."""
    await tx.run(
        """insert into segments.persons (shop_id, segment_id, person_no)
           select $1, $2, unnest($3::bigint[])""",
        tx.shop_id,
        segment_id,
        list(numbers),
    )


async def list_persons(tx: ReadTx, segment_id: UUID, after: int, limit: int) -> list[int]:
    """Person numbers of a fixed segment above `after`, smallest first."""
    records = await tx.connection.fetch(
        """select person_no from segments.persons
           where shop_id = $1 and segment_id = $2 and person_no > $3 order by person_no limit $4""",
        tx.shop_id,
        segment_id,
        after,
        limit,
    )
    return [record["person_no"] for record in records]


async def set_count(tx: Tx, segment_id: UUID, rule: Rule, count: int, at: datetime) -> None:
    """Note how many persons fit the rule; nothing when it is another rule by now."""
    await tx.run(
        """update segments.segments set person_count = $4, counted_at = $5
           where shop_id = $1 and segment_id = $2 and rule = $3""",
        tx.shop_id,
        segment_id,
        msgspec.to_builtins(rule),
        count,
        at,
    )


async def delete_segment(tx: Tx, segment_id: UUID) -> bool:
    """Remove a segment and its persons."""
    gone = await tx.run(
        "delete from segments.segments where shop_id = $1 and segment_id = $2",
        tx.shop_id,
        segment_id,
    )
    return gone == 1
