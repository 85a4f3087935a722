"""SQL of the identity graph: identifiers, merges, and which record stands for a person."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import (
    Evidence,
    IdentifierKind,
    Level,
    MergeState,
    Source,
)


class HolderRow(msgspec.Struct, frozen=True):
    """Whose an identifier is, and how sure that is."""

    member_id: UUID
    confidence_bps: int


class HeadRow(msgspec.Struct, frozen=True):
    """A record, and the record that stands for its person."""

    member_id: UUID
    person_no: int
    head_id: UUID
    head_no: int


class TieRow(msgspec.Struct, frozen=True):
    """A record that is one person with the one asked for, itself too, and when the last of the
    merges that tie them was made."""

    asked_no: int
    person_no: int
    merged_at: datetime


class RecordRow(msgspec.Struct, frozen=True):
    """A record of a member as stored."""

    member_id: UUID
    head_id: UUID
    person_no: int
    nickname: str
    phone_sealed: bytes | None
    level: Level
    source: Source
    joined_at: datetime
    last_login_at: datetime | None
    locked_reason: str | None
    has_balance: bool


class IdentifierRow(msgspec.Struct, frozen=True):
    """An identifier of a record; a log-in has its value in clear and no key."""

    kind: IdentifierKind
    app_id: str | None
    subject: str | None
    value_key: bytes | None
    sealed: bytes | None
    member_id: UUID
    source: Evidence
    confidence_bps: int
    linked_at: datetime


class MergeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of members.merges."""

    merge_id: UUID
    one_id: UUID
    other_id: UUID
    evidence: str
    confidence_bps: int
    state: MergeState
    reasons: list[str]
    note: str | None
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    undone_by: str | None
    undone_at: datetime | None


_MERGE = """merge_id, one_id, other_id, evidence, confidence_bps, state, reasons, note, proposed_by,
  proposed_at, decided_by, decided_at, undone_by, undone_at"""


# --- who is who ---------------------------------------------------------------------------------


async def get_person(tx: ReadTx, member_id: UUID) -> UUID | None:
    """The record that stands for the person a record belongs to; None: no such record."""
    found: UUID | None = await tx.value(
        """select coalesce(merged_into, member_id) from members.members
           where shop_id = $1 and member_id = $2""",
        *(tx.shop_id, member_id),
    )
    return found


async def lock_record_of_person(tx: Tx, member_id: UUID) -> UUID | None:
    """The same, and it stays so until the end of the transaction."""
    found: UUID | None = await tx.value(
        """select coalesce(merged_into, member_id) from members.members
           where shop_id = $1 and member_id = $2 for share""",
        *(tx.shop_id, member_id),
    )
    return found


async def list_records(tx: ReadTx, heads: Sequence[UUID]) -> list[RecordRow]:
    """All records of these persons, each person's earliest first."""
    return await tx.all(
        RecordRow,
        """select member_id, coalesce(merged_into, member_id) as head_id, person_no, nickname,
             phone_sealed, level, source, joined_at, last_login_at, locked_reason, has_balance
           from members.members
           where shop_id = $1 and (member_id = any($2::uuid[]) or merged_into = any($2::uuid[]))
           order by joined_at, member_id""",
        *(tx.shop_id, list(heads)),
    )


async def list_person_nos(tx: ReadTx, person_no: int) -> list[int]:
    """The numbers of the records that are one person with this one; itself when it has none."""
    found: list[int] = await tx.value(
        """select array(select r.person_no from members.members m join members.members r
             on r.shop_id = m.shop_id
               and coalesce(m.merged_into, m.member_id) in (r.member_id, r.merged_into)
             where m.shop_id = $1 and m.person_no = $2)""",
        *(tx.shop_id, person_no),
    )
    return found or [person_no]


async def list_ties(tx: ReadTx, persons: Sequence[int]) -> list[TieRow]:
    """The records of those of the persons who have more than one.

    Most have one: the rest is looked up for those who do not, each by key, as laterals make sure.
    """
    return await tx.all(
        TieRow,
        """with asked as materialized (
             select a.person_no, coalesce(a.merged_into, a.member_id) as head_id
             from members.members a where a.shop_id = $1 and a.person_no = any($2::bigint[])
               and (a.merged_into is not null or exists (select from members.members m
                 where m.shop_id = $1 and m.merged_into = a.member_id))),
           records as materialized (
             select a.person_no as asked_no, r.member_id, r.person_no
             from asked a cross join lateral (
               select member_id, person_no from members.members
               where shop_id = $1 and member_id = a.head_id
               union all
               select member_id, person_no from members.members
               where shop_id = $1 and merged_into = a.head_id offset 0) r)
           select r.asked_no, r.person_no,
             max(max(e.decided_at)) over (partition by r.asked_no) as merged_at
           from records r left join lateral (
             select decided_at from members.merges
             where shop_id = $1 and one_id = r.member_id and state = 'merged'
             union all
             select decided_at from members.merges
             where shop_id = $1 and other_id = r.member_id and state = 'merged' offset 0) e on true
           group by r.asked_no, r.person_no""",
        *(tx.shop_id, list(persons)),
    )


