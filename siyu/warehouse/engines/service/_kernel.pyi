"""The compiled kernels, see kernel.h."""

from typing import NewType

from typing_extensions import Buffer

Kernel = NewType("Kernel", object)

def funnel(steps: int, window: int, rich: bool, value: int, /) -> Kernel:
    """A fresh funnel; window in microseconds; a test per step. rich: with values and waits.

    value: the extra column whose value at the first step splits the answer, -1 none.
    """

def retention(
    first_day: int,
    last_day: int,
    periods: list[int],
    within: bool,
    offsets: list[int],
    grain: int,
    /,
) -> Kernel:
    """A fresh retention; tests: may be a birth, is a return. grain: 0 days, 1 weeks, 2 months.

    offsets: (from when, microseconds ahead of UTC) after each other.
    """

def paths(pause: int, length: int, backward: bool, /) -> Kernel:
    """Fresh paths; tests: may be a start, lies along. The first extra column is the place.

    pause: a longer one, in microseconds, ends a visit. length: how many further places count.
    """

def figures(kinds: list[int], extras: list[int], offsets: list[int], /) -> Kernel:
    """Fresh figures of persons, a test for each.

    kinds: 0 count, 1 sum, 2 first, 3 last, 4 different days, 5 given by `walked`. extras: the extra
    column that is summed, else 0.
    """

def series(spans: list[int], measures: list[int], offsets: list[int], /) -> Kernel:
    """A fresh series, a test per measure.

    spans, growing, no day in two: (since, until, number of the first business day, of the last)
    after each other. measures: (0 events, 1 sum, 6 persons; the extra column that is summed, or of
    persons the measure that they must fulfil in the same day or span, -1 none): of two that must
    hold together each counts those persons whom the other's event came first of.
    """

def read(
    kernel: Kernel, extras: int, names: list[int], others: int, tests: list[list[int]], /
) -> None:
    """What it reads; once, before the first event.

    extras: how many more columns there are. names: (number, bits of the tests that such an event
    may pass) after each other; others: the same of all other names. A test: since, until, how many
    conditions, then for each: extra column, how many ranges, (low, high) of each, inclusive.
    """

def join(kernel: Kernel, visitors: list[int], members: list[int], /) -> None:
    """These visitors count as those members; once, before the first event."""

def only(kernel: Kernel, persons: bytes, /) -> None:
    """Nobody else counts; once, before the first event. int64 numbers of members, no visitors."""

def feed(kernel: Kernel, stream: object, sorted: bool, /) -> None:
    """Events of a month: an Arrow stream of person_no, at_us, name_id, event_no (if it matters),
    extra columns.

    Raises RuntimeError when a person is out of range, or events said to be sorted are not.
    """

def scan(
    kernel: Kernel,
    file: Buffer,
    columns: list[str],
    shop: int,
    sorted: bool,
    first: int,
    groups: int,
    /,
) -> int | None:
    """Events of a shop in so many row groups of a Parquet file, from the first on; returns the next
    group, 0 after the last; None, and nothing is read, when pages are of a form that it does not
    know. columns: shop_id, person_no, at_us, name_id, event_no (if it matters), extra columns.

    Raises RuntimeError as `feed` does, and for a file that is damaged.
    """

def end_month(kernel: Kernel, /) -> bool:
    """All events of a month were fed. False when a funnel or paths met events of one moment in
    several places and has no numbers to tell their order: start over, with event_no.
    """

def start_over(kernel: Kernel, /) -> None:
    """A funnel, retention or paths forget all events."""

def tally(kernel: Kernel, /) -> bytes:
    """int64 figures. Funnel: (value, step reached, persons) after each other; value 0 unless rich.
    Retention: per day, week or month the persons born, then those who came back per period. Paths:
    (level, place, next place or -1, visits). Series: per measure its days, span after span, then
    its spans as a whole.
    """

def waits(kernel: Kernel, edges: list[int], /) -> bytes:
    """int64 figures of a rich funnel per step from the second on: the lower median (smallest int64:
    of none), then the persons per bucket; edges in microseconds, growing.
    """

def table(kernel: Kernel, after: int, limit: int, /) -> list[list[int | None]]:
    """Of figures: persons above `after`, at most `limit`, growing; then a column per figure."""

def walked(kernel: Kernel, figure: int, funnel: Kernel, /) -> None:
    """Put in how far everybody came in a funnel, as a figure of kind 5."""

def top(kernel: Kernel, figure: int, percent: int, /) -> int:
    """The least value of a figure that is among the top: fewer than percent % of the positive ones
    are above it. The largest int64 when none is positive."""

def fitting(kernel: Kernel, rule: list[int], /) -> bytes:
    """int64 numbers of the persons whose figures fit, growing.

    rule: words of four, worked out from left to right: (0, figure, 0 eq / 1 ge / 2 le, value),
    (1, n, 0, 0) all and (2, n, 0, 0) any of the last n, (3, 0, 0, 0) not.
    """
