"""A shop's profile, its WeChat settings, and the trail of what was changed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.audit import AuditRow, list_audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import Page, decode_cursor, get, patch, post, put, staff
from siyu.merchant.shops import service
from siyu.merchant.shops.contracts import (
    Environment,
    Shop,
    Store,
    StoreText,
    WeChatChange,
    WeChatSettings,
)


class ShopView(msgspec.Struct, frozen=True):
    """A shop's profile."""

    code: str
    name: str
    currency: str
    time_zone: str
    notice: str | None
    logo_url: str | None
    created_at: datetime


class ShopChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New profile values; what is absent stays, null empties."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    notice: Annotated[str, msgspec.Meta(max_length=500)] | msgspec.UnsetType | None = msgspec.UNSET
    logo_url: (
        Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._-]+)+$", max_length=300)]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET


_Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=8000)]
_Short = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class WeChatBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """WeChat settings; a secret that is null stays as it is, all other fields are replaced."""

    environment: Environment = Environment.REAL
    appid: _Short | None = None
    mchid: _Short | None = None
    certificate_serial: _Short | None = None
    public_key_id: _Short | None = None
    public_key_pem: _Secret | None = None
    app_secret: _Secret | None = None
    private_key: _Secret | None = None
    api_v3_key: _Secret | None = None


def _view(shop: Shop) -> ShopView:
    return ShopView(
        shop.code,
        shop.name,
        shop.currency,
        shop.time_zone,
        shop.notice,
        shop.logo_url,
        shop.created_at,
    )


@get("/shop", access=staff("shop.read"))
async def show_shop(staff: StaffIdentity) -> ShopView:
    """The profile of the current shop."""
    async with reading(staff.shop_id) as tx:
        return _view(await service.get_shop(tx))


@patch("/shop", access=staff("shop.write"))
async def edit_shop(data: ShopChange, staff: StaffIdentity) -> ShopView:
    """Change the profile."""
    given = {
        field: value
        for field, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET
    }
    async with transaction(staff.shop_id) as tx:
        return _view(await service.edit_shop(tx, staff, given))


@get("/shop/wechat", access=staff("shop.read"))
async def show_wechat(staff: StaffIdentity) -> WeChatSettings:
    """The WeChat settings; of secrets only whether there is one."""
    async with reading(staff.shop_id) as tx:
        return await service.get_wechat(tx)


@put("/shop/wechat", access=staff("shop.write"))
async def set_wechat(data: WeChatBody, staff: StaffIdentity) -> WeChatSettings:
    """Replace the WeChat settings; secrets that are null stay."""
    async with transaction(staff.shop_id) as tx:
        return await service.set_wechat(tx, staff, WeChatChange(**msgspec.structs.asdict(data)))


class StoreList(msgspec.Struct, frozen=True):
    """A shop has few places of collection: they come on one page."""

    items: list[Store]


@get("/stores", access=staff("orders.read"))
async def list_stores(staff: StaffIdentity) -> StoreList:
    """Places of collection, open ones first."""
    async with reading(staff.shop_id) as tx:
        return StoreList(await service.list_stores(tx))


@post("/stores", access=staff("shop.write"))
async def open_store(data: StoreText, staff: StaffIdentity) -> Store:
    """Open a place of collection."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_store(tx, staff, None, data)


@put("/stores/{store_id:uuid}", access=staff("shop.write"))
async def edit_store(store_id: UUID, data: StoreText, staff: StaffIdentity) -> Store:
    """Change a place of collection, or close it."""
    async with transaction(staff.shop_id) as tx:
        return await service.save_store(tx, staff, store_id, data)


@get("/audit", access=staff("audit.read"))
async def show_audit(
    staff: StaffIdentity,
    cursor: Annotated[str | None, Parameter(max_length=200)] = None,
    subject_kind: Annotated[str | None, Parameter(max_length=64)] = None,
    subject_id: Annotated[str | None, Parameter(max_length=64)] = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[AuditRow]:
    """Who changed what, newest first; of one subject when both of its parts are given."""
    after = decode_cursor(cursor, tuple[UUID])
    subject = (subject_kind, subject_id) if subject_kind and subject_id else None
    async with reading(staff.shop_id) as tx:
        rows = await list_audit(
            tx, subject=subject, before_id=None if after is None else after[0], limit=limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.audit_id])


routes = [
    show_shop,
    edit_shop,
    show_wechat,
    set_wechat,
    list_stores,
    open_store,
    edit_store,
    show_audit,
]
