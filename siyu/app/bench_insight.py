"""What a colleague at the console waits: every kind of question, asked over HTTP of a web process.

Over 30 days and over all six months of a shop with so many events; then a long question that is
asked how far it is, and given up.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from siyu.app import bench_audience, bench_warehouse
from siyu.app.bench_ground import Bench, Figures, hire, served
from siyu.kernel import clock
from siyu.warehouse.tail import service as tail

MONTH_MS, WHOLE_MS = 500, 1_000
"""What 95 of 100 questions over 30 days may take at most with 10 M events; and when one over
everything has to tell how far it is."""
PERIODS = {"month": ("2025-05-01", "2025-05-30"), "whole": ("2025-01-01", "2025-06-30")}
FIRST_LOOK_S, LOOK_S = 0.2, 0.05


class InsightFigures(Figures, frozen=True):
    """rate: questions over 30 days per second, one after the other; limit: of half a second each.

    month_ms, whole_ms: p95 by kind of question over 30 days and over six months; first_ms: the
    first question of the process. looks: how far the longest question said it was, in percent;
    cancel_ms: until a question was at its end that nobody waited for any more.
    """

    events: int
    rounds: int
    month_ms: dict[str, int]
    whole_ms: dict[str, int]
    month_limit_ms: int
    whole_limit_ms: int
    first_ms: int
    looks: list[int]
    cancel_ms: int


def _step(event: str, **where: Any) -> dict[str, Any]:
    conditions = [{"prop": prop, "op": "eq", "value": value} for prop, value in where.items()]
    return {"event": event, "where": conditions}


_VIEW, _CLICK, _CART, _PAID = (
    _step(name)
    for name in ("behaviour.view", "behaviour.click", "behaviour.cart", "ordering.order_paid")
)
_FUNNEL = {"kind": "funnel", "steps": [_VIEW, _CLICK, _CART, _PAID]}
QUESTIONS: dict[str, dict[str, Any]] = {
    "funnel": _FUNNEL,
    "funnel, filtered": {
        **_FUNNEL,
        "steps": [_VIEW, _step("behaviour.click", zone="zone3"), _CART],
        "where": [{"prop": "channel", "op": "eq", "value": "mp-weixin"}],
    },
    "funnel, split": {**_FUNNEL, "by": "page"},
    "retention": {"kind": "retention", "birth": _VIEW, "back": _step("any.visit"), "periods": 14},
    "paths": {"kind": "paths", "anchor": _VIEW},
    "distribution": {"kind": "spread", "step": _PAID, "of": "amount"},
    "composition": {"kind": "share", "step": _PAID, "by": "page", "count": "amount"},
    "trend": {"kind": "trend", "steps": [_step("any.visit"), _PAID]},
    "heat": {"kind": "heat", "page": "/pages/1"},
}


async def insight(events: int, rounds: int, folder: Path | None = None) -> InsightFigures:
    """Ask; see `InsightFigures`. folder: keeps the files of events for the next run."""
    async with contextlib.AsyncExitStack() as stack:
        own = tempfile.TemporaryDirectory(prefix="siyu-insight-")
        kept = folder or Path(stack.enter_context(own))
        place = await stack.enter_async_context(served(SIYU_WEB_PROCESSES="1"))
        await _fill(place, events, kept)
        async with _desk(place) as desk:
            first_ms = await _ask(desk, _question("funnel", "month"))
            took: dict[str, dict[str, list[int]]] = {period: {} for period in PERIODS}
            for _ in range(rounds):
                for period, times in took.items():
                    for name in QUESTIONS:
                        ms = await _ask(desk, _question(name, period))
                        times.setdefault(name, []).append(ms)
            month, whole = ({n: _p95(some) for n, some in took[p].items()} for p in PERIODS)
            longest = max(whole, key=lambda name: whole[name])
            looks, cancel_ms = await _give_up(desk, _question(longest, "whole"))
    per_month = [ms for some in took["month"].values() for ms in some]
    return InsightFigures.of(
        1_000 * len(per_month) / sum(per_month),
        1_000 / MONTH_MS,
        f"questions over 30 of 181 days with {events} events, answered by one web process in one"
        " second, with those that take all of the half second they may",
        events=events,
        rounds=rounds,
        month_ms=month,
        whole_ms=whole,
        month_limit_ms=MONTH_MS,
        whole_limit_ms=WHOLE_MS,
        first_ms=first_ms,
        looks=looks,
        cancel_ms=cancel_ms,
    )


def _question(name: str, period: str) -> dict[str, Any]:
    since, until = PERIODS[period]
    return {**QUESTIONS[name], "period": {"since": since, "until": until}}


def _p95(times: list[int]) -> int:
    return sorted(times)[int(len(times) * 0.95)]


async def _ask(desk: httpx.AsyncClient, question: dict[str, Any]) -> int:
    began = clock.monotonic()
    answer = await desk.post("/insight/ask", json={"question": question})
    took = clock.monotonic() - began
    answer.raise_for_status()
    return round(took * 1_000)


async def _give_up(desk: httpx.AsyncClient, question: dict[str, Any]) -> tuple[list[int], int]:
    """Percentages heard on the way, and how soon the work ended once nobody waited for it."""
    looks = []
    key = str(uuid4())
    body = {"question": question, "key": key}

    async def percent() -> int | None:
        answer = await desk.get("/insight/progress", params={"key": key})
        found: int | None = answer.json()["percent"]
        return found

    asking = asyncio.create_task(desk.post("/insight/ask", json=body))
    await asyncio.sleep(FIRST_LOOK_S)
    while not asking.done() and (now := await percent()) is not None:
        looks.append(now)
        await asyncio.sleep(LOOK_S)
    await asking
    asking = asyncio.create_task(desk.post("/insight/ask", json=body))
    await asyncio.sleep(FIRST_LOOK_S)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    began = clock.monotonic()
    while await percent() is not None:
        pass
    return looks, round((clock.monotonic() - began) * 1_000)


async def _fill(place: Bench, events: int, folder: Path) -> None:
    """Six months of a shop, as files that count."""
    shop, names = int(place.shop_id), bench_audience.NAMES
    async with tail.opened() as tx:
        await tail.number_texts(tx, "channel", ["h5", "mp-weixin"])
        pages = bench_warehouse.PAGES
        await tail.number_texts(tx, "page", [f"/pages/{n}" for n in range(1, pages + 1)])
        codes = await tail.number_texts(tx, "event_name", names)
    own = folder / f"{shop}-{events}"
    paths = sorted(own.glob("b*/*/*.parquet"))
    if len(paths) < bench_warehouse.MONTHS:
        numbers = [codes[name] for name in names]
        paths = bench_warehouse.generate(own, events, shop=shop, codes=numbers)
    await bench_audience.book(shop, paths, max(events // 40, 10))


@contextlib.asynccontextmanager
async def _desk(place: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the shop at the console."""
    base = f"http://127.0.0.1:{place.port}/admin/v1"
    headers = await hire(place.shop_id)
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=120) as desk:
        yield desk
