"""Secrets: personal data sealed at rest, keyed look-up hashes, signed tokens, and masks.

AES-256-GCM with a fresh 96-bit nonce; the key id travels with the text so that keys can be rotated
while serving (F093): new text is sealed with the newest key, old text opens with its own. A
look-up hash is HMAC-SHA256 under a key that never rotates, else stored hashes would go blind.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from siyu.kernel import clock, config
from siyu.kernel.errors import SiyuError, Unauthorized
from siyu.kernel.ids import random_bytes

MOST_PROVEN = 10_000
"""Tokens whose signature a process remembers; with one more it forgets them all."""


class KeyMissing(SiyuError):
    """The text was sealed with a key that this installation no longer has."""

    status = 500
    code = "crypto.key_missing"
    zh = "缺少解密密钥 {key_id},请从备份恢复密钥文件"
    en = "The key {key_id} is missing; restore the key file from a backup"


class Vault:
    """The master keys of one installation.

    keys: key id (1..255) -> 32 bytes; the highest id seals. lookup_key, token_key: 32 bytes each.
    """

    def __init__(self, keys: dict[int, bytes], lookup_key: bytes, token_key: bytes) -> None:
        assert keys and all(len(key) == 32 for key in keys.values()), "keys are 32 bytes"
        assert len(lookup_key) == 32 and len(token_key) == 32, "an empty key proves nothing"
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._newest = max(keys)
        # HMAC (RFC 2104) with its two halves begun once: a third of the time of `hmac.digest`.
        self._inner, self._outer = (
            hashlib.sha256(bytes(byte ^ pad for byte in lookup_key.ljust(64, b"\0")))
            for pad in (0x36, 0x5C)
        )
        self._token_key = token_key
        self._proven: dict[str, dict[str, object]] = {}

    def seal(self, text: str) -> bytes:
        """Encrypt text: one byte key id, 12 bytes nonce, ciphertext with tag."""
        nonce = random_bytes(12)
        head = bytes([self._newest])
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, text.encode(), head)

    def open(self, sealed: bytes) -> str:
        """Decrypt; raises KeyMissing for an unknown key id, ValueError when tampered with."""
        cipher = self._ciphers.get(sealed[0]) if sealed else None
        if cipher is None and sealed and self is _vault:
            cipher = refresh()._ciphers.get(sealed[0])  # another process has a newer key already
        if cipher is None:
            raise KeyMissing(key_id=sealed[0] if sealed else None)
        try:
            return cipher.decrypt(sealed[1:13], sealed[13:], sealed[:1]).decode()
        except InvalidTag:
            raise ValueError("sealed text was changed") from None

    @property
    def newest(self) -> int:
        """The id of the key that seals."""
        return self._newest

    def is_old(self, sealed: bytes) -> bool:
        """Whether the text should be sealed again with the newest key."""
        return sealed[0] != self._newest

    def lookup(self, text: str) -> bytes:
        """A keyed hash (32 bytes) by which sealed text can be found again."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()

    def sign_token(self, claims: dict[str, object], seconds: int) -> str:
        """A signed bearer token that ends after `seconds`; claims are readable, not secret."""
        body = {**claims, "exp": int(clock.now().timestamp()) + seconds}
        payload = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode())
        mark = hmac.digest(self._token_key, payload, hashlib.sha256)
        return (payload + b"." + base64.urlsafe_b64encode(mark)).decode()

    def verify_token(self, token: str) -> dict[str, object]:
        """The claims of a token of ours that has not ended; raises Unauthorized otherwise.

        They are not to be changed: those of a token that was proven once are kept.
        """
        claims = self._proven.get(token) or self._prove(token)
        ends = claims.get("exp")
        if not isinstance(ends, int) or ends <= clock.now().timestamp():
            raise Unauthorized
        return claims

    def _prove(self, token: str) -> dict[str, object]:
        payload, _, mark = token.partition(".")
        try:
            given = base64.urlsafe_b64decode(mark)
            expected = hmac.digest(self._token_key, payload.encode(), hashlib.sha256)
            if not hmac.compare_digest(given, expected):
                raise Unauthorized
            claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload))
        except ValueError:
            raise Unauthorized from None
        if len(self._proven) >= MOST_PROVEN:
            self._proven.clear()
        self._proven[token] = claims
        return claims


def load_vault(path: Path) -> Vault:
    """Read the key file, making it (mode 0600) at the first start."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = {
            "keys": {"1": secrets.token_hex(32)},
            "lookup_key": secrets.token_hex(32),
            "token_key": secrets.token_hex(32),
        }
        # Written aside and linked into place: two processes at first start agree on one file.
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(fresh, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    stored = json.loads(path.read_text())
    return Vault(
        {int(key_id): bytes.fromhex(key) for key_id, key in stored["keys"].items()},
        bytes.fromhex(stored["lookup_key"]),
        bytes.fromhex(stored["token_key"]),
    )


def add_key(path: Path) -> int:
    """Add a newer sealing key to the key file; returns its id.

    A process uses it when it starts, when it meets text sealed with it, or on `refresh`.
    """
    stored = json.loads(path.read_text())
    key_id = max(int(known) for known in stored["keys"]) + 1
    stored["keys"][str(key_id)] = secrets.token_hex(32)
    aside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(stored, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return key_id


_vault: Vault | None = None


def vault() -> Vault:
    """The vault of this installation, loaded at first use."""
    global _vault
    if _vault is None:
        _vault = load_vault(config.settings().key_file)
    return _vault


def refresh() -> Vault:
    """Read the key file again: a key that was added is used without a restart (F093)."""
    file = config.settings().key_file
    if file.exists():
        use(load_vault(file))
    return vault()


def use(new: Vault) -> None:
    """Put another vault in force (tests, key rotation)."""
    global _vault
    _vault = new


def mask_phone(phone: str) -> str:
    """`+8613812345678` -> `138****5678`; short numbers keep two digits."""
    digits = phone.removeprefix("+86").removeprefix("+")
    if len(digits) < 8:
        return digits[:1] + "*" * max(len(digits) - 2, 1) + digits[-1:]
    return f"{digits[:3]}****{digits[-4:]}"


def mask_name(name: str) -> str:
    """The first character stays: 王小明 -> 王**."""
    return name[:1] + "*" * max(len(name) - 1, 1) if name else ""


def mask_address(detail: str) -> str:
    """Street addresses keep at most their first six characters, never more than half."""
    kept = min(6, len(detail) // 2)
    return detail[:kept] + "****" if detail else ""
