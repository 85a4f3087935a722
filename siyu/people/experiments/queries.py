"""All SQL of the experiments domain."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.people.experiments.contracts import Experiment, ExperimentDraft, StoryEntry

_EXPERIMENT = """e.experiment_id, e.experiment_no, e.key, e.name, e.hypothesis, e.surface,
  e.product_id, e.product_no, e.method, e.audience, e.layer, e.share_bps, e.metric, e.event,
  e.window_days, e.baseline_micro, e.effect_bps, e.guards, e.arms, e.state, e.version, e.round,
  e.weights_bps, e.slot_from, e.created_at, e.started_at, e.round_at, e.ended_at, e.winner_arm,
  e.is_settled"""
_PERSONS = """(select count(*) from experiments.assignments a
  where a.shop_id = e.shop_id and a.experiment_id = e.experiment_id) as person_count"""
_NOT_COUNTED = "0 as person_count"


class SettingsRow(msgspec.Struct, frozen=True):
    """How a shop shares people out."""

    salt: str
    holdout_bps: int
    last_no: int


class AssignmentRow(msgspec.Struct, frozen=True):
    """What a person was first shown."""

    experiment_id: UUID
    arm: str
    round: int
    probability_bps: int


# --- settings ---------------------------------------------------------------------------------


async def get_settings(tx: ReadTx) -> SettingsRow | None:
    """The shop's own; None before its first experiment."""
    return await tx.maybe(
        SettingsRow,
        "select salt, holdout_bps, last_no from experiments.settings where shop_id = $1",
        tx.shop_id,
    )


async def lock_settings(tx: Tx, fresh_salt: str) -> SettingsRow:
    """The shop's own, made at the first call: whoever holds it shares out numbers and layers."""
    await tx.run(
        """insert into experiments.settings (shop_id, salt) values ($1, $2)
           on conflict (shop_id) do nothing""",
        tx.shop_id,
        fresh_salt,
    )
    return await tx.one(
        SettingsRow,
        """select salt, holdout_bps, last_no from experiments.settings where shop_id = $1
           for no key update""",
        tx.shop_id,
    )


async def set_holdout(tx: Tx, holdout_bps: int) -> None:
    """Under the lock of the settings."""
    await tx.run(
        "update experiments.settings set holdout_bps = $2 where shop_id = $1",
        tx.shop_id,
        holdout_bps,
    )


# --- experiments ------------------------------------------------------------------------------


async def insert_experiment(
    tx: Tx, experiment_id: UUID, draft: ExperimentDraft, at: datetime
) -> bool:
    """A draft under the next number, with the settings locked; False when its key is taken."""
    return bool(
        await tx.run(
            """with number as (
                 update experiments.settings set last_no = last_no + 1 where shop_id = $1
                   and not exists (select from experiments.experiments e
                     where e.shop_id = $1 and e.key = $3)
                 returning last_no)
               insert into experiments.experiments (shop_id, experiment_id, experiment_no, key,
                 name, hypothesis, surface, product_id, product_no, method, audience, layer,
                 share_bps, metric, event, window_days, baseline_micro, effect_bps, guards, arms,
                 state, created_at)
               select $1, $2, last_no, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                 $16, $17, $18, $19, 'draft', $20 from number""",
            tx.shop_id,
            experiment_id,
            *_written(draft),
            at,
        )
    )


async def update_draft(tx: Tx, experiment_id: UUID, draft: ExperimentDraft) -> None:
    """Write a draft anew."""
    await tx.run(
        """update experiments.experiments set key = $3, name = $4, hypothesis = $5, surface = $6,
             product_id = $7, product_no = $8, method = $9, audience = $10, layer = $11,
             share_bps = $12, metric = $13, event = $14, window_days = $15, baseline_micro = $16,
             effect_bps = $17, guards = $18, arms = $19
           where shop_id = $1 and experiment_id = $2 and state = 'draft'""",
        tx.shop_id,
        experiment_id,
        *_written(draft),
    )


