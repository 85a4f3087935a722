"""Names, numbers and addresses that hurt (F068, F074), and where they must never appear (F092)."""

import logging
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from siyu.kernel.db import system_transaction, transaction
from siyu.people.outreach import service as outreach
from siyu.people.outreach.contracts import Answer, Parcel, RefusalReason, Refused
from siyu.people.outreach.service.channels import sms
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.compaction.rules import read_parquet
from siyu.warehouse.tail import service as tail
from tests.merchant.lanes import PASSWORD, Lanes, lanes, wechat
from tests.people.outreach import kit
from tests.warehouse.conftest import warehouse

__all__ = ["lanes", "warehouse", "wechat"]


@pytest.mark.parametrize(
    "nickname",
    [
        "🍵",
        "👩‍👩‍👧‍👦 一家人",
        "a\u202egnp.exe",
        "Zoë",
        "Zoe\u0308",
        "' or 1=1 --",
        "<script>alert(1)</script>",
        "=cmd|'/c calc'!A0",
        "\\",
        "x" * 64,
        "𠮷" * 64,
    ],
)
async def test_F068_odd_nickname_comes_back_equal(lanes: Lanes, nickname: str) -> None:
    phone = await lanes.phone()
    answer = await phone.patch("/shop/v1/me", json={"nickname": nickname})
    assert answer.status_code == 200, answer.text
    assert answer.json()["nickname"] == nickname
    assert (await phone.get("/shop/v1/me")).json()["nickname"] == nickname
    owner = await lanes.desk()
    shown = (await owner.get("/admin/v1/members")).json()["items"][0]["nickname"]
    assert shown == nickname.replace("\u202e", ""), "screens of others show no marks of direction"
    found = await owner.get("/admin/v1/members", params={"q": nickname[:8]})
    assert [row["nickname"] for row in found.json()["items"]] == [shown]


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"nickname": "a\u0000b"}',
        b'{"nickname": "a\x00b"}',
        rb'{"nickname": "\ud800"}',
        b'{"nickname": "\xed\xa0\x80"}',
        rb'{"nickname": "a\nb"}',
        b'{"nickname": "' + b"x" * 10_000 + b'"}',
        b'{"nickname": ""}',
        b'{"nickname": "   "}',
        b'{"nickname": "\xe2\x80\xae"}',
        b'{"nickname": null}',
        b'{"nickname": 7}',
        b'{"nickname": ["x"]}',
        b'{"nickname": "x", "nickname": "y"}',
        b"{}",
        b"[]",
        b"nickname=x",
        b"",
    ],
)
async def test_F068_impossible_nickname_is_refused(lanes: Lanes, raw: bytes) -> None:
    phone = await lanes.phone()
    before = (await phone.get("/shop/v1/me")).json()
    answer = await phone.request(
        "PATCH", "/shop/v1/me", content=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].keys() == {"code", "message", "details"}
    assert (await phone.get("/shop/v1/me")).json() == before


HOME = {
    "receiver": "王",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "1",
}
SAME = [
    "13812345678",
    "+8613812345678",
    "+86 138 1234 5678",
    "0086-138-1234-5678",
    "１３８１２３４５６７８",
    "١٣٨١٢٣٤٥٦٧٨",
    "(+86)138.1234.5678",
]


async def test_F074_one_number_in_any_dress_is_stored_once_and_found(lanes: Lanes) -> None:
    person = await lanes.wechat.person.add_person("小茶", "13812345678")
    phone = await lanes.phone(person)
    code = await lanes.wechat.person.phone_code(person, lanes.wechat.keys["appid"])
    masked = (await phone.post("/shop/v1/phone", json={"code": code})).json()["phone_masked"]
    assert masked == "138****5678"
    owner = await lanes.desk()
    for typed in SAME:
        found = (await owner.get("/admin/v1/members", params={"q": typed})).json()["items"]
        assert len(found) == 1, typed
    for typed in SAME:
        made = await phone.post("/shop/v1/addresses", json={**HOME, "phone": typed})
        assert made.json()["phone"] == "+8613812345678", typed


@pytest.mark.parametrize(
    ("typed", "kept"), [("+852 9123 4567", "+85291234567"), ("+853 6612 3456", "+85366123456")]
)
async def test_F074_numbers_of_hong_kong_and_macao(lanes: Lanes, typed: str, kept: str) -> None:
    phone = await lanes.phone()
    made = await phone.post("/shop/v1/addresses", json={**HOME, "phone": typed})
    assert made.json()["phone"] == kept


@pytest.mark.parametrize(
    "typed", ["", "1", "12345678901", "138123456789", "abc", "+86", "1381234567八", "tel:110" * 9]
)
async def test_F074_what_is_no_number_is_refused(lanes: Lanes, typed: str) -> None:
    phone = await lanes.phone()
    answer = await phone.post("/shop/v1/addresses", json={**HOME, "phone": typed})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "members.bad_phone")
    assert (await phone.get("/shop/v1/addresses")).json() == {"items": []}


# --- F092 -------------------------------------------------------------------------------------

CANARIES = ["金丝雀先生", "13987654321", "1398765", "金丝雀路", "jinsique-nickname", PASSWORD]


