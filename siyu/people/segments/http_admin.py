"""Segments in the console: written with their sentence at hand, counted, looked into, compared."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import Meta

from siyu.compliance.approvals import service as approvals
from siyu.compliance.approvals.contracts import SecondApproverNeeded
from siyu.kernel import clock, tables
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, put, staff
from siyu.kernel.i18n import language_of
from siyu.people.members import service as members
from siyu.people.members.contracts import MemberSummary
from siyu.people.segments import rules, service
from siyu.people.segments.contracts import Body, Overlap, Rule, Segment, Snapshot

READ, WRITE, WHO = staff("insight.read"), staff("insight.write"), staff("members.read")
REVEAL, DAYS, SAMPLE = "members.reveal", 30, 6


class PersonView(msgspec.Struct, frozen=True):
    """Somebody in a segment; member null: a visitor without account."""

    person_no: int
    member: MemberSummary | None


class SegmentCard(Segment, frozen=True):
    """A segment with its rule in words and the days of the last month, oldest first."""

    sentence: str
    days: list[Snapshot]


class SegmentList(msgspec.Struct, frozen=True):
    """All segments of the shop, newest first."""

    items: list[SegmentCard]


class CountBody(Body, frozen=True, kw_only=True):
    """Who is to be counted."""

    rule: Rule


class CountView(msgspec.Struct, frozen=True):
    """How many persons fit now, the rule in words, and some of them (for who may see people)."""

    persons: int
    sentence: str
    sample: list[PersonView]


class SegmentBody(CountBody, frozen=True, kw_only=True):
    """A rule to be kept under a name. live: coming and going are events, at once."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]
    note: Annotated[str, Meta(max_length=500)] = ""
    live: bool = False


class SentenceView(msgspec.Struct, frozen=True):
    """A rule in words."""

    sentence: str


class OverlapBody(Body, frozen=True, kw_only=True):
    """Segments to be laid over each other."""

    segments: Annotated[list[UUID], Meta(min_length=2, max_length=8)]


class BelongingList(msgspec.Struct, frozen=True):
    """All segments, those the person is in first, each with why."""

    items: list[service.Belonging]


class ExportBody(Body, frozen=True, kw_only=True):
    """Why people leave as a table, and in which form."""

    reason: Annotated[str, Meta(min_length=2, max_length=200, pattern=r"\S.*\S")]
    format: Literal["csv", "xlsx"] = "csv"


Asked = Request[Any, Any, Any]


async def _people(tx: ReadTx, numbers: list[int]) -> list[PersonView]:
    known = await members.list_members(tx, None, None, len(numbers) + 1, persons=numbers)
    by_number = {member.person_no: member for member in known}
    return [PersonView(number, by_number.get(number)) for number in numbers]


async def _cards(shop: StaffIdentity, asked: Asked, found: list[Segment]) -> list[SegmentCard]:
    names = await service.names_of(shop.shop_id, _language(asked))
    async with reading(shop.shop_id) as tx:
        days = await service.growth(tx, [one.segment_id for one in found], DAYS)
    return [
        SegmentCard(
            **msgspec.structs.asdict(one),
            sentence=service.sentence_of(one.rule, names),
            days=days[one.segment_id],
        )
        for one in found
    ]


def _language(asked: Asked) -> Any:
    return language_of(asked.headers.get("accept-language"))


@get("/segments", access=READ)
async def list_segments(staff: StaffIdentity, request: Asked) -> SegmentList:
    """The shop's saved segments with the number of persons as last counted."""
    async with reading(staff.shop_id) as tx:
        found = await service.list_segments(tx)
    return SegmentList(await _cards(staff, request, found))


@post("/segments", access=WRITE, status_code=201)
async def save_segment(data: SegmentBody, staff: StaffIdentity) -> Segment:
    """Keep a rule under a name."""
    service.check(data.rule)
    [audience] = await service.judge_everybody(staff.shop_id, [data.rule])
    async with transaction(staff.shop_id) as tx:
        return await service.save_rule(
            tx, staff, data.name, data.rule, audience, data.note, live=data.live
        )


@put("/segments/{segment_id:uuid}", access=WRITE)
async def change_segment(segment_id: UUID, data: SegmentBody, staff: StaffIdentity) -> Segment:
    """Write a segment anew; who comes or leaves by the new rule is told nowhere."""
    service.check(data.rule)
    [audience] = await service.judge_everybody(staff.shop_id, [data.rule])
    async with transaction(staff.shop_id) as tx:
        return await service.change_rule(
            tx, staff, segment_id, data.name, data.rule, audience, data.note, live=data.live
        )


@post("/segments/count", access=READ)
async def count_persons(data: CountBody, staff: StaffIdentity, request: Asked) -> CountView:
    """How many persons fit a rule, before it is saved; some of them; the rule in words."""
    service.check(data.rule)
    names = await service.names_of(staff.shop_id, _language(request))
    [audience] = await service.judge_everybody(staff.shop_id, [data.rule])
    sample: list[PersonView] = []
    if "members.read" in staff.permissions:
        numbers = rules.numbers_of(audience.bits)[:SAMPLE]
        async with reading(staff.shop_id) as tx:
            sample = await _people(tx, numbers)
    return CountView(audience.size, service.sentence_of(data.rule, names), sample)


