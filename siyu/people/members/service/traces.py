"""What two people may have in common, in keyed hashes: for those above who ask whether they are
one."""

import unicodedata
from uuid import UUID

import msgspec

from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx
from siyu.people.members import queries
from siyu.people.members.contracts import AddressText
from siyu.people.members.service import accounts, identity_store


class Traces(msgspec.Struct, frozen=True):
    """A person: the record that stands for them, all their records, and the keyed hashes of the
    phones of their accounts and of the places they have things sent to."""

    person_id: UUID
    person_no: int
    member_ids: list[UUID]
    phone_keys: frozenset[bytes]
    address_keys: frozenset[bytes]


async def traces_of(tx: ReadTx, member_id: UUID) -> Traces | None:
    """The traces of the person whom a record belongs to; None: no such record any more."""
    person_id = await identity_store.get_person(tx, member_id)
    if person_id is None:
        return None
    records = await identity_store.list_records(tx, [person_id])
    phones = await queries.list_phone_keys(tx, [record.member_id for record in records])
    places = [
        address_key(address)
        for record in records
        for address in await accounts.list_addresses(tx, record.member_id)
    ]
    return Traces(
        person_id,
        next(record.person_no for record in records if record.member_id == person_id),
        [record.member_id for record in records],
        frozenset(phones),
        frozenset(places),
    )


def address_key(address: AddressText) -> bytes:
    """The keyed hash of a place, whoever receives there: the same however it was typed."""
    text = f"{address.province}{address.city}{address.district}{address.detail}"
    plain = unicodedata.normalize("NFKC", text).casefold()
    return vault().lookup("place " + "".join(sign for sign in plain if sign.isalnum()))
