"""Boards and annotations."""

from datetime import date
from uuid import UUID

from siyu.insight.behaviour import queries
from siyu.insight.behaviour.contracts import (
    AnnotationNotFound,
    Board,
    BoardBody,
    BoardChanged,
    BoardNotFound,
    TooMany,
)
from siyu.insight.behaviour.queries import Annotation, BoardHead
from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

BOARDS_MAX = 100


async def list_boards(tx: ReadTx) -> list[BoardHead]:
    """All boards, the last changed first."""
    return await queries.list_boards(tx)


async def get_board(tx: ReadTx, board_id: UUID) -> Board:
    """One board. Raises BoardNotFound."""
    board = await queries.get_board(tx, board_id)
    if board is None:
        raise BoardNotFound
    return board


async def save_board(
    tx: Tx, actor: Actor, body: BoardBody, board_id: UUID | None = None, version: int = 0
) -> Board:
    """A new board, or a change of one that is still at `version`.

    Raises BoardNotFound, BoardChanged, TooMany.
    """
    now = clock.now()
    if board_id is None:
        if len(await queries.list_boards(tx)) >= BOARDS_MAX:
            raise TooMany(limit=BOARDS_MAX)
        board = Board(new_id(), body.name.strip(), body.charts, actor.actor_name, 1, now)
        await queries.insert_board(tx, board)
        return board
    known = await get_board(tx, board_id)
    if known.version != version or not await queries.update_board(
        tx, board_id, version, body.name.strip(), body.charts, now
    ):
        raise BoardChanged
    return await get_board(tx, board_id)


async def remove_board(tx: Tx, board_id: UUID) -> None:
    """Remove a board. Raises BoardNotFound."""
    if not await queries.delete_board(tx, board_id):
        raise BoardNotFound


async def list_annotations(tx: ReadTx, since: date, until: date) -> list[Annotation]:
    """Remarks on these days, both inclusive, by day."""
    return await queries.list_annotations(tx, since, until)


async def annotate(tx: Tx, actor: Actor, at_day: date, text: str) -> Annotation:
    """Put a remark on a day."""
    remark = Annotation(new_id(), at_day, text.strip(), actor.actor_name)
    await queries.insert_annotation(tx, remark, clock.now())
    return remark


async def remove_annotation(tx: Tx, annotation_id: UUID) -> None:
    """Remove a remark. Raises AnnotationNotFound."""
    if not await queries.delete_annotation(tx, annotation_id):
        raise AnnotationNotFound
