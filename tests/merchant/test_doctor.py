"""The doctor: what is right is told, what is wrong gets its next step."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import msgspec
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from siyu.app import doctor
from siyu.app.doctor import Item
from siyu.kernel import clock, config
from siyu.kernel.db import Database, system_transaction
from siyu.kernel.postgres import Cluster
from siyu.merchant.shops.contracts import ShopNotFound
from siyu.merchant.shops.http_admin import WeChatBody
from siyu.merchant.staff.contracts import Role
from tests.merchant.lanes import Lanes


async def examine(lanes: Lanes, language: Any = "en") -> dict[str, Item]:
    report = await doctor.check(lanes.code, language)
    return {item.key: item for item in report.items}


async def put(lanes: Lanes, **change: object) -> None:
    owner = await lanes.desk()
    view = (await owner.get("/admin/v1/shop/wechat")).json()
    body = {field: view[field] for field in view.keys() & WeChatBody.__struct_fields__} | change
    answer = await owner.put("/admin/v1/shop/wechat", json=body)
    assert answer.status_code == 200, answer.text


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The disk these tests run on is half full, whatever the machine's own is."""

    def fill(used: int) -> None:
        usage = SimpleNamespace(total=100, used=used, free=100 - used)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    fill(50)
    return fill


async def test_a_healthy_shop(lanes: Lanes) -> None:
    found = await examine(lanes)
    states = {key: item.state for key, item in found.items()}
    for key in ("fences", "keys", "storage", "clock", "mini_program", "pay"):
        assert states[key] == "ok", found[key]
    assert states["database"] == "warn" and "Embedded" in found["database"].found
    assert (states["backups"], states["reconciliation"]) == ("warn", "skip")
    assert list(found) == [key for key, _, _ in doctor.CHECKS]
    assert all(item.next_step for item in found.values() if item.state in ("warn", "fail"))


@pytest.mark.parametrize(
    ("used", "state"), [(79, "ok"), (80, "warn"), (94, "warn"), (95, "fail"), (100, "fail")]
)
async def test_a_disk_that_fills(
    lanes: Lanes, room: Callable[[int], None], used: int, state: str
) -> None:
    room(used)
    item = (await examine(lanes))["storage"]
    assert item.state == state and f"{used}%" in item.found
    assert bool(item.next_step) == (state != "ok")


async def test_both_languages(lanes: Lanes) -> None:
    chinese, english = await examine(lanes, "zh-CN"), await examine(lanes, "en")
    assert (chinese["pay"].title, english["pay"].title) == ("微信支付", "WeChat Pay")
    assert "签名" in chinese["pay"].found


async def test_without_a_shop_its_wechat_is_left_out(lanes: Lanes) -> None:
    report = await doctor.check(None)
    states = {item.key: item.state for item in report.items}
    assert [states[key] for key in ("mini_program", "pay", "callback")] == ["skip"] * 3
    with pytest.raises(ShopNotFound):
        await doctor.check("no-such-shop")


async def test_wrong_app_secret(lanes: Lanes) -> None:
    await put(lanes, app_secret="0123456789abcdef0123456789abcdef")
    item = (await examine(lanes))["mini_program"]
    assert item.state == "fail"
    assert "40125" in item.found and "AppSecret" in (item.next_step or "")
    assert "0123456789abcdef" not in str(item)


async def test_wrong_certificate_serial(lanes: Lanes) -> None:
    await put(lanes, certificate_serial="0123456789ABCDEF")
    item = (await examine(lanes))["pay"]
    assert (item.state, "SIGN_ERROR" in item.found) == ("fail", True)
    assert "serial" in (item.next_step or "")


async def test_wrong_public_key(lanes: Lanes) -> None:
    stranger = rsa.generate_private_key(65537, 2048).public_key()
    pem = stranger.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    await put(lanes, public_key_pem=pem)
    item = (await examine(lanes))["pay"]
    assert (item.state, "BAD_SIGNATURE" in item.found) == ("fail", True), item


async def test_missing_settings_are_skipped_with_a_next_step(lanes: Lanes) -> None:
    owner = await lanes.desk()
    await owner.put("/admin/v1/shop/wechat", json={"environment": "sandbox"})
    found = await examine(lanes)
    for key in ("mini_program", "pay", "callback"):
        assert found[key].state == "skip"
    assert "appid" in found["mini_program"].found
    assert found["pay"].next_step


async def test_wechat_cannot_be_reached(lanes: Lanes) -> None:
    with free_port() as port:
        nowhere = f"http://127.0.0.1:{port}"
    config.use(msgspec.structs.replace(config.settings(), sandbox_url=nowhere))
    found = await examine(lanes)
    assert [found[key].state for key in ("clock", "mini_program", "pay")] == ["fail"] * 3


