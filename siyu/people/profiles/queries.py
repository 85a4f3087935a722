"""All SQL of the profiles domain. Statements that name a shop run as the system, over all shops."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.profiles.contracts import (
    PersonTag,
    Tag,
    TierCount,
    TierMove,
    TierVersion,
)


class StateRow(msgspec.Struct, frozen=True):
    """What the events of a number add up to."""

    shop_id: int
    person_no: int
    root_no: int
    measures: dict[str, Any]


class PersonRow(msgspec.Struct, frozen=True):
    """A profile as it is stored."""

    person_no: int
    fields: dict[str, Any]
    tier: str | None
    life: str | None
    refreshed_at: datetime | None


class PassRow(msgspec.Struct, frozen=True):
    """How far a shop is."""

    shop_id: int
    rebuilt_at: datetime | None
    visited_us: int
    visits_on: date | None


class TaggedRow(msgspec.Struct, frozen=True):
    """Who has which tag, with how many points."""

    person_no: int
    tag_id: UUID
    score: int | None


# --- states: what events add up to ------------------------------------------------------------


async def list_states(tx: ReadTx, numbers: Collection[tuple[int, int]]) -> list[StateRow]:
    """States of (shop_id, person_no)."""
    return await tx.all(
        StateRow,
        """select s.shop_id, s.person_no, s.root_no, s.measures from profiles.states s
           join unnest($1::int[], $2::bigint[]) w(shop_id, person_no) using (shop_id, person_no)""",
        *map(list, zip(*numbers, strict=True)),
    )


async def upsert_states(tx: Tx, rows: Sequence[tuple[int, int, dict[str, Any]]]) -> None:
    """Write (shop_id, person_no, measures); the persons are due at once."""
    await tx.run(
        """with kept as (
             insert into profiles.states as s (shop_id, person_no, root_no, measures)
             select shop_id, person_no, person_no, measures
             from unnest($1::int[], $2::bigint[], $3::jsonb[]) t(shop_id, person_no, measures)
             on conflict (shop_id, person_no) do update set measures = excluded.measures
             returning s.shop_id, s.root_no)
           insert into profiles.people (shop_id, person_no, due_at)
           select distinct shop_id, root_no, '-infinity'::timestamptz from kept
           on conflict (shop_id, person_no) do update set due_at = excluded.due_at""",
        *map(list, zip(*rows, strict=True)),
    )


async def join_state(tx: Tx, shop_id: int, person_no: int, joined_no: int) -> None:
    """`joined_no` turned out to be `person_no`; the same number: it is its own person again.

    Whoever was joined to it before goes with it. All persons concerned are due at once.
    """
    before = await tx.value(
        "select root_no from profiles.states where shop_id = $1 and person_no = $2",
        *(shop_id, joined_no),
    )
    await tx.run(
        """insert into profiles.states (shop_id, person_no, root_no, parent_no, measures)
           values ($1, $2::bigint, $2, nullif($3::bigint, $2), '{}')
           on conflict (shop_id, person_no) do update set parent_no = excluded.parent_no""",
        *(shop_id, joined_no, person_no),
    )
    await tx.run(
        """with recursive up as (
             select $2::bigint as person_no, 0 as depth
             union all
             select s.parent_no, up.depth + 1 from up
             join profiles.states s on s.shop_id = $1 and s.person_no = up.person_no
             where s.parent_no is not null and up.depth < 20),
           top as (select person_no from up order by depth desc limit 1),
           down as (
             select $3::bigint as person_no, 0 as depth
             union all
             select s.person_no, down.depth + 1 from down
             join profiles.states s on s.shop_id = $1 and s.parent_no = down.person_no
             where down.depth < 20),
           moved as (
             update profiles.states s set root_no = top.person_no from top
             where s.shop_id = $1 and s.person_no in (select person_no from down)
             returning s.person_no, s.root_no),
           gone as (
             delete from profiles.people p using moved m
             where p.shop_id = $1 and p.person_no = m.person_no and m.root_no <> m.person_no)
           insert into profiles.people (shop_id, person_no, due_at)
           select $1, person_no, '-infinity'::timestamptz from
             (select person_no from top union select $4::bigint where $4 <> $3) due
           on conflict (shop_id, person_no) do update set due_at = excluded.due_at""",
        *(shop_id, person_no, joined_no, joined_no if before is None else before),
    )


async def replace_states(
    tx: Tx, after: int, upto: int, rows: Sequence[tuple[int, dict[str, Any]]]
) -> None:
    """The states of the numbers in (after, upto] are these; others there are gone."""
    numbers = [number for number, _ in rows]
    await tx.run(
        """delete from profiles.states where shop_id = $1 and person_no > $2 and person_no <= $3
           and person_no <> all($4::bigint[])""",
        *(tx.shop_id, after, upto, numbers),
    )
    await tx.run(
        """insert into profiles.states (shop_id, person_no, root_no, measures)
           select $1, person_no, person_no, measures
           from unnest($2::bigint[], $3::jsonb[]) t(person_no, measures)
           on conflict (shop_id, person_no) do update set measures = excluded.measures,
             root_no = excluded.root_no, parent_no = null""",
        *(tx.shop_id, numbers, [measures for _, measures in rows]),
    )
    await tx.run(
        """insert into profiles.people (shop_id, person_no, due_at)
           select $1, unnest($2::bigint[]), '-infinity'
           on conflict (shop_id, person_no) do update set due_at = excluded.due_at""",
        *(tx.shop_id, numbers),
    )


async def list_states_of(tx: ReadTx, roots: Sequence[int]) -> list[StateRow]:
    """All states of these persons."""
    return await tx.all(
        StateRow,
        """select shop_id, person_no, root_no, measures from profiles.states
           where shop_id = $1 and root_no = any($2::bigint[]) order by person_no""",
        *(tx.shop_id, list(roots)),
    )


# --- people: the profile of each --------------------------------------------------------------


async def lock_due(tx: Tx, now: datetime, limit: int) -> list[PersonRow]:
    """Persons of the shop who are due, held; those held by another worker are left to it."""
    return await tx.all(
        PersonRow,
        """select person_no, fields, tier, life, refreshed_at from profiles.people
           where shop_id = $1 and due_at <= $2
           order by due_at, person_no limit $3 for no key update skip locked""",
        *(tx.shop_id, now, limit),
    )


async def update_people(tx: Tx, now: datetime, *columns: Sequence[Any]) -> None:
    """Write person numbers, fields, tiers, lives and when each is due next."""
    await tx.run(
        """update profiles.people p
           set fields = t.fields, tier = t.tier, life = t.life, due_at = t.due_at,
               refreshed_at = $2
           from unnest($3::bigint[], $4::jsonb[], $5::text[], $6::text[], $7::timestamptz[])
             t(person_no, fields, tier, life, due_at)
           where p.shop_id = $1 and p.person_no = t.person_no""",
        *(tx.shop_id, now, *columns),
    )


async def insert_moves(tx: Tx, version: int, at: datetime, *columns: Sequence[Any]) -> None:
    """Note person numbers, move ids, ladders, tiers before and after."""
    await tx.run(
        """insert into profiles.tier_moves (shop_id, rules_version, at, person_no, move_id, ladder,
             before, after)
           select $1, $2, $3, * from unnest($4::bigint[], $5::uuid[], $6::text[], $7::text[],
             $8::text[])""",
        *(tx.shop_id, version, at, *columns),
    )


async def list_moves(tx: ReadTx, person_no: int, limit: int) -> list[TierMove]:
    """Moves of a person, newest first."""
    return await tx.all(
        TierMove,
        """select ladder, before, after, at from profiles.tier_moves
           where shop_id = $1 and person_no = $2 order by move_id desc limit $3""",
        *(tx.shop_id, person_no, limit),
    )


async def list_people(tx: ReadTx, numbers: Sequence[int]) -> list[PersonRow]:
    """Profiles by number."""
    return await tx.all(
        PersonRow,
        """select person_no, fields, tier, life, refreshed_at from profiles.people
           where shop_id = $1 and person_no = any($2::bigint[])""",
        *(tx.shop_id, list(numbers)),
    )


async def upsert_visits(tx: Tx, rows: Sequence[tuple[int, dict[str, Any]]], keys: list[str]) -> int:
    """Put the fields of behaviour in the place of those before; how many persons changed."""
    return await tx.run(
        """insert into profiles.people as p (shop_id, person_no, fields, due_at)
           select $1, person_no, fields, '-infinity'
           from unnest($2::bigint[], $3::jsonb[]) t(person_no, fields)
           on conflict (shop_id, person_no) do update
             set fields = (p.fields - $4::text[]) || excluded.fields, due_at = excluded.due_at
             where (p.fields - $4::text[]) || excluded.fields <> p.fields""",
        *(tx.shop_id, [number for number, _ in rows], [fields for _, fields in rows], keys),
    )


async def count_tiers(tx: ReadTx) -> list[TierCount]:
    """Persons per tier of both ladders."""
    return await tx.all(
        TierCount,
        """select 'tier' as ladder, tier as key, count(*) as persons from profiles.people
           where shop_id = $1 group by tier
           union all
           select 'life', life, count(*) from profiles.people where shop_id = $1 group by life
           order by ladder, persons desc""",
        tx.shop_id,
    )


async def count_fields(tx: ReadTx) -> dict[str, int]:
    """How many of up to 2,000 persons have a value, per field."""
    records = await tx.connection.fetch(
        """select key, count(*) as persons
           from (select fields from profiles.people where shop_id = $1 order by person_no desc
                 limit 2000) p, jsonb_object_keys(fields) key group by key""",
        tx.shop_id,
    )
    return {record["key"]: record["persons"] for record in records}


async def set_all_due(tx: Tx) -> None:
    """Everybody's profile is to be computed anew."""
    sql = "update profiles.people set due_at = '-infinity' where shop_id = $1"
    await tx.run(sql, tx.shop_id)


