"""Decisions about points without database, clock or network."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from siyu.money.points.contracts import (
    BadPointsSetting,
    Lot,
    PointsMovementKind,
    PointsOffer,
    PointsSettings,
)

WORDS: Final[dict[PointsMovementKind, tuple[str, str]]] = {
    PointsMovementKind.EARNED: ("确认收货，获得积分", "Earned by a received order"),
    PointsMovementKind.SPENT: ("下单抵扣", "Spent on an order"),
    PointsMovementKind.GIVEN_BACK: ("退款，退回抵扣的积分", "Given back by a refund"),
    PointsMovementKind.REVOKED: ("退款，扣回获得的积分", "Taken back by a refund"),
    PointsMovementKind.SET_OFF: (
        "抵扣此前退款欠扣的积分",
        "Set off against what was owed",
    ),
    PointsMovementKind.EXPIRED: ("积分过期", "Expired"),
    PointsMovementKind.ADJUSTED: ("商家调整", "Adjusted by the shop"),
    PointsMovementKind.MOVED: ("会员档案合并或撤销合并", "Records merged, or a merge undone"),
}
"""What a line of the statement says, in Chinese and English."""

_RANGES: Final[dict[str, tuple[int, int]]] = {
    "earned_per_yuan": (0, 10_000),
    "points_per_yuan": (1, 1_000_000),
    "cap_bps": (0, 10_000),
    "expiry_months": (1, 120),
    "grace_days": (1, 366),
}


class Taken(msgspec.Struct, frozen=True):
    """So many points out of, or back into, a lot."""

    lot_id: UUID
    points: int


class Part(msgspec.Struct, frozen=True):
    """What a spending took from a lot, and how much of it has come back."""

    lot_id: UUID
    points: int
    back: int


def check_settings(settings: PointsSettings) -> None:
    """Raise BadPointsSetting for the first value outside its range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise BadPointsSetting(setting=name, low=low, high=high)


def earned(paid_fen: int, per_yuan: int) -> int:
    """Points for what was paid, in whole points, rounded down."""
    return max(paid_fen, 0) * per_yuan // 100


def offer(available: int, eligible_fen: int, settings: PointsSettings) -> PointsOffer:
    """The most that points can take off goods of `eligible_fen`, and the fewest points for it."""
    if not settings.is_enabled or available <= 0:
        return PointsOffer(0, 0)
    most_fen = eligible_fen * settings.cap_bps // 10_000
    discount_fen = min(most_fen, available * 100 // settings.points_per_yuan)
    # Rounded up, so that no fraction of a point is given away; never more than there are.
    points = -(-discount_fen * settings.points_per_yuan // 100)
    return PointsOffer(points, discount_fen) if discount_fen > 0 else PointsOffer(0, 0)


def take(lots: Sequence[Lot], points: int, first: UUID | None = None) -> list[Taken]:
    """Points out of the lots, as far as they go: the lot of order `first`, then what ends first."""

    def turn(lot: Lot) -> tuple[bool, date, UUID]:
        own = first is not None and lot.order_id == first
        return not own, lot.expires_on or date.max, lot.lot_id

    taken = []
    for lot in sorted(lots, key=turn):
        part = min(points, lot.points_left)
        if part > 0:
            taken.append(Taken(lot.lot_id, part))
            points -= part
    return taken


def put_back(parts: Sequence[Part], points: int) -> list[Taken]:
    """Points back into the lots they came from: what was taken last returns first, so that what
    ends latest is given back first. `parts` in the order they were taken."""
    returned = []
    for part in reversed(parts):
        piece = min(points, part.points - part.back)
        if piece > 0:
            returned.append(Taken(part.lot_id, piece))
            points -= piece
    assert points == 0, "more points come back than were spent"
    return returned


def total(taken: Iterable[Taken]) -> int:
    """All of them together."""
    return sum(one.points for one in taken)