async def move_heads(tx: Tx, seeds: Sequence[UUID]) -> list[HeadRow]:
    """Let the earliest record stand for all that merges tie to it, for the persons of these
    records; the records whose head changed. The person counter is held."""
    return await tx.all(
        HeadRow,
        """with recursive walk (seed, member_id) as (
              select seed, seed from unnest($2::uuid[]) as seed
              union
              select w.seed,
                case when e.one_id = w.member_id then e.other_id else e.one_id end
              from walk w join members.merges e on e.shop_id = $1 and e.state = 'merged'
                and w.member_id in (e.one_id, e.other_id)),
            heads as (
              select w.seed,
                (array_agg(m.member_id
                  order by m.has_balance desc, m.joined_at, m.member_id))[1] as head_id
              from walk w join members.members m on m.shop_id = $1 and m.member_id = w.member_id
              group by w.seed),
            told as (select distinct w.member_id, h.head_id from walk w join heads h using (seed)),
            moved as (
              update members.members m set merged_into = nullif(t.head_id, m.member_id)
              from told t
              where m.shop_id = $1 and m.member_id = t.member_id
                and m.merged_into is distinct from nullif(t.head_id, m.member_id)
              returning m.member_id, m.person_no, t.head_id)
            select m.member_id, m.person_no, m.head_id, h.person_no as head_no
            from moved m join members.members h on h.shop_id = $1 and h.member_id = m.head_id
            order by m.person_no""",
        *(tx.shop_id, list(seeds)),
    )


async def set_lock(tx: Tx, member_id: UUID, reason: str | None) -> int:
    """Let staff alone decide merges of a record, or no longer; how many there were (0 or 1)."""
    return await tx.run(
        "update members.members set locked_reason = $3 where shop_id = $1 and member_id = $2",
        *(tx.shop_id, member_id, reason),
    )


async def set_balance(tx: Tx, member_id: UUID) -> int:
    """Remember that money was in the member's wallet; 0 when that was known."""
    return await tx.run(
        """update members.members set has_balance = true
           where shop_id = $1 and member_id = $2 and not has_balance""",
        *(tx.shop_id, member_id),
    )


# --- identifiers --------------------------------------------------------------------------------


async def get_holder(tx: ReadTx, kind: IdentifierKind, value_key: bytes) -> UUID | None:
    """The record an identifier is linked to."""
    found: UUID | None = await tx.value(
        """select member_id from members.identifiers
           where shop_id = $1 and kind = $2 and value_key = $3""",
        *(tx.shop_id, kind, value_key),
    )
    return found


async def wait_login(tx: Tx, app_id: str, subject: str, union_key: bytes, at: datetime) -> None:
    """Keep whom an app knows for the account they may get."""
    await tx.run(
        """insert into members.waiting_logins (shop_id, app_id, subject, union_key, seen_at)
           values ($1, $2, $3, $4, $5) on conflict (shop_id, app_id, subject) do update
             set union_key = excluded.union_key, seen_at = excluded.seen_at""",
        *(tx.shop_id, app_id, subject, union_key, at),
    )


async def take_waiting_logins(tx: Tx, union_keys: Sequence[bytes], at: datetime) -> int:
    """What waited for the holders of these shared ids are log-ins of theirs; how many."""
    return await tx.run(
        """with waited as (
             delete from members.waiting_logins w using members.identifiers i
             where w.shop_id = $1 and w.union_key = any($2::bytea[]) and i.shop_id = $1
               and i.kind = 'unionid' and i.value_key = w.union_key
             returning w.app_id, w.subject, i.member_id)
           insert into members.logins (shop_id, app_id, subject, member_id, created_at)
           select $1, app_id, subject, member_id, $3 from waited
           on conflict (shop_id, app_id, subject) do nothing""",
        *(tx.shop_id, list(union_keys), at),
    )


