"""Members of another system, from a list: CSV or XLSX, a row a member, a million rows.

Rows are written in batches, each in one transaction with the count of rows done: an import that
was killed goes on where it was, and one that ended does nothing more. A row whose identifier is
known adds its other identifiers to that member; identifiers of two members put these into the
queue of merges.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.tables import open_rows
from siyu.people.members import queries, rules
from siyu.people.members.contracts import (
    BadList,
    Evidence,
    IdentifierKind,
    Level,
    ListReport,
    MemberImported,
    MembersTagged,
    Refusal,
    RefusedFor,
    Source,
)
from siyu.people.members.service import import_store
from siyu.people.members.service.identity import link, take_waiting

BATCH_ROWS = 4000
COLUMNS = {
    "phone": ("phone", "mobile", "手机号", "手机", "电话"),
    "openid": ("openid",),
    "unionid": ("unionid",),
    "external_userid": ("external_userid",),
    "card": ("card", "card_no", "会员卡号", "卡号"),
    "email": ("email", "邮箱"),
    "name": ("name", "nickname", "姓名", "昵称"),
    "level": ("level", "等级", "会员等级"),
    "joined_at": ("joined_at", "入会时间", "注册时间"),
    "tags": ("tags", "标签"),
}
"""What a list may hold, and how its columns may be called; others are left out."""
_LEVELS = {
    "": Level.NORMAL, "normal": Level.NORMAL, "普通": Level.NORMAL, "vip": Level.VIP,
    **{said.casefold(): one for one, words in rules.LEVEL_WORDS.items() for said in words.values()},
}  # fmt: skip
"""What a list may call them; a table that went out can come in again."""
_KINDS = tuple(kind for kind in IdentifierKind)

Notice = Callable[[int, int], None]
"""Told after each batch: rows done, bytes of the file read."""


class Row(msgspec.Struct, frozen=True):
    """A member of a list, in normal form."""

    line_no: int
    identifiers: dict[IdentifierKind, str]
    nickname: str | None
    level: Level
    joined_at: datetime
    tags: tuple[str, ...]


async def import_list(
    shop_id: ShopId, file: Path, app_id: str | None, zone: ZoneInfo, notice: Notice
) -> ListReport:
    """Import a list, or the rest of it; its report.

    app_id: the mini-program whose openids the list has; zone: in which it tells time. Opens its
    own transactions. Raises BadList.
    """
    with file.open("rb") as raw:
        file_hash = hashlib.file_digest(raw, "sha256").digest()
    with open_rows(file) as table:
        header = next(table.rows, None)
        columns = name_columns(header[1] if header else [])
        if "openid" in columns and app_id is None:
            raise BadList(
                zh="有 openid 列，但店铺没有设置小程序",
                en="it has openids and the shop has no mini-program",
            )
        async with transaction(shop_id) as tx:
            report = await import_store.start_import(
                tx, new_id(), file.name[-255:], file_hash, clock.now()
            )
        if report.ended_at is not None:
            return report
        done = report.rows_done
        for _ in islice(table.rows, done):
            pass
        read = read_rows(table.rows, columns, zone, clock.now())
        while batch := list(islice(read, BATCH_ROWS)):
            async with transaction(shop_id) as tx:
                await tx.run("set local statement_timeout = '5min'")
                if await import_store.lock_import(tx, report.import_id) != done:
                    raise BadList(zh="另一个进程正在导入它", en="somebody else imports it just now")
                await _import_batch(tx, report.import_id, batch, app_id or "")
            done += len(batch)
            # A file read to its end has been closed by its reader.
            is_last = len(batch) < BATCH_ROWS
            notice(done, file.stat().st_size if is_last else table.position())
    async with transaction(shop_id) as tx:
        return await import_store.end_import(tx, report.import_id, clock.now())


async def explain_refusals(
    shop_id: ShopId, import_id: UUID, limit: int
) -> tuple[list[RefusedFor], list[Refusal]]:
    """Why lines of a list were refused: counts of each reason, and the first lines."""
    async with reading(shop_id) as tx:
        counts = await import_store.count_refusals(tx, import_id)
        return counts, await import_store.list_refusals(tx, import_id, limit)


async def list_imports(
    tx: ReadTx, before: UUID | None, limit: int, lines: int
) -> list[tuple[ListReport, list[RefusedFor], list[Refusal]]]:
    """Lists of members, the newest first: how far each was read, why lines of it were refused, and
    the first such lines."""
    found = []
    for report in await import_store.list_imports(tx, before, limit):
        counts = await import_store.count_refusals(tx, report.import_id) if report.refused else []
        first = (
            await import_store.list_refusals(tx, report.import_id, lines) if report.refused else []
        )
        found.append((report, counts, first))
    return found


def name_columns(header: Sequence[str]) -> dict[str, int]:
    """Where the fields stand. Raises BadList when nothing in it says who a row is."""
    names = [name.strip().casefold() for name in header]
    found = {
        field: names.index(name)
        for field, known in COLUMNS.items()
        for name in known[::-1]
        if name in names
    }
    if not found.keys() & set(_KINDS):
        known = ", ".join(_KINDS)
        raise BadList(
            zh=f"没有一列能说明是谁（需要其中之一：{known}）",
            en=f"no column says who a row is (one of {known})",
        )
    return found


def read_rows(
    rows: Iterator[tuple[int, Sequence[str]]],
    columns: Mapping[str, int],
    zone: ZoneInfo,
    now: datetime,
) -> Iterator[Row | Refusal]:
    """Rows in normal form, or why not, in the order of the file."""
    for line_no, cells in rows:
        values = {
            field: cells[at].strip()
            for field, at in columns.items()
            if at < len(cells) and cells[at]
        }
        try:
            yield _row(line_no, values, zone, now)
        except SiyuError as error:
            field = f": {error.details['kind']}" if "kind" in error.details else ""
            yield Refusal(line_no, f"{error.code}{field}")
        except ValueError as error:
            yield Refusal(line_no, str(error))


def _row(line_no: int, values: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Row:
    identifiers = {
        kind: rules.normal(kind, text) for kind in _KINDS if (text := values.get(kind, ""))
    }
    if not identifiers:
        raise ValueError("nobody")
    name = values.get("name")
    level = _LEVELS.get(values.get("level", "").casefold())
    if level is None:
        raise ValueError("level")
    joined_at = now
    if told := values.get("joined_at"):
        try:
            joined_at = datetime.fromisoformat(told.replace("/", "-"))
        except ValueError:
            raise ValueError("joined_at") from None
        joined_at = joined_at if joined_at.tzinfo else joined_at.replace(tzinfo=zone)
        if not joined_at.year >= 1990 or joined_at > now:
            raise ValueError("joined_at")
    nickname = rules.check_nickname(name) if name else None
    return Row(line_no, identifiers, nickname, level, joined_at, rules.split_tags(values))


async def _import_batch(
    tx: Tx, import_id: UUID, batch: Sequence[Row | Refusal], app_id: str
) -> None:
    """Write a batch; the person counter is held from here to the commit."""
    last_no = await queries.lock_person_counter(tx)
    rows = [one for one in batch if isinstance(one, Row)]
    refusals = [one for one in batch if isinstance(one, Refusal)]
    wanted = _Wanted(rows)
    linked, entered = await import_store.list_known(
        tx, wanted.kinds, wanted.keys, app_id, wanted.subjects
    )
    plan = wanted.plan(linked, entered)
    now = clock.now()
    await _insert_fresh(tx, last_no, plan.fresh, wanted)
    evidence, bps = Evidence.IMPORT, rules.CONFIDENCE_BPS[Evidence.IMPORT]
    if plan.identifiers:
        columns = zip(*plan.identifiers, strict=True)
        await import_store.insert_identifiers(tx, evidence, bps, now, *map(list, columns))
        unions = [key for kind, key, *_ in plan.identifiers if kind == IdentifierKind.UNIONID]
        if unions:
            await take_waiting(tx, unions)
    if plan.logins:
        await import_store.insert_logins(
            tx, app_id, now, *map(list, zip(*plan.logins, strict=True))
        )
    proposed = 0
    for member_id, kind, value in plan.clashes:
        proposed += await link(tx, member_id, kind, value, evidence) is not None
    if refusals:
        await import_store.insert_refusals(tx, import_id, refusals)
    await _tell_tags(tx, import_id, plan.tagged)
    found = len(rows) - len(plan.fresh)
    counts = (len(plan.fresh), found, proposed, len(refusals))
    await import_store.move_import(tx, import_id, len(batch), *counts)


async def _tell_tags(tx: Tx, import_id: UUID, tagged: Sequence[tuple[UUID, str]]) -> None:
    """Tell who has which tag by the list; tags are profiles', which stand above."""
    if not tagged:
        return
    numbers = await import_store.get_numbers(tx, [member_id for member_id, _ in tagged])
    tags: dict[str, list[int]] = {}
    for member_id, tag in tagged:
        tags.setdefault(tag, []).append(numbers[member_id])
    emit(tx, MembersTagged(import_id, {tag: sorted(set(nos)) for tag, nos in tags.items()}))


