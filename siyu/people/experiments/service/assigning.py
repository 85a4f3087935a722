"""What a person is shown, and telling that they were."""

from collections.abc import Collection, Sequence

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.merchant.shops import service as shops
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.experiments import queries
from siyu.people.experiments.contracts import (
    WHOLE_BPS,
    Experiment,
    ExperimentState,
    Exposed,
    Variant,
)
from siyu.people.experiments.rules import assigning
from siyu.people.members import service as members
from siyu.people.members.contracts import Identity


def settled(experiment: Experiment) -> Variant:
    """What a concluded experiment shows to everybody outside the hold-out."""
    assert experiment.winner_arm is not None
    return _variant(experiment, experiment.winner_arm, WHOLE_BPS, experiment.round)


def _variant(experiment: Experiment, arm: str, probability_bps: int, round_: int) -> Variant:
    payload = next(one.payload for one in experiment.arms if one.key == arm)
    return Variant(
        experiment.experiment_id,
        experiment.experiment_no,
        experiment.key,
        experiment.surface,
        experiment.product_id,
        arm,
        payload,
        probability_bps,
        round_,
        experiment.state is ExperimentState.CONCLUDED,
    )


async def list_live(tx: ReadTx) -> list[Experiment]:
    """What runs, and what was concluded and stays, by number."""
    return await queries.list_live(tx)


async def is_held_out(tx: ReadTx, person_no: int) -> bool:
    """Whether the person belongs to the permanent hold-out: no experiment, no outreach."""
    settings = await queries.get_settings(tx)
    if settings is None or settings.holdout_bps == 0:
        return False
    return assigning.is_held_out(
        settings.salt, settings.holdout_bps, await _identities(tx, person_no)
    )


async def held_out_of(tx: ReadTx, persons: Sequence[int]) -> set[int]:
    """Those of the persons who belong to the permanent hold-out, in one trip."""
    settings = await queries.get_settings(tx)
    if settings is None or settings.holdout_bps == 0:
        return set()
    first = await members.first_numbers(tx, persons)
    return {
        one
        for one in persons
        if assigning.bucket(settings.salt, "holdout", first.get(one, one)) < settings.holdout_bps
    }


async def _identities(tx: ReadTx, person_no: int) -> list[Identity]:
    found = await members.list_identities(tx, person_no)
    return found or [Identity(person_no, clock.now())]


async def list_variants(
    tx: ReadTx, person_no: int, live: Sequence[Experiment] | None = None
) -> list[Variant]:
    """What a person is shown now, by number of the experiment; nothing is told, nothing kept.

    Whoever was shown an arm under any of their numbers keeps it, and of several the first. The
    caller has made sure that the person agreed to analytics, or uses `variant_of`.
    """
    live = await queries.list_live(tx) if live is None else live
    settings = await queries.get_settings(tx)
    if settings is None or not live:
        return []
    identities = await _identities(tx, person_no)
    if assigning.is_held_out(settings.salt, settings.holdout_bps, identities):
        return []
    numbers = [one.person_no for one in identities]
    known = {row.experiment_id: row for row in await queries.list_assignments(tx, numbers)}
    variants = []
    for experiment in live:
        kept = known.get(experiment.experiment_id)
        if experiment.is_settled:
            variants.append(settled(experiment))
        elif kept is not None:
            variants.append(_variant(experiment, kept.arm, kept.probability_bps, kept.round))
        elif assigning.takes_part(settings.salt, experiment, identities):
            arm, probability = assigning.arm_for(settings.salt, experiment, identities)
            variants.append(_variant(experiment, arm.key, probability, experiment.round))
    return variants


async def variant_of(tx: ReadTx, person_no: int, key: str) -> Variant | None:
    """What a person who agreed to analytics is shown of an experiment; None: what is there anyway.

    None also for whoever is held out, does not take part or has not agreed. A domain that shows it
    calls `expose` in the same transaction, for what was not shown must not be counted.
    """
    found = [one for one in await list_variants(tx, person_no) if one.key == key]
    if not found:
        return None
    agreed = found[0].is_settled or await consents.allows(tx, person_no, Purpose.ANALYTICS)
    return found[0] if agreed else None


async def expose(
    tx: Tx, person_no: int, keys: Collection[str], *, agreed: bool = False
) -> list[Variant]:
    """Note that a person is being shown these experiments; returns what.

    The first time fixes the arm; the event is emitted once per person, experiment and business
    day. agreed: the caller knows that the person agreed to analytics (a visitor says so each
    time); else the person's own decision counts, and without it nothing is kept.
    """
    if not agreed and not await consents.allows(tx, person_no, Purpose.ANALYTICS):
        return []
    shown = [one for one in await list_variants(tx, person_no) if one.key in keys]
    running = {one.experiment_id: one for one in shown if not one.is_settled}
    if not running:
        return shown
    now = clock.now()
    on = clock.business_day(now, (await shops.get_shop(tx)).time_zone)
    rows = [
        queries.AssignmentRow(one.experiment_id, one.arm, one.round, one.probability_bps)
        for one in running.values()
    ]
    for experiment_id in sorted(await queries.insert_exposures(tx, person_no, rows, now, on)):
        one = running[experiment_id]
        emit(
            tx,
            Exposed(
                person_no=person_no,
                experiment_no=one.experiment_no,
                key=one.key,
                arm=one.arm,
                cell=f"{one.round}{one.arm}",
                probability_bps=one.probability_bps,
            ),
        )
    return shown
