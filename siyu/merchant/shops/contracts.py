"""Nouns of the shops domain."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.wechat.transport.contracts import Environment as Environment  # noqa: PLC0414


class Shop(msgspec.Struct, frozen=True):
    """A tenant's profile."""

    shop_id: int
    code: str
    name: str
    currency: str
    time_zone: str
    notice: str | None
    logo_url: str | None
    created_at: datetime


class WeChatSettings(msgspec.Struct, frozen=True):
    """What may be shown of a shop's WeChat settings: secrets only as "there is one"."""

    environment: Environment
    appid: str | None
    secret_set: bool
    mchid: str | None
    certificate_serial: str | None
    private_key_set: bool
    api_v3_key_set: bool
    public_key_id: str | None
    public_key_pem: str | None
    updated_at: datetime | None


class WeChatChange(msgspec.Struct, frozen=True, kw_only=True):
    """New WeChat settings; a secret that is None stays as it is."""

    environment: Environment
    appid: str | None
    mchid: str | None
    certificate_serial: str | None
    public_key_id: str | None
    public_key_pem: str | None
    app_secret: str | None = None
    private_key: str | None = None
    api_v3_key: str | None = None


class StoreText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place where orders can be collected; only an open one takes new ones. Latitude and
    longitude (millionths of a degree, GCJ-02) come together or not at all.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]
    address: Annotated[
        str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    ]
    phone: Annotated[str, msgspec.Meta(pattern=r"^[0-9+() -]{0,30}$")] = ""
    hours: Annotated[str, msgspec.Meta(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    is_open: bool = True
    latitude_e6: Annotated[int, msgspec.Meta(ge=-90_000_000, le=90_000_000)] | None = None
    longitude_e6: Annotated[int, msgspec.Meta(ge=-180_000_000, le=180_000_000)] | None = None


class Store(StoreText, frozen=True, kw_only=True):
    """A stored place."""

    store_id: UUID


class StoreNotFound(NotFound):
    """This shop has no such place."""

    code = "shops.store_not_found"
    zh = "没有找到该自提点"
    en = "There is no such pick-up place"


class ShopNotFound(NotFound):
    """No shop has this code."""

    code = "shops.not_found"
    zh = "没有代码为 {shop_code} 的店铺"
    en = "There is no shop with the code {shop_code}"


class CodeTaken(Conflict):
    """Another shop of the installation has this code."""

    code = "shops.code_taken"
    zh = "店铺代码 {shop_code} 已被使用"
    en = "The shop code {shop_code} is taken"


class WeChatNotSet(Conflict):
    """A WeChat setting is missing; details name it."""

    code = "shops.wechat_not_set"
    zh = "店铺尚未完成微信设置：{setting}"
    en = "The shop's WeChat setting is missing: {setting}"


class BadSetting(BadInput):
    """A setting has a form that WeChat would refuse; details: setting, reason."""

    code = "shops.bad_setting"
    zh = "设置 {setting} 不正确：{reason}"
    en = "The setting {setting} is wrong: {reason}"
