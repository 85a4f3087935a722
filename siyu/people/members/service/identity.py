"""Who is who: links from identifiers to records, and merges of records that are one person.

A merge is an edge between two records. Who stands for a person is a function of the edges that
are in force, and nothing else: of the records they tie together the earliest, one whose wallet
had money before all others (its money need not move). So the order of merges cannot matter, and
an undone merge leaves everything as if it had never been. Whatever changes an edge holds the
shop's person counter, which making a member holds too.
"""

import contextlib
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.crypto import mask_phone, vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.members import queries, rules
from siyu.people.members.contracts import (
    Evidence,
    Identifier,
    IdentifierKind,
    MemberNotFound,
    MemberRecord,
    MembersMerged,
    Merge,
    MergeDecided,
    MergeNotFound,
    MergeProposed,
    MergeState,
    MergeUndone,
    Person,
    PersonJoined,
    RemovedIdentifier,
    SamePerson,
    Ties,
    TooManyIdentifiers,
)
from siyu.people.members.service import identity_store as store
from siyu.people.members.service import unlinking_store

BY_STAFF = "staff"
"""The evidence of a merge that staff asked for."""


async def person_of(tx: ReadTx, member_id: UUID) -> UUID:
    """The record that stands for the person a record belongs to. Raises MemberNotFound."""
    found = await store.get_person(tx, member_id)
    if found is None:
        raise MemberNotFound
    return found


async def ties_of(tx: ReadTx, persons: Collection[int]) -> dict[int, Ties]:
    """The records of those of the persons who are more than one, by the number asked for."""
    found: dict[int, Ties] = {}
    for row in await store.list_ties(tx, list(persons)):
        before = found.get(row.asked_no, Ties((), row.merged_at))
        found[row.asked_no] = Ties((*before.person_nos, row.person_no), row.merged_at)
    return found


async def hold_person(tx: Tx, member_id: UUID) -> tuple[UUID, list[UUID]]:
    """Who stands for a record, and all records of that person; no merge changes it before the
    commit. For reactions that move what follows a person. Raises MemberNotFound."""
    head_id = await store.lock_record_of_person(tx, member_id)
    if head_id is None:
        raise MemberNotFound
    return head_id, [record.member_id for record in await store.list_records(tx, [head_id])]


async def mark_balance(tx: Tx, member_id: UUID) -> None:
    """Money comes into the member's wallet: this record stands for the person from now on, and is
    merged with another such one by staff only. Called by the wallet, which stands above."""
    if not await store.set_balance(tx, member_id):
        return
    await queries.lock_person_counter(tx)
    ties = [
        row for row in await store.list_merges_of(tx, [member_id]) if row.state is MergeState.MERGED
    ]
    if ties:
        await _stand(tx, MembersMerged, ties[0].merge_id, [member_id])


async def set_merge_lock(tx: Tx, actor: Actor, member_id: UUID, reason: str | None) -> None:
    """Let staff alone decide merges of a record; None: no longer. Raises MemberNotFound."""
    if not await store.set_lock(tx, member_id, reason):
        raise MemberNotFound
    audit(tx, actor, "members.merge_locked", ("member", member_id), after={"reason": reason})


# --- links --------------------------------------------------------------------------------------


async def link(
    tx: Tx,
    member_id: UUID,
    kind: IdentifierKind,
    value: str,
    evidence: Evidence,
    actor: Actor | None = None,
) -> UUID | None:
    """Link an identifier to a record. One that another record has stays there, and both are
    proposed for a merge; certain evidence merges them at once unless something speaks against it.

    The merge that waits or was made, None when there was no need. Raises BadIdentifier, BadPhone,
    MemberNotFound, TooManyIdentifiers.
    """
    assert kind is not IdentifierKind.OPENID, "openids are log-ins"
    value = rules.normal(kind, value)
    key, confidence_bps = vault().lookup(value), rules.CONFIDENCE_BPS[evidence]
    await queries.lock_person_counter(tx)
    if await store.get_person(tx, member_id) is None:
        raise MemberNotFound
    if await store.get_holder(tx, kind, key) is None:
        held = await store.count_identifiers(tx, member_id, kind)
        if held >= rules.IDENTIFIERS_MAX:
            raise TooManyIdentifiers(limit=rules.IDENTIFIERS_MAX)
    holder = await store.upsert_identifier(
        tx, kind, key, member_id, vault().seal(value), evidence, confidence_bps, clock.now()
    )
    if kind is IdentifierKind.UNIONID:
        await take_waiting(tx, [key])
    if holder.member_id == member_id:
        return None
    return await _propose(tx, member_id, holder.member_id, kind, confidence_bps, actor or System())


