"""Profit sharing: receivers, splits, returns, unfreezing."""

from urllib.parse import quote, urlencode

import msgspec

from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import (
    NewReceiver,
    NewSplit,
    NewSplitReturn,
    PayCredentials,
    ReceiverType,
    Split,
    SplitReturn,
)
from siyu.wechat.pay.service.exchange import ask, hide, send

_SHARING = "/v3/profitsharing"


class _Unsplit(msgspec.Struct):
    unsplit_amount: int


class _Receiver(msgspec.Struct):
    account: str


async def add_receiver(credentials: PayCredentials, receiver: NewReceiver) -> None:
    """Let somebody receive shares; adding again is harmless, what is known stays as it was.

    Source: pay-v3, 添加分账接收方.
    """
    hidden = await hide(credentials, receiver.name)
    body = rules.without_empty(
        {
            "appid": receiver.appid,
            "type": receiver.type,
            "account": receiver.account,
            "name": hidden.texts[0],
            "relation_type": receiver.relation_type,
            "custom_relation": receiver.custom_relation,
        }
    )
    target = f"{_SHARING}/receivers/add"
    await send(credentials, "sharing.receiver", target, body, _Receiver, serial=hidden.serial)


async def delete_receiver(
    credentials: PayCredentials, appid: str, kind: ReceiverType, account: str
) -> None:
    """Let somebody receive no more. Source: pay-v3, 删除分账接收方."""
    body = {"appid": appid, "type": kind, "account": account}
    await send(credentials, "sharing.receiver", f"{_SHARING}/receivers/delete", body, _Receiver)


async def split(credentials: PayCredentials, wanted: NewSplit) -> Split:
    """Start a split, or find it again. It is PROCESSING at first: ask until FINISHED, then read
    each receiver's own result.

    Raises NotYet (under a minute after the payment), NotEnough (more than is left of the order),
    RuleLimit (more than the agreed share), NoPermission. Source: pay-v3, 请求分账.
    """
    hidden = await hide(credentials, *(share.name for share in wanted.receivers))
    body = rules.split_body(wanted, hidden.texts)
    return await send(
        credentials, "sharing.split", f"{_SHARING}/orders", body, Split, serial=hidden.serial
    )


async def query_split(
    credentials: PayCredentials, out_order_no: str, transaction_id: str
) -> Split | None:
    """The split (or unfreeze) of our number; None when WeChat never heard of it."""
    target = f"{_SHARING}/orders/{quote(out_order_no, safe='')}"
    query = urlencode({"transaction_id": transaction_id})
    return await ask(credentials, "sharing.query", f"{target}?{query}", Split)


async def unfreeze(
    credentials: PayCredentials, transaction_id: str, out_order_no: str, description: str
) -> Split:
    """End the sharing of an order: the rest becomes ours. The number must be a new one: under
    that of a split WeChat answers well and does nothing. Source: pay-v3, 解冻剩余资金."""
    body = {
        "transaction_id": transaction_id,
        "out_order_no": out_order_no,
        "description": description,
    }
    target = f"{_SHARING}/orders/unfreeze"
    return await send(credentials, "sharing.unfreeze", target, body, Split)


async def query_unsplit(credentials: PayCredentials, transaction_id: str) -> int | None:
    """Fen of an order that are still frozen for splitting; None: no such order."""
    target = f"{_SHARING}/transactions/{quote(transaction_id, safe='')}/amounts"
    found = await ask(credentials, "sharing.query", target, _Unsplit)
    return None if found is None else found.unsplit_amount


async def return_split(credentials: PayCredentials, wanted: NewSplitReturn) -> SplitReturn:
    """Take a part back from a receiving merchant, or find the return again; only `result` says
    whether we have it. Source: pay-v3, 请求分账回退."""
    body = msgspec.to_builtins(wanted)
    return await send(credentials, "sharing.return", f"{_SHARING}/return-orders", body, SplitReturn)


async def query_return(
    credentials: PayCredentials, out_return_no: str, out_order_no: str
) -> SplitReturn | None:
    """The return of our number; None when WeChat never heard of it."""
    target = f"{_SHARING}/return-orders/{quote(out_return_no, safe='')}"
    query = urlencode({"out_order_no": out_order_no})
    return await ask(credentials, "sharing.query", f"{target}?{query}", SplitReturn)
