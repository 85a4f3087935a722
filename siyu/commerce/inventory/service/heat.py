"""Which SKUs of this process are hot: measured by waiting, cooled by small batches. Memory only.

Little's law turns waits into a queue: seconds that buyers spent in `reserve`, over the seconds that
went by, is how many of them on average stood in line. That needs no threshold per machine: a fast
one has no line where a slow one has.
"""

from uuid import UUID

import msgspec

from siyu.commerce.inventory.contracts import Lane
from siyu.kernel import clock, metrics
from siyu.kernel.ids import ShopId, new_id

WINDOW_SECONDS = 1.0
HOT_QUEUE = 4
"""Buyers in line over a window, from which on a SKU is hot."""
COOL_SECONDS = 15.0
COOL_BATCH = 1.5
"""Orders per batch over `COOL_SECONDS`, below which a hot SKU is cold again."""
MOST_WATCHED = 5_000


class _Line(msgspec.Struct):
    since: float
    waited: float = 0.0


class Opened(msgspec.Struct):
    """An open lane: its number, the line that opened it, and its batches since `counted_since`."""

    lane_id: UUID
    queue: int
    counted_since: float
    orders: int = 0
    batches: int = 0


_lines: dict[tuple[ShopId, UUID], _Line] = {}
_open: dict[tuple[ShopId, UUID], Opened] = {}


def note_wait(shop_id: ShopId, sku_id: UUID, lane: Lane, seconds: float) -> None:
    """One buyer spent so long in `reserve`, alone with this SKU; its lane was read there."""
    key = (shop_id, sku_id)
    if lane is Lane.OFF:
        close(shop_id, sku_id)
    elif lane is Lane.ON:
        _opened(key, 0)
    elif key not in _open:
        _measure(key, seconds)


def _measure(key: tuple[ShopId, UUID], seconds: float) -> None:
    now = clock.monotonic()
    line = _lines.get(key)
    if line is None or now - line.since > 2 * WINDOW_SECONDS:
        if len(_lines) >= MOST_WATCHED:
            _lines.clear()
        _lines[key] = _Line(now)
        return
    line.waited += seconds
    passed = now - line.since
    if passed >= WINDOW_SECONDS:
        del _lines[key]
        queue = round(line.waited / passed)
        if queue >= HOT_QUEUE:
            _opened(key, queue)


def _opened(key: tuple[ShopId, UUID], queue: int) -> None:
    if key not in _open:
        metrics.hot_lanes.inc()
        _open[key] = Opened(new_id(), queue, clock.monotonic())


def get_open(shop_id: ShopId, sku_id: UUID) -> Opened | None:
    """The lane of a SKU, while it is open."""
    return _open.get((shop_id, sku_id))


def close(shop_id: ShopId, sku_id: UUID) -> None:
    """The SKU is sold in the ordinary way again."""
    if _open.pop((shop_id, sku_id), None) is not None:
        metrics.hot_lanes.dec()


def note_batch(shop_id: ShopId, sku_id: UUID, lane: Lane, orders: int) -> None:
    """A batch was worked off; closes the lane when the merchant or the calm says so."""
    opened = _open.get((shop_id, sku_id))
    if opened is None:
        return
    opened.orders += orders
    opened.batches += 1
    now = clock.monotonic()
    is_over = now - opened.counted_since >= COOL_SECONDS
    is_calm = is_over and opened.orders < COOL_BATCH * opened.batches
    if lane is Lane.OFF or (lane is Lane.AUTO and is_calm):
        close(shop_id, sku_id)
    elif is_over:
        opened.counted_since, opened.orders, opened.batches = now, 0, 0
