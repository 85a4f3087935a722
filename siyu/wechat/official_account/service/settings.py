"""How a shop's official account is reached; secrets are written and never shown."""

from functools import partial

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.wechat.official_account import queries
from siyu.wechat.official_account.contracts import (
    AccountChange,
    AccountSettings,
    OfficialAccountCredentials,
)
from siyu.wechat.official_account.service.calling import ask_token
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ConnectionCheck, PushKeys


async def get_settings(tx: ReadTx) -> AccountSettings | None:
    """The settings, secrets only as "there is one"."""
    row = await queries.get_account(tx)
    return _settings(row) if row else None


async def set_settings(tx: Tx, actor: Actor, change: AccountChange) -> AccountSettings:
    """Write the settings; a secret that is None stays. The trail keeps which were replaced, never
    their values. Raises SettingsIncomplete."""
    before = await queries.get_account(tx)
    row = queries.AccountRow(
        environment=change.environment,
        app_id=change.appid,
        updated_at=clock.now(),
        **msgspec.structs.asdict(transport.seal_secrets(change, before)),
    )
    await queries.upsert_account(tx, row)
    audit(
        tx,
        actor,
        "official_account.settings_changed",
        ("shop", tx.shop_id),
        before={"environment": before.environment, "appid": before.app_id} if before else None,
        after={
            "environment": row.environment,
            "appid": row.app_id,
            "secrets_replaced": transport.list_replaced(change),
        },
    )
    return _settings(row)


def _settings(row: queries.AccountRow) -> AccountSettings:
    return AccountSettings(
        environment=row.environment,
        appid=row.app_id,
        push_set=row.token_sealed is not None,
        updated_at=row.updated_at,
    )


async def get_credentials(tx: ReadTx) -> OfficialAccountCredentials | None:
    """What the client needs; None when the shop has no official account. Raises ChannelUnusable
    when it should be a sandbox's and there is none."""
    row = await queries.get_account(tx)
    if row is None:
        return None
    return OfficialAccountCredentials(
        appid=row.app_id,
        secret=vault().open(row.secret_sealed),
        base_url=transport.base_url(row.environment, config.settings().wechat_api_url),
    )


async def get_push_keys(tx: ReadTx) -> PushKeys | None:
    """What proves and opens messages pushed to this shop; None when nothing may be pushed."""
    row = await queries.get_account(tx)
    return transport.open_push_keys(row, row.app_id) if row else None


async def check_secret(credentials: OfficialAccountCredentials) -> ConnectionCheck:
    """Whether WeChat takes app id and secret. Outside any transaction; nothing is stored."""
    return await transport.check_connection(partial(ask_token, credentials))
