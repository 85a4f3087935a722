"""Refunds of shared orders: parts shrink, what was split comes back or is owed."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import Tx
from siyu.money.profit_sharing import queries, rules
from siyu.money.profit_sharing.contracts import PartState, PlanState, Settings
from siyu.money.profit_sharing.queries import Part, Plan, Refund
from siyu.money.profit_sharing.rules import Slice
from siyu.money.profit_sharing.service import books, partner_store


async def prepare_refund(
    tx: Tx, order_id: UUID, refund_id: UUID, amount_fen: int, wechat_fen: int | None = None
) -> bool:
    """Make a shared order ready for a refund of `amount_fen`; True when the refund has to wait
    until we call `payments.release_refund`.

    wechat_fen: the part of it that WeChat gives back (default: all). Called once per refund under
    the order's lock, before `payments.intend_refund`. Every part shrinks by its share (F031). What
    a merchant was given through WeChat is called back first; if that fails, and for people, it is
    owed to us (F032, F037). A refund that needs more than is frozen waits for the unfreezing.
    """
    plan = await queries.lock_plan(tx, order_id) if amount_fen else None
    if plan is None:  # not shared, or only points go back
        return False
    refunds = await queries.list_refunds(tx, order_id)
    known = next((one for one in refunds if one.refund_id == refund_id), None)
    if known is not None:
        return known.state == "preparing"
    paid_part_fen = amount_fen if wechat_fen is None else wechat_fen
    plan = msgspec.structs.replace(
        plan,
        refunded_fen=plan.refunded_fen + amount_fen,
        refunded_paid_fen=plan.refunded_paid_fen + paid_part_fen,
    )
    settings = await partner_store.get_settings(tx)
    parts = await shrink(tx, plan, await queries.list_parts(tx, order_id), settings)
    request = await queries.get_open_request(tx, order_id)
    free_fen = await unpromised_fen(tx, plan, refunds)
    waits = paid_part_fen > 0 and (
        request is not None
        or any(part.recall_fen for part in parts)
        or needs_unfreezing(plan, paid_part_fen, free_fen, settings)
    )
    refund = Refund(
        refund_id=refund_id,
        amount_fen=amount_fen,
        paid_part_fen=paid_part_fen,
        state="preparing" if waits else "released",
    )
    await queries.insert_refund(tx, order_id, refund)
    await queries.insert_timeline(
        tx, order_id, "refund", {"amount_fen": amount_fen, "waits": waits}
    )
    is_busy = waits or plan.is_frozen or any(part.recall_fen for part in parts)
    await wake(tx, plan, reopen=is_busy)
    return waits


async def finish_refund(tx: Tx, order_id: UUID, refund_id: UUID) -> None:
    """A refund has reached the payer. Safe to repeat."""
    plan, refund = await _find(tx, order_id, refund_id)
    if plan is not None and refund is not None and refund.state != "done":
        await queries.move_refund(tx, order_id, refund_id, "done")
        await wake(tx, plan)


async def give_up_refund(tx: Tx, order_id: UUID, refund_id: UUID) -> None:
    """A refund was given up for good: its parts are earned again. Safe to repeat."""
    plan, refund = await _find(tx, order_id, refund_id)
    if plan is None or refund is None or refund.state in ("done", "closed"):
        return
    await queries.move_refund(tx, order_id, refund_id, "closed")
    plan = msgspec.structs.replace(
        plan,
        refunded_fen=plan.refunded_fen - refund.amount_fen,
        refunded_paid_fen=plan.refunded_paid_fen - refund.paid_part_fen,
    )
    settings = await partner_store.get_settings(tx)
    await shrink(tx, plan, await queries.list_parts(tx, order_id), settings)
    await queries.insert_timeline(
        tx, order_id, "refund_given_up", {"amount_fen": refund.amount_fen}
    )
    await wake(tx, plan, reopen=True)


async def shrink(tx: Tx, plan: Plan, parts: Sequence[Part], settings: Settings) -> list[Part]:
    """Bring every part to what the refunds leave of it, or give back again; also in the books.

    A part that WeChat is splitting right now stays until its result is known; one that was denied
    stays at nothing.
    """
    slices = [Slice(part.pool, part.base_fen, part.share_bps) for part in parts]
    wanted = rules.targets(slices, plan.refunded_fen, max(plan.total_fen, 1))
    if any(part.amount_fen != fen for part, fen in zip(parts, wanted, strict=True)):
        await books.lock_owners(tx, parts)
    found = []
    for part, target_fen in zip(parts, wanted, strict=True):
        is_fixed = part.state in (PartState.SENT, PartState.DENIED)
        if not is_fixed and part.amount_fen != target_fen:
            changed = part
            if part.booked_fen or part.state in (PartState.PAID, PartState.CREDITED):
                changed = await books.book(tx, plan, part, target_fen, settings)
            state = part.state
            if state in (PartState.PLANNED, PartState.HELD, PartState.REFUSED) and not target_fen:
                state = PartState.DROPPED
            elif state is PartState.DROPPED:
                was_held = part.evidence and part.reviewed_at is None
                state = PartState.HELD if was_held else PartState.PLANNED
            changed = msgspec.structs.replace(changed, amount_fen=target_fen, state=state)
            await queries.update_part(tx, plan.order_id, changed)
            found.append(changed)
        else:
            found.append(part)
    return found


def needs_unfreezing(plan: Plan, refund_fen: int, free_fen: int, settings: Settings) -> bool:
    """Whether a refund takes more than is frozen, while something is: then WeChat refuses it."""
    left_fen = plan.paid_fen - plan.refunded_paid_fen
    return (
        plan.is_frozen
        and free_fen > 0
        and not rules.fits_frozen(refund_fen, left_fen, free_fen, settings)
    )


async def unpromised_fen(tx: Tx, plan: Plan, refunds: Sequence[Refund]) -> int:
    """What of the frozen money no refund on its way will take."""
    promised = sum(one.paid_part_fen for one in refunds if one.state == "released")
    return max(await books.frozen_fen(tx, plan.order_id) - promised, 0)


async def wake(tx: Tx, plan: Plan, *, reopen: bool = False) -> None:
    """Have the worker look at a plan now."""
    state = PlanState.OPEN if reopen else plan.state
    next_at = clock.now() if state is PlanState.OPEN else None
    await queries.update_plan(tx, msgspec.structs.replace(plan, state=state, next_at=next_at))


async def _find(tx: Tx, order_id: UUID, refund_id: UUID) -> tuple[Plan | None, Refund | None]:
    plan = await queries.lock_plan(tx, order_id)
    refunds = await queries.list_refunds(tx, order_id) if plan else []
    return plan, next((one for one in refunds if one.refund_id == refund_id), None)
