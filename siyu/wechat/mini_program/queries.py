"""SQL of the settings of pushed messages."""

from datetime import datetime

import msgspec

from siyu.kernel.db import ReadTx, Tx


class PushRow(msgspec.Struct, frozen=True):
    """How messages pushed to a shop are proven and opened."""

    app_id: str
    token_sealed: bytes
    aes_key_sealed: bytes
    updated_at: datetime


async def get_push(tx: ReadTx) -> PushRow | None:
    """The settings of the shop."""
    return await tx.maybe(
        PushRow,
        """select app_id, token_sealed, aes_key_sealed, updated_at
           from mini_program.message_push where shop_id = $1""",
        tx.shop_id,
    )


async def upsert_push(tx: Tx, row: PushRow) -> None:
    """Write the settings."""
    await tx.run(
        """insert into mini_program.message_push
             (shop_id, app_id, token_sealed, aes_key_sealed, updated_at)
           values ($1, $2, $3, $4, $5)
           on conflict (shop_id) do update set app_id = excluded.app_id,
             token_sealed = excluded.token_sealed, aes_key_sealed = excluded.aes_key_sealed,
             updated_at = excluded.updated_at""",
        tx.shop_id,
        row.app_id,
        row.token_sealed,
        row.aes_key_sealed,
        row.updated_at,
    )
