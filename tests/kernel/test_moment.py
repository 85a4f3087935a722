"""Answers kept for a moment: not older than allowed, not another shop's, not a forgotten one."""

from collections.abc import Iterator

import pytest

from siyu.kernel import clock, moment
from siyu.kernel.ids import ShopId

A, B = ShopId(9_000_001), ShopId(9_000_002)


class Source:
    """Counts how often it was asked; the answer says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.forgets: ShopId | None = None

    async def __call__(self) -> bytes:
        self.asked += 1
        if self.forgets is not None:
            moment.forget(self.forgets)
        return str(self.asked).encode()


@pytest.fixture
def watch() -> Iterator[list[float]]:
    """A steady clock that stands where the test puts it."""
    shown = [1000.0]
    clock.follow(steady=lambda: shown[0])
    yield shown
    clock.follow()
    moment.forget(A)
    moment.forget(B)


async def test_kept_for_its_time_and_not_longer(watch: list[float]) -> None:
    source = Source()
    assert await moment.keep(A, "k", 1.0, source) == b"1"
    watch[0] += 0.999
    assert await moment.keep(A, "k", 1.0, source) == b"1"
    watch[0] += 0.001
    assert await moment.keep(A, "k", 1.0, source) == b"2"
    assert await moment.keep(A, "other", 1.0, source) == b"3"
    assert await moment.keep(B, "k", 1.0, source) == b"4"


async def test_the_time_counts_from_before_the_read(watch: list[float]) -> None:
    async def slow() -> bytes:
        watch[0] += 0.7
        return b"slow"

    assert await moment.keep(A, "k", 1.0, slow) == b"slow"
    watch[0] += 0.4
    assert await moment.keep(A, "k", 1.0, Source()) == b"1"


async def test_what_was_forgotten_meanwhile_is_not_kept(watch: list[float]) -> None:
    source = Source()
    await moment.keep(A, "k", 1.0, source)
    moment.forget(A)
    source.forgets = A
    assert await moment.keep(A, "k", 1.0, source) == b"2"
    assert await moment.keep(A, "k", 1.0, source) == b"3"


async def test_a_shop_keeps_only_so_many(watch: list[float]) -> None:
    source = Source()
    for number in range(moment.MOST + 1):
        await moment.keep(A, number, 1.0, source)
    assert len(moment._kept[A]) == 1
