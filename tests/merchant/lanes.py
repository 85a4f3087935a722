"""The lanes of merchant and people over HTTP, with the local WeChat behind them."""

import asyncio
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import argon2
import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar, Router

from siyu.app import doctor
from siyu.kernel import config
from siyu.kernel.audit import System
from siyu.kernel.db import Database, reading, system_transaction, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import http_admin as shops_admin
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.merchant.staff import http_admin as staff_admin
from siyu.merchant.staff import invariants as staff_truths
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.people.consents import http_admin as consents_admin
from siyu.people.consents import http_shop as consents_shop
from siyu.people.consents import invariants as consents_truths
from siyu.people.members import http_admin as members_admin
from siyu.people.members import http_shop as members_shop
from siyu.people.members import invariants as members_truths
from siyu.sandbox.app import SandboxSettings, create_sandbox
from siyu.sandbox.client import SandboxClient

PASSWORD = "龙井 before the rain"
HASH = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
SHOP_LANES = [members_shop, consents_shop]
ADMIN_LANES = [shops_admin, staff_admin, members_admin, consents_admin, doctor]


def lane(prefix: str, modules: list[Any]) -> Router:
    return Router(prefix, route_handlers=[route for module in modules for route in module.routes])


def make_app() -> Litestar:
    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)
        load_staff = staticmethod(staff.load_staff)

    return build_app([lane("/shop/v1", SHOP_LANES), lane("/admin/v1", ADMIN_LANES)], Hooks())


@dataclass
class LocalWeChat:
    """A sandbox on a port, and its demo merchant."""

    url: str
    keys: dict[str, Any]
    person: SandboxClient


@dataclass
class Lanes:
    """One shop over HTTP: as nobody, as a customer, as staff."""

    app: Litestar
    shop_id: ShopId
    code: str
    wechat: LocalWeChat
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, code: str | None = None, ip: str = "203.0.113.9") -> httpx.AsyncClient:
        """A browser that has not logged in; its session cookie travels as in a real one."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(ip, 1)),
            base_url="https://shop.test",
            headers={"X-Siyu-Shop": code or self.code},
        )
        self.opened.append(client)
        return client

    async def account(self, role: Role = Role.OWNER) -> str:
        """An account of this shop with PASSWORD; its login name."""
        name = f"staff-{secrets.token_hex(4)}"
        async with system_transaction(self.shop_id) as tx:
            await staff.add_staff(
                tx, System(), login_name=name, name="小店员", password_hash=HASH, role=role
            )
        return name

    async def desk(self, role: Role = Role.OWNER, login_name: str | None = None) -> Any:
        """A browser with somebody of this role logged in."""
        browser = self.browser()
        name = login_name or await self.account(role)
        answer = await browser.post(
            "/admin/v1/login", json={"login_name": name, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        return browser

    async def phone(self, person_id: str = "p1", **body: Any) -> httpx.AsyncClient:
        """A phone whose owner has logged in to the shop."""
        phone = self.browser()
        code = await self.wechat.person.login_code(person_id, self.wechat.keys["appid"])
        answer = await phone.post(
            "/shop/v1/login", json={"code": code, "platform": "mp-weixin", **body}
        )
        assert answer.status_code == 200, answer.text
        phone.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return phone


@pytest.fixture(scope="session")
async def wechat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalWeChat]:
    """A local WeChat on a port, in a thread of its own."""
    app = create_sandbox(SandboxSettings(data_dir=tmp_path_factory.mktemp("wechat")))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", date_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        await asyncio.sleep(0.01)
    async with SandboxClient(url) as person:
        yield LocalWeChat(url, await person.credentials(), person)
    server.should_exit = True
    thread.join(10)


async def connect_to(wechat: LocalWeChat, shop_id: ShopId) -> None:
    """Give a shop the demo merchant's WeChat settings."""
    keys = wechat.keys
    async with transaction(shop_id) as tx:
        await shops.set_wechat(
            tx,
            System(),
            WeChatChange(
                environment=Environment.SANDBOX,
                appid=keys["appid"],
                app_secret=keys["secret"],
                mchid=keys["mchid"],
                certificate_serial=keys["serial_no"],
                private_key=keys["private_key_pem"],
                api_v3_key=keys["api_v3_key"],
                public_key_id=keys["public_key_id"],
                public_key_pem=keys["public_key_pem"],
            ),
        )


async def check_truths(shop_id: ShopId) -> None:
    """Every invariant of merchant and people holds."""
    async with reading(shop_id) as read:
        for truth, sql in members_truths.INVARIANTS.items():
            assert await read.connection.fetch(sql) == [], truth
    async with system_transaction() as tx:
        for domain in (consents_truths, staff_truths):
            for truth, sql in domain.INVARIANTS.items():
                assert await tx.connection.fetch(sql) == [], truth


@pytest.fixture
async def lanes(database: Database, wechat: LocalWeChat) -> AsyncIterator[Lanes]:
    """A fresh shop, connected to the local WeChat."""
    before = config.settings()
    config.use(msgspec.structs.replace(before, sandbox_url=wechat.url))
    async with system_transaction() as tx:
        shop = await shops.create_shop(
            tx, System(), code=f"tea-{secrets.token_hex(4)}", name="云雾茶咖"
        )
    await connect_to(wechat, ShopId(shop.shop_id))
    made = Lanes(make_app(), ShopId(shop.shop_id), shop.code, wechat)
    await made.account(Role.OWNER)
    yield made
    await check_truths(made.shop_id)
    for client in made.opened:
        await client.aclose()
    config.use(before)
