"""Nouns of points. One point is one unit of the ledger's asset POINT; prices are fen."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict
from siyu.kernel.events import Event

LotId = NewType("LotId", UUID)

MAX_POINTS = 1_000_000_000
"""No balance comes near it; above it an input is a mistake."""


class PointsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shop's rules; the defaults are those of a shop that never touched them.

    earned_per_yuan: points for each whole or broken yuan paid, by proportion; 0 grants none.
    points_per_yuan: how many points take one yuan off a price.
    cap_bps: at most this share of the goods may be paid with points (10000: all of them).
    expiry_months: points are good to the end of the month this many months on; null: for ever.
    grace_days: points of a refunded order whose day is over are good for this many days more.
    negative_allowed: whether taking back earned points may push a balance below zero; otherwise
    what is missing is kept as owed and set off against the next points.
    """

    is_enabled: bool = True
    earned_per_yuan: int = 1
    points_per_yuan: int = 100
    cap_bps: int = 5000
    expiry_months: int | None = 12
    grace_days: int = 30
    negative_allowed: bool = False


class SpendingState(StrEnum):
    """Points of an order."""

    HELD = "held"  # reserved until the order is paid
    CAPTURED = "captured"
    RELEASED = "released"


class PointsMovementKind(StrEnum):
    """Why points came or went; the words are `rules.WORDS`."""

    EARNED = "earned"
    SPENT = "spent"
    GIVEN_BACK = "given_back"
    REVOKED = "revoked"
    SET_OFF = "set_off"
    EXPIRED = "expired"
    ADJUSTED = "adjusted"
    MOVED = "moved"


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """A member's points. balance: may be spent now, below zero only where the shop allows it;
    held: reserved by unpaid orders; owed: set off against the next points; next_expiry_on and
    next_expiry_points: the points whose last day comes first."""

    balance: int
    held: int
    owed: int
    next_expiry_on: date | None
    next_expiry_points: int


class PointsOffer(msgspec.Struct, frozen=True):
    """What a basket may use: `points` take `discount_fen` off. Both 0 when nothing may be used."""

    points: int
    discount_fen: int


class Lot(msgspec.Struct, frozen=True):
    """Points that came together and end together. `expires_on` is their last good day."""

    lot_id: LotId
    order_id: UUID | None
    points: int
    points_left: int
    expires_on: date | None
    created_at: datetime


class PointsMovement(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the statement: `movement_no` counts a member's lines without a gap; `points` is
    signed; `balance` what was left after it, reserved ones included; `owed` by how much it changed
    what is owed; `expires_on` for points that came."""

    movement_no: int
    kind: PointsMovementKind
    points: int
    balance: int
    owed: int
    order_id: UUID | None
    expires_on: date | None
    note: str
    at: datetime


class PointsShort(Conflict):
    """Fewer points than wanted; `available` says how many there are."""

    code = "points.short"
    zh = "积分不足"
    en = "Not enough points"


class PointsSwitchedOff(Conflict):
    """The shop does not use points."""

    code = "points.switched_off"
    zh = "店铺未开启积分"
    en = "This shop does not use points"


class NothingToAdjust(BadInput):
    """An adjustment of 0 points."""

    code = "points.nothing_to_adjust"
    zh = "调整的积分不能为 0"
    en = "An adjustment is never 0"


class BadPointsSetting(BadInput):
    """A setting outside its range; `setting` names it."""

    code = "points.bad_setting"
    zh = "积分设置 {setting} 超出范围"
    en = "The points setting {setting} is out of range"


class PointsEarned(Event, frozen=True):
    """A received order brought points."""

    name: ClassVar[str] = "points.points_earned"
    person_no: int
    member_id: UUID
    order_id: UUID
    points: int


class PointsSpent(Event, frozen=True):
    """Points paid a part of an order."""

    name: ClassVar[str] = "points.points_spent"
    person_no: int
    member_id: UUID
    order_id: UUID
    points: int


class PointsRevoked(Event, frozen=True):
    """A refund took back points; `shortfall` of them had been spent already and is owed."""

    name: ClassVar[str] = "points.points_revoked"
    person_no: int
    member_id: UUID
    order_id: UUID
    refund_id: UUID
    points: int
    shortfall: int


class PointsExpired(Event, frozen=True):
    """The last day of some points is over."""

    name: ClassVar[str] = "points.points_expired"
    person_no: int
    member_id: UUID
    points: int
