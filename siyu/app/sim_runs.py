"""Many seeds side by side: each in a process, with a server of its own, on a core of its own.

Two simulations on one server would wait for each other's transactions, and a simulation and its
server take turns, so that one core is what a run can use.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import msgspec

from siyu.app import sim
from siyu.kernel import config

T = TypeVar("T")


def side_by_side(plan: sim.Plan, runs: int, run: Callable[[sim.Plan], T]) -> Iterator[T]:
    """`run` a plan with its seed and the next ones, `runs` in all; what came of each, in order."""
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0, 1]
    context = multiprocessing.get_context("spawn")
    places = context.SimpleQueue()
    for place in cores:
        places.put(place)
    plans = [msgspec.structs.replace(plan, seed=plan.seed + number) for number in range(runs)]
    with ProcessPoolExecutor(
        min(len(cores), runs), context, initializer=_settle, initargs=(places, config.settings())
    ) as pool:
        yield from pool.map(run, plans)


def _settle(places: Any, settings: config.Settings) -> None:
    """The first thing in each process: take a core, and a home for the server that runs on it."""
    core = places.get()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {core})
    home = settings.data_dir / f"simulation-{core}"
    config.use(msgspec.structs.replace(settings, data_dir=home))


def tell_all(plan: sim.Plan, runs: int) -> bool:
    """Each run's verdict, then what all did together; whether all are green."""
    began = time.monotonic()
    simulated, is_green = 0.0, True
    for report in side_by_side(plan, runs, sim.run):
        if not report.is_green:
            sim.tell(report)
        print(f"seed {report.seed}: {report.steps} steps, {report.verdict}", flush=True)
        simulated += report.days_per_minute * report.seconds / 60
        is_green &= report.is_green
    seconds = time.monotonic() - began
    print(f"{simulated:.1f} days in {seconds:.1f} s ({simulated / seconds * 60:.1f} per minute)")
    return is_green
