"""Decisions about stored value without database, clock or network.

Why value is spent in proportion unless the shop chooses otherwise: each fen spent then carries the
mix of principal and bonus it was bought with. A member who takes the rest of the principal back
has used exactly the bonus that belongs to what was spent, so nothing has to be kept back; principal
first would make the shop refund less and less of money that was the member's own, bonus first
would let a member spend the gift and take the money back.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from siyu.money.stored_value.contracts import (
    BadLicence,
    BadStoredValueSetting,
    BonusTooHigh,
    CardKind,
    Held,
    Licence,
    Lot,
    NothingToRefund,
    RefundTerms,
    SpendOrder,
    StoredValueSettings,
    TopUp,
    TopUpState,
    Wallet,
    WalletMovementKind,
)

MOVES: Final[dict[TopUpState, frozenset[TopUpState]]] = {
    TopUpState.PENDING: frozenset({TopUpState.PAID, TopUpState.CLOSED, TopUpState.PARKED}),
    # Money that arrives after the close is taken, or parked when it would break a rule (F015).
    TopUpState.CLOSED: frozenset({TopUpState.PAID, TopUpState.PARKED}),
    TopUpState.PAID: frozenset(),
    # Staff may accept parked money after all (payments' `resolve`).
    TopUpState.PARKED: frozenset({TopUpState.PAID}),
}

WORDS: Final[dict[WalletMovementKind, tuple[str, str]]] = {
    WalletMovementKind.TOPPED_UP: ("充值", "Topped up"),
    WalletMovementKind.SPENT: ("下单支付", "Paid an order"),
    WalletMovementKind.GIVEN_BACK: ("订单退款退回", "Given back by the refund of an order"),
    WalletMovementKind.REFUNDED: ("本金退款", "Principal refunded"),
    WalletMovementKind.REFUND_UNDONE: (
        "退款未成功，已退回余额",
        "A refund failed; put back",
    ),
    WalletMovementKind.EXPIRED: ("赠金过期", "Bonus expired"),
    WalletMovementKind.MOVED: (
        "会员档案合并或撤销合并，随之转移",
        "Moved with the records of the member",
    ),
    WalletMovementKind.ADJUSTED: ("商家调账", "Adjusted by the shop"),
}
"""What a line of the statement says, in Chinese and English."""

CARD_LIMITS: Final[dict[CardKind, int]] = {CardKind.NAMED: 500_000, CardKind.UNNAMED: 100_000}
"""What 单用途商业预付卡管理办法 Art. 18 allows on one card after a top-up, fen."""

_RANGES: Final[dict[str, tuple[int, int]]] = {
    "limit_fen": (0, 10_000_000_000),
    "bonus_limit_bps": (0, 10_000),
    "bonus_months": (1, 120),
    "grace_days": (1, 366),
    "adjust_limit_fen": (0, 10_000_000_000),
}


class Part(msgspec.Struct, frozen=True):
    """What is taken out of a lot, or put back into it."""

    lot_id: UUID
    principal_fen: int
    bonus_fen: int


class SpentPart(Part, frozen=True):
    """What a spending took from a lot, and how much of it has come back."""

    back_principal_fen: int
    back_bonus_fen: int


def check_settings(settings: StoredValueSettings) -> None:
    """Raise BadStoredValueSetting for the first value outside its range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise BadStoredValueSetting(setting=name, low=low, high=high)


def check_licence(
    number: str, issuer: str, valid_from_on: date, valid_until_on: date | None, today: date
) -> None:
    """Raise BadLicence for one that is not whole, or already over."""
    if not 1 <= len(number) <= 64:
        raise BadLicence(field="number")
    if not 1 <= len(issuer) <= 100:
        raise BadLicence(field="issuer")
    if valid_until_on is not None and valid_until_on < max(valid_from_on, today):
        raise BadLicence(field="valid_until_on")


def is_in_force(licence: Licence | None, today: date) -> bool:
    """Whether this licence allows to take money on that business day."""
    return (
        licence is not None
        and licence.withdrawn_at is None
        and licence.valid_from_on <= today <= (licence.valid_until_on or date.max)
    )


def check_offer(
    amount_fen: int, bonus_fen: int, settings: StoredValueSettings, override_reason: str | None
) -> bool:
    """Whether the bonus exceeds the guard; raises BonusTooHigh when nobody says why it may."""
    too_high = bonus_fen * 10_000 > amount_fen * settings.bonus_limit_bps
    if too_high and not override_reason:
        raise BonusTooHigh(
            bonus_bps=bonus_fen * 10_000 // amount_fen, limit_bps=settings.bonus_limit_bps
        )
    return too_high


