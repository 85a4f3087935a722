"""What the doctor examines of one shop's WeChat: clock, mini-program, pay keys, notifications."""

import httpx

from siyu.app.doctor_checks import Finding, Patient, State, Text, ok
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatNotSet
from siyu.wechat.mini_program import service as mini_program
from siyu.wechat.mini_program.contracts import MiniProgramUnavailable
from siyu.wechat.pay import service as pay
from siyu.wechat.transport import service as transport
from siyu.wechat.transport.contracts import ChannelUnusable, WeChatError

SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 30, 240
"""WeChat refuses requests that are 5 minutes off (pay v3); 30 s are alarmed (F020)."""
UNKNOWN_NUMBER = "siyudoctor000000"
"""An out_trade_no that no shop hands out: asking for it proves keys and moves nothing."""
NO_SHOP = Finding("skip", ("未指定店铺", "No shop was named"))


async def check_clock(patient: Patient) -> Finding:
    """Our clock against the Date of WeChat's answer (F020)."""
    settings = patient.settings
    sandbox = patient.wechat is not None and patient.wechat.environment is Environment.SANDBOX
    base_url = settings.sandbox_url if sandbox else settings.wechat_pay_url
    skew = await transport.check_clock(base_url) if base_url else None
    if skew is None:
        return Finding(
            "fail",
            ("连不上微信服务器", "WeChat's server does not answer"),
            (
                f"检查网络、DNS 和防火墙能否访问 {base_url}",
                f"Check network, DNS and firewall towards {base_url}",
            ),
        )
    found = (f"与微信相差 {skew:+.0f} 秒", f"{skew:+.0f} s from WeChat's clock")
    if abs(skew) <= SKEW_WARN_SECONDS:
        return Finding("ok", found)
    state: State = "fail" if abs(skew) > SKEW_FAIL_SECONDS else "warn"
    return Finding(state, found, ("用 NTP 校准服务器时间", "Set the server's clock by NTP"))


def _unset(error: WeChatNotSet | ChannelUnusable) -> Finding:
    names = error.details.get("setting") or error.details.get("missing")
    return Finding(
        "skip" if isinstance(error, WeChatNotSet) else "fail",
        (f"未填写或格式不对：{names}", f"Missing or malformed: {names}"),
        ("在 设置 → 微信 中填写", "Fill it in under Settings → WeChat"),
    )


async def check_mini_program(patient: Patient) -> Finding:
    """App id and secret, by a real call for an access token."""
    if patient.shop is None:
        return NO_SHOP
    try:
        async with reading(patient.shop.shop_id) as tx:
            credentials = await shops.mini_program_credentials(tx)
        await mini_program.check_secret(credentials)
    except (WeChatNotSet, ChannelUnusable) as error:
        return _unset(error)
    except (WeChatError, MiniProgramUnavailable) as error:
        code = str(getattr(error, "code", ""))
        if isinstance(error, MiniProgramUnavailable):
            code = str(error.details.get("wechat_code", ""))
        return Finding(
            "fail",
            (f"微信拒绝了小程序凭证：{code}", f"WeChat refused the app's credentials: {code}"),
            _MINI_STEPS.get(
                code,
                (
                    "核对 AppID 和 AppSecret，稍后再试",
                    "Compare AppID and AppSecret, and try again later",
                ),
            ),
        )
    return ok(f"{credentials.appid} 可获取接口凭证", f"{credentials.appid} gets access tokens")


_MINI_STEPS: dict[str, Text] = {
    "40013": ("AppID 不正确", "The AppID is wrong"),
    "40125": ("AppSecret 不正确，可在微信公众平台重置", "The AppSecret is wrong; reset it"),
    "40164": (
        "在微信公众平台把本服务器 IP 加入白名单",
        "Put this server's IP on the white list of the WeChat platform",
    ),
    "40243": ("AppSecret 已被冻结，请解冻", "The AppSecret is frozen; thaw it"),
}


