"""SQL of the settings."""

from datetime import datetime

from siyu.kernel.db import ReadTx, Tx
from siyu.wechat.transport.contracts import Environment, SealedSecrets


class AccountRow(SealedSecrets, frozen=True, kw_only=True):
    """The official account of a shop as stored, secrets sealed."""

    environment: Environment
    app_id: str
    updated_at: datetime


async def get_account(tx: ReadTx) -> AccountRow | None:
    """The official account of the shop."""
    return await tx.maybe(
        AccountRow,
        """select environment, app_id, secret_sealed, token_sealed, aes_key_sealed, updated_at
           from official_account.accounts where shop_id = $1""",
        tx.shop_id,
    )


async def upsert_account(tx: Tx, row: AccountRow) -> None:
    """Write the settings."""
    await tx.run(
        """insert into official_account.accounts (shop_id, environment, app_id, secret_sealed,
             token_sealed, aes_key_sealed, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (shop_id) do update set environment = excluded.environment,
             app_id = excluded.app_id, secret_sealed = excluded.secret_sealed,
             token_sealed = excluded.token_sealed, aes_key_sealed = excluded.aes_key_sealed,
             updated_at = excluded.updated_at""",
        tx.shop_id,
        row.environment,
        row.app_id,
        row.secret_sealed,
        row.token_sealed,
        row.aes_key_sealed,
        row.updated_at,
    )
