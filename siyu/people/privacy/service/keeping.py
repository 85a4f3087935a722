"""Kept no longer than needed, sealed with the newest key, and who looked."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import AuditRow
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, transaction
from siyu.kernel.ids import ShopId
from siyu.people.privacy import queries
from siyu.people.privacy.contracts import RetentionRun
from siyu.people.privacy.service.mapping import blanks, data_map

ACCESS = (
    "members.phone_revealed", "members.addresses_revealed", "ordering.address_revealed",
    "ordering.orders_exported", "bulk.exported", "reviews.exported", "privacy.archive_asked",
    "privacy.archive_fetched", "approvals.exported",
)  # fmt: skip
"""Audited actions by which somebody saw personal data in clear, or took it along."""


async def keep_no_longer(shop_id: ShopId) -> dict[str, int]:
    """Let everything of a shop go that is older than the maps allow; rows per table.

    In small bites, a transaction each: nobody waits behind a long delete.
    """
    blank_address, _ = blanks()
    gone: dict[str, int] = {}
    for name, table in data_map().items():
        if table.expires is None:
            continue
        before = clock.now() - timedelta(days=table.expires.days)
        rows = queries.BITE
        while rows == queries.BITE:
            async with transaction(shop_id) as tx:
                rows = await queries.expire_rows(tx, name, table.expires, before, blank_address)
                if rows:
                    gone[name] = gone.get(name, 0) + rows
    if gone:
        async with transaction(shop_id) as tx:
            for name, rows in gone.items():
                await queries.insert_run(tx, name, clock.now(), rows)
    return gone


async def reseal(shop_id: ShopId) -> int:
    """Seal again with the newest key what an older one sealed, of all tables of a shop (F093).

    A transaction per bite; both keys open meanwhile, so nobody notices. Returns the values done.
    """
    done = 0
    for name, table in data_map().items():
        sealed = [one for one in (*table.plain, *table.personal) if one.endswith("sealed")]
        if "shop_id" not in table.plain or name == "kernel.idempotency":
            continue
        for column in sealed:
            count = queries.BITE
            while count == queries.BITE:
                async with transaction(shop_id) as tx:
                    rows = await queries.lock_sealed(tx, name, column, vault().newest)
                    again = [(row.place, vault().seal(vault().open(row.sealed))) for row in rows]
                    await queries.move_sealed(tx, name, column, again)
                    count = len(rows)
                    done += count
    return done


async def list_runs(tx: ReadTx) -> list[RetentionRun]:
    """What the last nights took away."""
    return await queries.list_runs(tx, 200)


async def list_access(
    tx: ReadTx, before: UUID | None, limit: int, member_id: UUID | None = None
) -> Sequence[AuditRow]:
    """Who saw personal data in clear or took it along, and why, newest first; of one member, or
    of anybody."""
    return await queries.list_access(tx, ACCESS, before, limit, member_id)
