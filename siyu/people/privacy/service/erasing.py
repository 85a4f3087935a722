"""A person erased: asked, called off, carried out, and what stands in the way."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import ReadTx, Tx, reading
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId, new_id
from siyu.people.members import service as members
from siyu.people.privacy import queries, rules
from siyu.people.privacy.contracts import (
    Erasure,
    ErasureAsked,
    ErasureEnded,
    ErasureNotFound,
    ErasureRefused,
    ErasureState,
    ErasureUnderWay,
    PersonErased,
    Treated,
)
from siyu.people.privacy.queries import Person
from siyu.people.privacy.service.mapping import blanks, data_map, person_of, tables_of_persons
from siyu.warehouse.compaction import service as compaction


async def list_blocks(tx: ReadTx, member_id: UUID) -> list[str]:
    """What is not finished and stands in the way of an erasure; reasons as in the data maps."""
    return await queries.list_blocks(tx, data_map(), await person_of(tx, member_id))


async def ask_erasure(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> Erasure:
    """Note that a person wants to be forgotten; it happens after seven days unless called off.

    Raises ErasureRefused (with what stands in the way), ErasureUnderWay, MemberNotFound.
    """
    member = await members.get_member(tx, member_id)
    if blocks := await list_blocks(tx, member_id):
        raise ErasureRefused(blocks=", ".join(blocks))
    now, erasure_id = clock.now(), new_id()
    if not await queries.insert_erasure(
        tx,
        erasure_id=erasure_id,
        member_id=member_id,
        person_no=member.person_no,
        asked_at=now,
        asked_by=actor.actor,
        reason=reason,
        due_at=now + rules.COOL_OFF,
        latest_at=now + rules.LATEST,
    ):
        raise ErasureUnderWay
    audit(tx, actor, "privacy.erasure_asked", ("member", member_id), after={"reason": reason})
    emit(tx, ErasureAsked(person_no=member.person_no, erasure_id=erasure_id))
    return await _open_erasure(tx, member_id)


async def _open_erasure(tx: ReadTx, member_id: UUID) -> Erasure:
    found = await queries.get_open_erasure(tx, member_id)
    if found is None:
        raise ErasureNotFound
    return found


async def get_erasure(tx: ReadTx, member_id: UUID) -> Erasure | None:
    """The erasure of a member that is under way."""
    return await queries.get_open_erasure(tx, member_id)


async def cancel_erasure(tx: Tx, actor: Actor, member_id: UUID) -> None:
    """Call an erasure off while nothing has been erased. Raises ErasureNotFound."""
    found = await _open_erasure(tx, member_id)
    held = await queries.lock_erasure(tx, found.erasure_id)
    if held is None or held.ended_at is not None:
        raise ErasureNotFound
    await queries.move_erasure(tx, held.erasure_id, ErasureState.CANCELLED, ended_at=clock.now())
    audit(tx, actor, "privacy.erasure_cancelled", ("member", member_id))
    emit(tx, ErasureEnded(person_no=held.person_no, erasure_id=held.erasure_id, state="cancelled"))


async def carry_out(tx: Tx, erasure_id: UUID) -> Erasure | None:
    """Erase a person whose cool-off is over, or note what still stands in the way.

    One transaction over all tables of the maps; files and the warehouse follow by `PersonErased`
    and `erase_events`. None when there is nothing to do (called off, done already).
    """
    held = await queries.lock_erasure(tx, erasure_id)
    if held is None or held.ended_at is not None or held.due_at > clock.now():
        return None
    person = await person_of(tx, held.member_id)
    if blocks := await queries.list_blocks(tx, data_map(), person):
        await queries.move_erasure(
            tx, erasure_id, ErasureState.BLOCKED, ended_at=None, blocks=blocks
        )
        return await queries.lock_erasure(tx, erasure_id)
    report = await erase_person(tx, person)
    await queries.move_erasure(
        tx, erasure_id, ErasureState.DONE, ended_at=clock.now(), report=report
    )
    audit(
        tx,
        System(),
        "privacy.person_erased",
        ("member", held.member_id),
        after={one.done: sum(r.rows for r in report if r.done == one.done) for one in report},
    )
    for record_id in person.members:
        emit(tx, PersonErased(person_no=held.person_no, member_id=record_id))
    emit(tx, ErasureEnded(person_no=held.person_no, erasure_id=erasure_id, state="done"))
    return await queries.lock_erasure(tx, erasure_id)


async def erase_again(tx: Tx, erasure_id: UUID) -> bool:
    """Once more, for what a log-in token that outlived the erasure has written since.

    False when something stands in the way and it must be tried later.
    """
    held = await queries.lock_erasure(tx, erasure_id)
    assert held is not None and held.state is ErasureState.DONE
    person = await person_of(tx, held.member_id)
    if await queries.list_blocks(tx, data_map(), person):
        return False
    await erase_person(tx, person)
    return True


async def erase_person(tx: Tx, person: Person) -> list[Treated]:
    """Do what every map says, and report it; top of the tower first, for that refers down."""
    blank_address, blank = blanks()
    tables = tables_of_persons()
    held = await queries.count_rows(tx, tables, person)
    report = []
    for name, table in reversed(tables.items()):
        rows = held[name]
        if not rows:
            continue
        if table.erase == "rows" or isinstance(table.erase, dict):
            await queries.erase_rows(tx, name, table, person, blank_address, blank)
        erased = table.erase in ("rows", "own")
        scrubbed = isinstance(table.erase, dict)
        report.append(
            Treated(
                name,
                rows,
                "erased" if erased else "scrubbed" if scrubbed else "kept",
                None if erased else table.keep,
            )
        )
    return report


async def erase_events(shop_id: ShopId, erasure_id: UUID) -> None:
    """Have the warehouse forget the person too. Opens its own transactions; may be repeated."""
    async with reading(shop_id) as tx:
        found = await queries.get_erasure(tx, erasure_id)
        person = None if found is None else await person_of(tx, found.member_id)
    for person_no in person.persons if person else ():
        await compaction.ask_erasure(shop_id, person_no, System())


async def list_erasures(
    tx: ReadTx, before: UUID | None, limit: int, member_id: UUID | None = None
) -> list[Erasure]:
    """Erasures of the shop, or of one member, newest first."""
    return await queries.list_erasures(tx, member_id, before, limit)


async def tell_events_gone(shop_id: ShopId, erasures: Sequence[Erasure]) -> list[Erasure]:
    """The same, with when the warehouse had nothing of them any more; asks it, so no transaction
    may be open. None: not yet (the next rounds of compaction do it), or there were no events."""
    gone = {one.person_no: one.done_at for one in await compaction.list_erasures(shop_id)}
    return [
        msgspec.structs.replace(one, events_gone_at=gone.get(one.person_no)) for one in erasures
    ]


async def count_late(tx: ReadTx) -> int:
    """Erasures that were not done by the fifteenth day."""
    return await queries.count_late(tx, clock.now())
