"""A customer over HTTP: log-in through the local WeChat, profile, phone, addresses; and the staff's
view of the same customer."""

import io
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from openpyxl import load_workbook

from siyu.merchant.staff.contracts import Role
from siyu.people.members import service as members
from tests.commerce.bulk.kit import read_table
from tests.merchant.lanes import Lanes

HOME = {
    "receiver": "王小明",
    "phone": "138 1234 5678",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "文三路 90 号",
    "is_default": False,
}


def rows_of(raw: bytes, kind: str) -> list[list[str]]:
    if kind == "csv":
        return read_table(raw)
    book = load_workbook(io.BytesIO(raw), read_only=True)
    return [[str(cell) for cell in row] for row in book.worksheets[0].values]


async def test_log_in_makes_a_member_once(lanes: Lanes) -> None:
    appid = lanes.wechat.keys["appid"]
    answers = []
    for _ in range(2):
        code = await lanes.wechat.person.login_code("p1", appid)
        answer = await lanes.browser().post(
            "/shop/v1/login", json={"code": code, "platform": "mp-weixin"}
        )
        assert answer.status_code == 200
        answers.append(answer.json())
    first, again = answers
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["member"] == again["member"]
    assert first["member"].keys() == {
        "member_id", "nickname", "avatar_url", "phone_masked", "level", "joined_at",
    }  # fmt: skip
    assert first["expires_at"].endswith("Z")


async def test_a_code_is_used_once(lanes: Lanes) -> None:
    code = await lanes.wechat.person.login_code("p1", lanes.wechat.keys["appid"])
    body = {"code": code, "platform": "h5"}
    browser = lanes.browser()
    assert (await browser.post("/shop/v1/login", json=body)).status_code == 200
    answer = await browser.post("/shop/v1/login", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        422,
        "mini_program.code_refused",
    )


async def test_log_in_needs_a_shop_with_a_mini_program(lanes: Lanes) -> None:
    body = {"code": "x", "platform": "h5"}
    answer = await lanes.browser(code="no-such-shop").post("/shop/v1/login", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "shops.unknown")
    owner = await lanes.desk()
    await owner.put("/admin/v1/shop/wechat", json={"environment": "sandbox"})
    answer = await lanes.browser().post("/shop/v1/login", json=body)
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        {
            "code": "shops.wechat_not_set",
            "message": "店铺尚未完成微信设置：appid",
            "details": {"setting": "appid"},
        },
    )


async def test_profile_and_phone(lanes: Lanes) -> None:
    phone = await lanes.phone()
    answer = await phone.patch("/shop/v1/me", json={"nickname": "小茶 🍵"})
    assert answer.json()["nickname"] == "小茶 🍵"
    code = await lanes.wechat.person.phone_code("p1", lanes.wechat.keys["appid"])
    answer = await phone.post("/shop/v1/phone", json={"code": code})
    assert answer.status_code == 200, answer.text
    masked = answer.json()["phone_masked"]
    assert masked[3:7] == "****" and len(masked) == 11
    assert (await phone.get("/shop/v1/me")).json() == answer.json()
    again = await phone.post("/shop/v1/phone", json={"code": code})
    assert again.status_code == 422


async def test_addresses(lanes: Lanes) -> None:
    phone = await lanes.phone()
    made = await phone.post("/shop/v1/addresses", json=HOME)
    assert made.status_code == 201
    address = made.json()
    assert address == {
        **HOME,
        "phone": "+8613812345678",
        "is_default": True,
        "address_id": address["address_id"],
    }
    path = f"/shop/v1/addresses/{address['address_id']}"
    changed = await phone.put(path, json={**HOME, "detail": "龙井村 1 号"})
    assert changed.json()["detail"] == "龙井村 1 号"
    assert (await phone.get("/shop/v1/addresses")).json() == {"items": [changed.json()]}
    assert (await phone.delete(path)).status_code == 204
    gone = await phone.delete(path)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "members.address_not_found")


