"""Decisions of the compactor: where rows go, which files are merged, the SQL of a file."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from itertools import accumulate, pairwise
from uuid import UUID

from siyu.warehouse.compaction.contracts import (
    FILE_COLUMNS,
    LAYOUT,
    LiveFile,
    Part,
    Reason,
    Removals,
)

BUCKETS = 16
"""Buckets that shops share; a big shop has its own, number 16 + shop_id."""
BIG_SHOP_ROWS = 2_000_000
"""A shop with more rows in a month gets its own bucket at the next merge."""
MERGE_FILES = 4
MAX_FILE_ROWS = 20_000_000
LEASE_S = 3_600
GRACE_S = 3_600
"""A dead file stays this long for readers that still have it in their list (W9 covers the rest)."""

ORDER = "shop_id, person_no, at_us, event_no"
MONTH_SQL = "date_trunc('month', make_timestamp(at_us))::date"
# Version 2 pages let DuckDB choose DELTA_BINARY_PACKED for integers; the dictionary limit is what
# makes it choose so for at_us, event_no and person_no, while few-valued columns keep a dictionary.
PARQUET = (
    "format parquet, parquet_version v2, compression lz4_raw,"
    " row_group_size 100000, dictionary_size_limit 1000"
)
_SUFFIX = f".{LAYOUT}.parquet"
_ZONE = "json_extract_string(props, '$.zone')"
_DWELL = "try_cast(json_extract(props, '$.dwell_ms') as integer)"
_FIRST_LAYOUT = {
    "zone": f"""case when json_type(props, '$.zone') = 'VARCHAR' and length({_ZONE}) <= 64
                then {_ZONE} else '' end""",
    "dwell_ms": f"""case when json_type(props, '$.dwell_ms') = 'UBIGINT'
                    then coalesce({_DWELL}, 0) else 0 end""",
}
"""Columns that layout 1 does not have, out of its props."""


def file_path(bucket: int, month: date, name: UUID) -> str:
    """Where a file lies below the root."""
    return f"b{bucket}/{month:%Y-%m}/{name}{_SUFFIX}"


def is_present(path: str) -> bool:
    """Whether a file has the present layout."""
    return path.endswith(_SUFFIX)


def bucket_sql(own: Collection[int]) -> str:
    """SQL for the bucket of a row; own: shops with a bucket of their own."""
    if not own:
        return f"shop_id % {BUCKETS}"
    listed = ", ".join(map(str, sorted(own)))
    return f"case when shop_id in ({listed}) then {BUCKETS} + shop_id else shop_id % {BUCKETS} end"


def reason_sql(removals: Removals) -> str:
    """SQL for the reason why a row must go; null for rows that stay."""
    erased = [
        f"(shop_id = {shop} and person_no in ({', '.join(map(str, persons))}))"
        for shop, persons in sorted(removals.erased.items())
    ]
    expired = [
        f"(shop_id = {shop} and at_us < {before})"
        for shop, before in sorted(removals.expired.items())
    ]
    withdrawn = [
        f"(shop_id = {shop} and {withdrawn_sql(persons, removals.systems)})"
        for shop, persons in sorted(removals.withdrawn.items())
    ]
    reasons = (
        (Reason.ERASED, erased), (Reason.WITHDRAWN, withdrawn), (Reason.EXPIRED, expired)
    )  # fmt: skip
    cases = [
        f"when {' or '.join(conditions)} then '{reason}'"
        for reason, conditions in reasons
        if conditions
    ]
    return f"case {' '.join(cases)} end" if cases else "null::varchar"


def withdrawn_sql(persons: Mapping[int, int], systems: Collection[int]) -> str:
    """SQL that is true for rows of a shop that a page told before the moment of its person.

    persons: number → moment, at least one; systems: channels that are no pages.
    """
    listed = ", ".join(map(str, sorted({-1, *systems})))
    numbers = ", ".join(map(str, sorted(persons)))
    moments = " ".join(f"when {no} then {before}" for no, before in sorted(persons.items()))
    return (
        f"(channel_id not in ({listed}) and person_no in ({numbers})"
        f" and at_us < case person_no {moments} end)"
    )


def may_hold(file: LiveFile, removals: Removals) -> bool:
    """Whether a file may hold rows that must go, as far as the manifest tells."""
    return (
        any(
            file.min_shop <= shop <= file.max_shop
            and any(file.min_person <= person <= file.max_person for person in persons)
            for shop, persons in removals.erased.items()
        )
        or any(
            file.min_shop <= shop <= file.max_shop
            and any(
                file.min_person <= person <= file.max_person and file.min_us < before
                for person, before in persons.items()
            )
            for shop, persons in removals.withdrawn.items()
        )
        or any(
            file.min_shop <= shop <= file.max_shop and file.min_us < before
            for shop, before in removals.expired.items()
        )
    )


def part_sql(part: Part, own: Collection[int]) -> str:
    """SQL that is true for the rows of a part."""
    return (
        f"{bucket_sql(own)} = {part.bucket} and {MONTH_SQL} = date '{part.month}'"
        f" and shop_id between {part.min_shop} and {part.max_shop}"
        f" and person_no between {part.min_person} and {part.max_person}"
    )


def read_csv(path: str) -> str:
    """The DuckDB table function that reads rows copied out of the tail."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in FILE_COLUMNS.items())
    return (
        f"read_csv({quoted(path)}, auto_detect=false, header=false, delim=',', nullstr='',"
        f" allow_quoted_nulls=false, quote='\"', escape='\"', columns={{{columns}}})"
    )


