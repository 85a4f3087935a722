"""Questions that need nothing from each other, asked in one trip: a trip costs more than a row.

The verbs stay as they are: each is given a `Together` in place of its transaction, and what they
ask of it first is sent as one statement, what they ask next as another. Rows travel as JSON, so a
question may not ask for bytes.
"""

import functools
from collections.abc import Coroutine, Generator, Iterable
from typing import Any, TypeVar

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.flushing import count_parameters, renumbered

T = TypeVar("T")


class _Question(msgspec.Struct):
    """Whoever awaits it is told by `Together.answer`: its rows as JSON, or, where it is alone, how
    many it touched.
    """

    sql: str
    args: tuple[Any, ...]
    alone: bool = False

    def __await__(self) -> Generator["_Question", Any, Any]:
        return (yield self)


class Together(ReadTx):
    """A transaction whose questions wait for one another. A statement that writes goes alone."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(None, tx.shop_id)
        self._tx = tx

    async def maybe(self, row: type[T], sql: str, *args: Any) -> T | None:
        """The first row, or None."""
        rows = await self.all(row, sql, *args)
        return rows[0] if rows else None

    async def all(self, row: type[T], sql: str, *args: Any) -> list[T]:
        """All rows, in the order of the statement."""
        found: list[T] = msgspec.json.decode(await _Question(sql, args), type=list[row])  # type: ignore[valid-type]
        return found

    async def run(self, sql: str, *args: Any) -> int:
        """Run a statement; how many rows it touched."""
        count: int = await _Question(sql, args, alone=True)
        return count

    async def answer(self, *verbs: Coroutine[Any, Any, Any]) -> list[Any]:
        """What each of several verbs says that were given this in place of their transaction."""
        said: list[Any] = [None] * len(verbs)
        told: Iterable[tuple[int, Any]] = enumerate([None] * len(verbs))
        try:
            while True:
                asked: dict[int, _Question] = {}
                for no, rows in told:
                    try:
                        asked[no] = verbs[no].send(rows)
                    except StopIteration as done:
                        said[no] = done.value
                if not asked:
                    return said
                told = await self._ask(asked)
        finally:
            for verb in verbs:
                verb.close()

    async def _ask(self, asked: dict[int, _Question]) -> list[tuple[int, Any]]:
        joined = {no: question for no, question in asked.items() if not question.alone}
        told: list[tuple[int, Any]] = [
            (no, await self._tx.run(question.sql, *question.args))
            for no, question in asked.items()
            if question.alone
        ]
        if joined:
            sql = _joined(tuple(question.sql for question in joined.values()))
            args = [arg for question in joined.values() for arg in question.args]
            told += zip(joined, await self._tx.value(sql, *args), strict=True)
        return told


@functools.cache
def _joined(statements: tuple[str, ...]) -> str:
    """Several statements as one, which gives a list: the rows of each as JSON."""
    parts, before = [], 0
    for sql in statements:
        asked = renumbered(sql, before)
        parts.append(f"(select coalesce(json_agg(q), '[]')::text from ({asked}) q)")
        before += count_parameters(sql)
    return f"select array[{', '.join(parts)}]"
