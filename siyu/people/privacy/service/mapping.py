"""What the data maps say, and who a person is in all of them."""

import functools
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx
from siyu.kernel.migrate import PACKAGE, TOWER
from siyu.people.members import service as members
from siyu.people.privacy import rules
from siyu.people.privacy.contracts import DataMap
from siyu.people.privacy.queries import Person


@functools.cache
def data_map() -> DataMap:
    """What all domains say of their tables, in the order of the tower."""
    folders = [
        PACKAGE / group / domain
        for group, domains in TOWER.items()
        for domain in (domains or ("",))
    ]
    files = [file for folder in folders if (file := folder / "data_map.toml").exists()]
    return rules.load_map(
        {str(file.relative_to(PACKAGE)): Path(file).read_bytes() for file in files}
    )


def tables_of_persons() -> DataMap:
    """The tables in which a customer's rows can be found."""
    return {name: table for name, table in data_map().items() if table.person}


async def person_of(tx: ReadTx, member_id: UUID) -> Person:
    """All records that merges tie together, and the visitors each of them turned out to be."""
    records = (await members.get_identities(tx, member_id)).records
    numbers = await numbers_of(tx, [record.person_no for record in records])
    return Person(sorted(record.member_id for record in records), numbers)


async def numbers_of(tx: ReadTx, records: Sequence[int]) -> list[int]:
    """The numbers of records, and those of the visitors that they turned out to be."""
    found = {*records}
    for number in records:
        found |= {one.person_no for one in await members.list_identities(tx, number)}
    return sorted(found)


def blanks() -> tuple[bytes, bytes]:
    """An address that says nothing, sealed like others so that it opens like them; and nothing."""
    fields = ("receiver", "phone", "province", "city", "district", "detail")
    return vault().seal(msgspec.json.encode(dict.fromkeys(fields, "")).decode()), vault().seal("")
