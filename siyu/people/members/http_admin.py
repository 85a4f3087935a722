"""Members as staff see them: masked, and in clear only with a reason that is kept."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request
from litestar.params import Parameter
from litestar.response import Stream

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import SecondApproverNeeded
from siyu.kernel import clock, tables
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, get, patch, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.merchant.shops import service as shops
from siyu.people.members import service
from siyu.people.members.contracts import (
    Address,
    IdentifierKind,
    Level,
    ListReport,
    MemberDetail,
    MemberNotFound,
    MemberSummary,
    Merge,
    MergeState,
    Person,
    RefusedFor,
    Source,
)


class LevelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The level to put a member on."""

    level: Level


class RefusedRow(msgspec.Struct, frozen=True):
    """A line of a list that was not taken; reason: a stable code."""

    line_no: int
    reason: str


class MemberImport(msgspec.Struct, frozen=True):
    """A list of members: how far it was read, why lines were refused, the first such lines."""

    report: ListReport
    refused_for: list[RefusedFor]
    refused_lines: list[RefusedRow]


class RevealBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to see in clear, and why; the reason is kept in the trail."""

    field: Literal["phone", "addresses"]
    reason: Annotated[str, msgspec.Meta(min_length=2, max_length=200, pattern=r"\S")]


_Reason = Annotated[str, msgspec.Meta(min_length=2, max_length=200, pattern=r"\S")]
_LinkKind = Literal["unionid", "external_userid", "phone", "card", "email"]


class IdentifierBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What somebody is known by; in the body, for addresses of pages are written to logs (F092)."""

    kind: _LinkKind
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]


class UnlinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which identifier of the record to take off, and why; ref: as the identities show it."""

    kind: _LinkKind
    ref: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    reason: _Reason


class RelinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which removal to take back."""

    removal_id: UUID


class RegisterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A member as staff or another system know them."""

    nickname: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    identifiers: Annotated[list[IdentifierBody], msgspec.Meta(min_length=1, max_length=10)]


class MergeLockBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why staff must decide every merge of a member; null: no longer."""

    reason: _Reason | None


class ProposeMergeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two records said to be one person."""

    one_id: UUID
    other_id: UUID


class DecideMergeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether both records are one person."""

    is_accepted: bool
    note: _Reason | None = None


class UndoMergeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why two persons were not one."""

    reason: _Reason


class ExportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which people to write into a table, and why; joined_from, joined_until: half open."""

    reason: _Reason
    format: Literal["csv", "xlsx"] = "csv"
    level: Level | None = None
    source: Source | None = None
    joined_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    joined_until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class RevealView(msgspec.Struct, frozen=True):
    """The field asked for; the other one is null."""

    phone: str | None
    addresses: list[Address] | None


