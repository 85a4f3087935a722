"""Approvals in the console."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.compliance.approvals import service
from siyu.compliance.approvals.contracts import (
    Case,
    CaseKind,
    CaseState,
    ExportLimit,
    Path,
    Step,
)
from siyu.compliance.rulebook.contracts import Draft, DraftBody
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import BadInput
from siyu.kernel.http import Page, decode_cursor, get, post, put, staff

_Reason = Annotated[str, Meta(min_length=2, max_length=300, pattern=r"\S")]


ASKED_ELSEWHERE = (CaseKind.OVERRIDE, CaseKind.EXPORT, CaseKind.CONSENT_TEXT)


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class CaseBody(_Body, frozen=True):
    """What is to be signed; ASKED_ELSEWHERE have their own addresses."""

    kind: CaseKind
    title: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    content: Annotated[dict[str, Any], Meta(min_length=1, max_length=30)]
    path: Path = Path.NORMAL
    note: Annotated[str, Meta(max_length=300)] = ""


class OverrideBody(_Body, frozen=True):
    """The draft that shall go out, which rule it breaks, and why it may."""

    draft: DraftBody
    rule_id: Annotated[str, Meta(min_length=1, max_length=60)]
    reason: _Reason


class ExportLimitBody(_Body, frozen=True):
    """rows: 0 has every export of people signed by a second person."""

    rows: Annotated[int, Meta(ge=0, le=100_000)]


class SignBody(_Body, frozen=True):
    """content_hash: of the content as it was read."""

    step: Step
    approved: bool
    content_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    note: Annotated[str, Meta(max_length=300)] = ""


@get("/approvals", access=staff("shop.read"))
async def list_review_cases(
    staff: StaffIdentity,
    status: CaseState | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Case]:
    """Contents with their signatures, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_cases(tx, status, after[0] if after else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.case_id])


@post("/approvals", access=staff("shop.write"), status_code=201)
async def open_review_case(data: CaseBody, staff: StaffIdentity) -> Case:
    """Ask for the signatures under a content, as its author."""
    if data.kind in ASKED_ELSEWHERE or data.path is Path.SECOND:
        raise BadInput
    async with transaction(staff.shop_id) as tx:
        return await service.open_case(
            tx,
            staff,
            data.kind,
            title=data.title.strip(),
            content=data.content,
            path=data.path,
            note=data.note,
        )


@post("/approvals/overrides", access=staff("shop.write"), status_code=201)
async def ask_override(data: OverrideBody, staff: StaffIdentity) -> Case:
    """Ask that a draft may go out although it breaks a rule."""
    draft = Draft(data.draft.scene, data.draft.texts, data.draft.facts)
    async with transaction(staff.shop_id) as tx:
        return await service.ask_override(tx, staff, draft, data.rule_id, data.reason.strip())


@get("/approvals/export-limit", access=staff("shop.read"))
async def show_export_limit(staff: StaffIdentity) -> ExportLimit:
    """Up to how many rows about people one person may export."""
    async with reading(staff.shop_id) as tx:
        return await service.get_export_limit(tx)


@put("/approvals/export-limit", access=staff(service.SIGNING))
async def change_export_limit(data: ExportLimitBody, staff: StaffIdentity) -> ExportLimit:
    """Change it; only those who could be the second person may."""
    async with transaction(staff.shop_id) as tx:
        return await service.set_export_limit(tx, staff, ExportLimit(data.rows))


@get("/approvals/{case_id:uuid}", access=staff("shop.read"))
async def show_review_case(case_id: UUID, staff: StaffIdentity) -> Case:
    """A content with its signatures."""
    async with reading(staff.shop_id) as tx:
        return await service.get_case(tx, case_id)


@post("/approvals/{case_id:uuid}/sign", access=staff("shop.write"), status_code=200)
async def sign_approval(case_id: UUID, data: SignBody, staff: StaffIdentity) -> Case:
    """Sign the waiting step, or refuse."""
    if data.step in (Step.LEGAL, Step.SECOND):
        staff.must_have(service.SIGNING)
    async with transaction(staff.shop_id) as tx:
        return await service.sign(
            tx, staff, case_id, data.step, data.approved, data.content_hash, data.note.strip()
        )


routes = [
    list_review_cases, open_review_case, ask_override, show_export_limit, change_export_limit,
    show_review_case, sign_approval,
]  # fmt: skip
