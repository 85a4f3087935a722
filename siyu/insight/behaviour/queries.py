"""All SQL of behaviour: boards, annotations, digests. The events are the warehouse's."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.insight.behaviour.contracts import Board, Chart
from siyu.kernel.db import ReadTx, Tx


class BoardHead(msgspec.Struct, frozen=True):
    """A board in a list."""

    board_id: UUID
    name: str
    chart_count: int
    made_by: str
    updated_at: datetime


class Annotation(msgspec.Struct, frozen=True):
    """A remark on a day, shown on every chart over time."""

    annotation_id: UUID
    at_day: date
    text: str
    made_by: str


class DigestRow(msgspec.Struct, frozen=True):
    """A digest as kept; figures: key → [that day, the day before, mean of the seven before]."""

    at_day: date
    figures: dict[str, list[int]]
    is_read: bool


async def list_boards(tx: ReadTx) -> list[BoardHead]:
    """All boards, the last changed first."""
    return await tx.all(
        BoardHead,
        """select board_id, name, jsonb_array_length(charts) as chart_count, made_by, updated_at
           from behaviour.boards where shop_id = $1 order by updated_at desc, board_id desc""",
        tx.shop_id,
    )


async def get_board(tx: ReadTx, board_id: UUID) -> Board | None:
    """One board with its charts."""
    return await tx.maybe(
        Board,
        """select board_id, name, charts, made_by, version, updated_at
           from behaviour.boards where shop_id = $1 and board_id = $2""",
        tx.shop_id,
        board_id,
    )


async def insert_board(tx: Tx, board: Board) -> None:
    """A new board."""
    await tx.run(
        """insert into behaviour.boards
             (shop_id, board_id, name, charts, made_by, version, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        tx.shop_id,
        board.board_id,
        board.name,
        _plain(board.charts),
        board.made_by,
        board.version,
        board.updated_at,
    )


def _plain(charts: list[Chart]) -> Any:
    return msgspec.to_builtins(charts)


async def update_board(
    tx: Tx, board_id: UUID, version: int, name: str, charts: list[Chart], at: datetime
) -> bool:
    """Change a board that is still at this version; False when it is not."""
    changed = await tx.run(
        """update behaviour.boards set name = $4, charts = $5, updated_at = $6,
             version = version + 1
           where shop_id = $1 and board_id = $2 and version = $3""",
        tx.shop_id,
        board_id,
        version,
        name,
        _plain(charts),
        at,
    )
    return changed == 1


async def delete_board(tx: Tx, board_id: UUID) -> bool:
    """Remove a board."""
    gone = await tx.run(
        "delete from behaviour.boards where shop_id = $1 and board_id = $2", tx.shop_id, board_id
    )
    return gone == 1


async def list_annotations(tx: ReadTx, since: date, until: date) -> list[Annotation]:
    """Remarks on days from `since` to `until`, both inclusive, by day."""
    return await tx.all(
        Annotation,
        """select annotation_id, at_day, text, made_by from behaviour.annotations
           where shop_id = $1 and at_day between $2 and $3
           order by at_day, annotation_id limit 500""",
        tx.shop_id,
        since,
        until,
    )


async def insert_annotation(tx: Tx, remark: Annotation, at: datetime) -> None:
    """A new remark."""
    await tx.run(
        """insert into behaviour.annotations
             (shop_id, annotation_id, at_day, text, made_by, created_at)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        remark.annotation_id,
        remark.at_day,
        remark.text,
        remark.made_by,
        at,
    )


async def delete_annotation(tx: Tx, annotation_id: UUID) -> bool:
    """Remove a remark."""
    gone = await tx.run(
        "delete from behaviour.annotations where shop_id = $1 and annotation_id = $2",
        tx.shop_id,
        annotation_id,
    )
    return gone == 1


async def has_digest(tx: ReadTx, at_day: date) -> bool:
    """Whether the digest of a day was made."""
    return bool(
        await tx.value(
            """select exists (select from behaviour.digests
                              where shop_id = $1 and at_day = $2)""",
            tx.shop_id,
            at_day,
        )
    )


async def insert_digest(tx: Tx, at_day: date, figures: dict[str, list[int]], at: datetime) -> None:
    """Keep a digest; the first one of a day stays."""
    await tx.run(
        """insert into behaviour.digests (shop_id, at_day, figures, made_at)
           values ($1, $2, $3, $4) on conflict do nothing""",
        tx.shop_id,
        at_day,
        figures,
        at,
    )


async def list_digests(
    tx: ReadTx, staff_id: UUID, before: date | None, limit: int
) -> list[DigestRow]:
    """Digests, the newest first, and which of them this member of staff has read."""
    return await tx.all(
        DigestRow,
        """select d.at_day, d.figures, r.read_at is not null as is_read
           from behaviour.digests d
           left join behaviour.digest_reads r
             on r.shop_id = d.shop_id and r.at_day = d.at_day and r.staff_id = $2
           where d.shop_id = $1 and ($3::date is null or d.at_day < $3)
           order by d.at_day desc limit $4""",
        tx.shop_id,
        staff_id,
        before,
        limit,
    )


async def count_unread(tx: ReadTx, staff_id: UUID) -> int:
    """Digests of the last 30 that this member of staff has not read."""
    return int(
        await tx.value(
            """select count(*) from (select at_day from behaviour.digests where shop_id = $1
                                     order by at_day desc limit 30) d
               where not exists (select from behaviour.digest_reads r
                                 where r.shop_id = $1 and r.at_day = d.at_day
                                   and r.staff_id = $2)""",
            tx.shop_id,
            staff_id,
        )
    )


async def insert_read(tx: Tx, at_day: date, staff_id: UUID, at: datetime) -> None:
    """Note that somebody has read a digest."""
    await tx.run(
        """insert into behaviour.digest_reads (shop_id, at_day, staff_id, read_at)
           values ($1, $2, $3, $4) on conflict do nothing""",
        tx.shop_id,
        at_day,
        staff_id,
        at,
    )
