"""Asking the warehouse how an experiment goes, and acting on the answer."""

from datetime import timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.experiments import queries
from siyu.people.experiments.contracts import (
    ExperimentPlan,
    ExperimentResults,
    ExperimentState,
    Finding,
    Method,
    Metric,
)
from siyu.people.experiments.rules import reading as rules
from siyu.people.experiments.rules import statistics
from siyu.people.experiments.rules.assigning import weights_of
from siyu.people.experiments.service.editing import get_experiment, stop_experiment
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions, Trial
from siyu.warehouse.query.contracts import Count, Measure, SeriesSpec, Step

SEEN = Step(tuple(f"behaviour.{n}" for n in ("expose", "click", "view", "cart", "share", "dwell")))
PLAN_DAYS = 28
MOVED_BPS = 500
"""A bandit whose weights moved by this since its last note makes another."""


async def read_results(shop_id: ShopId, experiment_id: UUID) -> ExperimentResults:
    """How an experiment goes, out of one snapshot of the warehouse. Opens its own transactions.

    Raises ExperimentNotFound.
    """
    async with reading(shop_id) as tx:
        experiment = await get_experiment(tx, experiment_id)
        time_zone = (await shops.get_shop(tx)).time_zone
    now = clock.now()
    if experiment.state is ExperimentState.DRAFT:
        return rules.results(experiment, Trial([], 0), now)
    spec = rules.spec_of(shop_id, experiment, time_zone, now)
    answers = await engines.ask(Questions(trials=(spec,)))
    return rules.results(experiment, answers.trials[0], now)


async def review(shop_id: ShopId, experiment_id: UUID) -> None:
    """Look at a running experiment: a broken guard stops it, a bandit gets its new weights.

    Bears being run twice: what it does follows from what it sees.
    """
    found = await read_results(shop_id, experiment_id)
    async with transaction(shop_id) as tx:
        experiment = await queries.lock_experiment(tx, experiment_id)
        if experiment is None or experiment.state is not ExperimentState.RUNNING:
            return
        if found.verdict.finding is Finding.HARMFUL:
            broken = next(guard for guard in found.guards if guard.is_broken)
            why = f"{broken.metric}: {broken.arm} {broken.mean:.2%} > {broken.control:.2%}"
            await stop_experiment(tx, System(), experiment_id, why, by_guard=True)
        elif experiment.method is Method.BANDIT:
            hits, done = [arm.hits for arm in found.arms], [arm.done for arm in found.arms]
            weights = statistics.bandit_weights(hits, done)
            before = weights_of(experiment)
            await queries.set_weights(tx, experiment_id, weights)
            if max(abs(a - b) for a, b in zip(weights, before, strict=True)) >= MOVED_BPS:
                detail = {"weights_bps": weights, "hits": hits, "done": done}
                await queries.insert_story(
                    tx, experiment_id, "weighed", System().actor_name, clock.now(), detail=detail
                )


async def make_plan(
    shop_id: ShopId,
    *,
    metric: Metric,
    event: str | None,
    product_no: int | None,
    effect_bps: int,
    share_bps: int,
    arms: int,
    window_days: int,
) -> ExperimentPlan:
    """How long an experiment would take, by what the last 28 days were like.

    The baseline is the metric per person seen, in spans as long as the window.
    """
    async with reading(shop_id) as tx:
        time_zone = (await shops.get_shop(tx)).time_zone
    now = clock.now()
    outcome = rules.outcome_of(metric, event, product_no)
    window = timedelta(days=window_days)
    spans = [(now - window * (n + 1), now - window * n) for n in range(PLAN_DAYS // window_days)]
    spans = spans or [(now - window, now)]
    measures = (
        Measure(Count.PERSONS, SEEN),
        Measure(Count.PERSONS, outcome.step),
        Measure(outcome.count, outcome.step),
    )
    whole = ((now - timedelta(days=PLAN_DAYS), now),)
    [series, month] = (
        await engines.ask(
            Questions(
                series=(
                    SeriesSpec(
                        shop_id=shop_id,
                        measures=measures,
                        spans=tuple(reversed(spans)),
                        time_zone=time_zone,
                    ),
                    SeriesSpec(
                        shop_id=shop_id, measures=measures[:1], spans=whole, time_zone=time_zone
                    ),
                )
            )
        )
    ).series
    seen, buyers, total = (sum(span.totals[n] for span in series) for n in range(3))
    return rules.plan(
        metric,
        baseline=total / seen if seen else 0,
        buyers=buyers / seen if seen else 0,
        persons_a_day=month[0].totals[0] // PLAN_DAYS,
        effect_bps=effect_bps,
        share_bps=share_bps,
        arms=arms,
        window_days=window_days,
    )
