"""Taking unspent principal back to where it came from, with the bonus that belongs to it."""

from uuid import UUID

from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import RefundOrigin
from siyu.money.stored_value import queries, rules
from siyu.money.stored_value.contracts import (
    Held,
    NothingToRefund,
    RefundTerms,
    TopUp,
    TopUpNotFound,
    TopUpRefund,
    TopUpRefunded,
    TopUpState,
    WalletMovementKind,
)
from siyu.money.stored_value.service import following_store, top_up_store
from siyu.money.stored_value.service.following import book_over


async def refund_top_up(
    tx: Tx,
    actor: Actor,
    top_up_id: UUID,
    *,
    refund_id: UUID,
    amount_fen: int | None,
    reason: str,
) -> TopUpRefund:
    """Refund unspent principal of a top-up (None: all of it) to its payer, once per `refund_id`;
    audited. What becomes of the bonus say `rules.refund_terms`.

    Works without a licence, too: the money is the member's. Raises TopUpNotFound, NothingToRefund,
    and what `payments.intend_refund` does (WeChat refunds within a year, 50 times).
    """
    top_up = await top_up_store.lock_top_up(tx, top_up_id)
    if top_up is None:
        raise TopUpNotFound
    known = await top_up_store.get_refund(tx, refund_id)
    if known is not None:
        return known
    if top_up.state is not TopUpState.PAID:
        raise NothingToRefund(left_fen=0)
    await queries.lock_wallet(tx, top_up.member_id)
    # What is left was read before the wallet was ours.
    top_up = await top_up_store.get_top_up(tx, top_up_id)
    assert top_up is not None
    terms = rules.refund_terms(
        top_up, top_up.principal_left_fen if amount_fen is None else amount_fen
    )
    await top_up_store.insert_refund(tx, refund_id, top_up_id, terms, reason)
    # The money goes back to who paid; payments takes it out of that record's account.
    payer = await following_store.get_payer(tx, top_up_id)
    await book_over(tx, top_up.member_id, payer, Held(terms.money_fen, 0))
    await payments.intend_refund(
        tx,
        refund_id=refund_id,
        order_id=top_up_id,
        amount_fen=terms.money_fen,
        reason=reason[:80],
        origin=RefundOrigin.TOP_UP,
    )
    await _book(tx, top_up, refund_id, terms)
    _tell(tx, actor, top_up, refund_id, terms, reason)
    made = await top_up_store.get_refund(tx, refund_id)
    assert made is not None
    return made


async def _book(tx: Tx, top_up: TopUp, refund_id: UUID, terms: RefundTerms) -> None:
    """Payments books the principal that leaves with the money; here is the rest: bonus withdrawn,
    and principal kept back for bonus that was spent, both give the shop its cost back."""
    returned = terms.withdrawn_fen + terms.kept_back_fen
    if returned:
        legs = [
            Leg(Book.PRINCIPAL, terms.kept_back_fen, top_up.member_id),
            Leg(Book.BONUS, terms.withdrawn_fen, top_up.member_id),
            Leg(Book.BONUS_COST, -returned),
        ]
        await ledger.post(
            tx,
            Entry(
                f"top_up_withdrawn:{refund_id}",
                "top_up_withdrawn",
                legs,
                order_id=top_up.top_up_id,
                ref=refund_id,
            ),
        )
    await queries.insert_movement(
        tx,
        top_up.member_id,
        WalletMovementKind.REFUNDED,
        Held(-terms.principal_fen, -terms.withdrawn_fen),
        top_up_id=top_up.top_up_id,
        kept_back_fen=terms.kept_back_fen,
    )


def _tell(
    tx: Tx, actor: Actor, top_up: TopUp, refund_id: UUID, terms: RefundTerms, reason: str
) -> None:
    emit(
        tx,
        TopUpRefunded(
            person_no=top_up.person_no,
            member_id=top_up.member_id,
            top_up_id=top_up.top_up_id,
            refund_id=refund_id,
            amount_fen=terms.money_fen,
            withdrawn_fen=terms.withdrawn_fen,
        ),
    )
    audit(
        tx,
        actor,
        "stored_value.top_up_refunded",
        ("member", top_up.member_id),
        after={
            "top_up_id": str(top_up.top_up_id),
            "money_fen": terms.money_fen,
            "withdrawn_fen": terms.withdrawn_fen,
            "kept_back_fen": terms.kept_back_fen,
            "reason": reason,
        },
    )


async def record_refund_end(tx: Tx, refund_id: UUID, *, is_paid: bool) -> None:
    """WeChat has finished a refund; one that was given up for good puts principal and bonus back
    into the wallet. Harmless when repeated, and for refunds that are none of ours."""
    refund = await top_up_store.get_refund(tx, refund_id)
    if refund is None:
        return
    top_up = await top_up_store.lock_top_up(tx, refund.top_up_id)
    assert top_up is not None
    await queries.lock_wallet(tx, top_up.member_id)
    state = "succeeded" if is_paid else "undone"
    if not await top_up_store.move_refund(tx, refund_id, state) or is_paid:
        return
    await top_up_store.move_refund_back(tx, refund_id)
    payer = await following_store.get_payer(tx, top_up.top_up_id)
    await book_over(tx, payer, top_up.member_id, Held(refund.money_fen, 0))
    booked = await ledger.find_entry(tx, f"top_up_withdrawn:{refund_id}")
    if booked is not None:
        await ledger.reverse(tx, booked.entry_id, f"top_up_withdrawn_undone:{refund_id}")
        [taken_from] = {leg.owner for leg in booked.legs if leg.owner is not None}
        kept = Held(refund.kept_back_fen, refund.withdrawn_fen)
        await book_over(tx, taken_from, top_up.member_id, kept)
    await queries.insert_movement(
        tx,
        top_up.member_id,
        WalletMovementKind.REFUND_UNDONE,
        Held(refund.principal_fen, refund.withdrawn_fen),
        top_up_id=top_up.top_up_id,
    )
