"""What a promoter sees of their commission."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, Page, decode_cursor, get, put
from siyu.money.profit_sharing import service
from siyu.money.profit_sharing.contracts import Commission, CommissionEntry


class DeviceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """device: the key that this phone or browser made for itself."""

    device: UUID


@get("/commission", access=MEMBER)
async def get_commission(member: MemberIdentity) -> Commission:
    """My commission: what is there, what is expected, what was ever earned."""
    async with reading(member.shop_id) as tx:
        return await service.get_commission(tx, member.member_id)


@get("/commission/entries", access=MEMBER)
async def list_commission_entries(
    member: MemberIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[CommissionEntry]:
    """My parts of orders, of the newest order first; nothing of who bought."""
    after = decode_cursor(cursor, tuple[UUID, int])
    async with reading(member.shop_id) as tx:
        rows = await service.list_commission_entries(tx, member.member_id, after, limit + 1)
    return Page.of(rows, limit, lambda row: [row.order_id, row.part_no])


@put("/commission/device", access=MEMBER)
async def put_commission_device(member: MemberIdentity, data: DeviceBody) -> None:
    """I use this phone or browser: told by promoters, and by who buys through a promoter's link. A
    commission of an order from the promoter's own device is looked at first (F096)."""
    async with transaction(member.shop_id) as tx:
        await service.note_device(tx, member.member_id, data.device)


routes = [get_commission, list_commission_entries, put_commission_device]
