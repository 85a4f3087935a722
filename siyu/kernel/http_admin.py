"""Console routes of the ground itself: what was given up and what came in, and trying it again."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.params import Parameter

from siyu.kernel import dead, inbox
from siyu.kernel.audit import audit
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.dead import DeadItem
from siyu.kernel.errors import NotFound
from siyu.kernel.http import (
    CursorInvalid,
    Page,
    decode_cursor,
    encode_cursor,
    get,
    post,
    staff,
)

Limit = Annotated[int, Parameter(ge=1, le=100)]


class MessageView(msgspec.Struct, frozen=True):
    """A stored message of the outside, without its body."""

    message_id: str
    source: str
    outside_id: str
    state: str
    reason: str | None
    received_at: datetime
    changed_at: datetime


@get("/dead-deliveries", access=staff("jobs.manage"))
async def list_dead_deliveries(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 50
) -> Page[DeadItem]:
    """Jobs and reactions that were given up, the latest first, with the reason."""
    before = decode_cursor(cursor, tuple[datetime, str])
    async with system_transaction(staff.shop_id) as tx:
        rows = await dead.list_dead(tx, before, limit + 1)
    return Page.of(rows, limit, lambda row: [row.failed_at, row.dead_id])


@post("/dead-deliveries/{dead_id:str}/retry", access=staff("jobs.manage"))
async def retry_dead_delivery(staff: StaffIdentity, dead_id: str) -> None:
    """Try it again from its first try."""
    async with system_transaction(staff.shop_id) as tx:
        await dead.retry(tx, dead_id)
        audit(tx, staff, "kernel.retried", ("dead_item", dead_id))


@get("/inbox", access=staff("jobs.manage"))
async def list_inbox(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 50
) -> Page[MessageView]:
    """Messages that came in from the outside, the latest first."""
    before = decode_cursor(cursor, tuple[datetime, str, str])
    async with reading(staff.shop_id) as tx:
        rows = await inbox.list_messages(tx, before, limit + 1)
    views = [
        MessageView(
            message_id=encode_cursor([row.source, row.outside_id]),
            **msgspec.structs.asdict(row),
        )
        for row in rows
    ]
    return Page.of(views, limit, lambda row: [row.received_at, row.source, row.outside_id])


@post("/inbox/{message_id:str}/replay", access=staff("jobs.manage"))
async def replay_message(staff: StaffIdentity, message_id: str) -> None:
    """Work a stored message off once more."""
    try:
        key = decode_cursor(message_id, tuple[str, str])
    except CursorInvalid:
        raise NotFound(message_id=message_id) from None
    assert key is not None
    async with transaction(staff.shop_id) as tx:
        await inbox.replay(tx, *key)
        audit(tx, staff, "kernel.replayed", ("message", f"{key[0]}:{key[1]}"))


routes = [list_dead_deliveries, retry_dead_delivery, list_inbox, replay_message]
