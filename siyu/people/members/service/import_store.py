"""SQL that makes many members at once: of an imported history, of a list, by staff."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import (
    Evidence,
    ImportedMember,
    ListReport,
    Refusal,
    RefusedFor,
    Source,
)


async def list_imported(tx: ReadTx, refs: list[str]) -> list[ImportedMember]:
    """Those of the outside customer numbers that are known."""
    return await tx.all(
        ImportedMember,
        """select external_ref, member_id, person_no from members.members
           where shop_id = $1 and external_ref = any($2::text[])""",
        tx.shop_id,
        refs,
    )


async def insert_imported(tx: Tx, first_no: int, *columns: Sequence[Any]) -> None:
    """Make persons and members for imported customers, numbered from `first_no`, in one trip.

    columns: member ids, references, nicknames, their search keys, countries, joined_at.
    """
    await tx.run(
        """with fresh as (
             select t.*, $2 + n - 1 as person_no
             from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::timestamptz[]) with ordinality
               as t (member_id, external_ref, nickname, nickname_key, country, joined_at, n)),
           counter as (
             update members.person_counters set last_no = $2 + cardinality($3::uuid[]) - 1
             where shop_id = $1),
           persons as (
             insert into members.persons (shop_id, person_no, origin, created_at)
             select $1, person_no, 'import', joined_at from fresh)
           insert into members.members (shop_id, member_id, person_no, nickname, nickname_key,
             external_ref, country, joined_at, source)
           select $1, member_id, person_no, nickname, nickname_key, external_ref, country,
             joined_at, 'import'
           from fresh""",
        tx.shop_id,
        first_no,
        *columns,
    )


async def insert_listed(tx: Tx, first_no: int, source: Source, *columns: Sequence[Any]) -> None:
    """Make persons and members that have not logged in, numbered from `first_no`.

    columns: member ids, nicknames, their search keys, levels, phones sealed, their keys,
    joined_at.
    """
    await tx.run(
        """with fresh as (
             select t.*, $2 + n - 1 as person_no
             from unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bytea[],
                         $9::bytea[], $10::timestamptz[]) with ordinality
               as t (member_id, nickname, nickname_key, level, phone_sealed, phone_key,
                     joined_at, n)),
           counter as (
             update members.person_counters set last_no = $2 + cardinality($4::uuid[]) - 1
             where shop_id = $1),
           persons as (
             insert into members.persons (shop_id, person_no, origin, created_at)
             select $1, person_no, case $3 when 'import' then 'import' else 'member' end, joined_at
             from fresh)
           insert into members.members (shop_id, member_id, person_no, nickname, nickname_key,
             level, phone_sealed, phone_key, joined_at, source)
           select $1, member_id, person_no, nickname, nickname_key, level, phone_sealed, phone_key,
             joined_at, $3
           from fresh""",
        *(tx.shop_id, first_no, source),
        *columns,
    )


# --- lists ----------------------------------------------------------------------------------------


class KnownRow(msgspec.Struct, frozen=True):
    """An identifier that is known: its place in the list asked for, and the record it is of."""

    no: int
    member_id: UUID


async def list_known(
    tx: ReadTx, kinds: Sequence[str], keys: Sequence[bytes], app_id: str, subjects: Sequence[str]
) -> tuple[list[KnownRow], list[KnownRow]]:
    """Those of these identifiers, and of these openids of an app, that are known."""
    linked = await tx.all(
        KnownRow,
        """select w.no, i.member_id
           from unnest($2::text[], $3::bytea[]) with ordinality as w (kind, value_key, no)
           join members.identifiers i on i.shop_id = $1 and i.kind = w.kind
             and i.value_key = w.value_key""",
        *(tx.shop_id, list(kinds), list(keys)),
    )
    if not subjects:
        return linked, []
    entered = await tx.all(
        KnownRow,
        """select w.no, l.member_id from unnest($3::text[]) with ordinality as w (subject, no)
           join members.logins l on l.shop_id = $1 and l.app_id = $2 and l.subject = w.subject""",
        *(tx.shop_id, app_id, list(subjects)),
    )
    return linked, entered


async def get_numbers(tx: ReadTx, members: Sequence[UUID]) -> dict[UUID, int]:
    """The numbers of the persons behind records: of who stands for them."""
    rows = await tx.connection.fetch(
        """select m.member_id, h.person_no from members.members m
           join members.members h on h.shop_id = m.shop_id
             and h.member_id = coalesce(m.merged_into, m.member_id)
           where m.shop_id = $1 and m.member_id = any($2::uuid[])""",
        *(tx.shop_id, list(members)),
    )
    return {row["member_id"]: row["person_no"] for row in rows}


async def insert_identifiers(
    tx: Tx, evidence: Evidence, confidence_bps: int, at: datetime, *columns: Sequence[Any]
) -> None:
    """Link identifiers that nobody has. columns: kinds, keys, member ids, sealed values."""
    await tx.run(
        """insert into members.identifiers (shop_id, kind, value_key, member_id, sealed, source,
             confidence_bps, linked_at)
           select $1, t.kind, t.value_key, t.member_id, t.sealed, $2, $3, $4
           from unnest($5::text[], $6::bytea[], $7::uuid[], $8::bytea[])
             as t (kind, value_key, member_id, sealed)""",
        *(tx.shop_id, evidence, confidence_bps, at),
        *columns,
    )


async def insert_logins(tx: Tx, app_id: str, at: datetime, *columns: Sequence[Any]) -> None:
    """Keep openids of an app that nobody has. columns: openids, member ids."""
    await tx.run(
        """insert into members.logins (shop_id, app_id, subject, member_id, created_at, source)
           select $1, $2, t.subject, t.member_id, $3, 'import'
           from unnest($4::text[], $5::uuid[]) as t (subject, member_id)""",
        *(tx.shop_id, app_id, at),
        *columns,
    )


# --- how far a list was read ----------------------------------------------------------------------

_REPORT = "import_id, file_name, rows_done, made, found, proposed, refused, started_at, ended_at"


async def start_import(
    tx: Tx, import_id: UUID, file_name: str, file_hash: bytes, at: datetime
) -> ListReport:
    """Begin to read a file, or go on where it was left."""
    return await tx.one(
        ListReport,
        f"""insert into members.imports as i (shop_id, import_id, file_name, file_hash, started_at)
            values ($1, $2, $3, $4, $5)
            on conflict (shop_id, file_hash) do update set file_name = excluded.file_name
            returning {_REPORT}""",
        *(tx.shop_id, import_id, file_name, file_hash, at),
    )


async def list_imports(tx: ReadTx, before: UUID | None, limit: int) -> list[ListReport]:
    """Lists of members, the newest first, how far each was read."""
    return await tx.all(
        ListReport,
        f"""select {_REPORT} from members.imports
            where shop_id = $1 and ($2::uuid is null or import_id < $2)
            order by import_id desc limit $3""",
        *(tx.shop_id, before, limit),
    )


async def lock_import(tx: Tx, import_id: UUID) -> int:
    """How many rows of a file are done; nobody else reads on meanwhile."""
    done: int = await tx.value(
        """select rows_done from members.imports
           where shop_id = $1 and import_id = $2 for no key update""",
        *(tx.shop_id, import_id),
    )
    return done


async def move_import(
    tx: Tx, import_id: UUID, rows: int, made: int, found: int, proposed: int, refused: int
) -> None:
    """So many more rows of a file are done."""
    await tx.run(
        """update members.imports set rows_done = rows_done + $3, made = made + $4,
             found = found + $5, proposed = proposed + $6, refused = refused + $7
           where shop_id = $1 and import_id = $2""",
        *(tx.shop_id, import_id, rows, made, found, proposed, refused),
    )


async def end_import(tx: Tx, import_id: UUID, at: datetime) -> ListReport:
    """The file has been read to its end."""
    return await tx.one(
        ListReport,
        f"""update members.imports set ended_at = coalesce(ended_at, $3)
            where shop_id = $1 and import_id = $2 returning {_REPORT}""",
        *(tx.shop_id, import_id, at),
    )


async def insert_refusals(tx: Tx, import_id: UUID, refusals: Sequence[Refusal]) -> None:
    """Keep which lines were not imported, and why."""
    await tx.run(
        """insert into members.import_refusals (shop_id, import_id, line_no, reason)
           select $1, $2, t.line_no, t.reason from unnest($3::int[], $4::text[])
             as t (line_no, reason)""",
        *(tx.shop_id, import_id),
        [one.line_no for one in refusals],
        [one.reason for one in refusals],
    )


async def list_refusals(tx: ReadTx, import_id: UUID, limit: int) -> list[Refusal]:
    """Lines that were not imported, the first ones."""
    return await tx.all(
        Refusal,
        """select line_no, reason from members.import_refusals
           where shop_id = $1 and import_id = $2 order by line_no limit $3""",
        *(tx.shop_id, import_id, limit),
    )


async def count_refusals(tx: ReadTx, import_id: UUID) -> list[RefusedFor]:
    """Why lines were not imported, the most frequent reason first."""
    return await tx.all(
        RefusedFor,
        """select reason, count(*) as rows from members.import_refusals
           where shop_id = $1 and import_id = $2 group by reason order by 2 desc, 1""",
        *(tx.shop_id, import_id),
    )