def read_parquet(paths: Sequence[str]) -> str:
    """A DuckDB table expression over files of any layout; it has the columns FILE_COLUMNS."""
    present = [path for path in paths if is_present(path)]
    old = [path for path in paths if not is_present(path)]
    if not old:
        return f"read_parquet([{', '.join(map(quoted, present))}])"
    listed = ", ".join(f"{_FIRST_LAYOUT.get(name, name)} as {name}" for name in FILE_COLUMNS)
    sources = [f"select {listed} from read_parquet([{', '.join(map(quoted, old))}])"]
    if present:
        sources.append(f"select {', '.join(FILE_COLUMNS)} from {read_parquet(present)}")
    return f"({' union all '.join(sources)})"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def seen_sql(source: str) -> str:
    """SQL for what there is of properties (rows as `registry.contracts.Seen`): kinds, variety, and
    values that at least three persons have in common, which are nobody's own."""
    return f"""
      with keyed as materialized (
        select shop_id, name_id, person_no, props, unnest(json_keys(props)) as prop
        from {source} where props is not null),
      found as (
        select shop_id, name_id, person_no, prop,
               case json_type(props, '$.' || prop)
                 when 'VARCHAR' then 'text' when 'BOOLEAN' then 'flag' when 'DOUBLE' then 'number'
                 when 'UBIGINT' then 'integer' when 'BIGINT' then 'integer' when 'NULL' then 'none'
                 else 'nested' end as kind,
               json_extract_string(props, '$.' || prop) as value
        from keyed where regexp_full_match(prop, '[A-Za-z_][A-Za-z0-9_]{{0,63}}')
        union all select shop_id, name_id, person_no, 'zone', 'text', zone
        from {source} where zone <> ''
        union all select shop_id, name_id, person_no, 'dwell_ms', 'integer', dwell_ms::varchar
        from {source} where dwell_ms > 0),
      common as (
        select shop_id, name_id, prop, value, count(*) as n from found
        where kind in ('text', 'integer', 'number', 'flag') and length(value) <= 40
        group by all having count(distinct person_no) filter (person_no > 0) >= 3),
      samples as (
        select shop_id, name_id, prop, list(value order by n desc, value)[1:5] as samples
        from common group by all)
      select shop_id, name_id, prop, list_sort(list(distinct kind)) as kinds,
             coalesce(any_value(samples), []) as samples,
             approx_count_distinct(value)::int as distinct_values
      from found left join samples using (shop_id, name_id, prop)
      group by shop_id, name_id, prop order by shop_id, name_id, prop"""


def _are_apart(one: LiveFile, other: LiveFile) -> bool:
    if one.max_shop < other.min_shop:
        return True
    same = one.min_shop == one.max_shop == other.min_shop == other.max_shop
    return same and one.max_person < other.min_person


def choose_merge(files: Sequence[LiveFile], *, quiet: bool) -> list[LiveFile]:
    """Which files of one bucket-month are written together; empty when nothing is to be done.

    While a month gets events: the smallest, up to MAX_FILE_ROWS together. quiet: the month is over
    and nothing has come lately, so that it ends as one file; above MAX_FILE_ROWS as files that
    divide the shops or persons, and then only those that overlap are written again.
    """
    if quiet and sum(file.rows for file in files) > MAX_FILE_ROWS:
        return _overlapping(files)
    small = sorted(files, key=lambda file: (file.rows, file.file_no))
    sums = accumulate(file.rows for file in small)
    chosen = [file for file, total in zip(small, sums, strict=True) if total <= MAX_FILE_ROWS]
    return chosen if len(chosen) >= (2 if quiet else MERGE_FILES) else []


def _overlapping(files: Sequence[LiveFile]) -> list[LiveFile]:
    """All files that are not apart from a neighbour, in the order of shops and persons."""
    ordered = sorted(files, key=lambda file: (file.min_shop, file.min_person, file.file_no))
    touching: dict[int, LiveFile] = {}
    reach = ordered[0]
    for one, other in pairwise(ordered):
        if (one.max_shop, one.max_person) > (reach.max_shop, reach.max_person):
            reach = one
        if not _are_apart(reach, other):
            touching |= {reach.file_no: reach, other.file_no: other}
    return list(touching.values())
