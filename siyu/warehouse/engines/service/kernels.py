"""Feeding the compiled kernels; without them DuckDB answers."""

import contextlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import WAIT_EDGES_S, Features, Wait
from siyu.warehouse.engines.rules import Ground, Group, Test
from siyu.warehouse.engines.service.duck import Interrupted, Question
from siyu.warehouse.query.contracts import (
    FeatureSpec,
    FunnelSpec,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    Spec,
)

try:
    from siyu.warehouse.engines.service import _kernel

    COMPILED = True
except ImportError:  # No compiler was there when siyu was installed.
    COMPILED = False

PERIODS_MAX = 64
TESTS_MAX = 62
CONDITIONS_MAX = 60
"""Each may need a column; two are left for sums."""
KINDS = ("count", "sum", "first", "last", "days")


@contextlib.contextmanager
def put_aside() -> Iterator[None]:
    """Answer by SQL alone, inside the block."""
    global COMPILED
    before, COMPILED = COMPILED, False
    try:
        yield
    finally:
        COMPILED = before


def can_answer(spec: Spec) -> bool:
    """Whether a compiled kernel answers this spec."""
    if not COMPILED:
        return False
    match spec:
        case FunnelSpec():
            return rules.conditions_in(spec) <= CONDITIONS_MAX
        case RetentionSpec():
            return len(spec.periods) <= PERIODS_MAX and rules.conditions_in(spec) <= CONDITIONS_MAX
        case PersonsOf():
            return can_gather(spec.segment)
        case FeatureSpec():
            summed = [feature.prop for feature in spec.features if feature.kind == "sum"]
            return (
                len(spec.features) <= TESTS_MAX
                and all(map(rules.can_sum, summed))
                and rules.conditions_in(spec) <= CONDITIONS_MAX
            )
    return False


def can_gather(group: Group) -> bool:
    """Whether compiled kernels find this group of people, and the groups inside it."""
    if not COMPILED or isinstance(group, frozenset):
        return COMPILED
    if isinstance(group, FunnelSpec):
        return can_answer(group) and (group.people is None or can_gather(group.people))
    facts, funnels = rules.facts_read(group), rules.funnels_in(group)
    return (
        len(facts) + len(funnels) <= TESTS_MAX
        and all(prop is None or rules.can_sum(prop) for _, prop in facts)
        and rules.conditions_in(group) <= CONDITIONS_MAX
        and all(map(can_gather, funnels))
    )


def funnel(
    question: Question, spec: FunnelSpec, ground: Ground
) -> tuple[list[tuple[str, int, int]], list[Wait]]:
    """Rows as `funnel_sql` gives them; and the waits."""
    kernel, texts = _walk(question, spec, ground)
    found = _figures(_kernel.tally(kernel), 3)
    told = []
    if spec.times:
        edges = [edge * 1_000_000 for edge in WAIT_EDGES_S]
        for median, *counts in _figures(_kernel.waits(kernel, edges), len(edges) + 2):
            told.append(Wait(median if any(counts) else None, counts))
    return [(texts.get(value, str(value)), far, n) for value, far, n in found if n], told


def _walk(
    question: Question, spec: FunnelSpec, ground: Ground
) -> tuple["_kernel.Kernel", dict[int, str]]:
    """A funnel that everybody went through, and the texts of those values that are not numbers."""
    since, until = rules.to_us(spec.since), rules.to_us(spec.until)
    window = rules.span_us(spec.window)
    first, *rest = spec.steps
    tests = [Test(first, since, until), *(Test(step, since, until + window) for step in rest)]
    extras: list[str] = []
    texts = {0: ""}
    column = rules.integer_column(spec.by)
    if column is not None:
        extras, texts = [column], {0: ""} if column == "dwell_ms" else {}
    elif spec.by is not None:
        extras = [f"(hash({rules.text_sql(spec.by)}) >> 1)::bigint"]
        texts = _texts(question, spec, ground, since, until)
    rich = spec.by is not None or spec.times
    kernel = _kernel.funnel(len(tests), window, rich, 0 if extras else -1)
    _run(question, kernel, spec, ground, tests, extras, numbered=rich)
    return kernel, texts


