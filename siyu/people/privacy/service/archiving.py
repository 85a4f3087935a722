"""All data of a person as a zip file: asked for, made, fetched."""

import asyncio
import base64
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.errors import TooMany
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import service as shops
from siyu.people.members import service as members
from siyu.people.privacy import queries, rules
from siyu.people.privacy.contracts import Archive, ArchiveNotFound, Kind
from siyu.people.privacy.queries import Person
from siyu.people.privacy.service.mapping import data_map, person_of, tables_of_persons
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import ListSpec

ARCHIVES_A_DAY = 3
_EVENTS_AT_ONCE = 1_000
_FIRST_EVENT = datetime.fromisoformat("2011-01-21T00:00:00+08:00")
"""The day WeChat began: no event is older."""
_encode = msgspec.json.encode


async def ask_archive(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> UUID:
    """Want all data of a person as an archive; a job makes it. Who asked, and why, is kept.

    Raises MemberNotFound, TooMany (more than three a day for a person).
    """
    member = await members.get_member(tx, member_id)
    now = clock.now()
    if await queries.count_new_archives(tx, member_id, now - timedelta(days=1)) >= ARCHIVES_A_DAY:
        raise TooMany
    archive_id = new_id()
    await queries.insert_archive(
        tx,
        archive_id=archive_id,
        member_id=member_id,
        person_no=member.person_no,
        at=now,
        asked_by=actor.actor,
        asked_by_name=actor.actor_name,
        reason=reason,
    )
    audit(
        tx,
        actor,
        "privacy.archive_asked",
        ("member", member_id),
        after={"reason": reason, "archive_id": str(archive_id)},
    )
    return archive_id


async def make_archive(shop_id: ShopId, archive_id: UUID) -> None:
    """Collect a person's rows of all tables and their events, and keep them sealed for a week.

    Opens its own transactions; does nothing when it is made already.
    """
    async with reading(shop_id) as tx:
        asked = await queries.get_asked(tx, archive_id)
        if asked is None or asked.made_at is not None:
            return
        shop = await shops.get_shop(tx)
        person = await person_of(tx, asked.member_id)
        tables = {
            name: [_opened(row, table.personal) for row in found]
            for name, table in tables_of_persons().items()
            for found in [await queries.list_rows(tx, name, table, person)]
        }
    files = await asyncio.to_thread(_files, shop_id, tables)
    events = await _events(shop_id, person)
    made_at = clock.now()
    counts = {name: len(rows) for name, rows in tables.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        stamp = (made_at.isoformat(), asked.asked_by_name)
        archive.writestr("README.md", rules.readme(shop.name, *stamp, str(archive_id)))
        contents = rules.manifest(str(archive_id), *stamp, tables_of_persons(), counts)
        archive.writestr("manifest.json", msgspec.json.format(_encode(contents)))
        for name, rows in tables.items():
            archive.writestr(f"data/{name}.json", msgspec.json.format(_encode(rows)))
        archive.writestr("events.json", msgspec.json.format(_encode(events)))
        for name, content in files:
            archive.writestr(name, content, zipfile.ZIP_STORED)
    raw = file.getvalue()
    async with transaction(shop_id) as write:
        await queries.fill_archive(
            write,
            archive_id,
            vault().seal(base64.b85encode(raw).decode()),
            size_bytes=len(raw),
            row_count=sum(counts.values()) + len(events),
            made_at=made_at,
            expires_at=made_at + rules.ARCHIVE_LASTS,
        )


def _files(
    shop_id: ShopId, tables: Mapping[str, Sequence[dict[str, Any]]]
) -> list[tuple[str, bytes]]:
    """The pictures and voices of these rows, each under its table and name, with an ending."""
    found = []
    for name, rows in tables.items():
        place = data_map()[name].file
        for row in rows if place else ():
            path = config.settings().data_dir / str(place).format_map({**row, "shop_id": shop_id})
            if path.is_file():
                content = path.read_bytes()
                ending = rules.ending_of(content, str(row.get("media_type") or ""), path.suffix)
                found.append((f"files/{name}/{path.stem}{ending}", content))
    return found


def _opened(row: dict[str, Any], personal: dict[str, Kind]) -> dict[str, Any]:
    """A row with its sealed columns in clear; JSON inside them as JSON."""
    return {
        column: _open(value) if column in personal and _is_bytes(value) else value
        for column, value in row.items()
    }


def _is_bytes(value: object) -> bool:
    return isinstance(value, str) and value.startswith("\\x")


def _open(value: str) -> Any:
    text = vault().open(bytes.fromhex(value[2:]))
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


async def _events(shop_id: ShopId, person: Person) -> list[dict[str, Any]]:
    """Everything the warehouse has of a person, newest first."""
    found: list[dict[str, Any]] = []
    before: tuple[int, int] | None = None
    while True:
        spec = ListSpec(
            shop_id=shop_id,
            since=_FIRST_EVENT,
            until=clock.now() + timedelta(minutes=1),
            before=before,
            limit=_EVENTS_AT_ONCE,
            people=frozenset(person.persons),
        )
        [rows] = (await engines.ask(Questions(lists=(spec,)))).lists
        found += [msgspec.to_builtins(row) for row in rows]
        if len(rows) < _EVENTS_AT_ONCE:
            return found
        before = rows[-1].at_us, rows[-1].event_no


async def fetch_archive(
    tx: Tx, actor: Actor, archive_id: UUID, member_id: UUID | None = None
) -> bytes:
    """The zip file; that it was fetched is kept. member_id: only this member's own.

    Raises ArchiveNotFound.
    """
    found = await queries.get_content(tx, archive_id, clock.now())
    if (
        found is None
        or found.content_sealed is None
        or (member_id is not None and found.member_id != member_id)
    ):
        raise ArchiveNotFound
    audit(
        tx,
        actor,
        "privacy.archive_fetched",
        ("member", found.member_id),
        after={"archive_id": str(archive_id)},
    )
    return base64.b85decode(vault().open(found.content_sealed))


async def list_archives(
    tx: ReadTx, before: UUID | None, limit: int, member_id: UUID | None = None
) -> list[Archive]:
    """Archives of the shop, or of one member, newest first; those whose time is over also."""
    return await queries.list_archives(tx, member_id, before, limit)
