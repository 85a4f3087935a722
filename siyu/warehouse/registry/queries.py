"""All SQL of the registry."""

from collections.abc import Mapping, Sequence

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.warehouse.registry.contracts import (
    CUSTOM,
    MAX_NAMES,
    MAX_PROPS,
    EventType,
    Health,
    Kind,
    Property,
    RejectCount,
    RejectSample,
    Seen,
    Title,
)

REGISTER_LOCK = 7_316_004
"""Advisory lock, with the shop's id: one registers at a time, so that limits hold."""


class Known(msgspec.Struct, frozen=True):
    """A registered event, or one property of it."""

    name: str
    is_blocked: bool
    prop: str | None
    declared: Kind | None


async def list_known(tx: ReadTx, shop_id: int) -> list[Known]:
    """All that a shop has registered."""
    return await tx.all(
        Known,
        """select t.name, t.is_blocked, p.prop, p.declared
           from warehouse.event_type t left join warehouse.event_property p using (shop_id, name)
           where t.shop_id = $1""",
        shop_id,
    )


async def list_titles(tx: ReadTx, shop_id: int) -> list[Title]:
    """Events that are the shop's own, or that it renamed or hid."""
    return await tx.all(
        Title,
        """select name, title_zh, title_en, is_hidden from warehouse.event_type
           where shop_id = $1 and (title_zh <> '' or title_en <> '' or is_hidden
             or starts_with(name, $2)) order by name""",
        shop_id,
        CUSTOM,
    )


async def register(tx: Tx, shop_id: int, found: Mapping[str, Mapping[str, set[str]]]) -> None:
    """Register names, and their properties with the kinds of their values, while there is room."""
    await tx.run("select pg_advisory_xact_lock($1::int, $2::int)", REGISTER_LOCK, shop_id)
    names = sorted(found)
    await tx.run(
        """insert into warehouse.event_type (shop_id, name)
           select $1, name from (
             select name, row_number() over (partition by starts_with(name, $3) order by name) as n
             from unnest($2::text[]) name
             where not exists (select from warehouse.event_type t
                               where t.shop_id = $1 and t.name = name.name)) new
           where not starts_with(name, $3) or n + (
             select count(*) from warehouse.event_type
             where shop_id = $1 and starts_with(name, $3)) <= $4""",
        shop_id,
        names,
        CUSTOM,
        MAX_NAMES,
    )
    rows = [
        (name, prop, sorted(kinds)) for name in names for prop, kinds in sorted(found[name].items())
    ]
    for name, prop, kinds in rows:
        await tx.run(
            """insert into warehouse.event_property (shop_id, name, prop, kinds)
               select $1, $2, $3, $4 from warehouse.event_type t
               where t.shop_id = $1 and t.name = $2 and (
                 select count(*) from warehouse.event_property p
                 where p.shop_id = $1 and p.name = $2) < $5
               on conflict (shop_id, name, prop) do nothing""",
            shop_id,
            name,
            prop,
            kinds,
            MAX_PROPS,
        )


async def insert_seen(tx: Tx, seen: Sequence[Seen]) -> None:
    """Add what was seen of properties: kinds, samples (the newest win, five stay), variety."""
    for shop_id in sorted({one.shop_id for one in seen}):
        await tx.run("select pg_advisory_xact_lock($1::int, $2::int)", REGISTER_LOCK, shop_id)
    for one in seen:
        await tx.run(
            """insert into warehouse.event_type (shop_id, name)
               select $1, text from warehouse.event_name where id = $2
               on conflict (shop_id, name) do nothing""",
            one.shop_id,
            one.name_id,
        )
        await tx.run(
            """insert into warehouse.event_property as p
                 (shop_id, name, prop, kinds, samples, distinct_values)
               select $1, n.text, $3, $4, $5, $6 from warehouse.event_name n
               where n.id = $2 and (
                 exists (select from warehouse.event_property k
                         where k.shop_id = $1 and k.name = n.text and k.prop = $3)
                 or (select count(*) from warehouse.event_property k
                     where k.shop_id = $1 and k.name = n.text) < $7)
               on conflict (shop_id, name, prop) do update set
                 kinds = array(select distinct unnest(p.kinds || excluded.kinds) order by 1),
                 samples = (array(select v from unnest(excluded.samples || p.samples)
                                    with ordinality u(v, n) group by v order by min(n)))[1:5],
                 distinct_values = greatest(p.distinct_values, excluded.distinct_values)""",
            one.shop_id,
            one.name_id,
            one.prop,
            one.kinds,
            one.samples,
            one.distinct_values,
            MAX_PROPS,
        )


