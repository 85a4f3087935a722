"""The compiled kernels, see kernel.c."""

from typing import NewType

Kernel = NewType("Kernel", object)

def funnel(steps: int, since: int, until: int, window: int, rich: bool, /) -> Kernel:
    """A fresh funnel; moments and window in microseconds. rich: with values and waits."""

def retention(
    first_day: int,
    last_day: int,
    periods: list[int],
    within: bool,
    offsets: list[int],
    grain: int,
    /,
) -> Kernel:
    """A fresh retention. offsets: (from when, microseconds ahead of UTC) after each other.
    grain: 0 days, 1 weeks, 2 months.
    """

def join(kernel: Kernel, visitors: list[int], members: list[int], /) -> None:
    """These visitors count as those members; once, before the first event."""

def only(kernel: Kernel, persons: list[int], /) -> None:
    """Nobody else counts; once, before the first event. Numbers of members, not of visitors."""

def feed(kernel: Kernel, stream: object, sorted: bool, /) -> None:
    """Events of a month: an Arrow stream (person_no, at_us, event_no, value, mask).

    Raises RuntimeError when a person is out of range, or events said to be sorted are not.
    """

def end_month(kernel: Kernel, /) -> None:
    """All events of a month were fed."""

def tally(kernel: Kernel, /) -> bytes:
    """int64 figures. Funnel: (value, step reached, persons) after each other; value 0 unless rich.
    Retention: per day, week or month the persons born, then those who came back per period.
    """

def waits(kernel: Kernel, edges: list[int], /) -> bytes:
    """int64 figures of a rich funnel per step from the second on: the lower median (smallest int64:
    of none), then the persons per bucket; edges in microseconds, growing.
    """
