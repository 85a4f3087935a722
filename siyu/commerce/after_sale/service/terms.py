"""The shop's terms: deadlines, return address, goods not returnable."""

import msgspec

from siyu.commerce.after_sale import queries
from siyu.commerce.after_sale.contracts import Terms
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import AddressText


async def load_terms(tx: ReadTx) -> Terms:
    """The shop's terms, the return address in clear; the defaults until it has its own."""
    row = await queries.get_terms(tx)
    if row is None:
        return Terms()
    kept = msgspec.structs.asdict(row)
    return Terms(return_address=open_address(kept.pop("return_address_sealed")), **kept)


async def save_terms(tx: Tx, actor: Actor, terms: Terms) -> None:
    """Replace the shop's terms. Cases that are open keep the deadlines they were given."""
    before = await load_terms(tx)
    await queries.set_terms(tx, terms, seal_address(terms.return_address))
    audit(
        tx,
        actor,
        "after_sale.terms_changed",
        subject=("shop", tx.shop_id),
        before=_plain(before),
        after=_plain(terms),
    )


def _plain(terms: Terms) -> dict[str, object]:
    """The terms without the address, whose words stay out of the trail."""
    said: dict[str, object] = msgspec.to_builtins(terms)
    return said | {"return_address": terms.return_address is not None}


def seal_address(address: AddressText | None) -> bytes | None:
    """What `open_address` opens."""
    return None if address is None else vault().seal(msgspec.json.encode(address).decode())


def open_address(sealed: bytes | None) -> AddressText | None:
    """An address in clear."""
    return None if sealed is None else msgspec.json.decode(vault().open(sealed), type=AddressText)