@pytest.mark.parametrize(("minutes", "state"), [(0, "ok"), (1, "warn"), (-10, "fail")])
async def test_F020_clock_is_off(lanes: Lanes, minutes: int, state: str) -> None:
    theirs = format_datetime(clock.now() + timedelta(minutes=minutes), usegmt=True)
    async with answering(200, date=theirs) as url:
        config.use(msgspec.structs.replace(config.settings(), sandbox_url=url))
        assert (await examine(lanes))["clock"].state == state


async def test_worker(lanes: Lanes) -> None:
    async with system_transaction() as tx:
        await tx.run("delete from kernel.ticks where name = 'test'")
    assert (await examine(lanes))["worker"].state == "fail"
    async with system_transaction() as tx:
        await tx.run("insert into kernel.ticks values ('test', $1)", clock.now())
    assert (await examine(lanes))["worker"].state == "ok"
    with clock.turned(clock.now() + timedelta(minutes=5)):
        assert (await examine(lanes))["worker"].state == "fail"
    async with system_transaction() as tx:
        await tx.run("delete from kernel.ticks where name = 'test'")


async def test_F128_key_file_is_private(lanes: Lanes) -> None:
    path = config.settings().key_file
    path.chmod(0o644)
    try:
        item = (await examine(lanes))["keys"]
    finally:
        path.chmod(0o600)
    assert (item.state, item.next_step) == ("fail", f"chmod 600 {path}")
    config.use(msgspec.structs.replace(config.settings(), secret_key_file=Path("/nowhere/keys")))
    assert (await examine(lanes))["keys"].state == "fail"


async def test_F078_a_table_without_a_fence_is_found(
    lanes: Lanes, cluster: Cluster, database: Database
) -> None:
    name = database.url.rpartition("/")[2].partition("?")[0]
    owner = await asyncpg.connect(cluster.owner_url(name))
    try:
        await owner.execute("create table members.forgotten (shop_id int primary key)")
        item = (await examine(lanes))["fences"]
    finally:
        await owner.execute("drop table members.forgotten")
        await owner.close()
    assert (item.state, "members.forgotten" in item.found) == ("fail", True)
    assert (await examine(lanes))["fences"].state == "ok"


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://shop.example", "ok"),
        ("http://127.0.0.1:8080", "warn"),
        ("http://shop.example", "fail"),
    ],
)
async def test_public_address(lanes: Lanes, url: str, state: str) -> None:
    config.use(msgspec.structs.replace(config.settings(), public_url=url))
    report = await doctor.check(None)
    assert {item.key: item.state for item in report.items}["address"] == state


# --- the notification address -----------------------------------------------------------------


@contextlib.contextmanager
def free_port() -> Any:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def answering(status: int, date: str = "") -> AsyncIterator[str]:
    """A server that answers everything with this status, on this date."""

    headers = [(b"date", date.encode())] if date else []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="off", date_header=not date)
    )
    running = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await running


@pytest.mark.parametrize(
    ("status", "state"), [(401, "ok"), (204, "fail"), (404, "fail"), (502, "fail")]
)
async def test_notification_address_refuses_a_forgery(
    lanes: Lanes, status: int, state: str
) -> None:
    async with answering(status) as url:
        config.use(msgspec.structs.replace(config.settings(), public_url=url))
        item = (await examine(lanes))["callback"]
    assert item.state == state, item
    assert state == "ok" or str(status) in item.found


async def test_notification_address_is_not_served(lanes: Lanes) -> None:
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
    config.use(msgspec.structs.replace(config.settings(), public_url=url))
    assert (await examine(lanes))["callback"].state == "fail"


async def test_real_notifications_need_https(lanes: Lanes) -> None:
    await put(lanes, environment="real")
    config.use(
        msgspec.structs.replace(
            config.settings(),
            public_url="http://shop.example",
            wechat_pay_url=lanes.wechat.url,
            wechat_api_url=lanes.wechat.url,
        )
    )
    found = await examine(lanes)
    assert (found["callback"].state, found["pay"].state) == ("fail", "ok")


async def test_report_over_http(lanes: Lanes) -> None:
    owner, clerk = await lanes.desk(), await lanes.desk(Role.CLERK)
    assert (await clerk.get("/admin/v1/doctor")).status_code == 403
    answer = await owner.get("/admin/v1/doctor", headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert answer.json()["items"][0].keys() == {"key", "title", "state", "found", "next_step"}
    for secret in ("secret", "api_v3_key", "private_key_pem"):
        assert lanes.wechat.keys[secret] not in answer.text
