"""The console's log-in over HTTP: password, second factor, sessions, and who works in the shop."""

import re
import time

import httpx
import msgspec
import pyotp
import pytest

from siyu.kernel import clock, config, crypto
from siyu.kernel.db import system_transaction
from siyu.merchant.staff import background, rules, service
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import PASSWORD, Lanes

OTHER = "正山小种 after the rain"


async def log_in(
    browser: httpx.AsyncClient, name: str, password: str = PASSWORD, **more: object
) -> httpx.Response:
    return await browser.post(
        "/admin/v1/login", json={"login_name": name, "password": password, **more}
    )


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_log_in_shows_where_somebody_works(lanes: Lanes) -> None:
    name = await lanes.account(Role.CLERK)
    answer = await log_in(lanes.browser(), f" {name.upper()} ")
    view = answer.json()
    assert answer.status_code == 200
    assert view["staff"] == {
        "staff_id": view["staff"]["staff_id"],
        "name": "小店员",
        "login_name": name,
        "totp_enabled": False,
    }
    assert view["shops"] == [
        {
            "code": lanes.code,
            "name": "云雾茶咖",
            "role": "clerk",
            "permissions": sorted(rules.PERMISSIONS[Role.CLERK]),
            "currency": "CNY",
            "time_zone": "Asia/Shanghai",
        }
    ]
    assert view["totp_advised"], "clerks change orders, and those are money"


async def test_cookie_is_out_of_reach_of_scripts_and_other_sites(lanes: Lanes) -> None:
    answer = await log_in(lanes.browser(), await lanes.account())
    cookie = answer.headers["set-cookie"]
    assert re.match(r"__Host-siyu=[\w-]{43};", cookie)
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/", "Max-Age=604800"):
        assert part in cookie
    assert "Domain" not in cookie


async def test_plain_http_has_a_cookie_every_browser_keeps(lanes: Lanes) -> None:
    name = await lanes.account()
    config.use(msgspec.structs.replace(config.settings(), public_url="http://127.0.0.1:8080"))
    browser = lanes.browser()
    cookie = (await log_in(browser, name)).headers["set-cookie"]
    assert cookie.startswith("siyu=") and "Secure" not in cookie
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert (await browser.get("/admin/v1/session")).status_code == 200


async def test_token_is_stored_as_a_hash_only(lanes: Lanes) -> None:
    browser = await lanes.desk()
    token = browser.cookies["__Host-siyu"]
    async with system_transaction() as tx:
        rows = await tx.value("select string_agg(s::text, ' ') from staff.sessions s")
    assert token not in rows and token.encode().hex() not in rows


