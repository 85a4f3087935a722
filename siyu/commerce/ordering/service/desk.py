"""What helps people to find and to handle orders: a customer's search, and notes among staff."""

from uuid import UUID

from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import OrderNotFound
from siyu.commerce.ordering.service import desk_store
from siyu.commerce.ordering.service.checkout import open_address
from siyu.commerce.ordering.service.desk_store import Note, OwnFilter
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id

SEARCHED = 500
"""So many of a member's newest orders are searched by their receiver: addresses are sealed, and a
part of a name can only be compared with what is opened."""


async def own_filter(tx: ReadTx, member_id: UUID, text: str) -> OwnFilter:
    """What a customer means by a search: an order number, a part of a product's title or of its
    receiver's name or phone number.
    """
    text = text.strip()
    order_no = rules.read_order_number(text)
    if order_no:
        return OwnFilter(order_no=order_no)
    sealed = await desk_store.list_sealed(tx, member_id, SEARCHED)
    found = []
    for order_id, address_sealed in sealed:
        address = open_address(address_sealed)
        if address and (text in address.receiver or text in address.phone):
            found.append(order_id)
    return OwnFilter(title_part=text, order_ids=found)


async def add_note(tx: Tx, order_id: UUID, content: str, actor: Actor) -> Note:
    """Keep a note for colleagues; it is never edited and never shown to the customer.

    Raises OrderNotFound.
    """
    if await queries.get_order(tx, order_id) is None:
        raise OrderNotFound
    note = Note(new_id(), clock.now(), actor.actor_name, content)
    await desk_store.insert_note(tx, order_id, note)
    audit(tx, actor, "ordering.note_added", ("order", order_id), after={"content": content})
    return note
