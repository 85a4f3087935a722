"""A shop's profile and WeChat settings: what is taken, what is shown, what never comes out."""

import asyncio

import pytest

from siyu.kernel import config
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import queries, service
from siyu.merchant.shops.contracts import BadSetting, CodeTaken, WeChatNotSet
from siyu.merchant.shops.http_admin import WeChatBody
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import Lanes


@pytest.mark.parametrize(
    ("code", "name", "currency", "zone", "setting"),
    [
        ("Tea", "茶", "CNY", "Asia/Shanghai", "code"),
        ("-tea", "茶", "CNY", "Asia/Shanghai", "code"),
        ("tea/../x", "茶", "CNY", "Asia/Shanghai", "code"),
        ("tea", " ", "CNY", "Asia/Shanghai", "name"),
        ("tea", "a\x00b", "CNY", "Asia/Shanghai", "name"),
        ("tea", "茶", "RMB¥", "Asia/Shanghai", "currency"),
        ("tea", "茶", "CNY", "Mars/Olympus", "time_zone"),
        ("tea", "茶", "CNY", "../../etc/passwd", "time_zone"),
    ],
)
async def test_bad_shop_is_refused(
    database: object, code: str, name: str, currency: str, zone: str, setting: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        async with system_transaction() as tx:
            await service.create_shop(
                tx, System(), code=code, name=name, currency=currency, time_zone=zone
            )
    assert refused.value.details["setting"] == setting


async def test_a_code_belongs_to_one_shop(database: object) -> None:
    async def make() -> int:
        async with system_transaction() as tx:
            return (await service.create_shop(tx, System(), code="one-only", name="茶")).shop_id

    outcomes = await asyncio.gather(*(make() for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeTaken) for outcome in outcomes) == 5


async def test_code_is_resolved_and_remembered_for_seconds(lanes: Lanes) -> None:
    found = await service.resolve_shop(lanes.code)
    assert found is not None
    assert (found.shop_id, found.currency, found.time_zone) == (
        lanes.shop_id,
        "CNY",
        "Asia/Shanghai",
    )
    assert await service.resolve_shop("made-up") is None
    assert "made-up" not in service._resolved


async def test_a_shop_sees_only_its_own_row(lanes: Lanes, shop: ShopId) -> None:
    async with reading(shop) as tx:
        assert [row.shop_id for row in await queries.list_shops(tx)] == [shop]
    with pytest.raises(Exception, match="permission denied"):
        async with transaction(shop) as tx:
            await tx.run("update shops.shops set code = 'stolen' where shop_id = $1", shop)


async def test_profile_is_changed_and_noted(lanes: Lanes) -> None:
    owner = await lanes.desk()
    answer = await owner.patch("/admin/v1/shop", json={"notice": "国庆照常发货"})
    assert (answer.json()["notice"], answer.json()["name"]) == ("国庆照常发货", "云雾茶咖")
    answer = await owner.patch("/admin/v1/shop", json={"notice": None, "name": "云雾茶馆"})
    assert (answer.json()["notice"], answer.json()["name"]) == (None, "云雾茶馆")
    line = (await owner.get("/admin/v1/audit")).json()["items"][0]
    assert line["detail"] == {
        "before": {"notice": "国庆照常发货", "name": "云雾茶咖"},
        "after": {"notice": None, "name": "云雾茶馆"},
    }


@pytest.mark.parametrize(
    "body",
    [
        {"currency": "USD"},
        {"code": "x"},
        {"name": ""},
        {"name": "x" * 61},
        {"time_zone": "Mars/Olympus"},
        {"logo_url": "javascript:alert(1)"},
        {"logo_url": "//evil.example/x.png"},
        {"logo_url": "https://evil.example/x.png"},
    ],
)
async def test_bad_profile_is_refused(lanes: Lanes, body: dict[str, str]) -> None:
    owner = await lanes.desk()
    before = (await owner.get("/admin/v1/shop")).json()
    assert (await owner.patch("/admin/v1/shop", json=body)).status_code == 422
    assert (await owner.get("/admin/v1/shop")).json() == before


async def test_secrets_go_in_and_never_come_out(lanes: Lanes) -> None:
    owner = await lanes.desk()
    keys = lanes.wechat.keys
    shown = await owner.get("/admin/v1/shop/wechat")
    view = shown.json()
    assert view["secret_set"] and view["private_key_set"] and view["api_v3_key_set"]
    kept = {field: view[field] for field in view.keys() & WeChatBody.__struct_fields__}
    again = await owner.put("/admin/v1/shop/wechat", json=kept)
    assert again.json() == {**view, "updated_at": again.json()["updated_at"]}
    trail = await owner.get("/admin/v1/audit")
    async with system_transaction() as tx:
        stored = await tx.value(
            "select w::text from shops.wechat w where shop_id = $1", lanes.shop_id
        )
    for secret in (keys["secret"], keys["api_v3_key"], keys["private_key_pem"][40:80]):
        for text in (shown.text, again.text, trail.text, stored):
            assert secret not in text
            assert secret.encode().hex() not in text


async def test_credentials_are_opened_for_the_clients(lanes: Lanes) -> None:
    keys = lanes.wechat.keys
    async with reading(lanes.shop_id) as tx:
        pay = await service.pay_credentials(tx)
        mini = await service.mini_program_credentials(tx)
    assert (pay.mchid, pay.private_key_pem, pay.api_v3_key, pay.base_url) == (
        keys["mchid"],
        keys["private_key_pem"],
        keys["api_v3_key"],
        lanes.wechat.url,
    )
    assert (mini.appid, mini.secret, mini.base_url) == (
        keys["appid"],
        keys["secret"],
        lanes.wechat.url,
    )
    assert keys["secret"] not in repr(mini) and keys["api_v3_key"] not in repr(pay)


async def test_a_shop_on_the_real_wechat_never_speaks_with_the_sandbox(lanes: Lanes) -> None:
    owner = await lanes.desk()
    view = (await owner.get("/admin/v1/shop/wechat")).json()
    body = {
        field: view[field]
        for field in ("appid", "mchid", "certificate_serial", "public_key_id", "public_key_pem")
    }
    await owner.put("/admin/v1/shop/wechat", json={**body, "environment": "real"})
    async with reading(lanes.shop_id) as tx:
        assert (await service.pay_credentials(tx)).base_url == config.settings().wechat_pay_url
        assert (
            await service.mini_program_credentials(tx)
        ).base_url == config.settings().wechat_api_url


async def test_missing_settings_are_named(shop: ShopId) -> None:
    async with reading(shop) as tx:
        with pytest.raises(WeChatNotSet) as no_app:
            await service.mini_program_credentials(tx)
        with pytest.raises(WeChatNotSet) as no_pay:
            await service.pay_credentials(tx)
    assert (no_app.value.details, no_pay.value.details) == (
        {"setting": "appid"},
        {"setting": "mchid"},
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("appid", "gh_123"),
        ("mchid", "19000x"),
        ("certificate_serial", "abc"),
        ("public_key_id", "KEY_1"),
        ("app_secret", "has space in it!"),
        ("api_v3_key", "x" * 31),
        ("api_v3_key", ""),
        ("private_key", "-----BEGIN PRIVATE KEY-----\nnope\n-----END PRIVATE KEY-----"),
        ("public_key_pem", "not a key"),
    ],
)
async def test_settings_wechat_would_refuse_are_refused(
    lanes: Lanes, setting: str, value: str
) -> None:
    owner = await lanes.desk()
    before = (await owner.get("/admin/v1/shop/wechat")).json()
    answer = await owner.put("/admin/v1/shop/wechat", json={setting: value})
    assert answer.status_code == 422
    if value:
        assert answer.json()["error"]["details"]["setting"] == setting
        assert value not in answer.text
    assert (await owner.get("/admin/v1/shop/wechat")).json() == before


async def test_who_may_see_and_change_settings(lanes: Lanes) -> None:
    clerk = await lanes.desk(Role.CLERK)
    assert (await clerk.get("/admin/v1/shop")).status_code == 200
    assert (await clerk.patch("/admin/v1/shop", json={"notice": "x"})).status_code == 403
    assert (await clerk.put("/admin/v1/shop/wechat", json={})).status_code == 403
    assert (await clerk.get("/admin/v1/audit")).status_code == 403
