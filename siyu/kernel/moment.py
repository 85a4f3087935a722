"""Answers kept for a moment: what many ask for at the same time is made once.

For reads that show, and never decide: an answer may be as old as its reader allows, and says what
was true then. Each process keeps its own. Whoever changes what it shows may call `forget`, so
that this process need not wait; the others show the change when the answer's time is over.
"""

import itertools
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from siyu.kernel import clock
from siyu.kernel.ids import ShopId

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST, MOST_EACH = 500, 5_000
"""Answers of one shop (of one kind); with one more all are let go, which costs a moment."""
MOST_RENEWED = 100

_kept: dict[ShopId, dict[Hashable, tuple[float, bytes]]] = {}
_kept_each: dict[ShopId, dict[str, dict[Any, "_One"]]] = {}


class _One:
    """A value, when it was made, and when it was asked for last; in the order in which they were
    made.
    """

    __slots__ = ("asked_at", "made_at", "value")

    def __init__(self, made_at: float, asked_at: float, value: Any) -> None:
        self.made_at, self.asked_at, self.value = made_at, asked_at, value


async def keep(
    shop_id: ShopId, key: Hashable, seconds: float, make: Callable[[], Awaitable[bytes]]
) -> bytes:
    """The answer under this key, made at most so many seconds ago, else made now."""
    now = clock.monotonic()
    of_shop = _kept.setdefault(shop_id, {})
    made_at, answer = of_shop.get(key, (0.0, b""))
    if answer and now - seconds < made_at <= now:
        return answer
    # Time counts from before the read; what is forgotten meanwhile goes with its dictionary.
    answer = await make()
    if len(of_shop) >= MOST:
        of_shop.clear()
    of_shop[key] = now, answer
    return answer


async def keep_each(
    shop_id: ShopId,
    kind: str,
    keys: Sequence[K],
    seconds: float,
    make: Callable[[list[K]], Awaitable[Mapping[K, V]]],
) -> dict[K, V]:
    """The values of a kind under these keys, each made at most so many seconds ago; `make` makes
    those that are missing, all at once, and with them others that would be missing soon. What it
    does not know is left out, and asked for again.
    """
    now = clock.monotonic()
    of_kind = _kept_each.setdefault(shop_id, {}).setdefault(kind, {})
    found: dict[K, V] = {}
    missing: list[K] = []
    for key in keys:
        one = of_kind.get(key)
        if one is not None and now - seconds < one.made_at <= now:
            one.asked_at = now
            found[key] = one.value
        else:
            missing.append(key)
    if missing:
        # What is asked for again and again is made anew together, before it runs out one by one.
        made = await make(list(dict.fromkeys([*missing, *_aging(of_kind, now, seconds)])))
        if len(of_kind) + len(made) > MOST_EACH:
            of_kind.clear()
        for key, value in made.items():
            before = of_kind.pop(key, None)
            asked_at = now if key in missing or before is None else before.asked_at
            of_kind[key] = _One(now, asked_at, value)
        found.update((key, made[key]) for key in missing if key in made)
    return found


def _aging(of_kind: dict[Any, _One], now: float, seconds: float) -> list[Any]:
    """The keys, of the oldest first, whose time is half over and that were asked for lately; the
    others among them are let go.
    """
    aging: list[Any] = []
    for key in list(itertools.islice(of_kind, MOST_RENEWED)):
        one = of_kind[key]
        if now - seconds / 2 < one.made_at <= now:
            break
        if now - seconds < one.asked_at:
            aging.append(key)
        elif not now - seconds < one.made_at <= now:
            del of_kind[key]
    return aging


def forget(shop_id: ShopId, kind: str | None = None) -> None:
    """Let go of everything that was kept for a shop; kind: of the values of one kind only."""
    if kind is not None:
        _kept_each.get(shop_id, {}).pop(kind, None)
        return
    _kept.pop(shop_id, None)
    _kept_each.pop(shop_id, None)
