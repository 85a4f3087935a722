"""Asking DuckDB."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

import duckdb

from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import Answers, Progress, Questions, WarehouseIncomplete
from siyu.warehouse.engines.rules import from_us, to_us
from siyu.warehouse.engines.service import answers
from siyu.warehouse.engines.service.duck import Question, close, close_later
from siyu.warehouse.engines.service.load import load
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import Need, Snapshot, Spec

__all__ = ["answer", "ask", "close", "from_us", "needs_of", "to_us"]

S = TypeVar("S")
A = TypeVar("A")
LOOK_S = 0.25
"""How often progress is told."""
STOP_S = 0.05
"""How often a question that goes on is stopped again."""


def specs_of(questions: Questions) -> list[Spec]:
    """All specs of the questions."""
    return [spec for name in Questions.__struct_fields__ for spec in getattr(questions, name)]


def needs_of(questions: Questions) -> list[Need]:
    """What the questions read."""
    return [need for spec in specs_of(questions) for need in rules.needs_of(spec)]


async def ask(questions: Questions, progress: Progress | None = None) -> Answers:
    """Answer questions about one shop out of one snapshot.

    progress: told several times a second how far it is, in percent. Cancelling the task stops the
    computation. Raises WarehouseIncomplete when files are missing in three snapshots in a row (W9).
    """
    specs = specs_of(questions)
    [shop_id] = {spec.shop_id for spec in specs}
    needs = needs_of(questions)
    texts = any(map(rules.uses_texts, specs))
    for _ in range(3):
        async with query.snapshot(shop_id, needs, texts=texts) as snapshot:
            try:
                return await _answer_aside(questions, snapshot, progress)
            except (duckdb.IOException, FileNotFoundError):
                if all(path.exists() for path in snapshot.files):
                    raise
            finally:
                close_later()
    raise WarehouseIncomplete([str(path) for path in snapshot.files if not path.exists()])


async def _answer_aside(
    questions: Questions, snapshot: Snapshot, progress: Progress | None
) -> Answers:
    """Answer in a thread, which is at its end when this returns or raises."""
    question = Question(1 + len(specs_of(questions)))
    working = asyncio.ensure_future(asyncio.to_thread(answer, questions, snapshot, question))
    try:
        while not (await asyncio.wait({working}, timeout=LOOK_S))[0]:
            if progress is not None:
                progress(question.percent())
    except asyncio.CancelledError:
        question.stop()
        while not (await asyncio.wait({working}, timeout=STOP_S))[0]:
            question.stop()
        working.exception()
        raise
    return working.result()


def answer(questions: Questions, snapshot: Snapshot, question: Question | None = None) -> Answers:
    """Answer questions out of a snapshot, here and now."""
    specs = specs_of(questions)
    with question or Question(1 + len(specs)) as asked:
        ground = load(asked, specs, snapshot)
        asked.task_done()
        return answer_each(questions, asked, ground)


def answer_each(questions: Questions, asked: Question, ground: rules.Ground) -> Answers:
    """Answer questions on a ground that is loaded."""

    def each(specs: Iterable[S], lower: Callable[[Question, S, rules.Ground], A]) -> list[A]:
        found = []
        for spec in specs:
            found.append(lower(asked, spec, ground))
            asked.task_done()
        return found

    return Answers(
        funnels=each(questions.funnels, answers.funnel),
        retentions=each(questions.retentions, answers.retention),
        series=each(questions.series, answers.series),
        lasts=each(questions.lasts, answers.last),
        persons=each(questions.persons, answers.persons),
        features=each(questions.features, answers.features),
        paths=each(questions.paths, answers.paths),
        spreads=each(questions.spreads, answers.spread),
        shares=each(questions.shares, answers.share),
        heats=each(questions.heats, answers.heat),
        lives=each(questions.lives, answers.live),
        lists=each(questions.lists, answers.listed),
        values=each(questions.values, answers.values),
        trials=each(questions.trials, answers.trial),
    )
