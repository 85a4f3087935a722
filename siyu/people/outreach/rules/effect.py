"""What a campaign changed: people planned against people held out, with an interval."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import sqrt

from siyu.people.outreach.contracts import EffectArm as Arm
from siyu.people.outreach.contracts import MessageEffect as Effect

Z95 = 1.959964


def arm_of(persons: Sequence[int], paid_fen: Mapping[int, int]) -> Arm:
    """An arm by what its people paid; who is not in `paid_fen` bought nothing."""
    paid = [paid_fen[one] for one in persons if one in paid_fen]
    return Arm(len(persons), len(paid), sum(paid))


def _moments(persons: Sequence[int], paid_fen: Mapping[int, int]) -> tuple[float, float, float]:
    n = len(persons)
    values = [paid_fen[one] for one in persons if one in paid_fen]
    mean = sum(values) / n
    squares = sum(value * value for value in values)
    variance = max(squares - n * mean * mean, 0) / (n - 1) if n > 1 else 0.0
    return n, mean, variance


def _difference(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Welch: the difference of means, and the ends of its 95 % interval (large samples)."""
    error = Z95 * sqrt(a[2] / a[0] + b[2] / b[0])
    return a[1] - b[1], a[1] - b[1] - error, a[1] - b[1] + error


def effect_of(
    planned: Sequence[int],
    held_out: Sequence[int],
    paid_fen: Mapping[int, int],
    at: datetime,
    until: datetime,
) -> Effect:
    """The difference that the campaign made.

    Below two people on a side nothing is said: there is no variance to speak of.
    """
    arms = arm_of(planned, paid_fen), arm_of(held_out, paid_fen)
    if min(len(planned), len(held_out)) < 2:
        return Effect(at, until, *arms, None, None, None, None, None, None)
    bought = dict.fromkeys(paid_fen, 10_000)
    rates = _difference(_moments(planned, bought), _moments(held_out, bought))
    money = _difference(_moments(planned, paid_fen), _moments(held_out, paid_fen))
    n = len(planned)
    return Effect(
        at, until, *arms, *(round(one) for one in rates), *(round(one * n) for one in money)
    )
