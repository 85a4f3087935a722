"""Answers kept for a moment: what many ask for at the same time is made once.

For reads that show, and never decide: an answer may be as old as its reader allows, and says what
was true then. Each process keeps its own. Whoever changes what it shows may call `forget`, so
that this process need not wait; the others show the change when the answer's time is over.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from siyu.kernel import clock
from siyu.kernel.ids import ShopId

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST, MOST_EACH = 500, 5_000
"""Answers of one shop; with one more all are let go, which costs a moment."""

_kept: dict[ShopId, dict[Hashable, tuple[float, bytes]]] = {}
_kept_each: dict[ShopId, dict[Hashable, tuple[float, Any]]] = {}


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
    those that are missing, all at once. What it does not know is left out, and asked for again.
    """
    now = clock.monotonic()
    of_shop = _kept_each.setdefault(shop_id, {})
    found: dict[K, V] = {}
    for key in keys:
        made_at, value = of_shop.get((kind, key), (0.0, None))
        if value is not None and now - seconds < made_at <= now:
            found[key] = value
    missing = [key for key in keys if key not in found]
    if missing:
        made = await make(missing)
        if len(of_shop) + len(made) > MOST_EACH:
            of_shop.clear()
        of_shop.update(((kind, key), (now, value)) for key, value in made.items())
        found.update(made)
    return found


def forget(shop_id: ShopId) -> None:
    """Let go of everything that was kept for a shop."""
    _kept.pop(shop_id, None)
    _kept_each.pop(shop_id, None)
