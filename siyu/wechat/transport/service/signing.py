"""Signatures: RSA PKCS#1 v1.5 with SHA-256 over raw bytes, chosen by key serial, inside 300 s."""

import base64
import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from siyu.wechat.transport import rules
from siyu.wechat.transport.contracts import (
    NONCE,
    PAY_SCHEME,
    PROBE_PREFIX,
    SERIAL,
    SIGNATURE,
    SIGNATURE_TYPE,
    TIMESTAMP,
    WINDOW_SECONDS,
    Authorization,
    ChannelUnusable,
    ProbeRefused,
    SerialUnknown,
    SignatureRefused,
)

_PAIR: Final = re.compile(r'(\w+)="([^"]*)"')
_UNIX: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


@lru_cache(maxsize=512)
def private_key(pem: str) -> rsa.RSAPrivateKey:
    """A merchant's private key from PEM (PKCS#1 or PKCS#8); raises ChannelUnusable."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ChannelUnusable(missing="merchant private key") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise ChannelUnusable(missing="merchant private key (RSA, 2048 bit)")
    return key


@lru_cache(maxsize=2048)
def public_key(pem: str) -> rsa.RSAPublicKey:
    """A public key from the PEM of a key or of a certificate; raises ChannelUnusable."""
    try:
        key = (
            x509.load_pem_x509_certificate(pem.encode()).public_key()
            if "BEGIN CERTIFICATE" in pem
            else serialization.load_pem_public_key(pem.encode())
        )
    except ValueError:
        raise ChannelUnusable(missing="WeChat Pay public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ChannelUnusable(missing="WeChat Pay public key (RSA, 2048 bit)")
    return key


def certificate_serial(pem: str) -> str:
    """The serial of a certificate as WeChat writes it: upper-case hex, whole bytes."""
    serial = f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"
    return serial.zfill(len(serial) + len(serial) % 2)


def sign(message: bytes, private_key_pem: str) -> str:
    """The Base64 signature of a message."""
    signature = private_key(private_key_pem).sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def verify(message: bytes, signature: str, public_pem: str) -> None:
    """Raise SignatureRefused unless the owner of the key signed exactly this message."""
    key = public_key(public_pem)
    try:
        key.verify(
            base64.b64decode(signature, validate=True),
            message,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    except (InvalidSignature, ValueError):
        raise SignatureRefused(reason="signature") from None


class KeyRing(msgspec.Struct, frozen=True):
    """The keys WeChat may sign with: serial (or `PUB_KEY_ID_…`) -> PEM of key or certificate.

    During a merchant's migration both kinds are in use at random, so all are held and each
    message chooses by its `Wechatpay-Serial`.
    """

    keys: dict[str, str]

    def __post_init__(self) -> None:
        if not self.keys or not all(self.keys) or not all(self.keys.values()):
            raise ChannelUnusable(missing="WeChat Pay public key")

    def pem(self, serial: str) -> str:
        """The key of a serial; raises SerialUnknown."""
        try:
            return self.keys[serial]
        except KeyError:
            raise SerialUnknown(serial=serial[:64]) from None


class NonceMemory:
    """Nonces seen inside the window. Memory of one process: behind it stands the inbox, whose
    unique outside id keeps a replay that reaches another process from being applied twice."""

    def __init__(self, size: int = 100_000) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._size = size

    def remember(self, serial: str, nonce: str, at: int) -> None:
        """Note a nonce; raises SignatureRefused when it was seen before."""
        if (serial, nonce) in self._seen:
            raise SignatureRefused(reason="nonce")
        while self._seen and (
            len(self._seen) >= self._size
            or next(iter(self._seen.values())) < at - 2 * WINDOW_SECONDS
        ):
            self._seen.popitem(last=False)
        self._seen[serial, nonce] = at


def authorization(
    method: str,
    target: str,
    body: bytes,
    *,
    mchid: str,
    serial_no: str,
    private_key_pem: str,
    timestamp: int,
    nonce: str,
) -> str:
    """The Authorization header of a request; `target` and `body` exactly as they are sent."""
    message = rules.request_message(method, target, timestamp, nonce, body)
    signature = sign(message, private_key_pem)
    return (
        f'{PAY_SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial_no}"'
    )


def parse_authorization(value: str) -> Authorization:
    """Read an Authorization header, pairs in any order; raises SignatureRefused."""
    scheme, _, rest = value.partition(" ")
    pairs = dict(_PAIR.findall(rest))
    wanted = {"mchid", "serial_no", "nonce_str", "timestamp", "signature"}
    if scheme != PAY_SCHEME or set(pairs) != wanted or not _UNIX.fullmatch(pairs["timestamp"]):
        raise SignatureRefused(reason="authorization")
    return Authorization(
        mchid=pairs["mchid"],
        serial_no=pairs["serial_no"],
        nonce_str=pairs["nonce_str"],
        timestamp=int(pairs["timestamp"]),
        signature=pairs["signature"],
    )


def verify_request(
    given: Authorization,
    method: str,
    target: str,
    body: bytes,
    *,
    public_pem: str,
    now: datetime,
) -> None:
    """Check a merchant's request as WeChat does (the sandbox's side); raises SignatureRefused.

    target and body exactly as they were received; public_pem: key or certificate of the merchant.
    """
    if abs(now.timestamp() - given.timestamp) >= WINDOW_SECONDS:
        raise SignatureRefused(reason="timestamp")
    message = rules.request_message(method, target, given.timestamp, given.nonce_str, body)
    verify(message, given.signature, public_pem)


def signature_headers(
    body: bytes, *, serial: str, private_key_pem: str, timestamp: int, nonce: str
) -> dict[str, str]:
    """The headers WeChat puts on its answers and notifications (the sandbox's side)."""
    message = rules.answer_message(str(timestamp), nonce, body)
    return {
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": sign(message, private_key_pem),
        "Wechatpay-Signature-Type": PAY_SCHEME,
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
    }


def verify_headers(
    ring: KeyRing,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    nonces: NonceMemory | None = None,
) -> None:
    """Check that WeChat signed these raw bytes, now.

    headers: a case-insensitive mapping, or one with lower-case names; nonces: given for
    notifications, where a replay must be told apart. Raises ProbeRefused, SignatureRefused
    (missing header, window of 300 s, replay, signature) or SerialUnknown. There is no way past it.
    """
    serial, signature = headers.get(SERIAL, ""), headers.get(SIGNATURE, "")
    timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
    if signature.startswith(PROBE_PREFIX):
        raise ProbeRefused(reason="probe")
    if not (serial and signature and nonce and _UNIX.fullmatch(timestamp)):
        raise SignatureRefused(reason="headers")
    if headers.get(SIGNATURE_TYPE, PAY_SCHEME) != PAY_SCHEME:
        raise SignatureRefused(reason="signature type")
    if abs(now.timestamp() - int(timestamp)) >= WINDOW_SECONDS:
        raise SignatureRefused(reason="timestamp")
    verify(rules.answer_message(timestamp, nonce, body), signature, ring.pem(serial))
    if nonces is not None:
        nonces.remember(serial, nonce, int(timestamp))
