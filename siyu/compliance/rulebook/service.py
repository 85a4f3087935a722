"""Verbs of the rulebook."""

from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

import msgspec

from siyu.compliance.rulebook import queries
from siyu.compliance.rulebook.contracts import (
    BadPolicy,
    Draft,
    Feature,
    FeaturePaused,
    Finding,
    Override,
    Pack,
    PointsNearLimit,
    Policy,
    RuleBroken,
    Standing,
    Verdict,
    Violation,
    ViolationNotFound,
)
from siyu.compliance.rulebook.rules import checking, pack
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id

POINTS_COUNT = timedelta(days=365)
OVERRIDE_LASTS = timedelta(days=30)
DEFAULT_POLICY = Policy(100, 60, 80, list(Feature))
"""Until a shop says otherwise: 100 points as the limit, warned at 60, everything pauses at 80."""


def pack_in_force() -> Pack:
    """The rules as they are now."""
    return pack.pack_in_force()


def content_hash(draft: Draft) -> str:
    """What an override is granted for."""
    return checking.content_hash(draft)


async def check(tx: ReadTx, draft: Draft) -> list[Finding]:
    """Which rules a draft breaks, the gravest first; those overridden for it say so."""
    findings = checking.check(draft, pack.pack_in_force())
    if not findings:
        return []
    standing = {
        row.rule_id: row.override_id
        for row in await queries.list_standing(tx, checking.content_hash(draft), clock.now())
    }
    return [msgspec.structs.replace(one, override_id=standing.get(one.rule_id)) for one in findings]


async def must_pass(tx: Tx, draft: Draft) -> list[Finding]:
    """Stop what a rule blocks, at design and at send time; returns what is left to say.

    An override lets it pass and counts. Raises RuleBroken with the findings that block.
    """
    findings = await check(tx, draft)
    blocking = [one for one in findings if one.verdict is Verdict.BLOCK and not one.override_id]
    if blocking:
        raise RuleBroken(
            zh=blocking[0].message.zh,
            en=blocking[0].message.en,
            rules=[one.rule_id for one in blocking],
            excerpts=[one.excerpt for one in blocking],
        )
    if used := {one.override_id for one in findings if one.override_id}:
        await queries.count_use(tx, sorted(used))
    return findings


async def grant_override(
    tx: Tx, *, rule_id: str, content: str, reason: str, asked_by: str, granted_by: Actor
) -> UUID:
    """Let a content (its hash) break a rule for thirty days. Called by the sign-off chain only."""
    now = clock.now()
    made = Override(
        new_id(), rule_id, pack.pack_in_force().version, content, reason, asked_by,
        granted_by.actor, now, now + OVERRIDE_LASTS, 0,
    )  # fmt: skip
    await queries.insert_override(tx, made)
    audit(
        tx,
        granted_by,
        "rulebook.override_granted",
        ("rule", rule_id),
        after={"content_hash": content, "reason": reason, "asked_by": asked_by},
    )
    return made.override_id


async def list_overrides(tx: ReadTx) -> list[Override]:
    """The newest overrides, those that are over too."""
    return await queries.list_overrides(tx, 200)


# --- violations -----------------------------------------------------------------------------------


async def note_violation(
    tx: Tx,
    actor: Actor,
    *,
    happened_at: datetime,
    source: Literal["platform", "own"],
    rule_id: str | None,
    points: int,
    what: str,
) -> Standing:
    """Keep what is held against the shop; tells PointsNearLimit when a line is crossed."""
    before = await get_standing(tx)
    made = Violation(
        new_id(), happened_at, source, rule_id, points, what, "open", "", actor.actor_name,
        clock.now(),
    )  # fmt: skip
    await queries.insert_violation(tx, made)
    audit(
        tx,
        actor,
        "rulebook.violation_noted",
        ("violation", made.violation_id),
        after={"points": points, "what": what, "source": source},
    )
    now = await get_standing(tx)
    if now.level not in ("calm", before.level):
        emit(
            tx,
            PointsNearLimit(
                points=now.points, limit_points=now.policy.limit_points, level=now.level
            ),
        )
    return now


async def move_violation(
    tx: Tx, actor: Actor, violation_id: UUID, state: str, note: str
) -> Violation:
    """Appeal, or note how an appeal ended; a withdrawn one no longer counts."""
    moved = await queries.move_violation(tx, violation_id, state, note)
    if moved is None:
        raise ViolationNotFound
    audit(
        tx,
        actor,
        "rulebook.violation_moved",
        ("violation", violation_id),
        after={"state": state, "note": note},
    )
    return moved


async def list_violations(tx: ReadTx) -> list[Violation]:
    """The newest violations."""
    return await queries.list_violations(tx, 200)


async def get_standing(tx: ReadTx) -> Standing:
    """The points that count now, and what pauses for them."""
    policy = await queries.get_policy(tx) or DEFAULT_POLICY
    points = await queries.sum_points(tx, clock.now() - POINTS_COUNT)
    level = cast(Literal["calm", "alert", "paused"], checking.level_of(points, policy))
    return Standing(points, policy, level, policy.features if level == "paused" else [])


async def must_be_open(tx: ReadTx, feature: Feature) -> None:
    """Stop a feature that the points have paused (F098). Raises FeaturePaused."""
    if feature in (await get_standing(tx)).paused:
        raise FeaturePaused(feature=feature)


async def save_policy(tx: Tx, actor: Actor, policy: Policy) -> Standing:
    """Put another policy in force. Raises BadPolicy."""
    if not 0 < policy.alert_points <= policy.pause_points <= policy.limit_points <= 10_000:
        raise BadPolicy
    before = await queries.get_policy(tx) or DEFAULT_POLICY
    await queries.save_policy(tx, policy, clock.now())
    audit(
        tx,
        actor,
        "rulebook.policy_saved",
        ("shop", tx.shop_id),
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(policy),
    )
    return await get_standing(tx)