async def list_types(tx: ReadTx, shop_id: int, days: int) -> list[EventType]:
    """Events that a shop has taken or decided about, most frequent first."""
    return await tx.all(
        EventType,
        """with days as (
             select n.text as name, on_day, sum(events) as events, max(last_at) as last_at
             from (select name_id, on_day, events, last_at from warehouse.event_day
                   where shop_id = $1
                   union all
                   select name_id, on_day, events, at from warehouse.event_count
                   where shop_id = $1) d
             join warehouse.event_name n on n.id = d.name_id group by n.text, on_day),
           counted as (
             select name, min(on_day) as first_day, max(last_at) as last_at,
               sum(events) filter (
                 where on_day > (now() at time zone 'UTC')::date - $2::int) as lately
             from days group by name),
           own as (select * from warehouse.event_type where shop_id = $1),
           e as (
             select name, coalesce(t.first_at, c.first_day::timestamp at time zone 'UTC')
                 as first_at, c.last_at, c.lately,
               coalesce(t.title_zh, '') as title_zh, coalesce(t.title_en, '') as title_en,
               coalesce(t.is_hidden, false) as is_hidden,
               coalesce(t.is_blocked, false) as is_blocked
             from counted c full join own t using (name))
           select name, first_at, last_at, title_zh, title_en, is_hidden, is_blocked,
             (select count(*)::int from warehouse.event_property p
              where p.shop_id = $1 and p.name = e.name) as properties,
             array(select coalesce((
                     select d.events from days d
                     where d.name = e.name and d.on_day = day::date), 0)::bigint
                   from generate_series((now() at time zone 'UTC')::date - ($2::int - 1),
                     (now() at time zone 'UTC')::date, interval '1 day') day
                   order by day) as events
           from e order by lately desc nulls last, last_at desc nulls last, name""",
        shop_id,
        days,
    )


async def list_properties(tx: ReadTx, shop_id: int, name: str) -> list[Property]:
    """Properties of an event."""
    return await tx.all(
        Property,
        """select prop, first_at, kinds, declared, title_zh, title_en, is_hidden, samples,
             distinct_values
           from warehouse.event_property where shop_id = $1 and name = $2 order by prop""",
        shop_id,
        name,
    )


async def is_seen(tx: ReadTx, shop_id: int, name: str) -> bool:
    """Whether a shop has had an event of this name."""
    return bool(
        await tx.value(
            """select exists (select from warehouse.event_type where shop_id = $1 and name = $2)
               or exists (select from warehouse.event_day d
                          join warehouse.event_name n on n.id = d.name_id
                          where d.shop_id = $1 and n.text = $2)
               or exists (select from warehouse.event_count d
                          join warehouse.event_name n on n.id = d.name_id
                          where d.shop_id = $1 and n.text = $2)""",
            shop_id,
            name,
        )
    )


async def put_type(
    tx: Tx, shop_id: int, name: str, titles: tuple[str, str], is_hidden: bool, is_blocked: bool
) -> None:
    """What a shop says of an event."""
    await tx.run(
        """insert into warehouse.event_type
             (shop_id, name, title_zh, title_en, is_hidden, is_blocked)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (shop_id, name) do update set title_zh = excluded.title_zh,
             title_en = excluded.title_en, is_hidden = excluded.is_hidden,
             is_blocked = excluded.is_blocked""",
        shop_id,
        name,
        *titles,
        is_hidden,
        is_blocked,
    )


async def put_property(
    tx: Tx,
    shop_id: int,
    name: str,
    prop: str,
    titles: tuple[str, str],
    is_hidden: bool,
    declared: Kind | None,
) -> bool:
    """What a shop says of a property; False when the event has not had it."""
    return bool(
        await tx.run(
            """update warehouse.event_property
               set title_zh = $4, title_en = $5, is_hidden = $6, declared = $7
               where shop_id = $1 and name = $2 and prop = $3""",
            shop_id,
            name,
            prop,
            *titles,
            is_hidden,
            declared,
        )
    )


async def list_reject_counts(tx: ReadTx, shop_id: int, days: int) -> list[RejectCount]:
    """Refusals of the last days, newest first."""
    return await tx.all(
        RejectCount,
        """select on_day, reason, name, events from warehouse.reject_day
           where shop_id = $1 and on_day > (now() at time zone 'UTC')::date - $2::int
           order by on_day desc, events desc, reason, name""",
        shop_id,
        days,
    )


async def list_reject_samples(
    tx: ReadTx, shop_id: int, reason: str | None, limit: int
) -> list[RejectSample]:
    """The newest refused events."""
    return await tx.all(
        RejectSample,
        """select at, reason, name, sample from warehouse.reject
           where shop_id = $1 and ($2::text is null or reason = $2)
           order by reject_no desc limit $3""",
        shop_id,
        reason,
        limit,
    )


async def get_health(tx: ReadTx) -> Health:
    """How far the compactor is behind, and what was refused."""
    return await tx.one(
        Health,
        """select
             coalesce(extract(epoch from clock_timestamp() - (
               select min(sealed_at) from warehouse.slot where state = 'sealed')), 0)::float8
               as sealed_s,
             coalesce(extract(epoch from clock_timestamp() - (
               select s.opened_at from warehouse.slot s where s.state = 'open'
                 and exists (select from warehouse.batch b where b.slot = s.slot))), 0)::float8
               as open_s,
             coalesce((select sum(events) from warehouse.reject_day
               where on_day >= (now() at time zone 'UTC')::date - 1), 0)::bigint as rejects,
             coalesce((select sum(events) from warehouse.event_day
               where on_day >= (now() at time zone 'UTC')::date - 1), 0)::bigint as events,
             coalesce(extract(epoch from clock_timestamp() - (
               select min(asked_at) from warehouse.erasure where done_at is null)), 0)::float8
               as erasing_s""",
    )