async def test_visitor_of_the_collector_becomes_the_member(lanes: Lanes) -> None:
    visitor = str(uuid4())
    await lanes.phone("p1", visitor=visitor)
    owner = await lanes.desk()
    row = (await owner.get("/admin/v1/members")).json()["items"][0]
    detail = (await owner.get(f"/admin/v1/members/{row['member_id']}")).json()
    assert detail["device_count"] == 1


async def test_consents_over_http(lanes: Lanes) -> None:
    nobody = (await lanes.browser().get("/shop/v1/consents")).json()["items"]
    assert [item["granted"] for item in nobody] == [None] * 5
    phone = await lanes.phone()
    answer = await phone.post(
        "/shop/v1/consents",
        json={
            "purpose": "marketing",
            "text_version": nobody[2]["text_version"],
            "granted": True,
        },
        headers={
            "Accept-Language": "en",
            "Referer": "https://servicewechat.com/wx7c1e5a90b2d4f683/12/page-frame.html",
        },
    )
    marketing = answer.json()["items"][2]
    assert (marketing["granted"], marketing["title"]) == (True, "Offers and news")
    owner = await lanes.desk()
    counts = (await owner.get("/admin/v1/consents")).json()["items"]
    assert counts == [
        {
            "purpose": "marketing",
            "text_version": marketing["text_version"],
            "granted_count": 1,
            "refused_count": 0,
        }
    ]
    member = (await owner.get("/admin/v1/members")).json()["items"][0]
    proof = (await owner.get(f"/admin/v1/members/{member['member_id']}/consents")).json()["items"]
    assert [(p["purpose"], p["granted"], p["channel"], p["language"]) for p in proof] == [
        ("marketing", True, "mp-weixin", "en")
    ]
    stale = await phone.post(
        "/shop/v1/consents",
        json={"purpose": "marketing", "text_version": "1999-01-01", "granted": True},
    )
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "consents.text_outdated")


async def test_reveal_needs_a_reason_and_leaves_a_line(lanes: Lanes) -> None:
    phone = await lanes.phone()
    await phone.post("/shop/v1/addresses", json=HOME)
    code = await lanes.wechat.person.phone_code("p1", lanes.wechat.keys["appid"])
    await phone.post("/shop/v1/phone", json={"code": code})
    owner = await lanes.desk()
    row = (await owner.get("/admin/v1/members")).json()["items"][0]
    path = f"/admin/v1/members/{row['member_id']}/reveal"
    for reason in ("", " ", "x", "\n\n"):
        assert (
            await owner.post(path, json={"field": "phone", "reason": reason})
        ).status_code == 422
    shown = (await owner.post(path, json={"field": "phone", "reason": "客户来电核对"})).json()
    assert shown["addresses"] is None and shown["phone"].startswith("+86")
    shown = (await owner.post(path, json={"field": "addresses", "reason": "补寄"})).json()
    assert shown["phone"] is None and shown["addresses"][0]["detail"] == "文三路 90 号"
    lines = (
        await owner.get(
            "/admin/v1/audit", params={"subject_kind": "member", "subject_id": row["member_id"]}
        )
    ).json()["items"]
    assert [(line["action"], line["detail"]["after"], line["actor_name"]) for line in lines] == [
        ("members.addresses_revealed", {"reason": "补寄"}, "小店员"),
        ("members.phone_revealed", {"reason": "客户来电核对"}, "小店员"),
    ]
    clerk = await lanes.desk(Role.CLERK)
    refused = await clerk.post(path, json={"field": "phone", "reason": "想看看"})
    assert refused.status_code == 403


