"""Answers kept for a moment: what many ask for at the same time is made once.

For reads that show, and never decide: an answer may be as old as its reader allows, and says what
was true then. Each process keeps its own. Whoever changes what it shows may call `forget`, so
that this process need not wait; the others show the change when the answer's time is over.
"""

from collections.abc import Awaitable, Callable, Hashable

from siyu.kernel import clock
from siyu.kernel.ids import ShopId

MOST = 500
"""Answers of one shop; with one more all are let go, which costs a moment."""

_kept: dict[ShopId, dict[Hashable, tuple[float, bytes]]] = {}


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


def forget(shop_id: ShopId) -> None:
    """Let go of everything that was kept for a shop."""
    _kept.pop(shop_id, None)
