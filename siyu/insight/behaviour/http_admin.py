"""Behaviour analysis in the console: questions, the last minutes, events, boards, digests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import Meta

from siyu.insight.behaviour import queries, service
from siyu.insight.behaviour.contracts import (
    Answered,
    Board,
    BoardBody,
    Digest,
    EventView,
    FunnelQuestion,
    LiveView,
    Named,
    Question,
    ValueView,
)
from siyu.insight.behaviour.queries import Annotation, BoardHead
from siyu.kernel import tables
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.clock import business_day
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import (
    Page,
    Request,
    decode_cursor,
    delete,
    encode_cursor,
    get,
    post,
    put,
    staff,
)
from siyu.kernel.i18n import Language, language_of
from siyu.merchant.shops import service as shops
from siyu.people.segments.contracts import Body, EventKey, Filters, Segment

READ, WRITE = staff("insight.read"), staff("insight.write")
T = TypeVar("T")
_Name = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S")]


class AskBody(Body, frozen=True, kw_only=True):
    """A question; key: made by the client, to ask how far it is."""

    question: Question
    key: UUID | None = None


class ExportBody(Body, frozen=True, kw_only=True):
    """A question whose answer is taken along."""

    question: Question
    format: Literal["csv", "xlsx"] = "csv"


class ProgressView(msgspec.Struct, frozen=True):
    """How far a question is, in percent; null: not known here (any more)."""

    percent: int | None


class DropOffBody(Body, frozen=True, kw_only=True):
    """Who came to a step (1 is the first) and no further, under this name."""

    question: FunnelQuestion
    step: Annotated[int, Meta(ge=1, le=8)]
    name: _Name


class Vocabulary(msgspec.Struct, frozen=True):
    """What can be asked about, groups of events first. last_on: the day of the last event."""

    events: list[Named]
    props: list[Named]
    pages: list[Named]
    last_on: date | None


class ValueList(msgspec.Struct, frozen=True):
    """The most frequent first."""

    items: list[ValueView]


class EventsBody(Body, frozen=True, kw_only=True):
    """Which events; nothing given is left out. person_no: one person's stream."""

    events: Annotated[list[EventKey], Meta(max_length=20)] = []
    where: Filters = []
    people: UUID | None = None
    person_no: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    cursor: Annotated[str, Meta(max_length=200)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class BoardList(msgspec.Struct, frozen=True):
    """The last changed first."""

    items: list[BoardHead]


class BoardChange(BoardBody, frozen=True, kw_only=True):
    """expected_version: of the board as the editor showed it."""

    expected_version: int


class RemarkBody(Body, frozen=True, kw_only=True):
    """A remark on a day."""

    at_day: date
    text: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]


class RemarkList(msgspec.Struct, frozen=True):
    """By day."""

    items: list[Annotation]


class DigestList(msgspec.Struct, frozen=True):
    """The newest first. unread: of the last thirty."""

    items: list[Digest]
    unread: int


