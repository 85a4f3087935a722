"""Verbs of the shops domain."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, audit
from siyu.kernel.auth import ShopIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx, reading, system_transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.merchant.shops import queries, rules
from siyu.merchant.shops.contracts import (
    BadSetting,
    CodeTaken,
    Environment,
    Shop,
    Store,
    StoreNotFound,
    StoreText,
    WeChatChange,
    WeChatNotSet,
    WeChatSettings,
)
from siyu.wechat.mini_program.contracts import MiniProgramCredentials
from siyu.wechat.pay.contracts import PayCredentials

RESOLVE_SECONDS = 5.0
_PROFILE = ("name", "notice", "logo_url", "time_zone")
_resolved: dict[str, tuple[float, ShopIdentity]] = {}
_pay_keys: dict[ShopId, tuple[float, PayCredentials, str | None]] = {}
_mini_program_keys: dict[ShopId, tuple[float, MiniProgramCredentials]] = {}
_time_zones: dict[ShopId, tuple[float, str]] = {}


async def create_shop(
    tx: Tx,
    actor: Actor,
    *,
    code: str,
    name: str,
    currency: str = "CNY",
    time_zone: str = "Asia/Shanghai",
) -> Shop:
    """Open a shop; `tx` is a system transaction and belongs to the new shop from here on.

    Raises CodeTaken, BadSetting.
    """
    rules.check_profile(code, name, currency, time_zone)
    shop = await queries.insert_shop(
        tx,
        code=code,
        name=name.strip(),
        currency=currency,
        time_zone=time_zone,
        at=clock.now(),
    )
    if shop is None:
        raise CodeTaken(shop_code=code)
    tx.shop_id = ShopId(shop.shop_id)
    audit(
        tx,
        actor,
        "shops.opened",
        ("shop", code),
        after={"name": shop.name, "currency": currency, "time_zone": time_zone},
    )
    return shop


async def get_shop(tx: ReadTx) -> Shop:
    """The profile of the shop of this transaction."""
    return await queries.get_shop(tx)


async def get_time_zone(tx: ReadTx) -> str:
    """Where the shop's days begin; remembered for RESOLVE_SECONDS."""
    known = _time_zones.get(tx.shop_id)
    if known and known[0] > clock.monotonic():
        return known[1]
    shop = await queries.get_shop(tx)
    _time_zones[tx.shop_id] = (clock.monotonic() + RESOLVE_SECONDS, shop.time_zone)
    return shop.time_zone


async def list_shops(tx: ReadTx) -> list[Shop]:
    """All shops of the installation; `tx` is a system transaction."""
    return await queries.list_shops(tx)


async def list_days(tx: ReadTx) -> dict[int, date]:
    """Today at each shop, by shop_id: midnight comes at its own time; `tx` is a system
    transaction."""
    now = clock.now()
    return {shop.shop_id: clock.business_day(now, shop.time_zone) for shop in await list_shops(tx)}


async def resolve_shop(code: str) -> ShopIdentity | None:
    """The shop of a code, remembered for RESOLVE_SECONDS; opens its own transaction.

    Only shops that exist are remembered, so that made-up codes cannot fill the memory.
    """
    known = _resolved.get(code)
    if known and known[0] > clock.monotonic():
        return known[1]
    async with system_transaction() as tx:
        shop = await queries.get_shop_by_code(tx, code)
    if shop is None:
        _resolved.pop(code, None)
        return None
    found = ShopIdentity(ShopId(shop.shop_id), shop.code, shop.name, shop.currency, shop.time_zone)
    _resolved[code] = (clock.monotonic() + RESOLVE_SECONDS, found)
    return found


async def edit_shop(tx: Tx, actor: Actor, change: Mapping[str, str | None]) -> Shop:
    """Change the profile; change: name, notice, logo_url, time_zone, those that are to be written.

    Raises BadSetting for a bad name or an unknown time zone.
    """
    before = await queries.lock_shop(tx)
    wanted = {field: change.get(field, getattr(before, field)) for field in _PROFILE}
    rules.check_name(wanted["name"] or "")
    rules.check_time_zone(wanted["time_zone"] or "")
    changed = [field for field in _PROFILE if getattr(before, field) != wanted[field]]
    if not changed:
        return before
    after = await queries.update_shop(tx, **wanted)
    audit(
        tx,
        actor,
        "shops.profile_changed",
        ("shop", after.code),
        before={field: getattr(before, field) for field in changed},
        after={field: getattr(after, field) for field in changed},
    )
    _resolved.pop(after.code, None)
    _time_zones.pop(tx.shop_id, None)
    return after


async def get_wechat(tx: ReadTx) -> WeChatSettings:
    """The WeChat settings of the shop, secrets only as "there is one"."""
    row = await queries.get_wechat(tx)
    if row is None:
        return WeChatSettings(
            Environment.REAL, None, False, None, None, False, False, None, None, None
        )
    return WeChatSettings(
        environment=row.environment,
        appid=row.appid,
        secret_set=row.app_secret_sealed is not None,
        mchid=row.mchid,
        certificate_serial=row.certificate_serial,
        private_key_set=row.private_key_sealed is not None,
        api_v3_key_set=row.api_v3_key_sealed is not None,
        public_key_id=row.public_key_id,
        public_key_pem=row.public_key_pem,
        updated_at=row.updated_at,
    )


