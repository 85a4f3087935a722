"""Making, starting, changing and ending experiments. Each change has its author and its reason."""

import secrets
from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock, moment
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.experiments import queries
from siyu.people.experiments.contracts import (
    WHOLE_BPS,
    Arm,
    BadDraft,
    Concluded,
    Experiment,
    ExperimentDraft,
    ExperimentNotFound,
    ExperimentState,
    HoldOut,
    KeyTaken,
    NotInState,
)
from siyu.people.experiments.rules import assigning

HOLDOUT_MOST_BPS = 2_000


async def get_experiment(tx: ReadTx, experiment_id: UUID) -> Experiment:
    """One experiment. Raises ExperimentNotFound."""
    found = await queries.get_experiment(tx, experiment_id)
    if found is None:
        raise ExperimentNotFound
    return found


async def _lock(tx: Tx, experiment_id: UUID, *states: ExperimentState) -> Experiment:
    # The settings first: whoever changes what runs has the layers to himself.
    await queries.lock_settings(tx, secrets.token_hex(16))
    found = await queries.lock_experiment(tx, experiment_id)
    if found is None:
        raise ExperimentNotFound
    if found.state not in states:
        raise NotInState(state=found.state)
    return found


async def _tell(
    tx: Tx, actor: Actor, experiment_id: UUID, event: str, text: str = "", **detail: object
) -> None:
    await queries.insert_story(
        tx, experiment_id, event, actor.actor_name, clock.now(), text=text, detail=detail
    )
    audit(
        tx,
        actor,
        f"experiments.{event}",
        ("experiment", experiment_id),
        after={"why": text, **detail} if text else detail or None,
    )
    moment.forget(tx.shop_id)


async def make_experiment(tx: Tx, actor: Actor, draft: ExperimentDraft) -> Experiment:
    """Write an experiment down. Raises BadDraft, KeyTaken."""
    assigning.check_draft(draft)
    await queries.lock_settings(tx, secrets.token_hex(16))
    experiment_id = new_id()
    if not await queries.insert_experiment(tx, experiment_id, draft, clock.now()):
        raise KeyTaken(key=draft.key)
    await _tell(tx, actor, experiment_id, "created")
    return await get_experiment(tx, experiment_id)


async def edit_draft(
    tx: Tx, actor: Actor, experiment_id: UUID, draft: ExperimentDraft
) -> Experiment:
    """Write a draft anew; the key stays. Raises BadDraft, NotInState, ExperimentNotFound."""
    assigning.check_draft(draft)
    before = await _lock(tx, experiment_id, ExperimentState.DRAFT)
    if draft.key != before.key:
        raise BadDraft(reason="key")
    await queries.update_draft(tx, experiment_id, draft)
    await _tell(tx, actor, experiment_id, "edited")
    return await get_experiment(tx, experiment_id)


async def start_experiment(tx: Tx, actor: Actor, experiment_id: UUID) -> Experiment:
    """Show it from now on, to its share of its layer. Raises LayerFull, NotInState."""
    draft = await _lock(tx, experiment_id, ExperimentState.DRAFT)
    taken = [(start, share) for start, share, _ in await queries.list_taken(tx, draft.layer)]
    slot = assigning.free_slot(taken, draft.share_bps)
    now = clock.now()
    await queries.set_started(tx, experiment_id, slot, now)
    await queries.insert_version(tx, draft, actor.actor_name, "", now)
    await _tell(tx, actor, experiment_id, "started", share_bps=draft.share_bps)
    return await get_experiment(tx, experiment_id)


async def ramp_experiment(
    tx: Tx, actor: Actor, experiment_id: UUID, share_bps: int, why: str
) -> Experiment:
    """Give it more of its layer; nobody who takes part is moved, so the figures go on.

    The share never shrinks, for whoever was shown an arm keeps it: to take people out, stop.
    Raises LayerFull, BadDraft, NotInState.
    """
    before = await _lock(tx, experiment_id, ExperimentState.RUNNING)
    if not before.share_bps < share_bps <= WHOLE_BPS:
        raise BadDraft(reason="share")
    assert before.slot_from is not None
    # Its own place and what is free behind it: the others of the layer stay where they are.
    others = [
        (start, share)
        for start, share, other in await queries.list_taken(tx, before.layer)
        if other != experiment_id
    ]
    assigning.check_room(others, before.slot_from, share_bps)
    return await _make_version(
        tx, actor, before, msgspec.structs.replace(before, share_bps=share_bps), "ramped", why
    )


