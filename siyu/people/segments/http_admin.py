"""Segments in the console: saved, counted, looked into, removed."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, staff
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberSummary
from siyu.people.segments import service
from siyu.people.segments.contracts import Body, Rule, Segment

READ, WRITE = staff("insight.read"), staff("insight.write")


class SegmentList(msgspec.Struct, frozen=True):
    """All segments of the shop, newest first."""

    items: list[Segment]


class CountBody(Body, frozen=True, kw_only=True):
    """Who is to be counted."""

    rule: Rule


class CountView(msgspec.Struct, frozen=True):
    """How many persons fit now."""

    persons: int


class SegmentBody(CountBody, frozen=True, kw_only=True):
    """A rule to be kept under a name."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    note: Annotated[str, Meta(max_length=500)] = ""


class PersonView(msgspec.Struct, frozen=True):
    """Somebody in a segment; member null: a visitor without account."""

    person_no: int
    member: MemberSummary | None


@get("/segments", access=READ)
async def list_segments(staff: StaffIdentity) -> SegmentList:
    """The shop's saved segments with the number of persons as last counted."""
    async with reading(staff.shop_id) as tx:
        return SegmentList(await service.list_segments(tx))


@post("/segments", access=WRITE, status_code=201)
async def save_segment(data: SegmentBody, staff: StaffIdentity) -> Segment:
    """Keep a rule under a name; it is asked anew whenever the segment is used."""
    count = await service.count_rule(staff.shop_id, data.rule)
    async with transaction(staff.shop_id) as tx:
        return await service.save_rule(tx, staff, data.name, data.rule, count, data.note)


@post("/segments/count", access=READ)
async def count_persons(data: CountBody, staff: StaffIdentity) -> CountView:
    """How many persons fit a rule, before it is saved."""
    return CountView(await service.count_rule(staff.shop_id, data.rule))


@get("/segments/{segment_id:uuid}", access=READ)
async def show_segment(segment_id: UUID, staff: StaffIdentity) -> Segment:
    """One segment."""
    async with reading(staff.shop_id) as tx:
        return await service.get_segment(tx, segment_id)


@post("/segments/{segment_id:uuid}/count", access=READ)
async def recount_segment(segment_id: UUID, staff: StaffIdentity) -> Segment:
    """Count anew who is in it."""
    return await service.recount(staff.shop_id, segment_id)


@get("/segments/{segment_id:uuid}/persons", access=staff("members.read"))
async def list_segment_persons(
    segment_id: UUID,
    staff: StaffIdentity,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[PersonView]:
    """Who is in a segment, by person number; members masked as in the list of members."""
    (after,) = decode_cursor(cursor, tuple[int]) or (0,)
    numbers = await service.list_persons(staff.shop_id, segment_id, after, limit + 1)
    async with reading(staff.shop_id) as tx:
        known = await members.list_members(tx, None, None, limit + 1, persons=numbers)
    by_number = {member.person_no: member for member in known}
    rows = [PersonView(number, by_number.get(number)) for number in numbers]
    return Page.of(rows, limit, lambda row: [row.person_no])


@delete("/segments/{segment_id:uuid}", access=WRITE)
async def remove_segment(segment_id: UUID, staff: StaffIdentity) -> None:
    """Remove a segment; nobody in it is touched."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_segment(tx, staff, segment_id)


routes = [
    list_segments,
    save_segment,
    count_persons,
    show_segment,
    recount_segment,
    list_segment_persons,
    remove_segment,
]
