"""Coupons in the console: batches, what they have done, who has them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.commerce.coupons import queries, service
from siyu.commerce.coupons.contracts import (
    MAX_COUNT,
    MAX_PER_MEMBER,
    Batch,
    BatchState,
    ClaimNotFound,
    ClaimState,
    Draft,
    Figures,
    HandedOut,
    Issue,
    Limits,
    Move,
    Terms,
)
from siyu.commerce.promotions.contracts import CouponGives, Fen, Scope, SomeFen
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import OnceKey, Page, decode_cursor, get, post, put, staff
from siyu.people.members import service as members

READ, WRITE = staff("coupons.read"), staff("coupons.write")
_Moment = Annotated[datetime, Meta(tz=True)]
_Each = Annotated[int, Meta(ge=1, le=MAX_PER_MEMBER)]
_Reason = Annotated[str, Meta(min_length=2, max_length=200, pattern=r"\S")]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class BatchBody(_Body, frozen=True, kw_only=True):
    """A batch; what the fields mean stands at `contracts.Terms` and `contracts.Limits`."""

    name: Annotated[str, Meta(min_length=1, max_length=30, pattern=r"\S")]
    note: Annotated[str, Meta(max_length=200)] = ""
    gives: CouponGives
    from_fen: Fen = 0
    scope: Scope = Scope()
    group: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,20}$")] = "coupon"
    full_price_only: bool = False
    issue: Issue
    code: Annotated[str, Meta(min_length=2, max_length=40)] | None = None
    starts_at: _Moment
    ends_at: _Moment
    valid_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    needs_phone: bool = False
    return_days: Annotated[int, Meta(ge=0, le=366)] | None = 0
    total_count: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    per_member: _Each = 1
    per_device: _Each | None = None
    budget_fen: SomeFen | None = None


class EditBatchBody(BatchBody, frozen=True, kw_only=True):
    """expected_version: of the batch as the editor showed it."""

    expected_version: int


class StateBody(_Body, frozen=True, kw_only=True):
    """Where the batch shall go."""

    to: BatchState


class HandOutBody(_Body, frozen=True, kw_only=True):
    """Who gets one; the note is kept in each coupon's history."""

    member_ids: Annotated[list[UUID], Meta(min_length=1, max_length=200)]
    note: Annotated[str, Meta(max_length=200)] = ""


class VoidBody(_Body, frozen=True, kw_only=True):
    """Which coupons are taken away, and why."""

    claim_ids: Annotated[list[UUID], Meta(min_length=1, max_length=200)]
    reason: _Reason


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as staff see it."""

    batch_id: UUID
    name: str
    note: str
    state: BatchState
    gives: CouponGives
    from_fen: int
    scope: Scope
    group: str
    full_price_only: bool
    issue: Issue
    code: str | None
    starts_at: datetime
    ends_at: datetime
    valid_days: int | None
    needs_phone: bool
    return_days: int | None
    total_count: int | None
    per_member: int
    per_device: int | None
    budget_fen: int | None
    claimed_count: int
    committed_fen: int
    version: int
    created_at: datetime
    updated_at: datetime


class BatchRow(BatchView, frozen=True, kw_only=True):
    """A batch in the list; `used_count` of its coupons are in a paid order."""

    used_count: int


class BatchDetail(BatchView, frozen=True, kw_only=True):
    """A batch with what it has done."""

    figures: Figures


class ClaimView(msgspec.Struct, frozen=True, kw_only=True):
    """A member's coupon as staff see it."""

    claim_id: UUID
    member_id: UUID
    nickname: str
    phone_masked: str | None
    state: ClaimState
    valid_from: datetime
    valid_until: datetime
    order_id: UUID | None
    off_fen: int | None
    claimed_at: datetime
    used_at: datetime | None


class VoidedView(msgspec.Struct, frozen=True):
    """Which coupons were taken away; those in an order, used or ended stay as they are."""

    claim_ids: list[UUID]


class MoveList(msgspec.Struct, frozen=True):
    """The history of a coupon, from its beginning."""

    items: list[Move]


