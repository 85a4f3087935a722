"""The mini-program API as the sandbox serves it: tokens, codes, quotas, pictures, errcodes."""

import base64
import hashlib
import hmac
import io
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from siyu.kernel import clock

from .conftest import Bench

GRANT = {"grant_type": "client_credential"}


async def stable(bench: Bench, **change: Any) -> dict[str, Any]:
    body = GRANT | {"appid": bench.keys["appid"], "secret": bench.keys["secret"]} | change
    return dict((await bench.http.post("/cgi-bin/stable_token", json=body)).json())


async def session(bench: Bench, code: str, **change: Any) -> dict[str, Any]:
    query = {
        "appid": bench.keys["appid"],
        "secret": bench.keys["secret"],
        "js_code": code,
        "grant_type": "authorization_code",
    } | change
    return dict((await bench.http.get("/sns/jscode2session", params=query)).json())


async def business(bench: Bench, path: str, body: Any, token: str | None = None) -> Any:
    if token is None:
        token = (await stable(bench))["access_token"]
    answer = await bench.http.post(f"{path}?access_token={token}", json=body)
    assert answer.status_code == 200
    return answer.json() if "json" in answer.headers["content-type"] else answer


async def test_a_stable_token_stays_the_same(bench: Bench) -> None:
    first = await stable(bench)
    assert first["expires_in"] == 7200
    with clock.turned(clock.now() + timedelta(seconds=100)):
        again = await stable(bench)
    assert again["access_token"] == first["access_token"]
    assert 7098 <= again["expires_in"] <= 7100
    with clock.turned(clock.now() + timedelta(seconds=6901)):
        new = await stable(bench)
        assert new["access_token"] != first["access_token"]
        answer = await business(bench, "/cgi-bin/openapi/quota/get", {}, first["access_token"])
        assert answer["errcode"] == 40097  # the old one is still good
    with clock.turned(clock.now() + timedelta(seconds=7201)):
        answer = await business(bench, "/cgi-bin/openapi/quota/get", {}, first["access_token"])
        assert answer["errcode"] == 42001


async def test_force_kills_the_old_token_but_not_too_often(bench: Bench) -> None:
    first = await stable(bench)
    assert await stable(bench, force_refresh=True) == first  # within 30 s
    now = clock.now()
    tokens = {first["access_token"]}
    for turn in range(1, 21):
        with clock.turned(now + timedelta(seconds=31 * turn)):
            tokens.add((await stable(bench, force_refresh=True))["access_token"])
    assert len(tokens) == 21
    with clock.turned(now + timedelta(seconds=31 * 21)):
        refused = await stable(bench, force_refresh=True)
        assert refused["errcode"] == 45009
        answer = await business(bench, "/cgi-bin/openapi/quota/get", {}, first["access_token"])
        assert answer["errcode"] == 40001
        assert " rid: " in answer["errmsg"]


async def test_legacy_tokens_displace_each_other_after_five_minutes(bench: Bench) -> None:
    query = GRANT | {"appid": bench.keys["appid"], "secret": bench.keys["secret"]}
    stable_one = (await stable(bench))["access_token"]
    old, new = [
        (await bench.http.get("/cgi-bin/token", params=query)).json()["access_token"]
        for _ in range(2)
    ]
    assert old != new
    for seconds, code in ((299, 40097), (301, 40001)):
        with clock.turned(clock.now() + timedelta(seconds=seconds)):
            answer = await business(bench, "/cgi-bin/openapi/quota/get", {}, old)
            assert answer["errcode"] == code
            for good in (new, stable_one):
                answer = await business(bench, "/cgi-bin/openapi/quota/get", {}, good)
                assert answer["errcode"] == 40097


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"grant_type": "x"}, 40002),
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"appid": "wx0000000000000000"}, 40013),
        ({"secret": "wrong"}, 40125),
    ],
)
async def test_refused_tokens(bench: Bench, change: dict[str, str], errcode: int) -> None:
    assert (await stable(bench, **change))["errcode"] == errcode
    query = GRANT | {"appid": bench.keys["appid"], "secret": bench.keys["secret"]} | change
    assert (await bench.http.get("/cgi-bin/token", params=query)).json()["errcode"] == errcode


async def test_method_and_json_are_checked(bench: Bench) -> None:
    assert (await bench.http.get("/cgi-bin/stable_token")).json()["errcode"] == 43002
    for raw in (b"{", b"[]", b"\xff"):
        answer = await bench.http.post("/cgi-bin/stable_token", content=raw)
        assert answer.json()["errcode"] == 47001


