"""Idempotency keys: the client makes the key, the server remembers the answer (F129).

Cases: first use runs; replay with the same input gets the stored answer and says so; the same key
with other input is 422; while the first still runs 409; after 24 hours the key is new again; a key
is 1..255 printable characters; keys of two people or two shops never meet; a refused request keeps
nothing, so that it may be tried again with the same key.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.errors import BadInput, Conflict
from siyu.kernel.ids import ShopId

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
    """A client's key. owner: who sent it; fingerprint: SHA-256 of method, path and raw body."""

    owner: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, owner: str, key: str | None, method: str, path: str, body: bytes) -> "OnceKey":
        """Check the header's value; raises KeyInvalid."""
        if not key or len(key) > 255 or not key.isascii() or not key.isprintable():
            raise KeyInvalid
        head = f"{method} {path}\n".encode()
        return cls(owner, key, hashlib.sha256(head + body).digest())


class Replayed(Exception):
    """Not an error: the stored answer is to be sent again."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__("replayed")
        self.status = status
        self.answer = answer


# The try-lock tells "still running" from "done" without waiting. An expired row is taken over.
CLAIM = """
with mine as materialized (select pg_try_advisory_xact_lock($7) as ok),
taken as (
  insert into kernel.idempotency as i
    (shop_id, owner, key, fingerprint, created_at, expires_at)
  select $1, $2, $3, $4, $5, $6 from mine where ok
  on conflict (shop_id, owner, key) do update
    set fingerprint = excluded.fingerprint, status = null, answer = null,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    where i.expires_at <= excluded.created_at
  returning true)
select (select ok from mine) as ok, exists (select from taken) as fresh,
  i.fingerprint, i.status, i.answer
from (select 1) as one
left join kernel.idempotency i on i.shop_id = $1 and i.owner = $2 and i.key = $3
"""


def _lock(shop_id: ShopId, once: OnceKey) -> int:
    name = f"{shop_id}\0{once.owner}\0{once.key}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


async def claim(connection: Any, shop_id: ShopId, once: OnceKey) -> None:
    """Take the key for this transaction, or raise Replayed, KeyReused or StillRunning."""
    now = clock.now()
    lock = _lock(shop_id, once)
    arguments = (shop_id, once.owner, once.key, once.fingerprint, now, now + KEPT_FOR, lock)
    found = await connection.fetchrow(CLAIM, *arguments)
    if found["fresh"]:
        return
    if not found["ok"]:
        raise StillRunning
    if found["fingerprint"] is None:
        # Committed by another between our snapshot and our lock: visible to a second look.
        found = await connection.fetchrow(CLAIM, *arguments)
    if found["fingerprint"] != once.fingerprint:
        raise KeyReused
    assert found["answer"] is not None, "a committed key always has its answer"
    raise Replayed(found["status"], vault().open(found["answer"]).encode())


# Many keys at once: locked first, so that what the second statement finds is the last word.
LOCK_MANY = "select pg_try_advisory_xact_lock(lock) as ok from unnest($1::bigint[]) as lock"
FIND_MANY = """
select i.fingerprint, i.status, i.answer, i.expires_at <= $4 as is_over
from unnest($2::text[], $3::text[]) with ordinality as k (owner, key, no)
left join kernel.idempotency i on i.shop_id = $1 and i.owner = k.owner and i.key = k.key
order by k.no
"""
FORGET_MANY = """
delete from kernel.idempotency i using unnest($2::text[], $3::text[]) as k (owner, key)
where i.shop_id = $1 and i.owner = k.owner and i.key = k.key
"""
KEEP_MANY = """
insert into kernel.idempotency
  (shop_id, owner, key, fingerprint, created_at, expires_at, status, answer)
select $1, k.owner, k.key, k.fingerprint, $5, $6, 200, k.answer
from unnest($2::text[], $3::text[], $4::bytea[], $7::bytea[])
  as k (owner, key, fingerprint, answer)
"""


async def claim_many(tx: Any, keys: Sequence[OnceKey]) -> list[Exception | None]:
    """Take distinct keys for this transaction in two trips: for each None, or what `claim` would
    have raised. What is kept under them is written by `keep_many`; a key left out keeps nothing.
    """
    locked = await tx.connection.fetch(LOCK_MANY, [_lock(tx.shop_id, once) for once in keys])
    arguments = ([once.owner for once in keys], [once.key for once in keys], clock.now())
    found = await tx.connection.fetch(FIND_MANY, tx.shop_id, *arguments)
    over = [
        once
        for once, lock, row in zip(keys, locked, found, strict=True)
        if lock["ok"] and row["is_over"]
    ]
    if over:
        names = [once.owner for once in over], [once.key for once in over]
        await tx.connection.execute(FORGET_MANY, tx.shop_id, *names)
    claims: list[Exception | None] = []
    for once, lock, row in zip(keys, locked, found, strict=True):
        if not lock["ok"]:
            claims.append(StillRunning())
        elif row["fingerprint"] is None or row["is_over"]:
            claims.append(None)
        elif row["fingerprint"] != once.fingerprint:
            claims.append(KeyReused())
        else:
            claims.append(Replayed(row["status"], vault().open(row["answer"]).encode()))
    return claims


async def keep_many(tx: Any, answers: Sequence[tuple[OnceKey, bytes]]) -> None:
    """Keep the good answers (status 200) under keys that `claim_many` took."""
    now = clock.now()
    await tx.run(
        KEEP_MANY,
        tx.shop_id,
        [once.owner for once, _ in answers],
        [once.key for once, _ in answers],
        [once.fingerprint for once, _ in answers],
        now,
        now + KEPT_FOR,
        [vault().seal(body.decode()) for _, body in answers],
    )


def answer_arguments(once: OnceKey | None, answer: Any) -> tuple[Any, ...]:
    """Status, sealed answer, owner and key for the flush; all None without a key."""
    if once is None:
        return (None, None, None, None)
    status, body = answer
    return (status, vault().seal(body.decode()), once.owner, once.key)
