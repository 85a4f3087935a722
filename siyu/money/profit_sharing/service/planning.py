"""Before and at the payment: whether an order is shared, and its plan, frozen with it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import ReadTx, Tx
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import PaidAttempt
from siyu.money.profit_sharing import queries, rules
from siyu.money.profit_sharing.contracts import (
    Alarm,
    PaidOrder,
    PartState,
    PlanState,
    ReceiverKind,
    Relation,
    Rule,
    Settings,
    Trigger,
    Way,
)
from siyu.money.profit_sharing.queries import Part, Plan
from siyu.money.profit_sharing.rules import Claim
from siyu.money.profit_sharing.service import books, partner_store, receivers
from siyu.people.members.contracts import NoPayer


async def is_shared(tx: ReadTx, product_ids: Iterable[UUID], promoter: UUID | None) -> bool:
    """Whether an order of these products must be paid frozen, because WeChat is to split it.

    promoter: the member who brings the order. Orders that no rule shares are paid as ever.
    """
    active = await partner_store.list_rules(tx, only_active=True)
    return rules.may_split(active, product_ids, promoter is not None)


async def plan_order(tx: Tx, order: PaidOrder) -> None:
    """Freeze who earns what of a paid order: rules, promoters and amounts as they are now.

    An order that nobody earns of, and whose money is not frozen, gets no plan; a frozen one that
    turns out to be shared by nobody is unfrozen. Safe to repeat.
    """
    paid = await payments.get_paid(tx, order.order_id)
    active = await partner_store.list_rules(tx, only_active=True)
    settings = await partner_store.get_settings(tx)
    frozen_fen = await books.frozen_fen(tx, order.order_id)
    paid_fen = paid.amount_fen if paid else 0
    chain = await _chain(tx, order)
    persons = await _persons(tx, active, chain)
    owners = await _owners(tx, active)
    claims = rules.claims(active, order.lines, order.amount_fen, paid_fen, chain, owners, persons)
    if not claims and not frozen_fen:
        return
    plan = _plan(order, paid, settings, is_frozen=frozen_fen > 0)
    parts = [_part(number, claim, plan) for number, claim in enumerate(claims, 1)]
    if await queries.insert_plan(tx, plan):
        await queries.insert_parts(tx, order.order_id, parts)
        await queries.insert_timeline(
            tx,
            order.order_id,
            "planned",
            {"parts": len(parts), "shared_fen": sum(part.planned_fen for part in parts)},
        )


async def unfreeze_apart(tx: Tx, parked_id: UUID) -> None:
    """Have what was paid on top of an order and stays with us unfrozen: a plan without parts, under
    the id of the parked money. Safe to repeat; nothing where nothing is frozen."""
    frozen_fen = await books.frozen_fen(tx, parked_id)
    kept = await payments.get_kept(tx, parked_id) if frozen_fen else None
    if kept is None:
        return
    settings, now = await partner_store.get_settings(tx), clock.now()
    plan = Plan(
        order_id=parked_id,
        person_no=kept.person_no,
        promoter_id=None,
        state=PlanState.OPEN,
        total_fen=kept.amount_fen,
        paid_fen=kept.amount_fen,
        refunded_fen=0,
        refunded_paid_fen=0,
        is_frozen=True,
        provider_number=kept.provider_number,
        merchant=kept.merchant,
        app=kept.app,
        paid_at=kept.paid_at,
        completed_at=now,
        frozen_until=kept.paid_at + timedelta(days=settings.freeze_days),
        alarm=None,
        alarmed_at=None,
        next_at=now,
    )
    if await queries.insert_plan(tx, plan):
        await queries.insert_timeline(tx, parked_id, "set_apart", {"amount_fen": frozen_fen})


async def complete_order(tx: Tx, order_id: UUID) -> None:
    """The receipt is confirmed: parts that waited for it fall due. Safe to repeat."""
    plan = await queries.lock_plan(tx, order_id)
    if plan is None or plan.completed_at is not None:
        return
    now = clock.now()
    for part in await queries.list_parts(tx, order_id):
        if part.trigger is Trigger.RECEIPT and part.due_at is None:
            due_at = rules.due_at(part.trigger, None, plan.paid_at, now)
            await queries.update_part(tx, order_id, msgspec.structs.replace(part, due_at=due_at))
    wake = now if plan.state is PlanState.OPEN else None
    await queries.update_plan(tx, msgspec.structs.replace(plan, completed_at=now, next_at=wake))
    await queries.insert_timeline(tx, order_id, "completed", {})


def wake_at(
    plan: Plan, parts: Sequence[Part], settings: Settings, now: datetime
) -> datetime | None:
    """When there is something to do about a plan, should nothing happen before."""
    waiting = [part for part in parts if part.state is PartState.PLANNED]
    moments = [part.due_at for part in waiting if part.due_at is not None]
    if plan.is_frozen:
        assert plan.frozen_until is not None
        moments.append(plan.frozen_until)
        if plan.alarm in (None, Alarm.HELD):
            moments.append(plan.paid_at + timedelta(days=settings.alarm_days))
        moments.append(plan.paid_at + rules.SPLIT_AFTER)
        moments = [moment for moment in moments if moment > now]
    return min(moments, default=None)


async def _chain(tx: Tx, order: PaidOrder) -> dict[int, UUID]:
    if order.promoter_id is None:
        return {}
    promoter = await partner_store.get_promoter(tx, order.promoter_id)
    if promoter is None:
        return {}
    return rules.chain_of(promoter.member_id, promoter.parent_id, order.member_id)


async def _persons(tx: Tx, active: Sequence[Rule], chain: Mapping[int, UUID]) -> dict[UUID, UUID]:
    """Receivers of the promoters whom WeChat pays directly; one who has none becomes one."""
    levels = {rule.level for rule in active if rule.way is Way.SPLIT}
    wanted = {member_id for level, member_id in chain.items() if level in levels}
    if not wanted:
        return {}
    merchant = (await shops.get_wechat(tx)).mchid or ""
    known = {
        row.member_id: row.receiver_id
        for row in await partner_store.list_persons(tx, merchant, sorted(wanted))
        if row.member_id is not None
    }
    for member_id in sorted(wanted - set(known)):
        try:
            made = await receivers.add_receiver(
                tx,
                System(),
                kind=ReceiverKind.PERSON,
                account=None,
                member_id=member_id,
                name=None,
                relation=Relation.DISTRIBUTOR,
                custom_relation=None,
            )
        except NoPayer:
            continue  # never seen in the mini-program: credited instead
        known[member_id] = made.receiver_id
    return known


async def _owners(tx: ReadTx, active: Sequence[Rule]) -> dict[UUID, UUID]:
    named = sorted({rule.receiver_id for rule in active if rule.receiver_id is not None})
    rows = await partner_store.list_receivers_by_id(tx, named)
    return {row.receiver_id: row.owner_id for row in rows}


def _plan(
    order: PaidOrder, paid: PaidAttempt | None, settings: Settings, *, is_frozen: bool
) -> Plan:
    return Plan(
        order_id=order.order_id,
        person_no=order.person_no,
        promoter_id=order.promoter_id,
        state=PlanState.OPEN,
        total_fen=order.amount_fen,
        paid_fen=paid.amount_fen if paid else 0,
        refunded_fen=0,
        refunded_paid_fen=0,
        is_frozen=is_frozen,
        provider_number=paid.provider_number if paid else None,
        merchant=paid.merchant if paid else "",
        app=paid.app if paid else "",
        paid_at=order.paid_at,
        completed_at=clock.now() if order.is_completed else None,
        frozen_until=order.paid_at + timedelta(days=settings.freeze_days) if is_frozen else None,
        alarm=None,
        alarmed_at=None,
        next_at=clock.now(),
    )


def _part(number: int, claim: Claim, plan: Plan) -> Part:
    rule = claim.rule
    return Part(
        part_no=number,
        rule_id=rule.rule_id,
        title=rule.title,
        scope=rule.scope,
        level=rule.level,
        owner_id=claim.owner_id,
        receiver_id=claim.receiver_id,
        way=rule.way,
        share_bps=rule.share_bps,
        base_fen=claim.base_fen,
        planned_fen=claim.amount_fen,
        amount_fen=claim.amount_fen,
        booked_fen=0,
        sent_fen=0,
        returned_fen=0,
        trigger=rule.trigger,
        due_at=rules.due_at(rule.trigger, rule.after_days, plan.paid_at, plan.completed_at),
        state=PartState.PLANNED,
        fail_reason=None,
        evidence=[],
        reviewed_at=None,
        review_note=None,
        pool=claim.pool,
        recall_fen=0,
        revision=0,
        request_id=None,
        hold_id=None,
        tries=0,
    )