async def test_the_minute_quota(bench: Bench) -> None:
    limit = {"subject": bench.keys["appid"], "operation": "token.stable", "seconds": 60, "calls": 2}
    await bench.person.call("PUT", "/limits", limit)
    with clock.turned(clock.now()):
        answers = [await stable(bench) for _ in range(3)]
    assert [answer.get("errcode", 0) for answer in answers] == [0, 0, 45011]
    with clock.turned(clock.now() + timedelta(seconds=61)):
        token = (await stable(bench))["access_token"]
        shown = await business(
            bench, "/cgi-bin/openapi/quota/get", {"cgi_path": "/cgi-bin/stable_token"}, token
        )
        assert shown["rate_limit"] == {"call_count": 2, "refresh_second": 60}
        assert shown["quota"]["daily_limit"] == 500_000
        assert shown["quota"]["used"] == 3
        cleared = await business(
            bench, "/cgi-bin/clear_quota", {"appid": bench.keys["appid"]}, token
        )
        assert cleared["errcode"] == 0
        assert "access_token" in await stable(bench)


async def test_login(bench: Bench) -> None:
    appid = bench.keys["appid"]
    answer = await session(bench, await bench.person.login_code("p1", appid))
    assert set(answer) == {"session_key", "openid", "unionid"}
    assert len(base64.b64decode(answer["session_key"])) == 16
    assert len(answer["openid"]) == 28 and answer["openid"].startswith("o")
    again = await session(bench, await bench.person.login_code("p1", appid))
    assert again["openid"] == answer["openid"]
    other = await session(bench, await bench.person.login_code("p2", appid))
    assert other["openid"] != answer["openid"]


async def test_a_person_has_another_openid_in_another_app_and_one_unionid(bench: Bench) -> None:
    app = await bench.person.call("POST", "/apps", {"name": "别家"})
    here = await session(bench, await bench.person.login_code("p1", bench.keys["appid"]))
    code = await bench.person.login_code("p1", app["appid"])
    assert (await session(bench, code))["errcode"] == 40029
    there = await session(bench, code, **app)
    assert there["openid"] != here["openid"]
    assert there["unionid"] == here["unionid"]


async def test_codes_are_good_once_and_for_five_minutes(bench: Bench) -> None:
    appid = bench.keys["appid"]
    code = await bench.person.login_code("p1", appid)
    assert "openid" in await session(bench, code)
    assert (await session(bench, code))["errcode"] == 40163
    assert (await session(bench, "nosuchcode"))["errcode"] == 40029
    assert (await session(bench, ""))["errcode"] == 41008
    assert (await session(bench, code, grant_type="x"))["errcode"] == 40002
    old = await bench.person.login_code("p1", appid)
    with clock.turned(clock.now() + timedelta(seconds=301)):
        assert (await session(bench, old))["errcode"] == 40029


async def test_too_many_logins_and_a_risky_person(bench: Bench) -> None:
    appid = bench.keys["appid"]
    with clock.turned(clock.now()):
        for _ in range(100):
            assert "openid" in await session(bench, await bench.person.login_code("p1", appid))
        answer = await session(bench, await bench.person.login_code("p1", appid))
        assert answer["errcode"] == 45011
        assert "openid" in await session(bench, await bench.person.login_code("p2", appid))
    await bench.person.call("PATCH", "/people/p3", {"risky": 1})
    answer = await session(bench, await bench.person.login_code("p3", appid))
    assert answer["errcode"] == 40226


@pytest.mark.parametrize("decoded", [False, True])
async def test_the_session_can_be_checked(bench: Bench, decoded: bool) -> None:
    answer = await session(bench, await bench.person.login_code("p1", bench.keys["appid"]))
    token = (await stable(bench))["access_token"]
    text = answer["session_key"]
    key = base64.b64decode(text) if decoded else text.encode()
    query = {
        "access_token": token,
        "openid": answer["openid"],
        "signature": hmac.new(key, b"", hashlib.sha256).hexdigest(),
        "sig_method": "hmac_sha256",
    }
    assert (await bench.http.get("/wxa/checksession", params=query)).json()["errcode"] == 0
    wrong = query | {"signature": "00"}
    assert (await bench.http.get("/wxa/checksession", params=wrong)).json()["errcode"] == 87009


async def test_the_phone_number(bench: Bench) -> None:
    path = "/wxa/business/getuserphonenumber"
    code = await bench.person.phone_code("p1", bench.keys["appid"])
    answer = await business(bench, path, {"code": code})
    assert answer["phone_info"] | {"watermark": None} == {
        "phoneNumber": "13800138001",
        "purePhoneNumber": "13800138001",
        "countryCode": "86",
        "watermark": None,
    }
    assert answer["phone_info"]["watermark"]["appid"] == bench.keys["appid"]
    assert (await business(bench, path, {"code": code}))["errcode"] == 40029
    login = await bench.person.login_code("p1", bench.keys["appid"])
    assert (await business(bench, path, {"code": login}))["errcode"] == 40029
    app = await bench.person.call("POST", "/apps", {"name": "别家"})
    foreign = await bench.person.phone_code("p1", app["appid"])
    assert (await business(bench, path, {"code": foreign}))["errcode"] == 40013
    messages = await bench.person.call("GET", "/people/p1/messages")
    assert {message["chat"] for message in messages} == {"service"}
    assert "138****8001" in messages[0]["payload"]


