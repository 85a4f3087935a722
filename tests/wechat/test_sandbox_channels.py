"""The sandbox as WeChat: subscription messages, windows for answers, followers, WeCom's tasks."""

from typing import Any

import httpx
import pytest

from siyu.sandbox.people import PhoneError
from tests.wechat.conftest import Bench, pass_time


async def token(bench: Bench, kind: str = "mini_program") -> tuple[str, str]:
    """(account, access token)."""
    account = (await bench.person.accounts(kind))[0]
    if kind == "wecom":
        query = {"corpid": account["account"], "corpsecret": account["secret"]}
        answer = await bench.http.get("/cgi-bin/gettoken", params=query)
    else:
        query = {"appid": account["account"], "secret": account["secret"]}
        body = query | {"grant_type": "client_credential"}
        answer = await bench.http.post("/cgi-bin/stable_token", json=body)
    return account["account"], answer.json()["access_token"]


class Api:
    """Calls of one account; the errcode or the answer."""

    def __init__(self, http: httpx.AsyncClient, given: str) -> None:
        self.http, self.token = http, given

    async def __call__(self, path: str, body: object) -> int:
        answer = await self.ask(path, body)
        return answer.get("errcode") or 0

    async def ask(self, path: str, body: object) -> dict[str, Any]:
        answer = await self.http.post(path, params={"access_token": self.token}, json=body)
        return dict(answer.json())


SEND = "/cgi-bin/message/subscribe/send"
GIFT = {"thing1": "桂花乌龙", "phrase2": "已领取", "thing3": "对方已填好地址"}


def message(openid: str, template_id: str, **data: str) -> dict[str, object]:
    values = {key: {"value": value} for key, value in (GIFT | data).items()}
    return {"touser": openid, "template_id": template_id, "data": values, "page": "pages/me"}


async def test_one_consent_is_one_message(bench: Bench) -> None:
    appid, given = await token(bench)
    api, openid = Api(bench.http, given), await bench.openid("p1")
    gift = (await bench.person.templates(appid))["礼物领取提醒"]
    assert await api(SEND, message(openid, gift)) == 43101, "nobody was asked"
    answers = await bench.person.answer_subscription("p1", appid, [gift], [])
    assert answers == {gift: "reject"}
    assert await api(SEND, message(openid, gift)) == 43101
    for _ in range(2):
        assert await bench.person.answer_subscription("p1", appid, [gift]) == {gift: "accept"}
    assert [await api(SEND, message(openid, gift)) for _ in range(3)] == [0, 0, 43101]
    shown = [m for m in await bench.person.messages("p1", "service") if m["kind"] == "template"]
    assert len(shown) == 2
    assert await bench.person.call("GET", f"/sends?account={appid}") == {
        "count": 2,
        "persons": 1,
        "twice": 1,
    }


async def test_always_is_not_asked_again_and_still_counts_per_call(bench: Bench) -> None:
    appid, given = await token(bench)
    api, openid = Api(bench.http, given), await bench.openid("p2")
    gift = (await bench.person.templates(appid))["礼物领取提醒"]
    await bench.person.answer_subscription("p2", appid, [gift], always=True)
    body = {"appid": appid, "template_ids": [gift]}
    asked = await bench.person.call("POST", "/people/p2/subscribe-ask", body)
    assert asked == {"asked": [], "settled": {gift: "accept"}}
    assert await bench.person.answer_subscription("p2", appid, [gift], []) == {gift: "accept"}
    assert [await api(SEND, message(openid, gift)) for _ in range(3)] == [0, 0, 43101]
    await bench.person.call("DELETE", f"/people/p2/subscriptions/{appid}/{gift}")
    assert await bench.person.answer_subscription("p2", appid, [gift]) == {gift: "reject"}


async def test_what_the_popup_refuses(bench: Bench) -> None:
    appid, _ = await token(bench)
    known = list((await bench.person.templates(appid)).values())
    for wrong in ([], known[:4], ["nonsense"]):
        with pytest.raises(PhoneError, match="requestSubscribeMessage:fail"):
            await bench.person.answer_subscription("p1", appid, wrong)


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"touser": "o" * 28}, 40003),
        ({"template_id": "nonsense"}, 40037),
        ({"page": "https://elsewhere"}, 41030),
        ({"data": {"thing1": {"value": "x" * 21}}}, 47003),
        ({"data": {}}, 47003),
    ],
)
async def test_bad_sends_are_refused_and_use_nothing_up(
    bench: Bench, change: dict[str, object], errcode: int
) -> None:
    appid, given = await token(bench)
    api, openid = Api(bench.http, given), await bench.openid("p1")
    gift = (await bench.person.templates(appid))["礼物领取提醒"]
    await bench.person.answer_subscription("p1", appid, [gift])
    assert await api(SEND, message(openid, gift) | change) == errcode
    assert await api(SEND, message(openid, gift)) == 0


async def test_ordered_errcodes_and_the_day_s_quota(bench: Bench) -> None:
    appid, given = await token(bench)
    api, openid = Api(bench.http, given), await bench.openid("p1")
    gift = (await bench.person.templates(appid))["礼物领取提醒"]
    await bench.person.answer_subscription("p1", appid, [gift])
    await bench.person.order_fault("errcode", "message.subscription", code="45009")
    assert await api(SEND, message(openid, gift)) == 45009
    limit = {"subject": appid, "operation": "message.subscription", "seconds": 86400, "calls": 0}
    await bench.person.call("PUT", "/limits", limit)
    assert await api(SEND, message(openid, gift)) == 45009
    await bench.person.call("PUT", "/limits", limit | {"calls": 9})
    assert await api(SEND, message(openid, gift)) == 0


