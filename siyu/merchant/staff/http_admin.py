"""Log-in to the console, one's own sessions and second factor, and who works in the shop."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

from siyu.kernel import config
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import system_transaction
from siyu.kernel.http import (
    PUBLIC,
    SESSION_COOKIES,
    STAFF,
    CrossSite,
    delete,
    get,
    patch,
    post,
    staff,
)
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import rules, service
from siyu.merchant.staff.contracts import Colleague, Role, Session, SignedIn, StaffNotFound


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


_Password = Annotated[str, msgspec.Meta(min_length=1, max_length=rules.PASSWORD_MAX)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Code = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}$")]


class LoginBody(_Body, frozen=True):
    """totp: six digits, for accounts with a second factor."""

    login_name: _Name
    password: _Password
    totp: _Code | None = None


class PasswordBody(_Body, frozen=True):
    """One's own password, the old and the new."""

    current: _Password
    new: _Password


class TotpBody(_Body, frozen=True):
    """The six digits the authenticator app shows."""

    code: _Code


class TotpView(msgspec.Struct, frozen=True):
    """A fresh secret, and the same as an address for a QR code."""

    secret: str
    otpauth_uri: str


class SessionView(Session, frozen=True):
    """One browser that is logged in; current: this one."""

    current: bool


class SessionList(msgspec.Struct, frozen=True):
    """All browsers that are logged in."""

    items: list[SessionView]


class StaffList(msgspec.Struct, frozen=True):
    """Everybody who works in the shop."""

    items: list[Colleague]


class StaffBody(_Body, frozen=True):
    """Somebody new; without password: somebody of another shop of yours."""

    login_name: _Name
    name: _Name
    role: Role
    password: _Password | None = None


class StaffChange(_Body, frozen=True):
    """What is null stays. remove_totp: their phone is lost."""

    role: Role | None = None
    name: _Name | None = None
    password: _Password | None = None
    remove_totp: bool = False


class NewShopBody(_Body, frozen=True):
    """A shop to open; code and currency are for ever."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)] = "CNY"
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = "Asia/Shanghai"


def _cookie(token: str, seconds: int) -> Cookie:
    """The session cookie; readable by no script, sent by no other site.

    Plain http (this machine, or a first try inside a LAN) cannot carry a `__Host-` cookie in every
    browser; there it has another name and less protection, and the doctor says so.
    """
    secure = config.settings().public_url.startswith("https://")
    return Cookie(
        key=SESSION_COOKIES[0 if secure else 1],
        value=token,
        path="/",
        max_age=seconds,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def _ip(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else "unknown"


@post("/login", access=PUBLIC)
async def sign_in(data: LoginBody, request: Request[Any, Any, Any]) -> Response[SignedIn]:
    """Start a session; the cookie is the proof from here on."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CrossSite
    session = await service.log_in(
        data.login_name,
        data.password,
        data.totp,
        _ip(request),
        request.headers.get("user-agent", ""),
    )
    seconds = int(rules.SESSION_LASTS.total_seconds())
    return Response(session.signed_in, cookies=[_cookie(session.token, seconds)])


@post("/logout", access=STAFF)
async def sign_out(staff: StaffIdentity) -> Response[None]:
    """End this session."""
    async with system_transaction() as tx:
        await service.end_session(tx, staff, staff.session_id)
    return Response(None, status_code=204, cookies=[_cookie("", 0)])


@get("/session", access=STAFF)
async def show_session(staff: StaffIdentity) -> SignedIn:
    """Who is signed in, and where they work."""
    async with system_transaction() as tx:
        return await service.get_signed_in(tx, staff)


@get("/sessions", access=STAFF)
async def list_sessions(staff: StaffIdentity) -> SessionList:
    """The account's living sessions."""
    async with system_transaction() as tx:
        sessions = await service.list_sessions(tx, staff)
    return SessionList(
        [
            SessionView(
                **msgspec.structs.asdict(session), current=session.session_id == staff.session_id
            )
            for session in sessions
        ]
    )


