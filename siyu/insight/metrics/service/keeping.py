"""Answers that several screens ask for are computed once, and given again while they are fresh."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from siyu.kernel import clock

_FRESH_S = 1.0
_STALE_S = 60.0
_FORGET_S = 600.0
_COST_SHARE = 20
_log = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class _Kept(Generic[T]):
    """The last answer to one question, and the computation that will replace it."""

    def __init__(self) -> None:
        self.found: T | None = None
        self.at = self.asked_at = self.cost_s = 0.0
        self.task: asyncio.Task[T] | None = None


class Answers(Generic[K, T]):
    """The newest answer there is to each question; who asks at once shares one computation.

    An answer up to a minute old is given at once, while a new one is made when that costs less
    than a twentieth of the time: a small shop sees each second, a large one every ten or so.
    """

    def __init__(self, compute: Callable[[K], Awaitable[T]]) -> None:
        self._compute = compute
        self._kept: dict[K, _Kept[T]] = {}

    def forget(self) -> None:
        """Begin anew."""
        self._kept.clear()

    async def get(self, asked: K) -> T:
        """The answer; raises what computing it raises."""
        moment = clock.monotonic()
        for other, kept in list(self._kept.items()):
            if kept.asked_at < moment - _FORGET_S:
                del self._kept[other]
        kept = self._kept.setdefault(asked, _Kept())
        kept.asked_at = moment
        age = moment - kept.at
        idle = kept.task is None or kept.task.done()
        if idle and (kept.found is None or age > max(_FRESH_S, _COST_SHARE * kept.cost_s)):
            kept.task = asyncio.create_task(self._renew(asked, kept))
            kept.task.add_done_callback(_note_failure)
        if kept.found is not None and age <= _STALE_S:
            return kept.found
        assert kept.task is not None
        return await asyncio.shield(kept.task)

    async def _renew(self, asked: K, kept: _Kept[T]) -> T:
        began = clock.monotonic()
        found = await self._compute(asked)
        kept.found, kept.at, kept.cost_s = found, began, clock.monotonic() - began
        return found


def _note_failure(task: "asyncio.Task[T]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.warning("figures could not be computed", exc_info=task.exception())
