"""The statistics, with `math` alone. Floats live here and in results, never in what is stored.

Differences of means get a confidence sequence: intervals that cover the truth at all moments at
once, so that looking every day and stopping when one likes is allowed (mixture sequential
probability ratio test; Johari, Koomen, Pekelis, Walsh: "Always Valid Inference", 2017; Robbins
1970). What persons did before their first exposure is taken out (CUPED; Deng et al. 2013).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec

READY_PERSONS = 100
READY_HITS = 20
"""Below, the normal approximation does not hold and nothing is said."""
_GRID = 300


class Sums(msgspec.Struct, frozen=True):
    """Exact sums over persons: n of them, `hits` with y > 0; y the outcome, x the same before.

    w, wy: sums of 10^8 / probability in basis points, and of that times y.
    """

    n: int = 0
    hits: int = 0
    y: int = 0
    yy: int = 0
    x: int = 0
    xx: int = 0
    xy: int = 0
    w: int = 0
    wy: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Sums(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def mean(self) -> float:
        """Outcome per person; 0 without persons."""
        return self.y / self.n if self.n else 0.0

    @property
    def weighted_mean(self) -> float:
        """The same as if everybody had the same probability of the arm (Hájek)."""
        return self.wy / self.w if self.w else 0.0


def _centred(a: int, b: int, ab: int, n: int) -> float:
    # Exact in integers, divided once: large sums of fen would lose digits otherwise.
    return (n * ab - a * b) / n


class Effect(msgspec.Struct, frozen=True):
    """A difference of means (arm − control), adjusted by CUPED; `variance`: of the difference.

    variance_cut: how much of the variance the adjustment took away, 0…1.
    """

    difference: float
    variance: float
    variance_cut: float


def effect(control: Sums, arm: Sums) -> Effect | None:
    """What the arm does; None as long as there is too little to speak of."""
    if min(control.n, arm.n) < READY_PERSONS or control.hits + arm.hits < READY_HITS:
        return None
    sxx = sum(_centred(s.x, s.x, s.xx, s.n) for s in (control, arm))
    sxy = sum(_centred(s.x, s.y, s.xy, s.n) for s in (control, arm))
    theta = sxy / sxx if sxx > 0 else 0.0

    def variance(s: Sums, slope: float) -> float:
        syy, sxy, sxx = (
            _centred(s.y, s.y, s.yy, s.n),
            _centred(s.x, s.y, s.xy, s.n),
            _centred(s.x, s.x, s.xx, s.n),
        )
        return max(0.0, syy - 2 * slope * sxy + slope * slope * sxx) / (s.n - 1) / s.n

    raw = variance(control, 0) + variance(arm, 0)
    adjusted = variance(control, theta) + variance(arm, theta)
    if adjusted <= 0:
        return None
    before = arm.x / arm.n - control.x / control.n
    return Effect(arm.mean - control.mean - theta * before, adjusted, 1 - adjusted / raw)


def radius(variance: float, tau: float, alpha: float) -> float:
    """Half the width of the confidence sequence at level 1 − alpha.

    tau: the size of difference that is looked for, fixed beforehand; any tau > 0 is right, a good
    guess makes it narrow.
    """
    wide = variance + tau * tau
    return math.sqrt(
        variance * wide / (tau * tau) * (math.log(wide / variance) - 2 * math.log(alpha))
    )


def p_value(difference: float, variance: float, tau: float) -> float:
    """The p-value at this moment; the smallest of all moments so far is valid at any time."""
    wide = variance + tau * tau
    ratio = 0.5 * math.log(variance / wide) + (
        tau * tau * difference * difference / (2 * variance * wide)
    )
    return 1.0 if ratio <= 0 else math.exp(-ratio)


def variance_needed(effect_size: float, tau: float, alpha: float, power: float = 0.8) -> float:
    """How small the variance of the difference must be, for a true difference of this size to
    stand outside the interval with this power. By bisection on the logarithm."""
    z = NormalDist().inv_cdf(power)
    low, high = math.log(effect_size**2) - 30, math.log(effect_size**2)
    for _ in range(60):
        middle = (low + high) / 2
        variance = math.exp(middle)
        fits = radius(variance, tau, alpha) + z * math.sqrt(variance) <= effect_size
        low, high = (middle, high) if fits else (low, middle)
    return math.exp(low)


def chi_square_tail(x: float, degrees: int) -> float:
    """P(X > x) for a chi-square variable, by its closed forms (Abramowitz, Stegun 26.4.4-5)."""
    if x <= 0:
        return 1.0
    half = x / 2
    if degrees % 2:
        tail, term = math.erfc(math.sqrt(half)), math.sqrt(half) * math.exp(-half) / math.gamma(1.5)
        start = 3
    else:
        tail, term = math.exp(-half), half * math.exp(-half)
        start = 4
    for k in range(start, degrees + 1, 2):
        tail += term
        term *= half / (k / 2)
    return min(1.0, tail)


def uneven_p(counts: Sequence[int], weights: Sequence[int]) -> float:
    """Sample-ratio test: how often chance makes shares as far from the weights as these."""
    total, whole = sum(counts), sum(weights)
    if not total:
        return 1.0
    expected = [total * weight / whole for weight in weights]
    x = sum((n - e) ** 2 / e for n, e in zip(counts, expected, strict=True))
    return chi_square_tail(x, len(counts) - 1)


def best_probabilities(hits: Sequence[int], tries: Sequence[int]) -> list[float]:
    """For each arm the probability to have the highest rate, given what was seen (uniform prior).

    Integrates density_k(x) · Π cdf_j(x) over a grid that holds all but 10⁻⁸ of every arm; they
    are made to add up to 1.
    """
    shapes = [(h + 1, t - h + 1) for h, t in zip(hits, tries, strict=True)]
    edges = []
    for a, b in shapes:
        mean, spread = a / (a + b), math.sqrt(a * b / (a + b + 1)) / (a + b)
        edges += [mean - 6 * spread, mean + 8 * spread]
    low, high = max(0.0, min(edges)), min(1.0, max(edges))
    step = (high - low) / _GRID
    xs = [low + (i + 0.5) * step for i in range(_GRID)]
    logs = [(math.log(x), math.log1p(-x)) for x in xs]
    cells = []
    for a, b in shapes:
        weights = [(a - 1) * lx + (b - 1) * ly for lx, ly in logs]
        top = max(weights)
        masses = [math.exp(weight - top) for weight in weights]
        whole = sum(masses)
        cells.append([mass / whole for mass in masses])
    chances = [0.0] * len(shapes)
    below = [0.0] * len(shapes)
    for i in range(_GRID):
        at = [below[j] + cell[i] / 2 for j, cell in enumerate(cells)]
        product = math.prod(at)
        for k, cell in enumerate(cells):
            if at[k] > 0:
                chances[k] += cell[i] * product / at[k]
        for j, cell in enumerate(cells):
            below[j] += cell[i]
    whole = sum(chances)
    return [chance / whole for chance in chances]


def bandit_weights(hits: Sequence[int], tries: Sequence[int], floor_bps: int = 20) -> list[int]:
    """Thompson sampling's probabilities in basis points, adding up to 10,000.

    Before anything is seen an arm is taken to be like the others: as if it had one hit at their
    common rate. A uniform prior would expect half of all to click, and try bad arms for long.
    No arm falls below the floor: every arm stays measurable, and a rate that changes is noticed.
    """
    common = (sum(hits) + 1) / (sum(tries) + 2)
    misses = int(1 / common - 1)
    chances = best_probabilities(hits, [n + misses for n in tries])
    spare = 10_000 - floor_bps * len(chances)
    weights = [floor_bps + int(chance * spare) for chance in chances]
    weights[chances.index(max(chances))] += 10_000 - sum(weights)
    return weights
