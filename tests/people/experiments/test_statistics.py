"""The statistics hold what they promise: few false alarms, little regret, less noise."""

import gzip
import math
import random
from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from itertools import accumulate
from statistics import NormalDist, fmean

import pytest

from siyu.people.experiments.rules import assigning, statistics
from siyu.people.experiments.rules.reading import UNEVEN, Narrowing
from siyu.people.experiments.rules.statistics import Sums
from tests.structure.source import ROOT

RATES = (0.030, 0.033, 0.036, 0.045)
PUSHES, A_BATCH = 20_000, 250


def share(n: int, hits: int) -> Sums:
    """Sums of n persons of whom `hits` did it."""
    return Sums(n=n, hits=hits, y=hits, yy=hits, w=n, wy=hits)


def hits_of(dice: random.Random, n: int, rate: float) -> int:
    """How many of n hit, by jumping from hit to hit."""
    found, at, scale = 0, 0, math.log1p(-rate)
    while True:
        at += 1 + int(math.log(1 - dice.random()) / scale)
        if at > n:
            return found
        found += 1


def daily_hits(dice: random.Random, days: int, n: int, rate: float) -> list[int]:
    """Hits of an arm up to the end of each day."""
    return list(accumulate(hits_of(dice, n, rate) for _ in range(days)))


@pytest.fixture(scope="module")
def nothing_to_find() -> list[tuple[list[int], list[int]]]:
    """1,000 A/A tests of 28 days, 300 persons an arm and day, 4 %: hits of both arms by day."""
    dice = random.Random(20_261)
    return [
        (daily_hits(dice, 28, 300, 0.04), daily_hits(dice, 28, 300, 0.04)) for _ in range(1_000)
    ]


def test_looking_every_day_raises_few_false_alarms(
    nothing_to_find: list[tuple[list[int], list[int]]],
) -> None:
    alarms = 0
    for one, other in nothing_to_find:
        seen = Narrowing(tau=0.004, alpha=0.05)
        for day, (a, b) in enumerate(zip(one, other, strict=True), 1):
            seen.look(share(300 * day, a), share(300 * day, b))
            if seen.low > 0 or seen.high < 0:
                alarms += 1
                break
    assert alarms <= 50, f"{alarms} of 1,000"


def test_looking_every_day_at_a_fixed_horizon_test_does_not(
    nothing_to_find: list[tuple[list[int], list[int]]],
) -> None:
    """Negative control: the same data, the same looks, the z-test that everybody knows."""
    z = NormalDist().inv_cdf(0.975)
    alarms = 0
    for one, other in nothing_to_find:
        for day, (a, b) in enumerate(zip(one, other, strict=True), 1):
            n = 300 * day
            spread = math.sqrt((a / n * (1 - a / n) + b / n * (1 - b / n)) / n)
            if abs(b - a) / n > z * spread:
                alarms += 1
                break
    assert alarms > 150, f"{alarms} of 1,000"


def test_three_arms_share_the_error() -> None:
    dice, alarms = random.Random(33), 0
    for _ in range(300):
        a, b, c = (daily_hits(dice, 20, 300, 0.05) for _ in range(3))
        seen = [Narrowing(tau=0.005, alpha=0.05 / 2) for _ in range(2)]
        for day in range(20):
            n = 300 * (day + 1)
            for sequence, hits in zip(seen, (b, c), strict=True):
                sequence.look(share(n, a[day]), share(n, hits[day]))
        alarms += any(one.low > 0 or one.high < 0 for one in seen)
    assert alarms <= 15, f"{alarms} of 300"