async def wait_contact(
    tx: Tx, contact_key: bytes, sealed: bytes, union_key: bytes, at: datetime
) -> None:
    """Keep a customer of the staff for the account they may get."""
    await tx.run(
        """insert into members.waiting_contacts (shop_id, contact_key, sealed, union_key, seen_at)
           values ($1, $2, $3, $4, $5) on conflict (shop_id, contact_key) do update
             set union_key = excluded.union_key, seen_at = excluded.seen_at""",
        *(tx.shop_id, contact_key, sealed, union_key, at),
    )


async def take_waiting_contacts(tx: Tx, union_keys: Sequence[bytes]) -> list[tuple[UUID, bytes]]:
    """The holders of these shared ids, and the contacts (sealed) that waited for them."""
    rows = await tx.connection.fetch(
        """with waited as (
             delete from members.waiting_contacts w using members.identifiers i
             where w.shop_id = $1 and w.union_key = any($2::bytea[]) and i.shop_id = $1
               and i.kind = 'unionid' and i.value_key = w.union_key
             returning i.member_id, w.sealed, w.contact_key)
           select member_id, sealed from waited order by contact_key""",
        *(tx.shop_id, list(union_keys)),
    )
    return [(row["member_id"], row["sealed"]) for row in rows]


async def delete_waiting_contact(tx: Tx, contact_key: bytes) -> None:
    """Forget whom staff had at WeCom."""
    await tx.run(
        "delete from members.waiting_contacts where shop_id = $1 and contact_key = $2",
        *(tx.shop_id, contact_key),
    )


async def delete_waiting(tx: Tx, app_id: str, subject: str) -> None:
    """Forget whom an app knew."""
    await tx.run(
        "delete from members.waiting_logins where shop_id = $1 and app_id = $2 and subject = $3",
        *(tx.shop_id, app_id, subject),
    )


async def upsert_identifier(
    tx: Tx,
    kind: IdentifierKind,
    value_key: bytes,
    member_id: UUID,
    sealed: bytes,
    source: Evidence,
    confidence_bps: int,
    at: datetime,
) -> HolderRow:
    """Link an identifier to a record unless another one has it; whose it is then, and how sure
    that was before. The better evidence for the same record is kept."""
    return await tx.one(
        HolderRow,
        """with before as (
             select member_id, confidence_bps from members.identifiers
             where shop_id = $1 and kind = $2 and value_key = $3),
           kept as (
             insert into members.identifiers as i (shop_id, kind, value_key, member_id, sealed,
               source, confidence_bps, linked_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (shop_id, kind, value_key) do update set
               sealed = coalesce(i.sealed, excluded.sealed),
               source = case when i.member_id = $4 and i.confidence_bps < $7
                 then excluded.source else i.source end,
               confidence_bps = case when i.member_id = $4
                 then greatest(i.confidence_bps, $7) else i.confidence_bps end
             returning i.member_id, i.confidence_bps)
           select k.member_id, coalesce(b.confidence_bps, k.confidence_bps) as confidence_bps
           from kept k left join before b on true""",
        *(tx.shop_id, kind, value_key, member_id, sealed, source, confidence_bps, at),
    )


async def count_identifiers(tx: ReadTx, member_id: UUID, kind: IdentifierKind) -> int:
    """How many identifiers of a kind a record has."""
    found: int = await tx.value(
        """select count(*) from members.identifiers
           where shop_id = $1 and member_id = $2 and kind = $3""",
        *(tx.shop_id, member_id, kind),
    )
    return found


async def list_identifiers(tx: ReadTx, records: Sequence[UUID]) -> list[IdentifierRow]:
    """The log-ins and other identifiers of records, the earliest first."""
    return await tx.all(
        IdentifierRow,
        """select 'openid' as kind, app_id, subject, null::bytea as value_key,
             null::bytea as sealed, member_id, source, 10000 as confidence_bps,
             created_at as linked_at
           from members.logins where shop_id = $1 and member_id = any($2::uuid[])
           union all
           select kind, null, null, value_key, sealed, member_id, source, confidence_bps, linked_at
           from members.identifiers where shop_id = $1 and member_id = any($2::uuid[])
           order by linked_at, kind""",
        *(tx.shop_id, list(records)),
    )


