from hypothesis import given
from hypothesis import strategies as st

from siyu.kernel.money import MAX_FEN, share_bps, split_fen

weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(lambda w: sum(w) > 0)


def test_the_odd_fen_goes_to_the_largest_remainder() -> None:
    assert split_fen(100, [1, 1, 1]) == [34, 33, 33]
    assert split_fen(5, [3, 3, 4]) == [2, 1, 2]
    assert split_fen(0, [1, 2]) == [0, 0]
    assert split_fen(7, [0, 1]) == [0, 7]


@given(st.integers(0, MAX_FEN), weights)
def test_F038_parts_add_up_and_each_is_within_one_fen_of_its_share(
    total: int, shares: list[int]
) -> None:
    parts = split_fen(total, shares)
    assert sum(parts) == total
    for part, weight in zip(parts, shares, strict=True):
        assert abs(part * sum(shares) - total * weight) < sum(shares)
        assert part == 0 or weight > 0


def test_ratios_round_half_up_and_nothing_to_compare_is_none() -> None:
    assert share_bps(1, 3) == 3333
    assert share_bps(2, 3) == 6667
    assert share_bps(1, 20_000) == 1
    assert share_bps(5, 0) is None