def sum_lots(lots: Iterable[Lot]) -> Wallet:
    """What the lots hold together."""
    rows = list(lots)
    return Wallet(
        sum(lot.principal_left_fen for lot in rows), sum(lot.bonus_left_fen for lot in rows)
    )


def sum_parts(parts: Iterable[Part]) -> Held:
    """What the parts make together."""
    rows = list(parts)
    return Held(sum(part.principal_fen for part in rows), sum(part.bonus_fen for part in rows))


def take(lots: Sequence[Lot], amount_fen: int, order: SpendOrder) -> list[Part]:
    """Value out of the lots, which hold enough.

    In proportion: lot by lot, those first whose bonus ends first, each in its own mix (bonus
    rounded down, so that what is left never holds less bonus than belongs to its principal).
    Else one side of all lots before the other: principal the oldest first, bonus by its end.
    """
    by_end = sorted(lots, key=lambda lot: (lot.expires_on or date.max, lot.lot_id))
    wanted: dict[UUID, tuple[int, int]] = {}
    if order is SpendOrder.PROPORTIONAL:
        for lot in by_end:
            whole = lot.principal_left_fen + lot.bonus_left_fen
            part = min(amount_fen, whole)
            if part > 0:
                bonus = part * lot.bonus_left_fen // whole
                wanted[lot.lot_id] = part - bonus, bonus
                amount_fen -= part
    else:
        sides = [
            [(lot.lot_id, lot.principal_left_fen, 0) for lot in lots],
            [(lot.lot_id, 0, lot.bonus_left_fen) for lot in by_end],
        ]
        if order is SpendOrder.BONUS_FIRST:
            sides.reverse()
        for lot_id, principal, bonus in [one for side in sides for one in side]:
            part = min(amount_fen, principal + bonus)
            if part > 0:
                before = wanted.get(lot_id, (0, 0))
                wanted[lot_id] = (
                    (before[0] + part, before[1]) if principal else (before[0], before[1] + part)
                )
                amount_fen -= part
    assert amount_fen == 0, "the lots hold less than is taken"
    return [Part(lot_id, *pair) for lot_id, pair in wanted.items()]


def share_back(spent: Held, back: Held, amount_fen: int) -> Held:
    """How the next `amount_fen` given back divides into principal and bonus.

    Counted on everything given back so far, so that any series of partial refunds that reaches the
    whole has restored exactly what was spent of either side.
    """
    whole = spent.principal_fen + spent.bonus_fen
    so_far = back.principal_fen + back.bonus_fen + amount_fen
    assert amount_fen > 0 and so_far <= whole, "more value comes back than was spent"
    bonus = so_far * spent.bonus_fen // whole - back.bonus_fen
    return Held(amount_fen - bonus, bonus)


def put_back(parts: Sequence[SpentPart], given: Held) -> list[Part]:
    """Value back into the lots it came from: what was taken last returns first.
    `parts` in the order they were taken."""
    principal, bonus = given.principal_fen, given.bonus_fen
    returned = []
    for part in reversed(parts):
        p = min(principal, part.principal_fen - part.back_principal_fen)
        b = min(bonus, part.bonus_fen - part.back_bonus_fen)
        if p or b:
            returned.append(Part(part.lot_id, p, b))
            principal, bonus = principal - p, bonus - b
    assert principal == bonus == 0, "more value comes back than was spent"
    return returned


def refund_terms(top_up: TopUp, amount_fen: int) -> RefundTerms:
    """What taking `amount_fen` of a top-up's unspent principal back means for its bonus.

    The member may have had, of the bonus, what belongs to the principal that stays (rounded up).
    Unspent bonus beyond that is withdrawn. What was spent beyond it (possible only when bonus is
    spent first) is kept back from the refund, once. Bonus that ended unspent was no use to
    the member and is not counted against them. Raises NothingToRefund.
    """
    left = top_up.principal_left_fen
    if not 0 < amount_fen <= left:
        raise NothingToRefund(left_fen=left)
    refunded = top_up.refunded_fen + amount_fen
    entitled = top_up.bonus_fen - top_up.bonus_fen * refunded // top_up.amount_fen
    spent = top_up.bonus_fen - top_up.bonus_left_fen - top_up.withdrawn_fen
    spent -= top_up.unused_fen
    withdrawn = min(max(spent + top_up.bonus_left_fen - entitled, 0), top_up.bonus_left_fen)
    kept_back = max(spent - entitled - top_up.kept_back_fen, 0)
    if kept_back >= amount_fen:
        raise NothingToRefund(left_fen=left, kept_back_fen=kept_back)
    return RefundTerms(amount_fen, amount_fen - kept_back, withdrawn, kept_back)
