"""The policy of attention, and the frame of a decision."""

from datetime import datetime

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.merchant.shops import service as shops
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    OWED,
    Topic,
)
from siyu.people.outreach.contracts import (
    AttentionPolicy as Policy,
)
from siyu.people.outreach.contracts import (
    AttentionSettings as Settings,
)
from siyu.people.outreach.rules import attention
from siyu.people.outreach.service.plan_store import Frame

DAY_SECONDS = 86_400


async def get_settings(tx: ReadTx) -> Settings:
    """The policy in force; the program's own until the shop says otherwise."""
    row = await queries.get_settings(tx)
    if row is None:
        return Settings(Policy(), 0, None, None)
    return Settings(row.policy, row.version, row.changed_at, row.changed_by)


async def save_settings(tx: Tx, actor: Actor, policy: Policy) -> Settings:
    """Put another policy in force; what is planned already keeps its place."""
    now = clock.now()
    await queries.lock_settings(tx, Policy(), now)
    before = await get_settings(tx)
    await queries.save_settings(tx, policy, now, actor.actor_name)
    audit(
        tx,
        actor,
        "outreach.policy_saved",
        ("shop", tx.shop_id),
        before=msgspec.to_builtins(before.policy),
        after=msgspec.to_builtins(policy),
    )
    return await get_settings(tx)


async def frame_of(
    tx: ReadTx, topic: Topic, policy: Policy, at: datetime
) -> tuple[Frame, datetime]:
    """What a decision goes by, and when the message is due: after quiet hours if it advertises.

    The place it takes is one of the day on which it is due.
    """
    zone = await shops.get_time_zone(tx)
    is_capped = topic not in OWED
    due_at = attention.quiet_until(policy, at, zone) if is_capped else None
    on_day = clock.business_day(due_at or at, zone)
    month_from, month_days = attention.month_of(on_day)
    frame = Frame(
        topic, is_capped, policy.day, policy.week, policy.tired_at,
        policy.half_life_days * DAY_SECONDS, at, on_day, month_from, month_days,
    )  # fmt: skip
    return frame, due_at or at
