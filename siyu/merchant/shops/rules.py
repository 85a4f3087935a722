"""What a shop's settings must look like before WeChat is asked. Pure."""

import re
from zoneinfo import available_timezones

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from siyu.merchant.shops.contracts import BadSetting, WeChatChange
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ChannelUnusable

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "appid": (re.compile(r"wx[0-9a-zA-Z]{6,30}"), "wx + 6-30 letters or digits"),
    "mchid": (re.compile(r"[0-9]{6,32}"), "6-32 digits"),
    "certificate_serial": (re.compile(r"[0-9A-F]{16,64}"), "16-64 upper-case hex digits"),
    "public_key_id": (re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{1,64}"), "PUB_KEY_ID_…"),
    "app_secret": (re.compile(r"[0-9a-zA-Z]{16,64}"), "16-64 letters or digits"),
    "api_v3_key": (re.compile(r"[0-9a-zA-Z]{32}"), "32 letters or digits"),
}


def check_profile(code: str, name: str, currency: str, time_zone: str) -> None:
    """Raise BadSetting unless a shop can be made with these."""
    check_name(name)
    if not _SLUG.fullmatch(code):
        raise BadSetting(setting="code", reason="a-z 0-9 -, 1-40")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise BadSetting(setting="currency", reason="ISO 4217")
    check_time_zone(time_zone)


def check_name(name: str) -> None:
    """Raise BadSetting unless the name has 1 to 60 characters and no control characters."""
    if not 1 <= len(name.strip()) <= 60 or not all(char.isprintable() for char in name):
        raise BadSetting(setting="name", reason="1-60")


def check_time_zone(time_zone: str) -> None:
    """Raise BadSetting for a name the time zone database does not have."""
    if time_zone not in available_timezones():
        raise BadSetting(setting="time_zone", reason="IANA time zone")


def check_wechat(change: WeChatChange) -> None:
    """Raise BadSetting for the first setting that WeChat could never accept.

    Sources: pay.weixin.qq.com (API v3 key: 32 letters or digits; merchant key: RSA 2048).
    """
    for setting, (form, reason) in _FORMS.items():
        value = getattr(change, setting)
        if value is not None and not form.fullmatch(value):
            raise BadSetting(setting=setting, reason=reason)
    if change.private_key is not None and not is_private_key(change.private_key):
        raise BadSetting(setting="private_key", reason="PEM, RSA 2048+ (apiclient_key.pem)")
    if change.public_key_pem is not None and not is_public_key(change.public_key_pem):
        raise BadSetting(setting="public_key_pem", reason="PEM, RSA 2048+ (pub_key.pem)")


def is_private_key(pem: str) -> bool:
    """Whether it is an unencrypted RSA private key of at least 2048 bits."""
    try:
        transport.private_key(pem)
    except (ChannelUnusable, UnsupportedAlgorithm):
        return False
    return True


def is_public_key(pem: str) -> bool:
    """Whether it is an RSA public key of at least 2048 bits."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, RSAPublicKey) and key.key_size >= 2048
