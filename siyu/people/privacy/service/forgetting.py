"""Behaviour forgotten: of who withdrew the consent to statistics, and of who never had an
account."""

from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import System, audit
from siyu.kernel.db import Tx, reading, transaction
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.people.consents import service as consents
from siyu.people.consents.contracts import Purpose
from siyu.people.members import service as members
from siyu.people.privacy.contracts import BehaviourForgotten, VisitorForgotten
from siyu.people.privacy.queries import Person
from siyu.people.privacy.service.erasing import erase_person
from siyu.people.privacy.service.mapping import numbers_of
from siyu.warehouse.compaction import service as compaction


async def forget_behaviour(shop_id: ShopId, person_no: int) -> None:
    """Have the warehouse forget what pages told of a person before they agreed (again) to
    statistics. Opens its own transactions; once it is noted for a withdrawal, a repetition changes
    nothing and no file is looked at again."""
    async with reading(shop_id) as tx:
        ties = (await members.ties_of(tx, [person_no])).get(person_no)
        records = list(ties.person_nos) if ties else [person_no]
        before = await consents.counts_from(tx, records, Purpose.ANALYTICS)
        said = await consents.withdrawn_at(tx, records, Purpose.ANALYTICS)
        numbers = await numbers_of(tx, records)
    for number in numbers:
        await compaction.ask_withdrawal(shop_id, number, before, System(), said=said)
    # Told last: whoever hears of it asks the warehouse, and it knows by then.
    async with transaction(shop_id) as tx:
        emit(tx, BehaviourForgotten(person_no=person_no))


async def forget_visitor(tx: Tx, visitor: UUID) -> bool:
    """Forget who looked about without an account, by the key their device made for itself: rows
    go at once, and the warehouse follows by `VisitorForgotten` within a minute.

    True also for a key that nobody has; False, and nothing happens, for one that belongs to a
    member, whose own word it takes. Safe to repeat.
    """
    known = await members.hold_visitor(tx, visitor)
    if known is None:
        return True
    if known.is_members:
        return False
    report = await erase_person(tx, Person([], [known.person_no]))
    audit(
        tx,
        System(),
        "privacy.visitor_forgotten",
        ("person", known.person_no),
        after={one.table: one.rows for one in report if one.done != "kept"},
    )
    emit(tx, VisitorForgotten(person_no=known.person_no))
    return True


async def forget_visits(shop_id: ShopId, person_no: int) -> None:
    """Have the warehouse forget a visitor: no question counts them from now on, the next round
    takes their events out of the files, and nothing of their number is taken any more.

    Opens its own transactions; may be repeated.
    """
    await compaction.ask_erasure(shop_id, person_no, System())
    await compaction.ask_withdrawal(shop_id, person_no, clock.now(), System())
    async with transaction(shop_id) as tx:  # what a pass that was under way has written since
        await erase_person(tx, Person([], [person_no]))
