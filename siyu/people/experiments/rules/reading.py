"""From exact sums to what may be said. Pure; the sums come from the warehouse."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from siyu.people.experiments.contracts import (
    WHOLE_BPS,
    ArmFigures,
    Experiment,
    ExperimentPlan,
    ExperimentResults,
    Finding,
    Guard,
    GuardFigures,
    Method,
    Metric,
    Point,
    Verdict,
)
from siyu.people.experiments.rules import statistics
from siyu.people.experiments.rules.assigning import PER_PERSON, weights_of
from siyu.people.experiments.rules.statistics import Sums
from siyu.warehouse.engines.contracts import Trial
from siyu.warehouse.query.contracts import Count, Outcome, Step, TrialSpec, Where

ALPHA = 0.05
UNEVEN = 0.001
"""Below this p-value the shares of the arms are no chance; small, for it is looked at daily."""
LEADS = 0.95
BEFORE = timedelta(days=28)
"""How far back CUPED looks."""

_PAID, _REFUNDED = "ordering.order_paid", "ordering.order_refunded"
_EVENTS: dict[Metric, tuple[Count, str]] = {
    Metric.CONVERSION: (Count.PERSONS, _PAID),
    Metric.ORDERS: (Count.EVENTS, _PAID),
    Metric.REVENUE: (Count.AMOUNT, _PAID),
    Metric.CLICK: (Count.PERSONS, "behaviour.click"),
    Metric.CART: (Count.PERSONS, "behaviour.cart"),
    Metric.REFUND: (Count.PERSONS, _REFUNDED),
    Metric.UNSUBSCRIBE: (Count.PERSONS, "consents.consent_decided"),
    Metric.COMPLAINT: (Count.PERSONS, "after_sale.case_opened"),
}


def outcome_of(metric: Metric, event: str | None, product_no: int | None) -> Outcome:
    """A metric as a question to the warehouse; clicks and carts of the product that is tried."""
    if metric is Metric.EVENT:
        assert event is not None
        return Outcome(Count.PERSONS, Step(event))
    count, name = _EVENTS[metric]
    where: tuple[Where, ...] = ()
    if metric in (Metric.CLICK, Metric.CART) and product_no is not None:
        where = (Where("item_no", "eq", product_no),)
    if metric is Metric.UNSUBSCRIBE:
        where = (Where("purpose", "eq", "marketing"), Where("granted", "eq", "false"))
    return Outcome(count, Step(name, where))


def spec_of(shop_id: int, experiment: Experiment, time_zone: str, now: datetime) -> TrialSpec:
    """The question about a started experiment: the metric first, then the guards.

    Up to now even when it has ended: windows that were open then are waited for, and a visitor
    who logged in later is known to be that member.
    """
    assert experiment.round_at is not None
    window = timedelta(days=experiment.window_days)
    outcomes = [outcome_of(experiment.metric, experiment.event, experiment.product_no)]
    outcomes += [outcome_of(guard.metric, None, None) for guard in experiment.guards]
    return TrialSpec(
        shop_id=shop_id,
        exposed=Step(
            "experiments.exposed", (Where("experiment_no", "eq", experiment.experiment_no),)
        ),
        arm="cell",
        chance="probability_bps",
        outcomes=tuple(outcomes),
        window=window,
        before=BEFORE,
        since=experiment.round_at,
        until=max(now, experiment.round_at + timedelta(microseconds=1)),
        time_zone=time_zone,
    )


class _Daily:
    """Sums of each arm day by day: days[d][arm] for one outcome; persons of all days."""

    def __init__(self, experiment: Experiment, trial: Trial) -> None:
        self.trial = trial
        self.number = {f"{experiment.round}{arm.key}": k for k, arm in enumerate(experiment.arms)}
        self.cells = [cell for cell in trial.cells if cell.arm in self.number]
        # A day on which nobody's window is over adds nothing.
        self.days = sorted({cell.on for cell in self.cells if cell.done})
        self.persons = [0] * len(experiment.arms)
        self.done = [0] * len(experiment.arms)
        for cell in self.cells:
            self.persons[self.number[cell.arm]] += cell.persons
            self.done[self.number[cell.arm]] += cell.done

    def growing(self, outcome: int) -> list[list[Sums]]:
        """Per day the sums of each arm up to its end."""
        sums = [Sums()] * len(self.persons)
        by_day: dict[object, list[tuple[int, Sums]]] = {day: [] for day in self.days}
        for cell in self.cells:
            if not cell.done:
                continue
            own = cell.outcomes[outcome]
            added = Sums(cell.done, own.hits, own.y, own.yy, own.x, own.xx, own.xy, cell.w, own.wy)
            by_day[cell.on].append((self.number[cell.arm], added))
        found = []
        for day in self.days:
            for k, added in by_day[day]:
                sums[k] = sums[k] + added
            found.append(list(sums))
        return found


class Narrowing:
    """The confidence sequence of one arm against the control, narrowed day by day."""

    def __init__(self, tau: float, alpha: float) -> None:
        self.tau, self.alpha = tau, alpha
        self.low, self.high, self.p = -math.inf, math.inf, 1.0
        self.last: statistics.Effect | None = None

    def look(self, control: Sums, arm: Sums) -> bool:
        """Take in the sums of a day; whether there is enough to speak of.

        Each interval holds the truth together with all others, so the truth lies in what they have
        in common. Where they have nothing in common the effect has changed: then the newest counts.
        """
        found = statistics.effect(control, arm)
        if found is None:
            return False
        radius = statistics.radius(found.variance, self.tau, self.alpha)
        low, high = found.difference - radius, found.difference + radius
        self.low, self.high = max(self.low, low), min(self.high, high)
        if self.low > self.high:
            self.low, self.high = low, high
        self.p = min(self.p, statistics.p_value(found.difference, found.variance, self.tau))
        self.last = found
        return True


def results(experiment: Experiment, trial: Trial, at: datetime) -> ExperimentResults:
    """Everything that is known of a started experiment."""
    daily = _Daily(experiment, trial)
    growing = daily.growing(0)
    sequences = [_sequence(experiment) for _ in experiment.arms[1:]]
    points: list[Point] = []
    for day, sums in zip(daily.days, growing, strict=True):
        for k, sequence in enumerate(sequences, 1):
            base = sums[0].mean
            if experiment.method is Method.SPLIT and sequence.look(sums[0], sums[k]) and base:
                assert sequence.last is not None
                difference = sequence.last.difference
                shown = (difference / base, sequence.low / base, sequence.high / base)
                points.append(Point(day, experiment.arms[k].key, *shown))
    sums = growing[-1] if growing else [Sums()] * len(experiment.arms)
    guards = [
        figures
        for n, guard in enumerate(experiment.guards, 1)
        for figures in _guard(experiment, guard, daily.growing(n))
    ]
    p = None
    if experiment.method is Method.SPLIT and any(daily.persons):
        p = statistics.uneven_p(daily.persons, [arm.weight_bps for arm in experiment.arms])
    arms = _arm_figures(experiment, daily, sums, sequences)
    needed = persons_needed(experiment, sums, sequences)
    verdict = _verdict(experiment, arms, guards, p)
    if verdict.finding is Finding.WAIT and needed is not None:
        verdict = Verdict(Finding.WAIT, None, _days_left(experiment, daily, needed, at))
    waiting = sum(daily.persons) - sum(daily.done)
    return ExperimentResults(at, verdict, arms, points, guards, p, trial.crossed, waiting, needed)


def tau_of(experiment: Experiment) -> float:
    """The difference that is looked for, in the metric's unit."""
    return experiment.baseline_micro / 1e6 * experiment.effect_bps / WHOLE_BPS


