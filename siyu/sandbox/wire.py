"""WeChat's side of the wire: its keys, its signatures on answers and notifications, its sealing.

The strings and ciphers are those of `siyu.wechat.transport`, pinned by published vectors.
"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import PROBE_PREFIX

CHINA = timezone(timedelta(hours=8))


class KeyPair(msgspec.Struct, frozen=True):
    """PEM texts; `public_pem` is a certificate or a bare public key."""

    serial: str
    private_pem: str
    public_pem: str


def signed_headers(
    signer: KeyPair, body: bytes, at: datetime, *, probe: bool = False
) -> dict[str, str]:
    """The headers of an answer or a notification; a probe carries a signature that must fail."""
    headers = transport.signature_headers(
        body,
        serial=signer.serial,
        private_key_pem=signer.private_pem,
        timestamp=int(at.timestamp()),
        nonce=secrets.token_hex(16),
    )
    if probe:
        headers["Wechatpay-Signature"] = PROBE_PREFIX + headers["Wechatpay-Signature"][:-44]
    return headers


def seal(api_v3_key: str, plain: bytes, associated_data: str) -> dict[str, str]:
    """AEAD_AES_256_GCM with a fresh nonce: the cipher of a notification or a certificate."""
    sealed = transport.seal(
        plain, api_v3_key, nonce=secrets.token_hex(6), associated_data=associated_data
    )
    return {
        "algorithm": sealed.algorithm,
        "ciphertext": sealed.ciphertext,
        "associated_data": sealed.associated_data,
        "nonce": sealed.nonce,
    }


def make_certificate(common_name: str, at: datetime, years: int = 5) -> KeyPair:
    """A fresh 2048-bit key with a self-signed certificate of `years`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "siyu sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    serial = (1 << 158) | secrets.randbits(158)  # 40 hex digits, as WeChat's are
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(at.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(at.astimezone(UTC) + timedelta(days=365 * years))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return KeyPair(f"{serial:X}", _private_pem(key), pem)


def make_public_key() -> KeyPair:
    """A fresh WeChat Pay public key with its id."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    number = "".join(secrets.choice("0123456789") for _ in range(34))
    return KeyPair(f"PUB_KEY_ID_{number}", _private_pem(key), pem.decode())


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


Reveal = Callable[[str], str]  # opens a sensitive field of the request at hand


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals; the sign of a negative amount in front."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def wechat_time(at: datetime) -> str:
    """RFC 3339 to the second in +08:00, as WeChat always answers."""
    return at.astimezone(CHINA).isoformat(timespec="seconds")


def moment(at: float) -> str:
    """Seconds since 1970 as WeChat writes them."""
    return wechat_time(datetime.fromtimestamp(at, CHINA))


def to_json(value: Any) -> bytes:
    """Compact JSON; Chinese stays readable."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def canonical_json(raw: bytes, *, without: str = "") -> str:
    """One text per meaning: keys sorted, no spaces; for telling equal parameters from others.

    without: a sensitive field, which is encrypted anew each time and so never the same.
    """

    def cleaned(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name != without}

    value = json.loads(raw, object_pairs_hook=cleaned)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
