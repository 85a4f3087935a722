"""A question on its way: it tells how far it is, can be stopped, and stands in line."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.engines.service import duck
from siyu.warehouse.engines.service.duck import Interrupted, Question
from siyu.warehouse.query.contracts import ListSpec
from tests.warehouse.histories import BEGIN, SHOP

LONG = "select count(*) from range(10000000000) a, range(1000) b where a.range % 7 = b.range % 3"


def in_thread(question: Question, sql: str) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            with question:
                question.rows(sql)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, raised


def stop(question: Question, thread: threading.Thread) -> None:
    for _ in range(200):
        question.stop()
        thread.join(0.05)
        if not thread.is_alive():
            return
    pytest.fail("it goes on")


def wait_until(true) -> None:
    for _ in range(500):
        if true():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not come")


async def test_a_question_can_be_stopped(warehouse: Path):
    (warehouse / "scratch").mkdir(exist_ok=True)
    question = Question(1)
    thread, raised = in_thread(question, LONG)
    wait_until(duck.asking.locked)
    stop(question, thread)
    assert [type(error) for error in raised] == [Interrupted]
    assert not duck.asking.locked()


async def test_an_interruption_that_duckdb_forgets_is_not_the_last(warehouse: Path, monkeypatch):
    """Stopped after the last look and before the statement begins."""
    (warehouse / "scratch").mkdir(exist_ok=True)
    begins, forgotten = threading.Event(), threading.Event()

    class Late(Question):
        def run(self, sql: str, *arguments):
            assert self._duck is not None
            if sql == LONG:
                begins.set()
                forgotten.wait(10)
                try:
                    return self._duck.execute(sql)
                except duckdb.InterruptException:
                    raise Interrupted from None
            return super().run(sql, *arguments)

    def forever(questions, snapshot, question):
        with question:
            return question.rows(LONG)

    monkeypatch.setattr(engines, "Question", Late)
    monkeypatch.setattr(engines, "answer", forever)
    spec = ListSpec(shop_id=SHOP, since=BEGIN, until=BEGIN + timedelta(1))
    task = asyncio.create_task(engines.ask(Questions(lists=(spec,))))
    await asyncio.to_thread(begins.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, forgotten.set)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert not duck.asking.locked()


async def test_who_waits_in_line_can_be_stopped_too(warehouse: Path):
    first, second = Question(1), Question(1)
    thread, _ = in_thread(first, LONG)
    wait_until(duck.asking.locked)
    other, raised = in_thread(second, "select 1")
    stop(second, other)
    assert [type(error) for error in raised] == [Interrupted]
    assert thread.is_alive()
    stop(first, thread)
    assert not duck.asking.locked()


async def test_the_percentage_never_falls_and_ends_below_a_hundred(warehouse: Path):
    question = Question(2)
    thread, _ = in_thread(question, "select sum(range) from range(400000000)")
    told = []
    while thread.is_alive():
        told.append(question.percent())
        threading.Event().wait(0.01)
    assert told == sorted(told)
    assert told[0] >= 0 and told[-1] <= 50


async def test_cancelling_the_task_stops_the_computation(warehouse: Path, monkeypatch):
    """Another question is answered right after."""
    (warehouse / "scratch").mkdir(exist_ok=True)

    def forever(questions, snapshot, question):
        with question:
            return question.rows(LONG)

    spec = ListSpec(shop_id=SHOP, since=BEGIN, until=BEGIN + timedelta(1))
    with monkeypatch.context() as patch:
        patch.setattr(engines, "answer", forever)
        told: list[int] = []
        task = asyncio.create_task(engines.ask(Questions(lists=(spec,)), told.append))
        while not told:
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not duck.asking.locked()
    assert (await engines.ask(Questions(lists=(spec,)))).lists == [[]]
    engines.close()
