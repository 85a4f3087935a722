"""What WeChat Pay tells us: verified over the raw bytes, stored, answered; applied by the worker.

Nothing about the request but its signature decides whether it is believed: not the host it was
sent to, not where it came from, no setting (CVE-2026-33661). The order is found by the sealed
number alone, never by what stands beside it (GHSA-rc52-c4hv-w89p).
"""

import logging
from typing import Any

from siyu.kernel import inbox
from siyu.kernel.db import transaction
from siyu.kernel.errors import Forbidden, TooLarge
from siyu.kernel.http import CALLBACK, Request, post
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments.service import PAY_SUCCEEDED
from siyu.wechat.pay import service as pay
from siyu.wechat.transport.contracts import (
    NONCE,
    SERIAL,
    SIGNATURE,
    SIGNATURE_TYPE,
    TIMESTAMP,
    ProbeRefused,
    SignatureRefused,
)

log = logging.getLogger(__name__)

_MAX_BYTES = 64 * 1024
_KEPT = (SERIAL, SIGNATURE, SIGNATURE_TYPE, TIMESTAMP, NONCE)
_SOURCES = {"MCHTRANSFER": "wechatpay.transfers"}  # heard by payouts


class Misrouted(Forbidden):
    """Signed for this merchant, and yet of another merchant number or app (F021)."""

    code = "payments.misrouted"
    zh = "通知与店铺不符"
    en = "The notification belongs to another shop"


@post("/wechat/pay/{shop_id:int}", access=CALLBACK, include_in_schema=False)
async def receive(shop_id: int, request: Request[Any, Any, Any]) -> None:
    """Answers 204 once the notification is stored, be it new or known; WeChat repeats after
    anything but 2xx: 401 not proven or a probe, 403 of another shop, 503 key not known yet."""
    raw = await request.body()
    if len(raw) > _MAX_BYTES:
        raise TooLarge
    credentials, app = await shops.pay_keys(ShopId(shop_id))
    try:
        notification = await pay.read_notification(credentials, request.headers, raw)
    except ProbeRefused:
        # WeChat tests us with signatures that must fail; that is no attack and no alarm (F009).
        log.info("wechat signature probe", extra={"shop_id": shop_id})
        raise
    except SignatureRefused as error:
        log.warning("wechat notification refused", extra={"shop_id": shop_id, **error.details})
        raise
    if notification.event_type == PAY_SUCCEEDED:
        trade = pay.read_trade(notification)
        if (trade.mchid, trade.appid) != (credentials.mchid, app):
            log.error("notification misrouted", extra={"shop_id": shop_id, "alarm": "misrouted"})
            raise Misrouted
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    # One address for all that WeChat Pay tells; who works it off is said by its kind.
    kind = notification.event_type.partition(".")[0]
    source = _SOURCES.get(kind, "wechatpay")
    async with transaction(ShopId(shop_id)) as write:
        await inbox.store(
            write, source=source, outside_id=notification.id, raw=raw, headers=headers
        )


routes = [receive]
