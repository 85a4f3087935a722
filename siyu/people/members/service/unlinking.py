"""A wrong identifier taken off a record by staff, and given back: nothing of it is lost."""

from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.people.members import queries, rules
from siyu.people.members.contracts import (
    IdentifierKind,
    IdentifierNotFound,
    IdentifierTaken,
    RemovedIdentifier,
)
from siyu.people.members.service import unlinking_store as store


async def unlink(
    tx: Tx, actor: Actor, member_id: UUID, kind: IdentifierKind, ref: str, reason: str
) -> UUID:
    """Take an identifier off a record; it is free for whoever it belongs to. Merges it led to
    stay until staff undo them. Audited without the value; the number of the removal.

    ref: `Identifier.ref`. Raises IdentifierNotFound, for log-ins too: those WeChat vouches for.
    """
    await queries.lock_person_counter(tx)
    removal_id = new_id()
    if not await store.move_away(
        tx, removal_id, member_id, kind, ref, clock.now(), actor.actor_name, reason
    ):
        raise IdentifierNotFound
    await store.forget_on_record(tx, removal_id)
    after = {"kind": kind, "reason": reason, "removal_id": str(removal_id)}
    audit(tx, actor, "members.identifier_removed", ("member", member_id), after=after)
    return removal_id


async def relink(tx: Tx, actor: Actor, member_id: UUID, removal_id: UUID) -> None:
    """Give back what was removed, as it was. Audited.

    Raises IdentifierNotFound, IdentifierTaken when it is somebody's by now.
    """
    await queries.lock_person_counter(tx)
    found = await store.get_removed(tx, member_id, removal_id)
    if found is None:
        raise IdentifierNotFound
    if not await store.move_back(tx, removal_id, clock.now()):
        raise IdentifierTaken
    await store.remember_on_record(tx, removal_id)
    after = {"kind": found.kind, "removal_id": str(removal_id)}
    audit(tx, actor, "members.identifier_restored", ("member", member_id), after=after)


async def list_removed(tx: ReadTx, member_ids: list[UUID]) -> list[RemovedIdentifier]:
    """What was taken off these records and not given back, newest first, masked."""
    return [
        RemovedIdentifier(
            row.removal_id,
            row.kind,
            rules.masked(row.kind, vault().open(row.sealed) if row.sealed else None),
            row.member_id,
            row.removed_at,
            row.removed_by,
            row.reason,
        )
        for row in await store.list_removed(tx, member_ids)
    ]
