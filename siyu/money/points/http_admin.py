"""The console's view of points: the shop's rules, and any member's points."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import OnceKey, Page, decode_cursor, get, post, put, staff
from siyu.money.points import service
from siyu.money.points.contracts import MAX_POINTS, Points, PointsSettings
from siyu.money.points.http_shop import PointsMovementView, points_fields, statement_page
from siyu.people.members import service as members


class PointsSettingsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shop's rules of points; what they mean stands at `PointsSettings`."""

    is_enabled: bool
    earned_per_yuan: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    points_per_yuan: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    cap_bps: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    expiry_months: Annotated[int, msgspec.Meta(ge=1, le=120)] | None
    grace_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    negative_allowed: bool


class PointsSettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's rules of points."""

    is_enabled: bool
    earned_per_yuan: int
    points_per_yuan: int
    cap_bps: int
    expiry_months: int | None
    grace_days: int
    negative_allowed: bool


class PointsAdjustBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Points to give (> 0) or take, never 0. The member reads the reason in the statement."""

    points: Annotated[int, msgspec.Meta(ge=-MAX_POINTS, le=MAX_POINTS)]
    reason: Annotated[str, msgspec.Meta(min_length=2, max_length=200, pattern=r"\S")]


class PointsLotView(msgspec.Struct, frozen=True, kw_only=True):
    """Points that came together, by an order or (null) by staff, and end together."""

    order_id: UUID | None
    points: int
    points_left: int
    expires_on: date | None
    created_at: datetime


class PointsAccountView(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has."""

    member_id: UUID
    balance: int
    held: int
    owed: int
    next_expiry_on: date | None
    next_expiry_points: int


class MemberPointsView(msgspec.Struct, frozen=True, kw_only=True):
    """A member's points, and the lots in the order they will be spent."""

    member_id: UUID
    balance: int
    held: int
    owed: int
    next_expiry_on: date | None
    next_expiry_points: int
    lots: list[PointsLotView]


@get("/points/settings", access=staff("money.read"))
async def show_points_settings(staff: StaffIdentity) -> PointsSettingsView:
    """The shop's rules of points."""
    async with reading(staff.shop_id) as tx:
        return _settings(await service.get_settings(tx))


@put("/points/settings", access=staff("money.write"))
async def set_points_settings(data: PointsSettingsBody, staff: StaffIdentity) -> PointsSettingsView:
    """Change the rules, from now on; points that were granted keep their day."""
    settings = PointsSettings(**msgspec.structs.asdict(data))
    async with transaction(staff.shop_id) as tx:
        return _settings(await service.set_settings(tx, staff, settings))


@get("/points/accounts", access=staff("money.read"))
async def list_points_accounts(
    staff: StaffIdentity,
    ending_within_days: Annotated[int, Parameter(ge=0, le=3660)] | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[PointsAccountView]:
    """Members who ever had points, those who joined last first; all of them, or those whose points
    end within so many days."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_accounts(
            tx,
            timedelta(ending_within_days) if ending_within_days is not None else None,
            before[0] if before else None,
            limit + 1,
        )
    views = [PointsAccountView(member_id=one, **points_fields(found)) for one, found in rows]
    return Page.of(views, limit, lambda view: [view.member_id])


@get("/members/{member_id:uuid}/points", access=staff("money.read"))
async def show_member_points(member_id: UUID, staff: StaffIdentity) -> MemberPointsView:
    """A member's points."""
    async with reading(staff.shop_id) as tx:
        await members.get_member(tx, member_id)
        found = await service.get_points(tx, member_id)
        lots = await service.list_lots(tx, member_id)
    return MemberPointsView(
        member_id=member_id,
        lots=[
            PointsLotView(
                order_id=lot.order_id,
                points=lot.points,
                points_left=lot.points_left,
                expires_on=lot.expires_on,
                created_at=lot.created_at,
            )
            for lot in lots
        ],
        **points_fields(found),
    )


@get("/members/{member_id:uuid}/points/statement", access=staff("money.read"))
async def list_member_point_movements(
    member_id: UUID,
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[PointsMovementView]:
    """The statement that explains each point of a member, newest first."""
    return await statement_page(staff.shop_id, member_id, request, cursor, limit)


@post("/members/{member_id:uuid}/points/adjust", access=staff("money.write"))
async def adjust_member_points(
    member_id: UUID, data: PointsAdjustBody, staff: StaffIdentity, once: OnceKey
) -> Points:
    """Give or take points by hand; the trail keeps who did it and why."""
    async with transaction(staff.shop_id, once=once) as tx:
        await members.get_member(tx, member_id)
        return tx.answer(
            await service.adjust(tx, staff, member_id, data.points, data.reason.strip())
        )


def _settings(settings: PointsSettings) -> PointsSettingsView:
    return PointsSettingsView(**msgspec.structs.asdict(settings))


routes = [
    show_points_settings,
    set_points_settings,
    list_points_accounts,
    show_member_points,
    list_member_point_movements,
    adjust_member_points,
]
