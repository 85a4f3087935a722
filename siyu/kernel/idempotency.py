"""Idempotency keys: the client makes the key, the server remembers the answer (F129).

Cases: first use runs; replay with the same input gets the stored answer and says so; the same key
with other input is 422; while the first still runs 409; after 24 hours the key is new again; a key
is 1..255 printable characters; keys of two people or two shops never meet; a refused request keeps
nothing, so that it may be tried again with the same key.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.errors import BadInput, Conflict
from siyu.kernel.ids import uuid_of
from siyu.kernel.pool import BETWEEN, sparse

KEPT_FOR = timedelta(hours=24)


class KeyReused(BadInput):
    """The same key came with another input."""

    code = "idempotency.key_reused"
    zh = "同一个 Idempotency-Key 不能用于不同的请求"
    en = "This Idempotency-Key was used for another request"


class KeyInvalid(BadInput):
    """Missing, too long, or not printable ASCII."""

    code = "idempotency.key_invalid"
    zh = "需要 1 到 255 个可见字符的 Idempotency-Key"
    en = "An Idempotency-Key of 1 to 255 printable characters is needed"


class StillRunning(Conflict):
    """The first request under this key has not finished."""

    code = "idempotency.still_running"
    zh = "相同的请求正在处理中"
    en = "The same request is still running"


class OnceKey(msgspec.Struct, frozen=True):
    """A client's key. owner: who sent it; key_id: 128 bits of SHA-256 over owner and key;
    fingerprint: as many over method, path and raw body.
    """

    owner: str
    key_id: UUID
    fingerprint: UUID

    @classmethod
    def of(cls, owner: str, key: str | None, method: str, path: str, body: bytes) -> "OnceKey":
        """Check the header's value; raises KeyInvalid."""
        if not key or len(key) > 255 or not key.isascii() or not key.isprintable():
            raise KeyInvalid
        head = f"{method} {path}\n".encode()
        return cls(owner, _digest(f"{owner}\0{key}".encode()), _digest(head + body))


def _digest(content: bytes) -> UUID:
    return uuid_of(hashlib.sha256(content).digest()[:16])


class Replayed(Exception):
    """Not an error: the stored answer is to be sent again."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__("replayed")
        self.status = status
        self.answer = answer


class Recalled(Exception):
    """Not an error: what was made under the key; who made it can give the first answer again."""

    def __init__(self, made: UUID) -> None:
        super().__init__("recalled")
        self.made = made


class Answer(msgspec.Struct, frozen=True):
    """What is kept under a key: the first answer, or the id of what it can be made of again."""

    once: OnceKey
    status: int
    body: bytes | None
    made: UUID | None


class _Claimed(msgspec.Struct, frozen=True):
    """A key that somebody holds (not ok), or has used; the `no`th that was asked for."""

    no: int
    ok: bool
    fingerprint: UUID | None
    expires_at: datetime | None
    status: int | None
    answer: bytes | None
    made: UUID | None


CLAIM = """
select no, ok, fingerprint, expires_at, status,
  translate(encode(answer, 'base64'), e'\\n', '') as answer, made
from kernel.claim_keys($1, $2)
  with ordinality as k (ok, fingerprint, expires_at, status, answer, made, no)
where not ok or fingerprint is not null"""
"""Of most keys there is nothing to tell."""
FORGET = "delete from kernel.idempotency where shop_id = $1 and key_id = any ($2::uuid[])"

KEPT = """kept as (
  insert into kernel.idempotency
    (shop_id, expires_at, key_id, owner, fingerprint, status, answer, made)
  select $1, $6::timestamptz, key_id, owner, fingerprint, coalesce(status, 200), answer, made
  from unnest($7::uuid[], string_to_array($8, e'\\x1f'), $9::uuid[], $10::int[], $11::bytea[],
    $12::uuid[]) as k (key_id, owner, fingerprint, status, answer, made))"""
"""A part of the flush; its arguments are `columns`."""


async def claim(tx: Any, once: OnceKey) -> None:
    """Take the key for this transaction, or raise Replayed, Recalled, KeyReused or StillRunning."""
    (refusal,) = await claim_many(tx, [once])
    if refusal is not None:
        raise refusal


async def claim_many(tx: Any, keys: Sequence[OnceKey]) -> list[Exception | None]:
    """Take distinct keys for this transaction: for each None, or what `claim` would have raised.
    What is kept under them is given to `tx.keep_answers`; a key left out keeps nothing.
    """
    found = await tx.all(_Claimed, CLAIM, tx.shop_id, [once.key_id for once in keys])
    now = clock.now()
    over: list[UUID] = []
    claims: list[Exception | None] = [None] * len(keys)
    for row in found:
        once = keys[row.no - 1]
        if not row.ok:
            refusal: Exception | None = StillRunning()
        elif row.expires_at is None or row.expires_at <= now:
            refusal = None
            over.append(once.key_id)
        elif row.fingerprint != once.fingerprint:
            refusal = KeyReused()
        elif row.answer is None or row.status is None:
            assert row.made is not None
            refusal = Recalled(row.made)
        else:
            refusal = Replayed(row.status, vault().open(row.answer).encode())
        claims[row.no - 1] = refusal
    if over:
        await tx.run(FORGET, tx.shop_id, over)
    return claims


def columns(answers: Sequence[Answer]) -> tuple[Any, ...]:
    """The answers as the flush writes them: when they end, then column by column; the owners in one
    text, for the driver looks long at each text of a list. A column of nothing, or of the usual
    status, stays at home.
    """
    return (
        clock.now() + KEPT_FOR,
        [answer.once.key_id for answer in answers],
        BETWEEN.join(answer.once.owner for answer in answers),
        [answer.once.fingerprint for answer in answers],
        sparse([None if answer.status == 200 else answer.status for answer in answers]),
        sparse([None if one.body is None else vault().seal(one.body.decode()) for one in answers]),
        sparse([answer.made for answer in answers]),
    )