@delete("/sessions/{session_id:uuid}", access=STAFF)
async def end_session(session_id: UUID, staff: StaffIdentity) -> None:
    """End one of the account's own sessions."""
    async with system_transaction() as tx:
        await service.end_session(tx, staff, session_id)


@post("/password", access=STAFF)
async def change_password(
    data: PasswordBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> None:
    """Set one's own password; all other sessions end."""
    await service.change_password(staff, data.current, data.new, _ip(request))


@post("/totp/start", access=STAFF)
async def start_totp(staff: StaffIdentity) -> TotpView:
    """A fresh secret for the authenticator app; it counts once confirmed."""
    async with system_transaction(staff.shop_id) as tx:
        return TotpView(*await service.start_totp(tx, staff))


@post("/totp/confirm", access=STAFF)
async def confirm_totp(data: TotpBody, staff: StaffIdentity) -> None:
    """Put the second factor in force."""
    async with system_transaction(staff.shop_id) as tx:
        await service.confirm_totp(tx, staff, data.code)


@delete("/totp", access=STAFF)
async def remove_totp(staff: StaffIdentity) -> None:
    """Put the second factor out of force; needs a log-in of the last minutes."""
    async with system_transaction(staff.shop_id) as tx:
        await service.remove_totp(tx, staff)


@get("/staff", access=staff("staff.manage"))
async def list_staff(staff: StaffIdentity) -> StaffList:
    """Everybody who works in the shop."""
    async with system_transaction(staff.shop_id) as tx:
        return StaffList(await service.list_colleagues(tx))


@post("/staff", access=staff("staff.manage"), status_code=201)
async def add_staff(data: StaffBody, staff: StaffIdentity) -> Colleague:
    """Let somebody work in the shop."""
    hashed = data.password and await service.hash_password(data.password, data.login_name)
    async with system_transaction(staff.shop_id) as tx:
        staff_id = await service.add_staff(
            tx,
            staff,
            login_name=data.login_name,
            name=data.name,
            password_hash=hashed,
            role=data.role,
        )
        return await _colleague(tx, staff_id)


@patch("/staff/{staff_id:uuid}", access=staff("staff.manage"))
async def edit_staff(staff_id: UUID, data: StaffChange, staff: StaffIdentity) -> Colleague:
    """Change somebody's role, name or password, or take a lost second factor away."""
    async with system_transaction(staff.shop_id) as tx:
        known = await _colleague(tx, staff_id)
    hashed = data.password and await service.hash_password(data.password, known.login_name)
    async with system_transaction(staff.shop_id) as tx:
        await service.edit_staff(
            tx,
            staff,
            staff_id,
            role=data.role,
            name=data.name,
            password_hash=hashed,
            remove_totp=data.remove_totp,
        )
        return await _colleague(tx, staff_id)


@delete("/staff/{staff_id:uuid}", access=staff("staff.manage"))
async def remove_staff(staff_id: UUID, staff: StaffIdentity) -> None:
    """Take somebody out of the shop."""
    async with system_transaction(staff.shop_id) as tx:
        await service.remove_staff(tx, staff, staff_id)


async def _colleague(tx: Any, staff_id: UUID) -> Colleague:
    for colleague in await service.list_colleagues(tx):
        if colleague.staff_id == staff_id:
            return colleague
    raise StaffNotFound


@post("/shops", access=staff("staff.manage"), status_code=201)
async def open_shop(data: NewShopBody, staff: StaffIdentity) -> SignedIn:
    """Open another shop; whoever opens it owns it."""
    async with system_transaction(staff.shop_id) as tx:
        shop = await shops.create_shop(
            tx,
            staff,
            code=data.code,
            name=data.name,
            currency=data.currency,
            time_zone=data.time_zone,
        )
        await service.own_shop(tx, staff, shop.shop_id)
        return await service.get_signed_in(tx, staff)


routes = [
    sign_in,
    sign_out,
    show_session,
    list_sessions,
    end_session,
    change_password,
    start_totp,
    confirm_totp,
    remove_totp,
    list_staff,
    add_staff,
    edit_staff,
    remove_staff,
    open_shop,
]
