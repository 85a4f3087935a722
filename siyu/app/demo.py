"""`siyu demo`: a running shop with goods, pictures, history and customers, on a local WeChat.

Nothing here is faked: the shop is opened by the same verbs that a merchant uses, customers speak
HTTP, and money moves through the sandbox's signed protocol.
"""

import asyncio
import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.panel import Panel

import siyu
from siyu.app import (
    demo_channels,
    demo_customers,
    demo_desk,
    demo_gifts,
    demo_goods,
    demo_law,
    demo_outreach,
    demo_prices,
    demo_profiles,
    demo_segments,
)
from siyu.app.processes import (
    Processes,
    program_database,
    ready_database,
    until_stopped,
    wait_for,
)
from siyu.kernel import config, db
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.sandbox.client import SandboxClient

HISTORY = Path(siyu.__file__).parents[1] / "demo_data" / "online_retail_2"
TEA, RETAIL = "tea", "retail"
LOGIN = "demo"
console = Console()


class Account(msgspec.Struct):
    """The demo's own console login, made at the first start."""

    login_name: str
    password: str


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next port nobody listens on."""
    for port in range(wanted, wanted + 50):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port
    raise OSError(f"no free port from {wanted} on")


def demo_settings(data_dir: Path, port: int | None = None) -> config.Settings:
    """Settings of a demo installation in `data_dir`; ports that are taken are passed over."""
    given = config.load()
    port = free_port(given.host, port or given.port)
    sandbox_port = free_port(given.sandbox_host, max(given.sandbox_port, port + 1))
    return msgspec.structs.replace(
        given,
        data_dir=data_dir,
        database_url=None,
        port=port,
        public_url=f"http://{given.host}:{port}",
        sandbox_port=sandbox_port,
        sandbox_url=f"http://{given.sandbox_host}:{sandbox_port}",
    )


def environment(settings: config.Settings) -> dict[str, str]:
    """The same installation, for its child processes."""
    names = ("data_dir", "host", "port", "public_url", "sandbox_host", "sandbox_port")
    values = {name: str(getattr(settings, name)) for name in (*names, "sandbox_url")}
    return {f"SIYU_{name.upper()}": value for name, value in values.items()}


async def _open_shop(code: str, name: str, currency: str, time_zone: str) -> ShopId:
    known = await shops.resolve_shop(code)
    if known is not None:
        return known.shop_id
    async with system_transaction() as tx:
        made = await shops.create_shop(
            tx, System(), code=code, name=name, currency=currency, time_zone=time_zone
        )
    return ShopId(made.shop_id)


async def _connect_wechat(shop_id: ShopId, given: dict[str, Any]) -> None:
    async with transaction(shop_id) as tx:
        await shops.set_wechat(
            tx,
            System(),
            WeChatChange(
                environment=Environment.SANDBOX,
                appid=given["appid"],
                mchid=given["mchid"],
                certificate_serial=given["serial_no"],
                public_key_id=given["public_key_id"],
                public_key_pem=given["public_key_pem"],
                app_secret=given["secret"],
                private_key=given["private_key_pem"],
                api_v3_key=given["api_v3_key"],
            ),
        )


async def _let_in(data_dir: Path, shop_ids: list[ShopId]) -> Account:
    file = data_dir / "demo-login.json"
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=Account)
    account = Account(LOGIN, f"tea-{secrets.token_urlsafe(9)}")
    hashed: str | None = await staff.hash_password(account.password, account.login_name)
    for shop_id in shop_ids:
        async with system_transaction(shop_id) as tx:
            await staff.add_staff(
                tx,
                System(),
                login_name=account.login_name,
                name="掌柜",
                password_hash=hashed,
                role=Role.OWNER,
            )
        hashed = None
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(account))
    return account


class Demo(msgspec.Struct):
    """A running demo: where it listens, who may log in, and its shops."""

    settings: config.Settings
    account: Account
    appid: str
    tea: ShopId
    retail: ShopId | None


@contextlib.asynccontextmanager
async def running(data_dir: Path, with_history_shop: bool) -> AsyncIterator[Demo]:
    """Everything started and the tea shop open; stopped at the end of the block."""
    settings = demo_settings(data_dir)
    config.use(settings)
    sandbox_url = settings.sandbox_url
    assert sandbox_url is not None
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(ready_database(settings))
        processes = Processes(data_dir / "logs", environment(settings))
        stack.push_async_callback(processes.stop)
        for name in ("sandbox", "web", "worker"):
            processes.start(name, name)
        await stack.enter_async_context(program_database(settings, size=6))
        await wait_for(f"{sandbox_url}/_sandbox/health")
        tea = await _open_shop(TEA, "山房茶咖", "CNY", "Asia/Shanghai")
        async with SandboxClient(sandbox_url) as sandbox:
            given = await sandbox.credentials()
            shop_url = f"{settings.public_url}/h5/?shop={TEA}"
            change = {"name": "山房茶咖", "shop_url": shop_url}
            await sandbox.call("PATCH", f"/apps/{given['appid']}", change)
        await _connect_wechat(tea, given)
        if not await demo_goods.is_loaded(tea):
            await _finish(settings, "siyu.app.demo_goods", str(tea))
        await demo_prices.load(tea)
        retail = None
        if with_history_shop:
            retail = await _open_shop(RETAIL, "Online Retail II", "GBP", "Europe/London")
        account = await _let_in(data_dir, [tea] + ([retail] if retail else []))
        await wait_for(f"{settings.public_url}/health")
        async with SandboxClient(sandbox_url) as sandbox:
            await demo_channels.connect(tea, given["appid"], settings.public_url, sandbox)
        yield Demo(settings, account, given["appid"], tea, retail)


def _announce(demo: Demo, seconds: float) -> None:
    settings = demo.settings
    lines = [
        f"[bold]运营后台 Console[/]   {settings.public_url}/console/",
        f"    账号 login  [bold]{demo.account.login_name}[/]   "
        f"密码 password  [bold]{demo.account.password}[/]",
        f"[bold]手机 Phone[/]          {settings.sandbox_url}/phone/",
        f"[bold]店铺 Shop (H5)[/]      {settings.public_url}/h5/?shop={TEA}",
        "",
        "先试 Try first:",
        "  1. 打开手机,选一个人,进入「山房茶咖」,买一罐茶,用微信支付付款。",
        "     Open the phone, choose a person, buy some tea and pay.",
        "  2. 在后台看到这笔订单,再看它走过的漏斗。See the order and its funnel in the console.",
        "  3. 在后台左上角切换到 Online Retail II:两年真实订单。Two years of real orders.",
        "",
        f"日志 logs: {settings.data_dir / 'logs'}    Ctrl-C 停止 to stop",
    ]
    console.print(Panel("\n".join(lines), title=f"siyu · {seconds:.0f} s", expand=False))


async def _show_past(demo: Demo) -> None:
    """Sixty days of visits and orders, two weeks of experiments: processes of their own."""
    await _finish(demo.settings, "siyu.app.demo_history", TEA)
    await _finish(demo.settings, "siyu.app.demo_experiments", str(demo.tea))
    assert demo.settings.sandbox_url is not None
    await demo_channels.meet(
        demo.settings.public_url,
        demo.settings.sandbox_url,
        demo.appid,
        TEA,
        demo.settings.data_dir / "channels-told",
    )
    await demo_profiles.load(demo.tea)
    await demo_segments.load(demo.tea)
    await demo_law.load(demo.tea)
    async with SandboxClient(demo.settings.sandbox_url) as sandbox:
        templates = await sandbox.templates(demo.appid)
    await demo_outreach.load(demo.tea, templates)


async def _import_history(demo: Demo) -> None:
    done = demo.settings.data_dir / "history-imported"
    if done.exists():
        return
    files = [HISTORY / name for name in ("lines.csv.gz", "items.csv.gz", "customers.csv.gz")]
    report = await _finish(
        demo.settings,
        *("siyu", "import", "orders", *map(str, files)),
        *("--shop", RETAIL, "--preset", "online-retail", "--json"),
    )
    done.touch()
    console.print(f"历史订单已导入 history imported: {report}")


async def _finish(settings: config.Settings, module: str, *arguments: str) -> str:
    """Run `python -m …` on this installation; a process of its own gives its memory back."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        env={**os.environ, **environment(settings)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await child.communicate()
    except asyncio.CancelledError:
        child.terminate()
        raise
    if child.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed")
    return out.decode().strip()


