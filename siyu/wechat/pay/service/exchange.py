"""The signed exchange with pay v3: keys we know, requests we sign, answers we believe."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from cryptography import x509

from siyu.kernel import clock
from siyu.kernel.errors import SiyuError
from siyu.wechat.pay import rules
from siyu.wechat.pay.contracts import Certificate, PayCredentials
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import (
    MAX_ANSWER_BYTES,
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
_BILL_BYTES = 128 * 1024 * 1024
# What WeChat takes of one merchant each second, with a margin; everything else is unspecified.
_PER_SECOND: Final = {
    "pay.create_jsapi": 400.0,
    "pay.create_native": 400.0,
    "sharing.split": 250.0,
    "sharing.query": 400.0,
    "sharing.return": 80.0,
    "transfer.create": 80.0,
    "transfer.authorize": 40.0,
    "transfer.cancel": 15.0,
}


def check(credentials: PayCredentials) -> None:
    """Raise ChannelUnusable, naming what is empty or malformed (F007)."""
    found = rules.missing(credentials)
    if found:
        raise ChannelUnusable(missing=", ".join(found))


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
    listed = decode(answer, _CertificateList).data
    try:
        found = [_open_certificate(credentials, one) for one in listed]
        ring = transport.KeyRing({one.serial_no: one.pem for one in found} | known(credentials))
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


def _of(credentials: PayCredentials) -> _Downloaded:
    return _downloaded.setdefault((credentials.base_url, credentials.mchid), _Downloaded())


def known(credentials: PayCredentials) -> dict[str, str]:
    """The keys WeChat may sign with, as far as we hold them: serial -> PEM."""
    keys = dict(_of(credentials).keys) | credentials.certificates
    if credentials.public_key_id and credentials.public_key_pem:
        keys[credentials.public_key_id] = credentials.public_key_pem
    return keys


async def refresh(credentials: PayCredentials) -> None:
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


class Hidden(msgspec.Struct, frozen=True):
    """Sensitive texts as they travel, and the serial of the key they were encrypted to."""

    serial: str
    texts: list[str]


async def hide(credentials: PayCredentials, *texts: str) -> Hidden:
    """Encrypt names and card numbers to WeChat; an empty text stays empty.

    To the public key if we have one, else to the platform certificate that lives longest.
    Raises ChannelUnusable when no key of WeChat's is known.
    """
    check(credentials)
    if not known(credentials):
        await refresh(credentials)
    ring = known(credentials)
    if not ring:
        raise ChannelUnusable(missing="WeChat Pay public key")
    serial = credentials.public_key_id or max(ring, key=lambda one: _expires(ring[one]))
    texts_out = [transport.hide(text, ring[serial]) if text else "" for text in texts]
    return Hidden(serial, texts_out)


def _expires(pem: str) -> float:
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()


def _request(credentials: PayCredentials, api: str, method: str, target: str, body: bytes) -> Call:
    # Every write of this product carries the merchant's own number: repeating it is safe.
    is_bill = api == "bill.file"
    return Call(
        account=credentials.mchid,
        api=api,
        method=method,
        base_url=credentials.base_url,
        target=target,
        body=body,
        repeatable=True,
        per_second=_PER_SECOND.get(api, 50.0),
        deadline_seconds=300.0 if is_bill else 20.0,
        max_answer_bytes=_BILL_BYTES if is_bill else MAX_ANSWER_BYTES,
    )


def _headers(credentials: PayCredentials, request: Call, serial: str = "") -> dict[str, str]:
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
    if serial := serial or credentials.public_key_id:
        headers["Wechatpay-Serial"] = serial
    return headers


def _accept(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise rules.error_of(answer)
    return answer


async def exchange(
    credentials: PayCredentials,
    api: str,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    serial: str = "",
) -> Answer:
    """Send a signed request; the answer, its signature checked.

    serial: the key that sensitive fields of the body were encrypted to. Errors before
    authentication come unsigned (401, gateways), so a missing signature is borne on errors; one
    that is there must be right, else the outcome is unknown.
    """
    check(credentials)
    request = _request(credentials, api, method, target, body)

    def read(answer: Answer) -> Answer:
        if 200 <= answer.status < 300 or SIGNATURE in answer.headers:
            _verify(credentials, answer)
        return _accept(answer)

    def headers() -> dict[str, str]:
        return _headers(credentials, request, serial)

    if not known(credentials):
        await refresh(credentials)
    for _ in range(2):
        try:
            return await transport.call(request, headers, read)
        except SerialUnknown:
            await refresh(credentials)
    raise WeChatError(0, "SERIAL_UNKNOWN", "the answer's key is unknown", retry=Retry.UNKNOWN)


async def ask(credentials: PayCredentials, api: str, target: str, kind: type[T]) -> T | None:
    """GET something; None when WeChat never heard of it."""
    try:
        answer = await exchange(credentials, api, "GET", target)
    except WeChatError as error:
        if rules.is_missing(error):
            return None
        raise
    return decode(answer, kind)


async def send(
    credentials: PayCredentials,
    api: str,
    target: str,
    body: Mapping[str, Any],
    kind: type[T],
    *,
    serial: str = "",
) -> T:
    """POST a body; the answer as `kind`."""
    raw = msgspec.json.encode(body)
    return decode(await exchange(credentials, api, "POST", target, raw, serial=serial), kind)


async def download(credentials: PayCredentials, target: str) -> bytes:
    """A bill file: the one answer of WeChat's that is not signed; what it must hash to came in
    a signed one."""
    check(credentials)
    request = _request(credentials, "bill.file", "GET", target, b"")
    answer = await transport.call(request, lambda: _headers(credentials, request), _accept)
    return answer.body


def _verify(credentials: PayCredentials, answer: Answer) -> None:
    """Raise WeChatError for a signature that is missing or wrong, SerialUnknown for a new key."""
    ring = known(credentials)
    serial = answer.headers.get(SERIAL)
    if serial and serial not in ring:
        raise SerialUnknown(serial=serial[:64])
    try:
        transport.verify_headers(transport.KeyRing(ring), answer.headers, answer.body, clock.now())
    except SignatureRefused:
        raise WeChatError(
            answer.status,
            "BAD_SIGNATURE",
            "the answer is not proven to be WeChat's",
            retry=Retry.UNKNOWN,
            body=transport.without_secrets(answer.body),
        ) from None


def decode(answer: Answer, kind: type[T]) -> T:
    """The body as `kind`; a WeChatError MALFORMED, whose outcome is unknown, when it is not."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        # The text names fields and types, never values.
        raise rules.malformed(answer, str(error)) from None
