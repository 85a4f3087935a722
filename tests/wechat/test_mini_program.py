"""The mini-program client against a local WeChat: log-in, phone number, codes, and the token."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from siyu.kernel import clock, db
from siyu.kernel.crypto import vault
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId, new_id
from siyu.sandbox.client import SandboxClient
from siyu.wechat.mini_program import service as mini
from siyu.wechat.mini_program.contracts import (
    CodeRefused,
    LoginSession,
    MiniProgramCredentials,
    MiniProgramUnavailable,
    PhoneNumber,
    SceneInvalid,
    UserBlocked,
)
from siyu.wechat.transport import queries
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import Answer, ChannelUnusable, WeChatError
from siyu.wechat.transport.service import apis, calling
from tests.wechat.conftest import Server


@pytest.fixture
async def person(served_sandbox: Server) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(served_sandbox.url) as client:
        await client.call("DELETE", "/faults")
        calling._lanes.clear()
        transport.forget_tokens()
        yield client


@pytest.fixture
async def credentials(person: SandboxClient, served_sandbox: Server) -> MiniProgramCredentials:
    keys = await person.credentials()
    return MiniProgramCredentials(
        appid=keys["appid"], secret=keys["secret"], base_url=served_sandbox.url
    )


def asked() -> float:
    """How often WeChat was asked for a token."""
    return float(calling._CALLS.labels("mini.stable_token", "2xx")._value.get())


async def test_log_in(person: SandboxClient, credentials: MiniProgramCredentials) -> None:
    first = await mini.code2session(credentials, await person.login_code("p1", credentials.appid))
    second = await mini.code2session(credentials, await person.login_code("p1", credentials.appid))
    other = await mini.code2session(credentials, await person.login_code("p2", credentials.appid))
    assert first.openid == second.openid != other.openid
    assert first.openid not in repr(first) and first.session_key not in repr(first)


async def test_a_log_in_code_is_good_once(
    person: SandboxClient, credentials: MiniProgramCredentials
) -> None:
    code = await person.login_code("p1", credentials.appid)
    await mini.code2session(credentials, code)
    for bad in (code, "nonsense", "", "&secret=x"):
        with pytest.raises(CodeRefused):
            await mini.code2session(credentials, bad)


async def test_a_blocked_person_is_told_so(
    person: SandboxClient, credentials: MiniProgramCredentials
) -> None:
    await person.call("PATCH", "/people/p6", {"risky": 1})
    with pytest.raises(UserBlocked):
        await mini.code2session(credentials, await person.login_code("p6", credentials.appid))


async def test_a_wrong_secret_is_unavailable_and_the_code_is_named(
    person: SandboxClient, credentials: MiniProgramCredentials
) -> None:
    await mini.check_secret(credentials)
    wrong = msgspec.structs.replace(credentials, secret="0" * 32)
    with pytest.raises(MiniProgramUnavailable) as refused:
        await mini.check_secret(wrong)
    assert refused.value.details["wechat_code"] == "40125"
    assert refused.value.details["request_id"], "the rid by which WeChat finds the call"
    for empty in ({"secret": ""}, {"appid": ""}):
        with pytest.raises(ChannelUnusable):
            await mini.check_secret(msgspec.structs.replace(credentials, **empty))


async def test_phone_number(
    shop: ShopId, person: SandboxClient, credentials: MiniProgramCredentials
) -> None:
    people = {one["person_id"]: one for one in await person.call("GET", "/people")}
    code = await person.phone_code("p1", credentials.appid)
    found = await mini.phone_number(shop, credentials, code)
    assert found == PhoneNumber(number=people["p1"]["phone"], country_code="86")
    with pytest.raises(CodeRefused):
        await mini.phone_number(shop, credentials, code)


async def test_unlimited_code(shop: ShopId, credentials: MiniProgramCredentials) -> None:
    picture = await mini.unlimited_code(
        shop, credentials, scene="p=12&from=a", page="pages/product/index"
    )
    assert picture.startswith((b"\xff\xd8", b"\x89PNG"))
    for scene in ("", "x" * 33, "中文", "a b", "a%20"):
        with pytest.raises(SceneInvalid):
            await mini.unlimited_code(shop, credentials, scene=scene, page="pages/index")


@pytest.mark.parametrize("kind", ["system_error", "html", "slow"])
async def test_a_log_in_whose_answer_is_lost_is_not_repeated(
    person: SandboxClient,
    credentials: MiniProgramCredentials,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its code may be used up: the page makes another one."""
    monkeypatch.setattr(calling, "_TIMEOUT", 0.3)
    await person.order_fault(kind, "login", times=1, seconds=1)
    code = await person.login_code("p1", credentials.appid)
    if kind == "system_error":  # -1: WeChat says that nothing happened
        assert isinstance(await mini.code2session(credentials, code), LoginSession)
    else:
        with pytest.raises(MiniProgramUnavailable):
            await mini.code2session(credentials, code)


