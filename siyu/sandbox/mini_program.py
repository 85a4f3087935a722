"""The mini-program server API (api.weixin.qq.com): tokens, login, phone number, codes, quotas.

Answers are HTTP 200 even when they refuse; `errcode` tells. Source:
developers.weixin.qq.com/doc/service/api/base and the mini-program pages of each call.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, get, route
from litestar.handlers import HTTPRouteHandler

from siyu.sandbox import faults, limits, pictures, wire
from siyu.sandbox.errcodes import MESSAGES
from siyu.sandbox.pay import HTML_ERROR
from siyu.sandbox.world import App, Identity, Person, World, get_app, get_person, identify

TOKEN_SECONDS = 7200
TOKEN_OVERLAP_SECONDS = 300
FORCE_PAUSE_SECONDS = 30
CODE_SECONDS = 300
_SCENE = re.compile(r"^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+$")


class Refused(Exception):
    """An errcode of the pages."""

    def __init__(self, errcode: int, extra: str = "") -> None:
        super().__init__(errcode)
        self.errcode, self.extra = errcode, extra


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """An access token; moments in seconds since 1970."""

    token: str
    appid: str
    kind: str
    issued_at: float
    expires_at: float
    killed_at: float | None = None


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A login or phone code, good once and for five minutes."""

    code: str
    kind: str
    appid: str
    person_id: str
    issued_at: float
    used_at: float | None = None


AnyRequest = Request[Any, Any, Any]


async def serve(
    world: World,
    request: AnyRequest,
    operation: str,
    work: Callable[[dict[str, Any]], Any],
    *,
    posted: bool = True,
    word: Callable[[World, "Refused"], str] | None = None,
) -> Response[bytes]:
    """Meet the ordered faults, do the work in one transaction, word the answer as WeChat does.

    `work` gets the JSON body (POST) or the query (GET) and returns a dict, or bytes of a picture;
    `word` writes the errmsg of a refusal.
    """
    if faults.take(world, "html", operation):
        return Response(HTML_ERROR, status_code=502, media_type="text/html")
    if slow := faults.take(world, "slow", operation):
        await asyncio.sleep(slow.option("seconds", 3))
    raw = await request.body()
    try:
        if faults.take(world, "system_error", operation):
            raise Refused(-1)
        if faults.take(world, "frequency_limited", operation):
            raise Refused(45011)
        if ordered := faults.take(world, "errcode", operation):
            raise Refused(int(ordered.option("code", "43101")))
        if posted and request.method != "POST":
            raise Refused(43002)
        given = _json_object(raw) if posted else dict(request.query_params)
        with world.store.writing():
            answer = work(given)
    except Refused as refused:
        answer = {"errcode": refused.errcode, "errmsg": (word or _worded)(world, refused)}
    if hung := faults.take(world, "timeout_after_work", operation):
        await asyncio.sleep(hung.option("seconds", 30))
        return Response(HTML_ERROR, status_code=504, media_type="text/html")
    if isinstance(answer, bytes):
        kind = "image/png" if answer.startswith(b"\x89PNG") else "image/jpeg"
        return Response(answer, media_type=kind)
    return Response(wire.to_json(answer), media_type="application/json; encoding=utf-8")


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(47001) from None
    if not isinstance(given, dict):
        raise Refused(47001)
    return given


def _worded(world: World, refused: Refused) -> str:
    said = MESSAGES.get(refused.errcode, "error")
    return f"{said}{refused.extra} rid: {_rid(world)}"


def _rid(world: World) -> str:
    return f"{int(world.at()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def check_app(world: World, given: dict[str, Any], secret_name: str = "secret") -> App:  # noqa: S107
    """The app that these credentials belong to. Raises Refused 41002, 41004, 40013, 40125."""
    if not given.get("appid"):
        raise Refused(41002)
    if not given.get(secret_name):
        raise Refused(41004)
    app = get_app(world, str(given["appid"]))
    if app is None:
        raise Refused(40013)
    if not hmac.compare_digest(app.secret.encode(), str(given[secret_name]).encode()):
        raise Refused(40125)
    return app


def check_token(world: World, request: AnyRequest) -> App:
    """The account an access token speaks for. Raises Refused 41001, 40014, 40001, 42001."""
    given = request.query_params.get("access_token")
    if not given:
        raise Refused(41001)
    token = world.store.maybe(Token, "select * from tokens where token = ?", given)
    if token is None:
        raise Refused(40014)
    if token.killed_at is not None and token.killed_at <= world.at():
        raise Refused(40001)
    if token.expires_at <= world.at():
        raise Refused(42001)
    app = get_app(world, token.appid)
    assert app is not None
    return app