def _sequence(experiment: Experiment) -> Narrowing:
    # Bonferroni over the arms: all intervals hold together.
    return Narrowing(tau_of(experiment), ALPHA / (len(experiment.arms) - 1))


def _arm_figures(
    experiment: Experiment, daily: _Daily, sums: Sequence[Sums], sequences: Sequence[Narrowing]
) -> list[ArmFigures]:
    bandit = experiment.method is Method.BANDIT
    best: list[float | None] = [None] * len(sums)
    if bandit and any(daily.done):
        best = list(statistics.best_probabilities([s.hits for s in sums], [s.n for s in sums]))
    base = sums[0].mean
    found = []
    for k, (arm, own) in enumerate(zip(experiment.arms, sums, strict=True)):
        sequence = sequences[k - 1] if k else None
        last = None if sequence is None else sequence.last
        figures = ArmFigures(
            arm=arm.key,
            name=arm.name,
            weight_bps=weights_of(experiment)[k],
            persons=daily.persons[k],
            done=daily.done[k],
            hits=own.hits,
            mean=own.weighted_mean if bandit else own.mean,
            best=best[k],
        )
        if sequence is not None and last is not None:
            figures = msgspec.structs.replace(
                figures,
                difference=last.difference,
                low=sequence.low,
                high=sequence.high,
                relative=last.difference / base if base else None,
                relative_low=sequence.low / base if base else None,
                relative_high=sequence.high / base if base else None,
                p_value=min(1.0, sequence.p * len(sequences)),
                variance_cut=last.variance_cut,
            )
        found.append(figures)
    return found


