"""What the outside sends: verified, stored once under its outside id, answered, then worked off.

    @receives("wechatpay")
    async def take_payment_news(message: Message) -> None: ...     # background.py

    async with transaction(shop_id) as tx:                           # http_callback.py
        await store(tx, source="wechatpay", outside_id=number, raw=body, headers=headers)

A repeated message is stored once and worked off once more only by `replay`. The handler opens its
own transactions and may run twice.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from siyu.kernel import clock, crypto, db, jobs
from siyu.kernel.db import Tx
from siyu.kernel.errors import NotFound
from siyu.kernel.ids import ShopId
from siyu.kernel.logs import describe

TRIES = jobs.DEFAULT_TRIES


class Message(msgspec.Struct, frozen=True):
    """A stored message: the raw body and the headers it came with."""

    shop_id: ShopId
    source: str
    outside_id: str
    raw: bytes
    headers: dict[str, str]
    received_at: datetime


class InboxRow(msgspec.Struct, frozen=True):
    """A message as the console lists it, without its body."""

    source: str
    outside_id: str
    state: str
    reason: str | None
    received_at: datetime
    changed_at: datetime


class _Stored(msgspec.Struct, frozen=True):
    raw_sealed: bytes
    headers: dict[str, str]
    received_at: datetime


Handler = TypeVar("Handler", bound=Callable[[Message], Awaitable[None]])
_handlers: dict[str, Callable[[Message], Awaitable[None]]] = {}


def receives(source: str) -> Callable[[Handler], Handler]:
    """Name the one function that works off the messages of a source."""

    def register(handler: Handler) -> Handler:
        assert source not in _handlers, f"two handlers for {source}"
        _handlers[source] = handler
        return handler

    return register


async def store(
    tx: Tx, *, source: str, outside_id: str, raw: bytes, headers: Mapping[str, str]
) -> bool:
    """Store a verified message, to be worked off after the commit; False when known already."""
    new = await tx.run(
        """insert into kernel.inbox
             (shop_id, source, outside_id, raw_sealed, headers, received_at, changed_at)
           values ($1, $2, $3, $4, $5, $6, $6) on conflict do nothing""",
        tx.shop_id,
        source,
        outside_id,
        crypto.vault().seal(raw.decode("latin-1")),  # any bytes, one character each
        dict(headers),
        clock.now(),
    )
    if new:
        jobs.enqueue(tx, _work, source=source, outside_id=outside_id)
    return bool(new)


@jobs.job("kernel.work_inbox", tries=TRIES)
async def _work(shop_id: int, source: str, outside_id: str) -> None:
    key = (ShopId(shop_id), source, outside_id)
    async with db.reading(key[0]) as tx:
        stored = await tx.maybe(
            _Stored,
            """select raw_sealed, headers, received_at from kernel.inbox
                where shop_id = $1 and source = $2 and outside_id = $3 and state <> 'done'""",
            *key,
        )
    if stored is None:
        return
    raw = crypto.vault().open(stored.raw_sealed).encode("latin-1")
    try:
        await _handlers[source](Message(*key, raw, stored.headers, stored.received_at))
    except Exception as error:
        await _mark(key, "dead" if jobs.is_last_try() else "new", describe(error))
        raise
    await _mark(key, "done", None)


async def _mark(key: tuple[ShopId, str, str], state: str, reason: str | None) -> None:
    async with db.transaction(key[0]) as tx:
        await tx.run(
            # Taken for dead, a job runs twice at once: the slower run's failure undoes nothing.
            """update kernel.inbox set state = $4, reason = $5, changed_at = $6
                where shop_id = $1 and source = $2 and outside_id = $3
                  and (state <> 'done' or $4 = 'done')""",
            *key,
            state,
            reason,
            clock.now(),
        )


async def replay(tx: Tx, source: str, outside_id: str) -> None:
    """Work a message off once more, whatever became of it; raises NotFound."""
    found = await tx.run(
        """update kernel.inbox set state = 'new', changed_at = $4
            where shop_id = $1 and source = $2 and outside_id = $3""",
        tx.shop_id,
        source,
        outside_id,
        clock.now(),
    )
    if not found:
        raise NotFound(source=source, outside_id=outside_id)
    jobs.enqueue(tx, _work, source=source, outside_id=outside_id)


async def list_messages(
    tx: db.ReadTx, before: tuple[datetime, str, str] | None, limit: int
) -> list[InboxRow]:
    """Messages of the shop, newest first; `before`: received_at, source, outside_id of the last."""
    args: list[Any] = [tx.shop_id, limit]
    beyond = ""
    if before is not None:
        args += before
        beyond = "and (received_at, source, outside_id) < ($3, $4, $5)"
    return await tx.all(
        InboxRow,
        f"""select source, outside_id, state, reason, received_at, changed_at from kernel.inbox
             where shop_id = $1 {beyond}
             order by received_at desc, source desc, outside_id desc limit $2""",
        *args,
    )