def _written(draft: ExperimentDraft) -> list[Any]:
    return [
        draft.key,
        draft.name,
        draft.hypothesis,
        draft.surface,
        draft.product_id,
        draft.product_no,
        draft.method,
        draft.audience,
        draft.layer or draft.key,
        draft.share_bps,
        draft.metric,
        draft.event,
        draft.window_days,
        draft.baseline_micro,
        draft.effect_bps,
        msgspec.to_builtins(draft.guards),
        msgspec.to_builtins(draft.arms),
    ]


async def lock_experiment(tx: Tx, experiment_id: UUID) -> Experiment | None:
    """One experiment, held."""
    return await tx.maybe(
        Experiment,
        f"""select {_EXPERIMENT}, {_NOT_COUNTED} from experiments.experiments e
            where e.shop_id = $1 and e.experiment_id = $2 for no key update""",
        tx.shop_id,
        experiment_id,
    )


async def get_experiment(tx: ReadTx, experiment_id: UUID) -> Experiment | None:
    """One experiment with how many persons it has."""
    return await tx.maybe(
        Experiment,
        f"""select {_EXPERIMENT}, {_PERSONS} from experiments.experiments e
            where e.shop_id = $1 and e.experiment_id = $2""",
        tx.shop_id,
        experiment_id,
    )


async def list_experiments(tx: ReadTx, before_no: int | None, limit: int) -> list[Experiment]:
    """The newest first."""
    return await tx.all(
        Experiment,
        f"""select {_EXPERIMENT}, {_PERSONS} from experiments.experiments e
            where e.shop_id = $1 and ($2::int is null or e.experiment_no < $2)
            order by e.experiment_no desc limit $3""",
        tx.shop_id,
        before_no,
        limit,
    )


async def list_live(tx: ReadTx) -> list[Experiment]:
    """What the shop shows: what runs, and winners that stay. By number."""
    return await tx.all(
        Experiment,
        f"""select {_EXPERIMENT}, {_NOT_COUNTED} from experiments.experiments e
            where e.shop_id = $1 and (e.state = 'running' or e.is_settled)
            order by e.experiment_no""",
        tx.shop_id,
    )


async def list_running(tx: ReadTx) -> list[tuple[int, UUID]]:
    """(shop, experiment) of all that run, over all shops."""
    found = await tx.connection.fetch(
        """select shop_id, experiment_id from experiments.experiments where state = 'running'
           order by shop_id, experiment_no"""
    )
    return [(row["shop_id"], row["experiment_id"]) for row in found]


async def list_taken(tx: ReadTx, layer: str) -> list[tuple[int, int, UUID]]:
    """(from, share, experiment) of what runs in a layer."""
    found = await tx.connection.fetch(
        """select slot_from, share_bps, experiment_id from experiments.experiments
           where shop_id = $1 and layer = $2 and state = 'running' order by slot_from""",
        tx.shop_id,
        layer,
    )
    return [tuple(row) for row in found]


async def set_started(tx: Tx, experiment_id: UUID, slot_from: int, at: datetime) -> None:
    """It runs from now on."""
    await tx.run(
        """update experiments.experiments set state = 'running', slot_from = $3, started_at = $4,
             round_at = $4 where shop_id = $1 and experiment_id = $2""",
        tx.shop_id,
        experiment_id,
        slot_from,
        at,
    )


async def set_version(tx: Tx, changed: Experiment) -> None:
    """Arms, share, place, version, round and weights as they are from now on."""
    await tx.run(
        """update experiments.experiments set arms = $3, share_bps = $4, slot_from = $5,
             version = $6, round = $7, round_at = $8, weights_bps = $9
           where shop_id = $1 and experiment_id = $2""",
        tx.shop_id,
        changed.experiment_id,
        msgspec.to_builtins(changed.arms),
        changed.share_bps,
        changed.slot_from,
        changed.version,
        changed.round,
        changed.round_at,
        changed.weights_bps,
    )


async def set_ended(tx: Tx, experiment_id: UUID, at: datetime) -> None:
    """It stands still: everybody sees what is there anyway."""
    await tx.run(
        """update experiments.experiments set state = 'stopped', ended_at = $3
           where shop_id = $1 and experiment_id = $2""",
        tx.shop_id,
        experiment_id,
        at,
    )


