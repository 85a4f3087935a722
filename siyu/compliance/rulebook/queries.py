"""All SQL of the rulebook."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.compliance.rulebook.contracts import Override, Policy, Violation
from siyu.kernel.db import ReadTx, Tx

_OVERRIDE = """override_id, rule_id, pack, content_hash, reason, asked_by, granted_by, granted_at,
  expires_at, used_count"""
_VIOLATION = """violation_id, happened_at, source, rule_id, points, what, state, note, noted_by,
  noted_at"""


class StandingRow(msgspec.Struct, frozen=True):
    """An override that holds."""

    rule_id: str
    override_id: UUID


async def list_standing(tx: ReadTx, content_hash: str, now: datetime) -> list[StandingRow]:
    """Overrides that hold for a content."""
    return await tx.all(
        StandingRow,
        """select rule_id, override_id from rulebook.overrides
           where shop_id = $1 and content_hash = $2 and expires_at > $3""",
        *(tx.shop_id, content_hash, now),
    )


async def count_use(tx: Tx, overrides: Sequence[UUID]) -> None:
    """Note that overrides let something pass."""
    await tx.run(
        """update rulebook.overrides set used_count = used_count + 1
           where shop_id = $1 and override_id = any($2::uuid[])""",
        *(tx.shop_id, list(overrides)),
    )


async def insert_override(tx: Tx, one: Override) -> None:
    """Keep an override."""
    await tx.run(
        """insert into rulebook.overrides (shop_id, override_id, rule_id, pack, content_hash,
             reason, asked_by, granted_by, granted_at, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        *(tx.shop_id, one.override_id, one.rule_id, one.pack, one.content_hash, one.reason),
        *(one.asked_by, one.granted_by, one.granted_at, one.expires_at),
    )


async def list_overrides(tx: ReadTx, limit: int) -> list[Override]:
    """Newest first."""
    return await tx.all(
        Override,
        f"""select {_OVERRIDE} from rulebook.overrides where shop_id = $1
            order by override_id desc limit $2""",
        *(tx.shop_id, limit),
    )


async def insert_violation(tx: Tx, one: Violation) -> None:
    """Keep a violation."""
    await tx.run(
        """insert into rulebook.violations (shop_id, violation_id, happened_at, source, rule_id,
             points, what, state, note, noted_by, noted_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        *(tx.shop_id, one.violation_id, one.happened_at, one.source, one.rule_id, one.points),
        *(one.what, one.state, one.note, one.noted_by, one.noted_at),
    )


async def move_violation(tx: Tx, violation_id: UUID, state: str, note: str) -> Violation | None:
    """How an appeal goes on."""
    return await tx.maybe(
        Violation,
        f"""update rulebook.violations set state = $3, note = $4
            where shop_id = $1 and violation_id = $2 returning {_VIOLATION}""",
        *(tx.shop_id, violation_id, state, note),
    )


async def list_violations(tx: ReadTx, limit: int) -> list[Violation]:
    """Newest first."""
    return await tx.all(
        Violation,
        f"""select {_VIOLATION} from rulebook.violations where shop_id = $1
            order by happened_at desc, violation_id limit $2""",
        *(tx.shop_id, limit),
    )


async def sum_points(tx: ReadTx, since: datetime) -> int:
    """Points that count."""
    points: int = await tx.value(
        """select coalesce(sum(points), 0)::bigint from rulebook.violations
           where shop_id = $1 and happened_at > $2 and state <> 'withdrawn'""",
        *(tx.shop_id, since),
    )
    return points


async def get_policy(tx: ReadTx) -> Policy | None:
    """The shop's own policy."""
    return await tx.maybe(
        Policy,
        """select limit_points, alert_points, pause_points, features from rulebook.policies
           where shop_id = $1""",
        tx.shop_id,
    )


async def save_policy(tx: Tx, policy: Policy, at: datetime) -> None:
    """Put a policy in force."""
    await tx.run(
        """insert into rulebook.policies (shop_id, limit_points, alert_points, pause_points,
             features, updated_at) values ($1, $2, $3, $4, $5, $6)
           on conflict (shop_id) do update set limit_points = excluded.limit_points,
             alert_points = excluded.alert_points, pause_points = excluded.pause_points,
             features = excluded.features, updated_at = excluded.updated_at""",
        *(tx.shop_id, policy.limit_points, policy.alert_points, policy.pause_points),
        *([str(feature) for feature in policy.features], at),
    )
