"""Segments over a million people: ten rules at once, and each person by themselves."""

import contextlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

import duckdb

from siyu.app.bench_ground import Figures, ground
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.people.profiles.contracts import Condition
from siyu.people.segments import service
from siyu.people.segments.contracts import (
    All,
    AnyOf,
    FieldIs,
    Filter,
    Foremost,
    Largest,
    Not,
    OnTier,
    Rule,
    Spent,
    StepBody,
    Then,
    Times,
)
from siyu.warehouse.compaction import rules as files
from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.tail import service as tail

BULK_SECONDS, ONE_MS, ONES = 30.0, 50.0, 200
MONTHS, VISIT, PIECE = 6, 8, 50_000
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
AS_OF = BEGIN + timedelta(days=175)
NAMES = ("behaviour.expose", "behaviour.view", "behaviour.click", "behaviour.dwell",
         "behaviour.cart", "ordering.order_paid")  # fmt: skip
SHARES = (30, 62, 80, 92, 97, 100)
"""Events of each name, of a hundred, summed up."""


class AudienceFigures(Figures, frozen=True):
    """rate: segments judged over everybody per second; limit: what ten in 30 s need.

    bulk_s: all ten together; keep_s: to put down who is in. one_ms_p50, one_ms_p95: one person by
    all ten, reading what they did, deciding and putting it down. fit: how many fit each.
    """

    people: int
    events: int
    bulk_s: float
    bulk_limit_s: float
    keep_s: float
    one_ms_p50: float
    one_ms_p95: float
    one_limit_ms: float
    fit: list[int]


async def audience(people: int, events: int, folder: Path | None = None) -> AudienceFigures:
    """Make the people and events, then judge; see `AudienceFigures`.

    folder: keeps the files of events and takes those of an earlier run with the same sizes.
    """
    with contextlib.ExitStack() as stack:
        kept = folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="siyu-audience-"))
        )
        async with ground() as place:
            stack.enter_context(clock.turned(AS_OF))
            codes = await _numbered()
            paths = generate(kept, int(place.shop_id), people, events, codes)
            await book(int(place.shop_id), paths, people)
            await _fill(place.shop_id, people)
            return await _judge(place.shop_id, people, events)


