"""Nouns of the staff domain."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, Forbidden, NotFound, TooMany, Unauthorized

StaffId = NewType("StaffId", UUID)
SessionId = NewType("SessionId", UUID)


class Role(StrEnum):
    """What somebody is in a shop; `rules.PERMISSIONS` says what that allows."""

    OWNER = "owner"
    MANAGER = "manager"
    CLERK = "clerk"
    FINANCE = "finance"
    ANALYST = "analyst"


class Account(msgspec.Struct, frozen=True):
    """The person behind a session."""

    staff_id: UUID
    name: str
    login_name: str
    totp_enabled: bool


class Workplace(msgspec.Struct, frozen=True):
    """A shop somebody works in, and what they may do there."""

    code: str
    name: str
    role: Role
    permissions: list[str]
    currency: str
    time_zone: str


class SignedIn(msgspec.Struct, frozen=True):
    """Who is signed in, and where they work.

    totp_advised: a role of theirs moves money and the second factor is off (F086).
    """

    staff: Account
    shops: list[Workplace]
    totp_advised: bool


class NewSession(msgspec.Struct, frozen=True):
    """A log-in that succeeded. token: 256 random bits, for the cookie, kept nowhere."""

    token: str
    expires_at: datetime
    signed_in: SignedIn


class Session(msgspec.Struct, frozen=True):
    """One browser that is logged in."""

    session_id: UUID
    ip: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Colleague(msgspec.Struct, frozen=True):
    """Somebody who works in a shop."""

    staff_id: UUID
    login_name: str
    name: str
    role: Role
    totp_enabled: bool
    created_at: datetime
    last_seen_at: datetime | None


class BadLogin(Unauthorized):
    """Name, password or code is wrong; which of them is not said."""

    code = "staff.bad_login"
    zh = "账号、密码或动态码不正确"
    en = "The name, the password or the code is wrong"


class TotpNeeded(Unauthorized):
    """The password is right; the code of the authenticator app is asked next."""

    code = "staff.totp_needed"
    zh = "请输入身份验证器中的动态码"
    en = "Please enter the code of your authenticator app"


class TooManyAttempts(TooMany):
    """Too many log-ins failed for this account or from this address; `Retry-After` says when."""

    code = "staff.too_many_attempts"
    zh = "尝试次数过多，请稍后再试"
    en = "Too many attempts; please try again later"


class SignInAgain(Forbidden):
    """This needs a log-in of the last few minutes, so that a stolen browser cannot do it."""

    code = "staff.sign_in_again"
    zh = "为了安全，请重新登录后再操作"
    en = "For safety, please sign in again first"


class WeakPassword(BadInput):
    """A password has 10 to 128 characters, is no common one and not the login name."""

    code = "staff.weak_password"
    zh = "密码需为 10 到 128 个字符，不能是常见密码或账号名"
    en = "A password has 10 to 128 characters, is not a common one and not the login name"


class BadLoginName(BadInput):
    """A login name has 3 to 64 letters, digits or . _ - @."""

    code = "staff.bad_login_name"
    zh = "账号需为 3 到 64 个字母、数字或 . _ - @"
    en = "A login name has 3 to 64 letters, digits or . _ - @"


class BadName(BadInput):
    """A name has 1 to 60 characters and no control characters."""

    code = "staff.bad_name"
    zh = "姓名需为 1 到 60 个字符"
    en = "A name has 1 to 60 characters"


class LoginNameTaken(Conflict):
    """The login name belongs to somebody else."""

    code = "staff.login_name_taken"
    zh = "该账号名已被使用"
    en = "This login name is taken"


class StaffNotFound(NotFound):
    """Nobody of this shop."""

    code = "staff.not_found"
    zh = "没有找到该员工"
    en = "There is no such member of staff"


class LastOwner(Conflict):
    """A shop must keep an owner."""

    code = "staff.last_owner"
    zh = "店铺至少需要一位店主"
    en = "A shop must keep an owner"


class NotYoursAlone(Conflict):
    """The account also works in a shop that is not yours, so its password is not yours to set."""

    code = "staff.not_yours_alone"
    zh = "该员工同时属于其他店铺，请由本人修改"
    en = "This account also works elsewhere; only its owner can change that"


class TotpNotStarted(Conflict):
    """There is no second factor waiting to be confirmed."""

    code = "staff.totp_not_started"
    zh = "请先开始设置动态码"
    en = "Start the set-up of the second factor first"


class TotpAlreadyOn(Conflict):
    """A second factor is in force; take it out of force before setting up another."""

    code = "staff.totp_already_on"
    zh = "动态码已启用，请先关闭再重新设置"
    en = "The second factor is on; switch it off before setting up another"
