"""发货信息管理: WeChat holds the money of an order paid in a mini-program until it was told of the
shipping and the buyer has it. Source: mini-program docs, 小程序发货信息管理服务.

All raise WeChatError; `rules.shipping_problem` says what it means. What WeChat may have done is
never repeated from here: a second upload of an order counts as shipping anew.
"""

from datetime import datetime
from typing import Any

import msgspec

from siyu.kernel.ids import ShopId
from siyu.wechat.mini_program import rules
from siyu.wechat.mini_program.contracts import (
    ManagedTrade,
    MiniProgramCredentials,
    ShippingNotice,
)
from siyu.wechat.mini_program.service.calling import call_with_token
from siyu.wechat.transport.service import decode

PAGE = 100


class _Trade(msgspec.Struct):
    order: ManagedTrade


class _TradeList(msgspec.Struct):
    order_list: list[ManagedTrade] = []
    last_index: str = ""
    has_more: bool = False


class _Managed(msgspec.Struct):
    is_trade_managed: bool = False


async def upload_shipping(
    shop_id: ShopId, credentials: MiniProgramCredentials, notice: ShippingNotice
) -> None:
    """Tell how an order was shipped (upload_shipping_info): all of its parcels so far."""
    await _call(
        shop_id, credentials, "upload_shipping", "upload_shipping_info", rules.notice_body(notice)
    )


async def get_trade(
    shop_id: ShopId, credentials: MiniProgramCredentials, transaction_id: str
) -> ManagedTrade:
    """How WeChat sees an order (get_order)."""
    body = {"transaction_id": transaction_id}
    answer = await _call(shop_id, credentials, "get_trade", "get_order", body, reads=True)
    return decode(answer, _Trade).order


async def list_trades(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    *,
    paid_from: datetime,
    paid_to: datetime,
    last_index: str = "",
) -> tuple[list[ManagedTrade], str | None]:
    """Orders paid in [paid_from, paid_to], 100 at a time (get_order_list), and where the next page
    begins; None at the end.
    """
    body: dict[str, Any] = {
        "pay_time_range": {
            "begin_time": int(paid_from.timestamp()),
            "end_time": int(paid_to.timestamp()),
        },
        "page_size": PAGE,
    }
    if last_index:
        body["last_index"] = last_index
    answer = await _call(shop_id, credentials, "list_trades", "get_order_list", body, reads=True)
    page = decode(answer, _TradeList)
    return page.order_list, page.last_index if page.has_more and page.last_index else None


async def notify_receipt(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    transaction_id: str,
    received_at: datetime,
) -> None:
    """Have WeChat remind the buyer to confirm (notify_confirm_receive): once, express only."""
    body = {"transaction_id": transaction_id, "received_time": int(received_at.timestamp())}
    await _call(shop_id, credentials, "notify_receipt", "notify_confirm_receive", body)


async def is_trade_managed(shop_id: ShopId, credentials: MiniProgramCredentials) -> bool:
    """Whether WeChat holds the money of this app's orders until they are shipped."""
    body = {"appid": credentials.appid}
    answer = await _call(
        shop_id, credentials, "is_trade_managed", "is_trade_managed", body, reads=True
    )
    return decode(answer, _Managed).is_trade_managed


async def set_message_path(shop_id: ShopId, credentials: MiniProgramCredentials, path: str) -> None:
    """Which page WeChat's messages about shipping open (set_msg_jump_path)."""
    await _call(
        shop_id, credentials, "set_message_path", "set_msg_jump_path", {"path": path}, reads=True
    )


async def _call(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    api: str,
    path: str,
    body: Any,
    *,
    reads: bool = False,
) -> Any:
    return await call_with_token(
        shop_id, credentials, f"mini.{api}", f"/wxa/sec/order/{path}", body, repeatable=reads
    )
