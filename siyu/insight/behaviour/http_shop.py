"""`POST /collect/v1`: what customers do, in batches. Mounted under a prefix of its own."""

from typing import Any
from uuid import UUID

import msgspec

from siyu.insight.behaviour import service
from siyu.insight.behaviour.contracts import MAX_BODY_BYTES, CollectBody, Collected
from siyu.kernel.http import SHOP, MemberIdentity, Request, ShopIdentity, post


class ForgetBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """visitor: the key that the client made for itself; whoever holds it may have it forgotten."""

    visitor: UUID


class Forgotten(msgspec.Struct, frozen=True):
    """Whether nothing is kept of the visitor any more."""

    is_forgotten: bool


def _channel(request: Request[Any, Any, Any]) -> str:
    """WeChat sets the Referer of a mini-program's requests; a page cannot."""
    referer = request.headers.get("referer", "")
    return "mp-weixin" if referer.startswith("https://servicewechat.com/") else "h5"


@post("/", access=SHOP, status_code=202, request_max_body_size=MAX_BODY_BYTES)
async def collect(
    data: CollectBody,
    shop: ShopIdentity,
    member: MemberIdentity | None,
    request: Request[Any, Any, Any],
) -> Collected:
    """Take a batch of behaviour events.

    202 with {accepted, rejected}, also for a repeated batch and, with accepted 0, without consent.
    413 above 64 KiB, 422 malformed, 429 too fast or too busy (send the same batch again later).
    """
    address = request.client.host if request.client else ""
    return await service.collect(
        shop.shop_id, member, data, address=address, channel=_channel(request)
    )


@post("/forget", access=SHOP, status_code=200)
async def forget(
    data: ForgetBody, shop: ShopIdentity, request: Request[Any, Any, Any]
) -> Forgotten:
    """Forget what somebody without an account has looked at: within a minute nothing of it is left.

    {is_forgotten}: false when the visitor has logged in since, for then the behaviour is the
    member's, who withdraws the consent with their log-in. Repeating changes nothing. 429 too fast.
    """
    address = request.client.host if request.client else ""
    return Forgotten(await service.forget(shop.shop_id, data.visitor, address=address))


collect_routes = [collect, forget]