# --- passes -----------------------------------------------------------------------------------


async def ensure_passes(tx: Tx, shops: Sequence[int]) -> None:
    """A shop that is met for the first time is to be made from its beginning."""
    sql = "insert into profiles.passes (shop_id) select unnest($1::int[]) on conflict do nothing"
    await tx.run(sql, list(shops))


async def list_work(tx: ReadTx, now: datetime) -> list[PassRow]:
    """Shops to be made from all events, and those with somebody who is due; the latter first."""
    return await tx.all(
        PassRow,
        """select shop_id, rebuilt_at, visited_us, visits_on from profiles.passes s
           where rebuilt_at is null or exists (
             select from profiles.people p where p.shop_id = s.shop_id and p.due_at <= $1)
           order by rebuilt_at is null, shop_id""",
        now,
    )


async def list_passes(tx: ReadTx) -> list[int]:
    """Shops that were met."""
    records = await tx.connection.fetch("select shop_id from profiles.passes order by shop_id")
    return [record["shop_id"] for record in records]


async def set_rebuilt(tx: Tx, at: datetime | None) -> None:
    """When the shop's states were made from all events; None: they are to be."""
    await tx.run(
        """insert into profiles.passes (shop_id, rebuilt_at) values ($1, $2)
           on conflict (shop_id) do update set rebuilt_at = excluded.rebuilt_at""",
        *(tx.shop_id, at),
    )


