"""The settings of a shop's corporation, and whether they work."""

from typing import Annotated

import msgspec

from siyu.kernel import config
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, post, put, staff
from siyu.wechat.transport.contracts import ConnectionCheck, Environment
from siyu.wechat.wecom import service
from siyu.wechat.wecom.contracts import CorpChange, CorpNotSet, CorpSettings


class CorpBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As on WeCom's pages 我的企业 and 应用管理; a secret that is null stays as it is."""

    environment: Environment = Environment.REAL
    corp_id: Annotated[str, msgspec.Meta(pattern=r"^w[wx][0-9a-zA-Z]{6,40}$")]
    agent_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}$")]
    secret: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z_-]{16,64}$")] | None = None
    token: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{3,32}$")] | None = None
    encoding_aes_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{43}$")] | None = None


class CorpView(msgspec.Struct, frozen=True):
    """`url` is what WeCom's page 接收事件服务器 wants; corp_id null: nothing is set up."""

    environment: Environment
    corp_id: str | None
    agent_id: str | None
    secret_set: bool
    push_set: bool
    url: str


def _view(shop_id: int, found: CorpSettings | None) -> CorpView:
    return CorpView(
        environment=found.environment if found else Environment.REAL,
        corp_id=found.corp_id if found else None,
        agent_id=found.agent_id if found else None,
        secret_set=found is not None,
        push_set=found is not None and found.push_set,
        url=f"{config.settings().public_url}/callback/wecom/{shop_id}",
    )


@get("/shop/wecom", access=staff("shop.read"))
async def show_wecom(staff: StaffIdentity) -> CorpView:
    """The corporation; of secrets only whether there is one."""
    async with reading(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.get_settings(tx))


@put("/shop/wecom", access=staff("shop.write"))
async def set_wecom(data: CorpBody, staff: StaffIdentity) -> CorpView:
    """Set the corporation; secrets that are null stay."""
    change = CorpChange(**msgspec.structs.asdict(data))
    async with transaction(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.set_settings(tx, staff, change))


@post("/shop/wecom/check", access=staff("shop.write"))
async def check_wecom(staff: StaffIdentity) -> ConnectionCheck:
    """Ask WeCom whether corp id and secret belong together. 404 when nothing is set up."""
    async with reading(staff.shop_id) as tx:
        credentials = await service.get_credentials(tx)
    if credentials is None:
        raise CorpNotSet(missing="corp_id")
    return await service.check_secret(credentials)


routes = [show_wecom, set_wecom, check_wecom]