async def check_pay(patient: Patient) -> Finding:
    """Merchant number, certificate, private key and public key, by one signed query."""
    if patient.shop is None:
        return NO_SHOP
    try:
        async with reading(patient.shop.shop_id) as tx:
            credentials = await shops.pay_credentials(tx)
        trade = await pay.query(credentials, UNKNOWN_NUMBER)
    except (WeChatNotSet, ChannelUnusable) as error:
        return _unset(error)
    except WeChatError as error:
        return Finding(
            "fail",
            (f"微信支付：{error.code}", f"WeChat Pay: {error.code}"),
            _PAY_STEPS.get(
                error.code,
                (
                    f"按微信支付的提示处理，请求号 {error.request_id or '—'}",
                    f"See WeChat Pay's advice, request {error.request_id or '—'}",
                ),
            ),
        )
    assert trade is None, "nobody orders under the doctor's number"
    if not credentials.public_key_id:
        return Finding(
            "warn",
            (
                f"商户号 {credentials.mchid} 可用，使用平台证书",
                f"Merchant {credentials.mchid} works, by platform certificate",
            ),
            (
                "建议在商户平台申请微信支付公钥并填写",
                "Better apply for the WeChat Pay public key and fill it in",
            ),
        )
    return ok(
        f"商户号 {credentials.mchid} 签名与验签通过",
        f"Merchant {credentials.mchid}: signatures are right both ways",
    )


_PAY_STEPS: dict[str, Text] = {
    "SIGN_ERROR": (
        "核对商户证书序列号与私钥是否为同一张证书",
        "Compare certificate serial and private key: they must be of one certificate",
    ),
    "BAD_SIGNATURE": (
        "核对微信支付公钥 ID 与公钥",
        "Compare the WeChat Pay public key with its id",
    ),
    "NO_AUTH": (
        "在商户平台开通产品并关联小程序 AppID",
        "Open the product on the merchant platform and bind the AppID",
    ),
    "NO_ANSWER": ("检查服务器能否访问微信支付", "Check that this server reaches WeChat Pay"),
}


async def check_callback(patient: Patient) -> Finding:
    """The notification address answers from outside, and refuses a forged message."""
    if patient.shop is None:
        return NO_SHOP
    if patient.wechat is None or patient.wechat.mchid is None:
        return Finding("skip", ("尚未设置商户号", "No merchant number is set"))
    url = f"{patient.settings.public_url}/callback/wechat/pay/{patient.shop.shop_id}"
    real = patient.wechat.environment is Environment.REAL
    if real and not url.startswith("https://"):
        return Finding(
            "fail",
            (f"{url} 不是 https", f"{url} is not https"),
            ("微信支付只通知 https 地址", "WeChat Pay notifies https addresses only"),
        )
    forged = {
        "Wechatpay-Serial": patient.wechat.public_key_id or "0",
        "Wechatpay-Signature": "c2l5dQ==",
        "Wechatpay-Timestamp": str(int(clock.now().timestamp())),
        "Wechatpay-Nonce": "siyudoctor",
    }
    try:
        async with httpx.AsyncClient(timeout=8) as client:
            answer = await client.post(url, content=b"{}", headers=forged)
    except httpx.HTTPError as error:
        return Finding(
            "fail",
            (f"{url} 无法访问：{type(error).__name__}", f"{url}: {type(error).__name__}"),
            (
                "检查 public_url、域名解析、证书和反向代理",
                "Check public_url, DNS, certificate and reverse proxy",
            ),
        )
    status = answer.status_code
    if status in (400, 401, 403):
        return ok(f"{url} 拒绝了伪造的通知", f"{url} refused a forged notification")
    if status < 300:
        step = (
            "通知被别的程序接收，请检查反向代理",
            "Another program takes the notifications; check the reverse proxy",
        )
    else:
        step = (
            "检查反向代理是否把 /callback 转给 siyu",
            "Check that the reverse proxy passes /callback to siyu",
        )
    return Finding("fail", (f"{url} 回答 {status}", f"{url} answers {status}"), step)
