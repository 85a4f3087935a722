"""The console's view of payments: attempts, refunds, and money in suspense."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import OnceKey, Page, StaffIdentity, decode_cursor, get, post, staff
from siyu.kernel.idempotency import Replayed
from siyu.money.payments import service
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    Decision,
    ParkedRow,
    ParkedState,
    PaymentRow,
    Purpose,
    RefundOrigin,
    RefundRow,
    RefundState,
    RefundUnknown,
    TimelineEntry,
)
from siyu.wechat.pay.contracts import AbnormalRefund

Note = Annotated[str, msgspec.Meta(min_length=2, max_length=500)]
Limit = Annotated[int, Parameter(ge=1, le=100)]


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened; detail holds WeChat's own codes."""

    at: datetime
    event: str
    detail: dict[str, Any]


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt with its timeline. number: ours at WeChat; provider_number: WeChat's own."""

    payment_id: UUID
    order_id: UUID
    channel: Channel
    state: AttemptState
    amount_fen: int
    number: str
    provider_number: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    timeline: list[TimelineView]


class RefundEntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a refund, and who did it."""

    at: datetime
    event: str
    actor_name: str
    detail: dict[str, Any]


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """A refund with its timeline; the fields are those of the list."""

    refund_id: UUID
    order_id: UUID | None
    payment_id: UUID | None
    parked_id: UUID | None
    purpose: Purpose
    origin: RefundOrigin
    state: RefundState
    amount_fen: int
    reason: str
    number: str
    provider_number: str | None
    problem: str | None
    created_at: datetime
    next_call_at: datetime | None
    ended_at: datetime | None
    timeline: list[RefundEntryView]


class ReasonBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it stands in the audit trail and in the ledger."""

    reason: Note


class CardBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payer's other bank card; bank_type is WeChat's code, such as `ICBC_DEBIT`."""

    bank_type: Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[A-Z0-9_]+$")]
    bank_account: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{8,30}$")]
    real_name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class AbnormalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an abnormal refund goes: to the payer's `card`, or to the merchant's own (card null),
    from where the payer has to be given the money."""

    to: Literal["payer_card", "merchant_card"]
    card: CardBody | None


class ResolveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of parked money, and why."""

    decision: Decision
    note: Note


class _Intended(msgspec.Struct, frozen=True):
    refund_id: UUID


@get("/payments", access=staff("orders.read"))
async def list_payments(
    staff: StaffIdentity, order_id: Annotated[UUID, Parameter(query="order_id")]
) -> Page[PaymentView]:
    """The attempts to collect an order's money, the oldest first."""
    async with reading(staff.shop_id) as tx:
        rows = await service.list_payments(tx, order_id)
        entries = await service.list_timeline(tx, [row.payment_id for row in rows])
    return Page([_view(row, entries) for row in rows], None)


# --- refunds --------------------------------------------------------------------------------------


