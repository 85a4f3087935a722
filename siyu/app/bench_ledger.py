"""Postings beside `pgbench -N`, in interleaved rounds of one run on one cluster.

Entries are what a shop books: payments, mixed tenders, top-ups with bonus, splits, points; 2 to 6
legs, half of them on owners' accounts. They go through `service.post_many`, in batches, each its
own transaction with its own commit, and the worker's roll-up runs beside them. The books are
proven at the end. pgbench runs its built-in simple update with prepared statements.
"""

import asyncio
import contextlib
import statistics
from collections.abc import Callable
from random import Random
from uuid import UUID

from siyu.app import truths
from siyu.app.bench_ground import (
    FULL,
    Effort,
    Figures,
    ground,
    prepare_simple_updates,
    simple_updates,
)
from siyu.kernel import clock
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.money.ledger import background, rules
from siyu.money.ledger import service as books
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.ledger.invariants import INVARIANTS

CONNECTIONS = 8
"""For both sides."""
BATCH = 50
MEMBERS = 2_000


class LedgerFigures(Figures, frozen=True):
    """Entries and transactions of pgbench per second, medians of the rounds."""

    goal_share: float
    legs_per_second: float
    rounds: list[list[float]]


async def ledger(effort: Effort = FULL) -> LedgerFigures:
    """Median rates of interleaved rounds, after one round of each to warm up."""
    async with ground(CONNECTIONS + 1) as own:
        await prepare_simple_updates(own, effort)
        rounds: list[list[float]] = []
        for number in range(effort.rounds + 1):
            entries, legs = await _post(own.shop_id, number, effort.seconds)
            limit = await simple_updates(own, effort.seconds, CONNECTIONS)
            if number:
                rounds.append([entries, limit, legs])
        await _prove(own.shop_id)
    rate, limit, legs = (statistics.median(one[i] for one in rounds) for i in range(3))
    return LedgerFigures.of(
        rate,
        limit,
        f"entries of 2-6 legs in batches of {BATCH} with `pgbench -N -M prepared`,"
        f" {CONNECTIONS} connections each",
        goal_share=0.80,
        legs_per_second=round(legs, 1),
        rounds=[[round(figure, 1) for figure in one[:2]] for one in rounds],
    )


# --- entries ------------------------------------------------------------------------------------


def _payment(amount: int, _: UUID) -> list[Leg]:
    return [Leg(Book.WECHAT, amount), Leg(Book.SALES, -amount)]


def _mixed(amount: int, member: UUID) -> list[Leg]:
    half = amount // 2
    return [
        Leg(Book.WECHAT, amount - half),
        Leg(Book.COMMISSION, half, member),
        Leg(Book.SALES, -amount),
    ]


def _top_up(amount: int, member: UUID) -> list[Leg]:
    bonus = amount // 10
    return [
        Leg(Book.WECHAT, amount),
        Leg(Book.BONUS_COST, bonus),
        Leg(Book.PRINCIPAL, -amount, member),
        Leg(Book.BONUS, -bonus, member),
    ]


def _with_points(amount: int, member: UUID) -> list[Leg]:
    points = amount // 100 + 1
    return [
        Leg(Book.WECHAT_FROZEN, amount - amount // 50),
        Leg(Book.FEES, amount // 50),
        Leg(Book.SALES, -amount),
        Leg(Book.POINTS_ISSUED, points, asset="POINT"),
        Leg(Book.POINTS, -points, member, "POINT"),
    ]


def _split(amount: int, member: UUID) -> list[Leg]:
    share, fee = amount // 5, amount // 100
    return [
        Leg(Book.WECHAT, amount - fee),
        Leg(Book.FEES, fee),
        Leg(Book.COMMISSION_COST, share),
        Leg(Book.COMMISSION, -share, member),
        Leg(Book.SUSPENSE, -fee),
        Leg(Book.SALES, fee - amount),
    ]


SHAPES: tuple[tuple[str, Callable[[int, UUID], list[Leg]]], ...] = (
    ("payment", _payment),
    ("balance_spent", _mixed),
    ("top_up", _top_up),
    ("points_earned", _with_points),
    ("commission_accrued", _split),
)


def _batch(chance: Random, members: list[UUID]) -> list[Entry]:
    entries = []
    for _ in range(BATCH):
        kind, shape = chance.choice(SHAPES)
        order_id = new_id()
        legs = shape(chance.randrange(1_000, 100_000), chance.choice(members))
        entries.append(Entry(f"{kind}:{order_id}", kind, legs, order_id, order_id))
    return entries


async def _post(shop_id: ShopId, seed: int, seconds: float) -> tuple[float, float]:
    """Entries and legs per second over CONNECTIONS connections."""
    chance = Random(seed)
    members = [UUID(int=(1 << 100) + number) for number in range(MEMBERS)]
    begun = clock.monotonic()
    counts = [0, 0]

    async def teller() -> None:
        while clock.monotonic() < begun + seconds:
            entries = _batch(chance, members)
            async with transaction(shop_id) as tx:
                await books.post_many(tx, entries)
            counts[0] += len(entries)
            counts[1] += sum(len(entry.legs) for entry in entries)

    async def worker() -> None:
        while True:
            await asyncio.sleep(1)
            await background.roll_up()

    rolling = asyncio.create_task(worker())
    await asyncio.gather(*(teller() for _ in range(CONNECTIONS)))
    took = clock.monotonic() - begun
    rolling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await rolling
    return counts[0] / took, counts[1] / took


async def _prove(shop_id: ShopId) -> None:
    async with reading(shop_id) as tx:
        asked = await truths.ask(tx, None, {"ledger": INVARIANTS})
        totals = rules.trial_balance(await books.list_accounts(tx), "en").totals
    assert [one for one in asked if one.rows] == []
    assert len(totals) == 2 and all(total.is_even for total in totals), totals
