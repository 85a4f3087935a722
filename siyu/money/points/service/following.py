"""Points follow a person when records are merged, and go home when that is undone."""

from collections.abc import Sequence
from uuid import UUID

from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.points import queries
from siyu.money.points.contracts import PointsMovementKind
from siyu.money.points.service import accounts
from siyu.money.points.service import following_store as store
from siyu.money.points.service.accounts import POINT, settle_debts, today_of
from siyu.people.members import service as members


async def follow_person(tx: Tx, record_ids: Sequence[UUID]) -> None:
    """Points go to who stands for these records now: those of a merged record to the person's,
    and what is left of those a merge had moved back home when it was undone. Debts stay.

    Run again or late, it gives the same.
    """
    for record_id in sorted(record_ids):
        head_id, person = await members.hold_person(tx, record_id)
        strays = await store.list_strays(tx, record_id, person)
        for one in sorted({stray.member_id for stray in strays} | {record_id, head_id}):
            await queries.lock_account(tx, one)
        strays = await store.list_strays(tx, record_id, person)
        await store.move_lots_home(tx, strays)
        for stray in strays:
            await _move(tx, stray.member_id, record_id, stray.points_left)
        lots = await queries.list_lots(tx, record_id, await today_of(tx))
        if lots and head_id != record_id:
            ids = [lot.lot_id for lot in lots]
            await store.move_lots_to(tx, ids, [new_id() for _ in ids], head_id)
            await _move(tx, record_id, head_id, sum(lot.points_left for lot in lots))
        await settle_debts(tx, head_id)


async def release(tx: Tx, order_id: UUID) -> None:
    """The order ended unpaid: its points may be spent again by who the person is now, with the
    days they had. Nothing happens when it holds none."""
    moved_on = await _hold_owner(tx, order_id)
    await accounts.release(tx, order_id)
    await follow_person(tx, moved_on)


async def give_back(tx: Tx, order_id: UUID, refund_id: UUID, points: int) -> None:
    """A refund puts spent points back into the lots they came from; once per refund. Those whose
    day is over are good for the shop's `grace_days` more. They go to who the person is now."""
    if points:
        moved_on = await _hold_owner(tx, order_id)
        await accounts.give_back(tx, order_id, refund_id, points)
        await follow_person(tx, moved_on)


async def _hold_owner(tx: Tx, order_id: UUID) -> list[UUID]:
    """Keep merges away from whose points an order has: persons are locked before accounts. The
    record, if another one stands for the person by now."""
    spending = await queries.get_spending(tx, order_id)
    if spending is None:
        return []
    head_id, _ = await members.hold_person(tx, spending.member_id)
    return [] if head_id == spending.member_id else [spending.member_id]


async def _move(tx: Tx, giver: UUID, taker: UUID, points: int) -> None:
    """Book points from one record to another. Both accounts are locked."""
    kind = PointsMovementKind.MOVED
    number = await queries.insert_movement(tx, giver, kind, -points)
    await queries.insert_movement(tx, taker, kind, points)
    legs = [Leg(Book.POINTS, points, giver, POINT), Leg(Book.POINTS, -points, taker, POINT)]
    await ledger.post(tx, Entry(f"points_moved:{giver}:{number}", "points_moved", legs))
