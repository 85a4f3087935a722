"""The settings of messages that WeChat pushes to the shop."""

from typing import Annotated

import msgspec

from siyu.kernel import config
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import get, put, staff
from siyu.wechat.mini_program import service
from siyu.wechat.mini_program.contracts import PushChange, PushSettings


class PushBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As on the platform's page 消息推送; a secret that is null stays as it is."""

    appid: Annotated[str, msgspec.Meta(pattern=r"^wx[0-9a-zA-Z]{6,30}$")]
    token: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{3,32}$")] | None = None
    encoding_aes_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{43}$")] | None = None


class PushView(msgspec.Struct, frozen=True):
    """`url` is what the platform's page wants; appid null: nothing is set up."""

    url: str
    appid: str | None
    is_set: bool


def _view(shop_id: int, found: PushSettings | None) -> PushView:
    return PushView(
        url=f"{config.settings().public_url}/callback/wechat/mini-program/{shop_id}",
        appid=found.appid if found else None,
        is_set=found is not None,
    )


@get("/shop/mini-program/push", access=staff("shop.read"))
async def show_mini_program_push(staff: StaffIdentity) -> PushView:
    """How messages are pushed to the shop, and the address for them."""
    async with reading(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.get_push(tx))


@put("/shop/mini-program/push", access=staff("shop.write"))
async def set_mini_program_push(data: PushBody, staff: StaffIdentity) -> PushView:
    """Set token and key of pushed messages; those that are null stay."""
    change = PushChange(**msgspec.structs.asdict(data))
    async with transaction(staff.shop_id) as tx:
        return _view(staff.shop_id, await service.set_push(tx, staff, change))


routes = [show_mini_program_push, set_mini_program_push]
