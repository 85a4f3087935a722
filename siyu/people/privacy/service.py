"""Verbs of the data of a person."""

import asyncio
import base64
import functools
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, AuditRow, System, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.errors import TooMany
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.migrate import PACKAGE, TOWER
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.privacy import queries, rules
from siyu.people.privacy.contracts import (
    Archive,
    ArchiveNotFound,
    BehaviourForgotten,
    DataMap,
    Erasure,
    ErasureAsked,
    ErasureEnded,
    ErasureNotFound,
    ErasureRefused,
    ErasureState,
    ErasureUnderWay,
    Kind,
    PersonErased,
    RetentionRun,
    Treated,
)
from siyu.people.privacy.queries import Person
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import ListSpec

ARCHIVES_A_DAY = 3
_EVENTS_AT_ONCE = 1_000
_FIRST_EVENT = datetime.fromisoformat("2011-01-21T00:00:00+08:00")
"""The day WeChat began: no event is older."""

ACCESS = (
    "members.phone_revealed", "members.addresses_revealed", "ordering.address_revealed",
    "ordering.orders_exported", "bulk.exported", "reviews.exported", "privacy.archive_asked",
    "privacy.archive_fetched", "approvals.exported",
)  # fmt: skip
"""Audited actions by which somebody saw personal data in clear, or took it along."""

_encode = msgspec.json.encode


@functools.cache
def data_map() -> DataMap:
    """What all domains say of their tables, in the order of the tower."""
    folders = [
        PACKAGE / group / domain
        for group, domains in TOWER.items()
        for domain in (domains or ("",))
    ]
    files = [file for folder in folders if (file := folder / "data_map.toml").exists()]
    return rules.load_map(
        {str(file.relative_to(PACKAGE)): Path(file).read_bytes() for file in files}
    )


def tables_of_persons() -> DataMap:
    """The tables in which a customer's rows can be found."""
    return {name: table for name, table in data_map().items() if table.person}


async def _person(tx: ReadTx, member_id: UUID) -> Person:
    """All records that merges tie together, and the visitors each of them turned out to be."""
    records = (await members.get_identities(tx, member_id)).records
    numbers = await _numbers(tx, [record.person_no for record in records])
    return Person(sorted(record.member_id for record in records), numbers)


async def _numbers(tx: ReadTx, records: Sequence[int]) -> list[int]:
    """The numbers of records, and those of the visitors that they turned out to be."""
    found = {*records}
    for number in records:
        found |= {one.person_no for one in await members.list_identities(tx, number)}
    return sorted(found)


# --- erasure --------------------------------------------------------------------------------------


async def list_blocks(tx: ReadTx, member_id: UUID) -> list[str]:
    """What is not finished and stands in the way of an erasure; reasons as in the data maps."""
    return await queries.list_blocks(tx, data_map(), await _person(tx, member_id))