def _language(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language"))


async def _while_awaited(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """Do a work that ends when the one who waits for it has gone."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
        return await task
    finally:
        watch.cancel()
        task.cancel()


@post("/insight/ask", access=READ)
async def ask_question(
    data: AskBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Answered:
    """Answer a question about what people did, with its definition.

    Nobody waits in vain: the computation ends when the client goes away.
    """
    work = service.ask(staff.shop_id, data.question, _language(request), data.key)
    return await _while_awaited(request, work)


@post("/insight/export", access=READ, status_code=200)
async def export_answer(
    data: ExportBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Stream:
    """The answer to a question as a table: numbers of groups, of nobody in particular."""
    language = _language(request)
    work = service.ask(staff.shop_id, data.question, language)
    head, rows = service.table_of((await _while_awaited(request, work)).answer, language)

    async def all_rows() -> AsyncIterator[list[list[tables.Cell]]]:
        yield rows

    write = tables.write_csv if data.format == "csv" else tables.write_xlsx
    return Stream(
        write(head, all_rows()),
        media_type=tables.MEDIA_TYPES[data.format],
        headers={
            "Content-Disposition": f'attachment; filename="answer.{data.format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@get("/insight/progress", access=READ)
async def show_progress(key: UUID, staff: StaffIdentity) -> ProgressView:
    """How far a question is that was asked with this key."""
    return ProgressView(service.progress_of(staff.shop_id, key))


@post("/insight/drop-off", access=WRITE, status_code=201)
async def save_drop_off(data: DropOffBody, staff: StaffIdentity) -> Segment:
    """Keep those who left a funnel at a step as a segment; of the last step, those who made it."""
    return await service.save_drop_off(staff.shop_id, staff, data.question, data.step, data.name)


@get("/insight/vocabulary", access=READ)
async def show_vocabulary(staff: StaffIdentity, request: Request[Any, Any, Any]) -> Vocabulary:
    """Events, properties and pages with their names, and the day of the shop's last event."""
    language = _language(request)
    async with reading(staff.shop_id) as tx:
        zone = (await shops.get_shop(tx)).time_zone
    last = await service.last_event(staff.shop_id)
    hidden = await service.speak_of(staff.shop_id)
    events, props, pages = (
        [Named(key, label) for key, label in service.listed(kind, language) if key not in hidden]
        for kind in ("event", "prop", "page")
    )
    return Vocabulary(events, props, pages, None if last is None else business_day(last, zone))


@get("/insight/values", access=READ)
async def list_values(
    prop: Annotated[str, Parameter(pattern=r"^[A-Za-z0-9_]{1,64}$")],
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    event: Annotated[str | None, Parameter(pattern=r"^[a-z0-9_]{1,40}\.[a-z0-9_]{1,60}$")] = None,
    contains: Annotated[str, Parameter(max_length=64)] = "",
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> ValueList:
    """The values a property has had in the last 90 days, the most frequent first."""
    return ValueList(
        await service.list_values(
            staff.shop_id,
            _language(request),
            event=event,
            prop=prop,
            contains=contains,
            limit=limit,
        )
    )


@get("/insight/live", access=READ)
async def watch_live(
    staff: StaffIdentity, request: Request[Any, Any, Any], people: UUID | None = None
) -> LiveView:
    """The last 30 minutes, minute by minute, with the newest events."""
    async with reading(staff.shop_id) as tx:
        zone = (await shops.get_shop(tx)).time_zone
    return await service.watch(staff.shop_id, _language(request), zone, people)


@post("/insight/events", access=READ)
async def list_events(
    data: EventsBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> Page[EventView]:
    """Single events, newest first, in words; without dates those of the last 90 days."""
    before = decode_cursor(data.cursor, tuple[int, int])
    work = service.list_events(
        staff.shop_id,
        _language(request),
        names=list(data.events),
        where=data.where,
        person_no=data.person_no,
        people=data.people,
        since=data.since,
        until=data.until,
        before=before,
        limit=data.limit,
    )
    views, places = await _while_awaited(request, work)
    more = len(views) == data.limit
    return Page(views, encode_cursor(list(places[-1])) if more else None)


@get("/insight/boards", access=READ)
async def list_boards(staff: StaffIdentity) -> BoardList:
    """Saved boards."""
    async with reading(staff.shop_id) as tx:
        return BoardList(await service.list_boards(tx))


@post("/insight/boards", access=WRITE, status_code=201)
async def add_board(data: BoardBody, staff: StaffIdentity) -> Board:
    """A new board."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_board(tx, staff, data)


@get("/insight/boards/{board_id:uuid}", access=READ)
async def show_board(board_id: UUID, staff: StaffIdentity) -> Board:
    """A board with its questions; each is answered by `/insight/ask`."""
    async with reading(staff.shop_id) as tx:
        return await service.get_board(tx, board_id)


@put("/insight/boards/{board_id:uuid}", access=WRITE)
async def edit_board(board_id: UUID, data: BoardChange, staff: StaffIdentity) -> Board:
    """Rename a board, or change and rearrange its charts; 409 when somebody else did meanwhile."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_board(tx, staff, data, board_id, data.expected_version)


@delete("/insight/boards/{board_id:uuid}", access=WRITE)
async def remove_board(board_id: UUID, staff: StaffIdentity) -> None:
    """Remove a board."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_board(tx, board_id)


@get("/insight/annotations", access=READ)
async def list_annotations(since: date, until: date, staff: StaffIdentity) -> RemarkList:
    """Remarks on these days, both inclusive."""
    async with reading(staff.shop_id) as tx:
        return RemarkList(await service.list_annotations(tx, since, until))


@post("/insight/annotations", access=WRITE, status_code=201)
async def add_annotation(data: RemarkBody, staff: StaffIdentity) -> Annotation:
    """Put a remark on a day; every chart over time shows it."""
    async with transaction(staff.shop_id) as tx:
        return await service.annotate(tx, staff, data.at_day, data.text)


@delete("/insight/annotations/{annotation_id:uuid}", access=WRITE)
async def remove_annotation(annotation_id: UUID, staff: StaffIdentity) -> None:
    """Remove a remark."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_annotation(tx, annotation_id)


@get("/insight/digests", access=READ)
async def list_digests(
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    before: date | None = None,
    limit: Annotated[int, Parameter(ge=1, le=60)] = 14,
) -> DigestList:
    """The daily digests, the newest first, and how many of them are unread."""
    async with reading(staff.shop_id) as tx:
        items = await service.list_digests(tx, staff.staff_id, _language(request), before, limit)
        return DigestList(items, await queries.count_unread(tx, staff.staff_id))


@post("/insight/digests/{on:date}/read", access=READ)
async def read_digest(on: date, staff: StaffIdentity) -> None:
    """Note that the asking member of staff has read the digest of a day."""
    async with transaction(staff.shop_id) as tx:
        await service.mark_read(tx, staff.staff_id, on)


routes = [
    ask_question,
    export_answer,
    show_progress,
    save_drop_off,
    show_vocabulary,
    list_values,
    watch_live,
    list_events,
    list_boards,
    add_board,
    show_board,
    edit_board,
    remove_board,
    list_annotations,
    add_annotation,
    remove_annotation,
    list_digests,
    read_digest,
]
