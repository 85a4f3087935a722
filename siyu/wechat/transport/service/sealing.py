"""Sealing: AES-256-GCM of notifications and certificates, RSA-OAEP of sensitive fields."""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from siyu.wechat.transport.contracts import ChannelUnusable, SealBroken, Sealed
from siyu.wechat.transport.service import signing

ALGORITHM = "AEAD_AES_256_GCM"
# WeChat prescribes SHA-1 here; in OAEP it is a mask generator, where its collisions do not matter.
_OAEP = padding.OAEP(
    mgf=padding.MGF1(hashes.SHA1()),
    algorithm=hashes.SHA1(),
    label=None,
)


def _cipher(api_v3_key: str) -> AESGCM:
    key = api_v3_key.encode()
    if len(key) != 32:
        raise ChannelUnusable(missing="API v3 key (32 bytes)")
    return AESGCM(key)


def seal(
    plain: bytes, api_v3_key: str, *, nonce: str, associated_data: str, original_type: str = ""
) -> Sealed:
    """Seal as WeChat does (the sandbox's side); the nonce is 12 ASCII characters, used once."""
    text = _cipher(api_v3_key).encrypt(nonce.encode(), plain, associated_data.encode())
    return Sealed(
        algorithm=ALGORITHM,
        ciphertext=base64.b64encode(text).decode(),
        nonce=nonce,
        associated_data=associated_data,
        original_type=original_type,
    )


def unseal(sealed: Sealed, api_v3_key: str) -> bytes:
    """The content; raises SealBroken, and ChannelUnusable when the key is not 32 bytes."""
    cipher = _cipher(api_v3_key)
    if sealed.algorithm != ALGORITHM or len(sealed.nonce.encode()) != 12:
        raise SealBroken(reason="algorithm")
    try:
        return cipher.decrypt(
            sealed.nonce.encode(),
            base64.b64decode(sealed.ciphertext, validate=True),
            sealed.associated_data.encode(),
        )
    except (InvalidTag, ValueError):
        raise SealBroken(reason="content") from None


def hide(text: str, public_pem: str) -> str:
    """Encrypt a sensitive field (name, bank card) to the key named by `Wechatpay-Serial`."""
    return base64.b64encode(signing.public_key(public_pem).encrypt(text.encode(), _OAEP)).decode()


def reveal(hidden: str, private_key_pem: str) -> str:
    """Decrypt a sensitive field of an answer with the merchant's private key; SealBroken if not."""
    key = signing.private_key(private_key_pem)
    try:
        return key.decrypt(base64.b64decode(hidden, validate=True), _OAEP).decode()
    except ValueError:
        raise SealBroken(reason="field") from None
