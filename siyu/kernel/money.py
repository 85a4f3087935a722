"""Money is whole fen (minor units of the shop's currency) in `int`; ratios are basis points."""

MAX_FEN = 10_000_000_000
"""10^8 yuan. No single amount of this product comes near it; above it an input is a mistake."""


def split_fen(total_fen: int, weights: list[int]) -> list[int]:
    """Share an amount by weight; the parts always add up to the whole (largest remainder).

    Ties go to the earlier part, so the same input always gives the same parts.
    """
    whole = sum(weights)
    assert total_fen >= 0 and whole > 0 and min(weights) >= 0
    parts = [total_fen * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(total_fen * weights[i] % whole))
    for i in by_remainder[: total_fen - sum(parts)]:
        parts[i] += 1
    assert sum(parts) == total_fen
    return parts


def share_bps(part: int, whole: int) -> int | None:
    """A ratio in basis points, rounded half up; None when there is nothing to compare with."""
    return (part * 20_000 + whole) // (2 * whole) if whole > 0 else None
