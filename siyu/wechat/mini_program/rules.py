"""Pure decisions of the mini-program API: what an error means, what a notice looks like."""

import base64
import hashlib
import hmac
import re
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from siyu.kernel.errors import SiyuError
from siyu.wechat.mini_program.contracts import (
    CodeRefused,
    Logistics,
    MiniProgramUnavailable,
    PushIncomplete,
    ShippedParcel,
    ShippingNotice,
    ShippingProblem,
    UserBlocked,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Retry, SealBroken, WeChatError

_CODE_REFUSED: Final = frozenset({"40029", "40163", "41008"})
_SCENE: Final = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}", re.ASCII)


def is_scene(scene: str) -> bool:
    """Whether WeChat takes this scene for an unlimited code: 1..32 of its characters."""
    return _SCENE.fullmatch(scene) is not None


def refusal(error: WeChatError) -> SiyuError:
    """What a failed call means to the person in front of the screen."""
    if error.code in _CODE_REFUSED:
        return CodeRefused()
    if error.code == "40226":
        return UserBlocked()
    return MiniProgramUnavailable(wechat_code=error.code, request_id=error.request_id)


_SHIPPING: Final = {
    "10060001": ShippingProblem.UNKNOWN_ORDER,
    "10060002": ShippingProblem.SHIPPED_ALREADY,
    "10060003": ShippingProblem.USED_UP,
    "10060004": ShippingProblem.WRONG_STATE,
    "10060023": ShippingProblem.UNCHANGED,
    "10060012": ShippingProblem.LATER,
    "10060019": ShippingProblem.LATER,
    "45009": ShippingProblem.LATER,  # the day's quota: there is another day
}
_MAX_DESC, _MAX_PARCELS = 120, 15


def shipping_problem(error: WeChatError) -> ShippingProblem:
    """What a failed call about shipping means; a token that stays refused may be mended."""
    if error.code in _SHIPPING:
        return _SHIPPING[error.code]
    if error.retry is Retry.RETRY or transport.is_stale_token(error):
        return ShippingProblem.LATER
    return ShippingProblem.UNCLEAR if error.retry is Retry.UNKNOWN else ShippingProblem.REFUSED


def notice_body(notice: ShippingNotice) -> dict[str, Any]:
    """The body of upload_shipping_info. Of more than 15 parcels the last are told."""
    assert notice.parcels and (notice.is_split or len(notice.parcels) == 1)
    assert not notice.is_split or notice.logistics is Logistics.EXPRESS
    body: dict[str, Any] = {
        "order_key": {"order_number_type": 2, "transaction_id": notice.transaction_id},
        "logistics_type": int(notice.logistics),
        "delivery_mode": 2 if notice.is_split else 1,
        "shipping_list": [_entry(one, notice) for one in notice.parcels[-_MAX_PARCELS:]],
        "upload_time": notice.upload_time.isoformat(timespec="milliseconds"),
        "payer": {"openid": notice.payer},
    }
    if notice.is_split:
        body["is_all_delivered"] = notice.is_all_delivered
    return body


def _entry(parcel: ShippedParcel, notice: ShippingNotice) -> dict[str, Any]:
    short = len(parcel.item_desc) <= _MAX_DESC
    entry: dict[str, Any] = {
        "item_desc": parcel.item_desc if short else parcel.item_desc[: _MAX_DESC - 1] + "…"
    }
    if notice.logistics is Logistics.EXPRESS:
        entry["tracking_no"] = parcel.tracking_no
        entry["express_company"] = parcel.express_company
        if parcel.receiver_contact:
            entry["contact"] = {"receiver_contact": parcel.receiver_contact}
    return entry


def needed(name: str, given: bytes | None, before: bytes | None) -> bytes:
    """The new sealed secret, or the one before. Raises PushIncomplete without either."""
    found = given or before
    if found is None:
        raise PushIncomplete(missing=name)
    return found


def open_user_data(session_key: str, iv: str, encrypted: str, appid: str) -> dict[str, Any]:
    """The content of `encryptedData`, whose watermark must name our app; SealBroken if not.

    AES-128-CBC carries no proof of origin: trust its content only for the person who sent it.
    """
    try:
        key, start, sealed = (base64.b64decode(part) for part in (session_key, iv, encrypted))
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(start)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        content = msgspec.json.decode(padded[: -padded[-1]], type=dict[str, Any])
        owner = content["watermark"]["appid"]
    except (ValueError, LookupError, TypeError):
        raise SealBroken(reason="user data") from None
    if owner != appid:
        raise SealBroken(reason="watermark")
    return content


def user_data_signature(raw: str, session_key: str) -> str:
    """The hex signature that goes with `rawData`."""
    return hashlib.sha1((raw + session_key).encode(), usedforsecurity=False).hexdigest()


def session_signature(session_key: str) -> str:
    """The hex signature of `checksession`: over the empty message, keyed by the key's text."""
    return hmac.new(session_key.encode(), b"", hashlib.sha256).hexdigest()