async def take_waiting(tx: Tx, union_keys: Sequence[bytes]) -> None:
    """The holders of these shared ids have accounts now: whom the official account and the staff
    knew by them is linked."""
    await store.take_waiting_logins(tx, union_keys, clock.now())
    for member_id, sealed in await store.take_waiting_contacts(tx, union_keys):
        # Somebody who is ten contacts already logs in all the same.
        with contextlib.suppress(TooManyIdentifiers):
            contact = vault().open(sealed)
            await link(tx, member_id, IdentifierKind.EXTERNAL_USERID, contact, Evidence.WECOM)


async def link_contact(tx: Tx, external_userid: str, union_id: str) -> bool:
    """Note that staff have at WeCom whom we know by a shared id. False when nobody here has it: it
    waits for their account."""
    await queries.lock_person_counter(tx)
    union_key = vault().lookup(rules.normal(IdentifierKind.UNIONID, union_id))
    holder = await store.get_holder(tx, IdentifierKind.UNIONID, union_key)
    if holder is None:
        contact = rules.normal(IdentifierKind.EXTERNAL_USERID, external_userid)
        key, sealed = vault().lookup(contact), vault().seal(contact)
        await store.wait_contact(tx, key, sealed, union_key, clock.now())
        return False
    await link(tx, holder, IdentifierKind.EXTERNAL_USERID, external_userid, Evidence.WECOM)
    return True


async def forget_contact(tx: Tx, external_userid: str) -> None:
    """A customer without an account here left the staff: nothing is kept."""
    contact = rules.normal(IdentifierKind.EXTERNAL_USERID, external_userid)
    await store.delete_waiting_contact(tx, vault().lookup(contact))


async def link_by_staff(
    tx: Tx, actor: Actor, member_id: UUID, kind: IdentifierKind, value: str
) -> None:
    """The same by staff; audited without the value."""
    await link(tx, member_id, kind, value, Evidence.STAFF, actor)
    audit(tx, actor, "members.identifier_linked", ("member", member_id), after={"kind": kind})


# --- merges -------------------------------------------------------------------------------------


async def propose_merge(tx: Tx, actor: Actor, one_id: UUID, other_id: UUID) -> UUID:
    """Put two records into the queue as one person, for a decision. Raises MemberNotFound,
    SamePerson."""
    await queries.lock_person_counter(tx)
    bps = rules.CONFIDENCE_BPS[Evidence.STAFF]
    merge_id = await _propose(tx, one_id, other_id, BY_STAFF, bps, actor)
    if merge_id is None:
        raise SamePerson
    return merge_id


async def _propose(
    tx: Tx, one_id: UUID, other_id: UUID, evidence: str, confidence_bps: int, actor: Actor
) -> UUID | None:
    """Keep that two records may be one person, and merge them if that is certain. The person
    counter is held. None when they are one person already."""
    heads = {await person_of(tx, one_id), await person_of(tx, other_id)}
    if len(heads) == 1:
        return None
    records = await store.list_records(tx, list(heads))
    between = await store.list_merges_between(tx, [record.member_id for record in records])
    for waiting in (row for row in between if row.state is MergeState.PROPOSED):
        if not rules.is_certain(evidence, confidence_bps):
            return waiting.merge_id
        # Better evidence came while staff had not decided: it is judged anew.
        await _close(tx, waiting, System(), MergeState.REFUSED, "better evidence")
    early, late = await _facts(tx, records)
    reasons = rules.why_staff(early, late, evidence, confidence_bps)
    if any(
        row.state is MergeState.UNDONE
        or (row.state is MergeState.REFUSED and row.decided_by != System().actor_name)
        for row in between
    ):
        reasons.append("decided_before")
    one_id, other_id = sorted((one_id, other_id))
    row = store.MergeRow(
        merge_id=new_id(),
        one_id=one_id,
        other_id=other_id,
        evidence=evidence,
        confidence_bps=confidence_bps,
        state=MergeState.PROPOSED,
        reasons=reasons,
        note=None,
        proposed_by=actor.actor_name,
        proposed_at=clock.now(),
        decided_by=None,
        decided_at=None,
        undone_by=None,
        undone_at=None,
    )
    await store.insert_merge(tx, row)
    numbers = {record.member_id: record.person_no for record in records}
    told = (numbers[early.head_id], row.merge_id, numbers[late.head_id], evidence, reasons)
    emit(tx, MergeProposed(*told))
    if not reasons:
        await _close(tx, row, System(), MergeState.MERGED, None)
    return row.merge_id