def _texts(
    question: Question, spec: FunnelSpec, ground: Ground, since: int, until: int
) -> dict[int, str]:
    """The values that funnels may begin with, by their hash."""
    text = rules.text_sql(str(spec.by))
    texts: dict[int, str] = {}
    for source, _ in _months(ground, since, until):
        rows = question.rows(
            f"""select distinct (hash({text}) >> 1)::bigint, {text} from {source}
                where shop_id = {ground.snapshot.shop_id} and at_us >= {since} and at_us < {until}
                  and {rules.step_sql(spec.steps[0], ground)}"""
        )
        for number, value in rows:
            assert texts.setdefault(number, value) == value, "two values with one hash"
    return texts


def retention(question: Question, spec: RetentionSpec, ground: Ground) -> list[tuple[int, ...]]:
    """Rows as `retention_sql` gives them."""
    first, last = rules.day_number(spec.first_day), rules.day_number(spec.last_day)
    birth, back = rules.needs_of(spec)[:2]
    kernel = _kernel.retention(
        first,
        last,
        list(spec.periods),
        spec.within,
        [part for change in rules.retention_offsets(spec) for part in change],
        ("day", "week", "month").index(spec.grain),
    )
    tests = [
        Test(spec.birth, birth.since_us, birth.until_us),
        Test(spec.back, back.since_us, back.until_us),
    ]
    _run(question, kernel, spec, ground, tests)
    rows = _figures(_kernel.tally(kernel), 1 + len(spec.periods))
    begin = rules.cell_of(spec.first_day, spec.grain)
    return [(begin + n, *row) for n, row in enumerate(rows) if row[0]]


def features(question: Question, spec: FeatureSpec, ground: Ground) -> Features:
    """Figures of persons."""
    until = rules.to_us(spec.as_of)
    tests, extras = [], []
    for feature in spec.features:
        since = 0 if feature.days is None else until - feature.days * rules.DAY_US
        tests.append(Test(feature.step, since, until))
        if feature.kind == "sum" and feature.prop not in extras:
            extras.append(feature.prop)
    kernel = _kernel.figures(
        [KINDS.index(feature.kind) for feature in spec.features],
        [extras.index(f.prop) if f.kind == "sum" else 0 for f in spec.features],
        rules.feature_offsets(spec),
    )
    _run(question, kernel, spec, ground, tests, extras)
    persons, *values = _kernel.table(kernel, max(0, spec.after), spec.limit)
    return Features([number for number in persons if number is not None], values)


def gather(question: Question, groups: Sequence[Group], ground: Ground) -> None:
    """Find groups of people, inner ones first: all facts of all segments in as few passes as
    possible, then who fits."""
    passes = _gather_facts(question, [g for g in groups if isinstance(g, SegmentSpec)], ground)
    walks: dict[FunnelSpec, _kernel.Kernel] = {}
    for group in groups:
        if isinstance(group, FunnelSpec):
            walks[group] = _walk(question, group, ground)[0]
        elif isinstance(group, frozenset):
            joined = dict(zip(*ground.members, strict=True))
            ground.people[group] = _packed({joined.get(n, n) for n in group if n > 0})
        else:
            kernel, places = passes[group]
            for funnel in rules.funnels_in(group):
                _kernel.walked(kernel, places[funnel], walks[funnel])
            rule = rules.rule_words(group, places, partial(_kernel.top, kernel))
            ground.people[group] = _kernel.fitting(kernel, rule)


Places = dict[Any, int]


def _gather_facts(
    question: Question, segments: Sequence[SegmentSpec], ground: Ground
) -> dict[SegmentSpec, tuple["_kernel.Kernel", Places]]:
    """Per segment the figures that its rule speaks of, and where each of them is."""
    found: dict[SegmentSpec, tuple[_kernel.Kernel, Places]] = {}
    waiting = list(segments)
    while waiting:
        places: Places = {}
        mine: list[SegmentSpec] = []
        while waiting:
            one = waiting[0]
            keys = list(dict.fromkeys([*places, *rules.facts_read(one), *rules.funnels_in(one)]))
            conditions = sum(map(rules.conditions_in, [*mine, one]))
            if mine and (len(keys) > TESTS_MAX or conditions > CONDITIONS_MAX):
                break
            places = {key: n for n, key in enumerate(keys)}
            mine.append(waiting.pop(0))
        kernel = _facts_kernel(question, places, ground)
        found |= dict.fromkeys(mine, (kernel, places))
    return found


