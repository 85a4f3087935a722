"""Stored value follows a person when records are merged, and goes home when that is undone.

The lots move, each remembering the record it came with, and one balanced entry moves what is left
in them: the balance is one, any order spends it, and an undone merge parts it again lot by lot.
What an order took out of a lot comes back into that lot, in whosever wallet it is then.
"""

from collections.abc import Sequence
from uuid import UUID

from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.stored_value import queries
from siyu.money.stored_value.contracts import Held, WalletMovementKind
from siyu.money.stored_value.rules import Part
from siyu.money.stored_value.service import following_store as store
from siyu.people.members import service as members


async def follow_person(tx: Tx, record_ids: Sequence[UUID]) -> None:
    """Lots that came with these records go to who stands for them now, home when a merge was
    undone. Nothing leaves a frozen wallet; freed, it follows.

    Run again or late, it gives the same.
    """
    for record_id in sorted(record_ids):
        head_id, _ = await members.hold_person(tx, record_id)
        holders = await store.list_holders(tx, record_id, head_id)
        frozen = {
            one: (await queries.lock_wallet(tx, one)).frozen_at is not None
            for one in sorted({*holders, head_id} if holders else ())
        }
        for holder in holders:
            if not frozen[holder]:
                moved = await store.move_lots(tx, record_id, holder, head_id)
                await pass_on(tx, holder, head_id, moved)


async def pass_on(tx: Tx, giver: UUID, taker: UUID, value: Held) -> None:
    """Book value from one wallet to another, with a line in both statements. Both are locked."""
    if value == Held(0, 0):
        return
    kind = WalletMovementKind.MOVED
    away = Held(-value.principal_fen, -value.bonus_fen)
    await queries.insert_movement(tx, giver, kind, away)
    await queries.insert_movement(tx, taker, kind, value)
    await book_over(tx, giver, taker, value)


async def book_over(tx: Tx, giver: UUID, taker: UUID, value: Held) -> None:
    """The entry alone, where other lines of the statements tell it; nothing to oneself."""
    if giver == taker or value == Held(0, 0):
        return
    legs = [
        Leg(book, sign * amount, owner)
        for book, amount in ((Book.PRINCIPAL, value.principal_fen), (Book.BONUS, value.bonus_fen))
        for sign, owner in ((1, giver), (-1, taker))
    ]
    await ledger.post(tx, Entry(f"balance_moved:{new_id()}", "balance_moved", legs))


async def lock_owners(tx: Tx, order_id: UUID) -> None:
    """Lock every wallet that value of an order comes back into, before its own is used."""
    for one in await store.list_owners(tx, order_id):
        await queries.lock_wallet(tx, one)


async def return_on(tx: Tx, holder: UUID, parts: Sequence[Part]) -> None:
    """Value that came back to `holder` goes on to the wallets in which its lots are now."""
    for share in await store.list_shares(tx, parts, holder):
        value = Held(share.principal_fen, share.bonus_fen)
        await pass_on(tx, holder, share.member_id, value)
