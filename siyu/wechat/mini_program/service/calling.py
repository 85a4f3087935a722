"""Log-in, phone number, codes, and the token that calls need. All open short transactions of their
own for the token: call them outside any transaction."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.crypto import vault
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.wechat.mini_program import queries, rules
from siyu.wechat.mini_program.contracts import (
    LoginSession,
    MiniProgramCredentials,
    MiniProgramUnavailable,
    PhoneNumber,
    SceneInvalid,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Answer, Call, ChannelUnusable, Retry, WeChatError

T = TypeVar("T")

_LEASE_SECONDS = 20
_WAIT_SECONDS = 25.0


def check(credentials: MiniProgramCredentials) -> None:
    """Raise ChannelUnusable when app id or secret is empty (F007)."""
    missing = [name for name in ("appid", "secret") if not getattr(credentials, name)]
    if missing:
        raise ChannelUnusable(missing=", ".join(missing))


async def check_secret(credentials: MiniProgramCredentials) -> None:
    """Ask WeChat whether app id and secret belong together; raises MiniProgramUnavailable with
    its code when not. Nothing is stored; the token in use stays good."""
    check(credentials)
    try:
        await _ask_token(credentials, force=False)
    except WeChatError as error:
        raise rules.refusal(error) from None


async def code2session(credentials: MiniProgramCredentials, js_code: str) -> LoginSession:
    """Who logged in with this code of wx.login (single use, 5 minutes).

    Raises CodeRefused, UserBlocked, MiniProgramUnavailable. Source: 小程序登录 code2Session.
    """
    check(credentials)
    query = {
        "appid": credentials.appid,
        "secret": credentials.secret,
        "js_code": js_code,
        "grant_type": "authorization_code",
    }
    target = "/sns/jscode2session?" + urlencode(query)
    request = _request(credentials, "mini.code2session", "GET", target)
    try:
        answer = await transport.call(request, _headers, rules.accept)
        return decode(answer, LoginSession)
    except WeChatError as error:
        raise rules.refusal(error) from None


async def phone_number(
    shop_id: ShopId, credentials: MiniProgramCredentials, code: str
) -> PhoneNumber:
    """The number a person released with this code of getPhoneNumber (single use, 5 minutes).

    Raises CodeRefused, MiniProgramUnavailable. Source: 手机号 getPhoneNumber.
    """
    try:
        answer = await call_with_token(
            shop_id,
            credentials,
            "mini.phone_number",
            "/wxa/business/getuserphonenumber",
            {"code": code},
        )
        info = decode(answer, _PhoneAnswer).phone_info
    except WeChatError as error:
        raise rules.refusal(error) from None
    if info.watermark.appid != credentials.appid:
        raise MiniProgramUnavailable(wechat_code="WATERMARK", request_id="")
    return PhoneNumber(number=info.purePhoneNumber, country_code=info.countryCode)


async def unlimited_code(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    *,
    scene: str,
    page: str,
    width: int = 430,
    env_version: str = "release",
) -> bytes:
    """The picture (JPEG or PNG) of a permanent code that opens `page` with `scene`.

    scene: 1..32 of WeChat's characters, else SceneInvalid; page: without leading slash or query;
    width: 280..1280 pixels. Raises MiniProgramUnavailable. Source: getUnlimitedQRCode.
    """
    assert 280 <= width <= 1280 and not page.startswith("/") and "?" not in page
    if not rules.is_scene(scene):
        raise SceneInvalid
    body = {"scene": scene, "page": page, "width": width, "env_version": env_version}
    try:
        answer = await call_with_token(
            shop_id, credentials, "mini.unlimited_code", "/wxa/getwxacodeunlimit", body
        )
        if not answer.headers.get("content-type", "").startswith("image/"):
            raise rules.malformed(answer)
    except WeChatError as error:
        raise rules.refusal(error) from None
    return answer.body


async def access_token(
    shop_id: ShopId, credentials: MiniProgramCredentials, refused: str | None = None
) -> str:
    """A token that is good now, fetched by one process at a time (F109).

    refused: a token WeChat has just refused; another one is returned. Raises WeChatError.
    """
    check(credentials)
    ends = clock.monotonic() + _WAIT_SECONDS
    lease_id = new_id()
    while clock.monotonic() < ends:
        async with reading(shop_id) as tx:
            stored = await queries.get_token(tx, credentials.appid)
        if stored and stored.sealed_token:
            now, token = clock.now(), vault().open(stored.sealed_token)
            kept = rules.is_alive if stored.leased else rules.is_fresh
            if token != refused and kept(stored.expires_at, now):
                return token
        if not (stored and stored.leased):
            async with transaction(shop_id) as tx:
                mine = await queries.take_lease(tx, credentials.appid, lease_id, _LEASE_SECONDS)
            if mine:
                return await _fetch_token(shop_id, credentials, lease_id, refused)
        await asyncio.sleep(random.uniform(0.05, 0.15))
    raise WeChatError(0, "NO_ANSWER", "nobody got an access token", retry=Retry.RETRY)


# --- the exchange -----------------------------------------------------------------------------


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int


class _Watermark(msgspec.Struct):
    appid: str


class _PhoneInfo(msgspec.Struct):
    purePhoneNumber: str  # noqa: N815
    countryCode: str  # noqa: N815
    watermark: _Watermark


class _PhoneAnswer(msgspec.Struct):
    phone_info: _PhoneInfo


async def _fetch_token(
    shop_id: ShopId, credentials: MiniProgramCredentials, lease_id: UUID, refused: str | None
) -> str:
    """Ask WeChat under our lease and store the answer."""
    try:
        # A process that held the lease before us may have stored a good token a moment ago.
        async with reading(shop_id) as tx:
            stored = await queries.get_token(tx, credentials.appid)
        if stored and stored.sealed_token and rules.is_fresh(stored.expires_at, clock.now()):
            token = vault().open(stored.sealed_token)
            if token != refused:
                return token
        asked_at = clock.now()
        given = await _ask_token(credentials, force=False)
        if given.access_token == refused:
            # The platform believes in the token its own API refuses: only force helps (20 a day).
            given = await _ask_token(credentials, force=True)
        expires_at = asked_at + timedelta(seconds=given.expires_in)
        async with transaction(shop_id) as tx:
            await queries.move_token(
                tx, credentials.appid, lease_id, vault().seal(given.access_token), expires_at
            )
        return given.access_token
    finally:
        async with transaction(shop_id) as tx:
            await queries.end_lease(tx, credentials.appid, lease_id)


async def _ask_token(credentials: MiniProgramCredentials, *, force: bool) -> _TokenAnswer:
    body = {
        "grant_type": "client_credential",
        "appid": credentials.appid,
        "secret": credentials.secret,
        "force_refresh": force,
    }
    path = "/cgi-bin/stable_token"
    request = _request(credentials, "mini.stable_token", "POST", path, body, repeatable=not force)
    return decode(await transport.call(request, _headers, rules.accept), _TokenAnswer)


async def call_with_token(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    api: str,
    path: str,
    body: Any,
    *,
    repeatable: bool = False,
) -> Answer:
    """Call an API that wants a token; once more with a fresh one when WeChat refuses the token."""

    async def call(token: str) -> Answer:
        target = f"{path}?{urlencode({'access_token': token})}"
        request = _request(credentials, api, "POST", target, body, repeatable=repeatable)
        return await transport.call(request, _headers, rules.accept)

    token = await access_token(shop_id, credentials)
    try:
        return await call(token)
    except WeChatError as error:
        if not rules.is_stale_token(error):
            raise
    return await call(await access_token(shop_id, credentials, refused=token))


def _request(
    credentials: MiniProgramCredentials,
    api: str,
    method: str,
    target: str,
    body: Any = None,
    *,
    repeatable: bool = False,
) -> Call:
    """A call that is repeated only if it certainly did not happen, unless `repeatable`: a person's
    code is used up by a call whose answer was lost."""
    return Call(
        account=credentials.appid,
        api=api,
        method=method,
        base_url=credentials.base_url,
        target=target,
        body=b"" if body is None else msgspec.json.encode(body),
        repeatable=repeatable,
    )


def _headers() -> Mapping[str, str]:
    return {"Content-Type": "application/json"}


def decode(answer: Answer, kind: type[T]) -> T:
    """The content of an answer. Raises WeChatError MALFORMED."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError:
        raise rules.malformed(answer) from None