async def _facts(tx: ReadTx, records: Sequence[store.RecordRow]) -> list[rules.Facts]:
    """What speaks for and against two persons being one; whose record is the earliest first."""
    identifiers = await store.list_identifiers(tx, [record.member_id for record in records])
    found = []
    for head in dict.fromkeys(record.head_id for record in records):
        own = [record for record in records if record.head_id == head]
        ids = {record.member_id for record in own}
        links = [one for one in identifiers if one.member_id in ids]
        found.append(
            rules.Facts(
                head_id=head,
                head_level=next(r.level for r in own if r.member_id == head),
                levels=frozenset(record.level for record in own),
                record_count=len(own),
                app_ids=frozenset(one.app_id for one in links if one.app_id is not None),
                unionids=_keys(links, IdentifierKind.UNIONID),
                phones=_keys(links, IdentifierKind.PHONE, Evidence.PHONE_AUTHORISED),
                has_balance=any(record.has_balance for record in own),
                is_locked=any(record.locked_reason is not None for record in own),
            )
        )
    return sorted(found, key=lambda facts: not facts.has_balance)


def _keys(
    links: Sequence[store.IdentifierRow], kind: IdentifierKind, evidence: Evidence | None = None
) -> frozenset[bytes]:
    return frozenset(
        one.value_key
        for one in links
        if one.kind is kind and evidence in (None, one.source) and one.value_key is not None
    )


async def decide_merge(
    tx: Tx, actor: Actor, merge_id: UUID, is_accepted: bool, note: str | None
) -> None:
    """Merge what was proposed, or refuse it; audited. Raises MergeNotFound, MergeDecided."""
    row = await _held(tx, merge_id, MergeState.PROPOSED)
    await _close(tx, row, actor, MergeState.MERGED if is_accepted else MergeState.REFUSED, note)


async def undo_merge(tx: Tx, actor: Actor, merge_id: UUID, reason: str) -> None:
    """Make two persons of one again, exactly as they were; what happened since the merge stays
    with who stood for both. Audited. Raises MergeNotFound, MergeDecided."""
    row = await _held(tx, merge_id, MergeState.MERGED)
    await _close(tx, row, actor, MergeState.UNDONE, reason)


async def _held(tx: Tx, merge_id: UUID, state: MergeState) -> store.MergeRow:
    await queries.lock_person_counter(tx)
    row = await store.get_merge(tx, merge_id)
    if row is None:
        raise MergeNotFound
    if row.state is not state:
        raise MergeDecided(state=row.state)
    return row


async def _close(
    tx: Tx, row: store.MergeRow, actor: Actor, state: MergeState, note: str | None
) -> None:
    """Move a merge to a state, let the right records stand for their persons, and tell it."""
    now = clock.now()
    if state is MergeState.UNDONE:
        stamp: dict[str, object] = {"undone_by": actor.actor_name, "undone_at": now}
    else:
        stamp = {"decided_by": actor.actor_name, "decided_at": now}
    await store.move_merge(
        tx, msgspec.structs.replace(row, state=state, note=note or row.note, **stamp)
    )
    audit(
        tx,
        actor,
        f"members.merge_{state}",
        ("merge", row.merge_id),
        before={"state": row.state},
        after={"state": state, "one": row.one_id, "other": row.other_id, "note": note},
    )
    if state is MergeState.REFUSED:
        return
    told = MembersMerged if state is MergeState.MERGED else MergeUndone
    ids = await _stand(tx, told, row.merge_id, [row.one_id, row.other_id])
    if state is MergeState.MERGED:
        # What waits between records that are one person now has been answered: merges stay a
        # forest, so that undoing one always parts two persons.
        for waiting in await store.list_merges_between(tx, ids):
            if waiting.state is MergeState.PROPOSED:
                await _close(tx, waiting, System(), MergeState.REFUSED, "one person already")


