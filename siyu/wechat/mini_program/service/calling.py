"""Log-in, phone number, codes, and the account whose token calls need. All open short transactions
of their own for the token: call them outside any transaction."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from siyu.kernel.ids import ShopId
from siyu.wechat.mini_program import rules
from siyu.wechat.mini_program.contracts import (
    LoginSession,
    MiniProgramCredentials,
    MiniProgramUnavailable,
    PhoneNumber,
    SceneInvalid,
)
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Answer, ChannelUnusable, WeChatError


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
        await _ask_token(credentials, False)
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
    try:
        # Not repeatable: the person's code is used up by a call whose answer was lost.
        answer = await transport.call_api(
            credentials.appid, credentials.base_url, "mini.code2session", "GET", target
        )
        return transport.decode(answer, LoginSession)
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
        info = transport.decode(answer, _PhoneAnswer).phone_info
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
            raise transport.malformed(answer)
    except WeChatError as error:
        raise rules.refusal(error) from None
    return answer.body


async def access_token(
    shop_id: ShopId, credentials: MiniProgramCredentials, refused: str | None = None
) -> str:
    """A token that is good now (F109). Raises WeChatError."""
    return await transport.access_token(_account(shop_id, credentials), refused)


# --- the exchange -----------------------------------------------------------------------------


class _Watermark(msgspec.Struct):
    appid: str


class _PhoneInfo(msgspec.Struct):
    purePhoneNumber: str  # noqa: N815
    countryCode: str  # noqa: N815
    watermark: _Watermark


class _PhoneAnswer(msgspec.Struct):
    phone_info: _PhoneInfo


def _account(shop_id: ShopId, credentials: MiniProgramCredentials) -> transport.Account:
    check(credentials)
    return transport.Account(
        shop_id=shop_id,
        account=credentials.appid,
        base_url=credentials.base_url,
        ask=partial(_ask_token, credentials),
    )


async def _ask_token(credentials: MiniProgramCredentials, force: bool) -> transport.GivenToken:
    return await transport.ask_stable_token(
        credentials.appid,
        credentials.secret,
        credentials.base_url,
        "mini.stable_token",
        force=force,
    )


async def call_with_token(
    shop_id: ShopId,
    credentials: MiniProgramCredentials,
    api: str,
    path: str,
    body: Any = None,
    *,
    repeatable: bool = False,
    per_second: float = 50.0,
) -> Answer:
    """Call an API that wants a token (without body: GET). Raises WeChatError."""
    return await transport.call_with_token(
        _account(shop_id, credentials),
        api,
        path,
        body,
        repeatable=repeatable,
        per_second=per_second,
    )