async def ask_erasure(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> Erasure:
    """Note that a person wants to be forgotten; it happens after seven days unless called off.

    Raises ErasureRefused (with what stands in the way), ErasureUnderWay, MemberNotFound.
    """
    member = await members.get_member(tx, member_id)
    if blocks := await list_blocks(tx, member_id):
        raise ErasureRefused(blocks=", ".join(blocks))
    now, erasure_id = clock.now(), new_id()
    if not await queries.insert_erasure(
        tx,
        erasure_id=erasure_id,
        member_id=member_id,
        person_no=member.person_no,
        asked_at=now,
        asked_by=actor.actor,
        reason=reason,
        due_at=now + rules.COOL_OFF,
        latest_at=now + rules.LATEST,
    ):
        raise ErasureUnderWay
    audit(tx, actor, "privacy.erasure_asked", ("member", member_id), after={"reason": reason})
    emit(tx, ErasureAsked(person_no=member.person_no, erasure_id=erasure_id))
    return await _open_erasure(tx, member_id)


async def _open_erasure(tx: ReadTx, member_id: UUID) -> Erasure:
    found = await queries.get_open_erasure(tx, member_id)
    if found is None:
        raise ErasureNotFound
    return found


async def get_erasure(tx: ReadTx, member_id: UUID) -> Erasure | None:
    """The erasure of a member that is under way."""
    return await queries.get_open_erasure(tx, member_id)


async def cancel_erasure(tx: Tx, actor: Actor, member_id: UUID) -> None:
    """Call an erasure off while nothing has been erased. Raises ErasureNotFound."""
    found = await _open_erasure(tx, member_id)
    held = await queries.lock_erasure(tx, found.erasure_id)
    if held is None or held.ended_at is not None:
        raise ErasureNotFound
    await queries.move_erasure(tx, held.erasure_id, ErasureState.CANCELLED, ended_at=clock.now())
    audit(tx, actor, "privacy.erasure_cancelled", ("member", member_id))
    emit(tx, ErasureEnded(person_no=held.person_no, erasure_id=held.erasure_id, state="cancelled"))


async def carry_out(tx: Tx, erasure_id: UUID) -> Erasure | None:
    """Erase a person whose cool-off is over, or note what still stands in the way.

    One transaction over all tables of the maps; files and the warehouse follow by `PersonErased`
    and `erase_events`. None when there is nothing to do (called off, done already).
    """
    held = await queries.lock_erasure(tx, erasure_id)
    if held is None or held.ended_at is not None or held.due_at > clock.now():
        return None
    person = await _person(tx, held.member_id)
    if blocks := await queries.list_blocks(tx, data_map(), person):
        await queries.move_erasure(
            tx, erasure_id, ErasureState.BLOCKED, ended_at=None, blocks=blocks
        )
        return await queries.lock_erasure(tx, erasure_id)
    report = await erase_person(tx, person)
    await queries.move_erasure(
        tx, erasure_id, ErasureState.DONE, ended_at=clock.now(), report=report
    )
    audit(
        tx,
        System(),
        "privacy.person_erased",
        ("member", held.member_id),
        after={one.done: sum(r.rows for r in report if r.done == one.done) for one in report},
    )
    for record_id in person.members:
        emit(tx, PersonErased(person_no=held.person_no, member_id=record_id))
    emit(tx, ErasureEnded(person_no=held.person_no, erasure_id=erasure_id, state="done"))
    return await queries.lock_erasure(tx, erasure_id)


async def erase_again(tx: Tx, erasure_id: UUID) -> bool:
    """Once more, for what a log-in token that outlived the erasure has written since.

    False when something stands in the way and it must be tried later.
    """
    held = await queries.lock_erasure(tx, erasure_id)
    assert held is not None and held.state is ErasureState.DONE
    person = await _person(tx, held.member_id)
    if await queries.list_blocks(tx, data_map(), person):
        return False
    await erase_person(tx, person)
    return True


async def erase_person(tx: Tx, person: Person) -> list[Treated]:
    """Do what every map says, and report it; top of the tower first, for that refers down."""
    blank_address, blank = _blanks()
    tables = tables_of_persons()
    held = await queries.count_rows(tx, tables, person)
    report = []
    for name, table in reversed(tables.items()):
        rows = held[name]
        if not rows:
            continue
        if table.erase == "rows" or isinstance(table.erase, dict):
            await queries.erase_rows(tx, name, table, person, blank_address, blank)
        erased = table.erase in ("rows", "own")
        scrubbed = isinstance(table.erase, dict)
        report.append(
            Treated(
                name,
                rows,
                "erased" if erased else "scrubbed" if scrubbed else "kept",
                None if erased else table.keep,
            )
        )
    return report


def _blanks() -> tuple[bytes, bytes]:
    """An address that says nothing, sealed like others so that it opens like them; and nothing."""
    fields = ("receiver", "phone", "province", "city", "district", "detail")
    return vault().seal(_encode(dict.fromkeys(fields, "")).decode()), vault().seal("")


async def erase_events(shop_id: ShopId, erasure_id: UUID) -> None:
    """Have the warehouse forget the person too. Opens its own transactions; may be repeated."""
    async with reading(shop_id) as tx:
        found = await queries.get_erasure(tx, erasure_id)
        person = None if found is None else await _person(tx, found.member_id)
    for person_no in person.persons if person else ():
        await compaction.ask_erasure(shop_id, person_no, System())


async def forget_behaviour(shop_id: ShopId, person_no: int) -> None:
    """Have the warehouse forget what pages told of a person before they agreed (again) to
    statistics. Opens its own transactions; may be repeated."""
    async with reading(shop_id) as tx:
        ties = (await members.ties_of(tx, [person_no])).get(person_no)
        records = list(ties.person_nos) if ties else [person_no]
        before = await consents.counts_from(tx, records, Purpose.ANALYTICS)
        numbers = await _numbers(tx, records)
    for number in numbers:
        await compaction.ask_withdrawal(shop_id, number, before, System())
    # Told last: whoever hears of it asks the warehouse, and it knows by then.
    async with transaction(shop_id) as tx:
        emit(tx, BehaviourForgotten(person_no=person_no))


async def list_erasures(
    tx: ReadTx, before: UUID | None, limit: int, member_id: UUID | None = None
) -> list[Erasure]:
    """Erasures of the shop, or of one member, newest first."""
    return await queries.list_erasures(tx, member_id, before, limit)


async def tell_events_gone(shop_id: ShopId, erasures: Sequence[Erasure]) -> list[Erasure]:
    """The same, with when the warehouse had nothing of them any more; asks it, so no transaction
    may be open. None: not yet (the next rounds of compaction do it), or there were no events."""
    gone = {one.person_no: one.done_at for one in await compaction.list_erasures(shop_id)}
    return [
        msgspec.structs.replace(one, events_gone_at=gone.get(one.person_no)) for one in erasures
    ]


async def count_late(tx: ReadTx) -> int:
    """Erasures that were not done by the fifteenth day."""
    return await queries.count_late(tx, clock.now())


# --- archives -------------------------------------------------------------------------------------


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
        person = await _person(tx, asked.member_id)
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
                ending = path.suffix or "." + str(row.get("media_type", "")).partition("/")[2]
                found.append((f"files/{name}/{path.stem}{ending}", path.read_bytes()))
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


# --- retention and the trail ----------------------------------------------------------------------


async def keep_no_longer(shop_id: ShopId) -> dict[str, int]:
    """Let everything of a shop go that is older than the maps allow; rows per table.

    In small bites, a transaction each: nobody waits behind a long delete.
    """
    blank_address, _ = _blanks()
    gone: dict[str, int] = {}
    for name, table in data_map().items():
        if table.expires is None:
            continue
        before = clock.now() - timedelta(days=table.expires.days)
        rows = queries.BITE
        while rows == queries.BITE:
            async with transaction(shop_id) as tx:
                rows = await queries.expire_rows(tx, name, table.expires, before, blank_address)
                if rows:
                    gone[name] = gone.get(name, 0) + rows
    if gone:
        async with transaction(shop_id) as tx:
            for name, rows in gone.items():
                await queries.insert_run(tx, name, clock.now(), rows)
    return gone


async def reseal(shop_id: ShopId) -> int:
    """Seal again with the newest key what an older one sealed, of all tables of a shop (F093).

    A transaction per bite; both keys open meanwhile, so nobody notices. Returns the values done.
    """
    done = 0
    for name, table in data_map().items():
        sealed = [one for one in (*table.plain, *table.personal) if one.endswith("sealed")]
        if "shop_id" not in table.plain or name == "kernel.idempotency":
            continue
        for column in sealed:
            count = queries.BITE
            while count == queries.BITE:
                async with transaction(shop_id) as tx:
                    rows = await queries.lock_sealed(tx, name, column, vault().newest)
                    again = [(row.place, vault().seal(vault().open(row.sealed))) for row in rows]
                    await queries.move_sealed(tx, name, column, again)
                    count = len(rows)
                    done += count
    return done


async def list_runs(tx: ReadTx) -> list[RetentionRun]:
    """What the last nights took away."""
    return await queries.list_runs(tx, 200)


async def list_access(tx: ReadTx, before: UUID | None, limit: int) -> Sequence[AuditRow]:
    """Who saw personal data in clear or took it along, and why, newest first."""
    return await queries.list_access(tx, ACCESS, before, limit)
