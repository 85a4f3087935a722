"""SQL of the token store."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx


class TokenRow(msgspec.Struct, frozen=True):
    """The stored token; `leased` tells whether somebody is asking for a new one right now."""

    sealed_token: bytes | None
    expires_at: datetime | None
    leased: bool


async def get_token(tx: ReadTx, app_id: str) -> TokenRow | None:
    """The stored token of an app."""
    return await tx.maybe(
        TokenRow,
        """select sealed_token, expires_at, coalesce(lease_until > clock_timestamp(), false) leased
           from transport.access_tokens where shop_id = $1 and app_id = $2""",
        tx.shop_id,
        app_id,
    )


async def take_lease(tx: Tx, app_id: str, lease_id: UUID, seconds: int) -> bool:
    """Become the one asker for a new token; False when another is asking. The database's clock
    decides, for the askers stand on several machines."""
    return bool(
        await tx.run(
            """insert into transport.access_tokens as t (shop_id, app_id, lease_id, lease_until)
               values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
               on conflict (shop_id, app_id) do update
                 set lease_id = excluded.lease_id, lease_until = excluded.lease_until
                 where t.lease_until is null or t.lease_until <= clock_timestamp()""",
            tx.shop_id,
            app_id,
            lease_id,
            float(seconds),
        )
    )


async def move_token(
    tx: Tx, app_id: str, lease_id: UUID, sealed_token: bytes, expires_at: datetime
) -> bool:
    """Store the new token and end the lease; False when the lease was taken over meanwhile."""
    return bool(
        await tx.run(
            """update transport.access_tokens
               set sealed_token = $4, expires_at = $5, lease_id = null, lease_until = null
               where shop_id = $1 and app_id = $2 and lease_id = $3""",
            tx.shop_id,
            app_id,
            lease_id,
            sealed_token,
            expires_at,
        )
    )


async def end_lease(tx: Tx, app_id: str, lease_id: UUID) -> None:
    """Let another ask."""
    await tx.run(
        """update transport.access_tokens set lease_id = null, lease_until = null
           where shop_id = $1 and app_id = $2 and lease_id = $3""",
        tx.shop_id,
        app_id,
        lease_id,
    )
