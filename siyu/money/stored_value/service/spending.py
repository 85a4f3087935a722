"""Stored value as a tender: reserve, spend, free, and give back.

Each verb first locks the member's wallet; what it decides after that nobody else can change before
the commit (F059). Holds end by `capture` or `release` alone, never by time: an order that waits
for WeChat's word keeps what it holds (F016).
"""

from datetime import datetime, timedelta
from uuid import UUID

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.kernel.money import MAX_FEN
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.stored_value import queries, rules
from siyu.money.stored_value.contracts import (
    Held,
    SpendingState,
    ValueShort,
    ValueSpent,
    Wallet,
    WalletFrozen,
    WalletMovementKind,
)
from siyu.money.stored_value.service import shop_store
from siyu.money.stored_value.service.following import lock_owners, return_on
from siyu.money.stored_value.service.wallets import today
from siyu.people.members import service as members


async def spendable(tx: ReadTx, member_id: UUID) -> Wallet:
    """What a member may spend now; nothing of a frozen wallet."""
    found = await queries.get_wallet(tx, member_id, await today(tx))
    if found is None or found.frozen_at is not None:
        return Wallet(0, 0)
    return Wallet(found.principal_fen, found.bonus_fen)


async def hold(
    tx: Tx,
    *,
    member_id: UUID,
    order_id: UUID,
    amount_fen: int,
    expires_at: datetime | None = None,
) -> Held:
    """Reserve value for an order; a repeat gives the same answer. The shop's `spend_order` says
    what is used first, see `rules`.

    expires_at: when the order should have been paid. Raises ValueShort, WalletFrozen.
    """
    assert 0 < amount_fen <= MAX_FEN
    wallet = await queries.lock_wallet(tx, member_id)
    known = await queries.get_spending(tx, order_id)
    if known is not None:
        same = known.member_id == member_id and known.total_fen == amount_fen
        assert same, "held for something else"
        return known.spent
    if wallet.frozen_at is not None:
        raise WalletFrozen
    settings = await shop_store.get_settings(tx)
    lots = await queries.list_lots(tx, member_id, await today(tx))
    available_fen = rules.sum_lots(lots).total_fen
    if available_fen < amount_fen:
        raise ValueShort(available_fen=available_fen, wanted_fen=amount_fen)
    parts = rules.take(lots, amount_fen, settings.spend_order)
    held = rules.sum_parts(parts)
    spending_id = new_id()
    holds = {
        book: await ledger.hold(
            tx,
            key=f"{book}:{spending_id}",
            book=book,
            owner=member_id,
            amount=part_fen,
            order_id=order_id,
        )
        for book, part_fen in ((Book.BONUS, held.bonus_fen), (Book.PRINCIPAL, held.principal_fen))
        if part_fen
    }
    spending = queries.Spending(
        spending_id=spending_id,
        order_id=order_id,
        member_id=member_id,
        state=SpendingState.HELD,
        principal_fen=held.principal_fen,
        bonus_fen=held.bonus_fen,
        principal_hold=holds.get(Book.PRINCIPAL),
        bonus_hold=holds.get(Book.BONUS),
        back_principal_fen=0,
        back_bonus_fen=0,
    )
    await queries.insert_spending(tx, spending, parts, expires_at)
    return held


async def capture(tx: Tx, order_id: UUID) -> Held:
    """The order is paid: what it holds is spent. Both 0 when it holds nothing; harmless when
    repeated."""
    spending = await _lock_spending(tx, order_id)
    if spending is None:
        return Held(0, 0)
    if not await queries.move_spending(tx, spending.spending_id, SpendingState.CAPTURED):
        return spending.spent
    key, spent = f"balance_spent:{spending.spending_id}", spending.spent
    await ledger.settle_holds(
        tx,
        spending.holds,
        Entry(
            key,
            "balance_spent",
            _legs(spending.member_id, spent, Book.SALES),
            order_id=order_id,
            ref=spending.spending_id,
        ),
    )
    change = Held(-spent.principal_fen, -spent.bonus_fen)
    await queries.insert_movement(
        tx, spending.member_id, WalletMovementKind.SPENT, change, order_id=order_id
    )
    emit(
        tx,
        ValueSpent(
            person_no=(await members.get_member(tx, spending.member_id)).person_no,
            member_id=spending.member_id,
            order_id=order_id,
            amount_fen=spending.total_fen,
            principal_fen=spent.principal_fen,
            bonus_fen=spent.bonus_fen,
        ),
    )
    return spent


async def release(tx: Tx, order_id: UUID) -> None:
    """The order ended unpaid: its value may be spent again, the bonus with the days it had.
    Nothing happens when it holds none."""
    await lock_owners(tx, order_id)
    spending = await _lock_spending(tx, order_id)
    if spending is None:
        return
    assert spending.state is SpendingState.HELD, "spent value comes back by `give_back`"
    await queries.move_spending(tx, spending.spending_id, SpendingState.RELEASED)
    await queries.move_lots_back(tx, spending.spending_id)
    for hold_id in spending.holds:
        await ledger.void_hold(tx, hold_id)
    await return_on(tx, spending.member_id, await queries.list_parts(tx, spending.spending_id))


async def give_back(tx: Tx, order_id: UUID, refund_id: UUID, amount_fen: int) -> Held:
    """A refund puts value back into the lots it came from, once per refund.

    Principal and bonus return in the proportion they were spent in; once all is given back, each
    is exactly what it was. Bonus whose day is over is good for the shop's `grace_days` more.
    """
    if amount_fen == 0:
        return Held(0, 0)
    await lock_owners(tx, order_id)
    spending = await _lock_spending(tx, order_id)
    assert spending is not None and spending.state is SpendingState.CAPTURED, "nothing was spent"
    known = await queries.get_give_back(tx, refund_id)
    if known is not None:
        return known
    given = rules.share_back(spending.spent, spending.back, amount_fen)
    returned = rules.put_back(await queries.list_parts(tx, spending.spending_id), given)
    settings, on = await shop_store.get_settings(tx), await today(tx)
    good_until = on + timedelta(days=settings.grace_days)
    await queries.insert_give_back(tx, refund_id, spending.spending_id, returned, on, good_until)
    back = Held(-given.principal_fen, -given.bonus_fen)
    await ledger.post(
        tx,
        Entry(
            f"balance_back:{refund_id}",
            "balance_given_back",
            _legs(spending.member_id, back, Book.SALES),
            order_id=order_id,
            ref=refund_id,
        ),
    )
    await queries.insert_movement(
        tx, spending.member_id, WalletMovementKind.GIVEN_BACK, given, order_id=order_id
    )
    await return_on(tx, spending.member_id, returned)
    return given


async def _lock_spending(tx: Tx, order_id: UUID) -> queries.Spending | None:
    found = await queries.get_spending(tx, order_id)
    if found is not None:
        await queries.lock_wallet(tx, found.member_id)
        found = await queries.get_spending(tx, order_id)
    return found


def _legs(member_id: UUID, taken: Held, against: Book) -> list[Leg]:
    """Value that leaves the member (negative: comes) against another book."""
    return [
        Leg(Book.PRINCIPAL, taken.principal_fen, member_id),
        Leg(Book.BONUS, taken.bonus_fen, member_id),
        Leg(against, -taken.principal_fen - taken.bonus_fen),
    ]
