"""What sharing means in the ledger. All entries carry the order: its story shows every step.

Commission of a receiver is a debt of ours; below zero it is a debt of theirs, down to the shop's
floor, and what is beyond that (or called back through WeChat) is a receivable. What is owed to us
is set off against the next commission first (F037).
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, HoldId, Leg
from siyu.money.payments import service as payments
from siyu.money.profit_sharing.contracts import ReceiverKind, Settings
from siyu.money.profit_sharing.queries import Part, Plan, Request
from siyu.money.profit_sharing.service import partner_store


async def frozen_fen(tx: ReadTx, order_id: UUID) -> int:
    """What of an order's money stands frozen at WeChat by our books, without what was paid on top
    of it."""
    story = await ledger.list_story(tx, order_id)
    frozen = sum(
        leg.amount for entry in story for leg in entry.legs if leg.book is Book.WECHAT_FROZEN
    )
    return frozen - await payments.sum_apart(tx, order_id) if frozen else 0


async def lock_owners(tx: Tx, parts: Sequence[Part]) -> None:
    """Before parts of a plan are booked one by one: nobody comes between. All of the plan's, so
    that each later call finds its owners locked."""
    if len(owners := {part.owner_id for part in parts}) > 1:
        await ledger.lock_balances(tx, Book.COMMISSION, owners)


async def book(tx: Tx, plan: Plan, part: Part, target_fen: int, settings: Settings) -> Part:
    """Bring a part's commission in the books to `target_fen`: accrue what is missing, revoke what
    is too much."""
    change_fen = target_fen - part.booked_fen
    if not change_fen:
        return part
    # Also locks the account until the commit: what is read of it now stays true.
    await ledger.set_floor(tx, Book.COMMISSION, part.owner_id, -settings.floor_fen)
    part = msgspec.structs.replace(part, booked_fen=target_fen, revision=part.revision + 1)
    if change_fen > 0:
        kind, legs = "commission_accrued", await _accrued(tx, part, change_fen)
    else:
        kind = "commission_revoked"
        part, legs = await _revoked(tx, part, -change_fen, settings)
    key = f"commission:{plan.order_id}:{part.part_no}:{part.revision}"
    await ledger.post(tx, Entry(key, kind, legs, order_id=plan.order_id, ref=part.rule_id))
    return part


async def _accrued(tx: Tx, part: Part, amount_fen: int) -> list[Leg]:
    owed = await ledger.balance(tx, Book.RECEIVABLE, part.owner_id)
    set_off_fen = min(owed.posted, amount_fen)
    return [
        Leg(Book.COMMISSION_COST, amount_fen),
        Leg(Book.COMMISSION, set_off_fen - amount_fen, part.owner_id),
        Leg(Book.RECEIVABLE, -set_off_fen, part.owner_id),
    ]


async def _revoked(
    tx: Tx, part: Part, amount_fen: int, settings: Settings
) -> tuple[Part, list[Leg]]:
    """Merchants are asked to give back through WeChat what they got by it; people cannot be, they
    (and whoever got it by other ways) owe it from their balance (F032)."""
    recall_fen = 0
    if part.receiver_id is not None and part.sent_fen:
        receiver = await partner_store.get_receiver(tx, part.receiver_id)
        if receiver is not None and receiver.kind is ReceiverKind.MERCHANT:
            left_fen = part.sent_fen - part.returned_fen - part.recall_fen
            recall_fen = min(amount_fen, left_fen)
    balance = await ledger.balance(tx, Book.COMMISSION, part.owner_id)
    room_fen = max(balance.available + settings.floor_fen, 0)
    from_balance_fen = min(amount_fen - recall_fen, room_fen)
    part = msgspec.structs.replace(part, recall_fen=part.recall_fen + recall_fen)
    return part, [
        Leg(Book.COMMISSION, from_balance_fen, part.owner_id),
        Leg(Book.RECEIVABLE, amount_fen - from_balance_fen, part.owner_id),
        Leg(Book.COMMISSION_COST, -amount_fen),
    ]


async def available_fen(tx: ReadTx, owner_id: UUID) -> int:
    """What of a commission balance is neither held nor owed."""
    return max((await ledger.balance(tx, Book.COMMISSION, owner_id)).available, 0)


async def split_paid(tx: Tx, plan: Plan, part: Part) -> None:
    """WeChat gave a part to its receiver: the debt is paid out of the frozen money."""
    assert part.hold_id is not None
    legs = [
        Leg(Book.COMMISSION, part.sent_fen, part.owner_id),
        Leg(Book.WECHAT_FROZEN, -part.sent_fen),
    ]
    key = f"split:{part.request_id}:{part.part_no}"
    entry = Entry(key, "split", legs, order_id=plan.order_id, ref=part.request_id)
    await ledger.settle_hold(tx, HoldId(part.hold_id), entry)


async def unfrozen(tx: Tx, plan: Plan, free_fen: int, key: str, note: str = "") -> None:
    """Frozen money is ours to use."""
    legs = [Leg(Book.WECHAT, free_fen), Leg(Book.WECHAT_FROZEN, -free_fen)]
    if free_fen > 0:
        entry = Entry(key, "split_unfrozen", legs, order_id=plan.order_id, note=note)
        await ledger.post(tx, entry)


async def returned(tx: Tx, plan: Plan, part: Part, request: Request) -> None:
    """A merchant gave back what it owed us; what was set off against a later commission meanwhile
    is its commission again."""
    await ledger.lock_balance(tx, Book.COMMISSION, part.owner_id)  # as `book`, before it looks
    owed = await ledger.balance(tx, Book.RECEIVABLE, part.owner_id)
    owed_fen = min(owed.posted, request.amount_fen)
    legs = [
        Leg(Book.WECHAT, request.amount_fen),
        Leg(Book.RECEIVABLE, -owed_fen, part.owner_id),
        Leg(Book.COMMISSION, owed_fen - request.amount_fen, part.owner_id),
    ]
    entry = Entry(
        f"split_return:{request.request_id}",
        "split_returned",
        legs,
        order_id=plan.order_id,
        ref=request.request_id,
    )
    await ledger.post(tx, entry)


async def hold(tx: Tx, plan: Plan, part: Part, request_id: UUID, amount_fen: int) -> UUID:
    """Set a part's commission aside while WeChat splits it."""
    return await ledger.hold(
        tx,
        key=f"split:{request_id}:{part.part_no}",
        book=Book.COMMISSION,
        owner=part.owner_id,
        amount=amount_fen,
        order_id=plan.order_id,
    )


async def free(tx: Tx, parts: Sequence[Part]) -> None:
    """WeChat did not split these parts: their commission is owed again."""
    for part in parts:
        assert part.hold_id is not None
        await ledger.void_hold(tx, HoldId(part.hold_id))
