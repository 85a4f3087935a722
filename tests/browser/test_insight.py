"""Figures and behaviour in a real browser: from the north star down to a draft, from a funnel to
the people who left it."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Installation, sign_in

PATIENCE = 20_000  # ms; several programs share the machine


@pytest.fixture(scope="session")
def history(installation: Installation) -> None:
    """Sixty days of the tea shop, as the demo tells them."""
    subprocess.run(
        [sys.executable, "-m", "siyu.app.demo_history", installation.shop],
        env={**os.environ, "SIYU_DATA_DIR": installation.data_dir},
        check=True,
        timeout=120,
    )


@pytest.fixture
async def inside(page: Page, installation: Installation, history: None) -> AsyncIterator[Page]:
    """A page whose owner is logged in."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    await sign_in(page, installation)
    yield page


async def visit(page: Page, installation: Installation, path: str) -> None:
    await page.goto(f"{installation.shop_url}/console{path}")


async def test_from_the_north_star_to_a_draft(inside: Page, installation: Installation) -> None:
    await visit(inside, installation, "/north-star")
    await expect(inside.get_by_role("heading", name="指标树")).to_be_visible()
    await expect(inside.locator(".tree .node")).to_have_count(16)
    await inside.locator(".tree").get_by_role("link", name="下单转化率").click()
    await expect(inside.get_by_role("heading", name="下单转化率")).to_be_visible()
    await expect(inside.get_by_text("人数(支付订单且浏览行为) ÷ 人数(浏览行为)")).to_be_visible()
    await visit(inside, installation, "/metrics")
    await inside.get_by_placeholder("搜索指标、口径").fill("裂变")
    await expect(inside.locator(".rows li")).to_have_count(1)
    await expect(inside.get_by_text("尚无数据")).to_be_visible()
    await visit(inside, installation, "/diagnosis")
    await inside.locator(".checks .cause").get_by_role("button", name="起草实验").click()
    await inside.wait_for_url("**/experiments/*")
    await expect(inside.get_by_text("草稿", exact=True).first).to_be_visible()


async def test_from_a_funnel_to_the_people_who_left(
    inside: Page, installation: Installation
) -> None:
    await visit(inside, installation, "/ask")
    stages = inside.locator(".stages li")
    await expect(stages).to_have_count(3)
    await stages.first.get_by_role("button", name="离开的人存为人群").click()
    await inside.get_by_placeholder("人群名称").fill("看过没加购")
    await inside.locator(".t-dialog__confirm >> visible=true").first.click()
    await expect(inside.get_by_text("已存为人群")).to_be_visible()
    await inside.get_by_role("button", name="导出").click()
    async with inside.expect_download() as kept:
        await inside.locator(".t-dropdown__item", has_text="CSV").click()
    text = Path(await (await kept.value).path()).read_text("utf-8-sig")
    rows = list(csv.reader(text.splitlines()))
    assert len(rows) == 4
    assert int(rows[1][1].replace(",", "")) > int(rows[3][1].replace(",", "")) > 0
    await visit(inside, installation, "/segments")
    await expect(inside.get_by_text("看过没加购")).to_be_visible()
    await visit(inside, installation, "/north-star")
    await inside.locator(".tree").get_by_role("link", name="下单转化率").click()
    await expect(inside.get_by_text("看过没加购")).to_be_visible()


async def test_weeks_of_retention_a_heat_map_and_a_board(
    inside: Page, installation: Installation
) -> None:
    step = {"event": "any.active", "where": []}
    question = {
        "kind": "retention", "period": {"last_days": 56}, "people": None, "where": [],
        "birth": step, "back": step, "unit": "week", "periods": 4, "within": True,
    }  # fmt: skip
    await inside.goto(f"{installation.shop_url}/console/ask?kind=retention")
    await expect(inside.locator(".matrix tbody tr").first).to_be_visible()
    await inside.goto(f"{installation.shop_url}/console/ask?q={json.dumps(question)}")
    await expect(inside.locator(".matrix thead")).to_contain_text("4 周")
    await visit(inside, installation, "/ask?kind=heat")
    await expect(inside.locator(".list").get_by_text("爆品区")).to_be_visible()
    await visit(inside, installation, "/boards")
    await inside.get_by_text("从看到买").click()
    await expect(inside.locator(".answer")).to_have_count(3)
    await visit(inside, installation, "/digests")
    await expect(inside.locator("article").first).to_be_visible()