async def set_visited(tx: Tx, visited_us: int, on: date) -> None:
    """How far visits were counted."""
    await tx.run(
        "update profiles.passes set visited_us = $2, visits_on = $3 where shop_id = $1",
        *(tx.shop_id, visited_us, on),
    )


async def list_rules(tx: ReadTx, limit: int) -> list[TierVersion]:
    """Versions of the shop's own rules, newest first."""
    return await tx.all(
        TierVersion,
        """select version, rules, note, made_by, made_at from profiles.tier_rules
           where shop_id = $1 order by version desc limit $2""",
        *(tx.shop_id, limit),
    )


async def insert_rules(tx: Tx, made: TierVersion) -> bool:
    """Keep a version; False when it is there already."""
    kept = await tx.run(
        """insert into profiles.tier_rules (shop_id, version, rules, note, made_by, made_at)
           values ($1, $2, $3, $4, $5, $6) on conflict do nothing""",
        *(tx.shop_id, made.version, msgspec.to_builtins(made.rules), made.note),
        *(made.made_by, made.made_at),
    )
    return kept == 1


# --- tags -------------------------------------------------------------------------------------

_TAG = """t.tag_id, t.name, t.group_name as "group", t.note, t.making, t.made_by, t.created_at,
  t.reviewed_at, t.retired_at"""