def _facts_kernel(question: Question, places: Places, ground: Ground) -> "_kernel.Kernel":
    tests, kinds, sums = [], [], []
    for key in places:
        test, prop = (rules.NEVER, None) if isinstance(key, FunnelSpec) else key
        tests.append(test)
        sums.append(prop)
        kinds.append(5 if isinstance(key, FunnelSpec) else 0 if prop is None else 1)
    extras = sorted({prop for prop in sums if prop is not None})
    kernel = _kernel.figures(
        kinds, [0 if prop is None else extras.index(prop) for prop in sums], [0, 0]
    )
    _run(question, kernel, None, ground, tests, extras)
    return kernel


def people_of(question: Question, group: Group, ground: Ground) -> bytes:
    """The numbers of a group that was gathered, growing."""
    if group not in ground.people:
        rows = question.rows(f"select person_no from {ground.tables[group]} order by 1")
        ground.people[group] = _packed(number for (number,) in rows)
    return ground.people[group]


def _packed(numbers: Any) -> bytes:
    return array("q", sorted(numbers)).tobytes()


def _figures(found: bytes, width: int) -> list[tuple[int, ...]]:
    figures = array("q")
    figures.frombytes(found)
    return [tuple(figures[n : n + width]) for n in range(0, len(figures), width)]


def _run(
    question: Question,
    kernel: "_kernel.Kernel",
    spec: FunnelSpec | RetentionSpec | FeatureSpec | None,
    ground: Ground,
    tests: Sequence[Test],
    extras: Sequence[str] = (),
    *,
    numbered: bool = False,
) -> None:
    """Feed the months that matter, oldest first (W7).

    spec: whose `where` and `people` hold. extras: columns that the kernel needs beside those of its
    conditions. numbered: starts at one moment must be told apart.
    """
    plan = rules.reading(tests, spec.where if spec else (), ground, extras)
    _kernel.read(kernel, len(plan.extras), plan.names, plan.others, plan.tests)
    if ground.members[0]:
        _kernel.join(kernel, *ground.members)
    if spec is not None and spec.people is not None:
        _kernel.only(kernel, people_of(question, spec.people, ground))
    spans = [(test.since_us, test.until_us) for test in tests if test is not rules.NEVER]
    if not spans or not (plan.names or plan.others):
        return
    kept = f"shop_id = {ground.snapshot.shop_id}"
    if plan.only is not None:
        kept += f" and name_id in ({', '.join(map(str, plan.only))})"
    more = "".join(f", {sql} as x{n}" for n, sql in enumerate(plan.extras))
    since, until = min(low for low, _ in spans), max(high for _, high in spans)
    try:
        for source, in_order in _months(ground, since, until):
            # Rows of a file in order need no number, unless starts at one moment are told apart or
            # the rows of a visitor are woven into those of a member.
            number = ", event_no" if numbered or ground.members[0] or not in_order else ""
            sql = f"select person_no, at_us, name_id{number}{more} from {source} where {kept}"
            _kernel.feed(kernel, question.stream(sql), in_order)
            _kernel.end_month(kernel)
    except RuntimeError:
        if question.stopped:
            raise Interrupted from None
        raise


def _months(ground: Ground, since_us: int, until_us: int) -> Iterator[tuple[str, bool]]:
    """Per month what to read, and whether it is one file, whose rows are in order."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path in ground.snapshot.files:
        files[path.parent.name].append(path)
    tail = compaction.read_csv(str(ground.snapshot.tail))
    first, last = (f"{rules.from_us(at):%Y-%m}" for at in (since_us, until_us))
    for month in sorted({*files, *ground.fresh}):
        if not first <= month <= last:
            continue
        paths = [str(path) for path in files[month]]
        sources = [f"select * from {compaction.read_parquet(paths)}"] if paths else []
        if month in ground.fresh:
            sources.append(
                f"""select * from {tail}
                    where strftime(make_timestamp(at_us), '%Y-%m') = '{month}'"""
            )
        yield f"({' union all '.join(sources)})", len(paths) == 1 and month not in ground.fresh