CARE = "/cgi-bin/message/custom/send"


def answer(openid: str) -> dict[str, object]:
    return {"touser": openid, "msgtype": "text", "text": {"content": "您好"}}


async def test_five_answers_within_48_hours_of_a_message(bench: Bench) -> None:
    appid, given = await token(bench)
    api, openid = Api(bench.http, given), await bench.openid("p1")
    assert await api(CARE, answer(openid)) == 45015
    await bench.person.say("p1", f"care:{appid}", "在吗")
    assert [await api(CARE, answer(openid)) for _ in range(6)] == [0, 0, 0, 0, 0, 45047]
    await bench.person.say("p1", f"care:{appid}", "还在吗")
    pass_time(hours=47)
    api.token = (await token(bench))[1]
    assert await api(CARE, answer(openid)) == 0
    pass_time(hours=2)
    api.token = (await token(bench))[1]
    assert await api(CARE, answer(openid)) == 45015
    chat = await bench.person.messages("p1", f"care:{appid}")
    assert [one["mine"] for one in chat] == [1, 0, 0, 0, 0, 0, 1, 0]


async def test_a_follower_gets_template_messages_once_per_number(bench: Bench) -> None:
    account, given = await token(bench, "official_account")
    api, send = Api(bench.http, given), "/cgi-bin/message/template/send"
    openid = await bench.person.follow("p1", account)
    assert [await api(CARE, answer(openid)) for _ in range(4)] == [0, 0, 0, 45047], "one minute"
    await bench.person.unfollow("p1", account)
    known = (await bench.person.templates(account))["会员权益提醒"]
    data = {"thing1": "生日礼", "time2": "2026年3月31日", "thing3": "到店可用"}
    body = message(openid, known, **data) | {"client_msg_id": "n1"}
    assert await api(send, body) == 43004
    await bench.person.follow("p1", account)
    first, again = await api.ask(send, body), await api.ask(send, body)
    assert first == again and first["errcode"] == 0
    assert await api(send, body | {"client_msg_id": "n2"}) == 0
    assert len([m for m in await bench.person.messages("p1", f"oa:{account}")
                if m["kind"] == "template"]) == 2  # fmt: skip
    pass_time(minutes=11)
    assert (await api.ask(send, body))["msgid"] != first["msgid"], "forgotten after ten minutes"


async def test_a_mini_program_s_token_is_none_of_an_official_account(bench: Bench) -> None:
    _, given = await token(bench)
    query = {"access_token": given, "openid": await bench.openid("p1")}
    told = (await bench.http.get("/cgi-bin/user/info", params=query)).json()
    assert told["errcode"] == 48001


async def test_a_mass_message_waits_for_the_member_to_press_send(bench: Bench) -> None:
    corp, given = await token(bench, "wecom")
    api = Api(bench.http, given)
    first = await bench.person.add_staff("p1", corp, "xiaoyu", "shelf7")
    second = await bench.person.add_staff("p2", corp, "xiaoyu")
    made = await api.ask(
        "/cgi-bin/externalcontact/add_msg_template",
        {"external_userid": [first, second, "wmnobody"], "text": {"content": "春茶到了"}},
    )
    assert made["fail_list"] == ["wmnobody"]
    assert await bench.person.messages("p1", f"wecom:{corp}:xiaoyu") == []
    await bench.person.call("POST", "/people/p2/drop-staff", {"account": corp, "userid": "xiaoyu"})
    assert await bench.person.press_send(corp, str(made["msgid"]), "xiaoyu") == 1
    assert await bench.person.press_send(corp, str(made["msgid"]), "xiaoyu") == 0, "pressed before"
    assert len(await bench.person.messages("p1", f"wecom:{corp}:xiaoyu")) == 1
    body = {"msgid": made["msgid"], "userid": "xiaoyu"}
    told = await api.ask("/cgi-bin/externalcontact/get_groupmsg_send_result", body)
    states = {one["external_userid"]: one["status"] for one in told["send_list"]}
    assert states == {first: 1, second: 2}
    remind = "/cgi-bin/externalcontact/remind_groupmsg_send"
    assert [await api(remind, body) for _ in range(4)] == [0, 0, 0, 45009]


async def test_a_month_has_as_many_mass_messages_as_days(bench: Bench) -> None:
    corp, given = await token(bench, "wecom")
    api = Api(bench.http, given)
    external = await bench.person.add_staff("p1", corp, "ajian")
    sent = 0
    for _ in range(32):
        made = await api.ask(
            "/cgi-bin/externalcontact/add_msg_template",
            {"external_userid": [external], "text": {"content": "您好"}},
        )
        sent += await bench.person.press_send(corp, str(made["msgid"]), "ajian")
    assert 28 <= sent <= 31


async def test_a_welcome_goes_once_within_twenty_seconds(bench: Bench) -> None:
    corp, given = await token(bench, "wecom")
    api, path = Api(bench.http, given), "/cgi-bin/externalcontact/send_welcome_msg"
    codes = []
    for person in ("p1", "p2"):
        await bench.person.add_staff(person, corp, "xiaoyu")
        world = bench.app.dependencies["world"].dependency()  # type: ignore[union-attr]
        codes.append(world.store.value("select code from welcome_codes order by rowid desc"))
    body = {"welcome_code": codes[0], "text": {"content": "欢迎"}}
    assert [await api(path, body), await api(path, body)] == [0, 41051]
    pass_time(seconds=21)
    assert await api(path, body | {"welcome_code": codes[1]}) == 41050