async def _judge(shop_id: ShopId, people: int, events: int) -> AudienceFigures:
    began = clock.monotonic()
    found = await service.judge_everybody(shop_id, RULES)
    bulk = clock.monotonic() - began
    began = clock.monotonic()
    for n, (rule, audience) in enumerate(zip(RULES, found, strict=True)):
        async with transaction(shop_id) as tx:
            await service.save_rule(tx, System(), f"第 {n}", rule, audience, live=True)
    keep = clock.monotonic() - began
    chance, times = Random(1), []
    for _ in range(ONES):
        began = clock.monotonic()
        await service.judge_persons(shop_id, [chance.randint(1, people)])
        times.append((clock.monotonic() - began) * 1000)
    times.sort()
    return AudienceFigures.of(
        len(RULES) * 60 / bulk,
        len(RULES) * 60 / BULK_SECONDS,
        "segments per minute over everybody with those of ten in thirty seconds",
        people=people,
        events=events,
        bulk_s=round(bulk, 2),
        bulk_limit_s=BULK_SECONDS,
        keep_s=round(keep, 2),
        one_ms_p50=round(times[len(times) // 2], 1),
        one_ms_p95=round(times[int(len(times) * 0.95)], 1),
        one_limit_ms=ONE_MS,
        fit=[one.size for one in found],
    )


# --- the rules --------------------------------------------------------------------------------

_ORDER, _VIEW = StepBody(event="any.order"), StepBody(event="behaviour.view")
_CART = StepBody(event="behaviour.cart")
_PAGE = StepBody(
    event="behaviour.view", where=[Filter(prop="page", op="in", value=["/pages/1", "/pages/2"])]
)


def _if(field: str, op: str, value: int | bool | str | list[str] | None = None) -> FieldIs:
    return FieldIs(test=Condition(field=field, op=op, value=value))  # type: ignore[arg-type]


RULES: tuple[Rule, ...] = (
    All(parts=[Times(step=_ORDER, op="ge", n=2, days=30)]),
    All(parts=[Times(step=_VIEW, op="ge", n=3, days=30),
               Times(step=_ORDER, op="eq", n=0, days=30)]),
    Then(first=_CART, then=_ORDER, within=3, done=False, days=30),
    Largest(step=_ORDER, percent=20, days=90),
    All(parts=[Spent(step=_ORDER, op="ge", fen=50_000, days=None),
               OnTier(ladder="life", keys=["lost"])]),
    All(parts=[_if("orders", "ge", 3), _if("coupon_share_bps", "ge", 6_000)]),
    AnyOf(parts=[_if("joined_first_on", "days_le", 30), Times(step=_PAGE, op="ge", n=1, days=7)]),
    All(parts=[Foremost(field="net_fen", percent=10),
               Not(part=OnTier(ladder="tier", keys=["silent"]))]),
    Not(part=Times(step=_VIEW, op="ge", n=1, days=None)),
    All(parts=[_if("phone", "eq", True), _if("logins_last_on", "days_ge", 60),
               Not(part=Then(first=_VIEW, then=_CART, within=1, done=True, days=60))]),
)  # fmt: skip


# --- people and events ------------------------------------------------------------------------


async def _numbered() -> dict[str, int]:
    async with tail.opened() as tx:
        await tail.number_texts(tx, "channel", ["h5", "mp-weixin"])
        await tail.number_texts(tx, "page", [f"/pages/{n}" for n in range(1, 41)])
        return await tail.number_texts(tx, "event_name", NAMES)


def generate(
    folder: Path, shop: int, people: int, events: int, codes: dict[str, int]
) -> list[Path]:
    """Files of a shop over six months: visits of eight events, most of them by few persons."""
    visits = events // MONTHS // VISIT
    cases = " ".join(
        f"when dice < {share} then {codes[name]}" for share, name in zip(SHARES, NAMES, strict=True)
    )
    made = []
    with contextlib.closing(duckdb.connect(config={"threads": 2})) as duck:
        for month in range(MONTHS):
            path = folder / f"{shop}-{people}-{events}-{1 + month}.2.parquet"
            made.append(path)
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            first = to_us(datetime(2025, 1 + month, 1, tzinfo=UTC))
            length = to_us(datetime(2025, 2 + month, 1, tzinfo=UTC)) - first - 3_600_000_000
            duck.execute(f"""
              copy (
                select {shop}::integer as shop_id, person_no, at_us, event_no, name_id::integer as
                  name_id, (1 + event_no % 2)::smallint as channel_id,
                  (1 + hash(event_no) % 500)::bigint as item_no,
                  case when name_id = {codes[NAMES[5]]} then 100 + hash(event_no + 1) % 50000
                  else 0 end::bigint as amount_fen,
                  (1 + hash(event_no + 2) % 40)::integer as page_id, '' as zone,
                  0::integer as dwell_ms, null::varchar as props
                from (
                  select *, case {cases} end as name_id from (
                    select 1 + floor({people} * pow((hash(v) % 1000003) / 1000003, 2))::bigint
                        as person_no,
                      {first} + (hash(v + 77) % {length})::bigint + i * 41000000 + v % 1000
                        as at_us,
                      {month * visits * VISIT} + v * {VISIT} + i as event_no,
                      hash(v * {VISIT} + i + {month}) % 100 as dice
                    from (select unnest(range({visits})) as v),
                      (select unnest(range({VISIT})) as i)))
                order by {files.ORDER}
              ) to {files.quoted(f"{path}.part")} ({files.PARQUET})""")
            Path(f"{path}.part").rename(path)
    return made


async def book(shop: int, paths: Sequence[Path], people: int) -> None:
    """Make the files count."""
    async with tail.opened() as tx:
        for month, path in enumerate(paths):
            first = datetime(2025, 1 + month, 1, tzinfo=UTC)
            last = datetime(2025, 2 + month, 1, tzinfo=UTC)
            name = files.file_path(shop % 16, first.date(), uuid4())
            (tail.root() / name).parent.mkdir(parents=True, exist_ok=True)
            (tail.root() / name).symlink_to(path.absolute())
            await tx.run(
                """insert into warehouse.file (path, state, level, bucket, month, rows, bytes,
                     min_us, max_us, min_shop, max_shop, min_person, max_person)
                   values ($1, 'live', 1, $2, $3, 1, $4, $5, $6, $7, $7, 1, $8)""",
                *(name, shop % 16, first.date(), path.stat().st_size, to_us(first), to_us(last)),
                *(shop, people),
            )


async def _fill(shop_id: ShopId, people: int) -> None:
    """Profiles as a shop's are: sparse, two dozen fields of those who bought."""
    for first in range(1, people + 1, PIECE):
        async with system_transaction() as tx:
            await tx.run(
                """insert into profiles.people
                     (shop_id, person_no, fields, tier, life, refreshed_at)
                   select $1, n,
                     jsonb_strip_nulls(jsonb_build_object(
                       'joined', n % 3 > 0, 'joined_first_on', case when n % 3 > 0 then
                         ($3::date - (n * 7919 % 900)::int)::text end,
                       'phone', n % 4 = 0, 'logins', n % 40, 'logins_30d', n % 9,
                       'logins_last_on', ($3::date - (n * 104729 % 200)::int)::text,
                       'visits', n % 90, 'views', n % 700, 'views_30d', n % 70, 'carts', n % 17,
                       'products', n % 230, 'visits_last_on', ($3::date - (n % 200)::int)::text))
                     || case when n % 10 < 3 then jsonb_build_object(
                       'orders', n % 7, 'orders_30d', n % 3, 'orders_fen', n * 7919 % 900000,
                       'orders_avg_fen', n % 90000, 'net_fen', n * 7919 % 800000 - 10000,
                       'orders_first_on', ($3::date - (n % 500)::int)::text,
                       'orders_last_on', ($3::date - (n % 170)::int)::text,
                       'coupon_share_bps', n % 10001, 'coupons_claimed', n % 11, 'refunds', n % 2,
                       'rfm_class', 'A' || n % 8, 'points_earned_total', n % 3000) else '{}' end,
                     (array['potential','silent','loyal','active',null])[1 + n % 5],
                     (array['new','active','dormant','lost'])[1 + n % 4], now()
                   from generate_series($2::bigint, $4::bigint) n""",
                *(shop_id, first, AS_OF.date(), min(people, first + PIECE - 1)),
            )