async def change_arms(
    tx: Tx, actor: Actor, experiment_id: UUID, arms: Sequence[Arm], why: str
) -> Experiment:
    """Other forms or weights: a new round begins, and only who is first shown something in it is
    read. Whoever has an arm keeps its name, so arms can be added but not taken away.

    Raises BadDraft, NotInState.
    """
    before = await _lock(tx, experiment_id, ExperimentState.RUNNING)
    assigning.check_arms(before.surface, arms)
    if len(arms) < len(before.arms):
        raise BadDraft(reason="arms")
    changed = msgspec.structs.replace(
        before,
        arms=list(arms),
        round=before.version + 1,
        round_at=clock.now(),
        weights_bps=None,
    )
    return await _make_version(tx, actor, before, changed, "changed", why)


async def _make_version(
    tx: Tx, actor: Actor, before: Experiment, changed: Experiment, event: str, why: str
) -> Experiment:
    changed = msgspec.structs.replace(changed, version=before.version + 1)
    await queries.set_version(tx, changed)
    await queries.insert_version(tx, changed, actor.actor_name, why, clock.now())
    await _tell(
        tx,
        actor,
        before.experiment_id,
        event,
        why,
        version=changed.version,
        share_bps=changed.share_bps,
        weights_bps=[arm.weight_bps for arm in changed.arms],
    )
    return await get_experiment(tx, before.experiment_id)


async def stop_experiment(
    tx: Tx, actor: Actor, experiment_id: UUID, why: str, *, by_guard: bool = False
) -> Experiment:
    """Show everybody what is there anyway; what was learnt stays readable. Raises NotInState."""
    await _lock(tx, experiment_id, ExperimentState.RUNNING)
    await queries.set_ended(tx, experiment_id, clock.now())
    await _tell(tx, actor, experiment_id, "guard_stopped" if by_guard else "stopped", why)
    return await get_experiment(tx, experiment_id)


async def conclude_experiment(
    tx: Tx, actor: Actor, experiment_id: UUID, winner_arm: str, why: str
) -> Experiment:
    """Decide: everybody outside the hold-out is shown the winner from now on.

    With the control as winner everything stays as it is anyway. Raises BadDraft, NotInState.
    """
    before = await _lock(tx, experiment_id, ExperimentState.RUNNING, ExperimentState.STOPPED)
    payload = next((arm.payload for arm in before.arms if arm.key == winner_arm), None)
    if payload is None:
        raise BadDraft(reason="winner_arm")
    stays = bool(payload)
    await queries.set_concluded(tx, experiment_id, winner_arm, stays, clock.now())
    await _tell(tx, actor, experiment_id, "concluded", why, winner_arm=winner_arm)
    emit(
        tx,
        Concluded(
            experiment_id=experiment_id,
            key=before.key,
            surface=before.surface,
            product_id=before.product_id,
            winner_arm=winner_arm,
            payload=payload,
            is_settled=stays,
        ),
    )
    return await get_experiment(tx, experiment_id)


async def retire_experiment(tx: Tx, actor: Actor, experiment_id: UUID, why: str) -> Experiment:
    """Lay the winner over what is there no longer: it was written into the goods, or is old."""
    before = await _lock(tx, experiment_id, ExperimentState.CONCLUDED)
    if not before.is_settled:
        raise NotInState(state=before.state)
    await queries.set_retired(tx, experiment_id)
    await _tell(tx, actor, experiment_id, "retired", why)
    return await get_experiment(tx, experiment_id)


# --- the hold-out -----------------------------------------------------------------------------


async def get_holdout(tx: ReadTx) -> HoldOut:
    """How large the hold-out is."""
    settings = await queries.get_settings(tx)
    return HoldOut(0 if settings is None else settings.holdout_bps)


async def set_holdout(tx: Tx, actor: Actor, holdout_bps: int) -> HoldOut:
    """Make the hold-out larger. It never shrinks: whoever was in it would have seen too little to
    be like the others, and the comparison would be lost. Raises BadDraft.
    """
    before = await queries.lock_settings(tx, secrets.token_hex(16))
    if not before.holdout_bps <= holdout_bps <= HOLDOUT_MOST_BPS:
        raise BadDraft(reason="holdout_bps")
    await queries.set_holdout(tx, holdout_bps)
    audit(
        tx,
        actor,
        "experiments.holdout_set",
        ("shop", tx.shop_id),
        before={"holdout_bps": before.holdout_bps},
        after={"holdout_bps": holdout_bps},
    )
    moment.forget(tx.shop_id)
    return HoldOut(holdout_bps)