@get("/refunds", access=staff("money.read"))
async def list_refunds(
    staff: StaffIdentity,
    refund_state: Annotated[RefundState | None, Parameter(query="state")] = None,
    order_id: UUID | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[RefundRow]:
    """Refunds, the newest first; with `order_id` those of one order, the oldest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        if order_id is not None:
            return Page(await service.list_refunds(tx, order_id), None)
        rows = await service.list_all_refunds(
            tx, refund_state, before[0] if before else None, limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.refund_id])


@get("/refunds/{refund_id:uuid}", access=staff("money.read"))
async def show_refund(refund_id: UUID, staff: StaffIdentity) -> RefundView:
    """A refund and what happened to it."""
    async with reading(staff.shop_id) as tx:
        return await _refund_view(tx, refund_id)


@post("/refunds/{refund_id:uuid}/sync", access=staff("money.read"))
async def sync_refund(refund_id: UUID, staff: StaffIdentity) -> RefundView:
    """Ask WeChat now how a refund stands."""
    await service.ask_refund(staff.shop_id, refund_id)
    async with reading(staff.shop_id) as tx:
        return await _refund_view(tx, refund_id)


@post("/refunds/{refund_id:uuid}/retry", access=staff("money.write"))
async def retry_refund(refund_id: UUID, staff: StaffIdentity, once: OnceKey) -> RefundView:
    """Ask WeChat again for a refund that stopped, by the same number."""
    async with transaction(staff.shop_id, once=once) as tx:
        await service.retry_refund(tx, refund_id, staff)
        return tx.answer(await _refund_view(tx, refund_id))


@post("/refunds/{refund_id:uuid}/apply-abnormal", access=staff("money.write"))
async def apply_abnormal_refund(
    refund_id: UUID, data: AbnormalBody, staff: StaffIdentity, once: OnceKey
) -> RefundView:
    """Send an abnormal refund to a bank card; the card is told to WeChat and kept nowhere."""
    if (data.card is None) != (data.to == "merchant_card"):
        raise BadInput(fields=[{"field": "card", "message": "only with payer_card"}])
    card = msgspec.structs.asdict(data.card) if data.card else {}
    how = AbnormalRefund(
        out_refund_no=refund_id.hex,
        type="USER_BANK_CARD" if data.card else "MERCHANT_BANK_CARD",
        **card,
    )
    try:
        async with transaction(staff.shop_id, once=once) as write:
            await service.intend_abnormal(write, refund_id, data.card is None, staff)
            write.answer(_Intended(refund_id))
    except Replayed:
        pass  # it was asked for; how it stands now is the answer
    else:
        await service.apply_abnormal(staff.shop_id, refund_id, how)
    async with reading(staff.shop_id) as tx:
        return await _refund_view(tx, refund_id)


@post("/refunds/{refund_id:uuid}/settle-outside", access=staff("money.write"))
async def settle_refund_outside(
    refund_id: UUID, data: ReasonBody, staff: StaffIdentity, once: OnceKey
) -> RefundView:
    """The payer was given the money outside of WeChat, which is asked first."""
    await service.ask_refund(staff.shop_id, refund_id)
    async with transaction(staff.shop_id, once=once) as tx:
        await service.settle_outside(tx, refund_id, data.reason, staff)
        return tx.answer(await _refund_view(tx, refund_id))


@post("/refunds/{refund_id:uuid}/hand-out", access=staff("orders.collect"))
async def hand_out_refund(
    refund_id: UUID, data: ReasonBody, staff: StaffIdentity, once: OnceKey
) -> RefundView:
    """What was paid at the counter was given back there."""
    async with transaction(staff.shop_id, once=once) as tx:
        await service.hand_out_refund(tx, refund_id, data.reason, staff)
        return tx.answer(await _refund_view(tx, refund_id))


@post("/refunds/{refund_id:uuid}/give-up", access=staff("money.write"))
async def give_up_refund(
    refund_id: UUID, data: ReasonBody, staff: StaffIdentity, once: OnceKey
) -> RefundView:
    """Close a refund that WeChat refuses for good; WeChat is asked first."""
    await service.ask_refund(staff.shop_id, refund_id)
    async with transaction(staff.shop_id, once=once) as tx:
        await service.give_up_refund(tx, refund_id, data.reason, staff)
        return tx.answer(await _refund_view(tx, refund_id))


# --- suspense -------------------------------------------------------------------------------------


@get("/suspense", access=staff("money.read"))
async def list_suspense(
    staff: StaffIdentity,
    parked_state: Annotated[ParkedState | None, Parameter(query="state")] = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[ParkedRow]:
    """Money that fitted no order and its story, the newest first."""
    before = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_parked(tx, before, limit + 1, parked_state)
    return Page.of(rows, limit, lambda row: [row.parked_at, row.parked_id])


@post("/suspense/{parked_id:uuid}/resolve", access=staff("money.write"))
async def resolve_suspense(
    parked_id: UUID, data: ResolveBody, staff: StaffIdentity, once: OnceKey
) -> ParkedRow:
    """Send parked money back, accept it, or dismiss what never was ours."""
    async with transaction(staff.shop_id, once=once) as tx:
        await service.resolve(tx, parked_id, data.decision, data.note, staff)
        row = await service.get_parked_row(tx, parked_id)
        assert row is not None
        return tx.answer(row)


def _view(row: PaymentRow, entries: list[TimelineEntry]) -> PaymentView:
    return PaymentView(
        **msgspec.structs.asdict(row),
        timeline=[
            TimelineView(at=entry.at, event=entry.event, detail=entry.detail)
            for entry in entries
            if entry.payment_id == row.payment_id
        ],
    )


async def _refund_view(tx: ReadTx, refund_id: UUID) -> RefundView:
    row = await service.get_refund_row(tx, refund_id)
    if row is None:
        raise RefundUnknown
    entries = await service.list_refund_entries(tx, [refund_id])
    return RefundView(
        **msgspec.structs.asdict(row),
        timeline=[
            RefundEntryView(
                at=one.at, event=one.event, actor_name=one.actor_name, detail=one.detail
            )
            for one in entries
        ],
    )


routes = [
    list_payments,
    list_refunds,
    show_refund,
    sync_refund,
    retry_refund,
    apply_abnormal_refund,
    settle_refund_outside,
    hand_out_refund,
    give_up_refund,
    list_suspense,
    resolve_suspense,
]