@post("/segments/sentence", access=READ, status_code=200)
async def say_rule(data: CountBody, staff: StaffIdentity, request: Asked) -> SentenceView:
    """A rule in words, while it is being written."""
    service.check(data.rule)
    names = await service.names_of(staff.shop_id, _language(request))
    return SentenceView(service.sentence_of(data.rule, names))


@post("/segments/overlap", access=READ, status_code=200)
async def compare_segments(data: OverlapBody, staff: StaffIdentity) -> Overlap:
    """How segments lie over each other: in pairs, and the regions of the first three."""
    async with reading(staff.shop_id) as tx:
        return await service.overlap(tx, data.segments)


@get("/segments/{segment_id:uuid}", access=READ)
async def show_segment(segment_id: UUID, staff: StaffIdentity, request: Asked) -> SegmentCard:
    """One segment."""
    async with reading(staff.shop_id) as tx:
        found = await service.get_segment(tx, segment_id)
    [card] = await _cards(staff, request, [found])
    return card


@post("/segments/{segment_id:uuid}/count", access=READ)
async def recount_segment(segment_id: UUID, staff: StaffIdentity) -> Segment:
    """Judge everybody anew."""
    return await service.recount(staff.shop_id, segment_id)


@get("/segments/{segment_id:uuid}/days", access=READ)
async def list_segment_days(
    segment_id: UUID,
    staff: StaffIdentity,
    days: Annotated[int, Parameter(ge=1, le=730)] = 90,
) -> list[Snapshot]:
    """How many were in it at the beginning of each day, who came and left since the one before."""
    async with reading(staff.shop_id) as tx:
        await service.get_segment(tx, segment_id)
        return (await service.growth(tx, [segment_id], days))[segment_id]


@get("/segments/{segment_id:uuid}/persons", access=WHO)
async def list_segment_persons(
    segment_id: UUID,
    staff: StaffIdentity,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[PersonView]:
    """Who is in a segment as last judged, by number; members masked as in the list of members."""
    (after,) = decode_cursor(cursor, tuple[int]) or (0,)
    async with reading(staff.shop_id) as tx:
        numbers = await service.list_persons(tx, segment_id, after, limit + 1)
        rows = await _people(tx, numbers)
    return Page.of(rows, limit, lambda row: [row.person_no])


@get("/segments/{segment_id:uuid}/movers", access=WHO)
async def list_segment_movers(
    segment_id: UUID,
    staff: StaffIdentity,
    on: date,
    which: Literal["came", "left"],
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[PersonView]:
    """Who came, or left, before the beginning of a day; known for 90 days."""
    (after,) = decode_cursor(cursor, tuple[int]) or (0,)
    async with reading(staff.shop_id) as tx:
        numbers = await service.list_movers(tx, segment_id, on, which, after, limit + 1)
        rows = await _people(tx, numbers)
    return Page.of(rows, limit, lambda row: [row.person_no])


@get("/members/{member_id:uuid}/segments", access=WHO)
async def list_member_segments(
    member_id: UUID, staff: StaffIdentity, request: Asked
) -> BelongingList:
    """Of all segments, whether this person is in, and why, or why not."""
    async with reading(staff.shop_id) as tx:
        person_no = (await members.get_detail(tx, member_id)).person_no
    names = await service.names_of(staff.shop_id, _language(request))
    reveals = REVEAL in staff.permissions
    return BelongingList(await service.explain(staff.shop_id, person_no, names, reveals=reveals))


@post("/segments/{segment_id:uuid}/export", access=staff("members.export"), status_code=200)
async def export_segment(
    segment_id: UUID, data: ExportBody, staff: StaffIdentity, request: Asked
) -> Stream:
    """A table of the members, masked and marked with who took it. Above the shop's limit a second
    person signs first: 409 with the approval's `case_id`; after that, ask for the same again."""
    async with transaction(staff.shop_id) as tx:
        segment = await service.get_segment(tx, segment_id)
        waiting = await approvals.ask_export(
            tx,
            staff,
            what="segment_members",
            asked={"segment_id": str(segment_id), "name": segment.name},
            rows=segment.person_count,
            reason=data.reason.strip(),
        )
    if waiting is not None:
        raise SecondApproverNeeded(case_id=str(waiting.case_id), rows=segment.person_count)
    write = tables.write_csv if data.format == "csv" else tables.write_xlsx
    language = _language(request)
    rows = service.export_members(
        staff.shop_id,
        segment_id,
        approvals.watermark(staff, clock.now(), language),
        reveals=REVEAL in staff.permissions,
        language=language,
    )
    return Stream(
        write(service.export_header(language), rows),
        media_type=tables.MEDIA_TYPES[data.format],
        headers={
            "Content-Disposition": f'attachment; filename="segment.{data.format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@delete("/segments/{segment_id:uuid}", access=WRITE)
async def remove_segment(segment_id: UUID, staff: StaffIdentity) -> None:
    """Remove a segment; nobody in it is touched."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_segment(tx, staff, segment_id)


routes = [
    list_segments,
    save_segment,
    change_segment,
    count_persons,
    say_rule,
    compare_segments,
    show_segment,
    recount_segment,
    list_segment_days,
    list_segment_persons,
    list_segment_movers,
    list_member_segments,
    export_segment,
    remove_segment,
]