async def set_wechat(tx: Tx, actor: Actor, change: WeChatChange) -> WeChatSettings:
    """Write the WeChat settings; a secret that is None stays. Raises BadSetting.

    The trail keeps which secrets were replaced, never their values.
    """
    rules.check_wechat(change)
    before = await get_wechat(tx)
    await queries.upsert_wechat(
        tx,
        queries.WeChatRow(
            environment=change.environment,
            appid=change.appid,
            app_secret_sealed=_sealed(change.app_secret),
            mchid=change.mchid,
            certificate_serial=change.certificate_serial,
            private_key_sealed=_sealed(change.private_key),
            api_v3_key_sealed=_sealed(change.api_v3_key),
            public_key_id=change.public_key_id,
            public_key_pem=change.public_key_pem,
            updated_at=clock.now(),
        ),
    )
    _pay_keys.pop(tx.shop_id, None)
    _mini_program_keys.pop(tx.shop_id, None)
    after = await get_wechat(tx)
    shown = ("environment", "appid", "mchid", "certificate_serial", "public_key_id")
    replaced = [
        name for name in ("app_secret", "private_key", "api_v3_key") if getattr(change, name)
    ]
    audit(
        tx,
        actor,
        "shops.wechat_changed",
        ("shop", tx.shop_id),
        before={name: getattr(before, name) for name in shown},
        after={**{name: getattr(after, name) for name in shown}, "secrets_replaced": replaced},
    )
    return after


def _sealed(secret: str | None) -> bytes | None:
    return None if secret is None else vault().seal(secret)


def _need(setting: str, value: str | None) -> str:
    if not value:
        raise WeChatNotSet(setting=setting)
    return value


def _open(setting: str, sealed: bytes | None) -> str:
    if not sealed:
        raise WeChatNotSet(setting=setting)
    return vault().open(sealed)


def _base_url(environment: Environment, real: str) -> str:
    if environment is Environment.REAL:
        return real
    return _need("sandbox_url", config.settings().sandbox_url)


async def mini_program_credentials(tx: ReadTx) -> MiniProgramCredentials:
    """What the mini-program client needs. Raises WeChatNotSet naming the missing setting."""
    row = await queries.get_wechat(tx)
    if row is None:
        raise WeChatNotSet(setting="appid")
    return MiniProgramCredentials(
        appid=_need("appid", row.appid),
        secret=_open("app_secret", row.app_secret_sealed),
        base_url=_base_url(row.environment, config.settings().wechat_api_url),
    )


async def mini_program_keys(shop_id: ShopId) -> MiniProgramCredentials:
    """The same for the many who log in: remembered for RESOLVE_SECONDS; opens its own transaction.

    Raises WeChatNotSet, which is not remembered.
    """
    known = _mini_program_keys.get(shop_id)
    if known and known[0] > clock.monotonic():
        return known[1]
    async with reading(shop_id) as tx:
        credentials = await mini_program_credentials(tx)
    _mini_program_keys[shop_id] = (clock.monotonic() + RESOLVE_SECONDS, credentials)
    return credentials


async def pay_credentials(tx: ReadTx) -> PayCredentials:
    """What the pay client needs. Raises WeChatNotSet naming the missing setting."""
    row = await queries.get_wechat(tx)
    if row is None:
        raise WeChatNotSet(setting="mchid")
    return PayCredentials(
        mchid=_need("mchid", row.mchid),
        serial_no=_need("certificate_serial", row.certificate_serial),
        private_key_pem=_open("private_key", row.private_key_sealed),
        api_v3_key=_open("api_v3_key", row.api_v3_key_sealed),
        public_key_id=row.public_key_id or "",
        public_key_pem=row.public_key_pem or "",
        base_url=_base_url(row.environment, config.settings().wechat_pay_url),
    )


async def pay_keys(shop_id: ShopId) -> tuple[PayCredentials, str | None]:
    """What a notification for this shop is proven with, and the shop's appid.

    Remembered for RESOLVE_SECONDS, for they come by the hundred; opens its own transaction. Raises
    WeChatNotSet, which is not remembered.
    """
    known = _pay_keys.get(shop_id)
    if known and known[0] > clock.monotonic():
        return known[1:]
    async with reading(shop_id) as tx:
        credentials, appid = await pay_credentials(tx), (await get_wechat(tx)).appid
    _pay_keys[shop_id] = (clock.monotonic() + RESOLVE_SECONDS, credentials, appid)
    return credentials, appid


async def list_stores(tx: ReadTx) -> list[Store]:
    """The shop's places of collection, open ones first."""
    return await queries.list_stores(tx)


async def load_store(tx: ReadTx, store_id: UUID) -> Store | None:
    """A place of collection of this shop, open or not."""
    return await queries.get_store(tx, store_id)


async def save_store(tx: Tx, actor: Actor, store_id: UUID | None, given: StoreText) -> Store:
    """Open a place of collection (None), or change one. Raises StoreNotFound, BadSetting."""
    before = await queries.get_store(tx, store_id) if store_id else None
    if store_id and before is None:
        raise StoreNotFound
    if (given.latitude_e6 is None) != (given.longitude_e6 is None):
        raise BadSetting(setting="latitude_e6, longitude_e6", reason="one without the other")
    store = Store(store_id=store_id or new_id(), **msgspec.structs.asdict(given))
    await queries.upsert_store(tx, store)
    audit(
        tx,
        actor,
        "shops.store_saved",
        ("store", store.store_id),
        before={"name": before.name, "is_open": before.is_open} if before else None,
        after={"name": store.name, "is_open": store.is_open},
    )
    return store
