"""All SQL of the shops domain."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx, Tx
from siyu.merchant.shops.contracts import Environment, Shop, Store

_SHOP = "shop_id, code, name, currency, time_zone, notice, logo_url, created_at"


class WeChatRow(msgspec.Struct, frozen=True):
    """A shop's WeChat settings as stored, secrets sealed."""

    environment: Environment
    appid: str | None
    app_secret_sealed: bytes | None
    mchid: str | None
    certificate_serial: str | None
    private_key_sealed: bytes | None
    api_v3_key_sealed: bytes | None
    public_key_id: str | None
    public_key_pem: str | None
    updated_at: datetime


async def insert_shop(
    tx: Tx, *, code: str, name: str, currency: str, time_zone: str, at: datetime
) -> Shop | None:
    """Make a shop; None when the code is taken."""
    return await tx.maybe(
        Shop,
        f"""insert into shops.shops (code, name, currency, time_zone, created_at)
            values ($1, $2, $3, $4, $5) on conflict (code) do nothing returning {_SHOP}""",
        code,
        name,
        currency,
        time_zone,
        at,
    )


async def get_shop(tx: ReadTx) -> Shop:
    """The shop of the transaction."""
    return await tx.one(Shop, f"select {_SHOP} from shops.shops where shop_id = $1", tx.shop_id)


async def get_shop_by_code(tx: ReadTx, code: str) -> Shop | None:
    """A shop by its slug."""
    return await tx.maybe(Shop, f"select {_SHOP} from shops.shops where code = $1", code)


async def list_shops(tx: ReadTx) -> list[Shop]:
    """All shops of the installation, oldest first."""
    return await tx.all(Shop, f"select {_SHOP} from shops.shops order by shop_id")


async def lock_shop(tx: Tx) -> Shop:
    """The shop of the transaction, held against another editor."""
    return await tx.one(
        Shop, f"select {_SHOP} from shops.shops where shop_id = $1 for no key update", tx.shop_id
    )


async def update_shop(
    tx: Tx, name: str, notice: str | None, logo_url: str | None, time_zone: str
) -> Shop:
    """Write the profile."""
    return await tx.one(
        Shop,
        f"""update shops.shops set name = $2, notice = $3, logo_url = $4, time_zone = $5
            where shop_id = $1 returning {_SHOP}""",
        tx.shop_id,
        name,
        notice,
        logo_url,
        time_zone,
    )


async def get_wechat(tx: ReadTx) -> WeChatRow | None:
    """The WeChat settings of the shop of the transaction."""
    return await tx.maybe(
        WeChatRow,
        """select environment, appid, app_secret_sealed, mchid, certificate_serial,
             private_key_sealed, api_v3_key_sealed, public_key_id, public_key_pem, updated_at
           from shops.wechat where shop_id = $1""",
        tx.shop_id,
    )


async def upsert_wechat(tx: Tx, row: WeChatRow) -> None:
    """Write the WeChat settings; a secret that is None stays as it is."""
    await tx.run(
        """insert into shops.wechat as w (shop_id, environment, appid, app_secret_sealed, mchid,
             certificate_serial, private_key_sealed, api_v3_key_sealed, public_key_id,
             public_key_pem, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict (shop_id) do update set environment = excluded.environment,
             appid = excluded.appid, mchid = excluded.mchid,
             certificate_serial = excluded.certificate_serial,
             public_key_id = excluded.public_key_id, public_key_pem = excluded.public_key_pem,
             app_secret_sealed = coalesce(excluded.app_secret_sealed, w.app_secret_sealed),
             private_key_sealed = coalesce(excluded.private_key_sealed, w.private_key_sealed),
             api_v3_key_sealed = coalesce(excluded.api_v3_key_sealed, w.api_v3_key_sealed),
             updated_at = excluded.updated_at""",
        tx.shop_id,
        row.environment,
        row.appid,
        row.app_secret_sealed,
        row.mchid,
        row.certificate_serial,
        row.private_key_sealed,
        row.api_v3_key_sealed,
        row.public_key_id,
        row.public_key_pem,
        row.updated_at,
    )


_STORE = "store_id, name, address, phone, hours, is_open, latitude_e6, longitude_e6"


async def list_stores(tx: ReadTx) -> list[Store]:
    """The shop's places of collection, open ones first."""
    return await tx.all(
        Store,
        f"select {_STORE} from shops.stores where shop_id = $1 order by not is_open, store_id",
        tx.shop_id,
    )


async def get_store(tx: ReadTx, store_id: UUID) -> Store | None:
    """One place of collection."""
    return await tx.maybe(
        Store,
        f"select {_STORE} from shops.stores where shop_id = $1 and store_id = $2",
        tx.shop_id,
        store_id,
    )


async def upsert_store(tx: Tx, store: Store) -> None:
    """Write a place of collection."""
    await tx.run(
        """insert into shops.stores
             (shop_id, store_id, name, address, phone, hours, is_open, latitude_e6, longitude_e6)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id, store_id) do update set name = excluded.name,
             address = excluded.address, phone = excluded.phone, hours = excluded.hours,
             is_open = excluded.is_open, latitude_e6 = excluded.latitude_e6,
             longitude_e6 = excluded.longitude_e6""",
        tx.shop_id,
        store.store_id,
        store.name,
        store.address,
        store.phone,
        store.hours,
        store.is_open,
        store.latitude_e6,
        store.longitude_e6,
    )