def _http(demo: Demo) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=demo.settings.public_url, timeout=30, trust_env=False)


async def _desk(demo: Demo, http: httpx.AsyncClient) -> demo_desk.Desk:
    account = demo.account
    return await demo_desk.Desk.sign_in(http, TEA, account.login_name, account.password)


async def run_bare() -> None:
    """The demo without history and customers; prints its addresses as one line of JSON."""
    async with running(config.load().data_dir / "demo", with_history_shop=False) as demo:
        async with _http(demo) as http:
            desk = await _desk(demo, http)
            await desk.open_money()
            await demo_gifts.mark_goods(desk.ask)
        addresses = {
            "shop_url": demo.settings.public_url,
            "sandbox_url": demo.settings.sandbox_url,
            "data_dir": str(demo.settings.data_dir),
            "appid": demo.appid,
            "shop": TEA,
            "login_name": demo.account.login_name,
            "password": demo.account.password,
        }
        print(json.dumps(addresses), flush=True)
        await until_stopped()


async def run() -> None:
    """Run the demo until stopped."""
    began = time.monotonic()
    console.print("siyu 正在启动 starting …")
    async with running(config.load().data_dir / "demo", HISTORY.exists()) as demo:
        _announce(demo, time.monotonic() - began)
        sandbox_url = demo.settings.sandbox_url
        assert sandbox_url is not None
        work = [
            asyncio.create_task(
                demo_customers.keep_coming(demo.settings.public_url, sandbox_url, demo.appid, TEA)
            ),
            asyncio.create_task(
                demo_desk.keep_working(
                    demo.settings.public_url,
                    sandbox_url,
                    TEA,
                    (demo.account.login_name, demo.account.password),
                    told=demo.settings.data_dir / "first-day-told",
                )
            ),
        ]
        work.append(asyncio.create_task(_show_past(demo)))
        if demo.retail:
            work.append(asyncio.create_task(_import_history(demo)))
        for task in work:
            task.add_done_callback(_tell_failure)
        await until_stopped()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        console.print("siyu 已停止 stopped")


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        console.print(f"[red]{type(error).__name__}: {error}[/]")


