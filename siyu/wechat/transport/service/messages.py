"""Messages WeChat pushes to a server (mini-program, official account, WeCom): signature and AES.

One scheme for all three: SHA-1 over the sorted parts, AES-256-CBC under the EncodingAESKey with
32-byte blocks, and inside it 16 random bytes, the length, the text and the receiver's id. It
proves the sender by a shared token, so an empty token or key is refused.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from siyu.wechat.transport.contracts import ChannelUnusable, SealBroken, SignatureRefused

_BLOCK = 32


def message_signature(token: str, timestamp: str, nonce: str, encrypted: str = "") -> str:
    """The hex SHA-1 of a pushed message, or without `encrypted` of the plain URL check."""
    if not token:
        raise ChannelUnusable(missing="message token")
    parts = [token, timestamp, nonce, encrypted] if encrypted else [token, timestamp, nonce]
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def verify_message(
    token: str, timestamp: str, nonce: str, encrypted: str = "", *, signature: str
) -> None:
    """Raise SignatureRefused unless the signature belongs to the parts."""
    expected = message_signature(token, timestamp, nonce, encrypted)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise SignatureRefused(reason="signature")


def open_message(encoding_aes_key: str, encrypted: str, receiver: str) -> bytes:
    """The text of an encrypted message for `receiver` (app id or corp id); SealBroken if not."""
    key = _message_key(encoding_aes_key)
    try:
        sealed = base64.b64decode(encrypted, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
    except ValueError:
        raise SealBroken(reason="content") from None
    pad = padded[-1] if padded else 0
    plain = padded[:-pad]
    size = int.from_bytes(plain[16:20], "big")
    text, owner = plain[20 : 20 + size], plain[20 + size :]
    if not 1 <= pad <= _BLOCK or len(text) != size or owner != receiver.encode():
        raise SealBroken(reason="receiver")
    return text


def seal_message(encoding_aes_key: str, text: bytes, receiver: str, random: bytes) -> str:
    """Encrypt a message for its receiver; random: 16 fresh bytes."""
    assert len(random) == 16
    key = _message_key(encoding_aes_key)
    plain = random + len(text).to_bytes(4, "big") + text + receiver.encode()
    pad = _BLOCK - len(plain) % _BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def page_signature(ticket: str, nonce: str, timestamp: int, url: str) -> str:
    """The JS-SDK signature of a page; url without its fragment."""
    if not ticket:
        raise ChannelUnusable(missing="jsapi ticket")
    pairs: Iterable[tuple[str, str]] = (
        ("jsapi_ticket", ticket),
        ("noncestr", nonce),
        ("timestamp", str(timestamp)),
        ("url", url),
    )
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _message_key(encoding_aes_key: str) -> bytes:
    # Published keys exist whose last character carries stray bits; the decoder ignores them.
    try:
        key = base64.b64decode(encoding_aes_key + "=")
    except ValueError:
        key = b""
    if len(encoding_aes_key) != 43 or len(key) != 32:
        raise ChannelUnusable(missing="EncodingAESKey (43 characters)")
    return key
