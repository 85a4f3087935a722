"""Nouns of the shops domain."""

from datetime import datetime
from enum import StrEnum

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound


class Environment(StrEnum):
    """Which WeChat a shop speaks with."""

    REAL = "real"
    SANDBOX = "sandbox"


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
