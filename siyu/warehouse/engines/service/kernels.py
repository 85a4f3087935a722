"""Feeding the compiled kernels; without them DuckDB answers."""

import contextlib
import mmap
import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import WAIT_EDGES_S, Features, Wait
from siyu.warehouse.engines.rules import Ground, Group, Test
from siyu.warehouse.engines.service.duck import Interrupted, Question
from siyu.warehouse.query.contracts import (
    Count,
    FeatureSpec,
    FunnelSpec,
    Measure,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    SeriesSpec,
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
GROUPS = 16
"""Row groups of a file that are read before somebody looks whether the answer is still wanted."""
SPANS_MAX = 22
KINDS = ("count", "sum", "first", "last", "days")
Numbers = Literal["never", "for ties", "always"]
"""When the numbers of events matter: never, where events of one moment may stand in several places,
or for what is found, too."""
Month = tuple[list[Path], str | None]
"""Its files, and SQL of what there is in the tail."""
_MEASURED = {Count.EVENTS: 0, Count.AMOUNT: 1, Count.PERSONS: 6}


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
        case FunnelSpec() | PathSpec():
            return rules.conditions_in(spec) <= CONDITIONS_MAX
        case RetentionSpec():
            return len(spec.periods) <= PERIODS_MAX and rules.conditions_in(spec) <= CONDITIONS_MAX
        case SeriesSpec():
            return not hard_measures(spec)
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


def hard_measures(spec: SeriesSpec) -> list[Measure]:
    """Which of its measures SQL answers: those that look beyond the event, or all."""
    easy = [measure for measure in spec.measures if measure.count in _MEASURED]
    days = sorted(rules.days_of(since, until, spec.time_zone) for since, until in spec.spans)
    fits = (
        COMPILED
        and sum(len(measure.steps) for measure in easy) <= TESTS_MAX
        and rules.conditions_in(spec) < CONDITIONS_MAX
        and len(days) <= SPANS_MAX
        and all(one[1] < other[0] for one, other in pairwise(days))
    )
    return [m for m in spec.measures if m not in easy] if fits else list(spec.measures)


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
    _run(question, kernel, spec, ground, tests, extras, numbers="always" if rich else "for ties")
    return kernel, texts


def _texts(
    question: Question, spec: FunnelSpec, ground: Ground, since: int, until: int
) -> dict[int, str]:
    """The values that funnels may begin with, by their hash."""
    text = rules.text_sql(str(spec.by))
    texts: dict[int, str] = {}
    for files, fresh in _months(ground, since, until):
        rows = question.rows(
            f"""select distinct (hash({text}) >> 1)::bigint, {text} from {_rows(files, fresh)}
                where shop_id = {ground.snapshot.shop_id} and {ground.snapshot.kept or "true"}
                  and at_us >= {since} and at_us < {until}
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


def series(
    question: Question, spec: SeriesSpec, measures: Sequence[Measure], ground: Ground
) -> list[Any]:
    """Rows as `plain_sql` gives them, of every day."""
    order = sorted(range(len(spec.spans)), key=lambda n: spec.spans[n])
    spans = [rules.spans_us(spec)[n] for n in order]
    days = [rules.days_of(*spec.spans[n], spec.time_zone) for n in order]
    steps = [measure.step for measure in measures]
    words = [[_MEASURED[measure.count], -1] for measure in measures]
    for n, measure in enumerate(measures):
        if measure.count == Count.AMOUNT:
            words[n][1] = 0
        if measure.also is not None:
            words[n][1] = len(steps)
            words.append([_MEASURED[Count.PERSONS], n])
            steps.append(measure.also)
    kernel = _kernel.series(
        [part for times, both in zip(spans, days, strict=True) for part in (*times, *both)],
        [part for pair in words for part in pair],
        rules.series_offsets(spec),
    )
    since, until = spans[0][0], spans[-1][1]
    extras = ["amount_fen"] if any(m.count == Count.AMOUNT for m in measures) else []
    tests = [Test(step, since, until) for step in steps]
    _run(question, kernel, spec, ground, tests, extras)
    labels = [(order[n], day) for n, (low, high) in enumerate(days) for day in range(low, high + 1)]
    cells = [*labels, *((n, None) for n in order)]
    found = _figures(_kernel.tally(kernel), len(cells))
    columns = [list(found[n]) for n in range(len(measures))]
    for n in range(len(measures)):
        if measures[n].also is not None:
            both = zip(columns[n], found[words[n][1]], strict=True)
            columns[n] = [one + other for one, other in both]
    return [(*cell, *values) for cell, *values in zip(cells, *columns, strict=True)]


def paths(
    question: Question, spec: PathSpec, ground: Ground
) -> list[tuple[int, str | None, bool, str | None, int]]:
    """Rows as `path_sql` gives them."""
    since, until = rules.to_us(spec.since), rules.to_us(spec.until)
    kernel = _kernel.paths(rules.span_us(spec.pause), spec.length, spec.direction == "previous")
    tests = [Test(spec.start, since, until), Test(spec.along, since, until)]
    _run(question, kernel, spec, ground, tests, [f"{spec.of}_id"], numbers="for ties")
    texts = {number: text for text, number in ground.codes[rules.TEXTS[spec.of]].items()}
    found = _figures(_kernel.tally(kernel), 4)
    sizes: dict[tuple[int, int], int] = defaultdict(int)
    for level, place, _, visits in found:
        sizes[level, place] += visits
    known: dict[int, list[int]] = defaultdict(list)
    for level, place in sorted(sizes, key=lambda key: (-sizes[key], texts.get(key[1], ""))):
        known[level].append(place)
    top = {(level, place) for level, some in known.items() for place in some[: spec.top]}
    rows = []
    for level, place, target, visits in found:
        source = texts.get(place, "") if (level, place) in top else None
        to = texts.get(target, "") if (level + 1, target) in top else None
        rows.append((level, source, target >= 0, to, visits))
    return rows


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
    spec: FunnelSpec | RetentionSpec | SeriesSpec | PathSpec | FeatureSpec | None,
    ground: Ground,
    tests: Sequence[Test],
    extras: Sequence[str] = (),
    *,
    numbers: Numbers = "never",
) -> None:
    """Feed the months that matter, oldest first (W7).

    spec: whose `where` and `people` hold. extras: columns that the kernel needs beside those of its
    conditions. numbers: when it must be told the numbers of events.
    """
    plan = rules.reading(tests, spec.where if spec else (), ground, extras)
    _kernel.read(kernel, len(plan.extras), plan.names, plan.others, plan.tests)
    if ground.members[0]:
        _kernel.join(kernel, *ground.members)
        # A visitor's events are woven into those of the member, often of the same moment.
        numbers = "always" if numbers == "for ties" else numbers
    if spec is not None and spec.people is not None:
        _kernel.only(kernel, people_of(question, spec.people, ground))
    spans = [(test.since_us, test.until_us) for test in tests if test is not rules.NEVER]
    if not spans or not (plan.names or plan.others):
        return
    months = list(_months(ground, min(low for low, _ in spans), max(high for _, high in spans)))
    try:
        # Files of a month hardly ever share a moment of a person: numbers are read once they do.
        if not _feed(question, kernel, plan, ground, months, numbers, careful=False):
            _kernel.start_over(kernel)
            fed = _feed(question, kernel, plan, ground, months, numbers, careful=True)
            assert fed, "numbers that do not tell the order"
    except RuntimeError:
        if question.stopped:
            raise Interrupted from None
        raise


def _feed(
    question: Question,
    kernel: "_kernel.Kernel",
    plan: rules.Reading,
    ground: Ground,
    months: Sequence[Month],
    numbers: Numbers,
    *,
    careful: bool,
) -> bool:
    """Feed these months; False when numbers were needed that were not read. careful: read them
    wherever they could be."""
    kept = f"shop_id = {ground.snapshot.shop_id} and {ground.snapshot.kept or 'true'}"
    if plan.only is not None:
        kept += f" and name_id in ({', '.join(map(str, plan.only))})"
    # What was withdrawn is left out by SQL, for the minute until it has left the files.
    direct = rules.INTEGER_COLUMNS.issuperset(plan.extras) and not ground.snapshot.kept
    for n, (files, fresh) in enumerate(months):
        question.at_month(n, len(months))
        in_order = len(files) == 1 and fresh is None
        woven = numbers == "for ties" and not in_order
        numbered = numbers == "always" or (woven and (careful or not direct or fresh is not None))
        columns = ["person_no", "at_us", "name_id", *(["event_no"] if numbered else [])]
        rest = files
        if direct:
            own = [*columns, *plan.extras]
            rest = [p for p in files if not _scan(question, kernel, p, own, ground, in_order)]
        if rest or fresh:
            if woven and not numbered:
                return False
            listed = ", ".join([*columns, *(f"{x} as x{n}" for n, x in enumerate(plan.extras))])
            sql = f"select {listed} from {_rows(rest, fresh)} where {kept}"
            _kernel.feed(kernel, question.stream(sql), in_order)
        if not _kernel.end_month(kernel):
            return False
    return True


def _scan(
    question: Question,
    kernel: "_kernel.Kernel",
    path: Path,
    columns: list[str],
    ground: Ground,
    in_order: bool,
) -> bool:
    """Let a kernel read a file itself; False when it does not know its form."""
    if not compaction.is_present(path.name):
        return False
    next_group: int | None = 0
    names, shop_id = ["shop_id", *columns], ground.snapshot.shop_id
    opened = os.open(path, os.O_RDONLY)
    try:
        mapped = mmap.mmap(opened, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(opened)
    with mapped as file:
        while next_group is not None:
            if question.stopped:
                raise Interrupted
            next_group = _kernel.scan(kernel, file, names, shop_id, in_order, next_group, GROUPS)
            if next_group == 0:
                return True
    return False


def _months(ground: Ground, since_us: int, until_us: int) -> Iterator[Month]:
    """The months of the snapshot, oldest first."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path in ground.snapshot.files:
        files[path.parent.name].append(path)
    tail = compaction.read_csv(str(ground.snapshot.tail))
    first, last = (f"{rules.from_us(at):%Y-%m}" for at in (since_us, until_us))
    for month in sorted({*files, *ground.fresh}):
        if first <= month <= last:
            own = f"select * from {tail} where strftime(make_timestamp(at_us), '%Y-%m') = '{month}'"
            yield files[month], own if month in ground.fresh else None


def _rows(files: Sequence[Path], fresh: str | None) -> str:
    """Rows of a month as a table expression."""
    paths = [str(path) for path in files]
    sources = [f"select * from {compaction.read_parquet(paths)}"] if paths else []
    return f"({' union all '.join([*sources, *([fresh] if fresh else [])])})"
