"""The list of people, search, and people found or made by an identifier."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, filters, reading
from siyu.kernel.errors import SiyuError
from siyu.kernel.events import emit
from siyu.kernel.i18n import Language
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.tables import Cell, inert, local
from siyu.people.members import queries, rules
from siyu.people.members.contracts import (
    BadPhone,
    Evidence,
    IdentifierKind,
    Level,
    MemberJoined,
    MemberSummary,
    Source,
)
from siyu.people.members.service import identity_store, import_store
from siyu.people.members.service.accounts import summary
from siyu.people.members.service.identity import link

EXPORTED_AT_ONCE = 500

_TYPED = (IdentifierKind.PHONE, IdentifierKind.CARD, IdentifierKind.EMAIL)
"""What staff type to find somebody, beside the number that the pages show."""
_NUMBER = re.compile(r"#?([0-9]{1,10})")


class PeopleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which people to list. joined_from, joined_until: half open; None: all."""

    level: Level | None = None
    source: Source | None = None
    joined_from: datetime | None = None
    joined_until: datetime | None = None


def phone_key(text: str) -> bytes | None:
    """The keyed hash by which a typed phone number is found, in whatever form; None: not one."""
    try:
        return vault().lookup(rules.normal_phone(text))
    except BadPhone:
        return None


async def find_persons(tx: ReadTx, q: str) -> list[UUID]:
    """Who has this phone number, card or address for mail (by its keyed hash), or this number of
    a person, as `#12` or `12`; the records that stand for them."""
    kinds, keys = [], []
    for kind in _TYPED:
        try:
            keys.append(vault().lookup(rules.normal(kind, q)))
        except SiyuError:
            continue
        kinds.append(kind)
    found = await identity_store.list_persons_with(tx, kinds, keys) if kinds else []
    if number := _NUMBER.fullmatch(q.strip()):
        numbered = await queries.get_numbered(tx, int(number[1]))
        found += [numbered] if numbered and numbered not in found else []
    return found


async def find_by_identifier(tx: ReadTx, kind: IdentifierKind, value: str) -> UUID | None:
    """The record that stands for who is known by an identifier. Raises BadIdentifier, BadPhone."""
    found = await identity_store.list_persons_with(
        tx, [kind], [vault().lookup(rules.normal(kind, value))]
    )
    return found[0] if found else None


async def list_members(
    tx: ReadTx,
    q: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    ids: Sequence[UUID] | None = None,
    persons: Sequence[int] | None = None,
    only: PeopleFilter | None = None,
) -> list[MemberSummary]:
    """People, newest first. q: a whole phone number, card, address for mail or number of a
    person, else how a nickname begins; ids, persons: only these records, merged ones too (else
    one line a person).

    after: joined_at and member_id of the last one shown.
    """
    found = await find_persons(tx, q) if q else []
    if found:
        ids = found if ids is None else [one for one in ids if one in found]
    prefix = (rules.search_key(q.strip()) or None) if q and not found else None
    if prefix is not None and phone_key(prefix) is not None:
        return []  # a number that nobody has is no nickname
    rows = await list_member_rows(tx, prefix, after, limit, ids, persons, only or PeopleFilter())
    return [summary(row) for row in rows]


async def count_members(tx: ReadTx, only: PeopleFilter) -> int:
    """How many people match, one a person."""
    args: list[Any] = [tx.shop_id]
    where = _matching(args, only) + " and m.merged_into is null"
    found: int = await tx.value(
        f"select count(*) from members.members m where m.shop_id = $1 and {where}", *args
    )
    return found


def export_header(language: Language) -> list[str]:
    """What stands above the columns of `export_members`."""
    return rules.EXPORT_HEADER[language]


def word_of_level(level: Level, language: Language) -> str:
    """A level as people read it, in tables too."""
    return rules.LEVEL_WORDS[level][language]