@get("/coupons", access=READ)
async def list_coupon_batches(
    staff: StaffIdentity,
    batch_state: Annotated[BatchState | None, Parameter(query="state")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[BatchRow]:
    """The batches, newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_batches(tx, batch_state, before[0] if before else None, limit + 1)
        used = await queries.count_used(tx, [row.batch_id for row in rows])
    shown = [
        BatchRow(**msgspec.structs.asdict(row), used_count=used.get(row.batch_id, 0))
        for row in rows
    ]
    return Page.of(shown, limit, lambda row: [row.batch_id])


@post("/coupons", access=WRITE, status_code=201)
async def create_coupon_batch(data: BatchBody, staff: StaffIdentity, once: OnceKey) -> BatchView:
    """Make a batch, as a draft."""
    async with transaction(staff.shop_id, once=once) as tx:
        return tx.answer(_view(await service.create_batch(tx, staff, _draft(data))), 201)


@get("/coupons/{batch_id:uuid}", access=READ)
async def show_coupon_batch(batch_id: UUID, staff: StaffIdentity) -> BatchDetail:
    """A batch with its figures."""
    async with reading(staff.shop_id) as tx:
        batch = await service.get_batch(tx, batch_id)
        figures = await queries.get_figures(tx, batch_id)
    return BatchDetail(**msgspec.structs.asdict(batch), figures=figures)


@put("/coupons/{batch_id:uuid}", access=WRITE)
async def edit_coupon_batch(batch_id: UUID, data: EditBatchBody, staff: StaffIdentity) -> BatchView:
    """Change a batch: all of a draft; of one that has run its name, note and limits."""
    async with transaction(staff.shop_id) as tx:
        return _view(
            await service.edit_batch(tx, staff, batch_id, _draft(data), data.expected_version)
        )


@post("/coupons/{batch_id:uuid}/state", access=WRITE)
async def move_coupon_batch(batch_id: UUID, data: StateBody, staff: StaffIdentity) -> BatchView:
    """Start, pause or end a batch; coupons already given stay good."""
    async with transaction(staff.shop_id) as tx:
        return _view(await service.move_batch(tx, staff, batch_id, data.to))


@post("/coupons/{batch_id:uuid}/hand-out", access=WRITE)
async def hand_out_coupons(
    batch_id: UUID, data: HandOutBody, staff: StaffIdentity, once: OnceKey
) -> HandedOut:
    """Give a coupon to each of these members."""
    async with transaction(staff.shop_id, once=once) as tx:
        return tx.answer(
            await service.hand_out(tx, staff, batch_id, data.member_ids, data.note.strip())
        )


@post("/coupons/{batch_id:uuid}/void", access=WRITE)
async def void_coupons(batch_id: UUID, data: VoidBody, staff: StaffIdentity) -> VoidedView:
    """Take coupons away that are in no order."""
    async with transaction(staff.shop_id) as tx:
        return VoidedView(
            await service.void_claims(tx, staff, batch_id, data.claim_ids, data.reason.strip())
        )


@get("/coupons/{batch_id:uuid}/claims", access=READ)
async def list_coupon_claims(
    batch_id: UUID,
    staff: StaffIdentity,
    claim_state: Annotated[ClaimState | None, Parameter(query="state")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[ClaimView]:
    """Who has coupons of a batch, the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        await service.get_batch(tx, batch_id)
        rows = await queries.list_claims(
            tx, batch_id, claim_state, before[0] if before else None, limit + 1
        )
        ids = list({row.member_id for row in rows})
        known = {one.member_id: one for one in await members.list_members(tx, None, None, 101, ids)}
    views = [
        ClaimView(
            nickname=known[row.member_id].nickname,
            phone_masked=known[row.member_id].phone_masked,
            **{field: getattr(row, field) for field in _OF_CLAIM},
        )
        for row in rows
    ]
    return Page.of(views, limit, lambda row: [row.claim_id])


_OF_CLAIM = tuple(
    field for field in ClaimView.__struct_fields__ if field not in ("nickname", "phone_masked")
)


@get("/coupon-claims/{claim_id:uuid}/moves", access=READ)
async def list_coupon_moves(claim_id: UUID, staff: StaffIdentity) -> MoveList:
    """Every step of a coupon."""
    async with reading(staff.shop_id) as tx:
        moves = await queries.list_moves(tx, claim_id)
    if not moves:
        raise ClaimNotFound
    return MoveList(moves)


def _view(batch: Batch) -> BatchView:
    return BatchView(**msgspec.structs.asdict(batch))


def _draft(data: BatchBody) -> Draft:
    def fields(kind: Any) -> dict[str, Any]:
        return {field: getattr(data, field) for field in kind.__struct_fields__}

    return Draft(
        name=data.name,
        note=data.note,
        terms=Terms(**fields(Terms)),
        limits=Limits(**fields(Limits)),
    )


routes = [
    list_coupon_batches,
    create_coupon_batch,
    show_coupon_batch,
    edit_coupon_batch,
    move_coupon_batch,
    hand_out_coupons,
    void_coupons,
    list_coupon_claims,
    list_coupon_moves,
]