@get("/members", access=staff("members.read"))
async def list_members(
    staff: StaffIdentity,
    q: Annotated[str | None, Parameter(max_length=64)] = None,
    ids: Annotated[list[UUID] | None, Parameter(max_items=100)] = None,
    level: Level | None = None,
    source: Source | None = None,
    joined_from: datetime | None = None,
    joined_until: datetime | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[MemberSummary]:
    """Members, newest first, one line a person. q: a whole phone number, card, address for mail
    or person's number, else how a nickname begins; ids: only these records (a page that knows
    members by id asks for their names once); joined_from, joined_until: half open."""
    after = decode_cursor(cursor, tuple[datetime, UUID])
    only = service.PeopleFilter(
        level=level, source=source, joined_from=joined_from, joined_until=joined_until
    )
    async with reading(staff.shop_id) as tx:
        rows = await service.list_members(tx, q, after, limit + 1, ids, only=only)
    return Page.of(rows, limit, lambda row: [row.joined_at, row.member_id])


@post("/members/export", access=staff("members.export"), status_code=200)
async def export_members(
    data: ExportBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Stream:
    """A table of people in the asker's language, masked and marked with who took it. Above the
    shop's limit a second person signs first: 409 with the approval's `case_id`; after that, ask for
    the same again (F084)."""
    only = service.PeopleFilter(
        level=data.level,
        source=data.source,
        joined_from=data.joined_from,
        joined_until=data.joined_until,
    )
    async with transaction(staff.shop_id) as tx:
        zone = await shops.get_time_zone(tx)
        rows = await service.count_members(tx, only)
        waiting = await approvals.ask_export(
            tx,
            staff,
            what="members",
            asked=msgspec.to_builtins(only),
            rows=rows,
            reason=data.reason.strip(),
        )
    if waiting is not None:
        raise SecondApproverNeeded(case_id=str(waiting.case_id), rows=rows)
    write = tables.write_csv if data.format == "csv" else tables.write_xlsx
    language = language_of(request.headers.get("accept-language"))
    mark = approvals.watermark(staff, clock.now(), language)
    return Stream(
        write(
            service.export_header(language),
            service.export_members(staff.shop_id, only, ZoneInfo(zone), mark, language),
        ),
        media_type=tables.MEDIA_TYPES[data.format],
        headers={
            "Content-Disposition": f'attachment; filename="members.{data.format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


IMPORT_LINES = 50
"""Refused lines that are shown of one list; the command line shows more."""


@get("/member-imports", access=staff("members.read"))
async def list_member_imports(
    staff: StaffIdentity,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=20)] = 10,
) -> Page[MemberImport]:
    """Lists of members that were or are being imported, and the first lines that were refused."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        found = await service.list_imports(tx, after[0] if after else None, limit + 1, IMPORT_LINES)
    rows = [
        MemberImport(report, counts, [RefusedRow(one.line_no, one.reason) for one in lines])
        for report, counts, lines in found
    ]
    return Page.of(rows, limit, lambda row: [row.report.import_id])


@post("/members/find", access=staff("members.read"), status_code=200)
async def find_member(data: IdentifierBody, staff: StaffIdentity) -> MemberDetail:
    """The person an identifier belongs to."""
    async with reading(staff.shop_id) as tx:
        found = await service.find_by_identifier(tx, IdentifierKind(data.kind), data.value)
        if found is None:
            raise MemberNotFound
        return await service.get_detail(tx, found)


@post("/members", access=staff("members.write"), status_code=201)
async def register_member(data: RegisterBody, staff: StaffIdentity) -> MemberDetail:
    """The person known by one of these identifiers, or a new member who has all of them."""
    named = [(IdentifierKind(one.kind), one.value) for one in data.identifiers]
    async with transaction(staff.shop_id) as tx:
        member_id = await service.register(tx, staff, data.nickname, named)
        return await service.get_detail(tx, member_id)


@get("/members/{member_id:uuid}/identities", access=staff("members.read"))
async def show_identities(member_id: UUID, staff: StaffIdentity) -> Person:
    """All records and identifiers of a person, and what was merged, masked."""
    async with reading(staff.shop_id) as tx:
        return await service.get_identities(tx, member_id)


@post("/members/{member_id:uuid}/identifiers", access=staff("members.write"), status_code=200)
async def link_identifier(member_id: UUID, data: IdentifierBody, staff: StaffIdentity) -> Person:
    """Link an identifier to a member; one that another has puts both into the queue of merges."""
    async with transaction(staff.shop_id) as tx:
        await service.link_by_staff(tx, staff, member_id, IdentifierKind(data.kind), data.value)
        return await service.get_identities(tx, member_id)


@post(
    "/members/{member_id:uuid}/identifiers/remove", access=staff("members.write"), status_code=200
)
async def unlink_identifier(member_id: UUID, data: UnlinkBody, staff: StaffIdentity) -> Person:
    """Take a wrong identifier off a record; it can be given back."""
    async with transaction(staff.shop_id) as tx:
        await service.unlink(
            tx, staff, member_id, IdentifierKind(data.kind), data.ref, data.reason.strip()
        )
        return await service.get_identities(tx, member_id)


@post(
    "/members/{member_id:uuid}/identifiers/restore", access=staff("members.write"), status_code=200
)
async def relink_identifier(member_id: UUID, data: RelinkBody, staff: StaffIdentity) -> Person:
    """Give back an identifier that was taken off, as it was."""
    async with transaction(staff.shop_id) as tx:
        await service.relink(tx, staff, member_id, data.removal_id)
        return await service.get_identities(tx, member_id)


@put("/members/{member_id:uuid}/merge-lock", access=staff("members.write"))
async def set_merge_lock(member_id: UUID, data: MergeLockBody, staff: StaffIdentity) -> Person:
    """Let staff alone decide merges of this member, or no longer."""
    async with transaction(staff.shop_id) as tx:
        await service.set_merge_lock(tx, staff, member_id, data.reason)
        return await service.get_identities(tx, member_id)


@get("/merges", access=staff("members.read"))
async def list_merges(
    staff: StaffIdentity,
    status: MergeState | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Merge]:
    """Merges, newest first, both sides masked; status proposed: what waits for staff."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_merges(tx, status, before[0] if before else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.merge_id])


@post("/merges", access=staff("members.write"), status_code=201)
async def propose_merge(data: ProposeMergeBody, staff: StaffIdentity) -> Merge:
    """Put two records into the queue as one person."""
    async with transaction(staff.shop_id) as tx:
        merge_id = await service.propose_merge(tx, staff, data.one_id, data.other_id)
        return await service.get_merge(tx, merge_id)


@post("/merges/{merge_id:uuid}/decide", access=staff("members.write"), status_code=200)
async def decide_merge(merge_id: UUID, data: DecideMergeBody, staff: StaffIdentity) -> Merge:
    """Merge what was proposed, or say that these are two persons."""
    async with transaction(staff.shop_id) as tx:
        await service.decide_merge(tx, staff, merge_id, data.is_accepted, data.note)
        return await service.get_merge(tx, merge_id)


@post("/merges/{merge_id:uuid}/undo", access=staff("members.write"), status_code=200)
async def undo_merge(merge_id: UUID, data: UndoMergeBody, staff: StaffIdentity) -> Merge:
    """Make two persons of one again; what happened since stays with who stood for both."""
    async with transaction(staff.shop_id) as tx:
        await service.undo_merge(tx, staff, merge_id, data.reason.strip())
        return await service.get_merge(tx, merge_id)


@get("/members/{member_id:uuid}", access=staff("members.read"))
async def show_member(member_id: UUID, staff: StaffIdentity) -> MemberDetail:
    """One member, masked."""
    async with reading(staff.shop_id) as tx:
        return await service.get_detail(tx, member_id)


@patch("/members/{member_id:uuid}", access=staff("members.write"))
async def set_level(member_id: UUID, data: LevelBody, staff: StaffIdentity) -> MemberDetail:
    """Put a member on a level."""
    async with transaction(staff.shop_id) as tx:
        await service.set_level(tx, staff, member_id, data.level)
        return await service.get_detail(tx, member_id)


@post("/members/{member_id:uuid}/reveal", access=staff("members.reveal"))
async def reveal_member(member_id: UUID, data: RevealBody, staff: StaffIdentity) -> RevealView:
    """Show phone number or addresses in clear; the trail keeps who saw them and why."""
    async with transaction(staff.shop_id) as tx:
        if data.field == "phone":
            return RevealView(
                await service.reveal_phone(tx, staff, member_id, data.reason.strip()), None
            )
        return RevealView(
            None, await service.reveal_addresses(tx, staff, member_id, data.reason.strip())
        )


routes = [
    list_members,
    export_members,
    find_member,
    register_member,
    show_member,
    set_level,
    reveal_member,
    show_identities,
    link_identifier,
    unlink_identifier,
    relink_identifier,
    set_merge_lock,
    list_merges,
    propose_merge,
    decide_merge,
    undo_merge,
    list_member_imports,
]