_COUNTED = """(select count(*) from profiles.tagged g
    where g.shop_id = t.shop_id and g.tag_id = t.tag_id) as person_count,
  (select max(given_at) from profiles.tagged g
    where g.shop_id = t.shop_id and g.tag_id = t.tag_id) as last_given_at"""


async def list_tags(tx: ReadTx, *, counted: bool, retired: bool = False) -> list[Tag]:
    """Tags in use (retired: those that are not), by group and name; counted: with their persons."""
    more = _COUNTED if counted else "0 as person_count, null::timestamptz as last_given_at"
    return await tx.all(
        Tag,
        f"""select {_TAG}, {more} from profiles.tags t
            where t.shop_id = $1 and (t.retired_at is not null) = $2
            order by t.group_name, t.name, t.tag_id""",
        *(tx.shop_id, retired),
    )


async def get_tag(tx: ReadTx, tag_id: UUID) -> Tag | None:
    """One of them."""
    return await tx.maybe(
        Tag,
        f"select {_TAG}, {_COUNTED} from profiles.tags t where t.shop_id = $1 and t.tag_id = $2",
        *(tx.shop_id, tag_id),
    )


async def insert_tag(tx: Tx, tag: Tag) -> bool:
    """Keep a tag; False when its name is taken."""
    kept = await tx.run(
        """insert into profiles.tags (shop_id, tag_id, name, group_name, note, making, made_by,
             created_at, reviewed_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
           on conflict (shop_id, name) where retired_at is null do nothing""",
        *(tx.shop_id, tag.tag_id, tag.name, tag.group, tag.note),
        *(msgspec.to_builtins(tag.making), tag.made_by, tag.created_at),
    )
    return kept == 1


async def update_tag(tx: Tx, tag: Tag, retired_at: datetime | None, reviewed_at: datetime) -> bool:
    """Write a tag anew; False when another one in use has its name."""
    kept = await tx.run(
        """update profiles.tags t set name = $3, group_name = $4, note = $5, making = $6,
             retired_at = $7, reviewed_at = $8
           where shop_id = $1 and tag_id = $2 and not exists (
             select from profiles.tags o where o.shop_id = $1 and o.name = $3
               and o.tag_id <> $2 and o.retired_at is null and $7::timestamptz is null)""",
        *(tx.shop_id, tag.tag_id, tag.name, tag.group, tag.note),
        *(msgspec.to_builtins(tag.making), retired_at, reviewed_at),
    )
    return kept == 1


async def list_tagged(tx: ReadTx, persons: Sequence[int]) -> list[TaggedRow]:
    """Which tags these persons have."""
    return await tx.all(
        TaggedRow,
        """select person_no, tag_id, score from profiles.tagged
           where shop_id = $1 and person_no = any($2::bigint[])""",
        *(tx.shop_id, list(persons)),
    )