def test_a_real_difference_is_found_in_the_planned_time() -> None:
    """Power: 4 % against 5 % with as many persons as the plan says."""
    aim = statistics.variance_needed(0.01, 0.01, 0.05)
    n = math.ceil((0.04 * 0.96 + 0.05 * 0.95) / aim / 20) * 20
    dice, found = random.Random(7), 0
    for _ in range(200):
        a, b = daily_hits(dice, 20, n // 20, 0.04), daily_hits(dice, 20, n // 20, 0.05)
        seen = Narrowing(tau=0.01, alpha=0.05)
        for day in range(20):
            seen.look(share(n // 20 * (day + 1), a[day]), share(n // 20 * (day + 1), b[day]))
        found += seen.low > 0
    assert found >= 150, f"{found} of 200"


def test_intervals_cover_the_truth() -> None:
    dice, covered = random.Random(9), 0
    for _ in range(300):
        a, b = daily_hits(dice, 20, 300, 0.05), daily_hits(dice, 20, 300, 0.06)
        seen = Narrowing(tau=0.01, alpha=0.05)
        for day in range(20):
            seen.look(share(300 * (day + 1), a[day]), share(300 * (day + 1), b[day]))
        covered += seen.low <= 0.01 <= seen.high
    assert covered >= 285, f"{covered} of 300"


# --- the bandit -------------------------------------------------------------------------------


def regret_of(seed: int, *, learning: bool) -> float:
    """Hits lost against always sending the best of the four titles."""
    dice = random.Random(seed)
    hits, tries, lost = [0] * 4, [0] * 4, 0.0
    for _ in range(PUSHES // A_BATCH):
        weights = statistics.bandit_weights(hits, tries) if learning else [2_500] * 4
        for k in dice.choices(range(4), weights, k=A_BATCH):
            tries[k] += 1
            hits[k] += dice.random() < RATES[k]
            lost += max(RATES) - RATES[k]
    return lost


def test_thompson_loses_a_third_of_what_an_equal_split_does() -> None:
    even = fmean(regret_of(seed, learning=False) for seed in range(5))
    assert even == pytest.approx(180, rel=0.02), "negative control: 20,000 x (4.5 % - 3.6 %)"
    learnt = fmean(regret_of(seed, learning=True) for seed in range(32))
    assert learnt <= even / 3, f"{learnt:.1f} of {even:.1f}"


def test_probabilities_agree_with_drawing() -> None:
    hits, tries = [30, 33, 36, 45], [1_000] * 4
    dice, best = random.Random(1), [0] * 4
    for _ in range(20_000):
        drawn = [dice.betavariate(h + 1, n - h + 1) for h, n in zip(hits, tries, strict=True)]
        best[drawn.index(max(drawn))] += 1
    found = statistics.best_probabilities(hits, tries)
    assert sum(found) == pytest.approx(1)
    for chance, count in zip(found, best, strict=True):
        assert chance == pytest.approx(count / 20_000, abs=0.01)


@pytest.mark.parametrize(
    ("hits", "tries"),
    [([0, 0], [0, 0]), ([0, 5_000], [10, 10_000]), ([900, 0, 3], [900, 900, 3])],
)
def test_weights_add_up_and_leave_nobody_out(hits: list[int], tries: list[int]) -> None:
    weights = statistics.bandit_weights(hits, tries)
    assert sum(weights) == 10_000
    assert min(weights) >= 20


# --- less noise -------------------------------------------------------------------------------

HISTORY = ROOT / "demo_data" / "online_retail_2" / "lines.csv.gz"


@pytest.fixture(scope="module")
def spending() -> dict[str, tuple[int, int]]:
    """(before, after): what customers paid in pence in 2010, and in 2011; who bought in 2010."""
    totals: dict[str, dict[str, int]] = {"2010": defaultdict(int), "2011": defaultdict(int)}
    with gzip.open(HISTORY, "rt", encoding="utf-8") as file:
        next(file)
        for line in file:
            who, at, _, pieces, price = line.split(",")
            if at[:4] in totals and pieces[0] != "-":
                totals[at[:4]][who] += round(float(price) * 100) * int(pieces)
    return {who: (fen, totals["2011"][who]) for who, fen in totals["2010"].items()}


def summed(persons: Iterable[tuple[int, int]]) -> Sums:
    """Exact sums of (before, after)."""
    return reduce(
        Sums.__add__,
        (Sums(1, y > 0, y, y * y, x, x * x, x * y, 1, y) for x, y in persons),
    )


def halves(spending: dict[str, tuple[int, int]]) -> tuple[Sums, Sums]:
    """Customers shared out by the hash that shares out people."""
    arms: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for who, spent in spending.items():
        arms[assigning.bucket("0" * 32, "arm", int(who)) >= 5_000].append(spent)
    return summed(arms[0]), summed(arms[1])


def test_what_people_did_before_takes_a_fifth_of_the_noise_away(
    spending: dict[str, tuple[int, int]],
) -> None:
    found = statistics.effect(*halves(spending))
    assert found is not None
    assert found.variance_cut >= 0.20
    # Nothing was done to either half: the truth is zero, and the interval holds it.
    assert abs(found.difference) < statistics.radius(found.variance, 5_000, 0.05)


def test_what_others_did_before_takes_nothing_away(spending: dict[str, tuple[int, int]]) -> None:
    """Negative control: the same figures, each customer with the past of another."""
    pasts = [before for before, _ in spending.values()]
    random.Random(5).shuffle(pasts)
    mixed = {
        who: (past, after) for past, (who, (_, after)) in zip(pasts, spending.items(), strict=True)
    }
    found = statistics.effect(*halves(mixed))
    assert found is not None
    assert found.variance_cut < 0.02


def test_sums_give_the_textbook_estimate() -> None:
    """CUPED out of sums, against the definition on the persons themselves."""
    dice = random.Random(3)
    arms = [
        [((x := dice.randrange(1_000)), x // 2 + dice.randrange(400) + gain) for _ in range(500)]
        for gain in (0, 30)
    ]
    found = statistics.effect(*map(summed, arms))
    assert found is not None
    deviations = [
        [(x - fmean(a for a, _ in arm), y - fmean(b for _, b in arm)) for x, y in arm]
        for arm in arms
    ]
    both = [pair for arm in deviations for pair in arm]
    theta = sum(x * y for x, y in both) / sum(x * x for x, _ in both)
    adjusted = [[y - theta * x for x, y in arm] for arm in arms]
    assert found.difference == pytest.approx(fmean(adjusted[1]) - fmean(adjusted[0]))
    variance = sum(sum((v - fmean(a)) ** 2 for v in a) / (len(a) - 1) / len(a) for a in adjusted)
    assert found.variance == pytest.approx(variance)
    assert found.difference == pytest.approx(30, abs=25)


# --- shares, and the rest ---------------------------------------------------------------------


def test_a_broken_split_is_noticed() -> None:
    dice = random.Random(11)
    for broken in (5_000, 5_300):
        b = hits_of(dice, 20_000, broken / 10_000)
        p = statistics.uneven_p([20_000 - b, b], [5_000, 5_000])
        assert (p < UNEVEN) == (broken == 5_300), (broken, p)


def test_even_shares_are_seldom_called_uneven() -> None:
    dice, p = random.Random(12), []
    for _ in range(400):
        b = hits_of(dice, 2_000, 0.3)
        p.append(statistics.uneven_p([2_000 - b, b], [7_000, 3_000]))
    assert sum(one < 0.05 for one in p) <= 32
    assert sum(one < UNEVEN for one in p) <= 2


@pytest.mark.parametrize(
    ("x", "degrees", "tail"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (7.814728, 3, 0.05), (18.466827, 4, 0.001),
     (11.070498, 5, 0.05), (0.0, 3, 1.0)],
)  # fmt: skip
def test_chi_square_by_the_table(x: float, degrees: int, tail: float) -> None:
    assert statistics.chi_square_tail(x, degrees) == pytest.approx(tail, rel=1e-5)


def test_too_little_says_nothing() -> None:
    assert statistics.effect(share(99, 40), share(200, 80)) is None
    assert statistics.effect(share(500, 9), share(500, 10)) is None
    assert statistics.effect(share(500, 9), share(500, 11)) is not None


def test_interval_and_p_value_agree() -> None:
    for difference in (0.001, 0.004, 0.008, 0.02):
        outside = difference > statistics.radius(4e-6, 0.004, 0.05)
        assert (statistics.p_value(difference, 4e-6, 0.004) < 0.05) == outside
