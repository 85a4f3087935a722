"""Orders: create, query, close, and the parameters a page pays with."""

import secrets
from typing import TypeVar
from urllib.parse import quote

import msgspec

from siyu.kernel import clock
from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import JsapiPayment, NewTrade, PayCredentials, Trade
from siyu.wechat.pay.service.exchange import decode, exchange
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import WeChatError

T = TypeVar("T")


async def create_jsapi(credentials: PayCredentials, trade: NewTrade) -> JsapiPayment:
    """Create (or find again) an order to be paid inside WeChat; what the page needs to pay it.

    Source: pay.weixin.qq.com/doc/v3/merchant/4012525167.
    """
    assert trade.openid, "a payment inside WeChat has a payer"
    made = await _create(credentials, trade, "jsapi", _Prepaid)
    return sign_payment(credentials, trade.appid, made.prepay_id)


async def create_native(credentials: PayCredentials, trade: NewTrade) -> str:
    """Create (or find again) an order to be paid by scanning; the text of the QR code.

    Source: pay.weixin.qq.com/doc/v3/merchant/4012525182.
    """
    made = await _create(credentials, trade, "native", _Coded)
    return made.code_url


def sign_payment(credentials: PayCredentials, appid: str, prepay_id: str) -> JsapiPayment:
    """The signed parameters by which the page starts the payment."""
    timestamp, nonce = str(int(clock.now().timestamp())), secrets.token_hex(16)
    package = f"prepay_id={prepay_id}"
    message = transport.pay_message(appid, timestamp, nonce, package)
    return JsapiPayment(
        appId=appid,
        timeStamp=timestamp,
        nonceStr=nonce,
        package=package,
        signType="RSA",
        paySign=transport.sign(message, credentials.private_key_pem),
    )


async def query(credentials: PayCredentials, out_trade_no: str) -> Trade | None:
    """The order of our number; None when WeChat never heard of it."""
    target = f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}"
    return await _query(credentials, target)


async def query_by_transaction(credentials: PayCredentials, transaction_id: str) -> Trade | None:
    """The order of WeChat's number; None when there is none."""
    return await _query(credentials, f"/v3/pay/transactions/id/{quote(transaction_id, safe='')}")


async def close(credentials: PayCredentials, out_trade_no: str) -> bool:
    """Close an unpaid order: True when WeChat has confirmed that nobody can pay it any more,
    False when it never heard of the number. Raises TradeAlreadyPaid when the payer was faster.

    Source: pay-v3, 关闭订单.
    """
    target = f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}/close"
    body = msgspec.json.encode({"mchid": credentials.mchid})
    try:
        await exchange(credentials, "pay.close", "POST", target, body)
    except WeChatError as error:
        if rules.is_missing(error):
            return False
        raise
    return True


class _Prepaid(msgspec.Struct):
    prepay_id: str


class _Coded(msgspec.Struct):
    code_url: str


async def _create(credentials: PayCredentials, trade: NewTrade, scene: str, kind: type[T]) -> T:
    body = rules.create_body(credentials, trade)
    target = f"/v3/pay/transactions/{scene}"
    answer = await exchange(credentials, f"pay.create_{scene}", "POST", target, body)
    return decode(answer, kind)


async def _query(credentials: PayCredentials, target: str) -> Trade | None:
    target = f"{target}?mchid={credentials.mchid}"
    try:
        answer = await exchange(credentials, "pay.query", "GET", target)
    except WeChatError as error:
        if rules.is_missing(error):
            return None
        raise
    return decode(answer, Trade)