async def test_wrong_name_password_or_nobody_get_the_same_answer(lanes: Lanes) -> None:
    name = await lanes.account()
    wrong = await log_in(lanes.browser(ip="198.51.100.1"), name, "not the password")
    unknown = await log_in(lanes.browser(ip="198.51.100.2"), "nobody-here", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert code_of(wrong) == "staff.bad_login"
    assert "set-cookie" not in wrong.headers


async def test_unknown_names_cost_the_same_time(lanes: Lanes) -> None:
    name = await lanes.account()

    async def seconds(who: str, ip: str) -> float:
        began = time.process_time()
        await log_in(lanes.browser(ip=ip), who, "not the password")
        return time.process_time() - began

    known = [await seconds(name, f"198.51.100.{i}") for i in range(5)]
    unknown = [await seconds(f"nobody-{i}", f"198.51.101.{i}") for i in range(5)]
    assert 0.5 < sorted(unknown)[2] / sorted(known)[2] < 2.0


async def test_log_out_ends_the_session(lanes: Lanes) -> None:
    browser = await lanes.desk()
    token = browser.cookies["__Host-siyu"]
    answer = await browser.post("/admin/v1/logout")
    assert answer.status_code == 204
    assert "__Host-siyu" not in browser.cookies
    thief = lanes.browser()
    thief.cookies.set("__Host-siyu", token)
    assert (await thief.get("/admin/v1/session")).status_code == 401


async def test_sessions_are_listed_and_ended(lanes: Lanes) -> None:
    name = await lanes.account()
    here, there = await lanes.desk(login_name=name), await lanes.desk(login_name=name)
    sessions = (await here.get("/admin/v1/sessions")).json()["items"]
    assert len(sessions) == 2
    other = next(session for session in sessions if not session["current"])
    assert (await there.get("/admin/v1/session")).status_code == 200
    answer = await here.delete(f"/admin/v1/sessions/{other['session_id']}")
    assert answer.status_code == 204
    assert (await there.get("/admin/v1/session")).status_code == 401
    assert (await here.get("/admin/v1/session")).status_code == 200
    again = await here.delete(f"/admin/v1/sessions/{other['session_id']}")
    assert again.status_code == 404


async def test_nobody_ends_the_session_of_another(lanes: Lanes) -> None:
    mine, theirs = await lanes.desk(), await lanes.desk()
    session = (await theirs.get("/admin/v1/sessions")).json()["items"][0]
    assert (await mine.delete(f"/admin/v1/sessions/{session['session_id']}")).status_code == 404
    assert (await theirs.get("/admin/v1/session")).status_code == 200


async def test_sessions_end_by_themselves(lanes: Lanes) -> None:
    browser = await lanes.desk()
    begun = clock.now()

    async def status_at(hours: float) -> int:
        service._forget()
        with clock.turned(begun + hours * rules.SESSION_IDLES / 12):
            return (await browser.get("/admin/v1/session")).status_code

    assert await status_at(11.9) == 200
    assert await status_at(23.8) == 200, "each use counts"
    assert await status_at(36) == 401, "idle for more than twelve hours"
    used = await lanes.desk()
    for hours in range(0, 168, 11):
        service._forget()
        with clock.turned(begun + hours * rules.SESSION_IDLES / 12):
            assert (await used.get("/admin/v1/session")).status_code == 200
    service._forget()
    with clock.turned(begun + rules.SESSION_LASTS * 1.001):
        assert (await used.get("/admin/v1/session")).status_code == 401, "a week at most"


async def test_password_change_ends_the_other_sessions(lanes: Lanes) -> None:
    name = await lanes.account()
    here, there = await lanes.desk(login_name=name), await lanes.desk(login_name=name)
    wrong = await here.post("/admin/v1/password", json={"current": "no such", "new": OTHER})
    assert (wrong.status_code, code_of(wrong)) == (401, "staff.bad_login")
    weak = await here.post("/admin/v1/password", json={"current": PASSWORD, "new": "password123"})
    assert (weak.status_code, code_of(weak)) == (422, "staff.weak_password")
    assert (await there.get("/admin/v1/session")).status_code == 200
    done = await here.post("/admin/v1/password", json={"current": PASSWORD, "new": OTHER})
    assert done.status_code == 204
    assert (await there.get("/admin/v1/session")).status_code == 401
    assert (await here.get("/admin/v1/session")).status_code == 200
    assert (await log_in(lanes.browser(), name)).status_code == 401
    assert (await log_in(lanes.browser(), name, OTHER)).status_code == 200


# --- second factor ----------------------------------------------------------------------------


async def second_factor(browser: httpx.AsyncClient) -> pyotp.TOTP:
    started = (await browser.post("/admin/v1/totp/start")).json()
    totp = pyotp.parse_uri(started["otpauth_uri"])
    assert isinstance(totp, pyotp.TOTP) and totp.secret == started["secret"]
    code = totp.at(int(clock.now().timestamp()) - 30)
    answer = await browser.post("/admin/v1/totp/confirm", json={"code": code})
    assert answer.status_code == 204, answer.text
    return totp


async def test_second_factor_is_asked_and_a_code_counts_once(lanes: Lanes) -> None:
    name = await lanes.account()
    totp = await second_factor(await lanes.desk(login_name=name))
    bare = await log_in(lanes.browser(), name)
    assert (bare.status_code, code_of(bare)) == (401, "staff.totp_needed")
    wrong = await log_in(lanes.browser(), name, totp="000000")
    assert (wrong.status_code, code_of(wrong)) == (401, "staff.bad_login")
    code = totp.at(int(clock.now().timestamp()))
    entered = await log_in(lanes.browser(), name, totp=code)
    assert entered.status_code == 200
    assert entered.json()["staff"]["totp_enabled"] and not entered.json()["totp_advised"]
    replayed = await log_in(lanes.browser(), name, totp=code)
    assert (replayed.status_code, code_of(replayed)) == (401, "staff.bad_login")
    older = await log_in(lanes.browser(), name, totp=totp.at(int(clock.now().timestamp()) - 30))
    assert older.status_code == 401, "a code older than the last one used"
    with clock.turned(clock.now() + rules.SEEN_EVERY):
        code = totp.at(int(clock.now().timestamp()))
        assert (await log_in(lanes.browser(), name, totp=code)).status_code == 200


async def test_F093_a_second_factor_outlives_a_change_of_keys(lanes: Lanes) -> None:
    name = await lanes.account()
    totp = await second_factor(await lanes.desk(login_name=name))
    file = config.settings().key_file
    key_id = crypto.add_key(file)
    crypto.refresh()
    await background.reseal()
    assert await service.reseal_totp() == 0, "all are sealed with the newest key"
    async with system_transaction() as tx:
        keys = await tx.value(
            """select array_agg(distinct get_byte(totp_sealed, 0)) from staff.accounts
               where totp_sealed is not null"""
        )
    assert keys == [key_id]
    code = totp.at(int(clock.now().timestamp()))
    assert (await log_in(lanes.browser(), name, totp=code)).status_code == 200


async def test_wrong_password_is_not_told_by_the_second_factor(lanes: Lanes) -> None:
    name = await lanes.account()
    await second_factor(await lanes.desk(login_name=name))
    assert code_of(await log_in(lanes.browser(), name, "not the password")) == "staff.bad_login"


async def test_second_factor_counts_once_confirmed(lanes: Lanes) -> None:
    name = await lanes.account()
    browser = await lanes.desk(login_name=name)
    nothing = await browser.post("/admin/v1/totp/confirm", json={"code": "123456"})
    assert (nothing.status_code, code_of(nothing)) == (409, "staff.totp_not_started")
    await browser.post("/admin/v1/totp/start")
    wrong = await browser.post("/admin/v1/totp/confirm", json={"code": "123456"})
    assert wrong.status_code == 401
    assert (await log_in(lanes.browser(), name)).status_code == 200


async def test_second_factor_goes_only_with_a_fresh_log_in(lanes: Lanes) -> None:
    name = await lanes.account()
    browser = await lanes.desk(login_name=name)
    totp = await second_factor(browser)
    with clock.turned(clock.now() + 2 * rules.FRESH_FOR):
        refused = await browser.delete("/admin/v1/totp")
        assert (refused.status_code, code_of(refused)) == (403, "staff.sign_in_again")
        fresh = lanes.browser()
        code = totp.at(int(clock.now().timestamp()))
        assert (await log_in(fresh, name, totp=code)).status_code == 200
        assert (await fresh.delete("/admin/v1/totp")).status_code == 204
    assert (await log_in(lanes.browser(), name)).status_code == 200


async def test_secret_of_the_second_factor_is_sealed(lanes: Lanes) -> None:
    totp = await second_factor(await lanes.desk())
    async with system_transaction() as tx:
        rows = await tx.value("select string_agg(a::text, ' ') from staff.accounts a")
    assert totp.secret not in rows and totp.secret.encode().hex() not in rows


# --- who works here ---------------------------------------------------------------------------


async def test_owner_lets_somebody_in_changes_and_removes_them(lanes: Lanes) -> None:
    owner = await lanes.desk()
    body = {"login_name": "new.clerk", "name": "小新", "role": "clerk", "password": OTHER}
    made = await owner.post("/admin/v1/staff", json=body)
    assert made.status_code == 201, made.text
    path = f"/admin/v1/staff/{made.json()['staff_id']}"
    browser = lanes.browser()
    await log_in(browser, "new.clerk", OTHER)
    assert (await browser.get("/admin/v1/audit")).status_code == 403
    changed = await owner.patch(path, json={"role": "manager", "name": "老新"})
    assert (changed.json()["role"], changed.json()["name"]) == ("manager", "老新")
    assert (await browser.get("/admin/v1/audit")).status_code == 200
    reset = await owner.patch(path, json={"password": PASSWORD})
    assert reset.status_code == 200
    assert (await browser.get("/admin/v1/session")).status_code == 401
    await log_in(browser, "new.clerk", PASSWORD)
    assert (await owner.delete(path)).status_code == 204
    assert (await browser.get("/admin/v1/session")).status_code == 401
    gone = await log_in(lanes.browser(), "new.clerk", PASSWORD)
    assert (gone.status_code, code_of(gone)) == (401, "staff.bad_login")
    actions = [line["action"] for line in (await owner.get("/admin/v1/audit")).json()["items"]]
    assert actions[:4] == ["staff.removed", "staff.changed", "staff.changed", "staff.added"]
    assert OTHER not in (await owner.get("/admin/v1/audit")).text


async def test_a_shop_keeps_an_owner(lanes: Lanes) -> None:
    first = await lanes.desk()
    staff = (await first.get("/admin/v1/staff")).json()["items"]
    mine = (await first.get("/admin/v1/session")).json()["staff"]["staff_id"]
    for other in [row["staff_id"] for row in staff if row["staff_id"] != mine]:
        assert (await first.delete(f"/admin/v1/staff/{other}")).status_code == 204
    for answer in (
        await first.delete(f"/admin/v1/staff/{mine}"),
        await first.patch(f"/admin/v1/staff/{mine}", json={"role": "clerk"}),
    ):
        assert (answer.status_code, code_of(answer)) == (409, "staff.last_owner")
    assert len((await first.get("/admin/v1/staff")).json()["items"]) == 1


async def test_lost_phone_is_helped_by_the_owner(lanes: Lanes) -> None:
    name = await lanes.account(Role.MANAGER)
    browser = await lanes.desk(login_name=name)
    await second_factor(browser)
    owner = await lanes.desk()
    row = next(
        row
        for row in (await owner.get("/admin/v1/staff")).json()["items"]
        if row["login_name"] == name
    )
    assert row["totp_enabled"]
    await owner.patch(f"/admin/v1/staff/{row['staff_id']}", json={"remove_totp": True})
    assert (await browser.get("/admin/v1/session")).status_code == 401
    assert (await log_in(lanes.browser(), name)).status_code == 200


async def test_owner_opens_another_shop_and_shares_staff(lanes: Lanes) -> None:
    owner = await lanes.desk()
    code = f"{lanes.code}-2"
    made = await owner.post("/admin/v1/shops", json={"code": code, "name": "二店"})
    assert made.status_code == 201
    assert [(shop["code"], shop["role"]) for shop in made.json()["shops"]] == [
        (lanes.code, "owner"),
        (code, "owner"),
    ]
    taken = await owner.post("/admin/v1/shops", json={"code": code, "name": "三店"})
    assert (taken.status_code, code_of(taken)) == (409, "shops.code_taken")
    clerk = await lanes.account(Role.CLERK)
    owner.headers["X-Siyu-Shop"] = code
    shared = await owner.post(
        "/admin/v1/staff", json={"login_name": clerk, "name": "小店员", "role": "analyst"}
    )
    assert shared.status_code == 201, shared.text
    view = (await log_in(lanes.browser(), clerk)).json()
    assert [(shop["code"], shop["role"]) for shop in view["shops"]] == [
        (lanes.code, "clerk"),
        (code, "analyst"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"login_name": "x", "name": "n", "role": "clerk", "password": OTHER},
        {"login_name": "good.name", "name": " ", "role": "clerk", "password": OTHER},
        {"login_name": "good.name", "name": "n", "role": "admin", "password": OTHER},
        {"login_name": "good.name", "name": "n", "role": "clerk", "password": "12345"},
        {"login_name": "good.name", "name": "n", "role": "clerk"},
        {"login_name": "good.name", "name": "n", "role": "clerk", "password": OTHER, "x": 1},
    ],
)
async def test_bad_staff_is_refused(lanes: Lanes, body: dict[str, object]) -> None:
    owner = await lanes.desk()
    before = (await owner.get("/admin/v1/staff")).json()
    assert (await owner.post("/admin/v1/staff", json=body)).status_code == 422
    assert (await owner.get("/admin/v1/staff")).json() == before
