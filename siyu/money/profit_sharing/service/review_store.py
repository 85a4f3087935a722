"""SQL of what is known of buyers and devices, to judge commissions by (F096)."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx

DEVICES_MAX = 20
"""Of one member; more are not kept, so that nobody fills the table."""


class Buyer(msgspec.Struct, frozen=True):
    """Who bought what a promoter brought; the keys of where it was sent."""

    member_id: UUID
    phone_key: bytes | None
    address_key: bytes | None


async def insert_buyer(tx: Tx, order_id: UUID, promoter_id: UUID, buyer: Buyer) -> None:
    """Keep who bought, if it was a promoter who brought the order."""
    await tx.run(
        """insert into profit_sharing.buyers
             (shop_id, order_id, member_id, phone_key, address_key, noted_at)
           select $1, $2, $4, $5, $6, $7 from profit_sharing.promoters
           where shop_id = $1 and member_id = $3
           on conflict do nothing""",
        *(tx.shop_id, order_id, promoter_id),
        *(buyer.member_id, buyer.phone_key, buyer.address_key, clock.now()),
    )


async def get_buyer(tx: ReadTx, order_id: UUID) -> Buyer | None:
    """Who bought an order."""
    return await tx.maybe(
        Buyer,
        """select member_id, phone_key, address_key from profit_sharing.buyers
           where shop_id = $1 and order_id = $2""",
        *(tx.shop_id, order_id),
    )


async def insert_device(tx: Tx, member_id: UUID, device_key: bytes) -> None:
    """A member uses a device; of the 21st nothing is kept."""
    await tx.run(
        """insert into profit_sharing.devices as d (shop_id, device_key, member_id, seen_at)
           select $1, $3, $2, $4
           where (select count(*) from profit_sharing.devices
                  where shop_id = $1 and member_id = $2 and device_key <> $3) < $5
           on conflict (shop_id, device_key, member_id) do update set seen_at = excluded.seen_at""",
        *(tx.shop_id, member_id, device_key, clock.now(), DEVICES_MAX),
    )


async def share_device(
    tx: ReadTx, one: Sequence[UUID], other: Sequence[UUID], members_max: int
) -> bool:
    """Whether records of `one` and of `other` used one device that no more than `members_max`
    records ever used."""
    found: bool = await tx.value(
        """select exists (
             select from profit_sharing.devices a join profit_sharing.devices b
               using (shop_id, device_key)
             where a.shop_id = $1 and a.member_id = any($2::uuid[])
               and b.member_id = any($3::uuid[])
               and (select count(*) from profit_sharing.devices c
                    where c.shop_id = $1 and c.device_key = a.device_key) <= $4)""",
        *(tx.shop_id, list(one), list(other), members_max),
    )
    return found