async def _stand(
    tx: Tx,
    told: type[MembersMerged] | type[MergeUndone],
    merge_id: UUID,
    seeds: Sequence[UUID],
) -> list[UUID]:
    """Let the right records stand for the persons of these records, and tell what changed. All
    records of these persons."""
    for one in await store.move_heads(tx, seeds):
        emit(tx, PersonJoined(one.head_no, one.person_no))
    heads = [await person_of(tx, one) for one in seeds]
    records = await store.list_records(tx, heads)
    head = next(record for record in records if record.member_id == heads[0])
    ids = [record.member_id for record in records]
    emit(tx, told(head.person_no, head.member_id, merge_id, ids))
    return ids


# --- as people see it ---------------------------------------------------------------------------


async def _removed(tx: ReadTx, member_ids: list[UUID]) -> list[RemovedIdentifier]:
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
        for row in await unlinking_store.list_removed(tx, member_ids)
    ]


async def get_identities(tx: ReadTx, member_id: UUID) -> Person:
    """Everything that says who a person is, found by any of their records. Raises
    MemberNotFound."""
    head = await person_of(tx, member_id)
    records = await store.list_records(tx, [head])
    rows = await store.list_merges_of(tx, [record.member_id for record in records])
    shown = await _records(tx, [one for row in rows for one in (row.one_id, row.other_id)] + [head])
    [first] = [record for record in records if record.member_id == head]
    return Person(
        head,
        first.person_no,
        [shown[record.member_id] for record in records],
        [_merge(row, shown) for row in rows],
        await _removed(tx, [record.member_id for record in records]),
    )


async def list_merges(
    tx: ReadTx, state: MergeState | None, before: UUID | None, limit: int
) -> list[Merge]:
    """Merges side by side, newest first; before: the last one seen."""
    rows = await store.list_merges(tx, state, before, limit)
    shown = await _records(tx, [one for row in rows for one in (row.one_id, row.other_id)])
    return [_merge(row, shown) for row in rows]


async def get_merge(tx: ReadTx, merge_id: UUID) -> Merge:
    """A merge side by side. Raises MergeNotFound."""
    row = await store.get_merge(tx, merge_id)
    if row is None:
        raise MergeNotFound
    return _merge(row, await _records(tx, [row.one_id, row.other_id]))


def _merge(row: store.MergeRow, shown: dict[UUID, MemberRecord]) -> Merge:
    values = msgspec.structs.asdict(row)
    one, other = values.pop("one_id"), values.pop("other_id")
    return Merge(**values, one=shown[one], other=shown[other])


async def _records(tx: ReadTx, member_ids: Sequence[UUID]) -> dict[UUID, MemberRecord]:
    """Records as staff see them, masked, with those of the same persons."""
    wanted = sorted({await person_of(tx, one) for one in set(member_ids)})
    rows = await store.list_records(tx, wanted)
    links: dict[UUID, list[Identifier]] = {}
    for one in await store.list_identifiers(tx, [row.member_id for row in rows]):
        value = one.subject or (vault().open(one.sealed) if one.sealed else None)
        links.setdefault(one.member_id, []).append(
            Identifier(
                one.kind,
                one.app_id,
                rules.masked(one.kind, value),
                one.member_id,
                one.source,
                one.confidence_bps,
                one.linked_at,
                one.value_key.hex()[:16] if one.value_key else None,
            )
        )
    return {
        row.member_id: MemberRecord(
            row.member_id,
            row.person_no,
            rules.shown(row.nickname),
            mask_phone(vault().open(row.phone_sealed)) if row.phone_sealed else None,
            row.level,
            row.source,
            row.joined_at,
            row.last_login_at,
            row.locked_reason,
            row.has_balance,
            links.get(row.member_id, []),
        )
        for row in rows
    }


# --- what follows a person ----------------------------------------------------------------------


async def follow(
    tx: Tx,
    table: str,
    record_ids: Sequence[UUID],
    *,
    but: str = "false",
    columns: tuple[str, str] = ("member_id", "home_id"),
    once_per: Sequence[str] = (),
) -> int:
    """Give the rows of a table that came with these records to who stands for them now.

    For a reaction to MembersMerged and MergeUndone. columns: whose a row is, and the record it
    came with (null: the first); but: rows that stay, $3 is who would get them; once_per: nobody
    has two rows with the same values of these: where the other has one already, this one stays.
    Rows made since a merge have no other home, so they stay with who made them. Run again or late,
    it gives the same. How many rows moved.
    """
    moved = 0
    for record_id in sorted(record_ids):
        head_id = await store.lock_record_of_person(tx, record_id)
        moved += await store.move_rows(tx, table, columns, record_id, head_id, but, once_per)
    return moved
