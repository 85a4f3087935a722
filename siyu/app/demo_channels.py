"""How the demo shop reaches people: its official account, its corporation, and some who let it."""

import base64
import secrets
from pathlib import Path
from typing import Any

import httpx

from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.sandbox.client import SandboxClient
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.mini_program.contracts import PushChange
from siyu.wechat.official_account import service as official_account
from siyu.wechat.official_account.contracts import AccountChange
from siyu.wechat.transport.contracts import Environment, PushKeys
from siyu.wechat.wecom import service as wecom
from siyu.wechat.wecom.contracts import CorpChange


async def connect(shop_id: ShopId, appid: str, public_url: str, sandbox: SandboxClient) -> None:
    """Configure the three accounts as the sandbox has them, and have it push to this program."""
    official = (await sandbox.accounts("official_account"))[0]
    corp = (await sandbox.accounts("wecom"))[0]
    name = (await sandbox.call("GET", "/apps"))[0]["name"]
    for one, called in ((official, f"{name}服务号"), (corp, name)):
        await sandbox.call("PATCH", f"/apps/{one['account']}", {"name": called})
    async with reading(shop_id) as tx:
        keys = await mini_program.get_push_keys(tx)
    if keys is None:
        keys = PushKeys(token=secrets.token_hex(12), encoding_aes_key=_aes_key(), receiver=appid)
        await _configure(shop_id, keys, official, corp)
    for account, path in (
        (appid, "wechat/mini-program"),
        (official["account"], "wechat/official-account"),
        (corp["account"], "wecom"),
    ):
        url = f"{public_url}/callback/{path}/{shop_id}"
        await sandbox.set_push(account, url, keys.token, keys.encoding_aes_key)


def _aes_key() -> str:
    """43 letters and digits that stand for 32 bytes."""
    while True:
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if key.isalnum():
            return key


async def _configure(
    shop_id: ShopId, keys: PushKeys, official: dict[str, Any], corp: dict[str, Any]
) -> None:
    proof = {"token": keys.token, "encoding_aes_key": keys.encoding_aes_key}
    async with transaction(shop_id) as tx:
        await mini_program.set_push(tx, System(), PushChange(appid=keys.receiver, **proof))
        await official_account.set_settings(
            tx,
            System(),
            AccountChange(
                environment=Environment.SANDBOX,
                appid=official["account"],
                secret=official["secret"],
                **proof,
            ),
        )
        await wecom.set_settings(
            tx,
            System(),
            CorpChange(
                environment=Environment.SANDBOX,
                corp_id=corp["account"],
                agent_id=corp["agent_id"],
                secret=corp["secret"],
                **proof,
            ),
        )


async def meet(public_url: str, sandbox_url: str, appid: str, shop: str, told: Path) -> None:
    """Once: people of the phone become members, follow, agree to messages, ask and add staff."""
    if told.exists():
        return
    async with (
        SandboxClient(sandbox_url) as sandbox,
        httpx.AsyncClient(base_url=public_url, trust_env=False, timeout=30) as http,
    ):
        official = (await sandbox.accounts("official_account"))[0]["account"]
        corp = (await sandbox.accounts("wecom"))[0]["account"]
        templates = list((await sandbox.templates(appid)).values())
        for number, person in enumerate(("p1", "p2", "p3", "p4", "p5")):
            code = await sandbox.login_code(person, appid)
            answer = await http.post(
                "/shop/v1/login",
                json={"code": code, "platform": "h5", "visitor": None},
                headers={"X-Siyu-Shop": shop},
            )
            answer.raise_for_status()
            if number != 3:
                await sandbox.follow(person, official, "desk" if number % 2 else "")
            await sandbox.answer_subscription(person, appid, templates[:3], templates[:2])
            if number < 3:
                await sandbox.add_staff(person, corp, ("xiaoyu", "ajian")[number % 2], "store")
        await sandbox.say("p1", f"oa:{official}", "今年的明前龙井什么时候有？")
        await sandbox.say("p2", f"care:{appid}", "我的包裹到哪里了？")
    told.touch()