async def everything_stored() -> dict[str, str | None]:
    """All tables as text, as who works for all shops sees them."""
    async with system_transaction() as tx:
        tables = await tx.connection.fetch(
            """select c.oid::regclass::text as name from pg_class c
               join pg_namespace n on n.oid = c.relnamespace
               where c.relkind = 'r' and has_table_privilege(c.oid, 'select')
                 and n.nspname not in ('pg_catalog', 'information_schema')"""
        )
        return {
            row["name"]: await tx.value(f"select string_agg(t::text, ' ') from {row['name']} t")
            for row in tables
        }


async def test_F092_personal_data_is_in_no_log_trail_queue_or_error(
    lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = await lanes.wechat.person.add_person("金丝雀先生", "13987654321")
    phone = await lanes.phone(person)
    appid = lanes.wechat.keys["appid"]
    code = await lanes.wechat.person.phone_code(person, appid)
    await phone.post("/shop/v1/phone", json={"code": code})
    await phone.patch("/shop/v1/me", json={"nickname": "jinsique-nickname"})
    body = {
        "receiver": "金丝雀先生", "phone": "13987654321", "province": "浙江省", "city": "杭州市",
        "district": "金丝雀路", "detail": "金丝雀路 7 号",
    }  # fmt: skip
    address = (await phone.post("/shop/v1/addresses", json=body)).json()
    owner = await lanes.desk()
    member = (await owner.get("/admin/v1/members")).json()["items"][0]
    path = f"/admin/v1/members/{member['member_id']}"
    await owner.post(f"{path}/reveal", json={"field": "addresses", "reason": "核对"})
    refusals = [
        await phone.post("/shop/v1/addresses", json={**body, "detail": "金丝雀路" * 99}),
        await phone.post("/shop/v1/addresses", json={**body, "phone": "13987654321999"}),
        await phone.post("/shop/v1/addresses", json={**body, "is_default": "jinsique-nickname"}),
        await phone.put(
            f"/shop/v1/addresses/{address['address_id']}", json={**body, "receiver": "金丝雀先生\n"}
        ),
        await owner.post("/admin/v1/password", json={"current": PASSWORD, "new": "金丝雀先生"}),
        await lanes.browser().post(
            "/admin/v1/login", json={"login_name": "jinsique-nickname", "password": PASSWORD}
        ),
    ]
    assert {answer.status_code for answer in refusals} == {422, 401}
    stored = await everything_stored()
    assert {"kernel.outbox", "kernel.audit", "staff.accounts"} <= stored.keys()
    seen = {
        **{f"table {name}": text or "" for name, text in stored.items()},
        **{f"answer {i}": answer.text for i, answer in enumerate(refusals)},
        "log": caplog.text + " ".join(str(record.__dict__) for record in caplog.records),
    }
    for place, text in seen.items():
        for canary in CANARIES:
            assert canary not in text, f"{canary} in {place}"
            assert canary.encode().hex() not in text, f"{canary} in {place}"


class Broken:
    """A provider of SMS that never takes anything, and says whom it was for."""

    async def send(self, parcel: Parcel) -> Answer:
        return Refused("30001", RefusalReason.REJECTED, is_next=False)

    async def find(self, number: UUID) -> Answer | None:
        return None


async def test_F092_reaching_a_person_tells_nobody_who_they_are(
    warehouse: Path, lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    """Plans, calls, refusals, events, files of the warehouse, exports: numbers, never names."""
    caplog.set_level(logging.DEBUG)
    shop = lanes.shop_id
    person = await lanes.wechat.person.add_person("金丝雀先生", "13987654321")
    phone = await lanes.phone(person)
    code = await lanes.wechat.person.phone_code(person, lanes.wechat.keys["appid"])
    await phone.post("/shop/v1/phone", json={"code": code})
    await phone.patch("/shop/v1/me", json={"nickname": "jinsique-nickname"})
    before = sms._provider
    outreach.use_provider(Broken())
    try:
        async with transaction(shop) as tx:
            await kit.policy(tx, day=50, week=200, tired_at=100)
            template_id = await kit.template(tx, forms=[kit.SMS])
            await kit.consent(tx, 1)
        campaign_id = await kit.campaign(shop, template_id)
        await outreach.run_campaign(shop, campaign_id)
        assert await kit.counts(shop, campaign_id) == {"failed:rejected": 1}
    finally:
        outreach.use_provider(before)
    owner = await lanes.desk()
    export = await owner.post("/admin/v1/members/export", json={"reason": "核对", "format": "csv"})
    assert export.status_code == 200 and "jinsique-nickname" in export.text
    while await tail.consume_outbox(settled=False):
        pass
    await compaction.compact()
    files = [str(path) for path in warehouse.glob("b*/*/*")]
    assert files, "the events stand in files"
    kept = duckdb.execute(f"select * from {read_parquet(files)}").fetchall()
    seen = {
        **{f"table {name}": text or "" for name, text in (await everything_stored()).items()},
        "files": str(kept) + "".join(path.read_text() for path in warehouse.rglob("*.json")),
        "log": caplog.text + " ".join(str(record.__dict__) for record in caplog.records),
    }
    found = [(canary, place) for place, text in seen.items() for canary in CANARIES
             if canary in text or canary.encode().hex() in text]  # fmt: skip
    assert found == []
    assert [one for one in ("13987654321", "1398765") if one in export.text] == []
