"""The audit trail: every change of money or rights leaves a line a person can read."""

from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, Tx, reading
from siyu.kernel.http import Page, decode_cursor, get, staff


class Actor(Protocol):
    """Who did it: staff, member, or the system itself."""

    @property
    def actor(self) -> str:
        """Kind and id, such as `staff:0192…`."""

    @property
    def actor_name(self) -> str:
        """The name as it stood at that moment."""


class System(msgspec.Struct, frozen=True):
    """The program acting by itself (a deadline passed, a callback came)."""

    actor: str = "system"
    actor_name: str = "siyu"


class AuditRow(msgspec.Struct, frozen=True):
    """One line of the trail."""

    audit_id: str
    at: str
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    detail: dict[str, Any]


def audit(
    tx: Tx,
    actor: Actor,
    action: str,
    subject: tuple[str, object],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Note a change in the same transaction.

    action: `domain.what_happened`; subject: (kind, id); before/after: plain values that changed,
    never personal data in clear.
    """
    tx.add_audit(
        actor.actor,
        actor.actor_name,
        action,
        (subject[0], str(subject[1])),
        {"before": before or {}, "after": after or {}},
    )


async def list_audit(
    tx: ReadTx,
    subject: tuple[str, str] | None = None,
    before_id: UUID | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """The newest lines first, of one subject or of the whole shop; keyset by audit_id."""
    kind, subject_id = subject or (None, None)
    return await tx.all(
        AuditRow,
        """select audit_id::text, to_json(at) #>> '{}' as at, actor_name, action, subject_kind,
             subject_id, detail
           from kernel.audit
           where shop_id = $1 and ($2::text is null or (subject_kind = $2 and subject_id = $3))
             and ($4::uuid is null or audit_id < $4)
           order by audit_id desc limit $5""",
        tx.shop_id,
        kind,
        subject_id,
        before_id,
        limit,
    )


@get("/audit", access=staff("audit.read"))
async def show_trail(
    staff: StaffIdentity,
    subject_kind: Annotated[str, msgspec.Meta(max_length=40)] | None = None,
    subject_id: Annotated[str, msgspec.Meta(max_length=80)] | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[AuditRow]:
    """The trail of the shop, or of one subject, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    subject = (subject_kind, subject_id) if subject_kind and subject_id else None
    async with reading(staff.shop_id) as tx:
        rows = await list_audit(tx, subject, after[0] if after else None, limit + 1)
    return Page.of(rows, limit, key=lambda row: [row.audit_id])


routes = [show_trail]
