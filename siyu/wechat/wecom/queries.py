"""SQL of the settings."""

from datetime import datetime

from siyu.kernel.db import ReadTx, Tx
from siyu.wechat.transport.contracts import Environment, SealedSecrets


class CorpRow(SealedSecrets, frozen=True, kw_only=True):
    """The corporation of a shop as stored, secrets sealed."""

    environment: Environment
    corp_id: str
    agent_id: str
    updated_at: datetime


async def get_corp(tx: ReadTx) -> CorpRow | None:
    """The corporation of the shop."""
    return await tx.maybe(
        CorpRow,
        """select environment, corp_id, agent_id, secret_sealed, token_sealed, aes_key_sealed,
             updated_at
           from wecom.corps where shop_id = $1""",
        tx.shop_id,
    )


async def upsert_corp(tx: Tx, row: CorpRow) -> None:
    """Write the settings."""
    await tx.run(
        """insert into wecom.corps (shop_id, environment, corp_id, agent_id, secret_sealed,
             token_sealed, aes_key_sealed, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (shop_id) do update set environment = excluded.environment,
             corp_id = excluded.corp_id, agent_id = excluded.agent_id,
             secret_sealed = excluded.secret_sealed,
             token_sealed = excluded.token_sealed, aes_key_sealed = excluded.aes_key_sealed,
             updated_at = excluded.updated_at""",
        tx.shop_id,
        row.environment,
        row.corp_id,
        row.agent_id,
        row.secret_sealed,
        row.token_sealed,
        row.aes_key_sealed,
        row.updated_at,
    )