async def list_persons_with(
    tx: ReadTx, kinds: Sequence[IdentifierKind], keys: Sequence[bytes]
) -> list[UUID]:
    """Who is known by any of these identifiers, or gave such a phone number."""
    found: list[UUID] = await tx.value(
        """select array(
             select coalesce(m.merged_into, m.member_id)
             from unnest($2::text[], $3::bytea[]) as w (kind, value_key)
             join members.identifiers i on i.shop_id = $1 and i.kind = w.kind
               and i.value_key = w.value_key
             join members.members m on m.shop_id = $1 and m.member_id = i.member_id
             union
             select coalesce(m.merged_into, m.member_id)
             from unnest($2::text[], $3::bytea[]) as w (kind, value_key)
             join members.members m on m.shop_id = $1 and m.phone_key = w.value_key
             where w.kind = 'phone' limit 100)""",
        *(tx.shop_id, list(kinds), list(keys)),
    )
    return found


# --- merges -------------------------------------------------------------------------------------


async def insert_merge(tx: Tx, row: MergeRow) -> None:
    """Keep a merge, proposed or done."""
    await tx.run(
        f"""insert into members.merges (shop_id, {_MERGE})
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)""",
        *(tx.shop_id, *msgspec.structs.astuple(row)),
    )


async def get_merge(tx: ReadTx, merge_id: UUID) -> MergeRow | None:
    """A merge."""
    return await tx.maybe(
        MergeRow,
        f"select {_MERGE} from members.merges where shop_id = $1 and merge_id = $2",
        *(tx.shop_id, merge_id),
    )


async def list_merges_between(tx: ReadTx, records: Sequence[UUID]) -> list[MergeRow]:
    """Merges of two of these records, whatever became of them."""
    return await tx.all(
        MergeRow,
        f"""select {_MERGE} from members.merges
            where shop_id = $1 and one_id = any($2::uuid[]) and other_id = any($2::uuid[])
            order by merge_id""",
        *(tx.shop_id, list(records)),
    )


async def move_merge(tx: Tx, row: MergeRow) -> None:
    """Write what was decided of a merge."""
    await tx.run(
        """update members.merges set state = $3, note = $4, decided_by = $5, decided_at = $6,
             undone_by = $7, undone_at = $8
           where shop_id = $1 and merge_id = $2""",
        *(tx.shop_id, row.merge_id, row.state, row.note, row.decided_by, row.decided_at),
        *(row.undone_by, row.undone_at),
    )


async def list_merges(
    tx: ReadTx, state: MergeState | None, before: UUID | None, limit: int
) -> list[MergeRow]:
    """Merges, newest first; before: the last one seen."""
    return await tx.all(
        MergeRow,
        f"""select {_MERGE} from members.merges
            where shop_id = $1 and ($2::text is null or state = $2)
              and ($3::uuid is null or merge_id < $3)
            order by merge_id desc limit $4""",
        *(tx.shop_id, state, before, limit),
    )


async def list_merges_of(tx: ReadTx, records: Sequence[UUID]) -> list[MergeRow]:
    """Merges that touch any of these records, newest first."""
    return await tx.all(
        MergeRow,
        f"""select {_MERGE} from members.merges
            where shop_id = $1 and (one_id = any($2::uuid[]) or other_id = any($2::uuid[]))
            order by merge_id desc limit 100""",
        *(tx.shop_id, list(records)),
    )


async def move_rows(
    tx: Tx,
    table: str,
    columns: tuple[str, str],
    record_id: UUID,
    head_id: UUID | None,
    but: str,
    once_per: Sequence[str],
) -> int:
    """Give the rows that came with a record to another one, but for some; how many. table,
    columns, but, once_per: from code only."""
    owner, home = columns
    if once_per:
        same = " and ".join(f"o.{name} = {table}.{name}" for name in once_per)
        but = f"""(({but}) or exists (select from {table} o where o.shop_id = $1 and o.{owner} = $3
                  and {same}))"""
    return await tx.run(
        f"""update {table} set {home} = coalesce({home}, {owner}), {owner} = $3
            where shop_id = $1 and {owner} <> $3 and not coalesce({but}, false)
              and ({home} = $2 or ({home} is null and {owner} = $2))""",
        *(tx.shop_id, record_id, head_id),
    )


class Standing(msgspec.Struct, frozen=True):
    """The record that stands for a person."""

    person_no: int
    member_id: UUID


async def list_standing(tx: ReadTx, persons: Sequence[int]) -> list[Standing]:
    """The records that stand for persons, by number; visitors have none."""
    return await tx.all(
        Standing,
        """select person_no, member_id from members.members
           where shop_id = $1 and person_no = any($2::bigint[]) and merged_into is null
           order by person_no""",
        *(tx.shop_id, list(persons)),
    )
