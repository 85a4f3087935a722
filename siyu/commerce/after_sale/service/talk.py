"""Words about a case: messages that both sides read, notes that only staff do."""

from collections.abc import Sequence
from uuid import UUID

from siyu.commerce.after_sale import queries, rules
from siyu.commerce.after_sale.contracts import CaseSide, MoveRefused
from siyu.commerce.after_sale.service.pictures import attach_pictures
from siyu.commerce.after_sale.service.steps import lock_case
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity, StaffIdentity
from siyu.kernel.db import Tx


async def say_as_member(
    tx: Tx, member: MemberIdentity, case_id: UUID, text: str, picture_ids: Sequence[UUID]
) -> None:
    """A message, perhaps with more evidence, while the case is open.

    Raises CaseNotFound, MoveRefused, PictureNotFound, TooManyPictures.
    """
    case = await lock_case(tx, case_id, member)
    if case.state in rules.ENDS:
        raise MoveRefused(state=case.state)
    said = queries.entry("message", CaseSide.CUSTOMER, member.actor_name, clock.now(), text)
    await queries.insert_entry(tx, case_id, said)
    await attach_pictures(tx, case, picture_ids)


async def say_as_staff(
    tx: Tx, staff: StaffIdentity, case_id: UUID, text: str, is_note: bool
) -> None:
    """A message to the customer, or a note among staff. Raises CaseNotFound."""
    await lock_case(tx, case_id)
    event = "note" if is_note else "message"
    said = queries.entry(event, CaseSide.STAFF, staff.actor_name, clock.now(), text)
    await queries.insert_entry(tx, case_id, said)
