"""`POST /collect/v1`: what customers do, in batches. Mounted under a prefix of its own."""

from typing import Any

from siyu.insight.behaviour import service
from siyu.insight.behaviour.contracts import MAX_BODY_BYTES, CollectBody, Collected
from siyu.kernel.http import SHOP, MemberIdentity, Request, ShopIdentity, post


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


collect_routes = [collect]
