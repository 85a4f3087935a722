"""A real browser over a real installation: `siyu demo --bare` in processes of its own."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from siyu.kernel.postgres import default_home

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a beep, for who speaks a greeting
    "--use-fake-ui-for-media-stream",
]
WEB = Path(__file__).parents[2] / "siyu" / "web"


class Installation(msgspec.Struct, frozen=True):
    """Where the demo listens and who may log in."""

    shop_url: str
    sandbox_url: str
    data_dir: str
    appid: str
    shop: str
    login_name: str
    password: str


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The demo's tea shop on a local WeChat, without history and simulated customers."""
    for page in (WEB / "console" / "index.html", WEB / "h5" / "index.html"):
        assert page.exists(), f"{page} is missing: run `make web`"
    base = default_home().parent if os.geteuid() == 0 else Path(tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="browser-", dir=base))
    home.chmod(0o755)
    program = subprocess.Popen(
        [sys.executable, "-m", "siyu", "demo", "--bare"],
        env={
            **os.environ,
            "SIYU_DATA_DIR": str(home),
            "SIYU_PORT": "18080",
            "SIYU_SANDBOX_PORT": "18180",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        line = next((text for text in program.stdout if text.startswith("{")), "")
        assert line, "the demo did not start"
        yield msgspec.convert(json.loads(line), Installation)
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(30)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        found = shutil.which("chromium")
        assert found, "Chromium is missing: run `make system`"
        browser = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        await browser.close()


class Watched:
    """What a page must not do: ask foreign hosts, or complain."""

    def __init__(self, context: BrowserContext, own: tuple[str, ...]) -> None:
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        context.on(
            "request",
            lambda request: (
                self.foreign.append(request.url)
                if request.url.startswith("http") and not request.url.startswith(own)
                else None
            ),
        )
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))


@pytest.fixture
async def context(chromium: Browser, installation: Installation) -> AsyncIterator[BrowserContext]:
    """A fresh browser profile at desktop width; afterwards nothing foreign may have been asked."""
    made = await chromium.new_context(
        viewport={"width": 1440, "height": 900}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    watched = Watched(made, (installation.shop_url, installation.sandbox_url))
    yield made
    await made.close()
    assert watched.foreign == []
    assert watched.complaints == []


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    """A page of that profile."""
    return await context.new_page()


async def sign_in(page: Page, installation: Installation) -> None:
    """Log in to the console with the demo's account."""
    await page.goto(f"{installation.shop_url}/console/login")
    inputs = page.locator("form input")
    await inputs.nth(0).fill(installation.login_name)
    await inputs.nth(1).fill(installation.password)
    await page.locator("form button[type=submit]").click()
    await page.wait_for_url(f"{installation.shop_url}/console/", timeout=60_000)
    await asyncio.sleep(0)
