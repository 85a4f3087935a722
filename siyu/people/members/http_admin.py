"""Members as staff see them: masked, and in clear only with a reason that is kept."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, get, patch, post, staff
from siyu.people.members import service
from siyu.people.members.contracts import Address, Level, MemberDetail, MemberSummary


class LevelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The level to put a member on."""

    level: Level


class RevealBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to see in clear, and why; the reason is kept in the trail."""

    field: Literal["phone", "addresses"]
    reason: Annotated[str, msgspec.Meta(min_length=2, max_length=200, pattern=r"\S")]


class RevealView(msgspec.Struct, frozen=True):
    """The field asked for; the other one is null."""

    phone: str | None
    addresses: list[Address] | None


@get("/members", access=staff("members.read"))
async def list_members(
    staff: StaffIdentity,
    q: Annotated[str | None, Parameter(max_length=64)] = None,
    ids: Annotated[list[UUID] | None, Parameter(max_items=100)] = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[MemberSummary]:
    """Members, newest first. q: a whole phone number, or how a nickname begins; ids: only these
    (a page that knows members by id asks for their names once)."""
    after = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_members(tx, q, after, limit + 1, ids)
    return Page.of(rows, limit, lambda row: [row.joined_at, row.member_id])


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


routes = [list_members, show_member, set_level, reveal_member]
