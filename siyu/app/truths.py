"""Truths of the data: every domain's `invariants.py`, run over the living installation.

A truth is a query that returns no rows. Each runs as the role that owns its view: per shop behind
the fence, over the installation as `siyu_system`, the warehouse's by `siyu warehouse verify`.
"""

import logging
from collections.abc import Mapping

import msgspec

from siyu.commerce.catalog import invariants as catalog
from siyu.commerce.inventory import invariants as inventory
from siyu.commerce.ordering import invariants as ordering
from siyu.kernel import metrics
from siyu.kernel.db import ReadTx, reading, system_transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import invariants as staff
from siyu.money.payments import invariants as payments
from siyu.people.consents import invariants as consents
from siyu.people.members import invariants as members

log = logging.getLogger("siyu.truths")

OF_A_SHOP: dict[str, Mapping[str, str]] = {
    "members": members.INVARIANTS,
    "consents": consents.INVARIANTS,
    "payments": payments.INVARIANTS,
    "inventory": inventory.INVARIANTS,
    "catalog": catalog.INVARIANTS,
    "ordering": ordering.INVARIANTS,
}
OF_THE_INSTALLATION: dict[str, Mapping[str, str]] = {"staff": staff.INVARIANTS}


class Broken(msgspec.Struct, frozen=True):
    """A truth that does not hold: in which shop (None: the installation), in how many rows."""

    shop: str | None
    domain: str
    truth: str
    rows: int


async def _ask(
    tx: ReadTx, shop: str | None, truths: Mapping[str, Mapping[str, str]]
) -> list[Broken]:
    found = []
    for domain, listed in truths.items():
        for truth, sql in listed.items():
            rows = await tx.value(f"select count(*) from ({sql}) as broken")
            if rows:
                found.append(Broken(shop, domain, truth, rows))
    return found


async def check() -> list[Broken]:
    """All truths of all shops; an empty list is what should come back."""
    async with system_transaction() as tx:
        everybody = await shops.list_shops(tx)
        broken = await _ask(tx, None, OF_THE_INSTALLATION)
    for shop in everybody:
        async with reading(ShopId(shop.shop_id)) as read:
            broken += await _ask(read, shop.code, OF_A_SHOP)
    return broken


@every("47 19 * * *")
async def check_truths() -> None:
    """Each night (03:47 in China): an alarm for every truth that is broken."""
    broken = await check()
    metrics.broken_truths.set(len(broken))
    for one in broken:
        log.error("a truth is broken", extra=msgspec.structs.asdict(one))
