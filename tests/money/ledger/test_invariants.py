"""Every truth of the ledger notices what breaks it: the owner switches the triggers off, damages
one thing, asks, and takes it back."""

from uuid import UUID

import asyncpg
import pytest

from siyu.kernel.db import Database, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.postgres import Cluster
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.ledger.invariants import INVARIANTS
from tests.money.ledger.books import payment, top_up

DAMAGE = {
    "the legs of an entry sum to zero per asset": """
        update ledger.legs set units = units + 1 where entry_id = :entry and leg_no = 1""",
    "an entry has all its legs": "delete from ledger.legs where entry_id = :entry and leg_no = 2",
    "an account is the sum of its legs": """
        update ledger.accounts set posted = posted + 1 where owner = :member""",
    "held is the sum of the pending holds": """
        update ledger.accounts set held = held - 1 where owner = :member and held > 0""",
    "what is held is there": """
        update ledger.accounts set posted = 99 where owner = :member and held > 0""",
    "stored value never falls below zero": """
        update ledger.accounts set posted = -1 where owner = :member and book = 'bonus'""",
    "no hold waits long after its time (by the ledger's own time)": """
        update ledger.holds set expires_at = held_at - interval '2 hours'""",
    "a posted hold was taken by its entry, and no more than was held": """
        update ledger.holds set state = 'posted', entry_id = :entry, ended_at = now()""",
    "a reversal takes back exactly one entry": """
        update ledger.entries set reverses = :entry where entry_id <> :entry""",
}


@pytest.mark.parametrize("truth", INVARIANTS)
async def test_the_truth_notices_its_damage(
    truth: str, shop: ShopId, database: Database, cluster: Cluster
) -> None:
    member = new_id()
    async with transaction(shop) as tx:
        entry = await ledger.post(tx, payment(700))
        await ledger.post(tx, top_up(member, 500, 50))
        await ledger.hold(tx, key="h", book=Book.PRINCIPAL, owner=member, amount=100)
    owner = await asyncpg.connect(
        cluster.owner_url(await database.pool.fetchval("select current_database()"))
    )
    change = owner.transaction()
    await change.start()
    assert await _rows(owner, truth, shop) == 0
    for table in ("entries", "legs", "accounts", "holds"):
        await owner.execute(f"alter table ledger.{table} disable trigger user")
    damage = DAMAGE[truth]
    named: dict[str, UUID] = {"entry": entry, "member": member}
    for name, value in named.items():
        damage = damage.replace(f":{name}", f"'{value}'")
    assert (await owner.execute(f"{damage} {'and' if ' where ' in damage else 'where'}"
                                f" shop_id = {shop}")).endswith((" 1", " 2"))  # fmt: skip
    assert await _rows(owner, truth, shop) > 0
    await change.rollback()
    await owner.close()


async def _rows(owner: "asyncpg.Connection[asyncpg.Record]", truth: str, shop: ShopId) -> int:
    found = await owner.fetch(
        f"select 1 from ({INVARIANTS[truth]}) broken where shop_id = $1", shop
    )
    return len(found)
