"""Roles, passwords, addresses and codes."""

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.merchant.staff import rules
from siyu.merchant.staff.contracts import BadLoginName, Role, WeakPassword


def test_roles_are_the_table_and_nothing_else() -> None:
    assert set(rules.PERMISSIONS) == set(Role)
    assert rules.PERMISSIONS[Role.OWNER] > rules.PERMISSIONS[Role.MANAGER]
    assert rules.PERMISSIONS[Role.MANAGER] > rules.PERMISSIONS[Role.CLERK]
    assert "staff.manage" not in rules.PERMISSIONS[Role.MANAGER]
    assert rules.permissions_of(None) == frozenset()


def test_clerk_and_analyst_see_no_personal_data_in_clear() -> None:
    for role in (Role.CLERK, Role.ANALYST):
        hidden = {"members.reveal", "members.export", "orders.export"}
        assert rules.PERMISSIONS[role].isdisjoint(hidden)


@pytest.mark.parametrize("password", ["十一个汉字的密码足够长", "correct horse", "x1y2z3w4v5"])
def test_password_is_taken(password: str) -> None:
    rules.check_password(password, "owner")


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 129, "aaaaabbbbb", "Password123", "qwertyuiop", "OWNER@shop.cn"]
)
def test_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        rules.check_password(password, "owner@shop.cn")


@pytest.mark.parametrize("name", ["owner", "o.w-n_er@shop.cn", "掌柜的", "ｏｗｎｅｒ"])
def test_login_name_has_one_form(name: str) -> None:
    kept = rules.check_login_name(f" {name} ")
    assert rules.login_key(kept) == rules.login_key(name.upper())


@pytest.mark.parametrize("name", ["", "ab", "a b c", "a\x00bc", "a/b/c", "x" * 65])
def test_login_name_is_refused(name: str) -> None:
    with pytest.raises(BadLoginName):
        rules.check_login_name(name)


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_household_count_together(ip: str, network: str) -> None:
    assert rules.network_of(ip) == network


SECRET = pyotp.random_base32()


@given(st.integers(10**9, 4 * 10**9), st.integers(-120, 120))
def test_a_code_is_good_one_step_early_or_late(now: int, off: int) -> None:
    step = rules.totp_step(SECRET, pyotp.TOTP(SECRET).at(now + off), now)
    distance = (now + off) // 30 - now // 30
    if abs(distance) <= 1:
        assert step == (now + off) // 30
    else:
        assert step is None


def test_a_code_is_six_digits_of_this_secret() -> None:
    assert rules.totp_step(SECRET, "12345", 10**9) is None
    assert rules.totp_step(SECRET, "１２３４５６", 10**9) is None