async def export_members(
    shop_id: ShopId, only: PeopleFilter, zone: ZoneInfo, mark: str, language: Language
) -> AsyncIterator[list[list[Cell]]]:
    """People under `export_header`, newest first, in words of the language, masked for everybody,
    the watermark as last row."""
    after: tuple[datetime, UUID] | None = None
    while True:
        async with reading(shop_id) as tx:
            rows = await list_members(tx, None, after, EXPORTED_AT_ONCE, only=only)
        yield [
            [
                row.person_no,
                inert(row.nickname),
                row.phone_masked or "",
                word_of_level(row.level, language),
                rules.SOURCE_WORDS[row.source][language],
                local(row.joined_at, zone),
                local(row.last_login_at, zone),
            ]
            for row in rows
        ]
        if len(rows) < EXPORTED_AT_ONCE:
            break
        after = rows[-1].joined_at, rows[-1].member_id
    yield [[inert(mark)]]


def _matching(args: list[Any], only: PeopleFilter) -> str:
    where = filters(
        args,
        ("m.level = ?", only.level),
        ("m.source = ?", only.source),
        ("m.joined_at >= ?", only.joined_from),
        ("m.joined_at < ?", only.joined_until),
    )
    if only.level is not None and only.level is not Level.NORMAL:
        where += " and m.level <> 'normal'"  # the condition of the index of levels
    return where


async def list_member_rows(
    tx: ReadTx,
    nickname_prefix: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    ids: Sequence[UUID] | None,
    persons: Sequence[int] | None,
    only: PeopleFilter,
) -> list[queries.MemberRow]:
    """Members, newest first; a name by its beginning, or by ids."""
    args: list[Any] = [tx.shop_id]
    upper = None if nickname_prefix is None else nickname_prefix + "\U0010ffff"
    where = filters(
        args,
        # The index is in the order of code points; a pattern in a parameter would not use it.
        ("m.nickname_key ~>=~ ?", nickname_prefix),
        ("m.nickname_key ~<~ ?", upper),
        ("m.member_id = any(?::uuid[])", ids),
        ("m.person_no = any(?::bigint[])", persons),
    )
    where += " and " + _matching(args, only)
    if ids is None and persons is None:
        where += " and m.merged_into is null"
    if after is not None:
        args += after
        where += f" and (m.joined_at, m.member_id) < (${len(args) - 1}, ${len(args)})"
    args.append(limit)
    return await tx.all(
        queries.MemberRow,
        f"""select {queries.MEMBER} from members.members m where m.shop_id = $1 and {where}
            order by m.joined_at desc, m.member_id desc limit ${len(args)}""",
        *args,
    )


async def register(
    tx: Tx,
    actor: Actor,
    nickname: str | None,
    identifiers: Sequence[tuple[IdentifierKind, str]],
) -> UUID:
    """The person known by the first of these identifiers that is known, else a new member; the
    other identifiers are linked to them. The record that stands for the person.

    Raises BadNickname, BadIdentifier, BadPhone, TooManyIdentifiers.
    """
    last_no = await queries.lock_person_counter(tx)
    kinds = [kind for kind, _ in identifiers]
    keys = [vault().lookup(rules.normal(kind, value)) for kind, value in identifiers]
    known = await identity_store.list_persons_with(tx, kinds, keys)
    member_id = known[0] if known else new_id()
    if not known:
        name = rules.check_nickname(nickname or f"会员{last_no + 1}")
        phone = next((v for k, v in identifiers if k is IdentifierKind.PHONE), None)
        number = None if phone is None else rules.normal_phone(phone)
        await import_store.insert_listed(
            tx,
            last_no + 1,
            Source.STAFF,
            [member_id],
            [name],
            [rules.search_key(name)],
            [Level.NORMAL],
            [None if number is None else vault().seal(number)],
            [None if number is None else vault().lookup(number)],
            [clock.now()],
        )
        emit(tx, MemberJoined(last_no + 1, member_id, Source.STAFF))
    for kind, value in identifiers:
        await link(tx, member_id, kind, value, Evidence.STAFF, actor)
    return member_id