def api(
    path: str,
    operation: str,
    work: Callable[[World, App, dict[str, Any]], Any],
    *,
    posted: bool = True,
) -> HTTPRouteHandler:
    """The route of an API that asks for an access token; `work` as in `serve`, with its app."""

    @route(path, http_method=["GET", "POST"] if posted else ["GET"], status_code=200)
    async def answer(request: AnyRequest, world: World) -> Response[bytes]:
        def do(given: dict[str, Any]) -> Any:
            return work(world, check_token(world, request), given)

        return await serve(world, request, operation, do, posted=posted)

    return answer


def spend(world: World, subject: str, operation: str) -> None:
    """Count a call. Raises Refused 45009 (the day's are used up), 45011 (the minute's)."""
    broken = limits.exceeded(world, subject, operation)
    if broken:
        raise Refused(45009 if broken.seconds >= limits.DAY else 45011)


# -- tokens --------------------------------------------------------------------------------------


def new_token(world: World, appid: str, kind: str) -> Token:
    """Hand out a token."""
    token = Token(
        token=f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(96)}",
        appid=appid,
        kind=kind,
        issued_at=world.at(),
        expires_at=world.at() + TOKEN_SECONDS,
    )
    world.store.insert("tokens", token)
    world.store.run("delete from tokens where expires_at < ?", world.at() - 86400)
    return token


def last_token(world: World, appid: str, kind: str) -> Token | None:
    """The token in use."""
    return world.store.maybe(
        Token,
        """select * from tokens where appid = ? and kind = ?
            and killed_at is null and expires_at > ? order by issued_at desc limit 1""",
        appid,
        kind,
        world.at(),
    )


