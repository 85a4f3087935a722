"""The SQL of pick-ups: what time asks for, wrong codes, and what a shop decides."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment.contracts import PickupSettings
from siyu.kernel.db import ReadTx, Tx


class DuePickup(msgspec.Struct, frozen=True):
    """A pick-up for which some time has come."""

    shop_id: int
    consignment_id: UUID


async def list_due_pickups(tx: ReadTx, now: datetime, limit: int = 500) -> list[DuePickup]:
    """Open pick-ups of all shops that are overdue and may be refunded, or are to be reminded."""
    return await tx.all(
        DuePickup,
        """select c.shop_id, c.consignment_id from fulfilment.consignments c
           left join fulfilment.settings s using (shop_id)
           where c.state = 'open' and c.due_at is not null
             and (c.due_at < $1 and s.on_expiry = 'refund'
               or c.reminded_at is null
                 and c.due_at - make_interval(days => coalesce(s.remind_days, 1)) < $1)
           order by c.due_at limit $2""",
        now,
        limit,
    )


async def move_reminded(tx: Tx, consignment_id: UUID, now: datetime) -> bool:
    """Whether the reminder of a pick-up falls to the caller; to nobody after."""
    return bool(
        await tx.run(
            """update fulfilment.consignments set reminded_at = $3
               where shop_id = $1 and consignment_id = $2 and reminded_at is null""",
            tx.shop_id,
            consignment_id,
            now,
        )
    )


async def count_miss(tx: Tx, staff_id: UUID, now: datetime, since: datetime) -> None:
    """Count a wrong code."""
    await tx.run(
        """insert into fulfilment.code_misses as m (shop_id, staff_id, since, misses)
           values ($1, $2, $3, 1)
           on conflict (shop_id, staff_id) do update set
             since = case when m.since < $4 then excluded.since else m.since end,
             misses = case when m.since < $4 then 1 else m.misses + 1 end""",
        tx.shop_id,
        staff_id,
        now,
        since,
    )


async def count_misses(tx: ReadTx, staff_id: UUID, since: datetime) -> int:
    """Wrong codes of a member of staff in the running window."""
    found: int | None = await tx.value(
        """select misses from fulfilment.code_misses
           where shop_id = $1 and staff_id = $2 and since >= $3""",
        tx.shop_id,
        staff_id,
        since,
    )
    return found or 0


async def get_settings(tx: ReadTx) -> PickupSettings:
    """What the shop decided about its pick-ups."""
    sql = """select pickup_days, remind_days, on_expiry from fulfilment.settings
             where shop_id = $1"""
    return await tx.maybe(PickupSettings, sql, tx.shop_id) or PickupSettings()


async def set_settings(tx: Tx, settings: PickupSettings) -> None:
    """Write what the shop decides about its pick-ups."""
    await tx.run(
        """insert into fulfilment.settings (shop_id, pickup_days, remind_days, on_expiry)
           values ($1, $2, $3, $4)
           on conflict (shop_id) do update set pickup_days = excluded.pickup_days,
             remind_days = excluded.remind_days, on_expiry = excluded.on_expiry""",
        tx.shop_id,
        settings.pickup_days,
        settings.remind_days,
        settings.on_expiry,
    )
