"""Profit sharing in the console: settings, rules, receivers, promoters, orders and alarms."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.db import reading, transaction
from siyu.kernel.http import (
    OnceKey,
    Page,
    StaffIdentity,
    decode_cursor,
    delete,
    get,
    post,
    put,
    staff,
)
from siyu.money.profit_sharing import service
from siyu.money.profit_sharing.contracts import (
    PlanRow,
    PlanState,
    Promoter,
    Receiver,
    ReceiverKind,
    ReceiverState,
    Relation,
    Rule,
    RuleDraft,
    Settings,
)
from siyu.money.profit_sharing.service.reading import PlanDetail

Limit = Annotated[int, Parameter(ge=1, le=100)]
_Bps = Annotated[int, Meta(ge=0, le=10_000)]
_Days = Annotated[int, Meta(ge=1, le=180)]
_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class SettingsBody(_Body, frozen=True):
    """What may be shared; see contracts.Settings."""

    max_ratio_bps: _Bps
    fee_bps: Annotated[int, Meta(ge=0, le=1000)]
    floor_fen: Annotated[int, Meta(ge=0, le=100_000_000)]
    freeze_days: _Days
    alarm_days: _Days


class ReceiverBody(_Body, frozen=True, kw_only=True):
    """A merchant by account (its number) and full name; a person by member_id, or by account (the
    id in the shop's app)."""

    kind: ReceiverKind
    account: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    member_id: UUID | None = None
    name: _Name | None = None
    relation: Relation
    custom_relation: Annotated[str, Meta(min_length=1, max_length=10)] | None = None


class AgainBody(_Body, frozen=True):
    """name: the right one, when WeChat refused the name."""

    name: _Name | None = None


class PromoterBody(_Body, frozen=True):
    """parent_id: the promoter of level 1 who brought this one; null: nobody."""

    parent_id: UUID | None


class DecisionBody(_Body, frozen=True):
    """split: try to split the refused parts again; otherwise they stay in commission balances."""

    split: bool


class ReviewBody(_Body, frozen=True):
    """release: the part flows as any other; otherwise nothing is owed of it, and `reason` says why
    (to staff: the promoter only sees that it was denied)."""

    release: bool
    reason: Annotated[str, Meta(min_length=2, max_length=200)] | None = None


class ReceiverStateView(msgspec.Struct, frozen=True):
    """Where a receiver stands at WeChat now."""

    receiver_id: UUID
    state: ReceiverState


@get("/split-settings", access=staff("money.read"))
async def get_split_settings(staff: StaffIdentity) -> Settings:
    """What the shop may share."""
    async with reading(staff.shop_id) as tx:
        return await service.get_settings(tx)


@put("/split-settings", access=staff("money.write"))
async def put_split_settings(staff: StaffIdentity, data: SettingsBody) -> Settings:
    """Write what the shop may share; 409 when rules in force share more (F035)."""
    async with transaction(staff.shop_id) as tx:
        settings = Settings(**msgspec.structs.asdict(data))
        return await service.set_settings(tx, staff, settings)


@get("/split-rules", access=staff("money.read"))
async def list_split_rules(staff: StaffIdentity, stopped: bool = False) -> list[Rule]:
    """The rules in force, and with `stopped` the others too; the oldest first."""
    async with reading(staff.shop_id) as tx:
        return await service.list_rules(tx, only_active=not stopped)


@post("/split-rules", access=staff("money.write"))
async def add_split_rule(staff: StaffIdentity, data: RuleDraft, once: OnceKey) -> Rule:
    """Put a rule in force for orders paid from now on; 409 beyond the ratio allowed (F035)."""
    async with transaction(staff.shop_id, once) as tx:
        return tx.answer(await service.add_rule(tx, staff, data))


@post("/split-rules/{rule_id:uuid}/stop", access=staff("money.write"))
async def stop_split_rule(staff: StaffIdentity, rule_id: UUID) -> Rule:
    """Take a rule out of force; orders that were paid under it keep it."""
    async with transaction(staff.shop_id) as tx:
        return await service.stop_rule(tx, staff, rule_id)


@get("/split-receivers", access=staff("money.read"))
async def list_split_receivers(staff: StaffIdentity) -> list[Receiver]:
    """Who may receive parts; names masked."""
    async with reading(staff.shop_id) as tx:
        return await service.list_receivers(tx)


@post("/split-receivers", access=staff("money.write"))
async def add_split_receiver(
    staff: StaffIdentity, data: ReceiverBody, once: OnceKey
) -> ReceiverStateView:
    """Add a receiver, here and at WeChat; `adding` when WeChat has not answered yet."""
    async with transaction(staff.shop_id, once) as tx:
        made = await service.add_receiver(tx, staff, **msgspec.structs.asdict(data))
        tx.answer(ReceiverStateView(made.receiver_id, made.state))
    state = await service.tell_wechat(staff.shop_id, made.receiver_id)
    return ReceiverStateView(made.receiver_id, state)


@post("/split-receivers/{receiver_id:uuid}/again", access=staff("money.write"))
async def try_split_receiver_again(
    staff: StaffIdentity, receiver_id: UUID, data: AgainBody
) -> ReceiverStateView:
    """Ask WeChat again for a receiver it refused."""
    async with transaction(staff.shop_id) as tx:
        await service.try_again(tx, staff, receiver_id, data.name)
    state = await service.tell_wechat(staff.shop_id, receiver_id)
    return ReceiverStateView(receiver_id, state)


@delete("/split-receivers/{receiver_id:uuid}", access=staff("money.write"))
async def remove_split_receiver(staff: StaffIdentity, receiver_id: UUID) -> None:
    """Delete a receiver, here and at WeChat; 409 while rules or open parts name it."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_receiver(tx, staff, receiver_id)
    await service.tell_wechat(staff.shop_id, receiver_id)


@get("/promoters", access=staff("money.read"))
async def list_promoters(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 50
) -> Page[Promoter]:
    """Members who bring orders, the newest first."""
    after = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_promoters(tx, after, limit + 1)
    return Page.of(rows, limit, lambda row: [row.created_at, row.member_id])


@put("/promoters/{member_id:uuid}", access=staff("money.write"))
async def put_promoter(staff: StaffIdentity, member_id: UUID, data: PromoterBody) -> Promoter:
    """Make a member a promoter, or move them under another; at most two levels (F040)."""
    async with transaction(staff.shop_id) as tx:
        return await service.set_promoter(tx, staff, member_id, data.parent_id)


@delete("/promoters/{member_id:uuid}", access=staff("money.write"))
async def remove_promoter(staff: StaffIdentity, member_id: UUID) -> None:
    """A member promotes no more; what was earned stays theirs."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_promoter(tx, staff, member_id)


@get("/splits", access=staff("money.read"))
async def list_splits(
    staff: StaffIdentity,
    status: PlanState | None = None,
    alarms: bool = False,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[PlanRow]:
    """Shared orders, the newest first; `alarms`: only those somebody must look at."""
    after = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_plans(
            tx, state=status, only_alarms=alarms, after=after, limit=limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.paid_at, row.order_id])


@get("/splits/{order_id:uuid}", access=staff("money.read"))
async def get_split(staff: StaffIdentity, order_id: UUID) -> PlanDetail:
    """An order's sharing: parts, calls to WeChat, and what happened."""
    async with reading(staff.shop_id) as tx:
        return await service.get_plan(tx, order_id)


@post("/splits/{order_id:uuid}/decide", access=staff("money.write"))
async def decide_split(
    staff: StaffIdentity, order_id: UUID, data: DecisionBody, once: OnceKey
) -> PlanDetail:
    """Decide about the parts that could not be split, and take its alarm off the list."""
    async with transaction(staff.shop_id, once) as tx:
        await service.decide_refused(tx, staff, order_id, split=data.split)
        return tx.answer(await service.get_plan(tx, order_id))


@post("/splits/{order_id:uuid}/parts/{part_no:int}/review", access=staff("money.write"))
async def review_held_split(
    staff: StaffIdentity, order_id: UUID, part_no: int, data: ReviewBody, once: OnceKey
) -> PlanDetail:
    """Decide about a commission that was held because its receiver is tied to the buyer: release it
    or deny it (F096); 409 when it is not held, 422 when it is denied without a reason."""
    async with transaction(staff.shop_id, once) as tx:
        await service.review_held(
            tx, staff, order_id, part_no, release=data.release, reason=data.reason
        )
        return tx.answer(await service.get_plan(tx, order_id))


routes = [
    get_split_settings,
    put_split_settings,
    list_split_rules,
    add_split_rule,
    stop_split_rule,
    list_split_receivers,
    add_split_receiver,
    try_split_receiver_again,
    remove_split_receiver,
    list_promoters,
    put_promoter,
    remove_promoter,
    list_splits,
    get_split,
    decide_split,
    review_held_split,
]
