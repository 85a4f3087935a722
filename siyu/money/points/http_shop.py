"""A member's own points."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading
from siyu.kernel.http import MEMBER, Page, decode_cursor, get
from siyu.kernel.i18n import Language, language_of
from siyu.money.points import rules, service
from siyu.money.points.contracts import Points, PointsMovement, PointsMovementKind

_MovementNo = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class OwnPointsView(msgspec.Struct, frozen=True, kw_only=True):
    """A member's points and what they are worth: `points_per_yuan` take one yuan off, on at most
    `cap_bps` of the goods."""

    is_enabled: bool
    balance: int
    held: int
    owed: int
    next_expiry_on: date | None
    next_expiry_points: int
    points_per_yuan: int
    cap_bps: int


class PointsMovementView(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the statement; `label` says in words why. `owed`: by how much it changed what is
    owed; `expires_on`: the last day of points that came."""

    movement_no: int
    at: datetime
    kind: PointsMovementKind
    label: str
    points: int
    balance: int
    owed: int
    order_id: UUID | None
    expires_on: date | None
    note: str


@get("/points", access=MEMBER)
async def show_own_points(member: MemberIdentity) -> OwnPointsView:
    """Own points."""
    async with reading(member.shop_id) as tx:
        settings = await service.get_settings(tx)
        found = await service.get_points(tx, member.member_id)
    return OwnPointsView(
        is_enabled=settings.is_enabled,
        points_per_yuan=settings.points_per_yuan,
        cap_bps=settings.cap_bps,
        **points_fields(found),
    )


@get("/points/statement", access=MEMBER)
async def list_own_point_movements(
    member: MemberIdentity,
    request: Request[Any, Any, Any],
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[PointsMovementView]:
    """What happened to own points, newest first."""
    return await statement_page(member.shop_id, member.member_id, request, cursor, limit)


def points_fields(found: Points) -> dict[str, Any]:
    """The fields of a view of points."""
    return msgspec.structs.asdict(found)


async def statement_page(
    shop_id: Any, member_id: UUID, request: Request[Any, Any, Any], cursor: str | None, limit: int
) -> Page[PointsMovementView]:
    """One page of a member's statement, in the caller's language."""
    before = decode_cursor(cursor, tuple[_MovementNo])
    language = language_of(request.headers.get("accept-language"))
    async with reading(shop_id) as tx:
        rows = await service.list_statement(tx, member_id, before[0] if before else None, limit + 1)
    return Page.of([_line(row, language) for row in rows], limit, lambda row: [row.movement_no])


def _line(row: PointsMovement, language: Language) -> PointsMovementView:
    zh, en = rules.WORDS[row.kind]
    return PointsMovementView(
        label=zh if language == "zh-CN" else en, **msgspec.structs.asdict(row)
    )


routes = [show_own_points, list_own_point_movements]