class _Plan:
    """What a batch writes: members to make, links that are free, identifiers that tie two members
    together, and tags."""

    def __init__(self) -> None:
        self.fresh: list[tuple[UUID, Row]] = []
        self.identifiers: list[tuple[str, bytes, UUID, bytes]] = []
        self.logins: list[tuple[str, UUID]] = []
        self.clashes: list[tuple[UUID, IdentifierKind, str]] = []
        self.tagged: list[tuple[UUID, str]] = []


class _Wanted:
    """The identifiers of a batch, as they are looked up; `phones`: sealed and key, by number."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.phones: dict[str, tuple[bytes, bytes]] = {}
        self.names: list[tuple[IdentifierKind, str]] = []
        self.keys: list[bytes] = []
        self.subjects: list[str] = []
        lookup = vault().lookup
        for row in rows:
            for kind, value in row.identifiers.items():
                if kind is IdentifierKind.OPENID:
                    self.subjects.append(value)
                else:
                    self.names.append((kind, value))
                    self.keys.append(lookup(value))
        self.kinds = [kind for kind, _ in self.names]

    def plan(
        self,
        linked: Sequence[import_store.KnownRow],
        entered: Sequence[import_store.KnownRow],
    ) -> _Plan:
        """Whom each row is of: the holder of its first known identifier, else somebody new."""
        plan, seal, openid = _Plan(), vault().seal, IdentifierKind.OPENID
        holders = {self.names[one.no - 1]: one.member_id for one in linked}
        holders |= {(openid, self.subjects[one.no - 1]): one.member_id for one in entered}
        before = set(holders)
        keys = iter(self.keys)
        for row in self.rows:
            # Openids come first: a log-in is the surest word about whose the others are.
            names = list(row.identifiers.items())
            known = next((holders[name] for name in names if name in holders), None)
            member_id = known or new_id()
            if known is None:
                plan.fresh.append((member_id, row))
            plan.tagged += [(member_id, tag) for tag in row.tags]
            for name in names:
                kind, value = name
                key = b"" if kind is openid else next(keys)
                holder = holders.setdefault(name, member_id)
                if holder != member_id:
                    plan.clashes.append((member_id, kind, value))
                elif name in before:
                    continue
                elif kind is openid:
                    plan.logins.append((value, member_id))
                else:
                    self._add(plan, kind, value, key, member_id, seal)
                before.add(name)
        return plan

    def _add(
        self,
        plan: _Plan,
        kind: IdentifierKind,
        value: str,
        key: bytes,
        member_id: UUID,
        seal: Callable[[str], bytes],
    ) -> None:
        sealed = seal(value)
        plan.identifiers.append((kind, key, member_id, sealed))
        if kind is IdentifierKind.PHONE:
            self.phones[value] = (sealed, key)


async def _insert_fresh(
    tx: Tx, last_no: int, fresh: Sequence[tuple[UUID, Row]], wanted: _Wanted
) -> None:
    if not fresh:
        return
    nicknames = [
        row.nickname or f"会员{no}" for no, (_, row) in enumerate(fresh, start=last_no + 1)
    ]
    phones = [
        wanted.phones.get(row.identifiers.get(IdentifierKind.PHONE, ""), (None, None))
        for _, row in fresh
    ]
    await import_store.insert_listed(
        tx,
        last_no + 1,
        Source.IMPORT,
        [member_id for member_id, _ in fresh],
        nicknames,
        [rules.search_key(name) for name in nicknames],
        [row.level for _, row in fresh],
        [sealed for sealed, _ in phones],
        [key for _, key in phones],
        [row.joined_at for _, row in fresh],
    )
    for person_no, (member_id, row) in enumerate(fresh, start=last_no + 1):
        emit(tx, MemberImported(person_no, member_id, row.level), at=row.joined_at)
