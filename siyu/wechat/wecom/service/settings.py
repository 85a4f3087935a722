"""How a shop's corporation is reached; secrets are written and never shown."""

from functools import partial

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ConnectionCheck, PushKeys
from siyu.wechat.wecom import queries
from siyu.wechat.wecom.contracts import (
    CorpChange,
    CorpSettings,
    WecomCredentials,
)
from siyu.wechat.wecom.service.calling import ask_token


async def get_settings(tx: ReadTx) -> CorpSettings | None:
    """The settings, secrets only as "there is one"."""
    row = await queries.get_corp(tx)
    return _settings(row) if row else None


async def set_settings(tx: Tx, actor: Actor, change: CorpChange) -> CorpSettings:
    """Write the settings; a secret that is None stays. The trail keeps which were replaced, never
    their values. Raises SettingsIncomplete."""
    before = await queries.get_corp(tx)
    row = queries.CorpRow(
        environment=change.environment,
        corp_id=change.corp_id,
        agent_id=change.agent_id,
        updated_at=clock.now(),
        **msgspec.structs.asdict(transport.seal_secrets(change, before)),
    )
    await queries.upsert_corp(tx, row)
    audit(
        tx,
        actor,
        "wecom.settings_changed",
        ("shop", tx.shop_id),
        before={"environment": before.environment, "corp_id": before.corp_id} if before else None,
        after={
            "environment": row.environment,
            "corp_id": row.corp_id,
            "agent_id": row.agent_id,
            "secrets_replaced": transport.list_replaced(change),
        },
    )
    return _settings(row)


def _settings(row: queries.CorpRow) -> CorpSettings:
    return CorpSettings(
        environment=row.environment,
        corp_id=row.corp_id,
        agent_id=row.agent_id,
        push_set=row.token_sealed is not None,
        updated_at=row.updated_at,
    )


async def get_credentials(tx: ReadTx) -> WecomCredentials | None:
    """What the client needs; None when the shop has no corporation. Raises ChannelUnusable
    when it should be a sandbox's and there is none."""
    row = await queries.get_corp(tx)
    if row is None:
        return None
    return WecomCredentials(
        corp_id=row.corp_id,
        agent_id=row.agent_id,
        secret=vault().open(row.secret_sealed),
        base_url=transport.base_url(row.environment, config.settings().wecom_api_url),
    )


async def get_push_keys(tx: ReadTx) -> PushKeys | None:
    """What proves and opens messages pushed to this shop; None when nothing may be pushed."""
    row = await queries.get_corp(tx)
    return transport.open_push_keys(row, row.corp_id) if row else None


async def check_secret(credentials: WecomCredentials) -> ConnectionCheck:
    """Whether WeCom takes corp id and secret. Outside any transaction; nothing is stored."""
    return await transport.check_connection(partial(ask_token, credentials))
