"""The doctor: tests every setting for real and names the next step of whatever is not right.

`check()` is one function for the console's page and for `siyu doctor`. A check never raises: what
it cannot do is a finding too. Secrets and personal data are in no finding.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request

from siyu.app import doctor_channels as channel_checks
from siyu.app import doctor_checks as checks
from siyu.app import doctor_money as money_checks
from siyu.app import doctor_wechat as wechat_checks
from siyu.app.doctor_checks import Finding, Patient, State, Text
from siyu.kernel import clock, config
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading
from siyu.kernel.errors import SiyuError
from siyu.kernel.http import get, staff
from siyu.kernel.i18n import Language, language_of
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import ShopNotFound

CHECK_SECONDS = 20


class Item(msgspec.Struct, frozen=True):
    """One finding; next_step is what to do about it."""

    key: str
    title: str
    state: State
    found: str
    next_step: str | None


class Report(msgspec.Struct, frozen=True):
    """All findings of one visit."""

    checked_at: datetime
    items: list[Item]


CHECKS: tuple[tuple[str, Text, Callable[[Patient], Awaitable[Finding]]], ...] = (
    ("database", ("数据库", "Database"), checks.check_database),
    ("fences", ("店铺隔离", "Fences between shops"), checks.check_fences),
    ("migrations", ("数据库升级", "Migrations"), checks.check_migrations),
    ("keys", ("密钥文件", "Key file"), checks.check_keys),
    ("storage", ("数据与图片目录", "Data and media folders"), checks.check_storage),
    ("worker", ("后台进程", "Worker"), checks.check_worker),
    ("address", ("访问地址", "Public address"), checks.check_address),
    ("clock", ("服务器时间", "Clock"), wechat_checks.check_clock),
    ("mini_program", ("小程序", "Mini-program"), wechat_checks.check_mini_program),
    ("pay", ("微信支付", "WeChat Pay"), wechat_checks.check_pay),
    ("callback", ("支付通知地址", "Payment notifications"), wechat_checks.check_callback),
    ("official_account", ("公众号", "Official account"), channel_checks.check_official_account),
    ("wecom", ("企业微信", "WeCom"), channel_checks.check_wecom),
    ("push", ("消息推送地址", "Pushed messages"), channel_checks.check_push),
    ("reconciliation", ("对账", "Reconciliation"), money_checks.check_reconciliation),
    ("stored_value", ("储值资质", "Stored value"), money_checks.check_stored_value),
    ("events", ("行为事件仓", "Event warehouse"), checks.check_events),
    ("backups", ("备份", "Backups"), checks.check_backups),
)


async def _run(check: Callable[[Patient], Awaitable[Finding]], patient: Patient) -> Finding:
    try:
        return await asyncio.wait_for(check(patient), CHECK_SECONDS)
    except TimeoutError:
        return Finding(
            "fail",
            (f"{CHECK_SECONDS} 秒内没有结果", f"No result within {CHECK_SECONDS} s"),
            ("检查网络和数据库负载", "Check the network and the load of the database"),
        )
    except Exception as error:
        # A check that breaks is a finding; its text may hold secrets, so only the kind is told.
        kind = error.code if isinstance(error, SiyuError) else type(error).__name__
        return Finding(
            "fail",
            (f"检查出错：{kind}", f"The check failed: {kind}"),
            ("查看日志", "See the log"),
        )


async def check(shop_code: str | None, language: Language = "zh-CN") -> Report:
    """Examine the installation, and the WeChat of one shop when named. Raises ShopNotFound.

    Opens its own transactions and speaks with WeChat; call it outside any transaction.
    """
    shop, wechat = None, None
    if shop_code is not None:
        shop = await shops.resolve_shop(shop_code)
        if shop is None:
            raise ShopNotFound(shop_code=shop_code)
        async with reading(shop.shop_id) as tx:
            wechat = await shops.get_wechat(tx)
    patient = Patient(config.settings(), shop, wechat)
    findings = await asyncio.gather(*(_run(function, patient) for _, _, function in CHECKS))
    spoken = 0 if language == "zh-CN" else 1
    return Report(
        clock.now(),
        [
            Item(
                key,
                title[spoken],
                finding.state,
                finding.found[spoken],
                finding.next_step[spoken] if finding.next_step else None,
            )
            for (key, title, _), finding in zip(CHECKS, findings, strict=True)
        ],
    )


@get("/doctor", access=staff("shop.write"))
async def show_doctor(staff: StaffIdentity, request: Request[Any, Any, Any]) -> Report:
    """Every setting tested now, with the next step of whatever is not right."""
    async with reading(staff.shop_id) as tx:
        code = (await shops.get_shop(tx)).code
    return await check(code, language_of(request.headers.get("accept-language")))


routes = [show_doctor]
