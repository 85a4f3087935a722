"""How names, numbers and addresses must look, and when two records are one person. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from uuid import UUID

import msgspec
import phonenumbers

from siyu.kernel.crypto import mask_phone
from siyu.kernel.i18n import Language
from siyu.people.members.contracts import (
    AddressText,
    BadIdentifier,
    BadNickname,
    BadPhone,
    BadText,
    Evidence,
    IdentifierKind,
    Level,
    Source,
)

NICKNAME_MAX = 64
ADDRESSES_MAX = 20
IDENTIFIERS_MAX = 10
"""Of one kind at one record."""
RECORDS_MAX = 20
"""Of one person: more is a shared phone, not a person; staff decide."""
EXPORT_HEADER: dict[Language, list[str]] = {
    "zh-CN": ["客户编号", "昵称", "手机号", "等级", "来源", "入会时间", "最近登录"],
    "en": ["Number", "Name", "Phone", "Level", "Source", "Joined", "Last log-in"],
}
LEVEL_WORDS: dict[Level, dict[Language, str]] = {
    Level.NORMAL: {"zh-CN": "普通会员", "en": "Member"},
    Level.VIP: {"zh-CN": "VIP 会员", "en": "VIP"},
}
SOURCE_WORDS: dict[Source, dict[Language, str]] = {
    Source.LOGIN: {"zh-CN": "小程序登录", "en": "Log-in"},
    Source.IMPORT: {"zh-CN": "历史导入", "en": "Import"},
    Source.STAFF: {"zh-CN": "员工建档", "en": "Staff"},
}
"""As the console says them; tables carry words, not codes."""
_ADDRESS_LIMITS = {"receiver": 32, "province": 32, "city": 32, "district": 32, "detail": 120}
# Marks that turn the direction of the text after them: harmless stored, confusing on a screen.
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])

_CN_MOBILE = re.compile(
    # What the library says of a mobile number of the mainland (it is typed as absent otherwise).
    phonenumbers.PhoneMetadata.metadata_for_region("CN").mobile.national_number_pattern,  # type: ignore[union-attr,type-var]
    re.ASCII,
)


def is_clean(text: str) -> bool:
    """Whether text has no control characters and no halves of characters."""
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def check_nickname(nickname: str) -> str:
    """The nickname as given (emoji and joiners stay); raises BadNickname (F068)."""
    if not (nickname.strip() and len(nickname) <= NICKNAME_MAX and is_clean(nickname)):
        raise BadNickname
    if not shown(nickname).strip():
        raise BadNickname
    return nickname


def shown(text: str) -> str:
    """Text for a screen of other people: marks of direction dropped (F068)."""
    return text.translate(_BIDI)


def search_key(text: str) -> str:
    """What names are searched by: compatibility forms, case and marks of direction folded."""
    return unicodedata.normalize("NFKC", shown(text)).casefold()[:256]


def normal_phone(text: str, region: str = "CN") -> str:
    """A phone number in E.164 form (`+8613812345678`), whatever form it came in (F074).

    Full-width and other digits, spaces and brackets are accepted; region is where a number without
    a country code belongs. Raises BadPhone.
    """
    if region == "CN" and _CN_MOBILE.fullmatch(text):
        return f"+86{text}"  # what the library finds below, a hundred times sooner
    if len(text) > 40:
        raise BadPhone
    plain = unicodedata.normalize("NFKC", text)
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        raise BadPhone from None
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise BadPhone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def check_address(text: AddressText) -> AddressText:
    """The address with its phone number normalised; raises BadText or BadPhone."""
    for field, limit in _ADDRESS_LIMITS.items():
        value: str = getattr(text, field)
        if not (value.strip() and len(value) <= limit and is_clean(value)):
            raise BadText(field=field, limit=limit)
    return AddressText(
        receiver=text.receiver.strip(),
        phone=normal_phone(text.phone),
        province=text.province.strip(),
        city=text.city.strip(),
        district=text.district.strip(),
        detail=text.detail.strip(),
    )


def split_tags(values: Mapping[str, str]) -> tuple[str, ...]:
    """The tags in a cell of a list, parted by commas, semicolons, 、 or |. Raises ValueError for
    more than 10, or a name above 30 characters."""
    found = [tag.strip() for tag in re.split(r"[,;|，；、]", values.get("tags", ""))]
    tags = tuple(dict.fromkeys(tag for tag in found if tag))
    if len(tags) > 10 or any(len(tag) > 30 or not is_clean(tag) for tag in tags):
        raise ValueError("tags")
    return tags


# --- identifiers ----------------------------------------------------------------------------------

CONFIDENCE_BPS = {
    Evidence.LOGIN: 10_000,
    Evidence.PHONE_AUTHORISED: 9_900,
    Evidence.STAFF: 9_000,
    Evidence.WECOM: 8_000,
    Evidence.IMPORT: 6_000,
    Evidence.MEMBER: 5_000,
}
"""How sure a link is, by where it was learned, in ten-thousandths."""
_CERTAIN: dict[str, Evidence] = {
    IdentifierKind.UNIONID: Evidence.LOGIN,
    IdentifierKind.PHONE: Evidence.PHONE_AUTHORISED,
}
_CARD = re.compile(r"[0-9A-Z](?:[0-9A-Z-]{2,30}[0-9A-Z])")
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)+")
_WECHAT_ID = re.compile(r"[!-~]{1,128}")


def normal(kind: IdentifierKind, text: str) -> str:
    """An identifier in the one form under which it is looked up. Raises BadIdentifier, BadPhone."""
    if kind is IdentifierKind.PHONE:
        return normal_phone(text)
    if kind in (IdentifierKind.OPENID, IdentifierKind.UNIONID, IdentifierKind.EXTERNAL_USERID):
        plain, shape = text, _WECHAT_ID
    else:
        plain = unicodedata.normalize("NFKC", text[:254]).strip()
        if kind is IdentifierKind.CARD:
            plain, shape = plain.upper().replace(" ", ""), _CARD
        else:
            plain, shape = plain.casefold(), _EMAIL
    if len(text) > 254 or not shape.fullmatch(plain):
        raise BadIdentifier(kind=kind)
    return plain


def masked(kind: IdentifierKind, value: str | None) -> str:
    """An identifier for a screen; None: its value was never kept."""
    if value is None:
        return "***"
    if kind is IdentifierKind.PHONE:
        return mask_phone(value)
    if kind is IdentifierKind.EMAIL:
        name, _, host = value.partition("@")
        return f"{name[:1]}***@{host}"
    return f"{value[:2]}***{value[-4:]}" if len(value) > 8 else f"***{value[-2:]}"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the records of a person say together. app_ids: apps they log in through; phones: keys
    of numbers the person authorised."""

    head_id: UUID
    head_level: Level
    levels: frozenset[Level]
    record_count: int
    app_ids: frozenset[str]
    unionids: frozenset[bytes]
    phones: frozenset[bytes]
    has_balance: bool
    is_locked: bool


