"""Makes the pictures of the READMEs from a running `siyu demo` (`make pictures`).

Usage: python tools/pictures.py [CONSOLE_URL SANDBOX_URL]; the login is read from the demo's folder.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright

from siyu.kernel import config

OUT = Path("docs/pictures")
SHOP = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
SANDBOX = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8090"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


async def main() -> None:
    login = json.loads((config.load().data_dir / "demo" / "demo-login.json").read_text())
    OUT.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        context = await browser.new_context(
            viewport={"width": 1440, "height": 900},
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            device_scale_factor=1.5,
        )
        page = await context.new_page()
        await page.goto(f"{SHOP}/console/login")
        inputs = page.locator("form input")
        await inputs.nth(0).fill(login["login_name"])
        await inputs.nth(1).fill(login["password"])
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{SHOP}/console/")
        await page.evaluate("localStorage.setItem('siyu.shop', 'retail')")
        await page.goto(f"{SHOP}/console/")
        await page.wait_for_selector(".funnel")
        await page.wait_for_timeout(2500)
        await page.screenshot(path=OUT / "console.png", full_page=False)

        credentials = await (await context.request.get(f"{SANDBOX}/_sandbox/credentials")).json()
        await page.goto(f"{SANDBOX}/phone/?person=p1&open={credentials['appid']}")
        await page.wait_for_timeout(6000)
        await page.screenshot(path=OUT / "shop.png")
        await browser.close()
    for name in ("console", "shop"):
        picture = Image.open(OUT / f"{name}.png").convert("RGB")
        picture.thumbnail((1440, 1440))
        picture.quantize(255).save(OUT / f"{name}.png", optimize=True)
        print(OUT / f"{name}.png", (OUT / f"{name}.png").stat().st_size // 1024, "KB")


asyncio.run(main())
