"""The settings of a shop's official account, and whether they work."""

from typing import Annotated

import msgspec

from siyu.kernel import config
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, post, put, staff
from siyu.wechat.official_account import service
from siyu.wechat.official_account.contracts import AccountChange, AccountNotSet, AccountSettings
from siyu.wechat.transport.contracts import ConnectionCheck, Environment


class AccountBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As on the platform's page 基本配置; a secret that is null stays as it is."""

    environment: Environment = Environment.REAL
    appid: Annotated[str, msgspec.Meta(pattern=r"^wx[0-9a-zA-Z]{6,30}$")]
    secret: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{16,64}$")] | None = None
    token: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{3,32}$")] | None = None
    encoding_aes_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{43}$")] | None = None


class AccountView(msgspec.Struct, frozen=True):
    """`url` is what the platform's page wants; appid null: nothing is set up."""

    environment: Environment
    appid: str | None
    secret_set: bool
    push_set: bool
    url: str


def _view(shop_id: int, found: AccountSettings | None) -> AccountView:
    return AccountView(
        environment=found.environment if found else Environment.REAL,
        appid=found.appid if found else None,
        secret_set=found is not None,
        push_set=found is not None and found.push_set,
        url=f"{config.settings().public_url}/callback/wechat/official-account/{shop_id}",
    )


@get("/shop/official-account", access=staff("shop.read"))
async def show_official_account(staff: StaffIdentity) -> AccountView:
    """The official account; of secrets only whether there is one."""
    async with reading(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.get_settings(tx))


@put("/shop/official-account", access=staff("shop.write"))
async def set_official_account(data: AccountBody, staff: StaffIdentity) -> AccountView:
    """Set the official account; secrets that are null stay."""
    change = AccountChange(**msgspec.structs.asdict(data))
    async with transaction(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.set_settings(tx, staff, change))


@post("/shop/official-account/check", access=staff("shop.write"))
async def check_official_account(staff: StaffIdentity) -> ConnectionCheck:
    """Ask WeChat whether app id and secret belong together. 404 when nothing is set up."""
    async with reading(staff.shop_id) as tx:
        credentials = await service.get_credentials(tx)
    if credentials is None:
        raise AccountNotSet(missing="appid")
    return await service.check_secret(credentials)


routes = [show_official_account, set_official_account, check_official_account]
