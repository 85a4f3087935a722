"""What the doctor examines of reaching people: official account, WeCom, pushed messages."""

import secrets

import httpx

from siyu.app.doctor_checks import Finding, Patient, Text, ok
from siyu.app.doctor_wechat import NO_SHOP
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.official_account import service as official_account
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ConnectionCheck, PushKeys
from siyu.wechat.wecom import service as wecom

_STEPS: dict[str, Text] = {
    "40001": ("Secret 不正确，请核对或重置", "The secret is wrong; compare or reset it"),
    "40013": ("AppID 或企业 ID 不正确", "The app id or corp id is wrong"),
    "40125": ("AppSecret 不正确，可在微信公众平台重置", "The AppSecret is wrong; reset it"),
    "40164": (
        "在微信公众平台把本服务器 IP 加入白名单",
        "Put this server's IP on the white list of the WeChat platform",
    ),
    "60020": (
        "在企业微信后台把本服务器 IP 设为企业可信 IP",
        "Make this server's IP a trusted one in WeCom's console",
    ),
}
_OTHER: Text = ("核对设置，稍后再试", "Compare the settings, and try again later")


def _unset(what: Text) -> Finding:
    step = ("在 设置 → 微信 中填写", "Fill it in under Settings → WeChat")
    return Finding("skip", (f"尚未设置{what[0]}", f"No {what[1]} is set up"), step)


def _finding(check: ConnectionCheck, name: str, push_set: bool) -> Finding:
    if not check.works:
        code = check.wechat_code
        return Finding(
            "fail",
            (f"{name} 被拒绝：{code}", f"{name} was refused: {code}"),
            _STEPS.get(code, _OTHER),
        )
    if not push_set:
        return Finding(
            "warn",
            (f"{name} 可用，但收不到用户消息", f"{name} works, but hears nothing of people"),
            ("填写 Token 和 EncodingAESKey", "Fill in token and EncodingAESKey"),
        )
    return ok(f"{name} 可获取接口凭证", f"{name} gets access tokens")


async def check_official_account(patient: Patient) -> Finding:
    """App id and secret of the official account, by a real call."""
    if patient.shop is None:
        return NO_SHOP
    async with reading(patient.shop.shop_id) as tx:
        credentials = await official_account.get_credentials(tx)
        keys = await official_account.get_push_keys(tx)
    if credentials is None:
        return _unset(("公众号", "official account"))
    check = await official_account.check_secret(credentials)
    return _finding(check, credentials.appid, keys is not None)


async def check_wecom(patient: Patient) -> Finding:
    """Corp id and secret, by a real call; and whether its staff may have customers."""
    if patient.shop is None:
        return NO_SHOP
    async with reading(patient.shop.shop_id) as tx:
        credentials = await wecom.get_credentials(tx)
        keys = await wecom.get_push_keys(tx)
    if credentials is None:
        return _unset(("企业微信", "WeCom corporation"))
    check = await wecom.check_secret(credentials)
    if check.works and not await wecom.list_staff(patient.shop.shop_id, credentials):
        return Finding(
            "warn",
            ("没有成员开通客户联系", "No member may have customers"),
            (
                "在企业微信后台 客户联系 → 权限配置 中添加成员",
                "Add members under 客户联系 → 权限配置 in WeCom's console",
            ),
        )
    return _finding(check, credentials.corp_id, keys is not None)


async def check_push(patient: Patient) -> Finding:
    """The addresses of pushed messages answer their check from outside, and refuse a forged one."""
    if patient.shop is None:
        return NO_SHOP
    shop_id, base = patient.shop.shop_id, patient.settings.public_url
    async with reading(shop_id) as tx:
        found = {
            f"{base}/callback/wechat/mini-program/{shop_id}": await mini_program.get_push_keys(tx),
            f"{base}/callback/wechat/official-account/{shop_id}": (
                await official_account.get_push_keys(tx)
            ),
            f"{base}/callback/wecom/{shop_id}": await wecom.get_push_keys(tx),
        }
    known = {url: keys for url, keys in found.items() if keys is not None}
    if not known:
        return _unset(("消息推送", "message push"))
    async with httpx.AsyncClient(timeout=8) as client:
        for url, keys in known.items():
            if problem := await _ask(client, url, keys):
                return Finding(
                    "fail",
                    (f"{url}：{problem}", f"{url}: {problem}"),
                    (
                        "检查 public_url、反向代理是否把 /callback 转给 siyu",
                        "Check public_url, and that the reverse proxy passes /callback to siyu",
                    ),
                )
    return ok(f"{len(known)} 个地址通过校验", f"{len(known)} addresses answer as they should")


async def _ask(client: httpx.AsyncClient, url: str, keys: PushKeys) -> str:
    """Check an address as the platform does, then with a forged signature; "" if all is well."""
    echo, nonce = str(secrets.randbelow(10**12)), secrets.token_hex(4)
    stamp = str(int(clock.now().timestamp()))
    sealed = transport.seal_message(
        keys.encoding_aes_key, echo.encode(), keys.receiver, secrets.token_bytes(16)
    )
    query = {"timestamp": stamp, "nonce": nonce, "echostr": sealed}
    query["msg_signature"] = transport.message_signature(keys.token, stamp, nonce, sealed)
    try:
        answer = await client.get(url, params=query)
        forged = await client.get(url, params=query | {"msg_signature": "0" * 40})
    except httpx.HTTPError as error:
        return type(error).__name__
    if answer.status_code != 200 or answer.text != echo:
        return str(answer.status_code)
    return "" if forged.status_code == 401 else f"forged: {forged.status_code}"
