"""Feeding the compiled kernels; without them DuckDB answers."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import WAIT_EDGES_S, Wait
from siyu.warehouse.engines.rules import Ground
from siyu.warehouse.engines.service.duck import Interrupted, Question
from siyu.warehouse.query.contracts import FunnelSpec, RetentionSpec, Spec

try:
    from siyu.warehouse.engines.service import _kernel

    COMPILED = True
except ImportError:  # No compiler was there when siyu was installed.
    COMPILED = False

PERIODS_MAX = 64


def can_answer(spec: Spec) -> bool:
    """Whether a compiled kernel answers this spec."""
    if not COMPILED:
        return False
    if isinstance(spec, FunnelSpec):
        return True
    return isinstance(spec, RetentionSpec) and len(spec.periods) <= PERIODS_MAX


def funnel(
    question: Question, spec: FunnelSpec, ground: Ground
) -> tuple[list[tuple[str, int, int]], list[Wait]]:
    """Rows as `funnel_sql` gives them; and the waits."""
    since, until = rules.to_us(spec.since), rules.to_us(spec.until)
    window = rules.span_us(spec.window)
    rich = spec.by is not None or spec.times
    kernel = _kernel.funnel(len(spec.steps), since, until, window, rich)
    masks = rules.funnel_masks(spec, ground)
    value, texts = "0::bigint", {0: ""}
    if spec.by is not None:
        value = f"(hash({rules.text_sql(spec.by)}) >> 1)::bigint"
        texts = _texts(question, spec, ground, since, until)
    _run(question, kernel, spec, ground, (masks, value, rich), (since, until + window))
    found = _figures(_kernel.tally(kernel), 3)
    told = []
    if spec.times:
        edges = [edge * 1_000_000 for edge in WAIT_EDGES_S]
        for median, *counts in _figures(_kernel.waits(kernel, edges), len(edges) + 2):
            told.append(Wait(median if any(counts) else None, counts))
    return [(texts[value], far, count) for value, far, count in found], told


def _texts(
    question: Question, spec: FunnelSpec, ground: Ground, since: int, until: int
) -> dict[int, str]:
    """The values that funnels may begin with, by their hash."""
    text = rules.text_sql(str(spec.by))
    texts: dict[int, str] = {}
    for source, _ in _months(question, ground, since, until):
        rows = question.rows(
            f"""select distinct (hash({text}) >> 1)::bigint, {text} from {source}
                where shop_id = {ground.snapshot.shop_id}
                  and at_us >= {since} and at_us < {until} and {rules.begins_sql(spec, ground)}"""
        )
        for number, value in rows:
            assert texts.setdefault(number, value) == value, "two values with one hash"
    return texts


def retention(question: Question, spec: RetentionSpec, ground: Ground) -> list[tuple[int, ...]]:
    """Rows as `retention_sql` gives them."""
    first, last = rules.day_number(spec.first_day), rules.day_number(spec.last_day)
    birth, back, *_ = rules.needs_of(spec)
    kernel = _kernel.retention(
        first,
        last,
        list(spec.periods),
        spec.within,
        [part for change in rules.retention_offsets(spec) for part in change],
        ("day", "week", "month").index(spec.grain),
    )
    masks = rules.retention_masks(spec, ground)
    span = birth.since_us, back.until_us
    _run(question, kernel, spec, ground, (masks, "0::bigint", False), span)
    rows = _figures(_kernel.tally(kernel), 1 + len(spec.periods))
    begin = rules.cell_of(spec.first_day, spec.grain)
    return [(begin + n, *row) for n, row in enumerate(rows) if row[0]]


def _figures(found: bytes, width: int) -> list[tuple[int, ...]]:
    figures = array("q")
    figures.frombytes(found)
    return [tuple(figures[n : n + width]) for n in range(0, len(figures), width)]


def _run(
    question: Question,
    kernel: "_kernel.Kernel",
    spec: FunnelSpec | RetentionSpec,
    ground: Ground,
    columns: tuple[str, str, bool],
    span: tuple[int, int],
) -> None:
    """Feed the months that matter, oldest first (W7).

    columns: SQL of the mask and of the value, and whether starts at one moment must be told apart.
    """
    masks, value, numbered = columns
    pairs = question.rows("select visitor_no, member_no from members where visitor_no > 0")
    if pairs:
        visitors, members = map(list, zip(*pairs, strict=True))
        _kernel.join(kernel, visitors, members)
    if spec.people is not None:
        people = question.rows(f"select person_no from {ground.tables[spec.people]}")
        _kernel.only(kernel, [number for (number,) in people])
    try:
        for source, in_order in _months(question, ground, *span):
            # Rows of a file in order need no number, unless starts at one moment are told apart or
            # the rows of a visitor are woven into those of a member.
            number = "event_no" if numbered or pairs or not in_order else "0::bigint"
            sql = f"""
              select person_no, at_us, {number}, {value}, mask from (
                select *, ({masks})::utinyint as mask from {source}
                where shop_id = {ground.snapshot.shop_id} and person_no > 0
                  and at_us >= {span[0]} and at_us < {span[1]})
              where mask > 0"""
            _kernel.feed(kernel, question.stream(sql), in_order)
            _kernel.end_month(kernel)
    except RuntimeError:
        if question.stopped:
            raise Interrupted from None
        raise


def _months(
    question: Question, ground: Ground, since_us: int, until_us: int
) -> Iterator[tuple[str, bool]]:
    """Per month what to read, and whether it is one file, whose rows are in order."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path in ground.snapshot.files:
        files[path.parent.name].append(path)
    tail = compaction.read_csv(str(ground.snapshot.tail))
    found = question.rows(
        f"""select distinct strftime(make_timestamp(at_us), '%Y-%m') from {tail}
            where at_us >= {since_us} and at_us < {until_us}"""
    )
    fresh = {month for (month,) in found}
    first, last = (f"{rules.from_us(at):%Y-%m}" for at in (since_us, until_us))
    for month in sorted({*files, *fresh}):
        if not first <= month <= last:
            continue
        paths = [str(path) for path in files[month]]
        sources = [f"select * from {compaction.read_parquet(paths)}"] if paths else []
        if month in fresh:
            sources.append(
                f"""select * from {tail}
                    where strftime(make_timestamp(at_us), '%Y-%m') = '{month}'"""
            )
        yield f"({' union all '.join(sources)})", len(paths) == 1 and month not in fresh