async def smoke() -> None:
    """One purchase end to end on a fresh installation; prints what it left behind as JSON."""
    base = config.load().data_dir
    base.mkdir(parents=True, exist_ok=True)
    data_dir = Path(tempfile.mkdtemp(prefix="smoke-", dir=base))
    # PostgreSQL runs as its own user where the program runs as root.
    data_dir.chmod(0o755)
    try:
        async with running(data_dir, with_history_shop=False) as demo:
            print(json.dumps(await _buy_one(demo), ensure_ascii=False))
    finally:
        # The database's watchdog may be looking once more.
        for _ in range(20):
            shutil.rmtree(data_dir, ignore_errors=True)
            if not data_dir.exists():
                break
            await asyncio.sleep(0.2)


class _EventRow(msgspec.Struct, frozen=True):
    name: str
    happened_at: str
    payload: dict[str, Any]


async def _buy_one(demo: Demo) -> dict[str, Any]:
    settings = demo.settings
    assert settings.sandbox_url is not None
    async with _http(demo) as http, SandboxClient(settings.sandbox_url) as sandbox:
        desk = await _desk(demo, http)
        await desk.open_money()
        # Dice that always fall on yes: this customer clicks, buys and pays.
        dice = random.Random(3)
        dice.random = lambda: 0.0  # type: ignore[method-assign]
        customer = demo_customers.Customer(
            await sandbox.add_person("林知夏", "13900001234"), demo.appid, TEA, dice
        )
        went = await customer.visit(http, sandbox)
        assert went == "paid", went
        payments = await desk.ask("GET", f"/payments?order_id={customer.order_id}")
        funnel: dict[str, Any] = {}
        for _ in range(100):
            funnel = (await desk.ask("GET", "/dashboard?days=7"))["funnel"]
            if any(s["key"] == "convert" and s["persons"] > 0 for s in funnel["steps"]):
                break
            await asyncio.sleep(0.2)
        order = await customer.call(http, "GET", f"/shop/v1/orders/{customer.order_id}")
        story = await desk.ask("GET", f"/ledger/orders/{customer.order_id}/story")
        proof = await desk.ask("GET", "/proof")
    async with db.reading(demo.tea) as tx:
        events = await tx.all(
            _EventRow,
            """select name, to_json(happened_at) #>> '{}' as happened_at, payload
               from kernel.outbox order by xid, event_id""",
        )
    return {
        "order": order,
        "payment": payments,
        "events": msgspec.to_builtins(events),
        "funnel": funnel,
        "ledger": story,
        "proof": proof["line"],
    }
