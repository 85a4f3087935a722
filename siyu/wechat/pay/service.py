"""Verbs of pay v3. All speak with WeChat: call them outside any transaction.

They raise WeChatError (and its kinds TradeAlreadyPaid, TradeClosed); an error whose `retry` is
UNKNOWN says nothing about the order: query it, or repeat under the same number.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec

from siyu.kernel import clock
from siyu.kernel.errors import SiyuError
from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import (
    Certificate,
    JsapiPayment,
    NewTrade,
    Notification,
    NotificationMalformed,
    PayCredentials,
    Trade,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    PUBLIC_KEY_PREFIX,
    SERIAL,
    SIGNATURE,
    Answer,
    Call,
    ChannelUnusable,
    Retry,
    Sealed,
    SerialUnknown,
    SignatureRefused,
    WeChatError,
)

T = TypeVar("T")

_REFRESH_SECONDS = 60.0
_CREATES_PER_SECOND = 400.0  # WeChat takes about 500 a second from one merchant


def check(credentials: PayCredentials) -> None:
    """Raise ChannelUnusable, naming what is empty or malformed (F007)."""
    found = rules.missing(credentials)
    if found:
        raise ChannelUnusable(missing=", ".join(found))


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
        await _exchange(credentials, "pay.close", "POST", target, body)
    except WeChatError as error:
        if rules.is_missing(error):
            return False
        raise
    return True


async def download_certificates(credentials: PayCredentials) -> list[Certificate]:
    """The platform certificates in force; [] for a merchant in public-key mode.

    The answer is opened with the API v3 key first and then verified with what it brought: only
    WeChat can seal with that key, so the first download needs no key in advance.
    """
    check(credentials)
    request = _request(credentials, "pay.certificates", "GET", "/v3/certificates", b"")
    try:
        answer = await transport.call(request, lambda: _headers(credentials, request), _accept)
    except WeChatError as error:
        if error.status == 404:
            return []
        raise
    listed = _decode(answer, _CertificateList).data
    try:
        found = [_open_certificate(credentials, one) for one in listed]
        ring = transport.KeyRing({one.serial_no: one.pem for one in found} | _known(credentials))
        transport.verify_headers(ring, answer.headers, answer.body, clock.now())
    except (SiyuError, ValueError) as error:
        raise rules.malformed(answer, f"certificates: {type(error).__name__}") from None
    return [one for one in found if one.expire_time > clock.now()]


def _open_certificate(credentials: PayCredentials, listed: "_SealedCertificate") -> Certificate:
    pem = transport.unseal(listed.encrypt_certificate, credentials.api_v3_key).decode()
    if transport.certificate_serial(pem) != listed.serial_no.upper():
        raise ValueError("the certificate has another serial")
    return Certificate(
        serial_no=listed.serial_no,
        pem=pem,
        effective_time=listed.effective_time,
        expire_time=listed.expire_time,
    )


async def read_notification(
    credentials: PayCredentials, headers: Mapping[str, str], body: bytes
) -> Notification:
    """Verify the raw bytes of a fresh notification, then open it, then read it.

    Raises SignatureRefused (ProbeRefused for WeChat's own test), SerialUnknown after one attempt
    to download the key, SealBroken, NotificationMalformed, ChannelUnusable.
    """
    check(credentials)
    # Only a serial we might download is worth a call; junk headers end here.
    serial = headers.get(SERIAL, "")
    ring = _known(credentials)
    if serial not in ring and headers.get(SIGNATURE) and not serial.startswith(PUBLIC_KEY_PREFIX):
        await _refresh(credentials)
        ring = _known(credentials)
    if not ring:
        raise SerialUnknown(serial=serial[:64])
    transport.verify_headers(transport.KeyRing(ring), headers, body, clock.now(), _nonces)
    return open_notification(credentials, body)


def open_notification(credentials: PayCredentials, body: bytes) -> Notification:
    """Open a notification that was verified when it came in; SealBroken, NotificationMalformed."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.MsgspecError:
        raise NotificationMalformed from None
    return Notification(
        id=envelope.id,
        event_type=envelope.event_type,
        original_type=envelope.resource.original_type,
        content=transport.unseal(envelope.resource, credentials.api_v3_key),
    )


def read_trade(notification: Notification) -> Trade:
    """The order in a payment notification; raises NotificationMalformed."""
    try:
        return msgspec.json.decode(notification.content, type=Trade)
    except msgspec.MsgspecError:
        raise NotificationMalformed from None


# --- the exchange -----------------------------------------------------------------------------


class _Prepaid(msgspec.Struct):
    prepay_id: str


class _Coded(msgspec.Struct):
    code_url: str


class _Envelope(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    event_type: str
    resource: Sealed


class _SealedCertificate(msgspec.Struct):
    serial_no: str
    effective_time: datetime
    expire_time: datetime
    encrypt_certificate: Sealed


class _CertificateList(msgspec.Struct):
    data: list[_SealedCertificate]


class _Downloaded:
    """Platform certificates one merchant was given, and when they were asked for last."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.asked_at: float | None = None
        self.lock = asyncio.Lock()


_downloaded: dict[tuple[str, str], _Downloaded] = {}
_nonces = transport.NonceMemory()


def _of(credentials: PayCredentials) -> _Downloaded:
    return _downloaded.setdefault((credentials.base_url, credentials.mchid), _Downloaded())


def _known(credentials: PayCredentials) -> dict[str, str]:
    keys = dict(_of(credentials).keys) | credentials.certificates
    if credentials.public_key_id and credentials.public_key_pem:
        keys[credentials.public_key_id] = credentials.public_key_pem
    return keys


async def _refresh(credentials: PayCredentials) -> None:
    """Download certificates: one flight per merchant, at most one a minute, failures included, so
    that notifications with invented serials cannot make us call."""
    state = _of(credentials)
    async with state.lock:
        now = clock.monotonic()
        if state.asked_at is not None and now - state.asked_at < _REFRESH_SECONDS:
            return
        state.asked_at = now
        try:
            found = await download_certificates(credentials)
        except WeChatError:
            return
        state.keys = {one.serial_no: one.pem for one in found}


def _request(credentials: PayCredentials, api: str, method: str, target: str, body: bytes) -> Call:
    # Every write of this product carries the merchant's own number: repeating it is safe.
    return Call(
        account=credentials.mchid,
        api=api,
        method=method,
        base_url=credentials.base_url,
        target=target,
        body=body,
        repeatable=True,
        per_second=_CREATES_PER_SECOND if api.startswith("pay.create") else 50.0,
    )


def _headers(credentials: PayCredentials, request: Call) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Authorization": transport.authorization(
            request.method,
            request.target,
            request.body,
            mchid=credentials.mchid,
            serial_no=credentials.serial_no,
            private_key_pem=credentials.private_key_pem,
            timestamp=int(clock.now().timestamp()),
            nonce=secrets.token_hex(16),
        ),
    }
    if request.body:
        headers["Content-Type"] = "application/json"
    if credentials.public_key_id:
        headers["Wechatpay-Serial"] = credentials.public_key_id
    return headers


def _accept(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise rules.error_of(answer)
    return answer


async def _exchange(
    credentials: PayCredentials, api: str, method: str, target: str, body: bytes = b""
) -> Answer:
    """Send a signed request; the answer, its signature checked.

    Errors before authentication come unsigned (401, gateways), so a missing signature is borne on
    errors; one that is there must be right, else the outcome is unknown.
    """
    check(credentials)
    request = _request(credentials, api, method, target, body)

    def read(answer: Answer) -> Answer:
        if 200 <= answer.status < 300 or SIGNATURE in answer.headers:
            _verify(credentials, answer)
        return _accept(answer)

    if not _known(credentials):
        await _refresh(credentials)
    for _ in range(2):
        try:
            return await transport.call(request, lambda: _headers(credentials, request), read)
        except SerialUnknown:
            await _refresh(credentials)
    raise WeChatError(0, "SERIAL_UNKNOWN", "the answer's key is unknown", retry=Retry.UNKNOWN)


def _verify(credentials: PayCredentials, answer: Answer) -> None:
    """Raise WeChatError for a signature that is missing or wrong, SerialUnknown for a new key."""
    known = _known(credentials)
    serial = answer.headers.get(SERIAL)
    if serial and serial not in known:
        raise SerialUnknown(serial=serial[:64])
    try:
        transport.verify_headers(transport.KeyRing(known), answer.headers, answer.body, clock.now())
    except SignatureRefused:
        raise WeChatError(
            answer.status,
            "BAD_SIGNATURE",
            "the answer is not proven to be WeChat's",
            retry=Retry.UNKNOWN,
            body=transport.without_secrets(answer.body),
        ) from None


async def _create(credentials: PayCredentials, trade: NewTrade, scene: str, kind: type[T]) -> T:
    body = rules.create_body(credentials, trade)
    target = f"/v3/pay/transactions/{scene}"
    answer = await _exchange(credentials, f"pay.create_{scene}", "POST", target, body)
    return _decode(answer, kind)


async def _query(credentials: PayCredentials, target: str) -> Trade | None:
    target = f"{target}?mchid={credentials.mchid}"
    try:
        answer = await _exchange(credentials, "pay.query", "GET", target)
    except WeChatError as error:
        if rules.is_missing(error):
            return None
        raise
    return _decode(answer, Trade)


def _decode(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        # The text names fields and types, never values.
        raise rules.malformed(answer, str(error)) from None