async def test_business_calls_need_a_token(bench: Bench) -> None:
    path = "/wxa/getwxacodeunlimit"
    assert (await business(bench, path, {"scene": "a"}, ""))["errcode"] == 41001
    assert (await business(bench, path, {"scene": "a"}, "nosuch"))["errcode"] == 40014


async def test_a_code_is_a_picture_and_can_be_scanned(bench: Bench) -> None:
    body = {"scene": "t=12&c=a", "page": "pages/product/index", "width": 430}
    answer = await business(bench, "/wxa/getwxacodeunlimit", body)
    assert answer.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == ("JPEG", (430, 430))
    clear = await business(bench, "/wxa/getwxacodeunlimit", body | {"is_hyaline": True})
    image = Image.open(io.BytesIO(clear.content))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    [seen] = await bench.person.call("GET", "/scannable")
    assert (seen["kind"], seen["page"], seen["scene"]) == ("page", body["page"], body["scene"])


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 40129),
        ({"scene": ""}, 40129),
        ({"scene": "茶"}, 40129),
        ({"scene": "50%"}, 40129),
        ({"scene": "x" * 33}, 40169),
        ({"scene": "a", "page": "/pages/index"}, 41030),
        ({"scene": "a", "page": "pages/index?x=1"}, 41030),
        ({"scene": "a", "width": 100}, 40097),
        ({"scene": "a", "width": True}, 40097),
        ({"scene": "a", "env_version": "beta"}, 40097),
    ],
)
async def test_a_code_that_cannot_be_made(bench: Bench, body: Any, errcode: int) -> None:
    assert (await business(bench, "/wxa/getwxacodeunlimit", body))["errcode"] == errcode


@pytest.mark.parametrize(("kind", "errcode"), [("system_error", -1), ("frequency_limited", 45011)])
async def test_ordered_faults(bench: Bench, kind: str, errcode: int) -> None:
    await bench.person.order_fault(kind, "login")
    code = await bench.person.login_code("p1", bench.keys["appid"])
    assert (await session(bench, code))["errcode"] == errcode
    assert "openid" in await session(bench, code)
    await bench.person.order_fault("html", "token")
    query = GRANT | {"appid": bench.keys["appid"], "secret": bench.keys["secret"]}
    answer = await bench.http.get("/cgi-bin/token", params=query)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")


async def test_a_login_that_is_done_but_not_answered(bench: Bench) -> None:
    await bench.person.order_fault("timeout_after_work", "login", seconds=0)
    code = await bench.person.login_code("p1", bench.keys["appid"])
    query = {"appid": bench.keys["appid"], "secret": bench.keys["secret"], "js_code": code}
    grant = {"grant_type": "authorization_code"}
    assert (await bench.http.get("/sns/jscode2session", params=query | grant)).status_code == 504
    assert (await session(bench, code))["errcode"] == 40163


async def test_the_control_api_refuses_nonsense(bench: Bench) -> None:
    for path, body in (
        ("/faults", {"kind": "nonsense"}),
        ("/faults", {"kind": "drop", "times": 0}),
        ("/people", {"name": "x", "phone": "abc"}),
        ("/merchants", {"name": "x", "api_v3_key": "short"}),
        ("/keys/rotate", {"kind": "x"}),
        ("/faults", {"kind": "slow", "options": {"seconds": "x"}}),
        ("/faults", {"kind": "slow", "options": {"secs": 1}}),
        ("/merchants", {"name": "x", "mchid": bench.keys["mchid"]}),
        ("/merchants", {"name": "x", "public_pem": "no key"}),
        ("/merchants", {"name": "x", "public_pem": bench.keys["public_key_pem"]}),
        ("/apps", {"name": "x", "mchid": "1999999999"}),
    ):
        answer = await bench.http.post(f"/_sandbox{path}", json=body)
        assert answer.status_code in (400, 422), (path, answer.text)
    key = {"name": "x", "public_pem": bench.keys["public_key_pem"], "serial": "AB12"}
    made = await bench.person.call("POST", "/merchants", key)
    assert (made["serial_no"], made["private_key_pem"]) == ("AB12", None)
    person = await bench.person.add_person("客人", "13900139000")
    assert person not in [p["person_id"] for p in await bench.person.call("GET", "/people")]
    assert await bench.person.login_code(person, bench.keys["appid"])
    foreign = {"Origin": "http://evil.test"}
    answer = await bench.http.get("/_sandbox/credentials", headers=foreign)
    assert answer.status_code == 403
