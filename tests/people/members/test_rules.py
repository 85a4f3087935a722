"""Names, numbers and addresses: what is accepted, and in which form."""

import string

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.people.members import rules
from siyu.people.members.contracts import AddressText, BadNickname, BadPhone, BadText

ADDRESS = AddressText(
    receiver="王小明",
    phone="138 1234 5678",
    province="浙江省",
    city="杭州市",
    district="西湖区",
    detail="文三路 90 号",
)


@pytest.mark.parametrize("nickname", ["茶", "👩‍👩‍👧‍👦", "a\u202eb", "x" * 64, " 小 茶 "])
def test_nickname_is_kept_as_given(nickname: str) -> None:
    assert rules.check_nickname(nickname) == nickname


@pytest.mark.parametrize(
    "nickname", ["", "   ", "\u202e\u202d", "a\x00b", "a\nb", "\ud800", "x" * 65, "x" * 10_000]
)
def test_nickname_is_refused(nickname: str) -> None:
    with pytest.raises(BadNickname):
        rules.check_nickname(nickname)


def test_marks_of_direction_are_not_shown_to_others() -> None:
    assert rules.shown("ab\u202egnp.exe\u202c\u2066c\u2069") == "abgnp.exec"
    assert rules.shown("👩‍👧") == "👩‍👧", "joiners of emoji stay"


def test_search_ignores_width_and_case() -> None:
    assert rules.search_key("Ｔｅａ茶") == rules.search_key("TEA茶") == "tea茶"


@given(st.text(max_size=100))
def test_any_text_is_a_nickname_or_refused(text: str) -> None:
    try:
        assert rules.check_nickname(text) == text
    except BadNickname:
        return
    assert "\x00" not in text
    text.encode()  # what is accepted can be stored
    assert len(rules.search_key(text)) <= 256


@given(st.text(max_size=60))
def test_any_text_is_a_phone_number_or_refused(text: str) -> None:
    try:
        number = rules.normal_phone(text)
    except BadPhone:
        return
    assert number[0] == "+" and set(number[1:]) <= set(string.digits)
    assert rules.normal_phone(number) == number, "the normal form is its own normal form"


DIGITS = ["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩"]
HEADS = ["130", "138", "159", "177", "188", "199"]


@given(
    st.sampled_from(HEADS),
    st.text(string.digits, min_size=8, max_size=8),
    st.sampled_from(["", "+86", "0086", "+86 ", "(+86)", "86-"]),
    st.sampled_from(["", " ", "-", "\u3000", "."]),
    st.sampled_from(DIGITS),
)
def test_one_number_in_any_dress_is_one_number(
    head: str, tail: str, country: str, gap: str, digits: str
) -> None:
    number = head + tail
    valid = phonenumbers.is_valid_number(phonenumbers.parse(number, "CN"))
    dressed = country + gap.join([number[:3], number[3:7], number[7:]])
    dressed = dressed.translate(str.maketrans(string.digits, digits))
    if valid:
        assert rules.normal_phone(dressed) == f"+86{number}"
    else:
        with pytest.raises(BadPhone):
            rules.normal_phone(dressed)


def test_address_is_trimmed_and_its_number_normalised() -> None:
    address = rules.check_address(AddressText(**{**_fields(), "city": " 杭州市 "}))
    assert (address.city, address.phone) == ("杭州市", "+8613812345678")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("receiver", ""),
        ("receiver", "王" * 33),
        ("detail", "x" * 121),
        ("city", "a\x00"),
        ("district", " "),
    ],
)
def test_address_fields_are_checked(field: str, value: str) -> None:
    with pytest.raises(BadText) as refused:
        rules.check_address(AddressText(**{**_fields(), field: value}))
    assert refused.value.details["field"] == field


def _fields() -> dict[str, str]:
    return {field: getattr(ADDRESS, field) for field in ADDRESS.__struct_fields__}
