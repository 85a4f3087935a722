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


async def test_each_of_many_is_kept_by_itself(watch: list[float]) -> None:
    asked: list[list[int]] = []

    async def make(missing: list[int]) -> dict[int, str]:
        asked.append(missing)
        return {key: f"{key} of {len(asked)}" for key in missing if key != 9}

    assert await moment.keep_each(A, "k", [1, 2], 1.0, make) == {1: "1 of 1", 2: "2 of 1"}
    watch[0] += 0.4
    known = await moment.keep_each(A, "k", [2, 3, 9], 1.0, make)
    assert known == {2: "2 of 1", 3: "3 of 2"}, "what is unknown is left out"
    watch[0] += 0.6
    assert await moment.keep_each(A, "k", [3, 2, 9], 1.0, make) == {3: "3 of 2", 2: "2 of 3"}
    assert asked == [[1, 2], [3, 9], [2, 9, 3]]
    watch[0] += 0.1
    assert await moment.keep_each(A, "other", [3], 1.0, make) == {3: "3 of 4"}
    assert await moment.keep_each(B, "k", [3], 1.0, make) == {3: "3 of 5"}
    moment.forget(A, "k")
    assert await moment.keep_each(A, "other", [3], 1.0, make) == {3: "3 of 4"}
    assert await moment.keep_each(A, "k", [3], 1.0, make) == {3: "3 of 6"}
    moment.forget(A)
    assert await moment.keep_each(A, "other", [3], 1.0, make) == {3: "3 of 7"}
    assert await moment.keep_each(A, "k", [], 1.0, make) == {} and len(asked) == 7


async def test_what_is_asked_for_again_and_again_is_made_anew_together(watch: list[float]) -> None:
    asked: list[list[int]] = []

    async def make(missing: list[int]) -> dict[int, float]:
        asked.append(missing)
        return dict.fromkeys(missing, watch[0])

    for key in (1, 2, 3, 4):
        await moment.keep_each(A, "k", [key], 1.0, make)
        watch[0] += 0.1
    watch[0] += 0.55
    assert await moment.keep_each(A, "k", [2, 3], 1.0, make) == {2: 1000.1, 3: 1000.2}
    watch[0] += 0.1
    await moment.keep_each(A, "k", [1], 1.0, make)
    assert asked[4:] == [[1, 2, 3, 4]], "one ran out, the others would have soon"
    watch[0] += 0.95
    await moment.keep_each(A, "k", [5], 1.0, make)
    assert asked[5:] == [[5, 1]], "nobody asked for the others any more"
    watch[0] += 0.1
    await moment.keep_each(A, "k", [5, 6], 1.0, make)
    assert set(moment._kept_each[A]["k"]) == {1, 5, 6}, "and they were let go"


async def test_many_are_not_kept_without_end(watch: list[float]) -> None:
    async def make(missing: list[int]) -> dict[int, int]:
        return {key: key for key in missing}

    for start in range(0, 3 * moment.MOST_EACH, 1_000):
        await moment.keep_each(A, "k", range(start, start + 1_000), 1.0, make)
        assert len(moment._kept_each[A]["k"]) <= moment.MOST_EACH
