"""WeChat Pay API v3 for direct merchants: create (JSAPI, Native), query, close, certificates.

Every request is checked as WeChat checks it, every answer after that signed. Source:
pay.weixin.qq.com "签名与验签规则".
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from litestar import Request, Response, get, post

from siyu.sandbox import faults, limits, tasks, wire
from siyu.sandbox.orders import (
    PayError,
    close_order,
    create_order,
    find_order,
    find_paid,
    list_certificates,
    query_order,
    tampered,
)
from siyu.sandbox.world import Merchant, World, choose_signer, get_merchant
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import SignatureRefused

AnyRequest = Request[Any, Any, Any]

HTML_ERROR = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"
)


async def serve(
    world: World,
    request: AnyRequest,
    operation: str,
    work: Callable[[Merchant, bytes], tuple[int, Any]],
) -> Response[bytes]:
    """Check who asks, meet the ordered faults, do the work in one transaction, sign the answer."""
    raw = await request.body()
    caller = _claimed_mchid(request)
    if faults.take(world, "html", operation, caller):
        return Response(HTML_ERROR, status_code=502, media_type="text/html")
    if slow := faults.take(world, "slow", operation, caller):
        await asyncio.sleep(slow.option("seconds", 3))
    merchant: Merchant | None = None
    number = 0
    try:
        merchant = authenticate(world, request, raw)
        _meet_refusals(world, operation, merchant)
        tasks.run_due(world)
        with world.store.writing():
            status, payload = work(merchant, raw)
        if other := faults.take(world, "tamper_amount", operation, merchant.mchid):
            payload = tampered(payload, other.option("fen", 1)) if payload else payload
        body = payload if isinstance(payload, bytes) else wire.to_json(payload) if payload else b""
    except PayError as refused:
        status, number = refused.status, refused.number
        error = {"code": refused.code, "message": refused.message}
        body = wire.to_json(error | ({"detail": refused.detail} if refused.detail else {}))
    if merchant and (hung := faults.take(world, "timeout_after_work", operation, merchant.mchid)):
        await asyncio.sleep(hung.option("seconds", 30))
        return Response(HTML_ERROR, status_code=504, media_type="text/html")
    headers = {"Request-ID": f"08{secrets.token_hex(24).upper()}-{number}"}
    if merchant:
        headers |= _sign_answer(world, merchant, operation, request, body)
    media_type = "application/json; charset=utf-8" if body else None
    return Response(body, status_code=status, headers=headers, media_type=media_type)


def _claimed_mchid(request: AnyRequest) -> str | None:
    try:
        return transport.parse_authorization(request.headers.get("authorization", "")).mchid
    except SignatureRefused:
        return None


def authenticate(world: World, request: AnyRequest, raw: bytes) -> Merchant:
    """The merchant whose key signed these very bytes. Raises PayError 400/401."""
    headers = request.headers
    if not headers.get("user-agent") or not headers.get("accept"):
        raise PayError(400, "PARAM_ERROR", "Http头缺少Accept或User-Agent", 268435461)
    try:
        given = transport.parse_authorization(headers.get("authorization", ""))
    except SignatureRefused:
        raise _sign_error(
            "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
        ) from None
    merchant = get_merchant(world, given.mchid)
    if merchant is None or given.serial_no.upper() != merchant.serial.upper():
        raise _sign_error("商户证书序列号有误，请使用签名私钥匹配的证书序列号")
    url = request.scope["raw_path"].decode()
    if query := request.scope["query_string"].decode():
        url += "?" + query
    pem, now = merchant.public_pem, world.now()
    try:
        transport.verify_request(given, request.method, url, raw, public_pem=pem, now=now)
    except SignatureRefused as refused:
        if refused.details.get("reason") == "timestamp":
            raise _sign_error(
                "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
            ) from None
        text = transport.request_message(request.method, url, given.timestamp, given.nonce_str, raw)
        raise _sign_error(
            "错误的签名，验签失败",
            {
                "detail": {"issue": "sign not match"},
                "field": "signature",
                "location": "authorization",
                "sign_information": {
                    "method": request.method,
                    "url": url,
                    "truncated_sign_message": text.decode(errors="replace")[:60],
                    "sign_message_length": len(text),
                },
            },
        ) from None
    return merchant


def _sign_error(message: str, detail: Any = None) -> PayError:
    return PayError(401, "SIGN_ERROR", message, 268443699, detail)


def _meet_refusals(world: World, operation: str, merchant: Merchant) -> None:
    if fault := faults.take(world, "system_error", operation, merchant.mchid):
        code = fault.option("code", "SYSTEM_ERROR")
        raise PayError(500, code, "系统异常，请用相同参数重新调用", 268435457)
    busy = faults.take(world, "frequency_limited", operation, merchant.mchid)
    if busy or not limits.count_call(world, merchant.mchid, operation):
        code = busy.option("code", "FREQUENCY_LIMITED") if busy else "FREQUENCY_LIMITED"
        raise PayError(429, code, "频率超限，请降低请求频率", 268447840)


def _sign_answer(
    world: World,
    merchant: Merchant,
    operation: str,
    request: AnyRequest,
    body: bytes,
) -> dict[str, str]:
    signer = choose_signer(world, merchant, request.headers.get("wechatpay-serial"))
    at = world.now()
    if skew := faults.take(world, "skewed_time", operation, merchant.mchid):
        at += timedelta(seconds=skew.option("seconds", 600))
    probe = faults.take(world, "probe", operation, merchant.mchid) is not None
    headers = wire.signed_headers(signer.pair, body, at, probe=probe)
    if faults.take(world, "bad_signature", operation, merchant.mchid):
        headers["Wechatpay-Nonce"] = secrets.token_hex(16)
    return headers


# -- routes --------------------------------------------------------------------------------------

_TRANSACTIONS = "/v3/pay/transactions"


@post(f"{_TRANSACTIONS}/jsapi")
async def post_jsapi(request: AnyRequest, world: World) -> Response[bytes]:
    """JSAPI/小程序下单."""
    return await serve(
        world,
        request,
        "pay.create",
        lambda merchant, raw: create_order(world, merchant, "JSAPI", raw),
    )


@post(f"{_TRANSACTIONS}/native")
async def post_native(request: AnyRequest, world: World) -> Response[bytes]:
    """Native 下单."""
    return await serve(
        world,
        request,
        "pay.create",
        lambda merchant, raw: create_order(world, merchant, "NATIVE", raw),
    )


@get(f"{_TRANSACTIONS}/out-trade-no/{{out_trade_no:str}}")
async def get_by_number(request: AnyRequest, world: World, out_trade_no: str) -> Response[bytes]:
    """商户订单号查询订单."""
    mchid = request.query_params.get("mchid")
    return await serve(
        world,
        request,
        "pay.query",
        lambda merchant, _: query_order(
            world, merchant, mchid, find_order(world, merchant.mchid, out_trade_no)
        ),
    )


@get(f"{_TRANSACTIONS}/id/{{transaction_id:str}}")
async def get_by_transaction(
    request: AnyRequest, world: World, transaction_id: str
) -> Response[bytes]:
    """微信支付订单号查询订单."""
    mchid = request.query_params.get("mchid")
    return await serve(
        world,
        request,
        "pay.query",
        lambda merchant, _: query_order(
            world,
            merchant,
            mchid,
            find_paid(world, merchant.mchid, transaction_id),
        ),
    )


@post(f"{_TRANSACTIONS}/out-trade-no/{{out_trade_no:str}}/close")
async def post_close(request: AnyRequest, world: World, out_trade_no: str) -> Response[bytes]:
    """关闭订单."""
    return await serve(
        world,
        request,
        "pay.close",
        lambda merchant, raw: close_order(world, merchant, out_trade_no, raw),
    )


@get("/v3/certificates")
async def get_certificates(request: AnyRequest, world: World) -> Response[bytes]:
    """获取平台证书列表."""
    return await serve(
        world, request, "pay.certificates", lambda merchant, _: list_certificates(world, merchant)
    )


routes = [post_jsapi, post_native, get_by_number, get_by_transaction, post_close, get_certificates]