def stable_token(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """The same token while it is good; a new one in its last five minutes, or by force."""
    if given.get("grant_type") != "client_credential":
        raise Refused(40002)
    app = check_app(world, given)
    spend(world, app.appid, "token.stable")
    token = last_token(world, app.appid, "stable")
    force = given.get("force_refresh") is True
    if force and token and world.at() - token.issued_at >= FORCE_PAUSE_SECONDS:
        spend(world, app.appid, "token.forced")
        world.store.run(
            "update tokens set killed_at = ? where appid = ? and kind = 'stable'",
            world.at(),
            app.appid,
        )
        token = None
    if token is None or token.expires_at - world.at() <= TOKEN_OVERLAP_SECONDS:
        token = new_token(world, app.appid, "stable")
    return {"access_token": token.token, "expires_in": round(token.expires_at - world.at())}


def legacy_token(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """A new token each time; those before stay good for five minutes."""
    if given.get("grant_type") != "client_credential":
        raise Refused(40002)
    app = check_app(world, given)
    spend(world, app.appid, "token.legacy")
    world.store.run(
        """update tokens set killed_at = min(coalesce(killed_at, ?1), ?1)
            where appid = ?2 and kind = 'legacy'""",
        world.at() + TOKEN_OVERLAP_SECONDS,
        app.appid,
    )
    token = new_token(world, app.appid, "legacy")
    return {"access_token": token.token, "expires_in": TOKEN_SECONDS}


def get_quota(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """查询 API 调用额度 of one path."""
    operation = {
        "/cgi-bin/stable_token": "token.stable",
        "/cgi-bin/token": "token.legacy",
        "/wxa/getwxacodeunlimit": "code_image",
        "/cgi-bin/message/subscribe/send": "message.subscription",
        "/cgi-bin/message/template/send": "message.notice",
    }.get(str(given.get("cgi_path")))
    if operation is None:
        raise Refused(40097)
    quotas = limits.list_quotas(world, app.appid, operation)
    daily = next((q for q in quotas if q.seconds == limits.DAY), None)
    rate = next((q for q in quotas if q.seconds == limits.MINUTE), None)
    return {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {
            "daily_limit": daily.calls if daily else 0,
            "used": daily.used if daily else 0,
            "remain": daily.calls - daily.used if daily else 0,
        },
        "rate_limit": {
            "call_count": rate.calls if rate else 0,
            "refresh_second": rate.seconds if rate else 0,
        },
    }


def clear_quota(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """清空 API 调用次数, ten times a month."""
    if given.get("appid") != app.appid:
        raise Refused(40013)
    spend(world, app.appid, "clear_quota")
    limits.clear(world, app.appid)
    return {"errcode": 0, "errmsg": "ok"}


# -- people --------------------------------------------------------------------------------------


def redeem(world: World, kind: str, appid: str, given: object) -> Person:
    """Use up a code. Raises Refused 41008 (none), 40029 (unknown, old, other app), 40163 (used)."""
    if not given:
        raise Refused(41008)
    code = world.store.maybe(
        Code, "select * from codes where code = ? and kind = ?", str(given), kind
    )
    if code is None or world.at() - code.issued_at > CODE_SECONDS:
        raise Refused(40029)
    if code.appid != appid:
        raise Refused(40013 if kind == "phone" else 40029)
    if code.used_at is not None:
        raise Refused(40163 if kind == "login" else 40029)
    world.store.run("update codes set used_at = ? where code = ?", world.at(), code.code)
    person = get_person(world, code.person_id)
    assert person is not None
    return person


def code_to_session(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """小程序登录: js_code -> openid and session_key."""
    app = check_app(world, given)
    if given.get("grant_type") != "authorization_code":
        raise Refused(40002)
    person = redeem(world, "login", app.appid, given.get("js_code"))
    identity = identify(world, app.appid, person.person_id)
    spend(world, identity.openid, "login")
    if person.risky:
        raise Refused(40226)
    return {
        "session_key": identity.session_key,
        "openid": identity.openid,
        "unionid": person.unionid,
    }


def check_session(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """检验登录态: HMAC-SHA256 of nothing under the session key, as text or decoded."""
    identity = world.store.maybe(
        Identity,
        "select * from identities where appid = ? and openid = ?",
        app.appid,
        given.get("openid"),
    )
    key = identity.session_key if identity else ""
    expected = [
        hmac.new(form, b"", hashlib.sha256).hexdigest()
        for form in (key.encode(), base64.b64decode(key))
    ]
    if identity is None or given.get("signature") not in expected:
        raise Refused(87009)
    return {"errcode": 0, "errmsg": "ok"}


def phone_number(world: World, app: App, given: dict[str, Any]) -> dict[str, Any]:
    """获取手机号: the number behind a code that the person allowed."""
    person = redeem(world, "phone", app.appid, given.get("code"))
    openid = given.get("openid")
    if openid and openid != identify(world, app.appid, person.person_id).openid:
        raise Refused(40029)
    return {
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": person.phone,
            "purePhoneNumber": person.phone,
            "countryCode": "86",
            "watermark": {"timestamp": int(world.at()), "appid": app.appid},
        },
    }


# -- codes ---------------------------------------------------------------------------------------


def code_image(world: World, app: App, given: dict[str, Any]) -> bytes:
    """获取不限制的小程序码: a picture; the phone's scanner knows it afterwards."""
    scene, page = given.get("scene"), given.get("page", "")
    if not isinstance(scene, str) or not _SCENE.match(scene):
        raise Refused(40129)
    if len(scene) > 32:
        raise Refused(40169)
    if not isinstance(page, str) or page.startswith("/") or "?" in page:
        raise Refused(41030)
    width = given.get("width", 430)
    if type(width) is not int or not 280 <= width <= 1280:
        raise Refused(40097)
    if given.get("env_version", "release") not in ("release", "trial", "develop"):
        raise Refused(40097)
    spend(world, app.appid, "code_image")
    world.store.run("delete from pictures where (appid, scene, page) = (?, ?, ?)",
                    app.appid, scene, page)  # fmt: skip
    world.store.run(
        "insert into pictures (appid, scene, page, made_at) values (?, ?, ?, ?)",
        app.appid,
        scene,
        page,
        world.at(),
    )
    colour = given.get("line_color") or {}
    line = tuple(int(colour.get(part, 0)) % 256 for part in "rgb")
    hyaline = given.get("is_hyaline") is True
    return pictures.draw_code(f"{app.appid}?{page}#{scene}", app.name, width, line, hyaline)


# -- routes --------------------------------------------------------------------------------------


@route("/cgi-bin/stable_token", http_method=["GET", "POST"], status_code=200)
async def any_stable_token(request: AnyRequest, world: World) -> Response[bytes]:
    """获取稳定版接口调用凭据."""
    return await serve(world, request, "token", lambda given: stable_token(world, given))


@get("/cgi-bin/token")
async def get_token(request: AnyRequest, world: World) -> Response[bytes]:
    """获取接口调用凭据."""
    return await serve(
        world, request, "token", lambda given: legacy_token(world, given), posted=False
    )


@get("/sns/jscode2session")
async def get_session(request: AnyRequest, world: World) -> Response[bytes]:
    """小程序登录."""
    return await serve(
        world, request, "login", lambda given: code_to_session(world, given), posted=False
    )


routes = [
    any_stable_token,
    get_token,
    get_session,
    api("/wxa/checksession", "login", check_session, posted=False),
    api("/wxa/business/getuserphonenumber", "phone_number", phone_number),
    api("/wxa/getwxacodeunlimit", "code_image", code_image),
    api("/cgi-bin/openapi/quota/get", "quota", get_quota),
    api("/cgi-bin/clear_quota", "quota", clear_quota),
]
