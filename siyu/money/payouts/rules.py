"""Pure decisions of payouts: how much, whether, and what WeChat's states mean."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from siyu.money.payouts.contracts import BadSettings, PayoutState, Settings
from siyu.wechat.pay.contracts import Transfer, TransferState

MOVES: Final[dict[PayoutState, frozenset[PayoutState]]] = {
    PayoutState.REQUESTED: frozenset(
        {PayoutState.CREATED, PayoutState.REJECTED, PayoutState.CANCELLED}
    ),
    PayoutState.CREATED: frozenset(
        {
            PayoutState.ACCEPTED,
            PayoutState.WAITING,
            PayoutState.SENDING,
            PayoutState.CANCELLING,
            PayoutState.PAID,
            PayoutState.FAILED,
            PayoutState.CANCELLED,
        }
    ),
    PayoutState.ACCEPTED: frozenset(
        {
            PayoutState.WAITING,
            PayoutState.SENDING,
            PayoutState.CANCELLING,
            PayoutState.PAID,
            PayoutState.FAILED,
            PayoutState.CANCELLED,
        }
    ),
    PayoutState.WAITING: frozenset(
        {
            PayoutState.SENDING,
            PayoutState.CANCELLING,
            PayoutState.PAID,
            PayoutState.FAILED,
            PayoutState.CANCELLED,
        }
    ),
    PayoutState.SENDING: frozenset({PayoutState.PAID, PayoutState.FAILED, PayoutState.CANCELLED}),
    PayoutState.CANCELLING: frozenset(
        {PayoutState.SENDING, PayoutState.CANCELLED, PayoutState.FAILED, PayoutState.PAID}
    ),
    PayoutState.PAID: frozenset(),
    PayoutState.FAILED: frozenset(),
    PayoutState.CANCELLED: frozenset(),
    PayoutState.REJECTED: frozenset(),
}
AT_WECHAT: Final = frozenset(
    {
        PayoutState.CREATED,
        PayoutState.ACCEPTED,
        PayoutState.WAITING,
        PayoutState.SENDING,
        PayoutState.CANCELLING,
    }
)
"""WeChat may know of it: only its answer says what became of it."""

STATES: Final[dict[TransferState, PayoutState]] = {
    TransferState.ACCEPTED: PayoutState.ACCEPTED,
    TransferState.PROCESSING: PayoutState.ACCEPTED,
    TransferState.WAIT_USER_CONFIRM: PayoutState.WAITING,
    TransferState.TRANSFERING: PayoutState.SENDING,
    TransferState.SUCCESS: PayoutState.PAID,
    TransferState.FAIL: PayoutState.FAILED,
    TransferState.CANCELING: PayoutState.CANCELLING,
    TransferState.CANCELLED: PayoutState.CANCELLED,
}

SCENE: Final = "1005"
"""佣金报酬. Source: pay-v3 §10."""
ROLE_REPORT: Final = "岗位类型"
REWARD_REPORT: Final = "报酬说明"
NAME_FROM_FEN: Final = 200_000
"""From 2000 yuan on WeChat wants the payee's real name. Source: pay-v3 §10."""
NAME_NOT_BELOW_FEN: Final = 30
LEAST_FEN: Final = 10
CONFIRM_FOR: Final = timedelta(hours=24)
_WHOLE: Final = 10_000


class Spent(msgspec.Struct, frozen=True):
    """What a member was paid, or is being paid: today and in this calendar year."""

    today_count: int
    today_fen: int
    year_fen: int
    year_tax_fen: int


def tax_fen(amount_fen: int, tax_bps: int) -> int:
    """What is withheld of a payout, rounded half up to whole fen."""
    return (amount_fen * tax_bps * 2 + _WHOLE) // (2 * _WHOLE)


def most_fen(available_fen: int, spent: Spent, settings: Settings) -> tuple[int, str | None]:
    """The largest payout possible now, and when it is none the limit that stands against it."""
    if spent.today_count >= settings.daily_count:
        return 0, "daily_count"
    rooms = [
        (max(available_fen, 0), "balance"),
        (settings.max_fen, "max_fen"),
        (settings.daily_fen - spent.today_fen, "daily_fen"),
    ]
    if settings.yearly_fen is not None:
        rooms.append((settings.yearly_fen - spent.year_fen, "yearly_fen"))
    most, limit = min(rooms)
    return (most, None) if most >= settings.min_fen else (0, limit)


def needs_name(net_fen: int) -> bool:
    """Whether WeChat wants the payee's real name."""
    return net_fen >= NAME_FROM_FEN


def needs_approval(amount_fen: int, settings: Settings) -> bool:
    """Whether staff must agree first."""
    limit = settings.approve_above_fen
    return limit is not None and amount_fen > limit


def check_settings(settings: Settings) -> None:
    """Raise BadSettings when the limits contradict each other."""
    if settings.max_fen < settings.min_fen:
        raise BadSettings(reason="max_fen")
    if settings.daily_fen < settings.min_fen:
        raise BadSettings(reason="daily_fen")
    if settings.min_fen - tax_fen(settings.min_fen, settings.tax_bps) < LEAST_FEN:
        raise BadSettings(reason="tax_bps")


def fits(transfer: Transfer, net_fen: int, account: str) -> bool:
    """Whether what WeChat tells is about the payout we asked for."""
    return transfer.transfer_amount in (None, net_fen) and transfer.openid in ("", account)


def ask_again_at(state: PayoutState, calls: int, now: datetime) -> datetime:
    """When to ask WeChat again: soon while it works, slower while the member is to confirm."""
    first_seconds = 60 if state is PayoutState.WAITING else 5
    return now + timedelta(seconds=min(first_seconds << min(calls, 10), 3600))