async def give_tags(
    tx: Tx, given: Sequence[tuple[int, UUID, int | None]], by: str, at: datetime
) -> None:
    """Persons, tags and points; who has a tag already keeps it, with the new points."""
    await tx.run(
        """insert into profiles.tagged as g (shop_id, person_no, tag_id, score, given_by, given_at)
           select $1, person_no, tag_id, score, $5, $6
           from unnest($2::bigint[], $3::uuid[], $4::int[]) t(person_no, tag_id, score)
           on conflict (shop_id, person_no, tag_id) do update set score = excluded.score
             where g.score is distinct from excluded.score""",
        *(tx.shop_id, *map(list, zip(*given, strict=True)), by, at),
    )


async def take_tags(tx: Tx, taken: Sequence[tuple[int, UUID]]) -> None:
    """Take tags from persons."""
    await tx.run(
        """delete from profiles.tagged g
           using unnest($2::bigint[], $3::uuid[]) t(person_no, tag_id)
           where g.shop_id = $1 and g.person_no = t.person_no and g.tag_id = t.tag_id""",
        *(tx.shop_id, *map(list, zip(*taken, strict=True))),
    )


async def move_tagged(tx: Tx, tag_id: UUID, into: UUID) -> None:
    """Whoever has a tag by hand has another one instead."""
    await tx.run(
        """insert into profiles.tagged (shop_id, person_no, tag_id, score, given_by, given_at)
           select shop_id, person_no, $3, null, given_by, given_at from profiles.tagged
           where shop_id = $1 and tag_id = $2 on conflict do nothing""",
        *(tx.shop_id, tag_id, into),
    )


async def clear_tag(tx: Tx, tag_id: UUID) -> None:
    """Nobody has a tag any more."""
    sql = "delete from profiles.tagged where shop_id = $1 and tag_id = $2"
    await tx.run(sql, tx.shop_id, tag_id)


async def list_person_tags(tx: ReadTx, person_no: int) -> list[PersonTag]:
    """The tags of one person."""
    return await tx.all(
        PersonTag,
        """select t.tag_id, t.name, t.group_name as "group", t.making->>'kind' as kind, g.score,
             g.given_at, g.given_by
           from profiles.tagged g join profiles.tags t using (shop_id, tag_id)
           where g.shop_id = $1 and g.person_no = $2 and t.retired_at is null
           order by t.group_name, t.name""",
        *(tx.shop_id, person_no),
    )


async def list_persons_with(tx: ReadTx, tag_id: UUID, after: int, limit: int) -> list[int]:
    """Who has a tag: person numbers above `after`, smallest first."""
    records = await tx.connection.fetch(
        """select person_no from profiles.tagged
           where shop_id = $1 and tag_id = $2 and person_no > $3 order by person_no limit $4""",
        *(tx.shop_id, tag_id, after, limit),
    )
    return [record["person_no"] for record in records]


class Overlap(msgspec.Struct, frozen=True):
    """Two tags, and how many persons have both."""

    one: UUID
    other: UUID
    both: int


async def list_overlaps(tx: ReadTx) -> list[Overlap]:
    """Pairs of tags that persons have in common."""
    return await tx.all(
        Overlap,
        """select a.tag_id as one, b.tag_id as other, count(*) as both
           from profiles.tagged a join profiles.tagged b
             on b.shop_id = a.shop_id and b.person_no = a.person_no and b.tag_id > a.tag_id
           where a.shop_id = $1 group by 1, 2""",
        tx.shop_id,
    )


async def get_pass(tx: ReadTx) -> PassRow | None:
    """How far this shop is."""
    return await tx.maybe(
        PassRow,
        """select shop_id, rebuilt_at, visited_us, visits_on from profiles.passes
           where shop_id = $1""",
        tx.shop_id,
    )


async def forget_without_state(tx: Tx) -> None:
    """Profiles of numbers without any event go, but for those of visitors; joins are made anew."""
    await tx.run(
        """delete from profiles.people p where shop_id = $1 and not (fields ? 'visits')
           and not exists (select from profiles.states s
                           where s.shop_id = $1 and s.root_no = p.person_no)""",
        tx.shop_id,
    )
