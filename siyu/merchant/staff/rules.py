"""Who may do what, and what a password, a name and a number of attempts must be. Pure."""

import hmac
import ipaddress
import re
import unicodedata
from datetime import timedelta

import pyotp

from siyu.merchant.staff.contracts import BadLoginName, BadName, Role, WeakPassword

_MANAGER = frozenset({
    "shop.read", "shop.write", "products.read", "products.write", "stock.read", "stock.write",
    "orders.read", "orders.write", "orders.collect", "orders.export", "members.read",
    "members.write", "members.reveal", "members.export", "insight.read", "insight.write",
    "audit.read", "jobs.manage",
    "after_sale.read", "after_sale.write", "reviews.read", "reviews.write", "money.read",
    "money.write", "coupons.read", "coupons.write", "prices.read", "prices.write",
    "experiments.write", "compliance.sign", "outreach.read", "outreach.write",
})  # fmt: skip

PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.OWNER: _MANAGER | {"staff.manage"},
    Role.MANAGER: _MANAGER,
    Role.CLERK: frozenset({
        "shop.read", "products.read", "stock.read", "stock.write", "orders.read", "orders.write",
        "orders.collect", "members.read", "after_sale.read", "after_sale.write", "reviews.read",
        "reviews.write", "coupons.read", "prices.read", "outreach.read",
    }),
    Role.FINANCE: frozenset({
        "shop.read", "orders.read", "orders.export", "members.read", "after_sale.read",
        "after_sale.write", "money.read", "money.write", "insight.read", "audit.read",
        "coupons.read", "prices.read",
    }),
    Role.ANALYST: frozenset({
        "shop.read", "products.read", "stock.read", "reviews.read", "insight.read",
        "insight.write",
    }),
}  # fmt: skip
"""All that is granted. What does not stand here is refused; no list is read as "everything"."""

MONEY_PERMISSIONS = frozenset({
    "shop.write", "orders.write", "orders.collect", "orders.export", "staff.manage",
    "after_sale.write", "money.write", "coupons.write", "prices.write",
})  # fmt: skip
"""Whoever holds one of these is advised to use a second factor (F086)."""

SESSION_LASTS = timedelta(days=7)
SESSION_IDLES = timedelta(hours=12)
SEEN_EVERY = timedelta(seconds=60)
"""How often a session in use is noted as seen: a write per minute, not per request."""
FRESH_FOR = timedelta(minutes=15)
"""How long after the log-in the second factor may be changed."""

ATTEMPT_WINDOW = timedelta(minutes=15)
ATTEMPTS_PER_ACCOUNT = 10
ATTEMPTS_PER_ADDRESS = 50

PASSWORD_MIN, PASSWORD_MAX = 10, 128
_COMMON = frozenset({
    "1234567890", "12345678910", "0123456789", "9876543210", "qwertyuiop", "1q2w3e4r5t",
    "1qaz2wsx3edc", "password123", "password1234", "passw0rd123", "administrator", "admin12345",
    "admin123456", "iloveyou123", "woaini1314", "woaini1314520", "5201314520", "a123456789",
    "qq123456789", "abc123456789", "asdfghjkl123", "zxcvbnm123", "qwerty12345", "welcome123",
    "letmein123", "changeme123", "1234554321", "0987654321", "q1w2e3r4t5y6", "siyu123456",
})  # fmt: skip
_TOTP_STEP_SECONDS = 30


def permissions_of(role: Role | None) -> frozenset[str]:
    """What a role may do; nobody may do nothing."""
    return PERMISSIONS[role] if role is not None else frozenset()


def login_key(login_name: str) -> str:
    """The one form of a login name; width and case of letters do not matter."""
    return unicodedata.normalize("NFKC", login_name).strip().casefold()[:128]


def check_login_name(login_name: str) -> str:
    """The login name in the form that is kept; raises BadLoginName."""
    name = unicodedata.normalize("NFKC", login_name).strip()
    if not re.fullmatch(r"[\w.@-]{3,64}", name):
        raise BadLoginName
    return name


def check_name(name: str) -> str:
    """A name without surrounding space; raises BadName."""
    name = name.strip()
    if not 1 <= len(name) <= 60 or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise BadName
    return name


def check_password(password: str, login_name: str) -> None:
    """Raise WeakPassword for one that guessing finds first."""
    folded = password.casefold()
    if (
        not PASSWORD_MIN <= len(password) <= PASSWORD_MAX
        or len(set(password)) < 5
        or folded in _COMMON
        or folded == login_key(login_name)
    ):
        raise WeakPassword


def network_of(ip: str) -> str:
    """What an address is counted under: itself for IPv4, its /64 for IPv6 (one household)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:64]
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def totp_step(secret: str, code: str, unix_seconds: float) -> int | None:
    """The 30-second step whose code this is, one step early or late allowed; None: no step's."""
    now = int(unix_seconds) // _TOTP_STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found