async def test_members_page_over_http(lanes: Lanes) -> None:
    for person in ("p1", "p2", "p3"):
        await lanes.phone(person)
    owner = await lanes.desk()
    first = (await owner.get("/admin/v1/members", params={"limit": 2})).json()
    rest = (
        await owner.get("/admin/v1/members", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    assert [row["person_no"] for row in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None
    wanted = [row["member_id"] for row in (*rest["items"], first["items"][0])]
    named = (await owner.get("/admin/v1/members", params={"ids": [*wanted, str(uuid4())]})).json()
    assert [row["person_no"] for row in named["items"]] == [3, 1]
    broken = await owner.get("/admin/v1/members", params={"cursor": "bm9wZQ"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "request.cursor_invalid")


async def test_level_is_set_by_staff_only(lanes: Lanes) -> None:
    phone = await lanes.phone()
    owner, clerk = await lanes.desk(), await lanes.desk(Role.CLERK)
    row = (await owner.get("/admin/v1/members")).json()["items"][0]
    path = f"/admin/v1/members/{row['member_id']}"
    assert (await clerk.patch(path, json={"level": "vip"})).status_code == 403
    assert (
        await phone.patch("/shop/v1/me", json={"nickname": "x", "level": "vip"})
    ).status_code == 422
    assert (await owner.patch(path, json={"level": "vip"})).json()["level"] == "vip"
    assert (await phone.get("/shop/v1/me")).json()["level"] == "vip"


async def test_a_table_of_people_speaks_the_askers_language(lanes: Lanes) -> None:
    owner = await lanes.desk()
    phone = await lanes.phone()
    me = (await phone.get("/shop/v1/me")).json()
    await owner.patch("/admin/v1/members/" + me["member_id"], json={"level": "vip"})
    made = {"nickname": "林知夏", "identifiers": [{"kind": "phone", "value": "13812345678"}]}
    assert (await owner.post("/admin/v1/members", json=made)).status_code == 201
    said = {
        "zh-CN": (
            ["客户编号", "昵称", "手机号", "等级", "来源", "入会时间", "最近登录"],
            {("VIP 会员", "小程序登录"), ("普通会员", "员工建档")},
            "内部资料",
        ),
        "en-GB,en;q=0.9": (
            ["Number", "Name", "Phone", "Level", "Source", "Joined", "Last log-in"],
            {("VIP", "Log-in"), ("Member", "Staff")},
            "Internal",
        ),
    }
    for language, (header, words, mark) in said.items():
        for kind in ("csv", "xlsx"):
            answer = await owner.post(
                "/admin/v1/members/export",
                json={"reason": "周年回访", "format": kind},
                headers={"Accept-Language": language},
            )
            assert answer.status_code == 200, answer.text
            table = rows_of(answer.content, kind)
            assert table[0] == header
            assert {(row[3], row[4]) for row in table[1:-1]} == words
            assert table[-1][0].startswith(mark)


async def test_staff_see_how_far_lists_were_read_and_why_lines_were_refused(
    lanes: Lanes, tmp_path: Path
) -> None:
    path = "/admin/v1/member-imports"
    clerk = await lanes.desk(Role.CLERK)
    assert (await clerk.get(path)).json() == {"items": [], "next_cursor": None}
    lists = {"old.csv": "手机号,等级\n13812345678,\n12345,\n,VIP\n13812345679,钻石\n",
             "more.csv": "手机号\n13812345699\n"}  # fmt: skip
    for name, text in lists.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        await members.import_list(
            lanes.shop_id, tmp_path / name, None, ZoneInfo("Asia/Shanghai"), lambda *_: None
        )
    page = (await clerk.get(path, params={"limit": 1})).json()
    assert [one["report"]["file_name"] for one in page["items"]] == ["more.csv"]
    rest = (await clerk.get(path, params={"cursor": page["next_cursor"]})).json()
    [one] = rest["items"]
    assert one["report"]["refused"] == 3 and one["report"]["ended_at"] is not None
    assert {why["reason"]: why["rows"] for why in one["refused_for"]} == {
        "members.bad_phone": 1, "nobody": 1, "level": 1,
    }  # fmt: skip
    assert [line["line_no"] for line in one["refused_lines"]] == [3, 4, 5]
    assert (await (await lanes.desk(Role.ANALYST)).get(path)).status_code == 403
