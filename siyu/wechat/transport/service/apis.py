"""The JSON APIs of api.weixin.qq.com and qyapi.weixin.qq.com: answers with an `errcode`, and the
access token that calls need. All open short transactions of their own for the token: call them
outside any transaction.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.crypto import vault
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.wechat.transport import queries, rules
from siyu.wechat.transport.contracts import (
    Answer,
    Call,
    ChannelUnusable,
    ConnectionCheck,
    Environment,
    Retry,
    WeChatError,
)
from siyu.wechat.transport.service.calling import call

T = TypeVar("T")

_LEASE_SECONDS = 20
_WAIT_SECONDS = 25.0
_KEPT_SECONDS = 5.0


class GivenToken(msgspec.Struct):
    """What WeChat answers to who asks for a token."""

    access_token: str
    expires_in: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An app or corporation of a shop. ask(force): fetches a token, `force` only if the platform
    believes in one that its own API refuses."""

    shop_id: ShopId
    account: str
    base_url: str
    ask: Callable[[bool], Awaitable[GivenToken]]


# Tokens of this process, so that a thousand sends do not read the same row a thousand times. One
# that another process has replaced by force is found out by WeChat's refusal.
_kept: dict[tuple[ShopId, str, str], tuple[str, datetime, float]] = {}


def _keep(account: Account, token: str, expires_at: datetime | None) -> str:
    if expires_at is not None:
        key = (account.shop_id, account.account, account.base_url)
        _kept[key] = (token, expires_at, clock.monotonic() + _KEPT_SECONDS)
    return token


def forget_tokens() -> None:
    """Read the stored token again at the next call."""
    _kept.clear()


def accept(answer: Answer) -> Answer:
    """The answer, or the WeChatError it stands for: errors come with status 200 and `errcode`."""
    if answer.status != 200:
        raise WeChatError(
            answer.status,
            f"HTTP_{answer.status}",
            "no answer of the API",
            retry=Retry.RETRY if answer.status == 429 else Retry.UNKNOWN,
            body=rules.without_secrets(answer.body),
        )
    if not answer.body.lstrip().startswith(b"{"):
        return answer
    try:
        content = msgspec.json.decode(answer.body, type=dict[str, Any])
        errcode = int(content.get("errcode") or 0)
    except (msgspec.MsgspecError, TypeError, ValueError):
        raise malformed(answer) from None
    if errcode:
        message = str(content.get("errmsg") or "")
        raise WeChatError(
            answer.status,
            str(errcode),
            message[:200],
            retry=rules.classify_errcode(errcode),
            body=rules.without_secrets(answer.body),
            request_id=rules.request_number(message),
        )
    return answer


def malformed(answer: Answer) -> WeChatError:
    """An answer that is not what the API promises."""
    return WeChatError(
        answer.status,
        "MALFORMED",
        "unexpected content",
        retry=Retry.UNKNOWN,
        body=rules.without_secrets(answer.body),
    )