def is_certain(evidence: str, confidence_bps: int) -> bool:
    """Whether an identifier in common is enough to merge without staff: the same unionid, told by
    log-ins, or the same phone number, authorised to WeChat."""
    learned_by = _CERTAIN.get(evidence)
    return learned_by is not None and confidence_bps >= CONFIDENCE_BPS[learned_by]


def why_staff(early: Facts, late: Facts, evidence: str, confidence_bps: int) -> list[str]:
    """Why staff must decide whether two persons are one; empty: they are merged at once.

    early: whose record stands for both; its level is the one that stays.
    """
    same_unionid = evidence == IdentifierKind.UNIONID
    found = {
        "weak_evidence": not is_certain(evidence, confidence_bps),
        "staff_locked": early.is_locked or late.is_locked,
        "two_balances": early.has_balance and late.has_balance,
        "phones_differ": bool(early.phones and late.phones and not early.phones & late.phones),
        "unionids_differ": bool(
            early.unionids and late.unionids and not early.unionids & late.unionids
        ),
        "openids_differ": not same_unionid and bool(early.app_ids & late.app_ids),
        "level_lost": Level.VIP in late.levels and early.head_level is not Level.VIP,
        "too_many_records": early.record_count + late.record_count > RECORDS_MAX,
    }
    return [reason for reason, holds in found.items() if holds]
