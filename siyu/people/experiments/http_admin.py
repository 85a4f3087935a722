"""Experiments in the console."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, get, post, put, staff
from siyu.people.experiments import service
from siyu.people.experiments.contracts import (
    Arm,
    ArmKey,
    Experiment,
    ExperimentDraft,
    ExperimentPlan,
    ExperimentResults,
    HoldOut,
    Metric,
    Reason,
    StoryEntry,
)

READ, WRITE = staff("insight.read"), staff("experiments.write")
STORY_SHOWN = 200


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class RampBody(_Body, frozen=True):
    """More of the layer, and why."""

    share_bps: Annotated[int, Meta(ge=1, le=10_000)]
    why: Reason


class ArmsBody(_Body, frozen=True):
    """Other forms or weights, and why."""

    arms: Annotated[list[Arm], Meta(min_length=2, max_length=6)]
    why: Reason


class WhyBody(_Body, frozen=True):
    """Why."""

    why: Reason


class ConcludeBody(_Body, frozen=True):
    """Which arm stays, and why."""

    winner_arm: ArmKey
    why: Reason


class HoldOutBody(_Body, frozen=True):
    """How large the hold-out is from now on."""

    holdout_bps: Annotated[int, Meta(ge=0, le=2_000)]


class ExperimentStory(msgspec.Struct, frozen=True):
    """What happened, the newest first."""

    items: list[StoryEntry]


@get("/experiments", access=READ)
async def list_experiments(
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Experiment]:
    """Experiments, the newest first."""
    after = decode_cursor(cursor, tuple[Annotated[int, Meta(ge=0, le=2**31 - 1)]])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_experiments(tx, after[0] if after else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.experiment_no])


@post("/experiments", access=WRITE)
async def make_experiment(data: ExperimentDraft, staff: StaffIdentity) -> Experiment:
    """Write an experiment down; nobody sees it before the start."""
    async with transaction(staff.shop_id) as tx:
        return await service.make_experiment(tx, staff, data)


@get("/experiments/{experiment_id:uuid}", access=READ)
async def show_experiment(experiment_id: UUID, staff: StaffIdentity) -> Experiment:
    """One experiment."""
    async with reading(staff.shop_id) as tx:
        return await service.get_experiment(tx, experiment_id)


@put("/experiments/{experiment_id:uuid}", access=WRITE)
async def edit_experiment(
    experiment_id: UUID, data: ExperimentDraft, staff: StaffIdentity
) -> Experiment:
    """Write a draft anew; 409 once it runs."""
    async with transaction(staff.shop_id) as tx:
        return await service.edit_draft(tx, staff, experiment_id, data)


@post("/experiments/{experiment_id:uuid}/start", access=WRITE)
async def start_experiment(experiment_id: UUID, staff: StaffIdentity) -> Experiment:
    """Show it from now on; 409 when its layer has not enough traffic left."""
    async with transaction(staff.shop_id) as tx:
        return await service.start_experiment(tx, staff, experiment_id)


@post("/experiments/{experiment_id:uuid}/ramp", access=WRITE)
async def ramp_experiment(experiment_id: UUID, data: RampBody, staff: StaffIdentity) -> Experiment:
    """Give it a larger share; a new version, and the figures go on."""
    async with transaction(staff.shop_id) as tx:
        return await service.ramp_experiment(tx, staff, experiment_id, data.share_bps, data.why)


@post("/experiments/{experiment_id:uuid}/arms", access=WRITE)
async def change_experiment_arms(
    experiment_id: UUID, data: ArmsBody, staff: StaffIdentity
) -> Experiment:
    """Change forms or weights while it runs; a new round, and the figures begin anew."""
    async with transaction(staff.shop_id) as tx:
        return await service.change_arms(tx, staff, experiment_id, data.arms, data.why)


@post("/experiments/{experiment_id:uuid}/stop", access=WRITE)
async def stop_experiment(experiment_id: UUID, data: WhyBody, staff: StaffIdentity) -> Experiment:
    """Show everybody what is there anyway; the figures stay."""
    async with transaction(staff.shop_id) as tx:
        return await service.stop_experiment(tx, staff, experiment_id, data.why)


@post("/experiments/{experiment_id:uuid}/conclude", access=WRITE)
async def conclude_experiment(
    experiment_id: UUID, data: ConcludeBody, staff: StaffIdentity
) -> Experiment:
    """Decide which arm stays, for everybody outside the hold-out."""
    async with transaction(staff.shop_id) as tx:
        return await service.conclude_experiment(
            tx, staff, experiment_id, data.winner_arm, data.why
        )


@post("/experiments/{experiment_id:uuid}/retire", access=WRITE)
async def retire_experiment(experiment_id: UUID, data: WhyBody, staff: StaffIdentity) -> Experiment:
    """Show a winner no longer: it was written into the goods themselves, or its time is over."""
    async with transaction(staff.shop_id) as tx:
        return await service.retire_experiment(tx, staff, experiment_id, data.why)


@get("/experiments/{experiment_id:uuid}/results", access=READ)
async def show_results(experiment_id: UUID, staff: StaffIdentity) -> ExperimentResults:
    """What may be said now: verdict, arms, the confidence sequence over time, guards."""
    return await service.read_results(staff.shop_id, experiment_id)


@get("/experiments/{experiment_id:uuid}/story", access=READ)
async def show_experiment_story(experiment_id: UUID, staff: StaffIdentity) -> ExperimentStory:
    """Every decision, by whom and why."""
    async with reading(staff.shop_id) as tx:
        await service.get_experiment(tx, experiment_id)
        return ExperimentStory(await service.list_story(tx, experiment_id, STORY_SHOWN))


@get("/experiments/plan", access=READ)
async def plan_experiment(
    staff: StaffIdentity,
    *,
    metric: Metric,
    event: Annotated[str | None, Parameter(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=80)] = None,
    product_no: Annotated[int | None, Parameter(ge=1, le=2**31 - 1)] = None,
    effect_bps: Annotated[int, Parameter(ge=100, le=10_000)] = 1_000,
    share_bps: Annotated[int, Parameter(ge=1, le=10_000)] = 10_000,
    arms: Annotated[int, Parameter(ge=2, le=6)] = 2,
    window_days: Annotated[int, Parameter(ge=1, le=60)] = 3,
) -> ExperimentPlan:
    """How many persons and days it takes to see a difference of this size, by the last 28 days."""
    return await service.make_plan(
        staff.shop_id,
        metric=Metric.CONVERSION if metric is Metric.EVENT and event is None else metric,
        event=event,
        product_no=product_no,
        effect_bps=effect_bps,
        share_bps=share_bps,
        arms=arms,
        window_days=window_days,
    )


@get("/experiments/holdout", access=READ)
async def show_holdout(staff: StaffIdentity) -> HoldOut:
    """How large the permanent hold-out is."""
    async with reading(staff.shop_id) as tx:
        return await service.get_holdout(tx)


@put("/experiments/holdout", access=WRITE)
async def change_holdout(data: HoldOutBody, staff: StaffIdentity) -> HoldOut:
    """Make the hold-out larger; it never shrinks."""
    async with transaction(staff.shop_id) as tx:
        return await service.set_holdout(tx, staff, data.holdout_bps)


routes = [
    list_experiments, make_experiment, plan_experiment, show_holdout, change_holdout,
    show_experiment, edit_experiment, start_experiment, ramp_experiment, change_experiment_arms,
    stop_experiment, conclude_experiment, retire_experiment, show_results, show_experiment_story,
]  # fmt: skip