def decode(answer: Answer, kind: type[T]) -> T:
    """The content of an answer. Raises WeChatError MALFORMED."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError:
        raise malformed(answer) from None


async def call_api(
    account: str,
    base_url: str,
    api: str,
    method: str,
    target: str,
    body: Any = None,
    *,
    repeatable: bool = False,
    per_second: float = 50.0,
) -> Answer:
    """One call of a JSON API, repeated only if it certainly did not happen, unless `repeatable`.
    Raises WeChatError."""
    request = Call(
        account=account,
        api=api,
        method=method,
        base_url=base_url,
        target=target,
        body=b"" if body is None else msgspec.json.encode(body),
        repeatable=repeatable,
        per_second=per_second,
    )
    return await call(request, _headers, accept)


async def call_with_token(
    account: Account,
    api: str,
    path: str,
    body: Any = None,
    *,
    query: Mapping[str, str] | None = None,
    repeatable: bool = False,
    per_second: float = 50.0,
) -> Answer:
    """Call an API that wants a token (POST; without body GET); once more with a fresh one when
    WeChat refuses the token. Raises WeChatError."""

    async def send(token: str) -> Answer:
        target = f"{path}?{urlencode({'access_token': token, **(query or {})})}"
        return await call_api(
            account.account,
            account.base_url,
            api,
            "GET" if body is None else "POST",
            target,
            body,
            repeatable=repeatable,
            per_second=per_second,
        )

    token = await access_token(account)
    try:
        return await send(token)
    except WeChatError as error:
        if not rules.is_stale_token(error):
            raise
    return await send(await access_token(account, refused=token))


async def access_token(account: Account, refused: str | None = None) -> str:
    """A token that is good now, fetched by one process at a time (F109).

    refused: a token WeChat has just refused; another one is returned. Raises WeChatError.
    """
    shop_id, name = account.shop_id, account.account
    kept = _kept.get((shop_id, name, account.base_url))
    if kept and kept[0] != refused and kept[2] > clock.monotonic():
        token, expires_at, _ = kept
        if rules.is_fresh(expires_at, clock.now()):
            return token
    ends = clock.monotonic() + _WAIT_SECONDS
    lease_id = new_id()
    while clock.monotonic() < ends:
        async with reading(shop_id) as tx:
            stored = await queries.get_token(tx, name)
        if stored and stored.sealed_token and stored.expires_at:
            token = vault().open(stored.sealed_token)
            is_good = rules.is_alive if stored.leased else rules.is_fresh
            if token != refused and is_good(stored.expires_at, clock.now()):
                return _keep(account, token, stored.expires_at)
        if not (stored and stored.leased):
            async with transaction(shop_id) as tx:
                mine = await queries.take_lease(tx, name, lease_id, _LEASE_SECONDS)
            if mine:
                return await _fetch_token(account, lease_id, refused)
        await asyncio.sleep(random.uniform(0.05, 0.15))
    raise WeChatError(0, "NO_ANSWER", "nobody got an access token", retry=Retry.RETRY)


def base_url(environment: Environment, real: str) -> str:
    """Where an account's calls go. Raises ChannelUnusable without a sandbox."""
    if environment is Environment.REAL:
        return real
    sandbox = config.settings().sandbox_url
    if not sandbox:
        raise ChannelUnusable(missing="sandbox_url")
    return sandbox


async def check_connection(ask: Callable[[bool], Awaitable[GivenToken]]) -> ConnectionCheck:
    """Ask for a token, to see whether WeChat gives one. Nothing is stored; the token in use stays
    good."""
    try:
        await ask(False)
    except WeChatError as error:
        return ConnectionCheck(works=False, wechat_code=error.code, request_id=error.request_id)
    return ConnectionCheck(works=True, wechat_code="", request_id="")


async def ask_stable_token(
    account: str, secret: str, base_url: str, api: str, *, force: bool
) -> GivenToken:
    """获取稳定版接口调用凭据 of a mini-program or official account. Raises WeChatError."""
    body = {
        "grant_type": "client_credential",
        "appid": account,
        "secret": secret,
        "force_refresh": force,
    }
    answer = await call_api(
        account, base_url, api, "POST", "/cgi-bin/stable_token", body, repeatable=not force
    )
    return decode(answer, GivenToken)


async def _fetch_token(account: Account, lease_id: UUID, refused: str | None) -> str:
    """Ask WeChat under our lease and store the answer."""
    shop_id, name = account.shop_id, account.account
    try:
        # A process that held the lease before us may have stored a good token a moment ago.
        async with reading(shop_id) as tx:
            stored = await queries.get_token(tx, name)
        if stored and stored.sealed_token and rules.is_fresh(stored.expires_at, clock.now()):
            token = vault().open(stored.sealed_token)
            if token != refused:
                return _keep(account, token, stored.expires_at)
        asked_at = clock.now()
        given = await account.ask(False)
        if given.access_token == refused:
            # The platform believes in the token its own API refuses: only force helps (20 a day).
            given = await account.ask(True)
        expires_at = asked_at + timedelta(seconds=given.expires_in)
        async with transaction(shop_id) as tx:
            sealed = vault().seal(given.access_token)
            await queries.move_token(tx, name, lease_id, sealed, expires_at)
        return _keep(account, given.access_token, expires_at)
    finally:
        async with transaction(shop_id) as tx:
            await queries.end_lease(tx, name, lease_id)


def _headers() -> Mapping[str, str]:
    return {"Content-Type": "application/json"}