# -- the token -----------------------------------------------------------------------------------


async def test_F109_fifty_askers_fetch_one_token(
    shop: ShopId, credentials: MiniProgramCredentials
) -> None:
    before = asked()
    tokens = await asyncio.gather(*(mini.access_token(shop, credentials) for _ in range(50)))
    assert len(set(tokens)) == 1
    assert asked() - before == 1
    async with reading(shop) as tx:
        stored = await queries.get_token(tx, credentials.appid)
    assert stored is not None and stored.sealed_token is not None
    assert tokens[0].encode() not in stored.sealed_token


async def test_F109_without_the_lease_all_would_ask(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is what keeps the stampede away: with it off, the race is there."""

    async def always(*_: Any) -> bool:
        return True

    monkeypatch.setattr(queries, "take_lease", always)
    before = asked()
    await asyncio.gather(*(mini.access_token(shop, credentials) for _ in range(10)))
    assert asked() - before > 1


async def test_F109_the_next_token_is_fetched_five_minutes_early_while_the_old_one_serves(
    shop: ShopId, credentials: MiniProgramCredentials
) -> None:
    token = await mini.access_token(shop, credentials)
    async with reading(shop) as tx:
        stored = await queries.get_token(tx, credentials.appid)
    assert stored is not None and stored.expires_at is not None
    before = asked()
    with clock.turned(stored.expires_at - timedelta(minutes=5)):
        assert await mini.access_token(shop, credentials) == token
        assert asked() == before, "not yet"
    with clock.turned(stored.expires_at - timedelta(minutes=5, seconds=-6)):
        async with transaction(shop) as write:
            assert await queries.take_lease(write, credentials.appid, new_id(), 20)
        assert await mini.access_token(shop, credentials) == token, "another process is asking"
        assert asked() == before
        async with transaction(shop) as write:
            await write.run("update transport.access_tokens set lease_until = now()")
        renewed = await mini.access_token(shop, credentials)
        assert renewed != token
        assert asked() == before + 1


@pytest.mark.parametrize("stale", ["never-was-one", "expired"])
async def test_F109_a_refused_token_is_replaced_once_and_the_call_repeated(
    shop: ShopId, person: SandboxClient, credentials: MiniProgramCredentials, stale: str
) -> None:
    token = await mini.access_token(shop, credentials)
    async with transaction(shop) as tx:
        await tx.run(
            "update transport.access_tokens set sealed_token = $2 where shop_id = $1",
            shop,
            vault().seal("80_" + stale),
        )
    transport.forget_tokens()
    code = await person.phone_code("p1", credentials.appid)
    before = asked()
    assert (await mini.phone_number(shop, credentials, code)).country_code == "86"
    assert asked() == before + 1
    assert await mini.access_token(shop, credentials) == token


async def test_F109_an_asker_that_died_is_followed_by_another(
    shop: ShopId, credentials: MiniProgramCredentials
) -> None:
    async with transaction(shop) as tx:
        assert await queries.take_lease(tx, credentials.appid, new_id(), 1)
    began = clock.monotonic()
    assert await mini.access_token(shop, credentials)
    assert 0.5 < clock.monotonic() - began < 5


async def test_F109_a_failed_asker_lets_go_of_the_lease(
    shop: ShopId, credentials: MiniProgramCredentials
) -> None:
    wrong = msgspec.structs.replace(credentials, secret="0" * 32)
    with pytest.raises(WeChatError):
        await mini.access_token(shop, wrong)
    began = clock.monotonic()
    assert await mini.access_token(shop, credentials)
    assert clock.monotonic() - began < 2


async def test_F109_no_transaction_is_open_while_wechat_is_asked(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = calling._send

    async def watched(*args: Any) -> Any:
        seen.append(db._open.get())
        return await real(*args)

    monkeypatch.setattr(calling, "_send", watched)
    await mini.access_token(shop, credentials)
    assert seen == [False]


# -- answers that are not what the API promises --------------------------------------------------


def says(monkeypatch: pytest.MonkeyPatch, *bodies: bytes, status: int = 200, **more: str) -> None:
    """WeChat answers with these bodies, one after the other; the last one stays."""
    left = list(bodies)

    async def send(*_: Any) -> Answer:
        body = left.pop(0) if len(left) > 1 else left[0]
        return Answer(status=status, headers={"content-type": "application/json"} | more, body=body)

    monkeypatch.setattr(calling, "_send", send)


TOKEN = b'{"access_token":"80_abc","expires_in":7200}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>", 200),
        (b"{", 200),
        (b'{"errcode":"x"}', 200),
        (b'{"openid":1}', 200),
        (b"{}", 500),
        (b"{}", 429),
    ],
)
async def test_a_log_in_answer_that_cannot_be_read(
    credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
) -> None:
    says(monkeypatch, body, status=status)
    with pytest.raises(MiniProgramUnavailable):
        await mini.code2session(credentials, "code")


async def test_a_phone_number_for_another_app_is_refused(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'{"errcode":0,"phone_info":{"purePhoneNumber":"13800138000","countryCode":"86",'
        b'"watermark":{"appid":"wx0000000000000000"}}}'
    )
    says(monkeypatch, TOKEN, body)
    with pytest.raises(MiniProgramUnavailable) as refused:
        await mini.phone_number(shop, credentials, "code")
    assert refused.value.details["wechat_code"] == "WATERMARK"


async def test_a_code_without_a_picture_is_refused(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, TOKEN, b'{"errcode":41030,"errmsg":"invalid page"}')
    with pytest.raises(MiniProgramUnavailable) as refused:
        await mini.unlimited_code(shop, credentials, scene="a", page="pages/none")
    assert refused.value.details["wechat_code"] == "41030"
    says(monkeypatch, b"{}")
    with pytest.raises(MiniProgramUnavailable) as refused:
        await mini.unlimited_code(shop, credentials, scene="a", page="pages/none")
    assert refused.value.details["wechat_code"] == "MALFORMED"


async def test_F109_a_token_that_wechat_gives_and_refuses_is_forced_away(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = b'{"errcode":40001,"errmsg":"invalid credential rid: 65f0c1d2-0a1b2c3d-4e5f6071"}'
    other = b'{"access_token":"80_def","expires_in":7200}'
    says(monkeypatch, TOKEN, stale, TOKEN, other, stale)
    with pytest.raises(MiniProgramUnavailable) as refused:
        await mini.phone_number(shop, credentials, "code")
    assert refused.value.details == {
        "wechat_code": "40001",
        "request_id": "65f0c1d2-0a1b2c3d-4e5f6071",
    }
    assert await mini.access_token(shop, credentials) == "80_def"


async def test_F109_a_token_stored_a_moment_before_our_lease_is_taken(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look and our lease another process finished: its token is used, nobody asks."""
    says(monkeypatch, TOKEN)
    token = await mini.access_token(shop, credentials)
    real, first = queries.get_token, [True]

    async def blind_once(*args: Any) -> Any:
        return None if first and first.pop() else await real(*args)

    monkeypatch.setattr(queries, "get_token", blind_once)
    before = asked()
    assert await mini.access_token(shop, credentials) == token
    assert asked() == before


async def test_F109_nobody_waits_for_ever(
    shop: ShopId, credentials: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction(shop) as tx:
        assert await queries.take_lease(tx, credentials.appid, new_id(), 60)
    monkeypatch.setattr(apis, "_WAIT_SECONDS", 0.3)
    with pytest.raises(WeChatError, match="NO_ANSWER"):
        await mini.access_token(shop, credentials)


async def test_credentials_are_not_shown() -> None:
    shown = f"{MiniProgramCredentials(appid='wx1', secret='s3cret')}"
    assert "s3cret" not in shown and "wx1" in shown
    assert "138" not in repr(PhoneNumber(number="13800138000", country_code="86"))
