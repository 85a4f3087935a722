"""SQL over all profiles of a shop at once. Conditions become SQL here and nowhere else.

Keys come from the catalogue; every value travels as a parameter.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.people.profiles.contracts import Condition
from siyu.people.profiles.contracts import FieldKind as Kind
from siyu.people.profiles.rules import FIELDS

PIECE = 200_000
"""Persons asked for in one statement, which may take no longer than any other."""
_COMPARE = {"ge": ">=", "le": "<=", "eq": "=", "ne": "<>"}


class Known(msgspec.Struct, frozen=True):
    """A person as the profile knows them. tags: those they have."""

    person_no: int
    fields: dict[str, Any]
    tier: str | None
    life: str | None
    tags: list[UUID]


class Root(msgspec.Struct, frozen=True):
    """Whose a number is today."""

    person_no: int
    root_no: int


def condition_sql(condition: Condition, today: date, args: list[Any]) -> str:
    """Whether a profile fulfils a condition, never null: the same as `rules.judging.fits`."""

    def put(value: Any) -> str:
        args.append(value)
        return f"${len(args)}"

    field, op, value = FIELDS[condition.field], condition.op, condition.value
    text = f"p.fields ->> '{field.key}'"
    if op in ("known", "unknown"):
        known = "true" if field.is_counted else f"({text}) is not null"
        return known if op == "known" else f"not {known}"
    if op in ("days_ge", "days_le"):
        days = f"({put(today)}::date - ({text})::date)"
        sign = ">=" if op == "days_ge" else "between 0 and"
        return f"coalesce({days} {sign} {put(value)}::int, false)"
    if field.kind in (Kind.NUMBER, Kind.FEN):
        own = f"({text})::bigint"
        own = f"coalesce({own}, 0)" if field.is_counted else own
        return f"coalesce({own} {_COMPARE[op]} {put(value)}::bigint, false)"
    if field.kind is Kind.BOOL:
        own = f"({text})::boolean"
        own = f"coalesce({own}, false)" if field.is_counted else own
        return f"coalesce({own} {_COMPARE[op]} {put(value)}::boolean, false)"
    json = f"p.fields -> '{field.key}'"
    if field.kind is Kind.LIST:
        return f"coalesce({json} ?| {put(value)}::text[], false)"
    if op == "in":
        listed = f"{put(value)}::text[]"
        return f"coalesce(jsonb_typeof({json}) = 'string' and {text} = any({listed}), false)"
    return f"coalesce({json} {_COMPARE[op]} to_jsonb({put(value)}::text), false)"


async def list_fitting(
    tx: ReadTx, asked: Sequence[tuple[Condition, bool]], today: date
) -> list[list[int]]:
    """Per (condition, wanted) the persons of whom it holds, or with wanted False does not."""
    last = await tx.value(
        "select max(person_no) from profiles.people where shop_id = $1", tx.shop_id
    )
    args: list[Any] = [tx.shop_id, 0, 0]
    parts = [
        f"""array_agg(p.person_no) filter
              (where {"" if wanted else "not "}{condition_sql(condition, today, args)}) as c{n}"""
        for n, (condition, wanted) in enumerate(asked)
    ]
    sql = f"""select {", ".join(parts)} from profiles.people p
              where p.shop_id = $1 and p.person_no > $2 and p.person_no <= $3"""
    found: list[list[int]] = [[] for _ in asked]
    for after in range(0, last or 0, PIECE):
        args[1:3] = after, after + PIECE
        record = await tx.connection.fetchrow(sql, *args)
        assert record is not None
        for numbers, more in zip(found, record.values(), strict=True):
            numbers += more or []
    return found


async def list_top(tx: ReadTx, key: str, percent: int) -> tuple[list[int], int | None]:
    """Who is among the top by a figure, and the least figure among them; None: nobody has any."""
    assert FIELDS[key].kind in (Kind.NUMBER, Kind.FEN)
    own = f"(fields ->> '{key}')::bigint"
    bar = await tx.value(
        f"""with sums as (
              select {own} as v, count(*) as n from profiles.people
              where shop_id = $1 and {own} > 0 group by 1),
            ranked as (
              select v, sum(n) over (order by v desc) - n as above, sum(n) over () as everyone
              from sums)
            select min(v) from ranked where above * 100 < $2::int * everyone""",
        *(tx.shop_id, percent),
    )
    if bar is None:
        return [], None
    found = await tx.value(
        f"select array_agg(person_no) from profiles.people where shop_id = $1 and {own} >= $2",
        *(tx.shop_id, bar),
    )
    return found or [], int(bar)


async def list_tagged(tx: ReadTx, tag_id: UUID) -> list[int]:
    """Who has a tag."""
    found = await tx.value(
        "select array_agg(person_no) from profiles.tagged where shop_id = $1 and tag_id = $2",
        *(tx.shop_id, tag_id),
    )
    return found or []


async def list_on_ladder(tx: ReadTx, ladder: str, keys: Sequence[str]) -> list[int]:
    """Who stands on one of these places of a ladder (tier, life)."""
    assert ladder in ("tier", "life")
    found = await tx.value(
        f"""select array_agg(person_no) from profiles.people
            where shop_id = $1 and {ladder} = any($2::text[])""",
        *(tx.shop_id, list(keys)),
    )
    return found or []


async def list_everybody(tx: ReadTx, *, judged: bool = False) -> list[int]:
    """Everybody with a profile; judged: only those whose tiers and tags are known."""
    found = await tx.value(
        """select array_agg(person_no) from profiles.people
           where shop_id = $1 and (refreshed_at is not null or not $2)""",
        *(tx.shop_id, judged),
    )
    return found or []


async def list_known(tx: ReadTx, persons: Sequence[int]) -> list[Known]:
    """Profiles by number."""
    return await tx.all(
        Known,
        """select p.person_no, p.fields, p.tier, p.life,
             array(select tag_id from profiles.tagged g
                   where g.shop_id = p.shop_id and g.person_no = p.person_no) as tags
           from profiles.people p where p.shop_id = $1 and p.person_no = any($2::bigint[])""",
        *(tx.shop_id, list(persons)),
    )


async def list_roots(tx: ReadTx, persons: Sequence[int]) -> list[Root]:
    """All numbers of the persons to whom these numbers belong."""
    return await tx.all(
        Root,
        """select person_no, root_no from profiles.states
           where shop_id = $1 and root_no in (
             select root_no from profiles.states
             where shop_id = $1 and person_no = any($2::bigint[]))""",
        *(tx.shop_id, list(persons)),
    )


async def forget_visits(tx: Tx, persons: Sequence[int], keys: list[str]) -> None:
    """Nothing is known of what these persons looked at; their profiles are to be computed anew."""
    await tx.run(
        """update profiles.people set fields = fields - $3::text[], due_at = '-infinity'
           where shop_id = $1 and person_no = any($2)""",
        *(tx.shop_id, list(persons), keys),
    )


async def list_refreshed(tx: ReadTx, since: datetime, limit: int) -> list[tuple[int, datetime]]:
    """Whose profile was computed from a moment on, and when; at most `limit` of them."""
    records = await tx.connection.fetch(
        """select person_no, refreshed_at from profiles.people
           where shop_id = $1 and refreshed_at >= $2 limit $3""",
        *(tx.shop_id, since, limit),
    )
    return [(record["person_no"], record["refreshed_at"]) for record in records]


async def set_due(tx: Tx, *persons: int) -> None:
    """Something about these persons has changed: their profiles are computed anew at once."""
    await tx.run(
        """update profiles.people set due_at = '-infinity'
           where shop_id = $1 and person_no = any($2::bigint[])""",
        *(tx.shop_id, persons),
    )


async def list_tag_names(tx: ReadTx) -> dict[UUID, str]:
    """What tags are called, retired ones too."""
    records = await tx.connection.fetch(
        "select tag_id, name from profiles.tags where shop_id = $1", tx.shop_id
    )
    return {record["tag_id"]: record["name"] for record in records}
