"""A local WeChat for the tests: in process, or on a port for clients that need one."""

import asyncio
import secrets
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar

from siyu.kernel import clock
from siyu.sandbox.app import SandboxSettings, create_sandbox
from siyu.sandbox.client import SandboxClient
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import NewTrade, Notification, PayCredentials, Trade
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.service import calling


@pytest.fixture
def sandbox_home(sandbox_template: Path, tmp_path: Path) -> Path:
    """A data directory with that first state."""
    shutil.copy(sandbox_template, tmp_path / "sandbox.sqlite")
    return tmp_path


@dataclass
class Received:
    """A shop's notify address: keeps what came, answers what it is told (default 200)."""

    requests: list[httpx.Request] = field(default_factory=list)
    answers: list[int | Exception] = field(default_factory=list)
    pause_seconds: float = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


@dataclass
class Bench:
    """A sandbox in process, a shop that receives, and the demo merchant's pen."""

    http: httpx.AsyncClient
    person: SandboxClient
    shop: Received
    app: Litestar
    keys: dict[str, Any]

    def header(self, method: str, target: str, body: bytes = b"", **change: Any) -> str:
        """An Authorization header; `change` bends one of its parts."""
        parts = {
            "mchid": self.keys["mchid"],
            "serial_no": self.keys["serial_no"],
            "private_key_pem": self.keys["private_key_pem"],
            "timestamp": int(clock.now().timestamp()),
            "nonce": secrets.token_hex(16),
        }
        return transport.authorization(method, target, body, **(parts | change))

    async def call(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A signed pay call."""
        raw = b"" if body is None else body if isinstance(body, bytes) else encode(body)
        sent = {
            "Authorization": self.header(method, target, raw),
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "siyu-test",
        }
        return await self.http.request(method, target, content=raw, headers=sent | (headers or {}))

    async def openid(self, person_id: str = "p1", appid: str | None = None) -> str:
        """Log somebody in."""
        appid = appid or self.keys["appid"]
        code = await self.person.login_code(person_id, appid)
        answer = await self.http.get(
            "/sns/jscode2session",
            params={
                "appid": appid,
                "secret": self.keys["secret"],
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )
        return str(answer.json()["openid"])

    async def body(self, **change: Any) -> dict[str, Any]:
        """The parameters of a good order; a change to None leaves the field out."""
        fields = {
            "appid": self.keys["appid"],
            "mchid": self.keys["mchid"],
            "description": "明前龙井 50g",
            "out_trade_no": "T" + secrets.token_hex(10),
            "notify_url": "http://shop.test/callback/wechat/pay",
            "amount": {"total": 8800, "currency": "CNY"},
        } | change
        if "payer" not in fields:
            fields["payer"] = {"openid": await self.openid()}
        return {name: value for name, value in fields.items() if value is not None}

    async def create(self, **change: Any) -> tuple[str, str]:
        """An order; (out_trade_no, prepay_id)."""
        body = await self.body(**change)
        answer = await self.call("POST", "/v3/pay/transactions/jsapi", body)
        assert answer.status_code == 200, answer.text
        return body["out_trade_no"], answer.json()["prepay_id"]

    async def query(self, out_trade_no: str) -> dict[str, Any]:
        """What WeChat says of an order."""
        target = f"/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={self.keys['mchid']}"
        return dict((await self.call("GET", target)).json())


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


@contextmanager
def bench_on(home: Path, **settings: Any) -> Iterator[tuple[Litestar, Received]]:
    """The app over a data directory, closed afterwards as a killed process would leave it."""
    shop = Received()
    app = create_sandbox(SandboxSettings(data_dir=home, **settings), httpx.MockTransport(shop))
    yield app, shop


@pytest.fixture
async def bench(sandbox_home: Path) -> AsyncIterator[Bench]:
    """No lifespan: notifications go when the test says `person.deliver()`."""
    with bench_on(sandbox_home) as (app, shop):
        async with attach(app, shop) as made:
            yield made


class attach:  # noqa: N801  a context manager
    """Clients on an app."""

    def __init__(self, app: Litestar, shop: Received) -> None:
        self._app, self._shop = app, shop

    async def __aenter__(self) -> Bench:
        wire = httpx.ASGITransport(self._app)
        self._http = httpx.AsyncClient(transport=wire, base_url="http://sandbox.test")
        self._person = SandboxClient("http://sandbox.test", wire)
        keys = await self._person.credentials()
        return Bench(self._http, self._person, self._shop, self._app, keys)

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self._person.__aexit__()


@dataclass
class Server:
    """An ASGI app on a port of this machine, in its own thread."""

    url: str
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def start_server(app: Any, port: int = 0, lifespan: Any = "auto") -> Server:
    """Serve an app from a thread; the port is free to choose. Its loop is Python's own, for
    another would look up names past the guard of the tests."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, loop="asyncio", log_level="warning", date_header=False, lifespan=lifespan
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    return Server(f"http://127.0.0.1:{sock.getsockname()[1]}", server, thread)


@contextmanager
def lonely_sandbox(template: Path, home: Path) -> Iterator[Server]:
    """A sandbox on a port; all that it delivers by itself is lost on the way."""

    def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    with calling_sandbox(template, home, httpx.MockTransport(lose)) as server:
        yield server


@contextmanager
def calling_sandbox(
    template: Path, home: Path, wire: httpx.AsyncBaseTransport | None = None, time_factor: float = 1
) -> Iterator[Server]:
    """A sandbox on a port that delivers what it has to tell."""
    shutil.copy(template, home / "sandbox.sqlite")
    settings = SandboxSettings(data_dir=home, time_factor=time_factor)
    server = start_server(create_sandbox(settings, wire))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def served_sandbox(
    sandbox_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A sandbox on a port, its schedule 1000 times as fast."""
    home = tmp_path_factory.mktemp("served")
    with calling_sandbox(sandbox_template, home, time_factor=1000) as server:
        yield server


@dataclass
class Till:
    """The pay client at a sandbox of its own; time stands still but for what `pass_time` turns."""

    credentials: PayCredentials
    person: SandboxClient
    shop: Received
    keys: dict[str, Any]
    url: str

    @property
    def mchid(self) -> str:
        return self.credentials.mchid

    async def openid(self, person_id: str = "p1") -> str:
        """Log somebody in."""
        code = await self.person.login_code(person_id, self.keys["appid"])
        query = {
            "appid": self.keys["appid"],
            "secret": self.keys["secret"],
            "js_code": code,
            "grant_type": "authorization_code",
        }
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            answer = await http.get("/sns/jscode2session", params=query)
        return str(answer.json()["openid"])

    async def buy(
        self,
        total: int = 10_000,
        *,
        person_id: str = "p4",
        is_shared: bool = False,
        method: Any = "card",
    ) -> Trade:
        """A paid order."""
        trade = NewTrade(
            appid=self.keys["appid"],
            out_trade_no=secrets.token_hex(12),
            description="明前龙井, 50g",
            total=total,
            time_expire=clock.now() + timedelta(minutes=30),
            notify_url="http://shop.test/pay",
            is_shared=is_shared,
        )
        code_url = await pay.create_native(self.credentials, trade)
        await self.person.pay(person_id, code_url, method=method)
        paid = await pay.query(self.credentials, trade.out_trade_no)
        assert paid is not None and paid.transaction_id
        return paid

    async def add_merchant(self, name: str) -> PayCredentials:
        """Another merchant of the same sandbox."""
        return credentials_of(
            await self.person.call("POST", "/merchants", {"name": name}), self.url
        )

    async def bank(self) -> dict[str, Any]:
        """The merchant's money; the whole bank is proven on the way."""
        everything = await self.person.call("GET", "/bank")
        assert (everything["sum_fen"], everything["problems"]) == (0, [])
        found = await self.person.bank(self.mchid)
        assert found["problems"] == []
        return found

    async def purse(self, person_id: str) -> int:
        """What somebody has."""
        return int((await self.person.call("GET", "/bank"))["accounts"][f"person:{person_id}"])

    async def told(self, event: str) -> list[Notification]:
        """Deliver what is due; the notifications of this kind, verified and opened."""
        await self.person.deliver()
        found = []
        for request in self.shop.requests:
            read = pay.open_notification(self.credentials, request.content)
            if read.event_type.startswith(event):
                found.append(read)
        return found


def pass_time(**delta: float) -> None:
    """Turn everybody's clock; the test's end turns it back."""
    clock.advance(timedelta(**delta))


def credentials_of(keys: dict[str, Any], url: str) -> PayCredentials:
    return PayCredentials(
        mchid=keys["mchid"],
        serial_no=keys["serial_no"],
        private_key_pem=keys["private_key_pem"],
        api_v3_key=keys["api_v3_key"],
        public_key_id=keys["public_key_id"],
        public_key_pem=keys["public_key_pem"],
        base_url=url,
    )


@pytest.fixture
async def till(sandbox_home: Path) -> AsyncIterator[Till]:
    """A served sandbox without a courier: it delivers when the test says so."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shop = Received()
    url = f"http://127.0.0.1:{port}"
    settings = SandboxSettings(data_dir=sandbox_home, public_url=url)
    server = start_server(create_sandbox(settings, httpx.MockTransport(shop)), port, "off")
    calling._lanes.clear()
    calling._budgets.clear()
    async with SandboxClient(url) as person:
        keys = await person.credentials()
        yield Till(credentials_of(keys, url), person, shop, keys, url)
    await transport.close()
    server.stop()
