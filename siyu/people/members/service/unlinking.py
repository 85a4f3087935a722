"""A wrong identifier taken off a record by staff, and given back: nothing of it is lost."""

from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.people.members import queries
from siyu.people.members.contracts import (
    IdentifierKind,
    IdentifierNotFound,
    IdentifierTaken,
)
from siyu.people.members.service import unlinking_store as store
from siyu.people.members.service.identity import take_waiting


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
    """Give back what was removed, as it was; whom the official account or the staff met by a shared
    id meanwhile is linked too. Audited.

    Raises IdentifierNotFound, IdentifierTaken when it is somebody's by now.
    """
    await queries.lock_person_counter(tx)
    found = await store.get_removed(tx, member_id, removal_id)
    if found is None:
        raise IdentifierNotFound
    key = await store.move_back(tx, removal_id, clock.now())
    if key is None:
        raise IdentifierTaken
    await store.remember_on_record(tx, removal_id)
    if found.kind is IdentifierKind.UNIONID:
        await take_waiting(tx, [key])
    after = {"kind": found.kind, "removal_id": str(removal_id)}
    audit(tx, actor, "members.identifier_restored", ("member", member_id), after=after)