async def set_concluded(
    tx: Tx, experiment_id: UUID, winner_arm: str, is_settled: bool, at: datetime
) -> None:
    """Somebody decided."""
    await tx.run(
        """update experiments.experiments set state = 'concluded', winner_arm = $3,
             is_settled = $4, ended_at = coalesce(ended_at, $5)
           where shop_id = $1 and experiment_id = $2""",
        tx.shop_id,
        experiment_id,
        winner_arm,
        is_settled,
        at,
    )


async def set_retired(tx: Tx, experiment_id: UUID) -> None:
    """The winner is no longer laid over what is there."""
    await tx.run(
        """update experiments.experiments set is_settled = false
           where shop_id = $1 and experiment_id = $2""",
        tx.shop_id,
        experiment_id,
    )


async def set_weights(tx: Tx, experiment_id: UUID, weights_bps: list[int]) -> None:
    """What a bandit gives its arms from now on."""
    await tx.run(
        """update experiments.experiments set weights_bps = $3
           where shop_id = $1 and experiment_id = $2 and state = 'running'""",
        tx.shop_id,
        experiment_id,
        weights_bps,
    )


async def insert_version(tx: Tx, experiment: Experiment, by: str, why: str, at: datetime) -> None:
    """Keep what runs from now on."""
    await tx.run(
        """insert into experiments.versions (shop_id, experiment_id, version, round, arms,
             share_bps, made_at, made_by, why) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        tx.shop_id,
        experiment.experiment_id,
        experiment.version,
        experiment.round,
        msgspec.to_builtins(experiment.arms),
        experiment.share_bps,
        at,
        by,
        why,
    )


async def insert_story(
    tx: Tx,
    experiment_id: UUID,
    event: str,
    actor: str,
    at: datetime,
    *,
    text: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Note what happened."""
    await tx.run(
        """insert into experiments.story (shop_id, experiment_id, entry_id, at, event, actor, text,
             detail) values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tx.shop_id,
        experiment_id,
        new_id(),
        at,
        event,
        actor,
        text,
        detail or {},
    )


async def list_story(tx: ReadTx, experiment_id: UUID, limit: int) -> list[StoryEntry]:
    """What happened, the newest first."""
    return await tx.all(
        StoryEntry,
        """select at, event, actor, text, detail from experiments.story
           where shop_id = $1 and experiment_id = $2 order by entry_id desc limit $3""",
        tx.shop_id,
        experiment_id,
        limit,
    )


# --- assignments ------------------------------------------------------------------------------


async def list_assignments(tx: ReadTx, person_nos: Sequence[int]) -> list[AssignmentRow]:
    """What a person was shown under any of their numbers; per experiment the first counts."""
    return await tx.all(
        AssignmentRow,
        """select distinct on (experiment_id) experiment_id, arm, round, probability_bps
           from experiments.assignments where shop_id = $1 and person_no = any($2::bigint[])
           order by experiment_id, first_at, person_no""",
        tx.shop_id,
        person_nos,
    )


async def insert_exposures(
    tx: Tx, person_no: int, rows: Sequence[AssignmentRow], at: datetime, on: date
) -> set[UUID]:
    """Keep what a person is shown; those that are told for the first time on this day.

    One statement, in the order of experiments, so that two requests of one person queue up.
    """
    ordered = sorted(rows, key=lambda row: row.experiment_id)
    found = await tx.connection.fetch(
        """insert into experiments.assignments as a (shop_id, experiment_id, person_no, arm, round,
             probability_bps, first_at, seen_on)
           select $1, t.experiment_id, $2, t.arm, t.round, t.probability_bps, $3, $4
           from unnest($5::uuid[], $6::text[], $7::int[], $8::int[])
             as t (experiment_id, arm, round, probability_bps)
           on conflict (shop_id, experiment_id, person_no) do update set seen_on = excluded.seen_on
             where a.seen_on < excluded.seen_on
           returning a.experiment_id""",
        tx.shop_id,
        person_no,
        at,
        on,
        [row.experiment_id for row in ordered],
        [row.arm for row in ordered],
        [row.round for row in ordered],
        [row.probability_bps for row in ordered],
    )
    return {row["experiment_id"] for row in found}
