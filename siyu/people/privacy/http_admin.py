"""The data of persons in the console: the map, archives, erasures, retention, who looked."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.audit import AuditRow
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, staff
from siyu.kernel.jobs import enqueue
from siyu.people.privacy import background, rules, service
from siyu.people.privacy.contracts import (
    Archive,
    Erasure,
    Keep,
    Kind,
    RetentionRun,
    Use,
    Words,
)
from siyu.people.privacy.http_shop import zip_response


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why; it is kept."""

    reason: Annotated[str, Meta(min_length=2, max_length=200, pattern=r"\S")]


class MappedColumn(msgspec.Struct, frozen=True):
    """A column with personal data."""

    name: str
    kind: Kind


class MappedTable(msgspec.Struct, frozen=True):
    """A table with personal data; expires_days null: until an erasure, or as `kept` says."""

    name: str
    subject: str
    use: Use
    basis: Words
    keep: Keep
    kept: Words
    erase: str
    expires_days: int | None
    columns: list[MappedColumn]


class UseWords(msgspec.Struct, frozen=True):
    """A purpose in words."""

    use: Use
    words: Words


class DataMapView(msgspec.Struct, frozen=True):
    """All tables with personal data; table_count: all tables of the program."""

    tables: list[MappedTable]
    uses: list[UseWords]
    table_count: int
    column_count: int


class KeepingView(msgspec.Struct, frozen=True):
    """The nightly rules, and what they took away."""

    rules: list[MappedTable]
    runs: list[RetentionRun]


def _mapped() -> list[MappedTable]:
    return [
        MappedTable(
            name,
            subject,
            table.use,
            rules.USES[table.use].basis,
            table.keep,
            rules.KEEPING[table.keep],
            table.erase if isinstance(table.erase, str) else "columns",
            table.expires.days if table.expires else None,
            [MappedColumn(column, kind) for column, kind in table.personal.items()],
        )
        for name, table in service.data_map().items()
        if (subject := rules.subject_of(table)) and table.use and table.keep and table.erase
    ]


@get("/data-map", access=staff("audit.read"))
async def show_data_map(staff: StaffIdentity) -> DataMapView:
    """Whose data is held, what for, on which ground, how long, and what an erasure does."""
    tables = service.data_map()
    return DataMapView(
        _mapped(),
        [UseWords(use, basis.words) for use, basis in rules.USES.items()],
        len(tables),
        sum(len(table.plain) + len(table.personal) for table in tables.values()),
    )


@get("/retention", access=staff("audit.read"))
async def show_retention(staff: StaffIdentity) -> KeepingView:
    """What is let go each night after how many days, and how much it was."""
    async with reading(staff.shop_id) as tx:
        runs = await service.list_runs(tx)
    return KeepingView([table for table in _mapped() if table.expires_days], runs)


@get("/data-access", access=staff("audit.read"))
async def list_access(
    staff: StaffIdentity,
    member_id: UUID | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[AuditRow]:
    """Who saw personal data in clear or took it along, and why, newest first; of one member, or of
    anybody."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_access(tx, after[0] if after else None, limit + 1, member_id)
    return Page.of(list(rows), limit, lambda row: [row.audit_id])


@get("/data-erasures", access=staff("members.read"))
async def list_erasures(
    staff: StaffIdentity,
    member_id: UUID | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Erasure]:
    """Who wants to be forgotten, how far it is, and the report of what was done."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_erasures(tx, after[0] if after else None, limit + 1, member_id)
    told = await service.tell_events_gone(staff.shop_id, rows)
    return Page.of(told, limit, lambda row: [row.erasure_id])


@post("/members/{member_id:uuid}/erasure", access=staff("members.write"), status_code=202)
async def ask_erasure(member_id: UUID, data: ReasonBody, staff: StaffIdentity) -> Erasure:
    """Note the wish of a customer who did not use the shop for it; the same seven days count."""
    async with transaction(staff.shop_id) as tx:
        return await service.ask_erasure(tx, staff, member_id, data.reason.strip())


@delete("/members/{member_id:uuid}/erasure", access=staff("members.write"))
async def cancel_erasure(member_id: UUID, staff: StaffIdentity) -> None:
    """Call an erasure off for the customer."""
    async with transaction(staff.shop_id) as tx:
        await service.cancel_erasure(tx, staff, member_id)


@get("/data-archives", access=staff("members.read"))
async def list_archives(
    staff: StaffIdentity,
    member_id: UUID | None = None,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Archive]:
    """Archives that were asked for, by whom and why."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_archives(tx, after[0] if after else None, limit + 1, member_id)
    return Page.of(rows, limit, lambda row: [row.archive_id])


@post("/members/{member_id:uuid}/archive", access=staff("members.reveal"), status_code=202)
async def ask_archive(member_id: UUID, data: ReasonBody, staff: StaffIdentity) -> None:
    """Have all data of a person put together; it bears the name of who asked."""
    async with transaction(staff.shop_id) as tx:
        archive_id = await service.ask_archive(tx, staff, member_id, data.reason.strip())
        enqueue(tx, background.make_archive, archive_id=str(archive_id))


@get(
    "/data-archives/{archive_id:uuid}/file",
    access=staff("members.reveal"),
    media_type="application/zip",
)
async def fetch_archive(archive_id: UUID, staff: StaffIdentity) -> Response[bytes]:
    """The zip file; the trail keeps that it was fetched."""
    async with transaction(staff.shop_id) as tx:
        content = await service.fetch_archive(tx, staff, archive_id)
    return zip_response(content, f"person-{archive_id}.zip")


routes = [
    show_data_map,
    show_retention,
    list_access,
    list_erasures,
    ask_erasure,
    cancel_erasure,
    list_archives,
    ask_archive,
    fetch_archive,
]
