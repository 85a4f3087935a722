"""Commission of one's own purchases (F096): what ties a receiver to the buyer is looked for when a
part falls due; a tied part is held, and staff release or deny it."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.money.payments import service as payments
from siyu.money.profit_sharing import queries, rules
from siyu.money.profit_sharing.contracts import (
    Alarm,
    NothingToDecide,
    PartState,
    PlanUnknown,
    ReasonNeeded,
    Tie,
)
from siyu.money.profit_sharing.queries import Part, Plan
from siyu.money.profit_sharing.service import calling, refunding, review_store
from siyu.money.profit_sharing.service.review_store import Buyer
from siyu.people.members import service as members


async def note_buyer(
    tx: Tx,
    order_id: UUID,
    promoter_id: UUID,
    member_id: UUID,
    *,
    phone_key: bytes | None,
    address_key: bytes | None,
) -> None:
    """Who bought what a promoter brought, and keyed hashes of where the parcel goes. Called by
    ordering when the order is paid, before its plan; nothing where `promoter_id` is no promoter.

    phone_key: of the number in E.164 form; address_key: `members.address_key`. Neither for what is
    not sent to the buyer's own address, such as a gift.
    """
    buyer = Buyer(member_id, phone_key, address_key)
    await review_store.insert_buyer(tx, order_id, promoter_id, buyer)


async def note_device(tx: Tx, member_id: UUID, device: UUID) -> None:
    """A member uses the phone or browser that made this key for itself; kept as a keyed hash."""
    key = vault().lookup(f"commission device {device}")
    await review_store.insert_device(tx, member_id, key)


async def hold_tied(tx: Tx, plan: Plan, due: Sequence[Part]) -> dict[int, Part]:
    """Those of the due parts that must not flow before somebody has looked, held; the caller holds
    the plan's lock, and stores them. What was owed once (a split that failed) stays owed."""
    judged = [part for part in due if rules.is_judged(part) and not part.revision]
    buyer = await _buyer(tx, plan) if judged else None
    if buyer is None:
        return {}
    held: dict[int, Part] = {}
    for part in judged:
        if evidence := await _evidence(tx, buyer, part):
            held[part.part_no] = rules.moved(part, PartState.HELD, evidence=evidence)
            detail = {"part_no": part.part_no, "evidence": evidence}
            await queries.insert_timeline(tx, plan.order_id, "held", detail)
    return held


class _Known(msgspec.Struct, frozen=True):
    """What is known of the buyer of an order now; payer_no: whose WeChat account paid."""

    noted: Buyer
    traces: members.Traces
    payer_no: int | None


async def _buyer(tx: ReadTx, plan: Plan) -> _Known | None:
    noted = await review_store.get_buyer(tx, plan.order_id)
    traces = await members.traces_of(tx, noted.member_id) if noted else None
    if noted is None or traces is None:
        return None
    paid = await payments.get_paid(tx, plan.order_id)
    payer_no = None
    if paid is not None and paid.payer is not None:
        payer_no = await members.person_of_app(tx, paid.app, paid.payer)
    return _Known(noted, traces, payer_no)


async def _evidence(tx: ReadTx, buyer: _Known, part: Part) -> list[Tie]:
    """What ties the part's receiver to the buyer, as far as it is known now."""
    receiver = await members.traces_of(tx, part.owner_id)
    if receiver is None:
        return []
    noted, traces = buyer.noted, buyer.traces
    return rules.ties(
        traces.person_no,
        receiver.person_no,
        payer_no=buyer.payer_no,
        phones=(traces.phone_keys | ({noted.phone_key} - {None}), receiver.phone_keys),
        sent_to=noted.address_key,
        places=receiver.address_keys,
        shares_device=await review_store.share_device(
            tx, traces.member_ids, receiver.member_ids, rules.DEVICE_MEMBERS_MAX
        ),
    )


def alarm_for_held(tx: Tx, plan: Plan, parts: Sequence[Part]) -> Plan:
    """The plan with the alarm of held parts while there are some; other alarms come first, for they
    have a term."""
    is_held = any(part.state is PartState.HELD for part in parts)
    if is_held and plan.alarm is None:
        return calling.alarmed(tx, plan, Alarm.HELD)
    if not is_held and plan.alarm is Alarm.HELD:
        return msgspec.structs.replace(plan, alarm=None, alarmed_at=None)
    return plan


async def review_held(
    tx: Tx, actor: Actor, order_id: UUID, part_no: int, *, release: bool, reason: str | None
) -> None:
    """What staff decided about a held part: it flows as any other from now on (release), or nothing
    is owed of it, and what was frozen for it is the shop's. Told in the trail.

    reason: 2..200 characters, needed to deny. Raises ReasonNeeded, PlanUnknown, NothingToDecide.
    """
    note = (reason or "").strip() or None
    if not release and note is None:
        raise ReasonNeeded
    plan = await queries.lock_plan(tx, order_id)
    if plan is None:
        raise PlanUnknown
    parts = {part.part_no: part for part in await queries.list_parts(tx, order_id)}
    part = parts.get(part_no)
    if part is None or part.state is not PartState.HELD:
        raise NothingToDecide
    now = clock.now()
    if release:
        moved = rules.moved(part, PartState.PLANNED, due_at=now)
    else:
        moved = rules.moved(part, PartState.DENIED, amount_fen=0)
    parts[part_no] = msgspec.structs.replace(moved, reviewed_at=now, review_note=note)
    await queries.update_part(tx, order_id, parts[part_no])
    word = "released" if release else "denied"
    await queries.insert_timeline(tx, order_id, word, {"part_no": part_no})
    audit(
        tx,
        actor,
        f"profit_sharing.part_{word}",
        ("order", order_id),
        before={"part_no": part_no, "amount_fen": part.amount_fen, "evidence": part.evidence},
        after={"reason": note},
    )
    await refunding.wake(tx, alarm_for_held(tx, plan, list(parts.values())))