def _guard(
    experiment: Experiment, guard: Guard, growing: Sequence[Sequence[Sums]]
) -> list[GuardFigures]:
    worse = guard.worse_bps / WHOLE_BPS
    found = []
    for k, arm in enumerate(experiment.arms[1:], 1):
        sequence = Narrowing(worse, ALPHA / (len(experiment.arms) - 1))
        for sums in growing:
            sequence.look(sums[0], sums[k])
        last = growing[-1] if growing else [Sums()] * len(experiment.arms)
        known = sequence.last is not None
        found.append(
            GuardFigures(
                guard.metric,
                arm.key,
                last[0].mean,
                last[k].mean,
                sequence.low if known else None,
                sequence.high if known else None,
                guard.worse_bps,
                known and sequence.low > worse,
            )
        )
    return found


def _verdict(
    experiment: Experiment,
    arms: Sequence[ArmFigures],
    guards: Sequence[GuardFigures],
    p: float | None,
) -> Verdict:
    if not sum(arm.persons for arm in arms):
        return Verdict(Finding.EMPTY, None, None)
    if p is not None and p < UNEVEN:
        return Verdict(Finding.UNEVEN, None, None)
    for guard in guards:
        if guard.is_broken:
            return Verdict(Finding.HARMFUL, guard.arm, None)
    if experiment.method is Method.BANDIT:
        enough = min(arm.done for arm in arms) >= statistics.READY_PERSONS
        leaders = [arm.arm for arm in arms if enough and (arm.best or 0) >= LEADS]
        if leaders:
            return Verdict(Finding.LEADER, leaders[0], None)
        return Verdict(Finding.WAIT, None, None)
    others = arms[1:]
    better = [arm for arm in others if arm.low is not None and arm.low > 0]
    if better:
        best = max(better, key=lambda arm: arm.difference or 0)
        return Verdict(Finding.BETTER, best.arm, None)
    if all(arm.high is not None and arm.high < 0 for arm in others):
        return Verdict(Finding.WORSE, arms[0].arm, None)
    tau = tau_of(experiment)
    known = [(arm.low, arm.high) for arm in others if arm.low is not None and arm.high is not None]
    if len(known) == len(others) and all(low > -tau and high < tau for low, high in known):
        return Verdict(Finding.SAME, arms[0].arm, None)
    return Verdict(Finding.WAIT, None, None)


# --- how long ---------------------------------------------------------------------------------


def spread_of(metric: Metric, baseline: float, buyers: float) -> float:
    """The variance of a metric over persons, guessed before anything was measured.

    A share p has p(1 - p). Orders and amounts of the `buyers` (share of persons) are taken to be
    spread like an exponential distribution: their mean square is twice the square of their mean.
    """
    if metric not in PER_PERSON:
        return min(baseline, 1.0) * max(1e-9, 1 - baseline)
    return 2 * baseline**2 / max(buyers, 1e-4) - baseline**2


def persons_needed(
    experiment: Experiment, sums: Sequence[Sums], sequences: Sequence[Narrowing]
) -> int | None:
    """How many persons all arms need until the wanted difference would be seen with a power of
    80 %.

    From the spread measured so far; before, from the baseline for shares, else None.
    """
    if experiment.method is Method.BANDIT:
        return None
    tau = tau_of(experiment)
    aim = statistics.variance_needed(tau, tau, ALPHA / len(sequences))
    ratios = [
        (sums[0].n + sums[k].n) / 2 * sequence.last.variance / aim
        for k, sequence in enumerate(sequences, 1)
        if sequence.last is not None
    ]
    if ratios:
        return math.ceil(max(ratios) * len(sums))
    if experiment.metric in PER_PERSON:
        return None
    spread = spread_of(experiment.metric, experiment.baseline_micro / 1e6, 1)
    return math.ceil(2 * spread / aim) * len(sums)


def _days_left(experiment: Experiment, daily: _Daily, needed: int, at: datetime) -> int | None:
    assert experiment.round_at is not None
    elapsed = max((at - experiment.round_at) / timedelta(days=1), 0.25)
    rate = sum(daily.persons) / elapsed
    if experiment.ended_at is not None or rate <= 0:
        return None
    return max(1, math.ceil((needed - sum(daily.done)) / rate))


def plan(
    metric: Metric,
    *,
    baseline: float,
    buyers: float,
    persons_a_day: int,
    effect_bps: int,
    share_bps: int,
    arms: int,
    window_days: int,
) -> ExperimentPlan:
    """How many persons and days it takes to see a relative difference with a power of 80 %."""
    baseline = max(baseline, 1e-6)
    tau = baseline * effect_bps / WHOLE_BPS
    aim = statistics.variance_needed(tau, tau, ALPHA / (arms - 1))
    persons = math.ceil(2 * spread_of(metric, baseline, buyers) / aim) * arms
    rate = persons_a_day * share_bps / WHOLE_BPS
    days = math.ceil(persons / rate) + window_days if rate > 0 else None
    return ExperimentPlan(round(baseline * 1e6), persons_a_day, persons, days)
