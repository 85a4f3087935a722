"""How names, phone numbers and addresses must look. Pure."""

import unicodedata

import phonenumbers

from siyu.people.members.contracts import AddressText, BadNickname, BadPhone, BadText

NICKNAME_MAX = 64
ADDRESSES_MAX = 20
_ADDRESS_LIMITS = {"receiver": 32, "province": 32, "city": 32, "district": 32, "detail": 120}
# Marks that turn the direction of the text after them: harmless stored, confusing on a screen.
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


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
